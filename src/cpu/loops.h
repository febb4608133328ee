// Shapes of 1-d inner loops, shared by the kernel files of one instruction set.
#pragma once

#include "cpu/kernels.h"
#include "cpu/vec.h"

namespace rushlight::cpu::RL_ISA {

template <class T>
RL_INLINE T& at(char* base, int64_t byte) {
  return *reinterpret_cast<T*>(base + byte);
}

// Complex numbers without the NaN recovery of std::complex, which no loop over it could vectorise.
template <class R>
struct Complex {
  R re, im;
};
template <class T>
inline constexpr bool kIsComplex = false;
template <class R>
inline constexpr bool kIsComplex<Complex<R>> = true;

// out[i] = f(a[i]); f on scalars, simple enough for the compiler to vectorise.
template <class Out, class In, class F>
RL_INLINE void unary_loop(char* const* data, const int64_t* strides, int64_t n, F f) {
  char* const out = data[0];
  char* const a = data[1];
  if (strides[0] == sizeof(Out) && strides[1] == sizeof(In)) {
    Out* o = reinterpret_cast<Out*>(out);
    const In* x = reinterpret_cast<const In*>(a);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(x[i]);
  } else {
    const int64_t so = strides[0], sa = strides[1];
    for (int64_t i = 0; i < n; ++i) at<Out>(out, i * so) = f(at<In>(a, i * sa));
  }
}

template <class Out, class In, class F>
RL_INLINE void binary_loop(char* const* data, const int64_t* strides, int64_t n, F f) {
  char* const out = data[0];
  char* const a = data[1];
  char* const b = data[2];
  const int64_t so = strides[0], sa = strides[1], sb = strides[2];
  Out* o = reinterpret_cast<Out*>(out);
  const In* x = reinterpret_cast<const In*>(a);
  const In* y = reinterpret_cast<const In*>(b);
  if (so == sizeof(Out) && sa == sizeof(In) && sb == sizeof(In)) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(x[i], y[i]);
  } else if (so == sizeof(Out) && sa == sizeof(In) && sb == 0) {
    const In s = *y;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(x[i], s);
  } else if (so == sizeof(Out) && sa == 0 && sb == sizeof(In)) {
    const In s = *x;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(s, y[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) at<Out>(out, i * so) = f(at<In>(a, i * sa), at<In>(b, i * sb));
  }
}

// out[i] = f(Vec a[i]) for functions written on vectors; strided operands go through a small buffer, so that the bits
// of a value do not depend on its place.
inline constexpr int64_t kLoopBuffer = 256;

template <class T>
RL_INLINE const T* gather(T* buffer, char* from, int64_t stride, int64_t n) {
  if (stride == sizeof(T)) return reinterpret_cast<const T*>(from);
  if (stride == 0) {
    const T value = at<T>(from, 0);
    for (int64_t i = 0; i < n; ++i) buffer[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = at<T>(from, i * stride);
  }
  return buffer;
}

template <class T, class F>
RL_INLINE void vector_unary_loop(char* const* data, const int64_t* strides, int64_t n, F f) {
  if (strides[0] == sizeof(T) && strides[1] == sizeof(T)) {
    map(reinterpret_cast<T*>(data[0]), reinterpret_cast<const T*>(data[1]), n, f);
    return;
  }
  T buffer[kLoopBuffer];
  for (int64_t done = 0; done < n; done += kLoopBuffer) {
    const int64_t m = n - done < kLoopBuffer ? n - done : kLoopBuffer;
    const T* x = gather(buffer, data[1] + done * strides[1], strides[1], m);
    if (strides[0] == sizeof(T)) {
      map(reinterpret_cast<T*>(data[0]) + done, x, m, f);
      continue;
    }
    map(buffer, x, m, f);
    for (int64_t i = 0; i < m; ++i) at<T>(data[0], (done + i) * strides[0]) = buffer[i];
  }
}

template <class T, class F>
RL_INLINE void vector_binary_loop(char* const* data, const int64_t* strides, int64_t n, F f) {
  if (strides[0] == sizeof(T) && strides[1] == sizeof(T) && strides[2] == sizeof(T)) {
    map2(reinterpret_cast<T*>(data[0]), reinterpret_cast<const T*>(data[1]), reinterpret_cast<const T*>(data[2]), n, f);
    return;
  }
  T buffer_a[kLoopBuffer], buffer_b[kLoopBuffer], results[kLoopBuffer];
  for (int64_t done = 0; done < n; done += kLoopBuffer) {
    const int64_t m = n - done < kLoopBuffer ? n - done : kLoopBuffer;
    // A single number fills its buffer once.
    const T* x = done && strides[1] == 0 ? buffer_a : gather(buffer_a, data[1] + done * strides[1], strides[1], m);
    const T* y = done && strides[2] == 0 ? buffer_b : gather(buffer_b, data[2] + done * strides[2], strides[2], m);
    if (strides[0] == sizeof(T)) {
      map2(reinterpret_cast<T*>(data[0]) + done, x, y, m, f);
      continue;
    }
    map2(results, x, y, m, f);
    for (int64_t i = 0; i < m; ++i) at<T>(data[0], (done + i) * strides[0]) = results[i];
  }
}

}  // namespace rushlight::cpu::RL_ISA
