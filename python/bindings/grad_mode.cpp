// no_grad, enable_grad, set_grad_enabled and inference_mode: context managers and decorators.
#include <cstddef>

#include "bindings/autograd.h"

namespace rushlight::python {

namespace {

// What a `with` changes, and what it found. One object may be entered again before it is left.
struct ModeObject {
  PyObject_HEAD bool mode;
  bool before;        // set_grad_enabled: what its construction found
  uint8_t depth;      // how often it is entered
  uint64_t found[2];  // one bit per entry: grad mode, inference mode
};

PyTypeObject NoGradType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject EnableGradType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject SetGradType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject InferenceType = {PyVarObject_HEAD_INIT(nullptr, 0)};

ModeObject* g_kept = nullptr;  // the last no_grad object, for the next one

bool is_inference_mode(PyObject* self) { return PyType_IsSubtype(Py_TYPE(self), &InferenceType); }

PyObject* make(PyTypeObject* type, bool mode) {
  ModeObject* o;
  if (type == &NoGradType && g_kept) {
    o = g_kept;
    g_kept = nullptr;
    PyObject_Init(reinterpret_cast<PyObject*>(o), type);
  } else {
    o = reinterpret_cast<ModeObject*>(type->tp_alloc(type, 0));
    if (!o) return nullptr;
  }
  o->mode = mode;
  o->before = GradMode::enabled();
  o->depth = 0;
  o->found[0] = o->found[1] = 0;
  if (PyType_IsSubtype(type, &SetGradType)) GradMode::set_enabled(mode);
  return reinterpret_cast<PyObject*>(o);
}

void mode_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (type == &NoGradType && !g_kept)
    g_kept = reinterpret_cast<ModeObject*>(self);
  else
    type->tp_free(self);
}

PyObject* enter(PyObject* self, PyObject*) {
  auto* o = reinterpret_cast<ModeObject*>(self);
  if (o->depth == 64) {
    PyErr_SetString(PyExc_RuntimeError, "one object of a grad mode can be entered 64 times at most before it is left");
    return nullptr;
  }
  ++o->depth;
  o->found[0] = o->found[0] << 1 | GradMode::enabled();
  if (is_inference_mode(self)) {
    o->found[1] = o->found[1] << 1 | InferenceMode::enabled();
    InferenceMode::set_enabled(o->mode);
    GradMode::set_enabled(!o->mode);
  } else {
    GradMode::set_enabled(o->mode);
  }
  Py_RETURN_NONE;
}

PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) {
  auto* o = reinterpret_cast<ModeObject*>(self);
  if (o->depth == 0) {
    PyErr_SetString(PyExc_RuntimeError, "__exit__ without __enter__");
    return nullptr;
  }
  --o->depth;
  if (is_inference_mode(self)) {
    InferenceMode::set_enabled(o->found[1] & 1);
    o->found[1] >>= 1;
    GradMode::set_enabled(o->found[0] & 1);
  } else {
    // set_grad_enabled goes back to what was there before it was made.
    const bool outermost = o->depth == 0 && PyType_IsSubtype(Py_TYPE(self), &SetGradType);
    GradMode::set_enabled(outermost ? o->before : (o->found[0] & 1) != 0);
  }
  o->found[0] >>= 1;
  Py_RETURN_NONE;
}

// A function (generator, coroutine) that runs `function` under a new object of this kind.
PyObject* decorate(PyObject* self, PyObject* function) {
  Owned module(PyImport_ImportModule("rushlight.autograd._decorate"));
  Owned wrap(PyObject_GetAttrString(module.get(), "decorate"));
  return check_object(PyObject_CallFunctionObjArgs(wrap.get(), self, function, nullptr));
}

PyObject* mode_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"orig_func", nullptr};
    PyObject* function;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", const_cast<char**>(names), &function)) return nullptr;
    auto* o = reinterpret_cast<ModeObject*>(self);
    if (PyType_IsSubtype(Py_TYPE(self), &SetGradType)) GradMode::set_enabled(o->before);
    return decorate(self, function);
  });
}

// Another object with the same setting, for one call of a decorated function.
PyObject* clone(PyObject* self, PyObject*) {
  auto* o = reinterpret_cast<ModeObject*>(self);
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(self));
  if (PyType_IsSubtype(Py_TYPE(self), &SetGradType) || is_inference_mode(self))
    return PyObject_CallOneArg(type, o->mode ? Py_True : Py_False);
  return PyObject_CallNoArgs(type);
}

PyObject* mode_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    const bool inference = PyType_IsSubtype(type, &InferenceType), set = PyType_IsSubtype(type, &SetGradType);
    static const char* set_names[] = {"mode", nullptr};
    static const char* other_names[] = {"orig_func", nullptr};
    PyObject* given = nullptr;
    const bool own = type == &NoGradType || type == &EnableGradType || type == &SetGradType || type == &InferenceType;
    // A class derived from no_grad or enable_grad has an __init__ of its own.
    if (!own && !set && !inference) return make(type, PyType_IsSubtype(type, &EnableGradType));
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, set ? "O" : "|O",
                                     const_cast<char**>(set || inference ? set_names : other_names), &given))
      return nullptr;
    if (set) {
      if (!PyBool_Check(given))
        fail<TypeError>("set_grad_enabled(): argument 'enabled' (position 1) must be bool, not ",
                        Py_TYPE(given)->tp_name);
      return make(type, given == Py_True);
    }
    if (inference) {
      if (!given || PyBool_Check(given)) return make(type, given != Py_False);
      if (!PyCallable_Check(given))
        fail<TypeError>("inference_mode(): argument 'mode' must be bool or callable, not ", Py_TYPE(given)->tp_name);
    }
    const bool mode = type != &NoGradType;
    if (!given) return make(type, mode);
    // @no_grad without parentheses
    if (!PyCallable_Check(given))
      fail<TypeError>(type->tp_name, " decorates a callable, not ", Py_TYPE(given)->tp_name);
    Owned made(make(type, mode));
    return decorate(made.get(), given);
  });
}

// no_grad() and enable_grad() without arguments skip tp_new and its tuple.
PyObject* call_type(PyObject* callable, PyObject* const* given, size_t nargsf, PyObject* names) {
  auto* type = reinterpret_cast<PyTypeObject*>(callable);
  const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
  if (count == 0 && !names && type != &SetGradType) return make(type, type != &NoGradType);
  if (count == 1 && !names && PyBool_Check(given[0]) && (type == &SetGradType || type == &InferenceType))
    return make(type, given[0] == Py_True);
  return guarded([&] {
    const Owned args(PyTuple_New(count)), kwargs(PyDict_New());
    for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(args.get(), i, Py_NewRef(given[i]));
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i)
      if (PyDict_SetItem(kwargs.get(), PyTuple_GET_ITEM(names, i), given[count + i]) < 0) throw PythonError{};
    return mode_new(type, args.get(), kwargs.get());
  });
}

PyMethodDef mode_methods[] = {
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(leave)), METH_FASTCALL, nullptr},
    {"clone", clone, METH_NOARGS, "clone()\n\nA new object with the same setting."},
    {}};

PyObject* get_mode(PyObject* self, void*) { return wrap_bool(reinterpret_cast<ModeObject*>(self)->mode); }
PyGetSetDef mode_getset[] = {{"mode", get_mode, nullptr, "What the mode is set to.", nullptr}, {}};

void ready(nb::module_& m, PyTypeObject& type, const char* name, const char* full, const char* doc) {
  type.tp_name = full;
  type.tp_doc = doc;
  type.tp_basicsize = sizeof(ModeObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  type.tp_dealloc = mode_dealloc;
  type.tp_methods = mode_methods;
  type.tp_getset = mode_getset;
  type.tp_new = mode_new;
  type.tp_call = mode_call;
  type.tp_vectorcall = call_type;
  if (PyType_Ready(&type) < 0) throw PythonError{};
  m.attr(name) = nb::handle(reinterpret_cast<PyObject*>(&type));
}

PyObject* is_grad_enabled(PyObject*, PyObject*) { return wrap_bool(GradMode::enabled()); }
PyObject* is_inference_mode_enabled(PyObject*, PyObject*) { return wrap_bool(InferenceMode::enabled()); }
PyObject* set_grad_mode(PyObject*, PyObject* value) {
  const int truth = PyObject_IsTrue(value);
  if (truth < 0) return nullptr;
  GradMode::set_enabled(truth);
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {{"is_grad_enabled", is_grad_enabled, METH_NOARGS,
                            "is_grad_enabled() -> bool\n\nWhether this thread records operations."},
                           {"is_inference_mode_enabled", is_inference_mode_enabled, METH_NOARGS,
                            "is_inference_mode_enabled() -> bool\n\nWhether this thread is in inference mode."},
                           {"_set_grad_enabled", set_grad_mode, METH_O, nullptr},
                           {}};

}  // namespace

void bind_grad_modes(nb::module_& m) {
  ready(m, NoGradType, "no_grad", "rushlight.no_grad",
        "no_grad()\n\nNothing is recorded inside. A context manager and a decorator.");
  ready(m, EnableGradType, "enable_grad", "rushlight.enable_grad",
        "enable_grad()\n\nOperations are recorded inside, also within no_grad. A context manager and a decorator.");
  ready(m, SetGradType, "set_grad_enabled", "rushlight.set_grad_enabled",
        "set_grad_enabled(mode)\n\nTurns recording on or off at once. As a context manager or decorator, for a while.");
  ready(
      m, InferenceType, "inference_mode", "rushlight.inference_mode",
      "inference_mode(mode=True)\n\nAs no_grad; tensors made inside can never take part in a graph. A context manager "
      "and a decorator.");
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw PythonError{};
}

}  // namespace rushlight::python
