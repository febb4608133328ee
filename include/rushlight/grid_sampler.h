// Images sampled at the positions of a grid.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// input [n, c, h, w] and grid [n, y, x, 2] -> [n, c, y, x]; input [n, c, d, h, w] and grid [n, z, y, x, 3] ->
// [n, c, z, y, x]. Positions in [-1, 1], the last dim of the input first; align_corners: -1 and 1 are the centres of
// the corner elements, else their outer edges. interpolation: 0 linear, 1 nearest, 2 cubic (4-d only); padding: 0
// zeros, 1 border, 2 reflection.
Tensor grid_sampler(const Tensor& input, const Tensor& grid, int64_t interpolation, int64_t padding,
                    bool align_corners);

}  // namespace rushlight

#pragma GCC visibility pop
