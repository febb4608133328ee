// x^y with every special case of C's pow.
#pragma once

#include "vmath_exp.h"

namespace rushlight::cpu::RL_ISA {

// m in [0.69921875, 1.3984375) is cut into 16 pieces by its top bits; kPowReciprocal is near 1/m in each, to 9 bits,
// and 1 around 1. The logarithms are those of 1/kPowReciprocal; Hi is a multiple of 2^-42.
alignas(64) inline constexpr double kPowReciprocal[16] = {
    1.3984375,   1.33984375, 1.287109375, 1.236328125, 1.19140625, 1.1484375, 1.107421875, 1.0703125,
    1.037109375, 1.0,        0.947265625, 0.89453125,  0.84765625, 0.8046875, 0.765625,    0.73046875};
alignas(64) inline constexpr double kPowLog2[16] = {
    -0x1.ef6d67328e220p-2, -0x1.b031befe06434p-2, -0x1.74dfb70a66388p-2, -0x1.39683c4a9ce9ap-2, -0x1.02baba24d0664p-2,
    -0x1.98edd077e70dfp-3, -0x1.2d79c6937efddp-3, -0x1.918a16e46335bp-4, -0x1.aea3316095f72p-5, 0.0,
    0x1.4023b7b26ac9ep-4,  0x1.494f863b8df35p-3,  0x1.e857d3d361368p-3,  0x1.4106017c3eca3p-2,  0x1.8a8980abfbd32p-2,
    0x1.cffae611ad12bp-2};
alignas(64) inline constexpr double kPowLogHi[16] = {
    -0x1.5767717456000p-2, -0x1.2b9303ab8a000p-2, -0x1.0274dc16c2000p-2, -0x1.b2797ee464000p-3, -0x1.66acd4272a000p-3,
    -0x1.1b72ad52f6000p-3, -0x1.a1ef1d8060000p-4, -0x1.16536eea38000p-4, -0x1.2a7ec22150000p-5, 0.0,
    0x1.bbcebfc690000p-5,  0x1.c885801bc4000p-4,  0x1.527e5e4a1c000p-3,  0x1.bd087383be000p-3,  0x1.1178e8227e000p-2,
    0x1.419b423d5f000p-2};
alignas(64) inline constexpr double kPowLogLo[16] = {0x1.64ead9524d7cap-44,  0x1.6db12d6bfb0a5p-45,
                                                     -0x1.979e89cf835c2p-45, 0x1.be88a906d00a9p-44,
                                                     -0x1.aa1bdbfc6c785p-44, -0x1.e80a41811a396p-45,
                                                     -0x1.cd4176df97bcbp-44, 0x1.47c5e768fa309p-46,
                                                     0x1.78ce77a9163fep-45,  0.0,
                                                     -0x1.7bf868c317c2ap-46, 0x1.646d1c65aacd3p-45,
                                                     -0x1.4e60b8d4b411dp-44, -0x1.d4bc4595412b6p-45,
                                                     0x1.1ef78ce2d07f2p-44,  -0x1.ce379226de3ecp-44};

// log2(m) + exponent to about 2^-37 of log2(m), for m of float32.
RL_INLINE Vec<double> powf_log2(Vec<double> m, Vec<double> exponent, Vec<int64_t> index) {
  const Vec<double> f = mad(m, lookup<16>(kPowReciprocal, index), Vec<double>(-1.0));
  const Vec<double> q = poly(f, 1.4426950408942585, -0.72134752047225759, 0.48089824520015995, -0.3606735723532884,
                             0.28882873172744566, -0.24078711799737032);
  return mad(f, q, exponent + lookup<16>(kPowLog2, index));
}

// The power of a positive normal x 2^shift as 2^n p: n clamped so that scale() gives 0 or infinity where it should.
template <class T>
struct PowParts {
  Vec<T> p;
  Rounded<T> n;
  Mask<T> in_range;  // the result is finite, normal and not NaN
};

template <bool Shifted>
RL_INLINE PowParts<float> pow_parts(Vec<float> x, Vec<float> y, Vec<float> shift) {
  const Vec<int32_t> start(0x3f330000);
  const Vec<int32_t> t = as_int(x) - start;
  const Vec<int32_t> index = t >> 19;
  Vec<float> exponent = convert<float>(t >> 23);
  if constexpr (Shifted) exponent += shift;
  const Vec<float> m = as_float((t & Vec<int32_t>(0x7fffff)) + start);
  Vec<double> low =
      widen_low<double>(y) * powf_log2(widen_low<double>(m), widen_low<double>(exponent), widen_low<int64_t>(index));
  Vec<double> high = widen_high<double>(y) *
                     powf_log2(widen_high<double>(m), widen_high<double>(exponent), widen_high<int64_t>(index));
  if constexpr (Shifted) {  // the usual case drops what is out of range
    low = min(Vec<double>(200.0), max(Vec<double>(-200.0), low));
    high = min(Vec<double>(200.0), max(Vec<double>(-200.0), high));
  }
  const Vec<double> n_low = round_even(low), n_high = round_even(high);
  const Vec<float> n = narrow<float>(n_low, n_high), r = narrow<float>(low - n_low, high - n_high);
  // 2^r - 1; relative error 2^-27.5.
  const Vec<float> q =
      poly(r, 0.693147242f, 0.240226552f, 0.0555027239f, 0.00961706322f, 0.00134182139f, 0.000158202223f);
  const Rounded<float> rounded{n, as_int(n + Vec<float>(Ieee<float>::kMagic))};
  return {mad(q, r, Vec<float>(1.0f)), rounded, abs(n) < Vec<float>(126.0f)};
}

template <bool Shifted>
RL_INLINE PowParts<double> pow_parts(Vec<double> x, Vec<double> y, Vec<double> shift) {
  using V = Vec<double>;
  using U = Vec<uint64_t>;
  const Vec<int64_t> start(0x3fe6600000000000);
  const Vec<int64_t> t = as_int(x) - start;
  const Vec<int64_t> index = bit_cast<int64_t>(bit_cast<uint64_t>(t) >> 48);
  const U biased = (bit_cast<uint64_t>(t) + U(uint64_t{1024} << 52)) >> 52;
  V exponent = bit_cast<double>(biased | U(uint64_t{0x4330000000000000})) - V(4503599627370496.0 + 1024.0);
  if constexpr (Shifted) exponent += shift;
  const V m = as_float((t & Vec<int64_t>((int64_t{1} << 52) - 1)) + start);

  // f + f_lo = m * reciprocal - 1 exactly, |f| < 0.0306.
  const V c = lookup<16>(kPowReciprocal, index);
  const Pair<double> mc = two_product(m, c);
  const V f = mc.hi - V(1.0), f_lo = mc.lo;
  // log(1+f) = f - f^2/2 + f^3 Q(f), the first two terms in double-double; relative error of Q's part 2^-65.
  const V q =
      poly(f, 0.33333333333333331, -0.24999999999999309, 0.19999999999997461, -0.16666666672668404, 0.14285714297740862,
           -0.12499982749657199, 0.11111086647408058, -0.10020219302482458, 0.091134054785652382);
  const Pair<double> f2 = two_product(f, f);
  const Pair<double> head = fast_two_sum(f, f2.hi * V(-0.5));
  const V tail = mad(f2.hi * f, q, head.lo) + mad(f2.lo, V(-0.5), mad(mad(f, f, -f), f_lo, f_lo));
  // Plus exponent*ln2 + log(1/c): the high parts add exactly.
  const V base = mad(exponent, V(0x1.62e42fefa38p-1), lookup<16>(kPowLogHi, index));
  const V base_lo = mad(exponent, V(0x1.ef35793c7673p-45), lookup<16>(kPowLogLo, index));
  const Pair<double> sum = fast_two_sum(base, head.hi);
  const Pair<double> l = fast_two_sum(sum.hi, sum.lo + (base_lo + tail));

  const V z = y * l.hi;
  const Mask<double> in_range = abs(z) < V(708.0);
  V z_lo = mad(y, l.lo, product_error(y, l.hi, z)), zc = z;
  if constexpr (Shifted) {  // the usual case drops what is out of range
    z_lo = select(abs(z) < V(800.0), z_lo, V(0.0));
    zc = min(V(800.0), max(V(-800.0), z));
  }
  const Rounded<double> n = round_product(zc, kLog2E<double>);
  V r = mad(n.value, V(-Ln2<double>::kHi), zc);
  r = mad(n.value, V(-Ln2<double>::kLo), r) + z_lo;
  return {mad(exp_tail(r), r * r, r) + V(1.0), n, in_range};
}

// The general case: any x and y.
template <class T>
RL_COLD Vec<T> pow_any(Vec<T> x, Vec<T> y) {
  using V = Vec<T>;
  constexpr int kShift = Ieee<T>::kDigits + 1;
  const V zero(0), one(1), inf(kInfinity<T>);
  const V a = abs(x);
  const Mask<T> denormal = a < as_float(Vec<IntOf<T>>(Ieee<T>::kMinNormal));
  const V normal = select(denormal, a * V(static_cast<T>(uint64_t{1} << kShift)), a);
  const PowParts<T> parts = pow_parts<true>(normal, y, select(denormal, V(T(-kShift)), zero));
  V r = scale(parts.p, parts.n);

  const Mask<T> positive_y = y > zero, zero_x = a == zero, infinite_x = a == inf, infinite_y = abs(y) == inf;
  // An infinite y counts as an even integer.
  const Mask<T> integer = trunc(y) == y;
  const V half = y * V(T(0.5));
  const Mask<T> odd = integer & (trunc(half) != half);
  r = select(zero_x, select(positive_y, zero, inf), r);
  r = select(infinite_x, select(positive_y, inf, zero), r);
  r = select(infinite_y, select((a < one) ^ positive_y, inf, zero), r);
  r = select(infinite_y & (a == one), one, r);
  const Mask<T> negative = as_int(x) < Vec<IntOf<T>>(IntOf<T>{0});
  r = select(negative & odd, -r, r);
  r = select(negative & ~integer & ~zero_x & ~infinite_x, V(kNaN<T>), r);
  r = select((x == x) & (y == y), r, x + y);
  return select((y == zero) | (x == one), one, r);
}

template <class T>
RL_INLINE Vec<T> pow(Vec<T> x, Vec<T> y) {
  const PowParts<T> parts = pow_parts<false>(x, y, Vec<T>(0));
  const Vec<T> r = as_float(as_int(parts.p) + (parts.n.magic_bits << Ieee<T>::kDigits));
  const Mask<T> usual = parts.in_range & is_positive_normal(x);
  if (!all(usual)) [[unlikely]]
    return select(usual, r, pow_any(x, y));
  return r;
}

}  // namespace rushlight::cpu::RL_ISA
