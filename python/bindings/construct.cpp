// Tensors from Python data: numbers, nested sequences, arrays and whatever exports its memory.
#include <cmath>
#include <cstring>
#include <limits>

#include "bindings/conj.h"
#include "bindings/creation.h"
#include "bindings/storage.h"
#include "layout/layout.h"

namespace rushlight::python {

namespace {

// ---- lists and tuples of plain Python numbers: shape, type and values in one pass

enum class Plain { No, Bool, Int, Float };

inline Plain plain_kind(PyObject* o) {
  if (PyFloat_CheckExact(o)) return Plain::Float;
  if (PyLong_CheckExact(o)) return Plain::Int;
  if (PyBool_Check(o)) return Plain::Bool;
  return Plain::No;
}

inline bool read_plain(PyObject* o, bool& out) {
  if (!PyBool_Check(o)) return false;
  out = o == Py_True;
  return true;
}
inline bool read_plain(PyObject* o, int64_t& out) {
  if (!PyLong_CheckExact(o) && !PyBool_Check(o)) return false;
  int overflow;
  out = PyLong_AsLongLongAndOverflow(o, &overflow);
  return overflow == 0;
}
template <class T>
inline bool read_plain_real(PyObject* o, T& out) {
  if (PyFloat_CheckExact(o)) [[likely]] {
    out = static_cast<T>(PyFloat_AS_DOUBLE(o));
    return true;
  }
  if (!PyLong_CheckExact(o) && !PyBool_Check(o)) return false;
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
  // Through double, as PyLong_AsDouble does: a direct conversion to float would round once instead of twice.
  out = static_cast<T>(static_cast<double>(value));
  return overflow == 0;
}
inline bool read_plain(PyObject* o, float& out) { return read_plain_real(o, out); }
inline bool read_plain(PyObject* o, double& out) { return read_plain_real(o, out); }

inline bool is_plain_sequence(PyObject* o) { return PyList_CheckExact(o) || PyTuple_CheckExact(o); }

// No Python code runs here, so no list can change. False: not as regular as it looked.
template <class T>
bool fill_plain(PyObject* sequence, IntSpan sizes, T*& out) {
  if (!is_plain_sequence(sequence) || PySequence_Fast_GET_SIZE(sequence) != sizes[0]) return false;
  PyObject* const* items = PySequence_Fast_ITEMS(sequence);
  if (sizes.size() == 1) {
    for (int64_t i = 0; i < sizes[0]; ++i)
      if (!read_plain(items[i], *out++)) return false;
    return true;
  }
  for (int64_t i = 0; i < sizes[0]; ++i)
    if (!fill_plain(items[i], sizes.subspan(1), out)) return false;
  return true;
}

template <class T>
bool make_plain(PyObject* data, IntSpan sizes, Tensor& result) {
  result = empty(sizes, DTypeOf<T>::value);
  T* out = result.data_ptr<T>();
  return sizes.empty() ? read_plain(data, *out) : fill_plain(data, sizes, out);
}

bool from_plain(PyObject* data, OptDType dtype, Tensor& result) {
  DimVector sizes;
  PyObject* o = data;
  while (is_plain_sequence(o)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    if (n == 0 || sizes.size() == kMaxDims) return false;
    sizes.push_back(n);
    o = PySequence_Fast_GET_ITEM(o, 0);
  }
  const Plain kind = plain_kind(o);
  if (kind == Plain::No) return false;
  if (!dtype) {
    // Each type reads those before it, so where one fails and the next does not, the data holds one of the next.
    if (kind == Plain::Bool && make_plain<bool>(data, sizes, result)) return true;
    if (kind != Plain::Float && make_plain<int64_t>(data, sizes, result)) return true;
    dtype = default_dtype();
  }
  switch (*dtype) {
    case DType::Float32: return make_plain<float>(data, sizes, result);
    case DType::Float64: return make_plain<double>(data, sizes, result);
    case DType::Int64: return make_plain<int64_t>(data, sizes, result);
    case DType::Bool: return make_plain<bool>(data, sizes, result);
    default: return false;
  }
}

// ---- everything else: shape, then type, then values

bool is_text(PyObject* o) { return PyUnicode_Check(o) || PyBytes_Check(o); }

[[noreturn, gnu::cold]] void fail_text(PyObject* o) {
  fail<TypeError>("new(): invalid data type '", Py_TYPE(o)->tp_name, "'");
}

// The dtype of a NumPy scalar, told by the name of its type; Undefined for anything else.
DType numpy_scalar_dtype(PyObject* o) {
  const char* type = Py_TYPE(o)->tp_name;
  if (std::strncmp(type, "numpy.", 6) != 0) return DType::Undefined;
  type += 6;
  for (int i = 0; i < kNumDTypes; ++i)
    if (std::strcmp(type, name(static_cast<DType>(i))) == 0) return static_cast<DType>(i);
  if (!std::strcmp(type, "bool_")) return DType::Bool;
  // Names of C types that no fixed-size name stands for, depending on the platform.
  static constexpr std::pair<const char*, DType> others[] = {
      {"longlong", DType::Int64},
      {"ulonglong", DType::UInt64},
      {"intc", DType::Int32},
      {"uintc", DType::UInt32},
      {"long", sizeof(long) == 8 ? DType::Int64 : DType::Int32},
      {"ulong", sizeof(long) == 8 ? DType::UInt64 : DType::UInt32}};
  for (const auto& [other, dtype] : others)
    if (!std::strcmp(type, other)) return dtype;
  return DType::Undefined;
}

bool is_numpy_scalar(PyObject* o) { return numpy_scalar_dtype(o) != DType::Undefined; }

bool is_sequence(PyObject* o) {
  if (is_plain_sequence(o)) return true;
  if (is_tensor(o) || PyFloat_Check(o) || PyLong_Check(o) || is_numpy_scalar(o)) return false;
  if (is_numpy_array(o)) return numpy_dims(o) > 0;
  return PySequence_Check(o);
}

DimVector shape_of(PyObject* data) {
  DimVector sizes;
  PyObject* o = data;
  PyObject* held = nullptr;
  struct Release {
    PyObject*& o;
    ~Release() { Py_XDECREF(o); }
  } release{held};
  while (is_sequence(o)) {
    const Py_ssize_t n = PySequence_Size(o);
    if (n < 0) throw PythonError{};
    sizes.push_back(n);
    if (sizes.size() > kMaxDims) fail<ValueError>("too many dimensions '", Py_TYPE(o)->tp_name, "'");
    if (n == 0) break;
    PyObject* next = PySequence_GetItem(o, 0);
    if (!next) {
      forgive();
      fail<ValueError>("could not determine the shape of object type '", Py_TYPE(o)->tp_name, "'");
    }
    Py_XDECREF(held);
    held = next;
    o = next;
  }
  return sizes;
}

DType infer(PyObject* o, int64_t depth);

DType infer_sequence(PyObject* o, int64_t depth) {
  if (depth == 0) return DType::Undefined;  // deeper than its first element: reading the values will complain
  Owned items(PySequence_Fast(o, "not a sequence"));
  DType result = DType::Undefined;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    Owned item(Py_NewRef(PySequence_Fast_GET_ITEM(items.get(), i)));
    if (item.get() == o) fail<TypeError>("new(): self-referential lists are incompatible");
    const DType d = infer(item.get(), depth - 1);
    if (d != DType::Undefined) result = result == DType::Undefined ? d : promote_types(result, d);
    if (result == DType::Complex128) return result;
  }
  return result == DType::Undefined ? default_dtype() : result;
}

DType infer(PyObject* o, int64_t depth) {
  if (PyFloat_CheckExact(o)) return default_dtype();
  if (PyBool_Check(o)) return DType::Bool;
  if (PyLong_CheckExact(o)) return DType::Int64;
  if (is_tensor(o)) return unwrap(o).dtype();
  if (const DType d = numpy_scalar_dtype(o); d != DType::Undefined) return d;
  if (PyFloat_Check(o)) return default_dtype();
  if (PyLong_Check(o)) return DType::Int64;
  if (PyComplex_Check(o)) return to_complex(default_dtype());
  if (is_text(o)) fail_text(o);
  if (is_numpy_array(o)) return share_numpy(o, false).dtype();
  if (PySequence_Check(o)) return infer_sequence(o, depth);
  fail("Could not infer dtype of ", Py_TYPE(o)->tp_name);
}

template <class T>
void put(void* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

[[noreturn, gnu::cold]] void fail_overflow(DType dtype) {
  fail("value cannot be converted to type ", name(dtype), " without overflow");
}

void store_int(int64_t value, DType dtype, void* out) {
  const int64_t bits = 8 * item_size(dtype);
  if (bits < 64) {
    const int64_t top = int64_t{1} << (is_signed(dtype) ? bits - 1 : bits);
    // torch lets small negative numbers wrap into unsigned types.
    if (value >= top || value < (is_signed(dtype) ? -top : 1 - top)) fail_overflow(dtype);
  }
  Scalar(value).store(dtype, out);
}

// One number as an element of an integer type.
void store_integral(PyObject* o, DType dtype, void* out) {
  if (PyFloat_Check(o)) {
    if (dtype >= DType::UInt16 && dtype <= DType::UInt64) fail<TypeError>("an integer is required");
    const double value = PyFloat_AS_DOUBLE(o);
    const int64_t bits = 8 * item_size(dtype);
    const double high = std::ldexp(1.0, static_cast<int>(is_signed(dtype) ? bits - 1 : bits)) - (bits < 64 ? 1 : 0);
    const double low = is_signed(dtype) ? -std::ldexp(1.0, static_cast<int>(bits - 1)) : 0;
    if (!(value >= low && value <= high)) fail_overflow(dtype);
    return Scalar(value).store(dtype, out);
  }
  Owned index(PyNumber_Index(o));
  if (dtype == DType::UInt64) {
    const unsigned long long value = PyLong_AsUnsignedLongLong(index.get());
    if (value == static_cast<unsigned long long>(-1) && PyErr_Occurred()) throw PythonError{};
    return put<uint64_t>(out, value);
  }
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (overflow) fail<ValueError>("Overflow when unpacking long long");
  if (value == -1 && PyErr_Occurred()) throw PythonError{};
  store_int(value, dtype, out);
}

void store_number(PyObject* o, DType dtype, void* out) {
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (is_integral(dtype, false) && (t.numel() != 1 || !is_integral(t.dtype(), true)))
      fail<TypeError>("only integer tensors of a single element can be converted to an index");
    if (t.numel() != 1) fail<ValueError>("only one element tensors can be converted to Python scalars");
    Owned value(to_list(t.dim() == 0 ? t : view(detach(t), {})));
    return store_number(value.get(), dtype, out);
  }
  if (is_text(o)) fail_text(o);
  if (dtype == DType::Bool) {
    if (!is_number(o)) fail<TypeError>("'", Py_TYPE(o)->tp_name, "' object cannot be interpreted as an integer");
    return put<bool>(out, is_true(o));
  }
  if (is_integral(dtype, false)) return store_integral(o, dtype, out);
  if (is_complex(dtype)) {
    const Py_complex c = PyComplex_AsCComplex(o);
    if (PyErr_Occurred()) throw PythonError{};
    return Scalar(std::complex<double>(c.real, c.imag)).store(dtype, out);
  }
  if (!is_floating_point(dtype)) fail("tensors of dtype torch.", name(dtype), " cannot be made from numbers");
  if (PyComplex_Check(o)) fail<TypeError>("must be real number, not ", Py_TYPE(o)->tp_name);
  const double value = PyFloat_AsDouble(o);
  if (value == -1 && PyErr_Occurred()) throw PythonError{};
  Scalar(value).store(dtype, out);
}

struct Filler {
  const Tensor& result;
  char* out;

  void fill(PyObject* o, IntSpan sizes) {
    if (sizes.empty()) {
      if (is_plain_sequence(o)) {
        if (is_integral(result.dtype(), true))
          rushlight::fail<TypeError>("'", Py_TYPE(o)->tp_name, "' object cannot be interpreted as an integer");
        rushlight::fail<TypeError>("must be real number, not ", Py_TYPE(o)->tp_name);
      }
      store_number(o, result.dtype(), out);
      out += result.item_size();
      return;
    }
    const int64_t dim = result.dim() - static_cast<int64_t>(sizes.size());
    if (is_text(o)) fail_text(o);
    if (is_tensor(o)) return fill_part(resolve_lazy(detach(unwrap(o))), sizes, dim);
    if (is_numpy_array(o)) return fill_part(share_numpy(o, false), sizes, dim);
    if (!is_plain_sequence(o) && !PySequence_Check(o)) rushlight::fail<TypeError>("not a sequence");
    Owned items(PySequence_Fast(o, "not a sequence"));
    for (int64_t i = 0; i < sizes[0]; ++i) {
      // Reading a number may run Python code that changes the list.
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.get());
      if (n != sizes[0])
        rushlight::fail<ValueError>("expected sequence of length ", sizes[0], " at dim ", dim, " (got ",
                                    static_cast<int64_t>(n), ")");
      Owned item(Py_NewRef(PySequence_Fast_GET_ITEM(items.get(), i)));
      fill(item.get(), sizes.subspan(1));
    }
  }

  // A tensor or an array in the place of a sequence.
  void fill_part(const Tensor& source, IntSpan sizes, int64_t dim) {
    if (source.dim() == 0) rushlight::fail<TypeError>("not a sequence");
    if (source.dim() != static_cast<int64_t>(sizes.size()))
      rushlight::fail<ValueError>("expected an array of ", sizes.size(), " dimensions at dim ", dim, " (got ",
                                  source.dim(), ")");
    for (size_t i = 0; i < sizes.size(); ++i)
      if (source.sizes()[i] != sizes[i])
        rushlight::fail<ValueError>("expected sequence of length ", sizes[i], " at dim ", dim + static_cast<int64_t>(i),
                                    " (got ", source.sizes()[i], ")");
    const int64_t at = (out - result.data()) / result.item_size();
    const Tensor part = Tensor::adopt(
        TensorImpl::create(result.storage(), result.dtype(), sizes, layout::contiguous_strides(sizes), at));
    copy_(part, source);
    out += part.nbytes();
  }
};

Tensor from_sequence(PyObject* data, OptDType dtype) {
  const DimVector sizes = shape_of(data);
  const DType d = dtype ? *dtype : infer(data, sizes.size());
  const Tensor result = empty(sizes, d);
  if (result.numel() == 0) return result;
  NoGradGuard no_grad;
  Filler{result, result.data()}.fill(data, sizes);
  return result;
}

// Converts and copies where that is asked for or needed.
Tensor finish(const Tensor& t, OptDType dtype, bool copy) { return to(t, dtype.value_or(t.dtype()), copy); }

bool has(PyObject* o, const char* attribute) {
  return PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), attribute);
}

// Objects that describe their own memory.
bool from_exporter(PyObject* o, OptDType dtype, bool copy, Tensor& result) {
  if (is_plain_sequence(o) || PyRange_Check(o) || PyDict_Check(o) || PyByteArray_Check(o) || PyMemoryView_Check(o))
    return false;
  const bool array = has(o, "__array__");
  if (has(o, "__dlpack__")) {
    try {
      result = finish(from_dlpack(o), dtype, copy);
      return true;
    } catch (const PythonError&) {
      if (!array) throw;
      forgive();
    } catch (const Error&) {
      if (!array) throw;
    }
  }
  Tensor t;
  if (array) {
    Owned made(PyObject_CallMethod(o, "__array__", nullptr));
    t = from_numpy(made.get());
  } else if (has(o, "__array_interface__")) {
    Owned made(call_python("numpy", "asarray", o));
    t = from_numpy(made.get());
  } else {
    return false;
  }
  result = finish(t, dtype, copy);
  return true;
}

Tensor from_buffer_object(PyObject* o, OptDType dtype, bool copy) {
  Owned view(PyMemoryView_FromObject(o));
  Owned array(call_python("numpy", "asarray", view.get()));
  return finish(from_numpy(array.get()), dtype, copy);
}

void warn_copy(const char* call) {
  const std::string text =
      std::string(
          "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
          "sourceTensor.detach().clone().requires_grad_(True), rather than ") +
      call;
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw PythonError{};
}

// object data, dtype, device, requires_grad, pin_memory
PyObject* make_tensor(Args& a) {
  PyObject* data = a.object(0);
  require_backend(a.has(2) ? a.device(2) : default_device());
  if (is_tensor(data)) warn_copy("torch.tensor(sourceTensor).");
  const Options o{a.dtype(1), a.device(2), a.flag(3)};
  if (a.flag(4)) fail_pinning();
  return o.finish(tensor_from_data(data, o.dtype, true));
}

// self, data, dtype, layout, device, pin_memory, requires_grad
PyObject* new_tensor(Args& a) {
  const Options o = read_options(a, 2, a.tensor(0));
  require_backend(o.device);
  if (is_tensor(a.object(1))) warn_copy("tensor.new_tensor(sourceTensor).");
  return o.finish(tensor_from_data(a.object(1), o.dtype, true));
}

// Tensor.new: sizes (numbers or a torch.Size) for uninitialised memory, else data; a tensor gives an alias.
template <bool Sizes = false>
PyObject* legacy_new(Args& a) {
  const Tensor& self = a.tensor(0);
  if (a.has(2) && a.device(2).type != self.device().type)
    fail("legacy constructor expects device type: ", self.device().str(), " but device type: ", a.device(2).str(),
         " was passed");
  PyObject* data = a.object(1);
  if (Sizes || (data && is_int(data)) || (data && std::strcmp(Py_TYPE(data)->tp_name, "rushlight.Size") == 0))
    return wrap(empty(a.ints(1), self.dtype(), self.device()));
  if (!data) return wrap(empty(DimVector{0}, self.dtype(), self.device()));
  if (is_tensor(data)) {
    if (a.has(2)) fail("Legacy tensor new of the form tensor.new(tensor, device=device) is not supported");
    if (unwrap(data).dtype() != self.dtype())
      fail<TypeError>("expected ", tensor_type_name(self.dtype()), " (got ", tensor_type_name(unwrap(data).dtype()),
                      ")");
    return wrap(alias(unwrap(data)));
  }
  if (is_text(data)) fail_text(data);
  if (const Tensor t = tensor_of_storage(data, self.dtype()); t.defined()) return wrap(t);
  if (!is_sequence(data)) fail<TypeError>("new(): data must be a sequence (got ", type_name(data), ")");
  return wrap(tensor_from_data(data, self.dtype(), true));
}

PyObject* as_tensor(Args& a) {
  require_backend(a.has(2) ? a.device(2) : default_device());
  PyObject* data = a.object(0);
  if (is_tensor(data)) {
    const Tensor& t = unwrap(data);
    if (!a.has(1) || *a.dtype(1) == t.dtype()) return Py_NewRef(data);
    return wrap(to(t, *a.dtype(1)));
  }
  return wrap(tensor_from_data(data, a.dtype(1), false));
}

// Neither an array nor a number nor a list, but memory.
bool exports_buffer_only(PyObject* o) {
  return PyObject_CheckBuffer(o) && !is_numpy_array(o) && !is_number(o) && !has(o, "__dlpack__");
}

// object obj, dtype, device, copy, requires_grad
PyObject* as_array(Args& a) {
  PyObject* data = a.object(0);
  require_backend(a.has(2) ? a.device(2) : default_device());
  const bool copy = a.flag(3), no_copy = a.has(3) && !copy;
  const OptDType dtype = a.dtype(1);
  Tensor t;
  if (is_tensor(data)) {
    t = unwrap(data);
  } else if (PyCapsule_CheckExact(data)) {
    t = from_dlpack(data);
  } else if (exports_buffer_only(data)) {
    // Bytes are the memory of a flat tensor, not a sequence of integers.
    Owned made(PyDict_New());
    Owned d(wrap_dtype(dtype.value_or(default_dtype())));
    if (PyDict_SetItemString(made.get(), "dtype", d.get()) < 0) throw PythonError{};
    Owned module(PyImport_ImportModule("rushlight"));
    Owned function(PyObject_GetAttrString(module.get(), "frombuffer"));
    Owned args(PyTuple_Pack(1, data));
    Owned shared(PyObject_Call(function.get(), args.get(), made.get()));
    t = unwrap(shared.get());
  } else if (is_plain_sequence(data) || is_number(data)) {
    if (no_copy && is_numpy_scalar(data))
      fail("can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray. ");
    if (no_copy) fail<ValueError>("can't alias arbitrary sequence into a tensor.");
    t = tensor_from_data(data, dtype, true);
  } else {
    t = tensor_from_data(data, {}, false);
  }
  if (no_copy && dtype && *dtype != t.dtype())
    fail<ValueError>("can't alias tensor with dtype '", t.dtype(), "' into dtype '", *dtype, "'.");
  static bool warned = false;
  if (!a.has(4) && t.requires_grad() && !warned) {
    warned = true;
    warn(
        "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of False. Pass "
        "requires_grad=False explicitly to get the old behavior and silence this warning.");
  }
  if (a.has(4) && !a.flag(4)) t = detach(t);
  // The object itself where nothing changes.
  if (is_tensor(data) && t.is_same(unwrap(data)) && !copy && dtype.value_or(t.dtype()) == t.dtype()) {
    if (a.flag(4) && !t.requires_grad()) t.set_requires_grad(true);
    return Py_NewRef(data);
  }
  t = to(t, dtype.value_or(t.dtype()), copy);
  if (a.flag(4) && !t.requires_grad()) t.set_requires_grad(true);
  return wrap(t);
}

}  // namespace

Tensor tensor_from_data(PyObject* data, OptDType dtype, bool copy) {
  Tensor result;
  if (from_plain(data, dtype, result)) [[likely]]
    return result;
  if (is_tensor(data)) return finish(detach(unwrap(data)), dtype, copy);
  if (is_text(data)) fail_text(data);
  if (is_numpy_array(data)) {
    // A copy neither needs the array to be writable nor keeps it.
    return copy ? finish(share_numpy(data, false), dtype, true) : finish(from_numpy(data), dtype, false);
  }
  const bool number = PyFloat_Check(data) || PyLong_Check(data) || PyComplex_Check(data) || is_numpy_scalar(data);
  if (!number) {
    if (result = tensor_of_storage(data, dtype); result.defined()) return result;
    if (from_exporter(data, dtype, copy, result)) return result;
    if (PyDict_Check(data)) fail("Could not infer dtype of ", Py_TYPE(data)->tp_name);
    if (!is_sequence(data) && PyObject_CheckBuffer(data)) return from_buffer_object(data, dtype, copy);
  }
  return from_sequence(data, dtype);
}

void register_construct() {
  def("new_tensor(Tensor self, object data, *, " RL_OPTIONS ")", new_tensor, kMethod,
      "A copy of data with the dtype of self.");
  def("new(Tensor self, object? data=None, *, device? device=None)", legacy_new<>, kMethod,
      "Deprecated: an uninitialised tensor of the dtype of self, or one of data.");
  def("new(Tensor self, int[*] size, *, device? device=None)", legacy_new<true>, kMethod);
  def("tensor(object data, *, dtype? dtype=None, device? device=None, bool? requires_grad=False, bool? "
      "pin_memory=False)",
      make_tensor, kFunction,
      "A new tensor with a copy of data: a number, nested sequences of numbers, an array, a tensor (without its "
      "history) or an object "
      "with __dlpack__, __array__ or a buffer.\n\ndtype: that of the data; Python floats give "
      "get_default_dtype().\nRaises ValueError for "
      "ragged sequences, TypeError for text, RuntimeError for values that do not fit dtype.");
  def("as_tensor(object data, dtype? dtype=None, device? device=None)", as_tensor, kFunction,
      "A tensor of data that shares its memory where it can: tensors (with their history), NumPy arrays and DLPack "
      "objects of the same "
      "dtype.");
  def("asarray(object obj, *, dtype? dtype=None, device? device=None, bool? copy=None, bool? requires_grad=None)",
      as_array, kFunction,
      "A tensor of obj.\n\ncopy: True copies always, False never (ValueError where it would have to), None where "
      "needed.");
}

}  // namespace rushlight::python
