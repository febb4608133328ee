// Running extremes.
#pragma once

#include "rushlight/tensor.h"

namespace rushlight::cpu {

// values[i], indices[i]: the extreme of in[0..i] along dim and the last place where it stands; NaN wins for good. All
// contiguous and of one shape, in and values of one dtype up to Float64.
void cum_extreme(bool largest, const Tensor& in, int64_t dim, const Tensor& values, const Tensor& indices);

}  // namespace rushlight::cpu
