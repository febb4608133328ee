// Special functions of doubles (special_gamma.cpp, special_bessel.cpp, special_polynomials.cpp).
#pragma once

namespace rushlight::cpu::special {

// ---- error function and its relatives, gamma function (special_gamma.cpp)
double erfinv(double x);
double erfcx(double x);  // e^(x^2) erfc(x)
double ndtri(double p);  // the x whose normal distribution function is p
double log_ndtr(double x);
double entr(double x);  // -x log x
double sinc(double x);  // sin(pi x) / (pi x)
double logit(double x);
double lgamma(double x);
double digamma(double x);
double trigamma(double x);
double zeta(double s, double q);     // Hurwitz
double igamma(double a, double x);   // regularised, lower
double igammac(double a, double x);  // upper

// ---- Bessel functions (special_bessel.cpp); e: scaled by e^-|x| (i) or e^x (k)
double i0(double x);
double i0e(double x);
double i1(double x);
double i1e(double x);
double bessel_j0(double x);
double bessel_j1(double x);
double bessel_y0(double x);
double bessel_y1(double x);
double bessel_k0(double x);
double bessel_k1(double x);
double bessel_k0e(double x);
double bessel_k1e(double x);
double spherical_j0(double x);

// ---- orthogonal polynomials of degree n, truncated to an integer; 0 for n < 0 (special_polynomials.cpp)
double chebyshev_t(double x, double n);
double chebyshev_u(double x, double n);
double chebyshev_v(double x, double n);
double chebyshev_w(double x, double n);
double shifted_chebyshev_t(double x, double n);
double shifted_chebyshev_u(double x, double n);
double shifted_chebyshev_v(double x, double n);
double shifted_chebyshev_w(double x, double n);
double hermite_h(double x, double n);
double hermite_he(double x, double n);
double laguerre_l(double x, double n);
double legendre_p(double x, double n);

}  // namespace rushlight::cpu::special
