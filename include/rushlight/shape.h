// Operations that rearrange, split, stack and build tensors, and memory formats. Views and joins in general are in
// ops.h.
#pragma once

#include <string_view>

#include "rushlight/ops.h"

#pragma GCC visibility push(default)

namespace rushlight {

// Which dims lie inside which others in memory. ChannelsLast is for 4 dims (N, C, H, W), ChannelsLast3d for 5: dim 1 is
// the innermost one. Preserve: the order of the dims of the operand.
enum class MemoryFormat : uint8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };

// ---- memory formats (memory_format.cpp). RuntimeError where the number of dims does not fit the format.
Tensor empty(IntSpan sizes, OptDType dtype, Device device, MemoryFormat format);
Tensor empty_like(const Tensor& self, OptDType dtype, MemoryFormat format);
Tensor clone(const Tensor& self, MemoryFormat format);
Tensor contiguous(const Tensor& self, MemoryFormat format);
// The tensor itself where neither dtype nor format changes.
Tensor to(const Tensor& self, DType dtype, bool copy, MemoryFormat format);
bool is_contiguous(const Tensor& self, MemoryFormat format);
const Tensor& resize_(const Tensor& self, IntSpan sizes, MemoryFormat format);
// ChannelsLast or ChannelsLast3d where the strides of self say so, else Contiguous.
MemoryFormat suggested_format(const Tensor& self);

// ---- order of elements (rearrange.cpp)
Tensor fliplr(const Tensor& self);
Tensor flipud(const Tensor& self);
// k quarter turns from dims[0] towards dims[1].
Tensor rot90(const Tensor& self, int64_t k = 1, IntSpan dims = DimVector{0, 1});
// Shifts along dims, wrapping around; without dims along the flattened tensor.
Tensor roll(const Tensor& self, IntSpan shifts, IntSpan dims = {});
// Copies of self side by side; repeat needs one count per dim, tile puts 1 before missing ones.
Tensor repeat(const Tensor& self, IntSpan repeats);
Tensor tile(const Tensor& self, IntSpan repeats);
// pad: (before, after) of the last dim, then of the one before it ...; negative values cut off.
Tensor constant_pad_nd(const Tensor& self, IntSpan pad, const Scalar& value = 0);
Tensor ravel(const Tensor& self);
// A result without other owners under another shape; no view for autograd.
Tensor unsafe_view(const Tensor& fresh, IntSpan sizes);

// ---- diagonals and triangles (diagonal.cpp). offset > 0: above the main diagonal.
Tensor diag(const Tensor& self, int64_t offset = 0);
Tensor diag_embed(const Tensor& self, int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1);
Tensor diagflat(const Tensor& self, int64_t offset = 0);
Tensor tril(const Tensor& self, int64_t diagonal = 0);
Tensor triu(const Tensor& self, int64_t diagonal = 0);
const Tensor& tril_(const Tensor& self, int64_t diagonal = 0);
const Tensor& triu_(const Tensor& self, int64_t diagonal = 0);
Tensor trace(const Tensor& self);

// ---- parts (split.cpp)
TensorList tensor_split(const Tensor& self, int64_t sections, int64_t dim = 0);
TensorList tensor_split(const Tensor& self, IntSpan indices, int64_t dim = 0);
// Along dim 1 (0 of vectors), 0 and 2, into equal sections or at indices.
TensorList hsplit(const Tensor& self, int64_t sections);
TensorList hsplit(const Tensor& self, IntSpan indices);
TensorList vsplit(const Tensor& self, int64_t sections);
TensorList vsplit(const Tensor& self, IntSpan indices);
TensorList dsplit(const Tensor& self, int64_t sections);
TensorList dsplit(const Tensor& self, IntSpan indices);
// The same memory, but no views for autograd: the parts may be changed in place without a trace in the whole.
TensorList unsafe_split(const Tensor& self, int64_t split_size, int64_t dim = 0);
TensorList unsafe_split_with_sizes(const Tensor& self, IntSpan sizes, int64_t dim = 0);
TensorList unsafe_chunk(const Tensor& self, int64_t chunks, int64_t dim = 0);

// ---- stacking (stack.cpp)
Tensor atleast_1d(const Tensor& self);
Tensor atleast_2d(const Tensor& self);
Tensor atleast_3d(const Tensor& self);
Tensor hstack(std::span<const Tensor> tensors);
Tensor vstack(std::span<const Tensor> tensors);
Tensor dstack(std::span<const Tensor> tensors);
Tensor column_stack(std::span<const Tensor> tensors);
const Tensor& hstack_out(const Tensor& out, std::span<const Tensor> tensors);
const Tensor& vstack_out(const Tensor& out, std::span<const Tensor> tensors);
const Tensor& dstack_out(const Tensor& out, std::span<const Tensor> tensors);
const Tensor& column_stack_out(const Tensor& out, std::span<const Tensor> tensors);

// ---- all pairs (blocks.cpp)
Tensor block_diag(std::span<const Tensor> tensors);
// indexing: "ij", or "xy" for the first two dims swapped.
TensorList meshgrid(std::span<const Tensor> tensors, std::string_view indexing = "ij");
Tensor cartesian_prod(std::span<const Tensor> tensors);
Tensor combinations(const Tensor& self, int64_t r = 2, bool with_replacement = false);
Tensor kron(const Tensor& self, const Tensor& other);

// ---- copies of self with a view of it replaced by src (view_scatter.cpp)
Tensor select_scatter(const Tensor& self, const Tensor& src, int64_t dim, int64_t index);
Tensor slice_scatter(const Tensor& self, const Tensor& src, int64_t dim = 0, OptInt start = {}, OptInt end = {},
                     int64_t step = 1);
Tensor diagonal_scatter(const Tensor& self, const Tensor& src, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
Tensor as_strided_scatter(const Tensor& self, const Tensor& src, IntSpan sizes, IntSpan strides,
                          OptInt storage_offset = {});
// A row-major copy of a view that counts as one operation: what torch calls <view>_copy.
Tensor copy_of_view(const char* node, const Tensor& view);

}  // namespace rushlight

#pragma GCC visibility pop
