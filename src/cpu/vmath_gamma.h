// The gamma function's relatives and the inverse of the error function. Largest errors in units of the last place of
// doubles: see docs/accuracy.md; floats are rounded once, but erfinv and logit.
// Below 0, lgamma and digamma are as exact relative to max(1, |result|).
#pragma once

#include "cpu/special.h"
#include "cpu/vmath_exp.h"
#include "cpu/vmath_log.h"
#include "cpu/vmath_trig.h"

namespace rushlight::cpu::RL_ISA {

// sin(pi r) / (pi r) for |r| <= 1/2, s = r^2; relative error 2^-61.
RL_INLINE Vec<double> sinc_poly(Vec<double> s) {
  return poly(s, 1.0, -1.6449340668482264, 0.81174242528334617, -0.19075182412167532, 0.026147847807942558,
              -0.0023460809132878832, 0.00014842791655233101, -6.9722672309415272e-06, 2.4518318739851693e-07);
}

// The same with what the last step loses; s_lo: the rest of s.
RL_INLINE Pair<double> sinc_pair(Vec<double> s, Vec<double> s_lo) {
  using V = Vec<double>;
  const V rest = poly(s, -1.6449340668482264, 0.81174242528334617, -0.19075182412167532, 0.026147847807942558,
                      -0.0023460809132878832, 0.00014842791655233101, -6.9722672309415272e-06, 2.4518318739851693e-07);
  const V y = s * rest;
  const Pair<double> q = fast_two_sum(V(1.0), y);
  return {q.hi, q.lo + mad(s_lo, V(-1.6), product_error(s, rest, y))};
}

// sin(pi x) / (pi x); NaN at infinity, as sin(pi x) is
RL_INLINE Vec<double> sinc(Vec<double> x) {
  using V = Vec<double>;
  const V n = round_even(x), r = x - n, half = n * V(0.5);
  const V q = sinc_poly(r * r);
  const Mask<double> odd = trunc(half) != half;
  return select(n == V(0.0), q, r / x * select(odd, -q, q));
}

// For normal x > 0. lgamma(2 + u) for |u| <= 1/2 is a polynomial, to which x < 7.5 is led by its recurrence; from there
// on Stirling's series.
template <bool Exact>
RL_INLINE Pair<double> lgamma_positive(Vec<double> x) {
  using V = Vec<double>;
  const V one(1.0), zero(0.0);
  const Mask<double> big = x >= V(7.5), tiny = x < V(0.5), small = x<V(1.5), middle = x> V(2.5);
  V y = x, product = one;
  for (int k = 0; k < 5; ++k) {
    const Mask<double> above = y > V(2.5);
    const V less = y - one;
    product = select(above, product * less, product);
    y = select(above, less, y);
  }
  const V u = select(tiny, x, select(small, x - one, y - V(2.0)));
  // The rest of the polynomial is multiplied by u^2.
  const V rest = poly(u, 0.32246703342411331, -0.067352301053195757, 0.020580808427765891, -0.007385551028925897,
                      0.0028905103318452694, -0.0011927539013043553, 0.00050966949503034194, -0.000223154972696803,
                      9.9457945190086552e-05, -4.4923767861257275e-05, 2.0503537067162099e-05, -9.456099800937663e-06,
                      4.3935476037899738e-06, -1.9747708213356314e-06, 8.9984744266187143e-07, -5.8067203710479301e-07,
                      2.9775053918655474e-07);
  Pair<double> base;
  if constexpr (Exact) {
    const Pair<double> first = two_product(u, V(0.42278433509846713)), sum = two_sum(first.hi, u * u * rest);
    base = {sum.hi, sum.lo + first.lo};
  } else {
    base = {mad(u, V(0.42278433509846713), u * u * rest), V(0.0)};
  }
  const V factor = select(tiny, mad(x, x, x), select(small, x, product));
  const Pair<double> l = log_pair(select(big, x, factor));
  // Without the logarithm where it is not needed.
  const V hi = select(middle, l.hi, select(small, -l.hi, V(0.0))),
          lo = select(middle, l.lo, select(small, -l.lo, V(0.0)));
  const Pair<double> s = two_sum(hi, base.hi), near = {s.hi, s.lo + (lo + base.lo)};
  if (!any(big)) return near;
  // (x - 1/2)(log x - 1) + (log(2 pi) - 1) / 2 + 1/(12 x) - ...
  const V inverse = one / x,
          tail = inverse * poly(inverse * inverse, 0.083333333333333287, -0.0027777777777190419, 0.00079365076732143449,
                                -0.00059523234495545917, 0.00084106385696224679, -0.0018712164525435473,
                                0.0047122347630385855);
  const V m = x - V(0.5), h = l.hi - one, p = m * h;
  const V more = product_error(m, h, p) + (mad(m, l.lo, V(0.41893853320467274178)) + tail);
  const Pair<double> far = fast_two_sum(p, select(x > V(1e300), V(0.0), more));
  return {select(big, far.hi, near.hi), select(big, select(x > V(1e300), V(0.0), far.lo), near.lo)};
}

// Exact: with the digits of a double, else with some 40.
template <bool Exact>
RL_INLINE Vec<double> lgamma(Vec<double> x) {
  using V = Vec<double>;
  const V a = abs(x), zero(0.0);
  const Pair<double> l = lgamma_positive<Exact>(a);
  V r = l.hi + l.lo;
  const Mask<double> negative = x < zero;
  if (any(negative)) {
    // lgamma(-a) = -lgamma(a) - log(a |sin(pi a)| / pi)
    const V n = a - round_even(a), s = n * n;
    V reflected;
    if constexpr (Exact) {
      const Pair<double> an = two_product(a, abs(n)), q = sinc_pair(s, product_error(n, n, s));
      const Pair<double> w = two_product(an.hi, q.hi), log_w = log_pair(w.hi);
      const V w_lo = w.lo + mad(an.lo, q.hi, an.hi * q.lo);
      const Pair<double> sum = two_sum(-l.hi, -log_w.hi);
      reflected = sum.hi + (sum.lo - (l.lo + (log_w.lo + w_lo / w.hi)));
    } else {
      reflected = -r - log(a * abs(n) * sinc_poly(s));
    }
    r = select(negative, select(n == zero, V(kInfinity<double>), reflected), r);
  }
  r = select(a == V(kInfinity<double>), a, r);
  const Mask<double> tiny = a < V(1e-100);
  if (any(tiny)) [[unlikely]]
    return redo_lanes<double>(r, tiny, x, special::lgamma);
  return r;
}

// pi / tan(pi n) for |n| <= 1/2, from the sine and cosine of u = n or 1/2 - |n|, whichever is in [-1/4, 1/4].
RL_INLINE Pair<double> pi_cot_pi(Vec<double> n) {
  using V = Vec<double>;
  const V a = abs(n);
  const Mask<double> near = a <= V(0.25);
  const V u = select(near, a, V(0.5) - a), z = u * u, z_lo = product_error(u, u, z);
  const Pair<double> q = sinc_pair(z, z_lo), s = two_product(u, q.hi);
  const V s_lo = mad(u, q.lo, s.lo);  // sin(pi u) / pi
  const V rest = poly(z, -4.934802200544679, 4.0587121264166646, -1.3352627688430954, 0.2353306297627844,
                      -0.02580687520267207, 0.0019293406537117177, -0.000102983290924637);
  const V y = z * rest;
  const Pair<double> c = fast_two_sum(V(1.0), y);  // cos(pi u)
  const V c_lo = c.lo + mad(z_lo, V(-4.9), product_error(z, rest, y));
  const V square(0x1.3bd3cc9be45dep+3), square_lo(0x1.692b71366cc04p-51);  // pi^2
  const Pair<double> w = two_product(s.hi, square);
  const V w_lo = w.lo + mad(s.hi, square_lo, s_lo * square);
  const V num = select(near, c.hi, w.hi), den = select(near, s.hi, c.hi), r = num / den;
  const V num_lo = select(near, c_lo, w_lo), den_lo = select(near, s_lo, c_lo);
  const V r_lo = (num_lo - mad(r, den_lo, product_error(r, den, num))) / den;
  const Mask<double> finite = abs(r) < V(0x1p900);
  return {flip_sign(r, sign_of(n)), select(finite, flip_sign(r_lo, sign_of(n)), V(0.0))};
}

// (x - x0) P(x - 3/2) on [1, 2], x0 the zero, one step of the recurrence below, from 2 on log x - 1 / (2 x) - ...
RL_INLINE Vec<double> digamma(Vec<double> x) {
  using V = Vec<double>;
  const V one(1.0), zero(0.0);
  const Mask<double> negative = x < zero;
  const Pair<double> back = two_sum(one, -x);
  const V a = select(negative, back.hi, x), inverse = one / a;
  const Mask<double> small = a < one;
  // Distances from the zero and from 3/2; those of a + 1 where a is small.
  const V root = (a - select(small, V(0x1.762d86356be3fp+0 - 1.0), V(0x1.762d86356be3fp+0))) - V(0x1.b86a722197829p-54);
  const V t = a - select(small, V(0.5), V(1.5));
  const V near =
      root * poly(t, 0.95105587603183284, -0.42362742128146047, 0.24054248424078689, -0.14840492305391872,
                  0.09498872445291727, -0.061922133271541592, 0.040760833938089824, -0.026975796849836552,
                  0.017907248448836465, -0.011908215023858327, 0.0079270182990765509, -0.0052800202498910374,
                  0.0035181634756838195, -0.002344624614700272, 0.0015627745272013527, -0.0010424365382246067,
                  0.0006950060686369547, -0.00045917885384551033, 0.00030571389520099817, -0.00022007148224452544,
                  0.00014776851229516365, -5.7625093178823718e-05, 3.6808367147820186e-05, -8.3998908152088081e-05,
                  5.7071346686749685e-05);
  const Pair<double> step = two_sum(select(small, -inverse, zero), near);
  const V step_lo = step.lo + select(small, product_error(inverse, a, one) * inverse, zero);
  // What the rounding of 1 - x changes.
  const V moved = select(negative, mad(mad(inverse, V(1.0 / 6), V(0.5)), inverse, one) * inverse * back.lo, zero);
  const V z = inverse * inverse;
  const V tail =
      z * poly(z, 0.083333333333328485, -0.0083333333309718576, 0.0039682535445527871, -0.0041666266136317631,
               0.0075734142272237317, -0.020999476681319108, 0.080630493754681481, -0.38316610320709205,
               1.9730005993585145, -9.7467031229218506, 42.230242829227215, -150.74920265139863, 421.93585393004111,
               -880.27279608786023, 1278.7047617252904, -1149.2007263439325, 479.87835440217776);
  const Pair<double> l = log_pair(a), far = fast_two_sum(l.hi, mad(inverse, V(-0.5), l.lo) - tail);
  const Mask<double> big = a >= V(2.0);
  const V hi = select(big, far.hi, step.hi), lo = select(big, far.lo, step_lo) + moved;
  V r = hi + lo;
  r = select(a == V(kInfinity<double>), a, r);
  r = select(a < V(1e-290), -inverse, r);
  r = select(x == zero, copysign(V(kInfinity<double>), -x), r);
  if (any(negative)) {
    // digamma(x) = digamma(1 - x) - pi / tan(pi x)
    const V n = x - round_even(x);
    const Pair<double> cot = pi_cot_pi(n), s = two_sum(hi, -cot.hi);
    const V sum = s.hi + (s.lo + (lo - cot.lo)), reflected = select(abs(cot.hi) < V(0x1p900), sum, -cot.hi);
    r = select(negative, select(n == zero, V(kNaN<double>), reflected), r);
  }
  return r;
}

// x P(w), w = -log(1 - x^2), in three pieces, two of them in sqrt(w).
RL_INLINE Vec<double> erfinv(Vec<double> x) {
  using V = Vec<double>;
  const V one(1.0), a = abs(x);
  const V w = -log(fma(-x, x, one));
  const V t = w - V(3.125);
  V p = poly(t, 1.6536545626831027, 0.24015818242558831, -0.0060336708714268999, -0.00074070253415432091,
             0.00018673420802005125, -1.3882523394981881e-05, -1.3654691763345838e-06, 4.2347881833080584e-07,
             -2.9070390826668909e-08, -4.1126616800312006e-09, 1.0512231161736168e-09, -5.4142400324138105e-11,
             -1.2978709256468867e-11, 2.6303166728199592e-12, -8.0742573448634527e-14, -3.997312376124826e-14,
             6.5251066299745678e-15, -4.648942034109697e-17, -1.2255975249926851e-16, 1.6225969774240808e-17,
             6.3485669684794226e-19, -3.9350606738532699e-19, 1.8927079589275096e-20, 4.916990953483724e-21,
             -3.4115811328618695e-22, -2.8292100783061177e-23);
  const Mask<double> far = ~(w < V(6.25));
  if (any(far)) [[unlikely]] {
    const V root = sqrt(w), m = root - V(3.25), e = root - V(5.0);
    const V middle = poly(
        m, 3.0838856104922208, 1.0052589676941655, 0.005370914553555089, -0.0037512085082238027, 0.0024914420979534968,
        -0.0016882755354781012, 0.00095328934166189578, -0.00035503781336799643, 2.4031511876664046e-05,
        6.8287114169196238e-05, -4.7320673895034076e-05, 1.2465042846655626e-05, 2.9325503749446995e-06,
        -3.9857460268836948e-06, 1.4816696037649801e-06, -2.7551885340110377e-08, -2.4560885844302007e-07,
        1.3152850921735327e-07, -2.0820340100246653e-08, -1.5283607304349467e-08, 7.6461945558631648e-09);
    const V tail =
        poly(e, 4.8499064014085844, 1.0103004648645448, -0.00013871931838024368, -0.00021503011980093193,
             7.5995278099669683e-05, -1.9681771164036339e-05, 4.5260524928836872e-06, -9.9302575952744849e-07,
             2.2905300942285273e-07, -6.7571550181974573e-08, 2.9018028779011676e-08, -1.5216784076544022e-08,
             7.8226023559494318e-09, -3.5292073111876633e-09, 1.3147366964390031e-09, -3.853916212631025e-10,
             7.0283093215603939e-11, 1.7077717858895368e-11, -2.0557608111909275e-11, 5.3808141137744692e-12);
    p = select(far, select(w < V(16.0), middle, tail), p);
    p = select(a < one, p, select(a == one, V(kInfinity<double>), V(kNaN<double>)));
  }
  return x * p;
}

// The same for floats, in two pieces; relative error of P 2^-28.6 and 2^-25.7.
RL_INLINE Vec<float> erfinv(Vec<float> x) {
  using V = Vec<float>;
  const V one(1.0f), a = abs(x);
  const V w = -log(fma(-x, x, one));
  // sqrt(pi) / 2 in two parts
  const V inner = poly(w, 0.232013598f, 0.0115501201f, -0.00233806297f, -0.000122568614f, 4.08831656e-05f,
                       5.66365088e-06f, -2.45116757e-06f, 3.02068315e-07f, -1.64494054e-08f, 3.07551373e-10f);
  const Pair<float> sum = two_sum(V(0x1.c5bf8ap-1f), fma(w, inner, V(-0x1.c96212p-26f)));
  V p = sum.hi, p_lo = sum.lo;
  const Mask<float> far = ~(w < V(5.0f));
  if (any(far)) [[unlikely]] {
    const V tail = poly(sqrt(w) - V(3.0f), 2.83297682f, 1.00167477f, 0.00944430381f, -0.00763426535f, 0.00569499703f,
                        -0.00361095485f, 0.00146517938f, -3.2240172e-05f, -0.000294453348f, 9.97104362e-05f);
    p = select(far, tail, p);
    p_lo = select(far, V(0.0f), p_lo);
    p = select(a < one, p, select(a == one, V(kInfinity<float>), V(kNaN<float>)));
  }
  return select(x == V(0.0f), x, mad(x, p, x * p_lo));
}

// log(x / (1 - x)): that of the quotient below 1/4, log1p of (2 x - 1) / (1 - x) above. What 1 - x and the quotient
// lose by rounding changes the logarithm by lost / x.
template <class T>
RL_INLINE Vec<T> logit(Vec<T> x) {
  const Vec<T> one(1), rest = one - x;
  const Mask<T> small = x < Vec<T>(T(0.25));
  const Vec<T> num = select(small, x, x + x - one), q = num / rest;
  const Vec<T> u = select(small, q, q + one), s = log_scale(u);
  const LogParts<T> p = {log_parts(u).exponent, mad(q, s, select(small, Vec<T>(-1), s - one))};
  Vec<T> tail = log_tail(p.f);
  if constexpr (sizeof(T) == 4) tail += mad(q, (one - rest) - x, product_error(q, rest, num)) / x;
  const Vec<T> r = log_from_parts<LogBase::kE>(p, tail);
  const Mask<T> usual = is_positive_normal(x) & (x < one);
  if (!all(usual)) [[unlikely]]
    return select(usual, r, log(x / rest));
  return r;
}

// -x log x
template <class T>
RL_INLINE Vec<T> entr(Vec<T> x) {
  const Vec<T> zero(0);
  return select(x == zero, zero, select(x < zero, Vec<T>(-kInfinity<T>), -x * log(x)));
}

}  // namespace rushlight::cpu::RL_ISA
