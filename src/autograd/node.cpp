#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "autograd/hooks.h"
#include "cpu/loop_plan.h"
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
    next_doomed = doomed.first;
    doomed.first = this;
    return;
  }
  doomed.active = true;
  delete this;
  while (Node* next = doomed.first) {
    doomed.first = next->next_doomed;
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
  exclusive = false;
  meta(0) = {variable.dtype(), variable.sizes()};
}

// ---- who uses a node

std::atomic_flag HistoryLock::held_ = ATOMIC_FLAG_INIT;

namespace {
// Threads are known by numbers, with the number of forks before in the upper bits: the child of a fork has only the
// thread that called it, and what others held there stays theirs forever.
constexpr int kForkShift = 40;
constinit thread_local uint64_t t_thread RUSHLIGHT_TLS_INITIAL_EXEC = 0;
std::atomic<uint64_t> g_threads{0}, g_forks{0}, g_survivor{0};

uint64_t new_thread() {
  return g_forks.load(std::memory_order_relaxed) << kForkShift |
         (g_threads.fetch_add(1, std::memory_order_relaxed) + 1);
}
bool is_gone(uint64_t thread) {
  return thread >> kForkShift != g_forks.load(std::memory_order_relaxed) &&
         thread != g_survivor.load(std::memory_order_relaxed);
}

[[gnu::noinline]] void enter_later(Node& node, uint64_t self) {
  cpu::BlockingRegion region(true);  // who has the node may need the interpreter's lock
  for (int tries = 0;; ++tries) {
    uint64_t holder = node.user.load(std::memory_order_relaxed);
    if ((holder == 0 || is_gone(holder)) && node.user.compare_exchange_weak(holder, self, std::memory_order_acquire))
      return;
    if (tries < 100)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}
}  // namespace

struct HistoryLockAtFork {
  HistoryLockAtFork() {
    pthread_atfork(
        [] {
          while (HistoryLock::held_.test_and_set(std::memory_order_acquire)) {
          }
        },
        [] { HistoryLock::held_.clear(std::memory_order_release); },
        [] {
          g_survivor.store(t_thread, std::memory_order_relaxed);
          g_forks.fetch_add(1, std::memory_order_relaxed);
          HistoryLock::held_.clear(std::memory_order_release);
        });
  }
};
namespace {
const HistoryLockAtFork at_fork;
}  // namespace

uint64_t NodeUse::thread() {
  if (!t_thread) [[unlikely]]
    t_thread = new_thread();
  return t_thread;
}
void NodeUse::set_thread(uint64_t id) { t_thread = id; }

bool NodeUse::enter(Node& node) {
  const uint64_t self = thread();
  uint64_t holder = 0;
  if (node.user.compare_exchange_strong(holder, self, std::memory_order_acquire)) [[likely]]
    return true;
  if (holder == self) return false;
  enter_later(node, self);
  return true;
}

void Node::free_saved() {
  if (!exclusive) return release_saved();
  const NodeUse use(*this);
  if (use.first())
    release_saved();
  else
    release_wanted = true;
}

std::atomic<bool> g_python_late{false};
void note_python(Node& node) {
  if (node.python_below) return;
  node.python_below = true;
  // Its own tensor and the caller may have it; more owners are nodes that it lies below.
  if (node.use_count() > 2) g_python_late.store(true, std::memory_order_relaxed);
}

// ---- leaves

// A leaf knows its accumulator without owning it. Threads that record with the same leaf meet here.
Ref<Node> accumulator_of(const Tensor& leaf) {
  AutogradMeta& meta = *leaf.impl()->autograd;
  {
    const HistoryLock lock;
    if (meta.accumulator && meta.accumulator->try_retain()) return Ref<Node>::adopt(meta.accumulator);
  }
  auto node = Ref<Node>::adopt(new AccumulateGrad(leaf));
  node->python_below = !meta.hooks.empty() || !meta.post_hooks.empty();
  const HistoryLock lock;
  if (meta.accumulator && meta.accumulator->try_retain()) return Ref<Node>::adopt(meta.accumulator);
  meta.accumulator = node.get();
  return node;
}

AccumulateGrad::~AccumulateGrad() {
  const HistoryLock lock;
  AutogradMeta* meta = variable.impl()->autograd;
  if (meta && meta->accumulator == this) meta->accumulator = nullptr;
}

void AccumulateGrad::run_hooks(Tensor& grad) {
  const auto hooks = variable.impl()->autograd->hooks;  // a hook may add or remove hooks
  for (const auto& [id, hook] : hooks)
    if (Tensor replaced = hook(grad); replaced.defined()) grad = std::move(replaced);
}

void AccumulateGrad::accumulate(AutogradMeta& meta, const Tensor& g) {
  const NodeUse use(*this);
  const Tensor before = meta.grad;  // another thread may set .grad while a kernel runs
  if (before.defined()) {
    if (GradMode::enabled() || before.storage()->read_only())
      meta.grad = add(before, g);
    else
      add_(before, g);
    return;
  }
  const bool stealable =
      !GradMode::enabled() && g.impl()->use_count() == 1 && !g.impl()->base && !g.requires_grad() &&
      g.storage()->use_count() == 1 && g.storage()->resizable() &&  // not memory of somebody else
      (variable.is_non_overlapping_and_dense() ? equal(g.strides(), variable.strides()) : g.is_contiguous());
  if (stealable) {
    meta.grad = g;
    return;
  }
  const Tensor made = variable.is_non_overlapping_and_dense()
                          ? empty_strided(variable.sizes(), variable.strides(), g.dtype(), g.device())
                          : empty(variable.sizes(), g.dtype(), g.device());
  copy_(made, g);
  meta.grad = made;
}

void AccumulateGrad::apply(std::span<const Tensor> grads, std::span<Tensor>) {
  const Tensor& g = grads[0];
  AutogradMeta& meta = *variable.impl()->autograd;
  if (!meta.requires_grad) return;
  if (g.defined()) accumulate(meta, g);
  if (!meta.post_hooks.empty()) [[unlikely]] {
    const auto hooks = meta.post_hooks;
    for (const auto& [id, hook] : hooks) hook(variable);
  }
}

}  // namespace rushlight
