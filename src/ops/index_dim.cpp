// Whole slices along one dim: index_select, index_add, index_copy, index_fill.
#include "ops/index.h"

namespace rushlight {

using autograd::Grads;

namespace {

// One index per slice along dim, seen under a shape of ndim dims.
cpu::LoopArg slice_index_arg(const Tensor& index, DimVector& sizes, DimVector& strides, int64_t ndim, int64_t dim) {
  sizes = DimVector(ndim, 1);
  strides = DimVector(ndim, 0);
  if (ndim > 0) {
    sizes[dim] = index.numel();
    strides[dim] = 1;
  }
  return loop_arg(index, sizes, strides);
}

Tensor selected(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* target) {
  check_cpu("index_select", self);
  check_cpu("index_select", index);
  dim = wrap_dim(dim, self.dim());
  if (index.dim() > 1) fail<IndexError>("index_select(): Index is supposed to be a vector");
  if (!is_index_dtype(index.dtype())) fail("index_select(): Expected dtype int32 or int64 for index");
  if (self.dim() == 0 && index.numel() != 1)
    fail("index_select(): Index to scalar can have only 1 value, got ", index.numel(), " value(s)");
  const int64_t size = size_along(self, dim), n = index.numel();
  if (size == 0 && n > 0 && self.dim() == 1) fail<IndexError>("index out of range in self");
  if (size == 0 && n > 0) fail("index_select(): self indexing axis dim should be positive");
  const Tensor ix = dense_index(index);
  int64_t bad;
  if (cpu::find_outside(ix, 0, size - 1, &bad)) {
    if (dim == 0) fail<IndexError>("index out of range in self");
    fail("INDICES element is out of DATA bounds, id=", bad, " axis_dim=", size);
  }
  DimVector shape(self.sizes());
  if (!shape.empty()) shape[dim] = n;
  Tensor out;
  if (target) {
    if (target->dtype() != self.dtype()) fail("index_select(): self and result must have the same scalar type");
    prepare_index_out("index_select", *target, shape, self.dtype(), {&self, &index});
    out = *target;
  } else {
    out = empty(shape, self.dtype());
  }
  const int64_t item = self.item_size();
  if (self.is_contiguous() && out.is_contiguous()) {
    const Rows rows(self.sizes(), dim);
    const int64_t bytes = rows.inner * item;
    cpu::take_blocks(out.data(), self.data(), ix.data_ptr<int64_t>(), rows.outer, n, bytes, size * bytes, bytes);
  } else {
    const DimVector strides = strides_without(self, dim);
    DimVector index_sizes, index_strides;
    const cpu::LoopArg args[3] = {cpu::LoopArg(out, out.dtype()), loop_arg(self, shape, strides),
                                  slice_index_arg(ix, index_sizes, index_strides, self.dim(), dim)};
    cpu::IndexParams p;
    p.stride = stride_along(self, dim) * item;
    cpu::run_loop(cpu::take_loop(item), &p, shape, args, 3);
  }
  return out;
}

}  // namespace

Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index) {
  Tensor out = selected(self, dim, index, nullptr);
  if (autograd::needs(self))
    autograd::record("IndexSelectBackward0", out, {&self},
                     [saved = SavedTensor(index), dim, sizes = DimVector(self.sizes())](Grads& g) {
                       g[0] = index_add_(zeros(sizes, g.grad().dtype()), dim, g.unpack(saved), g.grad());
                     });
  return out;
}

const Tensor& index_select_out(const Tensor& out, const Tensor& self, int64_t dim, const Tensor& index) {
  selected(self, dim, index, &out);
  out.bump_version("index_select");
  return out;
}

// ---- index_add, index_copy, index_fill: whole slices along dim

namespace {

enum class Slices { Add, Copy };

// self[index] = or += alpha * source. Shapes and indices have been checked; source has self's shape but along dim.
void run_slices(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, Slices how,
                const Scalar& alpha) {
  const int64_t n = index.numel(), item = self.item_size();
  const DType d = self.dtype();
  alignas(16) char factor[16];
  const bool plain = alpha.equals(1) || how == Slices::Copy;
  if (!plain) alpha.store(kernel_dtype(d), factor);
  const void* const alpha_data = plain ? nullptr : factor;
  if (self.is_contiguous() && source.is_contiguous() && self.dim() == source.dim()) {
    const Rows rows(self.sizes(), dim);
    const int64_t bytes = rows.inner * item, outer_bytes = size_along(self, dim) * bytes;
    const int64_t* const ix = index.data_ptr<int64_t>();
    if (how == Slices::Copy)
      cpu::put_blocks(self.data(), source.data(), ix, rows.outer, n, bytes, outer_bytes, bytes, false);
    else
      cpu::combine_blocks(BinaryOp::Add, d, self.data(), source.data(), ix, rows.outer, n, bytes, outer_bytes,
                          rows.inner, alpha_data);
    return;
  }
  DimVector shape(self.sizes());
  if (!shape.empty()) shape[dim] = n;
  const DimVector strides = strides_without(self, dim);
  DimVector source_strides = source.dim() == self.dim() ? DimVector(source.strides()) : DimVector(self.dim(), 0);
  DimVector index_sizes, index_strides;
  const cpu::LoopArg args[3] = {loop_arg(self, shape, strides), loop_arg(source, shape, source_strides),
                                slice_index_arg(index, index_sizes, index_strides, self.dim(), dim)};
  cpu::IndexParams p;
  p.stride = stride_along(self, dim) * item;
  p.alpha = alpha_data;
  cpu::run_lanes(how == Slices::Copy ? cpu::put_loop(item) : cpu::add_loop(d), &p, shape, dim, args, 3);
}

}  // namespace

Tensor check_index_slices(const char* operation, const Tensor& self, int64_t dim, const Tensor& index,
                          const Tensor& source) {
  check_cpu(operation, self);
  check_cpu(operation, index);
  check_cpu(operation, source);
  if (index.dim() > 1)
    fail<IndexError>(operation, "(): Index is supposed to be a vector, but got dim: ", index.dim(),
                     " with type: ", index.dtype(), " and size: ", index.sizes());
  if (!is_index_dtype(index.dtype()))
    fail(operation, "(): Expected dtype int32/int64 for index but got: ", index.dtype());
  if (self.dtype() != source.dtype())
    fail(operation, "(): self (", self.dtype(), ") and source (", source.dtype(), ") must have the same scalar type");
  if (dim != 0 && dim >= source.dim())
    fail(operation, "(): Indexing dim ", dim, " is out of bounds of the source tensor with dim ", source.dim());
  if (index.numel() != size_along(source, dim))
    fail(operation, "(): Number of indices (", index.numel(), ") should be equal to source.size(dim): (",
         size_along(source, dim), "), for dim: ", dim);
  bool same = source.dim() == self.dim();
  for (int64_t d = 0; same && d < self.dim(); ++d) same = d == dim || self.sizes()[d] == source.sizes()[d];
  if (!same)
    fail("source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ",
         self.sizes(), " source.shape = ", source.sizes());
  return dense_index(index);
}

namespace {

Tensor index_added(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha,
                   bool inplace) {
  dim = wrap_dim(dim, self.dim());
  const bool record = autograd::needs(self, source);
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record)
    node = autograd::make_node("IndexAddBackward0", {&self, &source},
                               [saved = SavedTensor(index), dim, alpha, sizes = DimVector(source.sizes())](Grads& g) {
                                 if (g.needs(0)) g[0] = g.grad();
                                 if (!g.needs(1)) return;
                                 const Tensor part = index_select(g.grad(), dim, g.unpack(saved));
                                 const Scalar factor =
                                     alpha.is_complex() ? Scalar(std::conj(alpha.to_complex())) : alpha;
                                 g[1] = alpha.equals(1) ? part : mul(part, factor);
                               });
  if (node) dim = wrap_dim(dim, self.dim());  // pack hooks have run
  const Tensor ix = check_index_slices("index_add_", self, dim, index, source);
  if (alpha.is_complex() && !is_complex(self.dtype()))
    fail("For non-complex input tensors, argument alpha must not be a complex number.");
  if (!cpu::add_loop(self.dtype())) fail<NotImplementedError>("\"index_add\" not implemented for '", self.dtype(), "'");
  const int64_t size = size_along(self, dim);
  int64_t bad;
  if ((self.numel() != 0 || self.dim() <= 1) && cpu::find_outside(ix, 0, size - 1, &bad)) {
    if (self.dim() <= 1) fail<IndexError>("index out of range in self");
    fail_index(bad, dim, size);
  }
  if (inplace) {
    layout::check_writable(self);
    check_no_overlap(self, index);
    check_no_overlap(self, source);
  }
  const Tensor out = inplace ? self : plain_copy(self);
  if (self.numel() != 0) run_slices(out, dim, ix, source, Slices::Add, alpha);
  if (inplace) self.bump_version("index_add_");
  autograd::attach(inplace, out, node);
  return out;
}

Tensor index_copied(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, bool inplace) {
  check_cpu("index_copy", self);
  check_cpu("index_copy", index);
  check_cpu("index_copy", source);
  dim = wrap_dim(dim, self.dim());
  const bool record = autograd::needs(self, source);
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record)
    node = autograd::make_node("IndexCopyBackward0", {&self, &source},
                               [saved = SavedTensor(index), dim, sizes = DimVector(source.sizes())](Grads& g) {
                                 const Tensor ix = g.unpack(saved);
                                 if (g.needs(0)) g[0] = index_fill(g.grad(), dim, ix, 0);
                                 if (g.needs(1)) g[1] = reshape(index_select(g.grad(), dim, ix), sizes);
                               });
  if (node) dim = wrap_dim(dim, self.dim());  // pack hooks have run
  const int64_t n = index.numel();
  if (index.dim() >= 2) fail<IndexError>("index_copy_(): Index should have dimension 1 or 0 (got ", index.dim(), ")");
  if (source.dim() == 0 && n != 1)
    fail<IndexError>("index_copy_(): When source is scalar, index should have one element (got ", n, ")");
  if (source.dim() != self.dim() && source.dim() != 0 && self.dim() != 0)
    fail<IndexError>(
        "index_copy_(): When source and destination are not scalars, their dimensionality must match. "
        "Source dimensionality (",
        source.dim(), "), destination dimensionality (", self.dim(), ")");
  if (index.dtype() != DType::Int64) fail("index_copy_(): Expected a long tensor for index, but got ", index.dtype());
  if (self.dtype() != source.dtype())
    fail("index_copy_(): self and source expected to have the same dtype, but got (self) ", self.dtype(),
         " and (source) ", source.dtype());
  auto slice_sizes = [&](const Tensor& t) {
    DimVector sizes(t.sizes());
    if (!sizes.empty()) sizes.erase(dim);
    return sizes;
  };
  const DimVector own = slice_sizes(self), other = slice_sizes(source);
  if (!equal(own, other)) {
    auto text = [](const DimVector& sizes) {
      std::string s;
      for (int64_t v : sizes) s += (s.empty() ? "" : " ") + std::to_string(v);
      return s;
    };
    fail("index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: ", text(own),
         " at dimension ", dim, " and source slice shape: ", text(other), " at dimension 0.");
  }
  if (source.dim() != 0 && n != source.sizes()[dim])
    fail<IndexError>("index_copy_(): Number of indices (", n, ") should be equal to source.size(dim) (",
                     source.sizes()[dim], ")");
  const int64_t size = size_along(self, dim);
  int64_t bad;
  const Tensor ix = dense_index(index);
  if (cpu::find_outside(ix, 0, size - 1, &bad))
    fail<IndexError>("index_copy_(): index ", bad, " is out of bounds for dimension ", dim, " with size ", size);
  if (inplace) {
    layout::check_writable(self);
    check_no_overlap(self, index);
    check_no_overlap(self, source);
  }
  const Tensor out = inplace ? self : plain_copy(self);
  run_slices(out, dim, ix, source, Slices::Copy, 1);
  if (inplace) self.bump_version("index_copy_");
  autograd::attach(inplace, out, node);
  return out;
}

Tensor index_filled(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value, bool inplace) {
  check_cpu("index_fill", self);
  check_cpu("index_fill", index);
  const Tensor* source = value.is_tensor() ? &value.tensor() : nullptr;
  if (source && source->dim() != 0)
    fail("index_fill_ only supports a 0-dimensional value tensor, but got tensor with ", source->dim(),
         " dimension(s).");
  if (index.dtype() != DType::Int64) fail<IndexError>("index_fill_(): Expected dtype int64 for index.");
  if (index.dim() > 1) fail("Index has to be a vector/scalar");
  dim = wrap_dim(dim, self.dim());
  const bool record = autograd::needs(self) || (source && autograd::needs(*source));
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record) {
    auto derivative = [saved = SavedTensor(index), dim](Grads& g) {
      const Tensor ix = g.unpack(saved);
      if (g.needs(0)) g[0] = index_fill(g.grad(), dim, ix, 0);
      if (g.inputs() > 1 && g.needs(1)) {
        // Every slice once, however often it is named.
        const Tensor& grad = g.grad();
        DimVector sizes(grad.dim(), 1);
        if (grad.dim()) sizes[dim] = grad.size(dim);
        const Tensor filled = index_fill_(zeros(DimVector{size_along(grad, dim)}, DType::Bool), 0, ix, true);
        g[1] = sum(where(reshape(filled, sizes), grad, 0));
      }
    };
    if (source)
      node = autograd::make_node("IndexFillBackward1", {&self, source}, std::move(derivative));
    else
      node = autograd::make_node("IndexFillBackward0", {&self}, std::move(derivative));
  }
  if (node) dim = wrap_dim(dim, self.dim());  // pack hooks have run
  const Scalar number = source ? item(*source) : value.number();
  if (number.is_complex() && !is_complex(self.dtype()))
    fail("index_fill_(): Converting complex Scalar to non-complex type is not supported");
  number.check_fits(self.dtype());
  const int64_t size = size_along(self, dim), n = index.numel();
  int64_t bad;
  if (self.numel() != 0 && cpu::find_outside(index, -size, size - 1, &bad))
    fail<IndexError>("index ", bad, " is out of bounds for dimension ", dim, " with size ", size);
  if (inplace) {
    layout::check_not_read_only(self);  // elements that share memory get the same value
    bool expanded = false;
    for (int64_t d = 0; d < self.dim(); ++d) expanded = expanded || (self.strides()[d] == 0 && self.sizes()[d] > 1);
    if (expanded)
      warn(
          "Use of index_fill_ on expanded tensors is deprecated. Please clone() the tensor before performing this "
          "operation. This also applies to advanced indexing e.g. tensor[mask] = scalar");
    check_no_overlap(self, index);
  }
  const Tensor out = inplace ? self : plain_copy_like(self);
  if (out.numel() != 0 && n != 0) {
    Tensor ix = dense_index(index);
    bool negative = cpu::find_outside(ix, 0, size - 1, &bad);
    if (negative) {
      const Tensor wrapped = plain_copy(ix);
      for (int64_t i = 0; i < n; ++i) {
        int64_t& v = wrapped.data_ptr<int64_t>()[i];
        v += v < 0 ? size : 0;
      }
      ix = wrapped;
    }
    alignas(16) char memory[16];
    number.store(self.dtype(), memory);
    if (const Rows rows(self.sizes(), dim); out.is_contiguous() && rows.inner >= 16) {
      NoGradGuard guard;
      const Tensor row = full(DimVector{rows.inner}, number, self.dtype());
      const int64_t bytes = rows.inner * self.item_size();
      cpu::put_blocks(out.data(), row.data(), ix.data_ptr<int64_t>(), rows.outer, n, bytes, size * bytes, bytes, true);
    } else {
      DimVector shape(self.sizes());
      if (!shape.empty()) shape[dim] = n;
      const DimVector strides = strides_without(out, dim);
      DimVector index_sizes, index_strides;
      const cpu::LoopArg args[3] = {loop_arg(out, shape, strides), cpu::LoopArg(memory, self.dtype()),
                                    slice_index_arg(ix, index_sizes, index_strides, self.dim(), dim)};
      cpu::IndexParams p;
      p.stride = stride_along(out, dim) * self.item_size();
      cpu::run_lanes(cpu::put_loop(self.item_size()), &p, shape, dim, args, 3);
    }
  }
  if (inplace) self.bump_version("index_fill_");
  autograd::attach(inplace, out, node);
  return out;
}

}  // namespace

Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha) {
  return index_added(self, dim, index, source, alpha, false);
}
const Tensor& index_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                         const Scalar& alpha) {
  index_added(self, dim, index, source, alpha, true);
  return self;
}
Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  return index_copied(self, dim, index, source, false);
}
const Tensor& index_copy_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  index_copied(self, dim, index, source, true);
  return self;
}
Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value) {
  return index_filled(self, dim, index, value, false);
}
const Tensor& index_fill_(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value) {
  index_filled(self, dim, index, value, true);
  return self;
}

}  // namespace rushlight
