// Elementwise operations with parameters beside their operands; those without are in elementwise.def.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// The nearest multiple of 10^-decimals, halves to even.
Tensor round(const Tensor& self, int64_t decimals);
// log(x / (1 - x)); x is clamped to [eps, 1 - eps] where eps is given.
Tensor logit(const Tensor& self, std::optional<double> eps);
// The n-th derivative of digamma; n >= 0.
Tensor polygamma(int64_t n, const Tensor& self);
// log of the multivariate gamma function of dimension p >= 1.
Tensor mvlgamma(const Tensor& self, int64_t p);
// pow in float64 or complex128.
Tensor float_power(const Operand& self, const Operand& exponent);
const Tensor& float_power_(const Tensor& self, const Operand& exponent);
// The standard normal distribution function.
Tensor ndtr(const Tensor& self);

}  // namespace rushlight

#pragma GCC visibility pop
