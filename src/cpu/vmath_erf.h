// The error function, and the reciprocal square root.
#pragma once

#include "vmath_exp.h"
#include "vmath_tables.h"

namespace rushlight::cpu::RL_ISA {

// 2 / sqrt(pi)
template <class T>
inline constexpr T kErfSlope = static_cast<T>(1.1283791670955126);

// erf(x) - kErfSlope * x for |x| <= 1; error relative to erf 2^-29, 2^-62.
template <class T>
RL_INLINE Vec<T> erf_tail(Vec<T> x) {
  const Vec<T> s = x * x;
  Vec<T> q;
  if constexpr (sizeof(T) == 4) {
    q = poly(s, -5.98168981e-08f, -0.37612626f, 0.11283581f, -0.0268534515f, 0.0051873317f, -0.000799891364f,
             7.80872942e-05f);
  } else {
    q = poly(s, 1.5209355520769017e-17, -0.37612638903183748, 0.11283791670954887, -0.026866170645078343,
             0.0052239776248326937, -0.00085483269816681476, 0.00012055331141867406, -1.4925595989724024e-05,
             1.6461012069160891e-06, -1.635043612274249e-07, 1.4660615498440476e-08, -1.1376160161711665e-09,
             5.9629247013838942e-11);
  }
  return x * q;
}

// erfc(a) for a >= 1/2: e^(-a^2) P(t) / (a + 2), t = (a - 2) / (a + 2); relative error of P 2^-26, 2^-54.87.
// What P, a + 2, the quotient and e^(-a^2) lose by rounding is added in the end.
template <class T>
RL_INLINE Vec<T> erfc_poly(Vec<T> a) {
  const Vec<T> two(T(2)), c0(static_cast<T>(1.021582705242023));
  a = min(Vec<T>(sizeof(T) == 4 ? T(10.2) : T(27.3)), a);
  const Pair<T> d = two_sum(a, two);
  const Vec<T> t = (a - two) / d.hi;
  Vec<T> inner, c0_lo;  // P = c0 + c0_lo + t * inner
  if constexpr (sizeof(T) == 4) {
    c0_lo = -1.58503575e-08f;
    inner = poly(t, -0.687160671f, 0.279471934f, -0.0364433937f, -0.0215059295f, 0.00649186876f, 0.0030502493f,
                 -0.000883480127f, -0.000534972292f, 9.97901589e-05f);
  } else {
    c0_lo = -1.8078641065964532e-17;
    inner = poly(t, -0.68716068441381062, 0.27947209255605537, -0.03644223150688191, -0.021510661889544126,
                 0.0064791850679210162, 0.0030906120612464501, -0.00083729606767799381, -0.00066307354069746892,
                 3.4371518261247828e-05, 0.00014447108262968965, 3.4148104782675564e-05, -2.1698026333690882e-05,
                 -1.6116051049983925e-05, -1.1201868009617727e-06, 3.6245516727351094e-06, 1.9954791985575636e-06,
                 5.01203175136326e-08, -5.7945425244402079e-07, -3.9652313548417171e-07, 3.383166629213512e-08,
                 1.6856263284560317e-07, 1.3383514470956081e-08, -3.0355130101242776e-08);
  }
  const Vec<T> p = mad(t, inner, c0), p_lo = fma(t, inner, c0 - p) + c0_lo;
  const Vec<T> q = p / d.hi;
  // 1/d.hi = (1 - t)/4
  const Vec<T> q_lo = (p_lo - mad(q, d.lo, product_error(q, d.hi, p))) * mad(t, Vec<T>(T(-0.25)), Vec<T>(T(0.25)));
  const Pair<T> s = two_product(a, a);
  return times_exp(q, q_lo, -s.hi, -s.lo);
}

#if RL_AVX512
// erfc(|x|) as e^(-a^2) times a function from a table.
RL_INLINE Vec<float> erfc_table(Vec<float> x) {
  using V = Vec<float>;
  constexpr float kWidth = 0x1.5p-2f;  // 21/64
  const V a = min(V(10.2f), abs(x));
  const Rounded<float> i = round_product(a, 1 / kWidth);
  const V d = mad(i.value, V(-kWidth), a);  // exact
  V t = lookup<32>(kErfcTable[7], i.magic_bits);
  for (int k = 6; k >= 2; --k) t = mad(t, d, lookup<32>(kErfcTable[k], i.magic_bits));
  t = mad(t, d, lookup<32>(kErfcTable[1], i.magic_bits));
  const V c0 = lookup<32>(kErfcTable[0], i.magic_bits);
  const V q = c0 + t, q_lo = (c0 - q) + t;
  const Pair<float> s = two_product(a, a);
  return times_exp(q, q_lo, -s.hi, -s.lo);
}

// a times the quotient erf(a)/a from a table. It is 1 from the limit on.
RL_INLINE Vec<double> erf_table(Vec<double> x) {
  using V = Vec<double>;
  constexpr double kWidth = 0x1.88p-2;  // 49/128
  const V a = min(V(5.9335), abs(x));
  const Rounded<double> n = round_product(a, 1 / kWidth);
  const V d = mad(n.value, V(-kWidth), a);  // exact
  V r = lookup<16>(kErfTable[13], n.magic_bits);
  for (int k = 12; k >= 1; --k) r = mad(r, d, lookup<16>(kErfTable[k], n.magic_bits));
  return copysign(mad(a, lookup<16>(kErfTable[0], n.magic_bits), a * r), x);
}
#endif

// 1 - e^P(a) from 1 on, P = log erfc; error relative to erf 2^-28.6, 2^-54.2. It rounds to 1 from the limits on.
template <class T>
RL_INLINE Vec<T> erf(Vec<T> x) {
#if RL_AVX512
  if constexpr (sizeof(T) == 8) return erf_table(x);
#endif
  const Vec<T> a = abs(x), one(1);
  Vec<T> p;
  if constexpr (sizeof(T) == 4) {
    p = poly(min(Vec<T>(4.0f), a) - Vec<T>(2.0f), -5.36494112f, -4.41815948f, -0.923753977f, -0.0164888632f,
             0.00354478159f, -0.000708867272f, 0.000187600381f);
  } else {
    p = poly(min(Vec<T>(6.0), a) - Vec<T>(2.25), -6.5274598963658068, -4.8829138105444461, -0.93486756687839145,
             -0.013312548397735163, 0.0027713368270130658, -0.00055484089433343144, 0.00010263783232544218,
             -1.6603895350179075e-05, 2.0481926574712384e-06, -7.2161188216417871e-08, -6.1545654113583032e-08,
             2.6716732679244546e-08, -7.3698360927645385e-09, 1.5122258962081385e-09, -2.5110286518525933e-10,
             3.9207741060517749e-11, 4.8898040574727185e-12, -5.8888731335428628e-12, 1.0040305716104259e-12);
  }
  return copysign(select(a < one, fma(a, Vec<T>(kErfSlope<T>), erf_tail(a)), one - exp(p)), x);
}

template <class T>
RL_INLINE Vec<T> erfc(Vec<T> x) {
#if RL_AVX512
  if constexpr (sizeof(T) == 4) {
    const Vec<float> tail = erfc_table(x);
    return select(x < Vec<float>(0), Vec<float>(2) - tail, tail);
  }
#endif
  const Vec<T> a = abs(x), one(1);
  const Vec<T> tail = erfc_poly(a);
  const Vec<T> middle = fma(x, Vec<T>(-kErfSlope<T>), one) - erf_tail(x);
  return select(a < Vec<T>(T(0.75)), middle, select(x < Vec<T>(0), Vec<T>(2) - tail, tail));
}

template <class T>
RL_INLINE Vec<T> rsqrt(Vec<T> x) {
  return Vec<T>(1) / sqrt(x);
}

}  // namespace rushlight::cpu::RL_ISA
