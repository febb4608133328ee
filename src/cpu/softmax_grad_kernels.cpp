// The derivatives of softmax and log_softmax of blocks, compiled once per instruction set.
//
// softmax: y (g - sum(g y)); log_softmax: g - exp(y) sum(g), for the result y and the gradient g.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"
#include "cpu/vmath.h"

namespace rushlight::cpu::RL_ISA {
namespace {

inline constexpr int64_t kBuffer = 512;
template <class X>
RL_INLINE X dot_run(const X* a, const X* b, int64_t n) {
  using V = Vec<X>;
  constexpr int64_t width = V::size;
  V sum[4] = {X(0), X(0), X(0), X(0)};
  int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width)
    for (int k = 0; k < 4; ++k) sum[k] = mad(V::load(a + i + k * width), V::load(b + i + k * width), sum[k]);
  for (; i + width <= n; i += width) sum[0] = mad(V::load(a + i), V::load(b + i), sum[0]);
  if (i < n) sum[1] = mad(load_tail<X>(a + i, n - i, X(0)), load_tail<X>(b + i, n - i, X(0)), sum[1]);
  return lane_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

template <class X>
RL_INLINE void finish_run(X* out, const X* g, const X* y, int64_t n, X sum, bool log) {
  const Vec<X> s(sum);
  if (log)
    map2(out, g, y, n, [s](Vec<X> a, Vec<X> b) __attribute__((always_inline)) { return a - exp(b) * s; });
  else
    map2(out, g, y, n, [s](Vec<X> a, Vec<X> b) __attribute__((always_inline)) { return (a - s) * b; });
}

template <class T>
void grad_rows(const SoftmaxGradBlock& b) {
  using X = ComputeOf<T>;
  X g_buffer[kBuffer], y_buffer[kBuffer];
  for (int64_t r = 0; r < b.rows; ++r) {
    const T* g = reinterpret_cast<const T*>(b.grad) + r * b.n;
    const T* y = reinterpret_cast<const T*>(b.y) + r * b.n;
    T* out = reinterpret_cast<T*>(b.out) + r * b.n;
    if constexpr (kIsHalf<T>) {
      X sum = 0;
      for (int64_t i = 0; i < b.n; i += kBuffer) {
        const int64_t m = b.n - i < kBuffer ? b.n - i : kBuffer;
        widen_run(g_buffer, g + i, m);
        if (!b.log) widen_run(y_buffer, y + i, m);
        sum += b.log ? reduce_run(g_buffer, m, SumRun<X>()) : dot_run(g_buffer, y_buffer, m);
      }
      for (int64_t i = 0; i < b.n; i += kBuffer) {
        const int64_t m = b.n - i < kBuffer ? b.n - i : kBuffer;
        widen_run(g_buffer, g + i, m);
        widen_run(y_buffer, y + i, m);
        finish_run(g_buffer, g_buffer, y_buffer, m, sum, b.log);
        to_half(out + i, g_buffer, m);
      }
    } else {
      const X sum = b.log ? reduce_run(g, b.n, SumRun<X>()) : dot_run(g, y, b.n);
      finish_run(out, g, y, b.n, sum, b.log);
    }
  }
}

template <class T>
void grad_cols(const SoftmaxGradBlock& b) {
  using X = ComputeOf<T>;
  X g_buffer[kStrip], y_buffer[kStrip], line[kStrip], sum[kStrip];
  int64_t strip = 32768 / b.n / 32 * 32;
  strip = strip < 32 ? 32 : strip > kStrip ? kStrip : strip;
  for (int64_t first = 0; first < b.rows; first += strip) {
    const int64_t m = b.rows - first < strip ? b.rows - first : strip;
    auto load = [&](X* buffer, const char* p, int64_t i) __attribute__((always_inline)) {
      return load_row<T>(buffer, reinterpret_cast<const T*>(p) + first + i * b.stride, m);
    };
    for (int64_t j = 0; j < m; ++j) sum[j] = 0;
    for (int64_t i = 0; i < b.n; ++i) {
      const X* g = load(g_buffer, b.grad, i);
      if (b.log) {
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) sum[j] += g[j];
      } else {
        const X* y = load(y_buffer, b.y, i);
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) sum[j] += g[j] * y[j];
      }
    }
    for (int64_t i = 0; i < b.n; ++i) {
      const X *g = load(g_buffer, b.grad, i), *y = load(y_buffer, b.y, i);
      T* out = reinterpret_cast<T*>(b.out) + first + i * b.stride;
      X* to = line;
      if constexpr (!kIsHalf<T>) to = out;
      if (b.log) {
        map(line, y, m, [](Vec<X> v) __attribute__((always_inline)) { return exp(v); });
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) to[j] = g[j] - line[j] * sum[j];
      } else {
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) to[j] = (g[j] - sum[j]) * y[j];
      }
      if constexpr (kIsHalf<T>) to_half(out, line, m);
    }
  }
}

}  // namespace

void fill_softmax_grad(ReduceTable& t) {
  for_float_types([&]<class T>(DType dtype) {
    t.softmax_grad_rows[static_cast<int>(dtype)] = grad_rows<T>;
    t.softmax_grad_cols[static_cast<int>(dtype)] = grad_cols<T>;
  });
}

}  // namespace rushlight::cpu::RL_ISA
