// Moments of blocks, for means and variances, compiled once per instruction set.
//
// Sums of d and d*d in double, d the distance from one of the elements, which bounds the cancellation in
// sum(d*d) - sum(d)^2/n by the length of the run.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

inline constexpr int64_t kMomentsRun = 4096;

RL_INLINE Moments from_sums(double pivot, double s, double q, double n) {
  const double m2 = q - s * (s / n);
  return {n, pivot + s / n, m2 < 0 ? 0 : m2};
}

RL_INLINE void join(Moments& a, const Moments& b) {
  const double n = a.count + b.count, d = b.mean - a.mean;
  if (b.count == 0) return;
  a.mean += d * (b.count / n);
  a.m2 += b.m2 + d * d * (a.count * (b.count / n));
  a.count = n;
}

template <class X>
RL_INLINE Moments moments_run(const X* x, int64_t n) {
  using D = Vec<double>;
  const double pivot = x[0];
  if (n == 1) return {1, pivot, pivot - pivot};  // NaN where the element is not finite
  const D p(pivot);
  D s[4] = {0.0, 0.0, 0.0, 0.0}, q[4] = {0.0, 0.0, 0.0, 0.0};
  auto take = [&](int k, D v) __attribute__((always_inline)) {
    const D d = v - p;
    s[k] += d;
    q[k] = mad(d, d, q[k]);
  };
  int64_t i = 0;
  if constexpr (sizeof(X) == 4) {
    constexpr int64_t width = Vec<X>::size;
    for (; i + 2 * width <= n; i += 2 * width) {
      const Vec<X> a = Vec<X>::load(x + i), b = Vec<X>::load(x + i + width);
      take(0, widen_low<double>(a));
      take(1, widen_high<double>(a));
      take(2, widen_low<double>(b));
      take(3, widen_high<double>(b));
    }
  } else {
    constexpr int64_t width = D::size;
    for (; i + 4 * width <= n; i += 4 * width)
      for (int k = 0; k < 4; ++k) take(k, D::load(x + i + k * width));
  }
  auto add1 = [](auto a, auto b) __attribute__((always_inline)) { return a + b; };
  double sum = reduce_lanes((s[0] + s[1]) + (s[2] + s[3]), add1);
  double squares = reduce_lanes((q[0] + q[1]) + (q[2] + q[3]), add1);
  for (; i < n; ++i) {
    const double d = x[i] - pivot;
    sum += d;
    squares += d * d;
  }
  return from_sums(pivot, sum, squares, static_cast<double>(n));
}

template <class T>
void moments_rows(const ReduceBlock& b) {
  using X = ComputeOf<T>;
  X buffer[kMomentsRun];
  Moments* acc = reinterpret_cast<Moments*>(b.acc);
  for (int64_t r = 0; r < b.outputs; ++r) {
    const char* in = b.in + r * b.output_stride;
    Moments all{};
    for (int64_t done = 0; done < b.n; done += kMomentsRun) {
      const int64_t m = b.n - done < kMomentsRun ? b.n - done : kMomentsRun;
      const Moments part = moments_run(gather_run<T>(buffer, in + done * b.stride, b.stride, m), m);
      if (done)
        join(all, part);
      else
        all = part;
    }
    acc[r] = all;
  }
}

template <class T>
void moments_cols(const ReduceBlock& b) {
  using X = ComputeOf<T>;
  Moments* acc = reinterpret_cast<Moments*>(b.acc);
  double pivot[kReduceColumns], s[kReduceColumns], q[kReduceColumns];
  const int64_t columns = b.outputs;
  for (int64_t j = 0; j < columns; ++j) {
    pivot[j] = load_as(*reinterpret_cast<const T*>(b.in + j * b.output_stride));
    s[j] = 0;
    q[j] = pivot[j] - pivot[j];  // NaN where the pivot is not finite
  }
  int64_t i = 1;
  auto distance = [](X x, double p) __attribute__((always_inline)) { return static_cast<double>(x) - p; };
  if (b.output_stride == sizeof(T)) {
    for (; i + 4 <= b.n; i += 4) {
      const T* x0 = reinterpret_cast<const T*>(b.in + i * b.stride);
      const T* x1 = reinterpret_cast<const T*>(b.in + (i + 1) * b.stride);
      const T* x2 = reinterpret_cast<const T*>(b.in + (i + 2) * b.stride);
      const T* x3 = reinterpret_cast<const T*>(b.in + (i + 3) * b.stride);
#pragma GCC ivdep
      for (int64_t j = 0; j < columns; ++j) {
        const double p = pivot[j];
        const double d0 = distance(load_as(x0[j]), p), d1 = distance(load_as(x1[j]), p);
        const double d2 = distance(load_as(x2[j]), p), d3 = distance(load_as(x3[j]), p);
        s[j] += (d0 + d1) + (d2 + d3);
        q[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
      }
    }
  }
  for (; i < b.n; ++i) {
    const char* x = b.in + i * b.stride;
    for (int64_t j = 0; j < columns; ++j) {
      const double d = distance(load_as(*reinterpret_cast<const T*>(x + j * b.output_stride)), pivot[j]);
      s[j] += d;
      q[j] += d * d;
    }
  }
  for (int64_t j = 0; j < columns; ++j) acc[j] = from_sums(pivot[j], s[j], q[j], static_cast<double>(b.n));
}

void moments_combine(char* acc, const char* other, int64_t*, const int64_t*, int64_t n) {
  Moments* a = reinterpret_cast<Moments*>(acc);
  const Moments* o = reinterpret_cast<const Moments*>(other);
  for (int64_t j = 0; j < n; ++j) join(a[j], o[j]);
}

template <class T>
void fill(ReduceTable& t, DType dtype) {
  t.reduce[static_cast<int>(ReduceOp::Moments)][static_cast<int>(dtype)] = {
      moments_rows<T>, moments_cols<T>, moments_combine, DType::Undefined, sizeof(Moments)};
}

}  // namespace

void fill_reduce_moments(ReduceTable& t) {
  for_float_types([&]<class T>(DType dtype) { fill<T>(t, dtype); });
}

}  // namespace rushlight::cpu::RL_ISA
