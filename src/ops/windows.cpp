// Window functions of signal processing, computed in float64.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushlight/autograd.h"
#include "rushlight/creation.h"

namespace rushlight {

namespace {

void check_window(const char* name, int64_t n, DType dtype) {
  if (is_complex(dtype)) fail<NotImplementedError>("\"", name, "\" not implemented for '", dtype, "'");
  if (!is_floating_point(dtype)) fail(name, " expects floating point dtypes, got: ", dtype);
  if (n < 0) fail(name, " requires non-negative window_length, got window_length=", n);
}

// f(x) for the positions x = i / (n - 1) of a symmetric window, a float64 tensor; a periodic one has one sample more,
// which is left out.
template <class F>
Tensor window(const char* name, int64_t n, bool periodic, OptDType dtype, F f) {
  const DType d = dtype.value_or(default_dtype());
  check_window(name, n, d);
  if (n <= 1) return ones(DimVector{n}, d);
  NoGradGuard no_grad;
  const double last = static_cast<double>(periodic ? n : n - 1);
  return to(f(div(arange(0, n, 1, DType::Float64), last)), d);
}

// cos(2 pi times x)
Tensor wave(const Tensor& x, int times) { return cos(mul(x, 2 * std::numbers::pi * times)); }

// exp(-x) I0(x) for x >= 0: the power series (all its terms are positive), then the asymptotic one; Abramowitz and
// Stegun 9.6.12 and 9.7.1.
double scaled_bessel_i0(double x) {
  double term = 1, sum = 1;
  if (x < 30) {
    for (int k = 1; term > sum * 1e-17; ++k) sum += term *= (x / (2 * k)) * (x / (2 * k));
    return sum * std::exp(-x);
  }
  for (int k = 1; k < 30 && term > 1e-17; ++k) {
    const double next = term * (2 * k - 1) * (2 * k - 1) / (8 * x * k);
    if (next > term) break;
    sum += term = next;
  }
  return sum / std::sqrt(2 * std::numbers::pi * x);
}

}  // namespace

Tensor bartlett_window(int64_t n, bool periodic, OptDType dtype) {
  return window("bartlett_window", n, periodic, dtype, [](const Tensor& x) { return rsub(abs(sub(mul(x, 2), 1)), 1); });
}

Tensor blackman_window(int64_t n, bool periodic, OptDType dtype) {
  return window("blackman_window", n, periodic, dtype,
                [](const Tensor& x) { return add(add(mul(wave(x, 1), -0.5), 0.42), mul(wave(x, 2), 0.08)); });
}

Tensor hamming_window(int64_t n, bool periodic, double alpha, double beta, OptDType dtype) {
  return window("hamming_window", n, periodic, dtype,
                [=](const Tensor& x) { return add(mul(wave(x, 1), -beta), alpha); });
}

Tensor hann_window(int64_t n, bool periodic, OptDType dtype) {
  return window("hann_window", n, periodic, dtype, [](const Tensor& x) { return rsub(mul(wave(x, 1), 0.5), 0.5); });
}

Tensor kaiser_window(int64_t n, bool periodic, double beta, OptDType dtype) {
  const double b = std::abs(beta), whole = scaled_bessel_i0(b);
  return window("kaiser_window", n, periodic, dtype, [=](const Tensor& positions) {
    double* const x = positions.data_ptr<double>();
    for (int64_t i = 0; i < n; ++i) {
      const double part = b * std::sqrt(std::max(0.0, 4 * x[i] * (1 - x[i])));
      x[i] = scaled_bessel_i0(part) / whole * std::exp(part - b);
    }
    return positions;
  });
}

}  // namespace rushlight
