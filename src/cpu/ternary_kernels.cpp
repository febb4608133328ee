#include "cpu/ternary_kernels.h"

#include <type_traits>

#include "cpu/boolean.h"
#include "cpu/complex_arithmetic.h"
#include "cpu/loops.h"

namespace rushlight::cpu::RL_ISA {
namespace {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;

template <class T, class F>
RL_INLINE void ternary_loop(char* const* data, const int64_t* strides, int64_t n, F f) {
  const int64_t so = strides[0], sa = strides[1], sb = strides[2], sc = strides[3];
  constexpr int64_t kItem = sizeof(T);
  T* o = reinterpret_cast<T*>(data[0]);
  const T* a = reinterpret_cast<const T*>(data[1]);
  const T* b = reinterpret_cast<const T*>(data[2]);
  const T* c = reinterpret_cast<const T*>(data[3]);
  if (so == kItem && sa == kItem && sb == kItem && sc == kItem) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(a[i], b[i], c[i]);
  } else if (so == kItem && sa == kItem && sb == 0 && sc == 0) {
    const T y = *b, z = *c;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(a[i], y, z);
  } else {
    for (int64_t i = 0; i < n; ++i)
      at<T>(data[0], i * so) = f(at<T>(data[1], i * sa), at<T>(data[2], i * sb), at<T>(data[3], i * sc));
  }
}

// Integers wrap: their arithmetic is unsigned, and at least int wide.
template <class T>
using Wrap = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
RL_INLINE T plus(T a, T b) {
  if constexpr (kIsComplex<T>)
    return {a.re + b.re, a.im + b.im};
  else if constexpr (kIsFloat<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
}
template <class T>
RL_INLINE T times(T a, T b) {
  if constexpr (kIsComplex<T>)
    return product(a, b);
  else if constexpr (kIsFloat<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
}
template <class T>
RL_INLINE T over(T a, T b) {
  if constexpr (kIsComplex<T>)
    return quotient(a, b);
  else
    return a / b;
}

template <class T>
void addcmul(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const T value = *static_cast<const T*>(params);
  ternary_loop<T>(data, strides, n, [=](T a, T b, T c) __attribute__((always_inline)) -> T {
    return plus(a, times(times(value, b), c));
  });
}

template <class T>
void addcdiv(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const T value = *static_cast<const T*>(params);
  ternary_loop<T>(data, strides, n,
                  [=](T a, T b, T c) __attribute__((always_inline)) -> T { return plus(a, over(times(value, b), c)); });
}

// From the nearer end, so that both ends are hit exactly: a + w (b - a) or b + (w - 1) (b - a).
template <class T>
RL_INLINE T muladd(T a, T b, T c) {
#if RL_HAS_FMA
  if constexpr (sizeof(T) == 4)
    return __builtin_fmaf(a, b, c);
  else
    return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}
template <class T>
RL_INLINE T lerp_of(T a, T b, T w) {
  if constexpr (kIsComplex<T>) {
    using R = decltype(a.re);
    const bool near = w.re * w.re + w.im * w.im < R(0.25);
    const T d = {b.re - a.re, b.im - a.im};
    return near ? plus(a, times(w, d)) : plus(b, times(T{w.re - R(1), w.im}, d));
  } else {
    const bool near = (w < 0 ? -w : w) < T(0.5);
    return muladd(near ? w : w - T(1), b - a, near ? a : b);
  }
}

template <class T>
void lerp(char* const* data, const int64_t* strides, int64_t n, const void*) {
  ternary_loop<T>(data, strides, n, [](T a, T b, T w) __attribute__((always_inline)) -> T { return lerp_of(a, b, w); });
}

template <class T>
void lerp_number(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const T w = *static_cast<const T*>(params);
  binary_loop<T, T>(data, strides, n, [=](T a, T b) __attribute__((always_inline)) -> T { return lerp_of(a, b, w); });
}

template <class T>
void clamp(char* const* data, const int64_t* strides, int64_t n, const void*) {
  ternary_loop<T>(data, strides, n, [](T x, T low, T high) __attribute__((always_inline)) -> T {
    const T y = (low > x) | (low != low) ? low : x;
    return (high < y) | (high != high) ? high : y;
  });
}

template <class T>
void nan_to_num(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const NanParams& p = *static_cast<const NanParams*>(params);
  const T nan = static_cast<T>(p.nan), posinf = static_cast<T>(p.posinf), neginf = static_cast<T>(p.neginf);
  const T inf = static_cast<T>(__builtin_inf());
  unary_loop<T, T>(data, strides, n, [=](T x) __attribute__((always_inline)) -> T {
    const T y = x == inf ? posinf : x;
    const T z = x == -inf ? neginf : y;
    return x != x ? nan : z;
  });
}

template <class T>
void isclose(char* const* data, const int64_t* strides, int64_t n, const void* params) {
  const CloseParams& p = *static_cast<const CloseParams*>(params);
  const bool equal_nan = p.equal_nan;
  if constexpr (kIsComplex<T>) {
    using R = decltype(T::re);
    const R rtol = static_cast<R>(p.rtol), atol = static_cast<R>(p.atol);
    binary_loop<bool, T>(data, strides, n, [=](T a, T b) -> bool {
      if (a.re == b.re && a.im == b.im) return true;
      if (a.re != a.re || a.im != a.im || b.re != b.re || b.im != b.im)
        return equal_nan && (a.re != a.re || a.im != a.im) && (b.re != b.re || b.im != b.im);
      const R distance = static_cast<R>(__builtin_hypot(R(a.re - b.re), R(a.im - b.im)));
      const R slack = static_cast<R>(__builtin_hypot(R(rtol * b.re), R(rtol * b.im)));
      return distance <= atol + slack && distance < __builtin_inf();
    });
  } else {
    // Integers are subtracted exactly and compared in float64.
    using R = std::conditional_t<kIsFloat<T>, T, double>;
    const R rtol = static_cast<R>(p.rtol), atol = static_cast<R>(p.atol), inf = static_cast<R>(__builtin_inf());
    binary_loop<bool, T>(data, strides, n, [=](T a, T b) __attribute__((always_inline)) -> bool {
      const R x = static_cast<R>(a), y = static_cast<R>(b);
      R distance;
      if constexpr (kIsFloat<T>) {
        const R d = x - y;
        distance = d < 0 ? -d : d;
      } else {
        const uint64_t d = static_cast<uint64_t>(a) - static_cast<uint64_t>(b);
        distance = static_cast<R>(a < b ? 0 - d : d);
      }
      const R slack = rtol * y, allowed = atol + (slack < 0 ? -slack : slack);
      return (a == b) | ((distance <= allowed) & (distance < inf)) | (equal_nan & (x != x) & (y != y));
    });
  }
}

template <class R>
void complex(char* const* data, const int64_t* strides, int64_t n, const void*) {
  binary_loop<Complex<R>, R>(data, strides, n,
                             [](R re, R im) __attribute__((always_inline)) -> Complex<R> { return {re, im}; });
}

template <class T>
void fill_numbers(TernaryTable& t, DType dtype) {
  const int d = static_cast<int>(dtype);
  t.addcmul[d] = addcmul<T>;
  t.isclose[d] = isclose<T>;
  if constexpr (!kIsComplex<T>) t.clamp[d] = clamp<T>;
  if constexpr (kIsComplex<T> || kIsFloat<T>) {
    t.addcdiv[d] = addcdiv<T>;
    t.lerp[d] = lerp<T>;
    t.lerp_number[d] = lerp_number<T>;
  }
  if constexpr (kIsFloat<T>) t.nan_to_num[d] = nan_to_num<T>;
}

}  // namespace

void fill_ternary(TernaryTable& t) {
  fill_numbers<uint8_t>(t, DType::UInt8);
  fill_numbers<int8_t>(t, DType::Int8);
  fill_numbers<int16_t>(t, DType::Int16);
  fill_numbers<int32_t>(t, DType::Int32);
  fill_numbers<int64_t>(t, DType::Int64);
  fill_numbers<float>(t, DType::Float32);
  fill_numbers<double>(t, DType::Float64);
  fill_numbers<Complex<float>>(t, DType::Complex64);
  fill_numbers<Complex<double>>(t, DType::Complex128);
  t.isclose[static_cast<int>(DType::Bool)] = isclose<Boolean>;
  t.complex[0] = complex<uint16_t>;
  t.complex[1] = complex<float>;
  t.complex[2] = complex<double>;
}

}  // namespace rushlight::cpu::RL_ISA
