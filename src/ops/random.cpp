// Random numbers: checks, memory order, derivatives (all zero). The streams are made in cpu/random*.cpp.
#include "rushlight/random.h"

#include <cmath>
#include <limits>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"
#include "cpu/random.h"
#include "layout/layout.h"
#include "ops/elementwise.h"

namespace rushlight {

namespace {

using autograd::Grads;

bool is_random_float(DType d) { return is_floating_point(d) || is_complex(d); }
void check_float(const char* kernel, DType d) {
  if (!is_random_float(d)) fail<NotImplementedError>("\"", kernel, "\" not implemented for '", d, "'");
}

// An uninitialised dense tensor with the dims of t in their memory order.
Tensor dense_like(const Tensor& t, DType dtype) {
  return empty_strided(t.sizes(), layout::dense_strides_like(t.sizes(), t.strides()), dtype, t.device());
}

// Draws go in memory order: into dense memory directly, into everything else through a dense copy.
template <class F>
void fill_memory(const char* operation, const Tensor& t, F&& fill) {
  check_cpu(operation, t);
  layout::check_writable(t);
  autograd::check_inplace(t);
  const bool dense = t.is_non_overlapping_and_dense();
  const Tensor to = dense ? t : dense_like(t, t.dtype());
  {
    cpu::BlockingRegion region(t.numel() > cpu::kSerialElements);
    // In pieces that signals may stop. They are of whole blocks of normal numbers, and the last one is no short one.
    constexpr int64_t kPiece = int64_t{1} << 20;
    int64_t at = 0;
    for (; t.numel() - at >= 2 * kPiece; at += kPiece) {
      poll_interrupts();
      fill(to.data() + at * t.item_size(), t.dtype(), kPiece);
    }
    fill(to.data() + at * t.item_size(), t.dtype(), t.numel() - at);
  }
  if (!dense) cpu::copy_elements(t, to);
  t.bump_version(operation);
}

auto zero_gradients(std::initializer_list<const Tensor*> inputs) {
  std::vector<std::pair<DimVector, DType>> like;
  for (const Tensor* t : inputs) like.emplace_back(DimVector(t->sizes()), t->dtype());
  return [like](Grads& g) {
    for (size_t i = 0; i < like.size(); ++i)
      if (g.needs(i)) g[i] = zeros(like[i].first, like[i].second);
  };
}

// self was filled: its old value (and the parameters) no longer matter.
void forget(const char* node_name, const Tensor& self, const Tensor& parameter = {}) {
  const bool second = autograd::needs(parameter);
  if (!is_differentiable(self.dtype()) || !(autograd::needs(self) || second)) return;
  auto derivative = second ? zero_gradients({&self, &parameter}) : zero_gradients({&self});
  auto node = Ref<Node>::adopt(new autograd::FunctionNode<decltype(derivative)>(node_name, std::move(derivative), 1));
  const Tensor* inputs[2] = {&self, &parameter};
  autograd::connect(*node, {inputs, second ? 2u : 1u});
  autograd::rebase_history(self, node);
}

void record_zero(const char* node_name, const Tensor& result, const Tensor& a, const Tensor& b = {}) {
  if (!is_differentiable(result.dtype()) || !autograd::needs(a, b)) return;
  if (b.defined())
    autograd::record(node_name, result, {&a, &b}, zero_gradients({&a, &b}));
  else
    autograd::record(node_name, result, {&a}, zero_gradients({&a}));
}

double largest(DType real) {
  switch (real) {
    case DType::Float16: return 65504.0;
    case DType::BFloat16: return 0x1.fep127;
    case DType::Float32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}

void check_std(const Tensor& std) {
  if (is_complex(std.dtype())) fail("normal expects standard deviation to be non-complex");
  if (std.numel() && !ge(min(std), 0).item().to_bool()) fail("normal expects all elements of std >= 0.0");
}
void check_std(double std) {
  if (!(std >= 0)) fail("normal expects std >= 0.0, but found std ", std);
}

}  // namespace

// ---- in place

const Tensor& uniform_(const Tensor& self, double from, double to, Generator g) {
  check_float("check_uniform_bounds", self.dtype());
  const DType real = to_real(self.dtype());
  const double limit = largest(real);
  if (!(std::abs(from) <= limit)) fail("from is out of bounds for ", cpp_type_name(real));
  if (!(std::abs(to) <= limit)) fail("to is out of bounds for ", cpp_type_name(real));
  if (!(from <= to)) fail("uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  if (!(to - from <= limit))
    fail("uniform_ expects to-from <= std::numeric_limits<", real, ">::max(), but found to=", to, " and from=", from,
         " which result in to-from to exceed the limit");
  fill_memory("uniform_", self, [&](void* out, DType d, int64_t n) { cpu::uniform(out, d, n, from, to, g); });
  forget("UniformBackward0", self);
  return self;
}

const Tensor& normal_(const Tensor& self, double mean, double std, Generator g) {
  check_float("normal_kernel_cpu", self.dtype());
  check_std(std);
  fill_memory("normal_", self, [&](void* out, DType d, int64_t n) {
    (self.is_contiguous() ? cpu::normal : cpu::normal_serial)(out, d, n, mean, std, g);
  });
  forget("NormalBackward0", self);
  return self;
}

const Tensor& log_normal_(const Tensor& self, double mean, double std, Generator g) {
  if (!(std > 0)) fail("log_normal_ expects std > 0.0, but found std=", std);
  if (!is_floating_point(self.dtype()))
    fail<NotImplementedError>("\"log_normal_cpu\" not implemented for '", self.dtype(), "'");
  fill_memory("log_normal_", self, [&](void* out, DType d, int64_t n) { cpu::log_normal(out, d, n, mean, std, g); });
  forget("LogNormalBackward0", self);
  return self;
}

const Tensor& exponential_(const Tensor& self, double lambda, Generator g) {
  if (!is_floating_point(self.dtype()))
    fail("Exponential distribution is a continuous probability distribution. dtype must be a floating point but you ",
         "specified ", self.dtype());
  if (!(lambda > 0)) fail("exponential_ expects lambda > 0.0, but found lambda=", lambda);
  fill_memory("exponential_", self, [&](void* out, DType d, int64_t n) { cpu::exponential(out, d, n, lambda, g); });
  forget("ExponentialBackward0", self);
  return self;
}

const Tensor& cauchy_(const Tensor& self, double median, double sigma, Generator g) {
  if (!(sigma > 0)) fail("cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  if (!is_floating_point(self.dtype()))
    fail("Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you ",
         "specified ", cpp_type_name(self.dtype()));
  fill_memory("cauchy_", self, [&](void* out, DType d, int64_t n) { cpu::cauchy(out, d, n, median, sigma, g); });
  forget("CauchyBackward0", self);
  return self;
}

const Tensor& geometric_(const Tensor& self, double p, Generator g) {
  if (!(p > 0 && p < 1)) fail("geometric_ expects p to be in (0, 1), but got p=", p);
  if (self.dtype() == DType::Bool || is_complex(self.dtype()))
    fail<NotImplementedError>("\"geometric_cpu\" not implemented for '", self.dtype(), "'");
  fill_memory("geometric_", self, [&](void* out, DType d, int64_t n) { cpu::geometric(out, d, n, p, g); });
  forget("GeometricBackward0", self);
  return self;
}

const Tensor& bernoulli_(const Tensor& self, double p, Generator g) {
  if (!(p >= 0 && p <= 1)) fail("bernoulli_ expects p to be in [0, 1], but got p=", p);
  if (is_complex(self.dtype()))
    fail<NotImplementedError>("\"bernoulli_scalar_cpu_\" not implemented for '", self.dtype(), "'");
  fill_memory("bernoulli_", self, [&](void* out, DType d, int64_t n) { cpu::bernoulli(out, d, n, p, g); });
  forget("BernoulliBackward2", self);
  return self;
}

const Tensor& bernoulli_(const Tensor& self, const Tensor& p, Generator g) {
  if (is_complex(self.dtype()))
    fail<NotImplementedError>("\"bernoulli_tensor_cpu_self_\" not implemented for '", self.dtype(), "'");
  if (!is_floating_point(p.dtype()))
    fail<NotImplementedError>("\"bernoulli_tensor_cpu_p_\" not implemented for '", p.dtype(), "'");
  check_cpu("bernoulli_", p);
  autograd::check_inplace(self, autograd::needs(p));
  // In the memory order of self.
  const Tensor probs = dense_like(self, p.dtype());
  {
    NoGradGuard no_grad;
    cpu::copy_elements(probs, expand(p, self.sizes()));
  }
  fill_memory("bernoulli_", self,
              [&](void* out, DType d, int64_t n) { cpu::bernoulli(out, d, n, probs.data(), p.dtype(), g); });
  forget("BernoulliBackward1", self, p);
  return self;
}

const Tensor& random_(const Tensor& self, Generator g) {
  if (is_complex(self.dtype()) || static_cast<int>(self.dtype()) >= kNumComputeDTypes)
    fail<NotImplementedError>("\"random_kernel_cpu\" not implemented for '", self.dtype(), "'");
  fill_memory("random_", self, [&](void* out, DType d, int64_t n) { cpu::random(out, d, n, g); });
  forget("RandomBackward2", self);
  return self;
}

const Tensor& random_(const Tensor& self, int64_t from, OptInt to, Generator g) {
  if (is_complex(self.dtype())) fail("check_random_bounds handles only integral, floating-point and boolean types");
  if (to && from >= *to) fail("random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", *to);
  const cpu::RandomRange range = cpu::random_range(self.dtype(), from, to);
  fill_memory("random_", self, [&](void* out, DType d, int64_t n) { cpu::random_from_to(out, d, n, range, g); });
  forget(from == 0 ? "RandomBackward1" : "RandomBackward0", self);
  return self;
}

// ---- new tensors

Tensor rand(IntSpan sizes, OptDType dtype, Generator g) { return uniform_(empty(sizes, dtype), 0, 1, g); }
Tensor randn(IntSpan sizes, OptDType dtype, Generator g) { return normal_(empty(sizes, dtype), 0, 1, g); }
Tensor randint(int64_t low, int64_t high, IntSpan sizes, DType dtype, Generator g) {
  return random_(empty(sizes, dtype), low, high, g);
}

namespace {

void check_permutation(int64_t n, DType dtype) {
  if (n < 0) fail("n must be non-negative, got ", n);
  if (dtype == DType::Bool || is_complex(dtype) || static_cast<int>(dtype) >= kNumComputeDTypes)
    fail<NotImplementedError>("\"randperm\" not implemented for '", dtype, "'");
  if (is_integral(dtype, false) && n > 0) Scalar(n - 1).check_fits(dtype);
  const int64_t exact = dtype == DType::Float16   ? (int64_t{1} << 11) + 1
                        : dtype == DType::Float32 ? (int64_t{1} << 24) + 1
                        : dtype == DType::Float64 ? (int64_t{1} << 53) + 1
                                                  : INT64_MAX;
  if (n > exact) fail("n cannot be greater than ", exact, " for ", dtype, " type.");
}

}  // namespace

Tensor randperm(int64_t n, DType dtype, Generator g) {
  check_permutation(n, dtype);
  return randperm_out(empty(DimVector{n}, dtype), n, g);
}

const Tensor& randperm_out(const Tensor& out, int64_t n, Generator g) {
  check_permutation(n, out.dtype());
  prepare_out("randperm", out, out.sizes(), out.dtype(), {});
  resize_(out, DimVector{n});
  fill_memory("randperm", out, [&](void* to, DType d, int64_t count) { cpu::randperm(to, d, count, g); });
  return out;
}

Tensor bernoulli(const Tensor& p, Generator g) {
  const Tensor out = empty(p.sizes(), p.dtype());
  {
    NoGradGuard no_grad;
    bernoulli_(out, p, g);
  }
  record_zero("BernoulliBackward0", out, p);
  return out;
}

const Tensor& bernoulli_out(const Tensor& out, const Tensor& p, Generator g) {
  prepare_out("bernoulli", out, out.sizes(), out.dtype(), {&p});
  // Drawn first: bad probabilities leave `out` as it was.
  const Tensor drawn = empty(p.sizes(), out.dtype());
  if (out.is_contiguous() || !equal(out.sizes(), p.sizes())) {
    bernoulli_(drawn, p, g);
    resize_(out, p.sizes());
    copy_(out, drawn);
  } else {
    bernoulli_(out, p, g);
  }
  return out;
}

namespace {

// out = mean + std * N(0, 1); out has the shape of the result.
void draw_normal(const Tensor& out, const Operand& mean, const Operand& std, Generator g) {
  NoGradGuard no_grad;
  if (std.is_tensor()) {
    normal_(out, 0, 1, g);
    mul_(out, std);
  } else {
    normal_(out, 0, std.number().to_double(), g);
  }
  add_(out, mean);
}

DimVector check_normal(const Operand& mean, const Operand& std, DType out) {
  check_float("normal_kernel_cpu", out);
  if (std.is_tensor())
    check_std(std.tensor());
  else
    check_std(std.number().to_double());
  if (!mean.is_tensor()) return DimVector(std.tensor().sizes());
  if (!can_cast(mean.tensor().dtype(), out))
    fail("result type ", mean.tensor().dtype(), " can't be cast to the desired output type ", out);
  if (!std.is_tensor()) return DimVector(mean.tensor().sizes());
  return layout::broadcast_shapes(mean.tensor().sizes(), std.tensor().sizes());
}

}  // namespace

Tensor normal(const Operand& mean, const Operand& std, Generator g) {
  const DType dtype = mean.is_tensor() ? mean.tensor().dtype() : std.tensor().dtype();
  const DimVector shape = check_normal(mean, std, dtype);
  const Tensor out = empty(shape, dtype);
  draw_normal(out, mean, std, g);
  if (!std.is_tensor())
    record_zero("NormalBackward1", out, mean.tensor());
  else if (!mean.is_tensor())
    record_zero("NormalBackward2", out, std.tensor());
  else
    record_zero("NormalBackward3", out, mean.tensor(), std.tensor());
  return out;
}

const Tensor& normal_out(const Tensor& out, const Operand& mean, const Operand& std, Generator g) {
  const DimVector shape = check_normal(mean, std, out.dtype());
  const Tensor& a = mean.is_tensor() ? mean.tensor() : std.tensor();
  const Tensor& b = std.is_tensor() ? std.tensor() : mean.tensor();
  // What `out` shares memory with is read after it was written.
  const Tensor mean_copy = mean.is_tensor() && layout::overlap(out, a) != layout::Overlap::None ? clone(a) : Tensor();
  const Tensor std_copy = std.is_tensor() && layout::overlap(out, b) != layout::Overlap::None ? clone(b) : Tensor();
  prepare_out("normal", out, shape, out.dtype(), {&a, &b});
  draw_normal(out, mean_copy.defined() ? Operand(mean_copy) : mean, std_copy.defined() ? Operand(std_copy) : std, g);
  return out;
}

Tensor poisson(const Tensor& rate, Generator g) {
  if (!is_floating_point(rate.dtype()))
    fail<NotImplementedError>("\"poisson_cpu\" not implemented for '", rate.dtype(), "'");
  check_cpu("poisson", rate);
  const Tensor rates = contiguous(detach(rate)), out = empty(rate.sizes(), rate.dtype());
  {
    cpu::BlockingRegion region(rate.numel() > cpu::kSerialElements);
    cpu::poisson(out.data(), out.dtype(), out.numel(), rates.data(), g);
  }
  record_zero("PoissonBackward0", out, rate);
  return out;
}

Tensor binomial(const Tensor& count, const Tensor& prob, Generator g) {
  if (!is_floating_point(count.dtype()))
    fail<ValueError>("binomial only supports floating-point dtypes for count, got: ", count.dtype());
  if (!is_floating_point(prob.dtype()))
    fail<ValueError>("binomial only supports floating-point dtypes for prob, got: ", prob.dtype());
  if (count.dtype() != prob.dtype()) fail("Found dtype ", prob.dtype(), " but expected ", count.dtype());
  if (count.dtype() != DType::Float32 && count.dtype() != DType::Float64)
    fail<NotImplementedError>("\"binomial_cpu\" not implemented for '", count.dtype(), "'");
  check_cpu("binomial", count);
  check_cpu("binomial", prob);
  if (!layout::is_expandable_to(prob.sizes(), count.sizes()))
    fail("output with shape ", count.sizes(), " doesn't match the broadcast shape ",
         IntSpan(layout::broadcast_shapes(count.sizes(), prob.sizes())));
  const Tensor counts = contiguous(detach(count)), probs = contiguous(expand(detach(prob), count.sizes()));
  const Tensor out = empty(count.sizes(), count.dtype());
  {
    cpu::BlockingRegion region(out.numel() > cpu::kSerialElements);
    cpu::binomial(out.data(), out.dtype(), out.numel(), counts.data(), probs.data(), g);
  }
  if (autograd::needs(count, prob))
    autograd::record("NotImplemented", out, {&count, &prob},
                     [](Grads&) { fail<NotImplementedError>("derivative for aten::binomial is not implemented"); });
  return out;
}

Tensor multinomial(const Tensor& probs, int64_t samples, bool replacement, Generator g) {
  const int64_t dims = probs.dim();
  if (dims != 1 && dims != 2) fail("prob_dist must be 1 or 2 dim");
  if (!is_floating_point(probs.dtype()))
    fail("multinomial only supports floating-point dtypes for input, got: ", probs.dtype());
  check_cpu("multinomial", probs);
  if (samples <= 0) fail("cannot sample n_sample <= 0 samples");
  const int64_t categories = probs.size(-1), rows = dims == 2 ? probs.size(0) : 1;
  if (!replacement && samples > categories)
    fail("cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  if (categories > int64_t{1} << 24) fail("number of categories cannot exceed 2^24");
  const Tensor weights = contiguous(detach(probs));
  const Tensor out = empty(dims == 2 ? DimVector{rows, samples} : DimVector{samples}, DType::Int64);
  cpu::check_multinomial(weights.data(), weights.dtype(), rows, categories);
  cpu::BlockingRegion region(std::max(probs.numel(), out.numel()) > cpu::kSerialElements);
  int64_t* const indices = out.data_ptr<int64_t>();
  if (replacement && samples > 1) {
    cpu::multinomial_replace(indices, weights.data(), weights.dtype(), rows, categories, samples, g);
    return out;
  }
  // An exponential race; the waiting times are drawn in the memory order of the weights.
  const Tensor drawn = dense_like(probs, probs.dtype());
  cpu::exponential(drawn.data(), drawn.dtype(), drawn.numel(), 1, g);
  NoGradGuard no_grad;
  const Tensor waits = contiguous(drawn);
  cpu::multinomial_race(indices, weights.data(), waits.data(), weights.dtype(), rows, categories, samples);
  return out;
}

}  // namespace rushlight
