// Sorting, selection and search. NaN is larger than every number, and equal to itself in orders; -0 equals 0.
#pragma once

#include "rushlight/ops.h"

namespace rushlight {

using TensorPair = std::tuple<Tensor, Tensor>;

// ---- order (sort.cpp). Indices are int64. Equal elements keep their order.
TensorPair sort(const Tensor& self, int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& self, int64_t dim = -1, bool descending = false);
Tensor msort(const Tensor& self);  // the values of sort along dim 0
// The k largest or smallest elements along dim, in order (sorted = false: in any).
TensorPair topk(const Tensor& self, int64_t k, int64_t dim = -1, bool largest = true, bool sorted = true);

}  // namespace rushlight
