// What every binding file uses: the Tensor type, the argument parser and the registration of functions.
//
// The hot path is written on CPython's own interface: a type whose instances are recycled, number slots, and functions
// called by vectorcall with one parser for all of them. Classes that are not hot are nanobind's.
#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <vector>

#include "rushlight/autograd.h"
#include "rushlight/generator.h"
#include "rushlight/ops.h"

namespace rushlight::python {

namespace nb = nanobind;

// ---- Tensor objects (tensor_type.cpp)
struct PyTensor {
  PyObject_HEAD TensorImpl* impl;  // owned; null only between tp_new and the end of construction
  PyObject* dict;
  PyObject* weakrefs;
};

extern PyTypeObject TensorType;

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == &TensorType || PyType_IsSubtype(Py_TYPE(o), &TensorType); }
// Borrowed access without touching the count: a Tensor is one pointer.
inline const Tensor& unwrap(PyObject* o) {
  static_assert(sizeof(Tensor) == sizeof(TensorImpl*));
  return *reinterpret_cast<const Tensor*>(&reinterpret_cast<PyTensor*>(o)->impl);
}
// The Python object of a tensor: the same one for as long as it lives. None for undefined tensors.
PyObject* wrap(Tensor tensor);
// The same as a new instance of a subclass.
PyObject* wrap_as(PyTypeObject* type, Tensor tensor);
PyObject* wrap(const TensorList& tensors);  // a tuple
PyObject* wrap_list(const TensorList& tensors);

// ---- small values
PyObject* wrap_size(IntSpan sizes);   // torch.Size
PyObject* wrap_ints(IntSpan values);  // tuple
PyObject* wrap_scalar(const Scalar& value);
PyObject* wrap_dtype(DType dtype);  // the one object of this dtype
PyObject* wrap_device(Device device);
inline PyObject* wrap_bool(bool value) { return Py_NewRef(value ? Py_True : Py_False); }
inline PyObject* none() { return Py_NewRef(Py_None); }

bool is_dtype(PyObject* o);
DType to_dtype(PyObject* o);  // also float, int, bool, complex
bool is_device(PyObject* o);  // device objects, strings, integers
bool is_device_object(PyObject* o);
Device to_device(PyObject* o);
bool is_int(PyObject* o);     // Python and NumPy integers (not bool), 0-d integer tensors
bool is_number(PyObject* o);  // Python and NumPy numbers
int64_t to_int(PyObject* o);
double to_double(PyObject* o);
Scalar to_scalar(PyObject* o);

// ---- texts for messages, and what Python code says and raises (text.cpp)
std::string type_name(PyObject* o);  // as torch's messages show types: "numpy.ndarray", "list of ints" ...
// The characters of a str; backslash escapes stand for those that UTF-8 lacks. Never fails: "?" for what is no str.
std::string text_of(PyObject* o);
// The same of repr(o) and str(o), whose exceptions are thrown.
std::string repr_of(PyObject* o);
std::string str_of(PyObject* o);
// bool(o), whose exception is thrown.
bool is_true(PyObject* o);
// Clears an exception that is the answer to a question. What is none of Exception's (KeyboardInterrupt), or says that
// memory has ended, is thrown.
void forgive();

// A Python exception is set already.
struct PythonError {};
// Sets the Python exception of the C++ exception in flight.
void set_python_error() noexcept;
template <class F>
PyObject* guarded(F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}
// The same for slots that give a status: what f gives, 0 if that is nothing; -1 with the exception set.
template <class F>
int guarded_status(F&& f) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      return 0;
    } else {
      return f();
    }
  } catch (...) {
    set_python_error();
    return -1;
  }
}
inline PyObject* check_object(PyObject* o) {
  if (!o) throw PythonError{};
  return o;
}
// The C++ value of an object of a nanobind class; TypeError for what __new__ made without __init__.
template <class T>
T* ready_instance(PyObject* o) {
  if (!nb::inst_ready(nb::handle(o)))
    fail<TypeError>(Py_TYPE(o)->tp_name, " object was made without calling __init__()");
  return nb::inst_ptr<T>(nb::handle(o));
}
// Owned reference that is dropped at the end of the scope.
class Owned {
 public:
  explicit Owned(PyObject* o) : object_(check_object(o)) {}
  ~Owned() { Py_XDECREF(object_); }
  Owned(const Owned&) = delete;
  PyObject* get() const { return object_; }
  PyObject* release() {
    PyObject* o = object_;
    object_ = nullptr;
    return o;
  }

 private:
  PyObject* object_;
};

// ---- signals (signals.cpp)
// Whether a signal has stopped a kernel since the last call: what it wrote to is left partly written.
bool take_interrupted();
// Counts a change of a tensor or of those in a list or tuple.
void count_change(PyObject* written);

// ---- arguments (parser.cpp)
inline constexpr int kMaxParams = 16;

struct Operation;

// The values of one call, by position in the signature; absent ones and None are null.
class Args {
 public:
  PyObject* values[kMaxParams];
  PyObject* const* variadic = nullptr;  // positional integers that stand for one list
  Py_ssize_t variadic_count = 0;
  const char* function = "";

  bool has(int i) const { return values[i] || (i == variadic_at && variadic); }
  PyObject* object(int i) const { return values[i]; }
  const Tensor& tensor(int i) const { return unwrap(values[i]); }
  Tensor tensor_or_none(int i) const { return values[i] ? unwrap(values[i]) : Tensor(); }
  Operand operand(int i) const;
  Scalar scalar(int i, const Scalar& otherwise = Scalar(0)) const {
    return values[i] ? to_scalar(values[i]) : otherwise;
  }
  OptScalar scalar_or_none(int i) const;
  int64_t integer(int i, int64_t otherwise = 0) const { return values[i] ? to_int(values[i]) : otherwise; }
  OptInt integer_or_none(int i) const;
  double number(int i, double otherwise = 0) const { return values[i] ? to_double(values[i]) : otherwise; }
  bool flag(int i, bool otherwise = false) const;
  DimVector ints(int i) const;
  TensorList tensors(int i) const;
  OptDType dtype(int i) const;
  Device device(int i) const { return values[i] ? to_device(values[i]) : Device{}; }
  std::string text(int i) const;
  Generator generator(int i) const;  // the default generator where absent

  int variadic_at = -1;
  const void* signature = nullptr;       // of the overload that took the call
  const Operation* operation = nullptr;  // of that overload, where def_op made it
};

// A list of dims that may be absent: absent means all.
class DimsArg {
 public:
  DimsArg(const Args& a, int i) : present_(a.has(i)), dims_(present_ ? a.ints(i) : DimVector()) {}
  operator OptSpan() const { return present_ ? OptSpan(IntSpan(dims_)) : OptSpan(); }
  const DimVector& dims() const { return dims_; }
  bool present() const { return present_; }

 private:
  bool present_;
  DimVector dims_;
};

using Handler = PyObject* (*)(Args& args);

// kInPlace: def_op adds the method that ends in _.
// kSpecial: the submodule `_special`, which rushlight.special shows.
enum Where : int {
  kFunction = 1,
  kMethod = 2,
  kBoth = 3,
  kNN = 4,
  kStatic = 8,
  kInPlace = 16,
  kAll = 19,
  kSpecial = 32
};

// Registers one overload. The signature is torch's:
//   "sum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None, Tensor? out=None) -> Tensor"
// Types: Tensor, Operand (Tensor or number), Scalar, int, float, bool, str, int[], int[1] (one integer will do),
// int[*] (also as separate positional integers), Tensor[], dtype, device, Generator, object; a ? allows None. A first
// parameter of type Tensor is `self` of the method. Overloads of one name are tried in the order of registration.
void def(const char* signature, Handler handler, int where = kBoth, const char* doc = nullptr,
         const Operation* operation = nullptr);

// ---- operations that make new tensors (operation.cpp): one line makes the function, the method, the in-place method
// and the out= form, where `where` and the signature have them.
//   def_op("hypot(Tensor input, Tensor other, *, Tensor? out=None)",
//          [](const Args& a) { return hypot(a.tensor(0), a.tensor(1)); }, kAll);
// `compute` never looks at out=: the result is checked against it and stored in it by torch's rules. The in-place
// method name_ has the signature without out=; it computes from a copy of self where the graph may need the old values.
void def_op(const char* signature, Tensor (*compute)(const Args& args), int where = kBoth, const char* doc = nullptr);
// The same for several results. `fields`: names of the named tuple torch.return_types.<name>, separated by spaces;
// empty for a plain tuple. out= is a parameter `Tensor[]? out=None` that takes as many tensors.
void def_ops(const char* signature, TensorList (*compute)(const Args& args), const char* fields, int where = kBoth,
             const char* doc = nullptr);

// The same function under a second name.
void def_alias(const char* alias, const char* name, int where = kBoth);
// What a function of the module says it is: a part of another module under another name.
void show_as(const char* function, const char* name, const char* module);
// Puts what was registered into the module, the Tensor type and the submodules `_nn` and `_special`.
void install_functions(PyObject* module);

// ---- named tuples torch.return_types.max ... (values.cpp)
PyObject* make_return(const char* name, const char* const* fields, const Tensor* values, int count);
PyObject* make_values_indices(const char* name, Tensor values, Tensor indices);

// ---- indexing (indexing.cpp)
PyObject* get_item(PyObject* self, PyObject* index);
int set_item(PyObject* self, PyObject* index, PyObject* value);

// ---- construction from Python data (construct.cpp, numpy.cpp)
Tensor tensor_from_data(PyObject* data, OptDType dtype, bool copy);
bool is_numpy_array(PyObject* o);
int numpy_dims(PyObject* array);
bool is_numpy_index(PyObject* array);  // 0-d, of an integer type
Tensor from_numpy(PyObject* array);
Tensor share_numpy(PyObject* array, bool warn_read_only);
PyObject* to_numpy(const Tensor& t);
// dlpack.cpp: an object with __dlpack__ or a capsule.
Tensor from_dlpack(PyObject* o, std::optional<bool> copy = {});
// buffer.cpp: the buffer protocol of TensorType.
extern PyBufferProcs tensor_buffer;
// The elements as nested lists of Python numbers; one number for 0-d tensors.
PyObject* to_list(const Tensor& t);
// The one Python object of a storage (storage.cpp).
PyObject* wrap_storage(const Ref<Storage>& storage);
// Calls rushlight.<module>.<function>(args...).
template <class... Objects>
PyObject* call_python(const char* module, const char* function, Objects*... args) {
  Owned m(PyImport_ImportModule(module));
  Owned f(PyObject_GetAttrString(m.get(), function));
  return check_object(PyObject_CallFunctionObjArgs(f.get(), args..., nullptr));
}
// Memory that others point into must not move any more.
template <class S>
void pin(S& storage) {
  if constexpr (requires { storage.pin(); }) storage.pin();
}

// ---- registration, one function per file
void bind_signals();
void bind_values(nb::module_& m);
void bind_tensor_type(nb::module_& m);
void bind_storage(nb::module_& m);
void bind_generator(nb::module_& m);
void bind_autograd(nb::module_& m);
void bind_numpy(nb::module_& m);
void register_elementwise();
void register_shape();
void register_rearrange();
void register_split();
void register_view_copy();
void register_memory_format();
void register_reduce();
void register_matmul();
void register_join();
void register_index();
void register_creation();
void register_random();
void register_nn();
void register_methods();
void register_legacy();
void register_construct();
void register_special();
void register_sort();
void register_ternary();
void register_dlpack();  // called by bind_numpy
void register_buffer();  // called by bind_numpy
void register_windows();
void register_scan();
void register_statistics();
void register_normalization();
void register_grid_sampler();
void register_contract();
void register_deprecated();  // after the current forms
void register_segment();

PyObject* wrap_node(const Ref<Node>& node);

}  // namespace rushlight::python
