// Joins: cat, stack, hstack ..., and tensors built from all pairs of elements.
#include "bindings/python.h"
#include "rushlight/shape.h"

namespace rushlight::python {

namespace {

template <Tensor (*F)(std::span<const Tensor>, int64_t),
          const Tensor& (*Out)(const Tensor&, std::span<const Tensor>, int64_t)>
PyObject* joined(Args& a) {
  const TensorList tensors = a.tensors(0);
  if (!a.has(2)) return wrap(F(tensors, a.integer(1)));
  Out(a.tensor(2), tensors, a.integer(1));
  return Py_NewRef(a.object(2));
}

template <Tensor (*F)(std::span<const Tensor>), const Tensor& (*Out)(const Tensor&, std::span<const Tensor>)>
PyObject* stacked(Args& a) {
  const TensorList tensors = a.tensors(0);
  if (!a.has(1)) return wrap(F(tensors));
  Out(a.tensor(1), tensors);
  return Py_NewRef(a.object(1));
}

template <Tensor (*F)(const Tensor&)>
PyObject* at_least(Args& a) {
  const TensorList tensors = a.tensors(0);
  TensorList result;
  for (const Tensor& t : tensors) result.push_back(F(t));
  return wrap(result);
}

}  // namespace

void register_join() {
  def("cat(Tensor[] tensors, int dim=0, *, Tensor? out=None)", joined<cat, cat_out>, kFunction,
      "Joins tensors along an existing dim; all other sizes must be equal, dtypes are promoted.");
  def_alias("concat", "cat", kFunction);
  def_alias("concatenate", "cat", kFunction);
  def("stack(Tensor[] tensors, int dim=0, *, Tensor? out=None)", joined<stack, stack_out>, kFunction,
      "Joins tensors of one shape along a new dim.");
  def("hstack(Tensor[] tensors, *, Tensor? out=None)", stacked<hstack, hstack_out>, kFunction,
      "Joins tensors along dim 1, vectors along dim 0; 0-d tensors count as vectors.");
  def("vstack(Tensor[] tensors, *, Tensor? out=None)", stacked<vstack, vstack_out>, kFunction,
      "Joins tensors along dim 0; vectors count as matrices of one row.");
  def_alias("row_stack", "vstack", kFunction);
  def("dstack(Tensor[] tensors, *, Tensor? out=None)", stacked<dstack, dstack_out>, kFunction,
      "Joins tensors along dim 2 after atleast_3d.");
  def("column_stack(Tensor[] tensors, *, Tensor? out=None)", stacked<column_stack, column_stack_out>, kFunction,
      "Joins matrices along dim 1; vectors count as columns.");
  def_op(
      "combinations(Tensor input, int r=2, bool with_replacement=False)",
      [](const Args& a) { return combinations(a.tensor(0), a.integer(1, 2), a.flag(2)); }, kFunction,
      "All choices of r elements of a vector, as rows in the order of their positions.");
  def_op(
      "kron(Tensor input, Tensor other, *, Tensor? out=None)",
      [](const Args& a) { return kron(a.tensor(0), a.tensor(1)); }, kBoth,
      "The Kronecker product: every element of input times the whole of other, as blocks.");
  // What the functions of _shape.py with any number of tensors call.
  def("_block_diag(Tensor[] tensors)", [](Args& a) { return wrap(block_diag(a.tensors(0))); }, kFunction);
  def("_cartesian_prod(Tensor[] tensors)", [](Args& a) { return wrap(cartesian_prod(a.tensors(0))); }, kFunction);
  def(
      "_meshgrid(Tensor[] tensors, str indexing) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(meshgrid(a.tensors(0), a.text(1))); }, kFunction);
  def("_atleast_1d(Tensor[] tensors) -> tuple[Tensor, ...]", at_least<atleast_1d>, kFunction);
  def("_atleast_2d(Tensor[] tensors) -> tuple[Tensor, ...]", at_least<atleast_2d>, kFunction);
  def("_atleast_3d(Tensor[] tensors) -> tuple[Tensor, ...]", at_least<atleast_3d>, kFunction);
}

}  // namespace rushlight::python
