// Selection by masks: where, masked_*, nonzero.
#include <algorithm>
#include <cstring>

#include "ops/index.h"
#include "rushlight/index.h"

namespace rushlight {

using autograd::Grads;

namespace {

// ---- where

struct Where {
  const Tensor* a;
  const Tensor* b;
  DType dtype;
  DimVector shape;
};

Where plan_where(const Tensor& condition, const Operand& a, const Operand& b) {
  if (condition.dtype() == DType::UInt8)
    warn(
        "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future version "
        "of PyTorch. Use a boolean condition instead.");
  else if (condition.dtype() != DType::Bool)
    fail("where expected condition to be a boolean tensor, but got a tensor with dtype ", condition.dtype());
  Where w{a.is_tensor() ? &a.tensor() : nullptr, b.is_tensor() ? &b.tensor() : nullptr, DType::Undefined, {}};
  check_cpu("where", condition);
  if (w.a) check_cpu("where", *w.a);
  if (w.b) check_cpu("where", *w.b);
  w.dtype = w.a && w.b && w.a->dtype() == w.b->dtype() ? w.a->dtype() : result_type({&a, &b});
  w.shape = DimVector(condition.sizes());
  for (const Tensor* t : {w.a, w.b})
    if (t && !equal(t->sizes(), w.shape)) w.shape = layout::broadcast_shapes(w.shape, t->sizes());
  return w;
}

void run_where(const Tensor& out, const Tensor& condition, const Where& w, const Operand& a, const Operand& b) {
  alignas(16) char number[2][16];
  const Operand* const operands[2] = {&a, &b};
  const Tensor* const tensors[2] = {w.a, w.b};
  for (int i = 0; i < 2; ++i)
    if (!tensors[i]) {
      const Scalar& s = operands[i]->number();
      if (is_integral(w.dtype, true)) s.check_fits(w.dtype);
      s.store(w.dtype, number[i]);
    }
  const cpu::Loop loop = cpu::elementwise().where[cpu::size_class(item_size(w.dtype))];
  auto dense = [&](const Tensor* t) {
    return !t || (t->is_contiguous() && t->dtype() == w.dtype && equal(t->sizes(), w.shape));
  };
  if (out.is_contiguous() && condition.is_contiguous() && equal(condition.sizes(), w.shape) && dense(w.a) &&
      dense(w.b)) {
    const int64_t item = item_size(w.dtype);
    char* const data[4] = {out.data(), condition.data(), w.a ? w.a->data() : number[0], w.b ? w.b->data() : number[1]};
    const int64_t sizes[4] = {item, 1, w.a ? item : 0, w.b ? item : 0};
    cpu::run_contiguous(loop, nullptr, out.numel(), data, sizes, 4);
    return;
  }
  cpu::LoopArg args[4] = {cpu::LoopArg(out, w.dtype), cpu::LoopArg(condition, DType::Bool),
                          w.a ? cpu::LoopArg(*w.a, w.dtype) : cpu::LoopArg(number[0], w.dtype),
                          w.b ? cpu::LoopArg(*w.b, w.dtype) : cpu::LoopArg(number[1], w.dtype)};
  args[1].dtype = DType::Bool;  // uint8 is read as it lies
  cpu::run_loop(loop, nullptr, w.shape, args, 4);
}

}  // namespace

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
  const Where w = plan_where(condition, a, b);
  Tensor out;
  if (condition.is_contiguous() && (!w.a || w.a->is_contiguous()) && (!w.b || w.b->is_contiguous()))
    out = empty(w.shape, w.dtype);
  else if (w.a && w.b)
    out = empty_like_operands(w.shape, w.dtype, {&condition, w.a, w.b});
  else if (w.a || w.b)
    out = empty_like_operands(w.shape, w.dtype, {&condition, w.a ? w.a : w.b});
  else
    out = empty_like_operands(w.shape, w.dtype, {&condition});
  run_where(out, condition, w, a, b);
  if ((w.a && autograd::needs(*w.a)) || (w.b && autograd::needs(*w.b))) {
    const Tensor none;
    autograd::record("WhereBackward0", out, {w.a ? w.a : &none, w.b ? w.b : &none},
                     [mask = SavedTensor(condition)](Grads& g) {
                       const Tensor m = g.unpack(mask);
                       if (g.needs(0)) g[0] = where(m, g.grad(), 0);
                       if (g.needs(1)) g[1] = where(m, 0, g.grad());
                     });
  }
  return out;
}

const Tensor& where_out(const Tensor& out, const Tensor& condition, const Operand& a, const Operand& b) {
  const Where w = plan_where(condition, a, b);
  if (out.dtype() != w.dtype) fail("Expected out type to be ", w.dtype, " but got ", out.dtype());
  const Tensor& ta = w.a ? *w.a : condition;
  const Tensor& tb = w.b ? *w.b : condition;
  prepare_out("where", out, w.shape, w.dtype, {&condition, &ta, &tb});
  run_where(out, condition, w, a, b);
  out.bump_version("where");
  return out;
}

// ---- masked_fill

void fill_by_mask(const Tensor& self, const Tensor& mask, void* value) {
  const cpu::Loop loop = cpu::elementwise().where[cpu::size_class(self.item_size())];
  if (self.is_contiguous() && mask.is_contiguous() && equal(self.sizes(), mask.sizes())) {
    const int64_t item = self.item_size();
    char* const data[4] = {self.data(), mask.data(), static_cast<char*>(value), self.data()};
    const int64_t sizes[4] = {item, 1, 0, item};
    cpu::run_contiguous(loop, nullptr, self.numel(), data, sizes, 4);
    return;
  }
  const DType d = self.dtype();
  cpu::LoopArg args[4] = {cpu::LoopArg(self, d), cpu::LoopArg(mask, DType::Bool), cpu::LoopArg(value, d),
                          cpu::LoopArg(self, d)};
  args[1].dtype = DType::Bool;
  cpu::run_loop(loop, nullptr, self.sizes(), args, 4);
}

namespace {

Scalar fill_value(const char* operation, DType dtype, const Operand& value) {
  if (value.is_tensor() && value.tensor().dim() != 0)
    fail(operation, " only supports a 0-dimensional value tensor, but got tensor with ", value.tensor().dim(),
         " dimension(s).");
  const Scalar number = value.is_tensor() ? item(value.tensor()) : value.number();
  number.check_fits(dtype);
  return number;
}

void check_bool_mask(const char* operation, const Tensor& self, const Tensor& mask) {
  check_cpu(operation, self);
  check_cpu(operation, mask);
  if (mask.dtype() != DType::Bool)
    fail("masked_fill_ only supports boolean masks, but got mask with dtype ", c_type_name(mask.dtype()));
}

Tensor filled_by_mask(const Tensor& self, const Tensor& mask, const Operand& value, bool inplace) {
  check_bool_mask("masked_fill", self, mask);
  const Tensor* source = value.is_tensor() ? &value.tensor() : nullptr;
  const bool record =
      (autograd::needs(self) || (source && autograd::needs(*source))) && is_differentiable(self.dtype());
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record) {
    auto derivative = [saved = SavedTensor(mask)](Grads& g) {
      const Tensor m = g.unpack(saved);
      if (g.needs(0)) g[0] = masked_fill(g.grad(), m, 0);
      if (g.inputs() > 1 && g.needs(1)) g[1] = sum(where(m, g.grad(), 0));
    };
    if (source)
      node = autograd::make_node("MaskedFillBackward1", {&self, source}, std::move(derivative));
    else
      node = autograd::make_node("MaskedFillBackward0", {&self}, std::move(derivative));
  }
  const Scalar number = fill_value("masked_fill_", self.dtype(), value);
  alignas(16) char memory[16];
  number.store(self.dtype(), memory);
  Tensor out;
  if (inplace) {
    if (!layout::is_expandable_to(mask.sizes(), self.sizes())) {
      const DimVector shape = layout::broadcast_shapes(self.sizes(), mask.sizes());
      fail("output with shape ", self.sizes(), " doesn't match the broadcast shape ", shape);
    }
    check_writable_or_warn("masked_fill_", self, "tensor[mask] = scalar");
    if (!mask.is_same(self)) check_no_partial_overlap(self, mask);
    fill_by_mask(self, mask, memory);
    self.bump_version("masked_fill_");
    out = self;
  } else {
    const DimVector shape = layout::broadcast_shapes(self.sizes(), mask.sizes());
    out = empty(shape, self.dtype());
    const DType d = self.dtype();
    const cpu::Loop loop = cpu::elementwise().where[cpu::size_class(self.item_size())];
    const cpu::LoopArg args[4] = {cpu::LoopArg(out, d), cpu::LoopArg(mask, DType::Bool), cpu::LoopArg(memory, d),
                                  cpu::LoopArg(self, d)};
    cpu::run_loop(loop, nullptr, shape, args, 4);
  }
  autograd::attach(inplace, out, node);
  return out;
}

}  // namespace

Tensor masked_fill(const Tensor& self, const Tensor& mask, const Operand& value) {
  return filled_by_mask(self, mask, value, false);
}

const Tensor& masked_fill_(const Tensor& self, const Tensor& mask, const Operand& value) {
  filled_by_mask(self, mask, value, true);
  return self;
}

// ---- masked_select

Tensor select_by_mask(const Tensor& self, const Tensor& mask, const Tensor* out) {
  NoGradGuard no_grad;
  Tensor values = self, bits = mask;
  if (!equal(self.sizes(), mask.sizes())) {
    const DimVector shape = layout::broadcast_shapes(mask.sizes(), self.sizes());
    values = expand(self, shape);
    bits = expand(mask, shape);
  }
  values = contiguous(values);
  bits = contiguous(bits);
  const int64_t n = values.numel();
  const cpu::MaskCount count = cpu::count_true(bits.data(), n);
  const DimVector sizes{count.total};
  Tensor result, dense;
  if (out) {
    prepare_index_out("masked_select", *out, sizes, self.dtype(), {&self, &mask});
    result = *out;
    dense = result.is_contiguous() ? result : empty(sizes, self.dtype());
  } else {
    result = dense = empty(sizes, self.dtype());
  }
  cpu::compress(dense.data(), values.data(), self.item_size(), bits.data(), n, count);
  if (!dense.is_same(result)) cpu::copy_elements(result, dense);
  return result;
}

namespace {

void check_masked_select(const Tensor& self, const Tensor& mask) {
  check_cpu("masked_select", self);
  check_cpu("masked_select", mask);
  if (mask.dtype() != DType::Bool) fail("masked_select: expected BoolTensor for mask");
}

}  // namespace

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  check_masked_select(self, mask);
  Tensor out = select_by_mask(self, mask);
  if (autograd::needs(self))
    autograd::record("MaskedSelectBackward0", out, {&self},
                     [saved = SavedTensor(mask), sizes = DimVector(self.sizes())](Grads& g) {
                       const Tensor m = g.unpack(saved);
                       const DimVector shape = layout::broadcast_shapes(sizes, m.sizes());
                       g[0] = masked_scatter(zeros(shape, g.grad().dtype()), m, g.grad());
                     });
  return out;
}

const Tensor& masked_select_out(const Tensor& out, const Tensor& self, const Tensor& mask) {
  check_masked_select(self, mask);
  if (out.dtype() != self.dtype()) fail("masked_select(): self and result must have the same scalar type");
  if (GradMode::enabled() && (out.requires_grad() || self.requires_grad()))
    fail(
        "masked_select(): functions with out=... arguments don't support automatic differentiation, but one of the "
        "arguments requires grad.");
  select_by_mask(self, mask, &out);
  out.bump_version("masked_select");
  return out;
}

// ---- masked_scatter

namespace {

Tensor scattered_by_mask(const Tensor& self, const Tensor& mask, const Tensor& source, bool inplace) {
  check_cpu("masked_scatter", self);
  check_cpu("masked_scatter", source);
  const bool record = autograd::needs(self, source);
  if (inplace) autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record)
    node = autograd::make_node("MaskedScatterBackward0", {&self, &source},
                               [saved = SavedTensor(mask), sizes = DimVector(source.sizes())](Grads& g) {
                                 const Tensor m = g.unpack(saved);
                                 if (g.needs(0)) g[0] = masked_fill(g.grad(), m, 0);
                                 if (g.needs(1)) {
                                   Tensor part = masked_select(g.grad(), m);
                                   const int64_t n = layout::checked_numel(sizes);
                                   if (part.numel() < n) {
                                     const Tensor parts[2] = {part, zeros(DimVector{n - part.numel()}, part.dtype())};
                                     part = cat(parts);
                                   }
                                   g[1] = reshape(part, sizes);
                                 }
                               });
  if (mask.dtype() != DType::Bool)
    fail("masked_scatter_ only supports boolean masks, but got mask with dtype ", mask.dtype());
  if (self.dtype() != source.dtype())
    fail("masked_scatter: expected self and source to have same dtypes but got ", self.dtype(), " and ",
         source.dtype());
  const DimVector shape = layout::broadcast_shapes(self.sizes(), mask.sizes());
  if (inplace) {
    check_inplace_result("masked_scatter_", self, shape, self.dtype());
    check_no_overlap(self, source);
    if (!mask.is_same(self)) check_no_partial_overlap(self, mask);
  }
  Tensor out;
  {
    NoGradGuard no_grad;
    const Tensor bits = contiguous(equal(mask.sizes(), shape) ? mask : expand(mask, shape));
    const cpu::MaskCount count = cpu::count_true(bits.data(), bits.numel());
    if (source.numel() < count.total) fail("Number of elements of source < number of ones in mask");
    const Tensor values = contiguous(source);
    // Elements that are not dense are written through a dense copy.
    const bool direct = inplace && self.is_contiguous();
    const Tensor dense = direct ? self : clone(equal(self.sizes(), shape) ? self : expand(self, shape), true);
    cpu::expand_into(dense.data(), values.data(), self.item_size(), bits.data(), bits.numel());
    if (inplace && !direct) cpu::copy_elements(self, dense);
    out = inplace ? self : dense;
  }
  if (inplace) self.bump_version("masked_scatter_");
  autograd::attach(inplace, out, node);
  return out;
}

}  // namespace

Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source) {
  return scattered_by_mask(self, mask, source, false);
}

const Tensor& masked_scatter_(const Tensor& self, const Tensor& mask, const Tensor& source) {
  scattered_by_mask(self, mask, source, true);
  return self;
}

// ---- nonzero

Tensor nonzero(const Tensor& self) {
  check_cpu("nonzero", self);
  NoGradGuard no_grad;
  const bool bytes = self.dtype() == DType::Bool || self.dtype() == DType::UInt8 || self.dtype() == DType::Int8;
  const Tensor bits = contiguous(bytes ? self : is_complex(self.dtype()) ? ne(self, 0) : to(self, DType::Bool));
  const int64_t n = bits.numel(), ndim = self.dim();
  const cpu::MaskCount count = cpu::count_true(bits.data(), n);
  const DimVector sizes{count.total, ndim}, strides{1, count.total};
  const Tensor out = empty_strided(sizes, strides, DType::Int64);
  if (ndim == 0 || count.total == 0) return out;
  // The last column takes row-major positions; the others are split off from it.
  int64_t* const last = out.data_ptr<int64_t>() + (ndim - 1) * count.total;
  cpu::positions(last, bits.data(), n, count);
  for (int64_t d = ndim - 1; d > 0; --d) {
    // Columns d and d - 1: positions rise, so that the quotient is followed by counting.
    int64_t* const column = out.data_ptr<int64_t>() + d * count.total;
    int64_t* const outer = column - count.total;
    const int64_t size = self.sizes()[d];
    int64_t row = 0, start = 0;
    for (int64_t i = 0; i < count.total; ++i) {
      const int64_t at = column[i];
      if (at - start >= size || at < start) {
        row = at / size;
        start = row * size;
      }
      outer[i] = row;
      column[i] = at - start;
    }
  }
  return out;
}

const Tensor& nonzero_out(const Tensor& out, const Tensor& self) {
  if (out.dtype() != DType::Int64)
    fail("nonzero: Expected out tensor to have scalar type Long but got scalar type", out.dtype());
  check_no_overlap(out, self);
  const Tensor result = nonzero(self);
  if (GradMode::enabled() && out.requires_grad())
    fail(
        "nonzero(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
        "requires grad.");
  layout::check_writable(out);
  resize_output(out, result.sizes());
  cpu::copy_elements(out, result);
  out.bump_version("nonzero");
  return out;
}

Tensor nonzero_static(const Tensor& self, int64_t size, int64_t fill_value) {
  if (size < 0) fail("nonzero_static: 'size' must be an non-negative integer");
  const Tensor found = nonzero(self);
  const int64_t n = std::min(size, found.sizes()[0]);
  NoGradGuard no_grad;
  const Tensor out = empty(DimVector{size, self.dim()}, DType::Int64);
  copy_(narrow(out, 0, 0, n), narrow(found, 0, 0, n));
  fill_(narrow(out, 0, n, size - n), fill_value);
  return out;
}

TensorList where(const Tensor& condition) {
  return unbind(nonzero(condition.dim() ? condition : unsqueeze(condition, 0)), 1);
}

}  // namespace rushlight
