#include "rushlight/special.h"

#include <cmath>
#include <numbers>

#include "ops/elementwise.h"

namespace rushlight {

Tensor round(const Tensor& self, int64_t decimals) {
  if (decimals == 0) return round(self);
  if (!is_floating_point(self.dtype()))
    fail<NotImplementedError>("\"round_vml_cpu\" not implemented for '", self.dtype(), "'");
  check_cpu("round", self);
  Tensor result;
  {
    NoGradGuard no_grad;
    const DType compute = kernel_dtype(self.dtype());
    const Tensor x = to(self, compute);
    const double power = std::pow(10.0, std::abs(static_cast<double>(decimals)));
    result = decimals > 0 ? div(round(mul(x, power)), power) : mul(round(div(x, power)), power);
    result = to(result, self.dtype());
  }
  if (autograd::needs(self))
    autograd::record("RoundBackward1", result, {&self}, [](autograd::Grads& g) { g[0] = zeros_like(g.grad()); });
  return result;
}

Tensor logit(const Tensor& self, std::optional<double> eps) {
  if (!eps) return logit(self);
  const Tensor x = is_integral(self.dtype(), true) ? to(self, default_dtype()) : self;
  if (is_complex(x.dtype())) fail<NotImplementedError>("\"logit_cpu\" not implemented for '", self.dtype(), "'");
  const double low = *eps, high = 1 - *eps;
  Tensor result;
  {
    NoGradGuard no_grad;
    result = logit(clamp(detach(x), Scalar(low), Scalar(high)));
  }
  if (autograd::needs(x))
    autograd::record("LogitBackward0", result, {&x}, [saved = SavedTensor(x), low, high](autograd::Grads& g) {
      const Tensor v = g.unpack(saved);
      const Tensor d = div(g.grad(), mul(v, rsub(v, 1)));
      g[0] = masked_fill(d, logical_or(lt(v, low), gt(v, high)), 0);
    });
  return result;
}

Tensor polygamma(int64_t n, const Tensor& self) {
  if (n < 0) fail("polygamma(n, x) does not support negative n.");
  if (n == 0) return digamma(self);
  if (n == 1) return trigamma(self);
  if (is_complex(self.dtype())) fail<NotImplementedError>("\"polygamma\" not implemented for '", self.dtype(), "'");
  // (-1)^(n+1) n! zeta(n + 1, x)
  const double factor = (n % 2 ? 1.0 : -1.0) * std::tgamma(static_cast<double>(n) + 1);
  return mul(zeta(static_cast<double>(n + 1), self), factor);
}

Tensor mvlgamma(const Tensor& self, int64_t p) {
  if (p < 1) fail("p has to be greater than or equal to 1");
  if (p > 1 << 24) fail("mvlgamma: p = ", p, " is too large; at most 2^24 terms are added up");
  if (is_complex(self.dtype())) fail<NotImplementedError>("\"mvlgamma\" not implemented for '", self.dtype(), "'");
  Tensor result = lgamma(self);
  for (int64_t j = 1; j < p; ++j) result = add(result, lgamma(sub(self, static_cast<double>(j) / 2)));
  const double n = static_cast<double>(p);
  return p == 1 ? result : add(result, n * (n - 1) / 4 * std::log(std::numbers::pi));
}

namespace {

bool complex_operand(const Operand& o) {
  return o.is_tensor() ? is_complex(o.tensor().dtype()) : o.number().is_complex();
}

}  // namespace

Tensor float_power(const Operand& self, const Operand& exponent) {
  const DType dtype = complex_operand(self) || complex_operand(exponent) ? DType::Complex128 : DType::Float64;
  auto number = [&](const Operand& o) {
    return dtype == DType::Float64 ? Scalar(o.number().to_double()) : Scalar(o.number().to_complex());
  };
  const Tensor a = self.is_tensor() ? to(self.tensor(), dtype) : Tensor();
  const Tensor b = exponent.is_tensor() ? to(exponent.tensor(), dtype) : Tensor();
  return pow(a.defined() ? Operand(a) : Operand(number(self)), b.defined() ? Operand(b) : Operand(number(exponent)));
}

const Tensor& float_power_(const Tensor& self, const Operand& exponent) {
  const DType dtype = is_complex(self.dtype()) || complex_operand(exponent) ? DType::Complex128 : DType::Float64;
  if (self.dtype() != dtype)
    fail("the base given to float_power_ has dtype ", scalar_type_name(self.dtype()),
         " but the operation's result requires dtype ", scalar_type_name(dtype));
  if (exponent.is_tensor()) return pow_(self, to(exponent.tensor(), dtype));
  return pow_(self,
              dtype == DType::Float64 ? Scalar(exponent.number().to_double()) : Scalar(exponent.number().to_complex()));
}

Tensor ndtr(const Tensor& self) {
  if (is_complex(self.dtype())) fail<NotImplementedError>("\"ndtr\" not implemented for '", self.dtype(), "'");
  return mul(erfc(mul(self, -std::numbers::sqrt2 / 2)), 0.5);
}

}  // namespace rushlight
