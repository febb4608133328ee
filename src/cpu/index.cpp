#include "cpu/index.h"

#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"

namespace rushlight::cpu {

namespace {

constexpr int64_t kCheckBlock = 512;         // indices checked at a time, before they are used
constexpr int64_t kParallelBytes = 1 << 18;  // moves below this stay on the calling thread

struct Bytes16 {
  uint64_t low, high;
};

template <class T>
T& at(char* base, int64_t byte) {
  return *reinterpret_cast<T*>(base + byte);
}

// The sign bit of the result is set where an index lies outside; unsigned arithmetic, so that the loop vectorises.
uint64_t outside_bits(const char* index, int64_t stride, int64_t n, int64_t low, int64_t high) {
  const uint64_t first = static_cast<uint64_t>(low), last = static_cast<uint64_t>(high);
  uint64_t bits = 0;
  if (stride == sizeof(int64_t)) {
    const uint64_t* p = reinterpret_cast<const uint64_t*>(index);
    uint64_t lanes[8] = {};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
      for (int j = 0; j < 8; ++j) lanes[j] |= (p[i + j] - first) | (last - p[i + j]);
    for (; i < n; ++i) bits |= (p[i] - first) | (last - p[i]);
    for (uint64_t lane : lanes) bits |= lane;
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t v = *reinterpret_cast<const uint64_t*>(index + i * stride);
      bits |= (v - first) | (last - v);
    }
  }
  return bits >> 63;
}

void check_run(const char* index, int64_t stride, int64_t n, const IndexParams& p) {
  if (!outside_bits(index, stride, n, 0, p.size - 1)) [[likely]]
    return;
  int64_t bad = 0;
  find_outside(index, stride, n, 0, p.size - 1, &bad);
  fail("index ", bad, " is out of bounds for dimension ", p.dim, " with size ", p.size);
}

// A loop that checks its indices where it is asked to, block by block before their use.
template <void (*Body)(char* const*, const int64_t*, int64_t, const IndexParams&)>
void checked(char* const* data, const int64_t* s, int64_t n, const void* params) {
  const IndexParams& p = *static_cast<const IndexParams*>(params);
  if (!p.check) return Body(data, s, n, p);
  for (int64_t done = 0; done < n; done += kCheckBlock) {
    const int64_t m = std::min(kCheckBlock, n - done);
    char* const block[3] = {data[0] + done * s[0], data[1] + done * s[1], data[2] + done * s[2]};
    check_run(block[2], s[2], m, p);
    Body(block, s, m, p);
  }
}

template <class T>
void take_items(T* out, const char* src, const int64_t* index, int64_t n, int64_t stride) {
  if (stride == sizeof(T)) {
    const T* const x = reinterpret_cast<const T*>(src);
    for (int64_t i = 0; i < n; ++i) out[i] = x[index[i]];
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = *reinterpret_cast<const T*>(src + index[i] * stride);
  }
}

template <class T>
void take_run(char* const* data, const int64_t* s, int64_t n, const IndexParams& p) {
  const int64_t stride = p.stride;
  char *const out = data[0], *const src = data[1], *const index = data[2];
  if (s[0] == sizeof(T) && s[1] == 0 && s[2] == 8) {
    T* const o = reinterpret_cast<T*>(out);
    const int64_t* const ix = reinterpret_cast<const int64_t*>(index);
    take_items<T>(o, src, ix, n, stride);
  } else {
    for (int64_t i = 0; i < n; ++i) at<T>(out, i * s[0]) = at<T>(src, i * s[1] + at<int64_t>(index, i * s[2]) * stride);
  }
}

// f(i, index[i]), four at a time: the loads of a group go before its stores.
template <class T, class F>
[[gnu::always_inline]] inline void for_indices(const int64_t* index, const T* x, int64_t n, F f) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const int64_t i0 = index[i], i1 = index[i + 1], i2 = index[i + 2], i3 = index[i + 3];
    const T x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
    f(i0, x0);
    f(i1, x1);
    f(i2, x2);
    f(i3, x3);
  }
  for (; i < n; ++i) f(index[i], x[i]);
}

template <class T>
void put_items(char* dst, const T* x, const int64_t* index, int64_t n, int64_t stride) {
  // A load brings the line in sooner than the store would.
  if (stride == sizeof(T))
    for_indices(index, x, n, [=](int64_t k, T value) {
      __builtin_prefetch(reinterpret_cast<T*>(dst) + k);
      reinterpret_cast<T*>(dst)[k] = value;
    });
  else
    for_indices(index, x, n, [=](int64_t k, T value) {
      __builtin_prefetch(dst + k * stride);
      at<T>(dst, k * stride) = value;
    });
}

template <class T>
void put_run(char* const* data, const int64_t* s, int64_t n, const IndexParams& p) {
  const int64_t stride = p.stride;
  char *const dst = data[0], *const src = data[1], *const index = data[2];
  if (s[0] == 0 && s[1] == sizeof(T) && s[2] == 8) {
    const T* const x = reinterpret_cast<const T*>(src);
    const int64_t* const ix = reinterpret_cast<const int64_t*>(index);
    put_items(dst, x, ix, n, stride);
  } else {
    for (int64_t i = 0; i < n; ++i) at<T>(dst, i * s[0] + at<int64_t>(index, i * s[2]) * stride) = at<T>(src, i * s[1]);
  }
}

// ---- arithmetic of the accumulating loops

template <class T>
struct Factor {
  using Type = T;
};
template <>
struct Factor<float16> {
  using Type = float;
};
template <>
struct Factor<bfloat16> {
  using Type = float;
};

struct Plus {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, bool>)
      return a || b;
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      return T(static_cast<float>(a) + static_cast<float>(b));
    else
      return a + b;
  }
};

struct Times {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, bool>)
      return a && b;
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      return T(static_cast<float>(a) * static_cast<float>(b));
    else if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>)
      return T(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
    else
      return a * b;
  }
};

template <class T>
T plus_scaled(T a, T b, typename Factor<T>::Type alpha) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
    return T(static_cast<float>(a) + alpha * static_cast<float>(b));
  else
    return Plus::apply(a, Times::apply(b, alpha));
}

template <class Op, class T>
void combine_run(char* const* data, const int64_t* s, int64_t n, const IndexParams& p) {
  const int64_t stride = p.stride;
  char *const dst = data[0], *const src = data[1], *const index = data[2];
  if (p.alpha) {
    const auto alpha = *static_cast<const typename Factor<T>::Type*>(p.alpha);
    for (int64_t i = 0; i < n; ++i) {
      T& to = at<T>(dst, i * s[0] + at<int64_t>(index, i * s[2]) * stride);
      to = plus_scaled(to, at<T>(src, i * s[1]), alpha);
    }
  } else if (s[0] == 0 && s[1] == sizeof(T) && s[2] == 8) {
    const T* const x = reinterpret_cast<const T*>(src);
    const int64_t* const ix = reinterpret_cast<const int64_t*>(index);
    if (stride == sizeof(T))
      for_indices(ix, x, n, [=](int64_t k, T value) {
        T& to = reinterpret_cast<T*>(dst)[k];
        to = Op::apply(to, value);
      });
    else
      for_indices(ix, x, n, [=](int64_t k, T value) {
        T& to = at<T>(dst, k * stride);
        to = Op::apply(to, value);
      });
  } else {
    for (int64_t i = 0; i < n; ++i) {
      T& to = at<T>(dst, i * s[0] + at<int64_t>(index, i * s[2]) * stride);
      to = Op::apply(to, at<T>(src, i * s[1]));
    }
  }
}

template <class Op>
constexpr Loop kCombine[kNumComputeDTypes] = {
    checked<combine_run<Op, bool>>,    checked<combine_run<Op, uint8_t>>,   checked<combine_run<Op, int8_t>>,
    checked<combine_run<Op, int16_t>>, checked<combine_run<Op, int32_t>>,   checked<combine_run<Op, int64_t>>,
    checked<combine_run<Op, float16>>, checked<combine_run<Op, bfloat16>>,  checked<combine_run<Op, float>>,
    checked<combine_run<Op, double>>,  checked<combine_run<Op, complex64>>, checked<combine_run<Op, complex128>>};

struct Outside {
  int64_t low, high, bad;
  bool found;
};

// data: index
void outside_run(char* const* data, const int64_t* s, int64_t n, const void* params) {
  Outside& o = *static_cast<Outside*>(const_cast<void*>(params));
  if (!o.found) o.found = find_outside(data[0], s[0], n, o.low, o.high, &o.bad);
}

template <class T>
void put_rows(char* dst, const char* src, const int64_t* index, int64_t n, int64_t stride, bool repeat) {
  const T* const x = reinterpret_cast<const T*>(src);
  if (!repeat) return put_items(dst, x, index, n, stride);
  const T value = *x;
  for (int64_t i = 0; i < n; ++i) at<T>(dst, index[i] * stride) = value;
}

template <class T>
void add_rows(char* dst, const char* src, const int64_t* index, int64_t n, int64_t stride, int64_t count,
              const void* alpha) {
  if constexpr (!std::is_same_v<T, float16> && !std::is_same_v<T, bfloat16>) {
    // Long rows are worth a call of the loop made for this processor.
    const int d = static_cast<int>(DTypeOf<T>::value);
    const Loop loop = alpha ? elementwise().add_scaled[d] : elementwise().binary[static_cast<int>(BinaryOp::Add)][d];
    if (count >= 16 && loop) {
      constexpr int64_t strides[3] = {sizeof(T), sizeof(T), sizeof(T)};
      for (int64_t i = 0; i < n; ++i) {
        char* const to = dst + index[i] * stride;
        char* const data[3] = {to, to, const_cast<char*>(src) + i * count * static_cast<int64_t>(sizeof(T))};
        loop(data, strides, count, alpha);
      }
      return;
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    T* const to = reinterpret_cast<T*>(dst + index[i] * stride);
    const T* const x = reinterpret_cast<const T*>(src) + i * count;
    if (alpha) {
      const auto factor = *static_cast<const typename Factor<T>::Type*>(alpha);
#pragma GCC ivdep
      for (int64_t k = 0; k < count; ++k) to[k] = plus_scaled(to[k], x[k], factor);
    } else {
#pragma GCC ivdep
      for (int64_t k = 0; k < count; ++k) to[k] = Plus::apply(to[k], x[k]);
    }
  }
}

using AddRows = void (*)(char*, const char*, const int64_t*, int64_t, int64_t, int64_t, const void*);
constexpr AddRows kAddRows[kNumComputeDTypes] = {add_rows<bool>,    add_rows<uint8_t>,   add_rows<int8_t>,
                                                 add_rows<int16_t>, add_rows<int32_t>,   add_rows<int64_t>,
                                                 add_rows<float16>, add_rows<bfloat16>,  add_rows<float>,
                                                 add_rows<double>,  add_rows<complex64>, add_rows<complex128>};

template <class F>
void split(int64_t begin, int64_t end, int64_t grain, int64_t bytes, F&& f) {
  if (bytes <= kParallelBytes || end - begin <= grain) {
    f(begin, end);
    return;
  }
  BlockingRegion region(true);
  parallel_for(begin, end, grain, f);
}

}  // namespace

Loop take_loop(int64_t item) {
  constexpr Loop loops[] = {checked<take_run<uint8_t>>, checked<take_run<uint16_t>>, checked<take_run<uint32_t>>,
                            checked<take_run<uint64_t>>, checked<take_run<Bytes16>>};
  return loops[size_class(item)];
}

Loop put_loop(int64_t item) {
  constexpr Loop loops[] = {checked<put_run<uint8_t>>, checked<put_run<uint16_t>>, checked<put_run<uint32_t>>,
                            checked<put_run<uint64_t>>, checked<put_run<Bytes16>>};
  return loops[size_class(item)];
}

Loop add_loop(DType d) {
  return static_cast<int>(d) < kNumComputeDTypes ? kCombine<Plus>[static_cast<int>(d)] : nullptr;
}
Loop multiply_loop(DType d) {
  return static_cast<int>(d) < kNumComputeDTypes ? kCombine<Times>[static_cast<int>(d)] : nullptr;
}

void run_in_order(Loop loop, const void* params, IntSpan shape, const LoopArg* args, int count) {
  // dims[0] is the outermost; neighbours that are one run in every operand are merged.
  int64_t sizes[kMaxDims], strides[kMaxDims][kMaxLoopArgs], index[kMaxDims] = {};
  int ndim = 0;
  const int64_t n = static_cast<int64_t>(shape.size());
  for (int64_t d = 0; d < n; ++d) {
    if (shape[d] == 0) return;
    if (shape[d] == 1) continue;
    int64_t row[kMaxLoopArgs];
    for (int k = 0; k < count; ++k) {
      const int64_t own = d - (n - static_cast<int64_t>(args[k].sizes.size()));
      row[k] = own < 0 || args[k].sizes[own] == 1 ? 0 : args[k].strides[own] * item_size(args[k].dtype);
    }
    bool merge = ndim > 0;
    for (int k = 0; k < count && merge; ++k) merge = strides[ndim - 1][k] == shape[d] * row[k];
    if (merge)
      sizes[ndim - 1] *= shape[d];
    else
      sizes[ndim++] = shape[d];
    std::memcpy(strides[ndim - 1], row, sizeof row);
  }
  char* data[kMaxLoopArgs];
  for (int k = 0; k < count; ++k) data[k] = args[k].data;
  if (ndim == 0) {
    std::memset(strides[0], 0, sizeof strides[0]);
    sizes[0] = ndim = 1;
  }
  const int last = ndim - 1;
  while (true) {
    loop(data, strides[last], sizes[last], params);
    int d = last - 1;
    for (; d >= 0; --d) {
      for (int k = 0; k < count; ++k) data[k] += strides[d][k];
      if (++index[d] < sizes[d]) break;
      for (int k = 0; k < count; ++k) data[k] -= sizes[d] * strides[d][k];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

void run_lanes(Loop loop, const void* params, IntSpan shape, int64_t dim, const LoopArg* args, int count) {
  const int64_t n = static_cast<int64_t>(shape.size());
  int64_t numel = 1, lane = -1;
  for (int64_t d = 0; d < n; ++d) {
    numel *= shape[d];
    if (d != dim && shape[d] > 1 && (lane < 0 || shape[d] > shape[lane])) lane = d;
  }
  if (numel <= kSerialElements || lane < 0) {
    BlockingRegion region(numel > kSerialElements);
    run_in_order(loop, params, shape, args, count);
    return;
  }
  BlockingRegion region(true);
  // Short pieces of the last dim would waste cache lines.
  const int64_t least = lane == n - 1 ? 64 : 1;
  const int64_t grain = std::max(least, kSerialElements / std::max<int64_t>(numel / shape[lane], 1));
  parallel_for(0, shape[lane], grain, [&](int64_t begin, int64_t end) {
    DimVector part(shape);
    part[lane] = end - begin;
    LoopArg moved[kMaxLoopArgs];
    for (int k = 0; k < count; ++k) {
      moved[k] = args[k];
      const int64_t own = lane - (n - static_cast<int64_t>(args[k].sizes.size()));
      if (own >= 0 && args[k].sizes[own] != 1) moved[k].data += begin * args[k].strides[own] * item_size(args[k].dtype);
    }
    run_in_order(loop, params, part, moved, count);
  });
}

bool find_outside(const char* index, int64_t stride, int64_t n, int64_t low, int64_t high, int64_t* bad) {
  for (int64_t done = 0; done < n; done += kCheckBlock) {
    const int64_t m = std::min(kCheckBlock, n - done);
    if (!outside_bits(index + done * stride, stride, m, low, high)) continue;
    for (int64_t i = done; i < done + m; ++i) {
      *bad = *reinterpret_cast<const int64_t*>(index + i * stride);
      if (*bad < low || *bad > high) return true;
    }
  }
  return false;
}

bool find_outside(const Tensor& index, int64_t low, int64_t high, int64_t* bad) {
  if (index.is_contiguous()) return find_outside(index.data(), 8, index.numel(), low, high, bad);
  Outside o{low, high, 0, false};
  const LoopArg arg(index, DType::Int64);
  run_in_order(outside_run, &o, index.sizes(), &arg, 1);
  *bad = o.bad;
  return o.found;
}

void take_rows(char* dst, const char* src, const int64_t* index, int64_t n, int64_t stride, int64_t bytes) {
  switch (bytes) {
    case 1: return take_items(reinterpret_cast<uint8_t*>(dst), src, index, n, stride);
    case 2: return take_items(reinterpret_cast<uint16_t*>(dst), src, index, n, stride);
    case 4: return take_items(reinterpret_cast<uint32_t*>(dst), src, index, n, stride);
    case 8: return take_items(reinterpret_cast<uint64_t*>(dst), src, index, n, stride);
    case 16: return take_items(reinterpret_cast<Bytes16*>(dst), src, index, n, stride);
    default: break;
  }
  // Rows lie anywhere: ask for the beginning of the ones to come.
  constexpr int64_t kAhead = 4;
  for (int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) {
      const char* const next = src + index[i + kAhead] * stride;
      __builtin_prefetch(next);
      if (bytes > 64) __builtin_prefetch(next + 64);
    }
    std::memcpy(dst + i * bytes, src + index[i] * stride, static_cast<size_t>(bytes));
  }
}

void take_blocks(char* dst, const char* src, const int64_t* index, int64_t outer, int64_t n, int64_t stride,
                 int64_t src_outer, int64_t bytes) {
  if (bytes == 0 || n == 0) return;
  const int64_t grain = std::max<int64_t>(kParallelBytes / 2 / bytes, 1);
  split(0, outer * n, grain, outer * n * bytes, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end;) {
      const int64_t o = row / n, i = row % n, m = std::min(n - i, end - row);
      take_rows(dst + row * bytes, src + o * src_outer, index + i, m, stride, bytes);
      row += m;
    }
  });
}

void put_blocks(char* dst, const char* src, const int64_t* index, int64_t outer, int64_t n, int64_t stride,
                int64_t dst_outer, int64_t bytes, bool repeat) {
  if (bytes == 0 || n == 0) return;
  const int64_t grain = std::max<int64_t>(kParallelBytes / 2 / bytes / n, 1);
  split(0, outer, grain, outer * n * bytes, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      char* const to = dst + o * dst_outer;
      const char* const from = repeat ? src : src + o * n * bytes;
      switch (bytes) {
        case 1: put_rows<uint8_t>(to, from, index, n, stride, repeat); break;
        case 2: put_rows<uint16_t>(to, from, index, n, stride, repeat); break;
        case 4: put_rows<uint32_t>(to, from, index, n, stride, repeat); break;
        case 8: put_rows<uint64_t>(to, from, index, n, stride, repeat); break;
        case 16: put_rows<Bytes16>(to, from, index, n, stride, repeat); break;
        default:
          for (int64_t i = 0; i < n; ++i)
            std::memcpy(to + index[i] * stride, repeat ? from : from + i * bytes, static_cast<size_t>(bytes));
      }
    }
  });
}

void add_blocks(DType dtype, char* dst, const char* src, const int64_t* index, int64_t outer, int64_t n, int64_t stride,
                int64_t dst_outer, int64_t count, const void* alpha) {
  if (count == 0 || n == 0) return;
  const int64_t bytes = count * item_size(dtype);
  const AddRows rows = kAddRows[static_cast<int>(dtype)];
  const int64_t grain = std::max<int64_t>(kParallelBytes / 2 / bytes / n, 1);
  split(0, outer, grain, outer * n * bytes, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      if (count == 1) {
        // One element per index: the loop over indices is the inner one.
        char* const data[3] = {dst + o * dst_outer, const_cast<char*>(src) + o * n * bytes,
                               reinterpret_cast<char*>(const_cast<int64_t*>(index))};
        const int64_t strides[3] = {0, bytes, 8};
        IndexParams p;
        p.stride = stride;
        p.alpha = alpha;
        add_loop(dtype)(data, strides, n, &p);
      } else {
        rows(dst + o * dst_outer, src + o * n * bytes, index, n, stride, count, alpha);
      }
    }
  });
}

}  // namespace rushlight::cpu
