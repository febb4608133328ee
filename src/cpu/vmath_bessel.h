// Modified Bessel functions of the first kind, on doubles. Errors up to 1.5 units in the last place.
#pragma once

#include "vmath_exp.h"

namespace rushlight::cpu::RL_ISA {

// (c + v q) with what its roundings lose; |c| and |v q| in any order.
RL_INLINE Pair<double> horner_step(Pair<double> v, Pair<double> q, double c) {
  const Pair<double> p = two_product(v.hi, q.hi), s = two_sum(Vec<double>(c), p.hi);
  return {s.hi, s.lo + mad(v.hi, q.lo, mad(v.lo, q.hi, p.lo))};
}

// I of order 0 or 1; Scaled: times e^-|x|. Up to 7.75 from 1 + q P(q), q = x^2/4; relative error 2^-63; the last steps,
// whose terms are the largest, with their roundings. Beyond, sqrt(x) e^-x I(x) is a polynomial in 15.5/x - 1, from a
// Chebyshev interpolation; 2^-53.8.
template <int Order, bool Scaled>
RL_INLINE Vec<double> bessel_i(Vec<double> x) {
  using V = Vec<double>;
  const V a = abs(x), one(1.0), half(0.5);
  const Pair<double> q = two_product(a * half, a * half);
  V p;
  if constexpr (Order == 0)
    p = poly(q.hi, 0.0017361111111111169, 6.9444444444435703e-05, 1.9290123456863269e-06, 3.9367598887574257e-08,
             6.1511873402784036e-10, 7.5940580957047433e-12, 7.5940642977262536e-14, 6.2760061889590295e-16,
             4.3590878964994577e-18, 2.5742820778943191e-20, 1.3373095899740805e-22, 5.1933883923521578e-25,
             3.4338359861251847e-27);
  else
    p = poly(q.hi, 0.00034722222222218104, 1.1574074074114912e-05, 2.7557319221508026e-07, 4.9209498713455301e-09,
             6.8346523112029456e-11, 7.594063799297919e-13, 6.9036138313848984e-15, 5.2308349748100339e-17,
             3.3470666876229207e-19, 1.8697898974103805e-21, 7.8682318514706538e-24, 5.3472196793863629e-26,
             1.2280766594163167e-29);
  Pair<double> v = {p, V(0.0)};
  v = horner_step(v, q, Order == 0 ? 0.027777777777777776 : 0.0069444444444444666);
  v = horner_step(v, q, Order == 0 ? 0.25 : 0.083333333333333329);
  v = horner_step(v, q, Order == 0 ? 1.0 : 0.5);
  v = horner_step(v, q, 1.0);
  const V factor = (Order == 1 ? a * half : one) * (Scaled ? exp(-a) : one);
  V r = mad(v.hi, factor, v.lo * factor);
  const Mask<double> big = a > V(7.75);
  if (any(big)) {
    const V inverse = one / a, t = mad(inverse, V(15.5), V(-1.0));
    V h;
    if constexpr (Order == 0)
      h = poly(t, 0.4022850564674586, 0.003478064623595508, 0.0001463049837014244, 1.2470619505054964e-05,
               1.7408596197355641e-06, 3.6969868816518073e-07, 1.1886401965760468e-07, 5.6374122041597852e-08,
               3.0127981542335199e-08, 6.0682391729809248e-09, -1.6366426575350262e-08, -2.0887216489444151e-08,
               -1.7374451446512621e-09, 1.5436934109183268e-08, 6.372268793132455e-09, -9.5052484675570346e-09,
               -5.1473158858773306e-09, 5.2214358702456277e-09, 2.6071598626279715e-09, -2.2763032903251395e-09,
               -8.0493463436399044e-10, 6.5537434342533122e-10, 1.1472113147265563e-10, -8.9750199123169951e-11);
    else
      h = poly(t, 0.38908372789601825, -0.010078728909315667, -0.00023517122406900627, -1.6805827222710954e-05,
               -2.1490096787831572e-06, -4.3216554550359669e-07, -1.3363020672954177e-07, -6.1752995455027852e-08,
               -3.2805549541297663e-08, -7.1824639813501684e-09, 1.6713164242870407e-08, 2.206738301363029e-08,
               2.422067803235358e-09, -1.5887374058920603e-08, -7.0173445767465558e-09, 9.6240761929404636e-09,
               5.5460152081940424e-09, -5.2409061622348527e-09, -2.7876887745318922e-09, 2.2764021087272315e-09,
               8.5784476308426029e-10, -6.5459140821509735e-10, -1.2207333094387752e-10, 8.9620501897385649e-11);
    // w = h / sqrt(a) with its roundings
    const V root = sqrt(a), over = one / root, w = h * over;
    const V root_lo = product_error(root, root, a) * over * V(-0.5);
    const V w_lo = -(product_error(w, root, h) + w * root_lo) * over;
    if constexpr (Scaled) {
      r = select(big, w + w_lo, r);
      r = select(a == V(kInfinity<double>), V(0.0), r);
    } else {
      // e^a overflows before the product does.
      const V product = times_exp(w, w_lo, min(V(720.0), a), V(0.0));
      r = select(big, select(a >= V(720.0), V(kInfinity<double>), product), r);
    }
  }
  return Order == 1 ? copysign(r, x) : r;
}

// The same with the digits of a float, for results that are rounded to one: relative error 2^-32.
template <int Order, bool Scaled>
RL_INLINE Vec<double> bessel_i_short(Vec<double> x) {
  using V = Vec<double>;
  const V a = abs(x), one(1.0), half = a * V(0.5), q = half * half, e = exp(Scaled ? -a : a);
  V p;
  if constexpr (Order == 0)
    p = poly(q, 1.0, 0.99999999680623741, 0.25000001718595011, 0.027777748532030713, 0.0017361340630653148,
             6.9434667760174846e-05, 1.9314699727700978e-06, 3.8988324224582913e-08, 6.5122055576451883e-10,
             5.5513818236571134e-12, 1.3701149331319685e-13);
  else
    p = poly(q, 1.0, 0.49999999945715468, 0.08333333583352058, 0.0069444406826590739, 0.00034722489614093499,
             1.1573023473323395e-05, 2.7582024421920718e-07, 4.88488678688096e-09, 7.16227420008331e-11,
             5.8111979840353338e-13, 1.20702270884988e-14) *
        half;
  V r = Scaled ? p * e : p;
  const Mask<double> big = a > V(7.75);
  if (any(big)) {
    const V over = one / a, t = mad(over, V(15.5), V(-1.0));
    V h;
    if constexpr (Order == 0)
      h = poly(t, 0.40228505646600021, 0.0034780646157955768, 0.00014630508922280165, 1.2470851016111639e-05,
               1.7396245990276353e-06, 3.6768514857206801e-07, 1.2411098195668949e-07, 6.4222418345843419e-08,
               2.0357862246805772e-08, -1.0164905236128442e-08, -9.3092354401908529e-09, -1.2705443750979456e-09);
    else
      h = poly(t, 0.38908372789750523, -0.010078728900976306, -0.00023517133142483577, -1.6806074324606499e-05,
               -2.1477574585902473e-06, -4.3002158934003558e-07, -1.3891823655944264e-07, -7.0079378223163704e-08,
               -2.3089339550329685e-08, 9.9402426996938286e-09, 1.0038871262543095e-08, 1.5735744516710926e-09);
    h *= sqrt(over);
    if constexpr (!Scaled) h = select(a == V(kInfinity<double>), a, h * e);
    r = select(big, h, r);
  }
  return Order == 1 ? copysign(r, x) : r;
}

}  // namespace rushlight::cpu::RL_ISA
