// One parser for the arguments of all functions.
#include <algorithm>
#include <cstring>

#include "bindings/conj.h"
#include "bindings/signature.h"

namespace rushlight::python {

namespace {

// Sizes may also be integers in 0-d NumPy arrays.
bool is_size(PyObject* o) {
  if (is_int(o)) return true;
  if (std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") != 0) return false;
  // The first question of this kind may import something, and whoever keeps `o` may let go of it meanwhile.
  const Owned held(Py_NewRef(o));
  return is_numpy_array(o) && is_numpy_index(o);
}

// Lists are asked for their length again after each item: see is_size().

bool is_int_sequence(PyObject* o) {
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
    if (!is_size(PySequence_Fast_GET_ITEM(o, i))) return false;
  return true;
}

bool is_tensor_sequence(PyObject* o) {
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!is_tensor(PySequence_Fast_GET_ITEM(o, i))) return false;
  return true;
}

bool accepts(const Param& p, PyObject* o) {
  if (p.hidden) return false;
  switch (p.kind) {
    case Kind::Tensor: return is_tensor(o);
    case Kind::Operand: return is_tensor(o) || is_number(o);
    case Kind::Scalar: return is_number(o) || (is_tensor(o) && unwrap(o).dim() == 0 && !unwrap(o).requires_grad());
    case Kind::Int: return is_int(o);
    case Kind::Float:
      if (is_tensor(o)) return unwrap(o).dim() == 0 && !is_complex(unwrap(o).dtype()) && !unwrap(o).requires_grad();
      return is_number(o) && !PyComplex_Check(o);
    case Kind::Bool:
      return PyBool_Check(o) ||
             (!PyLong_Check(o) && is_number(o) && std::strcmp(Py_TYPE(o)->tp_name, "numpy.bool") == 0);
    case Kind::Text: return PyUnicode_Check(o);
    case Kind::Ints: return (p.single && is_size(o)) || is_int_sequence(o);
    case Kind::Tensors: return is_tensor_sequence(o);
    case Kind::DType:
      return is_dtype(o) || o == reinterpret_cast<PyObject*>(&PyFloat_Type) ||
             o == reinterpret_cast<PyObject*>(&PyLong_Type) || o == reinterpret_cast<PyObject*>(&PyBool_Type) ||
             o == reinterpret_cast<PyObject*>(&PyComplex_Type);
    case Kind::Device: return is_device(o);
    case Kind::Generator: return nb::isinstance<Generator>(nb::handle(o));
    case Kind::Object: return true;
  }
  return false;
}

// NumPy's names for arguments, accepted beside torch's own.
bool is_alias(const std::string& name, PyObject* given) {
  auto same = [&](const char* text) { return PyUnicode_CompareWithASCIIString(given, text) == 0; };
  if (name == "dim") return same("axis");
  if (name == "keepdim") return same("keepdims");
  if (name == "input") return same("self") || same("x") || same("a") || same("x1");
  if (name == "self") return same("input") || same("x") || same("a") || same("x1");
  if (name == "other") return same("x2");
  if (name == "from_") return same("from");
  return false;
}

// Why a signature did not take the arguments.
struct Mismatch {
  std::string text;
  bool method = false;    // positions do not count self
  bool unpacked = false;  // the argument looked right by its first element: torch gives up here

  // position: 1-based, 0 for a keyword.
  void refuse(const Param& p, Py_ssize_t position, PyObject* o) {
    if (p.kind == Kind::Ints && (PyTuple_Check(o) || PyList_Check(o)))
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
        const Owned item(Py_NewRef(PySequence_Fast_GET_ITEM(o, i)));
        if (!is_size(item.get())) return refuse_element(p, position, i, item.get());
      }
    text = place(p, position) + " must be " + expected(p) + ", not " + type_name(o);
  }
  void refuse_element(const Param& p, Py_ssize_t position, Py_ssize_t i, PyObject* item) {
    unpacked = i > 0;
    text = unpacked ? "argument '" + p.name + "' failed to unpack the object at pos " + std::to_string(i + 1) +
                          " with error \"type must be tuple of ints,but got " + type_name(item) + "\""
                    : place(p, position) + " must be tuple of ints, but found element of type " + type_name(item) +
                          " at pos " + std::to_string(i);
  }

 private:
  std::string place(const Param& p, Py_ssize_t position) const {
    return "argument '" + p.name + (position ? "' (position " + std::to_string(position - method) + ")" : "'");
  }
};

bool bind(const Signature& s, PyObject* const* given, Py_ssize_t count, PyObject* names, Args& args, Mismatch* why) {
  const int n = static_cast<int>(s.params.size());
  for (int i = 0; i < n; ++i) args.values[i] = nullptr;
  args.variadic = nullptr;
  args.variadic_at = -1;
  args.signature = &s;
  args.operation = s.operation;
  bool set[kMaxParams] = {};
  int param = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (param < s.positional) {
      const Param& p = s.params[param];
      PyObject* o = given[i];
      if (p.variadic && is_size(o)) {
        // All that is left are integers of one list.
        for (Py_ssize_t k = i; k < count; ++k)
          if (!is_size(given[k])) {
            if (why) why->refuse_element(p, i + 1, k - i, given[k]);
            return false;
          }
        args.variadic = given + i;
        args.variadic_count = count - i;
        args.variadic_at = param;
        set[param++] = true;
        i = count;
        break;
      }
      if (o == Py_None && (p.nullable || (!p.required && p.fallback == "None"))) {
        set[param++] = true;
        continue;
      }
      if (!accepts(p, o)) {
        if (why) why->refuse(p, i + 1, o);
        return false;
      }
      args.values[param] = o;
      set[param++] = true;
    } else {
      if (why)
        why->text = "takes " + std::to_string(s.positional) + " positional argument" + (s.positional == 1 ? "" : "s") +
                    " but " + std::to_string(count) + (count == 1 ? " was" : " were") + " given";
      return false;
    }
  }
  if (names) {
    const Py_ssize_t k = PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < k; ++i) {
      PyObject* name = PyTuple_GET_ITEM(names, i);
      int found = -1;
      for (int p = 0; p < n && found < 0; ++p)
        if (s.params[p].interned == name) found = p;
      for (int p = 0; p < n && found < 0; ++p)
        if (PyUnicode_Compare(s.params[p].interned, name) == 0) found = p;
      for (int p = 0; p < n && found < 0; ++p)
        if (!set[p] && is_alias(s.params[p].name, name)) found = p;
      if (found < 0) {
        if (why) why->text = "got an unexpected keyword argument '" + text_of(name) + "'";
        return false;
      }
      if (set[found]) {
        if (why) why->text = "got multiple values for argument '" + text_of(name) + "'";
        return false;
      }
      set[found] = true;
      PyObject* o = given[count + i];
      const Param& p = s.params[found];
      if (o == Py_None && (p.nullable || (!p.required && p.fallback == "None"))) continue;
      if (!accepts(p, o)) {
        if (why) why->refuse(p, 0, o);
        return false;
      }
      args.values[found] = o;
    }
  }
  for (int p = 0; p < n; ++p)
    if (!set[p] && s.params[p].required) {
      if (why) {
        std::string missing;
        int absent = 0;
        for (int q = 0; q < n; ++q)
          if (!set[q] && s.params[q].required) {
            missing += (absent++ ? ", " : "") + ("\"" + s.params[q].name + "\"");
          }
        // One is "arguments" and several are "argument" in torch's text, too.
        why->text = "missing " + std::to_string(absent) + " required positional argument" + (absent > 1 ? "" : "s") +
                    ": " + missing;
      }
      return false;
    }
  return true;
}

[[gnu::cold]] PyObject* fail_call(const Function& f, PyObject* const* given, Py_ssize_t count, PyObject* names,
                                  bool method) {
  std::string text;
  Args args;
  Mismatch why;
  why.method = method;
  for (const Signature& s : f.overloads)
    if (!why.unpacked) bind(s, given, count, names, args, &why);
  if (why.unpacked) {
    text = f.name + "(): " + why.text;
  } else if (f.overloads.size() == 1) {
    bind(f.overloads[0], given, count, names, args, &why);
    text = f.name + "(): " + why.text;
    if (why.text.rfind("missing", 0) == 0 || why.text.rfind("takes", 0) == 0 || why.text.rfind("got", 0) == 0)
      text = f.name + "() " + why.text;
  } else {
    text = f.name + "() received an invalid combination of arguments - got (";
    const Py_ssize_t first = method && count ? 1 : 0;
    for (Py_ssize_t i = first; i < count; ++i) text += (i > first ? ", " : "") + type_name(given[i]);
    if (names)
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
        text += std::string(count - first + i ? ", " : "") + text_of(PyTuple_GET_ITEM(names, i)) + "=" +
                type_name(given[count + i]);
    text += "), but expected one of:";
    for (const Signature& s : f.overloads) text += "\n * " + s.shown;
  }
  PyErr_SetString(PyExc_TypeError, text.c_str());
  return nullptr;
}

// NumPy's functions call the method of their name, with keywords of theirs alone: method(axis=..., out=None, ...).
[[gnu::cold]] bool is_numpy_form(const Function& f, Py_ssize_t count, PyObject* names) {
  static const char* const forms[] = {"all",  "any", "argmax", "argmin", "cumprod", "cumsum", "max",
                                      "mean", "min", "prod",   "std",    "sum",     "var"};
  if (count != 1 || !names) return false;
  if (std::find(std::begin(forms), std::end(forms), f.name) == std::end(forms)) return false;
  bool axis = false, out = false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
    axis = axis || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "axis") == 0;
    out = out || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "out") == 0;
  }
  return axis && out;
}
[[gnu::cold]] PyObject* call_numpy_form(const Function& f, PyObject* const* given, PyObject* names) {
  Owned module(PyImport_ImportModule("rushlight._numpy_forms"));
  Owned callable(PyObject_GetAttrString(module.get(), "call"));
  Owned name(PyUnicode_FromString(f.name.c_str()));
  std::vector<PyObject*> all{name.get()};
  all.insert(all.end(), given, given + 1 + PyTuple_GET_SIZE(names));
  return PyObject_Vectorcall(callable.get(), all.data(), 2, names);
}

// Whether the call changes its first argument.
[[gnu::cold]] bool writes_first(const Signature& s, const Args& args) {
  if (s.inplace) return true;
  for (size_t i = 0; i < s.params.size(); ++i)
    if (s.params[i].name == "inplace") return args.values[i] == Py_True;
  return false;
}

// Calls the handler with copies of the tensors that have the conjugate or the negative bit. What it writes goes back to
// them.
[[gnu::cold]] PyObject* call_resolved(const Signature& s, Args& args) {
  struct Kept {
    std::vector<PyObject*> objects;
    ~Kept() {
      for (PyObject* o : objects) Py_DECREF(o);
    }
  } kept;
  PyObject* changed = nullptr;  // with the bit
  PyObject* copy = nullptr;
  for (size_t i = 0; i < s.params.size(); ++i) {
    PyObject* const o = args.values[i];
    if (!o) continue;
    kept.objects.push_back(without_lazy(o));
    PyObject* const plain = kept.objects.back();
    if (plain == o) continue;
    args.values[i] = plain;
    if (s.params[i].name != "out" && !(i == 0 && writes_first(s, args))) continue;
    if (!is_tensor(o) || changed)
      fail(args.function,
           "(): several tensors that have the conjugate or negative bit set cannot be written to; call "
           "resolve_conj() or resolve_neg() first");
    autograd::check_inplace(unwrap(o));
    changed = o;
    copy = plain;
  }
  if (!changed) return s.handler(args);
  Owned result(s.handler(args));
  store_resolved(unwrap(changed), unwrap(copy));
  return result.get() == copy ? Py_NewRef(changed) : result.release();
}

// What a call that a signal has stopped may have written to.
[[gnu::cold]] void note_written(const Args& args) {
  const auto* s = static_cast<const Signature*>(args.signature);
  if (!take_interrupted() || !s) return;
  for (size_t i = 0; i < s->params.size(); ++i)
    if ((i == 0 && writes_first(*s, args)) || s->params[i].name == "out") count_change(args.values[i]);
}

}  // namespace

PyObject* call(PyObject* callable, PyObject* const* given, size_t nargsf, PyObject* names) {
  const Function& f = *reinterpret_cast<FunctionObject*>(callable)->function;
  const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
  Args args;
  args.function = f.name.c_str();
  PyObject* taken;
  if (overrides_possible() && overridden(callable, f.override_by, given, count, names, &taken)) [[unlikely]]
    return taken;
  try {
    for (const Signature& s : f.overloads)
      if (bind(s, given, count, names, args, nullptr)) {
        if (TensorImpl::any_lazy() && !s.lazy_aware) [[unlikely]]
          return call_resolved(s, args);
        return s.handler(args);
      }
    if (PyErr_Occurred()) return nullptr;
    // What no overload takes may belong to a class with a handler of its own.
    if (overridden(callable, f.override_by, given, count, names, &taken)) return taken;
    const bool method = reinterpret_cast<FunctionObject*>(callable)->method;
    if (method && is_numpy_form(f, count, names)) return call_numpy_form(f, given, names);
    return fail_call(f, given, count, names, method);
  } catch (...) {
    set_python_error();
    note_written(args);
    return nullptr;
  }
}

// ---- values of arguments

Operand Args::operand(int i) const {
  if (is_tensor(values[i])) return Operand(unwrap(values[i]));
  return Operand(to_scalar(values[i]));
}
OptScalar Args::scalar_or_none(int i) const { return values[i] ? OptScalar(to_scalar(values[i])) : OptScalar(); }
OptInt Args::integer_or_none(int i) const { return values[i] ? OptInt(to_int(values[i])) : OptInt(); }

bool Args::flag(int i, bool otherwise) const {
  if (!values[i]) return otherwise;
  return is_true(values[i]);
}

namespace {
// torch names the place where a list holds an integer beyond int64.
int64_t element(const Args& a, int i, PyObject* o, Py_ssize_t at) {
  try {
    return to_int(o);
  } catch (const ValueError& e) {
    const auto* s = static_cast<const Signature*>(a.signature);
    fail<TypeError>(a.function, "(): argument '", s ? s->params[static_cast<size_t>(i)].name : "",
                    "' failed to unpack the object at pos ", at + 1, " with error \"", e.what(), "\"");
  }
}
}  // namespace

DimVector Args::ints(int i) const {
  DimVector result;
  if (i == variadic_at && variadic) {
    for (Py_ssize_t k = 0; k < variadic_count; ++k) result.push_back(element(*this, i, variadic[k], k));
    return result;
  }
  PyObject* o = values[i];
  if (!o) return result;
  if (!PyTuple_Check(o) && !PyList_Check(o)) {
    result.push_back(to_int(o));
    return result;
  }
  // to_int may run Python code that changes a list: ask for its length each time.
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k) {
    Owned item(Py_NewRef(PySequence_Fast_GET_ITEM(o, k)));
    result.push_back(element(*this, i, item.get(), k));
  }
  return result;
}

TensorList Args::tensors(int i) const {
  TensorList result;
  PyObject* o = values[i];
  if (!o) return result;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  result.reserve(static_cast<size_t>(n));
  for (Py_ssize_t k = 0; k < n; ++k) {
    // Other arguments may have run Python code since the list was looked at.
    PyObject* item = PySequence_Fast_GET_ITEM(o, k);
    if (!is_tensor(item))
      fail<TypeError>(function, "(): expected Tensor as element ", k, ", but got ", type_name(item));
    result.push_back(unwrap(item));
  }
  return result;
}

OptDType Args::dtype(int i) const { return values[i] ? OptDType(to_dtype(values[i])) : OptDType(); }

std::string Args::text(int i) const {
  if (!values[i]) return "";
  const char* s = PyUnicode_AsUTF8(values[i]);
  if (!s) throw PythonError{};
  return s;
}

Generator Args::generator(int i) const {
  return values[i] ? nb::cast<Generator>(nb::handle(values[i])) : default_generator();
}

}  // namespace rushlight::python
