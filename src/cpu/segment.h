// Reductions of runs of rows.
#pragma once

#include <cstdint>

#include "rushlight/dtype.h"

namespace rushlight::cpu {

enum class SegmentOp : uint8_t { Sum, Max, Min, Prod };

struct SegmentProblem {
  const void* data;                 // [outer, n, inner], dense
  void* out;                        // [outer, count, inner], dense
  const int64_t *begins, *lengths;  // [outer, count]: rows begin .. begin + length - 1 of each segment
  int64_t outer, n, count, inner;
  SegmentOp op;
  double start;  // takes part in every segment
};

// dtype: Float32 or Float64. Rows are taken in order; NaN wins over all other numbers.
void reduce_segments(DType dtype, const SegmentProblem& p);

}  // namespace rushlight::cpu
