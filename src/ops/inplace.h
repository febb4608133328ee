// What operations share that change an operand in place: they are refused before anything is written, so what is kept
// for backward, which may raise (inference tensors, pack hooks), is kept before the kernel runs.
#pragma once

#include "autograd/hooks.h"
#include "rushlight/autograd.h"
#include "rushlight/graph.h"

namespace rushlight::autograd {

// The part of check_inplace() that holds for operations without a derivative, too: a tensor of inference mode is
// changed only there.
inline void check_not_inference(const Tensor& t) {
  static_cast<void>(t.dtype());  // Error where it is undefined
  if (t.impl()->inference && !InferenceMode::enabled()) [[unlikely]]
    check_inplace(t);
}

// A node for `derivative(Grads&)`, connected to its inputs, that waits for its result; attach() gives it one.
template <class F>
Ref<Node> make_node(const char* name, std::initializer_list<const Tensor*> inputs, F derivative) {
  auto node = Ref<Node>::adopt(new FunctionNode<F>(name, std::move(derivative), 1));
  connect(*node, {inputs.begin(), inputs.size()});
  return node;
}

// Null: nothing is to be recorded. In place, input 0 of the node is `result` with its old history.
inline void attach(bool inplace, const Tensor& result, const Ref<Node>& node) {
  if (!node) return;
  if (inplace)
    rebase_history(result, node);
  else
    set_history(result, node);
}

// Keeps results that an operation has written in place. Pack hooks may raise at that: the tensor then gets back what it
// was. Made before the kernel runs.
class Undo {
 public:
  Undo() = default;
  // wanted: the result will be kept.
  Undo(const Tensor& self, bool wanted);
  SavedTensor keep_result(const Tensor& self) const;

 private:
  Tensor before_;  // undefined without pack hooks
};

}  // namespace rushlight::autograd
