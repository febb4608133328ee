// Views: the same memory under another geometry.
#include <algorithm>
#include <atomic>
#include <bitset>

#include "autograd/hooks.h"
#include "core/retired.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "rushlight/conj.h"
#include "rushlight/shape.h"

namespace rushlight {

using autograd::Grads;
using layout::Geometry;

namespace {

// A tensor over the memory of another one counts changes with it.
void share_version(TensorImpl& impl, const TensorImpl& from) {
  impl.version = from.version;
  if (impl.version != &from.storage->version()) impl.version->owners.fetch_add(1);
  impl.inference = from.inference;
}

}  // namespace

Tensor make_view(const Tensor& self, const Geometry& g) {
  TensorImpl* impl = TensorImpl::create(self.storage(), self.dtype(), g.sizes, g.strides, g.offset);
  const TensorImpl& from = *self.impl();
  share_version(*impl, from);
  if (from.lazy()) [[unlikely]]
    impl->set_lazy(from.lazy());
  if (!from.inference) {
    impl->base = from.base ? from.base : self.impl();
    impl->base->retain();
    impl->made_at = static_cast<uint16_t>(self.version());
    impl->origin = GradMode::enabled()        ? from.origin
                   : InferenceMode::enabled() ? ViewOrigin::Inference
                                              : ViewOrigin::NoGrad;
  }
  return Tensor::adopt(impl);
}

namespace {

// make_view with its derivative.
template <class F>
Tensor view_op(const char* node, const Tensor& self, const Geometry& g, F derivative) {
  Tensor r = make_view(self, g);
  if (autograd::needs(self) && !self.impl()->inference) autograd::record(node, r, {&self}, std::move(derivative));
  return r;
}

DimVector sizes_of(const Tensor& t) { return t.sizes(); }

// Only strides that are never followed can overflow.
void scale_stride(int64_t& stride, int64_t by) {
  if (__builtin_mul_overflow(stride, by, &stride)) stride = 1;
}

}  // namespace

Tensor view(const Tensor& self, IntSpan shape) {
  DimVector sizes = layout::infer_size(shape, self.numel());
  if (sizes.size() > kMaxDims) fail("view(): tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  // Odd strides of dims of size 1 are handed on.
  auto strides = self.is_contiguous() && self.numel() && (self.dim() == 0 || self.strides().back() == 1)
                     ? layout::contiguous_strides(sizes)
                     : layout::view_strides(self.sizes(), self.strides(), sizes);
  if (!strides)
    fail(
        "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
        "contiguous subspaces). Use .reshape(...) instead.");
  return view_op("ViewBackward0", self, {sizes, *strides, self.storage_offset()},
                 [from = sizes_of(self)](Grads& g) { g[0] = reshape(g.grad(), from); });
}

Tensor view_dtype(const Tensor& self, DType dtype) {
  if (self.is_conj())
    fail("torch.Tensor.view is not supported for conjugate view tensors when converting to a different dtype.");
  if (self.is_neg())
    fail("torch.Tensor.view is not supported for tensors with negative bit set when converting to a different dtype.");
  if (dtype == self.dtype()) return alias(self);
  const int64_t from = self.item_size(), to = item_size(dtype);
  Geometry g = layout::geometry_of(self);
  if (from != to) {
    if (self.dim() == 0)
      fail("self.dim() cannot be 0 to view ", self.dtype(), " as ", dtype, " (different element sizes)");
    int64_t& last = g.sizes[self.dim() - 1];
    if (g.strides[self.dim() - 1] != 1)
      fail("self.stride(-1) must be 1 to view ", self.dtype(), " as ", dtype, " (different element sizes), but got ",
           g.strides[self.dim() - 1]);
    if (from > to) {
      const int64_t ratio = from / to;
      if (__builtin_mul_overflow(last, ratio, &last)) fail("view(dtype): size overflows");
      for (int64_t i = 0; i + 1 < self.dim(); ++i) scale_stride(g.strides[i], ratio);
      if (__builtin_mul_overflow(g.offset, ratio, &g.offset)) fail("view(dtype): offset overflows");
    } else {
      const int64_t ratio = to / from;
      if (last % ratio != 0)
        fail("self.size(-1) must be divisible by ", ratio, " to view ", self.dtype(), " as ", dtype,
             " (different element sizes), but got ", last);
      if (g.offset % ratio != 0)
        fail("self.storage_offset() must be divisible by ", ratio, " to view ", self.dtype(), " as ", dtype,
             " (different element sizes), but got ", g.offset);
      for (int64_t i = 0; i + 1 < self.dim(); ++i) {
        if (g.strides[i] % ratio != 0)
          fail("self.stride(", i, ") must be divisible by ", ratio, " to view ", self.dtype(), " as ", dtype,
               " (different element sizes), but got ", g.strides[i]);
        g.strides[i] /= ratio;
      }
      last /= ratio;
      g.offset /= ratio;
    }
  }
  // Other elements than those of self: no view of it for autograd.
  TensorImpl* impl = TensorImpl::create(self.storage(), dtype, g.sizes, g.strides, g.offset);
  share_version(*impl, *self.impl());
  return Tensor::adopt(impl);
}

Tensor reshape(const Tensor& self, IntSpan shape) {
  const DimVector sizes = layout::infer_size(shape, self.numel());
  if (self.is_contiguous()) return view(self, sizes);
  if (auto strides = layout::view_strides(self.sizes(), self.strides(), sizes))
    return view_op("ReshapeAliasBackward0", self, {sizes, *strides, self.storage_offset()},
                   [from = sizes_of(self)](Grads& g) { g[0] = reshape(g.grad(), from); });
  // torch's reshape of a copy is no view: nothing else sees that memory.
  return unsafe_view(clone(self, true), sizes);
}

Tensor unsafe_view(const Tensor& fresh, IntSpan sizes) {
  const DimVector shape = layout::infer_size(sizes, fresh.numel());
  Tensor r = Tensor::adopt(TensorImpl::create(fresh.storage(), fresh.dtype(), shape, layout::contiguous_strides(shape),
                                              fresh.storage_offset()));
  if (autograd::needs(fresh))
    autograd::record("UnsafeViewBackward0", r, {&fresh},
                     [from = sizes_of(fresh)](Grads& g) { g[0] = reshape(g.grad(), from); });
  return r;
}

Tensor ravel(const Tensor& self) { return view(contiguous(self), DimVector{-1}); }

Tensor flatten(const Tensor& self, int64_t start_dim, int64_t end_dim) {
  const int64_t a = wrap_dim(start_dim, self.dim()), b = wrap_dim(end_dim, self.dim());
  if (a > b) fail("flatten() has invalid args: start_dim cannot come after end_dim");
  if (self.dim() == 0) return reshape(self, DimVector{1});
  if (a == b) return self;
  DimVector shape;
  const int64_t run =
      layout::checked_numel(self.sizes().subspan(static_cast<size_t>(a), static_cast<size_t>(b - a + 1)));
  for (int64_t i = 0; i < a; ++i) shape.push_back(self.sizes()[i]);
  shape.push_back(run);
  for (int64_t i = b + 1; i < self.dim(); ++i) shape.push_back(self.sizes()[i]);
  return reshape(self, shape);
}

Tensor unflatten(const Tensor& self, int64_t dim, IntSpan sizes) {
  const int64_t d = wrap_dim(dim, self.dim());
  if (self.dim() == 0) fail("unflatten: a tensor without dimensions has none to be split");
  if (sizes.empty()) fail("unflatten: sizes must be non-empty");
  int64_t product = 1;
  bool inferred = false, overflow = false;
  for (int64_t s : sizes) {
    if (s == -1)
      inferred = true;
    else
      overflow = __builtin_mul_overflow(product, s, &product) || overflow;
  }
  const int64_t own = self.size(d);
  if (overflow || (inferred ? (product == 0 || own % product != 0) : product != own))
    fail("unflatten: Provided sizes ", sizes, " don't multiply up to the size of dim ", d, " (", own,
         ") in the input tensor");
  DimVector shape;
  for (int64_t i = 0; i < d; ++i) shape.push_back(self.sizes()[i]);
  for (int64_t s : layout::infer_size(sizes, own)) shape.push_back(s);
  for (int64_t i = d + 1; i < self.dim(); ++i) shape.push_back(self.sizes()[i]);
  return view(self, shape);
}

Tensor squeeze(const Tensor& self, OptSpan dims) {
  const char* node = !dims ? "SqueezeBackward0" : dims->size() == 1 ? "SqueezeBackward1" : "SqueezeBackward2";
  return view_op(node, self, layout::squeeze(self, dims),
                 [from = sizes_of(self)](Grads& g) { g[0] = reshape(g.grad(), from); });
}

Tensor unsqueeze(const Tensor& self, int64_t dim) {
  const int64_t d = wrap_dim(dim, self.dim() + 1);
  return view_op("UnsqueezeBackward0", self, layout::unsqueeze(self, d),
                 [d](Grads& g) { g[0] = squeeze(g.grad(), IntSpan(&d, 1)); });
}

Tensor transpose(const Tensor& self, int64_t dim0, int64_t dim1) {
  return view_op("TransposeBackward0", self, layout::transpose(self, dim0, dim1),
                 [dim0, dim1](Grads& g) { g[0] = transpose(g.grad(), dim0, dim1); });
}

Tensor t(const Tensor& self) {
  if (self.dim() > 2) fail("t() expects a tensor with <= 2 dimensions, but self is ", self.dim(), "D");
  return view_op("TBackward0", self, layout::transpose(self, 0, self.dim() < 2 ? 0 : 1),
                 [](Grads& g) { g[0] = t(g.grad()); });
}

Tensor numpy_T(const Tensor& self) {
  DimVector dims;
  for (int64_t i = self.dim() - 1; i >= 0; --i) dims.push_back(i);
  return permute(self, dims);
}

Tensor matrix_T(const Tensor& self) {
  if (self.dim() == 1) fail("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.");
  if (self.dim() == 0) {
    static std::atomic<bool> warned{false};
    if (!warned.exchange(true))
      warn("Tensor.mT is deprecated on 0-D tensors. This function is the identity in these cases.");
    return permute(self, {});
  }
  return transpose(self, -2, -1);
}

Tensor permute(const Tensor& self, IntSpan dims) {
  return view_op("PermuteBackward0", self, layout::permute(self, dims), [dims = DimVector(dims)](Grads& g) {
    DimVector inverse(dims.size());
    for (int64_t i = 0; i < dims.size(); ++i) inverse[wrap_dim(dims[i], dims.size())] = i;
    g[0] = permute(g.grad(), inverse);
  });
}

Tensor movedim(const Tensor& self, IntSpan source, IntSpan destination) {
  if (source.size() != destination.size())
    fail("movedim: Invalid source or destination dims: source (", source,
         " dims) should contain the same number of "
         "dims as destination (",
         destination, " dims)");
  auto check_distinct = [&](IntSpan dims, const char* name) {
    std::bitset<kMaxDims> seen;
    DimVector wrapped;
    bool repeated = false;
    for (int64_t d : dims) {
      wrapped.push_back(wrap_dim(d, self.dim()));
      repeated = repeated || seen[wrapped.back()];
      seen.set(wrapped.back());
    }
    if (repeated) fail("movedim: repeated dim in `", name, "` (", IntSpan(wrapped), ")");
  };
  check_distinct(source, "source");
  check_distinct(destination, "destination");
  if (self.dim() == 0) return alias(self);
  DimVector order(self.dim(), -1), rest;
  std::bitset<kMaxDims> moved;
  for (size_t i = 0; i < source.size(); ++i) {
    const int64_t s = wrap_dim(source[i], self.dim());
    order[wrap_dim(destination[i], self.dim())] = s;
    moved.set(s);
  }
  int64_t next = 0;
  for (int64_t& d : order) {
    if (d >= 0) continue;
    while (moved[next]) ++next;
    d = next++;
  }
  return permute(self, order);
}

Tensor expand(const Tensor& self, IntSpan sizes) {
  return view_op("ExpandBackward0", self, layout::expand(self, sizes),
                 [from = sizes_of(self)](Grads& g) { g[0] = sum_to_size(g.grad(), from); });
}

Tensor narrow(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  if (self.dim() == 0) fail("narrow() cannot be applied to a 0-dim tensor.");
  if (length < 0) fail("narrow(): length must be non-negative.");
  const int64_t d = wrap_dim(dim, self.dim()), size = self.sizes()[d];
  if (start < -size || start > size)
    fail<IndexError>("start out of range (expected to be in range of [", -size, ", ", size, "], but got ", start, ")");
  if (start < 0) start += size;
  if (start > size - length) fail("start (", start, ") + length (", length, ") exceeds dimension size (", size, ").");
  return slice(self, d, start, start + length, 1);
}

Tensor select(const Tensor& self, int64_t dim, int64_t index) {
  Geometry geometry = layout::select(self, dim, index);
  return view_op("SelectBackward0", self, geometry, [from = sizes_of(self), dim, index](Grads& g) {
    const Tensor whole = zeros(from, g.grad().dtype(), g.grad().device());
    copy_(select(whole, dim, index), g.grad());
    g[0] = whole;
  });
}

Tensor slice(const Tensor& self, int64_t dim, OptInt start, OptInt end, int64_t step) {
  Geometry geometry = layout::slice(self, dim, start, end, step);
  return view_op("SliceBackward0", self, geometry, [from = sizes_of(self), dim, start, end, step](Grads& g) {
    const Tensor whole = zeros(from, g.grad().dtype(), g.grad().device());
    copy_(slice(whole, dim, start, end, step), g.grad());
    g[0] = whole;
  });
}

Tensor unfold(const Tensor& self, int64_t dim, int64_t size, int64_t step) {
  Geometry geometry = layout::unfold(self, dim, size, step);
  const Geometry dense{self.sizes(), layout::contiguous_strides(self.sizes()), 0};
  return view_op("UnfoldBackward0", self, geometry, [dense, dim, size, step](Grads& g) {
    const Tensor model = empty(dense.sizes, g.grad().dtype());
    g[0] = as_strided_backward(g.grad(), dense, layout::unfold(model, dim, size, step));
  });
}

Tensor as_strided(const Tensor& self, IntSpan sizes, IntSpan strides, OptInt storage_offset) {
  const int64_t offset = storage_offset.value_or(self.storage_offset());
  layout::check_bounds("as_strided", sizes, strides, offset, self.item_size(), self.storage()->nbytes());
  const Geometry geometry{sizes, strides, offset};
  return view_op("AsStridedBackward0", self, geometry, [base = layout::geometry_of(self), geometry](Grads& g) {
    g[0] = as_strided_backward(g.grad(), base, geometry);
  });
}

Tensor as_strided_backward(const Tensor& grad, const Geometry& base, const Geometry& view) {
  // Work on the part of the storage that both see, as a flat tensor.
  const int64_t first = std::min(base.offset, view.offset);
  const int64_t n = std::max({layout::required_elements(base.sizes, base.strides, base.offset - first),
                              layout::required_elements(view.sizes, view.strides, view.offset - first), int64_t{1}});
  Tensor flat = zeros(DimVector{n}, grad.dtype(), grad.device());
  if (grad.numel() != 0) {
    if (!layout::may_self_overlap(view.sizes, view.strides)) {
      copy_(as_strided(flat, view.sizes, view.strides, view.offset - first), grad);
    } else {
      const Tensor places = arange(0, n, 1, DType::Int64);
      const Tensor index = reshape(as_strided(places, view.sizes, view.strides, view.offset - first), DimVector{-1});
      flat = index_add(flat, 0, index, reshape(grad, DimVector{-1}));
    }
  }
  Tensor r = as_strided(flat, base.sizes, base.strides, base.offset - first);
  if (layout::may_self_overlap(base.sizes, base.strides)) {
    // Elements of the base that share memory share the gradient, too.
    const Tensor ones_flat = ones(DimVector{1}, grad.dtype());
    const Tensor places = arange(0, n, 1, DType::Int64);
    const Tensor index = reshape(as_strided(places, base.sizes, base.strides, base.offset - first), DimVector{-1});
    const Tensor count = index_add(zeros(DimVector{n}, grad.dtype()), 0, index, expand(ones_flat, index.sizes()));
    r = div(r, as_strided(count, base.sizes, base.strides, base.offset - first));
  }
  return r;
}

TensorList broadcast_tensors(std::span<const Tensor> tensors) {
  DimVector shape;
  for (const Tensor& t : tensors) shape = layout::broadcast_shapes(shape, t.sizes());
  TensorList result;
  for (const Tensor& t : tensors) result.push_back(equal(t.sizes(), shape) ? t : expand(t, shape));
  return result;
}

Tensor sum_to_size(const Tensor& self, IntSpan sizes) {
  if (equal(self.sizes(), sizes)) return self;
  if (!layout::is_expandable_to(sizes, self.sizes()))
    fail("size {", sizes, "} is not expandable to size {", self.sizes(), "}.");
  const int64_t lead = self.dim() - static_cast<int64_t>(sizes.size());
  DimVector dims;
  for (int64_t i = 0; i < self.dim(); ++i)
    if (i < lead || (sizes[i - lead] == 1 && self.sizes()[i] != 1)) dims.push_back(i);
  const Tensor r = dims.empty() ? self : sum(self, dims, true);
  return lead > 0 ? view(r, sizes) : r;
}

Tensor view_as_real(const Tensor& self) {
  if (!is_complex(self.dtype())) fail("view_as_real is only supported for complex tensors");
  if (self.is_conj())
    fail(
        "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you can view "
        "it "
        "as real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the original.");
  Geometry g = layout::geometry_of(self);
  if (self.dim() + 1 > kMaxDims) fail("view_as_real(): tensors have at most ", kMaxDims, " dimensions");
  for (int64_t& s : g.strides) scale_stride(s, 2);
  if (__builtin_mul_overflow(g.offset, 2, &g.offset)) fail("view_as_real(): offset overflows");
  g.sizes.push_back(2);
  g.strides.push_back(1);
  Tensor r = make_view(self, g);
  r.impl()->dtype = to_real(self.dtype());
  if (autograd::needs(self))
    autograd::record("ViewAsRealBackward0", r, {&self}, [](Grads& g) { g[0] = view_as_complex(contiguous(g.grad())); });
  return r;
}

Tensor view_as_complex(const Tensor& self) {
  const DType d = self.dtype();
  if (d != DType::Float16 && d != DType::Float32 && d != DType::Float64)
    fail("view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: ", d);
  if (self.dim() == 0) fail("Input tensor must have one or more dimensions");
  Geometry g = layout::geometry_of(self);
  const int64_t last = self.dim() - 1;
  if (g.sizes[last] != 2) fail("Tensor must have a last dimension of size 2");
  if (g.strides[last] != 1) fail("Tensor must have a last dimension with stride 1");
  if (g.offset % 2) fail("Tensor must have a storage_offset divisible by 2");
  g.sizes.erase(last);
  g.strides.erase(last);
  for (int64_t d = 0; d < last; ++d) {
    if (g.strides[d] % 2 && g.sizes[d] != 1)
      fail("Tensor must have a stride divisible by 2 for all but last dimension");
    g.strides[d] /= 2;
  }
  g.offset /= 2;
  Tensor r = make_view(self, g);
  r.impl()->dtype = to_complex(d);
  if (autograd::needs(self))
    autograd::record("ViewAsComplexBackward0", r, {&self}, [](Grads& g) { g[0] = view_as_real(g.grad()); });
  return r;
}

Tensor real(const Tensor& self) {
  if (!is_complex(self.dtype())) return self;
  return select(view_as_real(self.is_conj() ? lazy_conj(self) : self), -1, 0);
}

Tensor imag(const Tensor& self) {
  if (!is_complex(self.dtype())) fail("imag is not implemented for tensors with non-complex dtypes.");
  if (self.is_conj()) return lazy_neg(imag(lazy_conj(self)));
  return select(view_as_real(self), -1, 1);
}

const Tensor& resize_(const Tensor& self, IntSpan sizes) {
  if (equal(self.sizes(), sizes)) return self;
  if (autograd::needs(self)) fail("cannot resize variables that require grad");
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("resize_(): tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  const int64_t n = layout::checked_numel(sizes, self.item_size());
  int64_t elements, bytes;
  if (__builtin_add_overflow(n, self.storage_offset(), &elements) ||
      __builtin_mul_overflow(elements, self.item_size(), &bytes))
    fail("resize_(): size overflows with sizes=", sizes);
  if (n > 0 && static_cast<uint64_t>(bytes) > self.storage()->nbytes())
    self.storage()->resize(static_cast<size_t>(bytes));
  self.impl()->set_geometry(sizes, layout::contiguous_strides(sizes), self.storage_offset());
  return self;
}

void set_storage(const Tensor& self, const Tensor& source) {
  if (self.dtype() != source.dtype() || !equal(self.sizes(), source.sizes())) autograd::forget_accumulator(self);
  TensorImpl& t = *self.impl();
  const TensorImpl& s = *source.impl();
  if (t.version == &t.storage->version()) {
    // The counter goes with the tensor, not with the memory that it leaves.
    auto* counter = new VersionCounter;
    counter->value = t.version->value.load();
    counter->operation = t.version->operation.load();
    counter->owners = 1;
    t.version = counter;
  }
  Ref<Storage> next = s.storage;  // source may be self
  retire(std::exchange(t.storage, std::move(next)));
  t.dtype = s.dtype;
  t.set_lazy(s.lazy());
  t.set_geometry(s.sizes(), s.strides(), s.offset);
}

}  // namespace rushlight
