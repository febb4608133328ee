// The recorded graph seen from outside: what packs saved tensors, edges as the ends of a backward, what a running
// backward tells and takes, and anomaly detection.
#pragma once

#include "rushlight/autograd.h"

#pragma GCC visibility push(default)

namespace rushlight::autograd {

// ---- saved tensors
// While this thread has pack hooks, the innermost one packs every tensor that is saved. RuntimeError from push while
// hooks are forbidden.
void push_pack_hook(PackHook hook);
// Does nothing where there is none.
void pop_pack_hook();
// Forbids hooks on this thread with this text of the error; nullopt allows them. RuntimeError with the text, and no
// effect, if there are hooks. Returns what was set before.
std::optional<std::string> forbid_pack_hooks(std::optional<std::string> text);
const std::optional<std::string>& pack_hooks_forbidden();

// ---- ends of a backward: a tensor, or an edge alone
struct End {
  End(const Tensor& t) : tensor(t), edge(edge_of(t)) {}
  explicit End(Edge e) : edge(std::move(e)) {}
  Tensor tensor;
  Edge edge;
};
// As backward() and grad(). backward() lets tensors among the inputs retain their gradients.
void backward_ends(std::span<const End> roots, std::span<const Tensor> grads, bool retain_graph, bool create_graph,
                   std::span<const End> inputs);
TensorList grad_ends(std::span<const End> roots, std::span<const End> inputs, std::span<const Tensor> grads,
                     bool retain_graph, bool create_graph, bool allow_unused);

// ---- the backward that runs on this thread
// Called when it is done. RuntimeError if there is none.
void queue_callback(std::function<void()> callback);
// Counts the backward calls of the process; -1 outside.
int64_t current_backward();
// Whether it goes to all leaves, rather than to given inputs. RuntimeError outside.
bool goes_everywhere();
// Whether it will call this node or has done so. RuntimeError outside, and within grad() for leaves whose gradients it
// takes.
bool will_execute(Node& node);

// ---- anomaly detection
// Remembers with every node where it was recorded, and whether `check_nan` refuses gradients that are NaN.
struct Anomaly {
  static bool enabled();
  static bool checks_nan();
  static void set(bool enabled, bool check_nan);
  // How nodes are marked when they are recorded (`parent`: the node whose derivative records it, or null), and what is
  // told about a node that failed.
  struct Reporter {
    void (*recorded)(Node& node, Node* parent) = nullptr;
    void (*failed)(Node& node) = nullptr;
  };
  static void set_reporter(Reporter reporter);
};

}  // namespace rushlight::autograd

#pragma GCC visibility pop
