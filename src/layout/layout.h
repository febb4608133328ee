// Pure functions on sizes, strides and offsets. They touch no data; all of them check overflow and bounds.
#pragma once

#include <optional>

#include "rushlight/small_vector.h"
#include "rushlight/tensor.h"

#pragma GCC visibility push(default)

namespace rushlight::layout {

// Sizes, strides and offset of a view before it becomes a tensor.
struct Geometry {
  DimVector sizes;
  DimVector strides;
  int64_t offset = 0;
};

inline Geometry geometry_of(const Tensor& t) { return {t.sizes(), t.strides(), t.storage_offset()}; }

// Product of the sizes. RuntimeError for negative sizes and for products (times item_size) beyond int64.
int64_t checked_numel(IntSpan sizes, int64_t item_size = 1);
// Row-major strides as torch gives them: a size of 0 counts as 1.
DimVector contiguous_strides(IntSpan sizes);
bool is_contiguous(IntSpan sizes, IntSpan strides, int64_t numel);
// Some permutation of the dims is contiguous.
bool is_non_overlapping_and_dense(IntSpan sizes, IntSpan strides);
// Strides of a dense tensor with the dims in the memory order of (sizes, strides); what torch calls preserve_format.
DimVector dense_strides_like(IntSpan sizes, IntSpan strides);

// Elements of storage that the geometry needs, counted from element 0. Checks overflow.
int64_t required_elements(IntSpan sizes, IntSpan strides, int64_t offset);
// Raises as torch's as_strided unless the geometry is well formed and lies within `nbytes` of storage.
void check_bounds(const char* operation, IntSpan sizes, IntSpan strides, int64_t offset, int64_t item_size,
                  size_t nbytes);

// Replaces one -1 in `shape` so that it has numel elements. RuntimeError "shape '[4, 2]' is invalid for input of size
// 6".
DimVector infer_size(IntSpan shape, int64_t numel);
// Strides under which the same memory has `shape`, if they exist.
std::optional<DimVector> view_strides(IntSpan sizes, IntSpan strides, IntSpan shape);

// Common shape of two operands. RuntimeError "The size of tensor a (4) must match the size of tensor b (3) at
// non-singleton dimension 1".
DimVector broadcast_shapes(IntSpan a, IntSpan b);
bool is_expandable_to(IntSpan shape, IntSpan desired);
// Strides of `sizes` seen under the broadcast shape; the new and repeated dims have stride 0.
DimVector broadcast_strides(IntSpan sizes, IntSpan strides, IntSpan shape);

Geometry expand(const Tensor& t, IntSpan sizes);
Geometry permute(const Tensor& t, IntSpan dims);
Geometry transpose(const Tensor& t, int64_t dim0, int64_t dim1);
Geometry select(const Tensor& t, int64_t dim, int64_t index);
// start and end as in Python: negative values count from the end, everything is clamped.
Geometry slice(const Tensor& t, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step);
Geometry squeeze(const Tensor& t, std::optional<IntSpan> dims);
Geometry unsqueeze(const Tensor& t, int64_t dim);
Geometry diagonal(const Tensor& t, int64_t offset, int64_t dim1, int64_t dim2);
Geometry unfold(const Tensor& t, int64_t dim, int64_t size, int64_t step);

// What works on sets of dims takes tensors of at most this many, as in torch; RuntimeError beyond.
inline constexpr int64_t kMaxSetDims = 64;
void check_set_dims(int64_t ndim);
// Dims wrapped to [0, ndim) as a bit set; RuntimeError where one appears twice.
uint64_t dim_set(IntSpan dims, int64_t ndim, const char* what = "dim");

// Two elements of the tensor may share an address.
bool may_self_overlap(IntSpan sizes, IntSpan strides);
enum class Overlap { None, Full, Partial };
// Whether the memory of two tensors meets; Full means the same elements in the same order. Exact, except that very
// entangled strides count as meeting.
Overlap overlap(const Tensor& a, const Tensor& b);
// Raises unless every element of `t` has an address of its own; called before writing.
void check_writable(const Tensor& t);
void check_not_read_only(const Tensor& t);

}  // namespace rushlight::layout

namespace rushlight {
// A view of self with this geometry (already checked), tracked by autograd as one.
Tensor make_view(const Tensor& self, const layout::Geometry& geometry);
// Gradient of a strided view with respect to its base.
Tensor as_strided_backward(const Tensor& grad, const layout::Geometry& base, const layout::Geometry& view);
}  // namespace rushlight

#pragma GCC visibility pop
