#include <cstring>

#include "cpu/index_loops.h"

namespace rushlight::cpu {

namespace {

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

}  // namespace

void check_run(const char* index, int64_t stride, int64_t n, const IndexParams& p) {
  if (!outside_bits(index, stride, n, 0, p.size - 1)) [[likely]]
    return;
  int64_t bad = 0;
  find_outside(index, stride, n, 0, p.size - 1, &bad);
  fail("index ", bad, " is out of bounds for dimension ", p.dim, " with size ", p.size);
}

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

}  // namespace rushlight::cpu
