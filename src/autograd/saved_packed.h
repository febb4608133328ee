// Saved tensors behind hooks (saved_hooks.cpp), as SavedTensor sees them.
#pragma once

#include <atomic>
#include <optional>

#include "autograd/hooks.h"

namespace rushlight {

// How many hooks all threads have: 0 for most programs, which then pay for one load.
extern std::atomic<int> g_saved_tensor_hooks;

// The version of a SavedTensor whose tensor is a stand-in for a packed one.
inline constexpr uint32_t kPackedVersion = 0xFFFFFFFF;

// The stand-in, if this thread has hooks.
std::optional<Tensor> pack_saved(const Tensor& tensor, bool is_result);
Tensor unpack_saved(const Tensor& stand_in, Node& owner, bool is_result, uint32_t slot);

}  // namespace rushlight
