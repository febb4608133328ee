// logcumsumexp of complex numbers, compiled once: it uses the complex functions of the standard library.
#include <cmath>
#include <complex>

#include "cpu/reduce_kernels.h"

namespace rushlight::cpu {

namespace {

using C = std::complex<double>;

// log(exp(a) + exp(b)), by the distance from the one with the larger real part; its imaginary part is not wrapped.
C log_add(C a, C b) {
  if (std::isnan(a.real()) || std::isnan(a.imag()) || std::isnan(b.real()) || std::isnan(b.imag())) return {NAN, NAN};
  if (a.real() < b.real()) std::swap(a, b);
  // Zero has no angle.
  if (!std::isfinite(a.real()) && a.real() == b.real())
    return a.real() < 0 ? C(-INFINITY, 0) : std::log(std::exp(a) + std::exp(b));
  if (b.real() == -INFINITY) return a;
  const C q = std::exp(b - a);
  // log1p: |1 + q|^2 = 1 + (2 re + |q|^2)
  const double real = 0.5 * std::log1p(q.real() * (2 + q.real()) + q.imag() * q.imag());
  return a + C(real, std::atan2(q.imag(), 1 + q.real()));
}

template <class T>
void column(const T* x, T* out, int64_t n, int64_t stride) {
  C sum(-INFINITY, 0);
  for (int64_t i = 0; i < n; ++i) {
    sum = log_add(sum, C(x[i * stride]));
    out[i * stride] = T(sum);
  }
}

template <class T>
void rows(const ScanBlock& b) {
  for (int64_t r = 0; r < b.rows; ++r)
    column(reinterpret_cast<const T*>(b.in) + r * b.n, reinterpret_cast<T*>(b.out) + r * b.n, b.n, 1);
}
template <class T>
void cols(const ScanBlock& b) {
  for (int64_t j = 0; j < b.rows; ++j)
    column(reinterpret_cast<const T*>(b.in) + j, reinterpret_cast<T*>(b.out) + j, b.n, b.stride);
}

}  // namespace

void fill_scan_complex(ReduceTable& t) {
  t.logcumsumexp[static_cast<int>(DType::Complex64)] = {rows<complex64>, cols<complex64>};
  t.logcumsumexp[static_cast<int>(DType::Complex128)] = {rows<complex128>, cols<complex128>};
}

}  // namespace rushlight::cpu
