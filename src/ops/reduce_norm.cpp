// Variance, standard deviation and vector norms.
#include <algorithm>
#include <cmath>

#include "cpu/loop_plan.h"
#include "ops/reduce.h"

namespace rushlight {

namespace {

// Moments become variances (or their roots) and means.
struct MomentsSink final : cpu::ReduceSink {
  char* spread;
  char* means;  // null: not wanted
  int64_t size;
  cpu::Loop cast;
  double correction;
  bool root;

  void put(char* to, const double* values, int64_t n, int64_t step) const {
    char* const data[2] = {to, const_cast<char*>(reinterpret_cast<const char*>(values))};
    const int64_t strides[2] = {step * size, sizeof(double)};
    cast(data, strides, n, nullptr);
  }
  void store(char* acc, const int64_t*, int64_t n, int64_t out_at, int64_t out_step) const override {
    const cpu::Moments* m = reinterpret_cast<const cpu::Moments*>(acc);
    double values[256];
    for (int64_t i = 0; i < n; i += 256) {
      const int64_t count = std::min<int64_t>(256, n - i);
      for (int64_t j = 0; j < count; ++j) {
        const double v = m[i + j].m2 / std::max(0.0, m[i + j].count - correction);
        values[j] = root ? std::sqrt(v) : v;
      }
      put(spread + (out_at + i * out_step) * size, values, count, out_step);
      if (!means) continue;
      for (int64_t j = 0; j < count; ++j) values[j] = m[i + j].mean;
      put(means + (out_at + i * out_step) * size, values, count, out_step);
    }
  }
};

// d var / dx = 2 (x - mean) / (n - correction). whole: no dims were given; only then results without degrees of freedom
// have infinite gradients, as in torch.
Tensor var_grad(const Tensor& grad, const Tensor& x, uint64_t set, double correction, bool keepdim, bool whole) {
  const int64_t ndim = x.dim();
  const double freedom = static_cast<double>(reduced_count(x.sizes(), set)) - correction;
  const Tensor g = restore_dims(grad, set, keepdim, ndim);
  const Tensor m = ndim ? mean(x, dim_list(set, ndim), true) : mean(x);
  if (freedom <= 0 && (whole || ndim == 0)) {
    const Tensor same = eq(x, m);
    return mul(g, where(same, NAN, INFINITY));
  }
  return mul(mul(g, 2 / freedom), sub(x, m));
}

struct Spread {
  Tensor value, mean;
};

Spread spread(const char* name, const Tensor& self, uint64_t set, double correction, bool keepdim, bool root,
              bool with_mean) {
  const DType dtype = self.dtype();
  const int64_t count = reduced_count(self.sizes(), set);
  const DimVector shape = reduced_shape(self.sizes(), set, keepdim);
  if (static_cast<double>(count) - correction <= 0) {
    Message m;
    m << name
      << "(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel "
         "divided by output numel).";
    warn(m.text);
  }
  NoGradGuard guard;
  if (is_complex(dtype)) {
    // The variances of both parts add up.
    const Tensor parts = view_as_real(self);
    const int64_t last = -1;
    Tensor v = sum(spread(name, parts, set, correction, keepdim, false, false).value, IntSpan(&last, 1));
    if (root) v = sqrt(v);
    if (!with_mean) return {v, {}};
    return {v, self.dim() ? mean(self, dim_list(set, self.dim()), keepdim) : mean(self)};
  }
  Spread r{empty(shape, dtype), with_mean ? empty(shape, dtype) : Tensor()};
  const cpu::ReduceKernel& kernel = find_kernel(ReduceOp::Moments, name, dtype);
  if (self.numel() == 0) {
    if (r.value.numel()) {
      fill_(r.value, NAN);
      if (with_mean) fill_(r.mean, NAN);
    }
    return r;
  }
  MomentsSink sink;
  sink.spread = r.value.data();
  sink.means = with_mean ? r.mean.data() : nullptr;
  sink.size = item_size(dtype);
  sink.cast = dtype == DType::Float64
                  ? cpu::elementwise().copy[cpu::size_class(8)]
                  : cpu::elementwise().cast[static_cast<int>(DType::Float64)][static_cast<int>(dtype)];
  sink.correction = correction;
  sink.root = root;
  cpu::run_reduce(kernel, false, self.data(), self.item_size(), self.sizes(), self.strides(), set, sink);
  return r;
}

Tensor root_grad(const Tensor& grad, const Tensor& root) {
  return masked_fill(div(grad, mul(root, 2)), eq(root, 0), 0);
}

void check_spread(const char* name, const char* names, const Tensor& self) {
  check_cpu(name, self);
  if (!is_differentiable(self.dtype())) fail(names, " only support floating point and complex dtypes");
}

Tensor spread_op(const char* name, const Tensor& self, OptSpan dims, double correction, bool keepdim, bool root) {
  check_spread(name, "std and var", self);
  const uint64_t set = reduced_dims(dims, self.dim());
  const Tensor out = spread(name, self, set, correction, keepdim, root, false).value;
  if (autograd::needs(self)) {
    const bool whole = !dims;
    if (root)
      autograd::record(
          "StdBackward0", out, {&self},
          [x = SavedTensor(self), y = SavedTensor::result(out), set, correction, keepdim, whole](autograd::Grads& g) {
            g[0] = var_grad(root_grad(g.grad(), g.unpack(y)), g.unpack(x), set, correction, keepdim, whole);
          });
    else
      autograd::record("VarBackward0", out, {&self},
                       [x = SavedTensor(self), set, correction, keepdim, whole](autograd::Grads& g) {
                         g[0] = var_grad(g.grad(), g.unpack(x), set, correction, keepdim, whole);
                       });
  }
  return out;
}

std::tuple<Tensor, Tensor> spread_mean_op(const char* name, const Tensor& self, OptSpan dims, double correction,
                                          bool keepdim, bool root) {
  check_spread(name, name, self);
  const uint64_t set = reduced_dims(dims, self.dim());
  const Spread r = spread(name, self, set, correction, keepdim, root, true);
  if (autograd::needs(self)) {
    const Tensor results[2] = {r.value, r.mean};
    autograd::record_many(root ? "StdMeanBackward0" : "VarMeanBackward0", results, {&self, 1},
                          [x = SavedTensor(self), y = SavedTensor::result(r.value), set, correction, keepdim, root,
                           whole = !dims](autograd::Grads& g) {
                            const Tensor input = g.unpack(x);
                            Tensor total;
                            if (g.grad(0).defined())
                              total = var_grad(root ? root_grad(g.grad(0), g.unpack(y)) : g.grad(0), input, set,
                                               correction, keepdim, whole);
                            if (g.grad(1).defined()) {
                              const double count = static_cast<double>(reduced_count(input.sizes(), set));
                              const Tensor part = expand_reduced(div(g.grad(1), count), input.sizes(), set, keepdim);
                              total = total.defined() ? add(total, part) : part;
                            }
                            g[0] = total;
                          });
  }
  return {r.value, r.mean};
}

}  // namespace

Tensor var(const Tensor& self, OptSpan dims, double correction, bool keepdim) {
  return spread_op("var", self, dims, correction, keepdim, false);
}
Tensor std(const Tensor& self, OptSpan dims, double correction, bool keepdim) {
  return spread_op("std", self, dims, correction, keepdim, true);
}
std::tuple<Tensor, Tensor> var_mean(const Tensor& self, OptSpan dims, double correction, bool keepdim) {
  return spread_mean_op("var_mean", self, dims, correction, keepdim, false);
}
std::tuple<Tensor, Tensor> std_mean(const Tensor& self, OptSpan dims, double correction, bool keepdim) {
  return spread_mean_op("std_mean", self, dims, correction, keepdim, true);
}

// ---- norm

namespace {

void check_norm_dtype(const Tensor& self, OptDType dtype) {
  const DType own = self.dtype();
  if (!is_differentiable(own))
    fail("linalg.vector_norm: Expected a floating point or complex tensor as input. Got ", own);
  if (dtype) {
    if (!is_differentiable(*dtype)) fail("linalg.vector_norm: dtype should be floating point or complex. Got ", *dtype);
    if (is_complex(own) != is_complex(*dtype))
      fail("linalg.vector_norm: dtype should be ", is_complex(own) ? "complex for complex" : "real for real",
           " inputs, but got ", *dtype);
    if (promote_types(own, *dtype) != *dtype)
      fail("linalg.vector_norm: the dtype of the input (", own,
           ") should be convertible without narrowing to the specified dtype (", *dtype, ")");
  }
}

void check_norm_empty(const Tensor& self, double p, OptSpan dims) {
  if (self.numel() == 0 && (p < 0 || p == INFINITY)) {
    if (!dims || dims->empty())
      fail("linalg.vector_norm cannot compute the ", p,
           " norm on an empty tensor because the operation does not have an identity");
    for (int64_t d : *dims)
      if (const int64_t at = wrap_dim(d, self.dim()); self.size(at) == 0)
        fail("linalg.vector_norm cannot compute the ", p, " norm on the dimension ", at,
             "because this dimension is empty and the operation does not have an identity");
  }
}

Tensor norm_value(const Tensor& x, double p, uint64_t set, bool keepdim) {
  NoGradGuard guard;
  const DType real = to_real(x.dtype());
  const DimVector dims = dim_list(set, x.dim());
  const OptSpan over = dims.empty() ? OptSpan() : OptSpan(dims);
  if (p == 2 || (p == 1 && !is_complex(x.dtype()))) {
    const Tensor out = empty(reduced_shape(x.sizes(), set, keepdim), real);
    reduce_into(p == 2 ? ReduceOp::SumSquares : ReduceOp::SumAbs, "linalg_vector_norm_cpu", x, set, out, 0,
                p == 2 ? Finish::Sqrt : Finish::None, 1, true);
    return out;
  }
  if (p == 0) return sum(ne(x, 0), over, keepdim, real);
  if (!std::isinf(p) && kernel_dtype(x.dtype()) != x.dtype())
    return to(norm_value(to(x, DType::Float32), p, set, keepdim), real);
  const Tensor a = abs(x);
  if (p == INFINITY) return amax(a, over, keepdim);
  if (p == -INFINITY) return amin(a, over, keepdim);
  if (p == 1) return sum(a, over, keepdim);
  return pow(sum(pow(a, p), over, keepdim), 1 / p);
}

Tensor norm_grad(const Tensor& grad, const Tensor& x, const Tensor& norm, double p, uint64_t set, bool keepdim) {
  const int64_t ndim = x.dim();
  const Tensor g = restore_dims(grad, set, keepdim, ndim), n = restore_dims(norm, set, keepdim, ndim);
  if (p == 0) return {};  // nothing arrives, as in torch
  if (p == 1) return mul(sgn(x), g);
  if (p == 2) return mul(g, masked_fill(div(x, n), eq(n, 0), 0));
  if (std::isinf(p)) {
    const Tensor a = abs(x);
    const Tensor mask = logical_or(eq(a, n), logical_and(isnan(a), isnan(n)));
    const Tensor count = ndim ? sum(mask, dim_list(set, ndim), true) : sum(mask);
    return mul(mul(sgn(x), div(g, count)), mask);
  }
  if (p < 1) {
    const Tensor scaled = mul(sgn(x), masked_fill(pow(abs(x), p - 1), eq(x, 0), 0));
    return mul(mul(scaled, g), pow(n, 1 - p));
  }
  const Tensor factor = masked_fill(div(g, pow(n, p - 1)), eq(n, 0), 0);
  if (p < 2) return mul(mul(sgn(x), pow(abs(x), p - 1)), factor);
  return mul(mul(x, p == 3 ? abs(x) : pow(abs(x), p - 2)), factor);
}

}  // namespace

Tensor norm(const Tensor& self, double p, OptSpan dims, bool keepdim, OptDType dtype) {
  check_cpu("norm", self);
  check_norm_dtype(self, dtype);
  const uint64_t set = reduced_dims(dims, self.dim());
  check_norm_empty(self, p, dims);
  const Tensor x = dtype && *dtype != self.dtype() ? to(self, *dtype) : self;
  const Tensor out = norm_value(x, p, set, keepdim);
  if (autograd::needs(x))
    autograd::record("LinalgVectorNormBackward0", out, {&x},
                     [x = SavedTensor(x), y = SavedTensor::result(out), p, set, keepdim](autograd::Grads& g) {
                       g[0] = norm_grad(g.grad(), g.unpack(x), g.unpack(y), p, set, keepdim);
                     });
  return out;
}

}  // namespace rushlight
