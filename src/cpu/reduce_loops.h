// What reductions, scans and softmax share per instruction set: sums and extremes of contiguous runs.
#pragma once

#include <type_traits>

#include "cpu/boolean.h"
#include "cpu/vec.h"
#include "cpu/vmath_base.h"
#include "rushlight/dtype.h"

namespace rushlight::cpu::RL_ISA {

template <class T>
inline constexpr bool kIsHalf = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

// Calls f.template operator()<T>(dtype) for bool, integers and floating point.
template <class F>
RL_INLINE void for_real_types(F f) {
  f.template operator()<Boolean>(DType::Bool);
  f.template operator()<uint8_t>(DType::UInt8);
  f.template operator()<int8_t>(DType::Int8);
  f.template operator()<int16_t>(DType::Int16);
  f.template operator()<int32_t>(DType::Int32);
  f.template operator()<int64_t>(DType::Int64);
  f.template operator()<float16>(DType::Float16);
  f.template operator()<bfloat16>(DType::BFloat16);
  f.template operator()<float>(DType::Float32);
  f.template operator()<double>(DType::Float64);
}
template <class F>
RL_INLINE void for_float_types(F f) {
  f.template operator()<float16>(DType::Float16);
  f.template operator()<bfloat16>(DType::BFloat16);
  f.template operator()<float>(DType::Float32);
  f.template operator()<double>(DType::Float64);
}

// Complex numbers whose products the compiler can vectorise.
template <class R>
struct Cx {
  R re, im;
  friend RL_INLINE Cx operator+(Cx a, Cx b) { return {a.re + b.re, a.im + b.im}; }
  friend RL_INLINE Cx operator*(Cx a, Cx b) {
    const R minus = -a.im;  // as product() of complex_arithmetic.h
    return {a.re * b.re + minus * b.im, a.re * b.im + a.im * b.re};
  }
};
template <class T>
inline constexpr bool kIsComplex = false;
template <class R>
inline constexpr bool kIsComplex<Cx<R>> = true;

// The type that a T computes in: float for half precision, a byte (0 or 1) for bool, else T.
template <class T>
using ComputeOf = std::conditional_t<kIsHalf<T>, float, std::conditional_t<std::is_same_v<T, Boolean>, uint8_t, T>>;
template <class T>
inline constexpr bool kConverts = !std::is_same_v<T, ComputeOf<T>>;

template <class T>
RL_INLINE ComputeOf<T> load_as(const T& x) {
  if constexpr (kIsHalf<T>)
    return T::to_float(x.bits);
  else
    return static_cast<ComputeOf<T>>(x);
}

// The first n lanes, n < size; the others are `fill`.
template <class T>
RL_INLINE Vec<T> load_tail(const T* p, int64_t n, T fill) {
#if RL_AVX512
  if constexpr (std::is_same_v<T, float>)
    return Vec<T>(_mm512_mask_loadu_ps(Vec<T>(fill).v, static_cast<__mmask16>((1u << n) - 1), p));
  else if constexpr (std::is_same_v<T, double>)
    return Vec<T>(_mm512_mask_loadu_pd(Vec<T>(fill).v, static_cast<__mmask8>((1u << n) - 1), p));
  else
    return Vec<T>::load_first(p, n, fill);
#else
  T buffer[Vec<T>::size];
  for (int i = 0; i < Vec<T>::size; ++i) buffer[i] = i < n ? p[i] : fill;
  return Vec<T>::load(buffer);
#endif
}

// Joins the lanes of a vector, halves first; merge works on vectors of any width and on numbers.
template <class T, int Bytes, class Native, class Merge>
RL_INLINE T fold_lanes(Native a, Merge merge) {
  if constexpr (Bytes == 2 * sizeof(T)) {
    return merge(T(a[0]), T(a[1]));
  } else {
    typedef T Half __attribute__((vector_size(Bytes / 2)));
    struct Halves {
      Half low, high;
    };
    const Halves h = __builtin_bit_cast(Halves, a);
    return fold_lanes<T, Bytes / 2>(merge(h.low, h.high), merge);
  }
}
template <class T, class Merge>
RL_INLINE T reduce_lanes(Vec<T> a, Merge merge) {
  return fold_lanes<T, RL_VECTOR_BYTES>(a.v, merge);
}

template <class H>
RL_INLINE void to_half(H* to, const float* from, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) to[i].bits = H::from_float(from[i]);
}

// Half precision to float, by instruction where there is one.
template <class H>
RL_INLINE void widen_run(float* to, const H* from, int64_t n) {
  int64_t i = 0;
#if RL_AVX512
  if constexpr (std::is_same_v<H, float16>)
    for (; i + 16 <= n; i += 16)
      _mm512_storeu_ps(to + i,
                       _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i))));
#elif defined(__F16C__)
  if constexpr (std::is_same_v<H, float16>)
    for (; i + 8 <= n; i += 8)
      _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
#pragma GCC ivdep
  for (; i < n; ++i) to[i] = H::to_float(from[i].bits);
}

// The columns that passes over rows take at a time, so that what they keep stays in the cache.
inline constexpr int64_t kStrip = 256;

// n contiguous elements in the computing type.
template <class T>
RL_INLINE const ComputeOf<T>* load_row(ComputeOf<T>* buffer, const T* x, int64_t n) {
  if constexpr (kIsHalf<T>) {
    widen_run(buffer, x, n);
    return buffer;
  } else if constexpr (kConverts<T>) {
    for (int64_t i = 0; i < n; ++i) buffer[i] = load_as(x[i]);
    return buffer;
  } else {
    return x;
  }
}

// Elements as contiguous values of the computing type.
template <class T>
RL_INLINE const ComputeOf<T>* gather_run(ComputeOf<T>* buffer, const char* in, int64_t stride, int64_t n) {
  if (stride == sizeof(T)) return load_row(buffer, reinterpret_cast<const T*>(in), n);
  for (int64_t i = 0; i < n; ++i) buffer[i] = load_as(*reinterpret_cast<const T*>(in + i * stride));
  return buffer;
}

inline constexpr int kAccumulators = 8;
// Steps after which the accumulators are emptied into a partial result, and partial results after which those are
// emptied into a total, so that rounding errors grow slowly.
inline constexpr int64_t kCascade = 16;
inline constexpr int kCascadeParts = 4;

// Reduces x[0..n): f.step(acc, vector of x) adds to an accumulator that begins as f.identity(), f.merge joins two, and
// stepping with f.neutral() changes nothing.
template <class T, class F>
RL_INLINE T reduce_run(const T* x, int64_t n, const F& f) {
  using V = Vec<T>;
  constexpr int64_t width = V::size, step = width * kAccumulators;
  V total = f.identity(), part = f.identity();
  int64_t i = 0;
  for (int parts = 1; i + step <= n; ++parts) {
    V a[kAccumulators];
    for (int k = 0; k < kAccumulators; ++k) a[k] = f.identity();
    const int64_t stop = n - i < kCascade * step ? n : i + kCascade * step;
    for (; i + step <= stop; i += step)
      for (int k = 0; k < kAccumulators; ++k) a[k] = f.step(a[k], V::load(x + i + k * width));
    part = f.merge(part, f.merge(f.merge(f.merge(a[0], a[1]), f.merge(a[2], a[3])),
                                 f.merge(f.merge(a[4], a[5]), f.merge(a[6], a[7]))));
    if (parts % kCascadeParts == 0) {
      total = f.merge(total, part);
      part = f.identity();
    }
  }
  total = f.merge(total, part);
  V tail = f.identity();
  for (; i + width <= n; i += width) tail = f.step(tail, V::load(x + i));
  if (i < n) tail = f.step(tail, load_tail<T>(x + i, n - i, f.neutral()));
  return reduce_lanes(f.merge(total, tail),
                      [](auto p, auto q) __attribute__((always_inline)) { return F::merge1(p, q); });
}

template <class T>
struct SumRun {
  RL_INLINE static Vec<T> identity() { return Vec<T>(T(0)); }
  RL_INLINE static T neutral() { return T(0); }
  RL_INLINE static Vec<T> step(Vec<T> a, Vec<T> x) { return a + x; }
  RL_INLINE static Vec<T> merge(Vec<T> a, Vec<T> b) { return a + b; }
  template <class A>
  RL_INLINE static A merge1(A a, A b) {
    return a + b;
  }
};
template <class T>
struct SumSquaresRun : SumRun<T> {
  RL_INLINE static Vec<T> step(Vec<T> a, Vec<T> x) { return mad(x, x, a); }
};
template <class T>
struct SumAbsRun : SumRun<T> {
  RL_INLINE static Vec<T> step(Vec<T> a, Vec<T> x) { return a + abs(x); }
};
template <class T>
struct NanSumRun : SumRun<T> {
  RL_INLINE static Vec<T> step(Vec<T> a, Vec<T> x) { return a + select(x == x, x, Vec<T>(T(0))); }
};
template <class T>
struct ProdRun {
  RL_INLINE static Vec<T> identity() { return Vec<T>(T(1)); }
  RL_INLINE static T neutral() { return T(1); }
  RL_INLINE static Vec<T> step(Vec<T> a, Vec<T> x) { return a * x; }
  RL_INLINE static Vec<T> merge(Vec<T> a, Vec<T> b) { return a * b; }
  template <class A>
  RL_INLINE static A merge1(A a, A b) {
    return a * b;
  }
};

// The largest (smallest) of x[0..n), NaN where there is one; n >= 1.
template <bool Largest, class T>
  requires std::is_integral_v<T>
RL_INLINE T extreme_run(const T* x, int64_t n) {
  T a = x[0];
  for (int64_t i = 1; i < n; ++i) a = (Largest ? a > x[i] : a < x[i]) ? a : x[i];
  return a;
}
template <bool Largest, class T>
RL_INLINE T extreme_run(const T* x, int64_t n) {
  using V = Vec<T>;
  constexpr int64_t width = V::size;
  const T worst = Largest ? -kInfinity<T> : kInfinity<T>;
  auto better = [](V a, V b) __attribute__((always_inline)) { return Largest ? max(a, b) : min(a, b); };
  V a[4] = {V(worst), V(worst), V(worst), V(worst)};
  Mask<T> nan[2] = {a[0] != a[0], a[0] != a[0]};
  int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width)
    for (int k = 0; k < 4; ++k) {
      const V v = V::load(x + i + k * width);
      a[k] = better(v, a[k]);
      nan[k & 1] = nan[k & 1] | (v != v);
    }
  for (; i + width <= n; i += width) {
    const V v = V::load(x + i);
    a[0] = better(v, a[0]);
    nan[0] = nan[0] | (v != v);
  }
  if (i < n) {
    const V v = load_tail<T>(x + i, n - i, worst);
    a[0] = better(v, a[0]);
    nan[0] = nan[0] | (v != v);
  }
  if (any(nan[0] | nan[1])) return kNaN<T>;
  return reduce_lanes(better(better(a[0], a[1]), better(a[2], a[3])),
                      [](auto p, auto q)
                          __attribute__((always_inline)) { return Largest ? (p > q ? p : q) : (p < q ? p : q); });
}

template <class T>
RL_INLINE T lane_sum(Vec<T> a) {
  return reduce_lanes(a, [](auto p, auto q) __attribute__((always_inline)) { return p + q; });
}

}  // namespace rushlight::cpu::RL_ISA
