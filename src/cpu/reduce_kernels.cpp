// Reductions of blocks, compiled once per instruction set.
#include "cpu/reduce_kernels.h"

#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class R>
struct Cx {
  R re, im;
  friend RL_INLINE Cx operator*(Cx a, Cx b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
};
template <class T>
inline constexpr bool kIsComplex = false;
template <class R>
inline constexpr bool kIsComplex<Cx<R>> = true;
template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<ComputeOf<T>>;

// Floats sum in their own type, halves in float, integers in int64.
template <class T>
using SumOf = std::conditional_t<kIsFloat<T> || kIsComplex<T>, ComputeOf<T>, int64_t>;

inline constexpr int64_t kBuffer = 1024;

// Elements as contiguous values of the computing type.
template <class T>
RL_INLINE const ComputeOf<T>* gather_run(ComputeOf<T>* buffer, const char* in, int64_t stride, int64_t n) {
  if (stride == sizeof(T)) {
    if constexpr (!kIsHalf<T>) return reinterpret_cast<const ComputeOf<T>*>(in);
    if constexpr (kIsHalf<T>) widen_run(buffer, reinterpret_cast<const T*>(in), n);
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = load_as(*reinterpret_cast<const T*>(in + i * stride));
  }
  return buffer;
}

// ---- the operations: map() takes an element to an accumulator, merge() joins accumulators, run() reduces an array.
template <class A>
RL_INLINE A add(A a, A b) {
  if constexpr (std::is_integral_v<A>)
    return static_cast<A>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}
template <class A>
RL_INLINE A multiply(A a, A b) {
  if constexpr (std::is_integral_v<A>)
    return static_cast<A>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}

template <class Op, class A, class X>
RL_INLINE A simple_run(const X* x, int64_t n) {
  A a = Op::template map<A>(x[0]);
  for (int64_t i = 1; i < n; ++i) a = Op::merge(a, Op::template map<A>(x[i]));
  return a;
}

struct SumOp {
  static constexpr bool kVectors = false;
  template <class T>
  using Acc = SumOf<T>;
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return static_cast<A>(x);
  }
  template <class A>
  RL_INLINE static A merge(A a, A b) {
    return add(a, b);
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    if constexpr (std::is_floating_point_v<X>)
      return reduce_run(x, n, SumRun<X>());
    else
      return simple_run<SumOp, A>(x, n);
  }
};
struct SumSquaresOp : SumOp {
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return x * x;
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    return reduce_run(x, n, SumSquaresRun<X>());
  }
};
struct SumAbsOp : SumOp {
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return sizeof(X) == 4 ? static_cast<A>(__builtin_fabsf(static_cast<float>(x))) : static_cast<A>(__builtin_fabs(x));
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    return reduce_run(x, n, SumAbsRun<X>());
  }
};
struct ProdOp {
  static constexpr bool kVectors = false;
  template <class T>
  using Acc = SumOf<T>;
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return static_cast<A>(x);
  }
  template <class A>
  RL_INLINE static A merge(A a, A b) {
    return multiply(a, b);
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    if constexpr (std::is_floating_point_v<X>)
      return reduce_run(x, n, ProdRun<X>());
    else
      return simple_run<ProdOp, A>(x, n);
  }
};
template <bool Largest>
struct ExtremeOp {
  static constexpr bool kVectors = true;  // the compiler does not vectorise merge() of floats
  template <class X>
  RL_INLINE static Vec<X> merge_vectors(Vec<X> a, Vec<X> b) {
    return select((Largest ? a > b : a < b) | (a != a), a, b);
  }
  template <class T>
  using Acc = ComputeOf<T>;
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return x;
  }
  // A NaN wins.
  template <class A>
  RL_INLINE static A merge(A a, A b) {
    if constexpr (std::is_floating_point_v<A>)
      return ((Largest ? a > b : a < b) | (a != a)) ? a : b;
    else
      return (Largest ? a > b : a < b) ? a : b;
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    if constexpr (std::is_floating_point_v<X>)
      return extreme_run<Largest>(x, n);
    else
      return simple_run<ExtremeOp, A>(x, n);
  }
};
template <bool Any>
struct TestOp {
  static constexpr bool kVectors = false;
  template <class T>
  using Acc = uint8_t;
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return x != X(0);
  }
  template <class A>
  RL_INLINE static A merge(A a, A b) {
    return Any ? a | b : a & b;
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    constexpr int64_t kChunk = 2048;
    for (int64_t i = 0; i < n; i += kChunk) {
      const int64_t end = n - i < kChunk ? n : i + kChunk;
      if constexpr (sizeof(X) == 1) {
        uint8_t r = Any ? 0 : 1;
        for (int64_t j = i; j < end; ++j) r = merge<uint8_t>(r, map<uint8_t>(x[j]));
        if (r == Any) return r;
      } else {
        IntTest<X> r = Any ? 0 : 1;
        for (int64_t j = i; j < end; ++j) r = Any ? r | (x[j] != X(0)) : r & (x[j] != X(0));
        if (static_cast<bool>(r) == Any) return Any;
      }
    }
    return !Any;
  }

 private:
  // As wide as the elements, so that the loop vectorises.
  template <class X>
  using IntTest = std::conditional_t<sizeof(X) == 2, int16_t, std::conditional_t<sizeof(X) == 4, int32_t, int64_t>>;
};

// ---- rows
template <class Op, class T>
RL_INLINE typename Op::template Acc<T> reduce_row(const char* in, int64_t stride, int64_t n) {
  using A = typename Op::template Acc<T>;
  using X = ComputeOf<T>;
  X buffer[kBuffer];
  if (!kIsHalf<T> && stride == sizeof(T)) return Op::template run<A, X>(reinterpret_cast<const X*>(in), n);
  A a{};
  for (int64_t done = 0; done < n; done += kBuffer) {
    const int64_t m = n - done < kBuffer ? n - done : kBuffer;
    const A part = Op::template run<A, X>(gather_run<T>(buffer, in + done * stride, stride, m), m);
    a = done ? Op::merge(a, part) : part;
  }
  return a;
}

template <class Op, class T>
void rows(const ReduceBlock& b) {
  using A = typename Op::template Acc<T>;
  A* acc = reinterpret_cast<A*>(b.acc);
  if (b.n <= 16 && b.outputs >= 8) {
    // Short rows: eight at a time hide each other's latency.
    auto get = [&](int64_t j, int64_t i) __attribute__((always_inline)) -> A {
      return Op::template map<A>(load_as(*reinterpret_cast<const T*>(b.in + j * b.output_stride + i * b.stride)));
    };
    int64_t j = 0;
    for (; j + 8 <= b.outputs; j += 8) {
      A a[8];
      for (int k = 0; k < 8; ++k) a[k] = get(j + k, 0);
      for (int64_t i = 1; i < b.n; ++i)
        for (int k = 0; k < 8; ++k) a[k] = Op::merge(a[k], get(j + k, i));
      for (int k = 0; k < 8; ++k) acc[j + k] = a[k];
    }
    for (; j < b.outputs; ++j) {
      A a = get(j, 0);
      for (int64_t i = 1; i < b.n; ++i) a = Op::merge(a, get(j, i));
      acc[j] = a;
    }
    return;
  }
  for (int64_t j = 0; j < b.outputs; ++j) acc[j] = reduce_row<Op, T>(b.in + j * b.output_stride, b.stride, b.n);
}

// ---- columns
// acc[j] = x[0][j] ... x[n-1][j] together, eight rows at a time.
template <class Op, class T, class A>
[[gnu::noinline]] void columns_group(const char* in, int64_t row_stride, int64_t n, int64_t columns, A* acc) {
  auto row = [&](int64_t i) __attribute__((always_inline)) { return reinterpret_cast<const T*>(in + i * row_stride); };
  if constexpr (std::is_same_v<T, float16> || (Op::kVectors && kIsFloat<T>)) {
    using X = ComputeOf<T>;
    X buffer[kIsHalf<T> ? kReduceColumns : 1];
    for (int64_t i = 0; i < n; ++i) {
      const X* x;
      if constexpr (kIsHalf<T>) {
        widen_run(buffer, row(i), columns);
        x = buffer;
      } else {
        x = row(i);
      }
      if (i == 0)
        for (int64_t j = 0; j < columns; ++j) acc[j] = Op::template map<A>(x[j]);
      else if constexpr (Op::kVectors)
        map2(acc, acc, x, columns,
             [](Vec<X> a, Vec<X> b) __attribute__((always_inline)) { return Op::merge_vectors(a, b); });
      else
#pragma GCC ivdep
        for (int64_t j = 0; j < columns; ++j) acc[j] = Op::merge(acc[j], Op::template map<A>(x[j]));
    }
    return;
  }
  auto get = [](const T& x) __attribute__((always_inline)) -> A { return Op::template map<A>(load_as(x)); };
  int64_t i = 1;
  {
    const T* x = row(0);
#pragma GCC ivdep
    for (int64_t j = 0; j < columns; ++j) acc[j] = get(x[j]);
  }
  for (; i + 8 <= n; i += 8) {
    const T *a = row(i), *b = row(i + 1), *c = row(i + 2), *d = row(i + 3), *e = row(i + 4), *f = row(i + 5),
            *g = row(i + 6), *h = row(i + 7);
#pragma GCC ivdep
    for (int64_t j = 0; j < columns; ++j)
      acc[j] =
          Op::merge(acc[j], Op::merge(Op::merge(Op::merge(get(a[j]), get(b[j])), Op::merge(get(c[j]), get(d[j]))),
                                      Op::merge(Op::merge(get(e[j]), get(f[j])), Op::merge(get(g[j]), get(h[j])))));
  }
  for (; i < n; ++i) {
    const T* x = row(i);
#pragma GCC ivdep
    for (int64_t j = 0; j < columns; ++j) acc[j] = Op::merge(acc[j], get(x[j]));
  }
}

template <class Op, class A>
[[gnu::noinline]] void merge_all(A* acc, const A* other, int64_t n) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; ++j) acc[j] = Op::merge(acc[j], other[j]);
}

template <class Op, class T>
void cols(const ReduceBlock& b) {
  using A = typename Op::template Acc<T>;
  A* acc = reinterpret_cast<A*>(b.acc);
  if (b.output_stride != sizeof(T)) {
    for (int64_t i = 0; i < b.n; ++i) {
      const char* x = b.in + i * b.stride;
      for (int64_t j = 0; j < b.outputs; ++j) {
        const A v = Op::template map<A>(load_as(*reinterpret_cast<const T*>(x + j * b.output_stride)));
        acc[j] = i ? Op::merge(acc[j], v) : v;
      }
    }
    return;
  }
  A part[kReduceColumns];
  // Few dense columns: several rows are one wide row, folded at the end.
  if (b.outputs <= 64 && b.stride == b.outputs * static_cast<int64_t>(sizeof(T)) && b.n >= 16) {
    int64_t fold = 512 / b.outputs;
    if (fold > b.n / 2) fold = b.n / 2;
    const int64_t wide_rows = b.n / fold, width = fold * b.outputs;
    A wide[512];
    int64_t done = 0;
    for (; done < wide_rows; done += 128) {
      const int64_t m = wide_rows - done < 128 ? wide_rows - done : 128;
      columns_group<Op, T>(b.in + done * fold * b.stride, fold * b.stride, m, width, done ? part : wide);
      if (done) merge_all<Op>(wide, part, width);
    }
    int64_t live = fold;
    while (live > 1) {
      const int64_t half = live / 2;
      merge_all<Op>(wide, wide + (live - half) * b.outputs, half * b.outputs);
      live -= half;
    }
    for (int64_t j = 0; j < b.outputs; ++j) acc[j] = wide[j];
    if (const int64_t rest = b.n - wide_rows * fold) {
      columns_group<Op, T>(b.in + wide_rows * fold * b.stride, b.stride, rest, b.outputs, part);
      merge_all<Op>(acc, part, b.outputs);
    }
    return;
  }
  for (int64_t done = 0; done < b.n; done += 128) {
    const int64_t m = b.n - done < 128 ? b.n - done : 128;
    columns_group<Op, T>(b.in + done * b.stride, b.stride, m, b.outputs, done ? part : acc);
    if (done) merge_all<Op>(acc, part, b.outputs);
  }
}

template <class Op, class A>
void combine(char* acc, const char* other, int64_t*, const int64_t*, int64_t n) {
  merge_all<Op>(reinterpret_cast<A*>(acc), reinterpret_cast<const A*>(other), n);
}

// ---- the place of an extreme value
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
      const X value = ExtremeOp<Largest>::template run<X, X>(x, m);
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

// ---- moments: sums of d and d*d in double, d the distance from one of the elements, which bounds the cancellation
// in sum(d*d) - sum(d)^2/n by the length of the run.
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
    s[j] = q[j] = 0;
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

// ---- the table
template <class A>
constexpr DType acc_dtype() {
  if constexpr (std::is_same_v<A, Cx<float>>)
    return DType::Complex64;
  else if constexpr (std::is_same_v<A, Cx<double>>)
    return DType::Complex128;
  else
    return DTypeOf<A>::value;
}

template <class Op, class T>
void fill(ReduceTable& t, ReduceOp op, DType dtype) {
  using A = typename Op::template Acc<T>;
  t.reduce[static_cast<int>(op)][static_cast<int>(dtype)] = {rows<Op, T>, cols<Op, T>, combine<Op, A>, acc_dtype<A>(),
                                                             sizeof(A)};
}

template <bool Largest, class T>
void fill_extreme(ReduceTable& t, DType dtype) {
  using X = ComputeOf<T>;
  const int d = static_cast<int>(dtype);
  fill<ExtremeOp<Largest>, T>(t, Largest ? ReduceOp::Max : ReduceOp::Min, dtype);
  t.reduce[static_cast<int>(Largest ? ReduceOp::ArgMax : ReduceOp::ArgMin)][d] = {
      arg_rows<Largest, T>, arg_cols<Largest, T>, arg_combine<Largest, X>, acc_dtype<X>(), sizeof(X)};
}

template <class T>
void fill_all(ReduceTable& t, DType dtype) {
  fill<SumOp, T>(t, ReduceOp::Sum, dtype);
  fill<ProdOp, T>(t, ReduceOp::Prod, dtype);
  fill<TestOp<true>, T>(t, ReduceOp::Any, dtype);
  fill<TestOp<false>, T>(t, ReduceOp::All, dtype);
  fill_extreme<true, T>(t, dtype);
  fill_extreme<false, T>(t, dtype);
  if constexpr (kIsFloat<T>) {
    fill<SumSquaresOp, T>(t, ReduceOp::SumSquares, dtype);
    fill<SumAbsOp, T>(t, ReduceOp::SumAbs, dtype);
    t.reduce[static_cast<int>(ReduceOp::Moments)][static_cast<int>(dtype)] = {
        moments_rows<T>, moments_cols<T>, moments_combine, DType::Undefined, sizeof(Moments)};
  }
}

}  // namespace

void fill_reduce(ReduceTable& t) {
  fill_all<bool>(t, DType::Bool);
  fill_all<uint8_t>(t, DType::UInt8);
  fill_all<int8_t>(t, DType::Int8);
  fill_all<int16_t>(t, DType::Int16);
  fill_all<int32_t>(t, DType::Int32);
  fill_all<int64_t>(t, DType::Int64);
  fill_all<float16>(t, DType::Float16);
  fill_all<bfloat16>(t, DType::BFloat16);
  fill_all<float>(t, DType::Float32);
  fill_all<double>(t, DType::Float64);
  fill<ProdOp, Cx<float>>(t, ReduceOp::Prod, DType::Complex64);
  fill<ProdOp, Cx<double>>(t, ReduceOp::Prod, DType::Complex128);
}

}  // namespace rushlight::cpu::RL_ISA
