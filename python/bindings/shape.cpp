#include "rushlight/shape.h"
#include "bindings/conj.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

PyObject* size_of(Args& a) {
  if (a.has(1)) return PyLong_FromLongLong(a.tensor(0).size(a.integer(1)));
  return wrap_size(a.tensor(0).sizes());
}
PyObject* stride_of(Args& a) {
  if (a.has(1)) return PyLong_FromLongLong(a.tensor(0).stride(a.integer(1)));
  return wrap_ints(a.tensor(0).strides());
}

DimVector dims_of(const Args& a, int i) { return a.ints(i); }

// Gives self the geometry and the history of a view of it.
PyObject* inplace_view(const Args& a, Tensor (*make)(const Args& a, const Tensor& t)) {
  const Tensor& t = a.tensor(0);
  autograd::check_inplace(t);
  const Tensor v = make(a, t);
  const Ref<Node> node = v.grad_fn();
  t.impl()->set_geometry(v.sizes(), v.strides(), v.storage_offset());
  t.bump_version(a.function);
  if (node) autograd::set_history(t, node);
  return Py_NewRef(a.object(0));
}

}  // namespace

void register_shape() {
  def(
      "view(Tensor self, int[*] size)", [](Args& a) { return wrap(view(a.tensor(0), dims_of(a, 1))); }, kMethod,
      "view(*shape)\n\nThe same memory under another shape; one size may be -1. Raises RuntimeError where the strides "
      "do not "
      "allow it.");
  def("view(Tensor self, dtype dtype)", [](Args& a) { return wrap(view_dtype(a.tensor(0), *a.dtype(1))); }, kMethod);
  def(
      "view_as(Tensor self, Tensor other)", [](Args& a) { return wrap(view(a.tensor(0), a.tensor(1).sizes())); },
      kMethod);
  def(
      "reshape(Tensor input, int[*] shape)", [](Args& a) { return wrap(reshape(a.tensor(0), dims_of(a, 1))); }, kBoth,
      "The elements in row-major order under another shape: a view where possible, else a copy. One size may be -1.");
  def(
      "reshape_as(Tensor self, Tensor other)", [](Args& a) { return wrap(reshape(a.tensor(0), a.tensor(1).sizes())); },
      kMethod);
  def(
      "flatten(Tensor input, int start_dim=0, int end_dim=-1)",
      [](Args& a) {
        Tensor r = flatten(a.tensor(0), a.integer(1, 0), a.integer(2, -1));
        return wrap(r);
      },
      kBoth, "Joins the dims from start_dim to end_dim into one.");
  def(
      "ravel(Tensor input)", [](Args& a) { return wrap(ravel(a.tensor(0))); }, kBoth,
      "The elements in row-major order as a vector: a view where possible, else a copy.");
  def("unflatten(Tensor input, int dim, int[1] sizes)",
      [](Args& a) { return wrap(unflatten(a.tensor(0), a.integer(1), a.ints(2))); });
  def(
      "squeeze(Tensor input)", [](Args& a) { return wrap(squeeze(a.tensor(0))); }, kBoth,
      "A view without the dims of size 1; with dim (an int or a tuple) only those among them.");
  def("squeeze(Tensor input, int[1] dim)", [](Args& a) { return wrap(squeeze(a.tensor(0), IntSpan(a.ints(1)))); });
  def(
      "unsqueeze(Tensor input, int dim)", [](Args& a) { return wrap(unsqueeze(a.tensor(0), a.integer(1))); }, kBoth,
      "A view with a new dim of size 1 before `dim`.");
  def(
      "squeeze_(Tensor self, int[1]? dim=None)",
      [](Args& a) { return inplace_view(a, [](const Args& a, const Tensor& t) { return squeeze(t, DimsArg(a, 1)); }); },
      kMethod);
  def(
      "unsqueeze_(Tensor self, int dim)",
      [](Args& a) {
        return inplace_view(a, [](const Args& a, const Tensor& t) { return unsqueeze(t, a.integer(1)); });
      },
      kMethod);
  def(
      "t_(Tensor self)",
      [](Args& a) {
        return inplace_view(a, [](const Args&, const Tensor& t) {
          if (t.dim() > 2) fail("t_() expects a tensor with <= 2 dimensions, but self is ", t.dim(), "D");
          return rushlight::t(t);
        });
      },
      kMethod);
  def(
      "transpose_(Tensor self, int dim0, int dim1)",
      [](Args& a) {
        return inplace_view(a, [](const Args& a, const Tensor& t) { return transpose(t, a.integer(1), a.integer(2)); });
      },
      kMethod);
  def(
      "swapaxes_(Tensor self, int axis0, int axis1)",
      [](Args& a) {
        return inplace_view(a, [](const Args& a, const Tensor& t) { return transpose(t, a.integer(1), a.integer(2)); });
      },
      kMethod);
  def_alias("swapdims_", "transpose_", kMethod);
  def(
      "as_strided_(Tensor input, int[] size, int[] stride, int? storage_offset=None)",
      [](Args& a) {
        return inplace_view(a, [](const Args& a, const Tensor& t) {
          return as_strided(t, a.ints(1), a.ints(2), a.integer_or_none(3));
        });
      },
      kBoth);
  def(
      "transpose(Tensor input, int dim0, int dim1)",
      [](Args& a) { return wrap(transpose(a.tensor(0), a.integer(1), a.integer(2))); }, kBoth,
      "A view with two dims swapped.");
  def("swapaxes(Tensor input, int axis0, int axis1)",
      [](Args& a) { return wrap(transpose(a.tensor(0), a.integer(1), a.integer(2))); });
  def_alias("swapdims", "transpose");
  def(
      "t(Tensor input)", [](Args& a) { return wrap(t(a.tensor(0))); }, kBoth,
      "Transpose of a matrix; 1-d and 0-d tensors as they are.");
  def("adjoint(Tensor input)", [](Args& a) {
    const Tensor& t = a.tensor(0);
    if (t.dim() == 1) fail("tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.");
    return wrap(lazy_conj(matrix_T(t)));
  });
  def("permute(Tensor self, int[*] dims)", [](Args& a) { return wrap(permute(a.tensor(0), dims_of(a, 1))); }, kMethod);
  def(
      "permute(Tensor input, int[] dims)", [](Args& a) { return wrap(permute(a.tensor(0), a.ints(1))); }, kFunction,
      "A view with the dims in the given order.");
  for (const char* signature : {"movedim(Tensor input, int[1] source, int[1] destination)",
                                "moveaxis(Tensor input, int[1] source, int[1] destination)"})
    def(signature, [](Args& a) { return wrap(movedim(a.tensor(0), a.ints(1), a.ints(2))); });
  def(
      "expand(Tensor self, int[*] size, *, bool implicit=False)",
      [](Args& a) { return wrap(expand(a.tensor(0), dims_of(a, 1))); }, kMethod,
      "expand(*sizes)\n\nA view in which dims of size 1 are repeated without copying; -1 keeps a size.");
  def(
      "expand_as(Tensor self, Tensor other)", [](Args& a) { return wrap(expand(a.tensor(0), a.tensor(1).sizes())); },
      kMethod);
  def("broadcast_to(Tensor input, int[] size)", [](Args& a) { return wrap(expand(a.tensor(0), a.ints(1))); });
  def(
      "narrow(Tensor input, int dim, int start, int length)",
      [](Args& a) { return wrap(narrow(a.tensor(0), a.integer(1), a.integer(2), a.integer(3))); }, kBoth,
      "A view of `length` slices of a dim, from `start` on; start may be a 0-d integer tensor.");
  def("narrow(Tensor input, int dim, Tensor start, int length)", [](Args& a) {
    const Tensor& start = a.tensor(2);
    if (start.dim() != 0 || !is_integral(start.dtype(), false)) fail("start must be an 0-dim integral Tensor.");
    return wrap(narrow(a.tensor(0), a.integer(1), start.item().to_int(), a.integer(3)));
  });
  def(
      "select(Tensor input, int dim, int index)",
      [](Args& a) { return wrap(select(a.tensor(0), a.integer(1), a.integer(2))); }, kBoth,
      "A view of one slice of a dim, which disappears.");
  def(
      "unfold(Tensor self, int dimension, int size, int step)",
      [](Args& a) { return wrap(unfold(a.tensor(0), a.integer(1), a.integer(2), a.integer(3))); }, kMethod,
      "A view of all windows of `size` elements along a dim, `step` apart; they form a new last dim.");
  def(
      "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None)",
      [](Args& a) { return wrap(as_strided(a.tensor(0), a.ints(1), a.ints(2), a.integer_or_none(3))); }, kBoth,
      "A view of the storage with the given sizes, strides and offset (elements), checked against its bounds.");
  def("view_as_real(Tensor input)", [](Args& a) { return wrap(view_as_real(a.tensor(0))); }, kFunction);
  def("view_as_complex(Tensor input)", [](Args& a) { return wrap(view_as_complex(a.tensor(0))); }, kFunction);
  def(
      "sum_to_size(Tensor self, int[*] size)",
      [](Args& a) {
        const DimVector size = dims_of(a, 1);
        return wrap(size.empty() ? sum(a.tensor(0)) : sum_to_size(a.tensor(0), size));
      },
      kMethod);
  def("size(Tensor self, int? dim=None) -> Size", size_of, kMethod, "Sizes of all dims, or of one.");
  def("stride(Tensor self, int? dim=None) -> tuple[int, ...]", stride_of, kMethod,
      "Strides of all dims in elements, or of one.");
  def(
      "storage_offset(Tensor self) -> int", [](Args& a) { return PyLong_FromLongLong(a.tensor(0).storage_offset()); },
      kMethod, "Elements of storage before the first one.");
  def(
      "data_ptr(Tensor self) -> int",
      [](Args& a) {
        const Tensor& t = a.tensor(0);
        return PyLong_FromVoidPtr(t.numel() ? t.raw_data() : nullptr);
      },
      kMethod, "Address of the first element; 0 for tensors without elements.");
  def(
      "numel(Tensor input) -> int", [](Args& a) { return PyLong_FromLongLong(a.tensor(0).numel()); }, kBoth,
      "Number of elements.");
  def_alias("nelement", "numel", kMethod);
  def("dim(Tensor self) -> int", [](Args& a) { return PyLong_FromLongLong(a.tensor(0).dim()); }, kMethod);
  def_alias("ndimension", "dim", kMethod);
  def(
      "element_size(Tensor self) -> int", [](Args& a) { return PyLong_FromLongLong(a.tensor(0).item_size()); }, kMethod,
      "Bytes per element.");
  def(
      "is_set_to(Tensor self, Tensor tensor) -> bool",
      [](Args& a) {
        const Tensor &x = a.tensor(0), &y = a.tensor(1);
        return wrap_bool(x.storage() == y.storage() && x.storage_offset() == y.storage_offset() &&
                         equal(x.sizes(), y.sizes()) && equal(x.strides(), y.strides()));
      },
      kMethod);
  def(
      "broadcast_tensors_list(Tensor[] tensors) -> tuple[Tensor, ...]",
      [](Args& a) { return wrap(broadcast_tensors(a.tensors(0))); }, kFunction);
  def("_is_view(Tensor self) -> bool", [](Args& a) { return wrap_bool(a.tensor(0).impl()->base != nullptr); }, kMethod);
}

}  // namespace rushlight::python
