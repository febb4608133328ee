// Finite differences and sums of trapezoids along a dim.
#include <bitset>

#include "ops/elementwise.h"
#include "rushlight/reduce.h"

namespace rushlight {

namespace {

// Elements [start, end) along dim; end counts from the end where negative.
Tensor part(const Tensor& t, int64_t dim, OptInt start, OptInt end = {}) { return slice(t, dim, start, end); }

// ---- diff

void check_diff_edge(const Tensor& self, const Tensor& edge, int64_t dim) {
  if (edge.dim() != self.dim()) fail("diff expects prepend or append to be the same dimension as input");
  for (int64_t d = 0; d < self.dim(); ++d)
    if (d != dim && edge.size(d) != self.size(d))
      fail(
          "diff expects the shape of tensor to prepend or append to match that of input except along the "
          "differencing dimension; input.size(",
          d, ") = ", self.size(d), ", but got tensor.size(", d, ") = ", edge.size(d));
}

}  // namespace

Tensor diff(const Tensor& self, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append) {
  check_cpu("diff", self);
  if (self.dim() < 1) fail("diff expects input to be at least one-dimensional");
  if (n < 0) fail("order must be non-negative but got ", n);
  const int64_t d = wrap_dim(dim, self.dim());
  TensorList parts;
  for (const Tensor* t : {&prepend, &self, &append})
    if (t->defined()) {
      if (t != &self) check_diff_edge(self, *t, d);
      parts.push_back(*t);
    }
  if (n == 0) return clone(self);
  Tensor x = parts.size() > 1 ? cat(parts, d) : self;
  n = std::min(n, x.size(d));
  if (n == 0) return clone(x, true);
  for (int64_t i = 0; i < n; ++i) {
    const Tensor later = part(x, d, 1), earlier = part(x, d, 0, x.size(d) - 1);
    x = x.dtype() == DType::Bool ? logical_xor(later, earlier) : sub(later, earlier);
  }
  return x;
}

// ---- trapezoid

namespace {

void check_no_bool(const char* name, const Tensor& y) {
  if (y.dtype() == DType::Bool) fail(name, ": received a bool input for `y`, but bool is not supported");
}
void check_no_bool(const char* name, const Tensor& y, const Tensor& x) {
  if (y.dtype() == DType::Bool || x.dtype() == DType::Bool)
    fail(name, ": received a bool input for `x` or `y`, but bool is not supported");
}
void check_dx(const char* name, const Scalar& dx) {
  if (dx.is_complex() || dx.is_bool()) fail(name, ": Currently, we only support dx as a real number.");
}

// The sums of neighbours, which have one element less.
Tensor pairs(const Tensor& y, int64_t d) { return add(part(y, d, 0, -1), part(y, d, 1)); }

// Distances of coordinates, ready to be multiplied with pairs(y, d).
Tensor distances(const char* name, const Tensor& y, const Tensor& x, int64_t& d) {
  Tensor points = x;
  if (x.dim() == 1) {
    if (x.size(0) != y.size(d)) fail(name, ": There must be one `x` value for each sample point");
    DimVector shape(y.dim(), 1);
    shape[d] = x.size(0);
    points = view(x, shape);
  } else if (x.dim() < y.dim()) {
    DimVector shape(y.dim() - x.dim(), 1);
    for (int64_t s : x.sizes()) shape.push_back(s);
    points = reshape(x, shape);
  }
  const int64_t at = points.dim() - (y.dim() - d);
  return sub(part(points, at, 1), part(points, at, 0, -1));
}

Tensor sum_along(const Tensor& t, int64_t d) { return sum(t, IntSpan(&d, 1)); }

int64_t sample_dim(const Tensor& y, int64_t dim) {
  if (y.dim() == 0) fail<IndexError>("Dimension specified as ", dim, " but tensor has no dimensions");
  return wrap_dim(dim, y.dim());
}

DimVector without(IntSpan sizes, int64_t d) {
  DimVector shape(sizes);
  shape.erase(d);
  return shape;
}

}  // namespace

Tensor trapezoid(const Tensor& y, const Tensor& x, int64_t dim) {
  check_cpu("trapezoid", y);
  int64_t d = sample_dim(y, dim);
  check_no_bool("trapezoid", y, x);
  if (y.size(d) == 0) return zeros(without(y.sizes(), d), y.dtype());
  const Tensor dx = distances("trapezoid", y, x, d), areas = mul(dx, pairs(y, d));
  return div(sum_along(areas, areas.dim() - (y.dim() - d)), 2);
}

Tensor trapezoid(const Tensor& y, const Scalar& dx, int64_t dim) {
  check_cpu("trapezoid", y);
  const int64_t d = sample_dim(y, dim);
  check_no_bool("trapezoid", y);
  check_dx("trapezoid", dx);
  if (y.size(d) == 0) return zeros(without(y.sizes(), d), y.dtype());
  // The sum of all samples without half of the first and the last one.
  return mul(sub(sum_along(y, d), mul(add(select(y, d, 0), select(y, d, -1)), 0.5)), dx.to_double());
}

Tensor cumulative_trapezoid(const Tensor& y, const Tensor& x, int64_t dim) {
  check_cpu("cumulative_trapezoid", y);
  check_no_bool("cumulative_trapezoid", y, x);
  if (y.dim() == 0) fail<IndexError>("slice() cannot be applied to a 0-dim tensor.");
  int64_t d = wrap_dim(dim, y.dim());
  const Tensor dx = distances("cumulative_trapezoid", y, x, d), areas = mul(dx, pairs(y, d));
  return div(cumsum(areas, areas.dim() - (y.dim() - d)), 2);
}

Tensor cumulative_trapezoid(const Tensor& y, const Scalar& dx, int64_t dim) {
  check_cpu("cumulative_trapezoid", y);
  check_no_bool("cumulative_trapezoid", y);
  check_dx("cumulative_trapezoid", dx);
  if (y.dim() == 0) fail<IndexError>("slice() cannot be applied to a 0-dim tensor.");
  const int64_t d = wrap_dim(dim, y.dim());
  return cumsum(mul(pairs(y, d), dx.to_double() / 2), d);
}

// ---- gradient

namespace {

// The dims of the call, each at most once. spacings: the length of the list of spacings, if there is one.
DimVector gradient_dims(const Tensor& self, OptSpan dims, std::optional<size_t> spacings, int64_t edge_order) {
  check_cpu("gradient", self);
  if (self.dtype() == DType::UInt8) fail("torch.gradient does not support uint8 input.");
  if (edge_order != 1 && edge_order != 2) fail("torch.gradient only supports edge_order=1 and edge_order=2.");
  if (spacings && dims && dims->size() != *spacings)
    fail(
        "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the "
        "same length, but got a spacing argument of length ",
        *spacings, " and a dim argument of length ", dims->size(), ".");
  if (spacings && !dims && static_cast<int64_t>(*spacings) != self.dim())
    fail("torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to 'self.dim() = ",
         self.dim(), "', since dim argument was not given, but got a list of length ", *spacings);
  DimVector result;
  if (dims) {
    std::bitset<kMaxDims> seen;
    for (int64_t dim : *dims) {
      const int64_t d = sample_dim(self, dim);
      if (seen[d]) fail("dim ", d, " appears multiple times in the list of dims");
      seen.set(d);
      result.push_back(d);
    }
  } else {
    for (int64_t d = 0; d < self.dim(); ++d) result.push_back(d);
  }
  for (int64_t d : result)
    if (self.dim() && self.size(d) < edge_order + 1)
      fail("torch.gradient expected each dimension size to be at least edge_order+1");
  return result;
}

Tensor one(const Tensor& t, int64_t d, int64_t i) { return narrow(t, d, i < 0 ? t.size(d) + i : i, 1); }

// a * x + b * y + c * z
Tensor combine(const Operand& a, const Tensor& x, const Operand& b, const Tensor& y, const Operand& c,
               const Tensor& z) {
  return add(add(mul(x, a), mul(y, b)), mul(z, c));
}

Tensor even_gradient(const Tensor& x, int64_t d, const Scalar& step, int64_t edge_order) {
  const Tensor inner = div(sub(part(x, d, 2), part(x, d, 0, -2)), 2);
  Tensor first, last;
  if (edge_order == 1) {
    first = sub(one(x, d, 1), one(x, d, 0));
    last = sub(one(x, d, -1), one(x, d, -2));
  } else {
    first = combine(-1.5, one(x, d, 0), 2, one(x, d, 1), -0.5, one(x, d, 2));
    last = combine(0.5, one(x, d, -3), -2, one(x, d, -2), 1.5, one(x, d, -1));
  }
  const Tensor parts[3] = {div(first, step), div(inner, step), div(last, step)};
  return cat(parts, d);
}

// Second-order differences on uneven steps h1, h2: the derivative of the parabola through three points.
Tensor uneven_gradient(const Tensor& x, int64_t d, const Tensor& coordinates, int64_t edge_order) {
  DimVector shape(x.dim(), 1);
  shape[d] = -1;
  const Tensor steps = diff(coordinates), h = reshape(steps, shape);
  const Tensor h1 = part(h, d, 0, -1), h2 = part(h, d, 1), both = add(h1, h2);
  const Tensor inner = combine(neg(div(h2, mul(h1, both))), part(x, d, 0, -2), div(sub(h2, h1), mul(h1, h2)),
                               part(x, d, 1, -1), div(h1, mul(h2, both)), part(x, d, 2));
  Tensor first, last;
  if (edge_order == 1) {
    first = div(sub(one(x, d, 1), one(x, d, 0)), select(steps, 0, 0));
    last = div(sub(one(x, d, -1), one(x, d, -2)), select(steps, 0, -1));
  } else {
    const Tensor a = select(steps, 0, 0), b = select(steps, 0, 1), ab = add(a, b);
    first = combine(neg(div(add(mul(a, 2), b), mul(a, ab))), one(x, d, 0), div(ab, mul(a, b)), one(x, d, 1),
                    neg(div(a, mul(b, ab))), one(x, d, 2));
    const Tensor e = select(steps, 0, -2), f = select(steps, 0, -1), ef = add(e, f);
    last = combine(div(f, mul(e, ef)), one(x, d, -3), neg(div(ef, mul(e, f))), one(x, d, -2),
                   div(add(mul(f, 2), e), mul(f, ef)), one(x, d, -1));
  }
  const Tensor parts[3] = {first, inner, last};
  return cat(parts, d);
}

}  // namespace

TensorList gradient(const Tensor& self, const Scalar& spacing, OptSpan dims, int64_t edge_order) {
  TensorList results;
  for (int64_t d : gradient_dims(self, dims, {}, edge_order))
    results.push_back(even_gradient(self, d, spacing, edge_order));
  return results;
}

TensorList gradient(const Tensor& self, std::span<const Scalar> spacing, OptSpan dims, int64_t edge_order) {
  const DimVector over = gradient_dims(self, dims, spacing.size(), edge_order);
  TensorList results;
  for (size_t i = 0; i < over.size(); ++i) results.push_back(even_gradient(self, over[i], spacing[i], edge_order));
  return results;
}

TensorList gradient(const Tensor& self, std::span<const Tensor> coordinates, OptSpan dims, int64_t edge_order) {
  const DimVector over = gradient_dims(self, dims, coordinates.size(), edge_order);
  for (const Tensor& c : coordinates)
    if (c.dim() != 1)
      fail("torch.gradient expected each element of spacing to have one dimension, but got an element with ", c.dim(),
           " dimensions!");
  for (size_t i = 0; i < over.size(); ++i)
    if (coordinates[i].size(0) < edge_order + 1)
      fail("torch.gradient expected at least ", edge_order + 1, " coordinates along dim ", over[i], ", but got ",
           coordinates[i].size(0));
  TensorList results;
  for (size_t i = 0; i < over.size(); ++i)
    results.push_back(uneven_gradient(self, over[i], coordinates[i], edge_order));
  return results;
}

}  // namespace rushlight
