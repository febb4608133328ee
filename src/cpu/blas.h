// Products of a BLAS, loaded on first use so that programs that multiply nothing large do not pay for it.
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
using BlasGemvComplex = void (*)(int order, int trans, int64_t m, int64_t n, const void* alpha, const void* a,
                                 int64_t lda, const void* x, int64_t incx, const void* beta, void* y, int64_t incy);

// Entry points, called with kBlasRowMajor. Increments and leading dimensions obey the BLAS rules: an increment of 0 is
// not allowed.
struct Blas {
  BlasGemmReal<float> sgemm;
  BlasGemmReal<double> dgemm;
  BlasGemmComplex cgemm, zgemm;
  BlasGemvComplex cgemv, zgemv;
  void (*set_num_threads)(int);  // does nothing in a BLAS other than OpenBLAS

  // Address of a further function by its plain name: "dgetrf_" (LAPACK, Fortran calling convention), "LAPACKE_dgetrf".
  // nullptr if the library has none.
  void* symbol(const char* name) const;

  void* handle;
  const char *prefix, *suffix;  // around the library's names
  bool wide;                    // its integers have 64 bits
};

// The loaded library: $RUSHLIGHT_BLAS where that is set, else the first of OpenBLAS beside the file that holds this
// function, the name or path given at build time (RUSHLIGHT_BLAS), and the usual names of OpenBLAS and BLAS. Throws
// std::runtime_error that names what was tried.
const Blas* blas();

// Around every call of a product. OpenBLAS ends the process where it finds no memory for the buffer of a thread, so
// that there must be room before: OutOfMemoryError otherwise. Buffers are kept, one per call at a time.
class BlasBuffer {
 public:
  BlasBuffer();
  ~BlasBuffer();
  BlasBuffer(const BlasBuffer&) = delete;
};

// Fills the entry points from Fortran's dgemm_, zgemv_ ... of a library with integers of either width. False if one is
// missing.
bool use_fortran_blas(Blas& library);

// Threads that OpenBLAS may use, at least 1. Costs nothing while the library is not loaded: applied when it is.
[[gnu::visibility("default")]] void set_blas_threads(int count);
// What was set; 0 when nothing was (OpenBLAS then uses all cores).
int blas_threads();

}  // namespace rushlight::cpu
