// backward() and grad(): their arguments, and the calls.
#include "bindings/autograd.h"
#include "rushlight/graph.h"

namespace rushlight::python {

namespace {

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
    Owned module(PyImport_ImportModule("rushlight.autograd._batched"));
    Owned batched(PyObject_GetAttrString(module.get(), "grad"));
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

}  // namespace

void register_backward() {
  def("_autograd_backward(object tensors, object grad_tensors=None, bool? retain_graph=None, bool create_graph=False, "
      "object inputs=None) -> None",
      run_backward, kFunction,
      "Adds the gradients of the sum of tensors (weighted by grad_tensors) to .grad of the leaves they come from.");
  def("_autograd_grad(object outputs, object inputs, object grad_outputs=None, bool? retain_graph=None, "
      "bool create_graph=False, bool? only_inputs=True, bool? allow_unused=None, bool is_grads_batched=False, "
      "bool materialize_grads=False) -> tuple[Tensor, ...]",
      run_grad, kFunction, "The gradients of the sum of outputs with respect to inputs, as a tuple.");
  show_as("_autograd_grad", "grad", "rushlight.autograd");
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
}

}  // namespace rushlight::python
