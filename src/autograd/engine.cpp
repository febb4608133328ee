// Runs recorded nodes, newest first.
//
// Every node is younger than the nodes its edges lead to, so taking the waiting node with the largest sequence number
// guarantees that all its gradients have arrived: no dependencies need to be counted beforehand, and a backward over k
// nodes costs k heap operations.
#include <algorithm>
#include <array>
#include <bit>
#include <thread>

#include "autograd/hooks.h"
#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "rushlight/conj.h"
#include "rushlight/graph.h"
#include "rushlight/memory.h"
#include "rushlight/ops.h"

namespace rushlight {

namespace {

// Gradients that wait at a node, one per output.
struct Buffer {
  explicit Buffer(uint32_t count) : count(count) {
    if (count > 1) more.reset(new Tensor[count]);
  }
  static void* operator new(size_t size) { return allocate(size); }
  static void operator delete(void* memory, size_t size) { deallocate(memory, size); }
  Tensor* data() { return more ? more.get() : &one; }

  uint32_t count;
  Tensor one;
  std::unique_ptr<Tensor[]> more;
};

// The nodes for which gradients wait, newest first. Several backwards may have gradients for the same node: they belong
// to the run, not to the node.
class Waiting {
 public:
  struct Entry {
    uint64_t sequence;
    Ref<Node> node;
    Buffer* buffer;
  };

  Waiting() = default;
  Waiting(const Waiting&) = delete;
  ~Waiting() {
    for (Entry& e : heap_) delete e.buffer;
  }
  bool empty() const { return heap_.empty(); }

  // The buffer of a node, made if there is none.
  Buffer& at(const Ref<Node>& node) {
    if (slots_.empty()) [[likely]] {
      for (const Entry& e : heap_)
        if (e.node == node) return *e.buffer;
      if (heap_.size() >= kFew) [[unlikely]]
        index();
    } else if (Slot& slot = slots_[place(node.get())]; slot.node) {
      return *slot.buffer;
    }
    auto buffer = std::make_unique<Buffer>(node->outputs);
    heap_.push_back({node->sequence, node, buffer.get()});
    std::push_heap(heap_.begin(), heap_.end(), older);
    Buffer& made = *buffer.release();
    if (!slots_.empty()) [[unlikely]] {
      if (2 * heap_.size() > slots_.size())
        index();
      else
        slots_[place(node.get())] = {node.get(), &made};
    }
    return made;
  }

  Entry take() {
    std::pop_heap(heap_.begin(), heap_.end(), older);
    Entry last = std::move(heap_.back());
    heap_.pop_back();
    if (!slots_.empty()) [[unlikely]]
      forget(last.node.get());
    return last;
  }

 private:
  // More than these are found by a hash table, fewer by looking at each.
  static constexpr size_t kFew = 8;
  struct Slot {
    Node* node = nullptr;
    Buffer* buffer = nullptr;
  };

  static bool older(const Entry& a, const Entry& b) { return a.sequence < b.sequence; }
  static size_t hash(const Node* node) { return (reinterpret_cast<uintptr_t>(node) >> 6) * 0x9E3779B97F4A7C15u >> 20; }
  size_t place(const Node* node) const {
    const size_t mask = slots_.size() - 1;
    size_t at = hash(node) & mask;
    while (slots_[at].node && slots_[at].node != node) at = (at + 1) & mask;
    return at;
  }
  void index() {
    std::vector<Slot>(std::max<size_t>(8 * kFew, 4 * std::bit_ceil(heap_.size()))).swap(slots_);
    for (const Entry& e : heap_) slots_[place(e.node.get())] = {e.node.get(), e.buffer};
  }
  // Moves what lies behind forward, so that searches need no marks of what was there.
  void forget(const Node* node) {
    const size_t mask = slots_.size() - 1;
    size_t hole = place(node);
    for (size_t at = (hole + 1) & mask; slots_[at].node; at = (at + 1) & mask) {
      if (((at - hash(slots_[at].node)) & mask) < ((at - hole) & mask)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
  }

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
};

// What a run knows about nodes: a hash table whose first entries need no memory of their own.
class NodeTable {
 public:
  struct Entry {
    Node* node = nullptr;
    bool leads = false;     // to a node whose gradient is wanted
    int32_t captures = -1;  // list of the gradients wanted here
  };

  Entry* find(Node* node) {
    Entry& e = entries_[place(node)];
    return e.node ? &e : nullptr;
  }
  // Adds the node unless it is there; the flag tells. Invalidates other entries.
  std::pair<Entry*, bool> insert(Node* node) {
    Entry* e = &entries_[place(node)];
    if (e->node) return {e, false};
    if (2 * ++count_ > entries_.size()) {
      grow();
      e = &entries_[place(node)];
    }
    e->node = node;
    return {e, true};
  }
  bool leads(Node* node) {
    const Entry* e = find(node);
    return e && e->leads;
  }

 private:
  size_t place(const Node* node) const {
    const size_t mask = entries_.size() - 1;
    size_t at = (reinterpret_cast<uintptr_t>(node) >> 6) * 0x9E3779B97F4A7C15u >> 20 & mask;
    while (entries_[at].node && entries_[at].node != node) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Entry> larger(entries_.size() * 4);
    const std::span<Entry> before = entries_;
    std::vector<Entry> keep = std::move(heap_);
    heap_ = std::move(larger);
    entries_ = heap_;
    for (const Entry& e : before)
      if (e.node) entries_[place(e.node)] = e;
  }

  std::array<Entry, 32> few_;
  std::vector<Entry> heap_;
  std::span<Entry> entries_ = few_;
  size_t count_ = 0;
};

}  // namespace

struct Run {
  struct Capture {
    uint32_t slot;
    size_t index;
    int32_t next;
  };

  bool retain_graph = false;
  std::span<const autograd::End> roots;
  int64_t number = 0;
  std::vector<std::function<void()>> callbacks;
  Node* current = nullptr;  // whose derivative is running
  Waiting waiting;
  // Only where inputs are given: which nodes lead to an input, and what is to be taken where.
  bool filtered = false;
  NodeTable table;
  std::vector<Capture> captures;
  std::vector<Tensor> captured;

  // Starts at a root. The hooks of a single one run also where it leads to no input, as in torch.
  void add_root(const Edge& edge, Tensor&& grad) {
    if (roots.size() == 1)
      waiting.at(edge.node).data()[edge.slot] = std::move(grad);
    else
      add(edge, std::move(grad));
  }

  void add(const Edge& edge, Tensor&& grad) {
    if (filtered && !table.leads(edge.node.get())) return;
    Tensor& slot = waiting.at(edge.node).data()[edge.slot];
    if (!slot.defined()) {
      slot = std::move(grad);
    } else if (!GradMode::enabled() && slot.impl()->use_count() == 1 && slot.storage()->use_count() == 1 &&
               slot.storage()->resizable() &&  // not memory of somebody else
               slot.dtype() == grad.dtype() && equal(slot.sizes(), grad.sizes()) &&
               slot.is_non_overlapping_and_dense()) {
      add_(slot, grad);
    } else {
      slot = rushlight::add(slot, grad);
    }
  }

  // Makes a gradient look like the tensor it belongs to.
  static void conform(const Edge& edge, Tensor& grad, const Node& from, size_t index) {
    const OutputMeta& meta = edge.node->meta(edge.slot);
    if (meta.dtype == DType::Undefined) return;
    if (!equal(grad.sizes(), meta.sizes)) {
      if (!layout::is_expandable_to(meta.sizes, grad.sizes()))
        fail("Function ", from.name(), " returned an invalid gradient at index ", index, " - got ", grad.sizes(),
             " but expected shape compatible with ", IntSpan(meta.sizes));
      grad = sum_to_size(grad, meta.sizes);
    }
    if (grad.dtype() != meta.dtype) {
      if (is_complex(grad.dtype()) && !is_complex(meta.dtype)) {
        if (from.python && !from.exclusive)  // a custom function's
          fail("Function ", from.name(), " returned a complex gradient at index ", index,
               " of an input of dtype torch.", name(meta.dtype));
        grad = real(grad);
      }
      if (grad.dtype() != meta.dtype) grad = to(grad, meta.dtype);
    }
  }

  // Hooks of the tensors whose gradients these are.
  static void run_tensor_hooks(Node& node, Buffer& buffer) {
    const auto tensor_pre = node.hooks->tensor_pre;  // a hook may add or remove hooks
    for (const auto& h : tensor_pre) {
      Tensor& slot = buffer.data()[h.slot];  // undefined where only other outputs have a gradient
      if (Tensor replaced = h.hook(slot); replaced.defined()) slot = replaced;
    }
    std::vector<std::pair<uint32_t, Tensor>> retain;  // held: they may die on other threads
    {
      const HistoryLock lock;
      for (const auto& [slot, impl] : node.hooks->retain)
        if (buffer.data()[slot].defined() && impl->try_retain()) retain.emplace_back(slot, Tensor::adopt(impl));
    }
    for (const auto& [slot, tensor] : retain) {
      const Tensor before = tensor.grad(), &g = buffer.data()[slot];
      tensor.impl()->autograd->grad = before.defined() ? rushlight::add(before, g) : clone(g);
    }
  }

  static void run_pre_hooks(Node& node, Buffer& buffer) {
    const auto pre = node.hooks->pre;
    if (pre.empty()) return;
    std::vector<Tensor> grads(buffer.data(), buffer.data() + buffer.count);
    for (const auto& [id, hook] : pre) hook(grads);
    std::copy(grads.begin(), grads.end(), buffer.data());
  }

  static void run_post_hooks(Node& node, std::span<Tensor> out, std::span<const Tensor> grads) {
    const auto post = node.hooks->post;
    std::vector<Tensor> outs(out.begin(), out.end());
    const std::vector<Tensor> ins(grads.begin(), grads.end());
    for (const auto& [id, hook] : post) hook(outs, ins);
    std::copy(outs.begin(), outs.end(), out.begin());
  }

  // Takes what is wanted here; false where nothing is wanted further on.
  bool capture(Node& node, Buffer& buffer) {
    const NodeTable::Entry* entry = table.find(&node);
    if (!entry || entry->captures < 0) return entry && entry->leads;
    for (int32_t i = entry->captures; i >= 0; i = captures[i].next)
      captured[captures[i].index] = buffer.data()[captures[i].slot];
    for (const Edge& e : node.edges)
      if (e.node && table.leads(e.node.get())) return true;
    return false;
  }

  // Tells where a node that fails was recorded.
  static void apply_watched(Node& node, std::span<const Tensor> grads, std::span<Tensor> out) {
    try {
      node.apply(grads, out);
    } catch (...) {
      autograd::report_failed(node);
      throw;
    }
    if (!autograd::Anomaly::checks_nan()) return;
    NoGradGuard no_grad;
    for (size_t i = 0; i < out.size(); ++i) {
      if (!out[i].defined() || !is_differentiable(out[i].dtype())) continue;
      const Tensor g = resolve_lazy(out[i]);
      if (!item(any(ne(g, g))).to_bool()) continue;
      autograd::report_failed(node);
      fail("Function '", node.name(), "' returned nan values in its ", i, "th output.");
    }
  }

  void step(Node& node, std::unique_ptr<Buffer> buffer) {
    if (node.hooks) [[unlikely]]
      run_tensor_hooks(node, *buffer);
    if (node.sequence == 0) {
      auto& leaf = static_cast<AccumulateGrad&>(node);
      if (!leaf.variable.impl()->autograd->hooks.empty()) leaf.run_hooks(buffer->one);
    }
    if (filtered && !capture(node, *buffer)) return;
    if (node.hooks) [[unlikely]]
      run_pre_hooks(node, *buffer);
    Tensor few[4];
    std::vector<Tensor> many;
    const size_t n = node.edges.size();
    Tensor* out = few;
    if (n > 4) {
      many.resize(n);
      out = many.data();
    }
    const std::span<const Tensor> grads(buffer->data(), buffer->count);
    const bool post = node.hooks && !node.hooks->post.empty();
    {
      const NodeUse use(node, node.exclusive);
      current = &node;
      if (autograd::g_anomaly.load(std::memory_order_relaxed)) [[unlikely]]
        apply_watched(node, grads, {out, n});
      else
        node.apply(grads, {out, n});
      current = nullptr;
      if (!retain_graph && !post) {
        if (use.first())
          node.release_saved();
        else
          node.free_saved();
      }
    }
    if (post) [[unlikely]] {
      run_post_hooks(node, {out, n}, grads);
      if (!retain_graph) node.free_saved();
    }
    buffer.reset();
    for (size_t i = 0; i < n; ++i) {
      if (!node.edges[i].node) continue;
      if (!out[i].defined()) {
        // No gradient: custom functions and hooks further on are called all the same.
        if (!filtered || table.leads(node.edges[i].node.get())) waiting.at(node.edges[i].node);
        continue;
      }
      conform(node.edges[i], out[i], node, i);
      add(node.edges[i], std::move(out[i]));
    }
  }

  void run() {
    unsigned steps = 0;
    while (!waiting.empty()) {
      const Waiting::Entry next = waiting.take();
      step(*next.node, std::unique_ptr<Buffer>(next.buffer));
      if (++steps % 8 == 0 && detail::between_nodes) detail::between_nodes();
    }
    for (size_t i = 0; i < callbacks.size(); ++i) {  // a callback may queue others
      const auto callback = std::move(callbacks[i]);
      callback();
    }
  }

  // Asks for the gradient that arrives at `edge`.
  void want(const Edge& edge, size_t index) {
    NodeTable::Entry& entry = *table.insert(edge.node.get()).first;
    entry.leads = true;
    captures.push_back({edge.slot, index, entry.captures});
    entry.captures = static_cast<int32_t>(captures.size()) - 1;
  }

  // Finds out which nodes below the roots lead to a wanted one. Iterative, children before parents.
  void find_leads() {
    filtered = true;
    std::vector<std::pair<Node*, size_t>> stack;
    NodeTable visited;
    for (const autograd::End& root : roots) {
      Node* const first = root.edge.node.get();
      if (!first || !visited.insert(first).second) continue;
      stack.emplace_back(first, 0);
      while (!stack.empty()) {
        auto& [node, next] = stack.back();
        if (next < node->edges.size()) {
          Node* child = node->edges[next++].node.get();
          if (child && visited.insert(child).second) stack.emplace_back(child, 0);
          continue;
        }
        for (const Edge& e : node->edges)
          if (e.node && table.leads(e.node.get())) {
            table.insert(node).first->leads = true;
            break;
          }
        stack.pop_back();
      }
    }
  }
};

namespace autograd {

namespace {

// A hook that calls backward() nests on the stack of its thread, which is half a MiB on some systems: deeper calls run
// on another thread.
constexpr int kMaxNested = 100, kMaxHelpers = 40;
thread_local int t_nested = 0;
thread_local int t_helpers = 0;  // how many threads wait for this one
thread_local Run* t_run = nullptr;
std::atomic<int64_t> g_runs{0};

// Calls f on a thread of its own, which has the modes of this one and does its work in its stead.
template <class F>
void on_helper(F&& f) {
  if (t_helpers == kMaxHelpers)
    fail("backward() called itself through hooks more than ", kMaxNested * (kMaxHelpers + 1), " levels deep");
  std::exception_ptr error;
  const bool grad_mode = GradMode::enabled(), inference = InferenceMode::enabled();
  {
    const auto hooks = pack_hooks();
    cpu::BlockingRegion region(true);
    std::thread([&, outer = t_run, helpers = t_helpers + 1, self = NodeUse::thread()] {
      NodeUse::set_thread(self);
      t_helpers = helpers;
      t_run = outer;
      GradMode::set_enabled(grad_mode);
      InferenceMode::set_enabled(inference);
      for (const PackHook& hook : hooks) push_pack_hook(hook);
      try {
        f();
      } catch (...) {
        error = std::current_exception();
      }
    }).join();
  }
  if (error) std::rethrow_exception(error);
}

// Makes a run and executes it; `prepare` says what is wanted.
template <class Prepare, class Finish>
void execute(std::span<const End> roots, std::vector<Tensor> starts, bool retain_graph, bool create_graph,
             Prepare prepare, Finish finish) {
  auto body = [&] {
    struct Nested {
      Nested() { ++t_nested; }
      ~Nested() { --t_nested; }
    } nested;
    const GradModeGuard mode(create_graph);
    Run run;
    run.retain_graph = retain_graph;
    run.roots = roots;
    run.number = g_runs.fetch_add(1, std::memory_order_relaxed);
    prepare(run);
    for (size_t i = 0; i < roots.size(); ++i) run.add_root(roots[i].edge, std::move(starts[i]));
    struct Current {
      explicit Current(Run* run) : before(std::exchange(t_run, run)) {}
      ~Current() { t_run = before; }
      Run* before;
    } current(&run);
    const PackHookGuard hooks;
    run.run();
    finish(run);
  };
  if (t_nested < kMaxNested) [[likely]]
    body();
  else
    on_helper(body);
}

// The first gradient of every root.
std::vector<Tensor> start(std::span<const End> roots, std::span<const Tensor> grads) {
  if (!grads.empty() && grads.size() != roots.size())
    fail("got ", roots.size(), " tensors and ", grads.size(), " gradients");
  std::vector<Tensor> starts;
  starts.reserve(roots.size());
  for (size_t i = 0; i < roots.size(); ++i) {
    const End& root = roots[i];
    Tensor grad = grads.empty() || !grads[i].defined() ? Tensor() : resolve_lazy(grads[i]);
    if (!root.edge.node) fail("element ", i, " of tensors does not require grad and does not have a grad_fn");
    if (root.edge.slot >= root.edge.node->outputs)
      fail("element ", i, " of tensors is output ", root.edge.slot, " of ", root.edge.node->name(), ", which has ",
           root.edge.node->outputs);
    const OutputMeta& meta = root.edge.node->meta(root.edge.slot);
    const bool known = root.tensor.defined() || meta.dtype != DType::Undefined;
    const DType dtype = root.tensor.defined() ? root.tensor.dtype() : meta.dtype;
    const IntSpan sizes = root.tensor.defined() ? root.tensor.sizes() : IntSpan(meta.sizes);
    if (!grad.defined()) {
      if (!known || layout::checked_numel(sizes) != 1) fail("grad can be implicitly created only for scalar outputs");
      if (is_complex(dtype))
        fail("grad can be implicitly created only for real scalar outputs but got torch.", name(dtype));
      grad = root.tensor.defined() ? ones_like(root.tensor) : ones(sizes, dtype);
    } else if (known && !equal(grad.sizes(), sizes)) {
      fail("Mismatch in shape: grad_output[", i, "] has a shape of torch.Size(", grad.sizes(), ") and output[", i,
           "] has a shape of torch.Size(", sizes, ").");
    } else if (known && is_complex(grad.dtype()) != is_complex(dtype)) {
      fail(
          "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
          "grad_output[",
          i, "] has a dtype of torch.", name(grad.dtype()), " and output[", i, "] has a dtype of torch.", name(dtype),
          ".");
    } else if (known && grad.dtype() != dtype) {
      grad = to(grad, dtype);
    }
    // A tensor that was given other memory (`Tensor.data =`) has not the shape that its node knows.
    if (meta.dtype != DType::Undefined && !equal(grad.sizes(), meta.sizes)) [[unlikely]] {
      if (!layout::is_expandable_to(meta.sizes, grad.sizes()))
        fail("invalid gradient at index ", i, " - got ", grad.sizes(), " but expected shape compatible with ",
             IntSpan(meta.sizes));
      grad = sum_to_size(grad, meta.sizes);
    }
    starts.push_back(std::move(grad));
  }
  return starts;
}

void check_input(const End& input) {
  if (!input.edge.node) fail("One of the differentiated Tensors does not require grad");
  if (input.edge.slot >= input.edge.node->outputs)
    fail("an edge leads to output ", input.edge.slot, " of ", input.edge.node->name(), ", which has ",
         input.edge.node->outputs);
}

}  // namespace

// A view that was not recorded: it requires grad and gets none.
static bool is_unreached(const End& input) {
  return !input.edge.node && input.tensor.defined() && input.tensor.requires_grad();
}

TensorList grad_ends(std::span<const End> roots, std::span<const End> inputs, std::span<const Tensor> grads,
                     bool retain_graph, bool create_graph, bool allow_unused) {
  TensorList found;
  auto prepare = [&](Run& run) {
    run.captured.resize(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (is_unreached(inputs[i])) continue;
      check_input(inputs[i]);
      run.want(inputs[i].edge, i);
    }
    run.find_leads();
  };
  execute(roots, start(roots, grads), retain_graph, create_graph, prepare,
          [&](Run& run) { found = std::move(run.captured); });
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!found[i].defined() && !allow_unused)
      fail("The differentiated Tensor at index ", i,
           " appears to not have been used in the graph. Set allow_unused=True "
           "if this is the desired behavior.");
  return found;
}

void backward_ends(std::span<const End> roots, std::span<const Tensor> grads, bool retain_graph, bool create_graph,
                   std::span<const End> inputs) {
  auto starts = start(roots, grads);
  for (const End& input : inputs) {
    if (input.tensor.defined()) retain_grad(input.tensor);
    if (!is_unreached(input)) check_input(input);
  }
  auto prepare = [&](Run& run) {
    if (inputs.empty()) return;
    for (const End& input : inputs)
      if (input.edge.node) run.table.insert(input.edge.node.get()).first->leads = true;
    run.find_leads();
  };
  execute(roots, std::move(starts), retain_graph, create_graph, prepare, [](Run&) {});
}

TensorList grad(std::span<const Tensor> roots, std::span<const Tensor> inputs, std::span<const Tensor> grads,
                bool retain_graph, bool create_graph, bool allow_unused) {
  const std::vector<End> from(roots.begin(), roots.end()), to(inputs.begin(), inputs.end());
  return grad_ends(from, to, grads, retain_graph, create_graph, allow_unused);
}

void backward(std::span<const Tensor> roots, std::span<const Tensor> grads, bool retain_graph, bool create_graph,
              std::span<const Tensor> inputs) {
  const std::vector<End> to(inputs.begin(), inputs.end());
  if (roots.size() == 1) {
    const End root(roots[0]);
    return backward_ends({&root, 1}, grads, retain_graph, create_graph, to);
  }
  const std::vector<End> from(roots.begin(), roots.end());
  backward_ends(from, grads, retain_graph, create_graph, to);
}

// ---- the backward that runs

namespace {
Run& running() {
  if (!t_run) fail("_get_should_execute_nodes should only be called during the backward pass");
  return *t_run;
}
}  // namespace

void queue_callback(std::function<void()> callback) {
  if (!t_run) fail("Final callbacks can only be installed during backward pass.");
  t_run->callbacks.push_back(std::move(callback));
}

int64_t current_backward() { return t_run ? t_run->number : -1; }

Node* current_node() { return t_run ? t_run->current : nullptr; }

bool goes_everywhere() { return !running().filtered; }

bool will_execute(Node& node) {
  Run& run = running();
  if (run.filtered) {
    const NodeTable::Entry* entry = run.table.find(&node);
    if (entry && entry->captures >= 0 && node.edges.size() == 0)
      fail(
          "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(): its "
          "gradient is taken and the node itself is not executed");
    return entry && entry->leads;
  }
  std::vector<Node*> waiting;
  NodeTable seen;
  for (const End& root : run.roots) waiting.push_back(root.edge.node.get());
  while (!waiting.empty()) {
    Node* at = waiting.back();
    waiting.pop_back();
    if (at == &node) return true;
    if (!seen.insert(at).second) continue;
    for (const Edge& e : at->edges)
      if (e.node) waiting.push_back(e.node.get());
  }
  return false;
}

}  // namespace autograd
}  // namespace rushlight
