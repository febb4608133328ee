// softmax and log_softmax of blocks, compiled once per instruction set.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"
#include "cpu/vmath.h"

namespace rushlight::cpu::RL_ISA {
namespace {

// The sum of exp(x - shift); Store: out = exp(x - shift).
template <bool Store, class T>
RL_INLINE T exp_and_sum(T* out, const T* x, int64_t n, T shift) {
  using V = Vec<T>;
  constexpr int64_t width = V::size;
  const V m(shift);
  V sum[4] = {T(0), T(0), T(0), T(0)};
  int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width)
    for (int k = 0; k < 4; ++k) {
      const V e = exp(V::load(x + i + k * width) - m);
      if constexpr (Store) e.store(out + i + k * width);
      sum[k] += e;
    }
  for (; i + width <= n; i += width) {
    const V e = exp(V::load(x + i) - m);
    if constexpr (Store) e.store(out + i);
    sum[0] += e;
  }
  if (i < n) {
    const V e = exp(load_tail<T>(x + i, n - i, shift) - m);
    if constexpr (Store) e.store_first(out + i, n - i);
    sum[1] += select(V::iota() < V(static_cast<T>(n - i)), e, V(T(0)));
  }
  return lane_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

template <class T>
RL_INLINE T log1(T x) {
  return log(Vec<T>(x))[0];
}

template <class T>
RL_INLINE void shift_run(T* out, const T* x, int64_t n, T a, T b) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - a) - b;
}
template <class T>
RL_INLINE void scale_run(T* out, const T* x, int64_t n, T factor) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor;
}

// Rows that fit one register.
template <class T>
void softmax_short_rows(const SoftmaxBlock& b) {
  using V = Vec<T>;
  for (int64_t r = 0; r < b.rows; ++r) {
    const V x = load_tail<T>(reinterpret_cast<const T*>(b.in) + r * b.n, b.n, -kInfinity<T>);
    T* out = reinterpret_cast<T*>(b.out) + r * b.n;
    T largest = reduce_lanes(x, [](auto p, auto q) __attribute__((always_inline)) { return p > q ? p : q; });
    if (any(x != x)) largest = kNaN<T>;
    // exp(0) in the lanes beyond the end: results that underflow are slow.
    const Mask<T> inside = V::iota() < V(static_cast<T>(b.n));
    const V shifted = select(inside, x - V(largest), V(T(0))), e = exp(shifted);
    const T sum = lane_sum(select(inside, e, V(T(0))));
    (b.log ? shifted - V(log1(sum)) : e * V(T(1) / sum)).store_first(out, b.n);
  }
}

template <class T>
void softmax_rows(const SoftmaxBlock& b) {
  if (b.n < Vec<T>::size) return softmax_short_rows<T>(b);
  for (int64_t r = 0; r < b.rows; ++r) {
    const T* x = reinterpret_cast<const T*>(b.in) + r * b.n;
    T* out = reinterpret_cast<T*>(b.out) + r * b.n;
    const T largest = extreme_run<true>(x, b.n);
    if (b.log) {
      const T sum = exp_and_sum<false>(out, x, b.n, largest);
      shift_run(out, x, b.n, largest, log1(sum));
    } else {
      const T sum = exp_and_sum<true>(out, x, b.n, largest);
      scale_run(out, out, b.n, T(1) / sum);
    }
  }
}

inline constexpr int64_t kBuffer = 512;

// Half precision goes through a small buffer; exp is taken again instead of keeping a row of floats.
template <class H>
void softmax_half_rows(const SoftmaxBlock& b) {
  float buffer[kBuffer];
  for (int64_t r = 0; r < b.rows; ++r) {
    const H* x = reinterpret_cast<const H*>(b.in) + r * b.n;
    H* out = reinterpret_cast<H*>(b.out) + r * b.n;
    auto pieces = [&](auto f) __attribute__((always_inline)) {
      for (int64_t i = 0; i < b.n; i += kBuffer) {
        const int64_t m = b.n - i < kBuffer ? b.n - i : kBuffer;
        widen_run(buffer, x + i, m);
        f(i, m);
      }
    };
    float largest = -kInfinity<float>, sum = 0;
    pieces([&](int64_t, int64_t m) __attribute__((always_inline)) {
      const float v = extreme_run<true>(buffer, m);
      largest = v > largest || v != v ? v : largest;
    });
    pieces([&](int64_t, int64_t m)
               __attribute__((always_inline)) { sum += exp_and_sum<false>(buffer, buffer, m, largest); });
    const float factor = 1.0f / sum, log_sum = log1(sum);
    pieces([&](int64_t i, int64_t m) __attribute__((always_inline)) {
      if (b.log) {
        shift_run(buffer, buffer, m, largest, log_sum);
      } else {
        exp_and_sum<true>(buffer, buffer, m, largest);
        scale_run(buffer, buffer, m, factor);
      }
      to_half(out + i, buffer, m);
    });
  }
}

// ---- columns: strips that stay in the cache over the three passes
// The largest of each column, NaN where there is one; load(i) gives row i.
template <class X, class Load>
RL_INLINE void column_maxima(X* largest, int64_t m, int64_t n, Load load) {
  for (int64_t j = 0; j < m; ++j) largest[j] = -kInfinity<X>;
  for (int64_t i = 0; i < n; ++i) {
    const X* x = load(i);
#pragma GCC ivdep
    for (int64_t j = 0; j < m; ++j) {
      const X v = x[j], old = largest[j];
      largest[j] = (v > old) | (v != v) ? v : old;
    }
  }
}

template <class T>
void softmax_cols(const SoftmaxBlock& b) {
  using X = ComputeOf<T>;
  X row[kStrip], line[kStrip], largest[kStrip], sum[kStrip];
  int64_t strip = 65536 / b.n / 32 * 32;
  strip = strip < 32 ? 32 : strip > kStrip ? kStrip : strip;
  for (int64_t first = 0; first < b.rows; first += strip) {
    const int64_t m = b.rows - first < strip ? b.rows - first : strip;
    const T* in = reinterpret_cast<const T*>(b.in) + first;
    T* out = reinterpret_cast<T*>(b.out) + first;
    column_maxima(largest, m, b.n,
                  [&](int64_t i) __attribute__((always_inline)) { return load_row(row, in + i * b.stride, m); });
    for (int64_t j = 0; j < m; ++j) sum[j] = 0;
    auto exponentials = [](X* to, const X* x, const X* shift, int64_t n) __attribute__((always_inline)) {
      map2(to, x, shift, n, [](Vec<X> v, Vec<X> s) __attribute__((always_inline)) { return exp(v - s); });
    };
    for (int64_t i = 0; i < b.n; ++i) {
      const X* x = load_row(row, in + i * b.stride, m);
      X* e = line;
      if constexpr (!kIsHalf<T>)
        if (!b.log) e = out + i * b.stride;
      exponentials(e, x, largest, m);
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) sum[j] += e[j];
    }
    if (b.log)
      map(sum, sum, m, [](Vec<X> v) __attribute__((always_inline)) { return log(v); });
    else
      for (int64_t j = 0; j < m; ++j) sum[j] = X(1) / sum[j];
    for (int64_t i = 0; i < b.n; ++i) {
      T* to = out + i * b.stride;
      if constexpr (kIsHalf<T>) {
        load_row(row, in + i * b.stride, m);
        if (b.log) {
          for (int64_t j = 0; j < m; ++j) line[j] = (row[j] - largest[j]) - sum[j];
        } else {
          exponentials(line, row, largest, m);
          for (int64_t j = 0; j < m; ++j) line[j] *= sum[j];
        }
        to_half(to, line, m);
      } else if (b.log) {
        const T* x = in + i * b.stride;
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) to[j] = (x[j] - largest[j]) - sum[j];
      } else {
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) to[j] *= sum[j];
      }
    }
  }
}

// ---- logsumexp: blocks of reductions
// The sum of exp(x - max) as an accumulator that can be joined with others.
template <class X>
RL_INLINE X finite_or_zero(X v) {
  return v - v == 0 ? v : X(0);
}
RL_INLINE double exp1(double x) { return exp(Vec<double>(x))[0]; }

RL_INLINE LogSum join(LogSum a, LogSum b) {
  const double m = (a.max > b.max) | (a.max != a.max) ? a.max : b.max;
  const double shift = finite_or_zero(m);
  auto share = [&](LogSum s) __attribute__((always_inline)) {
    return s.max == -kInfinity<double> ? 0.0 : s.sum * exp1(finite_or_zero(s.max) - shift);
  };
  return {m, share(a) + share(b)};
}

template <class T>
void logsumexp_rows(const ReduceBlock& b) {
  using X = ComputeOf<T>;
  X buffer[kBuffer];
  LogSum* acc = reinterpret_cast<LogSum*>(b.acc);
  for (int64_t r = 0; r < b.outputs; ++r) {
    const char* in = b.in + r * b.output_stride;
    auto pieces = [&](auto f) __attribute__((always_inline)) {
      if (!kIsHalf<T> && b.stride == sizeof(T)) return f(reinterpret_cast<const X*>(in), b.n);
      for (int64_t i = 0; i < b.n; i += kBuffer) {
        const int64_t m = b.n - i < kBuffer ? b.n - i : kBuffer;
        f(gather_run<T>(buffer, in + i * b.stride, b.stride, m), m);
      }
    };
    X largest = -kInfinity<X>, sum = 0;
    pieces([&](const X* x, int64_t m) __attribute__((always_inline)) {
      const X v = extreme_run<true>(x, m);
      largest = (v > largest) | (v != v) ? v : largest;
    });
    const X shift = finite_or_zero(largest);
    pieces([&](const X* x, int64_t m)
               __attribute__((always_inline)) { sum += exp_and_sum<false>(buffer, x, m, shift); });
    acc[r] = {largest, sum};
  }
}

template <class T>
void logsumexp_cols(const ReduceBlock& b) {
  if (b.output_stride != sizeof(T)) return logsumexp_rows<T>(b);
  using X = ComputeOf<T>;
  X row[kStrip], line[kStrip], largest[kStrip], shift[kStrip], sum[kStrip];
  LogSum* acc = reinterpret_cast<LogSum*>(b.acc);
  for (int64_t first = 0; first < b.outputs; first += kStrip) {
    const int64_t m = b.outputs - first < kStrip ? b.outputs - first : kStrip;
    auto load = [&](int64_t i) __attribute__((always_inline)) {
      return load_row(row, reinterpret_cast<const T*>(b.in + i * b.stride) + first, m);
    };
    column_maxima(largest, m, b.n, load);
    for (int64_t j = 0; j < m; ++j) {
      shift[j] = finite_or_zero(largest[j]);
      sum[j] = 0;
    }
    for (int64_t i = 0; i < b.n; ++i) {
      map2(line, load(i), shift, m, [](Vec<X> v, Vec<X> s) __attribute__((always_inline)) { return exp(v - s); });
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) sum[j] += line[j];
    }
    for (int64_t j = 0; j < m; ++j) acc[first + j] = {largest[j], sum[j]};
  }
}

void logsumexp_combine(char* acc, const char* other, int64_t*, const int64_t*, int64_t n) {
  LogSum* a = reinterpret_cast<LogSum*>(acc);
  const LogSum* o = reinterpret_cast<const LogSum*>(other);
  for (int64_t j = 0; j < n; ++j) a[j] = join(a[j], o[j]);
}

}  // namespace

void fill_softmax(ReduceTable& t) {
  auto at = [](DType d) { return static_cast<int>(d); };
  t.softmax_rows[at(DType::Float32)] = softmax_rows<float>;
  t.softmax_rows[at(DType::Float64)] = softmax_rows<double>;
  t.softmax_rows[at(DType::Float16)] = softmax_half_rows<float16>;
  t.softmax_rows[at(DType::BFloat16)] = softmax_half_rows<bfloat16>;
  t.softmax_cols[at(DType::Float32)] = softmax_cols<float>;
  t.softmax_cols[at(DType::Float64)] = softmax_cols<double>;
  t.softmax_cols[at(DType::Float16)] = softmax_cols<float16>;
  t.softmax_cols[at(DType::BFloat16)] = softmax_cols<bfloat16>;
  for_float_types([&]<class T>(DType dtype) {
    t.reduce[static_cast<int>(ReduceOp::LogSumExp)][at(dtype)] = {logsumexp_rows<T>, logsumexp_cols<T>,
                                                                  logsumexp_combine, DType::Undefined, sizeof(LogSum)};
  });
}

}  // namespace rushlight::cpu::RL_ISA
