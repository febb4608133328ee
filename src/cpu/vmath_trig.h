// Sine, cosine and their relatives.
#pragma once

#include "vmath_base.h"

namespace rushlight::cpu::RL_ISA {

// pi in three parts, whose products with fma leave an exact difference to far beyond kTrigMax.
template <class T>
struct Pi;
template <>
struct Pi<float> {
  static constexpr float k1 = 0x1.921fb6p+1f, k2 = -0x1.777a5cp-24f, k3 = -0x1.ee59dap-49f;
};
template <>
struct Pi<double> {
  static constexpr double k1 = 0x1.921fb54442d18p+1, k2 = 0x1.1a62633145c07p-53, k3 = -0x1.f1976b7ed8fbcp-109;
};
// Larger arguments go to the C library, lane by lane.
template <class T>
inline constexpr T kTrigMax = sizeof(T) == 4 ? T(131072) : T(1 << 30);

// sin(r) for |r| <= pi/2; relative error 2^-31, 2^-61.8.
template <class T>
RL_INLINE Vec<T> sin_poly(Vec<T> r) {
  const Vec<T> s = r * r;
  if constexpr (sizeof(T) == 4) {
    return mad(poly(s, -0.166666672f, 0.00833335053f, -0.000198430935f, 2.76270612e-06f, -2.55032866e-08f), s * r, r);
  } else {
    return mad(poly(s, -0.16666666666666666, 0.0083333333333332153, -0.00019841269841218168, 2.7557319213018417e-06,
                    -2.505210709414387e-08, 1.6058955005645257e-10, -7.6436084777568667e-13, 2.7346080561893581e-15,
                    -1.2199188224904767e-18),
               s * r, r);
  }
}

// x - n*pi
template <class T>
RL_INLINE Vec<T> subtract_pi_multiple(Vec<T> x, Vec<T> n) {
  Vec<T> r = fma(n, Vec<T>(-Pi<T>::k1), x);
  r = fma(n, Vec<T>(-Pi<T>::k2), r);
  return fma(n, Vec<T>(-Pi<T>::k3), r);
}

template <class T>
RL_INLINE Vec<T> sin(Vec<T> x) {
  const Vec<T> a = abs(x);
  const Rounded<T> n = round_product(a, static_cast<T>(0.31830988618379067));
  const Vec<T> r = sin_poly(subtract_pi_multiple(a, n.value));
  // Odd n and negative x change the sign.
  const Vec<IntOf<T>> sign = (n.magic_bits << (8 * static_cast<int>(sizeof(T)) - 1)) ^ as_int(sign_of(x));
  const Vec<T> y = as_float(as_int(r) ^ sign);
  const Mask<T> huge = ~(a <= Vec<T>(kTrigMax<T>));
  if (any(huge)) [[unlikely]]
    return redo_lanes<T>(y, huge, x, ::sin);
  return y;
}

template <class T>
RL_INLINE Vec<T> cos(Vec<T> x) {
  // cos(x) = -(-1)^n sin(r), x = (n + 1/2)*pi + r
  const Vec<T> a = abs(x);
  const Vec<T> t = mad(a, Vec<T>(static_cast<T>(0.31830988618379067)), Vec<T>(T(-0.5))) + Vec<T>(Ieee<T>::kMagic);
  const Vec<T> n = t - Vec<T>(Ieee<T>::kMagic);
  const Vec<T> r = sin_poly(subtract_pi_multiple(a, n + Vec<T>(T(0.5))));
  const Vec<IntOf<T>> sign = ~as_int(t) << (8 * static_cast<int>(sizeof(T)) - 1);
  const Vec<T> y = as_float(as_int(r) ^ sign);
  const Mask<T> huge = ~(a <= Vec<T>(kTrigMax<T>));
  if (any(huge)) [[unlikely]]
    return redo_lanes<T>(y, huge, x, ::cos);
  return y;
}

template <class T>
RL_INLINE Vec<T> tan(Vec<T> x) {
  // r + r_lo = x - n*pi/2; tan r, or -1 / tan r for odd n.
  const Vec<T> a = abs(x);
  const Rounded<T> n = round_product(a, static_cast<T>(0.63661977236758134));
  const Vec<T> p1 = T(-0.5) * Pi<T>::k1, p2 = T(-0.5) * Pi<T>::k2, p3 = T(-0.5) * Pi<T>::k3;
  const Pair<T> second = two_product(n.value, p2);
  const Pair<T> sum = two_sum(fma(n.value, p1, a), second.hi);
  const Vec<T> r = sum.hi, r_lo = mad(n.value, p3, sum.lo + second.lo);
  const Vec<T> z = r * r;
  Vec<T> q;  // (tan r - r) / r^3; relative error of tan 2^-25.6, 2^-56.2
  if constexpr (sizeof(T) == 4) {
    q = poly(z, 0.333331376f, 0.133393049f, 0.0533688478f, 0.0245834701f, 0.00287115783f, 0.00953418482f);
  } else {
    q = poly(z, 0.33333333333332776, 0.13333333333414826, 0.053968253926568843, 0.021869489611424067,
             0.0088632191293871298, 0.0035922894006010942, 0.0014547559625367192, 0.00059507340626178962,
             0.00022235358486102132, 0.00013658092641243537, -2.6466128087617499e-05, 8.9527579397435586e-05,
             -4.4918137929423511e-05, 2.087349219021861e-05);
  }
  // tan(r + r_lo) = tan r + r_lo (1 + tan^2 r), of which r^2 stands for tan^2 well enough.
  const Vec<T> t = r + mad(q, z * r, mad(z, r_lo, r_lo));
  const Mask<T> odd = (n.magic_bits & Vec<IntOf<T>>(IntOf<T>{1})) != Vec<IntOf<T>>(IntOf<T>{0});
  const Vec<T> y = select(odd, Vec<T>(-1), t) / select(odd, t, Vec<T>(1));
  const Vec<T> result = flip_sign(y, sign_of(x));
  const Mask<T> huge = ~(a <= Vec<T>(kTrigMax<T>));
  if (any(huge)) [[unlikely]]
    return redo_lanes<T>(result, huge, x, ::tan);
  return result;
}

template <class T>
inline constexpr T kHalfPi = static_cast<T>(1.5707963267948966);
// What kHalfPi lacks.
template <class T>
inline constexpr T kHalfPiLow = sizeof(T) == 4 ? static_cast<T>(-4.37113883e-8) : static_cast<T>(6.123233995736766e-17);

// asin(x) - x for |x| <= 1/2, z = x^2; relative error 2^-27.6, 2^-55.9.
template <class T>
RL_INLINE Vec<T> asin_tail(Vec<T> x, Vec<T> z) {
  Vec<T> q;
  if constexpr (sizeof(T) == 4) {
    q = poly(z, 0.166667521f, 0.0749530941f, 0.0454691648f, 0.0241846219f, 0.042158708f);
  } else {
    q = poly(z, 0.16666666666665408, 0.075000000003371439, 0.04464285682821463, 0.030381959141861301,
             0.022371757928989596, 0.017359706650227624, 0.013885216312932269, 0.012169340689274501,
             0.0065274028962963098, 0.019529871067803663, -0.01622683538509118, 0.031914083271570672);
  }
  return q * (z * x);
}

template <class T>
RL_INLINE Vec<T> asin(Vec<T> x) {
  // Above 1/2: pi/2 - 2 asin(sqrt((1 - |x|) / 2)).
  const Vec<T> a = abs(x), half(T(0.5));
  const Mask<T> big = a > half;
  const Vec<T> z = select(big, mad(a, -half, half), a * a);
  const Vec<T> s = select(big, sqrt(z), a);
  const Vec<T> tail = asin_tail(s, z);
  const Pair<T> head = fast_two_sum(Vec<T>(kHalfPi<T>), -(s + s));
  const Vec<T> outer = head.hi - (tail + tail - (head.lo + Vec<T>(kHalfPiLow<T>)));
  return copysign(select(big, outer, s + tail), x);
}

template <class T>
RL_INLINE Vec<T> acos(Vec<T> x) {
  // 2 asin(sqrt((1 - x) / 2)) above 1/2, pi less that of -x below -1/2.
  const Vec<T> a = abs(x), half(T(0.5));
  const Mask<T> big = a > half;
  const Vec<T> z = select(big, mad(a, -half, half), a * a);
  const Vec<T> s = select(big, sqrt(z), x);
  const Vec<T> y = s + asin_tail(s, z);
  const Vec<T> twice = y + y;
  const Vec<T> outer = select(x < Vec<T>(0), Vec<T>(T(2) * kHalfPi<T>) - (twice - Vec<T>(T(2) * kHalfPiLow<T>)), twice);
  return select(big, outer, Vec<T>(kHalfPi<T>) - (y - Vec<T>(kHalfPiLow<T>)));
}

// atan(v) for 0 <= v <= 1; relative error 2^-28.4, 2^-54.6.
template <class T>
RL_INLINE Vec<T> atan_poly(Vec<T> v) {
  const Vec<T> z = v * v;
  Vec<T> q;
  if constexpr (sizeof(T) == 4) {
    q = poly(z, -0.333332986f, 0.199985296f, -0.142640442f, 0.109512888f, -0.0840132535f, 0.0579293668f, -0.0311568845f,
             0.0109066339f, -0.00179245777f);
  } else {
    q = poly(z, -0.3333333333333186, 0.19999999999755183, -0.14285714271340524, 0.11111110678846335,
             -0.090909012363046923, 0.076922129350056587, -0.066658603669885158, 0.058773076707481685,
             -0.052392322188413297, 0.046739463154926358, -0.040926288570829486, 0.034067618902569506,
             -0.025826506354875663, 0.01697771054157822, -0.0091842921865105103, 0.0038558186492638241,
             -0.0011640099936207533, 0.0002230076126910002, -2.0256933228441468e-05);
  }
  return mad(q, z * v, v);
}

template <class T>
RL_INLINE Vec<T> atan(Vec<T> x) {
  const Vec<T> a = abs(x), one(1);
  const Mask<T> big = a > one;
  const Vec<T> y = atan_poly(select(big, one, a) / select(big, a, one));
  return copysign(select(big, Vec<T>(kHalfPi<T>) - (y - Vec<T>(kHalfPiLow<T>)), y), x);
}

// The angle of the point (x, y), as C's atan2(y, x).
template <class T>
RL_INLINE Vec<T> atan2(Vec<T> y, Vec<T> x) {
  const Vec<T> ax = abs(x), ay = abs(y), zero(0), inf(kInfinity<T>);
  const Mask<T> steep = ay > ax;
  const Vec<T> num = select(steep, ax, ay), den = select(steep, ay, ax);
  Vec<T> v = num / den;
  const Mask<T> usual = (den > zero) & (den < inf);
  if (!all(usual)) [[unlikely]] {
    v = select(den == zero, zero, v);
    v = select((ax == inf) & (ay == inf), Vec<T>(1), v);
    v = select((x == x) & (y == y), v, x + y);
  }
  Vec<T> r = atan_poly(v);
  r = select(steep, Vec<T>(kHalfPi<T>) - (r - Vec<T>(kHalfPiLow<T>)), r);
  const Mask<T> left = as_int(x) < Vec<IntOf<T>>(IntOf<T>{0});
  r = select(left, Vec<T>(T(2) * kHalfPi<T>) - (r - Vec<T>(T(2) * kHalfPiLow<T>)), r);
  return copysign(r, y);
}

}  // namespace rushlight::cpu::RL_ISA
