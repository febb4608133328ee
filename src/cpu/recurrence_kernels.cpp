// Linear recurrences h[i] = b[i] + a[i] * h[i-1], compiled once per instruction set: what the derivative of cumprod is
// made of.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"
#include "cpu/scan_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

// Rows side by side, which hides the latency of each other's steps; `first` is where they begin, `step` 1 or -1, and
// the factor of element i lies at i + shift.
template <int Rows, class T>
RL_INLINE void recur_rows(const T* a, const T* x, T* out, int64_t n, int64_t first, int64_t step, int64_t shift) {
  using W = Wide<T>;
  typename W::type h[Rows];
  for (int k = 0; k < Rows; ++k) {
    h[k] = W::load(x[k * n + first]);
    out[k * n + first] = x[k * n + first];
  }
  int64_t i = first;
  for (int64_t count = 1; count < n; ++count) {
    i += step;
    for (int k = 0; k < Rows; ++k) {
      h[k] = W::load(x[k * n + i]) + W::load(a[k * n + i + shift]) * h[k];
      out[k * n + i] = W::store(h[k]);
    }
  }
}

template <class T>
void rows(const RecurrenceBlock& b) {
  const T *a = reinterpret_cast<const T*>(b.a), *x = reinterpret_cast<const T*>(b.b);
  T* out = reinterpret_cast<T*>(b.out);
  const int64_t n = b.n, first = b.backwards ? n - 1 : 0, step = b.backwards ? -1 : 1, shift = b.backwards;
  int64_t r = 0;
  for (; r + 4 <= b.rows; r += 4) recur_rows<4>(a + r * n, x + r * n, out + r * n, n, first, step, shift);
  for (; r < b.rows; ++r) recur_rows<1>(a + r * n, x + r * n, out + r * n, n, first, step, shift);
}

template <class T>
void cols(const RecurrenceBlock& b) {
  using W = Wide<T>;
  constexpr int64_t kStrip = 512;
  typename W::type h[kStrip];
  for (int64_t first = 0; first < b.rows; first += kStrip) {
    const int64_t m = b.rows - first < kStrip ? b.rows - first : kStrip;
    for (int64_t step = 0; step < b.n; ++step) {
      const int64_t i = b.backwards ? b.n - 1 - step : step, at = first + i * b.stride;
      const T* x = reinterpret_cast<const T*>(b.b) + at;
      const T* a = reinterpret_cast<const T*>(b.a) + at + (b.backwards && step ? b.stride : 0);
      T* out = reinterpret_cast<T*>(b.out) + at;
      if (step == 0) {
        for (int64_t j = 0; j < m; ++j) {
          h[j] = W::load(x[j]);
          out[j] = x[j];
        }
        continue;
      }
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) {
        h[j] = W::load(x[j]) + W::load(a[j]) * h[j];
        out[j] = W::store(h[j]);
      }
    }
  }
}

template <class T>
void fill(ReduceTable& t, DType dtype) {
  t.recurrence_rows[static_cast<int>(dtype)] = rows<T>;
  t.recurrence_cols[static_cast<int>(dtype)] = cols<T>;
}

}  // namespace

void fill_recurrence(ReduceTable& t) {
  for_float_types([&]<class T>(DType dtype) { fill<T>(t, dtype); });
  fill<Cx<float>>(t, DType::Complex64);
  fill<Cx<double>>(t, DType::Complex128);
}

}  // namespace rushlight::cpu::RL_ISA
