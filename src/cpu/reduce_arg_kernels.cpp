// argmax and argmin of blocks, compiled once per instruction set.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

inline constexpr int64_t kBuffer = 1024;

template <class X>
RL_INLINE bool is_nan(X x) {
  if constexpr (std::is_floating_point_v<X>)
    return x != x;
  else
    return false;
}
template <bool Largest, class X>
RL_INLINE bool beats(X a, X b) {
  if constexpr (std::is_floating_point_v<X>)
    return (Largest ? a > b : a < b) | ((a != a) & (b == b));
  else
    return Largest ? a > b : a < b;
}

// The first lane that is set, of a mask with one.
template <int Lanes, int Bytes>
RL_INLINE int first_lane(MaskOfSize<Bytes> m) {
#if RL_AVX512
  if constexpr (Bytes == 4)
    return __builtin_ctz(_mm512_movepi32_mask(reinterpret_cast<__m512i>(m.v)));
  else
    return __builtin_ctz(_mm512_movepi64_mask(reinterpret_cast<__m512i>(m.v)));
#else
  int lane = 0;
  while (lane + 1 < Lanes && !m[lane]) ++lane;
  return lane;
#endif
}

template <class X>
RL_INLINE int64_t find(const X* x, int64_t n, X value) {
  if (is_nan(value)) {
    for (int64_t i = 0; i < n; ++i)
      if (is_nan(x[i])) return i;
    return 0;
  }
  int64_t i = 0;
  if constexpr (sizeof(X) >= 4) {
    using V = Vec<X>;
    constexpr int64_t step = 4 * V::size;
    const V v(value);
    for (; i + step <= n; i += step)
      if (any(((V::load(x + i) == v) | (V::load(x + i + V::size) == v)) |
              ((V::load(x + i + 2 * V::size) == v) | (V::load(x + i + 3 * V::size) == v))))
        break;
    for (; i + V::size <= n; i += V::size)
      if (const Mask<X> equal = V::load(x + i) == v; any(equal)) return i + first_lane<V::size>(equal);
  } else {
    for (; i + 64 <= n; i += 64) {
      int found = 0;
      for (int64_t j = 0; j < 64; ++j) found |= x[i + j] == value;
      if (found) break;
    }
  }
  for (; i < n; ++i)
    if (x[i] == value) return i;
  return 0;
}

template <bool Largest, class T>
void arg_rows(const ReduceBlock& b) {
  using X = ComputeOf<T>;
  X* acc = reinterpret_cast<X*>(b.acc);
  X buffer[kBuffer];
  int64_t r = 0;
  if (b.n <= 32) {
    // Short rows: eight at a time hide each other's latency.
    using I = std::conditional_t<sizeof(X) == 8, int64_t, int32_t>;
    for (; r + 8 <= b.outputs; r += 8) {
      X best[8];
      I at[8];
      auto get = [&](int64_t k, int64_t i) __attribute__((always_inline)) {
        return load_as(*reinterpret_cast<const T*>(b.in + (r + k) * b.output_stride + i * b.stride));
      };
      for (int k = 0; k < 8; ++k) {
        best[k] = get(k, 0);
        at[k] = 0;
      }
      for (int64_t i = 1; i < b.n; ++i) {
        X v[8];
        for (int k = 0; k < 8; ++k) v[k] = get(k, i);
        for (int k = 0; k < 8; ++k) {
          const bool wins = beats<Largest>(v[k], best[k]);
          best[k] = wins ? v[k] : best[k];
          at[k] = wins ? static_cast<I>(i) : at[k];
        }
      }
      for (int k = 0; k < 8; ++k) {
        acc[r + k] = best[k];
        b.index[r + k] = b.first + at[k];
      }
    }
  }
  for (; r < b.outputs; ++r) {
    const char* in = b.in + r * b.output_stride;
    X best{};
    int64_t at = 0;
    for (int64_t done = 0; done < b.n; done += kBuffer) {
      const int64_t m = b.n - done < kBuffer ? b.n - done : kBuffer;
      const X* x = gather_run<T>(buffer, in + done * b.stride, b.stride, m);
      const X value = extreme_run<Largest>(x, m);
      if (done && !beats<Largest>(value, best)) continue;
      best = value;
      at = done + find(x, m, value);
      if (is_nan(best)) break;
    }
    acc[r] = best;
    b.index[r] = b.first + at;
  }
}

template <bool Largest, class T>
void arg_cols(const ReduceBlock& b) {
  using X = ComputeOf<T>;
  using I = std::conditional_t<sizeof(X) == 8, int64_t, int32_t>;
  if (b.outputs < 8) return arg_rows<Largest, T>(b);
  X* acc = reinterpret_cast<X*>(b.acc);
  I at[kReduceColumns];
  const int64_t columns = b.outputs;
  for (int64_t j = 0; j < columns; ++j) {
    acc[j] = load_as(*reinterpret_cast<const T*>(b.in + j * b.output_stride));
    at[j] = 0;
  }
  for (int64_t i = 1; i < b.n; ++i) {
    const char* in = b.in + i * b.stride;
    const I here = static_cast<I>(i);
    if (b.output_stride == sizeof(T)) {
      const T* x = reinterpret_cast<const T*>(in);
#pragma GCC ivdep
      for (int64_t j = 0; j < columns; ++j) {
        const X v = load_as(x[j]), old = acc[j];
        const I where = at[j];
        const bool wins = beats<Largest>(v, old);
        acc[j] = wins ? v : old;
        at[j] = wins ? here : where;
      }
    } else {
      for (int64_t j = 0; j < columns; ++j) {
        const X v = load_as(*reinterpret_cast<const T*>(in + j * b.output_stride));
        if (beats<Largest>(v, acc[j])) {
          acc[j] = v;
          at[j] = here;
        }
      }
    }
  }
  for (int64_t j = 0; j < columns; ++j) b.index[j] = b.first + at[j];
}

template <bool Largest, class X>
void arg_combine(char* acc, const char* other, int64_t* index, const int64_t* other_index, int64_t n) {
  X* a = reinterpret_cast<X*>(acc);
  const X* o = reinterpret_cast<const X*>(other);
  for (int64_t j = 0; j < n; ++j)
    if (beats<Largest>(o[j], a[j])) {
      a[j] = o[j];
      index[j] = other_index[j];
    }
}

template <bool Largest, class T>
void fill(ReduceTable& t, DType dtype) {
  using X = ComputeOf<T>;
  t.reduce[static_cast<int>(Largest ? ReduceOp::ArgMax : ReduceOp::ArgMin)][static_cast<int>(dtype)] = {
      arg_rows<Largest, T>, arg_cols<Largest, T>, arg_combine<Largest, X>, DTypeOf<X>::value, sizeof(X)};
}

}  // namespace

void fill_reduce_arg(ReduceTable& t) {
  for_real_types([&]<class T>(DType dtype) {
    fill<true, T>(t, dtype);
    fill<false, T>(t, dtype);
  });
}

}  // namespace rushlight::cpu::RL_ISA
