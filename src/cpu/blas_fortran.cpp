// The entry points of a BLAS that is not OpenBLAS with 64-bit integers, made of its Fortran functions, which every BLAS
// has. Row-major products are column-major ones of the transposes: C = A B is C' = B' A'.
#include <complex>
#include <cstddef>
#include <limits>
#include <vector>

#include "cpu/blas.h"
#include "rushlight/error.h"

namespace rushlight::cpu {
namespace {

// One number type's functions. Fortran takes everything by address, and the lengths of strings behind all else.
template <class T, class I>
struct Functions {
  using Gemm = void (*)(const char* trans_a, const char* trans_b, const I* m, const I* n, const I* k, const T* alpha,
                        const T* a, const I* lda, const T* b, const I* ldb, const T* beta, T* c, const I* ldc, size_t,
                        size_t);
  using Gemv = void (*)(const char* trans, const I* m, const I* n, const T* alpha, const T* a, const I* lda, const T* x,
                        const I* incx, const T* beta, T* y, const I* incy, size_t);
  inline static Gemm gemm = nullptr;
  inline static Gemv gemv = nullptr;
};

template <class I>
I narrow(int64_t value) {
  if (value > std::numeric_limits<I>::max())
    throw Error("a product with a size or stride of " + std::to_string(value) +
                " needs a BLAS with 64-bit integers; the loaded one has 32 bits");
  return static_cast<I>(value);
}

char letter(int trans) { return trans == kBlasNoTrans ? 'N' : trans == kBlasTrans ? 'T' : 'C'; }

// A row-major operand. BLAS has no conjugation without transposition: such an operand is copied.
template <class T>
struct Operand {
  const T* data;
  int64_t ld;
  int trans;
  std::vector<T> copy;

  Operand(const void* from, int64_t stride, int64_t rows, int64_t cols, int how)
      : data(static_cast<const T*>(from)), ld(stride), trans(how) {
    if constexpr (!std::is_floating_point_v<T>)
      if (trans == kBlasConjNoTrans) {
        copy.resize(static_cast<size_t>(rows * cols));
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < cols; ++j) copy[static_cast<size_t>(i * cols + j)] = std::conj(data[i * ld + j]);
        data = copy.data();
        ld = cols;
        trans = kBlasNoTrans;
      }
  }
};

template <class T, class I>
void gemm(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, T alpha, const void* a, int64_t lda, const void* b,
          int64_t ldb, T beta, void* c, int64_t ldc) {
  const Operand<T> x(a, lda, m, k, trans_a), y(b, ldb, k, n, trans_b);
  const char tx = letter(x.trans), ty = letter(y.trans);
  const I rows = narrow<I>(m), cols = narrow<I>(n), depth = narrow<I>(k), ldx = narrow<I>(x.ld), ldy = narrow<I>(y.ld),
          ldz = narrow<I>(ldc);
  Functions<T, I>::gemm(&ty, &tx, &cols, &rows, &depth, &alpha, y.data, &ldy, x.data, &ldx, &beta, static_cast<T*>(c),
                        &ldz, 1, 1);
}

template <class T, class I>
void gemm_real(int, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
               const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  gemm<T, I>(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

template <class T, class I>
void gemm_complex(int, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, const void* alpha, const void* a,
                  int64_t lda, const void* b, int64_t ldb, const void* beta, void* c, int64_t ldc) {
  gemm<T, I>(trans_a, trans_b, m, n, k, *static_cast<const T*>(alpha), a, lda, b, ldb, *static_cast<const T*>(beta), c,
             ldc);
}

// y = alpha op(A) x + beta y, where A has m rows and n columns. Fortran sees A'.
template <class T, class I>
void gemv(int, int trans, int64_t m, int64_t n, const void* alpha, const void* a, int64_t lda, const void* x,
          int64_t incx, const void* beta, void* y, int64_t incy) {
  // conj(A) x is A'^H x; A^H x is conj(A') x, of a copy.
  const bool turned = trans == kBlasTrans || trans == kBlasConjTrans;
  const Operand<T> matrix(a, lda, m, n, trans == kBlasConjTrans ? kBlasConjNoTrans : kBlasNoTrans);
  const char how = turned ? 'N' : trans == kBlasConjNoTrans ? 'C' : 'T';
  const I rows = narrow<I>(n), cols = narrow<I>(m), ld = narrow<I>(matrix.ld), stepx = narrow<I>(incx),
          stepy = narrow<I>(incy);
  Functions<T, I>::gemv(&how, &rows, &cols, static_cast<const T*>(alpha), matrix.data, &ld, static_cast<const T*>(x),
                        &stepx, static_cast<const T*>(beta), static_cast<T*>(y), &stepy, 1);
}

template <class F>
bool resolve(const Blas& library, const char* name, F& function) {
  function = reinterpret_cast<F>(library.symbol(name));
  return function != nullptr;
}

template <class I>
bool use(Blas& b) {
  using C = std::complex<float>;
  using Z = std::complex<double>;
  if (!resolve(b, "sgemm_", Functions<float, I>::gemm) || !resolve(b, "dgemm_", Functions<double, I>::gemm) ||
      !resolve(b, "cgemm_", Functions<C, I>::gemm) || !resolve(b, "zgemm_", Functions<Z, I>::gemm) ||
      !resolve(b, "cgemv_", Functions<C, I>::gemv) || !resolve(b, "zgemv_", Functions<Z, I>::gemv))
    return false;
  b.sgemm = gemm_real<float, I>;
  b.dgemm = gemm_real<double, I>;
  b.cgemm = gemm_complex<C, I>;
  b.zgemm = gemm_complex<Z, I>;
  b.cgemv = gemv<C, I>;
  b.zgemv = gemv<Z, I>;
  if (!resolve(b, "openblas_set_num_threads", b.set_num_threads)) b.set_num_threads = [](int) {};
  return true;
}

}  // namespace

bool use_fortran_blas(Blas& library) { return library.wide ? use<int64_t>(library) : use<int32_t>(library); }

}  // namespace rushlight::cpu
