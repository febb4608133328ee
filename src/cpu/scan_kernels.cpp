// Running sums, products and logsumexp, compiled once per instruction set.
#include "cpu/reduce_kernels.h"
#include "cpu/reduce_loops.h"
#include "cpu/scan_loops.h"
#include "cpu/vmath.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <bool Product, class A>
RL_INLINE A step(A a, A b) {
  if constexpr (std::is_integral_v<A>) {
    const uint64_t p = static_cast<uint64_t>(a), q = static_cast<uint64_t>(b);
    return static_cast<A>(Product ? p * q : p + q);
  } else {
    if constexpr (Product)
      return a * b;
    else
      return a + b;
  }
}

// Rows side by side, which hides the latency of each other's steps.
template <bool Product, int Rows, class T>
RL_INLINE void scan_rows(const T* x, T* out, int64_t n) {
  using W = Wide<T>;
  typename W::type a[Rows];
  for (int k = 0; k < Rows; ++k) {
    a[k] = W::load(x[k * n]);
    out[k * n] = x[k * n];
  }
  for (int64_t i = 1; i < n; ++i)
    for (int k = 0; k < Rows; ++k) {
      a[k] = step<Product>(a[k], W::load(x[k * n + i]));
      out[k * n + i] = W::store(a[k]);
    }
}

template <bool Product, class T>
void rows(const ScanBlock& b) {
  const T* x = reinterpret_cast<const T*>(b.in);
  T* out = reinterpret_cast<T*>(b.out);
  int64_t r = 0;
  for (; r + 4 <= b.rows; r += 4) scan_rows<Product, 4>(x + r * b.n, out + r * b.n, b.n);
  for (; r < b.rows; ++r) scan_rows<Product, 1>(x + r * b.n, out + r * b.n, b.n);
}

template <bool Product, class T>
void cols(const ScanBlock& b) {
  using W = Wide<T>;
  constexpr int64_t kStrip = 512;
  typename W::type a[kStrip];
  for (int64_t first = 0; first < b.rows; first += kStrip) {
    const int64_t m = b.rows - first < kStrip ? b.rows - first : kStrip;
    const T* x = reinterpret_cast<const T*>(b.in) + first;
    T* out = reinterpret_cast<T*>(b.out) + first;
    for (int64_t j = 0; j < m; ++j) {
      a[j] = W::load(x[j]);
      out[j] = x[j];
    }
    for (int64_t i = 1; i < b.n; ++i) {
      const T* y = x + i * b.stride;
      T* o = out + i * b.stride;
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) {
        a[j] = step<Product>(a[j], W::load(y[j]));
        o[j] = W::store(a[j]);
      }
    }
  }
}

// ---- logcumsumexp, in double (float for half types)
// sum is that of exp(x - shift) over the elements so far; a shift of -inf stands for none, +inf and NaN stay.
template <class A>
struct RunningLogSum {
  A shift = -kInfinity<A>, sum = 0;
};

template <class A>
RL_INLINE A exp1(A x) {
  return exp(Vec<A>(x))[0];
}

template <class A>
RL_INLINE A log_add(RunningLogSum<A>& s, A x) {
  if (x == -kInfinity<A>) {
  } else if (x != x) {
    s.shift = s.sum = x;
  } else if (x > s.shift) {
    s.sum = s.shift == -kInfinity<A> ? A(1) : s.sum * exp1(s.shift - x) + A(1);
    s.shift = x;
  } else if (x == s.shift) {  // also for two infinities
    s.sum += A(1);
  } else {
    s.sum += exp1(x - s.shift);
  }
  return s.sum == 0 ? -kInfinity<A> : s.shift + log(Vec<A>(s.sum))[0];
}

inline constexpr int64_t kLogBlock = 256;

// A block of x, already of type A. Where all elements lie close enough below the block's maximum, exp and log run on
// vectors; each running sum then has its full precision.
template <class A>
RL_INLINE void log_block(RunningLogSum<A>& s, A* x, int64_t n) {
  const A range = sizeof(A) == 8 ? A(600) : A(60);
  const A high = extreme_run<true>(x, n), low = extreme_run<false>(x, n);
  const A shift = s.shift > high ? s.shift : high;
  const bool close = low > shift - range && shift < kInfinity<A> && (s.sum == 0 || s.shift > shift - range);
  if (!close) {
    for (int64_t i = 0; i < n; ++i) x[i] = log_add(s, x[i]);
    return;
  }
  A sum = s.sum == 0 ? A(0) : s.sum * exp1(s.shift - shift);
  map(x, x, n, [shift](Vec<A> v) __attribute__((always_inline)) { return exp(v - Vec<A>(shift)); });
  for (int64_t i = 0; i < n; ++i) x[i] = sum += x[i];
  map(x, x, n, [shift](Vec<A> v) __attribute__((always_inline)) { return log(v) + Vec<A>(shift); });
  s.shift = shift;
  s.sum = sum;
}

template <class T>
void log_rows(const ScanBlock& b) {
  using W = Wide<T>;
  using A = typename W::type;
  A buffer[kLogBlock];
  for (int64_t r = 0; r < b.rows; ++r) {
    const T* x = reinterpret_cast<const T*>(b.in) + r * b.n;
    T* out = reinterpret_cast<T*>(b.out) + r * b.n;
    RunningLogSum<A> s;
    for (int64_t i = 0; i < b.n; i += kLogBlock) {
      const int64_t m = b.n - i < kLogBlock ? b.n - i : kLogBlock;
      for (int64_t j = 0; j < m; ++j) buffer[j] = W::load(x[i + j]);
      log_block(s, buffer, m);
      for (int64_t j = 0; j < m; ++j) out[i + j] = W::store(buffer[j]);
    }
  }
}

template <class T>
void log_cols(const ScanBlock& b) {
  using W = Wide<T>;
  using A = typename W::type;
  constexpr int64_t kStrip = 256;
  A shift[kStrip], sum[kStrip], x[kStrip], next[kStrip];
  for (int64_t first = 0; first < b.rows; first += kStrip) {
    const int64_t m = b.rows - first < kStrip ? b.rows - first : kStrip;
    const T* in = reinterpret_cast<const T*>(b.in) + first;
    T* out = reinterpret_cast<T*>(b.out) + first;
    for (int64_t j = 0; j < m; ++j) {
      shift[j] = -kInfinity<A>;
      sum[j] = 0;
    }
    for (int64_t i = 0; i < b.n; ++i) {
      for (int64_t j = 0; j < m; ++j) x[j] = W::load(in[i * b.stride + j]);
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) next[j] = (x[j] > shift[j]) | (x[j] != x[j]) ? x[j] : shift[j];
      // Equal values, infinities among them, differ by 0.
      auto factor = [](Vec<A> v, Vec<A> s)
                        __attribute__((always_inline)) { return select(v == s, Vec<A>(A(1)), exp(v - s)); };
      map2(shift, shift, next, m, factor);
      map2(x, x, next, m, factor);
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) {
        sum[j] = sum[j] * shift[j] + (next[j] == -kInfinity<A> ? A(0) : x[j]);
        shift[j] = next[j];
      }
      map2(x, sum, next, m,
           [](Vec<A> s, Vec<A> v) __attribute__((always_inline)) { return select(s == Vec<A>(A(0)), v, log(s) + v); });
      for (int64_t j = 0; j < m; ++j) out[i * b.stride + j] = W::store(x[j]);
    }
  }
}

template <class T>
void fill(ReduceTable& t, DType dtype) {
  t.cumsum[static_cast<int>(dtype)] = {rows<false, T>, cols<false, T>};
  t.cumprod[static_cast<int>(dtype)] = {rows<true, T>, cols<true, T>};
}

}  // namespace

void fill_scan(ReduceTable& t) {
  fill<uint8_t>(t, DType::UInt8);
  fill<int8_t>(t, DType::Int8);
  fill<int16_t>(t, DType::Int16);
  fill<int32_t>(t, DType::Int32);
  fill<int64_t>(t, DType::Int64);
  fill<float16>(t, DType::Float16);
  fill<bfloat16>(t, DType::BFloat16);
  fill<float>(t, DType::Float32);
  fill<double>(t, DType::Float64);
  for_float_types([&]<class T>(DType dtype) { t.logcumsumexp[static_cast<int>(dtype)] = {log_rows<T>, log_cols<T>}; });
  fill<Cx<float>>(t, DType::Complex64);
  fill<Cx<double>>(t, DType::Complex128);
}

}  // namespace rushlight::cpu::RL_ISA
