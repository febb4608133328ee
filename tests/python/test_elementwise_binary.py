"""Values of the elementwise functions of two operands against NumPy: every dtype, special values, integer edges."""

import math
import re

import numpy as np
import pytest
import rushlight as torch
from elementwise_reference import (
    BINARY,
    COMPARISONS,
    COMPLEX,
    FLOAT_RESULTS,
    FLOATS,
    INTEGER_BINARY,
    INTEGER_UNARY,
    INTEGERS,
    SELECTIONS,
    UNARY,
    array,
    check_complex,
    check_real,
    dtype_of,
    pairs,
    tensor,
    ulps,
)
from helpers import ELEMENTWISE_TABLE

inf, nan = math.inf, math.nan


def test_tables_are_complete():
    """No line of the table of operations goes untested."""
    lines = re.findall(r"^RL_(?:UNARY|BINARY)\(\w+, (\w+),.*, (\w+)\)$", ELEMENTWISE_TABLE, re.M)
    # test_special.py has the others.
    elsewhere = set(
        "erfinv lgamma digamma trigamma sinc logit i0 nextafter hypot logaddexp logaddexp2 xlogy igamma igammac".split()
    )
    names = {name for name, forms in lines if forms not in ("Special", "Degree")} - elsewhere
    assert names - {"div_trunc"} == set(UNARY) | set(INTEGER_UNARY) | set(BINARY) | set(INTEGER_BINARY)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", BINARY)
def test_binary_floats(function, name, device):
    a, b = pairs(name, function, np.random.default_rng(3))
    if function in ("floor_divide", "remainder", "fmod") and name in ("float32", "float64"):
        want = BINARY[function](a.astype(name), b.astype(name))
    else:
        want = BINARY[function](a, b)
    ta, tb = tensor(a, name, device), tensor(b, name, device)
    got = getattr(torch, function)(ta, tb)
    if function in COMPARISONS:
        assert got.dtype == torch.bool and (array(got) == want).all()
    else:
        assert got.dtype == dtype_of(name)
        limit = 0 if function in SELECTIONS else 0.5 if function in ("add", "sub", "mul", "div") else 2
        if function in ("floor_divide", "remainder", "fmod"):
            # float16 and bfloat16 divide in float32, which may cross an integer: compare with the definition.
            limit = 1
            if name in ("float16", "bfloat16"):
                want = BINARY[function](a.astype(np.float32), b.astype(np.float32))
        if name == "float64" and function in ("add", "sub", "mul", "div"):
            limit = 0
        check_real(array(got), np.asarray(want), name, limit)
    assert getattr(ta, function)(tb).equal(got)


@pytest.mark.parametrize("name", INTEGERS + ["bool"])
@pytest.mark.parametrize("function", list(BINARY) + list(INTEGER_BINARY))
def test_binary_integers(function, name, device):
    if (
        name == "bool"
        and function in "sub floor_divide remainder fmod pow bitwise_left_shift bitwise_right_shift gcd lcm".split()
    ):
        pytest.skip("not defined for bool")
    reference = {**BINARY, **INTEGER_BINARY}[function]
    a, b = pairs(name, function, np.random.default_rng(4))
    with np.errstate(all="ignore"):
        want = reference(a.astype(np.float64), b.astype(np.float64)) if function in FLOAT_RESULTS else reference(a, b)
    got = getattr(torch, function)(tensor(a, name, device), tensor(b, name, device))
    if function in FLOAT_RESULTS:
        assert got.dtype == torch.float32
        check_real(array(got), want, "float32", 2)
        return
    assert got.dtype == (torch.bool if function in COMPARISONS else dtype_of(name))
    assert (array(got) == want).all()


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("function", ["add", "sub", "mul", "div", "pow", "eq", "ne", "logical_and", "logical_xor"])
def test_binary_complex(function, name, device):
    rng = np.random.default_rng(7)
    a, b = ((rng.uniform(-3, 3, 503) + 1j * rng.uniform(-3, 3, 503)).astype(name) for _ in range(2))
    b[:9] = a[:9]
    if function not in ("div", "pow"):
        a[20:24] = 0
        b[22:26] = 0
    want = BINARY[function](a.astype(np.complex128), b.astype(np.complex128))
    got = getattr(torch, function)(tensor(a, name, device), tensor(b, name, device))
    if function in COMPARISONS:
        assert got.dtype == torch.bool and (array(got) == want).all()
    else:
        check_complex(array(got), want, name, 60 if function == "pow" else 6)


@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_complex_has_no_order(name, device):
    x = torch.ones(2, dtype=dtype_of(name), device=device)
    for function in "lt le gt ge maximum minimum fmax fmin floor_divide remainder fmod atan2".split():
        with pytest.raises(RuntimeError):
            getattr(torch, function)(x, x)
    for function in "sign floor ceil round trunc frac erf erfc relu signbit deg2rad rad2deg bitwise_not".split():
        with pytest.raises(RuntimeError):
            getattr(torch, function)(x)


@pytest.mark.parametrize("name", FLOATS)
def test_binary_special_values(name, device):
    values = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, inf, -inf, nan]
    a, b = (np.array([v for pair in ((x, y) for x in values for y in values) for v in pair][i::2]) for i in (0, 1))
    ta, tb = tensor(a, name, device), tensor(b, name, device)
    for function, reference in BINARY.items():
        with np.errstate(all="ignore"):
            want = reference(a, b)
        got = array(getattr(torch, function)(ta, tb))
        if function in COMPARISONS:
            assert (got == want).all(), function
            continue
        assert (ulps(got, want, name) <= 1).all(), (
            function,
            a[ulps(got, want, name) > 1],
            b[ulps(got, want, name) > 1],
        )
        # Which of -0.0 and 0.0 is larger is open; a remainder of zero has the sign of the dividend, as in torch.
        if function not in SELECTIONS + ["floor_divide", "remainder"]:
            keep = ~np.isnan(want)
            assert (np.signbit(got) == np.signbit(want))[keep].all(), function


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64"])
def test_integer_edges(name, device):
    low, high = np.iinfo(name).min, np.iinfo(name).max
    x = torch.tensor([low, high, -1, 1], dtype=dtype_of(name), device=device)
    assert (x + 1).tolist() == [low + 1, low, 0, 2]
    assert (x - 1).tolist() == [high, high - 1, -2, 0]
    assert (x * 2).tolist() == [0, -2, -2, 2]
    assert (-x).tolist() == [low, -high, 1, -1]
    assert x.abs().tolist() == [low, high, 1, 1]
    assert (x // -1).tolist() == [low, -high, 1, -1]
    assert (x % -1).tolist() == [0, 0, 0, 0] and torch.fmod(x, -1).tolist() == [0, 0, 0, 0]
    assert torch.div(x, -1, rounding_mode="trunc").tolist() == [low, -high, 1, -1]
    assert (x**0).tolist() == [1, 1, 1, 1] and (x**2).tolist() == [0, 1, 1, 1]
    exponents = torch.tensor([-1, -1, -1, -1], dtype=x.dtype, device=device)
    assert torch.pow(x, exponents).tolist() == [0, 0, -1, 1]
    bits = np.dtype(name).itemsize * 8
    for shift in (bits, bits + 3, -1):
        amount = torch.full((4,), shift, dtype=x.dtype, device=device)
        assert (x << amount).tolist() == [0, 0, 0, 0]
        assert (x >> amount).tolist() == [-1, 0, -1, 0]
    assert (x << 1).tolist() == [0, -2, -2, 2] and (x >> 1).tolist() == [low // 2, high // 2, -1, 0]


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_integer_division_by_zero(name, size, device):
    x = torch.full((size,), 7, dtype=dtype_of(name), device=device)
    zero = x.clone()
    zero[-1] = 0
    for f in (torch.floor_divide, torch.remainder, torch.fmod, lambda a, b: torch.div(a, b, rounding_mode="trunc")):
        for divisor in (zero, 0):
            with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                f(x, divisor)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            f(5, zero) if f in (torch.remainder,) else f(torch.tensor(5), zero)
        assert f(x[:0], zero[:0]).tolist() == []
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        x //= zero
    assert x.tolist() == [7] * size
    assert torch.isinf(x / 0).all() and (x / zero)[-1].item() == inf


@pytest.mark.parametrize("name", ["int32", "float32", "float64"])
def test_rounded_division(name, device):
    a, b = [7, -7, 7, -7, 6, -6], [2, 2, -2, -2, 3, 3]
    x, y = torch.tensor(a, dtype=dtype_of(name), device=device), torch.tensor(b, dtype=dtype_of(name), device=device)
    assert torch.div(x, y, rounding_mode="trunc").tolist() == [3, -3, -3, 3, 2, -2]
    assert torch.div(x, y, rounding_mode="floor").tolist() == [3, -4, -4, 3, 2, -2]
    assert (x // y).tolist() == [3, -4, -4, 3, 2, -2]
    assert torch.div(x, y).tolist() == [3.5, -3.5, -3.5, 3.5, 2, -2]
    assert (x % y).tolist() == [1, 1, -1, -1, 0, 0] and torch.fmod(x, y).tolist() == [1, -1, 1, -1, 0, 0]
    assert torch.div(x, y, rounding_mode="floor").dtype == x.dtype
    with pytest.raises(RuntimeError, match="rounding_mode"):
        torch.div(x, y, rounding_mode="up")


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64"])
def test_wide_unsigned(name, device):
    """More than torch defines; test_array_api.py goes through all of it."""
    top = np.iinfo(name).max
    x = torch.tensor([0, 1, 3, top], dtype=dtype_of(name), device=device)
    assert (x * x).tolist() == [0, 1, 9, 1] and (x * 2).tolist() == [0, 2, 6, top - 1] and (x * 2).dtype == x.dtype
    assert (x == top).tolist() == [False, False, False, True] and (x != x).tolist() == [False] * 4
    assert (x & 2).tolist() == [0, 0, 2, 2] and (x | x).tolist() == [0, 1, 3, top] and (x ^ x).tolist() == [0] * 4
    assert (x * torch.tensor([2, 2, 2, 2], device=device, dtype=dtype_of(name))[::2].sum().to(x.dtype))[2].item() == 12
    assert (x / 2).tolist()[:3] == [0.0, 0.5, 1.5]
    assert (x + x).tolist() == [0, 2, 6, top - 1] and (x - x[3]).tolist() == [1, 2, 4, 0]
    assert (x < top).tolist() == [True] * 3 + [False] and torch.maximum(x, x[2]).tolist() == [3, 3, 3, top]
    assert (x // 2).tolist() == [0, 0, 1, top // 2] and (x >> 1).tolist() == [0, 0, 1, top // 2]
