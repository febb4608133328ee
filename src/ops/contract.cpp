// Chains of matrix products, cross products, addr.
#include <limits>

#include "layout/layout.h"
#include "ops/products.h"
#include "rushlight/contract.h"

namespace rushlight {

using autograd::Grads;

namespace {

// The product of matrices [first, last], split where the table says.
Tensor multiply(std::span<const Tensor> matrices, const std::vector<size_t>& split, size_t first, size_t last) {
  if (first == last) return matrices[first];
  const size_t at = split[first * matrices.size() + last];
  return mm(multiply(matrices, split, first, at), multiply(matrices, split, at + 1, last));
}

}  // namespace

Tensor chain_matmul(std::span<const Tensor> matrices) {
  if (matrices.empty()) fail("chain_matmul(): Expected one or more matrices");
  for (const Tensor& m : matrices)
    if (m.dim() != 2) fail("Tensor dimension is ", m.dim(), ", expected 2 instead.");
  const size_t n = matrices.size();
  if (n == 1) return clone(matrices[0]);
  // The least number of multiplications of all products [i, j] (CLRS, "Matrix-chain multiplication").
  std::vector<double> cost(n * n, 0);
  std::vector<size_t> split(n * n, 0);
  auto size = [&](size_t i) {
    return static_cast<double>(i == 0 ? matrices[0].sizes()[0] : matrices[i - 1].sizes()[1]);
  };
  for (size_t length = 1; length < n; ++length)
    for (size_t i = 0; i + length < n; ++i) {
      const size_t j = i + length;
      cost[i * n + j] = std::numeric_limits<double>::infinity();
      for (size_t k = i; k < j; ++k) {
        const double total = cost[i * n + k] + cost[(k + 1) * n + j] + size(i) * size(k + 1) * size(j + 1);
        if (total >= cost[i * n + j]) continue;
        cost[i * n + j] = total;
        split[i * n + j] = k;
      }
    }
  return multiply(matrices, split, 0, n - 1);
}

Tensor linalg_cross(const Tensor& self, const Tensor& other, int64_t dim) {
  if (self.dim() != other.dim()) fail("linalg.cross: inputs must have the same number of dimensions.");
  const int64_t d = wrap_dim(dim, self.dim());
  if (self.dim() == 0 || self.sizes()[d] != 3 || other.sizes()[d] != 3)
    fail("linalg.cross: inputs dimension ", dim, " must have length 3. Got ", self.dim() ? self.sizes()[d] : 1, " and ",
         other.dim() ? other.sizes()[d] : 1);
  const DimVector shape = layout::broadcast_shapes(self.sizes(), other.sizes());
  if (self.dtype() != other.dtype()) fail("expected scalar type ", self.dtype(), " but found ", other.dtype());
  products::check_dtype("cross", self.dtype());
  Tensor out = empty(shape, self.dtype());
  {
    NoGradGuard no_grad;
    for (int64_t i = 0; i < 3; ++i) {
      const int64_t j = (i + 1) % 3, k = (i + 2) % 3;
      const Tensor part = mul(select(self, d, j), select(other, d, k));
      sub_out(select(out, d, i), part, mul(select(self, d, k), select(other, d, j)));
    }
  }
  if (autograd::needs(self, other))
    autograd::record("LinalgCrossBackward0", out, {&self, &other},
                     [a = SavedTensor(self), b = SavedTensor(other), d](Grads& g) {
                       const Tensor x = g.unpack(a), y = g.unpack(b);
                       if (g.needs(0)) g[0] = sum_to_size(linalg_cross(conj(y), g.grad(), d), x.sizes());
                       if (g.needs(1)) g[1] = sum_to_size(linalg_cross(g.grad(), conj(x), d), y.sizes());
                     });
  return out;
}

Tensor cross(const Tensor& self, const Tensor& other, OptInt dim) {
  if (dim) return linalg_cross(self, other, *dim);
  warn(
      "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or "
      "simply use torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross in a "
      "future release.");
  for (int64_t d = 0; d < self.dim(); ++d)
    if (self.sizes()[d] == 3) return linalg_cross(self, other, d);
  fail("no dimension of size 3 in input");
}

Tensor addr(const Tensor& self, const Tensor& vec1, const Tensor& vec2, const Scalar& beta, const Scalar& alpha) {
  if (vec1.dim() != 1) fail("addr: Expected 1-D argument vec1, but got ", vec1.dim(), "-D");
  if (vec2.dim() != 1) fail("addr: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
  const int64_t shape[2] = {vec1.sizes()[0], vec2.sizes()[0]};
  const Tensor added = expand(self, shape);
  const DType dtype = promote_types(promote_types(self.dtype(), vec1.dtype()), vec2.dtype());
  if (is_integral(dtype, true)) {
    for (auto [name, factor] : {std::pair{"beta", &beta}, {"alpha", &alpha}})
      if (factor->is_floating_point() || factor->is_complex())
        fail("For integral input tensors, argument ", name, " must not be a floating point number.");
  }
  products::check_factor(beta, dtype);
  products::check_factor(alpha, dtype);
  Tensor out;
  {
    NoGradGuard no_grad;
    const Tensor column = unsqueeze(vec1, 1);
    if (dtype == DType::Bool) {
      out = alpha.equals(0) ? zeros(shape, dtype) : logical_and(column, vec2);
      if (!beta.equals(0)) out = logical_or(added, out);
    } else {
      auto as_result = [&](const Tensor& t) { return t.dtype() == dtype ? t : to(t, dtype); };
      // In half precision the factors are rounded first, as torch does it.
      const Tensor a = full({}, alpha, dtype), b = full({}, beta, dtype);
      out = mul(mul(as_result(column), a), as_result(vec2));
      if (!beta.equals(0)) out = add(products::is_one(beta) ? as_result(added) : mul(as_result(added), b), out);
    }
  }
  if (autograd::needs(self, vec1, vec2))
    autograd::record("AddrBackward0", out, {&self, &vec1, &vec2},
                     [x = SavedTensor(vec1), y = SavedTensor(vec2), sizes = DimVector(self.sizes()),
                      from = self.dtype(), beta, alpha](Grads& g) {
                       auto like = [](const Tensor& grad, DType dtype) {
                         return grad.dtype() == dtype ? grad : to(grad, dtype);
                       };
                       if (g.needs(0)) g[0] = like(sum_to_size(products::scaled(g.grad(), beta), sizes), from);
                       const Tensor a = g.unpack(x), b = g.unpack(y);
                       const DType d = g.grad().dtype();
                       if (g.needs(1)) g[1] = like(products::scaled(mv(g.grad(), conj(like(b, d))), alpha), a.dtype());
                       if (g.needs(2))
                         g[2] = like(products::scaled(mv(t(g.grad()), conj(like(a, d))), alpha), b.dtype());
                     });
  return out;
}

}  // namespace rushlight
