// Indexing with reductions and by positions: what ops.h leaves out of the family index.
#pragma once

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// Elements of source meet in the places of self that index names along dim, as in scatter. reduce: "sum", "prod",
// "mean", "amax" or "amin"; include_self: the old elements take part, too, else only places without any source keep
// them. Means of integers are rounded down.
Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                      std::string_view reduce, bool include_self = true);
const Tensor& scatter_reduce_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                              std::string_view reduce, bool include_self = true);
// The same for whole slices along dim, which a 1-d index names. Not "sum": that is index_add.
Tensor index_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, std::string_view reduce,
                    bool include_self = true);
const Tensor& index_reduce_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                            std::string_view reduce, bool include_self = true);

// gather() with self and indices broadcast in the other dims; indices may be negative. Without dim: of the flattened
// tensors.
Tensor take_along_dim(const Tensor& self, const Tensor& indices, OptInt dim = {});
// The coordinates of row-major positions within `shape`: int64, one tensor of the shape of indices per dim. Positions
// outside wrap around.
TensorList unravel_index(const Tensor& indices, IntSpan shape);

// nonzero() cut or filled up with fill_value to `size` rows.
Tensor nonzero_static(const Tensor& self, int64_t size, int64_t fill_value = -1);
// The columns of nonzero(); a 0-d tensor counts as 1-d.
TensorList where(const Tensor& condition);

// i, repeats[i] times, for all i: 1-d, of the dtype of repeats (int64 or int32). output_size: the sum, where known.
Tensor repeat_interleave(const Tensor& repeats, OptInt output_size = {});
// Every slice along dim repeated; without dim: the elements of the flattened tensor. A tensor of repeats has one per
// slice or one for all.
Tensor repeat_interleave(const Tensor& self, const Tensor& repeats, OptInt dim, OptInt output_size = {});
Tensor repeat_interleave(const Tensor& self, int64_t repeats, OptInt dim = {}, OptInt output_size = {});

}  // namespace rushlight

#pragma GCC visibility pop
