// The conjugate bit.
#include "rushlight/conj.h"

#include "layout/layout.h"
#include "rushlight/autograd.h"
#include "rushlight/ops.h"

namespace rushlight {

using autograd::Grads;

Tensor lazy_conj(const Tensor& self) {
  if (!is_complex(self.dtype())) return self;
  Tensor r = make_view(self, layout::geometry_of(self));
  r.impl()->set_conj(!self.is_conj());
  if (autograd::needs(self)) autograd::record("ConjBackward0", r, {&self}, [](Grads& g) { g[0] = conj(g.grad()); });
  return r;
}

Tensor resolve_conj(const Tensor& self) { return self.is_conj() ? clone(self) : self; }

}  // namespace rushlight
