"""Complex arithmetic: digits and special values against exact fractions, mpmath and NumPy."""

import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import rushlight as torch

inf, nan = math.inf, math.nan
DTYPES = ["complex64", "complex128"]
PARTS = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, inf, -inf, nan]


def digits(name):
    return 24 if name == "complex64" else 53


def largest_exponent(name):
    return 120 if name == "complex64" else 1000


def numbers(n, seed, name, low=0, high=0):
    """Parts of random signs, below 1 times a power of two in [2^low, 2^high] for both."""
    rng = np.random.default_rng(seed)
    z = (rng.uniform(-1, 1, n) + 1j * rng.uniform(-1, 1, n)) * 2.0 ** rng.integers(low, high + 1, n)
    return z.astype(name)


def same(got, want):
    """Equal values and signs, NaN where NaN is wanted."""
    nans = np.isnan(got) & np.isnan(want)
    return nans | ((got == want) & (np.signbit(got) == np.signbit(want)))


def grid(name):
    z = np.empty(len(PARTS) ** 2, name)
    z.real, z.imag = np.repeat(PARTS, len(PARTS)), np.tile(PARTS, len(PARTS))
    return z


def product(a, b):
    """As written, every operation rounded once."""
    out = np.empty_like(a)
    out.real = a.real * b.real - a.imag * b.imag
    out.imag = a.real * b.imag + a.imag * b.real
    return out


@pytest.mark.parametrize("name", DTYPES)
def test_products_are_not_fused(name, device):
    a, b = numbers(203, 1, name), numbers(203, 2, name)
    x, y = torch.from_numpy(a).to(device), torch.from_numpy(b).to(device)
    want = product(a, b)
    assert np.array_equal((x * y).cpu().numpy(), want)
    assert np.array_equal((y * x).cpu().numpy(), want)
    assert not (x * x.conj()).imag.any()
    spread = [t.repeat_interleave(2)[::2] for t in (x, y)]
    assert np.array_equal((spread[0] * spread[1]).cpu().numpy(), want)
    assert np.array_equal(x.square().cpu().numpy(), product(a, a))
    assert np.array_equal(torch.addcmul(x * 0, x, y).cpu().numpy(), want)
    for i in (0, 7, 202):  # the same digits wherever a number lies
        assert (x[i] * y[i]).item() == complex(want[i])
        assert (x[i : i + 1] * y[i : i + 1]).item() == complex(want[i])
        assert np.array_equal((x * y[i]).cpu().numpy(), product(a, np.full_like(a, b[i])))


@pytest.mark.parametrize("name", DTYPES)
def test_running_products_are_the_products_one_by_one(name, device):
    a = (1 + numbers(60, 3, name) / 4).reshape(12, 5)
    want = [a[0]]
    for row in a[1:]:
        want.append(product(want[-1], row))
    x = torch.from_numpy(a).to(device)
    zeros = torch.zeros((12, 5), dtype=torch.int64, device=device)
    base = torch.ones((1, 5), dtype=getattr(torch, name), device=device)
    assert np.array_equal(base.scatter_reduce(0, zeros, x, "prod").cpu().numpy()[0], want[-1])
    assert np.array_equal(base.index_reduce(0, zeros[:, 0], x, "prod").cpu().numpy()[0], want[-1])
    got = torch.cumprod(x, 0).cpu().numpy()
    if name == "complex128":  # complex64 runs in double
        assert np.array_equal(got, np.array(want))
    else:
        np.testing.assert_allclose(got, np.array(want), rtol=1e-5)


def exact_quotient(a, b):
    x, y, c, d = (Fraction(float(v)) for v in (a.real, a.imag, b.real, b.imag))
    norm = c * c + d * d
    return (x * c + y * d) / norm, (y * c - x * d) / norm


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("magnitude", ["small", "one", "large", "any"])
def test_quotients(name, magnitude, device):
    top = largest_exponent(name)
    low, high = {"small": (-top, -top + 9), "one": (0, 0), "large": (top - 9, top), "any": (-top, top)}[magnitude]
    a, b = numbers(150, 4, name, low, high), numbers(150, 5, name, low, high)
    got = (torch.from_numpy(a).to(device) / torch.from_numpy(b).to(device)).cpu().numpy()
    checked = 0
    for x, y, g in zip(a, b, got):
        want = exact_quotient(x, y)
        size = math.hypot(*(float(v) for v in want)) if max(map(abs, want)) < 2**1020 else inf
        if 2.0 ** -(top - 8) < size < 2.0**top:  # elsewhere it overflows or loses digits
            error = math.hypot(*(float(Fraction(float(v)) - w) for v, w in zip((g.real, g.imag), want)))
            assert error <= 3 * size * 2.0 ** -digits(name), (x, y, g)
            checked += 1
    assert checked >= (30 if magnitude == "any" else 140)
    x = torch.from_numpy(a).to(device)
    assert (x / x == 1).all()


@pytest.mark.parametrize("name", DTYPES)
def test_quotients_at_special_values(name, device):
    z = grid(name)
    a, b = np.repeat(z, len(z)), np.tile(z, len(z))
    with np.errstate(all="ignore"):
        want = a / b
    got = (torch.from_numpy(a).to(device) / torch.from_numpy(b).to(device)).cpu().numpy()
    for part in ("real", "imag"):
        g, w = getattr(got, part), getattr(want, part)
        ordinary = np.isfinite(w) & (w != 0)
        np.testing.assert_allclose(g[ordinary], w[ordinary], rtol=1e-6)
        assert same(g, w)[~ordinary].all()
    one = torch.ones((), dtype=getattr(torch, name), device=device)
    reciprocals, quotients = torch.from_numpy(z).to(device).reciprocal(), one / torch.from_numpy(z).to(device)
    for part in ("real", "imag"):
        assert same(getattr(reciprocals, part).cpu().numpy(), getattr(quotients, part).cpu().numpy()).all()
    ones = torch.ones(4, dtype=getattr(torch, name), device=device)
    zeros = torch.tensor([0j, complex(-0.0, 0), complex(0, -0.0), complex(-0.0, -0.0)], dtype=ones.dtype, device=device)
    assert (ones * (1 - 2j) / zeros).tolist() == [complex(inf, -inf)] * 4
    assert torch.addcdiv(ones * 0, ones * (1 - 2j), zeros).tolist() == [complex(inf, -inf)] * 4


def log1p(z):
    return mp.mpc(mp.log1p(z.real * (2 + z.real) + z.imag**2) / 2, mp.atan2(z.imag, 1 + z.real))


def expm1(z):
    return mp.exp(z) - 1 if abs(z) > 0.1 else mp.nsum(lambda k: z**k / mp.factorial(k), [1, 60])


# name: (exact, points where a plain formula overflows or cancels)
UNARY = {
    "sqrt": (mp.sqrt, [1e38 + 1e38j, 1e-38 + 1e-38j]),
    "exp": (mp.exp, [88 + 1j, -80 + 2j]),
    "exp2": (lambda z: mp.exp(z * mp.log(2)), [100 + 20j, 0.5 + 1000j, 127 + 0.3j]),
    "expm1": (expm1, [1e-6 + 1e-6j, 60 + 1j, 1e-4 - 2j]),
    "log": (mp.log, [1e38 + 1e38j, 1 + 1e-6j, 1e-38 - 1e-38j]),
    "log2": (lambda z: mp.log(z) / mp.log(2), [3e37 - 1e38j]),
    "log10": (lambda z: mp.log(z) / mp.log(10), [3e37 - 1e38j]),
    "log1p": (log1p, [1e-6 + 1e-7j, -1.5 + 0.8660254j, -1 + 1j, 1e38 + 1e38j, -2.0 + 1e-3j]),
    "sin": (mp.sin, [1e-6 + 1e-6j, 3.1415925 + 1e-5j, 1 + 80j]),
    "cos": (mp.cos, [1.5707964 + 1e-5j, 1 + 80j]),
    "tan": (mp.tan, [1e-6 + 1e-6j, 1 + 80j, 1.5 + 0.01j]),
    "sinh": (mp.sinh, [1e-6 + 1e-6j, 80 + 1j]),
    "cosh": (mp.cosh, [80 + 1j]),
    "tanh": (mp.tanh, [1e-6 + 1e-6j, 80 + 1j]),
    "asin": (mp.asin, [1 + 1e-6j, 1e10 + 1e10j]),
    "acos": (mp.acos, [1 + 1e-6j, 1e10 - 1e10j]),
    "atan": (mp.atan, [1e-3 + 1.000001j, 1e10 + 1e10j]),
    "asinh": (mp.asinh, [1e-3 + 1.000001j, 1e10 + 1e10j]),
    "acosh": (mp.acosh, [1 + 1e-6j, 1e10 + 1e10j]),
    "atanh": (mp.atanh, [1.000001 + 1e-3j, 1e10 + 1e10j]),
    "reciprocal": (lambda z: 1 / z, [1e37 + 1e37j, 1e-37 + 1e-37j]),
    "rsqrt": (lambda z: 1 / mp.sqrt(z), [1e38 + 1e38j, 1e-38 - 1e-38j]),
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), [-85 + 1j, 85 - 1j, 0.0001 + 3.1415j, -0.001 - 3.15j]),
    "square": (lambda z: z * z, [1e-18 + 1e18j]),
    "sinc": (mp.sincpi, [1e-6 + 1e-6j, 20.000001 + 1e-6j, 0.5 + 20j, 1000.25 - 3j]),
    "sgn": (lambda z: z / abs(z), [3e38 + 3e38j, 1e-42 + 2e-42j]),
}


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("function", sorted(UNARY))
def test_unary_functions(function, name, device):
    exact, points = UNARY[function]
    z = np.concatenate([np.array(points), 3 * numbers(40, 6, "complex128"), 20 * numbers(20, 7, "complex128")])
    z = z.astype(name)
    got = getattr(torch, function)(torch.from_numpy(z).to(device)).cpu().numpy()
    with mp.workprec(200):
        for v, g in zip(z, got):
            want = exact(mp.mpc(float(v.real), float(v.imag)))
            error = abs(mp.mpc(float(g.real), float(g.imag)) - want)
            assert error <= 4.5 * abs(want) * mp.mpf(2) ** -digits(name), (v, g, want)


@pytest.mark.parametrize("name", DTYPES)
def test_results_beyond_plain_formulas(name, device):
    def tensor(*z):
        return torch.tensor(z, dtype=getattr(torch, name), device=device)

    top, low = (3e38, 1e-45) if name == "complex64" else (1.7e308, 5e-324)
    assert torch.sigmoid(tensor(-1e4 + 1j, complex(-inf, 2))).tolist() == [0, 0]
    assert torch.sigmoid(tensor(1e4 + 1j)).tolist() == [1]
    np.testing.assert_allclose(
        torch.sgn(tensor(complex(top, top), complex(low, low))).cpu().numpy(), 0.5**0.5 * (1 + 1j)
    )
    np.testing.assert_allclose(abs(torch.angle(tensor(complex(-1, -0.0), complex(-1, 0.0))).cpu().numpy()), math.pi)
    assert torch.abs(tensor(complex(inf, nan), 3 + 4j)).tolist() == [inf, 5]
    assert torch.sinc(tensor(0, 3, -2)).tolist() == [1, 0, 0]
    for f in (torch.exp2, torch.sinc, torch.log1p, torch.expm1):
        assert math.copysign(1, f(tensor(complex(0.5, -0.0))).imag.item()) == (1 if f is torch.sinc else -1)


@pytest.mark.parametrize("name", DTYPES)
def test_powers_of_zero(name, device):
    zero = torch.zeros(6, dtype=getattr(torch, name), device=device)
    exponents = [0, 1j, -1j, 2, 0.5 - 3j, -2]
    got = torch.pow(zero, torch.tensor(exponents, dtype=zero.dtype, device=device)).tolist()
    assert got[0] == 1 and got[3] == got[4] == 0
    assert all(math.isnan(z.real) and math.isnan(z.imag) for z in got[1:3])
    assert got[5].real == inf and math.isnan(got[5].imag)


@pytest.mark.parametrize("name", DTYPES)
def test_logcumsumexp_at_infinity(name, device):
    """The sum starts at log 0 = -inf + 0i, which stays until something larger comes."""
    z = [
        complex(-inf, 4),
        complex(-inf, inf),
        1.2 + 2.1j,
        1e10 + 1e12j,
        complex(inf, 0),
        complex(inf, 1),
        complex(nan, 2),
    ]
    got = torch.logcumsumexp(torch.tensor(z, dtype=getattr(torch, name), device=device), 0).tolist()
    assert got[:2] == [complex(-inf, 0)] * 2
    np.testing.assert_allclose(got[2:4], z[2:4], rtol=1e-6)
    assert got[4] == complex(inf, 0)
    assert got[5].real == inf and abs(got[5].imag - math.pi / 4) < 1e-6
    assert math.isnan(got[6].real) and math.isnan(got[6].imag)
    x = torch.tensor(z[:2], dtype=getattr(torch, name), device=device)
    assert torch.logaddexp(x[:1], x[:1].conj()).tolist() == [complex(-inf, -4)]
