// logcumsumexp of complex numbers, compiled once: it uses the complex functions of the standard library.
#include <cmath>
#include <complex>

#include "cpu/complex_math.h"
#include "cpu/reduce_kernels.h"

namespace rushlight::cpu {

namespace {

using C = std::complex<double>;

template <class T>
void column(const T* x, T* out, int64_t n, int64_t stride) {
  // From log 0 = -inf + 0i, which stays until something larger comes.
  C sum(-INFINITY, 0);
  for (int64_t i = 0; i < n; ++i) {
    sum = complex_logaddexp(C(x[i * stride]), sum);
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
