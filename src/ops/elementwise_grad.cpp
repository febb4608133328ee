// Derivatives of the table in elementwise.def, written with differentiable operations so that they can be
// differentiated again. For complex numbers the gradient is the conjugate convention of torch:
// grad_in = grad * conj(df/dz) for holomorphic f.
#include <cmath>
#include <numbers>

#include "ops/elementwise.h"

namespace rushlight {

namespace {

using T = const Tensor&;

Tensor zeros_of(T g) { return zeros_like(g); }

// grad * conj(d)
Tensor chain(T g, T d) { return mul(g, conj(d)); }

// The gradient of relu belongs to the graph of its result, with the derivative 0.
Tensor relu_grad(T g, T y) {
  const bool record = autograd::needs(g, y);
  Tensor r;
  {
    NoGradGuard no_grad;
    r = masked_fill(g, le(y, 0), 0);
  }
  if (record)
    autograd::record("ThresholdBackwardBackward0", r, {&g, &y}, [y = SavedTensor(y)](autograd::Grads& gg) {
      if (gg.needs(0)) gg[0] = relu_grad(gg.grad(), gg.unpack(y));
      if (gg.needs(1)) gg[1] = zeros_like(gg.grad());
    });
  return r;
}

namespace unary_rules {

constexpr UnaryRule None{false, false, nullptr};
constexpr UnaryRule Zero{false, false, [](T g, T, T) { return zeros_of(g); }};
constexpr UnaryRule Neg{false, false, [](T g, T, T) { return neg(g); }};
constexpr UnaryRule Positive{false, false, [](T g, T, T) { return g; }};
constexpr UnaryRule Conj{false, false, [](T g, T, T) { return conj(g); }};
constexpr UnaryRule Abs{true, false, [](T g, T x, T) { return mul(g, sgn(x)); }};
constexpr UnaryRule Sgn{true, true, [](T g, T x, T y) {
                          if (!is_complex(x.dtype())) return zeros_of(g);
                          // (g - Re(g conj(y)) y) / |x|, 0 at the origin
                          const Tensor m = abs(x);
                          const Tensor d = div(sub(g, mul(real(mul(g, conj(y))), y)), m);
                          return where(eq(m, 0), zeros_of(d), d);
                        }};
constexpr UnaryRule Square{true, false, [](T g, T x, T) { return chain(g, mul(x, 2)); }};
constexpr UnaryRule Reciprocal{false, true, [](T g, T, T y) { return neg(chain(g, mul(y, y))); }};
constexpr UnaryRule Sqrt{false, true, [](T g, T, T y) { return div(g, mul(conj(y), 2)); }};
constexpr UnaryRule Rsqrt{false, true, [](T g, T, T y) { return mul(chain(g, mul(mul(y, y), y)), -0.5); }};
constexpr UnaryRule Exp{false, true, [](T g, T, T y) { return chain(g, y); }};
constexpr UnaryRule Exp2{false, true, [](T g, T, T y) { return chain(g, mul(y, std::numbers::ln2)); }};
constexpr UnaryRule Expm1{false, true, [](T g, T, T y) { return chain(g, add(y, 1)); }};
constexpr UnaryRule Log{true, false, [](T g, T x, T) { return div(g, conj(x)); }};
constexpr UnaryRule Log2{true, false, [](T g, T x, T) { return div(g, mul(conj(x), std::numbers::ln2)); }};
constexpr UnaryRule Log10{true, false, [](T g, T x, T) { return div(g, mul(conj(x), std::numbers::ln10)); }};
constexpr UnaryRule Log1p{true, false, [](T g, T x, T) { return div(g, conj(add(x, 1))); }};
constexpr UnaryRule Sin{true, false, [](T g, T x, T) { return chain(g, cos(x)); }};
constexpr UnaryRule Cos{true, false, [](T g, T x, T) { return neg(chain(g, sin(x))); }};
constexpr UnaryRule Tan{false, true, [](T g, T, T y) { return chain(g, add(mul(y, y), 1)); }};
constexpr UnaryRule Asin{true, false, [](T g, T x, T) { return mul(g, rsqrt(conj(rsub(mul(x, x), 1)))); }};
constexpr UnaryRule Acos{true, false, [](T g, T x, T) { return neg(mul(g, rsqrt(conj(rsub(mul(x, x), 1))))); }};
constexpr UnaryRule Atan{true, false, [](T g, T x, T) { return div(g, conj(add(mul(x, x), 1))); }};
constexpr UnaryRule Sinh{true, false, [](T g, T x, T) { return chain(g, cosh(x)); }};
constexpr UnaryRule Cosh{true, false, [](T g, T x, T) { return chain(g, sinh(x)); }};
constexpr UnaryRule Tanh{false, true, [](T g, T, T y) { return chain(g, rsub(mul(y, y), 1)); }};
constexpr UnaryRule Asinh{true, false, [](T g, T x, T) { return mul(g, rsqrt(conj(add(mul(x, x), 1)))); }};
constexpr UnaryRule Acosh{true, false, [](T g, T x, T) {
                            if (!is_complex(x.dtype())) return mul(g, rsqrt(sub(mul(x, x), 1)));
                            return chain(g, mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1))));
                          }};
constexpr UnaryRule Atanh{true, false, [](T g, T x, T) { return div(g, conj(rsub(mul(x, x), 1))); }};
constexpr UnaryRule Sigmoid{false, true, [](T g, T, T y) { return chain(g, mul(rsub(y, 1), y)); }};
constexpr UnaryRule Erf{true, false,
                        [](T g, T x, T) { return mul(mul(exp(neg(mul(x, x))), 2 * std::numbers::inv_sqrtpi), g); }};
constexpr UnaryRule Erfc{true, false,
                         [](T g, T x, T) { return mul(mul(exp(neg(mul(x, x))), -2 * std::numbers::inv_sqrtpi), g); }};
constexpr UnaryRule Relu{false, true, [](T g, T, T y) { return relu_grad(g, y); }};
// i x / |x|^2 turns with z; 0 for real numbers and at the origin.
constexpr UnaryRule Angle{true, false, [](T g, T x, T) {
                            if (!is_complex(x.dtype())) return zeros_like(x);
                            const Tensor d = div(mul(x, Operand(Scalar(complex128(0, 1)))), square(abs(x)));
                            return masked_fill(mul(g, d), eq(x, 0), 0);
                          }};
constexpr double kSqrtPi = 1.7724538509055160273;
constexpr UnaryRule Erfinv{true, false, [](T g, T x, T) { return mul(mul(exp(square(erfinv(x))), kSqrtPi / 2), g); }};
constexpr UnaryRule Lgamma{true, false, [](T g, T x, T) { return mul(g, digamma(x)); }};
constexpr UnaryRule Digamma{true, false, [](T g, T x, T) { return mul(g, trigamma(x)); }};
constexpr UnaryRule Trigamma{true, false, [](T g, T x, T) { return mul(g, mul(zeta(3, x), -2)); }};
constexpr UnaryRule Sinc{true, false, [](T g, T x, T) {
                           // (cos(pi x) - sinc x) / x
                           const Tensor d = div(sub(cos(mul(x, std::numbers::pi)), sinc(x)), x);
                           return masked_fill(chain(g, d), eq(x, 0), 0);
                         }};
constexpr UnaryRule Logit{true, false, [](T g, T x, T) {
                            const Tensor d = div(g, mul(x, rsub(x, 1)));
                            return masked_fill(d, logical_or(lt(x, 0), gt(x, 1)), NAN);
                          }};
// y/x of odd functions that start as x/2.
Tensor slope(T x, T y) {
  const Tensor zero = eq(x, 0);
  return masked_fill(div(y, masked_fill(x, zero, 1)), zero, 0.5);
}
constexpr UnaryRule I0{true, false, [](T g, T x, T) { return mul(g, i1(x)); }};
constexpr UnaryRule I0e{true, true, [](T g, T x, T y) { return mul(g, sub(i1e(x), mul(sgn(x), y))); }};
constexpr UnaryRule I1{true, true, [](T g, T x, T y) { return mul(g, sub(i0(x), slope(x, y))); }};
constexpr UnaryRule I1e{true, true,
                        [](T g, T x, T y) { return mul(g, sub(sub(i0e(x), slope(x, y)), mul(sgn(x), y))); }};
constexpr UnaryRule Entr{true, false, [](T g, T x, T) { return mul(g, sub(neg(log(x)), 1)); }};
constexpr UnaryRule Erfcx{true, true, [](T g, T x, T y) { return mul(sub(mul(mul(x, y), 2), 2 / kSqrtPi), g); }};
constexpr UnaryRule Ndtri{
    false, true, [](T g, T, T y) { return mul(g, mul(exp(div(square(y), 2)), std::numbers::sqrt2 * kSqrtPi)); }};
constexpr UnaryRule LogNdtr{
    true, false,
    [](T g, T x, T) { return mul(div(g, erfcx(mul(x, -std::numbers::sqrt2 / 2))), std::numbers::sqrt2 / kSqrtPi); }};
constexpr UnaryRule Deg2rad{false, false, [](T g, T, T) { return mul(g, std::numbers::pi / 180); }};
constexpr UnaryRule Rad2deg{false, false, [](T g, T, T) { return mul(g, 180 / std::numbers::pi); }};

}  // namespace unary_rules

Tensor conj_of(const Operand& o) { return o.is_tensor() ? conj(o.tensor()) : Tensor(); }

// g * conj(o)
Tensor times_conj(T g, const Operand& o) {
  if (o.is_tensor()) return mul(g, conj_of(o));
  const Scalar& s = o.number();
  return mul(g, s.is_complex() ? Operand(Scalar(std::conj(s.to_complex()))) : o);
}
Tensor over_conj(T g, const Operand& o) {
  if (o.is_tensor()) return div(g, conj_of(o));
  const Scalar& s = o.number();
  return div(g, s.is_complex() ? Operand(Scalar(std::conj(s.to_complex()))) : o);
}
Scalar conj_number(const Scalar& s) { return s.is_complex() ? Scalar(std::conj(s.to_complex())) : s; }

Tensor scaled(T g, const Scalar& alpha) {
  return alpha.kind() != Scalar::Kind::Complex && alpha.to_double() == 1 ? g : mul(g, conj_number(alpha));
}

// Where an operand wins, its gradient is g; ties share it.
template <class Wins>
void pick(BinaryGrad& g, Wins wins) {
  const Tensor tie = eq(g.a, g.b);
  const Tensor half = div(g.grad, 2);
  if (g.wants_a) g.grad_a = masked_fill(where(tie, half, g.grad), wins(g.b, g.a), 0);
  if (g.wants_b) g.grad_b = masked_fill(where(tie, half, g.grad), wins(g.a, g.b), 0);
}

void pow_rule(BinaryGrad& g) {
  if (g.wants_a) {
    if (!g.b.is_tensor()) {
      const Scalar& e = g.b.number();
      if (e.equals(0))
        g.grad_a = zeros_of(g.grad);
      else if (e.equals(2))
        g.grad_a = mul(g.grad, mul(conj_of(g.a), 2));
      else if (e.is_complex())
        g.grad_a = mul(g.grad, conj(mul(pow(g.a, Scalar(e.to_complex() - 1.0)), e)));
      else if (e.is_integral(true))
        g.grad_a = mul(g.grad, conj(mul(pow(g.a, static_cast<int64_t>(static_cast<uint64_t>(e.to_int()) - 1)), e)));
      else
        g.grad_a = mul(g.grad, conj(mul(pow(g.a, e.to_double() - 1), e)));
    } else {
      const Tensor d = mul(g.grad, conj(mul(g.b.tensor(), pow(g.a, sub(g.b, 1)))));
      g.grad_a = where(eq(g.b, 0), zeros_of(d), d);
    }
  }
  if (g.wants_b) {
    // y log a, and 0 where a is 0 and b is not negative
    if (!g.a.is_tensor()) {
      const Scalar& base = g.a.number();
      if (base.equals(0)) {
        const Tensor d = mul(g.grad, conj(mul(g.result, -INFINITY)));
        g.grad_b = is_complex(g.result.dtype()) ? zeros_of(d) : where(ge(g.b, 0), zeros_of(d), d);
      } else {
        const Scalar l = base.is_complex() || (is_complex(g.result.dtype())) ? Scalar(std::log(base.to_complex()))
                                                                             : Scalar(std::log(base.to_double()));
        g.grad_b = mul(g.grad, conj(mul(g.result, l)));
      }
    } else {
      const Tensor d = mul(g.grad, conj(mul(g.result, log(g.a.tensor()))));
      const Tensor at_zero = is_complex(g.b.tensor().dtype()) ? eq(g.a, 0) : logical_and(eq(g.a, 0), ge(g.b, 0));
      g.grad_b = where(at_zero, zeros_of(d), d);
    }
  }
}

[[noreturn, gnu::cold]] void fail_missing(const char* name) {
  fail<NotImplementedError>("the derivative for '", name, "' is not implemented");
}
// A number becomes a 0-d tensor of the dtype of `like`.
Tensor as_tensor(const Operand& o, T like) {
  return o.is_tensor() ? o.tensor() : scalar_tensor(o.number(), like.dtype());
}

namespace binary_rules {

constexpr uint8_t kForA = 1, kForB = 2;

constexpr BinaryRule None{0, 0, 0, nullptr};
constexpr BinaryRule Zero2{0, 0, 0, [](BinaryGrad& g) {
                             if (g.wants_a) g.grad_a = zeros_of(g.grad);
                             if (g.wants_b) g.grad_b = zeros_of(g.grad);
                           }};
constexpr BinaryRule Add{0, 0, 0, [](BinaryGrad& g) {
                           if (g.wants_a) g.grad_a = g.grad;
                           if (g.wants_b) g.grad_b = scaled(g.grad, g.alpha);
                         }};
constexpr BinaryRule Sub{0, 0, 0, [](BinaryGrad& g) {
                           if (g.wants_a) g.grad_a = g.grad;
                           if (g.wants_b) g.grad_b = scaled(neg(g.grad), g.alpha);
                         }};
constexpr BinaryRule Mul{kForB, kForA, 0, [](BinaryGrad& g) {
                           if (g.wants_a) g.grad_a = times_conj(g.grad, g.b);
                           if (g.wants_b) g.grad_b = times_conj(g.grad, g.a);
                         }};
constexpr BinaryRule Div{kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                           if (g.wants_a) g.grad_a = over_conj(g.grad, g.b);
                           if (g.wants_b) g.grad_b = neg(mul(g.grad, conj(div(div(g.a, g.b), g.b))));
                         }};
constexpr BinaryRule Remainder{kForB, kForB, 0, [](BinaryGrad& g) {
                                 if (g.wants_a) g.grad_a = g.grad;
                                 if (g.wants_b) g.grad_b = neg(mul(g.grad, div(g.a, g.b, "floor")));
                               }};
constexpr BinaryRule Fmod{kForB, kForB, 0, [](BinaryGrad& g) {
                            if (g.wants_a) g.grad_a = g.grad;
                            if (g.wants_b) g.grad_b = neg(mul(g.grad, div(g.a, g.b, "trunc")));
                          }};
constexpr BinaryRule Pow{kForA | kForB, kForA | kForB, kForB, pow_rule};
constexpr BinaryRule Maximum{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                               pick(g, [](const Operand& x, const Operand& y) { return gt(x, y); });
                             }};
constexpr BinaryRule Minimum{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                               pick(g, [](const Operand& x, const Operand& y) { return lt(x, y); });
                             }};
constexpr BinaryRule Fmax{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                            // a wins where a >= b or b is NaN
                            const Tensor a_wins = logical_or(ge(g.a, g.b), ne(g.b, g.b));
                            if (g.wants_a) g.grad_a = masked_fill(g.grad, logical_not(a_wins), 0);
                            if (g.wants_b) g.grad_b = masked_fill(g.grad, a_wins, 0);
                          }};
constexpr BinaryRule Fmin{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                            const Tensor a_wins = logical_or(le(g.a, g.b), ne(g.b, g.b));
                            if (g.wants_a) g.grad_a = masked_fill(g.grad, logical_not(a_wins), 0);
                            if (g.wants_b) g.grad_b = masked_fill(g.grad, a_wins, 0);
                          }};
constexpr BinaryRule Atan2{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                             const Tensor squares = add(mul(g.a, g.a), mul(g.b, g.b));
                             Tensor scale = div(g.grad, squares);
                             scale = masked_fill(scale, eq(squares, 0), 0);
                             if (g.wants_a) g.grad_a = mul(scale, g.b);
                             if (g.wants_b) g.grad_b = neg(mul(scale, g.a));
                           }};

constexpr BinaryRule Copysign{kForA, 0, kForA, [](BinaryGrad& g) {
                                if (g.wants_a) {
                                  const Tensor& x = g.a.tensor();
                                  g.grad_a = mul(g.grad, masked_fill(div(g.result, x), eq(x, 0), 0));
                                }
                                if (g.wants_b) g.grad_b = zeros_of(g.grad);
                              }};
constexpr BinaryRule Hypot{kForA, kForB, kForA | kForB, [](BinaryGrad& g) {
                             if (g.wants_a) g.grad_a = mul(g.grad, div(g.a, g.result));
                             if (g.wants_b) g.grad_b = mul(g.grad, div(g.b, g.result));
                           }};
constexpr BinaryRule Nextafter{kForA, kForA, 0, [](BinaryGrad& g) {
                                 // 0 where there is no next number, as torch has it
                                 if (g.wants_a) g.grad_a = masked_fill(g.grad, eq(g.a, g.b), 0);
                                 if (g.wants_b) g.grad_b = zeros_of(g.grad);
                               }};
constexpr BinaryRule Heaviside{0, 0, 0, [](BinaryGrad&) { fail("derivative for aten::heaviside is not implemented"); }};
constexpr BinaryRule Logaddexp{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                                 if (g.wants_a) g.grad_a = div(g.grad, conj(add(exp(sub(g.b, g.a)), 1)));
                                 if (g.wants_b) g.grad_b = div(g.grad, conj(add(exp(sub(g.a, g.b)), 1)));
                               }};
constexpr BinaryRule Logaddexp2{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                                  if (g.wants_a) g.grad_a = div(g.grad, add(exp2(sub(g.b, g.a)), 1));
                                  if (g.wants_b) g.grad_b = div(g.grad, add(exp2(sub(g.a, g.b)), 1));
                                }};
// The gradient of x in x log(b): 0 where x is 0 and the logarithm is not finite, which a number NaN counts as.
Tensor log_slope(const BinaryGrad& g, T slope, T b, double pole) {
  const Tensor outside = g.b.is_tensor() ? le(b, pole) : logical_not(gt(b, pole));
  return masked_fill(slope, logical_and(eq(g.a, 0), outside), 0);
}
constexpr BinaryRule Xlogy{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                             const Tensor b = as_tensor(g.b, g.grad);
                             if (g.wants_a) g.grad_a = log_slope(g, xlogy(g.grad, b), b, 0);
                             if (g.wants_b) g.grad_b = div(mul(g.grad, g.a), b);
                           }};
constexpr BinaryRule Xlog1py{kForA | kForB, kForA | kForB, 0, [](BinaryGrad& g) {
                               const Tensor b = as_tensor(g.b, g.grad);
                               if (g.wants_a) g.grad_a = log_slope(g, xlog1py(g.grad, b), b, -1);
                               if (g.wants_b) g.grad_b = div(mul(g.grad, g.a), add(b, 1));
                             }};
constexpr BinaryRule Zeta{kForB, kForB, 0, [](BinaryGrad& g) {
                            if (g.wants_a) fail_missing("zeta");
                            if (g.wants_b) g.grad_b = mul(g.grad, neg(mul(g.a, zeta(add(g.a, 1), g.b))));
                          }};
// x^(a-1) e^-x / Gamma(a)
Tensor gamma_slope(const BinaryGrad& g) {
  const Tensor a = as_tensor(g.a, g.grad), x = as_tensor(g.b, g.grad);
  return mul(g.grad, exp(sub(sub(mul(sub(a, 1), log(x)), x), lgamma(a))));
}
constexpr BinaryRule Igamma{kForB, kForB, 0, [](BinaryGrad& g) {
                              if (g.wants_a) fail_missing("igamma: input");
                              if (g.wants_b) g.grad_b = gamma_slope(g);
                            }};
constexpr BinaryRule Igammac{kForB, kForB, 0, [](BinaryGrad& g) {
                               if (g.wants_a) fail_missing("igammac: input");
                               if (g.wants_b) g.grad_b = neg(gamma_slope(g));
                             }};

}  // namespace binary_rules

constexpr const UnaryRule* kUnaryRules[] = {
#define RL_UNARY(Name, function, node, promotion, derivative, forms) &unary_rules::derivative,
#include "rushlight/elementwise.def"
};
constexpr const BinaryRule* kBinaryRules[] = {
#define RL_BINARY(Name, function, node, promotion, derivative, forms) &binary_rules::derivative,
#include "rushlight/elementwise.def"
};

}  // namespace

const UnaryRule& rule(UnaryOp op) { return *kUnaryRules[static_cast<int>(op)]; }
const BinaryRule& rule(BinaryOp op) { return *kBinaryRules[static_cast<int>(op)]; }

}  // namespace rushlight
