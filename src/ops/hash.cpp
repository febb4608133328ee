#include "rushlight/hash.h"

#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight {

Tensor hash_tensor(const Tensor& self, OptSpan dims, bool keepdim) {
  check_cpu("hash_tensor", self);
  if (is_complex(self.dtype())) fail<NotImplementedError>("\"xor_sum_cpu\" not implemented for '", self.dtype(), "'");
  std::vector<bool> reduced(static_cast<size_t>(self.dim()), !dims || dims->empty());
  if (dims)
    for (int64_t dim : *dims) {
      const int64_t d = wrap_dim(dim, self.dim());
      if (self.dim() == 0) continue;
      if (!dims->empty() && reduced[static_cast<size_t>(d)])
        fail("dim ", d, " appears multiple times in the list of dims");
      reduced[static_cast<size_t>(d)] = true;
    }
  DimVector order, shape, inner;
  int64_t rows = 1, cols = 1;
  for (int64_t d = 0; d < self.dim(); ++d) {
    const bool gone = reduced[static_cast<size_t>(d)];
    (gone ? cols : rows) *= self.sizes()[d];
    if (gone) {
      inner.push_back(d);
      if (keepdim) shape.push_back(1);
    } else {
      order.push_back(d);
      shape.push_back(self.sizes()[d]);
    }
  }
  if (self.numel() == 0 && (!dims || dims->empty()))
    fail(
        "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
        "the 'dim' argument.");
  if (cols == 0)
    for (int64_t d : inner)
      if (self.sizes()[d] == 0) fail<IndexError>("hash_tensor: Expected reduction dim ", d, " to have non-zero size.");
  for (int64_t d : inner) order.push_back(d);
  NoGradGuard no_grad;
  const DType wide = is_floating_point(self.dtype()) ? DType::Float64 : DType::Int64;
  const Tensor dense = contiguous(permute(self.dtype() == wide ? self : to(self, wide), order));
  const Tensor out = zeros(shape, DType::UInt64);
  const auto* const in = reinterpret_cast<const uint64_t*>(dense.data());
  auto* const sums = reinterpret_cast<uint64_t*>(out.data());
  cpu::BlockingRegion region(self.numel() > 32768);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) sums[r] ^= in[r * cols + c];
  return out;
}

}  // namespace rushlight
