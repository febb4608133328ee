// Node objects, hooks, and the calls that run derivatives.
#include "bindings/cycles.h"

#include <cstring>
#include <unordered_map>

namespace rushlight::python {

namespace {

// ---- hooks

PyObject* attribute(const char* module, const char* name) {
  Owned m(PyImport_ImportModule(module));
  return check_object(PyObject_GetAttrString(m.get(), name));
}

// What is looked up once. No static of a function: an import lets other threads run, which would wait for its guard
// with the interpreter's lock in their hands.
PyObject* g_ordered_dict = nullptr;
PyObject* g_handle_type = nullptr;

PyObject* kept_attribute(PyObject*& kept, const char* module, const char* name) {
  if (!kept) {
    PyObject* found = attribute(module, name);
    if (kept)  // by another thread meanwhile
      Py_DECREF(found);
    else
      kept = found;
  }
  return kept;
}

PyObject* ordered_dict() {
  return check_object(PyObject_CallNoArgs(kept_attribute(g_ordered_dict, "collections", "OrderedDict")));
}

// Adds the hook to the dict and returns the handle that takes it out again.
PyObject* add_to(const Shared& to, PyObject* hook) {
  PyObject* const dict = to.get();
  Owned handle(PyObject_CallOneArg(kept_attribute(g_handle_type, "rushlight.utils.hooks", "RemovableHandle"), dict));
  Owned id(PyObject_GetAttrString(handle.get(), "id"));
  if (PyObject_SetItem(dict, id.get(), hook) < 0) throw PythonError{};
  track_held(hook);
  return handle.release();
}

void check_callable(PyObject* hook) {
  if (!PyCallable_Check(hook)) fail<TypeError>("'", Py_TYPE(hook)->tp_name, "' object is not callable");
}

std::string hook_name(PyObject* hook) {
  PyObject* name = PyObject_GetAttrString(hook, "__name__");
  std::string text = "<unknown>";
  if (name && PyUnicode_Check(name)) text = text_of(name);
  PyErr_Clear();
  Py_XDECREF(name);
  return text;
}

// The gradient that a hook gave instead of `before`; undefined for None.
Tensor checked_result(const Tensor& before, PyObject* result, PyObject* hook) {
  if (result == Py_None) return {};
  if (!before.defined()) fail("can't replace a None gradient with a non-None value");
  if (!is_tensor(result)) fail<TypeError>("expected Variable, but hook returned '", Py_TYPE(result)->tp_name, "'");
  const Tensor& t = unwrap(result);
  if (t.dtype() != before.dtype() || !(t.device() == before.device()))
    fail("hook '", hook_name(hook), "' has changed the type of value (was ", tensor_type_name(before.dtype()), " got ",
         tensor_type_name(t.dtype()), ")");
  if (!std::equal(t.sizes().begin(), t.sizes().end(), before.sizes().begin(), before.sizes().end()))
    fail("hook '", hook_name(hook), "' has changed the size of value");
  return resolve_lazy(t);
}

std::vector<Shared> hooks_in(PyObject* dict) {
  Owned values(PyDict_Values(dict));
  std::vector<Shared> hooks;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values.get()); ++i)
    hooks.emplace_back(Py_NewRef(PyList_GET_ITEM(values.get(), i)));
  return hooks;
}

void set_results(std::vector<Tensor>& values, PyObject* result, PyObject* hook) {
  if (result == Py_None) return;
  if (!PyTuple_Check(result)) {
    // torch takes a single tensor only from prehooks of nodes with one output.
    if (values.size() == 1 && is_tensor(result)) {
      values[0] = checked_result(values[0], result, hook);
      return;
    }
    fail<TypeError>("expected tuple, but hook returned '", Py_TYPE(result)->tp_name, "'");
  }
  if (static_cast<size_t>(PyTuple_GET_SIZE(result)) != values.size())
    fail("hook '", hook_name(hook), "' has returned an incorrect number of values (got ",
         static_cast<int64_t>(PyTuple_GET_SIZE(result)), ", but expected ", values.size(), ")");
  for (size_t i = 0; i < values.size(); ++i) {
    PyObject* item = PyTuple_GET_ITEM(result, static_cast<Py_ssize_t>(i));
    values[i] = item == Py_None ? Tensor() : checked_result(values[i], item, hook);
  }
}

}  // namespace

Tensor TensorHooks::operator()(const Tensor& grad) const {
  nb::gil_scoped_acquire gil;
  Tensor current = grad;
  bool replaced = false;
  for (const Shared& hook : hooks_in(dict.get())) {
    Owned argument(wrap(current));
    PyObject* result = PyObject_CallOneArg(hook.get(), argument.get());
    if (!result) raise_python_error();
    Owned held(result);
    if (Tensor t = checked_result(current, result, hook.get()); t.defined()) {
      current = std::move(t);
      replaced = true;
    }
  }
  return replaced ? current : Tensor();
}
Tensor LeafHooks::operator()(const Tensor& leaf) const {
  nb::gil_scoped_acquire gil;
  for (const Shared& hook : hooks_in(dict.get())) {
    Owned argument(wrap(leaf));
    Owned result(raise_unless(PyObject_CallOneArg(hook.get(), argument.get())));
    if (result.get() != Py_None) fail("Tensor post accumulate grad hooks should return None.");
  }
  return {};
}
void PreHooks::operator()(std::vector<Tensor>& grads) const {
  nb::gil_scoped_acquire gil;
  for (const Shared& hook : hooks_in(dict.get())) {
    Owned argument(wrap_some(grads));
    PyObject* result = PyObject_CallOneArg(hook.get(), argument.get());
    if (!result) raise_python_error();
    Owned held(result);
    set_results(grads, result, hook.get());
  }
}
void PostHooks::operator()(std::vector<Tensor>& out, const std::vector<Tensor>& grads) const {
  nb::gil_scoped_acquire gil;
  for (const Shared& hook : hooks_in(dict.get())) {
    Owned left(wrap_some(out)), arrived(wrap_some(grads));
    PyObject* result = PyObject_CallFunctionObjArgs(hook.get(), left.get(), arrived.get(), nullptr);
    if (!result) raise_python_error();
    Owned held(result);
    set_results(out, result, hook.get());
  }
}

namespace {

// The dict of the Python hooks among `hooks`; new ones are appended by `append(Functor)`.
template <class Functor, class Function, class Append>
Shared dict_among(const Function* found, Append append) {
  if (const Functor* f = found ? found->template target<Functor>() : nullptr) return f->dict;
  Functor made{Shared(ordered_dict())};
  const Shared dict = made.dict;
  append(std::move(made));
  return dict;
}

PyObject* register_tensor_hook(PyObject* self, PyObject* hook) {
  const Tensor& t = unwrap(self);
  if (!t.requires_grad()) fail("cannot register a hook on a tensor that doesn't require gradient");
  check_callable(hook);
  track(self);
  const TensorHook* found = nullptr;
  if (const Ref<Node> fn = t.grad_fn()) {
    const uint32_t slot = t.impl()->autograd->slot;
    note_python(*fn);
    for (const auto& h : hooks_of(*fn).tensor_pre)
      if (h.slot == slot && h.hook.target<TensorHooks>()) found = &h.hook;
  } else if (t.impl()->autograd) {
    // A view that was not recorded has no node.
    if (const Edge edge = autograd::edge_of(t); edge.node) note_python(*edge.node);
    for (const auto& [id, h] : t.impl()->autograd->hooks)
      if (h.target<TensorHooks>()) found = &h;
  }
  return add_to(dict_among<TensorHooks>(found, [&](TensorHooks&& h) { autograd::add_tensor_hook(t, std::move(h)); }),
                hook);
}

PyObject* register_leaf_hook(PyObject* self, PyObject* hook) {
  const Tensor& t = unwrap(self);
  if (!t.requires_grad()) fail("cannot register a hook on a tensor that doesn't require gradient");
  if (!t.is_leaf()) fail("post accumulate grad hooks cannot be registered on non-leaf tensors");
  check_callable(hook);
  track(self);
  if (const Edge edge = autograd::edge_of(t); edge.node) note_python(*edge.node);
  if (!t.impl()->autograd) t.impl()->autograd = new AutogradMeta;
  auto& hooks = t.impl()->autograd->post_hooks;
  const TensorHook* found = hooks.empty() ? nullptr : &hooks.front().second;
  return add_to(dict_among<LeafHooks>(found, [&](LeafHooks&& h) { hooks.emplace_back(next_hook_id(), std::move(h)); }),
                hook);
}

// ---- node objects
struct NodeObject {
  PyObject_HEAD Node* node;  // owned count
};

PyTypeObject NodeType = {PyVarObject_HEAD_INIT(nullptr, 0)};

Node& node_of(PyObject* self) { return *reinterpret_cast<NodeObject*>(self)->node; }

void node_dealloc(PyObject* self) {
  auto* o = reinterpret_cast<NodeObject*>(self);
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  note_freed();
  if (o->node) {
    o->node->python = nullptr;
    o->node->release();
  }
  type->tp_free(self);
  Py_DECREF(type);
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return visit_node(self, reinterpret_cast<NodeObject*>(self)->node, visit, arg);
}
int node_clear(PyObject* self) {
  clear_node(reinterpret_cast<NodeObject*>(self)->node);
  return 0;
}

PyObject* node_name(PyObject* self, PyObject*) {
  const std::string_view name = node_of(self).name();
  // What torch implements by hand shows its C++ name.
  if (name == "AccumulateGrad" || name == "CopySlices")
    return PyUnicode_FromFormat("torch::autograd::%s", node_of(self).name());
  return PyUnicode_FromString(node_of(self).name());
}
PyObject* node_add_hook(PyObject* self, PyObject* hook) { return node_register_hook(node_of(self), hook); }
PyObject* node_add_prehook(PyObject* self, PyObject* hook) { return node_register_prehook(node_of(self), hook); }
PyObject* node_sequence(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(node_of(self).sequence); }
PyObject* get_next_functions(PyObject* self, void*) { return node_next_functions(node_of(self)); }
PyObject* get_metadata(PyObject* self, void*) {
  return guarded([&] {
    note_python(node_of(self));
    auto& notes = hooks_of(node_of(self)).notes;
    if (!notes) notes = std::make_shared<Shared>(check_object(PyDict_New()));
    return Py_NewRef(static_cast<Shared*>(notes.get())->get());
  });
}
PyObject* get_attribute(PyObject* self, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(self, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  return guarded([&]() -> PyObject* {
    nb::python_error missing;
    if (PyObject* saved = node_saved(node_of(self), text_of(name).c_str())) return saved;
    missing.restore();
    throw PythonError{};
  });
}
PyObject* get_variable(PyObject* self, void*) {
  if (auto* leaf = dynamic_cast<AccumulateGrad*>(&node_of(self))) return guarded([&] { return wrap(leaf->variable); });
  PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'", node_of(self).name());
  return nullptr;
}

// Runs the derivative by hand: one gradient (or None) per output, the result as its gradients.
PyObject* node_call(PyObject* self, PyObject* args, PyObject* names) {
  return guarded([&]() -> PyObject* {
    if (names && PyDict_GET_SIZE(names)) fail<TypeError>("keyword arguments are not supported");
    const Ref<Node> node(&node_of(self));
    const Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (count != static_cast<Py_ssize_t>(node->outputs))
      fail<TypeError>("expected ", node->outputs, " arguments, got ", static_cast<int64_t>(count), " instead");
    std::vector<Tensor> grads(static_cast<size_t>(count)), out(node->edges.size());
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* o = PyTuple_GET_ITEM(args, i);
      if (o == Py_None) continue;
      if (!is_tensor(o)) fail<TypeError>("argument ", static_cast<int64_t>(i), " is not a Variable");
      grads[i] = resolve_lazy(unwrap(o));
    }
    {
      const NodeUse use(*node, node->exclusive);
      node->apply(grads, out);
    }
    while (out.size() > 1 && !node->edges[out.size() - 1].node) out.pop_back();  // numbers as operands
    return out.size() == 1 ? wrap(out[0]) : wrap_some(out);
  });
}

PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "name() -> str"},
    {"register_hook", node_add_hook, METH_O,
     "register_hook(fn) -> handle\n\nfn(grad_inputs, grad_outputs) is called after the node has run; it may return a "
     "tuple "
     "that replaces grad_inputs."},
    {"register_prehook", node_add_prehook, METH_O,
     "register_prehook(fn) -> handle\n\nfn(grad_outputs) is called before the node runs; it may return a tuple that "
     "replaces grad_outputs."},
    {"_sequence_nr", node_sequence, METH_NOARGS, nullptr},
    {}};
PyGetSetDef node_getset[] = {
    {"next_functions", get_next_functions, nullptr, "Tuple of (node or None, output number), one per input.", nullptr},
    {"metadata", get_metadata, nullptr, "A dict for the user's own notes.", nullptr},
    {"variable", get_variable, nullptr, "The leaf whose gradient an AccumulateGrad adds to.", nullptr},
    {}};

// One type per node name, made when first seen.
PyTypeObject* type_of(const Node& node) {
  static auto* types = new std::unordered_map<std::string, PyTypeObject*>;
  PyTypeObject*& known = (*types)[node.name()];
  if (known) return known;
  auto* full = new std::string(std::string("builtins.") + node.name());  // the type keeps pointing to its name
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
                         {0, nullptr}};
  PyType_Spec spec = {full->c_str(), sizeof(NodeObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Owned bases(PyTuple_Pack(1, &NodeType));
  auto* type = reinterpret_cast<PyTypeObject*>(check_object(PyType_FromSpecWithBases(&spec, bases.get())));
  type->tp_name = full->c_str() + std::strlen("builtins.");  // shown as "<AddBackward0 object at ...>"
  // Making a type may run the collector, which may run code that came here first.
  if (!known) known = type;
  return known;
}

PyTypeObject* tensor_class(PyObject* o) {
  if (!PyType_Check(o)) fail<TypeError>("cls must be a type (got ", Py_TYPE(o)->tp_name, ")");
  auto* type = reinterpret_cast<PyTypeObject*>(o);
  if (!PyType_IsSubtype(type, &TensorType))
    fail<TypeError>("cls must be a type that is derived from Tensor (got ", type->tp_name, ")");
  return type;
}

void register_methods_of_autograd() {
  def(
      "requires_grad_(Tensor self, bool requires_grad=True)",
      [](Args& a) {
        a.tensor(0).set_requires_grad(a.flag(1, true));
        return Py_NewRef(a.object(0));
      },
      kMethod, "Sets requires_grad and returns self.");
  def(
      "detach(Tensor self)", [](Args& a) { return wrap(detach(a.tensor(0))); }, kBoth,
      "The same memory in a tensor without history.");
  def(
      "detach_(Tensor self)",
      [](Args& a) {
        autograd::detach_(a.tensor(0));
        return Py_NewRef(a.object(0));
      },
      kBoth, "Makes the tensor a leaf without requires_grad.");
  def(
      "retain_grad(Tensor self) -> None",
      [](Args& a) {
        autograd::retain_grad(a.tensor(0));
        return none();
      },
      kMethod, "Lets backward() fill .grad of a result, too.");
  def(
      "register_hook(Tensor self, object hook) -> object",
      [](Args& a) { return register_tensor_hook(a.object(0), a.object(1)); }, kMethod,
      "hook(grad) is called with every gradient of this tensor and may return one that replaces it. Returns a handle "
      "with remove().");
  def(
      "register_post_accumulate_grad_hook(Tensor self, object hook) -> object",
      [](Args& a) { return register_leaf_hook(a.object(0), a.object(1)); }, kMethod,
      "hook(tensor) is called after backward() has added to .grad of this leaf.");
  def(
      "is_inference(Tensor input) -> bool", [](Args& a) { return wrap_bool(a.tensor(0).impl()->inference); }, kBoth,
      "Whether the tensor was made in inference mode.");
  def(
      "as_subclass(Tensor self, object cls)",
      [](Args& a) { return wrap_as(tensor_class(a.object(1)), alias(a.tensor(0))); }, kMethod,
      "The same memory and history as an instance of cls.");
  def(
      "_make_subclass(object cls, Tensor data, bool require_grad=False)",
      [](Args& a) {
        PyTypeObject* type = tensor_class(a.object(0));
        const Tensor made = detach(a.tensor(1));
        made.set_requires_grad(a.flag(2));
        return wrap_as(type, made);
      },
      kStatic);
}

}  // namespace

void track(PyObject* tensor) {
  if (!PyObject_GC_IsTracked(tensor)) PyObject_GC_Track(tensor);
}

PyObject* wrap_some(std::span<const Tensor> tensors) {
  Owned made(PyTuple_New(static_cast<Py_ssize_t>(tensors.size())));
  for (size_t i = 0; i < tensors.size(); ++i)
    PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), wrap(tensors[i]));
  return made.release();
}

PyObject* node_next_functions(Node& node) {
  return guarded([&] {
    Ref<Node> keep(&node);
    Owned made(PyTuple_New(static_cast<Py_ssize_t>(node.edges.size())));
    for (size_t i = 0; i < node.edges.size(); ++i) {
      PyObject* next = wrap_node(node.edges[i].node);
      PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i),
                       check_object(Py_BuildValue("(NI)", next, static_cast<unsigned>(node.edges[i].slot))));
    }
    return made.release();
  });
}

PyObject* node_register_hook(Node& node, PyObject* hook) {
  return guarded([&] {
    note_python(node);
    auto& hooks = hooks_of(node).post;
    const NodeHooks::Post* found = hooks.empty() ? nullptr : &hooks.back().second;
    return add_to(
        dict_among<PostHooks>(found, [&](PostHooks&& h) { hooks.emplace_back(next_hook_id(), std::move(h)); }), hook);
  });
}

PyObject* node_register_prehook(Node& node, PyObject* hook) {
  return guarded([&] {
    note_python(node);
    auto& hooks = hooks_of(node).pre;
    const NodeHooks::Pre* found = hooks.empty() ? nullptr : &hooks.back().second;
    return add_to(dict_among<PreHooks>(found, [&](PreHooks&& h) { hooks.emplace_back(next_hook_id(), std::move(h)); }),
                  hook);
  });
}

Ref<Node> unwrap_node(PyObject* o) {
  if (PyObject_TypeCheck(o, &NodeType)) return Ref<Node>(&node_of(o));
  return context_node(o);
}

PyObject* wrap_node(const Ref<Node>& node) {
  if (!node) return none();
  if (node->python) return Py_NewRef(static_cast<PyObject*>(node->python));
  PyTypeObject* type = type_of(*node);
  auto* o = reinterpret_cast<NodeObject*>(check_object(type->tp_alloc(type, 0)));
  if (node->python) {  // made by code that the collector ran
    Py_DECREF(o);
    return Py_NewRef(static_cast<PyObject*>(node->python));
  }
  o->node = node.get();
  o->node->retain();
  node->python = o;
  return reinterpret_cast<PyObject*>(o);
}

void bind_autograd(nb::module_& m) {
  NodeType.tp_name = "rushlight.autograd.graph.Node";
  NodeType.tp_doc = "A recorded operation, or the place where the gradient of a leaf is added.";
  NodeType.tp_basicsize = sizeof(NodeObject);
  NodeType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;
  NodeType.tp_dealloc = node_dealloc;
  NodeType.tp_traverse = node_traverse;
  NodeType.tp_clear = node_clear;
  NodeType.tp_methods = node_methods;
  NodeType.tp_getset = node_getset;
  NodeType.tp_getattro = get_attribute;
  NodeType.tp_call = node_call;
  if (PyType_Ready(&NodeType) < 0) throw PythonError{};
  m.attr("_Node") = nb::handle(reinterpret_cast<PyObject*>(&NodeType));
  register_methods_of_autograd();
  register_backward();
  bind_grad_modes(m);
  bind_function(m);
  bind_graph(m);
  bind_cycles();
}

}  // namespace rushlight::python
