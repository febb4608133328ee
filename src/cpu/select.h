// The k first elements of rows, and the one in a given place, without sorting the rows.
#pragma once

#include "cpu/sort.h"

namespace rushlight::cpu {

// values and indices: the k = their size along dim largest (or smallest) elements of `in`, in order. Among equal
// elements the choice and order of short rows are those of the standard library's selection, which are torch's; long
// rows take the first ones.
void topk_along(const Tensor& in, int64_t dim, bool largest, bool sorted, const Tensor& values, const Tensor& indices);

enum class Nth : uint8_t {
  Kth,        // the k-th smallest element, k >= 1
  Median,     // the lower median; the first NaN where there is one
  NanMedian,  // the lower median of what is not NaN; NaN where nothing else is
};
// One element of every row: values and indices (may be undefined) have size 1 along dim. Among equal elements the
// choice is that of a stable sort, except that k-th values of short rows are chosen as torch does.
void nth_along(const Tensor& in, int64_t dim, Nth what, int64_t k, const Tensor& values, const Tensor& indices);

// The most frequent value of every row, the smallest of several (NaN differs from itself), and the last of its
// positions; for rows of 17 to 256 elements the position that std::sort leaves last, which is torch's choice.
void mode_along(const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices);

}  // namespace rushlight::cpu
