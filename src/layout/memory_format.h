// Strides of memory formats.
#pragma once

#include "layout/layout.h"
#include "rushlight/shape.h"

#pragma GCC visibility push(default)

namespace rushlight::layout {

// Strides of a dense tensor in this format. RuntimeError where the number of dims does not fit, and for Preserve.
DimVector format_strides(IntSpan sizes, MemoryFormat format);
// Dense with dim 1 innermost. 4 dims, or 5 for ChannelsLast3d; false for other numbers of dims.
bool is_channels_last_dense(IntSpan sizes, IntSpan strides, MemoryFormat format);
// The strides rise from dim 1 over the last dim to dim 0, gaps allowed: the order that operations hand on. 4 or 5 dims.
bool is_channels_last_like(IntSpan sizes, IntSpan strides);

}  // namespace rushlight::layout

#pragma GCC visibility pop
