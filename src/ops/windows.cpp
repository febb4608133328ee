// Window functions of signal processing, computed in float64.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "rushlight/autograd.h"
#include "rushlight/creation.h"
#include "rushlight/ternary.h"

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
  // In parts that stay in the cache.
  constexpr int64_t kPart = 8192;
  const auto part = [&](int64_t begin, int64_t end) {
    const Tensor i = arange(begin, end, 1, DType::Float64);
    // A product is faster; its last bit matters only where all digits are kept.
    return f(d == DType::Float64 ? div_(i, last) : mul_(i, 1 / last));
  };
  if (n <= kPart) return to(part(0, n), d);
  const Tensor out = empty(DimVector{n}, d);
  for (int64_t i = 0; i < n; i += kPart)
    copy_(slice(out, 0, i, std::min(n, i + kPart)), part(i, std::min(n, i + kPart)));
  return out;
}

// cos(2 pi times x)
Tensor wave(const Tensor& x, int times) { return cos_(mul(x, 2 * std::numbers::pi * times)); }

}  // namespace

Tensor bartlett_window(int64_t n, bool periodic, OptDType dtype) {
  return window("bartlett_window", n, periodic, dtype,
                [](const Tensor& x) { return rsub(abs_(sub_(mul_(x, 2), 1)), 1); });
}

Tensor blackman_window(int64_t n, bool periodic, OptDType dtype) {
  return window("blackman_window", n, periodic, dtype,
                [](const Tensor& x) { return add(add(mul(wave(x, 1), -0.5), 0.42), mul(wave(x, 2), 0.08)); });
}

Tensor hamming_window(int64_t n, bool periodic, double alpha, double beta, OptDType dtype) {
  return window("hamming_window", n, periodic, dtype,
                [=](const Tensor& x) { return add_(mul_(wave(x, 1), -beta), alpha); });
}

Tensor hann_window(int64_t n, bool periodic, OptDType dtype) {
  return window("hann_window", n, periodic, dtype, [](const Tensor& x) { return add_(mul_(wave(x, 1), -0.5), 0.5); });
}

Tensor kaiser_window(int64_t n, bool periodic, double beta, OptDType dtype) {
  const double b = std::abs(beta), whole = item(i0e(full({}, b, DType::Float64))).to_double();
  return window("kaiser_window", n, periodic, dtype, [=](const Tensor& x) {
    const Tensor part = mul(sqrt(clamp_min(mul(mul(x, 4), rsub(x, 1)), 0)), b);
    return div(mul(i0e(part), exp(sub(part, b))), whole);
  });
}

}  // namespace rushlight
