// Kernels that move or add elements under int64 indices, and masks. The callers have checked geometry; indices are
// checked here only where a function says so.
#pragma once

#include <vector>

#include "cpu/loop_plan.h"

namespace rushlight::cpu {

struct IndexParams {
  int64_t stride = 1;           // bytes from one index to the next
  int64_t size = 0;             // of the indexed dim, for `check`
  int64_t dim = 0;              // named in the message
  bool check = false;           // RuntimeError for indices outside [0, size)
  const void* alpha = nullptr;  // factor of the source in add loops, of the operand dtype (halves: float); null: 1
};

// Inner loops with IndexParams. The last operand is the int64 index.
Loop take_loop(int64_t item_size);  // data: out, self, index. out = self[index]
Loop put_loop(int64_t item_size);   // data: self, source, index. self[index] = source
Loop add_loop(DType dtype);         // self[index] += alpha * source; null for dtypes without arithmetic
Loop multiply_loop(DType dtype);    // self[index] *= source
Loop maximum_loop(DType dtype);     // self[index] = the larger one or NaN; null for complex numbers
Loop minimum_loop(DType dtype);

// Row-major over `shape` on the calling thread: what comes later in that order is done later.
void run_in_order(Loop loop, const void* params, IntSpan shape, const LoopArg* args, int count);
// The same for loops whose elements meet only along `dim`: other dims are split over threads.
void run_lanes(Loop loop, const void* params, IntSpan shape, int64_t dim, const LoopArg* args, int count);

// The first of n indices (stride in bytes) outside [low, high], if any.
bool find_outside(const char* index, int64_t stride, int64_t n, int64_t low, int64_t high, int64_t* bad);
// The same for a tensor of int64 of any geometry.
bool find_outside(const Tensor& index, int64_t low, int64_t high, int64_t* bad);

// dst[i] = the `bytes` at src + index[i] * stride, i < n; dst is dense. On the calling thread.
void take_rows(char* dst, const char* src, const int64_t* index, int64_t n, int64_t stride, int64_t bytes);
// Blocks of `bytes` each: dst[o][i] = src[o][index[i]], o < outer, i < n. dst is dense; `stride` as in IndexParams,
// `src_outer` bytes from one o to the next.
void take_blocks(char* dst, const char* src, const int64_t* index, int64_t outer, int64_t n, int64_t stride,
                 int64_t src_outer, int64_t bytes);
// dst[o][index[i]] = src[o][i] in order of i; `repeat`: src is one block for all.
void put_blocks(char* dst, const char* src, const int64_t* index, int64_t outer, int64_t n, int64_t stride,
                int64_t dst_outer, int64_t bytes, bool repeat);
// dst[o][index[i]] = op(dst[o][index[i]], alpha * src[o][i]) in order of i, blocks of `count` elements. op: Add, Mul,
// Maximum or Minimum; alpha: only for Add.
void combine_blocks(BinaryOp op, DType dtype, char* dst, const char* src, const int64_t* index, int64_t outer,
                    int64_t n, int64_t stride, int64_t dst_outer, int64_t count, const void* alpha);

// ---- masks: one byte per element, true where not 0
inline constexpr int64_t kMaskChunk = 65536;
struct MaskCount {
  int64_t total = 0;
  std::vector<int64_t> before;  // trues before every chunk of kMaskChunk; empty for one chunk
};
MaskCount count_true(const char* mask, int64_t n);
// The elements under true, in order.
void compress(char* out, const char* in, int64_t item_size, const char* mask, int64_t n, const MaskCount& count);
// The positions of true, in order.
void positions(int64_t* out, const char* mask, int64_t n, const MaskCount& count);
// out[i] = next element of source where mask[i] is true.
void expand_into(char* out, const char* source, int64_t item_size, const char* mask, int64_t n);

}  // namespace rushlight::cpu
