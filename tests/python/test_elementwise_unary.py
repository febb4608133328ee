"""Values of the elementwise functions of one operand against NumPy and mpmath: every dtype, special values."""

import math

import mpmath
import numpy as np
import pytest
import rushlight as torch
from elementwise_reference import (
    COMPLEX,
    COMPLEX_UNARY,
    FLOATS,
    INTEGER_UNARY,
    INTEGERS,
    KEEP_INTEGERS,
    TESTS,
    UNARY,
    array,
    check_complex,
    check_real,
    dtype_of,
    samples,
    tensor,
    ulps,
)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", UNARY)
def test_unary_floats(function, name, device):
    reference, (low, high) = UNARY[function]
    x = samples(name, low, high)
    with np.errstate(all="ignore"):
        want = reference(x)
    t = tensor(x, name, device)
    got = getattr(torch, function)(t)
    assert got.dtype == (torch.bool if function in TESTS else dtype_of(name))
    if function in TESTS:
        assert (array(got) == want).all()
    else:
        limit = {"float16": 1, "bfloat16": 1, "float32": 2, "float64": 16 if function == "erfc" else 4}[name]
        check_real(array(got), want, name, limit)  # scipy's erfc is that far off; test_unary_exact is the sharp one
    assert got.equal(getattr(t, function)())


@pytest.mark.parametrize("name", INTEGERS + ["bool"])
@pytest.mark.parametrize("function", UNARY)
def test_unary_integers(function, name, device):
    if name == "bool" and function in "neg abs positive relu frac floor ceil round trunc square".split():
        pytest.skip("not defined for bool")
    if function == "frac":
        with pytest.raises(RuntimeError):
            torch.frac(torch.ones(2, dtype=dtype_of(name), device=device))
        return
    x = np.array([0, 1, 1, 0]) if name == "bool" else np.arange(0 if name == "uint8" else -100, 101)
    x = x.astype(name)
    got = getattr(torch, function)(tensor(x, name, device))
    keeps = function in KEEP_INTEGERS
    with np.errstate(all="ignore"):
        want = UNARY[function][0](x if keeps and name != "bool" else x.astype(np.float64))
    if function in TESTS:
        assert got.dtype == torch.bool and (array(got) == want).all()
    elif keeps:
        assert got.dtype == dtype_of(name) and (array(got) == want.astype(name)).all()
    else:
        assert got.dtype == torch.float32
        check_real(array(got), want, "float32", 2)


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("function", COMPLEX_UNARY)
def test_unary_complex(function, name, device):
    rng = np.random.default_rng(1)
    x = (rng.uniform(-3, 3, 1001) + 1j * rng.uniform(-3, 3, 1001)).astype(name)
    with np.errstate(all="ignore"):
        want = UNARY[function][0](x.astype(np.complex128))
    got = getattr(torch, function)(tensor(x, name, device))
    if function in TESTS:
        assert got.dtype == torch.bool and (array(got) == want).all()
    elif function in ("abs", "angle"):
        assert got.dtype == (torch.float32 if name == "complex64" else torch.float64)
        check_real(array(got), want, str(got.dtype)[6:], 3)
    else:
        assert got.dtype == dtype_of(name)
        check_complex(array(got), want, name, 40)


@pytest.mark.parametrize("name", INTEGERS + ["bool"])
def test_bitwise_not(name, device):
    x = np.array([0, 1, 1], "bool") if name == "bool" else np.arange(0 if name == "uint8" else -100, 101).astype(name)
    assert (array(torch.bitwise_not(tensor(x, name, device))) == ~x).all()
    assert (array(~tensor(x, name, device)) == ~x).all()


@pytest.mark.parametrize("function", ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan"])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_unary_whole_range(function, name, device):
    """Arguments of every exponent against exact values: mpmath with 60 digits."""
    rng = np.random.default_rng(5)
    top = 126 if name == "float32" else 1022
    if function in ("exp", "exp2", "expm1"):
        x = rng.uniform(-top * 0.65, top * 0.65, 150)
    else:
        x = np.ldexp(rng.uniform(1, 2, 150), rng.integers(-top, top, 150))
        if function in ("sin", "cos", "tan"):
            x *= rng.choice([-1, 1], 150)
    x = x.astype(name).astype(np.float64)
    exact = {
        "exp2": lambda v: mpmath.mpf(2) ** v,
        "expm1": mpmath.expm1,
        "log1p": mpmath.log1p,
        "log2": lambda v: mpmath.log(v, 2),
    }
    with mpmath.workdps(400):
        want = np.array([float(exact.get(function, getattr(mpmath, function, None))(mpmath.mpf(v))) for v in x])
    check_real(array(getattr(torch, function)(tensor(x, name, device))), want, name, 2)


@pytest.mark.parametrize("function", "asin acos atan sinh cosh tanh asinh atanh sigmoid erf erfc rsqrt".split())
def test_unary_exact(function, device):
    rng = np.random.default_rng(6)
    x = np.ldexp(rng.uniform(0.5, 1, 100), rng.integers(-60, 1, 100)) * 0.999
    if function != "rsqrt":
        x *= rng.choice([-1, 1], 100)
    exact = {"sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)), "rsqrt": lambda v: 1 / mpmath.sqrt(v)}
    with mpmath.workdps(60):
        want = np.array([float(exact.get(function, getattr(mpmath, function, None))(mpmath.mpf(v))) for v in x])
    check_real(array(getattr(torch, function)(tensor(x, "float64", device))), want, "float64", 2)


inf, nan = math.inf, math.nan
SPECIAL = {
    "neg": ([0.0, -0.0, inf, nan], [-0.0, 0.0, -inf, nan]),
    "abs": ([-0.0, -inf, nan, -5e-324], [0.0, inf, nan, 5e-324]),
    "sign": ([-0.0, -inf, inf, nan], [0.0, -1.0, 1.0, 0.0]),
    "reciprocal": ([0.0, -0.0, inf, -inf], [inf, -inf, 0.0, -0.0]),
    "sqrt": ([-0.0, -1.0, inf, nan], [-0.0, nan, inf, nan]),
    "rsqrt": ([0.0, -0.0, -1.0, inf], [inf, -inf, nan, 0.0]),
    "exp": ([0.0, -0.0, inf, -inf, nan, 1000.0, -1000.0], [1.0, 1.0, inf, 0.0, nan, inf, 0.0]),
    "exp2": ([0.0, inf, -inf, nan, 2000.0, -2000.0, 3.0], [1.0, inf, 0.0, nan, inf, 0.0, 8.0]),
    "expm1": ([0.0, -0.0, inf, -inf, nan, 1000.0, -1000.0], [0.0, -0.0, inf, -1.0, nan, inf, -1.0]),
    "log": ([0.0, -0.0, 1.0, -1.0, inf, -inf, nan], [-inf, -inf, 0.0, nan, inf, nan, nan]),
    "log2": ([0.0, 1.0, 8.0, -1.0, inf, nan], [-inf, 0.0, 3.0, nan, inf, nan]),
    "log10": ([0.0, 1.0, 1000.0, -1.0, inf, nan], [-inf, 0.0, 3.0, nan, inf, nan]),
    "log1p": ([0.0, -0.0, -1.0, -2.0, inf, nan], [0.0, -0.0, -inf, nan, inf, nan]),
    "sin": ([0.0, -0.0, inf, -inf, nan], [0.0, -0.0, nan, nan, nan]),
    "cos": ([0.0, -0.0, inf, -inf, nan], [1.0, 1.0, nan, nan, nan]),
    "tan": ([0.0, -0.0, inf, nan], [0.0, -0.0, nan, nan]),
    "asin": ([0.0, -0.0, 1.0, -1.5, nan], [0.0, -0.0, math.asin(1), nan, nan]),
    "acos": ([1.0, -1.0, 1.5, nan], [0.0, math.pi, nan, nan]),
    "atan": ([0.0, -0.0, inf, -inf, nan], [0.0, -0.0, math.pi / 2, -math.pi / 2, nan]),
    "sinh": ([0.0, -0.0, inf, -inf, nan, 1000.0], [0.0, -0.0, inf, -inf, nan, inf]),
    "cosh": ([0.0, inf, -inf, nan, -1000.0], [1.0, inf, inf, nan, inf]),
    "tanh": ([0.0, -0.0, inf, -inf, nan, 50.0], [0.0, -0.0, 1.0, -1.0, nan, 1.0]),
    "asinh": ([0.0, -0.0, inf, -inf, nan], [0.0, -0.0, inf, -inf, nan]),
    "acosh": ([1.0, 0.5, inf, nan], [0.0, nan, inf, nan]),
    "atanh": ([0.0, -0.0, 1.0, -1.0, 2.0, nan], [0.0, -0.0, inf, -inf, nan, nan]),
    "sigmoid": ([0.0, inf, -inf, nan], [0.5, 1.0, 0.0, nan]),
    "erf": ([0.0, -0.0, inf, -inf, nan, 10.0], [0.0, -0.0, 1.0, -1.0, nan, 1.0]),
    "erfc": ([0.0, inf, -inf, nan, -10.0], [1.0, 0.0, 2.0, nan, 2.0]),
    "relu": ([-1.0, -inf, inf, nan], [0.0, 0.0, inf, nan]),
    "floor": ([-0.0, -0.5, inf, nan, 2.5], [-0.0, -1.0, inf, nan, 2.0]),
    "ceil": ([-0.0, -0.5, inf, nan, 2.5], [-0.0, -0.0, inf, nan, 3.0]),
    "round": ([0.5, 1.5, 2.5, -0.5, -1.5, inf, nan], [0.0, 2.0, 2.0, -0.0, -2.0, inf, nan]),
    "trunc": ([-0.5, 0.5, -2.5, -inf, nan], [-0.0, 0.0, -2.0, -inf, nan]),
    "frac": ([-2.5, 2.25, nan], [-0.5, 0.25, nan]),
    "isnan": ([0.0, inf, nan], [False, False, True]),
    "isinf": ([0.0, inf, -inf, nan], [False, True, True, False]),
    "isfinite": ([0.0, inf, -inf, nan], [True, False, False, False]),
    "signbit": ([0.0, -0.0, -inf, 1.0], [False, True, True, False]),
    "logical_not": ([0.0, -0.0, nan, inf], [True, True, False, False]),
}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("function", SPECIAL)
def test_special_values(function, name, device):
    given, want = SPECIAL[function]
    # Both a vector's worth and a tail shorter than one.
    for repeat in (1, 9):
        got = array(getattr(torch, function)(torch.tensor(given * repeat, dtype=dtype_of(name), device=device)))
        for g, w in zip(got.tolist(), want * repeat):
            if isinstance(w, bool):
                assert g is w
            elif math.isnan(w):
                assert math.isnan(g)
            else:
                exact = w == int(w) if math.isfinite(w) else True
                assert ulps([g], [w], name)[0] <= (0 if exact else 1) and math.copysign(1, g) == math.copysign(1, w), (
                    g,
                    w,
                )


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_denormals_are_kept(name, device):
    tiny = float(np.finfo(name).smallest_subnormal)
    x = torch.tensor([tiny, -3 * tiny, 5 * tiny] * 7, dtype=dtype_of(name), device=device)
    values = np.array([1, -3, 5] * 7)
    for function in ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "expm1", "log1p"):
        assert (array(getattr(torch, function)(x)).astype(np.float64) / tiny == values).all(), function
    assert (array(x + x).astype(np.float64) / tiny == 2 * values).all()
    assert (array(x * 4).astype(np.float64) / tiny == 4 * values).all()
    assert array(torch.exp(torch.full((9,), math.log(tiny) + 2, dtype=x.dtype, device=device))).min() > 0
    assert array(torch.log(abs(x))).min() > -760


@pytest.mark.parametrize("function", UNARY)
def test_unary_inplace_and_out(function, device):
    low, high = UNARY[function][1]
    x = tensor(samples("float32", low, high, 60)[:60].reshape(6, 10), "float32", device)
    want = getattr(torch, function)(x)
    if function != "positive":
        out = torch.empty_like(want)
        if function in ("isnan", "isinf", "isfinite", "isreal"):  # torch has no other forms of these
            with pytest.raises(TypeError):
                getattr(torch, function)(x, out=out)
            assert not hasattr(x, function + "_")
            return
        assert getattr(torch, function)(x, out=out) is out and out.equal(want)
        turned = torch.empty(10, 6, dtype=want.dtype, device=device).t()
        getattr(torch, function)(x, out=turned)
        assert turned.equal(want) and turned.stride() == (1, 6)
        y = x.clone()
        if function in ("signbit", "isposinf", "isneginf", "angle"):
            assert not hasattr(y, function + "_")
            return
        assert getattr(y, function + "_")() is y and y.equal(want.to(y.dtype))
        every = torch.zeros(12, 10, device=device)
        part = every[::2]
        part.copy_(x)
        getattr(part, function + "_")()
        assert part.equal(want.float()) and not every[1::2].any()
    assert getattr(torch, function)(x.t()).equal(want.t())
    assert getattr(torch, function)(x[:, ::3]).equal(want[:, ::3])
    assert getattr(torch, function)(x[:1].expand(4, 10)).equal(want[:1].expand(4, 10))
    assert getattr(torch, function)(x[2, 3]).equal(want[2, 3])
    empty = getattr(torch, function)(x[:0])
    assert empty.shape == (0, 10) and empty.dtype == want.dtype


@pytest.mark.parametrize("function", list(UNARY) + list(INTEGER_UNARY))
def test_unary_like_torch(function):
    """Same result dtype, or an error in both, for all dtypes; values within a few units."""
    reference = pytest.importorskip("torch")
    for name in FLOATS + INTEGERS + COMPLEX + ["bool"]:
        given = (
            [0, 1, 1, 0] if name in ("uint8", "bool") else [0, 1, -1, 0.5] if name not in INTEGERS else [0, 1, -1, 2]
        )
        want = got = None
        try:
            want = getattr(reference, function)(reference.tensor(given, dtype=getattr(reference, name)))
        except RuntimeError:
            pass
        try:
            got = getattr(torch, function)(torch.tensor(given, dtype=dtype_of(name)))
        except RuntimeError:
            pass
        assert (got is None) == (want is None), name
        if want is None:
            continue
        assert str(got.dtype) == str(want.dtype), name
        low = name in ("float16", "bfloat16")
        a, b = np.array(got.tolist()), np.array(want.tolist())
        np.testing.assert_allclose(a, b, rtol=2e-2 if low else 1e-5, atol=1e-6, err_msg=name)
