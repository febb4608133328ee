#include "ops/sort.h"

namespace rushlight {

namespace {

enum class Interpolation { Linear, Lower, Higher, Midpoint, Nearest };

Interpolation interpolation_of(std::string_view text) {
  constexpr std::string_view names[] = {"linear", "lower", "higher", "midpoint", "nearest"};
  for (int i = 0; i < 5; ++i)
    if (text == names[i]) return static_cast<Interpolation>(i);
  fail("quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ", text);
}

// a + w * (b - a), computed from the nearer end.
Tensor between(const Tensor& a, const Tensor& b, const Tensor& w) {
  const Tensor step = sub(b, a);
  return where(lt(w, 0.5), add(a, mul(w, step)), sub(b, mul(step, rsub(w, 1))));
}

// A view of memory that nobody else sees is no view.
Tensor own(const Tensor& view) {
  if (TensorImpl* const base = std::exchange(view.impl()->base, nullptr)) base->release();
  return view;
}

Tensor run(bool ignore_nan, const Tensor& self, const Operand& q_given, OptInt dim, bool keepdim,
           std::string_view interpolation) {
  constexpr const char* name = "quantile";  // of both
  check_cpu(name, self);
  const Interpolation how = interpolation_of(interpolation);
  if (!q_given.is_tensor()) {
    const double value = q_given.number().to_double();
    if (!(value >= 0 && value <= 1)) fail(name, "() q must be in the range [0, 1] but got ", value);
  }
  if (self.numel() == 0) fail(name, "() input tensor must be non-empty");
  const Tensor q_tensor = q_given.is_tensor() ? q_given.tensor() : scalar_tensor(q_given.number(), self.dtype());
  if (q_tensor.dim() > 1) fail(name, "() q must be a scalar or 1D tensor");
  if (self.dtype() != DType::Float32 && self.dtype() != DType::Float64)
    fail(name, "() input tensor must be either float or double dtype");
  if (q_tensor.dtype() != self.dtype()) fail(name, "() q tensor must be same dtype as the input tensor");
  const int64_t ndim = self.dim();
  const int64_t d = dim ? wrap_dim(*dim, ndim) : 0;
  if (q_given.is_tensor() && q_tensor.numel()) {
    NoGradGuard guard;
    if (!all(logical_and(ge(q_tensor, 0), le(q_tensor, 1))).item().to_bool())
      fail(name, "() q values must be in the range [0, 1]");
  }
  const bool list = q_tensor.dim() > 0;
  const Tensor q = list ? q_tensor : unsqueeze(q_tensor, 0);

  // Rows to be reduced come last; the dim they had is gone or has size 1.
  const DimVector flat{-1};
  Tensor rows;
  if (!dim || ndim == 0) {
    rows = reshape(self, flat);
    if (keepdim)
      for (int64_t i = 0; i < ndim; ++i) rows = unsqueeze(rows, 0);
  } else if (d == ndim - 1) {
    rows = keepdim ? unsqueeze(self, d) : self;
  } else {
    rows = transpose(unsqueeze(self, -1), d, -1);
    if (!keepdim) rows = squeeze(rows, IntSpan(&d, 1));
  }
  // (A view of n dims and one more; size-1 dims do not change the order of memory.)
  const Tensor sorted = std::get<0>(sort(rows, -1));
  const DimVector last{-1};
  Tensor ranks;
  if (ignore_nan) {
    const Tensor numbers = sum(logical_not(isnan(sorted)), last, true);
    ranks = mul(q, to(sub(numbers, 1), self.dtype()));
    ranks = masked_fill(ranks, lt(ranks, 0), 0);
  } else {
    const double top = static_cast<double>(sorted.size(-1) - 1);
    DimVector shape(sorted.sizes());
    shape.back() = q.numel();
    ranks = masked_fill(expand(mul(q, top), shape), any(isnan(sorted), last, true), top);
  }
  switch (how) {
    case Interpolation::Lower: ranks = floor(ranks); break;
    case Interpolation::Higher: ranks = ceil(ranks); break;
    case Interpolation::Nearest: ranks = round(ranks); break;
    default: break;
  }
  const Tensor below = to(ranks, DType::Int64);
  Tensor values = gather(sorted, -1, below);
  if (how == Interpolation::Linear || how == Interpolation::Midpoint) {
    const Tensor weights = how == Interpolation::Midpoint ? full_like(ranks, 0.5) : sub(ranks, to(below, self.dtype()));
    values = between(values, gather(sorted, -1, to(ceil(ranks), DType::Int64)), weights);
  }
  return own(list ? squeeze(transpose(unsqueeze(values, 0), 0, -1), last) : squeeze(values, last));
}

}  // namespace

Tensor quantile(const Tensor& self, const Operand& q, OptInt dim, bool keepdim, std::string_view interpolation) {
  return run(false, self, q, dim, keepdim, interpolation);
}
Tensor nanquantile(const Tensor& self, const Operand& q, OptInt dim, bool keepdim, std::string_view interpolation) {
  return run(true, self, q, dim, keepdim, interpolation);
}

}  // namespace rushlight
