// The k first elements of rows, and the one in a given place, without sorting the rows.
#pragma once

#include "cpu/sort.h"

namespace rushlight::cpu {

// values and indices: the k = their size along dim largest (or smallest) elements of `in`, in order. Among equal
// elements the choice and order of short rows are those of the standard library's selection, which are torch's; long
// rows take the first ones.
void topk_along(const Tensor& in, int64_t dim, bool largest, bool sorted, const Tensor& values, const Tensor& indices);

}  // namespace rushlight::cpu
