// Sorting, selection and search. NaN is larger than every number, and equal to itself in orders; -0 equals 0.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

using TensorPair = std::tuple<Tensor, Tensor>;

// ---- order (sort.cpp). Indices are int64. Equal elements keep their order.
TensorPair sort(const Tensor& self, int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& self, int64_t dim = -1, bool descending = false);
Tensor msort(const Tensor& self);  // the values of sort along dim 0
// The k largest or smallest elements along dim, in order (sorted = false: in any).
TensorPair topk(const Tensor& self, int64_t k, int64_t dim = -1, bool largest = true, bool sorted = true);

// ---- selection (order.cpp). values and indices; dim has size 1 (keepdim) or is gone.
TensorPair kthvalue(const Tensor& self, int64_t k, int64_t dim = -1, bool keepdim = false);  // k from 1
// The lower median; NaN where there is one.
Tensor median(const Tensor& self);
TensorPair median(const Tensor& self, int64_t dim, bool keepdim = false);
// The lower median of what is not NaN.
Tensor nanmedian(const Tensor& self);
TensorPair nanmedian(const Tensor& self, int64_t dim, bool keepdim = false);
// The most frequent value, the smallest of several, and one of its positions.
TensorPair mode(const Tensor& self, int64_t dim = -1, bool keepdim = false);
// Running extremes and the positions of the last elements equal to them; from the first NaN on NaN.
TensorPair cummax(const Tensor& self, int64_t dim);
TensorPair cummin(const Tensor& self, int64_t dim);

// ---- quantiles (quantile.cpp). float32 and float64. q: in [0, 1], 0-d or [Q] of the dtype of self; a 1-d q puts its
// dim in front. interpolation: linear, lower, higher, midpoint or nearest.
Tensor quantile(const Tensor& self, const Operand& q, OptInt dim = {}, bool keepdim = false,
                std::string_view interpolation = "linear");
Tensor nanquantile(const Tensor& self, const Operand& q, OptInt dim = {}, bool keepdim = false,
                   std::string_view interpolation = "linear");

// ---- distinct elements (unique.cpp). NaN differs from itself.
struct Unique {
  Tensor values, inverse, counts;  // int64 but values; inverse and counts are empty unless asked for
};
// Sorted values of the whole tensor; inverse has the shape of self.
Unique unique(const Tensor& self, bool return_inverse = false, bool return_counts = false);
Unique unique_consecutive(const Tensor& self, bool return_inverse = false, bool return_counts = false);
// Slices along dim, in lexicographic order.
Unique unique_dim(const Tensor& self, int64_t dim, bool return_inverse = false, bool return_counts = false);
Unique unique_consecutive_dim(const Tensor& self, int64_t dim, bool return_inverse = false, bool return_counts = false);

// ---- search (search.cpp)
// Where values would go into the sorted last dim of `sorted`: before equal elements, or behind them (right).
// sorted: [n] or [*, n] with values [*, m]; sorter: int64 permutation that sorts it. int64, or int32 on demand.
Tensor searchsorted(const Tensor& sorted, const Operand& values, bool out_int32 = false, bool right = false,
                    const Tensor& sorter = {});
Tensor bucketize(const Operand& values, const Tensor& boundaries, bool out_int32 = false, bool right = false);
// Which elements are among test_elements. Not for bool and complex.
Tensor isin(const Operand& elements, const Operand& test_elements, bool invert = false);

}  // namespace rushlight

#pragma GCC visibility pop
