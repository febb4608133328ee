// The error function's inverses and the gamma function's relatives on doubles.
#include <cmath>
#include <iterator>
#include <limits>
#include <numbers>

#include "cpu/special.h"

namespace rushlight::cpu::special {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = std::numbers::pi;
constexpr double kSqrtHalf = std::numbers::sqrt2 / 2;
const double kHalfSqrtPi = std::sqrt(kPi) / 2;

// sin(pi x) and cos(pi x), exact at multiples of 1/2.
double sin_pi(double x) {
  const double r = x - 2 * std::round(x / 2);  // [-1, 1]
  const double a = std::fabs(r);
  const double s = a <= 0.25 ? std::sin(kPi * a) : a < 0.75 ? std::cos(kPi * (0.5 - a)) : std::sin(kPi * (1 - a));
  return std::copysign(s, r);
}
double cos_pi(double x) { return sin_pi(0.5 - std::fabs(x - 2 * std::round(x / 2))); }

// A first guess of erfcinv(q), log = log(q (2 - q)), and two steps of Halley's method on it; 0 < q <= 1.
double erfc_inverse(double q) {
  const double l = std::log(q) + std::log(2 - q), t = 2 / (kPi * 0.147) + l / 2;
  double z = std::sqrt(std::sqrt(t * t - l / 0.147) - t);
  const double log_q = std::log(q);
  for (int i = 0; i < 3; ++i) {
    const double u = q > 0.1 ? (std::erfc(z) - q) * kHalfSqrtPi * std::exp(z * z)
                             : kHalfSqrtPi * (erfcx(z) - std::exp(std::fma(z, z, log_q)));
    z += u / (1 - z * u);
  }
  return z;
}

}  // namespace

double erfinv(double x) {
  const double a = std::fabs(x);
  if (!(a < 1)) return a == 1 ? std::copysign(kInf, x) : kNaN;
  if (a > 0.5) return std::copysign(erfc_inverse(1 - a), x);
  if (a < 1e-9) return x * kHalfSqrtPi;
  const double l = std::log1p(-a * a), t = 2 / (kPi * 0.147) + l / 2;
  double z = std::sqrt(std::sqrt(t * t - l / 0.147) - t);
  for (int i = 0; i < 3; ++i) {
    const double u = (std::erf(z) - a) * kHalfSqrtPi * std::exp(z * z);
    z -= u / (1 + z * u);
  }
  return std::copysign(z, x);
}

double erfcx(double x) {
  if (x < 12) {
    const double s = x * x, low = std::fma(x, x, -s), e = std::exp(s);
    if (x < -27) return kInf;
    if (x < -6) return 2 * (e + e * low);
    if (x < 0) return 2 * (e + e * low) - erfcx(-x);
    return (e + e * low) * std::erfc(x);
  }
  // 1/(x sqrt(pi)) (1 - 1/(2x^2) + 1*3/(2x^2)^2 - ...)
  const double h = 0.5 / x / x;
  double term = 1, sum = 1;
  for (int k = 1; k < 14; ++k) {
    term *= -(2 * k - 1) * h;
    sum += term;
  }
  return sum / (x * 2 * kHalfSqrtPi);
}

double ndtri(double p) {
  if (!(p > 0 && p < 1)) return p == 0 ? -kInf : p == 1 ? kInf : kNaN;
  // 2 p and 2 (1 - p) are exact where they are used.
  if (p <= 0.25) return -std::numbers::sqrt2 * erfc_inverse(2 * p);
  return std::numbers::sqrt2 * erfinv(2 * p - 1);
}

double log_ndtr(double x) {
  const double t = x * kSqrtHalf;
  if (x > 39) return -0.0;  // exp(-x^2/2) is less than all numbers
  if (x < -1) return std::log(erfcx(-t) / 2) - x * x / 2;
  if (x > 1) {  // e^(-x^2/2) with the digits that the square lost
    const double s = x * x, low = std::fma(x, x, -s), e = std::exp(-s / 2);
    return std::log1p(-(e - e * (low / 2)) * erfcx(t) / 2);
  }
  return std::log1p(-std::erfc(t) / 2);
}

double entr(double x) {
  if (x > 0) return -x * std::log(x);
  return x == 0 ? 0 : x < 0 ? -kInf : x;
}

double sinc(double x) {
  if (x == 0) return 1;
  if (std::isinf(x)) return x - x;
  return sin_pi(x) / (kPi * x);
}

double logit(double x) {
  if (x > 0.25 && x < 0.75) return 2 * std::atanh(2 * x - 1);
  return std::log(x / (1 - x));
}

double lgamma(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}

double digamma(double x) {
  if (x == 0) return std::copysign(kInf, -x);
  if (x < 0) {
    if (x == std::floor(x)) return kNaN;
    return digamma(1 - x) - kPi * cos_pi(x) / sin_pi(x);
  }
  double sum = 0;
  while (x < 12) {
    sum -= 1 / x;
    x += 1;
  }
  const double z = 1 / (x * x);
  const double tail =
      z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760))))));
  return sum + (std::log(x) - 0.5 / x - (std::isinf(x) ? 0 : tail));
}

double trigamma(double x) {
  if (x < 0.5) {
    const double s = sin_pi(x);
    return (kPi / s) * (kPi / s) - trigamma(1 - x);
  }
  double sum = 0;
  while (x < 12) {
    sum += 1 / (x * x);
    x += 1;
  }
  const double z = 1 / (x * x);
  const double tail =
      z * (1.0 / 6 - z * (1.0 / 30 - z * (1.0 / 42 - z * (1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730))))));
  return sum + (1 + 0.5 / x + tail) / x;
}

double zeta(double s, double q) {
  if (std::isnan(s) || std::isnan(q)) return kNaN;
  if (s == 1) return kInf;
  if (s < 1) return kNaN;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (s != std::floor(s)) return kNaN;
  }
  if (s == kInf) return q > 1 ? 0 : q == 1 ? 1 : kInf;
  if (q == kInf) return 0;
  // Euler-Maclaurin from the first q + n >= 10 on.
  double sum = 0, at = q;
  for (int i = 0; i < 12 || at < 10; ++i) {
    const double term = std::pow(at, -s);
    sum += term;
    at += 1;
    if (at > 1 && std::fabs(term) < 1e-17 * std::fabs(sum)) return sum;
  }
  const double last = std::pow(at, -s);
  double result = sum + last * at / (s - 1) + last / 2;
  // B_2j / (2j)!
  constexpr double kBernoulli[] = {1.0 / 12,
                                   -1.0 / 720,
                                   1.0 / 30240,
                                   -1.0 / 1209600,
                                   1.0 / 47900160,
                                   -691.0 / 1307674368000,
                                   1.0 / 74724249600,
                                   -3617.0 / 10670622842880000,
                                   43867.0 / 5109094217170944000};
  double factor = s * last / at, k = 0;
  for (double b : kBernoulli) {
    const double term = b * factor;
    result += term;
    if (std::fabs(term) < 1e-17 * std::fabs(result)) break;
    factor *= (s + k + 1) * (s + k + 2) / (at * at);
    k += 2;
  }
  return result;
}

namespace {

// lgamma(a) - ((a - 1/2) log a - a + log(2 pi)/2) for a >= 10
double stirling(double a) {
  const double z = 1 / (a * a);
  return (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 - z * (691.0 / 360360)))))) /
         a;
}
// log(1+m) - m
double log1p_less(double m) {
  if (std::fabs(m) > 0.4) return std::log1p(m) - m;
  // With s = m/(2+m): log(1+m) = 2 (s + s^3/3 + ...), m = 2s/(1-s), so the difference is -m s + 2 (s^3/3 + s^5/5 +
  // ...).
  const double s = m / (2 + m), z = s * s;
  double power = s * z, sum = 0;
  for (int k = 3; k < 60; k += 2) {
    sum += power / k;
    power *= z;
    if (std::fabs(power) < 1e-18 * std::fabs(sum)) break;
  }
  return 2 * sum - m * s;
}
// x^a e^-x / Gamma(a)
double gamma_density(double a, double x) {
  if (a < 10) {
    // By factors, whose errors do not grow with the exponent, as long as none of them leaves the range.
    if (a > 1e-300 && x < 700) return std::pow(x, a) * std::exp(-x) / std::tgamma(a);
    return std::exp(a * std::log(x) - x - lgamma(a));
  }
  const double m = (x - a) / a;
  if (m < -0.5) return std::sqrt(a / (2 * kPi)) * std::exp(a * std::log(x / a) + (a - x) - stirling(a));
  return std::sqrt(a / (2 * kPi)) * std::exp(a * log1p_less(m) - stirling(a));
}
double lower_series(double a, double x) {
  double term = 1 / a, sum = term;
  for (double k = 1; k < 100000; ++k) {
    term *= x / (a + k);
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return sum * gamma_density(a, x);
}
// x > 1.1, x >= a
double upper_fraction(double a, double x) {
  if (a < 10) {
    // From its end, where so many terms are enough for 2^-53: the errors of the steps do not add up.
    const int n = static_cast<int>(90 / x) + 14;
    double h = x + 2 * n + 1 - a;
    for (int i = n; i > 0; --i) h = (x + 2 * i - 1 - a) - i * (i - a) / h;
    return gamma_density(a, x) / h;
  }
  // Lentz
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (double i = 1; i < 100000; ++i) {
    const double n = -i * (i - a);
    b += 2;
    d = n * d + b;
    if (std::fabs(d) < 1e-300) d = 1e-300;
    c = b + n / c;
    if (std::fabs(c) < 1e-300) c = 1e-300;
    d = 1 / d;
    const double step = d * c;
    h *= step;
    if (std::fabs(step - 1) < 1e-16) break;
  }
  return h * gamma_density(a, x);
}
// log Gamma(1 + a), a >= 0: for small a from its power series, since 1 + a loses digits of a.
double lgamma_above_one(double a) {
  constexpr double terms[] = {-0.57721566490153287,  0.8224670334241132,   -0.40068563438653143,  0.27058080842778454,
                              -0.20738555102867398,  0.16955717699740819,  -0.14404989676884611,  0.12550966952474304,
                              -0.11133426586956469,  0.10009945751278181,  -0.090954017145829041, 0.083353840546109004,
                              -0.076932516411352195, 0.07143294629536133,  -0.066668705882420465, 0.062500955141213038,
                              -0.058823978658684585, 0.055555767627403614, -0.052631679379616658, 0.050000047698101693,
                              -0.047619070330142226, 0.045454556293204669, -0.043478266053040261, 0.041666669150341208};
  if (a > 0.2) return lgamma(a + 1);
  double sum = 0;
  for (int k = std::size(terms) - 1; k >= 0; --k) sum = sum * a + terms[k];
  return sum * a;
}
// 1 - x^a / Gamma(a + 1) and the rest of the series: for small x and a.
double upper_series(double a, double x) {
  // Q = -expm1(a log x - lgamma(a+1)) - x^a/Gamma(a) sum_{k>=1} (-x)^k / (k! (a+k))
  const double l = a * std::log(x) - lgamma_above_one(a);
  double term = 1, sum = 0;
  for (double k = 1; k < 1000; ++k) {
    term *= -x / k;
    sum += term / (a + k);
    if (std::fabs(term / (a + k)) < 1e-17 * std::fabs(sum)) break;
  }
  return -std::expm1(l) - std::exp(l) * a * sum;
}

}  // namespace

double igamma(double a, double x) {
  if (std::isnan(a) || std::isnan(x) || x < 0 || a < 0) return kNaN;
  if (a == 0) return x > 0 ? 1 : kNaN;
  if (x == 0) return 0;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 0;
  if (std::isinf(x)) return 1;
  if (x > 1 && x > a) return 1 - igammac(a, x);
  return lower_series(a, x);
}

double igammac(double a, double x) {
  if (std::isnan(a) || std::isnan(x) || x < 0 || a < 0) return kNaN;
  if (a == 0) return x > 0 ? 0 : kNaN;
  if (x == 0) return 1;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 1;
  if (std::isinf(x)) return 0;
  if (x > 1.1) return x < a ? 1 - lower_series(a, x) : upper_fraction(a, x);
  if (x <= 0.5) return -0.4 / std::log(x) < a ? 1 - lower_series(a, x) : upper_series(a, x);
  return x * 1.1 < a ? 1 - lower_series(a, x) : upper_series(a, x);
}

}  // namespace rushlight::cpu::special
