// Kernels of reductions, softmax and scans: blocks of work on raw memory, one copy per instruction set.
#pragma once

#include "cpu/kernels.h"

namespace rushlight::cpu {

enum class ReduceOp : uint8_t {
  Sum,
  Prod,
  Max,
  Min,
  MinMax,  // both: accumulators are pairs
  Any,
  All,
  ArgMax,
  ArgMin,
  SumSquares,
  SumAbs,
  NanSum,   // floating point: without the NaN
  NonZero,  // int64: how many elements are not 0
  Moments,
  LogSumExp,
  Count
};
inline constexpr int kReduceCount = static_cast<int>(ReduceOp::Count);

// Accumulator of ReduceOp::Moments; m2: the sum of squared distances from the mean.
struct Moments {
  double count, mean, m2;
};

// Accumulator of ReduceOp::LogSumExp; sum: of exp(x - shift), where shift is the maximum, or 0 if that is infinite.
struct LogSum {
  double max, sum;
};

// Outputs that one call of a kernel over columns may have.
inline constexpr int64_t kReduceColumns = 1024;

// Reduces n >= 1 elements, `stride` bytes apart, to each of `outputs` accumulators; output j begins at
// in + j * output_stride.
struct ReduceBlock {
  const char* in;
  int64_t outputs, output_stride;
  int64_t n, stride;
  char* acc;
  int64_t* index = nullptr;  // ArgMax and ArgMin: where the element stands, counted from `first`
  int64_t first = 0;
};

struct ReduceKernel {
  void (*rows)(const ReduceBlock&) = nullptr;  // one output after the other
  void (*cols)(const ReduceBlock&) = nullptr;  // all outputs (at most kReduceColumns) at once, row by row
  // acc[j] becomes acc[j] and other[j] together; the elements of acc come first.
  void (*combine)(char* acc, const char* other, int64_t* index, const int64_t* other_index, int64_t n) = nullptr;
  DType acc = DType::Undefined;  // Undefined: a struct
  int64_t acc_size = 0;
};

// softmax_rows: `rows` runs of n contiguous elements. softmax_cols: `rows` columns, side by side, of n elements that
// lie `stride` elements apart.
struct SoftmaxBlock {
  const char* in;
  char* out;
  int64_t rows, n, stride;
  bool log;
};

// The derivative of softmax (log: of log_softmax) with result y for the gradient g; columns and rows as above.
struct SoftmaxGradBlock {
  const char *grad, *y;
  char* out;
  int64_t rows, n, stride;
  bool log;
};

// Running sums or products, of `rows` runs or columns as above. Half types accumulate in float, float in double.
struct ScanBlock {
  const char* in;
  char* out;
  int64_t rows, n, stride;
};

struct ScanKernel {
  void (*rows)(const ScanBlock&) = nullptr;
  void (*cols)(const ScanBlock&) = nullptr;
};

// h[i] = b[i] + a[i] * h[i-1] (h[0] = b[0]), or, backwards, h[i] = b[i] + a[i+1] * h[i+1] (h[n-1] = b[n-1]).
struct RecurrenceBlock {
  const char *a, *b;
  char* out;
  int64_t rows, n, stride;
  bool backwards;
};

struct ReduceTable {
  ReduceKernel reduce[kReduceCount][kNumComputeDTypes];
  void (*softmax_rows[kNumComputeDTypes])(const SoftmaxBlock&) = {};
  void (*softmax_cols[kNumComputeDTypes])(const SoftmaxBlock&) = {};
  void (*softmax_grad_rows[kNumComputeDTypes])(const SoftmaxGradBlock&) = {};
  void (*softmax_grad_cols[kNumComputeDTypes])(const SoftmaxGradBlock&) = {};
  ScanKernel cumsum[kNumComputeDTypes], cumprod[kNumComputeDTypes], logcumsumexp[kNumComputeDTypes];
  void (*recurrence_rows[kNumComputeDTypes])(const RecurrenceBlock&) = {};
  void (*recurrence_cols[kNumComputeDTypes])(const RecurrenceBlock&) = {};
};

const ReduceTable& reductions();

#define RL_DECLARE_FILL(isa)              \
  namespace isa {                         \
  void fill_reduce(ReduceTable&);         \
  void fill_reduce_arg(ReduceTable&);     \
  void fill_reduce_moments(ReduceTable&); \
  void fill_softmax(ReduceTable&);        \
  void fill_softmax_grad(ReduceTable&);   \
  void fill_scan(ReduceTable&);           \
  void fill_recurrence(ReduceTable&);     \
  }
RL_EVERY_ISA(RL_DECLARE_FILL)
#undef RL_DECLARE_FILL
void fill_scan_complex(ReduceTable&);

}  // namespace rushlight::cpu
