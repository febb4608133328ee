#include "cpu/complex_math.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

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
// a / b without the care for extremes that the standard's takes, where b has none.
C quotient(C a, C b) {
  const double norm = b.real() * b.real() + b.imag() * b.imag();
  if (!(norm > 1e-250 && norm < 1e250)) return a / b;
  return {(a.real() * b.real() + a.imag() * b.imag()) / norm, (a.imag() * b.real() - a.real() * b.imag()) / norm};
}
struct Pair {
  double sin, cos;
};
// The nearest integer; std::round is a slow call for the baseline.
double nearest(double x) {
  constexpr double magic = 0x1.8p52;
  return std::fabs(x) < 0x1p51 ? (x + magic) - magic : std::round(x);
}
// sin(pi x) and cos(pi x)
Pair turn_pi(double x) {
  const double r = x - 2 * nearest(x / 2);  // in [-1, 1]
  const double quarter = nearest(2 * std::fabs(r)), t = std::numbers::pi * (std::fabs(r) - quarter / 2);
  const double s = std::sin(t), c = std::cos(t), sign = std::copysign(1, r);
  return quarter == 0 ? Pair{sign * s, c} : quarter == 1 ? Pair{sign * c, -s} : Pair{sign * -s, -c};
}
// sinh and cosh of |h| < 300
Pair hyperbolic(double h) {
  const double e = std::expm1(std::fabs(h)), over = e / (e + 1);
  return {std::copysign((e + over) / 2, h), 1 + e * over / 2};
}

// e^(x + i y) for x <= 0 and finite y, without the care for overflow
C decaying_exp(double x, double y) {
  const double size = std::exp(x);
  return {size * std::cos(y), size * std::sin(y)};
}
// Where a part is infinite, NaN or huge: apart from the usual, since the swap keeps operands in memory.
[[gnu::noinline]] C logaddexp_far(C a, C b) {
  if (std::isnan(a.real()) || std::isnan(a.imag()) || std::isnan(b.real()) || std::isnan(b.imag())) return {kNaN, kNaN};
  if (a.real() < b.real()) std::swap(a, b);
  if (std::isinf(a.real()) && a.real() == b.real()) return a.real() < 0 ? b : std::log(std::exp(a) + std::exp(b));
  if (b.real() == -kInf) return a;
  return a + complex_log1p(std::exp(b - a));
}

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
    // |1 + z|^2 - 1 = 2 x + x^2 + y^2, with what the parts lose where they cancel.
    const double xx = x * x, yy = y * y;
    const Sum squares = two_sum(xx, yy), sum = two_sum(2 * x, squares.hi);
    if (sum.hi > -0.5) {
      const double lost = std::fma(x, x, -xx) + std::fma(y, y, -yy);
      return {std::log1p(sum.hi + (sum.lo + squares.lo + lost)) / 2, std::atan2(y, 1 + x)};
    }
  }
  return std::log(C(1 + x, y));
}

C complex_sigmoid(C z) {
  // 1 / (1 + e^-z) or e^z / (1 + e^z): e^w of a real part <= 0, which overflows nowhere.
  const bool left = z.real() < 0;
  const C w = left ? z : -z, e = std::isfinite(z.imag()) ? decaying_exp(w.real(), w.imag()) : std::exp(w);
  C sum(1 + e.real(), e.imag());
  if (e.real() < -0.5) {
    // 1 + e^x cos y = (1 - e^x) + 2 e^x cos^2(y/2): both terms are positive.
    const double c = std::cos(w.imag() / 2);
    sum.real(2 * c * c * std::exp(w.real()) - std::expm1(w.real()));
  }
  return quotient(left ? e : C(1), sum);
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
  const Pair turn = turn_pi(z.real());
  if (std::fabs(h.hi) > 300) {
    // cosh = e^|h| / 2, in two factors
    const double root = std::exp(std::fabs(h.hi) / 2) * (1 + (h.hi < 0 ? -h.lo : h.lo) / 2);
    const C p = C(turn.sin, h.hi < 0 ? -turn.cos : turn.cos) * (root / 2) / z;
    return p / pi * root;
  }
  const Pair y = hyperbolic(h.hi);
  const double sinh_y = z.imag() == 0 ? z.imag() : y.sin + h.lo * y.cos;
  return quotient(C(turn.sin * (y.cos + h.lo * y.sin), turn.cos * sinh_y), z) / pi;
}

C complex_power(C a, C b) {
  if (b == C(0)) return 1;
  if (a == C(0)) {
    if (b.real() > 0 && !std::isinf(b.imag())) return 0;
    return b.real() < 0 && !std::isinf(b.imag()) ? C(kInf, kNaN) : C(kNaN, kNaN);
  }
  return std::pow(a, b);
}

C complex_logaddexp(C a, C b) {
  const double all = a.real() + a.imag() + b.real() + b.imag();
  if (!std::isfinite(all)) [[unlikely]]
    return logaddexp_far(a, b);
  // The larger real part is taken out; the imaginary part is not wrapped.
  const double sign = a.real() < b.real() ? 1 : -1;
  const C l = complex_log1p(decaying_exp(-std::fabs(a.real() - b.real()), sign * (a.imag() - b.imag())));
  return {std::max(a.real(), b.real()) + l.real(), (sign > 0 ? b.imag() : a.imag()) + l.imag()};
}

}  // namespace rushlight::cpu
