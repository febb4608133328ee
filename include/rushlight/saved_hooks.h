// Hooks around the tensors that derivatives keep: what is stored in their place, and what it becomes again.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "rushlight/autograd.h"

namespace rushlight {

class SavedTensorHooks {
 public:
  virtual ~SavedTensorHooks() = default;
  // What to keep instead of the tensor; called without recording when an operation saves it.
  virtual std::shared_ptr<void> pack(const Tensor& tensor) = 0;
  // A tensor of the same shape and dtype; called when a derivative needs it.
  virtual Tensor unpack(const std::shared_ptr<void>& packed) = 0;
};

namespace autograd {
// The innermost hooks of this thread see every tensor that is saved from now on. RuntimeError while disabled.
void push_saved_tensor_hooks(std::shared_ptr<SavedTensorHooks> hooks);
void pop_saved_tensor_hooks();
// With a message: pushing hooks fails with it, on this thread. Returns what was set before.
std::optional<std::string> disable_saved_tensor_hooks(std::optional<std::string> message);
}  // namespace autograd

}  // namespace rushlight
