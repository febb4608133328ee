"""Products by a BLAS that RUSHLIGHT_BLAS names: with or without a suffix to its names, integers of 32 or 64 bits."""

import ctypes.util
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Complex products go to the BLAS; every layout of the operands, and vectors, beside sums over k that are made here.
PROGRAM = """
import itertools
import rushlight as torch

torch.manual_seed(0)

def whole(*shape, dtype):
    parts = [torch.randint(-4, 5, shape).to(dtype) for _ in range(2)]
    return parts[0] + parts[1] * 1j if dtype.is_complex else parts[0]

forms = [
    lambda t: t,
    lambda t: t.t().contiguous().t(),
    lambda t: t.conj(),
    lambda t: t.conj().t().contiguous().t(),
    lambda t: torch.cat([t, t])[::2][: t.size(0)] if t.size(0) % 2 else t,
]
for dtype in (torch.complex64, torch.complex128, torch.float32, torch.float64):
    for m, n, k in ((40, 50, 60), (1, 30, 20), (30, 1, 20), (7, 5, 1)):
        a, b, c = (whole(*shape, dtype=dtype) for shape in ((m, k), (k, n), (m, n)))
        for f, g in itertools.product(forms, forms):
            x, y = f(a), g(b)
            expected = sum((x[:, i : i + 1] * y[i : i + 1] for i in range(k)), torch.zeros(m, n, dtype=dtype))
            assert torch.equal(x @ y, expected), (dtype, m, n, k)
        assert torch.equal(torch.addmm(c, a, b, beta=2, alpha=3), 2 * c + 3 * (a @ b))
        v = b[:, 0]
        assert torch.equal(a @ v, (a * v).sum(1)) and torch.equal(a.conj() @ v, (a.conj() * v).sum(1))
print("right")
"""


def libraries():
    found = {name: ctypes.util.find_library(name) for name in ("blas", "openblas", "openblas64")}
    for package in ("numpy", "scipy"):  # 64 bits with a suffix; 32 bits without
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            for file in Path(spec.origin).parents[1].glob(f"{package}.libs/*openblas*"):
                found[package] = str(file)
    return {name: path for name, path in found.items() if path}


def run(blas, program=PROGRAM):
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "RUSHLIGHT_BLAS": blas}, capture_output=True, text=True
    )


@pytest.mark.parametrize("name, path", libraries().items())
def test_products(name, path):
    done = run(path)
    assert done.stdout == "right\n", done.stderr


def test_without_a_blas():
    """Real products need none; complex ones name what was looked for."""
    done = run(
        "/nonexistent/libnone.so",
        "import rushlight as torch; print((torch.ones(3, 3) @ torch.ones(3, 3)).sum().item())\n"
        "try: torch.ones(9, 9, dtype=torch.complex64) @ torch.ones(9, 9, dtype=torch.complex64)\n"
        "except RuntimeError as error: print('/nonexistent/libnone.so' in str(error))",
    )
    assert done.stdout == "27.0\nTrue\n", done.stderr
