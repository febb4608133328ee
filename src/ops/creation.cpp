// New tensors from sizes and values.
#include "rushlight/creation.h"

#include <algorithm>
#include <bitset>
#include <cstring>

#include "layout/layout.h"
#include "ops/elementwise.h"
#include "rushlight/memory.h"

namespace rushlight {

Tensor empty(IntSpan sizes, OptDType dtype, Device device) {
  const DType d = dtype.value_or(default_dtype());
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("empty: tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  const int64_t n = layout::checked_numel(sizes, item_size(d));
  auto storage = Storage::allocate(static_cast<size_t>(n * item_size(d)), device);
  return Tensor::adopt(TensorImpl::create_contiguous(std::move(storage), d, sizes, n));
}

Tensor empty_strided(IntSpan sizes, IntSpan strides, OptDType dtype, Device device) {
  const DType d = dtype.value_or(default_dtype());
  if (sizes.size() != strides.size())
    fail("dimensionality of sizes (", sizes.size(), ") must match dimensionality of strides (", strides.size(), ")");
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("empty_strided: tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  for (int64_t s : strides)
    if (s < 0) fail("empty_strided: negative strides are not supported, got ", strides);
  const int64_t n = layout::checked_numel(sizes, item_size(d));
  const int64_t elements = n == 0 ? 0 : layout::required_elements(sizes, strides, 0);
  int64_t bytes;
  if (__builtin_mul_overflow(elements, item_size(d), &bytes))
    fail("Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
  auto storage = Storage::allocate(static_cast<size_t>(bytes), device);
  return Tensor::adopt(TensorImpl::create(std::move(storage), d, sizes, strides, 0));
}

Tensor empty_permuted(IntSpan sizes, IntSpan physical_layout, OptDType dtype, Device device) {
  const int64_t n = static_cast<int64_t>(sizes.size());
  if (sizes.size() != physical_layout.size())
    fail("Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = ",
         sizes.size(), " is not equal to len(physical_layout) = ", physical_layout.size());
  std::bitset<kMaxDims> seen;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t d = physical_layout[i];
    if (d < 0 || d >= n)
      fail("Dimension out of range (expected to be between 0 and ", n - 1, ", but got ", d, " at index ", i,
           ").  NB: negative dims not currently supported; file an issue if you want it.");
    if (d >= kMaxDims) break;  // empty_strided refuses so many
    if (seen[d]) fail("Duplicate dim not allowed");
    seen.set(d);
  }
  layout::checked_numel(sizes, item_size(dtype.value_or(default_dtype())));
  DimVector strides(n);
  int64_t step = 1;
  for (int64_t i = n - 1; i >= 0; --i) {
    strides[physical_layout[i]] = step;
    step *= std::max<int64_t>(sizes[physical_layout[i]], 1);
  }
  return empty_strided(sizes, strides, dtype, device);
}

Tensor empty_like(const Tensor& self, OptDType dtype) {
  const DType d = dtype.value_or(self.dtype());
  if (self.is_contiguous()) {
    Tensor r = empty(self.sizes(), d, self.device());
    // Dims of size 1 and tensors without elements keep their strides, too.
    if (!equal(r.strides(), self.strides())) r.impl()->set_geometry(self.sizes(), self.strides(), 0);
    return r;
  }
  return empty_strided(self.sizes(), layout::dense_strides_like(self.sizes(), self.strides()), d, self.device());
}

Tensor zeros(IntSpan sizes, OptDType dtype, Device device) { return zero_(empty(sizes, dtype, device)); }
Tensor ones(IntSpan sizes, OptDType dtype, Device device) { return fill_(empty(sizes, dtype, device), 1); }

Tensor full(IntSpan sizes, const Scalar& value, OptDType dtype, Device device) {
  return fill_(empty(sizes, dtype.value_or(value.dtype()), device), value);
}

Tensor zeros_like(const Tensor& self, OptDType dtype) { return zero_(empty_like(self, dtype)); }
Tensor ones_like(const Tensor& self, OptDType dtype) { return fill_(empty_like(self, dtype), 1); }
Tensor full_like(const Tensor& self, const Scalar& value, OptDType dtype) {
  return fill_(empty_like(self, dtype), value);
}
Tensor scalar_tensor(const Scalar& value, OptDType dtype) { return full({}, value, dtype.value_or(default_dtype())); }

Tensor eye(int64_t n, OptInt m, OptDType dtype) {
  if (n < 0) fail("n must be greater or equal to 0, got ", n);
  if (m && *m < 0) fail("m must be greater or equal to 0, got ", *m);
  const Tensor t = zeros(DimVector{n, m.value_or(n)}, dtype);
  NoGradGuard no_grad;
  fill_(diagonal(t), 1);
  return t;
}

// ---- triangles of indices

namespace {

using Wide = __int128;  // offsets are any int64

// Elements of row i that lie on or below the diagonal `offset`.
int64_t row_length(int64_t i, int64_t col, Wide offset) {
  return static_cast<int64_t>(std::clamp<Wide>(i + offset + 1, 0, col));
}

Wide tril_size(int64_t row, int64_t col, Wide offset) {
  // Rows before `first` are empty, rows from `full` on are whole.
  const Wide first = std::clamp<Wide>(-offset, 0, row), full = std::clamp<Wide>(col - 1 - offset, first, row);
  return (full - first) * (first + full - 1 + 2 * (offset + 1)) / 2 + (row - full) * col;
}

template <class T>
void fill_triangle(T* out, int64_t n, int64_t row, int64_t col, Wide offset, bool lower) {
  T* const columns = out + n;
  int64_t at = 0;
  for (int64_t i = 0; i < row && at < n; ++i) {
    const int64_t below = row_length(i, col, lower ? offset : offset - 1);
    for (int64_t j = lower ? 0 : below, end = lower ? below : col; j < end; ++j, ++at) {
      out[at] = static_cast<T>(i);
      columns[at] = static_cast<T>(j);
    }
  }
}

Tensor triangle(const char* name, int64_t row, int64_t col, Wide offset, DType dtype, Device device, bool lower) {
  if (row < 0) fail("row must be non-negative, got", row);
  if (col < 0) fail("col must be non-negative, got", col);
  if (dtype != DType::Int64 && dtype != DType::Int32)
    fail<NotImplementedError>("\"", name, "\" not implemented for '", dtype, "'");
  const Wide n = lower ? tril_size(row, col, offset) : Wide{row} * col - tril_size(row, col, offset - 1);
  if (n > INT64_MAX) fail(name, ": the number of indices of a ", row, " x ", col, " matrix exceeds int64");
  const int64_t count = static_cast<int64_t>(n);
  const Tensor t = empty(DimVector{2, count}, dtype, device);
  if (dtype == DType::Int64)
    fill_triangle(t.data_ptr<int64_t>(), count, row, col, offset, lower);
  else
    fill_triangle(t.data_ptr<int32_t>(), count, row, col, offset, lower);
  return t;
}

}  // namespace

Tensor tril_indices(int64_t row, int64_t col, int64_t offset, DType dtype, Device device) {
  return triangle("tril_indices", row, col, offset, dtype, device, true);
}
Tensor triu_indices(int64_t row, int64_t col, int64_t offset, DType dtype, Device device) {
  return triangle("triu_indices", row, col, offset, dtype, device, false);
}

Tensor vander(const Tensor& x, OptInt n, bool increasing) {
  if (x.dim() != 1) fail("x must be a one-dimensional tensor.");
  if (n && *n < 0) fail("N must be non-negative.");
  const int64_t columns = n.value_or(x.numel());
  const DType dtype = is_integral(x.dtype(), true) ? DType::Int64 : x.dtype();
  const Tensor powers0 = ones(DimVector{x.numel(), std::min<int64_t>(columns, 1)}, dtype, x.device());
  if (columns <= 1) return powers0;
  const Tensor base = expand(unsqueeze(to(x, dtype), 1), DimVector{x.numel(), columns - 1});
  const Tensor parts[] = {powers0, cumprod(base, 1)};
  const Tensor powers = cat(parts, 1);
  return increasing ? powers : flip(powers, DimVector{1});
}

// ---- memory of others

Tensor from_data(const void* data, IntSpan sizes, DType dtype) {
  const Tensor t = empty(sizes, dtype);
  if (t.numel()) std::memcpy(t.data(), data, static_cast<size_t>(t.nbytes()));
  return t;
}

Tensor from_blob(void* data, IntSpan sizes, IntSpan strides, DType dtype, Storage::Deleter deleter, void* context,
                 bool read_only) {
  if (sizes.size() != strides.size()) fail("from_blob: got ", sizes.size(), " sizes and ", strides.size(), " strides");
  if (static_cast<int64_t>(sizes.size()) > kMaxDims)
    fail("from_blob: tensors have at most ", kMaxDims, " dimensions, got ", sizes.size());
  layout::checked_numel(sizes, item_size(dtype));
  for (int64_t s : strides)
    if (s < 0) fail<ValueError>("from_blob: negative strides are not supported, got ", strides);
  int64_t bytes = 0;
  if (layout::checked_numel(sizes) > 0)
    if (__builtin_mul_overflow(layout::required_elements(sizes, strides, 0), item_size(dtype), &bytes))
      fail("from_blob: size overflows with sizes=", sizes, " and strides=", strides);
  if (!deleter) deleter = [](void*, void*, size_t) {};
  auto storage = Storage::wrap(data, static_cast<size_t>(bytes), {}, deleter, context, read_only);
  return Tensor::adopt(TensorImpl::create(std::move(storage), dtype, sizes, strides, 0));
}

}  // namespace rushlight
