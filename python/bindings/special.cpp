#include "rushlight/special.h"

#include "bindings/python.h"

namespace rushlight::python {

namespace {

std::optional<double> number_or_none(const Args& a, int i) {
  return a.has(i) ? std::optional<double>(a.number(i)) : std::nullopt;
}

Tensor float_power_call(const Args& a) {
  Tensor result = float_power(a.operand(0), a.operand(1));
  if (a.has(2) && a.tensor(2).dtype() != result.dtype())
    fail("the output given to float_power has dtype ", a.tensor(2).dtype(),
         " but the operation's result requires dtype ", result.dtype());
  return result;
}

}  // namespace

void register_special() {
  // After those of the table, which take no decimals.
  def_op(
      "round(Tensor input, *, int decimals, Tensor? out=None)",
      [](const Args& a) { return round(a.tensor(0), a.integer(1)); }, kAll);
  def_op(
      "logit(Tensor input, float? eps=None, *, Tensor? out=None)",
      [](const Args& a) { return logit(a.tensor(0), number_or_none(a, 1)); }, kAll | kSpecial,
      "log(x / (1 - x)), elementwise.\n\neps: input is clamped to [eps, 1 - eps] where it is given.");
  def_op(
      "polygamma(int n, Tensor input, *, Tensor? out=None)",
      [](const Args& a) { return polygamma(a.integer(0), a.tensor(1)); }, kFunction,
      "The n-th derivative of digamma, elementwise.");
  def_op(
      "polygamma(Tensor input, int n)", [](const Args& a) { return polygamma(a.integer(1), a.tensor(0)); },
      kMethod | kInPlace);
  def_op(
      "mvlgamma(Tensor input, int p, *, Tensor? out=None)",
      [](const Args& a) { return mvlgamma(a.tensor(0), a.integer(1)); }, kAll,
      "The logarithm of the multivariate gamma function of dimension p, elementwise.");
  def_op("float_power(Tensor input, Operand exponent, *, Tensor? out=None)", float_power_call, kBoth,
         "input to the power exponent in float64 or complex128, elementwise.");
  def_op("float_power(Scalar input, Tensor exponent, *, Tensor? out=None)", float_power_call, kFunction);
  def(
      "float_power_(Tensor self, Operand exponent)",
      [](Args& a) {
        float_power_(a.tensor(0), a.operand(1));
        return Py_NewRef(a.object(0));
      },
      kMethod);
  def_op(
      "ndtr(Tensor input, *, Tensor? out=None)", [](const Args& a) { return ndtr(a.tensor(0)); }, kSpecial,
      "The standard normal distribution function, elementwise.");
}

}  // namespace rushlight::python
