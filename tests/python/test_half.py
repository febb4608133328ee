"""Half precision: every elementwise function gives the float32 result, rounded once."""

import re

import numpy as np
import pytest
import rushlight as torch
from helpers import ELEMENTWISE_TABLE

HALVES = ["float16", "bfloat16"]


def functions(kind):
    names = re.findall(rf"^{kind}\(\w+, (\w+),", ELEMENTWISE_TABLE, re.M)
    both = {n: getattr(torch, n, None) or getattr(torch.special, n, None) for n in names}
    return {n: f for n, f in both.items() if f is not None}


# Only of integers, or by the digits of the half itself.
OTHER = re.compile("bitwise|gcd|lcm|nextafter")
UNARY = {n: f for n, f in functions("RL_UNARY").items() if not OTHER.match(n)}
BINARY = {n: f for n, f in functions("RL_BINARY").items() if not OTHER.match(n)}


def patterns(bits, name, device):
    return torch.from_numpy(bits.view(np.int16)).to(device).view(getattr(torch, name))


def check(got, want, x):
    if got.dtype == torch.bool:
        return torch.equal(got, want)
    assert got.dtype == x.dtype
    a, b = got.float().cpu().numpy(), want.to(x.dtype).float().cpu().numpy()
    return bool(((a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)).all())


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("function", sorted(UNARY))
def test_unary(function, name, device):
    f = UNARY[function]
    x = patterns(np.arange(1 << 16, dtype=np.uint16), name, device)
    assert check(f(x), f(x.float()), x)
    every_third = x[::3]
    assert check(f(every_third), f(every_third.float()), x)


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("function", sorted(BINARY))
def test_binary(function, name, device):
    f, rng = BINARY[function], np.random.default_rng(0)
    a, b = (patterns(rng.integers(0, 1 << 16, 20_000, dtype=np.uint16), name, device) for _ in range(2))
    if function in ("igamma", "igammac", "zeta") or "polynomial" in function:  # slow far out
        a, b = (torch.from_numpy(rng.uniform(0.1, 9, 2000)).to(device).to(a.dtype) for _ in range(2))
    assert check(f(a, b), f(a.float(), b.float()), a)
    assert check(f(a, b[0]), f(a.float(), b[0].float()), a)
    result = f(a, b)
    out = torch.empty_like(result)
    f(a, b, out=out)
    assert check(out, result.float() if result.dtype != torch.bool else result, a)
