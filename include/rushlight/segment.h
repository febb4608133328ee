// Reductions of segments of a dim.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

struct SegmentOptions {
  // Either the lengths of the segments or their bounds, one more than segments. Integers, at most as many dims as data;
  // the last one is `dim`, those before it are those of data.
  Tensor lengths, offsets;
  int64_t dim = 0;
  bool unsafe = false;  // lengths need not sum to the size of the dim
  OptScalar initial;    // takes part in every segment, the result of those without elements
};

// reduce: "sum", "mean", "max" ("amax"), "min" ("amin") or "prod". data: floating point. Elements outside all segments
// do not count; segments never reach beyond the data, whatever `unsafe` is.
Tensor segment_reduce(const Tensor& data, std::string_view reduce, const SegmentOptions& options);

}  // namespace rushlight

#pragma GCC visibility pop
