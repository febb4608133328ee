#include <string>

#include "bindings/python.h"
#include "ops/elementwise.h"
#include "rushlight/index.h"

namespace rushlight::python {

namespace {

// out= is the last parameter, where there is one.
template <UnaryOp Op, bool Out = true>
PyObject* unary_call(Args& a) {
  if (Out && a.has(1)) {
    unary(Op, a.tensor(0), {Target::Kind::Out, &a.tensor(1)});
    return Py_NewRef(a.object(1));
  }
  if constexpr (Op == UnaryOp::ConjPhysical)  // real numbers are returned as they are
    if (!is_complex(a.tensor(0).dtype())) return Py_NewRef(a.object(0));
  return wrap(unary(Op, a.tensor(0)));
}
template <UnaryOp Op>
PyObject* unary_inplace(Args& a) {
  unary(Op, a.tensor(0), {Target::Kind::InPlace, &a.tensor(0)});
  return Py_NewRef(a.object(0));
}
// Two numbers, which a few functions take: the first one as a 0-d tensor while the call runs.
class FirstNumber {
 public:
  explicit FirstNumber(Args& a) {
    if (is_tensor(a.object(0)) || is_tensor(a.object(1))) [[likely]]
      return;
    tensor_ = wrap(tensor_from_data(a.object(0), {}, true));
    a.values[0] = tensor_;
  }
  ~FirstNumber() { Py_XDECREF(tensor_); }
  FirstNumber(const FirstNumber&) = delete;

 private:
  PyObject* tensor_ = nullptr;
};
template <BinaryOp Op>
PyObject* binary_call(Args& a) {
  const FirstNumber first(a);
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
  const FirstNumber first(a);
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
template <BinaryOp Op>
PyObject* scaled_old_inplace(Args& a) {
  binary(Op, a.tensor(0), a.operand(2), {Target::Kind::InPlace, &a.tensor(0)}, a.scalar(1));
  return Py_NewRef(a.object(0));
}

BinaryOp rounded(const Args& a, int at) {
  const std::string mode = a.text(at);
  if (mode.empty() && !a.has(at)) return BinaryOp::Div;
  if (mode == "trunc") return BinaryOp::DivTrunc;
  if (mode == "floor") return BinaryOp::FloorDivide;
  fail("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", mode, "'");
}
PyObject* div_call(Args& a) {
  const FirstNumber first(a);
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
      {"isposinf", "whether x is +inf"},
      {"isneginf", "whether x is -inf"},
      {"isreal", "whether the imaginary part of x is 0"},
      {"angle", "the angle of complex x, in radians; for real x 0, or pi where x is negative"},
      {"erfinv", "the inverse of the error function"},
      {"lgamma", "the logarithm of the magnitude of the gamma function"},
      {"digamma", "the derivative of lgamma"},
      {"sinc", "sin(pi x) / (pi x), 1 at 0"},
      {"i0", "the modified Bessel function of the first kind of order 0"},
      {"i0e", "exp(-|x|) i0(x)"},
      {"i1", "the modified Bessel function of the first kind of order 1"},
      {"i1e", "exp(-|x|) i1(x)"},
      {"entr", "-x log(x); -inf for negative x"},
      {"erfcx", "exp(x^2) erfc(x)"},
      {"ndtri", "the x whose standard normal distribution function is the argument"},
      {"log_ndtr", "the logarithm of the standard normal distribution function"},
      {"bessel_j0", "the Bessel function of the first kind of order 0"},
      {"bessel_j1", "the Bessel function of the first kind of order 1"},
      {"bessel_y0", "the Bessel function of the second kind of order 0"},
      {"bessel_y1", "the Bessel function of the second kind of order 1"},
      {"modified_bessel_k0", "the modified Bessel function of the second kind of order 0"},
      {"modified_bessel_k1", "the modified Bessel function of the second kind of order 1"},
      {"scaled_modified_bessel_k0", "exp(x) modified_bessel_k0(x)"},
      {"scaled_modified_bessel_k1", "exp(x) modified_bessel_k1(x)"},
      {"spherical_bessel_j0", "sin(x) / x, 1 at 0"},
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
      {"copysign", "input with the sign of other"},
      {"nextafter", "the next number after input towards other"},
      {"hypot", "sqrt(input^2 + other^2) without overflow on the way"},
      {"gcd", "the greatest common divisor"},
      {"lcm", "the least common multiple"},
      {"heaviside", "0 where input < 0, values where input == 0, 1 where input > 0"},
      {"logaddexp", "log(exp(input) + exp(other)) without overflow on the way"},
      {"logaddexp2", "log2(2^input + 2^other) without overflow on the way"},
      {"xlogy", "input * log(other), 0 where input is 0"},
      {"xlog1py", "input * log(1 + other), 0 where input is 0"},
      {"zeta", "the Hurwitz zeta function, the sum of (other + k)^-input over k >= 0"},
      {"igamma", "the regularised lower incomplete gamma function of order input at other"},
      {"igammac", "the regularised upper incomplete gamma function of order input at other"},
      {"chebyshev_polynomial_t", "the Chebyshev polynomial of the first kind of degree n at input"},
      {"chebyshev_polynomial_u", "the Chebyshev polynomial of the second kind of degree n at input"},
      {"chebyshev_polynomial_v", "the Chebyshev polynomial of the third kind of degree n at input"},
      {"chebyshev_polynomial_w", "the Chebyshev polynomial of the fourth kind of degree n at input"},
      {"shifted_chebyshev_polynomial_t", "chebyshev_polynomial_t(2 input - 1, n)"},
      {"shifted_chebyshev_polynomial_u", "chebyshev_polynomial_u(2 input - 1, n)"},
      {"shifted_chebyshev_polynomial_v", "chebyshev_polynomial_v(2 input - 1, n)"},
      {"shifted_chebyshev_polynomial_w", "chebyshev_polynomial_w(2 input - 1, n)"},
      {"hermite_polynomial_h", "the physicist's Hermite polynomial of degree n at input"},
      {"hermite_polynomial_he", "the probabilist's Hermite polynomial of degree n at input"},
      {"laguerre_polynomial_l", "the Laguerre polynomial of degree n at input"},
      {"legendre_polynomial_p", "the Legendre polynomial of degree n at input"},
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

namespace {

// The sets of forms in Python that the table names.
enum class Unary { All, Method, Fresh, Test, Special, Hidden };
enum class Binary { Number, Numbers, NumbersAll, Tensors, TensorsAll, Fresh, Values, Special, Degree, Hidden };

void def_unary(const std::string& name, Unary forms, Handler call, Handler inplace) {
  if (forms == Unary::Hidden) return;
  const char* const doc = describe(name.c_str(), false);
  const std::string signature =
      name + (forms == Unary::Test ? "(Tensor input)" : "(Tensor input, *, Tensor? out=None)");
  def(signature.c_str(), call, forms == Unary::Special ? kSpecial : kBoth, doc);
  if (forms == Unary::All || forms == Unary::Method)
    def((name + "_(Tensor self)").c_str(), inplace, forms == Unary::All ? kBoth : kMethod, doc);
}

void def_binary(const std::string& name, Binary forms, Handler call, Handler inplace) {
  if (forms == Binary::Hidden) return;
  const bool special = forms == Binary::Special || forms == Binary::Degree;
  const bool second_number =
      special || forms == Binary::Number || forms == Binary::Numbers || forms == Binary::NumbersAll;
  const bool first_number = second_number && forms != Binary::Number;
  const std::string second = forms == Binary::Values ? "values" : forms == Binary::Degree ? "n" : "other";
  const std::string rest = second + ", *, Tensor? out=None)";
  const char* const doc = describe(name.c_str(), true);
  const bool two_numbers = name == "mul" || name == "floor_divide";
  def((name + (second_number ? "(Tensor input, Operand " : "(Tensor input, Tensor ") + rest).c_str(), call,
      special       ? kSpecial
      : two_numbers ? kMethod
                    : kBoth,
      doc);
  if (two_numbers) def((name + "(Operand input, Operand " + rest).c_str(), call, kFunction, doc);
  if (first_number) def((name + "(Scalar input, Tensor " + rest).c_str(), call, special ? kSpecial : kFunction);
  if (special || forms == Binary::Fresh) return;
  const bool function = forms == Binary::NumbersAll || forms == Binary::TensorsAll;
  def((name + (second_number ? "_(Tensor self, Operand " : "_(Tensor self, Tensor ") + second + ")").c_str(), inplace,
      function ? kBoth : kMethod, doc);
}

}  // namespace

void register_elementwise() {
#define RL_UNARY(Name, function, node, promotion, derivative, forms)                         \
  def_unary(#function, Unary::forms, unary_call<UnaryOp::Name, Unary::forms != Unary::Test>, \
            unary_inplace<UnaryOp::Name>);
#define RL_BINARY(Name, function, node, promotion, derivative, forms) \
  def_binary(#function, Binary::forms, binary_call<BinaryOp::Name>, binary_inplace<BinaryOp::Name>);
#include "rushlight/elementwise.def"

  def("add(Operand input, Operand other, *, Scalar alpha=1, Tensor? out=None)", scaled_call<BinaryOp::Add>, kFunction,
      "input + alpha * other, elementwise.\n\ninput, other: tensors or numbers of any shapes that broadcast; their "
      "dtypes "
      "are promoted.\nalpha: factor of other; an integer for integer results.\nout: tensor for the result; resized "
      "where "
      "needed.\n\nRaises RuntimeError for shapes that do not broadcast and for results that out's dtype cannot hold.");
  def("add(Tensor input, Operand other, *, Scalar alpha=1, Tensor? out=None)", scaled_call<BinaryOp::Add>, kMethod,
      "self + alpha * other, elementwise.");
  def("add_(Tensor self, Operand other, *, Scalar alpha=1)", scaled_inplace<BinaryOp::Add>, kMethod);
  for (const auto& [type, where] : {std::pair("Operand", kFunction), {"Tensor", kMethod}}) {
    const std::string input = std::string("(") + type + " input, Operand other, *, ";
    def(("sub" + input + "Scalar alpha=1, Tensor? out=None)").c_str(), scaled_call<BinaryOp::Sub>, where,
        "input - alpha * other, elementwise.");
    def(("div" + input + "str? rounding_mode=None, Tensor? out=None)").c_str(), div_call, where,
        "input / other, elementwise.\n\nrounding_mode: None for true division (integers give the default dtype), "
        "'trunc' towards zero, 'floor' downwards.");
    def(("true_divide" + input + "Tensor? out=None)").c_str(), binary_call<BinaryOp::Div>, where);
  }
  def("sub_(Tensor self, Operand other, *, Scalar alpha=1)", scaled_inplace<BinaryOp::Sub>, kMethod);
  def("add(Tensor input, Scalar alpha, Tensor other)", scaled_old<BinaryOp::Add>, kBoth);
  def("sub(Tensor input, Scalar alpha, Tensor other)", scaled_old<BinaryOp::Sub>, kBoth);
  def("add_(Tensor self, Scalar alpha, Tensor other)", scaled_old_inplace<BinaryOp::Add>, kMethod);
  def("sub_(Tensor self, Scalar alpha, Tensor other)", scaled_old_inplace<BinaryOp::Sub>, kMethod);
  def("div_(Tensor self, Operand other, *, str? rounding_mode=None)", div_inplace, kMethod);
  def(
      "__rdiv__(Tensor self, Operand other)",
      [](Args& a) { return wrap(binary(BinaryOp::Div, a.operand(1), a.operand(0))); }, kMethod);
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
  // These functions also take two numbers.
  for (const auto& [name, call] : {std::pair("mul", Handler(binary_call<BinaryOp::Mul>)),
                                   {"true_divide", binary_call<BinaryOp::Div>},
                                   {"floor_divide", binary_call<BinaryOp::FloorDivide>}})
    def((std::string(name) + "(Scalar input, Operand other, *, Tensor? out=None)").c_str(), call, kFunction);
  def("add(Scalar input, Operand other, *, Scalar alpha=1, Tensor? out=None)", scaled_call<BinaryOp::Add>, kFunction);
  def("sub(Scalar input, Operand other, *, Scalar alpha=1, Tensor? out=None)", scaled_call<BinaryOp::Sub>, kFunction);
  def("div(Scalar input, Operand other, *, str? rounding_mode=None, Tensor? out=None)", div_call, kFunction);
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
    // torch has a function for the in-place form of these.
    if (const std::string_view n = alias; n.starts_with("arc") ? n != "arctan2" : n == "negative" || n == "fix")
      def_alias((std::string(alias) + "_").c_str(), (std::string(name) + "_").c_str(), kFunction);
  }
  def_alias("__div__", "true_divide", kMethod);
  def_alias("__idiv__", "true_divide_", kMethod);
}

}  // namespace rushlight::python
