// Copies with a view replaced, and copies of views.
#include <algorithm>
#include <cstring>

#include "layout/layout.h"
#include "ops/elementwise.h"
#include "rushlight/shape.h"

namespace rushlight {

using autograd::Grads;
using layout::Geometry;

namespace {

// A copy with the strides and the offset of self; a plain clone where elements of self share memory. The whole storage
// is copied where a view may reach beyond self.
Tensor copy_of_memory(const char* operation, const Tensor& self, bool whole_storage) {
  check_cpu(operation, self);
  if (layout::may_self_overlap(self.sizes(), self.strides())) return clone(self);
  const int64_t item = self.item_size(), offset = self.storage_offset();
  const int64_t last = layout::required_elements(self.sizes(), self.strides(), offset);
  const int64_t held = static_cast<int64_t>(self.storage()->nbytes()) / item;
  const int64_t first = whole_storage ? 0 : offset, end = whole_storage ? std::max(last, held) : last;
  Tensor memory = empty(DimVector{end}, self.dtype(), self.device());
  const int64_t copied = std::min(end, held) - first;
  if (copied > 0)
    std::memcpy(memory.data() + first * item, self.storage()->data() + first * item,
                static_cast<size_t>(copied * item));
  return Tensor::adopt(TensorImpl::create(memory.storage(), self.dtype(), self.sizes(), self.strides(), offset));
}

template <class View>
Tensor scattered(const char* operation, const Tensor& self, const Tensor& src, View view, bool whole_storage = false) {
  NoGradGuard no_grad;
  const Tensor r = copy_of_memory(operation, self, whole_storage);
  const Tensor part = view(r);
  if (!equal(part.sizes(), src.sizes()))
    fail("expected src to have a size equal to the slice of self. src size = ", src.sizes(),
         ", slice size = ", part.sizes());
  copy_(part, src);
  return r;
}

}  // namespace

Tensor select_scatter(const Tensor& self, const Tensor& src, int64_t dim, int64_t index) {
  const Tensor r = scattered("select_scatter", self, src, [=](const Tensor& t) { return select(t, dim, index); });
  if (autograd::needs(self, src))
    autograd::record("SelectScatterBackward0", r, {&self, &src}, [dim, index, from = DimVector(src.sizes())](Grads& g) {
      if (g.needs(0)) g[0] = select_scatter(g.grad(), zeros(from, g.grad().dtype()), dim, index);
      if (g.needs(1)) g[1] = select(g.grad(), dim, index);
    });
  return r;
}

Tensor slice_scatter(const Tensor& self, const Tensor& src, int64_t dim, OptInt start, OptInt end, int64_t step) {
  const Tensor r =
      scattered("slice_scatter", self, src, [=](const Tensor& t) { return slice(t, dim, start, end, step); });
  if (autograd::needs(self, src))
    autograd::record("SliceScatterBackward0", r, {&self, &src},
                     [dim, start, end, step, from = DimVector(src.sizes())](Grads& g) {
                       if (g.needs(0))
                         g[0] = slice_scatter(g.grad(), zeros(from, g.grad().dtype()), dim, start, end, step);
                       if (g.needs(1)) g[1] = slice(g.grad(), dim, start, end, step);
                     });
  return r;
}

Tensor diagonal_scatter(const Tensor& self, const Tensor& src, int64_t offset, int64_t dim1, int64_t dim2) {
  const Tensor r =
      scattered("diagonal_scatter", self, src, [=](const Tensor& t) { return diagonal(t, offset, dim1, dim2); });
  if (autograd::needs(self, src))
    autograd::record("DiagonalScatterBackward0", r, {&self, &src},
                     [offset, dim1, dim2, from = DimVector(src.sizes())](Grads& g) {
                       if (g.needs(0))
                         g[0] = diagonal_scatter(g.grad(), zeros(from, g.grad().dtype()), offset, dim1, dim2);
                       if (g.needs(1)) g[1] = diagonal(g.grad(), offset, dim1, dim2);
                     });
  return r;
}

Tensor as_strided_scatter(const Tensor& self, const Tensor& src, IntSpan sizes, IntSpan strides,
                          OptInt storage_offset) {
  const DimVector view_sizes(sizes), view_strides(strides);
  const int64_t offset = storage_offset.value_or(self.storage_offset());
  const Tensor r = scattered(
      "as_strided_scatter", self, src,
      [&](const Tensor& t) {
        return as_strided(t, view_sizes, view_strides, storage_offset ? offset : t.storage_offset());
      },
      true);
  if (autograd::needs(self, src))
    autograd::record(
        "AsStridedScatterBackward0", r, {&self, &src},
        [own = layout::geometry_of(r), own_offset = storage_offset.value_or(r.storage_offset()), view_sizes,
         view_strides](Grads& g) {
          // The gradient as the memory that self and the view lie in.
          const int64_t n = std::max({layout::required_elements(own.sizes, own.strides, own.offset),
                                      layout::required_elements(view_sizes, view_strides, own_offset), int64_t{1}});
          const Geometry memory{DimVector{n}, DimVector{1}, 0};
          const Tensor flat = as_strided_backward(g.grad(), memory, own);
          const Tensor part = as_strided(flat, view_sizes, view_strides, own_offset);
          // torch gives self the gradient of what src replaced, and so does this.
          if (g.needs(0)) {
            const Tensor kept = as_strided_scatter(zeros_like(flat), part, view_sizes, view_strides, own_offset);
            g[0] = as_strided(kept, own.sizes, own.strides, own.offset);
          }
          if (g.needs(1)) g[1] = part;
        });
  return r;
}

Tensor copy_of_view(const char* node, const Tensor& view) {
  Tensor r;
  {
    NoGradGuard no_grad;
    r = clone(view, true);
  }
  if (autograd::needs(view) && is_differentiable(r.dtype()))
    autograd::record(node, r, {&view}, [](Grads& g) { g[0] = g.grad(); });
  return r;
}

}  // namespace rushlight
