// Creation, copies and questions by memory format.
#include "layout/memory_format.h"

#include "cpu/loop_plan.h"
#include "ops/elementwise.h"

namespace rushlight {

Tensor empty(IntSpan sizes, OptDType dtype, Device device, MemoryFormat format) {
  if (format == MemoryFormat::Contiguous) return empty(sizes, dtype, device);
  return empty_strided(sizes, layout::format_strides(sizes, format), dtype, device);
}

Tensor empty_like(const Tensor& self, OptDType dtype, MemoryFormat format) {
  if (format == MemoryFormat::Preserve) return empty_like(self, dtype);
  return empty(self.sizes(), dtype.value_or(self.dtype()), self.device(), format);
}

}  // namespace rushlight
