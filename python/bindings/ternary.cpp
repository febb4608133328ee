// Elementwise functions that are not in elementwise.def.
#include "rushlight/ternary.h"
#include "rushlight/index.h"

#include "bindings/conj.h"
#include "ops/elementwise.h"

namespace rushlight::python {

namespace {

PyObject* self_of(Args& a) { return Py_NewRef(a.object(0)); }

std::optional<double> number_or_none(const Args& a, int i) {
  return a.has(i) ? std::optional<double>(a.number(i)) : std::nullopt;
}

// input, tensor1, tensor2, value, out
template <Tensor (*F)(const Tensor&, const Tensor&, const Tensor&, const Scalar&),
          const Tensor& (*Out)(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Scalar&)>
PyObject* addc_call(Args& a) {
  const Scalar value = a.scalar(3, 1);
  if (!a.has(4)) return wrap(F(a.tensor(0), a.tensor(1), a.tensor(2), value));
  Out(a.tensor(4), a.tensor(0), a.tensor(1), a.tensor(2), value);
  return Py_NewRef(a.object(4));
}
template <const Tensor& (*F)(const Tensor&, const Tensor&, const Tensor&, const Scalar&)>
PyObject* addc_inplace(Args& a) {
  F(a.tensor(0), a.tensor(1), a.tensor(2), a.scalar(3, 1));
  return self_of(a);
}

void warn_old_order(const char* name) {
  warn("This overload of " + std::string(name) + " is deprecated:\n\t" + name +
       "(Tensor input, Number value, Tensor tensor1, Tensor tensor2, *, Tensor out = None)\nConsider using one of the "
       "following signatures instead:\n\t" +
       name + "(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value = 1, Tensor out = None)");
}
// The old order input, value, tensor1, tensor2, out.
template <Tensor (*F)(const Tensor&, const Tensor&, const Tensor&, const Scalar&),
          const Tensor& (*Out)(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Scalar&)>
PyObject* addc_old(Args& a) {
  warn_old_order(a.function);
  if (!a.has(4)) return wrap(F(a.tensor(0), a.tensor(2), a.tensor(3), a.scalar(1)));
  Out(a.tensor(4), a.tensor(0), a.tensor(2), a.tensor(3), a.scalar(1));
  return Py_NewRef(a.object(4));
}
template <const Tensor& (*F)(const Tensor&, const Tensor&, const Tensor&, const Scalar&)>
PyObject* addc_old_inplace(Args& a) {
  warn_old_order(a.function);
  F(a.tensor(0), a.tensor(2), a.tensor(3), a.scalar(1));
  return self_of(a);
}

// input, bound, out
template <Tensor (*F)(const Tensor&, const Operand&),
          const Tensor& (*Out)(const Tensor&, const Tensor&, const Operand&)>
PyObject* bound_call(Args& a) {
  if (!a.has(2)) return wrap(F(a.tensor(0), a.operand(1)));
  Out(a.tensor(2), a.tensor(0), a.operand(1));
  return Py_NewRef(a.object(2));
}
template <const Tensor& (*F)(const Tensor&, const Operand&)>
PyObject* bound_inplace(Args& a) {
  F(a.tensor(0), a.operand(1));
  return self_of(a);
}

void register_fused() {
  def("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1, Tensor? out=None)",
      addc_call<addcmul, addcmul_out>, kBoth, "input + value * tensor1 * tensor2, elementwise, in one pass.");
  def("addcmul(Tensor input, Scalar value, Tensor tensor1, Tensor tensor2, *, Tensor? out=None)",
      addc_old<addcmul, addcmul_out>);
  def("addcmul_(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)", addc_inplace<addcmul_>, kMethod);
  def("addcmul_(Tensor self, Scalar value, Tensor tensor1, Tensor tensor2)", addc_old_inplace<addcmul_>, kMethod);
  def("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1, Tensor? out=None)",
      addc_call<addcdiv, addcdiv_out>, kBoth,
      "input + value * tensor1 / tensor2, elementwise, in one pass. tensor1 and tensor2 must not both be integers.");
  def("addcdiv(Tensor input, Scalar value, Tensor tensor1, Tensor tensor2, *, Tensor? out=None)",
      addc_old<addcdiv, addcdiv_out>);
  def("addcdiv_(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)", addc_inplace<addcdiv_>, kMethod);
  def("addcdiv_(Tensor self, Scalar value, Tensor tensor1, Tensor tensor2)", addc_old_inplace<addcdiv_>, kMethod);
  def(
      "lerp(Tensor input, Tensor end, Operand weight, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(3)) return wrap(lerp(a.tensor(0), a.tensor(1), a.operand(2)));
        lerp_out(a.tensor(3), a.tensor(0), a.tensor(1), a.operand(2));
        return Py_NewRef(a.object(3));
      },
      kBoth,
      "input + weight * (end - input), elementwise; exact at both ends.\n\ninput, end: floating point or complex, of "
      "one dtype.\nweight: a number, or a tensor that broadcasts.");
  def(
      "lerp_(Tensor self, Tensor end, Operand weight)",
      [](Args& a) {
        lerp_(a.tensor(0), a.tensor(1), a.operand(2));
        return self_of(a);
      },
      kMethod);
}

void register_bounds() {
  def(
      "clamp(Tensor input, Tensor? min=None, Tensor? max=None, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(3)) return wrap(clamp(a.tensor(0), a.tensor_or_none(1), a.tensor_or_none(2)));
        clamp_out(a.tensor(3), a.tensor(0), a.tensor_or_none(1), a.tensor_or_none(2));
        return Py_NewRef(a.object(3));
      },
      kBoth,
      "Values below min become min, those above max become max.\n\nmin, max: numbers or tensors that broadcast; one of "
      "them may be None. NaN in any operand gives NaN; where min > max the result is max.");
  def("clamp(Tensor input, Scalar? min=None, Scalar? max=None, *, Tensor? out=None)", [](Args& a) {
    if (!a.has(3)) return wrap(clamp(a.tensor(0), a.scalar_or_none(1), a.scalar_or_none(2)));
    clamp_out(a.tensor(3), a.tensor(0), a.scalar_or_none(1), a.scalar_or_none(2));
    return Py_NewRef(a.object(3));
  });
  def("clamp_(Tensor self, Tensor? min=None, Tensor? max=None)", [](Args& a) {
    clamp_(a.tensor(0), a.tensor_or_none(1), a.tensor_or_none(2));
    return self_of(a);
  });
  def("clamp_(Tensor self, Scalar? min=None, Scalar? max=None)", [](Args& a) {
    clamp_(a.tensor(0), a.scalar_or_none(1), a.scalar_or_none(2));
    return self_of(a);
  });
  def_alias("clip", "clamp");
  def_alias("clip_", "clamp_");
  def("clamp_min(Tensor input, Operand min, *, Tensor? out=None)", bound_call<clamp_min, clamp_min_out>, kBoth,
      "clamp with a lower bound alone.");
  def("clamp_min_(Tensor self, Operand min)", bound_inplace<clamp_min_>);
  def("clamp_max(Tensor input, Operand max, *, Tensor? out=None)", bound_call<clamp_max, clamp_max_out>, kBoth,
      "clamp with an upper bound alone.");
  def("clamp_max_(Tensor self, Operand max)", bound_inplace<clamp_max_>);
  def(
      "nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None, *, Tensor? out=None)",
      [](Args& a) {
        const auto nan = number_or_none(a, 1), posinf = number_or_none(a, 2), neginf = number_or_none(a, 3);
        if (!a.has(4)) return wrap(nan_to_num(a.tensor(0), nan, posinf, neginf));
        nan_to_num_out(a.tensor(4), a.tensor(0), nan, posinf, neginf);
        return Py_NewRef(a.object(4));
      },
      kBoth,
      "Replaces NaN by nan (default 0), inf and -inf by posinf and neginf (default: the largest and the smallest "
      "number "
      "of the dtype). Complex numbers part by part; integers are copied.");
  def("nan_to_num_(Tensor self, float? nan=None, float? posinf=None, float? neginf=None)", [](Args& a) {
    nan_to_num_(a.tensor(0), number_or_none(a, 1), number_or_none(a, 2), number_or_none(a, 3));
    return self_of(a);
  });
}

void register_selection() {
  def(
      "where(Tensor condition, Tensor input, Tensor other, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(3)) return wrap(where(a.tensor(0), a.tensor(1), a.tensor(2)));
        where_out(a.tensor(3), a.tensor(0), a.tensor(1), a.tensor(2));
        return Py_NewRef(a.object(3));
      },
      kFunction, "input where condition holds, other elsewhere; all three broadcast.");
  def(
      "where(Tensor condition, Operand input, Operand other)",
      [](Args& a) { return wrap(where(a.tensor(0), a.operand(1), a.operand(2))); }, kFunction);
  def("where(Tensor condition) -> Tensor[]", [](Args& a) { return wrap(where(a.tensor(0))); }, kFunction);
  def(
      "where(Tensor self, Tensor condition, Operand other)",
      [](Args& a) { return wrap(where(a.tensor(1), a.tensor(0), a.operand(2))); }, kMethod);
  def_op(
      "fill(Tensor input, Operand value)", [](const Args& a) { return fill(a.tensor(0), a.operand(1)); }, kFunction,
      "A copy of input with every element value (a number or a 0-d tensor).");
  def("fill_(Tensor self, Operand value)", [](Args& a) {
    fill_(a.tensor(0), a.operand(1));
    return self_of(a);
  });
  def("zero_(Tensor self)", [](Args& a) {
    zero_(a.tensor(0));
    return self_of(a);
  });
}

void register_parts() {
  def(
      "conj(Tensor input)",
      [](Args& a) { return is_complex(a.tensor(0).dtype()) ? wrap(lazy_conj(a.tensor(0))) : self_of(a); }, kBoth,
      "The complex conjugate as a view: the same memory, read and written conjugated. Real tensors are returned as "
      "they "
      "are.");
  def("conj_physical(Tensor input, *, Tensor? out=None)", [](Args& a) {
    if (a.has(1)) {
      if (a.tensor(1).dtype() != a.tensor(0).dtype())
        fail("Found dtype ", a.tensor(1).dtype(), " but expected ", a.tensor(0).dtype());
      conj_physical_out(a.tensor(1), a.tensor(0));
      return Py_NewRef(a.object(1));
    }
    return is_complex(a.tensor(0).dtype()) ? wrap(conj_physical(a.tensor(0))) : self_of(a);
  });
  def(
      "conj_physical_(Tensor self)",
      [](Args& a) {
        conj_physical_(a.tensor(0));
        return self_of(a);
      },
      kBoth);
  def(
      "resolve_conj(Tensor input)",
      [](Args& a) { return a.tensor(0).is_conj() ? wrap(resolve_conj(a.tensor(0))) : self_of(a); }, kBoth,
      "A copy in memory of its own where is_conj(), else the tensor itself.");
  def(
      "_neg_view(Tensor input)", [](Args& a) { return wrap(lazy_neg(a.tensor(0))); }, kBoth,
      "The negative as a view: the same memory, read and written negated.");
  def(
      "resolve_neg(Tensor input)",
      [](Args& a) { return a.tensor(0).is_neg() ? wrap(resolve_neg(a.tensor(0))) : self_of(a); }, kBoth,
      "A copy in memory of its own where is_neg(), else the tensor itself.");
  def(
      "real(Tensor input)",
      [](Args& a) { return is_complex(a.tensor(0).dtype()) ? wrap(real(a.tensor(0))) : self_of(a); }, kFunction,
      "The real parts, a view; real tensors are returned as they are.");
  def("imag(Tensor input)", [](Args& a) { return wrap(imag(a.tensor(0))); }, kFunction, "The imaginary parts, a view.");
  def("positive(Tensor input)", [](Args& a) {
    if (a.tensor(0).dtype() == DType::Bool) fail("The `+` operator, on a bool tensor is not supported.");
    return self_of(a);
  });
  def_op(
      "rsub(Tensor input, Operand other, *, Scalar alpha=1)",
      [](const Args& a) { return rsub(a.tensor(0), a.operand(1), a.scalar(2, 1)); }, kFunction,
      "other - alpha * input.");
  def_op(
      "complex(Tensor real, Tensor imag, *, Tensor? out=None)",
      [](const Args& a) {
        const Tensor r = complex(a.tensor(0), a.tensor(1));
        if (a.has(2) && a.tensor(2).dtype() != r.dtype())
          fail("Expected object of scalar type ", r.dtype(), " but got scalar type ", a.tensor(2).dtype(),
               " for argument 'out'");
        return r;
      },
      kFunction, "real + i imag; both float16, float32 or float64, of one dtype.");
  def_op(
      "polar(Tensor abs, Tensor angle, *, Tensor? out=None)",
      [](const Args& a) {
        const Tensor r = polar(a.tensor(0), a.tensor(1));
        if (a.has(2) && a.tensor(2).dtype() != r.dtype())
          fail("Expected object of scalar type ", r.dtype(), " but got scalar type ", a.tensor(2).dtype(),
               " for argument 'out'");
        return r;
      },
      kFunction, "abs * (cos(angle) + i sin(angle)); both float32 or float64, of one dtype. angle in radians.");
  def_ops(
      "frexp(Tensor input, *, Tensor[]? out=None)",
      [](const Args& a) {
        auto [mantissa, exponent] = frexp(a.tensor(0));
        const TensorList out = a.has(1) ? a.tensors(1) : TensorList();
        if (out.size() == 2) {
          if (out[0].dtype() != mantissa.dtype())
            fail("torch.frexp() expects mantissa to have dtype ", cpp_type_name(mantissa.dtype()), " but got ",
                 cpp_type_name(out[0].dtype()));
          if (out[1].dtype() != DType::Int32)
            fail("torch.frexp() expects exponent to have int dtype but got ", cpp_type_name(out[1].dtype()));
        }
        return TensorList{mantissa, exponent};
      },
      "mantissa exponent", kBoth,
      "input = mantissa * 2**exponent with 0.5 <= |mantissa| < 1 and an int32 exponent; 0 for 0, inf and NaN.");
  def_op(
      "ldexp(Tensor input, Tensor other, *, Tensor? out=None)",
      [](const Args& a) { return ldexp(a.tensor(0), a.tensor(1)); }, kBoth, "input * 2**other, elementwise.");
  def("ldexp_(Tensor self, Tensor other)", [](Args& a) {
    inplace_by_copy("ldexp_", a.tensor(0), [&](const Tensor& x) { return ldexp(x, a.tensor(1)); });
    return self_of(a);
  });
}

void register_closeness() {
  def(
      "equal(Tensor input, Tensor other) -> bool", [](Args& a) { return wrap_bool(equal(a.tensor(0), a.tensor(1))); },
      kBoth, "Whether both have the same sizes and elements.");
  def(
      "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)",
      [](Args& a) { return wrap(isclose(a.tensor(0), a.tensor(1), a.number(2, 1e-5), a.number(3, 1e-8), a.flag(4))); },
      kBoth, "|input - other| <= atol + rtol * |other|, elementwise; equal infinities are close. One dtype.");
  def(
      "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool",
      [](Args& a) {
        return wrap_bool(allclose(a.tensor(0), a.tensor(1), a.number(2, 1e-5), a.number(3, 1e-8), a.flag(4)));
      },
      kBoth, "Whether isclose holds for all elements.");
}

}  // namespace

void register_ternary() {
  register_fused();
  register_bounds();
  register_selection();
  register_parts();
  register_closeness();
}

}  // namespace rushlight::python
