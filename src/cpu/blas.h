// OpenBLAS (64-bit integers), loaded on first use so that programs that multiply nothing large do not pay for it.
#pragma once

#include <cstdint>

namespace rushlight::cpu {

// Values of the CBLAS enumerations.
enum BlasOrder : int { kBlasRowMajor = 101, kBlasColMajor = 102 };
enum BlasTrans : int { kBlasNoTrans = 111, kBlasTrans = 112, kBlasConjTrans = 113, kBlasConjNoTrans = 114 };

template <class T>
using BlasGemmReal = void (*)(int order, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                              int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc);
using BlasGemmComplex = void (*)(int order, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                                 const void* alpha, const void* a, int64_t lda, const void* b, int64_t ldb,
                                 const void* beta, void* c, int64_t ldc);
template <class T>
using BlasGemvReal = void (*)(int order, int trans, int64_t m, int64_t n, T alpha, const T* a, int64_t lda, const T* x,
                              int64_t incx, T beta, T* y, int64_t incy);
using BlasGemvComplex = void (*)(int order, int trans, int64_t m, int64_t n, const void* alpha, const void* a,
                                 int64_t lda, const void* x, int64_t incx, const void* beta, void* y, int64_t incy);
template <class T>
using BlasDotReal = T (*)(int64_t n, const T* x, int64_t incx, const T* y, int64_t incy);
using BlasDotComplex = void (*)(int64_t n, const void* x, int64_t incx, const void* y, int64_t incy, void* result);
template <class T>
using BlasAxpyReal = void (*)(int64_t n, T alpha, const T* x, int64_t incx, T* y, int64_t incy);
using BlasAxpyComplex = void (*)(int64_t n, const void* alpha, const void* x, int64_t incx, void* y, int64_t incy);

// Entry points. Increments and leading dimensions obey the BLAS rules: an increment of 0 is not allowed.
struct Blas {
  BlasGemmReal<float> sgemm;
  BlasGemmReal<double> dgemm;
  BlasGemmComplex cgemm, zgemm;
  BlasGemvReal<float> sgemv;
  BlasGemvReal<double> dgemv;
  BlasGemvComplex cgemv, zgemv;
  BlasDotReal<float> sdot;
  BlasDotReal<double> ddot;
  BlasDotComplex cdotu, cdotc, zdotu, zdotc;
  BlasAxpyReal<float> saxpy;
  BlasAxpyReal<double> daxpy;
  BlasAxpyComplex caxpy, zaxpy;
  void (*set_num_threads)(int);
  int (*get_num_threads)();

  // Address of a further function by its plain name: "cblas_dsyrk", "dgetrf_" (LAPACK, Fortran calling convention,
  // 64-bit integers), "LAPACKE_dgetrf". nullptr if the library has none.
  void* symbol(const char* name) const;

  void* handle;
  const char* prefix;  // the library's names are prefix + name + "64_"
};

// The loaded library. Looked for at $RUSHLIGHT_OPENBLAS, then beside the file that holds this function, then at the
// path given at build time (RUSHLIGHT_OPENBLAS_PATH). Throws std::runtime_error that names what was tried.
const Blas* blas();

// Threads that OpenBLAS may use, at least 1. Costs nothing while the library is not loaded: applied when it is.
void set_blas_threads(int count);
// What was set; 0 when nothing was (OpenBLAS then uses all cores).
int blas_threads();

}  // namespace rushlight::cpu
