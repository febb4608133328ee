// Lazy conjugation: tensors that share memory with the tensor whose conjugate they are.
#pragma once

#include "rushlight/tensor.h"

#pragma GCC visibility push(default)

namespace rushlight {

// The conjugate as a view: the same memory with the conjugate bit toggled; real tensors are returned as they are.
// Kernels refuse tensors with the bit: pass them on as resolve_conj(). conj() of ops.h copies and never sets the bit.
Tensor lazy_conj(const Tensor& self);
// A copy without the conjugate bit, or self where it is not set. Gradients flow through.
Tensor resolve_conj(const Tensor& self);

}  // namespace rushlight

#pragma GCC visibility pop
