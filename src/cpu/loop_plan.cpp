#include "cpu/loop_plan.h"

#include <algorithm>
#include <cstring>

#include "core/retired.h"
#include "core/thread_pool.h"
#include "cpu/copy_short.h"
#include "layout/layout.h"

namespace rushlight::cpu {

BlockingHooks g_blocking_hooks;

void BlockingRegion::enter() {
  use_ = begin_use();
  state_ = g_blocking_hooks.enter();
}

void BlockingRegion::leave() {
  end_use(use_);
  g_blocking_hooks.leave(state_);
}

namespace {

constexpr int64_t kBufferElements = 512;
// From this size on results are written past the caches, in blocks that fit the first one.
constexpr int64_t kStreamBytes = 16 << 20;
constexpr int64_t kStreamBlock = 8192;

struct Plan {
  int ndim = 0;  // dim 0 is the innermost
  int count;
  int64_t numel = 1;
  int64_t sizes[kMaxDims];
  int64_t strides[kMaxDims][kMaxLoopArgs];  // bytes
  char* data[kMaxLoopArgs];
};

// Whether dim a should lie inside dim b: smaller strides first, the written operand decides first.
bool inside(const int64_t* a, const int64_t* b, int count) {
  for (int i = 0; i < count; ++i) {
    if (a[i] == 0 || b[i] == 0) continue;
    if (a[i] != b[i]) return a[i] < b[i];
  }
  return false;
}

void make_plan(Plan& plan, IntSpan shape, const LoopArg* args, int count) {
  plan.count = count;
  for (int k = 0; k < count; ++k) plan.data[k] = args[k].data;
  const int64_t n = static_cast<int64_t>(shape.size());
  for (int64_t size : shape)
    if (size == 0) {  // the product of the other sizes may be beyond int64
      plan.numel = 0;
      return;
    }
  for (int64_t d = n - 1; d >= 0; --d) {
    plan.numel *= shape[d];
    if (shape[d] == 1) continue;
    int64_t row[kMaxLoopArgs];
    for (int k = 0; k < count; ++k) {
      const int64_t own = d - (n - static_cast<int64_t>(args[k].sizes.size()));
      row[k] = own < 0 || args[k].sizes[own] == 1 ? 0 : args[k].strides[own] * item_size(args[k].dtype);
    }
    int at = plan.ndim++;
    while (at > 0 && inside(row, plan.strides[at - 1], count)) {
      plan.sizes[at] = plan.sizes[at - 1];
      std::memcpy(plan.strides[at], plan.strides[at - 1], sizeof row);
      --at;
    }
    plan.sizes[at] = shape[d];
    std::memcpy(plan.strides[at], row, sizeof row);
  }
  // Merge neighbours that are one run in every operand.
  int kept = 0;
  for (int d = 1; d < plan.ndim; ++d) {
    bool merge = true;
    for (int k = 0; k < count; ++k) merge = merge && plan.strides[d][k] == plan.sizes[kept] * plan.strides[kept][k];
    if (merge) {
      plan.sizes[kept] *= plan.sizes[d];
    } else if (++kept != d) {
      plan.sizes[kept] = plan.sizes[d];
      std::memcpy(plan.strides[kept], plan.strides[d], sizeof plan.strides[d]);
    }
  }
  if (plan.ndim == 0) {
    plan.sizes[0] = 1;
    std::memset(plan.strides[0], 0, sizeof plan.strides[0]);
  }
  plan.ndim = plan.ndim == 0 ? 1 : kept + 1;
}

// Calls f(data, n) for runs of the innermost dim that cover the elements [begin, end).
template <class F>
void for_runs(const Plan& plan, int64_t begin, int64_t end, F&& f) {
  int64_t index[kMaxDims];
  char* data[kMaxLoopArgs];
  std::memcpy(data, plan.data, sizeof data);
  int64_t rest = begin;
  for (int d = 0; d < plan.ndim; ++d) {
    index[d] = rest % plan.sizes[d];
    rest /= plan.sizes[d];
    for (int k = 0; k < plan.count; ++k) data[k] += index[d] * plan.strides[d][k];
  }
  for (int64_t at = begin; at < end;) {
    const int64_t n = std::min(plan.sizes[0] - index[0], end - at);
    f(data, n);
    at += n;
    if (at >= end) break;
    // The run ended at the end of dim 0: carry into the outer dims.
    for (int k = 0; k < plan.count; ++k) data[k] -= index[0] * plan.strides[0][k];
    index[0] = 0;
    for (int d = 1; d < plan.ndim; ++d) {
      for (int k = 0; k < plan.count; ++k) data[k] += plan.strides[d][k];
      if (++index[d] < plan.sizes[d]) break;
      for (int k = 0; k < plan.count; ++k) data[k] -= plan.sizes[d] * plan.strides[d][k];
      index[d] = 0;
    }
  }
}

// A loop whose operands are of other dtypes than the kernel's.
struct Converted {
  Loop loop;
  const void* params;
  Loop casts[kMaxLoopArgs] = {};  // nullptr: no conversion
  int64_t item_sizes[kMaxLoopArgs];
  int64_t kernel_sizes[kMaxLoopArgs];
  int count;

  void operator()(char* const* data, const int64_t* strides, int64_t n) const {
    alignas(64) char buffers[kMaxLoopArgs][kBufferElements * 16];
    char* at[kMaxLoopArgs];
    int64_t steps[kMaxLoopArgs];
    for (int64_t done = 0; done < n; done += kBufferElements) {
      const int64_t m = std::min(kBufferElements, n - done);
      for (int k = 0; k < count; ++k) {
        at[k] = data[k] + done * strides[k];
        steps[k] = strides[k];
        if (!casts[k]) continue;
        char* const source = at[k];
        at[k] = buffers[k];
        steps[k] = kernel_sizes[k];
        if (k == 0) continue;
        char* const pair[2] = {buffers[k], source};
        const bool single = strides[k] == 0;
        const int64_t pair_strides[2] = {kernel_sizes[k], strides[k]};
        casts[k](pair, pair_strides, single ? 1 : m, nullptr);
        if (single) steps[k] = 0;
      }
      loop(at, steps, m, params);
      if (casts[0]) {
        char* const pair[2] = {data[0] + done * strides[0], buffers[0]};
        const int64_t pair_strides[2] = {strides[0], kernel_sizes[0]};
        casts[0](pair, pair_strides, m, nullptr);
      }
    }
  }
};

Loop cast_loop(DType from, DType to) {
  check_conversion(from, to);
  return elementwise().cast[static_cast<int>(from)][static_cast<int>(to)];
}

template <class F>
void run_parallel(int64_t numel, F&& f) {
  if (numel <= kSerialElements) {
    f(0, numel);
    return;
  }
  BlockingRegion region(true);
  parallel_for(0, numel, kSerialElements, f);
}

}  // namespace

void check_conversion(DType from, DType to) {
  const int f = static_cast<int>(from), t = static_cast<int>(to);
  if (from != to && (f >= kNumCastDTypes || t >= kNumCastDTypes || !elementwise().cast[f][t]))
    fail<NotImplementedError>("conversion from ", from, " to ", to, " is not implemented");
}

void run_loop(Loop loop, const void* params, IntSpan shape, const LoopArg* args, int count) {
  Plan plan;
  make_plan(plan, shape, args, count);
  if (plan.numel == 0) return;
  bool convert = false;
  for (int k = 0; k < count; ++k) convert = convert || args[k].dtype != args[k].kernel_dtype;
  const int64_t* const strides = plan.strides[0];
  if (!convert) {
    run_parallel(plan.numel, [&](int64_t begin, int64_t end) {
      for_runs(plan, begin, end, [&](char* const* data, int64_t n) { loop(data, strides, n, params); });
    });
    return;
  }
  Converted converted{loop, params, {}, {}, {}, count};
  for (int k = 0; k < count; ++k) {
    const LoopArg& a = args[k];
    converted.kernel_sizes[k] = item_size(a.kernel_dtype);
    if (a.dtype != a.kernel_dtype)
      converted.casts[k] = k == 0 ? cast_loop(a.kernel_dtype, a.dtype) : cast_loop(a.dtype, a.kernel_dtype);
  }
  run_parallel(plan.numel, [&](int64_t begin, int64_t end) {
    for_runs(plan, begin, end, [&](char* const* data, int64_t n) { converted(data, strides, n); });
  });
}

void run_contiguous(Loop loop, const void* params, int64_t n, char* const* data, const int64_t* item_sizes, int count) {
  if (n <= kSerialElements) {
    loop(data, item_sizes, n, params);
    return;
  }
  BlockingRegion region(true);
  // A result beyond the caches is not worth reading into them first. In-place results are read anyway.
  bool streams = n * item_sizes[0] >= kStreamBytes && reinterpret_cast<uintptr_t>(data[0]) % 64 == 0;
  for (int k = 1; k < count; ++k) streams = streams && data[k] != data[0];
  parallel_for(0, n, kSerialElements, [&](int64_t begin, int64_t end) {
    char* at[kMaxLoopArgs];
    for (int k = 0; k < count; ++k) at[k] = data[k] + begin * item_sizes[k];
    if (!streams) {
      loop(at, item_sizes, end - begin, params);
      return;
    }
    alignas(64) char buffer[kStreamBlock];
    char* const out = at[0];
    const int64_t step = kStreamBlock / item_sizes[0];
    at[0] = buffer;
    for (int64_t done = 0; done < end - begin; done += step) {
      const int64_t m = std::min(step, end - begin - done);
      loop(at, item_sizes, m, params);
      const int64_t bytes = m * item_sizes[0], whole = bytes & ~int64_t{63};
      elementwise().stream(out + done * item_sizes[0], buffer, whole);
      std::memcpy(out + done * item_sizes[0] + whole, buffer + whole, static_cast<size_t>(bytes - whole));
      for (int k = 1; k < count; ++k) at[k] += m * item_sizes[k];
    }
  });
}

namespace {

// A copy whose operands run along different dims, done in square tiles. False where the plan is of another kind.
bool copy_transposed(Plan& plan, int64_t item) {
  if (plan.numel == 0 || plan.ndim < 2 || plan.strides[0][0] != item || plan.strides[0][1] == item || plan.numel < 256)
    return false;
  int along = 0;
  for (int d = 1; d < plan.ndim && !along; ++d)
    if (plan.strides[d][1] == item && plan.sizes[d] >= 8 && plan.strides[d][0] > 0) along = d;
  if (!along || plan.sizes[0] < 8 || plan.strides[0][1] <= 0) return false;
  const auto kernel = elementwise().transpose[size_class(item)];
  const int64_t columns = plan.sizes[0], rows = plan.sizes[along];
  const int64_t in_stride = plan.strides[0][1], out_stride = plan.strides[along][0];
  // What is left of the plan runs over the matrices.
  Plan outer = plan;
  outer.ndim = 0;
  outer.numel = 1;
  for (int d = 1; d < plan.ndim; ++d) {
    if (d == along) continue;
    outer.sizes[outer.ndim] = plan.sizes[d];
    std::memcpy(outer.strides[outer.ndim++], plan.strides[d], sizeof plan.strides[d]);
    outer.numel *= plan.sizes[d];
  }
  if (outer.ndim == 0) {
    outer.ndim = 1;
    outer.sizes[0] = 1;
    std::memset(outer.strides[0], 0, sizeof outer.strides[0]);
  }
  constexpr int64_t kBlock = 64;
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit)
      for_runs(outer, unit / blocks, unit / blocks + 1, [&](char* const* data, int64_t) {
        const int64_t r = unit % blocks * kBlock;
        kernel(data[0] + r * out_stride, out_stride, data[1] + r * item, in_stride, std::min(kBlock, rows - r),
               columns);
      });
  };
  if (plan.numel <= kSerialElements) {
    work(0, outer.numel * blocks);
  } else {
    BlockingRegion region(true);
    parallel_for(0, outer.numel * blocks, std::max<int64_t>(1, kSerialElements / (kBlock * columns)), work);
  }
  return true;
}

// A copy whose innermost dim is short. False where it is not.
bool copy_short_runs(const Plan& plan, int64_t item) {
  if (plan.ndim < 2 || plan.numel < 64 || !are_short(plan.sizes[0], item) || plan.sizes[1] < 8) return false;
  const int64_t n = plan.sizes[0];
  Plan runs;
  runs.count = 2;
  runs.ndim = plan.ndim - 1;
  runs.numel = plan.numel / n;
  std::memcpy(runs.data, plan.data, sizeof runs.data);
  std::memcpy(runs.sizes, plan.sizes + 1, static_cast<size_t>(runs.ndim) * sizeof runs.sizes[0]);
  std::memcpy(runs.strides, plan.strides + 1, static_cast<size_t>(runs.ndim) * sizeof runs.strides[0]);
  const auto work = [&](int64_t begin, int64_t end) {
    for_runs(runs, begin, end, [&](char* const* data, int64_t count) {
      copy_runs({data[0], data[1], item, n, count, plan.strides[0][0], plan.strides[0][1], runs.strides[0][0],
                 runs.strides[0][1]});
    });
  };
  if (plan.numel <= kSerialElements) {
    work(0, runs.numel);
  } else {
    BlockingRegion region(true);
    parallel_for(0, runs.numel, kSerialElements / n, work);
  }
  return true;
}

}  // namespace

void copy_elements(const Tensor& to, const Tensor& from) {
  const DType a = to.dtype(), b = from.dtype();
  if (a == b && to.is_contiguous() && from.is_contiguous() && to.numel() == from.numel()) {
    const int64_t bytes = to.nbytes();
    if (bytes <= 262144) {
      if (bytes) std::memmove(to.data(), from.data(), static_cast<size_t>(bytes));
      return;
    }
  }
  const LoopArg args[2] = {LoopArg(to, a), LoopArg(from, b)};
  if (a == b && to.dim() > 1 && !(from.is_contiguous() && to.is_contiguous()) && to.numel() >= 64) {
    Plan plan;
    make_plan(plan, to.sizes(), args, 2);
    if (copy_transposed(plan, to.item_size()) || copy_short_runs(plan, to.item_size())) return;
  }
  const Loop loop = a == b ? elementwise().copy[size_class(to.item_size())] : cast_loop(b, a);
  run_loop(loop, nullptr, to.sizes(), args, 2);
}

void fill_elements(const Tensor& to, const Scalar& value) {
  alignas(16) char number[16];
  value.store(to.dtype(), number);
  const LoopArg args[2] = {LoopArg(to, to.dtype()), LoopArg(number, to.dtype())};
  run_loop(elementwise().copy[size_class(to.item_size())], nullptr, to.sizes(), args, 2);
}

}  // namespace rushlight::cpu
