#include <atomic>

#include "autograd/hooks.h"
#include "rushlight/memory.h"
#include "rushlight/ops.h"

namespace rushlight {

namespace {
constinit thread_local bool t_grad_mode RUSHLIGHT_TLS_INITIAL_EXEC = true;
constinit thread_local bool t_inference_mode RUSHLIGHT_TLS_INITIAL_EXEC = false;
// Per thread, so that recording shares no cache line; connect() puts a node above what other threads recorded.
constinit thread_local uint64_t t_sequence RUSHLIGHT_TLS_INITIAL_EXEC = 0;
std::atomic<uint64_t> g_hook_id{1};

// Nodes whose last owner is gone while another node is being destroyed: chains are freed in a loop, not by recursion.
struct Doomed {
  Node* first;
  bool active;
};
constinit thread_local Doomed t_doomed RUSHLIGHT_TLS_INITIAL_EXEC = {nullptr, false};
}  // namespace

bool GradMode::enabled() { return t_grad_mode; }
void GradMode::set_enabled(bool value) { t_grad_mode = value; }
bool InferenceMode::enabled() { return t_inference_mode; }
void InferenceMode::set_enabled(bool value) { t_inference_mode = value; }

Node::Node(uint32_t count) : outputs(count), sequence(++t_sequence) {
  if (count > 1) more_meta_.reset(new OutputMeta[count - 1]);
}

Node::~Node() { delete hooks; }

uint64_t sequence_above(uint64_t other) {
  if (t_sequence < other) t_sequence = other;
  return ++t_sequence;
}

void* Node::operator new(size_t size) { return allocate(size); }
void Node::operator delete(void* memory, size_t size) { deallocate(memory, size); }

void Node::destroy() {
  Doomed& doomed = t_doomed;
  if (doomed.active) {
    pending = doomed.first;
    doomed.first = this;
    return;
  }
  doomed.active = true;
  delete this;
  while (Node* next = doomed.first) {
    doomed.first = static_cast<Node*>(next->pending);
    next->pending = nullptr;
    delete next;
  }
  doomed.active = false;
}

void* AutogradMeta::operator new(size_t size) { return allocate(size); }
void AutogradMeta::operator delete(void* memory, size_t size) { deallocate(memory, size); }

uint64_t next_hook_id() { return g_hook_id.fetch_add(1, std::memory_order_relaxed); }

NodeHooks& hooks_of(Node& node) {
  if (!node.hooks) node.hooks = new NodeHooks;
  return *node.hooks;
}

AccumulateGrad::AccumulateGrad(Tensor v) : Node(1), variable(std::move(v)) {
  sequence = 0;  // after everything else
  meta(0) = {variable.dtype(), variable.sizes()};
}

// A leaf knows its accumulator without owning it. Threads that record with the same leaf meet here.
namespace {
std::atomic_flag g_accumulators = ATOMIC_FLAG_INIT;
class AccumulatorLock {
 public:
  AccumulatorLock() {
    while (g_accumulators.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~AccumulatorLock() { g_accumulators.clear(std::memory_order_release); }
  AccumulatorLock(const AccumulatorLock&) = delete;
};
}  // namespace

Ref<Node> accumulator_of(const Tensor& leaf) {
  AutogradMeta& meta = *leaf.impl()->autograd;
  {
    AccumulatorLock lock;
    if (meta.accumulator && meta.accumulator->try_retain()) return Ref<Node>::adopt(meta.accumulator);
  }
  auto node = Ref<Node>::adopt(new AccumulateGrad(leaf));
  AccumulatorLock lock;
  if (meta.accumulator && meta.accumulator->try_retain()) return Ref<Node>::adopt(meta.accumulator);
  meta.accumulator = node.get();
  return node;
}

AccumulateGrad::~AccumulateGrad() {
  AccumulatorLock lock;
  AutogradMeta* meta = variable.impl()->autograd;
  if (meta && meta->accumulator == this) meta->accumulator = nullptr;
}

void AccumulateGrad::run_hooks(Tensor& grad) {
  const auto hooks = variable.impl()->autograd->hooks;  // a hook may add or remove hooks
  for (const auto& [id, hook] : hooks)
    if (Tensor replaced = hook(grad); replaced.defined()) grad = std::move(replaced);
}

void AccumulateGrad::apply(std::span<const Tensor> grads, std::span<Tensor>) {
  const Tensor& g = grads[0];
  AutogradMeta& meta = *variable.impl()->autograd;
  if (!g.defined() || !meta.requires_grad) return;
  if (!meta.grad.defined()) {
    const bool stealable =
        !GradMode::enabled() && g.impl()->use_count() == 1 && !g.impl()->base && !g.requires_grad() &&
        g.storage()->use_count() == 1 &&
        (variable.is_non_overlapping_and_dense() ? equal(g.strides(), variable.strides()) : g.is_contiguous());
    if (stealable) {
      meta.grad = g;
    } else if (GradMode::enabled()) {
      meta.grad = clone(g);
    } else {
      meta.grad = variable.is_non_overlapping_and_dense()
                      ? empty_strided(variable.sizes(), variable.strides(), g.dtype(), g.device())
                      : empty(variable.sizes(), g.dtype(), g.device());
      copy_(meta.grad, g);
    }
  } else if (GradMode::enabled()) {
    meta.grad = add(meta.grad, g);
  } else {
    add_(meta.grad, g);
  }
  if (!meta.post_hooks.empty()) [[unlikely]] {
    const auto hooks = meta.post_hooks;
    for (const auto& [id, hook] : hooks) hook(variable);
  }
}

// ---- saved tensors

SavedTensor::SavedTensor(const Tensor& tensor) : tensor_(tensor), version_(tensor.version()) {
  if (tensor.impl()->inference) [[unlikely]]
    fail(
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
        "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it "
        "in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.");
}

SavedTensor SavedTensor::result(const Tensor& tensor, uint32_t slot) {
  SavedTensor saved;
  saved.tensor_ = share(tensor);
  saved.version_ = tensor.version();
  saved.slot_ = slot;
  saved.is_result_ = true;
  return saved;
}

Tensor SavedTensor::unpack(const Node& owner) const {
  if (!tensor_.defined()) return {};
  owner.unpacked = true;
  const uint32_t now = tensor_.version();
  if (now != version_) [[unlikely]] {
    Message origin;
    if (is_result_)
      origin << ", which is output " << slot_ << " of " << owner.name() << ",";
    else if (const Ref<Node> fn = tensor_.grad_fn())
      origin << ", which is output " << tensor_.impl()->autograd->slot << " of " << fn->name() << ",";
    else if (tensor_.requires_grad())
      origin << ", which is a leaf,";
    const char* operation = tensor_.impl()->version->operation;
    fail("one of the variables needed for gradient computation has been modified by an inplace operation: [",
         tensor_type_name(tensor_.dtype()), " ", tensor_.sizes(), "]", origin.text, " is at version ", now,
         "; expected version ", version_, " instead. It was last changed by ", operation ? operation : "?",
         "(). Hint: the backtrace of the forward pass shows where; clone() the tensor before that operation.");
  }
  if (!is_result_ || !GradMode::enabled()) return tensor_;
  Tensor t = share(tensor_);
  autograd::set_history_of_saved(t, const_cast<Node&>(owner), slot_);
  return t;
}

}  // namespace rushlight
