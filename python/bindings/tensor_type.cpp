// The Python type of tensors: its life and its operators.
#include <nanobind/stl/string.h>
#include <structmember.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "bindings/conj.h"
#include "bindings/cycles.h"
#include "bindings/iteration.h"
#include "bindings/override.h"
#include "bindings/tensor_attributes.h"
#include "core/parked.h"
#include "layout/layout.h"

namespace rushlight::python {

PyTypeObject TensorType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

// Objects of the exact type are kept for the next tensor. They are GC objects that are not tracked until they get an
// attribute of their own, so recycling them costs the collector nothing.
constexpr int kKept = 64;
PyTensor* g_kept[kKept];
int g_kept_count = 0;

// Until Python 3.12, memory for a new object may run the collector, and with it code that asks for the object of the
// same tensor.
class NoCollection {
 public:
#if PY_VERSION_HEX < 0x030C0000
  NoCollection() : enabled_(PyGC_Disable()) {}
  ~NoCollection() {
    if (enabled_) PyGC_Enable();
  }

 private:
  const int enabled_;
#else
  NoCollection() {}
#endif
};

[[gnu::noinline]] PyTensor* fresh_object(PyTypeObject* type) {
  const NoCollection guard;
  if (type != &TensorType) return reinterpret_cast<PyTensor*>(check_object(type->tp_alloc(type, 0)));
  auto* o = PyObject_GC_New(PyTensor, type);
  if (!o) throw PythonError{};
  o->dict = nullptr;
  o->weakrefs = nullptr;
  return o;
}

PyTensor* new_object() {
  if (g_kept_count == 0) return fresh_object(&TensorType);
  PyTensor* o = g_kept[--g_kept_count];
  PyObject_Init(reinterpret_cast<PyObject*>(o), &TensorType);
  return o;
}

void park(PyTensor* t, TensorImpl* impl) {
  auto* type = Py_TYPE(t);
  if (type == &TensorType && PyDict_CheckExact(t->dict) && PyDict_GET_SIZE(t->dict) == 0) return;
  Py_INCREF(type);
  impl->python = parked(new Parked{type, std::exchange(t->dict, nullptr)});
}

// Called when the tensor dies, on any thread.
void drop_parked(void* python) {
  auto* p = unparked<Parked>(python);
  if (Py_IsInitialized()) {
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(p->type);
    Py_XDECREF(p->dict);
    PyGILState_Release(state);
  }
  delete p;
}

// A new object for a tensor whose last one is gone but parked, or is being freed right now: callbacks of weak
// references and whatever else runs meanwhile must not bring that one back. The new one gets its class and attributes.
[[gnu::cold, gnu::noinline]] PyObject* revive(Tensor tensor) {
  TensorImpl* impl = tensor.impl();
  auto* p = is_parked(impl->python) ? unparked<Parked>(impl->python) : nullptr;
  auto* dying = p ? nullptr : static_cast<PyTensor*>(impl->python);
  PyTypeObject* type = p ? p->type : Py_TYPE(dying);
  PyTensor* o = type == &TensorType ? new_object() : fresh_object(type);
  o->impl = tensor.release();
  o->dict = std::exchange(p ? p->dict : dying->dict, nullptr);
  impl->python = o;
  if (p) {
    Py_DECREF(p->type);
    delete p;
  }
  if (o->dict && !PyObject_GC_IsTracked(reinterpret_cast<PyObject*>(o)))
    PyObject_GC_Track(reinterpret_cast<PyObject*>(o));
  return reinterpret_cast<PyObject*>(o);
}

void tensor_dealloc(PyObject* self) {
  auto* t = reinterpret_cast<PyTensor*>(self);
  if (PyObject_GC_IsTracked(self)) {
    PyObject_GC_UnTrack(self);
    note_freed();
  }
  if (t->weakrefs) PyObject_ClearWeakRefs(self);
  if (TensorImpl* impl = t->impl) {
    t->impl = nullptr;
    if (impl->python == self) {
      impl->python = nullptr;
      if ((t->dict || Py_TYPE(self) != &TensorType) && impl->use_count() > 1) [[unlikely]]
        park(t, impl);
    }
    Py_CLEAR(t->dict);
    impl->release();
  } else {
    Py_CLEAR(t->dict);
  }
  if (Py_TYPE(self) == &TensorType && g_kept_count < kKept)
    g_kept[g_kept_count++] = t;
  else
    Py_TYPE(self)->tp_free(self);
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  return visit_graph(self, reinterpret_cast<PyTensor*>(self)->impl, visit, arg);
}
int tensor_clear(PyObject* self) {
  auto* t = reinterpret_cast<PyTensor*>(self);
  if (t->impl && t->impl->use_count() > 1) return 0;  // what C++ holds keeps its attributes
  Py_CLEAR(t->dict);
  clear_graph(t->impl);
  return 0;
}

int tensor_setattro(PyObject* self, PyObject* name, PyObject* value) {
  const int result = PyObject_GenericSetAttr(self, name, value);
  if (result == 0 && reinterpret_cast<PyTensor*>(self)->dict && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
  return result;
}

// ---- operators

// Tensor or number; anything else leaves the operator to the other side.
struct Side {
  explicit Side(PyObject* o) : tensor(is_tensor(o) ? &unwrap(o) : nullptr) {
    if (!tensor) {
      valid = is_number(o);
      if (valid) number = to_scalar(o);
    }
  }
  Operand operand() const { return tensor ? Operand(*tensor) : Operand(number); }
  const Tensor* tensor;
  Scalar number;
  bool valid = true;
};

// The method that takes an operator's place where __torch_function__ is called, for both orders of the sides.
struct Operator {
  const char* name;
  const char* reflected;
};

// Another class may take the operator over; else it is left to that class.
[[gnu::cold, gnu::noinline]] PyObject* operate_foreign(PyObject* a, PyObject* b, const Operator& op) {
  PyObject* result;
  if (overridden_operator(op.name, op.reflected, a, b, &result)) return result;
  Py_RETURN_NOTIMPLEMENTED;
}

template <class F>
[[gnu::cold, gnu::noinline]] PyObject* operate_resolved(PyObject* a, PyObject* b, const Operator& op, F&& f) {
  const Owned c(without_lazy(a)), d(without_lazy(b));
  const Side x(c.get()), y(d.get());
  if (!x.valid || !y.valid) return operate_foreign(a, b, op);
  return wrap(f(x.operand(), y.operand()));
}

// The way of an operator while classes with handlers or lazy bits are about.
template <class F>
[[gnu::cold, gnu::noinline]] PyObject* operate_carefully(PyObject* a, PyObject* b, const Operator& op, F&& f) {
  PyObject* result;
  if (overrides_possible() && overridden_operator(op.name, op.reflected, a, b, &result)) return result;
  return operate_resolved(a, b, op, f);
}

template <class F>
PyObject* operate(PyObject* a, PyObject* b, const Operator& op, F&& f) {
  return guarded([&]() -> PyObject* {
    if (overrides_possible() || TensorImpl::any_lazy()) [[unlikely]]
      return operate_carefully(a, b, op, f);
    const Side x(a), y(b);
    if (!x.valid || !y.valid) [[unlikely]]
      return operate_foreign(a, b, op);
    return wrap(f(x.operand(), y.operand()));
  });
}

#define RL_OPERATOR(name, method, reflected, expression)                                            \
  constexpr Operator op_##name{method, reflected};                                                  \
  PyObject* nb_##name(PyObject* a, PyObject* b) {                                                   \
    return operate(a, b, op_##name, [](const Operand& x, const Operand& y) { return expression; }); \
  }
RL_OPERATOR(add, "add", "add", add(x, y))
RL_OPERATOR(subtract, "sub", "__rsub__", sub(x, y))
RL_OPERATOR(multiply, "mul", "mul", mul(x, y))
RL_OPERATOR(true_divide, "div", "__rtruediv__", div(x, y))
RL_OPERATOR(floor_divide, "__floordiv__", "__rfloordiv__", floor_divide(x, y))
RL_OPERATOR(remainder, "remainder", "__rmod__", remainder(x, y))
RL_OPERATOR(and, "__and__", "bitwise_and", bitwise_and(x, y))
RL_OPERATOR(or, "__or__", "bitwise_or", bitwise_or(x, y))
RL_OPERATOR(xor, "__xor__", "bitwise_xor", bitwise_xor(x, y))
RL_OPERATOR(lshift, "__lshift__", "__rlshift__", bitwise_left_shift(x, y))
RL_OPERATOR(rshift, "__rshift__", "__rrshift__", bitwise_right_shift(x, y))
#undef RL_OPERATOR

PyObject* nb_power(PyObject* a, PyObject* b, PyObject* modulo) {
  if (modulo != Py_None) Py_RETURN_NOTIMPLEMENTED;
  static constexpr Operator op{"__pow__", "__rpow__"};
  return operate(a, b, op, [](const Operand& x, const Operand& y) { return pow(x, y); });
}

PyObject* matmul_of(const Tensor& a, const Tensor& b) {
  if (a.is_lazy() || b.is_lazy()) [[unlikely]]
    return wrap(matmul(resolve_lazy(a), resolve_lazy(b)));
  return wrap(matmul(a, b));
}

PyObject* nb_matmul(PyObject* a, PyObject* b) {
  return guarded([&] {
    static constexpr Operator op{"matmul", "__rmatmul__"};
    if (overrides_possible()) [[unlikely]] {
      PyObject* result;
      if (overridden_operator(op.name, op.reflected, a, b, &result)) return result;
    }
    if (!is_tensor(a) || !is_tensor(b)) return operate_foreign(a, b, op);
    return matmul_of(unwrap(a), unwrap(b));
  });
}

template <class F>
[[gnu::cold, gnu::noinline]] PyObject* change_carefully(PyObject* a, PyObject* b, const char* method, F&& f) {
  PyObject* result;
  if (overrides_possible() && overridden_operator(method, method, a, b, &result)) return result;
  const Owned other(without_lazy(b));
  const Side y(other.get());
  if (!y.valid) return operate_foreign(a, b, {method, method});
  if (unwrap(a).is_lazy())
    change_resolved(unwrap(a), [&](const Tensor& x) { f(x, y.operand()); });
  else
    f(unwrap(a), y.operand());
  return Py_NewRef(a);
}

template <class F>
PyObject* change(PyObject* a, PyObject* b, const char* method, F&& f) {
  PyObject* const result = guarded([&]() -> PyObject* {
    if (overrides_possible() || TensorImpl::any_lazy()) [[unlikely]]
      return change_carefully(a, b, method, f);
    const Side y(b);
    if (!y.valid) [[unlikely]]
      return operate_foreign(a, b, {method, method});
    f(unwrap(a), y.operand());
    return Py_NewRef(a);
  });
  if (!result && take_interrupted()) [[unlikely]]
    count_change(a);
  return result;
}

#define RL_INPLACE(name, method, function)                                                  \
  PyObject* nb_inplace_##name(PyObject* a, PyObject* b) {                                   \
    return change(a, b, method, [](const Tensor& x, const Operand& y) { function(x, y); }); \
  }
RL_INPLACE(add, "add_", add_)
RL_INPLACE(subtract, "sub_", sub_)
RL_INPLACE(multiply, "mul_", mul_)
RL_INPLACE(true_divide, "div_", div_)
RL_INPLACE(floor_divide, "floor_divide_", floor_divide_)
RL_INPLACE(remainder, "remainder_", remainder_)
RL_INPLACE(and, "__iand__", bitwise_and_)
RL_INPLACE(or, "__ior__", bitwise_or_)
RL_INPLACE(xor, "__ixor__", bitwise_xor_)
RL_INPLACE(lshift, "__ilshift__", bitwise_left_shift_)
RL_INPLACE(rshift, "__irshift__", bitwise_right_shift_)
#undef RL_INPLACE
PyObject* nb_inplace_power(PyObject* a, PyObject* b, PyObject*) {
  return change(a, b, "__ipow__", [](const Tensor& x, const Operand& y) { pow_(x, y); });
}

// The same test for slots with one operand; what the method gives is what the slot gives.
#define RL_TAKEN_OVER(method, ...)                                                                     \
  if (PyObject* taken; overrides_possible() && overridden(method, {__VA_ARGS__}, &taken)) [[unlikely]] \
  return taken

PyObject* nb_negative(PyObject* a) {
  RL_TAKEN_OVER("neg", a);
  return guarded([&] { return wrap(neg(resolve_lazy(unwrap(a)))); });
}
PyObject* nb_positive(PyObject* a) {
  RL_TAKEN_OVER("positive", a);
  return guarded([&] {
    if (unwrap(a).dtype() == DType::Bool) fail("The `+` operator, on a bool tensor is not supported.");
    return Py_NewRef(a);
  });
}
PyObject* nb_absolute(PyObject* a) {
  RL_TAKEN_OVER("abs", a);
  return guarded([&] { return wrap(abs(resolve_lazy(unwrap(a)))); });
}
PyObject* nb_invert(PyObject* a) {
  RL_TAKEN_OVER("__invert__", a);
  return guarded([&] {
    if (!is_integral(unwrap(a).dtype(), true))
      fail<TypeError>("~ (operator.invert) is only implemented on integer and Boolean-type tensors");
    return wrap(bitwise_not(resolve_lazy(unwrap(a))));
  });
}
// What a handler gave for a slot that answers with a truth value or a length.
template <class Read>
Py_ssize_t answer(PyObject* taken, Read&& read) {
  if (!taken) return -1;
  const Py_ssize_t value = read(taken);
  Py_DECREF(taken);
  return value;
}

int nb_bool(PyObject* a) {
  if (PyObject* taken; overrides_possible() && overridden("__bool__", {a}, &taken)) [[unlikely]] {
    if (!taken) return -1;
    const Owned result(taken);
    if (PyBool_Check(taken)) return taken == Py_True;
    PyErr_Format(PyExc_TypeError, "__bool__ should return bool, returned %.200s", Py_TYPE(taken)->tp_name);
    return -1;
  }
  const Tensor& t = unwrap(a);
  return guarded_status([&] {
    if (t.numel() == 0) fail("Boolean value of Tensor with no values is ambiguous");
    if (t.numel() > 1) fail("Boolean value of Tensor with more than one value is ambiguous");
    return t.item().to_bool();
  });
}
// For float(t), int(t) and the like; item() has an exception of its own.
Scalar only_element(const Tensor& t) {
  if (t.numel() != 1) fail<ValueError>("only one element tensors can be converted to Python scalars");
  return t.item();
}
PyObject* wrap_integer(const Scalar& s) {
  return s.is_wide() ? wrap_scalar(s) : check_object(PyLong_FromLongLong(s.to_int()));
}
PyObject* nb_float(PyObject* a) {
  RL_TAKEN_OVER("__float__", a);
  return guarded([&] {
    const Scalar s = only_element(unwrap(a));
    if (s.is_complex() && s.to_complex().imag() != 0) fail("value cannot be converted to type double without overflow");
    return PyFloat_FromDouble(s.to_double());
  });
}
PyObject* nb_int(PyObject* a) {
  RL_TAKEN_OVER("__int__", a);
  return guarded([&]() -> PyObject* {
    const Scalar s = only_element(unwrap(a));
    if (s.is_floating_point()) return check_object(PyLong_FromDouble(s.to_double()));
    if (s.is_complex() && s.to_complex().imag() != 0)
      fail("value cannot be converted to type int64_t without overflow");
    return wrap_integer(s);
  });
}
PyObject* nb_index(PyObject* a) {
  RL_TAKEN_OVER("__index__", a);
  return guarded([&]() -> PyObject* {
    const Tensor& t = unwrap(a);
    if (t.numel() != 1 || !is_integral(t.dtype(), true))
      fail<TypeError>("only integer tensors of a single element can be converted to an index");
    return wrap_integer(t.item());
  });
}

constexpr const char* kComparisons[] = {"lt", "le", "__eq__", "ne", "gt", "ge"};  // by Py_LT ...

PyObject* compare(PyObject* a, PyObject* b, int op) {
  return guarded([&]() -> PyObject* {
    const Side y(b);
    if (!y.valid) {
      if ((op != Py_EQ && op != Py_NE) || !is_numpy_array(b))
        return operate_foreign(a, b, {kComparisons[op], kComparisons[op]});
      const Tensor other = from_numpy(b);
      return wrap(op == Py_EQ ? eq(unwrap(a), other) : ne(unwrap(a), other));
    }
    const Tensor& x = unwrap(a);
    switch (op) {
      case Py_EQ: return wrap(eq(x, y.operand()));
      case Py_NE: return wrap(ne(x, y.operand()));
      case Py_LT: return wrap(lt(x, y.operand()));
      case Py_LE: return wrap(le(x, y.operand()));
      case Py_GT: return wrap(gt(x, y.operand()));
      default: return wrap(ge(x, y.operand()));
    }
  });
}

PyObject* tensor_compare(PyObject* a, PyObject* b, int op) {
  if (overrides_possible()) [[unlikely]] {
    PyObject* result;
    if (overridden_operator(kComparisons[op], kComparisons[op], a, b, &result)) return result;
  }
  if (!TensorImpl::any_lazy()) [[likely]]
    return compare(a, b, op);
  return guarded([&]() -> PyObject* {
    const Owned c(without_lazy(a)), d(without_lazy(b));
    return check_object(compare(c.get(), d.get(), op));
  });
}

// id(tensor), as torch has it.
Py_hash_t tensor_hash(PyObject* self) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self)); }

Py_ssize_t tensor_length(PyObject* self) {
  if (PyObject* taken; overrides_possible() && overridden("__len__", {self}, &taken)) [[unlikely]]
    return answer(taken, [](PyObject* o) {
      const Py_ssize_t length = PyNumber_AsSsize_t(o, PyExc_OverflowError);
      if (length < 0 && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "__len__() should return >= 0");
      return length < 0 ? -1 : length;
    });
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return t.sizes()[0];
}

int tensor_contains(PyObject* self, PyObject* value) {
  if (PyObject* taken; overrides_possible() && overridden("__contains__", {self, value}, &taken)) [[unlikely]]
    return static_cast<int>(answer(taken, PyObject_IsTrue));
  return guarded_status([&] {
    const Owned plain(without_lazy(value));
    const Side y(plain.get());
    if (!y.valid)
      fail("Tensor.__contains__ only supports Tensor or scalar, but you passed in a ",
           repr_of(reinterpret_cast<PyObject*>(Py_TYPE(value))), ".");
    return any(eq(resolve_lazy(unwrap(self)), y.operand())).item().to_bool();
  });
}

PyObject* call_helper(const char* module, const char* function, PyObject* self) {
  Owned m(PyImport_ImportModule(module));
  Owned f(PyObject_GetAttrString(m.get(), function));
  return check_object(PyObject_CallOneArg(f.get(), self));
}

PyObject* tensor_repr(PyObject* self) {
  RL_TAKEN_OVER("__repr__", self);
  return guarded([&] { return call_helper("rushlight._tensor_str", "_str", self); });
}

DimVector ints_of(PyObject* tuple) {
  DimVector sizes;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) sizes.push_back(to_int(PyTuple_GET_ITEM(tuple, i)));
  return sizes;
}

PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    // Tensor(2, 3): uninitialised; Tensor([1, 2]): from data, in the default dtype.
    PyObject *data = nullptr, *device = nullptr, *size = nullptr;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (kwargs && PyDict_Next(kwargs, &at, &key, &value)) {
      auto is = [key](const char* text) { return PyUnicode_CompareWithASCIIString(key, text) == 0; };
      if (PyObject** to = is("data") ? &data : is("device") ? &device : is("size") ? &size : nullptr)
        *to = value;
      else
        fail<TypeError>("new() received an invalid combination of arguments - unexpected keyword argument '",
                        text_of(key), "'");
    }
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    Tensor t;
    const Owned held_data(Py_NewRef(data ? data : Py_None)), held_device(Py_NewRef(device ? device : Py_None)),
        held_size(Py_NewRef(size ? size : Py_None));
    PyObject* first = n ? PyTuple_GET_ITEM(args, 0) : data;
    if (device && device != Py_None) {
      const Device d = to_device(device);
      if (!d.is_cpu()) fail("legacy constructor expects device type: cpu but device type: ", d.str(), " was passed");
      if (first && is_tensor(first))
        fail("Legacy tensor constructor of the form torch.Tensor(tensor, device=device) is not supported");
    }
    if (size && !first) {
      Owned sizes(PySequence_Tuple(size));
      return wrap_as(type, empty(ints_of(sizes.get())));
    }
    if (!first) {
      t = empty(DimVector{0});
    } else if (is_int(first) && !is_tensor(first)) {
      DimVector sizes;
      for (Py_ssize_t i = 0; i < n; ++i) {
        if (!is_int(PyTuple_GET_ITEM(args, i)))
          fail<TypeError>("new(): sizes must be integers, but found ", type_name(PyTuple_GET_ITEM(args, i)),
                          " at position ", i + 1);
        sizes.push_back(to_int(PyTuple_GET_ITEM(args, i)));
      }
      t = empty(sizes);
    } else {
      if (n > 1)
        fail<TypeError>("new() received an invalid combination of arguments - takes data or sizes, got ", n,
                        " arguments beginning with ", type_name(first));
      if (is_tensor(first)) {
        t = alias(unwrap(first));
      } else if (PyTuple_Check(first) && std::strcmp(Py_TYPE(first)->tp_name, "rushlight.Size") == 0) {
        t = empty(ints_of(first));
      } else if (std::string_view(Py_TYPE(first)->tp_name).ends_with("UntypedStorage")) {
        Owned made(wrap(empty(DimVector{0})));
        Py_DECREF(check_object(PyObject_CallMethod(made.get(), "set_", "O", first)));
        t = unwrap(made.get());
      } else if (PyFloat_Check(first) || first == Py_None) {
        fail<TypeError>("new(): data must be a sequence (got ", type_name(first), ")");
      } else {
        t = tensor_from_data(first, default_dtype(), true);
      }
    }
    return wrap_as(type, std::move(t));
  });
}

// The class prints under the name that programs written for torch expect; its module stays the one it is found in.
PyTypeObject MetaType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject* class_repr(PyObject* self) {
  if (self == reinterpret_cast<PyObject*>(&TensorType)) return PyUnicode_FromString("<class 'torch.Tensor'>");
  return PyType_Type.tp_repr(self);
}

// A class whose instances behaved as plain tensors so far may get a handler.
int class_setattro(PyObject* self, PyObject* name, PyObject* value) {
  const int result = PyType_Type.tp_setattro(self, name, value);
  if (result == 0 && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__torch_function__") == 0)
    note_override(reinterpret_cast<PyTypeObject*>(self));
  return result;
}

PyNumberMethods number = {};
PyMappingMethods mapping = {};
PySequenceMethods sequence = {};

}  // namespace

PyObject* wrap(Tensor tensor) {
  TensorImpl* impl = tensor.impl();
  if (!impl) return none();
  if (impl->python) {
    if (is_parked(impl->python) || Py_REFCNT(static_cast<PyObject*>(impl->python)) == 0) [[unlikely]]
      return revive(std::move(tensor));
    return Py_NewRef(static_cast<PyObject*>(impl->python));
  }
  PyTensor* o = new_object();
  o->impl = tensor.release();
  impl->python = o;
  if (impl->autograd && impl->autograd->grad_fn &&
      (impl->autograd->grad_fn->python_below || g_python_late.load(std::memory_order_relaxed))) [[unlikely]]
    PyObject_GC_Track(o);
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap_as(PyTypeObject* type, Tensor tensor) {
  if (type == &TensorType) return wrap(std::move(tensor));
  note_override(type);
  if (tensor.impl()->python) tensor = alias(tensor);
  PyTensor* o = fresh_object(type);
  o->impl = tensor.release();
  o->impl->python = o;
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap(const TensorList& tensors) {
  Owned made(PyTuple_New(static_cast<Py_ssize_t>(tensors.size())));
  for (size_t i = 0; i < tensors.size(); ++i)
    PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), wrap(tensors[i]));
  return made.release();
}

PyObject* wrap_list(const TensorList& tensors) {
  Owned made(PyList_New(static_cast<Py_ssize_t>(tensors.size())));
  for (size_t i = 0; i < tensors.size(); ++i) PyList_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), wrap(tensors[i]));
  return made.release();
}

void bind_tensor_type(nb::module_& m) {
  release_parked = drop_parked;
  number.nb_add = nb_add;
  number.nb_subtract = nb_subtract;
  number.nb_multiply = nb_multiply;
  number.nb_true_divide = nb_true_divide;
  number.nb_floor_divide = nb_floor_divide;
  number.nb_remainder = nb_remainder;
  number.nb_power = nb_power;
  number.nb_and = nb_and;
  number.nb_or = nb_or;
  number.nb_xor = nb_xor;
  number.nb_lshift = nb_lshift;
  number.nb_rshift = nb_rshift;
  number.nb_matrix_multiply = nb_matmul;
  number.nb_inplace_add = nb_inplace_add;
  number.nb_inplace_subtract = nb_inplace_subtract;
  number.nb_inplace_multiply = nb_inplace_multiply;
  number.nb_inplace_true_divide = nb_inplace_true_divide;
  number.nb_inplace_floor_divide = nb_inplace_floor_divide;
  number.nb_inplace_remainder = nb_inplace_remainder;
  number.nb_inplace_power = nb_inplace_power;
  number.nb_inplace_and = nb_inplace_and;
  number.nb_inplace_or = nb_inplace_or;
  number.nb_inplace_xor = nb_inplace_xor;
  number.nb_inplace_lshift = nb_inplace_lshift;
  number.nb_inplace_rshift = nb_inplace_rshift;
  number.nb_negative = nb_negative;
  number.nb_positive = nb_positive;
  number.nb_absolute = nb_absolute;
  number.nb_invert = nb_invert;
  number.nb_bool = nb_bool;
  number.nb_float = nb_float;
  number.nb_int = nb_int;
  number.nb_index = nb_index;
  mapping.mp_length = tensor_length;
  mapping.mp_subscript = get_item;
  mapping.mp_ass_subscript = set_item;
  sequence.sq_length = tensor_length;
  sequence.sq_contains = tensor_contains;

  ready_iterator_type();
  MetaType.tp_name = "rushlight.TensorMeta";
  MetaType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  MetaType.tp_base = &PyType_Type;
  MetaType.tp_repr = class_repr;
  MetaType.tp_setattro = class_setattro;
  if (PyType_Ready(&MetaType) < 0) throw PythonError{};
  Py_SET_TYPE(reinterpret_cast<PyObject*>(&TensorType), &MetaType);

  TensorType.tp_name = "rushlight.Tensor";
  TensorType.tp_doc =
      "Tensor(*sizes) or Tensor(data)\n\nA multi-dimensional array of one dtype with derivatives. See "
      "rushlight.tensor() "
      "for making one from data.";
  TensorType.tp_basicsize = sizeof(PyTensor);
  TensorType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  TensorType.tp_dealloc = tensor_dealloc;
  TensorType.tp_traverse = tensor_traverse;
  TensorType.tp_clear = tensor_clear;
  TensorType.tp_setattro = tensor_setattro;
  TensorType.tp_getset = tensor_attributes;
  TensorType.tp_as_number = &number;
  TensorType.tp_as_mapping = &mapping;
  TensorType.tp_as_sequence = &sequence;
  TensorType.tp_richcompare = tensor_compare;
  TensorType.tp_hash = tensor_hash;
  TensorType.tp_iter = tensor_iter;
  TensorType.tp_repr = tensor_repr;
  TensorType.tp_str = tensor_repr;
  TensorType.tp_new = tensor_new;
  TensorType.tp_alloc = PyType_GenericAlloc;
  TensorType.tp_free = PyObject_GC_Del;
  TensorType.tp_dictoffset = offsetof(PyTensor, dict);
  TensorType.tp_weaklistoffset = offsetof(PyTensor, weakrefs);
  if (PyType_Ready(&TensorType) < 0) throw PythonError{};
  PyDict_SetItemString(TensorType.tp_dict, "__array_priority__", nb::int_(1000).ptr());
  m.attr("Tensor") = nb::handle(reinterpret_cast<PyObject*>(&TensorType));
}

}  // namespace rushlight::python
