// Creation, copies and questions by memory format.
#include "layout/memory_format.h"

#include "cpu/loop_plan.h"
#include "ops/elementwise.h"
#include "rushlight/conj.h"

namespace rushlight {

using autograd::Grads;

Tensor empty(IntSpan sizes, OptDType dtype, Device device, MemoryFormat format) {
  if (format == MemoryFormat::Contiguous) return empty(sizes, dtype, device);
  return empty_strided(sizes, layout::format_strides(sizes, format), dtype, device);
}

Tensor empty_like(const Tensor& self, OptDType dtype, MemoryFormat format) {
  if (format == MemoryFormat::Preserve) return empty_like(self, dtype);
  return empty(self.sizes(), dtype.value_or(self.dtype()), self.device(), format);
}

namespace {

Tensor converted(const char* node, const Tensor& self, DType dtype, MemoryFormat format) {
  check_cpu("to", self);
  const Tensor r = empty_like(self, dtype, format);
  if (is_complex(self.dtype()) && !is_complex(dtype) && dtype != DType::Bool)
    warn("Casting complex values to real discards the imaginary part");
  cpu::copy_elements(r, self.is_conj() ? resolve_conj(detach(self)) : self);
  if (autograd::needs(self) && is_differentiable(dtype))
    autograd::record(node, r, {&self}, [](Grads& g) { g[0] = g.grad(); });
  return r;
}

}  // namespace

Tensor clone(const Tensor& self, MemoryFormat format) {
  if (format == MemoryFormat::Preserve || format == MemoryFormat::Contiguous)
    return clone(self, format == MemoryFormat::Contiguous);
  return converted("CloneBackward0", self, self.dtype(), format);
}

Tensor contiguous(const Tensor& self, MemoryFormat format) {
  if (is_contiguous(self, format)) return self;
  if (format == MemoryFormat::Preserve) fail("preserve memory format is unsupported by the contiguous operator");
  return clone(self, format);
}

Tensor to(const Tensor& self, DType dtype, bool copy, MemoryFormat format) {
  if (format == MemoryFormat::Preserve) return to(self, dtype, copy);
  if (dtype == self.dtype() && !copy && suggested_format(self) == format) return self;
  return converted("ToCopyBackward0", self, dtype, format);
}

bool is_contiguous(const Tensor& self, MemoryFormat format) {
  if (format == MemoryFormat::Contiguous || format == MemoryFormat::Preserve) return self.is_contiguous();
  return layout::is_channels_last_dense(self.sizes(), self.strides(), format);
}

const Tensor& resize_(const Tensor& self, IntSpan sizes, MemoryFormat format) {
  if (format == MemoryFormat::Preserve) fail("Unsupported memory formatPreserve");
  const DimVector shape(sizes);
  const DimVector strides = layout::format_strides(shape, format);
  resize_(self, shape);
  self.impl()->set_geometry(shape, strides, self.storage_offset());
  return self;
}

MemoryFormat suggested_format(const Tensor& self) {
  if (!layout::is_channels_last_like(self.sizes(), self.strides())) return MemoryFormat::Contiguous;
  return self.dim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d;
}

}  // namespace rushlight
