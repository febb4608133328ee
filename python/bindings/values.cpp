// Numbers, dtypes, devices, sizes and named tuples between Python and C++.
#include <nanobind/stl/string.h>
#include <structmember.h>

#include <cmath>
#include <cstring>
#include <map>

#include "bindings/python.h"

namespace rushlight::python {

namespace {

struct DTypeObject {
  DType id;
};

PyObject* g_dtypes[kNumDTypes];
PyTypeObject* g_dtype_type = nullptr;
PyTypeObject* g_device_type = nullptr;
PyObject* g_cpu_device = nullptr;

// ---- torch.Size: a tuple of ints
PyTypeObject SizeType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject* size_repr(PyObject* self) {
  return guarded([&] {
    std::string text = "torch.Size([";
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i)
      text += (i ? ", " : "") + repr_of(PyTuple_GET_ITEM(self, i));
    return check_object(PyUnicode_FromString((text + "])").c_str()));
  });
}

// Makes all items ints, in a tuple that nobody else has seen yet. False with an exception set.
bool check_sizes(PyObject* made) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(made); ++i) {
    PyObject* item = PyTuple_GET_ITEM(made, i);
    if (!PyLong_CheckExact(item)) {
      PyObject* number = PyNumber_Index(item);
      if (!number) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i,
                     is_tensor(item) ? "Tensor" : Py_TYPE(item)->tp_name);
        return false;
      }
      PyTuple_SET_ITEM(made, i, number);
      Py_DECREF(item);
    }
  }
  return true;
}

PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* made = PyTuple_Type.tp_new(type, args, kwargs);
  if (made && !check_sizes(made)) Py_CLEAR(made);
  return made;
}

PyObject* size_numel(PyObject* self, PyObject*) {
  // In Python's integers: the product may be beyond int64.
  PyObject* n = PyLong_FromLong(1);
  for (Py_ssize_t i = 0; n && i < PyTuple_GET_SIZE(self); ++i) {
    PyObject* next = PyNumber_Multiply(n, PyTuple_GET_ITEM(self, i));
    Py_DECREF(n);
    n = next;
  }
  return n;
}

// Whatever makes a new tuple makes a Size.
PyObject* as_size(PyObject* made) {
  if (!made || !PyTuple_CheckExact(made)) return made;
  PyObject* size = PyObject_CallOneArg(reinterpret_cast<PyObject*>(&SizeType), made);
  Py_DECREF(made);
  return size;
}
PyObject* size_subscript(PyObject* self, PyObject* index) {
  return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(self, index));
}
// A number slot, since tuples have none: it is asked for tuple + Size, too.
PyObject* size_add(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
  return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
// Asked where neither side can add.
PyObject* size_concat(PyObject* self, PyObject* other) {
  if (PyTuple_Check(other)) return size_add(self, other);
  PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not %s) to torch.Size",
               is_tensor(other) ? "Tensor" : Py_TYPE(other)->tp_name);
  return nullptr;
}
PyObject* size_repeat(PyObject* a, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(a, n)); }
PyObject* size_reduce(PyObject* self, PyObject*) {
  PyObject* plain = PyTuple_GetSlice(self, 0, PyTuple_GET_SIZE(self));
  return plain ? Py_BuildValue("(O(N))", &SizeType, plain) : nullptr;
}

PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "numel() -> int\n\nProduct of the sizes."},
                              {"__reduce__", size_reduce, METH_NOARGS, nullptr},
                              {}};
PyMappingMethods size_mapping = {};
PySequenceMethods size_sequence = {};
PyNumberMethods size_number = {};

void ready_size_type() {
  size_mapping.mp_subscript = size_subscript;
  size_mapping.mp_length = PyTuple_Type.tp_as_mapping->mp_length;
  size_sequence = *PyTuple_Type.tp_as_sequence;
  size_sequence.sq_concat = size_concat;
  size_sequence.sq_repeat = size_repeat;
  size_number.nb_add = size_add;
  SizeType.tp_name = "rushlight.Size";
  SizeType.tp_doc = "Size(iterable=())\n\nSizes of a tensor: a tuple of ints.";
  SizeType.tp_flags = Py_TPFLAGS_DEFAULT;
  SizeType.tp_base = &PyTuple_Type;
  SizeType.tp_basicsize = PyTuple_Type.tp_basicsize;
  SizeType.tp_itemsize = PyTuple_Type.tp_itemsize;
  SizeType.tp_repr = size_repr;
  SizeType.tp_str = size_repr;
  SizeType.tp_new = size_new;
  SizeType.tp_as_mapping = &size_mapping;
  SizeType.tp_as_sequence = &size_sequence;
  SizeType.tp_as_number = &size_number;
  SizeType.tp_methods = size_methods;
  if (PyType_Ready(&SizeType) < 0) throw PythonError{};
}

// ---- named tuples
std::map<std::string, PyTypeObject*>& return_types() {
  static auto* types = new std::map<std::string, PyTypeObject*>;
  return *types;
}
PyObject* g_return_module = nullptr;

PyObject* return_repr(PyObject* self) {
  return guarded([&] {
    PyTypeObject* type = Py_TYPE(self);
    std::string text = std::string(type->tp_name) + "(\n";
    const Py_ssize_t n = PyTuple_GET_SIZE(self);
    for (Py_ssize_t i = 0; i < n; ++i)
      text +=
          std::string(type->tp_members[i].name) + "=" + repr_of(PyTuple_GET_ITEM(self, i)) + (i + 1 < n ? ",\n" : ")");
    return check_object(PyUnicode_FromString(text.c_str()));
  });
}

PyTypeObject* return_type(const char* name, const char* const* fields, int count) {
  auto& found = return_types()[name];
  if (found) return found;
  auto* full = new std::string(std::string("torch.return_types.") + name);
  auto* members = new PyStructSequence_Field[static_cast<size_t>(count) + 1]();
  for (int i = 0; i < count; ++i) members[i].name = fields[i];
  PyStructSequence_Desc description{full->c_str(), nullptr, members, count};
  PyTypeObject* type = PyStructSequence_NewType(&description);
  if (!type) throw PythonError{};
  type->tp_repr = return_repr;
  type->tp_str = return_repr;
  // Making a type may run the collector, which may run code that came here first.
  if (found) {
    Py_DECREF(type);
    return found;
  }
  found = type;
  if (PyObject_SetAttrString(g_return_module, name, reinterpret_cast<PyObject*>(type)) < 0) throw PythonError{};
  return type;
}

// ---- errors
PyObject* g_linalg_error = nullptr;
PyObject* g_oom_error = nullptr;

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (const PythonError&) {
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const NotImplementedError& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const AssertionError& e) {
    PyErr_SetString(PyExc_AssertionError, e.what());
  } catch (const LinAlgError& e) {
    PyErr_SetString(g_linalg_error, e.what());
  } catch (const OutOfMemoryError& e) {
    PyErr_SetString(g_oom_error, e.what());
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const std::bad_alloc&) {
    PyErr_SetString(g_oom_error, "DefaultCPUAllocator: can't allocate memory for the scratch space of an operation");
  } catch (const std::bad_cast&) {
    PyErr_SetString(PyExc_TypeError, "argument of the wrong type");
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
  }
}

namespace {
// Takes over the tuple.
PyObject* fill_ints(PyObject* made, IntSpan values) {
  for (size_t i = 0; i < values.size(); ++i) {
    PyObject* value = PyLong_FromLongLong(values[i]);
    if (!value) [[unlikely]] {
      Py_DECREF(made);
      throw PythonError{};
    }
    PyTuple_SET_ITEM(made, static_cast<Py_ssize_t>(i), value);
  }
  return made;
}
}  // namespace

PyObject* wrap_size(IntSpan sizes) {
  PyObject* made = SizeType.tp_alloc(&SizeType, static_cast<Py_ssize_t>(sizes.size()));
  if (!made) throw PythonError{};
  return fill_ints(made, sizes);
}

PyObject* wrap_ints(IntSpan values) {
  return fill_ints(check_object(PyTuple_New(static_cast<Py_ssize_t>(values.size()))), values);
}

PyObject* wrap_scalar(const Scalar& value) {
  switch (value.kind()) {
    case Scalar::Kind::Bool: return wrap_bool(value.to_bool());
    case Scalar::Kind::Int:
      if (value.is_wide())
        return check_object(PyLong_FromUnsignedLongLong(static_cast<unsigned long long>(value.to_int())));
      return check_object(PyLong_FromLongLong(value.to_int()));
    case Scalar::Kind::Float: return check_object(PyFloat_FromDouble(value.to_double()));
    default: return check_object(PyComplex_FromDoubles(value.to_complex().real(), value.to_complex().imag()));
  }
}

PyObject* wrap_dtype(DType dtype) { return Py_NewRef(g_dtypes[static_cast<int>(dtype)]); }

PyObject* wrap_device(Device device) {
  if (device.is_cpu() && device.index < 0) return Py_NewRef(g_cpu_device);
  return nb::cast(device).release().ptr();
}

bool is_dtype(PyObject* o) { return Py_TYPE(o) == g_dtype_type; }

DType to_dtype(PyObject* o) {
  if (is_dtype(o)) return ready_instance<DTypeObject>(o)->id;
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::Float64;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::Int64;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
  if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::Complex128;
  fail<TypeError>("dtype must be torch.dtype, not ", type_name(o));
}

bool is_device_object(PyObject* o) { return Py_TYPE(o) == g_device_type; }

bool is_device(PyObject* o) {
  return Py_TYPE(o) == g_device_type || PyUnicode_Check(o) || (PyLong_Check(o) && !PyBool_Check(o));
}

Device to_device(PyObject* o) {
  if (Py_TYPE(o) == g_device_type) return *ready_instance<Device>(o);
  if (PyLong_Check(o)) {
    const int64_t index = to_int(o);
    if (index < 0 || index > 127) fail("Device index must not be negative");
    return {DeviceType::CUDA, static_cast<int8_t>(index)};
  }
  const char* text = PyUnicode_AsUTF8(o);
  if (!text) throw PythonError{};
  return Device::parse(text);
}

namespace {
// NumPy scalars are told by name, so that numpy is never imported for the question.
bool is_numpy_scalar(PyObject* o, const char* kinds) {
  const char* name = Py_TYPE(o)->tp_name;
  if (std::strncmp(name, "numpy.", 6) != 0) return false;
  name += 6;
  const bool integer = !std::strncmp(name, "int", 3) || !std::strncmp(name, "uint", 4) ||
                       !std::strcmp(name, "longlong") || !std::strcmp(name, "ulonglong");
  const bool real = !std::strncmp(name, "float", 5) || !std::strcmp(name, "longdouble");
  const bool complex = !std::strncmp(name, "complex", 7) || !std::strcmp(name, "clongdouble");
  const bool boolean = !std::strcmp(name, "bool") || !std::strcmp(name, "bool_");
  for (const char* k = kinds; *k; ++k)
    if ((*k == 'i' && integer) || (*k == 'f' && real) || (*k == 'c' && complex) || (*k == 'b' && boolean)) return true;
  return false;
}
}  // namespace

bool is_int(PyObject* o) {
  if (PyLong_CheckExact(o)) return true;
  if (PyBool_Check(o)) return false;
  if (PyLong_Check(o)) return true;
  if (is_tensor(o)) return unwrap(o).dim() == 0 && is_integral(unwrap(o).dtype(), false);
  if (PyFloat_CheckExact(o) || PyUnicode_Check(o) || PyTuple_Check(o) || PyList_Check(o)) return false;
  return is_numpy_scalar(o, "i");
}

bool is_number(PyObject* o) {
  return PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o) || is_numpy_scalar(o, "ifcb");
}

int64_t to_int(PyObject* o) {
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (!is_integral(t.dtype(), true))
      fail<TypeError>("only integer tensors of a single element can be converted to an index");
    return t.item().to_int();
  }
  long long value;
  if (PyLong_Check(o)) {
    value = PyLong_AsLongLong(o);
  } else {
    Owned index(PyNumber_Index(o));
    value = PyLong_AsLongLong(index.get());
  }
  if (value == -1 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Clear();
      fail<ValueError>("Overflow when unpacking long long");
    }
    throw PythonError{};
  }
  return value;
}

double to_double(PyObject* o) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (is_tensor(o)) return unwrap(o).item().to_double();
  const double value = PyFloat_AsDouble(o);
  if (value == -1 && PyErr_Occurred()) throw PythonError{};
  return value;
}

Scalar to_scalar(PyObject* o) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (PyBool_Check(o)) return o == Py_True;
  if (PyLong_Check(o)) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      const unsigned long long wide = PyLong_AsUnsignedLongLong(o);
      if (wide == static_cast<unsigned long long>(-1) && PyErr_Occurred()) {
        PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        throw PythonError{};
      }
      return Scalar::from_uint64(wide);
    }
    return static_cast<int64_t>(value);
  }
  if (PyComplex_Check(o)) return std::complex<double>(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o));
  if (is_tensor(o)) return unwrap(o).item();
  if (is_numpy_scalar(o, "b")) return is_true(o);
  if (is_numpy_scalar(o, "i")) return to_int(o);
  if (is_numpy_scalar(o, "c")) {
    const Py_complex c = PyComplex_AsCComplex(o);
    if (PyErr_Occurred()) throw PythonError{};
    return std::complex<double>(c.real, c.imag);
  }
  return to_double(o);
}

PyObject* make_return(const char* name, const char* const* fields, const Tensor* values, int count) {
  PyTypeObject* type = return_type(name, fields, count);
  Owned made(PyStructSequence_New(type));
  for (int i = 0; i < count; ++i) PyStructSequence_SET_ITEM(made.get(), i, wrap(values[i]));
  return made.release();
}

PyObject* make_values_indices(const char* name, Tensor values, Tensor indices) {
  static const char* const fields[] = {"values", "indices"};
  const Tensor items[] = {std::move(values), std::move(indices)};
  return make_return(name, fields, items, 2);
}

void bind_values(nb::module_& m) {
  ready_size_type();
  m.attr("Size") = nb::handle(reinterpret_cast<PyObject*>(&SizeType));

  auto dtype_class =
      nb::class_<DTypeObject>(m, "dtype", nb::is_final(), "Type of a tensor's elements.")
          .def("__repr__", [](const DTypeObject& d) { return nb::str(("torch." + std::string(name(d.id))).c_str()); })
          .def("__reduce__", [](const DTypeObject& d) { return nb::str(name(d.id)); })
          .def("__hash__", [](const DTypeObject& d) { return static_cast<int64_t>(d.id) * 7919 + 17; })
          .def("__copy__", [](nb::handle self) { return nb::borrow(self); })
          .def("__deepcopy__", [](nb::handle self, nb::handle) { return nb::borrow(self); })
          .def("to_real", [](const DTypeObject& d) { return nb::steal(wrap_dtype(to_real(d.id))); })
          .def("to_complex",
               [](const DTypeObject& d) {
                 if (!is_differentiable(d.id)) fail("Unknown Complex ScalarType for ", d.id);
                 return nb::steal(wrap_dtype(to_complex(d.id)));
               })
          .def_prop_ro(
              "itemsize", [](const DTypeObject& d) { return item_size(d.id); }, "Bytes per element.")
          .def_prop_ro("is_floating_point", [](const DTypeObject& d) { return is_floating_point(d.id); })
          .def_prop_ro("is_complex", [](const DTypeObject& d) { return is_complex(d.id); })
          .def_prop_ro("is_signed", [](const DTypeObject& d) { return is_signed(d.id); });
  g_dtype_type = reinterpret_cast<PyTypeObject*>(dtype_class.ptr());
  for (int i = 0; i < kNumDTypes; ++i) {
    nb::object o = nb::cast(DTypeObject{static_cast<DType>(i)});
    m.attr(name(static_cast<DType>(i))) = o;
    g_dtypes[i] = o.release().ptr();
  }

  auto device_class =
      nb::class_<Device>(m, "device",
                         "device(type: str, index: int | None = None)\n\nWhere memory lies: 'cpu', 'cuda:0'.")
          .def(
              "__init__",
              [](Device* self, nb::handle type, nb::handle index) {
                if (!is_device(type.ptr()))
                  fail<TypeError>("device(): argument 'type' must be str, int or torch.device, not ",
                                  type_name(type.ptr()));
                Device d = to_device(type.ptr());
                if (!index.is_none()) {
                  if (d.index >= 0)
                    fail("type (string) must not include an index because index was passed explicitly: ", d.str());
                  const int64_t i = to_int(index.ptr());
                  if (i < 0 || i > 127) fail("Device index must not be negative, got ", i);
                  d.index = static_cast<int8_t>(i);
                }
                new (self) Device(d);
              },
              nb::arg("type"), nb::arg("index") = nb::none())
          .def_prop_ro("type",
                       [](const Device& d) {
                         Device plain{d.type, -1};
                         return plain.str();
                       })
          .def_prop_ro("index",
                       [](const Device& d) -> nb::object {
                         if (d.index < 0) return nb::none();
                         return nb::int_(static_cast<int>(d.index));
                       })
          .def("__repr__",
               [](const Device& d) {
                 const std::string type = Device{d.type, -1}.str();
                 return "device(type='" + type + "'" + (d.index >= 0 ? ", index=" + std::to_string(d.index) : "") + ")";
               })
          .def("__str__", &Device::str)
          .def("__eq__",
               [](const Device& a, nb::handle b) -> bool {
                 return nb::isinstance<Device>(b) && a == nb::cast<Device>(b);
               })
          .def("__ne__",
               [](const Device& a, nb::handle b) -> bool {
                 return !(nb::isinstance<Device>(b) && a == nb::cast<Device>(b));
               })
          .def("__hash__", [](const Device& d) { return (static_cast<int64_t>(d.type) << 16) ^ (d.index + 1); })
          .def("__enter__",
               [](nb::handle self) {
                 Py_DECREF(call_python("rushlight._C", "_enter_device", self.ptr()));
                 return nb::borrow(self);
               })
          .def("__exit__", [](const Device&, nb::args) { Py_DECREF(call_python("rushlight._C", "_exit_device")); })
          .def("__reduce__", [](const Device& d) {
            return nb::make_tuple(nb::handle(reinterpret_cast<PyObject*>(g_device_type)), nb::make_tuple(d.str()));
          });
  g_device_type = reinterpret_cast<PyTypeObject*>(device_class.ptr());
  g_cpu_device = nb::cast(Device{}).release().ptr();

  g_linalg_error = PyErr_NewExceptionWithDoc("torch._C._LinAlgError", "A linear algebra routine failed.",
                                             PyExc_RuntimeError, nullptr);
  g_oom_error = PyErr_NewExceptionWithDoc("torch.OutOfMemoryError", "No memory is left on the device.",
                                          PyExc_RuntimeError, nullptr);
  m.attr("_LinAlgError") = nb::handle(g_linalg_error);
  m.attr("OutOfMemoryError") = nb::handle(g_oom_error);
  g_return_module = PyModule_New("torch.return_types");
  m.attr("return_types") = nb::handle(g_return_module);
  static const char* const pair[] = {"values", "indices"};
  for (const char* n : {"max", "min", "sort", "topk", "median", "nanmedian", "mode", "kthvalue", "cummax", "cummin"})
    return_type(n, pair, 2);
}

}  // namespace rushlight::python
