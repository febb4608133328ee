// Numbers in parts: mantissa and exponent, real and imaginary part. And fill.
#include <numbers>

#include "cpu/loop_plan.h"
#include "ops/ternary.h"
#include "rushlight/ternary.h"

namespace rushlight {

using autograd::Grads;

std::tuple<Tensor, Tensor> frexp(const Tensor& self) {
  const DType d = self.dtype();
  if (!is_floating_point(d)) fail("torch.frexp() only supports floating-point dtypes");
  const DType reads = kernel_dtype(d);
  Tensor mantissa = run_pass({"frexp", "", cpu::frexp_mantissa(reads), nullptr, reads, reads, d}, {&self}, {});
  Tensor exponent =
      run_pass({"frexp", "", cpu::frexp_exponent(reads), nullptr, reads, DType::Int32, DType::Int32}, {&self}, {});
  if (autograd::needs(self))
    autograd::record("FrexpBackward0", mantissa, {&self},
                     [exponent](Grads& g) { g[0] = ldexp(g.grad(), neg(exponent)); });
  return {mantissa, exponent};
}

Tensor ldexp(const Tensor& self, const Tensor& other) {
  if (!is_integral(other.dtype(), true)) return mul(self, exp2(other));
  const Operand a(self), b(other);
  const DType common = result_type({&a, &b}), result = is_integral(common, true) ? default_dtype() : common;
  const DType reads = kernel_dtype(result);
  const cpu::Loop loop = cpu::ldexp(reads);
  if (!loop) fail<NotImplementedError>("\"ldexp_cpu\" not implemented for '", scalar_type_name(result), "'");
  check_cpu("ldexp", self);
  check_cpu("ldexp", other);
  const DimVector shape = layout::broadcast_shapes(self.sizes(), other.sizes());
  Tensor out = empty_like_operands(shape, result, {&self, &other});
  const cpu::LoopArg args[3] = {cpu::LoopArg(out, reads), cpu::LoopArg(self, reads), cpu::LoopArg(other, DType::Int64)};
  cpu::run_loop(loop, nullptr, shape, args, 3);
  if (autograd::needs(self))
    autograd::record("LdexpBackward0", out, {&self},
                     [saved = SavedTensor(clone(other))](Grads& g) { g[0] = ldexp(g.grad(), g.unpack(saved)); });
  return out;
}

namespace {

void check_parts(const Tensor& a, const Tensor& b) {
  auto allowed = [](DType d) { return d == DType::Float16 || d == DType::Float32 || d == DType::Float64; };
  if (!allowed(a.dtype()) || !allowed(b.dtype()))
    fail("Expected both inputs to be Half, Float or Double tensors but got ", a.dtype(), " and ", b.dtype());
  if (a.dtype() != b.dtype())
    fail("Expected object of scalar type ", a.dtype(), " but got scalar type ", b.dtype(), " for second argument");
}

}  // namespace

Tensor complex(const Tensor& re, const Tensor& im) {
  check_parts(re, im);
  const DType d = re.dtype(), result = to_complex(d);
  const int at = d == DType::Float16 ? 0 : d == DType::Float32 ? 1 : 2;
  Tensor out = run_pass({"complex", "", cpu::ternary().complex[at], nullptr, d, result, result}, {&re, &im}, {});
  if (autograd::needs(re, im))
    autograd::record("ComplexBackward0", out, {&re, &im}, [](Grads& g) {
      if (g.needs(0)) g[0] = real(g.grad());
      if (g.needs(1)) g[1] = is_complex(g.grad().dtype()) ? imag(g.grad()) : zeros_like(g.grad());
    });
  return out;
}

Tensor polar(const Tensor& magnitude, const Tensor& angle) {
  check_parts(magnitude, angle);
  if (angle.dtype() == DType::Float16) fail<NotImplementedError>("\"polar_cpu\" not implemented for 'Half'");
  Tensor out;
  {
    NoGradGuard no_grad;
    out = complex(mul(magnitude, cos(angle)), mul(magnitude, sin(angle)));
  }
  if (autograd::needs(magnitude, angle))
    autograd::record("PolarBackward0", out, {&magnitude, &angle},
                     [m = SavedTensor(magnitude), a = SavedTensor(angle)](Grads& g) {
                       const Tensor z = g.grad(), t = g.unpack(a), c = cos(t), s = sin(t);
                       const Tensor x = real(z), y = is_complex(z.dtype()) ? imag(z) : zeros_like(z);
                       if (g.needs(0)) g[0] = add(mul(x, c), mul(y, s));
                       if (g.needs(1)) g[1] = mul(g.unpack(m), sub(mul(y, c), mul(x, s)));
                     });
  return out;
}

Tensor fill(const Tensor& self, const Operand& value) {
  Tensor out;
  {
    NoGradGuard no_grad;
    out = empty_like(self);
    fill_(out, value);
  }
  const Tensor none;
  const Tensor& source = value.is_tensor() ? value.tensor() : none;
  if (autograd::needs(self, source) && is_differentiable(self.dtype()))
    autograd::record(value.is_tensor() ? "FillBackward1" : "FillBackward0", out, {&self, &source}, [](Grads& g) {
      if (g.needs(0)) g[0] = zeros_like(g.grad());
      if (g.needs(1)) g[1] = sum(g.grad());
    });
  return out;
}

}  // namespace rushlight
