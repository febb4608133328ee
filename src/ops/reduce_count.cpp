// Reductions that leave elements out: nansum, nanmean, count_nonzero.
#include "ops/reduce.h"

namespace rushlight {

Tensor nansum(const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  check_cpu("nansum", self);
  if (is_complex(self.dtype())) fail("nansum on CPU does not support complex inputs");
  if (is_integral(self.dtype(), true)) return sum(self, dims, keepdim, dtype);
  const uint64_t set = reduced_dims(dims, self.dim());
  const DType result = dtype.value_or(self.dtype());
  if (is_complex(result)) find_kernel(ReduceOp::NanSum, "nansum_cpu", result);
  const bool record = records_sum(self, result);
  Tensor out;
  if (is_floating_point(result)) {
    out = empty(reduced_shape(self.sizes(), set, keepdim), result);
    reduce_into(ReduceOp::NanSum, "nansum_cpu", summand(self, result), set, out, 0);
  } else {
    NoGradGuard guard;
    out = sum(masked_fill(self, isnan(self), 0), dims, keepdim, result);
  }
  if (record)
    autograd::record("NansumBackward0", out, {&self}, [x = SavedTensor(self), set, keepdim](autograd::Grads& g) {
      const Tensor input = g.unpack(x);
      g[0] = masked_fill(expand_reduced(g.grad(), input.sizes(), set, keepdim), isnan(input), 0);
    });
  return out;
}

Tensor nanmean(const Tensor& self, OptSpan dims, bool keepdim, OptDType dtype) {
  if (!is_differentiable(self.dtype()))
    fail("nanmean(): expected input to have floating point or complex dtype but got ", self.dtype());
  if (dtype && !is_differentiable(*dtype))
    fail(
        "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. "
        "Got: ",
        *dtype);
  const Tensor total = nansum(self, dims, keepdim, dtype);
  return div(total, sum(logical_not(isnan(detach(self))), dims, keepdim));
}

Tensor count_nonzero(const Tensor& self, OptSpan dims) {
  check_cpu("count_nonzero", self);
  const uint64_t set = reduced_dims(dims, self.dim());
  const Tensor out = empty(reduced_shape(self.sizes(), set, false), DType::Int64);
  NoGradGuard guard;
  const bool simple = static_cast<int>(self.dtype()) <= static_cast<int>(DType::Float64);
  reduce_into(ReduceOp::NonZero, "count_nonzero_cpu", simple ? self : to(self, DType::Bool), set, out, 0);
  return out;
}

}  // namespace rushlight
