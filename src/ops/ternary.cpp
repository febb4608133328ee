// addcmul, addcdiv and lerp: what optimizers call, each in one pass.
#include "rushlight/ternary.h"

#include "cpu/loop_plan.h"
#include "ops/ternary.h"

namespace rushlight {

using autograd::Grads;

Tensor run_pass(const Pass& p, std::initializer_list<const Tensor*> inputs, Target target) {
  const int count = static_cast<int>(inputs.size());
  const Tensor* const* in = inputs.begin();
  const Tensor& self = *in[0];
  bool same_shape = true, dense = self.is_contiguous() && self.dtype() == p.reads;
  for (int i = 0; i < count; ++i) check_cpu(p.name, *in[i]);
  for (int i = 1; i < count; ++i) {
    same_shape = same_shape && equal(in[i]->sizes(), self.sizes());
    dense = dense && in[i]->is_contiguous() && in[i]->dtype() == p.reads;
  }
  DimVector broadcast;
  IntSpan shape = self.sizes();
  if (!same_shape) {
    broadcast = DimVector(shape);
    for (int i = 1; i < count; ++i) broadcast = layout::broadcast_shapes(broadcast, in[i]->sizes());
    shape = broadcast;
  }
  auto fresh = [&] {
    if (same_shape && dense) return empty(shape, p.result);
    if (count == 1) return empty_like_operands(shape, p.result, {in[0]});
    if (count == 2) return empty_like_operands(shape, p.result, {in[0], in[1]});
    return empty_like_operands(shape, p.result, {in[0], in[1], in[2]});
  };
  Tensor out;
  switch (target.kind) {
    case Target::Kind::Fresh: out = fresh(); break;
    case Target::Kind::InPlace:
      out = self;
      check_inplace_result(p.name, out, shape, p.result);
      for (int i = 1; i < count; ++i) check_no_partial_overlap(out, *in[i]);
      break;
    case Target::Kind::Out: {
      out = *target.tensor;
      const DimVector sizes(shape);  // a resize of `out` must not change them
      for (int i = 0; i < count; ++i) cpu::check_conversion(in[i]->dtype(), p.reads);
      prepare_out(p.name, out, sizes, p.result, inputs, is_differentiable(p.result));
      broadcast = sizes;
      shape = broadcast;
      break;
    }
  }
  if (same_shape && dense && out.is_contiguous() && out.dtype() == p.writes) {
    char* data[4] = {out.data()};
    int64_t sizes[4] = {item_size(p.writes)};
    for (int i = 0; i < count; ++i) {
      data[i + 1] = in[i]->data();
      sizes[i + 1] = item_size(p.reads);
    }
    cpu::run_contiguous(p.loop, p.params, out.numel(), data, sizes, count + 1);
  } else {
    cpu::LoopArg args[4] = {cpu::LoopArg(out, p.writes)};
    for (int i = 0; i < count; ++i) args[i + 1] = cpu::LoopArg(*in[i], p.reads);
    cpu::run_loop(p.loop, p.params, shape, args, count + 1);
  }
  if (target.kind != Target::Kind::Fresh) out.bump_version(inplace(target) ? p.inplace_name : p.name);
  return out;
}

namespace {

// value * conj(t), as a factor of a gradient
Tensor times_conj(const Tensor& g, const Tensor& t) { return mul(g, conj(t)); }
Scalar conj_number(const Scalar& s) { return s.is_complex() ? Scalar(std::conj(s.to_complex())) : s; }
Tensor scaled(const Tensor& g, const Scalar& s) {
  return !s.is_complex() && s.to_double() == 1 ? g : mul(g, conj_number(s));
}

Tensor addc(bool divides, const Tensor& self, const Tensor& t1, const Tensor& t2, const Scalar& value, Target target) {
  if (inplace(target)) autograd::check_inplace(self, autograd::needs(t1, t2));
  const char* const kernel = divides ? "addcdiv_cpu_out" : "addcmul_cpu_out";
  if (divides && is_integral(t1.dtype(), true) && is_integral(t2.dtype(), true))
    fail(
        "Integer division with addcdiv is no longer supported, and in a future release addcdiv will perform a true "
        "division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * "
        "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) "
        "for float inputs.");
  const DType d = self.dtype();
  const Operand a(self), b(t1), c(t2);
  const DType result = t1.dtype() == d && t2.dtype() == d ? d : result_type({&a, &b, &c});
  const DType reads = kernel_dtype(result);
  const cpu::TernaryTable& table = cpu::ternary();
  const cpu::Loop loop = static_cast<int>(reads) >= kNumComputeDTypes ? nullptr
                         : divides                                    ? table.addcdiv[static_cast<int>(reads)]
                                                                      : table.addcmul[static_cast<int>(reads)];
  if (!loop) fail<NotImplementedError>("\"", kernel, "\" not implemented for '", scalar_type_name(result), "'");
  value.check_fits(reads);
  alignas(16) char factor[16];
  value.store(reads, factor);
  const bool record = target.kind != Target::Kind::Out && autograd::needs(self, t1, t2) && is_differentiable(result);
  SavedTensor saved1, saved2;
  if (record) {
    saved1 = keep(t1, autograd::needs(t2), target);
    saved2 = keep(t2, autograd::needs(t1) || (divides && autograd::needs(t2)), target);
  }
  Ref<Node> node;
  if (record && divides)
    node = autograd::make_node("AddcdivBackward0", {&self, &t1, &t2}, [saved1, saved2, value](Grads& g) {
      if (g.needs(0)) g[0] = g.grad();
      if (!g.needs(1) && !g.needs(2)) return;
      const Tensor y = g.unpack(saved2), grad = scaled(g.grad(), value);
      if (g.needs(1)) g[1] = div(grad, conj(y));
      if (g.needs(2)) g[2] = neg(times_conj(grad, div(div(g.unpack(saved1), y), y)));
    });
  else if (record)
    node = autograd::make_node("AddcmulBackward0", {&self, &t1, &t2}, [saved1, saved2, value](Grads& g) {
      if (g.needs(0)) g[0] = g.grad();
      if (!g.needs(1) && !g.needs(2)) return;
      const Tensor grad = scaled(g.grad(), value);
      if (g.needs(1)) g[1] = times_conj(grad, g.unpack(saved2));
      if (g.needs(2)) g[2] = times_conj(grad, g.unpack(saved1));
    });
  const Pass pass{
      divides ? "addcdiv" : "addcmul", divides ? "addcdiv_" : "addcmul_", loop, factor, reads, reads, result};
  Tensor out = run_pass(pass, {&self, &t1, &t2}, target);
  autograd::attach(inplace(target), out, node);
  return out;
}

Tensor lerp_into(const Tensor& self, const Tensor& end, const Operand& weight, Target target) {
  if (inplace(target))
    autograd::check_inplace(self, autograd::needs(end) || (weight.is_tensor() && autograd::needs(weight.tensor())));
  const DType d = self.dtype();
  auto check = [&](const char* what, const Tensor& t) {
    if (t.dtype() != d)
      fail("expected dtype ", cpp_type_name(d), " for `", what, "` but got dtype ", cpp_type_name(t.dtype()));
  };
  check("end", end);
  const Tensor* w = weight.is_tensor() ? &weight.tensor() : nullptr;
  // A 0-d weight may have any dtype: it is a number.
  Scalar number = w ? Scalar(0) : weight.number();
  Tensor cast;
  if (w && w->dim() == 0 && w->dtype() != d) {
    cast = to(*w, d);
    w = &cast;
  }
  if (w) check("weight", *w);
  const DType reads = kernel_dtype(d);
  const cpu::TernaryTable& table = cpu::ternary();
  const bool computes = static_cast<int>(reads) < kNumComputeDTypes && table.lerp[static_cast<int>(reads)];
  if (!computes)
    fail<NotImplementedError>("\"lerp_kernel_", w ? "tensor" : "scalar", "\" not implemented for '",
                              scalar_type_name(d), "'");
  if (target.kind == Target::Kind::Out && w && w->dim() && target.tensor->dtype() != d)
    fail("Found dtype ", target.tensor->dtype(), " but expected ", d);
  alignas(16) char factor[16];
  if (!w) {
    number.check_fits(reads);
    number.store(reads, factor);
  }
  const Tensor none;
  const Tensor& wt = w ? *w : none;
  const bool record = target.kind != Target::Kind::Out && autograd::needs(self, end, wt);
  SavedTensor saved_self, saved_end, saved_weight;
  if (record) {
    saved_self = keep(self, autograd::needs(wt), target);
    saved_end = keep(end, autograd::needs(wt), target);
    saved_weight = keep(wt, autograd::needs(self, end), target);
  }
  Ref<Node> node;
  if (record && w)
    node = autograd::make_node("LerpBackward1", {&self, &end, w}, [saved_self, saved_end, saved_weight](Grads& g) {
      if (g.needs(0) || g.needs(1)) {
        const Tensor wc = conj(g.unpack(saved_weight));
        if (g.needs(0)) g[0] = mul(g.grad(), rsub(wc, 1));
        if (g.needs(1)) g[1] = mul(g.grad(), wc);
      }
      if (g.needs(2)) g[2] = times_conj(g.grad(), sub(g.unpack(saved_end), g.unpack(saved_self)));
    });
  else if (record)
    node = autograd::make_node("LerpBackward0", {&self, &end}, [number](Grads& g) {
      const Scalar wc = conj_number(number);
      const Scalar rest = wc.is_complex() ? Scalar(1.0 - wc.to_complex()) : Scalar(1.0 - wc.to_double());
      if (g.needs(0)) g[0] = mul(g.grad(), rest);
      if (g.needs(1)) g[1] = mul(g.grad(), wc);
    });
  const int at = static_cast<int>(reads);
  const Pass pass{"lerp", "lerp_", w ? table.lerp[at] : table.lerp_number[at], w ? nullptr : factor, reads, reads, d};
  Tensor out = w ? run_pass(pass, {&self, &end, w}, target) : run_pass(pass, {&self, &end}, target);
  autograd::attach(inplace(target), out, node);
  return out;
}

constexpr Target kFresh{};
Target into(const Tensor& out) { return {Target::Kind::Out, &out}; }
Target over(const Tensor& self) { return {Target::Kind::InPlace, &self}; }

}  // namespace

Tensor addcmul(const Tensor& self, const Tensor& t1, const Tensor& t2, const Scalar& value) {
  return addc(false, self, t1, t2, value, kFresh);
}
const Tensor& addcmul_(const Tensor& self, const Tensor& t1, const Tensor& t2, const Scalar& value) {
  addc(false, self, t1, t2, value, over(self));
  return self;
}
const Tensor& addcmul_out(const Tensor& out, const Tensor& self, const Tensor& t1, const Tensor& t2,
                          const Scalar& value) {
  addc(false, self, t1, t2, value, into(out));
  return out;
}
Tensor addcdiv(const Tensor& self, const Tensor& t1, const Tensor& t2, const Scalar& value) {
  return addc(true, self, t1, t2, value, kFresh);
}
const Tensor& addcdiv_(const Tensor& self, const Tensor& t1, const Tensor& t2, const Scalar& value) {
  addc(true, self, t1, t2, value, over(self));
  return self;
}
const Tensor& addcdiv_out(const Tensor& out, const Tensor& self, const Tensor& t1, const Tensor& t2,
                          const Scalar& value) {
  addc(true, self, t1, t2, value, into(out));
  return out;
}
Tensor lerp(const Tensor& self, const Tensor& end, const Operand& weight) {
  return lerp_into(self, end, weight, kFresh);
}
const Tensor& lerp_(const Tensor& self, const Tensor& end, const Operand& weight) {
  lerp_into(self, end, weight, over(self));
  return self;
}
const Tensor& lerp_out(const Tensor& out, const Tensor& self, const Tensor& end, const Operand& weight) {
  lerp_into(self, end, weight, into(out));
  return out;
}

}  // namespace rushlight
