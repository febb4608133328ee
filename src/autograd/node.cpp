#include <atomic>

#include "autograd/hooks.h"
#include "rushlight/graph.h"
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

// ---- anomaly detection

namespace {
std::atomic<bool> g_check_nan{true};
autograd::Anomaly::Reporter g_reporter;
}  // namespace

namespace autograd {
std::atomic<bool> g_anomaly{false};
bool Anomaly::enabled() { return g_anomaly.load(std::memory_order_relaxed); }
bool Anomaly::checks_nan() { return g_check_nan.load(std::memory_order_relaxed); }
void Anomaly::set(bool enabled, bool check_nan) {
  g_anomaly = enabled;
  g_check_nan = check_nan;
}
void Anomaly::set_reporter(Reporter reporter) { g_reporter = reporter; }
void report_failed(Node& node) {
  if (g_reporter.failed) g_reporter.failed(node);
}
void note_recorded(Node& node) {
  if (g_reporter.recorded) g_reporter.recorded(node, current_node());
}
}  // namespace autograd

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
        g.storage()->use_count() == 1 && g.storage()->resizable() &&  // not memory of somebody else
        (variable.is_non_overlapping_and_dense() ? equal(g.strides(), variable.strides()) : g.is_contiguous());
    if (stealable) {
      meta.grad = g;
    } else {
      meta.grad = variable.is_non_overlapping_and_dense()
                      ? empty_strided(variable.sizes(), variable.strides(), g.dtype(), g.device())
                      : empty(variable.sizes(), g.dtype(), g.device());
      copy_(meta.grad, g);
    }
  } else if (GradMode::enabled() || meta.grad.storage()->read_only()) {
    meta.grad = add(meta.grad, g);
  } else {
    add_(meta.grad, g);
  }
  if (!meta.post_hooks.empty()) [[unlikely]] {
    const auto hooks = meta.post_hooks;
    for (const auto& [id, hook] : hooks) hook(variable);
  }
}

}  // namespace rushlight
