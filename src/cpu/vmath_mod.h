// Remainders and floored quotients of floats, exact as C's fmod.
#pragma once

#include "vmath_base.h"

namespace rushlight::cpu::RL_ISA {

RL_INLINE float scalar_fmod(float a, float b) { return __builtin_fmodf(a, b); }
RL_INLINE double scalar_fmod(double a, double b) { return __builtin_fmod(a, b); }

template <class T>
RL_COLD Vec<T> fmod_lanes(const Vec<T>& result, const Mask<T>& mask, const Vec<T>& a, const Vec<T>& b) {
  Vec<T> r = result;
  for (int i = 0; i < Vec<T>::size; ++i) {
    if (mask[i]) r.set(i, scalar_fmod(a[i], b[i]));
  }
  return r;
}

// The remainder with the sign of a.
template <class T>
RL_INLINE Vec<T> fmod(Vec<T> a, Vec<T> b) {
  using V = Vec<T>;
  // The rounded quotient is the true one or, next to an integer, one too large; a - q b is exact in either case.
  const V q = trunc(a / b), aa = abs(a), ab = abs(b);
  V r = fma(-q, b, a);
  r = select((r != V(0)) & ((r < V(0)) ^ (a < V(0))), r + copysign(b, a), r);
  r = copysign(r, a);
  const V limit = sizeof(T) == 4 ? T(0x1p22) : T(0x1p51), large = sizeof(T) == 4 ? T(0x1p100) : T(0x1p900);
  const V small = sizeof(T) == 4 ? T(0x1p-100) : T(0x1p-900);
  const Mask<T> usual = (abs(q) < limit) & (aa < large) & (ab < large) & (ab > small);
  if (!all(usual)) [[unlikely]]
    return fmod_lanes<T>(r, ~usual, a, b);
  return r;
}

// The remainder with the sign of b, as Python's %.
template <class T>
RL_INLINE Vec<T> remainder(Vec<T> a, Vec<T> b) {
  const Vec<T> mod = fmod(a, b), zero(0);
  return select((mod != zero) & ((b < zero) ^ (mod < zero)), mod + b, mod);
}

// Python's floor division: exact even where a / b rounds up to an integer.
template <class T>
RL_INLINE Vec<T> floor_divide(Vec<T> a, Vec<T> b) {
  using V = Vec<T>;
  const V mod = fmod(a, b), zero(0), one(1), quotient = a / b;
  V div = (a - mod) / b;
  div = select((mod != zero) & ((b < zero) ^ (mod < zero)), div - one, div);
  const V floored = floor(div);
  const V r = select(div - floored > V(T(0.5)), floored + one, floored);
  return select(b == zero, quotient, select(div == zero, copysign(zero, quotient), r));
}

}  // namespace rushlight::cpu::RL_ISA
