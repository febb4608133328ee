// Sorting along one dim.
//
// Every dtype is mapped to an integer key of the same order (NaN last, -0 equal to 0). Keys of up to 32 bits are joined
// with the position into one 64-bit word; words are distinct, so any way of sorting them is stable.
#pragma once

#include "cpu/kernels.h"
#include "rushlight/tensor.h"

namespace rushlight::cpu {

// One row of n < 2^32 elements. Strides in bytes; values and index may be null.
struct SortRow {
  const char* in;
  int64_t in_stride;
  char* values;
  int64_t values_stride;
  char* index;  // int64
  int64_t index_stride;
  int64_t n;
  int64_t count;  // how many of the sorted elements are written
  bool descending;
  uint64_t* scratch;  // 2 * n words
};

// kSortLanes rows side by side: lane l of element i lies at i * stride + l * item_size. n <= kSortLaneRows.
inline constexpr int64_t kSortLanes = 8;
inline constexpr int64_t kSortLaneRows = 1024;
struct SortLanes {
  const char* in;
  int64_t in_stride;
  char* values;
  int64_t values_stride;
  char* index;
  int64_t index_stride;
  int64_t n;
  int64_t count;  // how many of the sorted elements are written
  bool descending;
  int64_t* scratch;  // sort_lane_words(n) words, aligned to 64 bytes
};
inline constexpr int64_t sort_lane_words(int64_t n) { return (n + 15) / 16 * 16 * kSortLanes; }

struct SortKernel {
  void (*row)(const SortRow&) = nullptr;
  void (*lanes)(const SortLanes&) = nullptr;  // null where keys have 64 bits
  // Takes n rows of kSortLanes lanes, the first one in position `first`, into the 16 smallest words (the key in the
  // upper 32 bits, the position in the lower ones) of every lane: best[i * kSortLanes + lane] ascends with i, INT64_MAX
  // where there is none. Null where keys have 64 bits.
  void (*least_lanes)(int64_t* best, const char* in, int64_t stride, int64_t first, int64_t n, int64_t flip) = nullptr;
  // The order-preserving key of one element; keys[i] = key(in[i * stride]), bitwise complement where flip is -1.
  void (*keys)(int64_t* keys, const char* in, int64_t stride, int64_t n, int64_t flip) = nullptr;
  // The first multiple of 64, from `from` on, with a key below `limit` among the next 64 elements; n if there is none.
  int64_t (*find_below)(const char* in, int64_t stride, int64_t from, int64_t n, int64_t flip, int64_t limit) = nullptr;
};

struct SortTable {
  SortKernel kernel[kNumCastDTypes];
  // By log2 of the element size: n contiguous elements of kSortLanes rows, `step` bytes apart, to and from a block in
  // which the lanes of one element lie side by side.
  void (*rows_to_lanes[4])(char* block, const char* rows, int64_t step, int64_t n) = {};
  void (*lanes_to_rows[4])(char* rows, int64_t step, const char* block, int64_t n) = {};
};
const SortTable& sorts();

#define RL_DECLARE_FILL(isa)  \
  namespace isa {             \
  void fill_sort(SortTable&); \
  }
RL_EVERY_ISA(RL_DECLARE_FILL)
#undef RL_DECLARE_FILL

bool has_order(DType dtype);

// Sorts `in` along dim, stably: values (dtype of in) and indices (int64), of any strides and of the sizes of `in`
// except that they may be shorter along dim and get the first elements then; either may be undefined. They share no
// memory with `in`, whose dtype has an order.
void sort_along(const Tensor& in, int64_t dim, bool descending, const Tensor& values, const Tensor& indices);

// The rows of a tensor along one dim, as the kernels of this family walk over them.
struct RowWalk {
  // Tensors of equal sizes except along dim; undefined ones are skipped. The dims other than `dim` are merged where
  // the strides of all of them allow it.
  RowWalk(const Tensor* const* tensors, int count, int64_t dim);
  // Byte offset of row r in tensor t.
  int64_t offset(int t, int64_t r) const;

  static constexpr int kMaxTensors = 3;
  int64_t rows = 1;
  DimVector sizes;                   // outermost first; at least one dim
  DimVector strides[kMaxTensors];    // bytes
  int64_t stride[kMaxTensors] = {};  // along dim, bytes
};

}  // namespace rushlight::cpu
