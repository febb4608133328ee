#include "bindings/python.h"

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

}  // namespace

void register_join() {
  def("cat(Tensor[] tensors, int dim=0, *, Tensor? out=None)", joined<cat, cat_out>, kFunction,
      "Joins tensors along an existing dim; all other sizes must be equal, dtypes are promoted.");
  def_alias("concat", "cat", kFunction);
  def_alias("concatenate", "cat", kFunction);
  def("stack(Tensor[] tensors, int dim=0, *, Tensor? out=None)", joined<stack, stack_out>, kFunction,
      "Joins tensors of one shape along a new dim.");
}

}  // namespace rushlight::python
