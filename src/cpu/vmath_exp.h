// exp and its relatives. Errors: see the table that tests/accuracy/measure.py prints.
#pragma once

#include "vmath_base.h"
#include "vmath_tables.h"

namespace rushlight::cpu::RL_ISA {

// ln2 = hi + lo, hi short enough for an exact product with every exponent.
template <class T>
struct Ln2;
template <>
struct Ln2<float> {
  static constexpr float kHi = 0x1.62e4p-1f, kLo = 0x1.7f7d1cp-20f;
};
template <>
struct Ln2<double> {
  static constexpr double kHi = 0x1.62e42fefa4p-1, kLo = -0x1.8432a1b0e2634p-43;
};
template <class T>
inline constexpr T kLog2E = static_cast<T>(1.4426950408889634);

// (e^r - 1 - r) / r^2 for |r| <= ln2 / 2; error relative to e^r: 2^-27.5, 2^-57.3.
template <class T>
RL_INLINE Vec<T> exp_tail(Vec<T> r) {
  if constexpr (sizeof(T) == 4) {
    return poly(r, 0.49999997f, 0.166665226f, 0.0416671f, 0.00836919993f, 0.00139213167f);
  } else {
    return poly(r, 0.50000000000000111, 0.16666666666666421, 0.041666666666525534, 0.0083333333334856697,
                0.0013888888944982543, 0.00019841269532032809, 2.4801491573461368e-05, 2.7557558262391238e-06,
                2.7630840341543953e-07, 2.5010612618603454e-08);
  }
}

// Beyond these exp is 0 or infinity after rounding.
template <class T>
inline constexpr T kExpMin = sizeof(T) == 4 ? T(-104) : T(-745.2);
template <class T>
inline constexpr T kExpMax = sizeof(T) == 4 ? T(89) : T(709.8);

template <class T>
RL_INLINE Vec<T> exp(Vec<T> x) {
  // The operand order lets NaN through.
  x = min(Vec<T>(kExpMax<T>), max(Vec<T>(kExpMin<T>), x));
  const Rounded<T> n = round_product(x, kLog2E<T>);
  Vec<T> r = mad(n.value, Vec<T>(-Ln2<T>::kHi), x);
  r = mad(n.value, Vec<T>(-Ln2<T>::kLo), r);
  return scale(mad(exp_tail(r), r * r, r) + Vec<T>(1), n);
}

// (q + q_lo) e^(x + x_lo), the second of each being what the rounding of the first lost.
template <class T>
RL_INLINE Vec<T> times_exp(Vec<T> q, Vec<T> q_lo, Vec<T> x, Vec<T> x_lo) {
  const Rounded<T> n = round_product(x, kLog2E<T>);
  const Vec<T> first = mad(n.value, Vec<T>(-Ln2<T>::kHi), x);
  const Vec<T> r = mad(n.value, Vec<T>(-Ln2<T>::kLo), first);
  const Vec<T> r_lo = mad(n.value, Vec<T>(-Ln2<T>::kLo), first - r) + x_lo;
  const Vec<T> m = mad(exp_tail(r), r * r, r);  // e^r - 1
  const Vec<T> low = mad(q, mad(m, r_lo, r_lo), mad(m, q_lo, q_lo));
  return scale(q + mad(q, m, low), n);
}

template <class T>
RL_INLINE Vec<T> exp2(Vec<T> x) {
  const Vec<T> low = sizeof(T) == 4 ? T(-151) : T(-1076), high = sizeof(T) == 4 ? T(129) : T(1025);
  x = min(high, max(low, x));
  const Rounded<T> n = round_product(x, T(1));
  const Vec<T> r = x - n.value;
  // (2^r - 1) / r for |r| <= 1/2; error relative to 2^r: 2^-27.5, 2^-56.5.
  Vec<T> q;
  if constexpr (sizeof(T) == 4) {
    q = poly(r, 0.693147242f, 0.240226552f, 0.0555027239f, 0.00961706322f, 0.00134182139f, 0.000158202223f);
  } else {
    q = poly(r, 0.69314718055994529, 0.24022650695910069, 0.05550410866482338, 0.0096181291076302359,
             0.0013333558146033054, 0.00015403530388850966, 1.5252734167908819e-05, 1.3215491420483378e-06,
             1.0177933514926487e-07, 7.053074908850023e-09, 4.472678506898546e-10, 2.8078577736111666e-11);
  }
  return scale(mad(q, r, Vec<T>(1)), n);
}

// e^x - 1 = (s - 1) + s*(r + tail), s = 2^n; r with the digits its rounding lost.
template <class T>
struct ExpM1Parts {
  Vec<T> s, r, tail;  // tail: e^r - 1 - r
};
// n must stay in the range of normal numbers.
template <class T>
RL_INLINE ExpM1Parts<T> expm1_parts(Vec<T> x, int shift) {
  Rounded<T> n = round_product(x, kLog2E<T>);
  const Vec<T> a = mad(n.value, Vec<T>(-Ln2<T>::kHi), x);
  const Vec<T> r = mad(n.value, Vec<T>(-Ln2<T>::kLo), a);
  const Vec<T> lost = mad(n.value, Vec<T>(-Ln2<T>::kLo), a - r);
  n.magic_bits -= Vec<IntOf<T>>(static_cast<IntOf<T>>(shift));
  return {power_of_two(n), r, mad(exp_tail(r), r * r, lost)};
}

template <class T>
RL_INLINE Vec<T> expm1(Vec<T> x) {
  const Vec<T> low = sizeof(T) == 4 ? T(-20) : T(-40);
  const Vec<T> clamped = min(Vec<T>(kExpMax<T>), max(low, x));
  // Half the power, so that the largest finite results do not overflow on the way.
  const ExpM1Parts<T> e = expm1_parts(clamped, 1);
  const Vec<T> half = mad(e.s, e.r, e.s - Vec<T>(T(0.5))) + e.s * e.tail;
  // Tiny arguments are their own results, denormals included.
  const Vec<T> tiny = sizeof(T) == 4 ? T(0x1p-25) : T(0x1p-54);
  return select(abs(x) < tiny, x, copysign(half + half, x));
}

template <class T>
RL_INLINE Vec<T> sigmoid(Vec<T> x) {
  // With e^-|x| nothing overflows and denormal results are right.
  const Vec<T> e = exp(as_float(as_int(x) | Vec<IntOf<T>>(kSignBit<T>)));
  const Pair<T> d = fast_two_sum(Vec<T>(1), e);
  const Vec<T> q = select(x < Vec<T>(0), e, Vec<T>(1)) / d.hi;
  // Less what d.lo changes, 1/d being near enough to 1 - e/2.
  return mad(q * d.lo, mad(e, Vec<T>(T(0.5)), Vec<T>(-1)), q);
}

#if RL_AVX512
// Twice as fast as the quotient where tables fit into registers.
RL_INLINE Vec<float> tanh_table(Vec<float> x) {
  const Vec<float> a = min(Vec<float>(9.02f), abs(x));
  const Vec<int32_t> i = as_int(max(Vec<float>(0.125f), a)) >> 21;
  const Vec<float> d = a - lookup<32>(kTanhTable[0], i);
  Vec<float> r = lookup<32>(kTanhTable[6], i);
  for (int k = 5; k >= 1; --k) r = mad(r, d, lookup<32>(kTanhTable[k], i));
  return copysign(select(abs(x) > Vec<float>(9.0109f), Vec<float>(1.0f), r), x);  // exactly 1 where it rounds to 1
}
#endif

template <class T>
RL_INLINE Vec<T> tanh(Vec<T> x) {
#if RL_AVX512
  if constexpr (sizeof(T) == 4) return tanh_table(x);
#endif
  // -t / (2 + t), t = e^-2|x| - 1, with the roundings of t, of 2 + t and of the quotient made good.
  const Vec<T> limit = sizeof(T) == 4 ? T(10) : T(22);
  const ExpM1Parts<T> p = expm1_parts(min(limit, abs(x)) * Vec<T>(-2), 0);
  const Vec<T> big = mad(p.s, p.r, p.s - Vec<T>(1)), t = mad(p.s, p.tail, big);
  const Vec<T> t_lo = mad(p.s, p.tail, big - t);
  const Pair<T> d = fast_two_sum(Vec<T>(2), t);
  const Vec<T> q = t / d.hi;
  const Vec<T> rest = mad(-q, d.lo + t_lo, t_lo - product_error(q, d.hi, t));
  // 1/d to a few percent: d is in (1, 2].
  const Vec<T> r = mad(rest, mad(t, Vec<T>(T(-0.48)), Vec<T>(T(0.49))), q);
  return copysign(r, x);
}

// |x| = n ln2 + r, with cosh(n ln2) and sinh(n ln2) exact to working precision:
// sinh = C sinh r + S cosh r, cosh = C cosh r + S sinh r. The factors are halved against overflow.
template <class T>
struct HyperbolicParts {
  Vec<T> c, s;                     // cosh(n ln2) / 2, sinh(n ln2) / 2
  Vec<T> r, sinh_tail, cosh_tail;  // sinh r - r, cosh r - 1
};
template <class T>
RL_INLINE HyperbolicParts<T> hyperbolic_parts(Vec<T> a) {
  using I = IntOf<T>;
  a = min(Vec<T>(sizeof(T) == 4 ? T(89.45) : T(710.49)), a);  // sinh and cosh overflow just below
  const Rounded<T> n = round_product(a, kLog2E<T>);
  const Vec<T> first = mad(n.value, Vec<T>(-Ln2<T>::kHi), a);
  const Vec<T> r = mad(n.value, Vec<T>(-Ln2<T>::kLo), first);
  const Vec<T> lost = mad(n.value, Vec<T>(-Ln2<T>::kLo), first - r);
  // 2^(n-2) and 2^(-n-2); the latter need not be smaller than one ulp of the former.
  const Vec<I> magic(Ieee<T>::kMagicBits), two(I{2}), lower(sizeof(T) == 4 ? I{60} : I{500});
  const Vec<I> k = n.integer();
  const Vec<T> up = power_of_two(Rounded<T>{n.value, n.magic_bits - two});
  const Vec<T> down = power_of_two(Rounded<T>{n.value, magic - two - min(k, lower)});
  const Vec<T> z = r * r;
  Vec<T> sh, ch;  // relative errors 2^-26 of sinh, 2^-33 of cosh; 2^-61 and beyond
  if constexpr (sizeof(T) == 4) {
    sh = poly(z, 0.166665435f, 0.00836653821f);
    ch = poly(z, 0.5f, 0.0416664593f, 0.00139354263f);
  } else {
    sh = poly(z, 0.16666666666666677, 0.0083333333333213862, 0.00019841269886814469, 2.7557243455873266e-06,
              2.5109318182126922e-08);
    ch = poly(z, 0.5, 0.041666666666666685, 0.0013888888888873283, 2.4801587349202185e-05, 2.7557251825427807e-07,
              2.0921764583825547e-09);
  }
  return {up + down, up - down, r, mad(sh, z * r, lost), z * ch};
}

template <class T>
RL_INLINE Vec<T> sinh(Vec<T> x) {
  const Vec<T> a = abs(x);
  const HyperbolicParts<T> p = hyperbolic_parts(a);
  const Vec<T> y = mad(p.c, p.r, p.s) + mad(p.c, p.sinh_tail, p.s * p.cosh_tail);
  // Halving and doubling would lose the last digit of a denormal.
  return copysign(select(a < Vec<T>(sizeof(T) == 4 ? T(1e-4) : T(1e-8)), a, y + y), x);
}

template <class T>
RL_INLINE Vec<T> cosh(Vec<T> x) {
  const HyperbolicParts<T> p = hyperbolic_parts(abs(x));
  const Vec<T> y = mad(p.s, p.r, p.c) + mad(p.s, p.sinh_tail, p.c * p.cosh_tail);
  return y + y;
}

}  // namespace rushlight::cpu::RL_ISA
