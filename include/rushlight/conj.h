// Lazy conjugation and negation: tensors that share memory with the tensor whose conjugate or negative they are.
#pragma once

#include "rushlight/tensor.h"

#pragma GCC visibility push(default)

namespace rushlight {

// The conjugate as a view: the same memory with the conjugate bit toggled; real tensors are returned as they are.
// Kernels refuse tensors with such a bit: pass them on as resolve_lazy(). conj() and neg() of ops.h copy and never set
// a bit.
Tensor lazy_conj(const Tensor& self);
// The negative as a view: the same memory with the negative bit toggled. imag() of a conjugate is such a view.
Tensor lazy_neg(const Tensor& self);
// A copy without lazy bits where the conjugate bit (the negative bit, either of them) is set, else self. Gradients flow
// through.
Tensor resolve_conj(const Tensor& self);
Tensor resolve_neg(const Tensor& self);
Tensor resolve_lazy(const Tensor& self);

}  // namespace rushlight

#pragma GCC visibility pop
