#include <string>

#include "bindings/python.h"
#include "ops/elementwise.h"

namespace rushlight::python {

namespace {

template <UnaryOp Op>
PyObject* unary_call(Args& a) {
  if (a.has(1)) {
    unary(Op, a.tensor(0), {Target::Kind::Out, &a.tensor(1)});
    return Py_NewRef(a.object(1));
  }
  return wrap(unary(Op, a.tensor(0)));
}
template <UnaryOp Op>
PyObject* unary_inplace(Args& a) {
  unary(Op, a.tensor(0), {Target::Kind::InPlace, &a.tensor(0)});
  return Py_NewRef(a.object(0));
}
template <BinaryOp Op>
PyObject* binary_call(Args& a) {
  if (a.has(2)) {
    binary(Op, a.operand(0), a.operand(1), {Target::Kind::Out, &a.tensor(2)});
    return Py_NewRef(a.object(2));
  }
  return wrap(binary(Op, a.operand(0), a.operand(1)));
}
template <BinaryOp Op>
PyObject* binary_inplace(Args& a) {
  binary(Op, a.tensor(0), a.operand(1), {Target::Kind::InPlace, &a.tensor(0)});
  return Py_NewRef(a.object(0));
}
// add and sub: self, other, alpha, out
template <BinaryOp Op>
PyObject* scaled_call(Args& a) {
  const Scalar alpha = a.scalar(2, 1);
  if (a.has(3)) {
    binary(Op, a.operand(0), a.operand(1), {Target::Kind::Out, &a.tensor(3)}, alpha);
    return Py_NewRef(a.object(3));
  }
  return wrap(binary(Op, a.operand(0), a.operand(1), {}, alpha));
}
template <BinaryOp Op>
PyObject* scaled_inplace(Args& a) {
  binary(Op, a.tensor(0), a.operand(1), {Target::Kind::InPlace, &a.tensor(0)}, a.scalar(2, 1));
  return Py_NewRef(a.object(0));
}
// The old argument order add(input, alpha, other).
template <BinaryOp Op>
PyObject* scaled_old(Args& a) {
  return wrap(binary(Op, a.operand(0), a.operand(2), {}, a.scalar(1)));
}

BinaryOp rounded(const Args& a, int at) {
  const std::string mode = a.text(at);
  if (mode.empty() && !a.has(at)) return BinaryOp::Div;
  if (mode == "trunc") return BinaryOp::DivTrunc;
  if (mode == "floor") return BinaryOp::FloorDivide;
  fail("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", mode, "'");
}
PyObject* div_call(Args& a) {
  const BinaryOp op = rounded(a, 2);
  if (a.has(3)) {
    binary(op, a.operand(0), a.operand(1), {Target::Kind::Out, &a.tensor(3)});
    return Py_NewRef(a.object(3));
  }
  return wrap(binary(op, a.operand(0), a.operand(1)));
}
PyObject* div_inplace(Args& a) {
  binary(rounded(a, 2), a.tensor(0), a.operand(1), {Target::Kind::InPlace, &a.tensor(0)});
  return Py_NewRef(a.object(0));
}

// What each function computes; the rest of the text is the same for all.
const char* formula(const std::string& name) {
  static const std::pair<const char*, const char*> texts[] = {
      {"neg", "-x"},
      {"abs", "the absolute value of x; for complex x its magnitude, of the real dtype"},
      {"sign", "-1, 0 or 1; 0 for NaN"},
      {"sgn", "x / |x|, 0 for 0"},
      {"square", "x * x"},
      {"reciprocal", "1 / x"},
      {"sqrt", "the square root of x"},
      {"rsqrt", "1 / sqrt(x)"},
      {"exp", "e to the power x"},
      {"exp2", "2 to the power x"},
      {"expm1", "exp(x) - 1, accurate near 0"},
      {"log", "the natural logarithm of x"},
      {"log2", "the logarithm to base 2"},
      {"log10", "the logarithm to base 10"},
      {"log1p", "log(1 + x), accurate near 0"},
      {"sin", "the sine of x, in radians"},
      {"cos", "the cosine of x, in radians"},
      {"tan", "the tangent of x, in radians"},
      {"asin", "the arc sine, in radians"},
      {"acos", "the arc cosine, in radians"},
      {"atan", "the arc tangent, in radians"},
      {"sinh", "the hyperbolic sine"},
      {"cosh", "the hyperbolic cosine"},
      {"tanh", "the hyperbolic tangent"},
      {"asinh", "the inverse hyperbolic sine"},
      {"acosh", "the inverse hyperbolic cosine"},
      {"atanh", "the inverse hyperbolic tangent"},
      {"sigmoid", "1 / (1 + exp(-x))"},
      {"erf", "the error function"},
      {"erfc", "1 - erf(x), accurate for large x"},
      {"relu", "max(x, 0)"},
      {"floor", "the largest integer <= x"},
      {"ceil", "the smallest integer >= x"},
      {"round", "the nearest integer, halves to even"},
      {"trunc", "x without its fraction"},
      {"frac", "x - trunc(x)"},
      {"deg2rad", "degrees as radians"},
      {"rad2deg", "radians as degrees"},
      {"conj_physical", "the complex conjugate, as a copy"},
      {"bitwise_not", "all bits inverted; logical not for bool"},
      {"logical_not", "x == 0, as bool"},
      {"isnan", "whether x is NaN"},
      {"isinf", "whether x is infinite"},
      {"isfinite", "whether x is neither infinite nor NaN"},
      {"signbit", "whether the sign bit of x is set"},
      {"positive", "x itself"},
      {"mul", "input * other"},
      {"floor_divide", "floor(input / other)"},
      {"remainder", "the remainder with the sign of other, as Python's %"},
      {"fmod", "the remainder with the sign of input, as C's fmod"},
      {"pow", "input to the power exponent"},
      {"maximum", "the larger of both; NaN if either is"},
      {"minimum", "the smaller of both; NaN if either is"},
      {"fmax", "the larger of both; the other one if one is NaN"},
      {"fmin", "the smaller of both; the other one if one is NaN"},
      {"atan2", "the angle of the point (other, input), in radians, in (-pi, pi]"}};
  for (const auto& [key, text] : texts)
    if (name == key) return text;
  return nullptr;
}

const char* describe(const char* name, bool two) {
  const char* f = formula(name);
  if (!f) return nullptr;
  // Lives as long as the module.
  auto* text = new std::string("Elementwise ");
  *text += f;
  *text += two ? ".\n\ninput, other: tensors or numbers of any shapes that broadcast; their dtypes are promoted.\nout: "
                 "tensor for the result; resized where needed."
               : ".\n\ninput: a tensor of any shape.\nout: tensor for the result; resized where needed.\nIntegers give "
                 "the default dtype where the result is not an integer.";
  return text->c_str();
}

}  // namespace

// torch has no in-place form of these.
static constexpr bool has_inplace(UnaryOp op) {
  return op != UnaryOp::IsNan && op != UnaryOp::IsInf && op != UnaryOp::IsFinite && op != UnaryOp::Signbit;
}
static constexpr bool has_inplace(BinaryOp op) {
  return op != BinaryOp::Maximum && op != BinaryOp::Minimum && op != BinaryOp::Fmax && op != BinaryOp::Fmin;
}

// torch has forms with a number on the left of these.
static constexpr bool number_first(BinaryOp op) {
  switch (op) {
    case BinaryOp::Remainder:
    case BinaryOp::BitwiseAnd:
    case BinaryOp::BitwiseOr:
    case BinaryOp::BitwiseXor:
    case BinaryOp::LeftShift:
    case BinaryOp::RightShift: return true;
    default: return false;
  }
}

// These take no numbers at all.
static constexpr bool tensors_only(BinaryOp op) {
  switch (op) {
    case BinaryOp::Maximum:
    case BinaryOp::Minimum:
    case BinaryOp::Fmax:
    case BinaryOp::Fmin:
    case BinaryOp::Atan2:
    case BinaryOp::LogicalAnd:
    case BinaryOp::LogicalOr:
    case BinaryOp::LogicalXor: return true;
    default: return false;
  }
}

void register_elementwise() {
#define RL_UNARY(Name, function, node, promotion, derivative)                                             \
  if constexpr (UnaryOp::Name != UnaryOp::Positive) {                                                     \
    def(#function "(Tensor input, *, Tensor? out=None)", unary_call<UnaryOp::Name>, kBoth,                \
        describe(#function, false));                                                                      \
    if (has_inplace(UnaryOp::Name)) def(#function "_(Tensor self)", unary_inplace<UnaryOp::Name>, kBoth); \
  }
#define RL_BINARY(Name, function, node, promotion, derivative)                                                    \
  if constexpr (BinaryOp::Name != BinaryOp::Add && BinaryOp::Name != BinaryOp::Sub &&                             \
                BinaryOp::Name != BinaryOp::Div && BinaryOp::Name != BinaryOp::DivTrunc &&                        \
                BinaryOp::Name != BinaryOp::Pow) {                                                                \
    def(tensors_only(BinaryOp::Name) ? #function "(Tensor input, Tensor other, *, Tensor? out=None)"              \
                                     : #function "(Tensor input, Operand other, *, Tensor? out=None)",            \
        binary_call<BinaryOp::Name>, kBoth, describe(#function, true));                                           \
    if (number_first(BinaryOp::Name))                                                                             \
      def(#function "(Scalar input, Tensor other, *, Tensor? out=None)", binary_call<BinaryOp::Name>, kFunction); \
    if (has_inplace(BinaryOp::Name))                                                                              \
      def(#function "_(Tensor self, Operand other)", binary_inplace<BinaryOp::Name>, kMethod);                    \
  }
#include "rushlight/elementwise.def"

  def("add(Tensor input, Operand other, *, Scalar alpha=1, Tensor? out=None)", scaled_call<BinaryOp::Add>, kBoth,
      "input + alpha * other, elementwise.\n\ninput, other: tensors or numbers of any shapes that broadcast; their "
      "dtypes "
      "are promoted.\nalpha: factor of other; an integer for integer results.\nout: tensor for the result; resized "
      "where "
      "needed.\n\nRaises RuntimeError for shapes that do not broadcast and for results that out's dtype cannot hold.");
  def("add_(Tensor self, Operand other, *, Scalar alpha=1)", scaled_inplace<BinaryOp::Add>, kMethod);
  def("sub(Tensor input, Operand other, *, Scalar alpha=1, Tensor? out=None)", scaled_call<BinaryOp::Sub>, kBoth,
      "input - alpha * other, elementwise.");
  def("sub_(Tensor self, Operand other, *, Scalar alpha=1)", scaled_inplace<BinaryOp::Sub>, kMethod);
  def("add(Tensor input, Scalar alpha, Tensor other)", scaled_old<BinaryOp::Add>, kBoth);
  def("sub(Tensor input, Scalar alpha, Tensor other)", scaled_old<BinaryOp::Sub>, kBoth);
  def("div(Tensor input, Operand other, *, str? rounding_mode=None, Tensor? out=None)", div_call, kBoth,
      "input / other, elementwise.\n\nrounding_mode: None for true division (integers give the default dtype), 'trunc' "
      "towards zero, 'floor' downwards.");
  def("div_(Tensor self, Operand other, *, str? rounding_mode=None)", div_inplace, kMethod);
  def("true_divide(Tensor input, Operand other, *, Tensor? out=None)", binary_call<BinaryOp::Div>, kBoth);
  def("true_divide_(Tensor self, Operand other)", binary_inplace<BinaryOp::Div>, kMethod);
  def(
      "pow(Tensor input, Operand exponent, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(2)) return wrap(pow(a.operand(0), a.operand(1)));
        pow_out(a.tensor(2), a.operand(0), a.operand(1));
        return Py_NewRef(a.object(2));
      },
      kBoth, "input to the power exponent, elementwise. Integers to negative integer powers raise RuntimeError.");
  def(
      "pow(Scalar input, Tensor exponent, *, Tensor? out=None)",
      [](Args& a) {
        if (!a.has(2)) return wrap(pow(a.operand(0), a.operand(1)));
        pow_out(a.tensor(2), a.operand(0), a.operand(1));
        return Py_NewRef(a.object(2));
      },
      kFunction);
  def("pow_(Tensor self, Operand exponent)", binary_inplace<BinaryOp::Pow>, kMethod);
  for (const auto& [alias, name] : {std::pair("absolute", "abs"),
                                    {"negative", "neg"},
                                    {"multiply", "mul"},
                                    {"subtract", "sub"},
                                    {"divide", "div"},
                                    {"greater", "gt"},
                                    {"greater_equal", "ge"},
                                    {"less", "lt"},
                                    {"less_equal", "le"},
                                    {"not_equal", "ne"},
                                    {"arcsin", "asin"},
                                    {"arccos", "acos"},
                                    {"arctan", "atan"},
                                    {"arcsinh", "asinh"},
                                    {"arccosh", "acosh"},
                                    {"arctanh", "atanh"},
                                    {"fix", "trunc"},
                                    {"arctan2", "atan2"}}) {
    def_alias(alias, name);
    def_alias((std::string(alias) + "_").c_str(), (std::string(name) + "_").c_str(), kMethod);
  }
}

}  // namespace rushlight::python
