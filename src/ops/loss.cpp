// Loss functions. reduction: 0 none, 1 mean, 2 sum.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "cpu/loop_plan.h"
#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight {

using autograd::Grads;

namespace {

enum : int64_t { kNone, kMean, kSum };

void check_reduction(int64_t reduction) {
  if (reduction < kNone || reduction > kSum) fail<ValueError>(reduction, " is not a valid value for reduction");
}

Tensor reduced(const Tensor& loss, int64_t reduction) {
  return reduction == kNone ? loss : reduction == kMean ? mean(loss) : sum(loss);
}

// grad times the 1 / numel of a mean.
Tensor spread(const Tensor& d, const Tensor& grad, int64_t reduction) {
  const Tensor r = mul(d, grad);
  return reduction == kMean ? div(r, r.numel()) : r;
}

void check_floating(const char* kernel, DType dtype) {
  if (!is_floating_point(dtype)) fail<NotImplementedError>("\"", kernel, "\" not implemented for '", dtype, "'");
}

SavedTensor save(const Tensor& t) { return t.defined() ? SavedTensor(t) : SavedTensor(); }

// ---- squared error: 2 factor (input - target) grad
Tensor mse_gradient(const Tensor& grad, const Tensor& input, const Tensor& target, int64_t reduction) {
  const Tensor d = sub(input, target);
  const double factor = reduction == kMean ? 2.0 / static_cast<double>(d.numel()) : 2.0;
  if (autograd::needs(d, grad)) return mul(mul(d, factor), grad);
  if (reduction == kNone) return mul_(mul_(d, factor), grad);
  return mul_(d, factor * item(grad).to_double());
}

// ---- negative log likelihood

// Input [batch, classes, inner] and target [batch, inner], the latter contiguous.
struct NllShape {
  int64_t batch, classes, inner;
};
struct NllOptions {
  int64_t reduction, ignore_index;
};

template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Calls f(T*) for the floating-point type of `dtype`.
template <class F>
void with_float(DType dtype, F f) {
  switch (dtype) {
    case DType::Float16: return f(static_cast<float16*>(nullptr));
    case DType::BFloat16: return f(static_cast<bfloat16*>(nullptr));
    case DType::Float32: return f(static_cast<float*>(nullptr));
    default: return f(static_cast<double*>(nullptr));
  }
}
template <class F>
void with_target(DType dtype, F f) {
  if (dtype == DType::Int64)
    f(static_cast<const int64_t*>(nullptr));
  else
    f(static_cast<const uint8_t*>(nullptr));
}

template <class Index>
void check_targets(const Index* target, int64_t n, int64_t classes, int64_t ignore_index) {
  const auto wrong = [=](int64_t t) {
    return (static_cast<uint64_t>(t) >= static_cast<uint64_t>(classes)) & (t != ignore_index);
  };
  bool any = false;
  for (int64_t i = 0; i < n; ++i) any |= wrong(target[i]);
  if (!any) return;
  for (int64_t i = 0; i < n; ++i)
    if (wrong(target[i])) fail<IndexError>("Target ", static_cast<int64_t>(target[i]), " is out of bounds.");
}

// The sum of the losses of targets of weight 1, four at a time: an addition waits for the one before. Counts them.
template <class T, class Index>
double nll_sum(const T* x, const int64_t* strides, const Index* target, int64_t n, int64_t ignore_index,
               double& counted) {
  double sum[4] = {};
  int64_t count = 0;
  const auto add = [&](int64_t i, int lane) {
    const int64_t t = target[i];
    const bool used = t != ignore_index;
    sum[lane] -= used ? static_cast<double>(static_cast<Wide<T>>(x[i * strides[0] + t * strides[1]])) : 0.0;
    count += used;
  };
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int lane = 0; lane < 4; ++lane) add(i + lane, lane);
  for (; i < n; ++i) add(i, 0);
  counted = static_cast<double>(count);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Writes one loss per target, or their sum or mean. Returns the sum of the weights.
template <class T, class Index>
double nll_forward(T* out, const T* x, const int64_t* strides, const Index* target, const T* weight, const NllShape& s,
                   const NllOptions& o) {
  double total = 0, weights = 0;
  const bool plain = s.inner == 1 && !weight && o.reduction != kNone;
  if (plain) total = nll_sum(x, strides, target, s.batch, o.ignore_index, weights);
  for (int64_t b = 0; b < (plain ? 0 : s.batch); ++b)
    for (int64_t j = 0; j < s.inner; ++j) {
      const int64_t at = b * s.inner + j, t = target[at];
      if (t == o.ignore_index) {
        if (o.reduction == kNone) out[at] = static_cast<T>(0);
        continue;
      }
      const Wide<T> w = weight ? static_cast<Wide<T>>(weight[t]) : 1;
      const Wide<T> loss = -static_cast<Wide<T>>(x[b * strides[0] + t * strides[1] + j * strides[2]]) * w;
      if (o.reduction == kNone) {
        out[at] = static_cast<T>(loss);
      } else {
        total += loss;
        weights += w;
      }
    }
  if (o.reduction == kMean) total /= weights;
  if (o.reduction != kNone) *out = static_cast<T>(static_cast<Wide<T>>(total));
  return weights;
}

struct NllSaved {
  SavedTensor input, target, weight;
  NllShape shape;
  NllOptions options;
  double total_weight;
};

Tensor nll_backward(const Tensor& grad, const Tensor& input, const Tensor& target, const Tensor& weight,
                    const NllSaved& saved) {
  const NllShape& s = saved.shape;
  const NllOptions& o = saved.options;
  const DType dtype = grad.dtype();
  Tensor r;
  {
    NoGradGuard no_grad;
    r = zeros(input.sizes(), dtype);
    const Tensor g = contiguous(grad);
    with_float(dtype, [&]<class T>(T*) {
      with_target(target.dtype(), [&]<class Index>(const Index*) {
        const Index* at = target.data_ptr<const Index>();
        const T* w = weight.defined() ? weight.data_ptr<const T>() : nullptr;
        const T* upper = g.template data_ptr<const T>();
        T* out = r.data_ptr<T>();
        Wide<T> one = 0;
        if (o.reduction != kNone) {
          one = -static_cast<Wide<T>>(*upper);
          if (o.reduction == kMean) one /= static_cast<Wide<T>>(saved.total_weight);
        }
        check_targets(at, s.batch * s.inner, s.classes, o.ignore_index);
        for (int64_t b = 0; b < s.batch; ++b)
          for (int64_t j = 0; j < s.inner; ++j) {
            const int64_t i = b * s.inner + j, t = at[i];
            if (t == o.ignore_index) continue;
            const Wide<T> scale = o.reduction == kNone ? -static_cast<Wide<T>>(upper[i]) : one;
            out[(b * s.classes + t) * s.inner + j] = static_cast<T>(w ? scale * static_cast<Wide<T>>(w[t]) : scale);
          }
      });
    });
  }
  // Linear in grad, with the loss itself as the transpose; constant in the input.
  if (autograd::needs(grad, input))
    autograd::record(input.dim() > 2 ? "NllLoss2DBackwardBackward0" : "NllLossBackwardBackward0", r, {&grad, &input},
                     [target = SavedTensor(target), weight = save(weight), o](Grads& g) {
                       if (g.needs(0))
                         g[0] = nll_loss(g.grad(), g.unpack(target), g.unpack(weight), o.reduction, o.ignore_index);
                       if (g.needs(1)) g[1] = zeros_like(g.grad());
                     });
  return r;
}

// Checks the arguments and tells how the input is read.
NllShape nll_shape(const Tensor& input, const Tensor& target, const Tensor& weight) {
  const int64_t dims = input.dim();
  const IntSpan in = input.sizes(), to = target.sizes();
  if (dims < 1) fail<ValueError>("Expected 1 or more dimensions (got 0)");
  if (dims > 1 && (to.empty() || in[0] != to[0]))
    fail<ValueError>("Expected input batch_size (", in[0], ") to match target batch_size (", to.empty() ? 0 : to[0],
                     ").");
  const int64_t classes = in[dims == 1 ? 0 : 1];
  NllShape s{dims == 1 ? 1 : in[0], classes, 1};
  const bool spatial = dims > 2;
  if (!spatial) {
    if (to.size() > 1) fail("0D or 1D target tensor expected, multi-target not supported");
    if (dims == 1 && target.numel() != 1)
      fail<ValueError>("For 1D input, 1D target must have size 1, but got target size: ", target.numel());
  } else {
    bool same = to.size() + 1 == in.size();
    for (size_t i = 2; same && i < in.size(); ++i) same = in[i] == to[i - 1];
    if (dims == 4) {
      if (to.size() != 3)
        fail("only batches of spatial targets supported (3D tensors) but got targets of dimension: ", to.size());
      if (!same) fail("size mismatch (got input: ", in, " , target: ", to);
    } else if (!same) {
      DimVector expected{in[0]};
      for (size_t i = 2; i < in.size(); ++i) expected.push_back(in[i]);
      fail("Expected target size ", IntSpan(expected), ", got ", to);
    }
    for (size_t i = 2; i < in.size(); ++i) s.inner *= in[i];
  }
  if (weight.defined() && (weight.dim() != 1 || weight.numel() != classes)) {
    if (spatial) fail("weight tensor should be defined either for all or no classes");
    fail("weight tensor should be defined either for all ", classes,
         " classes or no classes but got weight tensor of shape: ", weight.sizes());
  }
  if (target.dtype() != DType::Int64 && target.dtype() != DType::UInt8)
    fail("expected target dtype to be Long or Byte, but got ", target.dtype());
  check_floating(spatial ? "nll_loss2d_forward_out_frame" : "nll_loss_out_frame", input.dtype());
  if (weight.defined() && weight.dtype() != input.dtype())
    fail("expected scalar type ", input.dtype(), " but found ", weight.dtype());
  if (weight.defined() && autograd::needs(weight))
    fail("The function '", spatial ? "nll_loss2d_forward" : "nll_loss_forward",
         "' is not differentiable with respect to argument 'weight'. This input cannot have requires_grad True.");
  return s;
}

Tensor dense(const Tensor& t) {
  if (!t.defined() || t.is_contiguous()) return t;
  NoGradGuard no_grad;
  return contiguous(t);
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, int64_t reduction) {
  check_reduction(reduction);
  const Operand a(input), b(target);
  check_floating("mse_cpu", result_type({&a, &b}));
  Tensor r;
  {
    NoGradGuard no_grad;
    r = sub(input, target);
    r = reduced(mul_(r, r), reduction);
  }
  if (autograd::needs(input, target))
    autograd::record("MseLossBackward0", r, {&input, &target},
                     [x = SavedTensor(input), y = SavedTensor(target), reduction](Grads& g) {
                       const Tensor d = mse_gradient(g.grad(), g.unpack(x), g.unpack(y), reduction);
                       if (g.needs(1)) g[1] = neg(d);
                       if (g.needs(0)) g[0] = d;
                     });
  return r;
}

Tensor l1_loss(const Tensor& input, const Tensor& target, int64_t reduction) {
  check_reduction(reduction);
  return reduced(abs(sub(input, target)), reduction);
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t reduction,
                int64_t ignore_index) {
  check_reduction(reduction);
  const NllShape s = nll_shape(input, target, weight);
  check_cpu("nll_loss", input);
  check_cpu("nll_loss", target);
  const NllOptions options{reduction, ignore_index};
  const int64_t dims = input.dim();
  const Tensor x = dims > 2 ? dense(input) : input, at = dense(target), w = dense(weight);
  int64_t strides[3] = {0, 0, 0};
  if (dims == 1) {
    strides[1] = x.strides()[0];
  } else if (dims == 2) {
    std::copy_n(x.strides().begin(), 2, strides);
  } else {
    strides[0] = s.classes * s.inner;
    strides[1] = s.inner;
    strides[2] = 1;
  }
  const bool scalar = reduction != kNone || dims == 1;
  const Tensor r = empty(scalar ? IntSpan() : target.sizes(), input.dtype());
  double total_weight = 0;
  with_float(input.dtype(), [&]<class T>(T*) {
    with_target(target.dtype(), [&]<class Index>(const Index*) {
      const Index* classes = at.template data_ptr<const Index>();
      check_targets(classes, s.batch * s.inner, s.classes, ignore_index);
      total_weight = nll_forward(r.data_ptr<T>(), x.template data_ptr<const T>(), strides, classes,
                                 w.defined() ? w.template data_ptr<const T>() : nullptr, s, options);
    });
  });
  if (autograd::needs(input))
    autograd::record(
        dims > 2 ? "NllLoss2DBackward0" : "NllLossBackward0", r, {&input},
        [saved = NllSaved{SavedTensor(input), SavedTensor(at), save(w), s, options, total_weight}](Grads& g) {
          g[0] = nll_backward(g.grad(), g.unpack(saved.input), g.unpack(saved.target), g.unpack(saved.weight), saved);
        });
  return r;
}

// ---- cross entropy
namespace {

void check_smoothing(double smoothing) {
  if (smoothing > 1) fail("label_smoothing must be between 0.0 and 1.0. Got: ", smoothing);
}

// weight [C] along the class dim of the input.
Tensor class_weights(const Tensor& weight, const Tensor& input, int64_t class_dim) {
  DimVector shape(input.dim(), 1);
  shape[class_dim] = input.sizes()[class_dim];
  return view(contiguous(weight), shape);
}

Tensor cross_entropy_probabilities(const Tensor& self, const Tensor& probabilities, const Tensor& weight,
                                   int64_t reduction, double smoothing) {
  const int64_t class_dim = self.dim() == 1 ? 0 : 1, classes = self.size(class_dim);
  if (weight.defined() && (weight.dim() != 1 || weight.numel() != classes))
    fail("cross_entropy: weight tensor should be defined either for all ", classes,
         " classes or no classes but got weight tensor of shape: ", weight.sizes());
  check_smoothing(smoothing);
  const Tensor input = log_softmax(self, class_dim, self.dtype());
  Tensor target = probabilities;
  if (smoothing > 0) target = add(mul(target, 1 - smoothing), smoothing / static_cast<double>(classes));
  Tensor loss = mul(input, target);
  if (weight.defined()) loss = mul(loss, class_weights(weight, input, class_dim));
  const int64_t dims[1] = {class_dim};
  if (reduction == kNone) return neg(sum(loss, dims));
  const Tensor total = neg(sum(loss));
  if (reduction == kSum) return total;
  return div(total, classes ? input.numel() / classes : 0);
}

Tensor cross_entropy_smoothed(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction,
                              int64_t ignore_index, double smoothing) {
  check_smoothing(smoothing);
  const int64_t class_dim = self.dim() == 1 ? 0 : 1;
  const Tensor input = log_softmax(self, class_dim, self.dtype());
  const Tensor likelihood = nll_loss(input, target, weight, reduction, ignore_index);
  const int64_t classes = input.size(class_dim), dims[1] = {class_dim};
  const Tensor weighted = weight.defined() ? mul(input, class_weights(weight, input, class_dim)) : input;
  const Tensor ignored = eq(target, ignore_index);
  Tensor smooth = masked_fill(neg(sum(weighted, dims)), ignored, 0);
  if (reduction == kMean) {
    // Normalised like the likelihood: by the number of targets or the sum of their weights.
    const Tensor counted = logical_not(ignored);
    if (weight.defined()) {
      const int64_t flat[1] = {-1};
      const Tensor indices = to(masked_select(target, counted), DType::Int64);
      smooth = div(sum(smooth), sum(gather(weight, 0, reshape(indices, flat))));
    } else {
      smooth = div(sum(smooth), sum(counted));
    }
  } else if (reduction == kSum) {
    smooth = sum(smooth);
  }
  return add(mul(likelihood, 1 - smoothing), mul(smooth, smoothing / static_cast<double>(classes)));
}

}  // namespace

Tensor cross_entropy_loss(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t reduction,
                          int64_t ignore_index, double label_smoothing) {
  check_reduction(reduction);
  if (equal(input.sizes(), target.sizes())) {
    if (!is_floating_point(target.dtype()))
      fail("Expected floating point type for target with class probabilities, got ", target.dtype());
    if (ignore_index >= 0) fail("ignore_index is not supported for floating point target");
    return cross_entropy_probabilities(input, target, weight, reduction, label_smoothing);
  }
  if (label_smoothing > 0)
    return cross_entropy_smoothed(input, target, weight, reduction, ignore_index, label_smoothing);
  return nll_loss(log_softmax(input, input.dim() == 1 ? 0 : 1, input.dtype()), target, weight, reduction, ignore_index);
}

// ---- binary cross entropy
namespace {

// log(x), not below -100
Tensor floored(const Tensor& logarithm) { return clamp(logarithm, Scalar(-100), {}); }

// log(1 / (1 + exp(-x)))
Tensor log_sigmoid(const Tensor& x) { return sub(clamp(x, {}, Scalar(0)), log1p(exp(neg(abs(x))))); }

Tensor weighted(const Tensor& loss, const Tensor& weight) { return weight.defined() ? mul(loss, weight) : loss; }

void check_probabilities(const Tensor& input) {
  bool inside = true;
  const Tensor x = contiguous(input);
  with_float(x.dtype(), [&]<class T>(T*) {
    const T* values = x.data_ptr<const T>();
    for (int64_t i = 0; i < x.numel(); ++i) {
      const Wide<T> v = static_cast<Wide<T>>(values[i]);
      inside = inside && v >= 0 && v <= 1;
    }
  });
  if (!inside) fail("all elements of input should be between 0 and 1");
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t reduction) {
  check_reduction(reduction);
  if (target.dtype() != input.dtype()) fail("Found dtype ", target.dtype(), " but expected ", input.dtype());
  if (weight.defined() && weight.dtype() != input.dtype())
    fail("Found dtype ", weight.dtype(), " but expected ", input.dtype());
  check_floating("binary_cross_entropy", input.dtype());
  check_cpu("binary_cross_entropy", input);
  if (!equal(input.sizes(), target.sizes())) layout::broadcast_shapes(input.sizes(), target.sizes());
  Tensor r;
  {
    NoGradGuard no_grad;
    check_probabilities(input);
    r = sub(mul(sub(target, 1), floored(log1p(neg(input)))), mul(target, floored(log(input))));
    r = reduced(weighted(r, weight), reduction);
  }
  if (autograd::needs(input, target))
    autograd::record("BinaryCrossEntropyBackward0", r, {&input, &target},
                     [sx = SavedTensor(input), sy = SavedTensor(target), sw = save(weight), reduction](Grads& g) {
                       const Tensor x = g.unpack(sx), y = g.unpack(sy), w = g.unpack(sw);
                       if (g.needs(0)) {
                         const Tensor slope = clamp(mul(rsub(x, 1), x), Scalar(1e-12), {});
                         g[0] = spread(weighted(div(sub(x, y), slope), w), g.grad(), reduction);
                       }
                       if (g.needs(1)) g[1] = spread(weighted(sub(log1p(neg(x)), log(x)), w), g.grad(), reduction);
                     });
  return r;
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, int64_t reduction) {
  check_reduction(reduction);
  check_floating("log_sigmoid_cpu", input.dtype());
  if (weight.defined())
    layout::broadcast_shapes(layout::broadcast_shapes(target.sizes(), input.sizes()), weight.sizes());
  Tensor r;
  {
    // (1 - y) x - (1 + (p - 1) y) log sigmoid(x), where log sigmoid(x) = -log(1 + exp(-x))
    NoGradGuard no_grad;
    Tensor l = log_sigmoid(input);
    if (pos_weight.defined()) l = mul(add(mul(sub(pos_weight, 1), target), 1), l);
    r = reduced(weighted(sub(mul(rsub(target, 1), input), l), weight), reduction);
  }
  if (autograd::needs(input, target))
    autograd::record("BinaryCrossEntropyWithLogitsBackward0", r, {&input, &target},
                     [sx = SavedTensor(input), sy = SavedTensor(target), sw = save(weight), sp = save(pos_weight),
                      reduction](Grads& g) {
                       const Tensor x = g.unpack(sx), y = g.unpack(sy), w = g.unpack(sw), p = g.unpack(sp);
                       if (g.needs(0)) {
                         Tensor d;
                         if (p.defined()) {
                           const Tensor positive = mul(p, y);
                           d = sub(mul(sub(add(positive, 1), y), sigmoid(x)), positive);
                         } else {
                           d = sub(sigmoid(x), y);
                         }
                         g[0] = spread(weighted(d, w), g.grad(), reduction);
                       }
                       if (g.needs(1)) {
                         const Tensor d = p.defined() ? sub(log_sigmoid(neg(x)), mul(p, log_sigmoid(x))) : neg(x);
                         g[1] = spread(weighted(d, w), g.grad(), reduction);
                       }
                     });
  return r;
}

}  // namespace rushlight
