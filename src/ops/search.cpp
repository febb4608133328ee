#include "cpu/search.h"

#include "cpu/index.h"
#include "ops/sort.h"

namespace rushlight {

namespace {

[[noreturn]] void fail_shapes(const Tensor& sorted, const Tensor& values) {
  fail(
      "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
      "and input value tensor must match, but we got boundaries tensor ",
      sorted.sizes(), " and input value tensor ", values.sizes());
}

void check_shapes(const Tensor& sorted, const Tensor& values, bool scalar) {
  if ((scalar || (values.dim() == 0 && values.numel() == 1)) && sorted.dim() != 1)
    fail(
        "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
        "boundaries tensor dim(",
        sorted.dim(), ") and input value's dim(", values.dim(), ") numel(", values.numel(), ")");
  if (sorted.dim() == 0)
    fail("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension");
  if (sorted.dim() == 1) return;
  if (sorted.dim() != values.dim()) fail_shapes(sorted, values);
  for (int64_t d = 0; d + 1 < sorted.dim(); ++d)
    if (sorted.sizes()[d] != values.sizes()[d]) fail_shapes(sorted, values);
}

void check_sorter(const Tensor& sorted, const Tensor& sorter) {
  if (!sorter.defined()) return;
  check_cpu("searchsorted", sorter);
  if (!equal(sorted.sizes(), sorter.sizes()))
    fail("torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor ", sorted.sizes(),
         "and got sorter tensor ", sorter.sizes());
  if (sorter.dtype() != DType::Int64)
    fail("torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ",
         scalar_type_name(sorter.dtype()));
  int64_t bad = 0;
  if (sorter.numel() && cpu::find_outside(sorter, 0, sorted.size(-1) - 1, &bad))
    fail("torch.searchsorted(): sorter index out of range");
}

}  // namespace

Tensor searchsorted(const Tensor& sorted, const Operand& values, bool out_int32, bool right, const Tensor& sorter) {
  check_cpu("searchsorted", sorted);
  NoGradGuard guard;
  const Tensor x = values.is_tensor() ? values.tensor() : scalar_tensor(values.number(), values.number().dtype());
  check_cpu("searchsorted", x);
  check_shapes(sorted, x, !values.is_tensor());
  check_sorter(sorted, sorter);
  const Operand operand(sorted);
  const DType dtype = result_type({&operand, &values});
  if (out_int32 && sorted.size(-1) > INT32_MAX)
    fail("torch.searchsorted(): the size of boundaries' last dimension should be less than ", INT32_MAX,
         ", but we got ", sorted.size(-1));
  const Tensor out = empty(x.sizes(), out_int32 ? DType::Int32 : DType::Int64);
  if (x.numel() == 0) return out;
  if (!cpu::can_search(dtype)) fail_unsupported("searchsorted_out_cpu", dtype);
  if (!x.is_contiguous())
    warn(
        "torch.searchsorted(): input value tensor is non-contiguous, this will lower the performance due to extra data "
        "copy when converting non-contiguous tensor to contiguous, please use contiguous input value tensor if "
        "possible. This message will only appear once per program.");
  if (!sorted.is_contiguous())
    warn(
        "torch.searchsorted(): boundary tensor is non-contiguous, this will lower the performance due to extra data "
        "copy when converting non-contiguous tensor to contiguous, please use contiguous boundary tensor if possible. "
        "This message will only appear once per program.");
  const Tensor rows = contiguous(to(share(sorted), dtype)), v = contiguous(to(share(x), dtype));
  const Tensor order = sorter.defined() ? contiguous(sorter) : Tensor();
  const int64_t per_row = x.dim() ? x.size(-1) : 1;
  cpu::search(dtype, {rows.data(), order.defined() ? order.data_ptr<int64_t>() : nullptr, sorted.dim() == 1 ? 1 : 2,
                      sorted.size(-1), v.data(), x.numel() / per_row, per_row, out.data(), out_int32, right});
  return out;
}

Tensor bucketize(const Operand& values, const Tensor& boundaries, bool out_int32, bool right) {
  if (boundaries.dim() != 1) fail("boundaries tensor must be 1 dimension, but got dim(", boundaries.dim(), ")");
  return searchsorted(boundaries, values, out_int32, right);
}

Tensor isin(const Operand& elements, const Operand& test_elements, bool invert) {
  const auto dtype_of = [](const Operand& o) { return o.is_tensor() ? o.tensor().dtype() : o.number().dtype(); };
  for (const Operand* o : {&elements, &test_elements}) {
    if (o->is_tensor()) check_cpu("isin", o->tensor());
    if (const DType t = dtype_of(*o); t == DType::Bool || is_complex(t))
      fail("Unsupported input type encountered for isin(): ", scalar_type_name(t));
  }
  const DType dtype = result_type({&elements, &test_elements});
  if (static_cast<int>(dtype) >= kNumComputeDTypes) fail_unsupported("isin_default_cpu", dtype);
  NoGradGuard guard;
  const auto tensor_of = [&](const Operand& o) {
    // (Numbers beyond the dtype wrap.)
    return o.is_tensor() ? contiguous(to(share(o.tensor()), dtype))
                         : to(scalar_tensor(o.number(), o.number().dtype()), dtype);
  };
  const Tensor x = tensor_of(elements), tests = tensor_of(test_elements);
  const Tensor out = empty(x.sizes(), DType::Bool);
  cpu::is_in(x, tests, invert, out);
  return out;
}

}  // namespace rushlight
