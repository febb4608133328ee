// Distances between rows: cdist, pdist.
#include <cmath>

#include "cpu/distance.h"
#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/products.h"
#include "rushlight/contract.h"
#include "rushlight/creation.h"
#include "rushlight/ternary.h"

namespace rushlight {

using autograd::Grads;

namespace {

// The gradient by x of the distances d between the rows of x [B, P, M] and y [B, R, M], from differences of all pairs.
Tensor grad_by_differences(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& d, double p) {
  if (p == 0) return zeros(x.sizes(), x.dtype());
  const Tensor difference = sub(unsqueeze(x, -2), unsqueeze(y, -3));
  const Tensor g = unsqueeze(grad, -1), norm = unsqueeze(d, -1);
  const int64_t over[1] = {-2};
  const Tensor direction = sign(difference), size = abs(difference);
  if (p == 1) return sum(mul(g, direction), IntSpan(over));
  if (std::isinf(p)) return sum(mul(mul(g, direction), to(eq(size, norm), x.dtype())), IntSpan(over));
  const Tensor nothing = p < 1 ? logical_or(eq(norm, 0), eq(difference, 0)) : eq(norm, 0);
  // No division by zero may meet a zero: its derivative would be NaN.
  const Tensor divisor = masked_fill(norm, eq(norm, 0), 1);
  Tensor share;
  if (p == 2) {
    share = div(difference, divisor);
  } else {
    const Tensor safe = masked_fill(size, eq(size, 0), 1);
    const Tensor power = masked_fill(pow(safe, p - 1), eq(size, 0), 0);
    share = div(mul(direction, power), pow(divisor, p - 1));
  }
  return sum(masked_fill(mul(g, share), nothing, 0), IntSpan(over));
}

// The same for p = 2 with products of matrices instead of all differences.
Tensor grad_by_products(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& d) {
  const Tensor nothing = eq(d, 0);
  const Tensor ratio = masked_fill(div(grad, masked_fill(d, nothing, 1)), nothing, 0);
  const int64_t last[1] = {-1};
  return sub(mul(x, sum(ratio, IntSpan(last), true)), matmul(ratio, y));
}

Tensor distances(const Tensor& x, const Tensor& y) {
  NoGradGuard no_grad;
  const int64_t last[1] = {-1};
  const Tensor xx = sum(square(x), IntSpan(last), true), yy = sum(square(y), IntSpan(last), true);
  const Tensor left[3] = {mul(x, -2), xx, ones(xx.sizes(), x.dtype())};
  const Tensor right[3] = {y, ones(yy.sizes(), y.dtype()), yy};
  return sqrt(clamp_min(matmul(cat(left, -1), matrix_T(cat(right, -1))), 0));
}

Tensor distances(const Tensor& x, const Tensor& y, double p) {
  const int64_t batch = x.sizes()[0], rows1 = x.sizes()[1], rows2 = y.sizes()[1], cols = x.sizes()[2];
  const int64_t sizes[3] = {batch, rows1, rows2};
  Tensor out = empty(sizes, x.dtype());
  if (out.numel() == 0) return out;
  NoGradGuard no_grad;
  const Tensor a = contiguous(x), b = contiguous(y);
  cpu::BlockingRegion region(out.numel() * std::max<int64_t>(cols, 1) > 32768);
  if (x.dtype() == DType::Float32)
    cpu::distances(reinterpret_cast<const float*>(a.data()), reinterpret_cast<const float*>(b.data()),
                   reinterpret_cast<float*>(out.data()), batch, rows1, rows2, cols, p);
  else
    cpu::distances(reinterpret_cast<const double*>(a.data()), reinterpret_cast<const double*>(b.data()),
                   reinterpret_cast<double*>(out.data()), batch, rows1, rows2, cols, p);
  return out;
}

// x [B, P, M], y [B, R, M] of one dtype
Tensor batched(const Tensor& x, const Tensor& y, double p, bool by_products) {
  const Tensor out = by_products ? distances(x, y) : distances(x, y, p);
  if (autograd::needs(x, y))
    autograd::record(by_products ? "EuclideanDistBackward0" : "CdistBackward0", out, {&x, &y},
                     [a = SavedTensor(x), b = SavedTensor(y), d = SavedTensor::result(out), p, by_products](Grads& g) {
                       const Tensor x = g.unpack(a), y = g.unpack(b), norm = g.unpack(d), grad = g.grad();
                       for (size_t i = 0; i < 2; ++i) {
                         if (!g.needs(i)) continue;
                         const Tensor &own = i == 0 ? x : y, &other = i == 0 ? y : x;
                         const Tensor by = i == 0 ? grad : matrix_T(grad), n = i == 0 ? norm : matrix_T(norm);
                         g[i] = by_products ? grad_by_products(by, own, other, n)
                                            : grad_by_differences(by, own, other, n, p);
                       }
                     });
  return out;
}

void check_kernel(const char* name, DType dtype) {
  if (dtype != DType::Float32 && dtype != DType::Float64)
    fail<NotImplementedError>("\"", name, "\" not implemented for '", dtype, "'");
}

}  // namespace

Tensor cdist(const Tensor& x1, const Tensor& x2, double p, int64_t mode) {
  int which = 1;
  for (const Tensor* x : {&x1, &x2}) {
    if (x->dim() < 2) fail("cdist only supports at least 2D tensors, X", which, " got: ", x->dim(), "D");
    ++which;
  }
  const int64_t cols = x1.sizes().back();
  if (cols != x2.sizes().back())
    fail("X1 and X2 must have the same number of columns. X1: ", cols, " X2: ", x2.sizes().back());
  which = 1;
  for (const Tensor* x : {&x1, &x2}) {
    if (!is_floating_point(x->dtype()))
      fail("cdist only supports floating-point dtypes, X", which, " got: ", scalar_type_name(x->dtype()));
    ++which;
  }
  if (!(p >= 0)) fail("cdist only supports non-negative p values");
  if (mode < 0 || mode > 2) fail("possible modes: 0, 1, 2, but was: ", mode);
  if (x1.dtype() != x2.dtype()) fail("expected scalar type ", x1.dtype(), " but found ", x2.dtype());
  check_kernel("cdist", x1.dtype());
  check_cpu("cdist", x1);
  check_cpu("cdist", x2);
  const int64_t rows1 = x1.sizes()[x1.dim() - 2], rows2 = x2.sizes()[x2.dim() - 2];
  const DimVector batch =
      layout::broadcast_shapes(x1.sizes().first(x1.sizes().size() - 2), x2.sizes().first(x2.sizes().size() - 2));
  int64_t count = 1;
  for (int64_t size : batch) count *= size;
  auto flat = [&](const Tensor& x, int64_t rows) {
    DimVector sizes = batch;
    sizes.push_back(rows);
    sizes.push_back(cols);
    const int64_t three[3] = {count, rows, cols};
    return reshape(expand(x, sizes), three);
  };
  const bool by_products = p == 2 && (mode == 1 || (mode == 0 && (rows1 > 25 || rows2 > 25)));
  const Tensor out = batched(flat(x1, rows1), flat(x2, rows2), p, by_products && cols > 0);
  DimVector sizes = batch;
  sizes.push_back(rows1);
  sizes.push_back(rows2);
  return products::unsafe_view("ViewBackward0", out, sizes);
}

Tensor pdist(const Tensor& self, double p) {
  if (self.dim() != 2) fail("pdist only supports 2D tensors, got: ", self.dim(), "D");
  if (!is_floating_point(self.dtype())) fail("pdist only supports floating-point dtypes");
  if (!(p >= 0)) fail("pdist only supports non-negative p values");
  check_kernel("pdist", self.dtype());
  check_cpu("pdist", self);
  const int64_t n = self.sizes()[0];
  const Tensor rows = unsqueeze(self, 0);
  const Tensor all = batched(rows, rows, p, false);
  const Tensor pairs = triu_indices(n, n, 1);
  const int64_t whole[1] = {n * n};
  return take(reshape(all, whole), add(mul(select(pairs, 0, 0), n), select(pairs, 0, 1)));
}

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p, double eps, bool keepdim) {
  const Tensor difference = sub(x1, x2);
  const int64_t last[1] = {difference.dim() ? difference.dim() - 1 : 0};
  return norm(add(difference, eps), p, IntSpan(last), keepdim);
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
  const DType dtype = promote_types(x1.dtype(), x2.dtype());
  if (!is_floating_point(dtype))
    fail("expected common dtype to be floating point, yet common dtype is ", scalar_type_name(dtype));
  const DimVector shape = layout::broadcast_shapes(x1.sizes(), x2.sizes());
  const int64_t over[1] = {wrap_dim(dim, static_cast<int64_t>(shape.size()))};
  auto unit = [&](const Tensor& x) {
    const Tensor t = expand(x.dtype() == dtype ? x : to(x, dtype), shape);
    const Tensor length = norm(t, 2, IntSpan(over), true);
    // Where eps takes the place of the length, the gradient still goes through the length, as torch's does.
    Tensor clamped;
    {
      NoGradGuard no_grad;
      clamped = clamp_min(length, eps);
    }
    return div(t, add(sub(length, detach(length)), clamped));
  };
  return sum(mul(unit(x1), unit(x2)), IntSpan(over));
}

}  // namespace rushlight
