// Logarithms.
#pragma once

#include "vmath_base.h"
#include "vmath_tables.h"

namespace rushlight::cpu::RL_ISA {

// x = 2^exponent * m with m in [2/3, 4/3); f = m - 1.
template <class T>
struct LogParts {
  Vec<T> exponent, f;
};
template <class T>
RL_INLINE LogParts<T> log_parts(Vec<T> x) {
  using L = Ieee<T>;
  using I = IntOf<T>;
  using U = UIntOf<T>;
  const Vec<I> start = sizeof(T) == 4 ? static_cast<I>(0x3f2aaaab) : static_cast<I>(0x3fe5555555555555);
  const Vec<I> t = as_int(x) - start;
  const Vec<T> f = as_float((t & Vec<I>((I{1} << L::kDigits) - 1)) + start) - Vec<T>(1);
  if constexpr (sizeof(T) == 4) {
    return {convert<T>(t >> L::kDigits), f};
  } else {
    // Neither the arithmetic shift nor the conversion of 64-bit lanes is an instruction before AVX-512.
    const Vec<U> biased = (bit_cast<U>(t) + Vec<U>(U{1024} << L::kDigits)) >> L::kDigits;
    return {bit_cast<T>(biased | Vec<U>(U{0x4330000000000000})) - Vec<T>(T(4503599627370496.0 + 1024.0)), f};
  }
}

// f - log(1+f) for f in [-1/3, 1/3]: float32 from a polynomial, error relative to log 2^-25; float64 with
// s = f/(2+f), log(1+f) = f - s*(f - s^2 Q(s^2)), 2^-62.
template <class T>
RL_INLINE Vec<T> log_tail(Vec<T> f) {
  if constexpr (sizeof(T) == 4) {
    return (f * f) * -poly(f, -0.5f, 0.333332151f, -0.250015765f, 0.200109378f, -0.166249543f, 0.139769733f,
                           -0.127207786f, 0.142246082f, -0.112758964f);
  } else {
    const Vec<T> s = f / (f + Vec<T>(2)), z = s * s;
    const Vec<T> q = poly(z, 0.66666666666666596, 0.40000000000056346, 0.28571428555911754, 0.22222224286824444,
                          0.18181666460229373, 0.15391092737199316, 0.13173923290353834, 0.13840843041326767);
    return s * (f - z * q);
  }
}

enum class LogBase { kE, k2, k10 };

// exponent*log(2) + f - tail in the given base, for |exponent| < 2^12.
template <LogBase Base, class T>
RL_INLINE Vec<T> log_from_parts(LogParts<T> p, Vec<T> tail) {
  if constexpr (Base == LogBase::kE) {
    // float32 ln2 is right to 28 digits.
    if constexpr (sizeof(T) == 4)
      return mad(p.exponent, Vec<T>(0.693147181f), p.f - tail);
    else
      return mad(p.exponent, Vec<T>(0x1.62e42fefa38p-1), p.f - mad(p.exponent, Vec<T>(-0x1.ef35793c7673p-45), tail));
  } else {
    // 1 / log(base) and log(2) / log(base) in two parts each.
    constexpr bool two = Base == LogBase::k2, f32 = sizeof(T) == 4;
    const Vec<T> hi = static_cast<T>(two ? (f32 ? 0x1.715476p+0 : 0x1.71547652b82fep+0)
                                         : (f32 ? 0x1.bcb7b2p-2 : 0x1.bcb7b1526e50ep-2));
    const Vec<T> lo = static_cast<T>(two ? (f32 ? 0x1.4ae0cp-26 : 0x1.777d0ffda0d24p-56)
                                         : (f32 ? -0x1.5b235ep-27 : 0x1.95355baaafad3p-57));
    const Vec<T> low = mad(p.f, lo, -(tail * hi));
    if constexpr (two) {
      return fma(p.f, hi, low) + p.exponent;
    } else {
      const Vec<T> e_hi = static_cast<T>(f32 ? 0x1.344p-2 : 0x1.34413509f78p-2);
      const Vec<T> e_lo = static_cast<T>(f32 ? 0x1.3509f8p-18 : 0x1.fef311f12b358p-46);
      return mad(p.exponent, e_hi, fma(p.f, hi, mad(p.exponent, e_lo, low)));
    }
  }
}

template <LogBase Base, class T>
RL_INLINE Vec<T> log_from_parts(LogParts<T> p) {
  return log_from_parts<Base>(p, log_tail(p.f));
}

// exponent*log(2) + log(1+f+lost) with some 8 digits (float: 5) more than the type has; lost in the last digits of f.
template <class T>
RL_INLINE Pair<T> log_pair(LogParts<T> p, Vec<T> lost) {
  constexpr T hi = sizeof(T) == 4 ? T(0x1.62e4p-1) : T(0x1.62e42fefa38p-1);
  constexpr T lo = sizeof(T) == 4 ? T(0x1.7f7d1cp-20) : T(0x1.ef35793c7673p-45);
  const Vec<T> low = mad(p.exponent, Vec<T>(lo), mad(-lost, p.f, lost) - log_tail(p.f));
  const Pair<T> s = fast_two_sum(p.exponent * Vec<T>(hi), p.f);
  return fast_two_sum(s.hi, s.lo + low);
}
// log x for normal positive x.
template <class T>
RL_INLINE Pair<T> log_pair(Vec<T> x) {
  return log_pair(log_parts(x), Vec<T>(0));
}

// Zero, denormal, negative, infinite and NaN arguments.
template <LogBase Base, class T>
RL_COLD Vec<T> log_special(Vec<T> x) {
  constexpr int kShift = Ieee<T>::kDigits + 1;
  LogParts<T> p = log_parts(x * Vec<T>(static_cast<T>(uint64_t{1} << kShift)));
  p.exponent -= Vec<T>(T(kShift));
  Vec<T> r = log_from_parts<Base>(p);
  r = select(x == Vec<T>(0), Vec<T>(-kInfinity<T>), r);
  r = select(x < Vec<T>(0), Vec<T>(kNaN<T>), r);
  return select(x < Vec<T>(kInfinity<T>), r, x);
}

#if RL_AVX512
// x = 2^e m, f = m / c - 1: log x = e log 2 + log c + log(1+f), |f| <= 1/64; relative error 2^-29.
template <LogBase Base>
RL_INLINE Vec<float> log_table(Vec<float> x) {
  using V = Vec<float>;
  const Vec<int32_t> start(0x3f3e0000), t = as_int(x) - start;
  const V e = convert<float>(t >> 23), m = as_float((t & Vec<int32_t>(0x7fffff)) + start);
  const Vec<int32_t> i = t >> 18;
  const V f = mad(m, lookup<32>(kLogReciprocal, i), V(-1));
  const V c = lookup<32>(kLogTable[static_cast<int>(Base)], i);
  if constexpr (Base == LogBase::kE) {
    const V q = poly(f, -0.5f, 0.333383143f, -0.250051886f);
    return mad(f * f, q, f) + mad(e, V(0.693147181f), c);
  } else if constexpr (Base == LogBase::k2) {
    const V q = poly(f, 1.70220602e-08f, -0.721347511f, 0.480970234f, -0.360748619f);
    return mad(f, V(1.44269502f), mad(f, q, e + c));
  } else {
    const V q = poly(f, -1.07766258e-08f, -0.217147246f, 0.144786462f, -0.108596161f);
    return mad(e, V(0x1.344p-2f), mad(f, V(0.434294492f), mad(e, V(0x1.3509f8p-18f), mad(f, q, c))));
  }
}
#endif

template <LogBase Base, class T>
RL_INLINE Vec<T> log_of(Vec<T> x) {
  Vec<T> y;
#if RL_AVX512
  if constexpr (sizeof(T) == 4)
    y = log_table<Base>(x);
  else
    y = log_from_parts<Base>(log_parts(x));
#else
  y = log_from_parts<Base>(log_parts(x));
#endif
  const Mask<T> special = ~is_positive_normal(x);
  if (any(special)) [[unlikely]]
    return select(special, log_special<Base>(x), y);
  return y;
}

template <class T>
RL_INLINE Vec<T> log(Vec<T> x) {
  return log_of<LogBase::kE>(x);
}
template <class T>
RL_INLINE Vec<T> log2(Vec<T> x) {
  return log_of<LogBase::k2>(x);
}
template <class T>
RL_INLINE Vec<T> log10(Vec<T> x) {
  return log_of<LogBase::k10>(x);
}

// 2^-e for u = 2^e m as log_parts cuts it.
template <class T>
RL_INLINE Vec<T> log_scale(Vec<T> u) {
  using L = Ieee<T>;
  using I = IntOf<T>;
  const Vec<I> start = sizeof(T) == 4 ? static_cast<I>(0x3f2aaaab) : static_cast<I>(0x3fe5555555555555);
  const Vec<I> exponent_bits = (as_int(u) - start) & Vec<I>(static_cast<I>(~((I{1} << L::kDigits) - 1)));
  return as_float(Vec<I>(static_cast<I>(I{L::kBias} << L::kDigits)) - exponent_bits);
}

// log(1 + x), or log(1 + x + low) where x has lost low by rounding.
template <class T, class... Low>
RL_INLINE Vec<T> log1p(Vec<T> x, Low... low) {
  // The exponent of 1+x, and with it f from x itself: (1+x) 2^-e - 1 = x 2^-e + (2^-e - 1).
  const Vec<T> u = x + Vec<T>(1), s = log_scale(u);
  const LogParts<T> p = {log_parts(u).exponent, mad(x, s, s - Vec<T>(1))};
  Vec<T> tail = log_tail(p.f);
  if constexpr (sizeof...(low)) tail -= (low + ...) / u;
  const Vec<T> y = log_from_parts<LogBase::kE>(p, tail);
  const Vec<T> big = sizeof(T) == 4 ? T(0x1p60) : T(0x1p100);
  const Mask<T> usual = (x > Vec<T>(T(-1))) & (x < big);
  if (!all(usual)) [[unlikely]] {
    Vec<T> r = log(x);  // x + 1 == x from `big` on; NaN for x < -1
    r = select(x == Vec<T>(T(-1)), Vec<T>(-kInfinity<T>), r);
    return select(usual, select(x == Vec<T>(0), x, y), r);
  }
  return select(x == Vec<T>(0), x, y);
}

// log(1 + x) for -1 < x < 2^60.
template <class T>
RL_INLINE Pair<T> log1p_pair(Vec<T> x) {
  const Vec<T> u = x + Vec<T>(1), s = log_scale(u);
  const Pair<T> f = two_sum(x * s, s - Vec<T>(1));
  return log_pair(LogParts<T>{log_parts(u).exponent, f.hi}, f.lo);
}

}  // namespace rushlight::cpu::RL_ISA
