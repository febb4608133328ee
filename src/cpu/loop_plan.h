// The planner of all elementwise work: broadcast operands in, 1-d inner loops out.
#pragma once

#include "cpu/kernels.h"
#include "rushlight/tensor.h"

namespace rushlight::cpu {

inline constexpr int kMaxLoopArgs = 5;
// Work below this many elements stays on the calling thread and keeps the interpreter's lock.
inline constexpr int64_t kSerialElements = 32768;

// One operand: element 0 is the one written. Where dtype differs from kernel_dtype, values are converted through small
// buffers that stay in the cache.
struct LoopArg {
  char* data = nullptr;
  DType dtype = DType::Float32;
  DType kernel_dtype = DType::Float32;
  IntSpan sizes, strides;  // elements; broadcast against the shape of the loop

  LoopArg() = default;
  LoopArg(const Tensor& t, DType kernel)
      : data(t.data()), dtype(t.dtype()), kernel_dtype(kernel), sizes(t.sizes()), strides(t.strides()) {}
  // A number, already of the kernel's dtype.
  LoopArg(void* number, DType kernel) : data(static_cast<char*>(number)), dtype(kernel), kernel_dtype(kernel) {}
};

// Calls `loop` until all elements of `shape` are done. Large loops run on the thread pool.
void run_loop(Loop loop, const void* params, IntSpan shape, const LoopArg* args, int count);

// The contiguous special case: all operands dense in the same order, or single numbers (item size 0).
void run_contiguous(Loop loop, const void* params, int64_t n, char* const* data, const int64_t* item_sizes, int count);

// NotImplementedError where elements of one dtype cannot become elements of the other.
void check_conversion(DType from, DType to);
// Copies with conversion; overlapping memory gives unspecified values. Shapes broadcast to that of `to`.
void copy_elements(const Tensor& to, const Tensor& from);
// Every element becomes `value`.
void fill_elements(const Tensor& to, const Scalar& value);

// Called around long loops; the Python layer lets other threads run meanwhile.
struct BlockingHooks {
  void* (*enter)() = nullptr;
  void (*leave)(void*) = nullptr;
};
[[gnu::visibility("default")]] extern BlockingHooks g_blocking_hooks;
class BlockingRegion {
 public:
  explicit BlockingRegion(bool active) : active_(active && g_blocking_hooks.enter) {
    if (active_) enter();
  }
  ~BlockingRegion() {
    if (active_) leave();
  }
  BlockingRegion(const BlockingRegion&) = delete;

 private:
  void enter();
  void leave();

  bool active_;
  int use_ = 0;  // of memory: see core/retired.h
  void* state_ = nullptr;
};

}  // namespace rushlight::cpu
