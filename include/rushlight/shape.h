// Operations on shape and memory order beyond those of ops.h.
#pragma once

#include "rushlight/ops.h"

namespace rushlight {

// Which dims lie inside which others in memory. ChannelsLast is for 4 dims (N, C, H, W), ChannelsLast3d for 5: dim 1 is
// the innermost one. Preserve: the order of the dims of the operand.
enum class MemoryFormat : uint8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };

// ---- memory formats (memory_format.cpp). RuntimeError where the number of dims does not fit the format.
Tensor empty(IntSpan sizes, OptDType dtype, Device device, MemoryFormat format);
Tensor empty_like(const Tensor& self, OptDType dtype, MemoryFormat format);

}  // namespace rushlight
