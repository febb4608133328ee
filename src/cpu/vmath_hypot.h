// Functions of two operands made of those of one: hypot, logaddexp, xlogy.
#pragma once

#include "vmath_exp.h"
#include "vmath_log.h"

namespace rushlight::cpu::RL_ISA {

// sqrt(x^2 + y^2) as C's hypot: infinite if either is, even beside NaN. Scaled by a power of two, the roundings of the
// squares made good.
template <class T>
RL_INLINE Vec<T> hypot(Vec<T> x, Vec<T> y) {
  using L = Ieee<T>;
  using I = IntOf<T>;
  const Vec<T> ax = abs(x), ay = abs(y), inf(kInfinity<T>);
  const Mask<T> first = ax > ay;
  const Vec<T> large = select(first, ax, ay), small = select(first, ay, ax);
  // The exponent of the larger one, where both powers of it are normal numbers.
  const Vec<I> low(I{1} << L::kDigits), high(I{2 * L::kBias - 1} << L::kDigits);
  Vec<I> e = as_int(large) & Vec<I>(L::kInf);
  e = select(e < low, low, select(e > high, high, e));
  const Vec<T> up = as_float(Vec<I>(I{2 * L::kBias} << L::kDigits) - e), down = as_float(e);
  const Vec<T> a = large * up, b = small * up;
  const Pair<T> aa = two_product(a, a), bb = two_product(b, b);
  const Pair<T> s = fast_two_sum(aa.hi, bb.hi);
  const Vec<T> rest = s.lo + (aa.lo + bb.lo);
  const Vec<T> root = sqrt(s.hi + rest);
  const Pair<T> rr = two_product(root, root);
  const Vec<T> error = ((s.hi - rr.hi) - rr.lo) + rest;
  Vec<T> r = (root + select(root > Vec<T>(0), error / (root + root), Vec<T>(0))) * down;
  r = select((x == x) & (y == y), r, x + y);
  return select((ax == inf) | (ay == inf), inf, r);
}

// log(e^x + e^y)
template <class T>
RL_INLINE Vec<T> logaddexp(Vec<T> x, Vec<T> y) {
  const Vec<T> d = -abs(x - y);
  const Vec<T> r = select(x > y, x, y) + log1p(exp(d));
  return select(x == y, x + Vec<T>(static_cast<T>(0.693147180559945309417)), select((x == x) & (y == y), r, x + y));
}
// log2(2^x + 2^y)
template <class T>
RL_INLINE Vec<T> logaddexp2(Vec<T> x, Vec<T> y) {
  const Vec<T> d = -abs(x - y);
  const Vec<T> r = mad(log1p(exp2(d)), Vec<T>(kLog2E<T>), select(x > y, x, y));
  return select(x == y, x + Vec<T>(1), select((x == x) & (y == y), r, x + y));
}

// x (hi + lo), l of a finite logarithm
template <class T>
RL_INLINE Vec<T> times_logarithm(Vec<T> x, Pair<T> l) {
  const Vec<T> p = x * l.hi;
  const Vec<T> r = mad(x, l.hi, select(abs(x) < Vec<T>(kInfinity<T>), x * l.lo, Vec<T>(0)));
  return select(r == Vec<T>(0), p, r);  // for the sign
}

// x log y and x log(1 + y), 0 for x = 0 unless y is NaN.
template <class T>
RL_INLINE Vec<T> xlogy(Vec<T> x, Vec<T> y) {
  const Mask<T> usual = is_positive_normal(y);
  Vec<T> r = times_logarithm(x, log_pair(y));
  if (!all(usual)) [[unlikely]]
    r = select(usual, r, x * log(y));
  return select((x == Vec<T>(0)) & (y == y), Vec<T>(0), r);
}
template <class T>
RL_INLINE Vec<T> xlog1py(Vec<T> x, Vec<T> y) {
  const Mask<T> usual = (y > Vec<T>(T(-1))) & (y < Vec<T>(T(0x1p60))) & (abs(y) > Vec<T>(T(0x1p-60)));
  Vec<T> r = times_logarithm(x, log1p_pair(y));
  if (!all(usual)) [[unlikely]]
    r = select(usual, r, select(y < Vec<T>(1), x * log1p(y), xlogy(x, y)));
  return select((x == Vec<T>(0)) & (y == y), Vec<T>(0), r);
}

}  // namespace rushlight::cpu::RL_ISA
