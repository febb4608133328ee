"""What several test files share: arrays and tensors made from each other, comparisons, thread counts, a small layer."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import rushlight as torch

# What a build with sanitizers cannot show: it reserves address space, keeps what is freed, and has deep frames.
unsanitized = pytest.mark.skipif("RUSHLIGHT_SANITIZED" in os.environ, reason="measures memory, which sanitizers take")

# The table of elementwise operations, which is installed with the headers.
ELEMENTWISE_TABLE = (Path(torch._C.__file__).parent / "include" / "rushlight" / "elementwise.def").read_text()

# The dtypes that NumPy and rushlight both have.
NUMPY_DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def numbered(*shape, start=0):
    """An int64 array of that shape with the numbers from `start` on."""
    return np.arange(start, start + int(np.prod(shape)), dtype=np.int64).reshape(shape)


def tensor(a, device, dtype=None):
    """A tensor with the values of an array; `dtype` is a name, of the array's own dtype if None."""
    t = torch.from_numpy(np.array(a)).to(device)
    return t.to(getattr(torch, dtype)) if dtype else t


def array(t):
    """The values of a tensor as float64 or complex128."""
    t = t.to(torch.complex128 if t.is_complex() else torch.float64)
    return np.array(t.tolist()).reshape(tuple(t.shape))


def same(t, a):
    """Assert equal shapes and values of a tensor and an array."""
    a = np.asarray(a)
    assert tuple(t.shape) == a.shape
    assert t.tolist() == a.tolist()


def same_with_dtype(t, a):
    same(t, a)
    assert str(t.dtype) == f"torch.{a.dtype}"


def on_threads(run, counts=(1, 2)):
    """The results of run() with each number of threads."""
    before = torch.get_num_threads()
    results = []
    try:
        for n in counts:
            torch.set_num_threads(n)
            results.append(run())
    finally:
        torch.set_num_threads(before)
    return results


def flat(value):
    return [x for item in value for x in flat(item)] if isinstance(value, (list, tuple)) else [value]


def close(actual, expected, tolerance=1e-6):
    """Assert that tensors of either library, numbers or nested lists are about equal."""
    values = [x.tolist() if hasattr(x, "tolist") else x for x in (actual, expected)]
    assert flat(values[0]) == pytest.approx(flat(values[1]), rel=tolerance, abs=tolerance)


def filled_linear(device="cpu"):
    """nn.Linear(2, 3) with weights 1 to 6 and biases 0.5, -0.5, 0."""
    layer = torch.nn.Linear(2, 3, device=device)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        layer.bias.copy_(torch.tensor([0.5, -0.5, 0.0]))
    return layer


def run_child(code, timeout=120):
    """The output of code that is run in a process of its own, since what it does must not end one."""
    done = subprocess.run(
        [sys.executable, "-c", "import rushlight as torch\n" + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
