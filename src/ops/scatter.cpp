// Elements along one dim: gather and scatter; elements by row-major position: take and put.
#include <algorithm>
#include <cstring>

#include "ops/scatter.h"
#include "rushlight/index.h"

namespace rushlight {

using autograd::Grads;

// ---- gather

namespace {

Tensor gathered(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* target) {
  check_cpu("gather", self);
  check_cpu("gather", index);
  dim = wrap_dim(dim, self.dim());
  if (index.numel() != 0) {
    if (!is_index_dtype(index.dtype())) fail("gather(): Expected dtype int32/int64 for index");
    if (std::max<int64_t>(index.dim(), 1) != std::max<int64_t>(self.dim(), 1))
      fail("Index tensor must have the same number of dimensions as input tensor");
    for (int64_t d = 0; d < index.dim(); ++d)
      if (d != dim && index.sizes()[d] > self.sizes()[d])
        fail("Size does not match at dimension ", d, " expected index ", index.sizes(), " to be no larger than self ",
             self.sizes(), " apart from dimension ", dim);
  }
  const IntSpan shape = index.sizes();
  Tensor ix = index;
  if (index.dtype() != DType::Int64) ix = dense_index(index);
  cpu::IndexParams p;
  p.size = size_along(self, dim);
  p.dim = dim;
  p.check = true;
  p.stride = stride_along(self, dim) * self.item_size();
  Tensor out;
  if (target) {
    if (target->dtype() != self.dtype())
      fail("Expected out tensor to have dtype ", c_type_name(self.dtype()), ", but got ", c_type_name(target->dtype()),
           " instead");
    int64_t bad;
    if (cpu::find_outside(ix, 0, p.size - 1, &bad)) fail_index(bad, dim, p.size);
    prepare_index_out("gather", *target, shape, self.dtype(), {&self, &index});
    out = *target;
  } else {
    out = empty(shape, self.dtype());
  }
  if (out.numel() == 0) return out;
  const DimVector strides = self.dim() == index.dim() ? strides_without(self, dim) : DimVector(index.dim(), 0);
  const cpu::LoopArg args[3] = {cpu::LoopArg(out, out.dtype()), loop_arg(self, shape, strides),
                                cpu::LoopArg(ix, DType::Int64)};
  cpu::run_loop(cpu::take_loop(self.item_size()), &p, shape, args, 3);
  return out;
}

}  // namespace

Tensor gather(const Tensor& self, int64_t dim, const Tensor& index) {
  Tensor out = gathered(self, dim, index, nullptr);
  if (autograd::needs(self))
    autograd::record("GatherBackward0", out, {&self},
                     [saved = SavedTensor(index), dim, sizes = DimVector(self.sizes())](Grads& g) {
                       g[0] = scatter_add(zeros(sizes, g.grad().dtype()), dim, g.unpack(saved), g.grad());
                     });
  return out;
}

const Tensor& gather_out(const Tensor& out, const Tensor& self, int64_t dim, const Tensor& index) {
  gathered(self, dim, index, &out);
  out.bump_version("gather");
  return out;
}

Tensor take_along_dim(const Tensor& self, const Tensor& indices, OptInt dim) {
  check_cpu("take_along_dim", self);
  check_cpu("take_along_dim", indices);
  if (!dim) return gather(flatten(self), 0, flatten(indices));
  if (self.dim() != indices.dim())
    fail("torch.take_along_dim(): input and indices should have the same number of dimensions, but got ", self.dim(),
         " dimensions for input, and ", indices.dim(), " dimensions for indices");
  if (indices.dtype() != DType::Int64)
    fail("torch.take_along_dim(): dtype of indices should be Long but got ", indices.dtype());
  if (self.dim() == 0) fail<IndexError>("Dimension specified as ", *dim, " but tensor has no dimensions");
  const int64_t d = wrap_dim(*dim, self.dim());
  DimVector own(self.sizes()), theirs(indices.sizes());
  own[d] = theirs[d];
  theirs[d] = self.sizes()[d];
  const DimVector index_shape = layout::broadcast_shapes(own, indices.sizes());
  const DimVector self_shape = layout::broadcast_shapes(theirs, self.sizes());
  Tensor ix = indices;
  {
    NoGradGuard no_grad;
    int64_t bad;
    // Like torch, indices outside wrap around, on both sides.
    if (layout::checked_numel(index_shape) != 0 && cpu::find_outside(ix, 0, self.sizes()[d] - 1, &bad))
      ix = remainder(ix, self.sizes()[d]);
    if (!equal(ix.sizes(), index_shape)) ix = expand(ix, index_shape);
  }
  return gather(expand(self, self_shape), d, ix);
}

// ---- scatter

void check_scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* source) {
  check_cpu("scatter", self);
  check_cpu("scatter", index);
  if (!is_index_dtype(index.dtype()) && index.numel() != 0) fail("scatter(): Expected dtype int32/int64 for index");
  if (source) {
    check_cpu("scatter", *source);
    if (source->dtype() != self.dtype()) fail("scatter(): Expected self.dtype to be equal to src.dtype");
  }
  if (index.numel() == 0) return;
  const int64_t ndim = std::max<int64_t>(self.dim(), 1);
  if (std::max<int64_t>(index.dim(), 1) != ndim)
    fail("Index tensor must have the same number of dimensions as self tensor");
  if (source && std::max<int64_t>(source->dim(), 1) != ndim)
    fail("Index tensor must have the same number of dimensions as src tensor");
  bool fits = true;
  for (int64_t d = 0; d < ndim; ++d) {
    const int64_t n = size_along(index, d);
    fits = fits && (d == dim || n <= size_along(self, d)) && (!source || n <= size_along(*source, d));
  }
  if (fits) return;
  if (source)
    fail("Expected index ", index.sizes(), " to be no larger than self ", self.sizes(), " apart from dimension ", dim,
         " and to be no larger size than src ", source->sizes());
  fail("Expected index ", index.sizes(), " to be no larger than self ", self.sizes(), " apart from dimension ", dim);
}

cpu::Loop scatter_loop(Reduce reduce, DType dtype) {
  cpu::Loop loop = nullptr;
  const char* name = "";
  switch (reduce) {
    case Reduce::None: return cpu::put_loop(item_size(dtype));
    case Reduce::Add: loop = cpu::add_loop(dtype), name = "scatter_add"; break;
    case Reduce::Multiply: loop = cpu::multiply_loop(dtype), name = "reduce_multiply"; break;
    case Reduce::Maximum: loop = cpu::maximum_loop(dtype), name = "reduce_amax"; break;
    case Reduce::Minimum: loop = cpu::minimum_loop(dtype), name = "reduce_amin"; break;
  }
  if (!loop) fail<NotImplementedError>("\"scatter_gather_tensor_cpu_", name, "\" not implemented for '", dtype, "'");
  return loop;
}

void run_scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* source, const Scalar& value,
                 Reduce reduce, bool check) {
  const DType d = self.dtype();
  const cpu::Loop loop = scatter_loop(reduce, d);
  alignas(16) char number[16];
  if (!source) value.store(d, number);
  const IntSpan shape = index.sizes();
  // A 0-d tensor meets 1-d ones here: its only stride is that of the indexed dim.
  auto strides_of = [&](const Tensor& t) {
    return t.dim() == index.dim() ? DimVector(t.strides()) : DimVector(index.dim(), t.dim() == 0 ? 0 : t.strides()[0]);
  };
  DimVector self_strides = strides_of(self);
  if (!self_strides.empty()) self_strides[dim] = 0;
  const DimVector source_strides = source ? strides_of(*source) : DimVector();
  cpu::IndexParams p;
  p.stride = stride_along(self, dim) * self.item_size();
  p.size = size_along(self, dim);
  p.dim = dim;
  p.check = check;
  const cpu::LoopArg args[3] = {loop_arg(self, shape, self_strides),
                                source ? loop_arg(*source, shape, source_strides) : cpu::LoopArg(number, d),
                                cpu::LoopArg(index, DType::Int64)};
  cpu::run_lanes(loop, &p, shape, dim, args, 3);
}

Tensor corner(const Tensor& t, IntSpan shape) {
  Tensor part = t;
  for (int64_t d = 0; d < t.dim(); ++d)
    if (t.sizes()[d] != shape[d]) part = narrow(part, d, 0, shape[d]);
  return part;
}

Tensor from_corner(const Tensor& part, IntSpan sizes) {
  if (equal(sizes, part.sizes())) return part;
  if (sizes.empty() || part.dim() == 0) return reshape(part, sizes);
  const Tensor whole = zeros(sizes, part.dtype());
  copy_(corner(whole, part.sizes()), part);
  return whole;
}

namespace {

Reduce parse_reduce(std::string_view reduce) {
  if (reduce.empty()) return Reduce::None;
  if (reduce == "add") return Reduce::Add;
  if (reduce == "multiply") return Reduce::Multiply;
  fail("reduce argument must be either add or multiply.");
}

Tensor scattered(const char* operation, const Tensor& self, int64_t dim, const Tensor& index, const Operand& source,
                 std::string_view reduction, bool inplace) {
  const Tensor* src = source.is_tensor() ? &source.tensor() : nullptr;
  dim = wrap_dim(dim, self.dim());
  const Reduce reduce = parse_reduce(reduction);
  const bool record = autograd::needs(self) || (src && autograd::needs(*src));
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  const bool is_add = std::string_view(operation) == "scatter_add_";
  if (!record) {
    // Nothing to keep.
  } else if (reduce != Reduce::None && !is_add) {
    auto derivative = [](Grads&) { fail("derivative for aten::scatter is not implemented"); };
    if (src)
      node = autograd::make_node("torch::autograd::NotImplemented", {&self, src}, derivative);
    else
      node = autograd::make_node("torch::autograd::NotImplemented", {&self}, derivative);
  } else if (src) {
    auto derivative = [saved = SavedTensor(index), dim, is_add, sizes = DimVector(src->sizes())](Grads& g) {
      const Tensor ix = g.unpack(saved);
      if (g.needs(0)) g[0] = is_add || ix.numel() == 0 ? g.grad() : scatter(g.grad(), dim, ix, 0);
      if (!g.needs(1)) return;
      if (ix.numel() == 0) {
        g[1] = zeros(sizes, g.grad().dtype());
      } else {
        g[1] = from_corner(gather(g.grad(), dim, ix), sizes);
      }
    };
    node =
        autograd::make_node(is_add ? "ScatterAddBackward0" : "ScatterBackward0", {&self, src}, std::move(derivative));
  } else {
    node = autograd::make_node("ScatterBackward1", {&self}, [saved = SavedTensor(index), dim](Grads& g) {
      const Tensor ix = g.unpack(saved);
      g[0] = ix.numel() == 0 ? g.grad() : scatter(g.grad(), dim, ix, 0);
    });
  }
  if (node) dim = wrap_dim(dim, self.dim());  // pack hooks have run
  check_scatter(self, dim, index, src);
  if (!src) source.number().check_fits(self.dtype());
  const Tensor ix = index.dtype() == DType::Int64 || index.numel() == 0 ? index : dense_index(index);
  if (inplace) {
    layout::check_writable(self);
    check_no_overlap(self, index);
    if (src) check_no_overlap(self, *src);
  }
  // Reading all indices twice costs more than the work on them. A fresh result may be left half done; a small one that
  // is written in place is kept, to be put back.
  const bool keep = inplace && self.is_contiguous() && self.nbytes() <= index.numel() / 4;
  if (inplace && !keep && index.numel() != 0) {
    int64_t bad;
    const int64_t size = size_along(self, dim);
    if (cpu::find_outside(ix, 0, size - 1, &bad)) fail_index(bad, dim, size);
  }
  const Tensor out = inplace ? self : plain_copy(self);
  if (index.numel() != 0) {
    const Scalar value = src ? Scalar() : source.number();
    if (keep) {
      const Tensor before = plain_copy(self);
      try {
        run_scatter(out, dim, ix, src, value, reduce, true);
      } catch (...) {
        std::memcpy(self.data(), before.data(), static_cast<size_t>(self.nbytes()));
        throw;
      }
    } else {
      run_scatter(out, dim, ix, src, value, reduce, !inplace);
    }
  }
  if (inplace) self.bump_version(operation);
  autograd::attach(inplace, out, node);
  return out;
}

}  // namespace

Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Operand& source, std::string_view reduce) {
  return scattered("scatter_", self, dim, index, source, reduce, false);
}
const Tensor& scatter_(const Tensor& self, int64_t dim, const Tensor& index, const Operand& source,
                       std::string_view reduce) {
  scattered("scatter_", self, dim, index, source, reduce, true);
  return self;
}
Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  return scattered("scatter_add_", self, dim, index, source, "add", false);
}
const Tensor& scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
  scattered("scatter_add_", self, dim, index, source, "add", true);
  return self;
}

// ---- take and put: row-major positions

namespace {

// Positions within [0, n), dense; the caller's index may count from the end.
Tensor positions_of(const Tensor& self, const Tensor& index) {
  const Tensor ix = dense_index(index);
  const int64_t n = self.numel();
  int64_t bad;
  if (cpu::find_outside(ix, -n, n - 1, &bad))
    fail<IndexError>("out of range: tried to access index ", bad, " on a tensor of ", n, " elements.");
  if (!cpu::find_outside(ix, 0, n - 1, &bad)) return ix;
  const Tensor wrapped = plain_copy(ix);
  int64_t* const p = wrapped.data_ptr<int64_t>();
  for (int64_t i = 0; i < wrapped.numel(); ++i) p[i] += p[i] < 0 ? n : 0;
  return wrapped;
}

void check_take(const char* operation, const Tensor& self, const Tensor& index) {
  check_cpu(operation, self);
  check_cpu(operation, index);
  if (index.dtype() != DType::Int64) fail(operation, "(): Expected a long tensor for index, but got ", index.dtype());
}

Tensor taken(const Tensor& self, const Tensor& index, const Tensor* target) {
  check_take("take", self, index);
  if (target && target->dtype() != self.dtype())
    fail("take(): self and out expected to have the same dtype, but got self.dtype = ", self.dtype(),
         " and out.dtype = ", target->dtype());
  if (self.numel() == 0 && index.numel() != 0) fail<IndexError>("take(): tried to take from an empty tensor");
  const Tensor ix = positions_of(self, index);
  if (target) prepare_index_out("take", *target, index.sizes(), self.dtype(), {&self, &index});
  const Tensor out = target ? *target : empty(index.sizes(), self.dtype());
  const Tensor source = self.is_contiguous() ? self : plain_copy(self);
  const Tensor dense = out.is_contiguous() ? out : empty(out.sizes(), out.dtype());
  const int64_t item = self.item_size();
  cpu::take_blocks(dense.data(), source.data(), ix.data_ptr<int64_t>(), 1, ix.numel(), item, 0, item);
  if (!dense.is_same(out)) cpu::copy_elements(out, dense);
  return out;
}

Tensor put_at(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate, bool inplace) {
  check_take("put_", self, index);
  check_cpu("put_", source);
  const bool record = autograd::needs(self, source);
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record)
    node = autograd::make_node("PutBackward0", {&self, &source},
                               [saved = SavedTensor(index), accumulate, sizes = DimVector(source.sizes())](Grads& g) {
                                 const Tensor ix = g.unpack(saved);
                                 if (g.needs(0))
                                   g[0] = accumulate ? g.grad() : put(g.grad(), ix, zeros(sizes, g.grad().dtype()));
                                 if (g.needs(1)) g[1] = reshape(take(g.grad(), ix), sizes);
                               });
  if (self.dtype() != source.dtype())
    fail("put_(): self and source expected to have the same dtype, but got self.dtype = ", self.dtype(),
         " and source.dtype = ", source.dtype());
  if (source.numel() != index.numel())
    fail<IndexError>("put_(): Expected source and index to have the same number of elements, but got source.numel() = ",
                     source.numel(), ", index.numel() = ", index.numel());
  if (self.numel() == 0 && index.numel() != 0) fail<IndexError>("put_(): Tried to put elements into an empty tensor");
  if (accumulate && !cpu::add_loop(self.dtype()))
    fail<NotImplementedError>("\"put_\" not implemented for '", self.dtype(), "'");
  const Tensor ix = positions_of(self, index);
  if (inplace) {
    layout::check_writable(self);
    check_no_overlap(self, index);
    check_no_overlap(self, source);
  }
  const Tensor out = inplace ? self : plain_copy_like(self);
  const Tensor values = source.is_contiguous() ? source : plain_copy(source);
  const Tensor dense = out.is_contiguous() ? out : plain_copy(out);
  const int64_t item = self.item_size();
  const int64_t* const p = ix.data_ptr<int64_t>();
  if (accumulate)
    cpu::combine_blocks(BinaryOp::Add, self.dtype(), dense.data(), values.data(), p, 1, ix.numel(), item, 0, 1,
                        nullptr);
  else
    cpu::put_blocks(dense.data(), values.data(), p, 1, ix.numel(), item, 0, item, false);
  if (!dense.is_same(out)) cpu::copy_elements(out, dense);
  if (inplace) self.bump_version("put_");
  autograd::attach(inplace, out, node);
  return out;
}

}  // namespace

Tensor take(const Tensor& self, const Tensor& index) {
  Tensor out = taken(self, index, nullptr);
  if (autograd::needs(self))
    autograd::record("TakeBackward0", out, {&self},
                     [saved = SavedTensor(index), sizes = DimVector(self.sizes())](Grads& g) {
                       g[0] = put_(zeros(sizes, g.grad().dtype()), g.unpack(saved), g.grad(), true);
                     });
  return out;
}

const Tensor& take_out(const Tensor& out, const Tensor& self, const Tensor& index) {
  taken(self, index, &out);
  out.bump_version("take");
  return out;
}

Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  return put_at(self, index, source, accumulate, false);
}

const Tensor& put_(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  put_at(self, index, source, accumulate, true);
  return self;
}

TensorList unravel_index(const Tensor& indices, IntSpan shape) {
  check_cpu("unravel_index", indices);
  if (!is_integral(indices.dtype(), false))
    fail<TypeError>("expected 'indices' to be integer dtype, but got torch.", name(indices.dtype()));
  const int64_t n = static_cast<int64_t>(shape.size());
  for (int64_t size : shape)
    if (size < 0) {
      Message m;
      for (int64_t s : shape) m << (m.text.empty() ? "(" : ", ") << s;
      fail<ValueError>("'shape' cannot have negative values, but got ", m.text, n == 1 ? ",)" : ")");
    }
  if (n == 0) return {};
  const Tensor sizes = from_data(shape.data(), IntSpan(&n, 1), DType::Int64);
  const Tensor strides = empty(IntSpan(&n, 1), DType::Int64);
  int64_t stride = 1;
  for (int64_t d = n - 1; d >= 0; --d) {
    strides.data_ptr<int64_t>()[d] = stride;
    if (__builtin_mul_overflow(stride, shape[static_cast<size_t>(d)], &stride))
      fail("unravel_index(): the number of elements of shape ", shape, " overflows");
  }
  return unbind(remainder(floor_divide(unsqueeze(indices, -1), strides), sizes), -1);
}

}  // namespace rushlight
