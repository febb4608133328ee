"""Random tensors with every kind of strides, each with the NumPy array that sees the same numbers.

The number of examples of a property is RUSHLIGHT_EXAMPLES (default 20); thousands take minutes.
"""

import os

import numpy as np
import rushlight as torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

MAX_DIMS, MAX_SIZE = 4, 5

FLOATS = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8")
COMPLEX = ("complex64", "complex128")
NUMBERS = FLOATS + INTEGERS
ALL = (*NUMBERS, "bool", "float16", *COMPLEX)

examples = settings(
    max_examples=int(os.environ.get("RUSHLIGHT_EXAMPLES", "20")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

shapes = st.lists(st.integers(0, MAX_SIZE), max_size=MAX_DIMS).map(tuple)
filled_shapes = st.lists(st.integers(1, MAX_SIZE), max_size=MAX_DIMS).map(tuple)


def fill(rng, shape, dtype, special=False):
    """Small numbers, so that sums and products stay exact in integers; NaN and infinities where asked for."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -5, 6, shape).astype(dtype)
    values = np.round(rng.normal(scale=2, size=shape), 2)
    if special and values.size:
        values = np.where(rng.random(shape) < 0.15, rng.choice([np.nan, np.inf, -np.inf, -0.0], shape), values)
    if dtype.kind == "c":
        values = values + 1j * np.round(rng.normal(size=shape), 2)
    return np.asarray(values, dtype)


def _step(draw, t, a):
    """One random view of both."""
    kind = draw(st.sampled_from(["permute", "slice", "expand", "select", "unsqueeze", "overlap", "diagonal"]))
    if kind == "permute" and a.ndim > 1:
        order = draw(st.permutations(range(a.ndim)))
        return t.permute(order), a.transpose(order)
    if kind == "slice" and a.ndim:
        d = draw(st.integers(0, a.ndim - 1))
        start = draw(st.integers(0, a.shape[d]))
        stop = draw(st.integers(start, a.shape[d]))
        key = (slice(None),) * d + (slice(start, stop, draw(st.integers(1, 3))),)
        return t[key], a[key]
    if kind == "expand" and a.ndim < MAX_DIMS:
        shape = (draw(st.integers(0, 3)), *a.shape)
        return t.expand(shape), np.broadcast_to(a, shape)
    if kind == "select" and a.ndim and a.shape[0]:
        i = draw(st.integers(-a.shape[0], a.shape[0] - 1))
        return t[i], a[i]
    if kind == "unsqueeze" and a.ndim < MAX_DIMS:
        d = draw(st.integers(0, a.ndim))
        return t.unsqueeze(d), np.expand_dims(a, d)
    if kind == "overlap" and a.ndim == 1 and len(a) > 2 and a.strides[0] == a.itemsize:
        # Windows that share elements.
        shape = (len(a) - 2, 3)
        return t.as_strided(shape, (1, 1)), as_strided(a, shape, (a.itemsize, a.itemsize))
    if kind == "diagonal" and a.ndim > 1:
        return t.diagonal(), np.diagonal(a)
    return t, a


@st.composite
def tensors(draw, dtypes=NUMBERS, shape=None, steps=3, special=False):
    """(tensor, array): the same numbers seen through the same views."""
    dtype = draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    a = fill(rng, draw(shapes) if shape is None else shape, dtype, special)
    t = torch.from_numpy(np.array(a))
    if shape is None:
        for _ in range(draw(st.integers(0, steps))):
            t, a = _step(draw, t, a)
        return t, a
    # A fixed shape: the layout is what varies.
    layout = draw(st.sampled_from(["plain", "transposed", "strided"]))
    if layout == "transposed":
        t = t.permute(tuple(reversed(range(t.dim())))).contiguous().permute(tuple(reversed(range(t.dim()))))
    if layout == "strided" and t.dim():
        t = torch.stack([t, t + t], -1)[..., 0]
    return t, a


@st.composite
def broadcastable(draw, shape):
    """A shape that broadcasts to `shape`."""
    kept = draw(st.integers(0, len(shape)))
    tail = shape[len(shape) - kept :]
    return tuple(1 if draw(st.booleans()) else n for n in tail)


@st.composite
def pairs(draw, dtypes=NUMBERS, special=False):
    """Two tensors of one dtype whose shapes broadcast, with their arrays."""
    t, a = draw(tensors(dtypes, special=special))
    u, b = draw(tensors((str(a.dtype),), shape=draw(broadcastable(a.shape)), special=special))
    return (t, a, u, b) if draw(st.booleans()) else (u, b, t, a)


def dim_of(draw, a):
    """A dim of the array, counted from either end."""
    return draw(st.integers(-a.ndim, a.ndim - 1)) if a.ndim else draw(st.integers(-1, 0))


def dims_of(draw, a):
    """Some distinct dims, or None for all."""
    if not a.ndim or draw(st.booleans()):
        return None
    dims = draw(st.lists(st.integers(0, a.ndim - 1), min_size=1, max_size=a.ndim, unique=True))
    return tuple(d - a.ndim if draw(st.booleans()) else d for d in dims)


def check(got, want, tolerance=None, dtype=True):
    """Equal shapes, dtypes and elements; `tolerance` in units of the dtype's epsilon for floating point."""
    want = np.asarray(want)
    have = got.detach().resolve_conj().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    assert have.shape == want.shape, f"{have.shape} instead of {want.shape}"
    if dtype:
        assert have.dtype == want.dtype, f"{have.dtype} instead of {want.dtype}"
    if want.dtype.kind in "fc" and tolerance:
        eps = np.finfo(want.dtype).eps
        scale = np.max(np.abs(want), initial=1, where=np.isfinite(want))
        np.testing.assert_allclose(have, want, rtol=tolerance * eps, atol=tolerance * eps * scale)
    else:
        np.testing.assert_array_equal(have, want)
