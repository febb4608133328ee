"""Functions of single elements."""

from __future__ import annotations

from collections.abc import Callable

from .. import _C
from ._dtypes import Scalar, Tensor, check_array, is_integral, promoted


def _unary(name: str, function: str, doc: str) -> Callable[[Tensor], Tensor]:
    def elementwise(x: Tensor, /) -> Tensor:
        return getattr(_C, function)(x)

    elementwise.__name__ = elementwise.__qualname__ = name
    elementwise.__doc__ = doc
    return elementwise


def _binary(name: str, function: str, doc: str) -> Callable[..., Tensor]:
    def elementwise(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
        return getattr(_C, function)(*promoted(x1, x2))

    elementwise.__name__ = elementwise.__qualname__ = name
    elementwise.__doc__ = doc
    return elementwise


abs = _unary("abs", "abs", "Absolute values; real for complex arrays.")
acos = _unary("acos", "acos", "Inverse cosine.")
acosh = _unary("acosh", "acosh", "Inverse hyperbolic cosine.")
asin = _unary("asin", "asin", "Inverse sine.")
asinh = _unary("asinh", "asinh", "Inverse hyperbolic sine.")
atan = _unary("atan", "atan", "Inverse tangent.")
atanh = _unary("atanh", "atanh", "Inverse hyperbolic tangent.")
bitwise_invert = _unary("bitwise_invert", "bitwise_not", "All bits inverted.")
ceil = _unary("ceil", "ceil", "Rounded up; integers as they are.")
cos = _unary("cos", "cos", "Cosine.")
cosh = _unary("cosh", "cosh", "Hyperbolic cosine.")
exp = _unary("exp", "exp", "e to the power of x.")
floor = _unary("floor", "floor", "Rounded down; integers as they are.")
isfinite = _unary("isfinite", "isfinite", "Whether elements are neither infinite nor NaN.")
isinf = _unary("isinf", "isinf", "Whether elements are infinite.")
isnan = _unary("isnan", "isnan", "Whether elements are NaN.")
log = _unary("log", "log", "Natural logarithm.")
log1p = _unary("log1p", "log1p", "log(1 + x), exact near 0.")
log2 = _unary("log2", "log2", "Logarithm to base 2.")
log10 = _unary("log10", "log10", "Logarithm to base 10.")
logical_not = _unary("logical_not", "logical_not", "Whether elements are 0 or False.")
negative = _unary("negative", "neg", "-x.")
positive = _unary("positive", "clone", "+x.")
reciprocal = _unary("reciprocal", "reciprocal", "1 / x.")
signbit = _unary("signbit", "signbit", "Whether the sign bit is set, that of -0.0 and NaN too.")
sin = _unary("sin", "sin", "Sine.")
sinh = _unary("sinh", "sinh", "Hyperbolic sine.")
sqrt = _unary("sqrt", "sqrt", "Square root.")
square = _unary("square", "square", "x * x.")
tan = _unary("tan", "tan", "Tangent.")
trunc = _unary("trunc", "trunc", "Rounded towards 0; integers as they are.")

add = _binary("add", "add", "x1 + x2.")
atan2 = _binary("atan2", "atan2", "The angle of (x2, x1), between -pi and pi.")
bitwise_and = _binary("bitwise_and", "bitwise_and", "x1 & x2.")
bitwise_left_shift = _binary("bitwise_left_shift", "bitwise_left_shift", "x1 << x2.")
bitwise_or = _binary("bitwise_or", "bitwise_or", "x1 | x2.")
bitwise_right_shift = _binary("bitwise_right_shift", "bitwise_right_shift", "x1 >> x2.")
bitwise_xor = _binary("bitwise_xor", "bitwise_xor", "x1 ^ x2.")
copysign = _binary("copysign", "copysign", "The size of x1 with the sign of x2.")
divide = _binary("divide", "div", "x1 / x2.")
equal = _binary("equal", "eq", "x1 == x2.")
greater = _binary("greater", "gt", "x1 > x2.")
greater_equal = _binary("greater_equal", "ge", "x1 >= x2.")
hypot = _binary("hypot", "hypot", "sqrt(x1**2 + x2**2) without overflow on the way.")
less = _binary("less", "lt", "x1 < x2.")
less_equal = _binary("less_equal", "le", "x1 <= x2.")
logaddexp = _binary("logaddexp", "logaddexp", "log(exp(x1) + exp(x2)) without overflow on the way.")
logical_and = _binary("logical_and", "logical_and", "Whether both are True.")
logical_or = _binary("logical_or", "logical_or", "Whether one or both are True.")
logical_xor = _binary("logical_xor", "logical_xor", "Whether just one is True.")
maximum = _binary("maximum", "maximum", "The larger one; NaN if one is NaN.")
minimum = _binary("minimum", "minimum", "The smaller one; NaN if one is NaN.")
multiply = _binary("multiply", "mul", "x1 * x2.")
nextafter = _binary("nextafter", "nextafter", "The next number after x1 in the direction of x2.")
not_equal = _binary("not_equal", "ne", "x1 != x2.")
pow = _binary("pow", "pow", "x1 to the power of x2.")
subtract = _binary("subtract", "sub", "x1 - x2.")


def clip(x: Tensor, /, min: Tensor | Scalar | None = None, max: Tensor | Scalar | None = None) -> Tensor:
    """x, at least min and at most max; both broadcast. NaN stays, and a NaN bound gives NaN. The dtype is that of x."""
    check_array("clip", x)
    result = x
    for bound, pick in ((min, _C.maximum), (max, _C.minimum)):
        if bound is None:
            continue
        if isinstance(bound, Tensor):
            result = pick(*promoted(result, bound))
        elif is_integral(x.dtype) and isinstance(bound, int):
            result = _clip_integer(result, bound, pick)
        else:
            result = pick(*promoted(result, bound))
    result = result.to(x.dtype)
    return result.clone() if result is x else result


def _clip_integer(x: Tensor, bound: int, pick: Callable[..., Tensor]) -> Tensor:
    from .. import _types

    limits = _types.iinfo(x.dtype)
    if bound <= limits.min and pick is _C.maximum or bound >= limits.max and pick is _C.minimum:
        return x
    bound = limits.max if bound > limits.max else limits.min if bound < limits.min else bound
    return pick(*promoted(x, bound))


def conj(x: Tensor, /) -> Tensor:
    """Complex conjugate."""
    return _C.conj_physical(x)


def expm1(x: Tensor, /) -> Tensor:
    """exp(x) - 1, exact near 0."""
    check_array("expm1", x)
    result = _C.expm1(x)
    if not x.dtype.is_complex:
        return result
    # Where parts are infinite or NaN there is nothing to cancel, and exp knows the limits; -0 gives 0.
    return _C.where(_C.isfinite(x) & (x != 0), result, _C.exp(x) - 1)


def floor_divide(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """x1 / x2 rounded down. Infinite operands divide as they are: inf // 1 is inf, 1 // -inf is -0 (not nan, -1)."""
    x1, x2 = promoted(x1, x2)
    result = _C.floor_divide(x1, x2)
    if not x1.dtype.is_floating_point:
        return result
    return _C.where(_C.isinf(x1) | _C.isinf(x2), x1 / x2, result)


def remainder(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """x1 % x2, with the sign of x2, that of a zero too."""
    x1, x2 = promoted(x1, x2)
    result = _C.remainder(x1, x2)
    if not x1.dtype.is_floating_point:
        return result
    return _C.where(result == 0, _C.where(_C.signbit(x2), -_C.abs(result), _C.abs(result)), result)


def tanh(x: Tensor, /) -> Tensor:
    """Hyperbolic tangent. At infinite real parts the zero of the imaginary part has the sign of that of x."""
    check_array("tanh", x)
    result = _C.tanh(x)
    if not x.dtype.is_complex:
        return result
    limits = _C.complex(_C.sign(x.real), _C.copysign(_C.zeros_like(x.imag), x.imag))
    return _C.where(_C.isinf(x.real) & _C.isfinite(x.imag), limits, result)


def imag(x: Tensor, /) -> Tensor:
    """Imaginary parts; zeros for real arrays."""
    check_array("imag", x)
    return _C.imag(x) if x.dtype.is_complex else _C.zeros_like(x)


def real(x: Tensor, /) -> Tensor:
    """Real parts."""
    check_array("real", x)
    return _C.real(x) if x.dtype.is_complex else x


def round(x: Tensor, /) -> Tensor:
    """Rounded to the nearest integer, halves to even; the parts of complex numbers each; integers as they are."""
    check_array("round", x)
    if x.dtype.is_complex:
        return _C.view_as_complex(_C.round(_C.view_as_real(x)))
    return _C.round(x)


def sign(x: Tensor, /) -> Tensor:
    """-1, 0 or 1; x / |x| for complex numbers; NaN for NaN."""
    check_array("sign", x)
    if x.dtype.is_complex:
        return _C.sgn(x)
    result = _C.sign(x)
    return _C.where(_C.isnan(x), x, result) if x.dtype.is_floating_point else result
