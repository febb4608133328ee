// Values of an image at positions of a grid, and gradients. All memory is dense: input [n, c, *spatial], grid
// [n, points, dims] in [-1, 1] with the last spatial dim first, out [n, c, points].
#pragma once

#include <cstdint>

#include "rushlight/dtype.h"

namespace rushlight::cpu {

enum class Interpolation : uint8_t { Linear, Nearest, Cubic };
enum class Padding : uint8_t { Zeros, Border, Reflection };

struct GridSample {
  const void *input, *grid;
  void* out;         // sample
  const void* grad;  // sample_grad: of out
  void* input_grad;  // added to; null: not wanted
  void* grid_grad;   // null: not wanted
  int64_t n, c, points;
  int dims;            // 2 or 3
  int64_t spatial[3];  // sizes of the input
  Interpolation mode;
  Padding padding;
  bool align_corners;
};

// dtype: half types have float32 in memory and round weights.
void grid_sample(DType dtype, const GridSample& s);
void grid_sample_grad(DType dtype, const GridSample& s);

// The usual cases of grid_sample; false where the problem is none of them.
bool grid_sample_blocks(DType dtype, const GridSample& s);

// For coordinate k (0: the last spatial dim) of all n * points positions: the elements it takes part of, index[tap]
// [position], -1 outside, and where it lies between them, 0 <= t < 1, with dt / dcoordinate.
int grid_tap_count(Interpolation mode);
void grid_taps(DType dtype, const GridSample& s, int k, int64_t* index, void* t, void* slope);

}  // namespace rushlight::cpu
