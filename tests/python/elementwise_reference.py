"""The elementwise functions with their NumPy references, and how far a result may be from them."""

import operator

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
    "heaviside": lambda x, v: np.where(np.isnan(x), 0, np.heaviside(x, v)),  # of NaN 0, as torch has it
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
