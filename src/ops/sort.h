// What the files of the family sort share.
#pragma once

#include "cpu/sort.h"
#include "ops/elementwise.h"
#include "rushlight/sort.h"

namespace rushlight {

// The gradient of values that were picked along dim at `indices`; keepdim: their dim is still there.
Tensor scatter_picked(const Tensor& grad, const Tensor& indices, IntSpan sizes, int64_t dim, bool keepdim = true);

// NotImplementedError "\"name\" not implemented for 'Bool'"
[[noreturn]] void fail_unsupported(const char* name, DType dtype);

// Records values[...] = self[indices along dim].
void record_picked(const char* node, const Tensor& self, const Tensor& values, const Tensor& indices, int64_t dim,
                   bool keepdim = true);

}  // namespace rushlight
