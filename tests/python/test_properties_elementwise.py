"""Elementwise operations on random views against NumPy."""

import warnings

import numpy as np
import pytest
import rushlight as torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from strategies import ALL, COMPLEX, FLOATS, INTEGERS, NUMBERS, check, examples, pairs, tensors

warnings.filterwarnings("ignore", category=RuntimeWarning)


def sign(a):
    """torch's sign of NaN is 0."""
    return np.where(np.isnan(a), 0, np.sign(a)).astype(a.dtype)


# name: (NumPy's function, dtypes, tolerance in epsilons)
UNARY = {
    "neg": (np.negative, FLOATS + ("int8", "int64") + COMPLEX, None),
    "abs": (np.abs, NUMBERS + COMPLEX, 4),
    "sign": (sign, NUMBERS, None),
    "square": (np.square, NUMBERS + COMPLEX, 4),
    "sqrt": (np.sqrt, FLOATS, None),
    "exp": (np.exp, FLOATS + COMPLEX, 8),
    "exp2": (np.exp2, FLOATS, 8),
    "expm1": (np.expm1, FLOATS, 8),
    "log": (np.log, FLOATS, 8),
    "log2": (np.log2, FLOATS, 8),
    "log10": (np.log10, FLOATS, 8),
    "log1p": (np.log1p, FLOATS, 8),
    "sin": (np.sin, FLOATS + COMPLEX, 8),
    "cos": (np.cos, FLOATS + COMPLEX, 8),
    "tan": (np.tan, FLOATS, 8),
    "asin": (np.arcsin, FLOATS, 8),
    "acos": (np.arccos, FLOATS, 8),
    "atan": (np.arctan, FLOATS, 8),
    "sinh": (np.sinh, FLOATS, 8),
    "cosh": (np.cosh, FLOATS, 8),
    "tanh": (np.tanh, FLOATS, 8),
    "asinh": (np.arcsinh, FLOATS, 8),
    "acosh": (np.arccosh, FLOATS, 8),
    "atanh": (np.arctanh, FLOATS, 8),
    "erf": (special.erf, FLOATS, 8),
    "erfc": (special.erfc, FLOATS, 8),
    "floor": (np.floor, FLOATS, None),
    "ceil": (np.ceil, FLOATS, None),
    "trunc": (np.trunc, FLOATS, None),
    "round": (np.round, FLOATS, None),
    "reciprocal": (np.reciprocal, FLOATS, 8),
    "isnan": (np.isnan, FLOATS + COMPLEX, None),
    "isinf": (np.isinf, FLOATS + COMPLEX, None),
    "isfinite": (np.isfinite, FLOATS + COMPLEX, None),
    "signbit": (np.signbit, FLOATS, None),
    "logical_not": (np.logical_not, ALL, None),
    "bitwise_not": (np.invert, (*INTEGERS, "bool"), None),
    "isposinf": (np.isposinf, FLOATS, None),
    "isneginf": (np.isneginf, FLOATS, None),
    "nan_to_num": (np.nan_to_num, FLOATS, None),
    "deg2rad": (np.deg2rad, FLOATS, 4),
    "sgn": (sign, NUMBERS, None),
}


@pytest.mark.parametrize("name", UNARY)
@examples
@given(data=st.data())
def test_unary(name, data):
    reference, dtypes, tolerance = UNARY[name]
    t, a = data.draw(tensors(dtypes, special=True))
    if a.dtype.kind == "c":
        # Infinite and NaN parts follow C99's tables, which NumPy does not keep everywhere.
        t, a = torch.where(t.isfinite(), t, 1), np.where(np.isfinite(a), a, 1).astype(a.dtype)
    want = np.asarray(reference(a))
    f = getattr(torch, name)
    check(f(t), want, tolerance)
    out = torch.empty(0, dtype=f(t).dtype)
    if name not in ("isnan", "isinf", "isfinite"):
        assert f(t, out=out) is out
        check(out, want, tolerance)


BINARY = {
    "add": (np.add, NUMBERS + COMPLEX, None),
    "sub": (np.subtract, NUMBERS + COMPLEX, None),
    "mul": (np.multiply, NUMBERS + COMPLEX, 4),
    "div": (np.divide, FLOATS, None),
    "maximum": (np.maximum, NUMBERS, None),
    "minimum": (np.minimum, NUMBERS, None),
    "fmax": (np.fmax, NUMBERS, None),
    "fmin": (np.fmin, NUMBERS, None),
    "atan2": (np.arctan2, FLOATS, 8),
    "hypot": (np.hypot, FLOATS, 8),
    "copysign": (np.copysign, FLOATS, None),
    "nextafter": (np.nextafter, FLOATS, None),
    "logaddexp": (np.logaddexp, FLOATS, 16),
    "logaddexp2": (np.logaddexp2, FLOATS, 16),
    "heaviside": (lambda x, v: np.where(np.isnan(x), 0, np.heaviside(x, v)), FLOATS, None),
    "gcd": (np.gcd, INTEGERS, None),
    "lcm": (np.lcm, INTEGERS, None),
    "eq": (np.equal, ALL, None),
    "ne": (np.not_equal, ALL, None),
    "lt": (np.less, NUMBERS, None),
    "le": (np.less_equal, NUMBERS, None),
    "gt": (np.greater, NUMBERS, None),
    "ge": (np.greater_equal, NUMBERS, None),
    "logical_and": (np.logical_and, ALL, None),
    "logical_or": (np.logical_or, ALL, None),
    "logical_xor": (np.logical_xor, ALL, None),
    "bitwise_and": (np.bitwise_and, (*INTEGERS, "bool"), None),
    "bitwise_or": (np.bitwise_or, (*INTEGERS, "bool"), None),
    "bitwise_xor": (np.bitwise_xor, (*INTEGERS, "bool"), None),
}


@pytest.mark.parametrize("name", BINARY)
@examples
@given(data=st.data())
def test_binary(name, data):
    reference, dtypes, tolerance = BINARY[name]
    t, a, u, b = data.draw(pairs(dtypes, special=True))
    if a.dtype.kind == "c":
        t, a = torch.where(t.isfinite(), t, 1), np.where(np.isfinite(a), a, 1).astype(a.dtype)
        u, b = torch.where(u.isfinite(), u, 1), np.where(np.isfinite(b), b, 1).astype(b.dtype)
    want = np.asarray(reference(a, b))
    f = getattr(torch, name)
    check(f(t, u), want, tolerance)
    if want.shape == a.shape and want.dtype == a.dtype and hasattr(torch.Tensor, name + "_"):
        # In place, on memory of its own so that the views above may overlap.
        mine = t.clone()
        assert getattr(mine, name + "_")(u) is mine
        check(mine, want, tolerance)


@pytest.mark.parametrize("name, reference", [("floor_divide", np.floor_divide), ("remainder", np.remainder),
                                             ("fmod", np.fmod)])  # fmt: skip
@examples
@given(data=st.data())
def test_division_of_integers(name, reference, data):
    t, a, u, b = data.draw(pairs(INTEGERS))
    u, b = torch.where(u == 0, 3, u).to(u.dtype), np.where(b == 0, 3, b).astype(b.dtype)
    check(getattr(torch, name)(t, u), reference(a, b))


@examples
@given(data=st.data())
def test_mixed_dtypes_convert_like_a_conversion_before(data):
    t, a = data.draw(tensors(NUMBERS))
    u, b = data.draw(tensors(NUMBERS, shape=a.shape))
    common = torch.promote_types(t.dtype, u.dtype)
    if t.dim():
        for f in (torch.add, torch.mul, torch.maximum):
            check(f(t, u), f(t.to(common), u.to(common)).numpy())


@examples
@given(data=st.data())
def test_where_clamp_and_fused_updates(data):
    t, a, u, b = data.draw(pairs(FLOATS))
    check(torch.where(t > u, t, u), np.where(a > b, a, b))
    check(torch.clamp(t, -1.0, 1.5), np.clip(a, a.dtype.type(-1.0), a.dtype.type(1.5)))
    check(torch.lerp(t, u.expand_as(t) if t.shape != u.shape and u.numel() == 1 else t, 0.25).shape, t.shape)
    want = np.asarray(a + a.dtype.type(0.5) * a * b)
    check(torch.addcmul(t, t, u, value=0.5), want, 8)
