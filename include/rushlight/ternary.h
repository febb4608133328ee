// Elementwise operations that are not in elementwise.def: three operands, bounds, parts of complex numbers, questions
// of closeness.
#pragma once

#include <tuple>

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// self + value * tensor1 * tensor2 and self + value * tensor1 / tensor2, in one pass. All broadcast, dtypes are
// promoted; addcdiv refuses to divide integers.
Tensor addcmul(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1);
const Tensor& addcmul_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1);
const Tensor& addcmul_out(const Tensor& out, const Tensor& self, const Tensor& tensor1, const Tensor& tensor2,
                          const Scalar& value = 1);
Tensor addcdiv(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1);
const Tensor& addcdiv_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1);
const Tensor& addcdiv_out(const Tensor& out, const Tensor& self, const Tensor& tensor1, const Tensor& tensor2,
                          const Scalar& value = 1);
// self + weight * (end - self), exact at both ends. One dtype, floating point or complex.
Tensor lerp(const Tensor& self, const Tensor& end, const Operand& weight);
const Tensor& lerp_(const Tensor& self, const Tensor& end, const Operand& weight);
const Tensor& lerp_out(const Tensor& out, const Tensor& self, const Tensor& end, const Operand& weight);

// min(max(self, min), max), either bound may be absent (an undefined tensor). NaN in any of them gives NaN.
Tensor clamp(const Tensor& self, const Tensor& min, const Tensor& max);
const Tensor& clamp_(const Tensor& self, const OptScalar& min, const OptScalar& max);
const Tensor& clamp_(const Tensor& self, const Tensor& min, const Tensor& max);
const Tensor& clamp_out(const Tensor& out, const Tensor& self, const OptScalar& min, const OptScalar& max);
const Tensor& clamp_out(const Tensor& out, const Tensor& self, const Tensor& min, const Tensor& max);
Tensor clamp_min(const Tensor& self, const Operand& min);
const Tensor& clamp_min_(const Tensor& self, const Operand& min);
const Tensor& clamp_min_out(const Tensor& out, const Tensor& self, const Operand& min);
Tensor clamp_max(const Tensor& self, const Operand& max);
const Tensor& clamp_max_(const Tensor& self, const Operand& max);
const Tensor& clamp_max_out(const Tensor& out, const Tensor& self, const Operand& max);

// Replaces NaN (default 0), inf and -inf (default the largest and smallest numbers of the dtype). Integers are copied.
Tensor nan_to_num(const Tensor& self, std::optional<double> nan = {}, std::optional<double> posinf = {},
                  std::optional<double> neginf = {});
const Tensor& nan_to_num_(const Tensor& self, std::optional<double> nan = {}, std::optional<double> posinf = {},
                          std::optional<double> neginf = {});
const Tensor& nan_to_num_out(const Tensor& out, const Tensor& self, std::optional<double> nan = {},
                             std::optional<double> posinf = {}, std::optional<double> neginf = {});

// isclose of all elements.
bool allclose(const Tensor& self, const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);

// self = mantissa * 2^exponent, 0.5 <= |mantissa| < 1; the exponent is int32, 0 for 0, inf and NaN. Floats only.
std::tuple<Tensor, Tensor> frexp(const Tensor& self);
// self * 2^other
Tensor ldexp(const Tensor& self, const Tensor& other);

// real + i imag; float16, float32 or float64, both of one dtype.
Tensor complex(const Tensor& real, const Tensor& imag);
// abs * (cos(angle) + i sin(angle)); float32 or float64, both of one dtype.
Tensor polar(const Tensor& abs, const Tensor& angle);

// A copy of self with every element `value` (a number or 0-d tensor).
Tensor fill(const Tensor& self, const Operand& value);

}  // namespace rushlight

#pragma GCC visibility pop
