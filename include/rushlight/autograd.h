// Recording and running derivatives.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushlight/tensor.h"

#pragma GCC visibility push(default)

namespace rushlight {

// ---- modes, per thread
struct GradMode {
  static bool enabled();
  static void set_enabled(bool value);
};
struct InferenceMode {
  static bool enabled();
  static void set_enabled(bool value);
};
class NoGradGuard {
 public:
  NoGradGuard() : before_(GradMode::enabled()) { GradMode::set_enabled(false); }
  ~NoGradGuard() { GradMode::set_enabled(before_); }
  NoGradGuard(const NoGradGuard&) = delete;

 private:
  bool before_;
};
class GradModeGuard {
 public:
  explicit GradModeGuard(bool value) : before_(GradMode::enabled()) { GradMode::set_enabled(value); }
  ~GradModeGuard() { GradMode::set_enabled(before_); }
  GradModeGuard(const GradModeGuard&) = delete;

 private:
  bool before_;
};

// Where a gradient goes: output `slot` of the forward operation that `node` differentiates.
struct Edge {
  Ref<Node> node;
  uint32_t slot = 0;
};

// An undefined result keeps the gradient. Of a tensor with a grad_fn, `grad` is undefined where only other outputs of
// that node have a gradient.
using TensorHook = std::function<Tensor(const Tensor& grad)>;

struct NodeHooks;
class Node;
class SavedTensor;

// Is told what a node owns besides its edges and hooks, by nodes that can tell.
struct Inspector {
  virtual void saved(const SavedTensor& saved) = 0;
  virtual void tensor(const Tensor& tensor) = 0;
  virtual void node(const Ref<Node>& node) = 0;

 protected:
  ~Inspector() = default;
};
struct Inspectable {
  virtual void inspect(Inspector& inspector) const = 0;

 protected:
  ~Inspectable() = default;
};

// Up to two edges lie inside the node.
class EdgeList {
 public:
  EdgeList() = default;
  void resize(size_t count) {
    if (count > 2) heap_.reset(new Edge[count]);
    count_ = static_cast<uint32_t>(count);
  }
  size_t size() const { return count_; }
  Edge* begin() { return heap_ ? heap_.get() : inline_; }
  Edge* end() { return begin() + count_; }
  const Edge* begin() const { return heap_ ? heap_.get() : inline_; }
  const Edge* end() const { return begin() + count_; }
  Edge& operator[](size_t i) { return begin()[i]; }
  const Edge& operator[](size_t i) const { return begin()[i]; }

 private:
  Edge inline_[2];
  std::unique_ptr<Edge[]> heap_;
  uint32_t count_ = 0;
};

// What a gradient must look like: the engine sums broadcast dims away and converts the dtype.
struct OutputMeta {
  DType dtype = DType::Undefined;  // Undefined: nothing is known
  SmallVector<int64_t, 5> sizes;
};

// One recorded operation. Its gradients arrive one per output of the operation and leave one per edge.
class Node {
 public:
  explicit Node(uint32_t outputs = 1);
  virtual ~Node();
  Node(const Node&) = delete;

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  // Counts a new owner unless the last one is gone already and the node waits for its end.
  bool try_retain() {
    uint32_t count = refs_.load(std::memory_order_relaxed);
    while (count)
      if (refs_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) return true;
    return false;
  }
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  virtual const char* name() const = 0;
  // grads: one per output, possibly undefined. out: one per edge, to be filled where the edge has a node.
  virtual void apply(std::span<const Tensor> grads, std::span<Tensor> out) = 0;
  // Frees saved tensors after a backward without retain_graph. Callers call free_saved(), which waits for the end of a
  // derivative that is using them.
  virtual void release_saved() {}
  void free_saved();
  // What is kept under torch's name of it ("self", "other", "result"); null where the node does not tell.
  virtual SavedTensor* saved_as(std::string_view) { return nullptr; }

  bool needs(size_t input) const { return input < edges.size() && edges[input].node; }

  static void* operator new(size_t size);
  static void operator delete(void* memory, size_t size);

  OutputMeta& meta(uint32_t slot) { return slot == 0 ? first_meta_ : more_meta_[slot - 1]; }

  EdgeList edges;
  uint32_t outputs;
  // Grows with the time of recording on a thread; greater than those of the nodes that the edges lead to.
  uint64_t sequence;
  void* python = nullptr;
  NodeHooks* hooks = nullptr;
  Node* outer = nullptr;  // the CopySlices in which this node lies: an in-place operation on a view
  Node* next_doomed = nullptr;
  std::atomic<uint64_t> user{0};  // the thread in whose hands the saved tensors are; see NodeUse
  mutable bool unpacked = false;  // whether a saved tensor was asked for: without any, backward may come again
  bool python_below = false;      // whether Python objects hang on this node or on one that its edges lead to
  bool release_wanted = false;    // by a backward within the derivative
  bool exclusive = true;          // whether one thread at a time may run the derivative

 protected:
  virtual void destroy();

 private:
  std::atomic<uint32_t> refs_{1};
  OutputMeta first_meta_;
  std::unique_ptr<OutputMeta[]> more_meta_;
};

struct AutogradMeta;

// Adds to the gradient of a leaf.
class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(Tensor variable);
  ~AccumulateGrad() override;
  const char* name() const override { return "AccumulateGrad"; }
  void apply(std::span<const Tensor> grads, std::span<Tensor> out) override;
  // Hooks of the leaf; they see the gradient before it is added.
  void run_hooks(Tensor& grad);
  Tensor variable;

 private:
  void accumulate(AutogradMeta& meta, const Tensor& grad);
};

struct AutogradMeta {
  AutogradMeta() = default;
  ~AutogradMeta() {
    if (owns_accumulator) accumulator->release();
  }
  AutogradMeta(const AutogradMeta&) = delete;

  Tensor grad;
  Ref<Node> grad_fn;
  uint32_t slot = 0;          // which output of grad_fn
  uint32_t attr_version = 0;  // of a view: the version at which grad_fn was valid
  uint64_t base_history = 0;  // of a view: the sequence number of the base's grad_fn then, 0 without one
  bool requires_grad = false;
  bool retains_grad = false;
  bool owns_accumulator = false;                            // of a stand-in for a leaf: a saved one that was unpacked
  Node* accumulator = nullptr;                              // weak: AccumulateGrad of a leaf
  std::vector<std::pair<uint64_t, TensorHook>> hooks;       // of a leaf
  std::vector<std::pair<uint64_t, TensorHook>> post_hooks;  // of a leaf, called with the leaf itself
  std::string name;

  static void* operator new(size_t size);
  static void operator delete(void* memory, size_t size);
};

// What hooks (graph.h) have made of a tensor that was to be kept.
struct PackedTensor {
  std::function<Tensor()> unpack;
  Edge edge;  // of the tensor; empty for results of the operation itself and where nothing is to be differentiated

  void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
  void release();
  std::atomic<uint32_t> refs{1};
};

// Packs a tensor; the function that it returns gives the tensor back, as often as it is called.
using PackHook = std::function<std::function<Tensor()>(const Tensor&)>;

// A tensor kept for backward. unpack() checks that it has not been changed in place since.
class SavedTensor {
 public:
  SavedTensor() = default;
  // An input of the operation.
  explicit SavedTensor(const Tensor& tensor);
  // The result of the operation itself: kept without its grad_fn, which would be a cycle.
  static SavedTensor result(const Tensor& tensor, uint32_t slot = 0);
  SavedTensor(const SavedTensor& other);
  SavedTensor(SavedTensor&& other) noexcept { swap(other); }
  SavedTensor& operator=(SavedTensor other) noexcept {
    swap(other);
    return *this;
  }
  ~SavedTensor() { reset(); }
  bool defined() const { return kept_ != nullptr; }
  // `owner` is the node whose result this was.
  Tensor unpack(const Node& owner) const;
  bool packed() const { return is_packed_; }
  TensorImpl* kept_tensor() const { return is_packed_ ? nullptr : static_cast<TensorImpl*>(kept_); }
  PackedTensor* kept_packed() const { return is_packed_ ? static_cast<PackedTensor*>(kept_) : nullptr; }
  // Packs what is kept so far as it is.
  void pack(const PackHook& hook);
  void reset() {
    if (!kept_) return;
    void* const kept = std::exchange(kept_, nullptr);
    if (is_packed_) [[unlikely]]
      static_cast<PackedTensor*>(kept)->release();
    else
      static_cast<TensorImpl*>(kept)->release();
  }

 private:
  void pack(const Tensor& tensor, const PackHook& hook);
  Tensor unpack_packed(const Node& owner) const;
  void swap(SavedTensor& other) noexcept {
    std::swap(kept_, other.kept_);
    std::swap(version_, other.version_);
    std::swap(slot_, other.slot_);
    std::swap(is_result_, other.is_result_);
    std::swap(has_node_, other.has_node_);
    std::swap(is_packed_, other.is_packed_);
  }

  void* kept_ = nullptr;  // an owned count of the tensor, or of a PackedTensor
  uint32_t version_ = 0;
  uint32_t slot_ = 0;
  bool is_result_ = false;
  bool has_node_ = false;  // whether the tensor had a grad_fn of its own when it was saved
  bool is_packed_ = false;
};

namespace autograd {

// Whether an operation on these tensors is to be recorded.
inline bool needs(const Tensor& a) { return a.defined() && GradMode::enabled() && a.requires_grad(); }
template <class... Rest>
inline bool needs(const Tensor& a, const Rest&... rest) {
  return needs(a) || (needs(rest) || ...);
}
bool needs(std::span<const Tensor> tensors);

// What a derivative sees. unpack() gives saved tensors; needs(i) tells whether the gradient of input i is wanted.
class Grads {
 public:
  Grads(Node& node, std::span<const Tensor> grads, std::span<Tensor> out) : node_(node), grads_(grads), out_(out) {}
  const Tensor& grad(size_t output = 0) const { return grads_[output]; }
  size_t outputs() const { return grads_.size(); }
  size_t inputs() const { return out_.size(); }
  bool needs(size_t input) const { return node_.needs(input); }
  Tensor& operator[](size_t input) { return out_[input]; }
  Tensor unpack(const SavedTensor& saved) const { return saved.unpack(node_); }

 private:
  Node& node_;
  std::span<const Tensor> grads_;
  std::span<Tensor> out_;
};

// The edge through which gradients of this tensor flow (AccumulateGrad for leaves); empty if it needs none.
Edge edge_of(const Tensor& tensor);

// Connects `node` to its inputs and makes it the grad_fn of output `slot`.
void connect(Node& node, std::span<const Tensor* const> inputs);
void set_history(const Tensor& result, const Ref<Node>& node, uint32_t slot = 0);

// After an operation changed `tensor` in place: `node` differentiates it with the old value of `tensor` as input 0.
// Handles views of tensors that require grad.
void rebase_history(const Tensor& tensor, const Ref<Node>& node);
// Raises where torch refuses an in-place change (leaf that requires grad, view made in no_grad mode, ...). `recorded`:
// the change will be recorded even if `tensor` itself requires no gradient.
void check_inplace(const Tensor& tensor, bool recorded = false);

// While it lives, copies of saved tensors on this thread are empty and the inspector is told of the originals: a copy
// of a derivative tells what it keeps.
class CopiesToldScope {
 public:
  explicit CopiesToldScope(Inspector& inspector);
  ~CopiesToldScope();
  CopiesToldScope(const CopiesToldScope&) = delete;
};

template <class F>
class FunctionNode final : public Node, public Inspectable {
 public:
  FunctionNode(const char* name, F function, uint32_t outputs)
      : Node(outputs), name_(name), function_(std::move(function)) {}
  const char* name() const override { return name_; }
  void apply(std::span<const Tensor> grads, std::span<Tensor> out) override {
    bool any = false;
    for (const Tensor& g : grads) any |= g.defined();
    if (!any) return;
    if (!function_) fail_freed();
    Grads g(*this, grads, out);
    (*function_)(g);
  }
  void release_saved() override {
    if (unpacked) function_.reset();
  }
  void inspect(Inspector& inspector) const override {
    if constexpr (std::is_copy_constructible_v<F> && !std::is_trivially_copyable_v<F>) {
      if (!function_) return;
      const CopiesToldScope scope(inspector);
      [[maybe_unused]] const F copy(*function_);
    }
  }

 private:
  [[noreturn]] static void fail_freed();
  const char* name_;
  std::optional<F> function_;
};

[[noreturn]] void fail_graph_freed();
template <class F>
void FunctionNode<F>::fail_freed() {
  fail_graph_freed();
}

// Records `derivative(Grads&)` as the grad_fn of `result`. The name is torch's, such as "TransposeBackward0", and must
// be a string literal. Call only where needs(inputs...) holds.
template <class F>
Ref<Node> record(const char* name, const Tensor& result, std::initializer_list<const Tensor*> inputs, F derivative) {
  auto node = Ref<Node>::adopt(new FunctionNode<F>(name, std::move(derivative), 1));
  connect(*node, {inputs.begin(), inputs.size()});
  set_history(result, node);
  return node;
}
// The same with several results or a list of inputs.
template <class F>
Ref<Node> record_many(const char* name, std::span<const Tensor> results, std::span<const Tensor> inputs, F derivative) {
  auto node = Ref<Node>::adopt(new FunctionNode<F>(name, std::move(derivative), static_cast<uint32_t>(results.size())));
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(&t);
  connect(*node, pointers);
  for (size_t i = 0; i < results.size(); ++i) set_history(results[i], node, static_cast<uint32_t>(i));
  return node;
}

// torch.autograd.backward / grad. Undefined grads of scalar roots mean 1.
void backward(std::span<const Tensor> roots, std::span<const Tensor> grads, bool retain_graph, bool create_graph,
              std::span<const Tensor> inputs = {});
TensorList grad(std::span<const Tensor> roots, std::span<const Tensor> inputs, std::span<const Tensor> grads,
                bool retain_graph, bool create_graph, bool allow_unused);

// What is called with every gradient of a tensor; a leaf's see it before it is added to .grad.
uint64_t add_tensor_hook(const Tensor& tensor, TensorHook hook);
void remove_tensor_hook(const Tensor& tensor, uint64_t id);
void retain_grad(const Tensor& tensor);

}  // namespace autograd
}  // namespace rushlight

#pragma GCC visibility pop
