// Linear recurrences h[i] = b[i] + a[i] * h[i-1], compiled once per instruction set: what the derivative of cumprod is
// made of.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"
#include "cpu/scan_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class T>
void rows(const RecurrenceBlock& b) {
  using W = Wide<T>;
  for (int64_t r = 0; r < b.rows; ++r) {
    const T* a = reinterpret_cast<const T*>(b.a) + r * b.n;
    const T* x = reinterpret_cast<const T*>(b.b) + r * b.n;
    T* out = reinterpret_cast<T*>(b.out) + r * b.n;
    if (b.backwards) {
      typename W::type h = W::load(x[b.n - 1]);
      out[b.n - 1] = x[b.n - 1];
      for (int64_t i = b.n - 2; i >= 0; --i) {
        h = W::load(x[i]) + W::load(a[i + 1]) * h;
        out[i] = W::store(h);
      }
    } else {
      typename W::type h = W::load(x[0]);
      out[0] = x[0];
      for (int64_t i = 1; i < b.n; ++i) {
        h = W::load(x[i]) + W::load(a[i]) * h;
        out[i] = W::store(h);
      }
    }
  }
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
