// Parts of a tensor along a dim, as views.
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "rushlight/shape.h"

namespace rushlight {

using autograd::Grads;
using layout::Geometry;

namespace {

// The gradient of parts that tile a dim: their gradients joined, zeros where one is missing.
Tensor join_parts(Grads& g, IntSpan from, int64_t dim, IntSpan lengths) {
  TensorList parts;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (g.grad(i).defined()) {
      parts.push_back(g.grad(i));
      continue;
    }
    DimVector shape(from);
    shape[dim] = lengths[i];
    DType dtype = DType::Float32;
    for (size_t k = 0; k < g.outputs(); ++k)
      if (g.grad(k).defined()) dtype = g.grad(k).dtype();
    parts.push_back(zeros(shape, dtype));
  }
  return cat(parts, dim);
}

// The parts must not be changed in place: the gradient of one would have to go through all.
TensorList marked(TensorList parts) {
  if (GradMode::enabled())
    for (const Tensor& part : parts)
      if (part.impl()->origin < ViewOrigin::NoGrad && part.impl()->base)
        part.impl()->origin = ViewOrigin::MultipleViews;
  return parts;
}

TensorList split_views(const char* node, const Tensor& self, IntSpan lengths, int64_t dim) {
  TensorList parts;
  parts.reserve(lengths.size());
  Geometry g = layout::geometry_of(self);
  for (int64_t length : lengths) {
    g.sizes[dim] = length;
    parts.push_back(make_view(self, g));
    g.offset += length * g.strides[dim];
  }
  if (autograd::needs(self))
    autograd::record_many(node, parts, {&self, 1},
                          [from = DimVector(self.sizes()), dim, lengths = DimVector(lengths)](Grads& g) {
                            g[0] = join_parts(g, from, dim, lengths);
                          });
  return marked(std::move(parts));
}

}  // namespace

TensorList split(const Tensor& self, int64_t split_size, int64_t dim) {
  if (self.dim() == 0) fail("split expects at least a 1-dimensional tensor");
  if (split_size < 0) fail("split expects split_size be non-negative, but got split_size=", split_size);
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  if (split_size == 0 && size != 0)
    fail("split_size can only be 0 if dimension size is 0, but got dimension size of ", size);
  const int64_t count = split_size == 0 ? 1 : size == 0 ? 1 : (size - 1) / split_size + 1;
  DimVector lengths(count, split_size);
  lengths[count - 1] = size - split_size * (count - 1);
  return split_views("SplitBackward0", self, lengths, d);
}

TensorList split_with_sizes(const Tensor& self, IntSpan sizes, int64_t dim) {
  if (self.dim() == 0) fail("split expects at least a 1-dimensional tensor");
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  int64_t total = 0;
  for (int64_t s : sizes) {
    if (s < 0) fail("split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", sizes);
    if (__builtin_add_overflow(total, s, &total)) fail("split_with_sizes: sum of split_sizes overflows");
  }
  if (total != size)
    fail("split_with_sizes expects split_sizes to sum exactly to ", size, " (input tensor's size at dimension ", d,
         "), but got split_sizes=", sizes);
  return split_views("SplitWithSizesBackward0", self, sizes, d);
}

TensorList chunk(const Tensor& self, int64_t chunks, int64_t dim) {
  if (self.dim() == 0) fail("chunk expects at least a 1-dimensional tensor");
  if (chunks <= 0) fail("chunk expects `chunks` to be greater than 0, got: ", chunks);
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  const int64_t length = size == 0 ? 0 : (size - 1) / chunks + 1;
  if (length == 0) return split_with_sizes(self, DimVector(chunks, 0), d);
  return split(self, length, d);
}

TensorList unbind(const Tensor& self, int64_t dim) {
  const int64_t d = wrap_dim(dim, self.dim());
  if (self.dim() == 0) fail<IndexError>("Dimension specified as ", dim, " but tensor has no dimensions");
  const int64_t count = self.sizes()[d];
  TensorList parts;
  parts.reserve(static_cast<size_t>(count));
  Geometry g = layout::geometry_of(self);
  const int64_t stride = g.strides[d];
  g.sizes.erase(d);
  g.strides.erase(d);
  for (int64_t i = 0; i < count; ++i, g.offset += stride) parts.push_back(make_view(self, g));
  if (autograd::needs(self) && count > 0)
    autograd::record_many("UnbindBackward0", parts, {&self, 1}, [d, shape = g.sizes](Grads& g) {
      TensorList grads;
      DType dtype = DType::Float32;
      for (size_t i = 0; i < g.outputs(); ++i)
        if (g.grad(i).defined()) dtype = g.grad(i).dtype();
      for (size_t i = 0; i < g.outputs(); ++i) grads.push_back(g.grad(i).defined() ? g.grad(i) : zeros(shape, dtype));
      g[0] = stack(grads, d);
    });
  return marked(std::move(parts));
}

namespace {

// Parts that autograd does not know as views: each has a version of its own.
TensorList unsafe(const char* node, const Tensor& self, IntSpan lengths, int64_t dim, const TensorList& views) {
  TensorList parts;
  parts.reserve(views.size());
  for (const Tensor& v : views) {
    Tensor part = Tensor::adopt(TensorImpl::create(v.storage(), v.dtype(), v.sizes(), v.strides(), v.storage_offset()));
    part.impl()->set_lazy(v.impl()->lazy());
    part.impl()->version = new VersionCounter;
    part.impl()->version->owners = 1;
    parts.push_back(std::move(part));
  }
  if (autograd::needs(self))
    autograd::record_many(node, parts, {&self, 1},
                          [from = DimVector(self.sizes()), dim, lengths = DimVector(lengths)](Grads& g) {
                            g[0] = join_parts(g, from, dim, lengths);
                          });
  return parts;
}

DimVector lengths_of(const TensorList& parts, int64_t dim) {
  DimVector lengths;
  for (const Tensor& p : parts) lengths.push_back(p.sizes()[dim]);
  return lengths;
}

}  // namespace

TensorList unsafe_split(const Tensor& self, int64_t split_size, int64_t dim) {
  TensorList views;
  {
    NoGradGuard no_grad;
    views = split(self, split_size, dim);
  }
  const int64_t d = wrap_dim(dim, self.dim());
  return unsafe("UnsafeSplitBackward0", self, lengths_of(views, d), d, views);
}

TensorList unsafe_split_with_sizes(const Tensor& self, IntSpan sizes, int64_t dim) {
  TensorList views;
  {
    NoGradGuard no_grad;
    views = split_with_sizes(self, sizes, dim);
  }
  return unsafe("UnsafeSplitWithSizesBackward0", self, sizes, wrap_dim(dim, self.dim()), views);
}

TensorList unsafe_chunk(const Tensor& self, int64_t chunks, int64_t dim) {
  if (self.dim() == 0) fail("chunk expects at least a 1-dimensional tensor");
  if (chunks <= 0) fail("chunk expects `chunks` to be greater than 0, got: ", chunks);
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  if (size == 0) return unsafe_split_with_sizes(self, DimVector(chunks, 0), d);
  return unsafe_split(self, (size - 1) / chunks + 1, d);
}

TensorList tensor_split(const Tensor& self, int64_t sections, int64_t dim) {
  if (self.dim() == 0) fail("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  if (sections <= 0) fail("number of sections must be larger than 0, got ", sections);
  if (sections > INT32_MAX) fail("tensor_split: too many sections: ", sections);
  const int64_t least = size / sections, longer = size % sections;
  TensorList parts;
  int64_t start = 0;
  for (int64_t i = 0; i < sections; ++i) {
    const int64_t end = start + least + (i < longer ? 1 : 0);
    parts.push_back(slice(self, d, start, end));
    start = end;
  }
  return parts;
}

TensorList tensor_split(const Tensor& self, IntSpan indices, int64_t dim) {
  if (self.dim() == 0) fail("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
  const int64_t d = wrap_dim(dim, self.dim());
  TensorList parts;
  int64_t start = 0;
  for (int64_t end : indices) {
    parts.push_back(slice(self, d, start, end));
    start = end;
  }
  parts.push_back(slice(self, d, start, self.sizes()[d]));
  return parts;
}

namespace {

int64_t split_dim(const char* operation, const Tensor& self, int64_t least, int64_t dim) {
  if (self.dim() < least)
    fail("torch.", operation, " requires a tensor with at least ", least, " dimension, but got a tensor with ",
         self.dim(), " dimensions!");
  return dim;
}

TensorList equal_sections(const char* operation, const Tensor& self, int64_t sections, int64_t dim) {
  if (sections == 0 || self.sizes()[dim] % sections != 0)
    fail("torch.", operation, " attempted to split along dimension ", dim, ", but the size of the dimension ",
         self.sizes()[dim], " is not divisible by the split_size ", sections, "!");
  return tensor_split(self, sections, dim);
}

int64_t hsplit_dim(const Tensor& self) { return split_dim("hsplit", self, 1, self.dim() == 1 ? 0 : 1); }
int64_t vsplit_dim(const Tensor& self) { return split_dim("vsplit", self, 2, 0); }
int64_t dsplit_dim(const Tensor& self) { return split_dim("dsplit", self, 3, 2); }

}  // namespace

TensorList hsplit(const Tensor& self, int64_t sections) {
  return equal_sections("hsplit", self, sections, hsplit_dim(self));
}
TensorList hsplit(const Tensor& self, IntSpan indices) { return tensor_split(self, indices, hsplit_dim(self)); }
TensorList vsplit(const Tensor& self, int64_t sections) {
  return equal_sections("vsplit", self, sections, vsplit_dim(self));
}
TensorList vsplit(const Tensor& self, IntSpan indices) { return tensor_split(self, indices, vsplit_dim(self)); }
TensorList dsplit(const Tensor& self, int64_t sections) {
  return equal_sections("dsplit", self, sections, dsplit_dim(self));
}
TensorList dsplit(const Tensor& self, IntSpan indices) { return tensor_split(self, indices, dsplit_dim(self)); }

}  // namespace rushlight
