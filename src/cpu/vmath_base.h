// What the vectorised functions share: polynomials, powers of two, lanes redone by the C library.
#pragma once

#include <math.h>

#include "vec.h"

namespace rushlight::cpu::RL_ISA {

// For the rare lanes: kept out of the loops that call it.
#define RL_COLD __attribute__((noinline, cold))

// Layout of an IEEE number and the constant that rounds by its addition: x + kMagic has round(x) in its low bits.
template <class T>
struct Ieee;
template <>
struct Ieee<float> {
  static constexpr int kDigits = 23, kBias = 127;
  static constexpr int32_t kMinNormal = 0x00800000, kInf = 0x7f800000;
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23
  static constexpr int32_t kMagicBits = 0x4b400000;
};
template <>
struct Ieee<double> {
  static constexpr int kDigits = 52, kBias = 1023;
  static constexpr int64_t kMinNormal = int64_t{1} << 52, kInf = int64_t{0x7ff} << 52;
  static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int64_t kMagicBits = 0x4338000000000000;
};

template <class T>
inline constexpr T kInfinity = __builtin_inff();
template <class T>
inline constexpr T kNaN = __builtin_nanf("");

// x > 0, neither denormal nor infinite nor NaN.
template <class T>
RL_INLINE Mask<T> is_positive_normal(Vec<T> x) {
  using L = Ieee<T>;
  using U = UIntOf<T>;
  return bit_cast<U>(as_int(x)) - Vec<U>(static_cast<U>(L::kMinNormal)) <
         Vec<U>(static_cast<U>(L::kInf - L::kMinNormal));
}

// c0 + x*(c1 + x*(c2 + ...))
template <class T>
RL_INLINE Vec<T> poly(Vec<T>, T c0) {
  return c0;
}
template <class T, class... Rest>
RL_INLINE Vec<T> poly(Vec<T> x, T c0, Rest... rest) {
  return mad(poly(x, rest...), x, Vec<T>(c0));
}

// The nearest integer, as a float and in the low bits of an integer that is kMagicBits too large; |x| <= 2^22 (2^51).
template <class T>
struct Rounded {
  Vec<T> value;
  Vec<IntOf<T>> magic_bits;
  RL_INLINE Vec<IntOf<T>> integer() const { return magic_bits - Vec<IntOf<T>>(Ieee<T>::kMagicBits); }
};
// round(x * factor)
template <class T>
RL_INLINE Rounded<T> round_product(Vec<T> x, T factor) {
  const Vec<T> t = mad(x, Vec<T>(factor), Vec<T>(Ieee<T>::kMagic));
  return {t - Vec<T>(Ieee<T>::kMagic), as_int(t)};
}

// p * 2^n for p in about [0.5, 2] and any n that a finite nonzero result can have, one beyond on either side: overflow
// to infinity and denormal results come out of the last product with one rounding.
template <class T>
RL_INLINE Vec<T> scale(Vec<T> p, Rounded<T> n) {
#if RL_AVX512
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_mask_scalef_ps(p.v, 0xffff, p.v, n.value.v));
  else
    return reinterpret_cast<typename Vec<T>::Native>(_mm512_mask_scalef_pd(p.v, 0xff, p.v, n.value.v));
#else
  using L = Ieee<T>;
  using U = UIntOf<T>;
  // Unsigned with a doubled bias, since an arithmetic shift of 64-bit lanes is no instruction before AVX-512.
  const Vec<U> twice = bit_cast<U>(n.magic_bits) - Vec<U>(static_cast<U>(L::kMagicBits) - U{2} * L::kBias);
  const Vec<U> half = twice >> 1, rest = twice - half;
  return p * bit_cast<T>(half << L::kDigits) * bit_cast<T>(rest << L::kDigits);
#endif
}

// 2^n for n in the range of normal numbers.
template <class T>
RL_INLINE Vec<T> power_of_two(Rounded<T> n) {
  using L = Ieee<T>;
  return as_float((n.magic_bits + Vec<IntOf<T>>(L::kBias - L::kMagicBits)) << L::kDigits);
}

// Lanes of `result` in the mask are replaced by f(x), computed one by one in double.
template <class T>
RL_COLD Vec<T> redo_lanes(const Vec<T>& result, const Mask<T>& mask, const Vec<T>& x, double (*f)(double)) {
  Vec<T> r = result;
  for (int i = 0; i < Vec<T>::size; ++i) {
    if (mask[i]) r.set(i, static_cast<T>(f(static_cast<double>(x[i]))));
  }
  return r;
}

}  // namespace rushlight::cpu::RL_ISA
