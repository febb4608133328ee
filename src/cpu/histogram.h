// Counting elements into bins.
#pragma once

#include <cstdint>

#include "rushlight/dtype.h"

namespace rushlight::cpu {

// One dim of a histogram. edges: bins + 1 ascending numbers of the dtype of the elements. even: they are equally far
// apart, so that the bin can be computed, each step rounded to `rounding`.
struct Axis {
  const void* edges;
  int64_t bins;
  bool even;
  DType rounding;
};

// Adds the weights (null: 1) of `rows` points of `dims` contiguous coordinates to hist, row-major over the bins;
// points outside and NaN are left out. dtype: of the points, the edges and the weights, float32 or float64. exact: a
// computed bin is corrected by comparing with the edges.
void histogram(DType dtype, const void* points, const void* weights, int64_t rows, int64_t dims, const Axis* axes,
               bool exact, double* hist, int64_t hist_size);

// The range of values; no elements: {0, -1}.
struct IntRange {
  int64_t low, high;
};
IntRange int_range(DType dtype, const void* values, int64_t n);
// counts[v] += 1 for all values in [0, size).
void count_values(DType dtype, const void* values, int64_t n, int64_t* counts, int64_t size);
// sums[v] += weights[i] for all values in [0, size), in order.
void sum_values(DType dtype, const void* values, const float* weights, int64_t n, float* sums, int64_t size);
void sum_values(DType dtype, const void* values, const double* weights, int64_t n, double* sums, int64_t size);

}  // namespace rushlight::cpu
