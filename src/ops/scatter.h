// What the scattering operations share.
#pragma once

#include "ops/index.h"

namespace rushlight {

enum class Reduce : uint8_t { None, Add, Multiply, Maximum, Minimum };

// Dtypes and shapes of self, index and source (null: a number). dim is not negative.
void check_scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* source);

// NotImplementedError where the dtype has none.
cpu::Loop scatter_loop(Reduce reduce, DType dtype);

// self[index] = or op= source (null: value). index is int64. check: raises for the first index outside, with self
// partly written.
void run_scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* source, const Scalar& value,
                 Reduce reduce, bool check);

// The part of `t` that an index of this shape reaches.
Tensor corner(const Tensor& t, IntSpan shape);
// The other way: `part` in the corner of a tensor of zeros. Differentiable.
Tensor from_corner(const Tensor& part, IntSpan sizes);

}  // namespace rushlight
