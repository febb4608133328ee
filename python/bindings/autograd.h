// What autograd.cpp and function.cpp share: Python callables as hooks, and the attributes of node objects.
#pragma once

#include <memory>

#include "autograd/hooks.h"
#include "bindings/conj.h"

namespace rushlight::python {

// Throws the Python error that is set, in a form that survives leaving this thread's state.
[[noreturn]] inline void raise_python_error() { throw nb::python_error(); }
inline PyObject* raise_unless(PyObject* o) {
  if (!o) raise_python_error();
  return o;
}

// A Python object that C++ owns; copies and drops of it need no lock of the interpreter.
class Shared {
 public:
  Shared() = default;
  // Takes over a count.
  explicit Shared(PyObject* o)
      : object_(o, [](PyObject* p) {
          if (!p || !Py_IsInitialized()) return;
          nb::gil_scoped_acquire gil;
          Py_DECREF(p);
        }) {}
  PyObject* get() const { return object_.get(); }
  bool unique() const { return object_.use_count() == 1; }

 private:
  std::shared_ptr<PyObject> object_;
};

// Tensors as a tuple, None for undefined ones.
PyObject* wrap_some(std::span<const Tensor> tensors);

// The attributes of nodes, for the types of recorded operations and of custom functions alike. New references; null
// where an exception is set.
PyObject* node_next_functions(Node& node);
PyObject* node_register_hook(Node& node, PyObject* hook);
PyObject* node_register_prehook(Node& node, PyObject* hook);

// The node of a grad_fn object or of a context; empty for anything else and for a context without one.
Ref<Node> unwrap_node(PyObject* o);
Ref<Node> context_node(PyObject* o);
// The saved tensors "0" to "count - 1" of a node, as objects that take hooks.
PyObject* wrap_raw_saved(Node& node, size_t count);
PyObject* node_saved(Node& node, const char* name);

// tp_traverse and tp_clear of tensors: the Python hooks that nothing but this tensor keeps alive. A hook that refers to
// its own tensor is a cycle that only the collector can break.
int visit_hooks(TensorImpl* impl, visitproc visit, void* arg);
void clear_hooks(TensorImpl* impl);

void bind_function(nb::module_& m);
void bind_graph(nb::module_& m);
void register_backward();
void bind_grad_modes(nb::module_& m);

}  // namespace rushlight::python
