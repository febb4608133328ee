// Hooks of a node; most nodes have none and pay one pointer for them.
#pragma once

#include <functional>
#include <vector>

#include "rushlight/autograd.h"

#pragma GCC visibility push(default)

namespace rushlight {

struct NodeHooks {
  struct TensorPre {
    uint32_t slot;
    uint64_t id;
    TensorHook hook;
  };
  // Called with the gradients that arrive; may replace them.
  using Pre = std::function<void(std::vector<Tensor>& grads)>;
  // Called with the gradients that leave and those that arrived; may replace the former.
  using Post = std::function<void(std::vector<Tensor>& out, const std::vector<Tensor>& grads)>;

  std::vector<TensorPre> tensor_pre;
  std::vector<std::pair<uint64_t, Pre>> pre;
  std::vector<std::pair<uint64_t, Post>> post;
  std::vector<std::pair<uint32_t, TensorImpl*>> retain;  // weak; a dying tensor takes itself out
  std::shared_ptr<void> notes;                           // of the Python layer: metadata of the node
};

// Held for a few instructions by threads that meet at the accumulator of a leaf or at the list `retain`; a fork finds
// it free.
class HistoryLock {
 public:
  HistoryLock() {
    while (held_.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~HistoryLock() { held_.clear(std::memory_order_release); }
  HistoryLock(const HistoryLock&) = delete;

 private:
  friend struct HistoryLockAtFork;
  static std::atomic_flag held_;
};

// The saved tensors of a node in the hands of this thread, while its derivative runs. Another thread waits; a backward
// that this thread runs within comes in, too, but what it would free stays until the end.
class NodeUse {
 public:
  explicit NodeUse(Node& node, bool wanted = true) : node_(wanted && enter(node) ? &node : nullptr) {}
  ~NodeUse() {
    if (!node_) return;
    if (node_->release_wanted) [[unlikely]] {
      node_->release_wanted = false;
      node_->release_saved();
    }
    node_->user.store(0, std::memory_order_release);
  }
  NodeUse(const NodeUse&) = delete;
  bool first() const { return node_; }  // not within a derivative of the same node

  // What this thread is to the nodes; a thread that works in another one's stead takes that one's.
  static uint64_t thread();
  static void set_thread(uint64_t id);

 private:
  static bool enter(Node& node);
  Node* node_;
};

// Takes a tensor off the list `retain` of its node.
void forget_retained(TensorImpl& t);
// Whether this thread has hooks that pack what is saved.
bool packs_saved();
// Python objects hang on this node from now on.
void note_python(Node& node);
// Whether a node has got some when others led to it already, so that `python_below` does not tell.
extern std::atomic<bool> g_python_late;

uint64_t next_hook_id();
NodeHooks& hooks_of(Node& node);

// A sequence number greater than `other` and than all that this thread has given.
uint64_t sequence_above(uint64_t other);
// The accumulator of a leaf, made if there is none.
Ref<Node> accumulator_of(const Tensor& leaf);

namespace autograd {
// The history of a saved result of `owner`, while its derivative runs.
void set_history_of_saved(const Tensor& result, Node& owner, uint32_t slot);
// Makes `tensor`, which is new, stand for another one: gradients go to that one's edge.
void set_edge(const Tensor& tensor, const Edge& edge);
// A leaf that got other sizes: what is recorded from now on has an accumulator of its own.
void forget_accumulator(const Tensor& leaf);
// The pack hooks of this thread, outermost first.
std::vector<PackHook> pack_hooks();
extern std::atomic<bool> g_anomaly;  // what Anomaly::enabled() says
// The node whose derivative runs on this thread, or null.
Node* current_node();
// Anomaly detection: tells where a node was recorded that has failed.
void report_failed(Node& node);
void note_recorded(Node& node);
// Afterwards the thread has the pack hooks that it had before, whatever hooks of nodes did to them.
class PackHookGuard {
 public:
  PackHookGuard() : before_(pack_hooks()) {}
  ~PackHookGuard();
  PackHookGuard(const PackHookGuard&) = delete;

 private:
  std::vector<PackHook> before_;
};
// Cuts a tensor off its history (Tensor.detach_).
void detach_(const Tensor& tensor);
}  // namespace autograd

}  // namespace rushlight

#pragma GCC visibility pop
