// Tensors kept for backward, and the hooks that pack them.
#include "autograd/hooks.h"
#include "rushlight/graph.h"
#include "rushlight/memory.h"

namespace rushlight {

namespace {

// The hooks of all threads together: while there are none, saving a tensor asks no thread for its own.
constinit std::atomic<int64_t> g_pack_hooks{0};

struct PackHooks {
  ~PackHooks() { g_pack_hooks.fetch_sub(static_cast<int64_t>(stack.size()), std::memory_order_relaxed); }
  std::vector<PackHook> stack;
  std::optional<std::string> forbidden;
};
PackHooks& own_hooks() {
  thread_local PackHooks hooks;
  return hooks;
}

// Apart, so that the way without hooks stays short.
[[gnu::noinline]] const PackHook* own_pack_hook() {
  const auto& stack = own_hooks().stack;
  return stack.empty() ? nullptr : &stack.back();
}
// The innermost hook of this thread, null without one.
const PackHook* pack_hook() { return g_pack_hooks.load(std::memory_order_relaxed) == 0 ? nullptr : own_pack_hook(); }

constinit thread_local Inspector* t_told RUSHLIGHT_TLS_INITIAL_EXEC = nullptr;

[[noreturn, gnu::noinline]] void fail_inference() {
  fail(
      "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
      "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it "
      "in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.");
}

// slot: of the owner whose result it is, -1 for others.
[[noreturn, gnu::noinline]] void fail_changed(const Tensor& t, const Node& owner, int64_t slot, uint32_t expected) {
  Message origin;
  if (slot >= 0)
    origin << ", which is output " << slot << " of " << owner.name() << ",";
  else if (const Ref<Node> fn = t.grad_fn())
    origin << ", which is output " << t.impl()->autograd->slot << " of " << fn->name() << ",";
  else if (t.requires_grad())
    origin << ", which is a leaf,";
  const char* operation = t.impl()->version->operation.load(std::memory_order_relaxed);
  fail("one of the variables needed for gradient computation has been modified by an inplace operation: [",
       tensor_type_name(t.dtype()), " ", t.sizes(), "]", origin.text, " is at version ", t.version(),
       "; expected version ", expected, " instead. It was last changed by ", operation ? operation : "?",
       "(). Hint: the backtrace of the forward pass shows where; clone() the tensor before that operation.");
}

[[noreturn, gnu::noinline]] void fail_detached() {
  fail(
      "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, "
      "please use out-of-place `.detach()` instead");
}

const char* const kAfterFree =
    " after it has been freed. Saved intermediate values of the graph are freed when you call .backward() or "
    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need "
    "to access saved variables after calling backward.";

}  // namespace

void PackedTensor::release() {
  if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

SavedTensor::SavedTensor(const Tensor& tensor) : version_(tensor.version()) {
  const TensorImpl& impl = *tensor.impl();
  if (impl.inference) [[unlikely]]
    fail_inference();
  if (const PackHook* hook = pack_hook()) [[unlikely]] {
    pack(tensor, *hook);
    return;
  }
  tensor.impl()->retain();
  kept_ = tensor.impl();
  has_node_ = impl.autograd && impl.autograd->grad_fn;
}

SavedTensor::SavedTensor(const SavedTensor& other)
    : kept_(other.kept_),
      version_(other.version_),
      slot_(other.slot_),
      is_result_(other.is_result_),
      has_node_(other.has_node_),
      is_packed_(other.is_packed_) {
  if (!kept_) return;
  if (t_told) [[unlikely]] {
    kept_ = nullptr;
    t_told->saved(other);
    return;
  }
  if (is_packed_)
    static_cast<PackedTensor*>(kept_)->retain();
  else
    static_cast<TensorImpl*>(kept_)->retain();
}

SavedTensor SavedTensor::result(const Tensor& tensor, uint32_t slot) {
  SavedTensor saved;
  saved.version_ = tensor.version();
  saved.slot_ = slot;
  saved.is_result_ = true;
  if (const PackHook* hook = pack_hook()) [[unlikely]]
    saved.pack(tensor, *hook);
  else
    saved.kept_ = share(tensor).release();
  return saved;
}

[[gnu::noinline]] void SavedTensor::pack(const Tensor& tensor, const PackHook& given) {
  const PackHook hook = given;  // it may take itself off the stack
  auto packed = Ref<PackedTensor>::adopt(new PackedTensor);
  if (!is_result_) packed->edge = autograd::edge_of(tensor);
  NoGradGuard no_grad;
  const uint32_t before = tensor.version();
  // The result belongs to the node that keeps what the hook makes of it.
  packed->unpack = hook(is_result_ ? share(tensor) : tensor);
  if (tensor.version() != before)
    fail(
        "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
        "modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you need "
        "to perform in-place operations on the input to a pack hook.");
  reset();
  is_packed_ = true;
  kept_ = packed.detach();
}

void SavedTensor::pack(const PackHook& hook) {
  if (is_packed_)
    fail(
        "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is "
        "allowed at a time.");
  if (!kept_) fail("Calling register_hooks on a saved tensor", kAfterFree);
  const Tensor tensor(Ref<TensorImpl>(static_cast<TensorImpl*>(kept_)));
  if (is_result_) {
    pack(tensor, hook);
  } else {
    // Here torch hands out the values without their history.
    const Edge edge = autograd::edge_of(tensor);
    pack(share(tensor), hook);
    static_cast<PackedTensor*>(kept_)->edge = edge;
  }
}

Tensor SavedTensor::unpack_packed(const Node& owner) const {
  const Ref<PackedTensor> packed(static_cast<PackedTensor*>(kept_));  // the hook may free the graph
  const Tensor data = packed->unpack();
  if (is_result_) {
    if (!GradMode::enabled()) return data;
    Tensor t = share(data);
    autograd::set_history_of_saved(t, const_cast<Node&>(owner), slot_);
    return t;
  }
  if (!packed->edge.node && !data.requires_grad()) return data;
  Tensor t = share(data);
  if (packed->edge.node) autograd::set_edge(t, packed->edge);
  return t;
}

Tensor SavedTensor::unpack(const Node& owner) const {
  if (!kept_) return {};
  owner.unpacked = true;
  if (is_packed_) [[unlikely]]
    return unpack_packed(owner);
  Tensor kept(Ref<TensorImpl>(static_cast<TensorImpl*>(kept_)));
  if (kept.version() != version_) [[unlikely]]
    fail_changed(kept, owner, is_result_ ? static_cast<int64_t>(slot_) : -1, version_);
  if (has_node_ && !kept.impl()->base && !kept.impl()->autograd->grad_fn) [[unlikely]]
    fail_detached();
  if (!is_result_ || !GradMode::enabled()) return kept;
  Tensor t = share(kept);
  autograd::set_history_of_saved(t, const_cast<Node&>(owner), slot_);
  return t;
}

bool packs_saved() { return pack_hook() != nullptr; }

namespace autograd {

CopiesToldScope::CopiesToldScope(Inspector& inspector) { t_told = &inspector; }
CopiesToldScope::~CopiesToldScope() { t_told = nullptr; }

void push_pack_hook(PackHook hook) {
  PackHooks& own = own_hooks();
  if (own.forbidden) fail(*own.forbidden);
  own.stack.push_back(std::move(hook));
  g_pack_hooks.fetch_add(1, std::memory_order_relaxed);
}

void pop_pack_hook() {
  auto& stack = own_hooks().stack;
  if (stack.empty()) return;
  const PackHook last = std::move(stack.back());  // its end may run code that looks at the stack
  stack.pop_back();
  g_pack_hooks.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<std::string> forbid_pack_hooks(std::optional<std::string> text) {
  PackHooks& own = own_hooks();
  if (text && !own.stack.empty()) fail(*text);
  return std::exchange(own.forbidden, std::move(text));
}

const std::optional<std::string>& pack_hooks_forbidden() { return own_hooks().forbidden; }

std::vector<PackHook> pack_hooks() {
  if (g_pack_hooks.load(std::memory_order_relaxed) == 0) return {};
  return own_hooks().stack;
}

PackHookGuard::~PackHookGuard() {
  if (before_.empty() && g_pack_hooks.load(std::memory_order_relaxed) == 0) return;
  auto& stack = own_hooks().stack;
  g_pack_hooks.fetch_add(static_cast<int64_t>(before_.size()) - static_cast<int64_t>(stack.size()),
                         std::memory_order_relaxed);
  stack.swap(before_);
}

}  // namespace autograd
}  // namespace rushlight
