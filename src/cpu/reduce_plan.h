// The driver of reductions: any strides and any set of dims in, calls of block kernels out.
#pragma once

#include "cpu/reduce_kernels.h"
#include "rushlight/tensor.h"

namespace rushlight::cpu {

// Receives n finished accumulators; they belong to the outputs at `out_at`, `out_at + out_step`, ...
struct ReduceSink {
  virtual void store(char* acc, const int64_t* index, int64_t n, int64_t out_at, int64_t out_step) const = 0;

 protected:
  ~ReduceSink() = default;
};

// Reduces the dims of the bit set `dims`. Outputs are counted row-major over the other dims. No dim may have size 0.
// Work is cut by sizes alone and joined in order, so the bits do not depend on the number of threads.
void run_reduce(const ReduceKernel& kernel, bool with_index, const char* data, int64_t item_size, IntSpan sizes,
                IntSpan strides, uint64_t dims, const ReduceSink& sink);

}  // namespace rushlight::cpu
