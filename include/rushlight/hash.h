// A checksum of the elements.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// The bits of all elements over dims (default: all), combined by exclusive or, as uint64: floating-point elements as
// float64, others as int64.
Tensor hash_tensor(const Tensor& self, OptSpan dims = {}, bool keepdim = false);

}  // namespace rushlight

#pragma GCC visibility pop
