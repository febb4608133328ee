// Covariances, correlations, distances and bounded norms.
#include <cmath>

#include "ops/elementwise.h"
#include "rushlight/reduce.h"
#include "rushlight/ternary.h"

namespace rushlight {

namespace {

void check_weights(const char* what, const Tensor& w, int64_t observations) {
  if (w.dim() > 1)
    fail("cov(): expected ", what, " to have one or fewer dimensions but got ", what, " with ", w.dim(), " dimensions");
  if (what[0] == 'f' && !is_integral(w.dtype(), false))
    fail("cov(): expected fweights to have integral dtype but got fweights with ", scalar_type_name(w.dtype()),
         " dtype");
  if (what[0] == 'a' && !is_floating_point(w.dtype()))
    fail("cov(): expected aweights to have floating point dtype but got aweights with ", scalar_type_name(w.dtype()),
         " dtype");
  if (w.numel() != observations)
    fail("cov(): expected ", what, " to have the same numel as there are observations in the input but got ", w.numel(),
         " != ", observations);
  if (observations && min(detach(w)).item().to_double() < 0) fail("cov(): ", what, " cannot be negative");
}

}  // namespace

Tensor cov(const Tensor& self, int64_t correction, const Tensor& fweights, const Tensor& aweights) {
  check_cpu("cov", self);
  if (self.dim() > 2)
    fail("cov(): expected input to have two or fewer dimensions but got an input with ", self.dim(), " dimensions");
  if (self.dtype() == DType::Bool) fail("cov(): bool dtype is not supported for input");
  const Tensor x = self.dim() < 2 ? reshape(self, DimVector{1, self.numel()}) : self;
  const int64_t observations = x.size(1);
  if (fweights.defined()) check_weights("fweights", fweights, observations);
  if (aweights.defined()) check_weights("aweights", aweights, observations);
  Tensor w;
  if (fweights.defined()) w = reshape(fweights, DimVector{observations});
  if (aweights.defined()) {
    const Tensor a = reshape(aweights, DimVector{observations});
    w = w.defined() ? mul(w, a) : a;
  }
  const Tensor total = w.defined() ? sum(w) : scalar_tensor(observations, DType::Int64);
  if (w.defined() && !(total.item().to_double() != 0)) fail("cov(): weights sum to zero, can't be normalized");
  const int64_t along = 1;
  const Tensor average = div(sum(w.defined() ? mul(x, w) : x, IntSpan(&along, 1)), total);
  Tensor norm;
  if (w.defined() && aweights.defined() && correction != 0)
    norm = sub(total, div(mul(sum(mul(w, reshape(aweights, DimVector{observations}))), correction), total));
  else
    norm = sub(total, correction);
  if (norm.item().to_double() <= 0) {
    warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.");
    norm = zeros({}, norm.dtype());
  }
  const Tensor centered = sub(x, unsqueeze(average, 1));
  Tensor other = conj(t(w.defined() ? mul(centered, w) : centered));
  const DType dtype = promote_types(centered.dtype(), other.dtype());
  return squeeze(div(mm(to(centered, dtype), to(other, dtype)), norm));
}

Tensor corrcoef(const Tensor& self) {
  if (self.dim() > 2)
    fail("corrcoef(): expected input to have two or fewer dimensions but got an input with ", self.dim(),
         " dimensions");
  const Tensor c = cov(self);
  if (c.dim() == 0) return div(c, c);
  Tensor deviation = diagonal(c);
  deviation = sqrt(is_complex(c.dtype()) ? real(deviation) : deviation);
  // Rounding may lead beyond 1.
  const Tensor r = div(div(c, unsqueeze(deviation, 1)), unsqueeze(deviation, 0));
  if (!is_complex(r.dtype())) return clamp(r, Scalar(-1), Scalar(1));
  return rushlight::complex(clamp(real(r), Scalar(-1), Scalar(1)), clamp(imag(r), Scalar(-1), Scalar(1)));
}

Tensor dist(const Tensor& self, const Tensor& other, const Scalar& p) {
  check_cpu("dist", self);
  const Tensor d = sub(self, other);
  if (!is_differentiable(d.dtype()))
    fail("norm(): input dtype should be either floating point or complex. Got ", scalar_type_name(d.dtype()),
         " instead.");
  if (p.is_complex()) fail("linalg.vector_norm: Expected a non-complex scalar as the order of norm.");
  return norm(d, p.to_double());
}

Tensor renorm(const Tensor& self, const Scalar& p, int64_t dim, const Scalar& maxnorm) {
  check_cpu("renorm", self);
  if (p.is_complex()) fail("renorm: p must be real-valued");
  if (!(p.to_double() > 0)) fail("renorm: non-positive-norm not supported");
  if (maxnorm.is_complex()) fail("renorm: maxnorm must be real-valued");
  const double limit = maxnorm.to_double();
  if (!(limit >= 0)) fail("renorm: expected maxnorm to be >= 0 but got ", limit);
  if (self.dim() < 2) fail("renorm: input needs at least 2 dimensions, got ", self.dim(), " dimensions");
  const int64_t d = wrap_dim(dim, self.dim());
  DimVector others;
  for (int64_t i = 0; i < self.dim(); ++i)
    if (i != d) others.push_back(i);
  // Half precision takes its norms in float32.
  OptDType dtype;
  if (kernel_dtype(self.dtype()) != self.dtype()) dtype = DType::Float32;
  const Tensor n = norm(self, p.to_double(), others, true, dtype);
  // 1e-7 keeps the division finite.
  const Tensor factor = where(gt(n, limit), div(limit, add(n, 1e-7)), 1.0);
  return contiguous(mul(self, to(factor, to_real(self.dtype()))));
}

}  // namespace rushlight
