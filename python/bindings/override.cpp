#include "bindings/override.h"

#include <cstring>
#include <string_view>
#include <unordered_set>

namespace rushlight::python {

int g_overrides = 0;

namespace {

enum class State : uint8_t { Enabled, SubclassesDisabled, Disabled };
thread_local State t_state = State::Enabled;
thread_local bool t_skip = false;  // the next call is not taken over (redispatch_function)
thread_local std::vector<PyObject*>* t_modes = nullptr;

PyObject* g_name = nullptr;      // "__torch_function__"
PyObject* g_disabled = nullptr;  // what classes have there whose instances behave as plain tensors
PyObject* g_not_wrapped = nullptr;

}  // namespace

bool modes_on() { return t_state != State::Disabled && t_modes && !t_modes->empty(); }

namespace {

struct StateGuard {
  explicit StateGuard(State to) : before(t_state) { t_state = to; }
  ~StateGuard() { t_state = before; }
  State before;
};

bool is_basic(PyTypeObject* type) {
  return type == &TensorType || type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type ||
         type == Py_TYPE(Py_None) || type == &PyUnicode_Type || type == &PySlice_Type || type == &PyComplex_Type ||
         type == &PyType_Type || type == &PyDict_Type;
}

}  // namespace

bool type_overrides(PyTypeObject* type) {
  if (is_basic(type)) return false;
  PyObject* found = _PyType_Lookup(type, g_name);
  return found && found != g_disabled;
}

namespace {

// The objects that take part, subclasses before their bases, else from left to right; one object per class.
class Taking {
 public:
  ~Taking() {
    for (PyObject* o : objects_) Py_DECREF(o);
  }
  void look_at(PyObject* o) {
    PyTypeObject* type = Py_TYPE(o);
    if (PyTuple_Check(o) || PyList_Check(o)) {
      // Nothing here runs Python code that could change the list.
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)
        if (PyObject* item = PySequence_Fast_GET_ITEM(o, i); type_overrides(Py_TYPE(item))) add(item);
      if (PyTuple_CheckExact(o) || PyList_CheckExact(o)) return;
    }
    if (type_overrides(type)) add(o);
  }
  void look_at(PyObject* const* given, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; ++i) look_at(given[i]);
  }
  void add(PyObject* o) {
    PyTypeObject* type = Py_TYPE(o);
    size_t place = objects_.size();
    for (size_t i = 0; i < objects_.size(); ++i) {
      if (Py_TYPE(objects_[i]) == type) return;
      if (place == objects_.size() && PyType_IsSubtype(type, Py_TYPE(objects_[i]))) place = i;
    }
    objects_.insert(objects_.begin() + static_cast<std::ptrdiff_t>(place), Py_NewRef(o));
  }
  const std::vector<PyObject*>& objects() const { return objects_; }
  bool empty() const { return objects_.empty(); }
  PyObject* types() const {
    Owned made(PyTuple_New(static_cast<Py_ssize_t>(objects_.size())));
    for (size_t i = 0; i < objects_.size(); ++i)
      PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i),
                       Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(objects_[i]))));
    return made.release();
  }

 private:
  std::vector<PyObject*> objects_;
};

std::string shown(PyObject* o) {
  PyObject* text = PyObject_Repr(o);
  const char* utf8 = text ? PyUnicode_AsUTF8(text) : nullptr;
  std::string result = utf8 ? utf8 : "?";
  PyErr_Clear();
  Py_XDECREF(text);
  return result;
}

// "torch.add" of the function; what it is called where it has no known place.
std::string full_name(PyObject* function) {
  PyObject* name = nullptr;
  try {
    name = call_python("rushlight.overrides", "_shown_name", function);
  } catch (const PythonError&) {
    PyErr_Clear();
    return shown(function);
  }
  const char* utf8 = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  std::string result = utf8 ? utf8 : "?";
  PyErr_Clear();
  Py_DECREF(name);
  return result;
}

// The mode on top of the stack, which is off while it runs.
struct ModeOff {
  ModeOff() : mode(t_modes->back()), stack(t_modes) { stack->pop_back(); }
  ~ModeOff() { stack->push_back(mode); }
  PyObject* mode;
  std::vector<PyObject*>* stack;
};

PyObject* call_handler(PyObject* owner, PyObject* function, PyObject* types, PyObject* args, PyObject* kwargs) {
  Owned handler(PyObject_GetAttr(owner, g_name));
  PyObject* const given[] = {nullptr, function, types, args, kwargs};
  return check_object(
      PyObject_Vectorcall(handler.get(), given + 1, (kwargs ? 4 : 3) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}

void warn_plain_method(PyObject* o) {
  PyObject* found = _PyType_Lookup(Py_TYPE(o), g_name);
  if (found && PyFunction_Check(found) &&
      PyErr_WarnEx(PyExc_DeprecationWarning,
                   "Defining your `__torch_function__` as a plain method is deprecated and will be an error in future, "
                   "please define it as a classmethod.",
                   1) < 0)
    throw PythonError{};
}

PyObject* take_over(const Taking& taking, PyObject* function, PyObject* args, PyObject* kwargs) {
  Owned types(taking.types());
  std::string refused;
  if (modes_on()) {
    ModeOff top;
    Owned held(Py_NewRef(top.mode));
    Owned result(call_handler(top.mode, function, types.get(), args, kwargs));
    if (result.get() != Py_NotImplemented) return result.release();
    refused += "\n  - mode object " + shown(top.mode);
  }
  for (PyObject* o : taking.objects()) {
    warn_plain_method(o);
    Owned result(call_handler(o, function, types.get(), args, kwargs));
    if (result.get() != Py_NotImplemented) return result.release();
    refused += "\n  - tensor subclass " + shown(reinterpret_cast<PyObject*>(Py_TYPE(o)));
  }
  fail<TypeError>("Multiple dispatch failed for '", full_name(function),
                  "'; all __torch_function__ handlers returned NotImplemented:\n", refused);
}

bool skipped() { return std::exchange(t_skip, false); }

// Fills `taking` and says whether anything takes over.
bool anything(Taking& taking, Overridable by, PyObject* const* given, Py_ssize_t count) {
  if (t_state == State::Disabled || by == Overridable::Never) return false;
  if (t_state == State::Enabled && by == Overridable::Always) taking.look_at(given, count);
  if (!modes_on() && taking.empty()) return false;
  return !skipped();
}

PyObject* tuple_of(PyObject* const* given, Py_ssize_t count) {
  PyObject* made = check_object(PyTuple_New(count));
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(made, i, Py_NewRef(given[i]));
  return made;
}

PyObject* dict_of(PyObject* names, PyObject* const* values) {
  Owned made(PyDict_New());
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
    if (PyDict_SetItem(made.get(), PyTuple_GET_ITEM(names, i), values[i]) < 0) throw PythonError{};
  return made.release();
}

PyObject* run(const Taking& taking, PyObject* function, PyObject* const* given, Py_ssize_t count, PyObject* names) {
  Owned args(tuple_of(given, count));
  if (!names || PyTuple_GET_SIZE(names) == 0) return take_over(taking, function, args.get(), nullptr);
  Owned kwargs(dict_of(names, given + count));
  return take_over(taking, function, args.get(), kwargs.get());
}

PyObject* class_attribute(const char* name) {
  PyObject* found = PyDict_GetItemString(TensorType.tp_dict, name);
  if (!found) fail("Tensor has no ", name);
  return found;
}

}  // namespace

bool has_own_handler(PyTypeObject* type) {
  PyObject* const found = type == &TensorType ? nullptr : _PyType_Lookup(type, g_name);
  return found && found != g_disabled && found != PyDict_GetItem(TensorType.tp_dict, g_name);
}

void note_override(PyTypeObject* type) {
  if (g_overrides == 0 && type_overrides(type)) ++g_overrides;
}

Overridable overridable(const std::string& name) {
  // Without tensors that could take over, or what taking over itself is made of.
  static const std::unordered_set<std::string_view> never = {
      "__array_namespace__", "as_subclass", "empty_cache", "from_dlpack",  "from_numpy",     "frombuffer",
      "get_num_threads",     "is_tensor",   "manual_seed", "memory_stats", "set_num_threads"};
  static const std::unordered_set<std::string_view> by_mode = {"as_tensor", "asarray", "tensor"};
  if (never.contains(name)) return Overridable::Never;
  if (name.starts_with('_') && !name.starts_with("__") && !name.starts_with("_linalg_") && name != "_autograd_grad")
    return Overridable::Never;
  return by_mode.contains(name) ? Overridable::ByMode : Overridable::Always;
}

bool overridden(PyObject* function, Overridable by, PyObject* const* given, Py_ssize_t count, PyObject* names,
                PyObject** result) {
  Taking taking;
  if (!anything(taking, by, given, count + (names ? PyTuple_GET_SIZE(names) : 0))) return false;
  *result = guarded([&] { return run(taking, function, given, count, names); });
  return true;
}

bool overridden(const char* method, std::initializer_list<PyObject*> given, PyObject** result) {
  Taking taking;
  const auto count = static_cast<Py_ssize_t>(given.size());
  if (!anything(taking, Overridable::Always, given.begin(), count)) return false;
  *result = guarded([&] { return run(taking, class_attribute(method), given.begin(), count, nullptr); });
  return true;
}

bool overridden_getter(PyObject* self, const char* attribute, PyObject** result) {
  Taking taking;
  if (!anything(taking, Overridable::Always, &self, 1)) return false;
  *result = guarded([&] {
    Owned get(PyObject_GetAttrString(class_attribute(attribute), "__get__"));
    return run(taking, get.get(), &self, 1, nullptr);
  });
  return true;
}

bool overridden_setter(PyObject* self, const char* attribute, PyObject* value, int* status) {
  Taking taking;
  PyObject* const given[] = {self, value};
  if (!anything(taking, Overridable::Always, given, value ? 2 : 1)) return false;
  *status = guarded_status([&] {
    Owned set(PyObject_GetAttrString(class_attribute(attribute), value ? "__set__" : "__delete__"));
    Owned ignored(run(taking, set.get(), given, value ? 2 : 1, nullptr));
  });
  return true;
}

bool overridden_operator(const char* name, const char* reflected, PyObject* a, PyObject* b, PyObject** result) {
  const bool taken = is_tensor(a) ? overridden(name, {a, b}, result) : overridden(reflected, {b, a}, result);
  if (taken && !*result && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    *result = Py_NewRef(Py_NotImplemented);
  }
  return taken;
}

// ---- Tensor.__torch_function__

namespace {

PyObject* converted(PyObject* value, PyTypeObject* to) {
  if (is_tensor(value)) {
    if (PyType_IsSubtype(Py_TYPE(value), to)) return Py_NewRef(value);
    return wrap_as(to, alias(unwrap(value)));
  }
  if (!PyTuple_Check(value) && !PyList_Check(value)) return Py_NewRef(value);
  Owned items(PySequence_List(value));
  bool same = true;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.get()); ++i) {
    PyObject* item = PyList_GET_ITEM(items.get(), i);
    PyObject* made = converted(item, to);
    same = same && made == item;
    PyList_SetItem(items.get(), i, made);
  }
  if (same) return Py_NewRef(value);
  if (PyList_CheckExact(value)) return items.release();
  return check_object(PyObject_CallOneArg(reinterpret_cast<PyObject*>(Py_TYPE(value)), items.get()));
}

// (cls, func, types, args=(), kwargs=None)
PyObject* default_implementation(PyObject* cls, PyObject* given, PyObject* named) {
  return guarded([&]() -> PyObject* {
    PyObject *function, *types, *args = nullptr, *kwargs = Py_None;
    static const char* const keywords[] = {"func", "types", "args", "kwargs", nullptr};
    if (!PyArg_ParseTupleAndKeywords(given, named, "OO|OO:__torch_function__", const_cast<char**>(keywords), &function,
                                     &types, &args, &kwargs))
      throw PythonError{};
    Owned listed(PySequence_Tuple(types));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(listed.get()); ++i) {
      const int is = PyObject_IsSubclass(cls, PyTuple_GET_ITEM(listed.get(), i));
      if (is < 0) throw PythonError{};
      if (!is) Py_RETURN_NOTIMPLEMENTED;
    }
    Owned positional(args ? PySequence_Tuple(args) : PyTuple_New(0));
    if (kwargs != Py_None && !PyDict_Check(kwargs)) fail<TypeError>("__torch_function__(): kwargs must be a dict");
    Owned result([&] {
      const StateGuard off(t_state == State::Enabled ? State::SubclassesDisabled : t_state);
      return PyObject_Call(function, positional.get(), kwargs == Py_None ? nullptr : kwargs);
    }());
    auto* type = reinterpret_cast<PyTypeObject*>(cls);
    if (type == &TensorType) return result.release();
    const int plain = PySet_Contains(g_not_wrapped, function);
    if (plain < 0) PyErr_Clear();  // not hashable, so none of them
    if (plain == 1) return result.release();
    const StateGuard off(t_state == State::Enabled ? State::SubclassesDisabled : t_state);
    return converted(result.get(), type);
  });
}

// What classes set as __torch_function__ whose instances behave as plain tensors.
PyObject* disabled_implementation(PyObject*, PyObject* given) {
  return guarded([&] {
    PyObject *function, *types, *args = nullptr, *kwargs = nullptr;
    if (!PyArg_ParseTuple(given, "OO|OO:_disabled_torch_function_impl", &function, &types, &args, &kwargs))
      throw PythonError{};
    Owned positional(args ? PySequence_Tuple(args) : PyTuple_New(0));
    const StateGuard off(t_state == State::Enabled ? State::SubclassesDisabled : t_state);
    return check_object(PyObject_Call(function, positional.get(), kwargs == Py_None ? nullptr : kwargs));
  });
}

PyMethodDef default_method = {
    "__torch_function__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(default_implementation)),
    METH_VARARGS | METH_KEYWORDS | METH_CLASS,
    "__torch_function__(func, types, args=(), kwargs=None)\n\nCalled in place of a function, method or attribute that "
    "is "
    "used with an instance of a subclass: calls it as for plain tensors and gives results the subclass."};
PyMethodDef disabled_method = {"_disabled_torch_function_impl", disabled_implementation, METH_VARARGS, nullptr};

// ---- Python functions that can be taken over: a function with the test in front of it
struct WrappedObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* function;
};

PyTypeObject WrappedType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject* wrapped_call(PyObject* self, PyObject* const* given, size_t nargsf, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(nargsf);
  const Py_ssize_t all = count + (names ? PyTuple_GET_SIZE(names) : 0);
  bool look = overrides_possible();
  for (Py_ssize_t i = 0; i < all && !look; ++i) look = !is_basic(Py_TYPE(given[i]));
  if (look) {
    PyObject* result;
    if (overridden(self, Overridable::Always, given, count, names, &result)) return result;
  }
  return PyObject_Vectorcall(reinterpret_cast<WrappedObject*>(self)->function, given, nargsf, names);
}

PyObject* wrapped_function(PyObject* self) { return reinterpret_cast<WrappedObject*>(self)->function; }

// All but calls is the function's.
PyObject* wrapped_get(PyObject* self, PyObject* name) {
  if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0)
    return Py_NewRef(wrapped_function(self));
  if (PyUnicode_Check(name))
    for (const char* own : {"__reduce__", "__reduce_ex__", "__call__"})
      if (PyUnicode_CompareWithASCIIString(name, own) == 0) return PyObject_GenericGetAttr(self, name);
  return PyObject_GetAttr(wrapped_function(self), name);
}
int wrapped_set(PyObject* self, PyObject* name, PyObject* value) {
  return PyObject_SetAttr(wrapped_function(self), name, value);
}
PyObject* wrapped_repr(PyObject* self) { return PyObject_Repr(wrapped_function(self)); }
PyObject* wrapped_reduce(PyObject* self, PyObject*) {
  return PyObject_GetAttrString(wrapped_function(self), "__qualname__");
}
void wrapped_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_CLEAR(reinterpret_cast<WrappedObject*>(self)->function);
  Py_TYPE(self)->tp_free(self);
}
int wrapped_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(reinterpret_cast<WrappedObject*>(self)->function);
  return 0;
}
int wrapped_clear(PyObject* self) {
  // The function stays: calls need it, and its other references break the cycle.
  (void)self;
  return 0;
}

PyMethodDef wrapped_methods[] = {{"__reduce__", wrapped_reduce, METH_NOARGS, nullptr}, {}};

PyObject* make_overridable(PyObject*, PyObject* function) {
  return guarded([&]() -> PyObject* {
    if (!PyCallable_Check(function)) fail<TypeError>("_overridable expects a function, not ", type_name(function));
    auto* o = PyObject_GC_New(WrappedObject, &WrappedType);
    if (!o) throw PythonError{};
    o->vectorcall = wrapped_call;
    o->function = Py_NewRef(function);
    PyObject_GC_Track(o);
    return reinterpret_cast<PyObject*>(o);
  });
}

// ---- what rushlight.overrides asks and does

bool any_takes_over(PyObject* const* given, Py_ssize_t count) {
  Taking taking;
  return anything(taking, Overridable::Always, given, count);
}
PyObject* has_torch_function(PyObject*, PyObject* relevant) {
  return guarded([&] {
    Owned args(PySequence_Tuple(relevant));
    return wrap_bool(any_takes_over(&PyTuple_GET_ITEM(args.get(), 0), PyTuple_GET_SIZE(args.get())));
  });
}
PyObject* has_torch_function_unary(PyObject*, PyObject* o) {
  return guarded([&] { return wrap_bool(any_takes_over(&o, 1)); });
}
PyObject* has_torch_function_variadic(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return guarded([&] { return wrap_bool(any_takes_over(given, count)); });
}

// (function, relevant, args, kwargs): calls the handlers of the relevant arguments.
PyObject* handle_torch_function(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 4 || !PyTuple_Check(given[2]) || !PyDict_Check(given[3]))
      fail<TypeError>("_handle_torch_function expects a function, arguments, a tuple and a dict");
    Owned relevant(PySequence_Tuple(given[1]));
    Taking taking;
    // Where handlers are called, plain tensors take part, too: their class has one.
    if (t_state == State::Enabled)
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(relevant.get()); ++i) {
        PyObject* o = PyTuple_GET_ITEM(relevant.get(), i);
        if (Py_TYPE(o) == &TensorType || type_overrides(Py_TYPE(o))) taking.add(o);
      }
    return take_over(taking, given[0], given[2], given[3]);
  });
}

// The arguments that take part, as a list.
PyObject* get_overloaded_args(PyObject*, PyObject* relevant) {
  return guarded([&] {
    Owned args(PySequence_Tuple(relevant));
    Taking taking;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args.get()); ++i) {
      PyObject* o = PyTuple_GET_ITEM(args.get(), i);
      if (Py_TYPE(o) == &TensorType || type_overrides(Py_TYPE(o))) taking.add(o);
    }
    Owned made(PyList_New(0));
    for (PyObject* o : taking.objects())
      if (PyList_Append(made.get(), o) < 0) throw PythonError{};
    return made.release();
  });
}

// (func, types, args, kwargs): func(*args, **kwargs), which nobody takes over; calls inside are.
PyObject* skip_one_hop(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count < 2 || count > 4) fail<TypeError>("_skip_one_hop_torch_function expects func, types, args and kwargs");
    Owned args(count > 2 ? PySequence_Tuple(given[2]) : PyTuple_New(0));
    PyObject* kwargs = count > 3 && given[3] != Py_None ? given[3] : nullptr;
    if (kwargs && !PyDict_Check(kwargs)) fail<TypeError>("kwargs must be a dict");
    const bool before = std::exchange(t_skip, true);
    PyObject* result = PyObject_Call(given[0], args.get(), kwargs);
    t_skip = before;
    return check_object(result);
  });
}

PyObject* push_mode(PyObject*, PyObject* mode) {
  return guarded([&] {
    if (!type_overrides(Py_TYPE(mode))) fail<TypeError>("a mode must have __torch_function__, got ", type_name(mode));
    if (!t_modes) t_modes = new std::vector<PyObject*>;
    t_modes->push_back(Py_NewRef(mode));
    ++g_overrides;
    return none();
  });
}
PyObject* pop_mode(PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (!t_modes || t_modes->empty()) fail("the stack of modes is empty");
    PyObject* mode = t_modes->back();
    t_modes->pop_back();
    --g_overrides;
    return mode;
  });
}
PyObject* mode_count(PyObject*, PyObject*) {
  return PyLong_FromSize_t(t_modes && t_state != State::Disabled ? t_modes->size() : 0);
}
PyObject* mode_at(PyObject*, PyObject* index) {
  return guarded([&] {
    const int64_t i = to_int(index);
    if (!t_modes || i < 0 || i >= static_cast<int64_t>(t_modes->size()))
      fail<IndexError>("there is no mode ", i, " on the stack");
    return Py_NewRef((*t_modes)[static_cast<size_t>(i)]);
  });
}
PyObject* swap_state(PyObject*, PyObject* to) {
  return guarded([&] {
    const int64_t state = to_int(to);
    if (state < 0 || state > 2) fail<ValueError>("no such state: ", state);
    return PyLong_FromLong(static_cast<long>(std::exchange(t_state, static_cast<State>(state))));
  });
}
PyObject* is_enabled(PyObject*, PyObject*) { return wrap_bool(t_state == State::Enabled); }
PyObject* is_all_disabled(PyObject*, PyObject*) { return wrap_bool(t_state == State::Disabled); }
PyObject* is_mode_enabled(PyObject*, PyObject*) { return wrap_bool(modes_on()); }

PyMethodDef functions[] = {
    {"_overridable", make_overridable, METH_O,
     "A function whose calls __torch_function__ of its arguments and modes can take over."},
    {"_has_torch_function", has_torch_function, METH_O, nullptr},
    {"_has_torch_function_unary", has_torch_function_unary, METH_O, nullptr},
    {"_has_torch_function_variadic",
     reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(has_torch_function_variadic)), METH_FASTCALL, nullptr},
    {"_handle_torch_function", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(handle_torch_function)),
     METH_FASTCALL, nullptr},
    {"_get_overloaded_args", get_overloaded_args, METH_O, nullptr},
    {"_skip_one_hop_torch_function", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(skip_one_hop)),
     METH_FASTCALL, nullptr},
    {"_push_on_torch_function_stack", push_mode, METH_O, nullptr},
    {"_pop_torch_function_stack", pop_mode, METH_NOARGS, nullptr},
    {"_len_torch_function_stack", mode_count, METH_NOARGS, nullptr},
    {"_get_function_stack_at", mode_at, METH_O, nullptr},
    {"_swap_torch_function_state", swap_state, METH_O, nullptr},
    {"_is_torch_function_enabled", is_enabled, METH_NOARGS, nullptr},
    {"_is_torch_function_all_disabled", is_all_disabled, METH_NOARGS, nullptr},
    {"_is_torch_function_mode_enabled", is_mode_enabled, METH_NOARGS, nullptr},
    {}};

// Context managers; one object may be entered again before it is left.
template <State To>
struct Disable {
  std::vector<State> before;
};

template <State To>
void bind_disable(nb::module_& m, const char* name, const char* doc) {
  nb::class_<Disable<To>>(m, name, doc)
      .def(nb::init<>())
      .def("__enter__",
           [](Disable<To>& d) {
             d.before.push_back(t_state);
             if (t_state < To) t_state = To;
           })
      .def("__exit__", [](Disable<To>& d, nb::args) {
        if (d.before.empty()) fail("__exit__ without __enter__");
        t_state = d.before.back();
        d.before.pop_back();
      });
}

}  // namespace

void bind_override(nb::module_& m) {
  g_name = PyUnicode_InternFromString("__torch_function__");
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw PythonError{};
  g_disabled = check_object(PyCFunction_New(&disabled_method, nullptr));
  m.attr("_disabled_torch_function_impl") = nb::handle(g_disabled);
  m.attr("_disabled_torch_dispatch_impl") = nb::handle(g_disabled);
  bind_disable<State::SubclassesDisabled>(m, "DisableTorchFunctionSubclass",
                                          "Inside, __torch_function__ of subclasses is not called; that of modes is.");
  bind_disable<State::Disabled>(m, "DisableTorchFunction", "Inside, no __torch_function__ is called.");

  WrappedType.tp_name = "rushlight.overridable_function";
  WrappedType.tp_basicsize = sizeof(WrappedObject);
  WrappedType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC;
  WrappedType.tp_vectorcall_offset = offsetof(WrappedObject, vectorcall);
  WrappedType.tp_call = PyVectorcall_Call;
  WrappedType.tp_getattro = wrapped_get;
  WrappedType.tp_setattro = wrapped_set;
  WrappedType.tp_repr = wrapped_repr;
  WrappedType.tp_methods = wrapped_methods;
  WrappedType.tp_dealloc = wrapped_dealloc;
  WrappedType.tp_traverse = wrapped_traverse;
  WrappedType.tp_clear = wrapped_clear;
  WrappedType.tp_free = PyObject_GC_Del;
  if (PyType_Ready(&WrappedType) < 0) throw PythonError{};

  Owned method(PyDescr_NewClassMethod(&TensorType, &default_method));
  if (PyDict_SetItem(TensorType.tp_dict, g_name, method.get()) < 0) throw PythonError{};
  g_not_wrapped = check_object(PySet_New(nullptr));
  for (const char* name : {"_base", "grad", "_grad"})
    if (PyObject* found = PyDict_GetItemString(TensorType.tp_dict, name)) {
      Owned get(PyObject_GetAttrString(found, "__get__"));
      if (PySet_Add(g_not_wrapped, get.get()) < 0) throw PythonError{};
    }
  m.attr("_default_nowrap_functions") = nb::handle(g_not_wrapped);
  PyType_Modified(&TensorType);
}

}  // namespace rushlight::python
