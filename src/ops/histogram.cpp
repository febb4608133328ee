#include "cpu/histogram.h"

#include <cmath>

#include "ops/elementwise.h"
#include "rushlight/reduce.h"

namespace rushlight {

namespace {

void check_bins(int64_t bins, int64_t dim) {
  if (bins <= 0) fail("torch.histogram(): bins must be > 0, but got ", bins, " for dimension ", dim);
  if (bins >= INT32_MAX) fail("torch.histogram(): ", bins, " bins for dimension ", dim, " are too many");
}

struct Range {
  double low, high;
};

// float32 or float64 memory of this tensor.
Tensor as_floats(const Tensor& t) { return contiguous(t.dtype() == DType::Float64 ? t : to(t, DType::Float32)); }

}  // namespace

Tensor histc(const Tensor& self, int64_t bins, const Scalar& min, const Scalar& max) {
  check_cpu("histc", self);
  const DType dtype = self.dtype();
  if (min.is_complex() || max.is_complex()) fail<TypeError>("histc: range must be real, not complex");
  check_bins(bins, 0);
  if (min.to_double() > max.to_double()) fail("torch.histc: max must be larger than min");
  if (!is_floating_point(dtype))
    fail<NotImplementedError>("\"histogram_cpu\" not implemented for '", scalar_type_name(dtype), "'");
  NoGradGuard guard;
  Range r{min.to_double(), max.to_double()};
  if (r.low == r.high && self.numel()) {
    const auto [low, high] = aminmax(self);
    r = {low.item().to_double(), high.item().to_double()};
  }
  if (r.low == r.high) r = {r.low - 1, r.high + 1};
  if (!std::isfinite(r.low) || !std::isfinite(r.high))
    fail("torch.histc: range of [", r.low, ", ", r.high, "] is not finite");
  if (!(r.low < r.high)) fail("torch.histc: max must be larger than min");
  const Tensor hist = zeros(IntSpan(&bins, 1), DType::Float64);
  const Tensor edges = as_floats(linspace(r.low, r.high, bins + 1, dtype)), x = as_floats(self);
  const cpu::Axis axis{edges.data(), bins, true, dtype};
  cpu::histogram(x.dtype(), x.data(), nullptr, x.numel(), 1, &axis, false, hist.data_ptr<double>(), bins);
  return to(hist, dtype);
}

// ---- histogram, histogramdd

namespace {

void check_histogram(const Tensor& x, const Tensor& weight) {
  check_cpu("histogramdd", x);
  if (x.dim() < 2) fail("torch.histogramdd: input tensor should have at least 2 dimensions");
  if (weight.defined()) {
    check_cpu("histogramdd", weight);
    if (weight.dtype() != x.dtype())
      fail(
          "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same "
          "dtype, but got input(",
          cpp_type_name(x.dtype()), "), and weight(", cpp_type_name(weight.dtype()), ")");
    const IntSpan outer = x.sizes().first(x.sizes().size() - 1);
    if (!std::equal(outer.begin(), outer.end(), weight.sizes().begin(), weight.sizes().end()))
      fail(
          "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
          "excluding its innermost dimension, but got input with shape ",
          x.sizes(), " and weight with shape ", weight.sizes());
  }
  if (!is_floating_point(x.dtype()))
    fail<NotImplementedError>("\"histogramdd\" not implemented for '", scalar_type_name(x.dtype()), "'");
}

// The range of column d.
Range column_range(const Tensor& x, int64_t d, const std::optional<std::span<const double>>& range) {
  Range r{0, 1};
  if (range) {
    r = {(*range)[static_cast<size_t>(2 * d)], (*range)[static_cast<size_t>(2 * d + 1)]};
  } else if (x.numel()) {
    const auto [low, high] = aminmax(select(x, -1, d));
    r = {low.item().to_double(), high.item().to_double()};
  }
  if (!std::isfinite(r.low) || !std::isfinite(r.high))
    fail("torch.histogramdd: dimension ", d, "'s range [", r.low, ", ", r.high, "] is not finite");
  if (r.low > r.high)
    fail("torch.histogramdd: min should not exceed max, but got min ", r.low, " max ", r.high, " for dimension ", d);
  if (r.low == r.high) r = {r.low - 0.5, r.high + 0.5};
  return r;
}

Histogram fill_histogram(const Tensor& self, TensorList edges, bool even, const Tensor& weight, bool density) {
  DimVector shape;
  for (const Tensor& e : edges) shape.push_back(e.size(0) - 1);
  Tensor hist = zeros(shape, DType::Float64);
  const int64_t dims = static_cast<int64_t>(edges.size());
  const Tensor x = as_floats(self), w = weight.defined() ? as_floats(weight) : Tensor();
  std::vector<Tensor> kept;
  std::vector<cpu::Axis> axes;
  for (const Tensor& e : edges) {
    kept.push_back(as_floats(e));
    axes.push_back({kept.back().data(), e.size(0) - 1, even, self.dtype()});
  }
  if (dims)
    cpu::histogram(x.dtype(), x.data(), w.defined() ? w.data() : nullptr, x.numel() / dims, dims, axes.data(), true,
                   hist.data_ptr<double>(), hist.numel());
  hist = to(hist, self.dtype());
  if (density) {
    hist = div(hist, sum(hist));
    for (int64_t d = 0; d < dims; ++d) {
      DimVector along(dims, 1);
      along[d] = -1;
      hist = div(hist, reshape(diff(edges[static_cast<size_t>(d)]), along));
    }
  }
  return {hist, std::move(edges)};
}

}  // namespace

Histogram histogramdd(const Tensor& self, IntSpan bins, std::optional<std::span<const double>> range,
                      const Tensor& weight, bool density) {
  check_histogram(self, weight);
  const int64_t dims = self.size(-1);
  if (static_cast<int64_t>(bins.size()) != dims)
    fail("histogramdd: The size of bins must be equal to the innermost dimension of the input.");
  for (int64_t d = 0; d < dims; ++d) check_bins(bins[static_cast<size_t>(d)], d);
  if (range && static_cast<int64_t>(range->size()) != 2 * dims)
    fail("torch.histogramdd: for a ", dims, "-dimensional histogram range should have ", 2 * dims,
         " elements, but got ", range->size());
  NoGradGuard guard;
  TensorList edges;
  for (int64_t d = 0; d < dims; ++d) {
    const Range r = column_range(self, d, range);
    edges.push_back(linspace(r.low, r.high, bins[static_cast<size_t>(d)] + 1, self.dtype()));
  }
  return fill_histogram(self, std::move(edges), true, weight, density);
}

Histogram histogramdd(const Tensor& self, std::span<const Tensor> bin_edges, const Tensor& weight, bool density) {
  check_histogram(self, weight);
  const int64_t dims = self.size(-1);
  if (static_cast<int64_t>(bin_edges.size()) != dims)
    fail("torch.histogramdd: expected ", dims, " sequences of bin edges for a ", dims,
         "-dimensional histogram but got ", bin_edges.size());
  TensorList edges;
  NoGradGuard guard;
  for (int64_t d = 0; d < dims; ++d) {
    const Tensor& e = bin_edges[static_cast<size_t>(d)];
    if (e.dtype() != self.dtype())
      fail("torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype ",
           cpp_type_name(self.dtype()), " and bins for dimension ", d, " with dtype ", cpp_type_name(e.dtype()));
    if (e.dim() != 1)
      fail("torch.histogramdd: bins tensor should have one dimension, but got ", e.dim(),
           " dimensions in the bins tensor for dimension ", d);
    if (e.numel() == 0)
      fail(
          "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for "
          "dimension ",
          d);
    check_bins(e.numel() - 1, d);
    edges.push_back(e);
  }
  return fill_histogram(self, std::move(edges), false, weight, density);
}

namespace {

Tensor as_column(const Tensor& self) { return reshape(self, DimVector{self.numel(), 1}); }
Tensor as_weights(const Tensor& weight) {
  return weight.defined() ? reshape(weight, DimVector{weight.numel()}) : Tensor();
}

}  // namespace

Histogram histogram(const Tensor& self, int64_t bins, std::optional<std::span<const double>> range,
                    const Tensor& weight, bool density) {
  return histogramdd(as_column(self), IntSpan(&bins, 1), range, as_weights(weight), density);
}
Histogram histogram(const Tensor& self, const Tensor& bin_edges, const Tensor& weight, bool density) {
  Histogram h = histogramdd(as_column(self), std::span<const Tensor>(&bin_edges, 1), as_weights(weight), density);
  h.bin_edges[0] = clone(detach(bin_edges), true);
  return h;
}

// ---- bincount

Tensor bincount(const Tensor& self, const Tensor& weights, int64_t minlength) {
  check_cpu("bincount", self);
  if (minlength < 0) fail("minlength should be >= 0");
  if (self.dim() == 1 && self.numel() == 0) return zeros(IntSpan(&minlength, 1), DType::Int64);
  if (!is_integral(self.dtype(), false))
    fail<NotImplementedError>("\"bincount_cpu\" not implemented for '", scalar_type_name(self.dtype()), "'");
  NoGradGuard guard;
  const Tensor x = contiguous(self);
  const cpu::IntRange range = cpu::int_range(x.dtype(), x.data(), x.numel());
  if (self.dim() != 1 || range.low < 0) fail("bincount only supports 1-d non-negative integral inputs.");
  if (weights.defined() && (weights.dim() != 1 || weights.size(0) != self.size(0)))
    fail("weights should be 1-d and have the same length as input");
  if (range.high == INT64_MAX) fail("bincount: the largest value, ", range.high, ", is too large");
  const int64_t size = std::max(range.high + 1, minlength);
  if (!weights.defined()) {
    const Tensor out = zeros(IntSpan(&size, 1), DType::Int64);
    cpu::count_values(x.dtype(), x.data(), x.numel(), out.data_ptr<int64_t>(), size);
    return out;
  }
  const DType dtype = weights.dtype() == DType::Float32 ? DType::Float32 : DType::Float64;
  const Tensor w = contiguous(to(weights, dtype)), out = zeros(IntSpan(&size, 1), dtype);
  if (dtype == DType::Float32)
    cpu::sum_values(x.dtype(), x.data(), w.data_ptr<float>(), x.numel(), out.data_ptr<float>(), size);
  else
    cpu::sum_values(x.dtype(), x.data(), w.data_ptr<double>(), x.numel(), out.data_ptr<double>(), size);
  return out;
}

}  // namespace rushlight
