#include "rushlight/saved_hooks.h"

#include "autograd/saved_packed.h"
#include "rushlight/ops.h"

namespace rushlight {

std::atomic<int> g_saved_tensor_hooks{0};

namespace {

struct ThreadHooks {
  std::vector<std::shared_ptr<SavedTensorHooks>> stack;
  std::optional<std::string> disabled;
};
thread_local ThreadHooks g_hooks;

// The content of the storage that stands for a packed tensor.
struct Packed {
  std::shared_ptr<SavedTensorHooks> hooks;
  std::shared_ptr<void> value;
  Edge edge;  // where gradients of the tensor go; empty for results of the node that saves them
  DType dtype;
  DimVector sizes;
  bool contiguous;
};

void drop_packed(void* context, void*, size_t) { delete static_cast<Packed*>(context); }

}  // namespace

std::optional<Tensor> pack_saved(const Tensor& tensor, bool is_result) {
  if (g_hooks.stack.empty()) return {};
  auto packed = std::make_unique<Packed>();
  packed->hooks = g_hooks.stack.back();
  if (!is_result && tensor.requires_grad()) packed->edge = autograd::edge_of(tensor);
  packed->dtype = tensor.dtype();
  packed->sizes = tensor.sizes();
  packed->contiguous = tensor.is_contiguous();
  {
    NoGradGuard no_grad;
    const uint32_t before = tensor.version();
    packed->value = packed->hooks->pack(tensor);
    if (tensor.version() != before)
      fail(
          "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
          "modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you "
          "need to perform in-place operations on the input to a pack hook.");
  }
  Packed* const content = packed.release();
  const Ref<Storage> storage = Storage::wrap(content, 0, Device{}, drop_packed, content);
  const int64_t sizes[1] = {0};
  return Tensor::adopt(TensorImpl::create_contiguous(storage, DType::UInt8, sizes, 0));
}

Tensor unpack_saved(const Tensor& stand_in, Node& owner, bool is_result, uint32_t slot) {
  const Packed& packed = *reinterpret_cast<const Packed*>(stand_in.storage()->data());
  Tensor t = packed.hooks->unpack(packed.value);
  if (!t.defined()) return t;
  if (t.dtype() != packed.dtype || !equal(t.sizes(), packed.sizes))
    fail("the unpack hook of a saved tensor of dtype ", packed.dtype, " and shape ", IntSpan(packed.sizes),
         " has returned one of dtype ", t.dtype(), " and shape ", t.sizes());
  {
    NoGradGuard no_grad;
    t = share(packed.contiguous ? contiguous(t) : t);  // derivatives may rely on it
  }
  if (!GradMode::enabled()) return t;
  if (is_result) {
    autograd::set_history_of_saved(t, owner, slot);
  } else if (packed.edge.node) {
    auto pass = [](autograd::Grads& g) { g[0] = g.grad(); };
    auto node = Ref<Node>::adopt(new autograd::FunctionNode<decltype(pass)>("AliasBackward0", pass, 1));
    node->edges.resize(1);
    node->edges[0] = packed.edge;
    autograd::set_history(t, node);
  }
  return t;
}

namespace autograd {

void push_saved_tensor_hooks(std::shared_ptr<SavedTensorHooks> hooks) {
  if (g_hooks.disabled) fail(*g_hooks.disabled);
  g_hooks.stack.push_back(std::move(hooks));
  ++g_saved_tensor_hooks;
}

void pop_saved_tensor_hooks() {
  if (g_hooks.stack.empty()) fail("there are no hooks of saved tensors to remove");
  const auto last = std::move(g_hooks.stack.back());  // its destructor may run Python code
  g_hooks.stack.pop_back();
  --g_saved_tensor_hooks;
}

std::optional<std::string> disable_saved_tensor_hooks(std::optional<std::string> message) {
  if (message && !g_hooks.stack.empty())
    fail("the hooks of saved tensors cannot be disabled while there are some: ", *message);
  std::swap(g_hooks.disabled, message);
  return message;
}

}  // namespace autograd

}  // namespace rushlight
