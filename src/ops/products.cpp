#include "ops/products.h"

#include "cpu/gemm.h"
#include "cpu/loop_plan.h"

namespace rushlight::products {

namespace {

// Other Python threads may run meanwhile: milliseconds of work.
bool is_long(double batch, int64_t m, int64_t n, int64_t k) {
  return batch * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) > 4e6;
}

Tensor make_transposed(Tensor fresh) {
  const int64_t sizes[2] = {fresh.sizes()[1], fresh.sizes()[0]}, strides[2] = {1, fresh.strides()[0]};
  fresh.impl()->set_geometry(sizes, strides, fresh.storage_offset());
  return fresh;
}

// A fresh a.rows x b.cols matrix.
Tensor product(DType dtype, const Matrix& a, const Matrix& b, bool column_major, const Scalar& alpha) {
  const int64_t m = a.rows, n = b.cols;
  if (column_major) {
    const int64_t sizes[2] = {n, m};
    Tensor r = make_transposed(empty(sizes, dtype));
    gemm(dtype, a, b, r.data(), 1, std::max<int64_t>(m, 1), alpha);
    return r;
  }
  const int64_t sizes[2] = {m, n};
  Tensor r = empty(sizes, dtype);
  gemm(dtype, a, b, r.data(), std::max<int64_t>(n, 1), 1, alpha);
  return r;
}

Matrix slice_of(const Tensor& t) { return {t.data(), t.sizes()[1], t.sizes()[2], t.strides()[1], t.strides()[2]}; }
Matrix slice_adjoint(const Tensor& t) {
  return {t.data(), t.sizes()[2], t.sizes()[1], t.strides()[2], t.strides()[1], is_complex(t.dtype())};
}

Tensor batched_product(DType dtype, int64_t batch, const Matrix& a, int64_t a_bs, const Matrix& b, int64_t b_bs,
                       const Scalar& alpha) {
  const int64_t sizes[3] = {batch, a.rows, b.cols};
  Tensor r = empty(sizes, dtype);
  gemm_batched(dtype, batch, a, a_bs, b, b_bs, r.data(), a.rows * b.cols, std::max<int64_t>(b.cols, 1), 1, alpha);
  return r;
}

}  // namespace

void gemm(DType dtype, const Matrix& a, const Matrix& b, char* c, int64_t c_rs, int64_t c_cs, const Scalar& alpha,
          const Scalar& beta) {
  if (a.rows == 0 || b.cols == 0) return;
  cpu::BlockingRegion region(is_long(1, a.rows, b.cols, a.cols));
  cpu::gemm(dtype, a.rows, b.cols, a.cols, alpha, a.data, a.row_stride, a.col_stride, b.data, b.row_stride,
            b.col_stride, beta, c, c_rs, c_cs, a.conj, b.conj);
}

void gemm_batched(DType dtype, int64_t batch, const Matrix& a, int64_t a_bs, const Matrix& b, int64_t b_bs, char* c,
                  int64_t c_bs, int64_t c_rs, int64_t c_cs, const Scalar& alpha, const Scalar& beta) {
  if (batch == 0 || a.rows == 0 || b.cols == 0) return;
  cpu::BlockingRegion region(is_long(static_cast<double>(batch), a.rows, b.cols, a.cols));
  cpu::gemm_batched(dtype, batch, a.rows, b.cols, a.cols, alpha, a.data, a_bs, a.row_stride, a.col_stride, b.data, b_bs,
                    b.row_stride, b.col_stride, beta, c, c_bs, c_rs, c_cs, a.conj, b.conj);
}

Tensor scaled(const Tensor& grad, const Scalar& factor) {
  return is_one(factor) ? grad : mul(grad, conj_scalar(factor));
}

void check_factor(const Scalar& factor, DType dtype) {
  if (factor.is_complex() && !rushlight::is_complex(dtype)) [[unlikely]]
    fail("value cannot be converted to type ", cpp_type_name(dtype), " without overflow");
}

// Where nothing is recorded the transposes are not made: gemm gets the strides.

Tensor mm_grad_a(const Tensor& grad, const Tensor& b, bool column_major, const Scalar& alpha) {
  if (!autograd::needs(grad, b))
    return product(grad.dtype(), matrix(grad), adjoint(b), column_major, conj_scalar(alpha));
  return scaled(column_major ? t(mm(conj(b), t(grad))) : mm(grad, conj(t(b))), alpha);
}

Tensor mm_grad_b(const Tensor& grad, const Tensor& a, bool column_major, const Scalar& alpha) {
  if (!autograd::needs(grad, a))
    return product(grad.dtype(), adjoint(a), matrix(grad), column_major, conj_scalar(alpha));
  return scaled(column_major ? t(mm(t(grad), conj(a))) : mm(conj(t(a)), grad), alpha);
}

Tensor bmm_grad_a(const Tensor& grad, const Tensor& b, const Scalar& alpha) {
  if (!autograd::needs(grad, b))
    return batched_product(grad.dtype(), grad.sizes()[0], slice_of(grad), grad.strides()[0], slice_adjoint(b),
                           b.strides()[0], conj_scalar(alpha));
  return scaled(bmm(grad, conj(transpose(b, 1, 2))), alpha);
}

Tensor bmm_grad_b(const Tensor& grad, const Tensor& a, const Scalar& alpha) {
  if (!autograd::needs(grad, a))
    return batched_product(grad.dtype(), grad.sizes()[0], slice_adjoint(a), a.strides()[0], slice_of(grad),
                           grad.strides()[0], conj_scalar(alpha));
  return scaled(bmm(conj(transpose(a, 1, 2)), grad), alpha);
}

Tensor mv_grad_matrix(const Tensor& grad, const Tensor& vec, const Scalar& alpha) {
  return scaled(outer(grad, conj(vec)), alpha);
}

Tensor mv_grad_vector(const Tensor& grad, const Tensor& mat, const Scalar& alpha) {
  if (autograd::needs(grad, mat)) return scaled(mv(conj(t(mat)), grad), alpha);
  const int64_t sizes[1] = {mat.sizes()[1]};
  const Tensor r = empty(sizes, grad.dtype());
  gemm(grad.dtype(), adjoint(mat), {grad.data(), grad.sizes()[0], 1, grad.strides()[0], 1}, r.data(), 1, 1,
       conj_scalar(alpha));
  return r;
}

Tensor unsafe_view(const char* node, const Tensor& fresh, IntSpan sizes) {
  Tensor r = Tensor::adopt(TensorImpl::create(fresh.storage(), fresh.dtype(), sizes, layout::contiguous_strides(sizes),
                                              fresh.storage_offset()));
  if (autograd::needs(fresh))
    autograd::record(node, r, {&fresh},
                     [from = DimVector(fresh.sizes())](autograd::Grads& g) { g[0] = reshape(g.grad(), from); });
  return r;
}

void check_batches(const Tensor& a, const Tensor& b) {
  if (a.dim() != 3) fail("batch1 must be a 3D tensor");
  if (b.dim() != 3) fail("batch2 must be a 3D tensor");
  const int64_t expected[2] = {a.sizes()[0], a.sizes()[2]};
  if (b.sizes()[0] != expected[0] || b.sizes()[1] != expected[1])
    fail("Expected size for first two dimensions of batch2 tensor to be: ", IntSpan(expected),
         " but got: ", b.sizes().first(2), ".");
  check_cpu("bmm", a);
  check_cpu("bmm", b);
}

bool prepare_out(const char* operation, const Tensor& out, IntSpan shape, DType dtype,
                 std::initializer_list<const Tensor*> inputs, const Tensor* self) {
  check_cpu(operation, out);
  if (GradMode::enabled()) {
    bool any = out.requires_grad() || (self && self->requires_grad());
    for (const Tensor* t : inputs) any = any || t->requires_grad();
    if (any)
      fail(operation,
           "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
           "requires grad.");
  }
  if (out.dtype() != dtype)
    fail("Expected out tensor to have dtype ", cpp_type_name(dtype), ", but got ", cpp_type_name(out.dtype()),
         " instead");
  if (out.storage()->read_only() || equal(out.sizes(), shape)) layout::check_writable(out);
  bool meets = false;
  if (self && !(self->is_same(out) && equal(out.sizes(), shape)))
    meets = layout::overlap(out, *self) != layout::Overlap::None;
  for (const Tensor* t : inputs) meets = meets || layout::overlap(out, *t) != layout::Overlap::None;
  // Growing could move the memory of an input that shares it.
  if (!meets) resize_output(out, shape);
  return meets;
}

}  // namespace rushlight::products
