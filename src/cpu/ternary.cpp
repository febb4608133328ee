// The table of ternary_kernels.h, and the loops whose time goes into libm.
#include <algorithm>
#include <cmath>
#include <complex>

#include "cpu/ternary_kernels.h"

namespace rushlight::cpu {

const TernaryTable& ternary() {
  static const TernaryTable table = [] {
    TernaryTable t;
#define RL_FILL(isa) isa::fill_ternary(t)
    RL_BEST_ISA(RL_FILL)
#undef RL_FILL
    return t;
  }();
  return table;
}

namespace {

template <class T>
T& element(char* base, int64_t byte) {
  return *reinterpret_cast<T*>(base + byte);
}

template <class T>
void mantissa_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i) {
    int exponent;
    element<T>(data[0], i * strides[0]) = std::frexp(element<T>(data[1], i * strides[1]), &exponent);
  }
}
template <class T>
void exponent_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i) {
    const T x = element<T>(data[1], i * strides[1]);
    int exponent = 0;
    if (std::isfinite(x)) std::frexp(x, &exponent);
    element<int32_t>(data[0], i * strides[0]) = exponent;
  }
}

template <class R>
R scaled(R x, int n) {
  return std::ldexp(x, n);
}
template <class R>
std::complex<R> scaled(std::complex<R> x, int n) {
  return {std::ldexp(x.real(), n), std::ldexp(x.imag(), n)};
}
template <class T>
void ldexp_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t e = element<int64_t>(data[2], i * strides[2]);
    element<T>(data[0], i * strides[0]) =
        scaled(element<T>(data[1], i * strides[1]), static_cast<int>(std::clamp<int64_t>(e, -10000, 10000)));
  }
}

}  // namespace

Loop frexp_mantissa(DType dtype) { return dtype == DType::Float64 ? mantissa_loop<double> : mantissa_loop<float>; }
Loop frexp_exponent(DType dtype) { return dtype == DType::Float64 ? exponent_loop<double> : exponent_loop<float>; }
Loop ldexp(DType dtype) {
  switch (dtype) {
    case DType::Float32: return ldexp_loop<float>;
    case DType::Float64: return ldexp_loop<double>;
    case DType::Complex64: return ldexp_loop<std::complex<float>>;
    case DType::Complex128: return ldexp_loop<std::complex<double>>;
    default: return nullptr;
  }
}

}  // namespace rushlight::cpu
