// Runs recorded nodes, newest first.
//
// Every node is younger than the nodes its edges lead to, so taking the waiting node with the largest sequence number
// guarantees that all its gradients have arrived: no dependencies need to be counted beforehand, and a backward over k
// nodes costs k heap operations.
#include <algorithm>
#include <array>
#include <mutex>

#include "autograd/hooks.h"
#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "rushlight/conj.h"
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

std::recursive_mutex g_engine_mutex;

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
  struct Outer {
    Ref<Node> node;
    void* pending;
    Run* run;
  };
  struct Capture {
    uint32_t slot;
    size_t index;
    int32_t next;
  };

  bool retain_graph = false;
  std::vector<Ref<Node>> heap;
  std::vector<Outer> interrupted;  // nodes that an outer run on this thread has waiting, too
  // Only for autograd.grad: which nodes lead to an input, and what is to be taken where.
  bool filtered = false;
  NodeTable table;
  std::vector<Capture> captures;
  std::vector<Tensor> captured;

  ~Run() {
    for (Ref<Node>& node : heap) drop(*node);
    for (Outer& o : interrupted) {
      o.node->pending = o.pending;
      o.node->run = o.run;
    }
  }

  static bool older(const Ref<Node>& a, const Ref<Node>& b) { return a->sequence < b->sequence; }

  static void drop(Node& node) {
    delete static_cast<Buffer*>(node.pending);
    node.pending = nullptr;
    node.run = nullptr;
  }

  void add(const Edge& edge, Tensor&& grad) {
    Node& node = *edge.node;
    if (filtered && !table.leads(&node)) return;
    if (node.pending && node.run != this) {
      interrupted.push_back({edge.node, node.pending, node.run});
      node.pending = nullptr;
    }
    if (!node.pending) {
      node.pending = new Buffer(node.outputs);
      node.run = this;
      heap.push_back(edge.node);
      std::push_heap(heap.begin(), heap.end(), older);
    }
    Tensor& slot = static_cast<Buffer*>(node.pending)->data()[edge.slot];
    if (!slot.defined()) {
      slot = std::move(grad);
    } else if (!GradMode::enabled() && slot.impl()->use_count() == 1 && slot.storage()->use_count() == 1 &&
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
      if (is_complex(grad.dtype()) && !is_complex(meta.dtype)) grad = real(grad);
      if (grad.dtype() != meta.dtype) grad = to(grad, meta.dtype);
    }
  }

  // Hooks of the tensors whose gradients these are.
  static void run_tensor_hooks(Node& node, Buffer& buffer) {
    const auto tensor_pre = node.hooks->tensor_pre;  // a hook may add or remove hooks
    for (const auto& h : tensor_pre) {
      Tensor& slot = buffer.data()[h.slot];
      if (!slot.defined()) continue;
      if (Tensor replaced = h.hook(slot); replaced.defined()) slot = replaced;
    }
    for (const auto& [slot, impl] : node.hooks->retain) {
      const Tensor& g = buffer.data()[slot];
      if (!g.defined()) continue;
      Tensor& kept = impl->autograd->grad;
      kept = kept.defined() ? rushlight::add(kept, g) : clone(g);
    }
  }

  static void run_pre_hooks(Node& node, Buffer& buffer) {
    const auto pre = node.hooks->pre;
    if (pre.empty()) return;
    std::vector<Tensor> grads(buffer.data(), buffer.data() + buffer.count);
    for (const auto& [id, hook] : pre) hook(grads);
    std::copy(grads.begin(), grads.end(), buffer.data());
  }

  // Takes what is wanted here; false where nothing is wanted further on.
  bool capture(Node& node, Buffer& buffer) {
    const NodeTable::Entry* entry = table.find(&node);
    if (!entry || entry->captures < 0) return true;
    for (int32_t i = entry->captures; i >= 0; i = captures[i].next)
      captured[captures[i].index] = buffer.data()[captures[i].slot];
    for (const Edge& e : node.edges)
      if (e.node && table.leads(e.node.get())) return true;
    return false;
  }

  void step(Node& node) {
    std::unique_ptr<Buffer> buffer(static_cast<Buffer*>(node.pending));
    node.pending = nullptr;
    node.run = nullptr;
    if (node.hooks) [[unlikely]]
      run_tensor_hooks(node, *buffer);
    if (node.sequence == 0) {
      auto& leaf = static_cast<AccumulateGrad&>(node);
      if (!leaf.variable.impl()->autograd->hooks.empty() && buffer->one.defined()) leaf.run_hooks(buffer->one);
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
    node.apply(grads, {out, n});
    if (node.hooks && !node.hooks->post.empty()) {
      const auto post = node.hooks->post;
      std::vector<Tensor> outs(out, out + n);
      const std::vector<Tensor> ins(grads.begin(), grads.end());
      for (const auto& [id, hook] : post) hook(outs, ins);
      std::copy(outs.begin(), outs.end(), out);
    }
    buffer.reset();
    if (!retain_graph) node.release_saved();
    for (size_t i = 0; i < n; ++i) {
      if (!out[i].defined() || !node.edges[i].node) continue;
      conform(node.edges[i], out[i], node, i);
      add(node.edges[i], std::move(out[i]));
    }
  }

  void run() {
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), older);
      const Ref<Node> node = std::move(heap.back());
      heap.pop_back();
      step(*node);
    }
  }

  // Asks for the gradient that arrives at `edge`.
  void want(const Edge& edge, size_t index) {
    NodeTable::Entry& entry = *table.insert(edge.node.get()).first;
    captures.push_back({edge.slot, index, entry.captures});
    entry.captures = static_cast<int32_t>(captures.size()) - 1;
    entry.leads = true;
  }

  // Finds out which nodes below the roots lead to a wanted one. Iterative, children before parents.
  void find_leads(std::span<const Edge> roots) {
    filtered = true;
    std::vector<std::pair<Node*, size_t>> stack;
    NodeTable visited;
    for (const Edge& root : roots) {
      if (!root.node || !visited.insert(root.node.get()).second) continue;
      stack.emplace_back(root.node.get(), 0);
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

// A hook that calls backward() nests on the stack of its thread, which is half a MiB on some systems.
constexpr int kMaxNested = 100;
thread_local int g_nested = 0;

class EngineLock {
 public:
  EngineLock() {
    if (g_nested >= kMaxNested) fail("backward() called itself through hooks more than ", kMaxNested, " levels deep");
    ++g_nested;
    if (g_engine_mutex.try_lock()) return;
    cpu::BlockingRegion region(true);  // never wait for the mutex with the interpreter's lock in hand
    g_engine_mutex.lock();
  }
  ~EngineLock() {
    --g_nested;
    g_engine_mutex.unlock();
  }
};

// The edge and first gradient of every root.
std::vector<std::pair<Edge, Tensor>> start(std::span<const Tensor> roots, std::span<const Tensor> grads) {
  if (!grads.empty() && grads.size() != roots.size())
    fail("got ", roots.size(), " tensors and ", grads.size(), " gradients");
  std::vector<std::pair<Edge, Tensor>> starts;
  for (size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    Tensor grad = grads.empty() || !grads[i].defined() ? Tensor() : resolve_conj(grads[i]);
    if (!root.requires_grad()) fail("element ", i, " of tensors does not require grad and does not have a grad_fn");
    if (!grad.defined()) {
      if (root.numel() != 1) fail("grad can be implicitly created only for scalar outputs");
      if (is_complex(root.dtype()))
        fail("grad can be implicitly created only for real scalar outputs but got torch.", name(root.dtype()));
      grad = ones_like(root);
    } else if (!equal(grad.sizes(), root.sizes())) {
      fail("Mismatch in shape: grad_output[", i, "] has a shape of torch.Size(", grad.sizes(), ") and output[", i,
           "] has a shape of torch.Size(", root.sizes(), ").");
    } else if (is_complex(grad.dtype()) != is_complex(root.dtype())) {
      fail(
          "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
          "grad_output[",
          i, "] has a dtype of torch.", name(grad.dtype()), " and output[", i, "] has a dtype of torch.",
          name(root.dtype()), ".");
    } else if (grad.dtype() != root.dtype()) {
      grad = to(grad, root.dtype());
    }
    starts.emplace_back(edge_of(root), std::move(grad));
  }
  return starts;
}

}  // namespace

TensorList grad(std::span<const Tensor> roots, std::span<const Tensor> inputs, std::span<const Tensor> grads,
                bool retain_graph, bool create_graph, bool allow_unused) {
  auto starts = start(roots, grads);
  EngineLock lock;
  GradModeGuard mode(create_graph);
  Run run;
  run.retain_graph = retain_graph;
  run.captured.resize(inputs.size());
  std::vector<Edge> kept;  // an accumulator lives only as long as somebody holds it
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Edge edge = edge_of(inputs[i]);
    if (!edge.node) fail("One of the differentiated Tensors does not require grad");
    kept.push_back(edge);
    run.want(edge, i);
  }
  std::vector<Edge> edges;
  for (auto& [edge, g] : starts) edges.push_back(edge);
  run.find_leads(edges);
  for (auto& [edge, g] : starts) run.add(edge, std::move(g));
  run.run();
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!run.captured[i].defined() && !allow_unused)
      fail("The differentiated Tensor at index ", i,
           " appears to not have been used in the graph. Set allow_unused=True "
           "if this is the desired behavior.");
  return std::move(run.captured);
}

void backward(std::span<const Tensor> roots, std::span<const Tensor> grads, bool retain_graph, bool create_graph,
              std::span<const Tensor> inputs) {
  if (!inputs.empty()) {
    const TensorList found = grad(roots, inputs, grads, retain_graph, create_graph, true);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (found[i].defined()) {
        const Tensor before = inputs[i].grad();
        GradModeGuard mode(create_graph);
        inputs[i].set_grad(before.defined() ? rushlight::add(before, found[i]) : clone(found[i]));
      }
    return;
  }
  auto starts = start(roots, grads);
  EngineLock lock;
  GradModeGuard mode(create_graph);
  Run run;
  run.retain_graph = retain_graph;
  for (auto& [edge, g] : starts) run.add(edge, std::move(g));
  run.run();
}

}  // namespace autograd
}  // namespace rushlight
