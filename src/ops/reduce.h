// What the files of the family reduce share: sets of dims, shapes, the call of the driver.
#pragma once

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "cpu/reduce_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "rushlight/reduce.h"

#pragma GCC visibility push(default)

namespace rushlight {

using cpu::ReduceOp;

// Dims as a bit set; all of them where absent or empty.
uint64_t reduced_dims(OptSpan dims, int64_t ndim);
// The dims of such a set, in order.
DimVector dim_list(uint64_t set, int64_t ndim);
DimVector reduced_shape(IntSpan sizes, uint64_t dims, bool keepdim);
// Elements that one output stands for.
int64_t reduced_count(IntSpan sizes, uint64_t dims);
// A result of a reduction with its reduced dims back as dims of size 1. Differentiable.
Tensor restore_dims(const Tensor& t, uint64_t dims, bool keepdim, int64_t ndim);
// ... and repeated along them.
Tensor expand_reduced(const Tensor& t, IntSpan sizes, uint64_t dims, bool keepdim);

enum class Finish : uint8_t { None, Divide, Sqrt };

// Whether a sum or product with results of `dtype` is recorded; torch refuses integers there.
bool records_sum(const Tensor& self, DType dtype);

// Writes the reduction of `self` over `dims` to `out`, which is contiguous and may be of any dtype. Complex numbers are
// two real ones (except for Prod); merge_parts: real and imaginary parts are reduced together. Without elements the
// outputs become `identity`.
void reduce_into(ReduceOp op, const char* name, const Tensor& self, uint64_t dims, const Tensor& out,
                 const Scalar& identity, Finish finish = Finish::None, double divisor = 1, bool merge_parts = false);
const cpu::ReduceKernel& find_kernel(ReduceOp op, const char* name, DType dtype);

// The operand of a sum or product with results of `dtype`: itself where the kernel's accumulator serves, else
// converted.
Tensor summand(const Tensor& self, DType dtype);
// The dtype of sums, products and scans: int64 for integers and bool.
DType sum_dtype(const Tensor& self, OptDType dtype);

// Lines of a contiguous tensor along one dim, side by side: the first begins at element `at`, each has n elements that
// are `stride` apart. Rows (stride 1) lie one after the other, columns next to each other.
struct Lines {
  int64_t at, count, n, stride;
  bool rows;
};
// Calls f(Lines) for all lines of `t` along `dim`, on the thread pool in pieces of about `grain` elements; at most
// `widest` columns at once.
template <class F>
void for_lines(const Tensor& t, int64_t dim, int64_t grain, int64_t widest, F f) {
  if (t.numel() == 0) return;
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < dim; ++d) outer *= t.sizes()[d];
  for (int64_t d = dim + 1; d < t.dim(); ++d) inner *= t.sizes()[d];
  const int64_t n = t.dim() ? t.sizes()[dim] : 1;
  cpu::BlockingRegion region(t.numel() > cpu::kSerialElements);
  if (inner == 1) {
    parallel_for(0, outer, std::max<int64_t>(1, grain / n),
                 [&](int64_t begin, int64_t end) { f(Lines{begin * n, end - begin, n, 1, true}); });
    return;
  }
  const int64_t run = std::min(inner, widest), runs = (inner + run - 1) / run;
  parallel_for(0, outer * runs, std::max<int64_t>(1, grain / (n * run)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % runs * run;
      f(Lines{i / runs * n * inner + first, std::min(run, inner - first), n, inner, false});
    }
  });
}

// out= results cannot be differentiated.
void check_out_grad(const char* operation, const Tensor& out, const Tensor& self);
// Stores f() in `out`, which is resized to its shape.
template <class F>
const Tensor& reduce_out(const char* name, const Tensor& out, const Tensor& self, F f, bool differentiable = true) {
  if (differentiable)
    check_out_grad(name, out, self);
  else
    autograd::check_not_inference(out);
  NoGradGuard guard;
  const Tensor result = f();
  cpu::check_conversion(result.dtype(), out.dtype());
  layout::check_writable(out);
  resize_output(out, result.sizes());
  copy_(out, result);
  return out;
}
// The gradient of the one element that was picked from all, in equal parts to those that are equal to it.
Tensor share_evenly(const Tensor& grad, const Tensor& x, const Tensor& result);
// RuntimeError "Expected out tensor to have dtype float, but got double instead"
void check_out_dtype(DType expected, const Tensor& out);

}  // namespace rushlight

#pragma GCC visibility pop
