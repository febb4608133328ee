// What the garbage collector sees behind tensors and nodes: the Python objects that recorded graphs hold.
//
// C++ objects are counted, not tracked. For a collection they are what they would be if they were tracked: while the
// collector subtracts the references that it finds, every owner of a C++ object that it comes by counts one; once all
// owners are found, all that the C++ object owns is found, too, and the Python objects among it are told to the
// collector, once. While it marks what is reachable, the first owner that it comes by tells them. So an object with an
// owner that the collector does not see (a running backward, a C++ program, another thread) stays.
//
// Both passes are linear: nodes that lead to nothing of Python's are left out by a bit that recording keeps up, and a
// young collection ends at contexts that it has outlived.
#include <unordered_map>
#include <vector>

#include "bindings/cycles.h"
#include "core/parked.h"

namespace rushlight::python {

uint64_t g_collections = 0;

namespace {

// The collector calls tp_traverse with functions of its own, known by the order in which it comes with them.
visitproc g_subtract = nullptr, g_reach = nullptr;

struct Seen {
  uint32_t count = 0;
  bool entered = false;
  bool reached = false;
};
// Of this collection; only what has several owners, and where the walk began.
std::unordered_map<const void*, Seen>* g_seen = nullptr;
bool g_stale = true, g_reaching = false, g_full = false;
uint64_t g_oldest = 0;       // contexts made before are older than the generation that is collected
uint64_t g_last_middle = 0;  // the last collection of more than the youngest

void begin() {
  g_seen->clear();
  g_stale = g_reaching = false;
}

class Walk final : Inspector {
 public:
  Walk(visitproc visit, void* arg) : visit_(visit), arg_(arg), subtract_(visit == g_subtract) {}

  void tensor(TensorImpl* t) {
    if (t && owned(t, t->use_count())) open_.push_back({t, nullptr});
  }
  void node(Node* n) {
    if (n && (n->python_below || (g_full && g_python_late.load(std::memory_order_relaxed))) && owned(n, n->use_count()))
      open_.push_back({nullptr, n});
  }
  int run() {
    while (!open_.empty() && !stop_) {
      const Item item = open_.back();
      open_.pop_back();
      if (item.tensor)
        enter(*item.tensor);
      else
        enter(*item.node);
    }
    return stop_;
  }

 private:
  struct Item {
    TensorImpl* tensor;
    Node* node;
  };

  // Whether all owners of an object have come by, this being the last, or, later, the first.
  bool owned(const void* object, uint32_t owners) {
    if (owners == 1) return true;
    if (subtract_) {
      Seen& seen = (*g_seen)[object];
      return ++seen.count == owners && (seen.entered = true);
    }
    const auto found = g_seen->find(object);
    return found != g_seen->end() && found->second.entered && !std::exchange(found->second.reached, true);
  }
  void object(PyObject* o) {
    if (o && !stop_) stop_ = visit_(o, arg_);
  }
  void shared(const Shared& s) {
    if (s.get() && owned(s.key(), s.use_count())) object(s.get());
  }
  template <class Functor, class Function>
  void hook(const Function& f) {
    if (const Functor* python = f.template target<Functor>()) shared(python->dict);
  }

  void enter(TensorImpl& t) {
    if (t.python) {
      if (is_parked(t.python)) {
        const Parked* parked = unparked<Parked>(t.python);
        object(reinterpret_cast<PyObject*>(parked->type));
        object(parked->dict);
      } else {
        object(reinterpret_cast<PyTensor*>(t.python)->dict);
      }
    }
    tensor(t.base);
    const AutogradMeta* meta = t.autograd;
    if (!meta) return;
    tensor(meta->grad.impl());
    node(meta->grad_fn.get());
    if (meta->owns_accumulator) node(meta->accumulator);
    for (const auto& [id, h] : meta->hooks) hook<TensorHooks>(h);
    for (const auto& [id, h] : meta->post_hooks) hook<LeafHooks>(h);
  }

  void enter(Node& n) {
    if (n.python && !n.exclusive)  // a custom function's
      if (PyObject* context = owned_context(n, g_full ? 0 : g_oldest); context)
        object(context);
      else if (is_custom(n))
        return;
    for (const Edge& e : n.edges) node(e.node.get());
    if (n.hooks) {
      for (const auto& h : n.hooks->tensor_pre) hook<TensorHooks>(h.hook);
      for (const auto& [id, h] : n.hooks->pre) hook<PreHooks>(h);
      for (const auto& [id, h] : n.hooks->post) hook<PostHooks>(h);
      if (n.hooks->notes && n.hooks->notes.use_count() == 1) shared(*static_cast<Shared*>(n.hooks->notes.get()));
    }
    if (n.sequence == 0)
      tensor(static_cast<AccumulateGrad&>(n).variable.impl());
    else if (const auto* telling = dynamic_cast<const Inspectable*>(&n))
      telling->inspect(*this);
    // Not before: while a derivative is copied, counts are not what they are.
    const auto told = std::move(told_);
    told_.clear();
    for (const Told& t : told) {
      if (t.packed) {
        if (owned(t.packed, t.packed->refs.load(std::memory_order_relaxed))) enter(*t.packed);
      } else if (t.item.tensor) {
        tensor(t.item.tensor);
      } else {
        node(t.item.node);
      }
    }
  }

  void enter(const PackedTensor& packed) {
    if (const Unpack* unpack = packed.unpack.target<Unpack>()) {
      shared(unpack->packed);
      shared(unpack->unpack);
    }
    node(packed.edge.node.get());
  }

  struct Told {
    Item item;
    const PackedTensor* packed;
  };
  void saved(const SavedTensor& s) override {
    if (s.defined()) told_.push_back({{s.kept_tensor(), nullptr}, s.kept_packed()});
  }
  void tensor(const Tensor& t) override {
    if (t.defined()) told_.push_back({{t.impl(), nullptr}, nullptr});
  }
  void node(const Ref<Node>& n) override {
    if (n) told_.push_back({{nullptr, n.get()}, nullptr});
  }

  visitproc visit_;
  void* arg_;
  const bool subtract_;
  int stop_ = 0;
  std::vector<Item> open_;
  std::vector<Told> told_;
};

// Whether the collector is at work, rather than somebody who asks for referents; `root` is where it has come.
bool collects(PyObject* root, visitproc visit) {
  if (!g_subtract || (visit != g_subtract && visit != g_reach)) return false;
  if (visit == g_reach) {
    g_reaching = true;
    return true;
  }
  // What was revived by finalizers is looked at a second time in a collection.
  if (g_stale || g_reaching) begin();
  Seen* seen = &(*g_seen)[root];
  if (seen->entered) {
    begin();
    seen = &(*g_seen)[root];
  }
  seen->entered = true;
  return true;
}

// ---- learning how the collector calls

struct Probe {
  PyObject_HEAD std::vector<visitproc>* visits;
};
PyTypeObject ProbeType = {PyVarObject_HEAD_INIT(nullptr, 0)};

int probe_traverse(PyObject* self, visitproc visit, void*) {
  auto& visits = *reinterpret_cast<Probe*>(self)->visits;
  if (visits.empty() || visits.back() != visit) visits.push_back(visit);
  return 0;
}
void probe_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  PyObject_GC_Del(self);
}

PyObject* on_collection(PyObject*, PyObject* args) {
  const char* phase = nullptr;
  PyObject* info = nullptr;
  if (!PyArg_ParseTuple(args, "sO", &phase, &info)) return nullptr;
  g_stale = true;
  g_full = false;
  if (phase[2] == 'a' && PyDict_Check(info)) {  // "start"
    PyObject* generation = PyDict_GetItemString(info, "generation");
    const long number = generation ? PyLong_AsLong(generation) : 0;
    g_full = number >= 2;
    g_oldest = number == 0 ? g_collections : g_last_middle;
    ++g_collections;
    if (number > 0) g_last_middle = g_collections;
  }
  Py_RETURN_NONE;
}
PyMethodDef on_collection_method = {"_on_collection", on_collection, METH_VARARGS, nullptr};

}  // namespace

int visit_graph(PyObject* tensor, TensorImpl* impl, visitproc visit, void* arg) {
  if (!impl) return 0;
  if (!impl->autograd && !impl->base && impl->use_count() == 1) {
    Py_VISIT(reinterpret_cast<PyTensor*>(tensor)->dict);
    return 0;
  }
  if (!collects(tensor, visit)) {
    if (impl->use_count() == 1) Py_VISIT(reinterpret_cast<PyTensor*>(tensor)->dict);
    return 0;
  }
  Walk walk(visit, arg);
  walk.tensor(impl);
  return walk.run();
}

int visit_node(PyObject* object, Node* node, visitproc visit, void* arg) {
  if (!node || !collects(object, visit)) return 0;
  Walk walk(visit, arg);
  walk.node(node);
  return walk.run();
}

// What is dropped goes at the end, since destructors may run code that looks at the tensor or the node.
void clear_graph(TensorImpl* impl) {
  g_stale = true;
  if (!impl || impl->use_count() != 1) return;
  if (impl->base) clear_graph(impl->base);
  if (!impl->autograd) return;
  if (impl->autograd->retains_grad) forget_retained(*impl);
  AutogradMeta& meta = *impl->autograd;
  meta.retains_grad = false;
  const auto hooks = std::exchange(meta.hooks, {}), post_hooks = std::exchange(meta.post_hooks, {});
  const Tensor grad = std::exchange(meta.grad, {});
  const Ref<Node> node = std::exchange(meta.grad_fn, {});
}

void clear_node(Node* node) {
  g_stale = true;
  if (!node || node->use_count() != 1) return;
  const Ref<Node> held(node);
  if (node->hooks) {
    const auto tensor_pre = std::exchange(node->hooks->tensor_pre, {});
    const auto pre = std::exchange(node->hooks->pre, {});
    const auto post = std::exchange(node->hooks->post, {});
    const auto notes = std::exchange(node->hooks->notes, {});
  }
  node->free_saved();
}

void track_held(PyObject* hook) {
  constexpr size_t kFar = 100;
  std::vector<PyObject*> found{hook};
  for (size_t i = 0; i < found.size() && i < kFar; ++i) {
    PyObject* o = found[i];
    if (is_tensor(o)) {
      if (const AutogradMeta* meta = unwrap(o).impl()->autograd; meta && meta->grad_fn) track(o);
      continue;
    }
    const auto visit = [](PyObject* held, void* to) {
      auto& list = *static_cast<std::vector<PyObject*>*>(to);
      if (held && list.size() < kFar && PyObject_IS_GC(held) && !PyType_Check(held) && !PyModule_Check(held))
        list.push_back(held);
      return 0;
    };
    if (PyFunction_Check(o)) {  // not its globals
      visit(PyFunction_GET_CLOSURE(o), &found);
      visit(PyFunction_GET_DEFAULTS(o), &found);
      visit(PyFunction_GET_KW_DEFAULTS(o), &found);
    } else if (const traverseproc traverse = Py_TYPE(o)->tp_traverse) {
      traverse(o, visit, &found);
    }
  }
}

void note_freed() { g_stale = true; }

void bind_cycles() {
  g_seen = new std::unordered_map<const void*, Seen>;
  ProbeType.tp_name = "rushlight._C._Probe";
  ProbeType.tp_basicsize = sizeof(Probe);
  ProbeType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  ProbeType.tp_traverse = probe_traverse;
  ProbeType.tp_dealloc = probe_dealloc;
  if (PyType_Ready(&ProbeType) < 0) throw PythonError{};
  std::vector<visitproc> visits;
  auto* probe = PyObject_GC_New(Probe, &ProbeType);
  if (!probe) throw PythonError{};
  probe->visits = &visits;
  PyObject_GC_Track(probe);
  const Owned held(reinterpret_cast<PyObject*>(probe));
  Owned gc(PyImport_ImportModule("gc"));
  Owned found(PyObject_CallMethod(gc.get(), "collect", "i", 0));
  // With a collector of another make, cycles through graphs stay.
  if (visits.size() != 2) return;
  Owned callbacks(PyObject_GetAttrString(gc.get(), "callbacks"));
  Owned callback(PyCFunction_New(&on_collection_method, nullptr));
  if (PyList_Append(callbacks.get(), callback.get()) < 0) throw PythonError{};
  g_subtract = visits[0];
  g_reach = visits[1];
}

}  // namespace rushlight::python
