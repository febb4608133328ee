// Products added to something: beta * self + alpha * (a @ b).
#include <cstring>

#include "cpu/loop_plan.h"
#include "ops/inplace.h"
#include "ops/products.h"

namespace rushlight {

using autograd::Grads;
using namespace products;

namespace {

struct Factors {
  const Scalar& beta;
  const Scalar& alpha;
  Factors(const Scalar& b, const Scalar& a, DType dtype) : beta(b), alpha(a) {
    check_factor(beta, dtype);
    check_factor(alpha, dtype);
  }
};

// `out`, already of the result's shape, becomes self unless nothing of it is needed.
void fill_with(const Tensor& out, const Tensor& self, const Scalar& beta) {
  if (out.is_same(self) || beta.equals(0) || out.numel() == 0) return;
  const int64_t row = static_cast<int64_t>(out.dim() ? out.sizes().back() : 1) * out.item_size();
  if (self.dim() == 1 && self.is_contiguous() && out.is_contiguous() && self.nbytes() == row && out.nbytes() <= 65536) {
    for (char *to = out.data(), *end = to + out.nbytes(); to != end; to += row)
      std::memcpy(to, self.data(), static_cast<size_t>(row));
    return;
  }
  if (layout::overlap(out, self) != layout::Overlap::Full || !equal(out.sizes(), self.sizes()))
    cpu::copy_elements(out, self);
}

// A result for self of `shape`: fresh, `self` itself or an out= tensor; the product is written by f(result).
template <class F>
Tensor produce(const char* operation, Target target, const Tensor& self, IntSpan shape, const Scalar& beta,
               std::initializer_list<const Tensor*> factors, F f) {
  const DType dtype = self.dtype();
  if (target.kind == Target::Kind::Fresh) {
    Tensor out = empty(shape, dtype);
    fill_with(out, self, beta);
    f(out);
    return out;
  }
  const Tensor& out = *target.tensor;
  bool meets = false;
  if (target.kind == Target::Kind::InPlace) {
    if (!equal(self.sizes(), shape))
      fail("Bad in-place call: input tensor size ", self.sizes(), " and output tensor size ", shape, " should match");
    layout::check_writable(self);
    for (const Tensor* t : factors) meets = meets || layout::overlap(out, *t) != layout::Overlap::None;
  } else {
    meets = products::prepare_out(operation, out, shape, dtype, factors, &self);
  }
  if (meets) {
    const Tensor result = empty(shape, dtype);
    fill_with(result, self, beta);
    f(result);
    resize_output(out, shape);
    cpu::copy_elements(out, result);
  } else {
    fill_with(out, self, beta);
    f(out);
  }
  out.bump_version(operation);
  return out;
}

// Operands of an in-place call that share memory with the result are saved as they were.
Tensor unchanged(const Tensor& t, const Tensor& self, Target target) {
  if (target.kind != Target::Kind::InPlace || layout::overlap(self, t) == layout::Overlap::None) return t;
  return clone(t);
}

Tensor addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta, const Scalar& alpha,
             Target target) {
  if (target.kind == Target::Kind::InPlace) autograd::check_inplace(self, autograd::needs(mat1, mat2));
  auto check_dims = [&] {
    if (mat1.dim() != 2) fail("mat1 must be a matrix, got ", mat1.dim(), "-D tensor");
    if (mat2.dim() != 2) fail("mat2 must be a matrix, got ", mat2.dim(), "-D tensor");
  };
  check_dims();
  const bool for_a = autograd::needs(mat1), for_b = autograd::needs(mat2);
  const bool record = (for_a || for_b || autograd::needs(self)) && target.kind != Target::Kind::Out;
  Tensor a = mat1, b = mat2;
  if (record) {
    if (for_b) a = unchanged(mat1, self, target);
    if (for_a) b = unchanged(mat2, self, target);
  }
  Ref<Node> node;
  if (record)
    node = autograd::make_node("AddmmBackward0", {&self, &mat1, &mat2},
                               [a = save_if(for_b, a), b = save_if(for_a, b), a_columns = is_column_major(mat1),
                                b_columns = is_column_major(mat2), beta, alpha](Grads& g) {
                                 if (g.needs(0)) g[0] = scaled(g.grad(), beta);
                                 if (g.needs(1)) g[1] = mm_grad_a(g.grad(), g.unpack(b), a_columns, alpha);
                                 if (g.needs(2)) g[2] = mm_grad_b(g.grad(), g.unpack(a), b_columns, alpha);
                               });
  if (record) check_dims();  // pack hooks have run
  const int64_t shape[2] = {mat1.sizes()[0], mat2.sizes()[1]};
  if (mat1.sizes()[1] != mat2.sizes()[0])
    fail("mat1 and mat2 shapes cannot be multiplied (", shape[0], "x", mat1.sizes()[1], " and ", mat2.sizes()[0], "x",
         shape[1], ")");
  if (target.kind != Target::Kind::InPlace && !equal(self.sizes(), shape) &&
      !layout::is_expandable_to(self.sizes(), shape))
    layout::expand(self, shape);  // raises
  if (self.dtype() != mat2.dtype())
    fail("self and mat2 must have the same dtype, but got ", self.dtype(), " and ", mat2.dtype());
  if (mat1.dtype() != mat2.dtype())
    fail("mat1 and mat2 must have the same dtype, but got ", mat1.dtype(), " and ", mat2.dtype());
  const DType dtype = self.dtype();
  check_dtype("addmm_impl_cpu_", dtype);
  const Factors by(beta, alpha, dtype);
  for (const Tensor* t : {&self, &mat1, &mat2}) check_cpu("addmm", *t);

  Tensor out = produce(target.kind == Target::Kind::InPlace ? "addmm_" : "addmm", target, self, shape, beta,
                       {&mat1, &mat2}, [&](const Tensor& to) {
                         products::gemm(dtype, matrix(mat1), matrix(mat2), to.data(), to.strides()[0], to.strides()[1],
                                        alpha, beta);
                       });
  autograd::attach(target.kind == Target::Kind::InPlace, out, node);
  return out;
}

Tensor addmv(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha,
             Target target) {
  if (target.kind == Target::Kind::InPlace) autograd::check_inplace(self, autograd::needs(mat, vec));
  const bool for_a = autograd::needs(mat), for_x = autograd::needs(vec);
  const bool record = (for_a || for_x || autograd::needs(self)) && target.kind != Target::Kind::Out;
  Tensor a = mat, x = vec;
  if (record) {
    if (for_x) a = unchanged(mat, self, target);
    if (for_a) x = unchanged(vec, self, target);
  }
  Ref<Node> node;
  if (record)
    node = autograd::make_node("AddmvBackward0", {&self, &mat, &vec},
                               [a = save_if(for_x, a), x = save_if(for_a, x), beta, alpha](Grads& g) {
                                 if (g.needs(0)) g[0] = scaled(g.grad(), beta);
                                 if (g.needs(1)) g[1] = mv_grad_matrix(g.grad(), g.unpack(x), alpha);
                                 if (g.needs(2)) g[2] = mv_grad_vector(g.grad(), g.unpack(a), alpha);
                               });
  if (mat.dim() != 2 || vec.dim() != 1 || self.dim() > 1)
    fail("vector + matrix @ vector expected, got ", self.dim(), ", ", mat.dim(), ", ", vec.dim());
  const int64_t shape[1] = {mat.sizes()[0]};
  if (mat.sizes()[1] != vec.sizes()[0] || (self.numel() != shape[0] && self.numel() != 1))
    fail("size mismatch, got input (", self.numel(), "), mat (", mat.sizes()[0], "x", mat.sizes()[1], "), vec (",
         vec.sizes()[0], ")");
  if (self.dtype() != mat.dtype() || self.dtype() != vec.dtype())
    fail("addmv input tensors must have the same dtype, but got ", self.dtype(), ", ", mat.dtype(), ", and ",
         vec.dtype());
  const DType dtype = self.dtype();
  check_dtype("addmv_impl_cpu", dtype);
  const Factors by(beta, alpha, dtype);
  for (const Tensor* t : {&self, &mat, &vec}) check_cpu("addmv", *t);

  Tensor out = produce(target.kind == Target::Kind::InPlace ? "addmv_" : "addmv", target, self, shape, beta,
                       {&mat, &vec}, [&](const Tensor& to) {
                         products::gemm(dtype, matrix(mat), {vec.data(), vec.sizes()[0], 1, vec.strides()[0], 1},
                                        to.data(), to.strides()[0], 1, alpha, beta);
                       });
  autograd::attach(target.kind == Target::Kind::InPlace, out, node);
  return out;
}

Tensor baddbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta, const Scalar& alpha,
               Target target) {
  if (target.kind == Target::Kind::InPlace) autograd::check_inplace(self, autograd::needs(batch1, batch2));
  const bool for_a = autograd::needs(batch1), for_b = autograd::needs(batch2);
  const bool record = (for_a || for_b || autograd::needs(self)) && target.kind != Target::Kind::Out;
  Tensor a = batch1, b = batch2;
  if (record) {
    if (for_b) a = unchanged(batch1, self, target);
    if (for_a) b = unchanged(batch2, self, target);
  }
  Ref<Node> node;
  if (record)
    node = autograd::make_node("BaddbmmBackward0", {&self, &batch1, &batch2},
                               [a = save_if(for_b, a), b = save_if(for_a, b), beta, alpha](Grads& g) {
                                 if (g.needs(0)) g[0] = scaled(g.grad(), beta);
                                 if (g.needs(1)) g[1] = bmm_grad_a(g.grad(), g.unpack(b), alpha);
                                 if (g.needs(2)) g[2] = bmm_grad_b(g.grad(), g.unpack(a), alpha);
                               });
  check_batches(batch1, batch2);
  const int64_t shape[3] = {batch1.sizes()[0], batch1.sizes()[1], batch2.sizes()[2]};
  if (target.kind != Target::Kind::InPlace && !equal(self.sizes(), shape) &&
      !layout::is_expandable_to(self.sizes(), shape))
    layout::expand(self, shape);  // raises
  if (self.dtype() != batch1.dtype())
    fail("Input dtypes must be the same, got: input ", cpp_type_name(self.dtype()),
         ", batch1: ", cpp_type_name(batch1.dtype()), ", batch2: ", cpp_type_name(batch2.dtype()));
  if (batch1.dtype() != batch2.dtype()) fail("expected scalar type ", batch1.dtype(), " but found ", batch2.dtype());
  const DType dtype = self.dtype();
  check_dtype("baddbmm", dtype);
  const Factors by(beta, alpha, dtype);
  check_cpu("baddbmm", self);

  Tensor out =
      produce(target.kind == Target::Kind::InPlace ? "baddbmm_" : "baddbmm", target, self, shape, beta,
              {&batch1, &batch2}, [&](const Tensor& to) {
                const IntSpan sa = batch1.strides(), sb = batch2.strides(), sc = to.strides();
                products::gemm_batched(dtype, shape[0], {batch1.data(), shape[1], batch1.sizes()[2], sa[1], sa[2]},
                                       sa[0], {batch2.data(), batch2.sizes()[1], shape[2], sb[1], sb[2]}, sb[0],
                                       to.data(), sc[0], sc[1], sc[2], alpha, beta);
                // Small products are there even if their factor is 0, as in torch: NaN stays.
                if (alpha.equals(0) && shape[1] * shape[2] * batch1.sizes()[2] < 400) {
                  NoGradGuard no_grad;
                  add_(to, mul(bmm(batch1, batch2), 0));
                }
              });
  autograd::attach(target.kind == Target::Kind::InPlace, out, node);
  return out;
}

}  // namespace

Tensor addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta, const Scalar& alpha) {
  return addmm(self, mat1, mat2, beta, alpha, Target{});
}
const Tensor& addmm_(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                     const Scalar& alpha) {
  addmm(self, mat1, mat2, beta, alpha, {Target::Kind::InPlace, &self});
  return self;
}
const Tensor& addmm_out(const Tensor& out, const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                        const Scalar& beta, const Scalar& alpha) {
  addmm(self, mat1, mat2, beta, alpha, {Target::Kind::Out, &out});
  return out;
}

Tensor addmv(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha) {
  return addmv(self, mat, vec, beta, alpha, Target{});
}
const Tensor& addmv_(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta,
                     const Scalar& alpha) {
  addmv(self, mat, vec, beta, alpha, {Target::Kind::InPlace, &self});
  return self;
}

Tensor baddbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
               const Scalar& alpha) {
  return baddbmm(self, batch1, batch2, beta, alpha, Target{});
}
const Tensor& baddbmm_(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
                       const Scalar& alpha) {
  baddbmm(self, batch1, batch2, beta, alpha, {Target::Kind::InPlace, &self});
  return self;
}

Tensor addbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta, const Scalar& alpha) {
  if (batch1.dim() != 3) fail("batch1 must be a 3D tensor");
  if (batch2.dim() != 3) fail("batch2 must be a 3D tensor");
  const int64_t batch = batch1.sizes()[0], k = batch1.sizes()[2];
  const int64_t shape[2] = {batch1.sizes()[1], batch2.sizes()[2]};
  if (batch2.sizes()[0] != batch)
    fail("batch1 and batch2 must have same number of batches, got ", batch, " and ", batch2.sizes()[0]);
  if (batch2.sizes()[1] != k)
    fail("Incompatible matrix sizes for bmm (", shape[0], "x", k, " and ", batch2.sizes()[1], "x", shape[1], ")");
  if (!layout::is_expandable_to(self.sizes(), shape)) layout::expand(self, shape);  // raises
  if (self.dtype() != batch2.dtype())
    fail("self and mat2 must have the same dtype, but got ", self.dtype(), " and ", batch2.dtype());
  if (batch1.dtype() != batch2.dtype())
    fail("mat1 and mat2 must have the same dtype, but got ", batch1.dtype(), " and ", batch2.dtype());
  const DType dtype = self.dtype();
  check_dtype("addmm_impl_cpu_", dtype);
  const Factors by(beta, alpha, dtype);
  for (const Tensor* t : {&self, &batch1, &batch2}) check_cpu("addbmm", *t);

  Tensor out = empty(shape, dtype);
  fill_with(out, self, beta);
  // Without batches the loop scales self all the same.
  Matrix a{batch1.data(), shape[0], batch ? k : 0, batch1.strides()[1], batch1.strides()[2]};
  Matrix b{batch2.data(), a.cols, shape[1], batch2.strides()[1], batch2.strides()[2]};
  for (int64_t i = 0; i < std::max<int64_t>(batch, 1); ++i) {
    products::gemm(dtype, a, b, out.data(), out.strides()[0], 1, alpha, i == 0 ? beta : Scalar(1));
    a.data += batch1.strides()[0] * out.item_size();
    b.data += batch2.strides()[0] * out.item_size();
  }
  const bool for_a = autograd::needs(batch1), for_b = autograd::needs(batch2);
  if (for_a || for_b || autograd::needs(self))
    autograd::record("AddbmmBackward0", out, {&self, &batch1, &batch2},
                     [a = save_if(for_b, batch1), b = save_if(for_a, batch2), batch, beta, alpha](Grads& g) {
                       if (g.needs(0)) g[0] = scaled(g.grad(), beta);
                       if (!g.needs(1) && !g.needs(2)) return;
                       const int64_t shape[3] = {batch, g.grad().sizes()[0], g.grad().sizes()[1]};
                       const Tensor grad = expand(unsqueeze(g.grad(), 0), shape);
                       if (g.needs(1)) g[1] = bmm_grad_a(grad, g.unpack(b), alpha);
                       if (g.needs(2)) g[2] = bmm_grad_b(grad, g.unpack(a), alpha);
                     });
  return out;
}

}  // namespace rushlight
