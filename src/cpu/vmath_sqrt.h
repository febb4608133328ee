// Square roots, rounded correctly, without the instruction that takes longest.
#pragma once

#include "vmath_base.h"

namespace rushlight::cpu::RL_ISA {

#if RL_AVX512

// Newton's steps from a reciprocal root of 14 bits, then one with the exact rest x - s^2: right for every float32
// (tested for all digits and both parities of the exponent).
RL_INLINE Vec<float> quick_sqrt(Vec<float> x) {
  using U = uint32_t;
  // 2^-100 <= x < 2^100: nothing underflows.
  const Mask<float> usual = bit_cast<U>(as_int(x)) - Vec<U>(U{27} << 23) < Vec<U>(U{200} << 23);
  const Mask<float> zero = x == Vec<float>(0);
  if (!all(usual | zero)) [[unlikely]]
    return sqrt(x);
  const Vec<float> same = x;
  x = select(zero, Vec<float>(1), x);
  const Vec<float> y = _mm512_maskz_rsqrt14_ps(0xffff, x.v), half(0.5f);
  Vec<float> s = x * y, h = y * half;
  const Vec<float> e = mad(-s, h, half);
  s = mad(s, e, s);
  h = mad(h, e, h);
  return select(zero, same, mad(mad(-s, s, x), h, s));
}

// The last step may be wrong by one place: s is right where s (s - ulp) < x <= s (s + ulp) (Tuckerman).
RL_INLINE Vec<double> quick_sqrt(Vec<double> x) {
  using U = uint64_t;
  using V = Vec<double>;
  // 2^-900 <= x < 2^900
  const Mask<double> usual = bit_cast<U>(as_int(x)) - Vec<U>(U{123} << 52) < Vec<U>(U{1800} << 52);
  const Mask<double> zero = x == V(0);
  if (!all(usual | zero)) [[unlikely]]
    return sqrt(x);
  const V same = x;
  x = select(zero, V(1), x);
  const V y = _mm512_maskz_rsqrt14_pd(0xff, x.v), half(0.5);
  V s = x * y, h = y * half;
  for (int i = 0; i < 2; ++i) {
    const V e = mad(-s, h, half);
    s = mad(s, e, s);
    h = mad(h, e, h);
  }
  s = mad(mad(-s, s, x), h, s);
  const V above = as_float(as_int(s) + Vec<int64_t>(1)), below = as_float(as_int(s) - Vec<int64_t>(1));
  const Mask<double> high = mad(-s, below, x) <= V(0), low = mad(-s, above, x) > V(0);
  return select(zero, same, select(high, below, select(low, above, s)));
}

#else

template <class T>
RL_INLINE Vec<T> quick_sqrt(Vec<T> x) {
  return sqrt(x);
}

#endif

}  // namespace rushlight::cpu::RL_ISA
