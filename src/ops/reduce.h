// What the files of the family reduce share: sets of dims, shapes, the call of the driver.
#pragma once

#include "cpu/reduce_plan.h"
#include "ops/elementwise.h"

namespace rushlight {

using cpu::ReduceOp;

// Dims as a bit set; all of them where absent or empty.
uint64_t reduced_dims(OptSpan dims, int64_t ndim);
DimVector reduced_shape(IntSpan sizes, uint64_t dims, bool keepdim);
// Elements that one output stands for.
int64_t reduced_count(IntSpan sizes, uint64_t dims);
// A result of a reduction with its reduced dims back as dims of size 1. Differentiable.
Tensor restore_dims(const Tensor& t, uint64_t dims, bool keepdim, int64_t ndim);
// ... and repeated along them.
Tensor expand_reduced(const Tensor& t, IntSpan sizes, uint64_t dims, bool keepdim);

enum class Finish : uint8_t { None, Divide, Sqrt };

// Writes the reduction of `self` over `dims` to `out`, which is contiguous and may be of any dtype. Complex numbers are
// two real ones (except for Prod); merge_parts: real and imaginary parts are reduced together. Without elements the
// outputs become `identity`.
void reduce_into(ReduceOp op, const char* name, const Tensor& self, uint64_t dims, const Tensor& out,
                 const Scalar& identity, Finish finish = Finish::None, double divisor = 1, bool merge_parts = false);
const cpu::ReduceKernel& find_kernel(ReduceOp op, const char* name, DType dtype);

// out= results cannot be differentiated.
void check_out_grad(const char* operation, const Tensor& out, const Tensor& self);
// RuntimeError "Expected out tensor to have dtype float, but got double instead"
void check_out_dtype(DType expected, const Tensor& out);

}  // namespace rushlight
