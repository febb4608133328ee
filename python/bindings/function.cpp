// Operations that Python code defines together with their derivatives: the contexts and nodes of autograd.Function.
#include <cstddef>
#include <cstring>

#include "bindings/cycles.h"
#include "bindings/override.h"
#include "rushlight/graph.h"

namespace rushlight::python {

namespace {

class CustomNode;

// `ctx`: what forward() hands to backward(). Its type is a Python class made per Function.
struct Context {
  PyObject_HEAD PyObject* needs_input_grad;
  PyObject* to_save;  // tuples, until the node has been made
  PyObject* non_differentiable;
  PyObject* dirty;
  PyObject* metadata;
  PyObject* weakrefs;
  CustomNode* node;  // borrowed: the node owns its context
  bool materialize_grads;
  bool materialize_non_diff_grads;
};

PyTypeObject ContextType = {PyVarObject_HEAD_INIT(nullptr, 0)};

Context* context_of(PyObject* o) { return reinterpret_cast<Context*>(o); }

class CustomNode final : public Node, public Inspectable {
 public:
  struct Output {
    bool is_tensor = false;
    bool differentiable = false;
    DType dtype = DType::Undefined;
    DimVector sizes;
    Device device;
  };

  // Takes over a count of the context.
  CustomNode(uint32_t outputs, PyObject* context)
      : Node(outputs), made(outputs), context_(context), name_(Py_TYPE(context)->tp_name) {
    if (const size_t dot = name_.rfind('.'); dot != std::string::npos) name_.erase(0, dot + 1);
    python = context;
    python_below = true;
    exclusive = false;  // what Python does may wait for other threads
    context_of(context)->node = this;
  }
  ~CustomNode() override {
    if (!Py_IsInitialized()) return;
    nb::gil_scoped_acquire gil;
    context_of(context_)->node = nullptr;
    Py_DECREF(context_);
  }
  const char* name() const override { return name_.c_str(); }
  void apply(std::span<const Tensor> grads, std::span<Tensor> out) override;
  void release_saved() override {
    const std::vector<SavedTensor> gone = std::move(saved);  // their end may run code that looks here
    saved.clear();
    freed = true;
  }
  void inspect(Inspector& inspector) const override {
    for (const SavedTensor& s : saved) inspector.saved(s);
  }
  SavedTensor* saved_as(std::string_view number) override {
    size_t at = 0;
    for (char c : number) at = c >= '0' && c <= '9' ? 10 * at + static_cast<size_t>(c - '0') : saved.size();
    return at < saved.size() ? &saved[at] : nullptr;
  }

  std::vector<Output> made;
  std::vector<char> takes_tensor;  // of each argument of forward()
  std::vector<SavedTensor> saved;
  bool freed = false;
  const uint64_t made_after = g_collections;  // so many collections

  PyObject* context() const { return context_; }

 private:
  PyObject* context_;
  std::string name_;
};

void CustomNode::apply(std::span<const Tensor> grads, std::span<Tensor> out) {
  nb::gil_scoped_acquire gil;
  Owned arguments(PyTuple_New(static_cast<Py_ssize_t>(grads.size())));
  for (size_t i = 0; i < grads.size(); ++i) {
    const Output& o = made[i];
    PyObject* grad = nullptr;
    if (grads[i].defined())
      grad = wrap(grads[i]);
    else if (o.is_tensor && context_of(context_)->materialize_grads &&
             (o.differentiable || context_of(context_)->materialize_non_diff_grads))
      grad = wrap(zeros(o.sizes, o.dtype, o.device));
    else
      grad = none();
    PyTuple_SET_ITEM(arguments.get(), static_cast<Py_ssize_t>(i), grad);
  }
  PyObject* method = PyObject_GetAttrString(context_, "apply");
  if (!method) raise_python_error();
  Owned apply(method);
  PyObject* given = PyObject_CallObject(apply.get(), arguments.get());
  if (!given) raise_python_error();
  if (!PyTuple_Check(given)) {
    PyObject* tuple = PyTuple_Pack(1, given);
    Py_DECREF(given);
    given = raise_unless(tuple);
  }
  Owned result(given);
  Py_ssize_t count = PyTuple_GET_SIZE(given);
  const auto expected = static_cast<Py_ssize_t>(takes_tensor.size());
  while (count > expected && PyTuple_GET_ITEM(given, count - 1) == Py_None) --count;
  if (count != expected)
    fail("function ", name(), " returned an incorrect number of gradients (expected ", static_cast<int64_t>(expected),
         ", got ", static_cast<int64_t>(count), ")");
  size_t edge = 0;
  for (Py_ssize_t i = 0; i < expected; ++i) {
    PyObject* item = PyTuple_GET_ITEM(given, i);
    if (!takes_tensor[i]) {
      if (item != Py_None)
        fail("function ", name(), " returned a gradient different than None at position ", static_cast<int64_t>(i + 1),
             ", but the corresponding forward input was not a Variable");
      continue;
    }
    const size_t at = edge++;
    if (item == Py_None) continue;
    if (!is_tensor(item))
      fail("function ", name(), " returned at position ", static_cast<int64_t>(i + 1),
           ": expected Variable or None (got ", Py_TYPE(item)->tp_name, ")");
    if (edges[at].node) out[at] = resolve_lazy(unwrap(item));
  }
}

// ---- attributes of contexts

CustomNode* node_or_error(PyObject* self) {
  CustomNode* node = context_of(self)->node;
  if (!node)
    PyErr_SetString(PyExc_RuntimeError,
                    "this context of an autograd.Function has no node: nothing was recorded, or the graph is gone");
  return node;
}

PyObject* context_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) context_of(self)->materialize_grads = context_of(self)->materialize_non_diff_grads = true;
  return self;
}
int context_traverse(PyObject* self, visitproc visit, void* arg) {
  Context* c = context_of(self);
  Py_VISIT(c->needs_input_grad);
  Py_VISIT(c->to_save);
  Py_VISIT(c->non_differentiable);
  Py_VISIT(c->dirty);
  Py_VISIT(c->metadata);
  return 0;
}
int context_clear(PyObject* self) {
  Context* c = context_of(self);
  Py_CLEAR(c->needs_input_grad);
  Py_CLEAR(c->to_save);
  Py_CLEAR(c->non_differentiable);
  Py_CLEAR(c->dirty);
  Py_CLEAR(c->metadata);
  return 0;
}
void context_dealloc(PyObject* self) {
  if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
  if (context_of(self)->weakrefs) PyObject_ClearWeakRefs(self);
  context_clear(self);
  Py_TYPE(self)->tp_free(self);
}

template <PyObject* Context::* Field>
PyObject* keep_arguments(PyObject* self, PyObject* args) {
  Py_XSETREF(context_of(self)->*Field, Py_NewRef(args));
  Py_RETURN_NONE;
}
PyObject* set_materialize(PyObject* self, PyObject* value) {
  const int truth = PyObject_IsTrue(value);
  if (truth < 0) return nullptr;
  context_of(self)->materialize_grads = truth;
  Py_RETURN_NONE;
}
PyObject* context_name(PyObject* self, PyObject*) {
  const char* full = Py_TYPE(self)->tp_name;
  const char* dot = std::strrchr(full, '.');
  return PyUnicode_FromString(dot ? dot + 1 : full);
}
PyObject* context_hook(PyObject* self, PyObject* hook) {
  CustomNode* node = node_or_error(self);
  return node ? node_register_hook(*node, hook) : nullptr;
}
PyObject* context_prehook(PyObject* self, PyObject* hook) {
  CustomNode* node = node_or_error(self);
  return node ? node_register_prehook(*node, hook) : nullptr;
}

PyObject* get_next_functions(PyObject* self, void*) {
  CustomNode* node = node_or_error(self);
  return node ? node_next_functions(*node) : nullptr;
}
PyObject* get_saved_tensors(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    CustomNode* node = context_of(self)->node;
    if (!node) return context_of(self)->to_save ? Py_NewRef(context_of(self)->to_save) : PyTuple_New(0);
    if (node->freed) autograd::fail_graph_freed();
    const Ref<Node> keep(node);
    std::vector<Tensor> tensors;
    const std::vector<SavedTensor> saved = node->saved;  // a hook may free the graph
    for (const SavedTensor& s : saved) tensors.push_back(s.unpack(*node));
    return wrap_some(tensors);
  });
}
PyObject* get_raw_saved(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    CustomNode* node = context_of(self)->node;
    if (!node) return PyTuple_New(0);
    if (node->freed) autograd::fail_graph_freed();
    return wrap_raw_saved(*node, node->saved.size());
  });
}
PyObject* get_saved_variables(PyObject* self, void* unused) {
  if (PyErr_WarnEx(PyExc_DeprecationWarning, "'saved_variables' is deprecated; use 'saved_tensors'", 1) < 0)
    return nullptr;
  return get_saved_tensors(self, unused);
}
PyObject* get_metadata(PyObject* self, void*) {
  if (!context_of(self)->metadata) {
    PyObject* made = PyDict_New();
    if (!made) return nullptr;
    Py_XSETREF(context_of(self)->metadata, made);
  }
  return Py_NewRef(context_of(self)->metadata);
}
PyObject* get_materialize(PyObject* self, void*) { return wrap_bool(context_of(self)->materialize_grads); }
PyObject* get_non_diff(PyObject* self, void*) { return wrap_bool(context_of(self)->materialize_non_diff_grads); }
int set_non_diff(PyObject* self, PyObject* value, void*) {
  const int truth = value ? PyObject_IsTrue(value) : 1;
  if (truth < 0) return -1;
  context_of(self)->materialize_non_diff_grads = truth;
  return 0;
}
PyObject* get_needs(PyObject* self, void*) {
  PyObject* needs = context_of(self)->needs_input_grad;
  return needs ? Py_NewRef(needs) : none();
}
int set_needs(PyObject* self, PyObject* value, void*) {
  Py_XSETREF(context_of(self)->needs_input_grad, Py_XNewRef(value));
  return 0;
}

PyMethodDef context_methods[] = {
    {"save_for_backward", keep_arguments<&Context::to_save>, METH_VARARGS,
     "save_for_backward(*tensors)\n\nKeeps inputs and outputs for backward(), which finds them in saved_tensors. "
     "Called at "
     "most once."},
    {"mark_dirty", keep_arguments<&Context::dirty>, METH_VARARGS,
     "mark_dirty(*tensors)\n\nTells which inputs forward() has changed in place; they must be among its outputs."},
    {"mark_non_differentiable", keep_arguments<&Context::non_differentiable>, METH_VARARGS,
     "mark_non_differentiable(*tensors)\n\nTells which outputs have no derivative."},
    {"set_materialize_grads", set_materialize, METH_O,
     "set_materialize_grads(value)\n\nWhether backward() gets zeros (True, the default) or None for absent gradients."},
    {"name", context_name, METH_NOARGS, "name() -> str"},
    {"register_hook", context_hook, METH_O, "register_hook(fn) -> handle"},
    {"register_prehook", context_prehook, METH_O, "register_prehook(fn) -> handle"},
    {}};
PyGetSetDef context_getset[] = {
    {"saved_tensors", get_saved_tensors, nullptr, "The tensors given to save_for_backward().", nullptr},
    {"saved_variables", get_saved_variables, nullptr, nullptr, nullptr},
    {"_raw_saved_tensors", get_raw_saved, nullptr, nullptr, nullptr},
    {"_materialize_non_diff_grads", get_non_diff, set_non_diff, nullptr, nullptr},
    {"needs_input_grad", get_needs, set_needs, "Tuple of bool: which arguments of forward() want a gradient.", nullptr},
    {"next_functions", get_next_functions, nullptr, "Tuple of (node or None, output number), one per tensor argument.",
     nullptr},
    {"metadata", get_metadata, nullptr, "A dict for the user's own notes.", nullptr},
    {"materialize_grads", get_materialize, nullptr, nullptr, nullptr},
    {}};

// ---- Function.apply

bool among(PyObject* tuple, PyObject* o) {
  if (!tuple) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i)
    if (PyTuple_GET_ITEM(tuple, i) == o) return true;
  return false;
}

void check_dirty(Context* c, PyObject* inputs, PyObject* outputs) {
  if (!c->dirty) return;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(c->dirty); ++i) {
    PyObject* o = PyTuple_GET_ITEM(c->dirty, i);
    if (!is_tensor(o))
      fail<TypeError>("mark_dirty can only accept variables, but argument ", static_cast<int64_t>(i), " is of type ",
                      Py_TYPE(o)->tp_name);
    if (!among(outputs, o))
      fail(
          "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
          "modified inplace must all be outputs of the Function.");
    if (!among(inputs, o))
      fail("mark_dirty only accepts input tensors, but argument ", static_cast<int64_t>(i), " isn't one");
    const Tensor& t = unwrap(o);
    if (GradMode::enabled() && t.requires_grad() && t.is_leaf())
      fail("a leaf Variable that requires grad has been used in an in-place operation.");
    t.bump_version("mark_dirty");
  }
}

// Gives the outputs their history; returns what apply() returns for them.
void attach(CustomNode& node, const Ref<Node>& owner, Context* c, PyObject* inputs, PyObject* outputs) {
  PyObject* first = nullptr;  // the first tensor among the arguments
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs) && !first; ++i)
    if (is_tensor(PyTuple_GET_ITEM(inputs, i))) first = PyTuple_GET_ITEM(inputs, i);
  const Py_ssize_t count = PyTuple_GET_SIZE(outputs);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = PyTuple_GET_ITEM(outputs, i);
    if (!is_tensor(o)) continue;
    const Tensor& t = unwrap(o);
    const bool differentiable = !among(c->non_differentiable, o) && is_differentiable(t.dtype());
    node.made[i] = {true, differentiable, t.dtype(), DimVector(t.sizes()), t.device()};
    if (!differentiable) continue;
    track(o);
    if (among(c->dirty, o) && t.impl()->base) {
      if (count != 1 || o != first)
        fail("a view that forward() changes in place must be its first argument and its only output");
      autograd::rebase_history(t, owner);
    } else {
      autograd::set_history(t, owner, static_cast<uint32_t>(i));
    }
  }
}

// A view that forward() made of something that requires grad has none of its own.
bool has_history(const Tensor& t) {
  const AutogradMeta* meta = t.impl()->autograd;
  return meta && (meta->requires_grad || meta->grad_fn);
}

// Outputs that are inputs, or have a history of their own, are returned as new tensors on the same memory.
PyObject* own_outputs(Context* c, PyObject* inputs, PyObject* outputs) {
  const Py_ssize_t count = PyTuple_GET_SIZE(outputs);
  Owned made(PyTuple_New(count));
  NoGradGuard no_grad;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = PyTuple_GET_ITEM(outputs, i);
    PyObject* item = nullptr;
    if (!is_tensor(o) || among(c->dirty, o))
      item = Py_NewRef(o);
    else if (among(inputs, o))
      item = type_overrides(Py_TYPE(o)) ? wrap_as(Py_TYPE(o), alias(unwrap(o))) : wrap(alias(unwrap(o)));
    else if (has_history(unwrap(o)))
      item = wrap(detach(unwrap(o)));
    else
      item = Py_NewRef(o);
    PyTuple_SET_ITEM(made.get(), i, item);
  }
  return made.release();
}

// Outputs that are new tensors are marked by what forward() called them.
void rename_marks(Context* c, PyObject* before, PyObject* after) {
  if (!c->non_differentiable) return;
  const Owned held(Py_NewRef(c->non_differentiable));
  PyObject* const marks = held.get();
  Owned renamed(PyTuple_New(PyTuple_GET_SIZE(marks)));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(marks); ++i) {
    PyObject* o = PyTuple_GET_ITEM(marks, i);
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(after); ++k)
      if (PyTuple_GET_ITEM(before, k) == PyTuple_GET_ITEM(marks, i)) o = PyTuple_GET_ITEM(after, k);
    PyTuple_SET_ITEM(renamed.get(), i, Py_NewRef(o));
  }
  Py_XSETREF(c->non_differentiable, renamed.release());
}

// Outputs that are views must not be changed in place: what backward() says about them would be passed by.
void mark_views(Context* c, PyObject* outputs) {
  if (!GradMode::enabled()) return;
  std::vector<TensorImpl*> views;
  int64_t differentiable = 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs); ++i) {
    PyObject* o = PyTuple_GET_ITEM(outputs, i);
    if (!is_tensor(o) || among(c->non_differentiable, o) || !is_differentiable(unwrap(o).dtype())) continue;
    ++differentiable;
    if (unwrap(o).impl()->base && !among(c->dirty, o)) views.push_back(unwrap(o).impl());
  }
  for (TensorImpl* view : views)
    view->origin = differentiable > 1 ? ViewOrigin::MultipleViews : ViewOrigin::CustomFunction;
}

// A view of an output owns the output, and with it the node that saves it: without its base it does not.
bool is_view_of(PyObject* outputs, const Tensor& t) {
  for (Py_ssize_t k = 0; t.impl()->base && k < PyTuple_GET_SIZE(outputs); ++k)
    if (PyObject* o = PyTuple_GET_ITEM(outputs, k); is_tensor(o) && unwrap(o).impl() == t.impl()->base) return true;
  return false;
}

void save(CustomNode& node, Context* c, PyObject* before, PyObject* after) {
  if (!c->to_save) return;
  const Owned held(Py_NewRef(c->to_save));  // pack hooks may call save_for_backward() again
  PyObject* const tuple = held.get();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    PyObject* o = PyTuple_GET_ITEM(tuple, i);
    if (o == Py_None) {
      node.saved.emplace_back();
      continue;
    }
    if (!is_tensor(o))
      fail<TypeError>("save_for_backward can only save variables, but argument ", static_cast<int64_t>(i),
                      " is of type ", Py_TYPE(o)->tp_name);
    bool stored = false;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(after) && !stored; ++k) {
      // An output as forward() made it, and still the same tensor.
      if (PyTuple_GET_ITEM(before, k) != o || PyTuple_GET_ITEM(after, k) != o) continue;
      node.saved.push_back(SavedTensor::result(unwrap(o), static_cast<uint32_t>(k)));
      stored = true;
    }
    if (!stored) node.saved.push_back(SavedTensor(is_view_of(after, unwrap(o)) ? share(unwrap(o)) : unwrap(o)));
  }
}

PyObject* attribute(PyObject* o, const char* name) { return check_object(PyObject_GetAttrString(o, name)); }

PyObject* run_forward(PyObject* cls, PyObject* context, PyObject* inputs) {
  const Py_ssize_t count = PyTuple_GET_SIZE(inputs);
  NoGradGuard no_grad;
  Owned forward(attribute(cls, "forward")), separate(attribute(cls, "_separate_setup"));
  if (separate.get() == Py_True) {
    Owned result(PyObject_CallObject(forward.get(), inputs));
    Owned setup(attribute(cls, "setup_context"));
    Owned nothing(PyObject_CallFunctionObjArgs(setup.get(), context, inputs, result.get(), nullptr));
    return result.release();
  }
  Owned arguments(PyTuple_New(count + 1));
  PyTuple_SET_ITEM(arguments.get(), 0, Py_NewRef(context));
  for (Py_ssize_t i = 0; i < count; ++i)
    PyTuple_SET_ITEM(arguments.get(), i + 1, Py_NewRef(PyTuple_GET_ITEM(inputs, i)));
  return check_object(PyObject_CallObject(forward.get(), arguments.get()));
}

// apply(cls, inputs): runs forward and records what is needed for backward.
PyObject* apply(PyObject* cls, PyObject* inputs) {
  Owned context_type(attribute(cls, "_backward_cls"));
  Owned context(PyObject_CallNoArgs(context_type.get()));
  if (!PyObject_TypeCheck(context.get(), &ContextType) || context_of(context.get())->node)
    fail<TypeError>("_backward_cls of an autograd.Function makes contexts of its own, not ", type_name(context.get()));
  if (!PyTuple_Check(inputs)) fail<TypeError>("apply() takes a tuple of arguments, not ", type_name(inputs));
  Context* c = context_of(context.get());
  const Py_ssize_t count = PyTuple_GET_SIZE(inputs);
  std::vector<char> takes_tensor(static_cast<size_t>(count));
  std::vector<Edge> edges;
  bool recorded = false;
  Owned needs_grad(PyTuple_New(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = PyTuple_GET_ITEM(inputs, i);
    takes_tensor[i] = is_tensor(o);
    const bool needs = takes_tensor[i] && unwrap(o).requires_grad();
    PyTuple_SET_ITEM(needs_grad.get(), i, wrap_bool(needs));
    if (!takes_tensor[i]) continue;
    recorded = recorded || (needs && GradMode::enabled());
    edges.push_back(GradMode::enabled() ? autograd::edge_of(unwrap(o)) : Edge{});
  }

  Py_XSETREF(c->needs_input_grad, needs_grad.release());

  Owned returned(run_forward(cls, context.get(), inputs));
  const bool single = !PyTuple_Check(returned.get());
  Owned before(single ? PyTuple_Pack(1, returned.get()) : Py_NewRef(returned.get()));
  check_dirty(c, inputs, before.get());
  Owned after(own_outputs(c, inputs, before.get()));
  rename_marks(c, before.get(), after.get());
  mark_views(c, after.get());
  if (recorded) {
    auto* node = new CustomNode(static_cast<uint32_t>(PyTuple_GET_SIZE(after.get())), Py_NewRef(context.get()));
    const Ref<Node> owner = Ref<Node>::adopt(node);
    node->takes_tensor = std::move(takes_tensor);
    node->edges.resize(edges.size());
    for (size_t i = 0; i < edges.size(); ++i) {
      if (edges[i].node && edges[i].node->sequence >= node->sequence)
        node->sequence = sequence_above(edges[i].node->sequence);
      node->edges[i] = std::move(edges[i]);
    }
    if (autograd::Anomaly::enabled()) [[unlikely]]
      autograd::note_recorded(*node);
    attach(*node, owner, c, inputs, after.get());
    save(*node, c, before.get(), after.get());
  }
  Py_CLEAR(c->to_save);
  Py_CLEAR(c->dirty);
  Py_CLEAR(c->non_differentiable);
  return single ? Py_NewRef(PyTuple_GET_ITEM(after.get(), 0)) : after.release();
}

PyObject* function_apply(PyObject*, PyObject* const* given, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    if (count == 0) fail<TypeError>("apply() needs the class it belongs to");
    Owned inputs(PyTuple_New(count - 1));
    for (Py_ssize_t i = 1; i < count; ++i) PyTuple_SET_ITEM(inputs.get(), i - 1, Py_NewRef(given[i]));
    const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (!named) {
      Owned fills(attribute(given[0], "_fills_defaults"));
      if (fills.get() != Py_True) return apply(given[0], inputs.get());
    }
    Owned keywords(PyDict_New());
    for (Py_ssize_t i = 0; i < named; ++i)
      if (PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(names, i), given[count + i]) < 0) throw PythonError{};
    Owned module(PyImport_ImportModule("rushlight.autograd.function"));
    Owned bind(attribute(module.get(), "_positional"));
    Owned ordered(PyObject_CallFunctionObjArgs(bind.get(), given[0], inputs.get(), keywords.get(), nullptr));
    return apply(given[0], ordered.get());
  });
}

PyMethodDef functions[] = {
    {"_function_apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function_apply)),
     METH_FASTCALL | METH_KEYWORDS, nullptr},
    {}};

}  // namespace

bool is_custom(const Node& node) { return dynamic_cast<const CustomNode*>(&node); }
PyObject* owned_context(const Node& node, uint64_t since) {
  const auto* custom = dynamic_cast<const CustomNode*>(&node);
  return custom && custom->made_after >= since ? custom->context() : nullptr;
}

Ref<Node> context_node(PyObject* o) {
  return PyObject_TypeCheck(o, &ContextType) ? Ref<Node>(context_of(o)->node) : Ref<Node>();
}

void bind_function(nb::module_& m) {
  ContextType.tp_name = "rushlight._C._FunctionBase";
  ContextType.tp_doc = "What the forward of a custom function hands to its backward.";
  ContextType.tp_basicsize = sizeof(Context);
  ContextType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  ContextType.tp_new = context_new;
  ContextType.tp_dealloc = context_dealloc;
  ContextType.tp_traverse = context_traverse;
  ContextType.tp_clear = context_clear;
  ContextType.tp_methods = context_methods;
  ContextType.tp_getset = context_getset;
  ContextType.tp_weaklistoffset = offsetof(Context, weakrefs);
  if (PyType_Ready(&ContextType) < 0) throw PythonError{};
  m.attr("_FunctionBase") = nb::handle(reinterpret_cast<PyObject*>(&ContextType));
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw PythonError{};
}

}  // namespace rushlight::python
