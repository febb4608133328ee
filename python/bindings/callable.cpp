// The function and method objects, and their registration.
#include <cstring>
#include <map>
#include <memory>

#include "bindings/conj.h"
#include "bindings/signature.h"

namespace rushlight::python {

namespace {

constexpr char kFunctional[] = "rushlight.nn.functional";

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
PyObject* function_module(PyObject* self, void*) {
  return PyUnicode_FromString(reinterpret_cast<FunctionObject*>(self)->function->module);
}

PyObject* function_doc(PyObject* self, void*) {
  return PyUnicode_FromString(full_doc(*reinterpret_cast<FunctionObject*>(self)->function).c_str());
}
// What was registered, "name(parameters) -> result", for make_stubs.py.
PyObject* function_signatures(PyObject* self, void*) {
  const Function& f = *reinterpret_cast<FunctionObject*>(self)->function;
  return guarded([&] {
    Owned result(PyTuple_New(static_cast<Py_ssize_t>(f.overloads.size())));
    for (size_t i = 0; i < f.overloads.size(); ++i)
      PyTuple_SET_ITEM(
          result.get(), static_cast<Py_ssize_t>(i),
          check_object(PyUnicode_FromString((f.overloads[i].text + " -> " + f.overloads[i].returns).c_str())));
    return result.release();
  });
}
PyObject* function_text_signature(PyObject* self, void*) {
  auto* fo = reinterpret_cast<FunctionObject*>(self);
  if (fo->function->overloads.size() != 1) return none();
  return PyUnicode_FromString(
      fo->function->overloads[0].text.substr(fo->function->overloads[0].text.find('(')).c_str());
}

// For inspect: of the functions of nn.functional, most of which are Python's in torch.
PyObject* function_signature(PyObject* self, void*) {
  if (std::strcmp(reinterpret_cast<FunctionObject*>(self)->function->module, kFunctional) != 0) {
    PyErr_SetString(PyExc_AttributeError, "__signature__");
    return nullptr;
  }
  return guarded([&] {
    Owned module(check_object(PyImport_ImportModule("rushlight._signature")));
    return check_object(PyObject_CallMethod(module.get(), "of", "O", self));
  });
}

// What rushlight.overrides says of the function.
PyObject* function_overridable(PyObject* self, void*) {
  const Function& f = *reinterpret_cast<FunctionObject*>(self)->function;
  bool takes_tensors = false;
  for (const Signature& s : f.overloads)
    for (const Param& p : s.params)
      takes_tensors = takes_tensors || (p.name != "out" &&
                                        (p.kind == Kind::Tensor || p.kind == Kind::Operand || p.kind == Kind::Tensors));
  return wrap_bool(takes_tensors && f.override_by == Overridable::Always);
}
// (name, whether it is required, whether it is keyword only) of the parameters of the first overload.
PyObject* function_parameters(PyObject* self, void*) {
  return guarded([&] {
    const auto* fo = reinterpret_cast<FunctionObject*>(self);
    const Signature& s = fo->function->overloads.front();
    Owned made(PyList_New(0));
    for (const Param& p : s.params) {
      if (p.hidden) continue;
      Owned item(Py_BuildValue("(sOO)", (p.variadic ? "*" + p.name : p.name).c_str(), p.required ? Py_True : Py_False,
                               p.keyword_only ? Py_True : Py_False));
      if (PyList_Append(made.get(), item.get()) < 0) throw PythonError{};
    }
    return made.release();
  });
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
                                 {"__signature__", function_signature, nullptr, nullptr, nullptr},
                                 {"__signatures__", function_signatures, nullptr, nullptr, nullptr},
                                 {"_overridable", function_overridable, nullptr, nullptr, nullptr},
                                 {"_parameters", function_parameters, nullptr, nullptr, nullptr},
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
         bool method, const Operation* operation, const char* module = "rushlight") {
  Signature s = parse_signature(signature, handler);
  s.operation = operation;
  const std::string name = s.text.substr(0, s.text.find('('));
  if (method) {
    if (!s.params.empty()) s.params[0].required = true;
    for (Param& p : s.params)
      if (p.name == "out") {
        p.hidden = true;
        p.interned = PyUnicode_InternFromString("");  // of no keyword
      }
  }
  auto& f = to[name];
  if (!f) {
    f = std::make_unique<Function>();
    f->name = name;
    f->module = module;
    f->override_by = overridable(name);
  }
  if (doc) f->doc = doc;
  f->overloads.push_back(std::move(s));
}

PyObject* make_object(Function* f, bool method) {
  PyTypeObject& type = method ? MethodType : FunctionType;
  auto* o = PyObject_New(FunctionObject, &type);
  if (!o) throw PythonError{};
  o->vectorcall = call;
  o->function = f;
  o->method = method;
  return reinterpret_cast<PyObject*>(o);
}

}  // namespace

void def(const char* signature, Handler handler, int where, const char* doc, const Operation* operation) {
  if (where & kFunction) add(registry().functions, signature, handler, doc, false, operation);
  if (where & kMethod) add(registry().methods, signature, handler, doc, true, operation);
  if (where & kNN) add(registry().nn, signature, handler, doc, false, operation, kFunctional);
  if (where & kSpecial) add(registry().special, signature, handler, doc, false, operation, "rushlight.special");
  if (where & kStatic) add(registry().statics, signature, handler, doc, false, operation);
}

void show_as(const char* function, const char* name, const char* module) {
  Function& f = *registry().functions.at(function);
  f.name = name;
  f.module = module;
}

void def_alias(const char* alias, const char* name, int where) {
  auto copy = [&](std::map<std::string, std::unique_ptr<Function>>& functions) {
    auto found = functions.find(name);
    if (found == functions.end()) Py_FatalError((std::string("no function to alias: ") + name).c_str());
    auto f = std::make_unique<Function>(*found->second);
    f->name = alias;
    f->override_by = overridable(alias);
    for (Signature& s : f->overloads) {
      s.text = alias + s.text.substr(s.text.find('('));
      s.shown = alias + s.shown.substr(s.shown.find('('));
      s.lazy_aware = is_lazy_aware(alias);
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

}  // namespace rushlight::python
