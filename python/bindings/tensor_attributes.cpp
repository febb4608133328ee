// What tensors answer and take as attributes: shape, dtype, grad, data, real ...
#include "bindings/tensor_attributes.h"

#include "bindings/autograd.h"
#include "bindings/conj.h"
#include "bindings/override.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

// The closure of an attribute is its name.
#define RL_TAKEN_OVER_GETTER                                                                                         \
  if (PyObject* taken; overrides_possible() && overridden_getter(self, static_cast<const char*>(attribute), &taken)) \
      [[unlikely]]                                                                                                   \
  return taken
#define RL_TAKEN_OVER_SETTER                                                                                          \
  if (int taken; overrides_possible() && overridden_setter(self, static_cast<const char*>(attribute), value, &taken)) \
      [[unlikely]]                                                                                                    \
  return taken

#define RL_GETTER(name, expression)                       \
  PyObject* get_##name(PyObject* self, void* attribute) { \
    RL_TAKEN_OVER_GETTER;                                 \
    return guarded([&]() -> PyObject* {                   \
      const Tensor& t = unwrap(self);                     \
      (void)t;                                            \
      return expression;                                  \
    });                                                   \
  }
RL_GETTER(shape, wrap_size(t.sizes()))
RL_GETTER(dtype, wrap_dtype(t.dtype()))
RL_GETTER(device, wrap_device(t.device()))
RL_GETTER(ndim, PyLong_FromLongLong(t.dim()))
RL_GETTER(T, [&] {
  if (t.dim() != 2 && t.dim() != 0) {
    static bool warned = false;
    if (!warned) {
      warned = true;
      warn(
          "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
          "throw an error in a future release. Consider `x.mT` to transpose batches of matrices or "
          "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.");
    }
  }
  return wrap(numpy_T(t));
}())
RL_GETTER(mT, wrap(matrix_T(t)))
RL_GETTER(H, [&] {
  if (t.dim() != 2 && t.dim() != 0)
    fail("tensor.H is only supported on matrices (2-D tensors). Got ", t.dim(), "-D tensor.",
         t.dim() > 2 ? " For batches of matrices, consider using tensor.mH" : "");
  return wrap(lazy_conj(t.dim() ? matrix_T(t) : numpy_T(t)));
}())
RL_GETTER(mH, [&] {
  if (t.dim() == 1) fail("tensor.mH is only supported on matrices or batches of matrices. Got 1-D tensor.");
  return wrap(lazy_conj(matrix_T(t)));
}())
RL_GETTER(real, wrap(real(t)))
RL_GETTER(imag, wrap(imag(t)))
RL_GETTER(requires_grad, wrap_bool(t.requires_grad()))
RL_GETTER(is_leaf, wrap_bool(t.is_leaf()))
RL_GETTER(grad_fn, [&] {
  const Ref<Node> node = t.grad_fn();
  if (node) track(self);  // the caller may hang something on the node that refers to the tensor
  return wrap_node(node);
}())
RL_GETTER(retains_grad, wrap_bool(t.impl()->autograd&& t.impl()->autograd->retains_grad))
RL_GETTER(output_nr, PyLong_FromLong(t.impl()->autograd ? static_cast<long>(t.impl()->autograd->slot) : 0))
RL_GETTER(version, (t.impl()->inference ? fail("Inference tensors do not track version counter.") : void(),
                    PyLong_FromLong(t.version())))
RL_GETTER(itemsize, PyLong_FromLongLong(t.item_size()))
RL_GETTER(nbytes, PyLong_FromLongLong(t.nbytes()))
RL_GETTER(is_cuda, wrap_bool(t.device().type == DeviceType::CUDA))
RL_GETTER(is_cpu, wrap_bool(t.device().is_cpu()))
RL_GETTER(false, wrap_bool(false))
RL_GETTER(base, wrap(t.impl()->base ? Tensor(Ref<TensorImpl>(t.impl()->base)) : Tensor()))
RL_GETTER(name, t.impl()->autograd && !t.impl()->autograd->name.empty()
                    ? PyUnicode_FromString(t.impl()->autograd->name.c_str())
                    : none())
#undef RL_GETTER

PyObject* get_layout(PyObject* self, void* attribute) {
  RL_TAKEN_OVER_GETTER;
  return guarded([&] {
    Owned m(PyImport_ImportModule("rushlight._types"));
    return check_object(PyObject_GetAttrString(m.get(), "strided"));
  });
}

PyObject* get_grad(PyObject* self, void* attribute) {
  RL_TAKEN_OVER_GETTER;
  return guarded([&] {
    const Tensor& t = unwrap(self);
    const Tensor grad = t.grad();
    // The node that was recorded: grad_fn() would refuse where the base of a view was changed.
    const AutogradMeta* meta = t.impl()->autograd;
    if (!grad.defined() && meta && meta->grad_fn && !meta->retains_grad) {
      if (PyErr_WarnEx(
              PyExc_UserWarning,
              "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
              "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated "
              "for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf "
              "Tensor by mistake, make sure you access the leaf Tensor instead.",
              1) < 0)
        throw PythonError{};
    }
    return wrap(grad);
  });
}

int set_grad(PyObject* self, PyObject* value, void* attribute) {
  RL_TAKEN_OVER_SETTER;
  return guarded_status([&] {
    const Tensor& t = unwrap(self);
    if (!value || value == Py_None) {
      t.set_grad({});
      return;
    }
    if (!is_tensor(value))
      fail<TypeError>("assigned grad expected to be a Tensor or None but got grad of type ", type_name(value));
    if (value == self) fail("can't assign Variable as its own grad");
    t.set_grad(unwrap(value));
  });
}

int set_requires_grad(PyObject* self, PyObject* value, void* attribute) {
  RL_TAKEN_OVER_SETTER;
  return guarded_status([&] {
    if (!value || !PyBool_Check(value)) fail("requires_grad must be a bool");
    const Tensor& t = unwrap(self);
    // Views that are not plain: the node that was recorded, since grad_fn() refuses where their base was changed.
    const AutogradMeta* meta = t.impl()->autograd;
    const bool leaf = t.impl()->origin == ViewOrigin::Plain ? t.is_leaf() : !(meta && meta->grad_fn);
    if (value == Py_True && !leaf) fail("you can only change requires_grad flags of leaf variables.");
    t.set_requires_grad(value == Py_True);
  });
}

int set_grad_fn(PyObject* self, PyObject* value, void* attribute) {
  RL_TAKEN_OVER_SETTER;
  return guarded_status([&] {
    if (!value) fail("Deletion of _grad_fn not allowed. Detach tensor instead!");
    if (value != Py_None) fail("_grad_fn can be only set to None");
    autograd::detach_(unwrap(self));
  });
}

// Hooks are registered by register_hook(). Old code sets this to a dict, which is kept as any attribute is.
PyObject* get_backward_hooks(PyObject* self, void* attribute) {
  RL_TAKEN_OVER_GETTER;
  PyObject* own = PyObject_GenericGetDict(self, nullptr);
  if (!own) return nullptr;
  PyObject* found = PyDict_GetItemString(own, "_backward_hooks");
  Py_DECREF(own);
  return Py_NewRef(found ? found : Py_None);
}
int set_backward_hooks(PyObject* self, PyObject* value, void* attribute) {
  RL_TAKEN_OVER_SETTER;
  if (!value) {
    PyErr_SetString(PyExc_RuntimeError, "Deletion of _backwards_hooks not allowed!");
    return -1;
  }
  PyObject* own = PyObject_GenericGetDict(self, nullptr);
  if (!own) return -1;
  const int result = PyDict_SetItemString(own, "_backward_hooks", value);
  Py_DECREF(own);
  return result;
}

PyObject* get_data(PyObject* self, void* attribute) {
  RL_TAKEN_OVER_GETTER;
  return guarded([&] {
    // Shares memory, but neither history nor the counter of changes.
    const Tensor& t = unwrap(self);
    TensorImpl* impl = TensorImpl::create(t.storage(), t.dtype(), t.sizes(), t.strides(), t.storage_offset());
    impl->set_lazy(t.impl()->lazy());
    impl->inference = t.impl()->inference;
    impl->version = new VersionCounter;
    impl->version->owners = 1;
    return wrap(Tensor::adopt(impl));
  });
}

int set_data(PyObject* self, PyObject* value, void* attribute) {
  RL_TAKEN_OVER_SETTER;
  return guarded_status([&] {
    if (!value) fail("Deleting tensor data is not allowed. Delete tensor instead!");
    if (!is_tensor(value)) fail<TypeError>("Variable data has to be a tensor, but got ", type_name(value));
    const Tensor& t = unwrap(self);
    const Tensor& v = unwrap(value);
    if (t.requires_grad() && !is_differentiable(v.dtype()))
      fail("data set to a tensor that requires gradients must be floating point or complex dtype");
    set_storage(t, v);
    t.impl()->inference = v.impl()->inference;
  });
}

// x.real = values and x.imag = values write into x.
template <Tensor (*Part)(const Tensor&)>
int set_part(PyObject* self, PyObject* value, void* attribute) {
  RL_TAKEN_OVER_SETTER;
  return guarded_status([&] {
    if (!value || !(is_tensor(value) || is_number(value)))
      fail<TypeError>("the real or imaginary part of a tensor can be set to a tensor or a number, not ",
                      value ? type_name(value) : "nothing");
    const Owned plain(without_lazy(value));
    const Tensor& t = unwrap(self);
    auto store = [&](const Tensor& x) {
      is_tensor(plain.get()) ? copy_(Part(x), unwrap(plain.get())) : fill_(Part(x), to_scalar(plain.get()));
    };
    if (t.is_lazy())
      change_resolved(t, store);
    else
      store(t);
  });
}

// NumPy's older protocol, which imaging libraries ask for. Tensors that numpy() refuses do not have it, nor those whose
// handler is to see __array__.
PyObject* get_array_interface(PyObject* self, void*) {
  if (overrides_possible() && (modes_on() || has_own_handler(Py_TYPE(self)))) {
    PyErr_SetString(PyExc_AttributeError, "a tensor with __torch_function__ has no __array_interface__");
    return nullptr;
  }
  PyObject* array = guarded([&] { return to_numpy(unwrap(self)); });
  if (!array) {
    if (PyErr_ExceptionMatches(PyExc_Exception)) {
      PyErr_Clear();
      PyErr_SetString(PyExc_AttributeError, "this tensor has no __array_interface__: numpy() tells why");
    }
    return nullptr;
  }
  PyObject* found = PyObject_GetAttrString(array, "__array_interface__");
  Py_DECREF(array);
  return found;
}

}  // namespace

PyGetSetDef tensor_attributes[] = {
    {"shape", get_shape, nullptr, "Sizes of all dims, a torch.Size.", const_cast<char*>("shape")},
    {"dtype", get_dtype, nullptr, "Type of the elements.", const_cast<char*>("dtype")},
    {"device", get_device, nullptr, "Where the memory lies.", const_cast<char*>("device")},
    {"layout", get_layout, nullptr, "torch.strided.", const_cast<char*>("layout")},
    {"ndim", get_ndim, nullptr, "Number of dims.", const_cast<char*>("ndim")},
    {"T", get_T, nullptr, "View with all dims reversed.", const_cast<char*>("T")},
    {"mT", get_mT, nullptr, "View with the last two dims swapped.", const_cast<char*>("mT")},
    {"H", get_H, nullptr, "Conjugate transpose of a matrix.", const_cast<char*>("H")},
    {"mH", get_mH, nullptr, "Conjugate transpose of the last two dims.", const_cast<char*>("mH")},
    {"real", get_real, set_part<real>, "Real part; a view of complex tensors.", const_cast<char*>("real")},
    {"imag", get_imag, set_part<imag>, "Imaginary part, a view.", const_cast<char*>("imag")},
    {"grad", get_grad, set_grad, "Gradient that backward() has accumulated, or None.", const_cast<char*>("grad")},
    {"data", get_data, set_data, "The same memory without history.", const_cast<char*>("data")},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether operations on it are recorded.",
     const_cast<char*>("requires_grad")},
    {"is_leaf", get_is_leaf, nullptr, "Whether no recorded operation made it.", const_cast<char*>("is_leaf")},
    {"grad_fn", get_grad_fn, nullptr, "The recorded operation that made it, or None.", const_cast<char*>("grad_fn")},
    {"_grad_fn", get_grad_fn, set_grad_fn, nullptr, const_cast<char*>("_grad_fn")},
    {"_backward_hooks", get_backward_hooks, set_backward_hooks, nullptr, const_cast<char*>("_backward_hooks")},
    {"retains_grad", get_retains_grad, nullptr, "Whether retain_grad() was called on a result.",
     const_cast<char*>("retains_grad")},
    {"output_nr", get_output_nr, nullptr, "Which output of grad_fn it is.", const_cast<char*>("output_nr")},
    {"_version", get_version, nullptr, "Count of in-place changes.", const_cast<char*>("_version")},
    {"_base", get_base, nullptr, "The tensor it is a view of, or None.", const_cast<char*>("_base")},
    {"name", get_name, nullptr, "Name, or None.", const_cast<char*>("name")},
    {"itemsize", get_itemsize, nullptr, "Bytes per element.", const_cast<char*>("itemsize")},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", const_cast<char*>("nbytes")},
    {"is_cuda", get_is_cuda, nullptr, nullptr, const_cast<char*>("is_cuda")},
    {"is_cpu", get_is_cpu, nullptr, nullptr, const_cast<char*>("is_cpu")},
    {"is_sparse", get_false, nullptr, nullptr, const_cast<char*>("is_sparse")},
    {"is_sparse_csr", get_false, nullptr, nullptr, const_cast<char*>("is_sparse_csr")},
    {"is_quantized", get_false, nullptr, nullptr, const_cast<char*>("is_quantized")},
    {"is_mkldnn", get_false, nullptr, nullptr, const_cast<char*>("is_mkldnn")},
    {"is_meta", get_false, nullptr, nullptr, const_cast<char*>("is_meta")},
    {"is_nested", get_false, nullptr, nullptr, const_cast<char*>("is_nested")},
    {"is_mps", get_false, nullptr, nullptr, const_cast<char*>("is_mps")},
    {"is_xla", get_false, nullptr, nullptr, const_cast<char*>("is_xla")},
    {"is_xpu", get_false, nullptr, nullptr, const_cast<char*>("is_xpu")},
    {"is_ipu", get_false, nullptr, nullptr, const_cast<char*>("is_ipu")},
    {"is_maia", get_false, nullptr, nullptr, const_cast<char*>("is_maia")},
    {"is_mtia", get_false, nullptr, nullptr, const_cast<char*>("is_mtia")},
    {"is_vulkan", get_false, nullptr, nullptr, const_cast<char*>("is_vulkan")},
    {"__array_interface__", get_array_interface, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {}};

}  // namespace rushlight::python
