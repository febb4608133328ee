// Slices repeated one by one.
#include <algorithm>

#include "ops/index.h"
#include "rushlight/index.h"

namespace rushlight {

namespace {

template <class T>
void fill_repeats(T* out, const int64_t* repeats, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    std::fill(out, out + repeats[i], static_cast<T>(i));
    out += repeats[i];
  }
}

}  // namespace

Tensor repeat_interleave(const Tensor& repeats, OptInt output_size) {
  check_cpu("repeat_interleave", repeats);
  if (repeats.dim() != 1) fail("repeat_interleave only accept 1D vector as repeat");
  if (!is_index_dtype(repeats.dtype()))
    fail<NotImplementedError>("\"repeat_interleave_cpu\" not implemented for '", repeats.dtype(), "'");
  const Tensor dense = dense_index(repeats);
  const int64_t n = dense.numel();
  const int64_t* const counts = dense.data_ptr<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (counts[i] < 0) fail("repeats can not be negative");
    if (__builtin_add_overflow(total, counts[i], &total)) fail("repeat_interleave(): the sum of repeats overflows");
  }
  if (output_size && *output_size != total) fail("allocated size does not match required size");
  const Tensor out = empty(DimVector{total}, repeats.dtype());
  cpu::BlockingRegion region(total > cpu::kSerialElements);
  if (out.dtype() == DType::Int64)
    fill_repeats(out.data_ptr<int64_t>(), counts, n);
  else
    fill_repeats(out.data_ptr<int32_t>(), counts, n);
  return out;
}

Tensor repeat_interleave(const Tensor& self, const Tensor& repeats, OptInt dim, OptInt output_size) {
  if (dim && self.dim() == 0) fail<IndexError>("Dimension specified as ", *dim, " but tensor has no dimensions");
  const Tensor x = dim ? self : flatten(self);
  const int64_t d = wrap_dim(dim.value_or(0), x.dim());
  const int64_t size = size_along(x, d);
  Tensor counts = repeats;
  if (repeats.dim() > 1) fail("repeats must be 0-dim or 1-dim tensor");
  if (repeats.numel() == 1 && (repeats.dim() == 0 || size != 1))
    counts = expand(reshape(repeats, DimVector{1}), DimVector{size});
  else if (repeats.numel() != size)
    fail("repeats must have the same size as input along dim, but got repeats.size(0) = ", repeats.numel(),
         " and input.size(", d, ") = ", size);
  return index_select(x, d, repeat_interleave(counts, output_size));
}

Tensor repeat_interleave(const Tensor& self, int64_t repeats, OptInt dim, OptInt output_size) {
  check_cpu("repeat_interleave", self);
  if (repeats < 0) fail("Repeats must be non-negative");
  const Tensor x = dim ? self : flatten(self);
  const int64_t d = wrap_dim(dim.value_or(0), x.dim());
  if (output_size) {
    int64_t total;
    if (__builtin_mul_overflow(repeats, size_along(x, d), &total)) total = -1;
    if (*output_size != total)
      fail("repeat_interleave: Invalid output_size, expected ", total, " but got ", *output_size);
  }
  // Many copies of single elements are faster by index than as runs of equal ones.
  if (x.dim() > 0 && d == x.dim() - 1 && repeats > 16 && repeats < 64 && x.is_contiguous())
    return index_select(x, d, repeat_interleave(full(DimVector{x.sizes()[d]}, repeats, DType::Int64)));
  Tensor wide = unsqueeze(x, d + 1);
  DimVector sizes(wide.sizes());
  sizes[d + 1] = repeats;
  return flatten(clone(expand(wide, sizes), true), d, d + 1);
}

}  // namespace rushlight
