// Layer, group and batch normalization: the moments and results by kernels, gradients by kernels or, where they are to
// be differentiated again, by operations.
#include "rushlight/normalization.h"

#include "cpu/normalization.h"
#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight {

using autograd::Grads;

namespace {

// Rows shorter than this are not worth a kernel call each.
constexpr int64_t kShortRow = 8;

void check_norm_dtypes(const char* kernel, const Tensor& input, std::initializer_list<const Tensor*> parameters) {
  check_cpu(kernel, input);
  const DType d = input.dtype();
  if (!is_differentiable(d) || is_complex(d))
    fail<NotImplementedError>("\"", kernel, "\" not implemented for '", d, "'");
  DType common = DType::Undefined;
  for (const Tensor* t : parameters) {
    if (!t->defined()) continue;
    check_cpu(kernel, *t);
    if (common == DType::Undefined) common = t->dtype();
    if (t->dtype() != common) fail("mixed dtype (CPU): all parameters must share same datatype.");
    if (t->dtype() == d) continue;
    if (kernel_dtype(d) == d) fail("mixed dtype (CPU): all inputs must share same datatype.");
    if (t->dtype() != DType::Float32) fail("mixed dtype (CPU): expect parameter to have scalar type of Float");
  }
}

// The dtype of the moments: float32 beside float32 parameters of half-precision input.
DType moments_dtype(const Tensor& input, std::initializer_list<const Tensor*> parameters) {
  for (const Tensor* t : parameters)
    if (t->defined()) return t->dtype();
  return input.dtype();
}

// Contiguous and of the dtype that kernels compute in; undefined stays undefined. Not recorded.
Tensor dense(const Tensor& t, DType d) {
  if (!t.defined()) return t;
  NoGradGuard no_grad;
  return contiguous(t.dtype() == d ? t : to(t, d));
}

const void* data_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }

// A normalization as seen by its derivative: input viewed under `shape`, moments over `dims`.
struct View {
  DimVector shape;         // of the input
  DimVector dims;          // that one pair of moments stands for
  DimVector weight_shape;  // broadcasts to `shape`
  DimVector weight_dims;   // summed for the gradients of weight and bias
};

struct NormSaved {
  SavedTensor x, weight;
  Tensor mean, rstd;  // in the dtype of kernels, of a shape that broadcasts to the view
  View view;
  DimVector input_sizes, parameter_sizes;
  double eps;
  bool fixed = false;  // moments that do not depend on the input
};

// Gradients by differentiable operations.
void compose_grads(Grads& g, const NormSaved& s, const Tensor& input, const Tensor& weight) {
  const DType d = kernel_dtype(input.dtype());
  const Tensor x = to(reshape(input, s.view.shape), d);
  const Tensor grad = g.grad().defined() ? to(reshape(g.grad(), s.view.shape), d) : zeros(s.view.shape, d);
  const IntSpan dims = s.view.dims;
  Tensor rstd = s.rstd, xhat;
  if (s.fixed || !GradMode::enabled()) {
    xhat = mul(sub(x, s.mean), rstd);
  } else {
    const Tensor centered = sub(x, mean(x, dims, true));
    rstd = rsqrt(add(mean(mul(centered, centered), dims, true), s.eps));
    xhat = mul(centered, rstd);
  }
  if (g.needs(0)) {
    Tensor own = weight.defined() ? mul(grad, to(reshape(weight, s.view.weight_shape), d)) : grad;
    if (!s.fixed) own = sub(sub(own, mean(own, dims, true)), mul(xhat, mean(mul(own, xhat), dims, true)));
    own = mul(own, rstd);
    // Moments that are results, too: mean depends on every element by 1 / count, rstd by -rstd^2 * xhat / count.
    int64_t count = 1;
    for (int64_t dim : dims) count *= s.view.shape[dim];
    const Scalar share = 1.0 / static_cast<double>(count);
    auto moment = [&](size_t i) { return mul(reshape(to(g.grad(i), d), s.mean.sizes()), share); };
    if (g.outputs() > 1 && g.grad(1).defined()) own = add(own, moment(1));
    if (g.outputs() > 2 && g.grad(2).defined()) own = sub(own, mul(mul(moment(2), mul(rstd, rstd)), xhat));
    g[0] = reshape(own, s.input_sizes);
  }
  auto summed = [&](const Tensor& t) {
    return reshape(s.view.weight_dims.empty() ? t : sum(t, s.view.weight_dims), s.parameter_sizes);
  };
  if (g.needs(1)) g[1] = summed(mul(grad, xhat));
  if (g.needs(2)) g[2] = summed(grad);
}

Tensor undefined_or(const SavedTensor& saved, Grads& g) { return saved.defined() ? g.unpack(saved) : Tensor(); }

}  // namespace

// ---- layer norm

std::tuple<Tensor, Tensor, Tensor> native_layer_norm(const Tensor& input, IntSpan normalized_shape,
                                                     const Tensor& weight, const Tensor& bias, double eps) {
  const int64_t k = static_cast<int64_t>(normalized_shape.size()), axis = input.dim() - k;
  if (k == 0)
    fail(
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
        "normalized_shape = []");
  if (weight.defined() && !equal(weight.sizes(), normalized_shape))
    fail("Expected weight to be of same shape as normalized_shape, but got weight of shape ", weight.sizes(),
         " and normalized_shape = ", normalized_shape);
  if (bias.defined() && !equal(bias.sizes(), normalized_shape))
    fail("Expected bias to be of same shape as normalized_shape, but got bias of shape ", bias.sizes(),
         " and normalized_shape = ", normalized_shape);
  bool fits = axis >= 0;
  for (int64_t i = 0; fits && i < k; ++i) fits = input.sizes()[axis + i] == normalized_shape[i];
  if (!fits) {
    Message m;
    m << "Given normalized_shape=" << normalized_shape << ", expected input with shape [*";
    for (int64_t n : normalized_shape) m << ", " << n;
    m << "], but got input of size" << input.sizes();
    throw Error(m.text);
  }
  check_norm_dtypes("LayerNormKernelImpl", input, {&weight, &bias});

  const DType d = kernel_dtype(input.dtype()), moments = moments_dtype(input, {&weight, &bias});
  const Tensor x = dense(input, input.dtype()), w = dense(weight, d), b = dense(bias, d);
  DimVector outer(input.sizes());
  int64_t rows = 1, n = 1;
  for (int64_t i = 0; i < input.dim(); ++i) {
    (i < axis ? rows : n) *= input.sizes()[i];
    if (i >= axis) outer[i] = 1;
  }
  const Tensor out = empty(input.sizes(), input.dtype());
  Tensor mean = empty(outer, d), rstd = empty(outer, d);
  if (n == 0) {
    fill_(mean, 0);
    fill_(rstd, 0);
  } else if (rows > 0) {
    cpu::run_layer_norm(
        d, {x.data(), out.data(), data_or_null(w), data_or_null(b), mean.data(), rstd.data(), rows, n, eps},
        input.dtype());
  }
  const Tensor fine_mean = mean, fine_rstd = rstd;
  if (d != moments) {
    mean = to(mean, moments);
    rstd = to(rstd, moments);
  }
  if (autograd::needs(input, weight, bias)) {
    NormSaved s{SavedTensor(input),
                weight.defined() ? SavedTensor(weight) : SavedTensor(),
                fine_mean,
                fine_rstd,
                {},
                DimVector(input.sizes()),
                DimVector(normalized_shape),
                eps};
    s.view.shape = DimVector(input.sizes());
    s.view.weight_shape = DimVector(normalized_shape);
    for (int64_t i = 0; i < input.dim(); ++i) (i < axis ? s.view.weight_dims : s.view.dims).push_back(i);
    autograd::record("NativeLayerNormBackward0", out, {&input, &weight, &bias}, [s, d, rows, n](Grads& g) {
      const Tensor input = g.unpack(s.x), weight = undefined_or(s.weight, g);
      if (GradMode::enabled() || rows == 0 || n == 0) return compose_grads(g, s, input, weight);
      const Tensor x = dense(input, d), w = dense(weight, d), grad = dense(g.grad(), d);
      auto wanted = [&](size_t i, const DimVector& sizes) { return g.needs(i) ? empty(sizes, d) : Tensor(); };
      g[0] = wanted(0, s.input_sizes);
      g[1] = wanted(1, s.parameter_sizes);
      g[2] = wanted(2, s.parameter_sizes);
      auto memory = [&](size_t i) { return g[i].defined() ? g[i].data() : nullptr; };
      cpu::run_layer_norm_grad(d, {grad.data(), x.data(), s.mean.data(), s.rstd.data(), data_or_null(w), memory(0),
                                   memory(1), memory(2), rows, n});
    });
  }
  return {out, mean, rstd};
}

Tensor layer_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  return std::get<0>(native_layer_norm(input, normalized_shape, weight, bias, eps));
}

// ---- group and batch norm: rows of `length` elements, one per sample and channel

namespace {

// (x - mean) * rstd * weight + bias for x [n, c, length]; moments broadcast to [n, c].
Tensor apply_moments(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& weight,
                     const Tensor& bias) {
  NoGradGuard no_grad;
  const int64_t n = x.sizes()[0], c = x.sizes()[1], length = x.sizes()[2];
  const Tensor factor = weight.defined() ? mul(rstd, weight) : rstd;
  if (length < kShortRow) {
    const Tensor scaled = mul(sub(x, unsqueeze(mean, -1)), unsqueeze(factor, -1));
    return bias.defined() ? add(scaled, unsqueeze(bias, -1)) : scaled;
  }
  const DimVector rows{n, c};
  auto per_row = [&](const Tensor& t) { return contiguous(expand(t, rows)); };
  const Tensor m = per_row(mean), scale = per_row(factor);
  const Tensor shift = bias.defined() ? per_row(bias) : zeros(rows, x.dtype());
  const Tensor out = empty(x.sizes(), x.dtype());
  cpu::run_affine(x.dtype(), {x.data(), m.data(), scale.data(), shift.data(), out.data(), n * c, length});
  return out;
}

// Gradients by kernels. s.view.shape is [n, g, c / g, length]; moments are [n, g, 1, 1] or [1, g, 1, 1].
void row_grads(Grads& g, const NormSaved& s, const Tensor& input, const Tensor& weight) {
  const DType d = kernel_dtype(input.dtype());
  const int64_t n = s.view.shape[0], groups = s.view.shape[1], each = s.view.shape[2], length = s.view.shape[3];
  const DimVector rows{n, groups, each, 1};
  const Tensor x = dense(input, d), grad = dense(g.grad(), d);
  const Tensor mean = contiguous(expand(s.mean, rows));
  const Tensor sums = empty(rows, d), products = empty(rows, d);
  cpu::NormGradRows r{grad.data(), x.data(), mean.data(), sums.data(),       products.data(), nullptr,
                      nullptr,     nullptr,  nullptr,     n * groups * each, length};
  cpu::run_norm_dots(d, r);
  if (g.needs(0)) {
    // With g = weight * grad: rstd * g - rstd^3 * mean(g * (x - mean)) * (x - mean) - rstd * mean(g)
    const Tensor w = weight.defined() ? reshape(dense(weight, d), s.view.weight_shape) : ones(DimVector{1, 1, 1, 1}, d);
    const Tensor a = contiguous(expand(mul(s.rstd, w), rows));
    Tensor b = zeros(rows, d), c = b;
    if (!s.fixed) {
      int64_t count = 1;
      for (int64_t dim : s.view.dims) count *= s.view.shape[dim];
      const Scalar share = 1.0 / static_cast<double>(count);
      const Tensor cube = mul(mul(s.rstd, s.rstd), s.rstd);
      b = contiguous(expand(neg(mul(cube, mul(sum(mul(products, w), s.view.dims, true), share))), rows));
      c = contiguous(expand(neg(mul(s.rstd, mul(sum(mul(sums, w), s.view.dims, true), share))), rows));
    }
    g[0] = empty(s.input_sizes, d);
    r.a = a.data();
    r.b = b.data();
    r.c = c.data();
    r.out = g[0].data();
    cpu::run_norm_combine(d, r);
  }
  const IntSpan dims = s.view.weight_dims;
  if (g.needs(1)) g[1] = reshape(sum(mul(products, s.rstd), dims), s.parameter_sizes);
  if (g.needs(2)) g[2] = reshape(sum(sums, dims), s.parameter_sizes);
}

// moments: further results of the node, as of group norm.
void record_rows(const char* node, const Tensor& out, const Tensor& input, const Tensor& weight, const Tensor& bias,
                 NormSaved s, std::span<const Tensor> moments = {}) {
  auto derivative = [s = std::move(s)](Grads& g) {
    const Tensor input = g.unpack(s.x), weight = undefined_or(s.weight, g);
    bool moments = false;
    for (size_t i = 1; i < g.outputs(); ++i) moments = moments || g.grad(i).defined();
    if (GradMode::enabled() || moments || s.view.shape[3] < kShortRow)
      compose_grads(g, s, input, weight);
    else
      row_grads(g, s, input, weight);
  };
  TensorList results{out};
  results.insert(results.end(), moments.begin(), moments.end());
  const Tensor inputs[3] = {input, weight, bias};
  autograd::record_many(node, results, inputs, std::move(derivative));
}

void check_channels(const char* what, const Tensor& t, const Tensor& input, int64_t c) {
  if (t.defined() && (t.dim() != 1 || t.numel() != c))
    fail("Expected ", what, " to be a vector of size equal to the number of channels in input, but got ", what,
         " of shape ", t.sizes(), " and input of shape ", input.sizes());
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> native_group_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                                     int64_t n, int64_t c, int64_t hxw, int64_t group, double eps) {
  if (group <= 0) fail("Expected num groups to be greater than 0, got ", group);
  if (c % group != 0)
    fail("Expected number of channels in input to be divisible by num_groups, but got input of shape ", input.sizes(),
         " and num_groups=", group);
  check_channels("weight", weight, input, c);
  check_channels("bias", bias, input, c);
  const DimVector shape{n, group, c / group, hxw};
  if (n < 0 || c < 0 || hxw < 0 || layout::checked_numel(shape) != input.numel())
    fail("native_group_norm(): expected input.numel() == N * C * HxW, but got input of shape ", input.sizes(),
         ", N=", n, ", C=", c, " and HxW=", hxw);
  if (!input.is_contiguous()) fail("native_group_norm(): expected a contiguous input");
  check_norm_dtypes("GroupNormKernelImpl", input, {&weight, &bias});

  const DType d = kernel_dtype(input.dtype()), moments = moments_dtype(input, {&weight, &bias});
  const Tensor x = dense(input, d), w = dense(weight, d), b = dense(bias, d);
  const Tensor mean = zeros(DimVector{n, group}, d), rstd = zeros(DimVector{n, group}, d);
  Tensor out = empty(input.sizes(), d);
  if (input.numel() != 0) {
    cpu::run_moments(d,
                     {x.data(), nullptr, nullptr, nullptr, mean.data(), rstd.data(), n * group, c / group * hxw, eps});
    const DimVector wide{n, group, c / group}, rows{n, c};
    auto spread = [&](const Tensor& t) { return reshape(expand(unsqueeze(t, 2), wide), rows); };
    out = reshape(apply_moments(detach(reshape(x, DimVector{n, c, hxw})), spread(mean), spread(rstd), w, b),
                  input.sizes());
  }
  if (d != input.dtype()) out = to(out, input.dtype());
  const Tensor moment_results[2] = {to(mean, moments, true), to(rstd, moments, true)};
  if (autograd::needs(input, weight, bias)) {
    const DimVector one{n, group, 1, 1};
    NormSaved s{SavedTensor(input),
                weight.defined() ? SavedTensor(weight) : SavedTensor(),
                reshape(mean, one),
                reshape(rstd, one),
                {shape, {2, 3}, {1, group, c / group, 1}, {0, 3}},
                DimVector(input.sizes()),
                DimVector{c},
                eps};
    record_rows("NativeGroupNormBackward0", out, input, weight, bias, std::move(s), moment_results);
  }
  return {out, moment_results[0], moment_results[1]};
}

Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  if (input.dim() < 2) wrap_dim(1, input.dim());
  const int64_t n = input.sizes()[0], c = input.sizes()[1];
  int64_t hxw = 1;
  for (int64_t i = 2; i < input.dim(); ++i) hxw *= input.sizes()[i];
  return std::get<0>(native_group_norm(contiguous(input), weight, bias, n, c, hxw, num_groups, eps));
}

std::tuple<Tensor, Tensor, Tensor> native_batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                                     const Tensor& running_mean, const Tensor& running_var,
                                                     bool training, double momentum, double eps) {
  if (input.dim() < 2) wrap_dim(1, input.dim());
  const int64_t n = input.sizes()[0], c = input.sizes()[1];
  if (!training && (!running_mean.defined() || !running_var.defined()))
    fail("native_batch_norm(): expected running_mean and running_var to be given in evaluation mode");
  const Tensor* const parameters[4] = {&running_mean, &running_var, &weight, &bias};
  constexpr const char* names[4] = {"running_mean", "running_var", "weight", "bias"};
  for (int i = 0; i < 4; ++i)
    if (parameters[i]->defined() && parameters[i]->numel() != c)
      fail(names[i], " should contain ", c, " elements not ", parameters[i]->numel());
  check_channels("weight", weight, input, c);
  check_channels("bias", bias, input, c);
  check_norm_dtypes("batch_norm", input, {&weight, &bias, &running_mean, &running_var});
  if (training && input.numel() == 0)
    fail("input tensor must have at least one element, but got input_sizes = ", input.sizes());
  for (const Tensor* t : {&running_mean, &running_var})
    if (training && t->defined()) layout::check_writable(*t);

  int64_t length = 1;
  for (int64_t i = 2; i < input.dim(); ++i) length *= input.sizes()[i];
  const DType d = kernel_dtype(input.dtype());
  const DType moments = moments_dtype(input, {&weight, &bias, &running_mean, &running_var});
  const Tensor w = dense(weight, d), b = dense(bias, d);
  Tensor mean, rstd, out, saved_mean, saved_rstd;
  {
    NoGradGuard no_grad;
    const Tensor x = reshape(dense(input, d), DimVector{n, c, length});
    const double count = static_cast<double>(n) * static_cast<double>(length);
    if (training) {
      const DimVector dims{0, 2};
      const auto [variance, center] = var_mean(x, IntSpan(dims), 0);
      mean = center;
      rstd = rsqrt(add(variance, eps));
      auto update = [&](const Tensor& running, const Tensor& now) {
        if (!running.defined()) return;
        const Tensor old = to(running, d);
        copy_(running, add(mul(old, 1 - momentum), mul(reshape(now, running.sizes()), momentum)));
      };
      update(running_mean, mean);
      update(running_var, mul(variance, count / (count - 1)));
      saved_mean = d == moments ? mean : to(mean, moments);
      saved_rstd = d == moments ? rstd : to(rstd, moments);
    } else {
      const DimVector vector{c};
      mean = reshape(dense(running_mean, d), vector);
      rstd = rsqrt(add(reshape(dense(running_var, d), vector), eps));
      saved_mean = empty(DimVector{0}, moments);
      saved_rstd = empty(DimVector{0}, moments);
    }
    out = reshape(apply_moments(x, mean, rstd, w, b), input.sizes());
    if (d != input.dtype()) out = to(out, input.dtype());
  }
  if (autograd::needs(input, weight, bias)) {
    const DimVector one{1, c, 1, 1};
    // The running mean may change before backward.
    const Tensor own = training ? mean : clone(mean);
    NormSaved s{SavedTensor(input),
                weight.defined() ? SavedTensor(weight) : SavedTensor(),
                reshape(own, one),
                reshape(rstd, one),
                {{n, c, 1, length}, {0, 2, 3}, one, {0, 2, 3}},
                DimVector(input.sizes()),
                DimVector{c},
                eps,
                !training};
    record_rows("NativeBatchNormBackward0", out, input, weight, bias, std::move(s));
  }
  return {out, saved_mean, saved_rstd};
}

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps) {
  return std::get<0>(native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps));
}

}  // namespace rushlight
