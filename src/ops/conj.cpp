// The conjugate and the negative bit.
#include "rushlight/conj.h"

#include "layout/layout.h"
#include "rushlight/autograd.h"
#include "rushlight/ops.h"

namespace rushlight {

using autograd::Grads;

namespace {

Tensor toggled(const Tensor& self, uint8_t bit) {
  Tensor r = make_view(self, layout::geometry_of(self));
  r.impl()->set_lazy(self.impl()->lazy() ^ bit);
  return r;
}

}  // namespace

Tensor lazy_conj(const Tensor& self) {
  if (!is_complex(self.dtype())) return self;
  Tensor r = toggled(self, TensorImpl::kConj);
  if (autograd::needs(self)) autograd::record("ConjBackward0", r, {&self}, [](Grads& g) { g[0] = conj(g.grad()); });
  return r;
}

Tensor lazy_neg(const Tensor& self) {
  Tensor r = toggled(self, TensorImpl::kNeg);
  if (autograd::needs(self)) autograd::record("NegViewBackward0", r, {&self}, [](Grads& g) { g[0] = neg(g.grad()); });
  return r;
}

Tensor resolve_conj(const Tensor& self) { return self.is_conj() ? clone(self) : self; }
Tensor resolve_neg(const Tensor& self) { return self.is_neg() ? clone(self) : self; }
Tensor resolve_lazy(const Tensor& self) { return self.is_lazy() ? clone(self) : self; }

}  // namespace rushlight
