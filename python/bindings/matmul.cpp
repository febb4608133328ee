#include "bindings/python.h"

namespace rushlight::python {

namespace {

// out at 2
template <Tensor (*F)(const Tensor&, const Tensor&), const Tensor& (*Out)(const Tensor&, const Tensor&, const Tensor&)>
PyObject* product(Args& a) {
  if (!a.has(2)) return wrap(F(a.tensor(0), a.tensor(1)));
  Out(a.tensor(2), a.tensor(0), a.tensor(1));
  return Py_NewRef(a.object(2));
}

}  // namespace

void register_matmul() {
  def("matmul(Tensor input, Tensor other, *, Tensor? out=None)", product<matmul, matmul_out>, kBoth,
      "Product of vectors, matrices or batches of matrices, as the operator @.\n\n1-d x 1-d: dot product; 2-d: matrix "
      "product; "
      "more dims: batches, which broadcast.\nRaises RuntimeError for shapes that do not fit and for different dtypes.");
  def("mm(Tensor input, Tensor mat2, *, Tensor? out=None)", product<mm, mm_out>, kBoth,
      "Product of two matrices [n, k] and [k, m].");
  def("bmm(Tensor input, Tensor mat2, *, Tensor? out=None)", product<bmm, bmm_out>, kBoth,
      "Products of the matrices of two batches [b, n, k] and [b, k, m].");
  def("mv(Tensor input, Tensor vec, *, Tensor? out=None)", product<mv, mv_out>, kBoth,
      "Product of a matrix [n, k] and a vector [k].");
  def("dot(Tensor input, Tensor tensor, *, Tensor? out=None)", product<dot, dot_out>, kBoth,
      "Dot product of two vectors.");
  def("outer(Tensor input, Tensor vec2, *, Tensor? out=None)", product<outer, outer_out>, kBoth,
      "Products of all pairs of two vectors: [n, m].");
  def_alias("ger", "outer");
  def("inner(Tensor input, Tensor other, *, Tensor? out=None)", product<inner, inner_out>, kBoth,
      "Sums of products over the last dims of both.");
  def(
      "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(5)) return wrap(addmm(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3, 1), a.scalar(4, 1)));
        addmm_out(a.tensor(5), a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3, 1), a.scalar(4, 1));
        return Py_NewRef(a.object(5));
      },
      kBoth, "beta * input + alpha * (mat1 @ mat2).");
  def_op(
      "vdot(Tensor input, Tensor other, *, Tensor? out=None)",
      [](const Args& a) { return vdot(a.tensor(0), a.tensor(1)); }, kBoth,
      "Dot product of two vectors, the first conjugated.");
#define RL_FUSED(name, second, third, forms)                                                                           \
  def_op(                                                                                                              \
      #name "(Tensor input, Tensor " second ", Tensor " third ", *, Scalar beta=1, Scalar alpha=1, Tensor? out=None)", \
      [](const Args& a) { return name(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3, 1), a.scalar(4, 1)); },       \
      forms)
#define RL_FUSED_INPLACE(name, second, third, forms)                                                \
  def(                                                                                              \
      #name "(Tensor self, Tensor " second ", Tensor " third ", *, Scalar beta=1, Scalar alpha=1)", \
      [](Args& a) {                                                                                 \
        name(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3, 1), a.scalar(4, 1));                \
        return Py_NewRef(a.object(0));                                                              \
      },                                                                                            \
      forms)
  RL_FUSED(addmv, "mat", "vec", kBoth);
  RL_FUSED(baddbmm, "batch1", "batch2", kBoth);
  RL_FUSED(addbmm, "batch1", "batch2", kAll);
  RL_FUSED_INPLACE(addmm_, "mat1", "mat2", kMethod);
  RL_FUSED_INPLACE(addmv_, "mat", "vec", kBoth);
  RL_FUSED_INPLACE(baddbmm_, "batch1", "batch2", kMethod);
#undef RL_FUSED
#undef RL_FUSED_INPLACE
}

}  // namespace rushlight::python
