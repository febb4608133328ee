#include "bindings/conj.h"

#include <string_view>
#include <unordered_set>

namespace rushlight::python {

bool is_lazy_aware(const char* name) {
  // Everything else gets resolved copies, so a view that is missing here would not share memory.
  static const std::unordered_set<std::string_view> names = {
      // views
      "_atleast_1d", "_atleast_2d", "_atleast_3d", "_make_subclass", "_meshgrid", "_neg_view", "adjoint", "as_strided",
      "as_subclass", "broadcast_tensors_list", "broadcast_to", "chunk", "conj", "detach", "diagonal", "dsplit",
      "expand", "expand_as", "flatten", "hsplit", "imag", "moveaxis", "movedim", "narrow", "permute", "ravel", "real",
      "reshape", "reshape_as", "select", "split", "split_with_sizes", "squeeze", "swapaxes", "swapdims", "t",
      "tensor_split", "transpose", "unbind", "unflatten", "unfold", "unsafe_chunk", "unsafe_split",
      "unsafe_split_with_sizes", "unsqueeze", "view", "view_as", "view_as_complex", "view_as_real", "vsplit",
      // the same object under another geometry, or other memory
      "as_strided_", "detach_", "requires_grad_", "resize", "resize_", "resize_as", "resize_as_", "set_",
      "share_memory_", "squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "unsqueeze_",
      // self or a copy
      "__copy__", "__deepcopy__", "__reduce_ex__", "as_tensor", "asarray", "bfloat16", "bool", "byte", "cdouble",
      "cfloat", "chalf", "char", "clone", "contiguous", "copy_", "cpu", "cuda", "double", "float", "half", "int",
      "long", "positive", "resolve_conj", "resolve_neg", "short", "to", "to_device", "type", "type_as",
      // refusals
      "__array__", "__dlpack__", "_to_dlpack", "to_dlpack", "from_dlpack", "frombuffer", "numpy",
      // questions
      "__dlpack_device__", "_is_view", "_typed_storage", "const_data_ptr", "data_ptr", "dim", "dim_order",
      "element_size", "get_device", "is_complex", "is_conj", "is_contiguous", "is_floating_point", "is_inference",
      "is_neg", "is_pinned", "is_same_size", "is_set_to", "is_shared", "is_signed", "is_tensor", "ndimension",
      "nelement", "numel", "size", "storage", "storage_offset", "stride", "untyped_storage",
      // derivatives
      "_autograd_backward", "_autograd_grad", "backward", "register_hook", "register_post_accumulate_grad_hook",
      "retain_grad"};
  return names.contains(name);
}

namespace {

bool holds_lazy(PyObject* o) {
  if (is_tensor(o)) return unwrap(o).is_lazy();
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
    if (PyObject* item = PySequence_Fast_GET_ITEM(o, i); is_tensor(item) && unwrap(item).is_lazy()) return true;
  return false;
}

}  // namespace

PyObject* without_lazy(PyObject* o) {
  if (!holds_lazy(o)) return Py_NewRef(o);
  if (is_tensor(o)) return wrap(resolve_lazy(unwrap(o)));
  Owned list(PyList_New(0));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    // A copy may let other threads change the list.
    const Owned item(Py_NewRef(PySequence_Fast_GET_ITEM(o, i)));
    const Owned plain(is_tensor(item.get()) ? without_lazy(item.get()) : Py_NewRef(item.get()));
    if (PyList_Append(list.get(), plain.get()) < 0) throw PythonError{};
  }
  return PyTuple_Check(o) ? check_object(PyList_AsTuple(list.get())) : list.release();
}

void store_resolved(const Tensor& self, const Tensor& changed) {
  if (changed.dtype() != self.dtype() || !equal(changed.sizes(), self.sizes()))
    fail("the shape and dtype of a tensor that has the ", self.is_conj() ? "conjugate" : "negative",
         " bit set cannot be changed in place; call ", self.is_conj() ? "resolve_conj" : "resolve_neg", "() first");
  copy_(self, changed);
}

}  // namespace rushlight::python
