// What autograd.cpp and function.cpp share: Python callables as hooks, and the attributes of node objects.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

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
  explicit Shared(PyObject* o) : box_(o ? new Box{o, 1} : nullptr) {}
  Shared(const Shared& other) : box_(other.box_) {
    if (box_) box_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Shared(Shared&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(box_, other.box_);
    return *this;
  }
  ~Shared() {
    if (box_ && box_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) drop(box_);
  }
  PyObject* get() const { return box_ ? box_->object : nullptr; }
  // For the collector: copies have the same key, and so many there are.
  const void* key() const { return box_; }
  uint32_t use_count() const { return box_->owners.load(std::memory_order_relaxed); }

 private:
  struct Box {
    PyObject* object;
    std::atomic<uint32_t> owners;
  };
  static void drop(Box* box) {
    if (Py_IsInitialized()) {
      nb::gil_scoped_acquire gil;
      Py_DECREF(box->object);
    }
    delete box;
  }

  Box* box_ = nullptr;
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

// Lets the collector see what hangs on a tensor.
void track(PyObject* tensor);

void bind_function(nb::module_& m);
void bind_graph(nb::module_& m);
void register_backward();
void bind_grad_modes(nb::module_& m);

}  // namespace rushlight::python
