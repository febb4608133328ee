// The inverse hyperbolic functions: errors up to 2 units in the last place.
#pragma once

#include "vmath_log.h"

namespace rushlight::cpu::RL_ISA {

// From here on x^2 + 1 is x^2, and the result is log(2 x).
template <class T>
inline constexpr T kAreaBig = sizeof(T) == 4 ? T(0x1p14) : T(0x1p30);
template <class T>
inline constexpr T kLn2 = static_cast<T>(0.693147180559945309417);

// What the argument of log1p lost by rounding counts in floats, whose logarithm is less exact.
template <class T>
RL_INLINE Vec<T> asinh(Vec<T> x) {
  const Vec<T> a = abs(x), one(1), zero(0), s = a * a;
  const Mask<T> big = a > Vec<T>(kAreaBig<T>);
  const Pair<T> t = fast_two_sum(a, s / (one + sqrt(s + one)));
  const Vec<T> u = select(big, a - one, t.hi);
  Vec<T> r;
  if constexpr (sizeof(T) == 4)
    r = log1p(u, select(big, zero, t.lo));
  else
    r = log1p(u);
  return copysign(r + select(big, Vec<T>(kLn2<T>), zero), x);
}

template <class T>
RL_INLINE Vec<T> acosh(Vec<T> x) {
  const Vec<T> one(1), zero(0), t = x - one;
  const Mask<T> big = x > Vec<T>(kAreaBig<T>);
  const Vec<T> u = mad(t, t, t + t), root = sqrt(u), s = select(big, t, t + root);
  Vec<T> r;
  if constexpr (sizeof(T) == 4) {
    // Of u, the root and the sum.
    const Vec<T> u_lost = mad(t, t, (t + t) - u);
    const Vec<T> lost = two_sum(t, root).lo + (u_lost - product_error(root, root, u)) / (root + root);
    r = log1p(s, select((t > zero) & ~big, lost, zero));
  } else {
    r = log1p(s);
  }
  return select(x < one, Vec<T>(kNaN<T>), r + select(big, Vec<T>(kLn2<T>), zero));
}

template <class T>
RL_INLINE Vec<T> atanh(Vec<T> x) {
  const Vec<T> a = abs(x), one(1), twice = a + a, rest = one - a;
  const Vec<T> more = twice * (a / rest);
  const Mask<T> small = a < Vec<T>(T(0.5));
  const Vec<T> t = select(small, twice + more, twice / rest);
  Vec<T> r;
  if constexpr (sizeof(T) == 4)
    r = log1p(t, select(small, more - (t - twice), Vec<T>(0)));
  else
    r = log1p(t);
  return copysign(Vec<T>(T(0.5)) * r, x);
}

}  // namespace rushlight::cpu::RL_ISA
