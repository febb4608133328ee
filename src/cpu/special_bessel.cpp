// Bessel functions of orders 0 and 1 on doubles.
#include <cmath>
#include <limits>
#include <numbers>

#include "cpu/special.h"

namespace rushlight::cpu::special {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kGamma = std::numbers::egamma;

// The power series, all terms positive; x < 20.
double series(int order, double x) {
  const double q = x * x / 4;
  double term = order ? x / 2 : 1, sum = term;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= q / (static_cast<double>(k) * (k + order));
    sum += term;
  }
  return sum;
}
// sqrt(2 pi x) e^-x I(x) for x >= 20, from the asymptotic series; its smallest term is e^-2x.
double asymptotic(int order, double x) {
  const double mu = 4 * order * order;
  double term = 1, sum = 1;
  for (int k = 1; k < 60 && std::fabs(term) > 1e-18; ++k) {
    const double odd = 2 * k - 1;
    term *= (odd * odd - mu) / (8 * x * k);
    sum += term;
  }
  return sum;
}
constexpr double kSeriesEnd = 20;

double scaled(int order, double x) {
  const double a = std::fabs(x);
  if (std::isnan(x)) return x;
  if (a < kSeriesEnd) return std::copysign(series(order, a) * std::exp(-a), order ? x : 1.0);
  if (a == kInf) return std::copysign(0.0, order ? x : 1.0);
  return std::copysign(asymptotic(order, a) / std::sqrt(2 * std::numbers::pi * a), order ? x : 1.0);
}
double plain(int order, double x) {
  const double a = std::fabs(x);
  if (std::isnan(x)) return x;
  double r;
  if (a < kSeriesEnd) {
    r = series(order, a);
  } else {
    // e^a in two factors: it overflows a little before the quotient does.
    const double half = std::exp(a / 2);
    r = asymptotic(order, a) / std::sqrt(2 * std::numbers::pi * a) * half * half;
    if (a > 720) r = kInf;
  }
  return order ? std::copysign(r, x) : r;
}

// K0 and K1 for 0 < x <= 2, from the series in x^2/4.
void k_small(double x, double& k0, double& k1) {
  const double q = x * x / 4, l = std::log(x / 2);
  // K0 = sum q^k/k!^2 (h_k - g - l), K1 = 1/x + (x/2) sum q^k/(k!(k+1)!) (l + g - (h_k + h_(k+1))/2)
  double t0 = 1, t1 = 1, h = 0, s0 = 0, s1 = 0;
  for (int k = 0; k < 40; ++k) {
    const double next = h + 1.0 / (k + 1);
    const double d0 = t0 * (h - kGamma - l), d1 = t1 * (l + kGamma - (h + next) / 2);
    s0 += d0;
    s1 += d1;
    if (k > 2 && t0 < 1e-20) break;
    h = next;
    t0 *= q / (static_cast<double>(k + 1) * (k + 1));
    t1 *= q / (static_cast<double>(k + 1) * (k + 2));
  }
  k0 = s0;
  k1 = 1 / x + x / 2 * s1;
}
// e^x K0 and e^x K1 for x > 2: Steed's evaluation of Temme's second continued fraction.
void k_large(double x, double& k0, double& k1) {
  double b = 2 * (1 + x), d = 1 / b, h = d, delta = d, q1 = 0, q2 = 1;
  const double a1 = 0.25;
  double q = a1, c = a1, a = -a1, s = 1 + q * delta;
  for (int i = 2; i < 10000; ++i) {
    a -= 2 * (i - 1);
    c = -a * c / i;
    const double q_new = (q1 - b * q2) / a;
    q1 = q2;
    q2 = q_new;
    q += c * q_new;
    b += 2;
    d = 1 / (b + a * d);
    delta = (b * d - 1) * delta;
    h += delta;
    const double ds = q * delta;
    s += ds;
    if (std::fabs(ds / s) < 1e-17) break;
  }
  h *= a1;
  k0 = std::sqrt(std::numbers::pi / (2 * x)) / s;
  k1 = k0 * (x + 0.5 - h) / x;
}
double modified_k(int order, double x, bool scale) {
  if (std::isnan(x)) return x;
  if (x < 0) return kNaN;
  if (x == 0) return kInf;
  if (x == kInf) return 0;
  double k0, k1;
  if (x <= 2) {
    k_small(x, k0, k1);
    if (scale) {
      const double e = std::exp(x);
      k0 *= e;
      k1 *= e;
    }
  } else {
    k_large(x, k0, k1);
    if (!scale) {
      const double e = std::exp(-x);
      k0 *= e;
      k1 *= e;
    }
  }
  return order ? k1 : k0;
}

}  // namespace

double i0(double x) { return plain(0, x); }
double i0e(double x) { return scaled(0, x); }
double i1(double x) { return plain(1, x); }
double i1e(double x) { return scaled(1, x); }
double bessel_j0(double x) { return ::j0(x); }
double bessel_j1(double x) { return ::j1(x); }
double bessel_y0(double x) { return x < 0 ? kNaN : x == 0 ? -kInf : ::y0(x); }
double bessel_y1(double x) { return x < 0 ? kNaN : x == 0 ? -kInf : ::y1(x); }
double bessel_k0(double x) { return modified_k(0, x, false); }
double bessel_k1(double x) { return modified_k(1, x, false); }
double bessel_k0e(double x) { return modified_k(0, x, true); }
double bessel_k1e(double x) { return modified_k(1, x, true); }
double spherical_j0(double x) {
  if (std::isinf(x)) return 0;
  if (std::fabs(x) < 1e-4) return 1 - x * x / 6;
  return std::sin(x) / x;
}

}  // namespace rushlight::cpu::special
