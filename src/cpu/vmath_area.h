// The inverse hyperbolic functions: errors up to 2.04 units in the last place (acosh of floats).
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
  const Vec<T> u = mad(t, t, t + t), root = sqrt(u), s = t + root;
  Vec<T> r = log1p(select(big, t, s)) + select(big, Vec<T>(kLn2<T>), Vec<T>(0));
  if constexpr (sizeof(T) == 4) {
    // What the root and the sum lost by rounding: log1p(s + d) = log1p(s) + d / (1 + s).
    const Vec<T> lost = two_sum(t, root).lo - product_error(root, root, u) / (root + root);
    r = select((t > Vec<T>(0)) & ~big, r + lost / (one + s), r);
  }
  return select(x < one, Vec<T>(kNaN<T>), r);
}

template <class T>
RL_INLINE Vec<T> atanh(Vec<T> x) {
  const Vec<T> a = abs(x), one(1), twice = a + a, rest = one - a;
  const Vec<T> more = twice * (a / rest);
  const Mask<T> small = a < Vec<T>(T(0.5));
  const Vec<T> t = select(small, twice + more, twice / rest);
  Vec<T> r = log1p(t);
  if constexpr (sizeof(T) == 4) r += select(small, (more - (t - twice)) * rest / (one + a), Vec<T>(0));
  return copysign(Vec<T>(T(0.5)) * r, x);
}

}  // namespace rushlight::cpu::RL_ISA
