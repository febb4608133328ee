// The inverse hyperbolic functions.
#pragma once

#include "vmath_log.h"

namespace rushlight::cpu::RL_ISA {

// From here on x^2 + 1 is x^2, and the result is log(2 x).
template <class T>
inline constexpr T kAreaBig = sizeof(T) == 4 ? T(0x1p14) : T(0x1p30);
template <class T>
inline constexpr T kLn2 = static_cast<T>(0.693147180559945309417);

template <class T>
RL_INLINE Vec<T> asinh(Vec<T> x) {
  const Vec<T> a = abs(x), one(1), s = a * a;
  const Mask<T> big = a > Vec<T>(kAreaBig<T>);
  const Vec<T> t = select(big, a - one, a + s / (one + sqrt(s + one)));
  return copysign(log1p(t) + select(big, Vec<T>(kLn2<T>), Vec<T>(0)), x);
}

template <class T>
RL_INLINE Vec<T> acosh(Vec<T> x) {
  const Vec<T> one(1), t = x - one;
  const Mask<T> big = x > Vec<T>(kAreaBig<T>);
  const Vec<T> r = log1p(select(big, t, t + sqrt(t * (x + one)))) + select(big, Vec<T>(kLn2<T>), Vec<T>(0));
  return select(x < one, Vec<T>(kNaN<T>), r);
}

template <class T>
RL_INLINE Vec<T> atanh(Vec<T> x) {
  const Vec<T> a = abs(x), one(1), twice = a + a, rest = one - a;
  const Vec<T> t = select(a < Vec<T>(T(0.5)), mad(twice, a / rest, twice), twice / rest);
  return copysign(Vec<T>(T(0.5)) * log1p(t), x);
}

}  // namespace rushlight::cpu::RL_ISA
