// One parser for the arguments of all functions, and the function objects that use it.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "bindings/conj.h"

namespace rushlight::python {

namespace {

enum class Kind : uint8_t {
  Tensor,
  Operand,
  Scalar,
  Int,
  Float,
  Bool,
  Text,
  Ints,
  Tensors,
  DType,
  Device,
  Generator,
  Object
};

struct Param {
  std::string name;
  PyObject* interned = nullptr;
  Kind kind = Kind::Object;
  bool nullable = false;
  bool required = true;
  bool keyword_only = false;
  bool single = false;    // one integer stands for the list
  bool variadic = false;  // separate positional integers do, too
  bool hidden = false;    // out= of a method: only None
  std::string type, fallback;
};

struct Signature {
  std::string text;   // "sum(Tensor input, ...)"
  std::string shown;  // the same in torch's words, for messages
  std::vector<Param> params;
  std::string returns;
  int positional = 0;
  Handler handler;
  const Operation* operation = nullptr;
  bool conj_aware = false;
  bool inplace = false;  // changes the tensor that is its first argument
};

struct Function {
  std::string name;
  std::string doc;
  std::vector<Signature> overloads;
};

struct FunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  Function* function;
  bool method;
};

Kind kind_of(const std::string& type) {
  static const std::map<std::string, Kind> kinds = {
      {"Tensor", Kind::Tensor},    {"Operand", Kind::Operand}, {"Scalar", Kind::Scalar}, {"int", Kind::Int},
      {"float", Kind::Float},      {"bool", Kind::Bool},       {"str", Kind::Text},      {"int[]", Kind::Ints},
      {"Tensor[]", Kind::Tensors}, {"dtype", Kind::DType},     {"device", Kind::Device}, {"Generator", Kind::Generator},
      {"object", Kind::Object}};
  auto found = kinds.find(type);
  if (found == kinds.end()) Py_FatalError(("unknown type in a signature: " + type).c_str());
  return found->second;
}

std::string trim(const std::string& s) {
  const size_t a = s.find_first_not_of(' '), b = s.find_last_not_of(' ');
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

Signature parse_signature(const char* text, Handler handler) {
  Signature s;
  s.text = text;
  s.handler = handler;
  s.shown = text;
  const std::string name = s.text.substr(0, s.text.find('('));
  s.conj_aware = is_conj_aware(name.c_str());
  s.inplace = (name.ends_with('_') && !name.ends_with("__")) || name == "__idiv__";
  for (const auto& [ours, theirs] : {std::pair<std::string, std::string>("Operand ", "Tensor or Number "),
                                     {"Scalar", "Number"},
                                     {"[*]", "[]"},
                                     {"[1]", "[]"}})
    for (size_t at; (at = s.shown.find(ours)) != std::string::npos;) s.shown.replace(at, ours.size(), theirs);
  s.shown = trim(s.shown.substr(0, s.shown.find("->")));
  const size_t open = s.text.find('('),
               close = s.text.rfind(')', s.text.find("->") == std::string::npos ? s.text.size() : s.text.find("->"));
  const size_t arrow = s.text.find("->");
  s.returns = arrow == std::string::npos ? "Tensor" : trim(s.text.substr(arrow + 2));
  if (arrow != std::string::npos) s.text = trim(s.text.substr(0, arrow));
  const std::string inner = s.text.substr(open + 1, close - open - 1);
  bool keyword_only = false;
  size_t at = 0;
  while (at < inner.size()) {
    size_t comma = inner.find(", ", at);
    if (comma == std::string::npos) comma = inner.size();
    std::string item = trim(inner.substr(at, comma - at));
    at = comma + 2;
    if (item.empty()) continue;
    if (item == "*") {
      keyword_only = true;
      continue;
    }
    Param p;
    const size_t space = item.find(' ');
    std::string type = item.substr(0, space), name = item.substr(space + 1);
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      p.required = false;
      p.fallback = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    p.type = type;
    if (type.back() == '?') {
      p.nullable = true;
      type.pop_back();
    }
    if (type == "int[*]") {
      p.variadic = p.single = true;
      type = "int[]";
    } else if (type == "int[1]") {
      p.single = true;
      type = "int[]";
    }
    p.kind = kind_of(type);
    p.name = name;
    p.interned = PyUnicode_InternFromString(name.c_str());
    p.keyword_only = keyword_only;
    if (!keyword_only) ++s.positional;
    s.params.push_back(std::move(p));
  }
  if (s.params.size() > static_cast<size_t>(kMaxParams)) Py_FatalError("too many parameters in a signature");
  return s;
}

// Sizes may also be integers in 0-d NumPy arrays.
bool is_size(PyObject* o) {
  if (is_int(o)) return true;
  if (std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") != 0) return false;
  PyObject* index = PyNumber_Index(o);
  if (!index) PyErr_Clear();
  Py_XDECREF(index);
  return index != nullptr;
}

bool is_int_sequence(PyObject* o) {
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  for (Py_ssize_t i = 0; i < n; ++i)
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

const char* expected(const Param& p) {
  switch (p.kind) {
    case Kind::Tensor: return "Tensor";
    case Kind::Operand: return "Tensor or Number";
    case Kind::Scalar: return "Number";
    case Kind::Int: return "int";
    case Kind::Float: return "float";
    case Kind::Bool: return "bool";
    case Kind::Text: return "str";
    case Kind::Ints: return "tuple of ints";
    case Kind::Tensors: return "tuple of Tensors";
    case Kind::DType: return "torch.dtype";
    case Kind::Device: return "torch.device";
    case Kind::Generator: return "torch.Generator";
    case Kind::Object: return "object";
  }
  return "";
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
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
        if (PyObject* item = PySequence_Fast_GET_ITEM(o, i); !is_size(item))
          return refuse_element(p, position, i, item);
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
        if (why) why->text = std::string("got an unexpected keyword argument '") + PyUnicode_AsUTF8(name) + "'";
        return false;
      }
      if (set[found]) {
        if (why) why->text = std::string("got multiple values for argument '") + PyUnicode_AsUTF8(name) + "'";
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
        text += std::string(count - first + i ? ", " : "") + PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i)) + "=" +
                type_name(given[count + i]);
    text += "), but expected one of:";
    for (const Signature& s : f.overloads) text += "\n * " + s.shown;
  }
  PyErr_SetString(PyExc_TypeError, text.c_str());
  return nullptr;
}

// Calls the handler with copies of the tensors that have the conjugate bit. What it writes goes back to them.
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
    kept.objects.push_back(without_conj(o));
    PyObject* const plain = kept.objects.back();
    if (plain == o) continue;
    args.values[i] = plain;
    if (s.params[i].name != "out" && !(i == 0 && s.inplace)) continue;
    if (!is_tensor(o) || changed)
      fail(args.function,
           "(): several tensors that have the conjugate bit set cannot be written to; call "
           "resolve_conj() first");
    autograd::check_inplace(unwrap(o));
    changed = o;
    copy = plain;
  }
  if (!changed) return s.handler(args);
  Owned result(s.handler(args));
  store_resolved(unwrap(changed), unwrap(copy));
  return result.get() == copy ? Py_NewRef(changed) : result.release();
}

PyObject* call(PyObject* callable, PyObject* const* given, size_t nargsf, PyObject* names) {
  const Function& f = *reinterpret_cast<FunctionObject*>(callable)->function;
  const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
  Args args;
  args.function = f.name.c_str();
  try {
    for (const Signature& s : f.overloads)
      if (bind(s, given, count, names, args, nullptr)) {
        if (TensorImpl::any_conj() && !s.conj_aware) [[unlikely]]
          return call_resolved(s, args);
        return s.handler(args);
      }
    if (PyErr_Occurred()) return nullptr;
    return fail_call(f, given, count, names, reinterpret_cast<FunctionObject*>(callable)->method);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

PyObject* function_get(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || !reinterpret_cast<FunctionObject*>(self)->method) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

PyObject* function_repr(PyObject* self) {
  auto* f = reinterpret_cast<FunctionObject*>(self);
  return PyUnicode_FromFormat(f->method ? "<method '%s' of 'torch._C.TensorBase' objects>" : "<built-in method %s>",
                              f->function->name.c_str());
}

PyObject* function_name_attr(PyObject* self, void*) {
  return PyUnicode_FromString(reinterpret_cast<FunctionObject*>(self)->function->name.c_str());
}
PyObject* function_qualname(PyObject* self, void*) {
  auto* f = reinterpret_cast<FunctionObject*>(self);
  return PyUnicode_FromString(((f->method ? "Tensor." : "") + f->function->name).c_str());
}
PyObject* function_module(PyObject*, void*) { return PyUnicode_FromString("rushlight"); }

std::string python_type(const Param& p) {
  static const std::map<Kind, const char*> names = {{Kind::Tensor, "Tensor"},
                                                    {Kind::Operand, "Tensor | complex"},
                                                    {Kind::Scalar, "complex"},
                                                    {Kind::Int, "int"},
                                                    {Kind::Float, "float"},
                                                    {Kind::Bool, "bool"},
                                                    {Kind::Text, "str"},
                                                    {Kind::Ints, "Sequence[int]"},
                                                    {Kind::Tensors, "Sequence[Tensor]"},
                                                    {Kind::DType, "dtype"},
                                                    {Kind::Device, "device | str | int"},
                                                    {Kind::Generator, "Generator"},
                                                    {Kind::Object, "object"}};
  std::string t = names.at(p.kind);
  if (p.single) t = "int | " + t;
  if (p.nullable || p.fallback == "None") t += " | None";
  return t;
}

// "def sum(input: Tensor, ...) -> Tensor", for stubs.
std::string python_signature(const Function& f, const Signature& s, bool method) {
  std::string text = "def " + f.name + "(";
  bool star = false;
  for (size_t i = 0; i < s.params.size(); ++i) {
    const Param& p = s.params[i];
    if (i) text += ", ";
    if (method && i == 0) {
      text += "self";
      continue;
    }
    if (method && p.name == "out") {
      text.resize(text.size() - 2);
      continue;
    }
    if (p.variadic) {
      text += "*" + p.name + ": int | Sequence[int]";
      star = true;
      continue;
    }
    if (p.keyword_only && !star) {
      text += "*, ";
      star = true;
    }
    text += p.name + ": " + python_type(p);
    if (!p.required)
      text += " = " + (p.fallback == "None" || p.fallback == "True" || p.fallback == "False" ||
                               p.fallback.find_first_not_of("0123456789.-e") == std::string::npos
                           ? p.fallback
                           : "...");
  }
  return text + ") -> " + s.returns;
}

std::string full_doc(const Function& f) {
  std::string text;
  for (const Signature& s : f.overloads) text += s.shown + " -> " + s.returns + "\n";
  if (!f.doc.empty()) text += "\n" + f.doc + "\n";
  return text;
}

PyObject* function_doc(PyObject* self, void*) {
  return PyUnicode_FromString(full_doc(*reinterpret_cast<FunctionObject*>(self)->function).c_str());
}
PyObject* function_signatures(PyObject* self, void*) {
  auto* fo = reinterpret_cast<FunctionObject*>(self);
  const Function& f = *fo->function;
  PyObject* result = PyTuple_New(static_cast<Py_ssize_t>(f.overloads.size()));
  for (size_t i = 0; i < f.overloads.size(); ++i)
    PyTuple_SET_ITEM(result, static_cast<Py_ssize_t>(i),
                     Py_BuildValue("(szO)", python_signature(f, f.overloads[i], fo->method).c_str(),
                                   f.doc.empty() ? nullptr : f.doc.c_str(), Py_None));
  return result;
}
PyObject* function_text_signature(PyObject* self, void*) {
  auto* fo = reinterpret_cast<FunctionObject*>(self);
  if (fo->function->overloads.size() != 1) return none();
  return PyUnicode_FromString(
      fo->function->overloads[0].text.substr(fo->function->overloads[0].text.find('(')).c_str());
}

PyObject* function_reduce(PyObject* self, PyObject*) {
  // Pickled by reference, as builtin functions are.
  auto* fo = reinterpret_cast<FunctionObject*>(self);
  return PyUnicode_FromString(((fo->method ? "Tensor." : "") + fo->function->name).c_str());
}

PyGetSetDef function_getset[] = {{"__name__", function_name_attr, nullptr, nullptr, nullptr},
                                 {"__qualname__", function_qualname, nullptr, nullptr, nullptr},
                                 {"__module__", function_module, nullptr, nullptr, nullptr},
                                 {"__doc__", function_doc, nullptr, nullptr, nullptr},
                                 {"__text_signature_full__", function_text_signature, nullptr, nullptr, nullptr},
                                 {"__nb_signature__", function_signatures, nullptr, nullptr, nullptr},
                                 {}};
PyMethodDef function_methods[] = {{"__reduce__", function_reduce, METH_NOARGS, nullptr}, {}};

PyTypeObject FunctionType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject MethodType = {PyVarObject_HEAD_INIT(nullptr, 0)};

void init_type(PyTypeObject& type, const char* name, bool method) {
  type.tp_name = name;
  type.tp_basicsize = sizeof(FunctionObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | (method ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0);
  type.tp_vectorcall_offset = offsetof(FunctionObject, vectorcall);
  type.tp_call = PyVectorcall_Call;
  type.tp_repr = function_repr;
  type.tp_getset = function_getset;
  type.tp_methods = function_methods;
  if (method) type.tp_descr_get = function_get;
  if (PyType_Ready(&type) < 0) throw PythonError{};
}

struct Registry {
  std::map<std::string, std::unique_ptr<Function>> functions, methods, nn, statics, special;
};
Registry& registry() {
  static Registry* r = new Registry;
  return *r;
}

void add(std::map<std::string, std::unique_ptr<Function>>& to, const char* signature, Handler handler, const char* doc,
         bool method, const Operation* operation) {
  Signature s = parse_signature(signature, handler);
  s.operation = operation;
  const std::string name = s.text.substr(0, s.text.find('('));
  if (method) {
    if (!s.params.empty()) s.params[0].required = true;
    for (Param& p : s.params) p.hidden = p.name == "out";
  }
  auto& f = to[name];
  if (!f) {
    f = std::make_unique<Function>();
    f->name = name;
  }
  if (doc) f->doc = doc;
  f->overloads.push_back(std::move(s));
}

PyObject* make_object(Function* f, bool method) {
  PyTypeObject& type = method ? MethodType : FunctionType;
  auto* o = PyObject_New(FunctionObject, &type);
  o->vectorcall = call;
  o->function = f;
  o->method = method;
  return reinterpret_cast<PyObject*>(o);
}

}  // namespace

void def(const char* signature, Handler handler, int where, const char* doc, const Operation* operation) {
  if (where & kFunction) add(registry().functions, signature, handler, doc, false, operation);
  if (where & kMethod) add(registry().methods, signature, handler, doc, true, operation);
  if (where & kNN) add(registry().nn, signature, handler, doc, false, operation);
  if (where & kSpecial) add(registry().special, signature, handler, doc, false, operation);
  if (where & kStatic) add(registry().statics, signature, handler, doc, false, operation);
}

void def_alias(const char* alias, const char* name, int where) {
  auto copy = [&](std::map<std::string, std::unique_ptr<Function>>& functions) {
    auto found = functions.find(name);
    if (found == functions.end()) Py_FatalError((std::string("no function to alias: ") + name).c_str());
    auto f = std::make_unique<Function>(*found->second);
    f->name = alias;
    for (Signature& s : f->overloads) {
      s.text = alias + s.text.substr(s.text.find('('));
      s.shown = alias + s.shown.substr(s.shown.find('('));
      s.conj_aware = is_conj_aware(alias);
    }
    functions[alias] = std::move(f);
  };
  if (where & kFunction) copy(registry().functions);
  if (where & kMethod) copy(registry().methods);
  if (where & kSpecial) copy(registry().special);
}

void install_functions(PyObject* module) {
  init_type(FunctionType, "rushlight.function", false);
  init_type(MethodType, "rushlight.method", true);
  for (auto& [name, f] : registry().functions) {
    Owned o(make_object(f.get(), false));
    if (PyObject_SetAttrString(module, name.c_str(), o.get()) < 0) throw PythonError{};
  }
  for (auto& [name, f] : registry().methods) {
    Owned o(make_object(f.get(), true));
    if (PyDict_SetItemString(TensorType.tp_dict, name.c_str(), o.get()) < 0) throw PythonError{};
  }
  for (auto& [name, f] : registry().statics) {
    Owned o(make_object(f.get(), false));
    Owned s(PyStaticMethod_New(o.get()));
    if (PyDict_SetItemString(TensorType.tp_dict, name.c_str(), s.get()) < 0) throw PythonError{};
  }
  auto submodule = [module](const char* full_name, auto& functions) {
    Owned m(PyModule_New(full_name));
    for (auto& [name, f] : functions) {
      Owned o(make_object(f.get(), false));
      if (PyObject_SetAttrString(m.get(), name.c_str(), o.get()) < 0) throw PythonError{};
    }
    if (PyObject_SetAttrString(module, std::strrchr(full_name, '.') + 1, m.get()) < 0) throw PythonError{};
  };
  submodule("rushlight._C._nn", registry().nn);
  submodule("rushlight._C._special", registry().special);
  PyType_Modified(&TensorType);
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
  const int truth = PyObject_IsTrue(values[i]);
  if (truth < 0) throw PythonError{};
  return truth != 0;
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
