#include "ops/sort.h"

#include "cpu/select.h"

namespace rushlight {

Tensor scatter_picked(const Tensor& grad, const Tensor& indices, IntSpan sizes, int64_t dim, bool keepdim) {
  if (sizes.empty()) return grad;
  const Tensor into = zeros(sizes, grad.dtype(), grad.device());
  return keepdim ? scatter_add(into, dim, indices, grad)
                 : scatter_add(into, dim, unsqueeze(indices, dim), unsqueeze(grad, dim));
}

void fail_unsupported(const char* name, DType dtype) {
  fail<NotImplementedError>("\"", name, "\" not implemented for '", dtype, "'");
}

void record_picked(const char* node, const Tensor& self, const Tensor& values, const Tensor& indices, int64_t dim,
                   bool keepdim) {
  if (!autograd::needs(self) || !is_differentiable(self.dtype())) return;
  autograd::record(node, values, {&self},
                   [index = SavedTensor(indices), sizes = DimVector(self.sizes()), dim, keepdim](autograd::Grads& g) {
                     g[0] = scatter_picked(g.grad(), g.unpack(index), sizes, dim, keepdim);
                   });
}

namespace {

int64_t check_sort(const Tensor& self, int64_t dim) {
  check_cpu("sort", self);
  const int64_t d = wrap_dim(dim, self.dim());
  if (is_complex(self.dtype())) fail(" Sort does not support complex dtypes on CPU");
  if (!cpu::has_order(self.dtype())) fail_unsupported("sort", self.dtype());
  return d;
}

}  // namespace

TensorPair sort(const Tensor& self, int64_t dim, bool descending) {
  const int64_t d = check_sort(self, dim);
  const Tensor values = empty_like(self), indices = empty_like(self, DType::Int64);
  cpu::sort_along(self, d, descending, values, indices);
  record_picked("SortBackward0", self, values, indices, d);
  return {values, indices};
}

Tensor argsort(const Tensor& self, int64_t dim, bool descending) {
  const int64_t d = check_sort(self, dim);
  const Tensor indices = empty_like(self, DType::Int64);
  cpu::sort_along(self, d, descending, {}, indices);
  return indices;
}

Tensor msort(const Tensor& self) {
  if (autograd::needs(self)) return std::get<0>(sort(self, 0));
  check_sort(self, 0);
  const Tensor values = empty_like(self);
  cpu::sort_along(self, 0, false, values, {});
  return values;
}

TensorPair topk(const Tensor& self, int64_t k, int64_t dim, bool largest, bool sorted) {
  check_cpu("topk", self);
  const int64_t d = wrap_dim(dim, self.dim());
  const int64_t n = self.dim() ? self.size(d) : 1;
  if (k < 0 || k > n) fail("selected index k out of range");
  if (is_complex(self.dtype())) fail(" topk does not support complex dtypes on CPU");
  if (self.dtype() == DType::Bool) fail("topk does not support bool dtypes on CPU");
  if (!cpu::has_order(self.dtype()) || static_cast<int>(self.dtype()) >= kNumComputeDTypes)
    fail_unsupported("topk_cpu", self.dtype());
  DimVector shape(self.sizes());
  if (self.dim()) shape[d] = k;
  const Tensor values = empty(shape, self.dtype()), indices = empty(shape, DType::Int64);
  cpu::topk_along(self, d, largest, sorted, values, indices);
  record_picked("TopkBackward0", self, values, indices, d);
  return {values, indices};
}

}  // namespace rushlight
