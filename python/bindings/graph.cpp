// The recorded graph seen from Python: hooks of saved tensors, the backward that runs, anomaly detection.
#include "rushlight/graph.h"

#include <nanobind/stl/string.h>

#include <cstring>
#include <unordered_set>

#include "bindings/cycles.h"

namespace rushlight::python {

namespace {

// ---- saved tensors

PackHook pack_hook(PyObject* pack, PyObject* unpack) {
  return
      [pack = Shared(Py_NewRef(pack)), unpack = Shared(Py_NewRef(unpack))](const Tensor& t) -> std::function<Tensor()> {
        nb::gil_scoped_acquire gil;
        Owned argument(wrap(t));
        Shared packed(raise_unless(PyObject_CallOneArg(pack.get(), argument.get())));
        return Unpack{std::move(packed), unpack};
      };
}

// A place in a node, which may be emptied meanwhile: looked up by name whenever it is used.
struct RawSaved {
  Ref<Node> node;
  std::string name;
};

std::string without_prefix(const char* name, const char* prefix) {
  const size_t n = std::strlen(prefix);
  return std::strncmp(name, prefix, n) == 0 ? name + n : "";
}

nb::object text_or_none(const std::optional<std::string>& text) { return text ? nb::cast(*text) : nb::none(); }

// ---- anomaly detection

PyObject* anomaly_call(const char* function, Node& node, Node* other) {
  Owned module(raise_unless(PyImport_ImportModule("rushlight.autograd.anomaly_mode")));
  Owned callable(raise_unless(PyObject_GetAttrString(module.get(), function)));
  Owned first(wrap_node(Ref<Node>(&node))), second(wrap_node(Ref<Node>(other)));
  return raise_unless(PyObject_CallFunctionObjArgs(callable.get(), first.get(), second.get(), nullptr));
}

void recorded(Node& node, Node* parent) {
  nb::gil_scoped_acquire gil;
  Py_DECREF(anomaly_call("_recorded", node, parent));
}

void failed(Node& node) {
  nb::gil_scoped_acquire gil;
  PyObject *type, *value, *trace;  // an error may be on its way
  PyErr_Fetch(&type, &value, &trace);
  try {
    Py_DECREF(anomaly_call("_failed", node, nullptr));
  } catch (...) {
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    throw;
  }
  PyErr_Restore(type, value, trace);
}

// Whether all that runs behind these tensors is the library's own, with no hook: their gradients are then linear in the
// weights, and recorded as such.
bool has_plain_history(PyObject* tensors) {
  std::vector<Node*> open;
  std::unordered_set<Node*> seen;
  auto visit = [&](Node* node) {
    if (node && seen.insert(node).second) open.push_back(node);
  };
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tensors); ++i)
    if (PyObject* t = PyTuple_GET_ITEM(tensors, i); is_tensor(t)) visit(autograd::edge_of(unwrap(t)).node.get());
  while (!open.empty()) {
    Node& node = *open.back();
    open.pop_back();
    if (node.hooks && !(node.hooks->tensor_pre.empty() && node.hooks->pre.empty() && node.hooks->post.empty()))
      return false;
    if (node.python && context_node(static_cast<PyObject*>(node.python))) return false;
    if (std::strcmp(node.name(), "CopySlices") == 0) return false;  // of an operation that is not seen
    for (const Edge& edge : node.edges) visit(edge.node.get());
  }
  return true;
}

}  // namespace

Tensor Unpack::operator()() const {
  nb::gil_scoped_acquire gil;
  Owned result(raise_unless(PyObject_CallOneArg(unpack.get(), packed.get())));
  if (!is_tensor(result.get()))
    fail<TypeError>("Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
                    Py_TYPE(result.get())->tp_name);
  return resolve_lazy(unwrap(result.get()));
}

PyObject* wrap_raw_saved(Node& node, size_t count) {
  Owned made(PyTuple_New(static_cast<Py_ssize_t>(count)));
  for (size_t i = 0; i < count; ++i)
    PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i),
                     nb::cast(RawSaved{Ref<Node>(&node), std::to_string(i)}).release().ptr());
  return made.release();
}

// Attributes _saved_* and _raw_saved_*; null without an exception where the node has no such thing.
PyObject* node_saved(Node& node, const char* name) {
  const std::string raw = without_prefix(name, "_raw_saved_"), plain = without_prefix(name, "_saved_");
  if (raw.empty() && plain.empty()) return nullptr;
  SavedTensor* saved = node.saved_as(raw.empty() ? plain : raw);
  if (!saved) return nullptr;
  if (!raw.empty()) return nb::cast(RawSaved{Ref<Node>(&node), raw}).release().ptr();
  if (!saved->defined()) autograd::fail_graph_freed();
  return wrap(saved->unpack(node));
}

void bind_graph(nb::module_& m) {
  nb::class_<RawSaved>(m, "_SavedTensor", "What a node keeps for backward.")
      .def(
          "__init__",
          [](nb::handle, nb::args, nb::kwargs) {
            fail(
                "Trying to create a SavedTensor object from Python is forbidden. SavedTensor objects belong to nodes.");
          })
      .def(
          "register_hooks",
          [](RawSaved& self, nb::callable pack, nb::callable unpack) {
            SavedTensor* saved = self.node->saved_as(self.name);
            if (!saved) autograd::fail_graph_freed();
            if (!saved->defined() && self.name[0] >= '0' && self.name[0] <= '9')  // of save_for_backward(None)
              fail("Calling register_hooks on a saved tensor with value None is forbidden");
            SavedTensor packed(*saved);
            packed.pack(pack_hook(pack.ptr(), unpack.ptr()));
            if ((saved = self.node->saved_as(self.name)))  // the hook may have freed the graph
              *saved = std::move(packed);
            note_python(*self.node);
          },
          nb::arg("pack_hook"), nb::arg("unpack_hook"),
          "Packs what is kept: pack_hook(tensor) gives any object, unpack_hook(object) a tensor again.");

  nb::module_ part = m.def_submodule("_autograd");
  part.attr("SavedTensor") = m.attr("_SavedTensor");
  part.def("_push_saved_tensors_default_hooks",
           [](nb::object pack, nb::object unpack) { autograd::push_pack_hook(pack_hook(pack.ptr(), unpack.ptr())); });
  part.def("_pop_saved_tensors_default_hooks", [] { autograd::pop_pack_hook(); });
  part.def("_saved_tensors_hooks_is_enabled", [] { return !autograd::pack_hooks_forbidden(); });
  part.def("_saved_tensors_hooks_get_disabled_error_message",
           [] { return text_or_none(autograd::pack_hooks_forbidden()); });
  part.def("_saved_tensors_hooks_disable", [](nb::str text) { autograd::forbid_pack_hooks(text_of(text.ptr())); });
  part.def("_saved_tensors_hooks_enable", [] { autograd::forbid_pack_hooks(std::nullopt); });

  m.def("_current_graph_task_id", [] { return autograd::current_backward(); });
  m.def("_all_inputs_wanted", [] { return autograd::goes_everywhere(); });
  m.def("_has_plain_history", [](nb::tuple tensors) { return has_plain_history(tensors.ptr()); });
  m.def("_increment_version", [](nb::object tensor) {
    if (!is_tensor(tensor.ptr()))
      fail<TypeError>("increment_version expects tensors, but got ", type_name(tensor.ptr()));
    const Tensor& t = unwrap(tensor.ptr());
    if (!t.impl()->inference) t.bump_version("increment_version");
  });
  m.def("_will_engine_execute_node", [](nb::object node) {
    Ref<Node> found = unwrap_node(node.ptr());
    if (!found) fail("_will_engine_execute_node expects an grad_fn, but got ", Py_TYPE(node.ptr())->tp_name);
    return autograd::will_execute(*found);
  });
  m.def("_current_autograd_node", [] { return nb::steal(wrap_node(Ref<Node>(autograd::current_node()))); });
  m.def("_queue_callback", [](nb::object callback) {
    autograd::queue_callback([held = Shared(callback.release().ptr())] {
      nb::gil_scoped_acquire gil;
      Py_DECREF(raise_unless(PyObject_CallNoArgs(held.get())));
    });
  });

  m.def("is_anomaly_enabled", [] { return autograd::Anomaly::enabled(); }, "Whether anomaly detection is on.");
  m.def(
      "is_anomaly_check_nan_enabled", [] { return autograd::Anomaly::checks_nan(); },
      "Whether anomaly detection refuses gradients that are NaN.");
  m.def(
      "set_anomaly_enabled", [](bool enabled, bool check_nan) { autograd::Anomaly::set(enabled, check_nan); },
      nb::arg("enabled"), nb::arg("check_nan") = true);
  autograd::Anomaly::set_reporter({recorded, failed});
}

}  // namespace rushlight::python
