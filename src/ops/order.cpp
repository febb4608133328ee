// Single elements by their order: k-th values, medians, modes, running extremes.
#include <cmath>
#include <limits>

#include "cpu/cum_extreme.h"
#include "cpu/select.h"
#include "ops/reduce.h"
#include "ops/sort.h"

namespace rushlight {

namespace {

void check_nonempty_dim(const char* name, const Tensor& self, int64_t d) {
  if (self.dim() && self.size(d) == 0)
    fail<IndexError>(name, "(): Expected reduction dim ", d, " to have non-zero size.");
}
void check_ordered(const char* kernel, DType dtype, bool with_bool) {
  if (static_cast<int>(dtype) >= kNumComputeDTypes || !cpu::has_order(dtype) || (dtype == DType::Bool && !with_bool))
    fail_unsupported(kernel, dtype);
}

// compute(values, indices) fills results that have size 1 along d.
template <class F>
TensorPair pick(const char* node, const Tensor& self, int64_t d, bool keepdim, F compute) {
  const bool drop = !keepdim && self.dim() > 0;
  DimVector shape(self.sizes());
  if (drop)
    shape.erase(d);
  else if (self.dim())
    shape[d] = 1;
  const Tensor values = empty(shape, self.dtype()), indices = empty(shape, DType::Int64);
  if (self.dim() == 0) {
    NoGradGuard guard;
    copy_(values, self);
    zero_(indices);
  } else if (drop) {
    NoGradGuard guard;
    compute(unsqueeze(values, d), unsqueeze(indices, d));
  } else {
    compute(values, indices);
  }
  record_picked(node, self, values, indices, d, !drop);
  return {values, indices};
}

TensorPair median_dim(cpu::Nth what, const char* name, const char* node, const Tensor& self, int64_t dim,
                      bool keepdim) {
  check_cpu(name, self);
  const int64_t d = wrap_dim(dim, self.dim());
  check_nonempty_dim("median", self, d);
  check_ordered("median_out", self.dtype(), false);
  return pick(node, self, d, keepdim,
              [&](const Tensor& values, const Tensor& indices) { cpu::nth_along(self, d, what, 0, values, indices); });
}

Tensor median_all(cpu::Nth what, const char* name, const char* node, const Tensor& self) {
  check_cpu(name, self);
  if (self.numel() == 0) {
    // What NaN becomes, as torch converts it.
    const DType t = self.dtype();
    const int64_t nan = t == DType::Int64   ? std::numeric_limits<int64_t>::min()
                        : t == DType::Int32 ? std::numeric_limits<int32_t>::min()
                                            : 0;
    const Tensor out = full({}, is_differentiable(t) ? Scalar(NAN) : t == DType::Bool ? Scalar(true) : Scalar(nan), t);
    if (autograd::needs(self))
      autograd::record(node, out, {&self}, [x = share(self)](autograd::Grads& g) { g[0] = zeros_like(x); });
    return out;
  }
  check_ordered("median_cpu", self.dtype(), false);
  const int64_t n = self.numel(), one = 1;
  const Tensor out = empty({}, self.dtype());
  {
    NoGradGuard guard;
    const Tensor flat = reshape(share(self), IntSpan(&n, 1));
    cpu::nth_along(flat, 0, what, 0, view(out, IntSpan(&one, 1)), {});
  }
  if (autograd::needs(self))
    autograd::record(node, out, {&self}, [x = SavedTensor(self), y = SavedTensor::result(out)](autograd::Grads& g) {
      g[0] = share_evenly(g.grad(), g.unpack(x), g.unpack(y));
    });
  return out;
}

TensorPair running(bool largest, const char* name, const char* node, const char* kernel, const Tensor& self,
                   int64_t dim) {
  check_cpu(name, self);
  const int64_t d = wrap_dim(dim, self.dim());
  if (self.numel()) check_ordered(kernel, self.dtype(), true);
  const Tensor values = empty(self.sizes(), self.dtype()), indices = empty(self.sizes(), DType::Int64);
  if (self.numel()) {
    NoGradGuard guard;
    cpu::cum_extreme(largest, contiguous(self), d, values, indices);
  }
  record_picked(node, self, values, indices, d);
  return {values, indices};
}

}  // namespace

TensorPair kthvalue(const Tensor& self, int64_t k, int64_t dim, bool keepdim) {
  check_cpu("kthvalue", self);
  const int64_t d = wrap_dim(dim, self.dim());
  check_nonempty_dim("kthvalue", self, d);
  if (k < 1 || k > (self.dim() ? self.size(d) : 1))
    fail("kthvalue(): selected number k out of range for dimension ", d);
  if (self.dim()) check_ordered("kthvalue_cpu", self.dtype(), false);
  return pick("KthvalueBackward0", self, d, keepdim, [&](const Tensor& values, const Tensor& indices) {
    cpu::nth_along(self, d, cpu::Nth::Kth, k, values, indices);
  });
}

Tensor median(const Tensor& self) { return median_all(cpu::Nth::Median, "median", "MedianBackward0", self); }
TensorPair median(const Tensor& self, int64_t dim, bool keepdim) {
  return median_dim(cpu::Nth::Median, "median", "MedianBackward1", self, dim, keepdim);
}
Tensor nanmedian(const Tensor& self) {
  return median_all(cpu::Nth::NanMedian, "nanmedian", "NanmedianBackward0", self);
}
TensorPair nanmedian(const Tensor& self, int64_t dim, bool keepdim) {
  return median_dim(cpu::Nth::NanMedian, "nanmedian", "NanmedianBackward1", self, dim, keepdim);
}

TensorPair mode(const Tensor& self, int64_t dim, bool keepdim) {
  check_cpu("mode", self);
  const int64_t d = wrap_dim(dim, self.dim());
  check_nonempty_dim("mode", self, d);
  check_ordered("mode_cpu", self.dtype(), true);
  return pick("ModeBackward0", self, d, keepdim,
              [&](const Tensor& values, const Tensor& indices) { cpu::mode_along(self, d, values, indices); });
}

TensorPair cummax(const Tensor& self, int64_t dim) {
  return running(true, "cummax", "CummaxBackward0", "cummax_cpu", self, dim);
}
TensorPair cummin(const Tensor& self, int64_t dim) {
  return running(false, "cummin", "CumminBackward0", "cummin_cpu", self, dim);
}

}  // namespace rushlight
