// Matrix kernels compiled once per instruction set, and the table through which the one that fits is called.
#pragma once

#include <cstdint>

#include "rushlight/dtype.h"

namespace rushlight::cpu {

// C = alpha * A B + beta * C for A m x k, B k x n and C m x n whose rows are contiguous. Strides in elements.
// beta == 0 does not read C. C overlaps neither A nor B. Extents may be 0.
template <class T>
struct Product {
  int64_t m, n, k;
  T alpha;
  const T* a;
  int64_t a_rs, a_cs;
  const T* b;
  int64_t b_rs, b_cs;
  T beta;
  T* c;
  int64_t c_rs;
};

struct GemmKernels {
  const char* isa;
  // Products of float and double with more than this many multiplications are faster in OpenBLAS.
  double own_limit;
  // Register-tiled products; matrix-vector and dot products where m or n is 1. No packing where B's rows are contiguous
  // and the product is small. Cutting C into parts of at least 2 rows and 2 columns (if it has as many) does not change
  // the bits: every element is summed in an order that depends on k only.
  void (*f32)(const Product<float>&);
  void (*f64)(const Product<double>&);
  void (*u16)(const Product<uint16_t>&);
  void (*u32)(const Product<uint32_t>&);
  void (*u64)(const Product<uint64_t>&);
  // C = (alpha and any_p(a_p and b_p)) or (beta and C); elements 0 or 1.
  void (*boolean)(const Product<uint8_t>&);

  // Copies a rows x cols block into rows of `ld` elements of the type that products of `dtype` are computed in:
  // float16 and bfloat16 -> float, uint8 and int8 -> uint16_t, everything else is copied as it is.
  void (*stage)(DType dtype, int64_t rows, int64_t cols, const void* source, int64_t rs, int64_t cs, void* target,
                int64_t ld);
  // The way back: C = alpha * block + beta * C, rounded once. beta == 0 does not read C.
  // alpha and beta point to values of the computing type.
  void (*unstage)(DType dtype, int64_t rows, int64_t cols, const void* alpha, const void* block, int64_t ld,
                  const void* beta, void* c, int64_t rs, int64_t cs);
};

// The kernels for this processor, chosen once.
const GemmKernels& gemm_kernels();

// One per instruction set that the build compiles gemm_kernels.cpp for.
const GemmKernels& gemm_kernels_generic();
const GemmKernels& gemm_kernels_v2();
const GemmKernels& gemm_kernels_v3();
const GemmKernels& gemm_kernels_v4();
const GemmKernels& gemm_kernels_neon();

}  // namespace rushlight::cpu
