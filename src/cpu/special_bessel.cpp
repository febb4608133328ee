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

// K0 and K1 for 0 < x <= 1, from the series in x^2/4.
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
// sqrt(x) e^x K of order 0 and 1 for x >= 1, in t = 2/x - 1: a Chebyshev interpolation, 2^-57.
constexpr double kLarge[2][34] = {
    {1.1901571834152027,     -0.052279011491757843,   0.0080673865483722011,   -0.0019084014862474088,
     0.00056923988843958734, -0.00019727982201938018, 7.6082656182178791e-05,  -3.1814770029036903e-05,
     1.4181664161361227e-05, -6.6595085812575226e-06, 3.2652225767462253e-06,  -1.6606608734840093e-06,
     8.7881005554893231e-07, -4.8084989494596074e-07, 2.3118718027925965e-07,  -1.0391147888720381e-07,
     1.9986982426991994e-07, -2.0401951256114345e-07, -2.8838909812247605e-07, 3.7928579539714659e-07,
     6.6287228482735889e-07, -7.7014791799202329e-07, -9.77714754752371e-07,   1.084141052862151e-06,
     1.0795329957010338e-06, -1.1351567761023716e-06, -8.3850308082722122e-07, 8.4303498607958201e-07,
     4.4119063377137492e-07, -4.2504429994839063e-07, -1.4067516272892705e-07, 1.3033429702889245e-07,
     2.0985384923079495e-08, -1.8681045137705936e-08},
    {1.4615569735231244,      0.18797890654571872,    -0.015852854565983437,   0.0031120066455949495,
     -0.00084439274147603586, 0.00027603884149350312, -0.00010227195021987323, 4.1523120678719508e-05,
     -1.8092857437286173e-05, 8.3431092148074498e-06, -4.0302761199969566e-06, 2.0244280364615373e-06,
     -1.0591670141582384e-06, 5.7355567227412096e-07, -2.7711659724827354e-07, 1.2650590556071512e-07,
     -2.2384026575229584e-07, 2.2469414750385148e-07, 3.10150324848197e-07,    -4.0889049531907001e-07,
     -7.1877580691900112e-07, 8.3337537096598269e-07, 1.0590617548891956e-06,  -1.1725900507118841e-06,
     -1.1699232767888523e-06, 1.2281977895779321e-06, 9.0882881746773881e-07,  -9.122763264567384e-07,
     -4.7836331205834718e-07, 4.6010070104576355e-07, 1.5258088822220255e-07,  -1.4113134193661236e-07,
     -2.277802103992743e-08,  2.0241769328080338e-08}};
double k_large(int order, double x) {
  const double t = 2 / x - 1, z = t * t;
  double even = 0, odd = 0;
  for (int i = 32; i >= 0; i -= 2) {
    even = even * z + kLarge[order][i];
    odd = odd * z + kLarge[order][i + 1];
  }
  return (even + t * odd) / std::sqrt(x);
}
double modified_k(int order, double x, bool scale) {
  if (std::isnan(x)) return x;
  if (x < 0) return kNaN;
  if (x == 0) return kInf;
  if (x == kInf) return 0;
  if (x > 1) return k_large(order, x) * (scale ? 1 : std::exp(-x));
  double k0, k1;
  k_small(x, k0, k1);
  return (order ? k1 : k0) * (scale ? std::exp(x) : 1);
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
