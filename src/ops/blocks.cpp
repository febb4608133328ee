// Tensors built from all pairs of elements or from blocks.
#include <algorithm>
#include <cstring>

#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"
#include "rushlight/shape.h"

namespace rushlight {

using autograd::Grads;

namespace {

// torch.result_type of many tensors: those with dims outrank 0-d ones.
DType common_dtype(std::span<const Tensor> tensors) {
  DType dims = DType::Undefined, zero_dim = DType::Undefined;
  for (const Tensor& t : tensors) {
    DType& d = t.dim() ? dims : zero_dim;
    d = d == DType::Undefined ? t.dtype() : promote_types(d, t.dtype());
  }
  if (dims == DType::Undefined || zero_dim == DType::Undefined) return dims == DType::Undefined ? zero_dim : dims;
  const Tensor a = empty(DimVector{0}, dims), b = empty({}, zero_dim);
  return result_dtype(a, b);
}

}  // namespace

Tensor block_diag(std::span<const Tensor> tensors) {
  if (tensors.empty()) return empty(DimVector{1, 0});
  int64_t rows = 0, columns = 0;
  DimVector heights, widths;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    check_cpu("block_diag", t);
    if (t.dim() > 2)
      fail("torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ", i, " has ", t.dim(),
           " dimensions");
    heights.push_back(t.dim() == 2 ? t.sizes()[0] : 1);
    widths.push_back(t.dim() == 0 ? 1 : t.sizes()[t.dim() - 1]);
    rows += heights.back();
    columns += widths.back();
  }
  const Tensor r = zeros(DimVector{rows, columns}, common_dtype(tensors));
  int64_t row = 0, column = 0;
  for (int64_t i = 0; i < heights.size(); ++i) {
    const DimVector sizes{heights[i], widths[i]};
    const Tensor block = Tensor::adopt(
        TensorImpl::create(r.storage(), r.dtype(), sizes, r.strides(), r.numel() ? row * columns + column : 0));
    cpu::copy_elements(block, tensors[static_cast<size_t>(i)]);
    row += heights[i];
    column += widths[i];
  }
  if (autograd::needs(tensors)) {
    std::vector<DimVector> shapes;
    for (const Tensor& t : tensors) shapes.push_back(t.sizes());
    autograd::record_many(
        "BlockDiagBackward0", {&r, 1}, tensors, [heights, widths, shapes = std::move(shapes)](Grads& g) {
          int64_t row = 0, column = 0;
          for (int64_t i = 0; i < heights.size(); ++i) {
            const size_t k = static_cast<size_t>(i);
            if (g.needs(k))
              g[k] = reshape(narrow(narrow(g.grad(), 0, row, heights[i]), 1, column, widths[i]), shapes[k]);
            row += heights[i];
            column += widths[i];
          }
        });
  }
  return r;
}

TensorList meshgrid(std::span<const Tensor> tensors, std::string_view indexing) {
  if (tensors.empty()) fail("meshgrid expects a non-empty TensorList");
  for (const Tensor& t : tensors) {
    if (t.dtype() != tensors[0].dtype()) fail("torch.meshgrid expects all tensors to have the same dtype");
    if (t.dim() > 1) fail("torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: ", t.sizes());
  }
  if (indexing != "ij" && indexing != "xy")
    fail("torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
  if (static_cast<int64_t>(tensors.size()) > kMaxDims)
    fail("torch.meshgrid: tensors have at most ", kMaxDims, " dimensions, got ", tensors.size());
  const int64_t n = static_cast<int64_t>(tensors.size());
  const bool swap = indexing == "xy" && n >= 2;
  auto dim_of = [&](int64_t i) { return swap && i < 2 ? 1 - i : i; };
  DimVector shape(n);
  for (int64_t i = 0; i < n; ++i) shape[dim_of(i)] = tensors[static_cast<size_t>(i)].numel();
  TensorList grids;
  for (int64_t i = 0; i < n; ++i) {
    DimVector own(n, 1);
    own[dim_of(i)] = shape[dim_of(i)];
    grids.push_back(expand(view(tensors[static_cast<size_t>(i)], own), shape));
  }
  return grids;
}

Tensor cartesian_prod(std::span<const Tensor> tensors) {
  if (tensors.empty()) fail("meshgrid expects a non-empty TensorList");
  for (const Tensor& t : tensors)
    if (t.dim() != 1) fail("Expect a 1D vector, but got shape ", t.sizes());
  if (tensors.size() == 1) return tensors[0];
  TensorList columns;
  for (const Tensor& grid : meshgrid(tensors)) columns.push_back(flatten(grid));
  return stack(columns, 1);
}

Tensor combinations(const Tensor& self, int64_t r, bool with_replacement) {
  if (self.dim() != 1) fail("Expect a 1D vector, but got shape ", self.sizes());
  if (r < 0) fail("Expect a non-negative number, but got ", r);
  if (r == 0) return empty(DimVector{0}, self.dtype(), self.device());
  const int64_t n = self.numel();
  // Choices of r among `pool` different ones: C(pool, r) rows.
  int64_t pool = n;
  if (with_replacement && __builtin_add_overflow(n, r - 1, &pool))
    fail("combinations: too many results for ", n, " elements, ", r, " at a time");
  if (n == 0 || r > pool) return unsafe_view(clone(narrow(self, 0, 0, 0)), DimVector{0, r});
  int64_t count = 1;
  for (int64_t k = 1; k <= std::min(r, pool - r); ++k) {
    const __int128 next = static_cast<__int128>(count) * (pool - k + 1) / k;
    if (next > INT64_MAX / 8 / r) fail("combinations: too many results for ", n, " elements, ", r, " at a time");
    count = static_cast<int64_t>(next);
  }
  const Tensor index = empty(DimVector{r, count}, DType::Int64);
  int64_t* const at = index.data_ptr<int64_t>();
  DimVector chosen(r);
  for (int64_t j = 0; j < r; ++j) chosen[j] = with_replacement ? 0 : j;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < r; ++j) at[j * count + i] = chosen[j];
    // The last place that can move on, and all behind it start anew.
    int64_t j = r - 1;
    while (j >= 0 && chosen[j] == (with_replacement ? n - 1 : n - r + j)) --j;
    if (j < 0) break;
    ++chosen[j];
    for (int64_t k = j + 1; k < r; ++k) chosen[k] = with_replacement ? chosen[j] : chosen[k - 1] + 1;
  }
  TensorList columns;
  for (int64_t j = 0; j < r; ++j) columns.push_back(index_select(self, 0, select(index, 0, j)));
  return stack(columns, 1);
}

Tensor kron(const Tensor& self, const Tensor& other) {
  const int64_t n = std::max(self.dim(), other.dim());
  if (2 * n > kMaxDims) fail("kron: tensors have at most ", kMaxDims / 2, " dimensions, got ", n);
  DimVector a, b, sizes;
  for (int64_t d = 0; d < n; ++d) {
    const int64_t sa = d < n - self.dim() ? 1 : self.sizes()[d - (n - self.dim())];
    const int64_t sb = d < n - other.dim() ? 1 : other.sizes()[d - (n - other.dim())];
    for (int64_t s : {sa, int64_t{1}}) a.push_back(s);
    for (int64_t s : {int64_t{1}, sb}) b.push_back(s);
    int64_t size;
    if (__builtin_mul_overflow(sa, sb, &size)) fail("kron: size overflows");
    sizes.push_back(size);
  }
  const Tensor pairs = mul(reshape(self, a), reshape(other, b));
  return pairs.is_contiguous() ? unsafe_view(pairs, sizes) : reshape(pairs, sizes);
}

}  // namespace rushlight
