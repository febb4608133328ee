// Node objects, hooks, and the calls that run derivatives.
#include "bindings/autograd.h"

#include <cstring>
#include <unordered_map>

#include "rushlight/graph.h"

namespace rushlight::python {

namespace {

// ---- hooks

PyObject* attribute(const char* module, const char* name) {
  Owned m(PyImport_ImportModule(module));
  return check_object(PyObject_GetAttrString(m.get(), name));
}

PyObject* ordered_dict() {
  static PyObject* type = attribute("collections", "OrderedDict");
  return check_object(PyObject_CallNoArgs(type));
}

// Adds the hook to the dict and returns the handle that takes it out again.
PyObject* add_to(PyObject* dict, PyObject* hook) {
  static PyObject* type = attribute("rushlight.utils.hooks", "RemovableHandle");
  Owned handle(PyObject_CallOneArg(type, dict));
  Owned id(PyObject_GetAttrString(handle.get(), "id"));
  if (PyObject_SetItem(dict, id.get(), hook) < 0) throw PythonError{};
  return handle.release();
}

void check_callable(PyObject* hook) {
  if (!PyCallable_Check(hook)) fail<TypeError>("'", Py_TYPE(hook)->tp_name, "' object is not callable");
}

std::string hook_name(PyObject* hook) {
  PyObject* name = PyObject_GetAttrString(hook, "__name__");
  std::string text = "<unknown>";
  if (name && PyUnicode_Check(name)) text = PyUnicode_AsUTF8(name);
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
  return resolve_conj(t);
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

// The hooks of one tensor, in a dict that handles refer to.
struct TensorHooks {
  Shared dict;
  Tensor operator()(const Tensor& grad) const {
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
};
// Called with the leaf itself after its gradient has grown.
struct LeafHooks {
  Shared dict;
  Tensor operator()(const Tensor& leaf) const {
    nb::gil_scoped_acquire gil;
    for (const Shared& hook : hooks_in(dict.get())) {
      Owned argument(wrap(leaf));
      Owned result(raise_unless(PyObject_CallOneArg(hook.get(), argument.get())));
      if (result.get() != Py_None) fail("Tensor post accumulate grad hooks should return None.");
    }
    return {};
  }
};
struct PreHooks {
  Shared dict;
  void operator()(std::vector<Tensor>& grads) const {
    nb::gil_scoped_acquire gil;
    for (const Shared& hook : hooks_in(dict.get())) {
      Owned argument(wrap_some(grads));
      PyObject* result = PyObject_CallOneArg(hook.get(), argument.get());
      if (!result) raise_python_error();
      Owned held(result);
      set_results(grads, result, hook.get());
    }
  }
};
struct PostHooks {
  Shared dict;
  void operator()(std::vector<Tensor>& out, const std::vector<Tensor>& grads) const {
    nb::gil_scoped_acquire gil;
    for (const Shared& hook : hooks_in(dict.get())) {
      Owned left(wrap_some(out)), arrived(wrap_some(grads));
      PyObject* result = PyObject_CallFunctionObjArgs(hook.get(), left.get(), arrived.get(), nullptr);
      if (!result) raise_python_error();
      Owned held(result);
      set_results(out, result, hook.get());
    }
  }
};

// The dict of the Python hooks among `hooks`; new ones are appended by `append(Functor)`.
template <class Functor, class Function, class Append>
PyObject* dict_among(const Function* found, Append append) {
  if (const Functor* f = found ? found->template target<Functor>() : nullptr) return f->dict.get();
  Functor made{Shared(ordered_dict())};
  PyObject* dict = made.dict.get();
  append(std::move(made));
  return dict;
}

// Lets the collector see the hooks of a tensor; it need not know others.
void track(PyObject* tensor) {
  if (!PyObject_GC_IsTracked(tensor)) PyObject_GC_Track(tensor);
}

PyObject* register_tensor_hook(PyObject* self, PyObject* hook) {
  const Tensor& t = unwrap(self);
  if (!t.requires_grad()) fail("cannot register a hook on a tensor that doesn't require gradient");
  check_callable(hook);
  track(self);
  const TensorHook* found = nullptr;
  if (const Ref<Node> fn = t.grad_fn()) {
    const uint32_t slot = t.impl()->autograd->slot;
    for (const auto& h : hooks_of(*fn).tensor_pre)
      if (h.slot == slot && h.hook.target<TensorHooks>()) found = &h.hook;
  } else if (t.impl()->autograd) {
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
  if (o->node) {
    o->node->python = nullptr;
    o->node->release();
  }
  type->tp_free(self);
  Py_DECREF(type);
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
    auto& notes = hooks_of(node_of(self)).notes;
    if (!notes) notes = std::make_shared<Shared>(check_object(PyDict_New()));
    return Py_NewRef(static_cast<Shared*>(notes.get())->get());
  });
}
PyObject* get_attribute(PyObject* self, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(self, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  return guarded([&]() -> PyObject* {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject* saved = node_saved(node_of(self), PyUnicode_AsUTF8(name));
    if (!saved) {
      PyErr_Restore(type, value, trace);
      throw PythonError{};
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return saved;
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
      grads[i] = resolve_conj(unwrap(o));
    }
    node->apply(grads, out);
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
  PyTypeObject*& type = (*types)[node.name()];
  if (type) return type;
  auto* full = new std::string(std::string("builtins.") + node.name());  // the type keeps pointing to its name
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)}, {0, nullptr}};
  PyType_Spec spec = {full->c_str(), sizeof(NodeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  Owned bases(PyTuple_Pack(1, &NodeType));
  type = reinterpret_cast<PyTypeObject*>(check_object(PyType_FromSpecWithBases(&spec, bases.get())));
  type->tp_name = full->c_str() + std::strlen("builtins.");  // shown as "<AddBackward0 object at ...>"
  return type;
}

// ---- arguments of backward() and grad()

// One tensor or a sequence of them, None for undefined ones.
class GradientsArg {
 public:
  GradientsArg(PyObject* o) {
    if (!o || o == Py_None) return;
    if (is_tensor(o)) {
      span_ = {&unwrap(o), 1};
      return;
    }
    Owned items(PySequence_Tuple(o));
    const Py_ssize_t n = PyTuple_GET_SIZE(items.get());
    list_.reserve(static_cast<size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PyTuple_GET_ITEM(items.get(), i);
      if (is_tensor(item))
        list_.push_back(unwrap(item));
      else if (item == Py_None)
        list_.emplace_back();
      else
        fail<TypeError>("gradients can be either Tensors or None, but got ", Py_TYPE(item)->tp_name);
    }
    span_ = list_;
  }
  GradientsArg(const GradientsArg&) = delete;
  std::span<const Tensor> span() const { return span_; }

 private:
  TensorList list_;
  std::span<const Tensor> span_;
};

// A pair (node, number of its output), which is what GradientEdge is.
bool is_edge(PyObject* o) {
  return PyTuple_Check(o) && PyTuple_GET_SIZE(o) == 2 && PyLong_Check(PyTuple_GET_ITEM(o, 1)) &&
         unwrap_node(PyTuple_GET_ITEM(o, 0));
}

// One tensor, edge or node, or a sequence of them. A node stands for its only output.
class EndsArg {
 public:
  EndsArg(PyObject* o) {
    if (!o || o == Py_None) return;
    if (add(o)) return;
    Owned items(PySequence_Tuple(o));
    const Py_ssize_t n = PyTuple_GET_SIZE(items.get());
    ends_.reserve(static_cast<size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PyTuple_GET_ITEM(items.get(), i);
      if (!add(item))
        fail<TypeError>("expected Tensor at index ", static_cast<int64_t>(i), ", but got ", Py_TYPE(item)->tp_name);
    }
  }
  EndsArg(const EndsArg&) = delete;
  std::span<const autograd::End> span() const { return ends_; }

 private:
  bool add(PyObject* o) {
    if (is_tensor(o)) {
      ends_.emplace_back(unwrap(o));
      return true;
    }
    if (is_edge(o)) {
      const long slot = PyLong_AsLong(PyTuple_GET_ITEM(o, 1));
      Ref<Node> node = unwrap_node(PyTuple_GET_ITEM(o, 0));
      if (slot < 0 || slot >= static_cast<long>(node->outputs)) {
        PyErr_Clear();
        fail<IndexError>("an edge leads to output ", static_cast<int64_t>(slot), " of ", node->name(), ", which has ",
                         node->outputs);
      }
      ends_.emplace_back(Edge{std::move(node), static_cast<uint32_t>(slot)});
      return true;
    }
    if (Ref<Node> node = unwrap_node(o)) {
      if (node->outputs != 1)
        fail<TypeError>("expected a GradientEdge, but got a node with ", node->outputs, " outputs: ", node->name());
      ends_.emplace_back(Edge{std::move(node), 0});
      return true;
    }
    return false;
  }

  std::vector<autograd::End> ends_;
};

PyObject* run_backward(Args& a) {
  const EndsArg roots(a.object(0));
  const GradientsArg grads(a.object(1));
  if (roots.span().empty()) fail("'roots' argument to backward() cannot be empty.");
  const bool create_graph = a.flag(3);
  const bool retain_graph = a.flag(2, create_graph);
  const EndsArg inputs(a.has(4) ? a.object(4) : nullptr);
  if (a.has(4) && inputs.span().empty()) fail("`inputs` argument to `backward()` cannot be empty.");
  autograd::backward_ends(roots.span(), grads.span(), retain_graph, create_graph, inputs.span());
  return none();
}

PyObject* run_grad(Args& a) {
  if (a.flag(7)) {  // one gradient per row of grad_outputs
    Owned batched(attribute("rushlight.autograd._batched", "grad"));
    PyObject* values[7];
    for (int i = 0; i < 7; ++i) values[i] = a.object(i) ? a.object(i) : Py_None;
    return check_object(PyObject_CallFunctionObjArgs(batched.get(), values[0], values[1], values[2], values[3],
                                                     values[4], values[6], a.flag(8) ? Py_True : Py_False, nullptr));
  }
  const EndsArg roots(a.object(0)), inputs(a.object(1));
  const GradientsArg grads(a.object(2));
  const bool create_graph = a.flag(4);
  const bool retain_graph = a.flag(3, create_graph);
  const bool materialize = a.flag(8);
  if (materialize && a.has(6) && !a.flag(6))
    fail<ValueError>(
        "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.");
  if (inputs.span().empty()) fail("`inputs` argument to `grad()` cannot be empty.");
  TensorList found = autograd::grad_ends(roots.span(), inputs.span(), grads.span(), retain_graph, create_graph,
                                         a.flag(6, materialize));
  if (materialize)
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i].defined()) continue;
      const Tensor& like = inputs.span()[i].tensor;
      if (!like.defined()) fail("materialize_grads cannot be used when the given input is a GradientEdge");
      found[i] = zeros_like(like);
      if (create_graph) found[i].set_requires_grad(true);
    }
  return wrap_some(found);
}

PyTypeObject* tensor_class(PyObject* o) {
  if (!PyType_Check(o)) fail<TypeError>("cls must be a type (got ", Py_TYPE(o)->tp_name, ")");
  auto* type = reinterpret_cast<PyTypeObject*>(o);
  if (!PyType_IsSubtype(type, &TensorType))
    fail<TypeError>("cls must be a type that is derived from Tensor (got ", type->tp_name, ")");
  return type;
}

void register_methods_of_autograd() {
  def("_autograd_backward(object tensors, object grad_tensors=None, bool? retain_graph=None, bool create_graph=False, "
      "object inputs=None) -> None",
      run_backward, kFunction,
      "Adds the gradients of the sum of tensors (weighted by grad_tensors) to .grad of the leaves they come from.");
  def("_autograd_grad(object outputs, object inputs, object grad_outputs=None, bool? retain_graph=None, "
      "bool create_graph=False, bool? only_inputs=True, bool? allow_unused=None, bool is_grads_batched=False, "
      "bool materialize_grads=False) -> tuple[Tensor, ...]",
      run_grad, kFunction, "The gradients of the sum of outputs with respect to inputs, as a tuple.");
  def(
      "backward(Tensor self, object gradient=None, bool? retain_graph=None, bool create_graph=False, object "
      "inputs=None) "
      "-> None",
      [](Args& a) {
        if (a.has(1) && !is_tensor(a.object(1)))
          fail<TypeError>("gradients can be either Tensors or None, but got ", Py_TYPE(a.object(1))->tp_name);
        return run_backward(a);
      },
      kMethod,
      "Adds the gradients of this tensor to .grad of the leaves it comes from.\n\ngradient: weights of the elements; "
      "may "
      "be left out for a tensor of one element.\nretain_graph: keep the graph for another call; default create_graph."
      "\ncreate_graph: record the derivatives themselves.\ninputs: only these tensors get a .grad.");
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

namespace {
template <class Functor, class Function>
int visit_hook(const Function& f, visitproc visit, void* arg) {
  const Functor* python = f.template target<Functor>();
  if (python && python->dict.unique()) Py_VISIT(python->dict.get());
  return 0;
}
}  // namespace

int visit_hooks(TensorImpl* impl, visitproc visit, void* arg) {
  if (!impl || impl->use_count() != 1 || !impl->autograd) return 0;
  int stop = 0;
  for (const auto& [id, h] : impl->autograd->hooks)
    if ((stop = visit_hook<TensorHooks>(h, visit, arg))) return stop;
  for (const auto& [id, h] : impl->autograd->post_hooks)
    if ((stop = visit_hook<LeafHooks>(h, visit, arg))) return stop;
  const Node* node = impl->autograd->grad_fn.get();
  if (!node || node->use_count() != 1 || !node->hooks) return 0;
  for (const auto& h : node->hooks->tensor_pre)
    if ((stop = visit_hook<TensorHooks>(h.hook, visit, arg))) return stop;
  return 0;
}

void clear_hooks(TensorImpl* impl) {
  if (!impl || impl->use_count() != 1 || !impl->autograd) return;
  // Dropped at the end: their destructors may run code that looks at the tensor.
  auto hooks = std::move(impl->autograd->hooks), post_hooks = std::move(impl->autograd->post_hooks);
  impl->autograd->hooks.clear();
  impl->autograd->post_hooks.clear();
  std::vector<NodeHooks::TensorPre> of_node;
  Node* node = impl->autograd->grad_fn.get();
  if (node && node->use_count() == 1 && node->hooks) of_node.swap(node->hooks->tensor_pre);
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
    auto& hooks = hooks_of(node).post;
    const NodeHooks::Post* found = hooks.empty() ? nullptr : &hooks.back().second;
    return add_to(
        dict_among<PostHooks>(found, [&](PostHooks&& h) { hooks.emplace_back(next_hook_id(), std::move(h)); }), hook);
  });
}

PyObject* node_register_prehook(Node& node, PyObject* hook) {
  return guarded([&] {
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
  o->node = node.get();
  o->node->retain();
  node->python = o;
  return reinterpret_cast<PyObject*>(o);
}

void bind_autograd(nb::module_& m) {
  NodeType.tp_name = "rushlight.autograd.graph.Node";
  NodeType.tp_doc = "A recorded operation, or the place where the gradient of a leaf is added.";
  NodeType.tp_basicsize = sizeof(NodeObject);
  NodeType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION;
  NodeType.tp_dealloc = node_dealloc;
  NodeType.tp_methods = node_methods;
  NodeType.tp_getset = node_getset;
  NodeType.tp_getattro = get_attribute;
  NodeType.tp_call = node_call;
  if (PyType_Ready(&NodeType) < 0) throw PythonError{};
  m.attr("_Node") = nb::handle(reinterpret_cast<PyObject*>(&NodeType));
  register_methods_of_autograd();
  bind_grad_modes(m);
  bind_function(m);
  bind_graph(m);
}

}  // namespace rushlight::python
