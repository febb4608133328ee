// clamp in all its forms, nan_to_num, and the questions of closeness.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/loop_plan.h"
#include "ops/ternary.h"
#include "rushlight/ternary.h"

namespace rushlight {

using autograd::Grads;

namespace {

constexpr Target kFresh{};
Target into(const Tensor& out) { return {Target::Kind::Out, &out}; }
Target over(const Tensor& self) { return {Target::Kind::InPlace, &self}; }

[[noreturn, gnu::cold]] void fail_kernel(const char* kernel, DType dtype) {
  fail<NotImplementedError>("\"", kernel, "\" not implemented for '", scalar_type_name(dtype), "'");
}

// How the three functions name themselves.
struct ClampNames {
  const char* name;
  const char* inplace_name;
  const char* kernel;
  const char* number_node;
  const char* tensor_node;
};
constexpr ClampNames kClamp{"clamp", "clamp_", "clamp_scalar_cpu", "ClampBackward1", "ClampBackward0"};
constexpr ClampNames kClampMin{"clamp_min", "clamp_min_", "clamp_min_scalar_cpu", "ClampMinBackward0",
                               "ClampMinBackward1"};
constexpr ClampNames kClampMax{"clamp_max", "clamp_max_", "clamp_max_scalar_cpu", "ClampMaxBackward0",
                               "ClampMaxBackward1"};

template <class T>
void write_nan(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(data[0] + i * strides[0]) = std::numeric_limits<T>::quiet_NaN();
}

Tensor clamp_by_numbers(const ClampNames& names, const Tensor& self, const OptScalar& min, const OptScalar& max,
                        Target target) {
  if (inplace(target)) autograd::check_inplace(self);
  if (!min && !max) fail("torch.clamp: At least one of 'min' or 'max' must not be None");
  DType dtype = self.dtype();
  for (const OptScalar& bound : {min, max})
    if (is_complex(dtype) || (bound && bound->is_complex()))
      fail<NotImplementedError>("clamp is not supported for complex types");
  if (!is_floating_point(dtype)) {
    const Operand s(self), low(min ? *min : *max), high(max ? *max : *min);
    dtype = result_type({&s, &low, &high});
  }
  const DType reads = kernel_dtype(dtype);
  cpu::Loop loop =
      static_cast<int>(reads) < kNumComputeDTypes ? cpu::elementwise().clamp[static_cast<int>(reads)] : nullptr;
  if (!loop) fail_kernel(names.kernel, dtype);
  for (const OptScalar& bound : {min, max})
    if (bound) bound->check_fits(dtype);
  cpu::ClampParams params{-INFINITY, INFINITY, std::numeric_limits<int64_t>::min(),
                          std::numeric_limits<int64_t>::max()};
  if (is_integral(dtype, false)) {
    // Negative bounds of unsigned types are as good as 0.
    const int64_t bottom = is_signed(dtype) ? std::numeric_limits<int64_t>::min() : 0;
    const int bits = static_cast<int>(8 * item_size(dtype)) - (is_signed(dtype) ? 1 : 0);
    const int64_t top = bits >= 63 ? std::numeric_limits<int64_t>::max() : (int64_t{1} << bits) - 1;
    params.int_low = min ? std::max(min->to_int(), bottom) : is_signed(dtype) ? -top - 1 : 0;
    params.int_high = max ? std::max(max->to_int(), bottom) : top;
  } else {
    if (min) params.low = min->to_double();
    if (max) params.high = max->to_double();
    if (std::isnan(params.low) || std::isnan(params.high))
      loop = reads == DType::Float64 ? write_nan<double> : write_nan<float>;
  }
  const bool record = target.kind != Target::Kind::Out && autograd::needs(self) && is_differentiable(dtype);
  const SavedTensor saved = keep(self, record, target);
  Ref<Node> node;
  if (record)
    node = autograd::make_node(names.number_node, {&self}, [saved, min, max](Grads& g) {
      const Tensor x = g.unpack(saved);
      const Tensor inside = min && max ? logical_and(ge(x, *min), le(x, *max)) : min ? ge(x, *min) : le(x, *max);
      g[0] = where(inside, g.grad(), Scalar(0));
    });
  if (target.kind == Target::Kind::Out && target.tensor->dtype() != dtype && can_cast(dtype, target.tensor->dtype()))
    fail("Found dtype ", target.tensor->dtype(), " but expected ", dtype);
  Tensor out = run_pass({names.name, names.inplace_name, loop, &params, reads, reads, dtype}, {&self}, target);
  autograd::attach(inplace(target), out, node);
  return out;
}

Tensor clamp_by_tensors(const ClampNames& names, const Tensor& self, const Tensor& min, const Tensor& max,
                        Target target) {
  if (inplace(target)) autograd::check_inplace(self, autograd::needs(min, max));
  const bool low = min.defined(), high = max.defined();
  if (!low && !high) fail("torch.clamp: At least one of 'min' or 'max' must not be None");
  const Operand s(self), a(low ? min : max), b(high ? max : min);
  const DType dtype = result_type({&s, &a, &b});
  if (low && high && is_complex(dtype)) fail<NotImplementedError>("clamp is not supported for complex types");
  const DType reads = kernel_dtype(dtype);
  const int at = static_cast<int>(reads);
  const cpu::BinaryOp op = low ? cpu::BinaryOp::Maximum : cpu::BinaryOp::Minimum;
  const cpu::Loop loop = at >= kNumComputeDTypes ? nullptr
                         : low && high           ? cpu::ternary().clamp[at]
                                                 : cpu::elementwise().binary[static_cast<int>(op)][at];
  if (!loop) fail_kernel(low && high ? "clamp_cpu" : low ? "maximum_cpu" : "minimum_cpu", dtype);
  const bool record = target.kind != Target::Kind::Out && autograd::needs(self, min, max) && is_differentiable(dtype);
  const SavedTensor x = keep(self, record, target), lo = keep(min, record, target), hi = keep(max, record, target);
  Ref<Node> node;
  if (record)
    node = autograd::make_node(names.tensor_node, {&self, &min, &max}, [x, lo, hi, low, high](Grads& g) {
      // Where a bound and the value are equal the gradient goes to the value; an empty interval is its upper end.
      const Tensor v = g.unpack(x);
      const Tensor a = low ? g.unpack(lo) : Tensor(), b = high ? g.unpack(hi) : Tensor();
      auto masked = [&](const Tensor& m) { return where(m, g.grad(), Scalar(0)); };
      if (g.needs(0)) g[0] = masked(low && high ? logical_and(ge(v, a), le(v, b)) : low ? ge(v, a) : le(v, b));
      if (low && g.needs(1)) g[1] = masked(high ? logical_and(lt(v, a), lt(a, b)) : lt(v, a));
      if (high && g.needs(2)) g[2] = masked(low ? logical_or(gt(v, b), lt(b, a)) : gt(v, b));
    });
  const Pass pass{names.name, names.inplace_name, loop, nullptr, reads, reads, dtype};
  Tensor out =
      low && high ? run_pass(pass, {&self, &min, &max}, target) : run_pass(pass, {&self, low ? &min : &max}, target);
  autograd::attach(inplace(target), out, node);
  return out;
}

Tensor clamp_one(const ClampNames& names, bool is_min, const Tensor& self, const Operand& bound, Target target) {
  const Tensor none;
  if (bound.is_tensor())
    return clamp_by_tensors(names, self, is_min ? bound.tensor() : none, is_min ? none : bound.tensor(), target);
  const OptScalar number = bound.number();
  return clamp_by_numbers(names, self, is_min ? number : OptScalar(), is_min ? OptScalar() : number, target);
}

// The largest finite number.
double largest(DType dtype) {
  switch (dtype) {
    case DType::Float16: return 65504.0;
    case DType::BFloat16: return 0x1.fep127;
    case DType::Float32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}

Tensor replace_nan(const Tensor& self, std::optional<double> nan, std::optional<double> posinf,
                   std::optional<double> neginf, Target target) {
  if (inplace(target)) autograd::check_inplace(self);
  const DType dtype = self.dtype();
  check_cpu("nan_to_num", self);
  if (target.kind == Target::Kind::Out && target.tensor->dtype() != dtype)
    fail("nan_to_num: dtype of out: ", target.tensor->dtype(), " should be same as input: ", dtype);
  const DType real_dtype = to_real(dtype), reads = kernel_dtype(real_dtype);
  const cpu::NanParams params{nan.value_or(0), posinf.value_or(largest(real_dtype)),
                              neginf.value_or(-largest(real_dtype))};
  const bool record = target.kind != Target::Kind::Out && autograd::needs(self);
  const SavedTensor saved = keep(self, record, target);
  Ref<Node> node;
  if (record)
    node = autograd::make_node("NanToNumBackward0", {&self},
                               [saved](Grads& g) { g[0] = mul(g.grad(), isfinite(g.unpack(saved))); });
  Tensor out = inplace(target) ? self : target.kind == Target::Kind::Out ? *target.tensor : Tensor();
  if (is_floating_point(dtype)) {
    out = run_pass(
        {"nan_to_num", "nan_to_num_", cpu::ternary().nan_to_num[static_cast<int>(reads)], &params, reads, reads, dtype},
        {&self}, target);
  } else {
    // Copied, and complex numbers changed in place part by part.
    if (inplace(target)) {
      layout::check_writable(self);
    } else if (target.kind == Target::Kind::Out) {
      prepare_out("nan_to_num", out, DimVector(self.sizes()), dtype, {&self});
      NoGradGuard no_grad;
      copy_(out, self);
    } else {
      NoGradGuard no_grad;
      out = clone(self);
    }
    if (is_complex(dtype)) {
      NoGradGuard no_grad;
      const Tensor parts = view_as_real(out);
      const cpu::LoopArg args[2] = {cpu::LoopArg(parts, reads), cpu::LoopArg(parts, reads)};
      cpu::run_loop(cpu::ternary().nan_to_num[static_cast<int>(reads)], &params, parts.sizes(), args, 2);
    }
    if (inplace(target)) out.bump_version("nan_to_num_");
  }
  autograd::attach(inplace(target), out, node);
  return out;
}

}  // namespace

Tensor clamp(const Tensor& self, const OptScalar& min, const OptScalar& max) {
  return clamp_by_numbers(kClamp, self, min, max, kFresh);
}
const Tensor& clamp_(const Tensor& self, const OptScalar& min, const OptScalar& max) {
  clamp_by_numbers(kClamp, self, min, max, over(self));
  return self;
}
const Tensor& clamp_out(const Tensor& out, const Tensor& self, const OptScalar& min, const OptScalar& max) {
  clamp_by_numbers(kClamp, self, min, max, into(out));
  return out;
}
Tensor clamp(const Tensor& self, const Tensor& min, const Tensor& max) {
  return clamp_by_tensors(kClamp, self, min, max, kFresh);
}
const Tensor& clamp_(const Tensor& self, const Tensor& min, const Tensor& max) {
  clamp_by_tensors(kClamp, self, min, max, over(self));
  return self;
}
const Tensor& clamp_out(const Tensor& out, const Tensor& self, const Tensor& min, const Tensor& max) {
  clamp_by_tensors(kClamp, self, min, max, into(out));
  return out;
}
Tensor clamp_min(const Tensor& self, const Operand& min) { return clamp_one(kClampMin, true, self, min, kFresh); }
const Tensor& clamp_min_(const Tensor& self, const Operand& min) {
  clamp_one(kClampMin, true, self, min, over(self));
  return self;
}
const Tensor& clamp_min_out(const Tensor& out, const Tensor& self, const Operand& min) {
  clamp_one(kClampMin, true, self, min, into(out));
  return out;
}
Tensor clamp_max(const Tensor& self, const Operand& max) { return clamp_one(kClampMax, false, self, max, kFresh); }
const Tensor& clamp_max_(const Tensor& self, const Operand& max) {
  clamp_one(kClampMax, false, self, max, over(self));
  return self;
}
const Tensor& clamp_max_out(const Tensor& out, const Tensor& self, const Operand& max) {
  clamp_one(kClampMax, false, self, max, into(out));
  return out;
}

Tensor nan_to_num(const Tensor& self, std::optional<double> nan, std::optional<double> posinf,
                  std::optional<double> neginf) {
  return replace_nan(self, nan, posinf, neginf, kFresh);
}
const Tensor& nan_to_num_(const Tensor& self, std::optional<double> nan, std::optional<double> posinf,
                          std::optional<double> neginf) {
  replace_nan(self, nan, posinf, neginf, over(self));
  return self;
}
const Tensor& nan_to_num_out(const Tensor& out, const Tensor& self, std::optional<double> nan,
                             std::optional<double> posinf, std::optional<double> neginf) {
  replace_nan(self, nan, posinf, neginf, into(out));
  return out;
}

Tensor isclose(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
  const DType d = self.dtype();
  if (d != other.dtype()) fail(d, " did not match ", other.dtype());
  if (!(rtol >= 0)) fail("rtol must be greater than or equal to zero, but got ", rtol);
  if (!(atol >= 0)) fail("atol must be greater than or equal to zero, but got ", atol);
  // Unsigned types without kernels are compared as signed ones.
  const DType reads = d >= DType::UInt16 && d <= DType::UInt64 ? DType::Int64 : kernel_dtype(d);
  if (static_cast<int>(reads) >= kNumComputeDTypes) fail_kernel("isclose", d);
  const cpu::CloseParams params{rtol, atol, equal_nan};
  return run_pass(
      {"isclose", "", cpu::ternary().isclose[static_cast<int>(reads)], &params, reads, DType::Bool, DType::Bool},
      {&self, &other}, kFresh);
}

bool allclose(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
  return all(isclose(self, other, rtol, atol, equal_nan)).item().to_bool();
}

bool equal(const Tensor& a, const Tensor& b) {
  if (!equal(a.sizes(), b.sizes())) return false;
  if (a.numel() == 0) return true;
  NoGradGuard no_grad;
  return all(eq(a, b)).item().to_bool();
}

}  // namespace rushlight
