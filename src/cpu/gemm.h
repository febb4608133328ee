// Matrix products on raw strided memory, for every dtype that has kernels. Strides count elements.
#pragma once

#include <cstdint>

#include "rushlight/dtype.h"
#include "rushlight/scalar.h"

namespace rushlight::cpu {

// C = alpha * A B + beta * C for A m x k, B k x n, C m x n with any strides >= 0 of A and B (0: repeated). C may have
// any strides that give each element its own place, and overlaps neither A nor B. conj_a, conj_b: complex types only.
// beta == 0 does not read C; k == 0 or alpha == 0 gives beta * C without reading A and B.
// Integers wrap around. bool: OR of ANDs. float16 and bfloat16 are computed in float32 and rounded once.
// The result does not depend on the number of threads.
// Throws std::invalid_argument for a dtype without kernels or a negative size, std::runtime_error when OpenBLAS is
// needed and cannot be loaded, std::bad_alloc.
void gemm(DType dtype, int64_t m, int64_t n, int64_t k, const Scalar& alpha, const void* a, int64_t a_rs, int64_t a_cs,
          const void* b, int64_t b_rs, int64_t b_cs, const Scalar& beta, void* c, int64_t c_rs, int64_t c_cs,
          bool conj_a = false, bool conj_b = false);

// The same for `batch` products whose operands lie a_bs, b_bs and c_bs elements apart (a_bs, b_bs may be 0).
void gemm_batched(DType dtype, int64_t batch, int64_t m, int64_t n, int64_t k, const Scalar& alpha, const void* a,
                  int64_t a_bs, int64_t a_rs, int64_t a_cs, const void* b, int64_t b_bs, int64_t b_rs, int64_t b_cs,
                  const Scalar& beta, void* c, int64_t c_bs, int64_t c_rs, int64_t c_cs, bool conj_a = false,
                  bool conj_b = false);

// *out = sum over i of x[i * incx] * y[i * incy], strides >= 0; conj_x takes the conjugate of x (vdot).
void dot(DType dtype, int64_t n, const void* x, int64_t incx, const void* y, int64_t incy, void* out,
         bool conj_x = false);

}  // namespace rushlight::cpu
