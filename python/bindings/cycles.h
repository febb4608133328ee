// What the garbage collector is told about graphs, and the hooks in which Python objects hang on them.
#pragma once

#include "bindings/autograd.h"

namespace rushlight::python {

// ---- hooks of Python: the functors that the library calls

// The hooks of one tensor, in a dict that handles refer to.
struct TensorHooks {
  Shared dict;
  Tensor operator()(const Tensor& grad) const;
};
// Called with the leaf itself after its gradient has grown.
struct LeafHooks {
  Shared dict;
  Tensor operator()(const Tensor& leaf) const;
};
struct PreHooks {
  Shared dict;
  void operator()(std::vector<Tensor>& grads) const;
};
struct PostHooks {
  Shared dict;
  void operator()(std::vector<Tensor>& out, const std::vector<Tensor>& grads) const;
};
// What a pack hook made of a tensor, and the hook that makes a tensor of it.
struct Unpack {
  Shared packed, unpack;
  Tensor operator()() const;
};

// Class and attributes of the Python object of a tensor that C++ still owns: the next object gets them.
struct Parked {
  PyTypeObject* type;
  PyObject* dict;
};

// ---- the collector

extern uint64_t g_collections;  // how many there were

// Whether the node is a custom function's.
bool is_custom(const Node& node);
// The context of a custom function's node; null of others and where it was made before this collection.
PyObject* owned_context(const Node& node, uint64_t since);

// tp_traverse and tp_clear of tensors and of node objects.
int visit_graph(PyObject* tensor, TensorImpl* impl, visitproc visit, void* arg);
int visit_node(PyObject* object, Node* node, visitproc visit, void* arg);
void clear_graph(TensorImpl* impl);
void clear_node(Node* node);
// Lets the collector see the tensors that a hook holds, which may have been made before anything hung on their graph.
void track_held(PyObject* hook);
// An object that the collector may have seen is gone.
void note_freed();
void bind_cycles();

}  // namespace rushlight::python
