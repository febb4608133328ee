#include "layout/memory_format.h"

namespace rushlight::layout {

namespace {

// Calls f for the dims from the innermost one outwards.
template <class F>
void for_channels_last(int64_t ndim, F f) {
  f(1);
  for (int64_t d = ndim - 1; d >= 2; --d) f(d);
  f(0);
}

}  // namespace

DimVector format_strides(IntSpan sizes, MemoryFormat format) {
  if (format == MemoryFormat::Contiguous) return contiguous_strides(sizes);
  if (format == MemoryFormat::Preserve) fail("unsupported memory format Preserve");
  const size_t rank = format == MemoryFormat::ChannelsLast ? 4 : 5;
  if (sizes.size() != rank)
    fail("required rank ", rank, " tensor to use channels_last", rank == 5 ? "_3d" : "", " format");
  DimVector strides(static_cast<int64_t>(rank));
  uint64_t step = 1;  // overflows only for tensors without elements
  for_channels_last(strides.size(), [&](int64_t d) {
    strides[d] = static_cast<int64_t>(step & INT64_MAX);
    step *= static_cast<uint64_t>(sizes[d]);
  });
  return strides;
}

bool is_channels_last_dense(IntSpan sizes, IntSpan strides, MemoryFormat format) {
  if (sizes.size() != (format == MemoryFormat::ChannelsLast ? 4u : 5u)) return false;
  uint64_t expected = 1;
  bool dense = true;
  for_channels_last(static_cast<int64_t>(sizes.size()), [&](int64_t d) {
    if (sizes[d] == 1) return;
    dense = dense && static_cast<uint64_t>(strides[d]) == expected;
    expected *= static_cast<uint64_t>(sizes[d]);
  });
  return dense;
}

bool is_channels_last_like(IntSpan sizes, IntSpan strides) {
  const int64_t n = static_cast<int64_t>(sizes.size());
  if ((n != 4 && n != 5) || strides[1] == 0) return false;
  int64_t least = 0;
  bool rising = true;
  for_channels_last(n, [&](int64_t d) {
    if (!rising || sizes[d] == 0 || strides[d] < least) {
      rising = false;
      return;
    }
    // Without it, a tensor of 1 channel and 1 x 1 images would be both.
    if (d == 0 && least == strides[1]) {
      rising = false;
      return;
    }
    least = strides[d];
    if (sizes[d] > 1 && __builtin_mul_overflow(least, sizes[d], &least)) rising = false;
  });
  return rising;
}

}  // namespace rushlight::layout
