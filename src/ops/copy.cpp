// Copies, conversions, and the small questions about values.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "rushlight/conj.h"

namespace rushlight {

using autograd::Grads;

namespace {

[[gnu::cold]] Tensor clone_lazy(const Tensor& self, bool contiguous) {
  Tensor r;
  {
    NoGradGuard no_grad;
    Tensor memory = share(self);
    memory.impl()->set_lazy(0);
    if (contiguous && !self.is_contiguous()) memory = clone(memory, true);
    r = self.is_conj() ? conj(memory) : neg(memory);
    if (self.is_conj() && self.is_neg()) neg_(r);
  }
  if (autograd::needs(self)) autograd::record("CloneBackward0", r, {&self}, [](Grads& g) { g[0] = g.grad(); });
  return r;
}

// torch refuses memory that meets only where both sides are dense; elsewhere programs shift values in place.
[[gnu::cold]] void copy_overlapping(const Tensor& self, const Tensor& source) {
  NoGradGuard no_grad;
  const bool dense = self.is_non_overlapping_and_dense() && source.is_non_overlapping_and_dense();
  if (dense && layout::overlap(self, expand(detach(source), self.sizes())) == layout::Overlap::Partial)
    check_no_partial_overlap(self, source);
  cpu::copy_elements(self, clone(source));
}

}  // namespace

Tensor clone(const Tensor& self, bool contiguous) {
  check_cpu("clone", self);
  if (self.is_lazy()) [[unlikely]]
    return clone_lazy(self, contiguous);
  Tensor r = contiguous ? empty(self.sizes(), self.dtype(), self.device()) : empty_like(self);
  // A dense tensor in its own order is one block.
  if (self.numel() && equal(r.strides(), self.strides()) && self.is_non_overlapping_and_dense() &&
      self.nbytes() <= 262144)
    std::memcpy(r.data(), self.data(), static_cast<size_t>(self.nbytes()));
  else
    cpu::copy_elements(r, self);
  if (autograd::needs(self)) autograd::record("CloneBackward0", r, {&self}, [](Grads& g) { g[0] = g.grad(); });
  return r;
}

Tensor contiguous(const Tensor& self) { return self.is_contiguous() ? self : clone(self, true); }

Tensor to(const Tensor& self, DType dtype, bool copy) {
  if (dtype == self.dtype()) return copy ? clone(self) : self;
  check_cpu("to", self);
  if (self.is_lazy()) [[unlikely]]
    return to(resolve_lazy(self), dtype);
  if (is_complex(self.dtype()) && !is_complex(dtype) && dtype != DType::Bool)
    warn("Casting complex values to real discards the imaginary part");
  Tensor r = empty_like(self, dtype);
  cpu::copy_elements(r, self);
  if (autograd::needs(self) && is_differentiable(dtype))
    autograd::record("ToCopyBackward0", r, {&self}, [](Grads& g) { g[0] = g.grad(); });
  return r;
}

Tensor detach(const Tensor& self) { return share(self); }

Tensor alias(const Tensor& self) {
  Tensor r = make_view(self, layout::geometry_of(self));
  if (autograd::needs(self)) autograd::record("AliasBackward0", r, {&self}, [](Grads& g) { g[0] = g.grad(); });
  return r;
}

namespace {
// Whether gradients take the same way from both, which see the same elements.
bool same_history(const Tensor& a, const Tensor& b) {
  const TensorImpl* root = a.impl()->base ? a.impl()->base : a.impl();
  return root == (b.impl()->base ? b.impl()->base : b.impl()) && a.requires_grad() == b.requires_grad();
}
}  // namespace

const Tensor& copy_(const Tensor& self, const Tensor& source) {
  check_cpu("copy_", self);
  check_cpu("copy_", source);
  autograd::check_inplace(self, autograd::needs(source));
  if (self.is_same(source)) return self;
  if (self.is_conj()) [[unlikely]] {
    // Real numbers become complex first: in memory their imaginary part is -0.
    copy_(lazy_conj(self), lazy_conj(is_complex(source.dtype()) ? source : to(source, self.dtype())));
    return self;
  }
  if (self.is_neg()) [[unlikely]] {  // in the dtype of self: others may have no negatives
    copy_(lazy_neg(self), lazy_neg(to(source, self.dtype())));
    return self;
  }
  if (source.is_lazy()) [[unlikely]]
    return copy_(self, resolve_lazy(source));
  if (!layout::is_expandable_to(source.sizes(), self.sizes())) {
    const DimVector shape = layout::broadcast_shapes(self.sizes(), source.sizes());
    fail("output with shape ", self.sizes(), " doesn't match the broadcast shape ", IntSpan(shape));
  }
  const bool record = autograd::needs(self, source) && is_differentiable(self.dtype());
  const layout::Overlap overlap = layout::overlap(self, source);
  const bool onto_itself = overlap == layout::Overlap::Full && self.dtype() == source.dtype();
  if (onto_itself && (!record || same_history(self, source))) return self;
  if (!onto_itself) layout::check_writable(self);
  Ref<Node> node;
  if (record)
    node = autograd::make_node("CopyBackwards", {&self, &source}, [](Grads& g) {
      if (g.needs(0)) g[0] = zeros_like(g.grad());
      if (g.needs(1)) g[1] = g.grad();
    });
  if (onto_itself) {
    // The memory stays as it is, the history does not.
  } else if (overlap == layout::Overlap::Partial) [[unlikely]] {
    copy_overlapping(self, source);
  } else {
    cpu::copy_elements(self, source);
  }
  self.bump_version("copy_");
  if (record) autograd::rebase_history(self, node);
  return self;
}

namespace {

const Tensor& fill_as(const char* operation, const char* name, const Tensor& self, const Operand& value) {
  check_cpu(operation, self);
  // Elements that share memory get the same value; torch refuses that with tensors only.
  if (value.is_tensor())
    layout::check_writable(self);
  else
    layout::check_not_read_only(self);
  if (value.is_tensor() && value.tensor().dim() != 0)
    fail("fill_ only supports 0-dimension value tensor but got tensor with ", value.tensor().dim(), " dimensions.");
  const Scalar number = value.is_tensor() ? item(value.tensor()) : value.number();
  if (!value.is_tensor()) number.check_fits(self.dtype());
  const Tensor* source = value.is_tensor() ? &value.tensor() : nullptr;
  const bool record =
      (autograd::needs(self) || (source && autograd::needs(*source))) && is_differentiable(self.dtype());
  autograd::check_inplace(self, record);
  Ref<Node> node;
  if (record && source)
    node = autograd::make_node("FillBackward3", {&self, source}, [](Grads& g) {
      if (g.needs(0)) g[0] = zeros_like(g.grad());
      if (g.needs(1)) g[1] = sum(g.grad());
    });
  else if (record)
    node = autograd::make_node(name ? name : "FillBackward2", {&self}, [](Grads& g) { g[0] = zeros_like(g.grad()); });
  cpu::fill_elements(self, number);
  self.bump_version(operation);
  if (record) autograd::rebase_history(self, node);
  return self;
}

}  // namespace

const Tensor& fill_(const Tensor& self, const Operand& value) { return fill_as("fill_", nullptr, self, value); }

const Tensor& zero_(const Tensor& self) {
  if (self.is_contiguous() && self.numel() && !self.impl()->autograd && !self.impl()->base && !self.impl()->inference &&
      !self.storage()->read_only() && self.device().is_cpu() && self.nbytes() <= 65536) {
    std::memset(self.data(), 0, static_cast<size_t>(self.nbytes()));
    self.bump_version("zero_");
    return self;
  }
  return fill_as("zero_", "ZeroBackward0", self, 0);
}

Scalar item(const Tensor& self) {
  if (self.numel() != 1) fail("a Tensor with ", self.numel(), " elements cannot be converted to Scalar");
  check_cpu("item", self);
  if (self.is_lazy()) [[unlikely]] {
    NoGradGuard no_grad;
    return item(resolve_lazy(self));
  }
  return Scalar::load(self.dtype(), self.raw_data());
}

Tensor conj(const Tensor& self) { return is_complex(self.dtype()) ? conj_physical(self) : self; }

// ---- methods of Tensor that forward to the free functions
Tensor Tensor::operator[](int64_t index) const { return rushlight::select(*this, 0, index); }
Tensor Tensor::slice(int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) const {
  return rushlight::slice(*this, dim, start, end, step);
}
Tensor Tensor::to(DType dtype) const { return rushlight::to(*this, dtype); }
Tensor Tensor::contiguous() const { return rushlight::contiguous(*this); }
Tensor Tensor::clone() const { return rushlight::clone(*this); }
Tensor Tensor::detach() const { return rushlight::detach(*this); }
Tensor Tensor::view(IntSpan sizes) const { return rushlight::view(*this, sizes); }
Tensor Tensor::reshape(IntSpan sizes) const { return rushlight::reshape(*this, sizes); }
Tensor Tensor::t() const { return rushlight::t(*this); }
Tensor Tensor::sum() const { return rushlight::sum(*this); }
Tensor Tensor::mean() const { return rushlight::mean(*this); }
Tensor Tensor::matmul(const Tensor& other) const { return rushlight::matmul(*this, other); }
Scalar Tensor::item() const { return rushlight::item(*this); }

}  // namespace rushlight
