// Orthogonal polynomials by their three-term recurrences, and the Chebyshev ones of high degree by their angles.
#include <cmath>
#include <limits>

#include "cpu/special.h"

namespace rushlight::cpu::special {
namespace {

// Beyond this degree recurrences would run for seconds.
constexpr double kMaxDegree = 1e6;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// p[0] = 1, p[1] = first, p[k+1] = next(k, p[k], p[k-1]).
template <class Next>
double recur(double n, double first, Next next) {
  n = std::trunc(n);
  if (std::isnan(n)) return kNaN;
  if (n < 0) return 0;
  if (n == 0) return 1;
  if (n > kMaxDegree) return kNaN;
  double before = 1, now = first;
  for (double k = 1; k < n; ++k) {
    const double after = next(k, now, before);
    before = now;
    now = after;
  }
  return now;
}

constexpr double kRecurrenceDegree = 8;

// p[k+1] = 2 x p[k] - p[k-1]; `angle(theta, n)` is the value at x = cos(theta).
template <class Angle>
double chebyshev(double x, double n, double first, Angle angle) {
  if (n > kRecurrenceDegree && std::fabs(x) < 1) return angle(std::acos(x), std::trunc(n));
  return recur(n, first, [x](double, double now, double before) { return 2 * x * now - before; });
}

}  // namespace

double chebyshev_t(double x, double n) {
  if (n > kRecurrenceDegree && std::fabs(x) == 1) return x > 0 || std::fmod(std::trunc(n), 2) == 0 ? 1 : -1;
  return chebyshev(x, n, x, [](double t, double k) { return std::cos(k * t); });
}
double chebyshev_u(double x, double n) {
  if (n > kRecurrenceDegree && std::fabs(x) == 1) {
    const double k = std::trunc(n);
    return x > 0 || std::fmod(k, 2) == 0 ? k + 1 : -(k + 1);
  }
  return chebyshev(x, n, 2 * x, [](double t, double k) { return std::sin((k + 1) * t) / std::sin(t); });
}
double chebyshev_v(double x, double n) {
  if (n > kRecurrenceDegree && std::fabs(x) == 1) {
    const double k = std::trunc(n);
    return x > 0 ? 1 : std::fmod(k, 2) == 0 ? 2 * k + 1 : -(2 * k + 1);
  }
  return chebyshev(x, n, 2 * x - 1, [](double t, double k) { return std::cos((k + 0.5) * t) / std::cos(t / 2); });
}
double chebyshev_w(double x, double n) {
  if (n > kRecurrenceDegree && std::fabs(x) == 1) {
    const double k = std::trunc(n);
    return x > 0 ? 2 * k + 1 : std::fmod(k, 2) == 0 ? 1 : -1;
  }
  return chebyshev(x, n, 2 * x + 1, [](double t, double k) { return std::sin((k + 0.5) * t) / std::sin(t / 2); });
}
double shifted_chebyshev_t(double x, double n) { return chebyshev_t(2 * x - 1, n); }
double shifted_chebyshev_u(double x, double n) { return chebyshev_u(2 * x - 1, n); }
double shifted_chebyshev_v(double x, double n) { return chebyshev_v(2 * x - 1, n); }
double shifted_chebyshev_w(double x, double n) { return chebyshev_w(2 * x - 1, n); }

double hermite_h(double x, double n) {
  return recur(n, 2 * x, [x](double k, double now, double before) { return 2 * (x * now - k * before); });
}
double hermite_he(double x, double n) {
  return recur(n, x, [x](double k, double now, double before) { return x * now - k * before; });
}
double laguerre_l(double x, double n) {
  if (x == 0 && n >= 0) return 1;
  return recur(n, 1 - x,
               [x](double k, double now, double before) { return ((2 * k + 1 - x) * now - k * before) / (k + 1); });
}
double legendre_p(double x, double n) {
  if (std::fabs(x) == 1 && n >= 0) return x > 0 || std::fmod(std::trunc(n), 2) == 0 ? 1 : -1;
  return recur(n, x,
               [x](double k, double now, double before) { return ((2 * k + 1) * x * now - k * before) / (k + 1); });
}

}  // namespace rushlight::cpu::special
