#include "cpu/complex_math.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "cpu/special.h"

namespace rushlight::cpu {
namespace {

using C = complex128;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Sum {
  double hi, lo;
};
Sum two_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
// a (hi + lo) as a sum of two
Sum product(double a, double hi, double lo) {
  const double p = a * hi;
  return {p, std::fma(a, hi, -p) + a * lo};
}
bool finite(C z) { return std::isfinite(z.real()) && std::isfinite(z.imag()); }

}  // namespace

C complex_exp2(C z) {
  constexpr double ln2 = std::numbers::ln2, ln2_lo = 0x1.abc9e3b39803fp-56;
  const double x = z.real(), y = z.imag();
  if (!finite(z) || std::fabs(y) > 0x1p40) return std::exp(z * ln2);
  const Sum angle = product(y, ln2, ln2_lo);
  const double s = std::sin(angle.hi), c = std::cos(angle.hi);
  const C turn(c - angle.lo * s, y == 0 ? y : s + angle.lo * c);
  if (std::fabs(x) < 1000) return std::exp2(x) * turn;
  const double root = std::exp2(x / 2);  // the power may overflow where the parts do not
  return root * (root * turn);
}

C complex_expm1(C z) {
  const double x = z.real(), y = z.imag();
  if (x > 40 && finite(z)) {
    const C e = std::exp(z);
    return {e.real() - 1, e.imag()};
  }
  // (e^x - 1) cos y - 2 sin^2(y/2) and e^x sin y: no cancellation near 0.
  const double half = std::sin(y / 2);
  return {std::expm1(x) * std::cos(y) - 2 * half * half, std::exp(x) * std::sin(y)};
}

C complex_log1p(C z) {
  const double x = z.real(), y = z.imag();
  if (std::fabs(x) < 3 && std::fabs(y) < 3) {
    // |1 + z|^2 - 1 = 2 x + x^2 + y^2 with what the parts lose, where the logarithm is small.
    const double xx = x * x, yy = y * y;
    const Sum squares = two_sum(xx, yy), sum = two_sum(2 * x, squares.hi);
    if (std::fabs(sum.hi) < 0.5) {
      const double lost = std::fma(x, x, -xx) + std::fma(y, y, -yy);
      return {std::log1p(sum.hi + (sum.lo + squares.lo + lost)) / 2, std::atan2(y, 1 + x)};
    }
  }
  return std::log(C(1 + x, y));
}

C complex_sigmoid(C z) {
  // 1 / (1 + e^-z) or e^z / (1 + e^z): e^w of a real part <= 0, which overflows nowhere.
  const bool left = z.real() < 0;
  const C w = left ? z : -z, e = std::exp(w);
  C sum(1 + e.real(), e.imag());
  if (e.real() < -0.5) {
    // 1 + e^x cos y = (1 - e^x) + 2 e^x cos^2(y/2): both terms are positive.
    const double c = std::cos(w.imag() / 2);
    sum.real(2 * c * c * std::exp(w.real()) - std::expm1(w.real()));
  }
  return left ? e / sum : C(1) / sum;
}

C complex_sinc(C z) {
  constexpr double pi = std::numbers::pi, pi_lo = 0x1.1a62633145c07p-53;
  if (z == C(0)) return 1;
  if (!finite(z)) {
    const C p = z * pi;
    return std::sin(p) / p;
  }
  if (std::fabs(z.real()) < 1e-5 && std::fabs(z.imag()) < 1e-5) {
    // 1 - (pi z)^2 / 6
    const double c = pi * pi / 6, x = z.real(), y = z.imag();
    return {1 - c * (x - y) * (x + y), -2 * c * x * y};
  }
  // sin(pi x) cosh(pi y) + i cos(pi x) sinh(pi y)
  const Sum h = product(z.imag(), pi, pi_lo);
  const double s = special::sin_pi(z.real()), c = special::cos_pi(z.real());
  if (std::fabs(h.hi) > 700) {
    // cosh = e^|h| / 2, in two factors
    const double root = std::exp(std::fabs(h.hi) / 2) * (1 + (h.hi < 0 ? -h.lo : h.lo) / 2);
    const C p = C(s, h.hi < 0 ? -c : c) * (root / 2) / z;
    return p / pi * root;
  }
  const double sh = std::sinh(h.hi), ch = std::cosh(h.hi);
  return C(s * (ch + h.lo * sh), c * (z.imag() == 0 ? z.imag() : sh + h.lo * ch)) / z / pi;
}

C complex_power(C a, C b) {
  if (b == C(0)) return 1;
  if (a == C(0)) {
    if (b.real() > 0) return 0;
    return b.real() < 0 ? C(kInf, kNaN) : C(kNaN, kNaN);
  }
  return std::pow(a, b);
}

C complex_logaddexp(C a, C b) {
  if (std::isnan(a.real()) || std::isnan(a.imag()) || std::isnan(b.real()) || std::isnan(b.imag())) return {kNaN, kNaN};
  // The larger real part is taken out; the imaginary part is not wrapped.
  if (a.real() < b.real()) std::swap(a, b);
  if (std::isinf(a.real()) && a.real() == b.real()) return a.real() < 0 ? b : std::log(std::exp(a) + std::exp(b));
  if (b.real() == -kInf) return a;
  return a + complex_log1p(std::exp(b - a));
}

}  // namespace rushlight::cpu
