// Reductions of blocks, compiled once per instruction set.
#include "cpu/reduce_kernels.h"

#include "cpu/reduce_loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<ComputeOf<T>>;

// Floats sum in their own type, halves in float, integers in int64.
template <class T>
using SumOf = std::conditional_t<kIsFloat<T> || kIsComplex<T>, ComputeOf<T>, int64_t>;

inline constexpr int64_t kBuffer = 1024;

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
struct NanSumOp : SumOp {
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return x == x ? x : X(0);
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    return reduce_run(x, n, NanSumRun<X>());
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
    return extreme_run<Largest>(x, n);
  }
};
// An integer as wide as the elements, so that loops that count vectorise.
template <class X>
using IntTest = std::conditional_t<sizeof(X) == 2, int16_t, std::conditional_t<sizeof(X) == 4, int32_t, int64_t>>;

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
};
struct NonZeroOp {
  static constexpr bool kVectors = false;
  template <class T>
  using Acc = int64_t;
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return x != X(0);
  }
  template <class A>
  RL_INLINE static A merge(A a, A b) {
    return a + b;
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    constexpr int64_t kChunk = 4096, kLanes = 64;
    A total = 0;
    int64_t i = 0;
    if constexpr (sizeof(X) == 1) {
      // Bytes count up to 255.
      for (; i + kLanes <= n;) {
        uint8_t lanes[kLanes] = {};
        const int64_t end = n - i < 255 * kLanes ? i + (n - i) / kLanes * kLanes : i + 255 * kLanes;
        for (; i < end; i += kLanes)
          for (int64_t k = 0; k < kLanes; ++k) lanes[k] = static_cast<uint8_t>(lanes[k] + (x[i + k] != X(0)));
        int32_t sum = 0;
        for (int64_t k = 0; k < kLanes; ++k) sum += lanes[k];
        total += sum;
      }
      for (; i < n; ++i) total += x[i] != X(0);
    } else {
      for (; i < n; i += kChunk) {
        const int64_t end = n - i < kChunk ? n : i + kChunk;
        IntTest<X> count = 0;
        for (int64_t j = i; j < end; ++j) count = static_cast<IntTest<X>>(count + (x[j] != X(0)));
        total += count;
      }
    }
    return total;
  }
};
template <class X>
struct Extremes {
  X low, high;
};
struct MinMaxOp {
  static constexpr bool kVectors = false;
  template <class T>
  using Acc = Extremes<ComputeOf<T>>;
  template <class A, class X>
  RL_INLINE static A map(X x) {
    return {x, x};
  }
  template <class A>
  RL_INLINE static A merge(A a, A b) {
    return {ExtremeOp<false>::merge(a.low, b.low), ExtremeOp<true>::merge(a.high, b.high)};
  }
  template <class A, class X>
  RL_INLINE static A run(const X* x, int64_t n) {
    constexpr int64_t kChunk = 2048;  // stays in the nearest cache for the second pass
    A a{};
    for (int64_t i = 0; i < n; i += kChunk) {
      const int64_t m = n - i < kChunk ? n - i : kChunk;
      const A part = {extreme_run<false>(x + i, m), extreme_run<true>(x + i, m)};
      a = i ? merge(a, part) : part;
    }
    return a;
  }
};

// ---- rows
// Operations that only ask whether an element is 0 take bools as they lie.
template <class Op, class T>
inline constexpr bool kTakesMemory =
    !kConverts<T> || (sizeof(T) == 1 && (std::is_same_v<Op, TestOp<true>> || std::is_same_v<Op, TestOp<false>> ||
                                         std::is_same_v<Op, NonZeroOp>));

template <class Op, class T>
RL_INLINE typename Op::template Acc<T> reduce_row(const char* in, int64_t stride, int64_t n) {
  using A = typename Op::template Acc<T>;
  using X = ComputeOf<T>;
  X buffer[kBuffer];
  if (kTakesMemory<Op, T> && stride == sizeof(T)) return Op::template run<A, X>(reinterpret_cast<const X*>(in), n);
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
  if constexpr (std::is_same_v<Op, MinMaxOp>) {
    using X = ComputeOf<T>;
    X low[kReduceColumns], high[kReduceColumns];
    ReduceBlock half = b;
    half.acc = reinterpret_cast<char*>(low);
    cols<ExtremeOp<false>, T>(half);
    half.acc = reinterpret_cast<char*>(high);
    cols<ExtremeOp<true>, T>(half);
    for (int64_t j = 0; j < b.outputs; ++j) acc[j] = {low[j], high[j]};
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

// ---- the table
template <class A>
constexpr DType acc_dtype() {
  if constexpr (std::is_same_v<A, Cx<float>>)
    return DType::Complex64;
  else if constexpr (std::is_same_v<A, Cx<double>>)
    return DType::Complex128;
  else if constexpr (std::is_class_v<A>)
    return DType::Undefined;
  else
    return DTypeOf<A>::value;
}

template <class Op, class T>
void fill(ReduceTable& t, ReduceOp op, DType dtype) {
  using A = typename Op::template Acc<T>;
  t.reduce[static_cast<int>(op)][static_cast<int>(dtype)] = {rows<Op, T>, cols<Op, T>, combine<Op, A>, acc_dtype<A>(),
                                                             sizeof(A)};
}

}  // namespace

void fill_reduce(ReduceTable& t) {
  for_real_types([&]<class T>(DType dtype) {
    constexpr bool kBool = std::is_same_v<T, Boolean>;
    fill<std::conditional_t<kBool, NonZeroOp, SumOp>, T>(t, ReduceOp::Sum, dtype);
    fill<ProdOp, T>(t, ReduceOp::Prod, dtype);
    fill<TestOp<true>, T>(t, ReduceOp::Any, dtype);
    fill<TestOp<false>, T>(t, ReduceOp::All, dtype);
    fill<std::conditional_t<kBool, TestOp<true>, ExtremeOp<true>>, T>(t, ReduceOp::Max, dtype);
    fill<std::conditional_t<kBool, TestOp<false>, ExtremeOp<false>>, T>(t, ReduceOp::Min, dtype);
    fill<MinMaxOp, T>(t, ReduceOp::MinMax, dtype);
    fill<NonZeroOp, T>(t, ReduceOp::NonZero, dtype);
  });
  for_float_types([&]<class T>(DType dtype) {
    fill<SumSquaresOp, T>(t, ReduceOp::SumSquares, dtype);
    fill<SumAbsOp, T>(t, ReduceOp::SumAbs, dtype);
    fill<NanSumOp, T>(t, ReduceOp::NanSum, dtype);
  });
  fill<ProdOp, Cx<float>>(t, ReduceOp::Prod, DType::Complex64);
  fill<ProdOp, Cx<double>>(t, ReduceOp::Prod, DType::Complex128);
}

}  // namespace rushlight::cpu::RL_ISA
