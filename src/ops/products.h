// What the files of matrix products share: operands as raw matrices, calls of gemm, gradients of a product.
#pragma once

#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight::products {

// A matrix in memory; strides in elements. `conj`: its elements are to be conjugated.
struct Matrix {
  const char* data;
  int64_t rows, cols, row_stride, col_stride;
  bool conj = false;
};

inline Matrix matrix(const Tensor& t) { return {t.data(), t.sizes()[0], t.sizes()[1], t.strides()[0], t.strides()[1]}; }
// The conjugate transpose.
inline Matrix adjoint(const Tensor& t) {
  return {t.data(), t.sizes()[1], t.sizes()[0], t.strides()[1], t.strides()[0], is_complex(t.dtype())};
}

// c = alpha * a b + beta * c; c has a.rows x b.cols elements.
void gemm(DType dtype, const Matrix& a, const Matrix& b, char* c, int64_t c_rs, int64_t c_cs,
          const Scalar& alpha = Scalar(1), const Scalar& beta = Scalar(0));
// The same for `batch` matrices whose first elements lie *_bs elements apart.
void gemm_batched(DType dtype, int64_t batch, const Matrix& a, int64_t a_bs, const Matrix& b, int64_t b_bs, char* c,
                  int64_t c_bs, int64_t c_rs, int64_t c_cs, const Scalar& alpha = Scalar(1),
                  const Scalar& beta = Scalar(0));

// NotImplementedError for bool and for dtypes without kernels.
inline void check_dtype(const char* kernel, DType dtype) {
  if (dtype == DType::Bool || static_cast<int>(dtype) >= kNumComputeDTypes) [[unlikely]]
    fail<NotImplementedError>("\"", kernel, "\" not implemented for '", dtype, "'");
}

// Whether gradients keep the column-major layout of a matrix.
inline bool is_column_major(const Tensor& t) { return t.strides()[0] == 1 && t.strides()[1] == t.sizes()[0]; }
inline bool is_one(const Scalar& s) { return s.kind() != Scalar::Kind::Complex && s.to_double() == 1; }
inline Scalar conj_scalar(const Scalar& s) { return s.is_complex() ? Scalar(std::conj(s.to_complex())) : s; }
// grad * conj(factor)
Tensor scaled(const Tensor& grad, const Scalar& factor);
// factor must be real unless dtype is complex.
void check_factor(const Scalar& factor, DType dtype);

// Gradients of alpha * a b, for matrices and for batches of them.
Tensor mm_grad_a(const Tensor& grad, const Tensor& b, bool column_major, const Scalar& alpha = Scalar(1));
Tensor mm_grad_b(const Tensor& grad, const Tensor& a, bool column_major, const Scalar& alpha = Scalar(1));
Tensor bmm_grad_a(const Tensor& grad, const Tensor& b, const Scalar& alpha = Scalar(1));
Tensor bmm_grad_b(const Tensor& grad, const Tensor& a, const Scalar& alpha = Scalar(1));
// Gradients of alpha * A x.
Tensor mv_grad_matrix(const Tensor& grad, const Tensor& vec, const Scalar& alpha = Scalar(1));
Tensor mv_grad_vector(const Tensor& grad, const Tensor& mat, const Scalar& alpha = Scalar(1));

inline SavedTensor save_if(bool wanted, const Tensor& t) { return wanted ? SavedTensor(t) : SavedTensor(); }

// Another shape for a fresh contiguous result: no view, since nothing else sees the memory.
Tensor unsafe_view(const char* node, const Tensor& fresh, IntSpan sizes);

// Shape checks of bmm and its relatives.
void check_batches(const Tensor& a, const Tensor& b);

// Checks an out= tensor, resizes it, and returns whether its memory meets an input's: the result must then be made
// elsewhere first, and `out` keeps its size until then. `self` is an input that may be `out` itself.
bool prepare_out(const char* operation, const Tensor& out, IntSpan shape, DType dtype,
                 std::initializer_list<const Tensor*> inputs, const Tensor* self = nullptr);

}  // namespace rushlight::products
