"""Values of the elementwise functions against NumPy: every line of the table, every dtype, special values."""

import math
import operator
import re
from pathlib import Path

import mpmath
import numpy as np
import pytest
import rushlight as torch

FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
COMPLEX = ["complex64", "complex128"]
DIGITS = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
LOWEST = {"float16": -24, "bfloat16": -133, "float32": -149, "float64": -1074}


def scipy_function(name):
    return lambda x: getattr(pytest.importorskip("scipy.special"), name)(x)


def sgn(x):
    return np.where(x == 0, x, x / np.where(x == 0, 1, np.abs(x))) if np.iscomplexobj(x) else np.sign(x)


# name: (reference, domain of real values)
UNARY = {
    "neg": (np.negative, (-50, 50)),
    "abs": (np.abs, (-50, 50)),
    "sign": (np.sign, (-3, 3)),
    "sgn": (sgn, (-3, 3)),
    "positive": (np.positive, (-3, 3)),
    "square": (np.square, (-30, 30)),
    "reciprocal": (lambda x: 1 / x, (-30, 30)),
    "sqrt": (np.sqrt, (0, 900)),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (0.001, 900)),
    "exp": (np.exp, (-9, 9)),
    "exp2": (np.exp2, (-14, 14)),
    "expm1": (np.expm1, (-5, 9)),
    "log": (np.log, (0, 1000)),
    "log2": (np.log2, (0, 1000)),
    "log10": (np.log10, (0, 1000)),
    "log1p": (np.log1p, (-0.99, 1000)),
    "sin": (np.sin, (-1000, 1000)),
    "cos": (np.cos, (-1000, 1000)),
    "tan": (np.tan, (-1000, 1000)),
    "asin": (np.arcsin, (-1, 1)),
    "acos": (np.arccos, (-1, 1)),
    "atan": (np.arctan, (-100, 100)),
    "sinh": (np.sinh, (-9, 9)),
    "cosh": (np.cosh, (-9, 9)),
    "tanh": (np.tanh, (-9, 9)),
    "asinh": (np.arcsinh, (-1000, 1000)),
    "acosh": (np.arccosh, (1, 1000)),
    "atanh": (np.arctanh, (-0.999, 0.999)),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-9, 30)),
    "erf": (scipy_function("erf"), (-4, 4)),
    "erfc": (scipy_function("erfc"), (-4, 3)),
    "relu": (lambda x: np.maximum(x, 0), (-4, 4)),
    "floor": (np.floor, (-50, 50)),
    "ceil": (np.ceil, (-50, 50)),
    "round": (np.round, (-50, 50)),
    "trunc": (np.trunc, (-50, 50)),
    "frac": (lambda x: x - np.trunc(x), (-50, 50)),
    "deg2rad": (np.deg2rad, (-720, 720)),
    "rad2deg": (np.rad2deg, (-7, 7)),
    "conj_physical": (np.conj, (-5, 5)),
    "logical_not": (np.logical_not, (-2, 2)),
    "isnan": (np.isnan, (-2, 2)),
    "isinf": (np.isinf, (-2, 2)),
    "isfinite": (np.isfinite, (-2, 2)),
    "signbit": (np.signbit, (-2, 2)),
    "isposinf": (np.isposinf, (-2, 2)),
    "isneginf": (np.isneginf, (-2, 2)),
    "isreal": (np.isreal, (-2, 2)),
    "angle": (np.angle, (-2, 2)),
}
INTEGER_UNARY = {"bitwise_not": np.invert}
TESTS = ["logical_not", "isnan", "isinf", "isfinite", "signbit", "isposinf", "isneginf", "isreal"]
KEEP_INTEGERS = "neg abs sign sgn positive square relu floor ceil round trunc conj_physical".split()
COMPLEX_UNARY = (
    "neg abs sgn positive square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan "
    "sinh cosh tanh asinh acosh atanh sigmoid conj_physical isnan isinf isfinite logical_not isreal angle"
).split()
SELECTIONS = ["maximum", "minimum", "fmax", "fmin"]
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "fmod": np.fmod,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "atan2": np.arctan2,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "copysign": np.copysign,
    "heaviside": np.heaviside,
}
INTEGER_BINARY = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_left_shift": np.left_shift,
    "bitwise_right_shift": np.right_shift,
    "gcd": np.gcd,
    "lcm": np.lcm,
}
FLOAT_RESULTS = ["div", "atan2", "copysign"]
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]
OPERATORS = {
    "add": (operator.add, operator.iadd),
    "sub": (operator.sub, operator.isub),
    "mul": (operator.mul, operator.imul),
    "div": (operator.truediv, operator.itruediv),
    "floor_divide": (operator.floordiv, operator.ifloordiv),
    "remainder": (operator.mod, operator.imod),
    "pow": (operator.pow, operator.ipow),
    "bitwise_and": (operator.and_, operator.iand),
    "bitwise_or": (operator.or_, operator.ior),
    "bitwise_xor": (operator.xor, operator.ixor),
    "bitwise_left_shift": (operator.lshift, operator.ilshift),
    "bitwise_right_shift": (operator.rshift, operator.irshift),
}


def dtype_of(name):
    return getattr(torch, name)


def tensor(array, name, device):
    return torch.tensor(np.asarray(array).tolist(), dtype=dtype_of(name), device=device)


def array(t):
    t = t.cpu()
    return t.double().numpy() if t.dtype in (torch.bfloat16, torch.float16) else t.numpy()


def ulps(got, want, name):
    """Distance in units of the last place of dtype `name`, `want` being exact enough in float64."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    top = {"float16": 65520.0, "bfloat16": 3.396e38, "float32": 3.40282357e38, "float64": np.inf}[name]
    want = np.where(np.abs(want) >= top, np.copysign(np.inf, want), want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    _, exponent = np.frexp(np.where(np.isfinite(want), want, 1))
    unit = np.ldexp(1.0, np.maximum(exponent - 1 - DIGITS[name], LOWEST[name]))
    with np.errstate(all="ignore"):
        return np.where(same, 0, np.nan_to_num(np.abs(got - want) / unit, nan=np.inf))


def check_real(got, want, name, limit):
    distance = ulps(got, want, name)
    assert got.shape == want.shape
    worst = distance.argmax() if distance.size else 0
    assert not (distance > limit).any(), (distance.flat[worst], got.flat[worst], want.flat[worst], worst)


def check_complex(got, want, name, limit):
    eps = 2.0 ** -(23 if name == "complex64" else 52)
    assert got.shape == want.shape
    assert (np.abs(got - want) <= limit * eps * np.abs(want) + 1e-30).all(), np.abs(got - want).max()


def samples(name, low, high, count=4099, seed=0):
    """Values of dtype `name` in [low, high], as float64: evenly spread, and small ones."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(low, high, count), np.clip(rng.uniform(-1e-2, 1e-2, 256), low, high)])
    return array(tensor(x, name, "cpu")).astype(np.float64)


def integers(name, rng, size, limit=100):
    low = 0 if name == "uint8" else -limit
    return rng.integers(low, limit, size).astype(name)


def test_tables_are_complete():
    """No line of the table of operations goes untested."""
    table = Path(__file__).parents[2] / "include" / "rushlight" / "elementwise.def"
    if not table.exists():
        pytest.skip("no source tree")
    lines = re.findall(r"^RL_(?:UNARY|BINARY)\(\w+, (\w+),.*, (\w+)\)$", table.read_text(), re.M)
    # test_special.py has the others.
    elsewhere = set(
        "erfinv lgamma digamma trigamma sinc logit i0 nextafter hypot logaddexp logaddexp2 xlogy igamma igammac".split()
    )
    names = {name for name, forms in lines if forms not in ("Special", "Degree")} - elsewhere
    assert names - {"div_trunc"} == set(UNARY) | set(INTEGER_UNARY) | set(BINARY) | set(INTEGER_BINARY)


# ---- functions of one operand


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


# ---- functions of two operands


def pairs(name, function, rng, size=2053):
    if name in INTEGERS:
        a, b = integers(name, rng, size), integers(name, rng, size)
        if function in ("floor_divide", "remainder", "fmod"):
            b[b == 0] = 7
        if function == "pow":
            b = np.abs(b) % 9
        if "shift" in function:
            b = np.abs(b) % (np.dtype(name).itemsize * 8 - 1)
        return a, b.astype(name)
    if name == "bool":
        return rng.integers(0, 2, size).astype(bool), rng.integers(0, 2, size).astype(bool)
    low, high = (0.01, 5) if function == "pow" else (-20, 20)
    a, b = samples(name, low, high, size, 2)[:size], samples(name, low, high, size, 3)[:size]
    b[:50] = a[:50]
    return a, np.where(b == 0, 1, b)


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


# ---- operators


def operands(name, function, rng, shape):
    a, b = pairs(name, function, rng, int(np.prod(shape)))
    return a.reshape(shape), b.reshape(shape)


@pytest.mark.parametrize("name", ["int32", "float32", "float64"])
@pytest.mark.parametrize("function", OPERATORS)
def test_operators(function, name, device):
    if function in INTEGER_BINARY and name != "int32":
        x = torch.ones(2, dtype=dtype_of(name), device=device)
        with pytest.raises((RuntimeError, TypeError)):
            OPERATORS[function][0](x, x)
        return
    plain, inplace = OPERATORS[function]
    a, b = operands(name, function, np.random.default_rng(8), (5, 7))
    ta, tb = tensor(a, name, device), tensor(b, name, device)
    f = getattr(torch, function)
    assert plain(ta, tb).equal(f(ta, tb)) and getattr(ta, function)(tb).equal(f(ta, tb))
    by_tensor = f(ta, torch.tensor(3, dtype=ta.dtype, device=device))
    if function == "pow" and name != "int32":  # x * x * x
        check_real(array(plain(ta, 3)), array(by_tensor), name, 2)
    else:
        assert plain(ta, 3).equal(by_tensor)
    assert plain(3, tb).equal(f(torch.tensor(3, dtype=ta.dtype, device=device), tb))
    if not (function == "div" and name == "int32"):
        c = ta.clone()
        pointer = c.data_ptr()
        c = inplace(c, tb)
        assert c.equal(f(ta, tb)) and c.data_ptr() == pointer
        c = ta.clone()
        assert getattr(c, function + "_")(tb) is c and c.equal(f(ta, tb))
        out = torch.empty_like(ta)
        assert f(ta, tb, out=out) is out and out.equal(f(ta, tb))
    with pytest.raises(TypeError):
        plain(ta, "3")
    with pytest.raises(TypeError):
        plain(ta, None)


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


def test_comparison_operators(device):
    x = torch.tensor([1.0, 2.0, nan], device=device)
    assert (x == x).tolist() == [True, True, False] and (x != x).tolist() == [False, False, True]
    assert (x < 2).tolist() == [True, False, False] and (2 > x).tolist() == [True, False, False]
    assert (x >= 2).tolist() == [False, True, False] and (1 >= x).tolist() == [True, False, False]
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (x == "a") is False
    with pytest.raises(TypeError):
        operator.lt(x, "a")


ALIASES = {
    "absolute": "abs",
    "negative": "neg",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "arccosh": "acosh",
    "arcsinh": "asinh",
    "arctanh": "atanh",
    "fix": "trunc",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "true_divide": "div",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "arctan2": "atan2",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias, device):
    x = torch.tensor([0.25, -0.5, 0.75], device=device)
    arguments = (x,) if ALIASES[alias] in UNARY else (x, x.flip(0))
    want = getattr(torch, ALIASES[alias])(*arguments)
    for got in (getattr(torch, alias)(*arguments), getattr(x, alias)(*arguments[1:])):
        assert torch.allclose(got.double(), want.double(), equal_nan=True)
    assert hasattr(torch.Tensor, alias + "_")


def test_scaled_add(device):
    x, y = torch.tensor([1.0, 2.0], device=device), torch.tensor([10.0, 20.0], device=device)
    assert torch.add(x, y, alpha=3).tolist() == [31.0, 62.0] and x.sub(y, alpha=0.5).tolist() == [-4.0, -8.0]
    assert torch.rsub(x, y, alpha=2).tolist() == [8.0, 16.0] and torch.add(x, 5, alpha=2).tolist() == [11.0, 12.0]
    integers = torch.tensor([1, 2], device=device)
    assert torch.add(integers, integers, alpha=-2).tolist() == [-1, -2]
    with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
        torch.add(integers, integers, alpha=0.5)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported"):
        torch.add(x, y, alpha=True)
    flags = torch.tensor([True, False], device=device)
    assert (flags + flags).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="two bool tensors is not supported"):
        operator.sub(flags, flags)
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        operator.sub(flags, x)
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        operator.sub(x, flags)
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        operator.neg(flags)


# ---- torch


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
