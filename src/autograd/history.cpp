// Who made a tensor: grad_fn, leaves, views that were changed in place, hooks.
#include "autograd/hooks.h"
#include "layout/layout.h"
#include "rushlight/conj.h"
#include "rushlight/graph.h"
#include "rushlight/ops.h"

namespace rushlight {

namespace {

AutogradMeta& meta_of(const Tensor& t) {
  if (!t.impl()->autograd) t.impl()->autograd = new AutogradMeta;
  return *t.impl()->autograd;
}

// Nodes above all that their edges lead to: the order in which the engine runs them.
void settle(Node& node) {
  for (const Edge& e : node.edges)
    if (e.node && e.node->sequence >= node.sequence) node.sequence = sequence_above(e.node->sequence);
}

// Changes grad_fn; a tensor that retains its gradient is asked for it at the new place.
void set_node(TensorImpl* t, AutogradMeta& meta, Ref<Node> node, uint32_t slot) {
  if (meta.retains_grad) [[unlikely]] {
    NodeHooks* hooks = node ? &hooks_of(*node) : nullptr;
    const HistoryLock lock;
    if (meta.grad_fn && meta.grad_fn->hooks)
      std::erase_if(meta.grad_fn->hooks->retain, [&](const auto& entry) { return entry.second == t; });
    if (hooks) hooks->retain.emplace_back(slot, t);
  }
  meta.grad_fn = std::move(node);
  meta.slot = slot;
}

Tensor base_of(const Tensor& t) { return Tensor(Ref<TensorImpl>(t.impl()->base)); }

// Whether gradients flow from this view to its base.
bool lets_through(const TensorImpl& view) { return view.origin < ViewOrigin::NoGrad; }

// The geometry of complex elements as one of pairs of real elements.
layout::Geometry in_pairs(layout::Geometry g) {
  for (int64_t& stride : g.strides) stride *= 2;
  g.sizes.push_back(2);
  g.strides.push_back(1);
  g.offset *= 2;
  return g;
}

// Where a view lies in its base. If one of them is real and the other complex, their strides count different elements:
// both geometries are given in real ones.
struct Part {
  Part(const Tensor& whole, const Tensor& part)
      : base(layout::geometry_of(whole)),
        view(layout::geometry_of(part)),
        paired_base(is_complex(whole.dtype()) && !is_complex(part.dtype())),
        paired_view(!is_complex(whole.dtype()) && is_complex(part.dtype())),
        conjugate(is_complex(part.dtype()) && whole.is_conj() != part.is_conj()),
        conjugate_base(paired_base && whole.is_conj()),
        negate(whole.is_neg() != part.is_neg()) {
    if (paired_base) base = in_pairs(base);
    if (paired_view) view = in_pairs(view);
  }

  // The gradient of the view as elements of the base, and back.
  Tensor to_base(const Tensor& grad) const {
    const Tensor conjugated = conjugate ? conj(grad) : grad, g = negate ? neg(conjugated) : conjugated;
    return paired_view ? view_as_real(resolve_lazy(g)) : g;
  }
  Tensor to_view(const Tensor& slice) const {
    const Tensor g = paired_view ? view_as_complex(clone(slice, true)) : slice;
    if (!conjugate && !negate) return paired_view ? g : clone(g);
    const Tensor conjugated = conjugate ? conj(g) : g;
    return negate ? neg(conjugated) : conjugated;
  }
  // The gradient of the base as that of its memory, where the view takes parts of complex numbers; and back.
  Tensor of_memory(const Tensor& grad) const { return conjugate_base ? conj(grad) : grad; }

  // A node that gives the gradient of the view to the base.
  Ref<Node> node() const {
    auto derivative = [part = *this](autograd::Grads& g) {
      const Tensor whole = as_strided_backward(part.to_base(g.grad()), part.base, part.view);
      g[0] = part.paired_base ? part.of_memory(view_as_complex(whole.is_contiguous() ? whole : clone(whole, true)))
                              : whole;
    };
    return Ref<Node>::adopt(new autograd::FunctionNode<decltype(derivative)>("AsStridedBackward0", derivative, 1));
  }

  layout::Geometry base, view;
  bool paired_base, paired_view, conjugate, conjugate_base, negate;
};

// Differentiates an in-place change of a view with respect to the whole base: the part of the gradient that belongs
// to the view goes through the operation, the rest passes by.
class CopySlices final : public Node, public Inspectable {
 public:
  CopySlices(const Tensor& base, const Tensor& view, Ref<Node> function)
      : part_(base, view), base_{layout::geometry_of(base)}, function_(std::move(function)) {
    function_->outer = this;
    exclusive = function_->exclusive;
  }
  ~CopySlices() override { function_->outer = nullptr; }
  const char* name() const override { return "CopySlices"; }
  // A node that gives the gradient of the changed view to the base.
  Ref<Node> part() const { return part_.node(); }
  void apply(std::span<const Tensor> grads, std::span<Tensor> out) override {
    if (!grads[0].defined()) return;
    const Tensor result = empty_strided(base_.sizes, base_.strides, grads[0].dtype(), grads[0].device());
    copy_(result, part_.of_memory(grads[0]));
    const Tensor slice = as_strided(part_.paired_base ? view_as_real(result) : result, part_.view.sizes,
                                    part_.view.strides, part_.view.offset - part_.base.offset);
    const Tensor arrived = part_.to_view(slice);
    std::vector<Tensor> inner(edges.size());
    function_->apply({&arrived, 1}, inner);
    if (!edges.begin()->node) {
      // Nobody asks for the gradient of the old base.
    } else if (inner[0].defined()) {
      copy_(slice, part_.to_base(inner[0]));
      out[0] = part_.of_memory(result);
    } else {
      zero_(slice);
      out[0] = part_.of_memory(result);
    }
    for (size_t i = 1; i < inner.size(); ++i) out[i] = std::move(inner[i]);
  }
  void release_saved() override { function_->release_saved(); }
  void inspect(Inspector& inspector) const override { inspector.node(function_); }

 private:
  Part part_;
  layout::Geometry base_;
  Ref<Node> function_;  // its edges are those of this node, so that it knows which gradients are wanted
};

// An operation that changes the base in place gives it a history only after its operands have been looked at, one of
// which may be a view of the same base: the version alone does not tell that the view's history is old.
uint64_t history_of_base(const Tensor& view) {
  if (!view.impl()->base) return 0;
  const AutogradMeta* meta = base_of(view).impl()->autograd;
  return meta && meta->grad_fn ? meta->grad_fn->sequence : 0;
}

// The name of a node as torch's messages have it: that of the operation.
std::string_view operation_of(const Node& node) {
  const std::string_view name = node.name();
  return name.substr(0, name.rfind("Backward"));
}

// Refuses an in-place change of a view that must not be changed. `indirect`: it happened to the base.
[[noreturn, gnu::noinline]] void fail_view_change(const TensorImpl& view, bool indirect) {
  const Node* node = view.autograd ? view.autograd->grad_fn.get() : nullptr;
  const bool inference = view.origin == ViewOrigin::Inference;
  Message m;
  const char* how = indirect ? " and its base or another view of its base has been modified inplace"
                             : " and is being modified inplace";
  if (lets_through(view) && node) {
    m << "Output " << view.autograd->slot << " of " << operation_of(*node) << " is a view" << how << ".";
  } else {
    if (node)
      m << "Output " << view.autograd->slot << " of " << operation_of(*node) << " is a view of a view which was";
    else
      m << "A view was";
    m << " created in " << (inference ? "inference" : "no_grad") << " mode" << how
      << (inference ? " in normal mode." : " with grad mode enabled.");
  }
  switch (view.origin) {
    case ViewOrigin::MultipleViews:
      m << " This view is the output of a function that returns multiple views. Such functions do not allow the output "
           "views to be modified inplace. You should replace the inplace operation by an out-of-place one.";
      break;
    case ViewOrigin::CustomFunction:
      m << " This view was created inside a custom Function (or because an input was returned as-is) and the autograd "
           "logic to handle view+inplace would override the custom backward associated with the custom Function, "
           "leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the "
           "custom Function.";
      break;
    default: {
      const char* block = inference ? "inference_mode" : "no_grad";
      m << " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by "
           "moving both the view and the inplace either both inside the "
        << block
        << " block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be "
           "tracked).";
    }
  }
  fail(m.text);
}

// A view made without recording must not be used in a graph once its base has changed.
[[gnu::noinline]] void check_unrecorded(const Tensor& view) {
  const TensorImpl& t = *view.impl();
  if (t.made_at == static_cast<uint16_t>(view.version()) || !is_differentiable(t.dtype)) return;
  // A view of one that was made a leaf has a history where its base has none.
  const bool own = t.autograd && t.autograd->grad_fn && t.autograd->attr_version != view.version();
  if (own || base_of(view).requires_grad()) fail_view_change(t, true);
}

// The grad_fn of a view whose base was changed since: the view is a strided part of what the base is now.
void regenerate(const Tensor& view, AutogradMeta& meta) {
  const Tensor base = base_of(view);
  if (view.impl()->origin != ViewOrigin::Plain) fail_view_change(*view.impl(), true);
  const Ref<Node> node = Part(base, view).node();
  const Tensor* inputs[1] = {&base};
  autograd::connect(*node, inputs);
  node->meta(0) = {view.dtype(), view.sizes()};
  set_node(view.impl(), meta, node, 0);
  meta.attr_version = view.version();
  meta.base_history = history_of_base(view);
}

}  // namespace

bool Tensor::requires_grad() const {
  const TensorImpl& t = get();
  if (t.autograd && (t.autograd->requires_grad || t.autograd->grad_fn)) return true;
  // Also of a view that was not recorded, as torch has it, although no gradient leaves it.
  return t.base && is_differentiable(t.dtype) && base_of(*this).requires_grad();
}

const Tensor& Tensor::set_requires_grad(bool value) const {
  if (value && !is_differentiable(dtype()))
    fail("Only Tensors of floating point and complex dtype can require gradients");
  if (value && requires_grad() && impl_->autograd && impl_->autograd->grad_fn) return *this;
  // Of a view that is not plain grad_fn() may refuse to tell: what counts is whether it was recorded itself.
  if (impl_->origin == ViewOrigin::Plain ? !is_leaf() : impl_->autograd && impl_->autograd->grad_fn) {
    if (value) return *this;
    fail(
        "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
        "subgraph that doesn't require differentiation use var_no_grad = var.detach().");
  }
  if (value && impl_->inference && !InferenceMode::enabled())
    fail("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  if (value || impl_->autograd) meta_of(*this).requires_grad = value;
  return *this;
}

bool Tensor::is_leaf() const { return !grad_fn(); }

Ref<Node> Tensor::grad_fn() const {
  const TensorImpl& t = get();
  if (t.base) {
    if (lets_through(t) && is_differentiable(t.dtype) && base_of(*this).requires_grad()) {
      if (!t.autograd || !t.autograd->grad_fn) {
        // Made before its base required grad: no gradient goes there, as in torch, until one of them changes.
        if (t.made_at == static_cast<uint16_t>(version())) return {};
        // A view that was made a leaf stays one until an operation gives its base a history.
        if (t.origin == ViewOrigin::Plain && t.autograd && t.autograd->requires_grad &&
            history_of_base(*this) <= t.autograd->base_history)
          return {};
      }
      AutogradMeta& meta = meta_of(*this);
      if (!meta.grad_fn || meta.attr_version != version() || history_of_base(*this) > meta.base_history)
        regenerate(*this, meta);
      return meta.grad_fn;
    }
    if (!lets_through(t))
      check_unrecorded(*this);
    else if (t.origin != ViewOrigin::Plain && t.autograd && t.autograd->grad_fn &&
             t.autograd->attr_version != version()) [[unlikely]]
      fail_view_change(t, true);  // the leaf is a view itself: its base requires no grad
  }
  return t.autograd ? t.autograd->grad_fn : Ref<Node>();
}

Tensor Tensor::grad() const { return get().autograd ? get().autograd->grad : Tensor(); }

void Tensor::set_grad(const Tensor& g) const {
  if (!g.defined()) {
    // Dropped at the end: freeing it may run code that looks here.
    Tensor old;
    if (get().autograd) old = std::exchange(impl_->autograd->grad, Tensor());
    return;
  }
  if (g.dtype() != dtype())
    fail("attempting to assign a gradient with dtype '", name(g.dtype()), "' to a tensor with dtype '", name(dtype()),
         "'. Please ensure that the gradient and the tensor have the same dtype");
  if (!equal(g.sizes(), sizes()))
    fail("attempting to assign a gradient of size '", g.sizes(), "' to a tensor of size '", sizes(),
         "'. Please ensure that the gradient and the tensor are the same size");
  const Tensor old = std::exchange(meta_of(*this).grad, resolve_lazy(g));
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  autograd::backward({this, 1}, {&gradient, 1}, retain_graph, create_graph);
}

namespace autograd {

void fail_graph_freed() {
  fail(
      "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
      "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
      "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
      "saved "
      "tensors after calling backward.");
}

bool needs(std::span<const Tensor> tensors) {
  if (!GradMode::enabled()) return false;
  for (const Tensor& t : tensors)
    if (t.defined() && t.requires_grad()) return true;
  return false;
}

Edge edge_of(const Tensor& t) {
  if (!t.defined()) return {};
  if (Ref<Node> fn = t.grad_fn()) return {std::move(fn), t.impl()->autograd->slot};
  AutogradMeta* meta = t.impl()->autograd;
  if (!meta || !meta->requires_grad) return {};
  return {accumulator_of(t), 0};
}

void connect(Node& node, std::span<const Tensor* const> inputs) {
  node.edges.resize(inputs.size());
  bool python = packs_saved();
  for (size_t i = 0; i < inputs.size(); ++i) {
    node.edges[i] = edge_of(*inputs[i]);
    if (node.edges[i].node) python |= node.edges[i].node->python_below;
  }
  node.python_below = python;
  settle(node);
  if (g_anomaly.load(std::memory_order_relaxed)) [[unlikely]]
    note_recorded(node);
}

void set_history(const Tensor& result, const Ref<Node>& node, uint32_t slot) {
  if (!result.defined() || !is_differentiable(result.dtype())) return;
  AutogradMeta& meta = meta_of(result);
  set_node(result.impl(), meta, node, slot);
  meta.attr_version = result.version();
  meta.base_history = history_of_base(result);
  node->meta(slot) = {result.dtype(), result.sizes()};
}

void set_history_of_saved(const Tensor& result, Node& owner, uint32_t slot) {
  if (!is_differentiable(result.dtype())) return;
  AutogradMeta& meta = meta_of(result);
  if (!owner.outer) {
    set_node(result.impl(), meta, Ref<Node>(&owner), slot);
    return;
  }
  // The result is a view that was changed in place: a part of what the base became.
  auto* slices = static_cast<CopySlices*>(owner.outer);
  const Ref<Node> node = slices->part();
  node->edges.resize(1);
  node->edges[0] = {Ref<Node>(slices), 0};
  settle(*node);
  node->meta(0) = {result.dtype(), result.sizes()};
  set_node(result.impl(), meta, node, 0);
}

void set_edge(const Tensor& t, const Edge& edge) {
  AutogradMeta& meta = meta_of(t);
  if (edge.node->sequence != 0) {
    set_node(t.impl(), meta, edge.node, edge.slot);
    return;
  }
  meta.requires_grad = true;
  meta.accumulator = edge.node.get();
  meta.accumulator->retain();
  meta.owns_accumulator = true;
}

void forget_accumulator(const Tensor& leaf) {
  if (AutogradMeta* meta = leaf.impl()->autograd; meta && !meta->owns_accumulator) meta->accumulator = nullptr;
}

void detach_(const Tensor& t) {
  if (t.impl()->base && !InferenceMode::enabled())
    fail(
        "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
        "training, "
        "and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be "
        "called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
        "torch/optim/optimizer.py as a solution.");
  AutogradMeta* meta = t.impl()->autograd;
  if (!meta) return;
  set_node(t.impl(), *meta, {}, 0);
  meta->requires_grad = false;
  meta->retains_grad = false;
}

void rebase_history(const Tensor& t, const Ref<Node>& node) {
  if (!t.impl()->base || !lets_through(*t.impl())) {
    set_history(t, node);
    return;
  }
  const Tensor base = base_of(t);
  node->meta(0) = {t.dtype(), t.sizes()};
  auto slices = Ref<Node>::adopt(new CopySlices(base, t, node));
  node->edges[0] = edge_of(base);
  slices->edges.resize(node->edges.size());
  for (size_t i = 0; i < node->edges.size(); ++i) slices->edges[i] = node->edges[i];
  slices->python_below = node->python_below || (node->edges[0].node && node->edges[0].node->python_below);
  settle(*slices);
  set_history(base, slices);
  // The view's own history is stale now: it follows the base.
  AutogradMeta& meta = meta_of(t);
  meta.requires_grad = false;
  if (meta.retains_grad)
    regenerate(t, meta);
  else
    set_node(t.impl(), meta, {}, 0);
}

void check_inplace(const Tensor& t, bool recorded) {
  static_cast<void>(t.dtype());  // Error where it is undefined
  const TensorImpl& impl = *t.impl();
  if (impl.inference && !InferenceMode::enabled())
    fail(
        "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal "
        "tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.");
  if ((!impl.base && !impl.autograd) || !GradMode::enabled()) return;
  const bool own = t.requires_grad();
  if (impl.base && (own || (recorded && is_differentiable(impl.dtype)))) {
    if (impl.origin != ViewOrigin::Plain) fail_view_change(impl, false);
    // The leaf may be the base or a view between: an operation would rebase the history of the base, past such a leaf.
    if (own && !base_of(t).grad_fn())
      fail("a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
  if (own && impl.autograd && impl.autograd->requires_grad && !impl.autograd->grad_fn)
    fail("a leaf Variable that requires grad is being used in an in-place operation.");
}

uint64_t add_tensor_hook(const Tensor& t, TensorHook hook) {
  if (!t.requires_grad()) fail("cannot register a hook on a tensor that doesn't require gradient");
  const uint64_t id = next_hook_id();
  if (const Ref<Node> fn = t.grad_fn())
    hooks_of(*fn).tensor_pre.push_back({t.impl()->autograd->slot, id, std::move(hook)});
  else
    meta_of(t).hooks.emplace_back(id, std::move(hook));
  return id;
}

void remove_tensor_hook(const Tensor& t, uint64_t id) {
  if (const Ref<Node> fn = t.grad_fn(); fn && fn->hooks)
    std::erase_if(fn->hooks->tensor_pre, [&](const auto& h) { return h.id == id; });
  if (t.impl()->autograd) std::erase_if(t.impl()->autograd->hooks, [&](const auto& h) { return h.first == id; });
}

void retain_grad(const Tensor& t) {
  if (!t.requires_grad()) fail("can't retain_grad on Tensor that has requires_grad=False");
  const Ref<Node> fn = t.grad_fn();
  if (!fn) return;
  AutogradMeta& meta = meta_of(t);
  if (meta.retains_grad) return;
  NodeHooks& hooks = hooks_of(*fn);
  const HistoryLock lock;
  meta.retains_grad = true;
  hooks.retain.emplace_back(meta.slot, t.impl());
}

}  // namespace autograd

void forget_retained(TensorImpl& t) {
  if (!t.autograd->retains_grad || !t.autograd->grad_fn || !t.autograd->grad_fn->hooks) return;
  const HistoryLock lock;
  std::erase_if(t.autograd->grad_fn->hooks->retain, [&](const auto& entry) { return entry.second == &t; });
}

}  // namespace rushlight
