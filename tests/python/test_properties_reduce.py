"""Reductions and scans on random views against NumPy."""

import warnings

import numpy as np
import pytest
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special
from strategies import ALL, COMPLEX, FLOATS, NUMBERS, check, dim_of, dims_of, examples, tensors

warnings.filterwarnings("ignore", category=RuntimeWarning)

# name: (NumPy's function, dtypes, tolerance, whether empty dims have a result)
OVER_DIMS = {
    "sum": (np.sum, FLOATS + COMPLEX, 64, True),
    "mean": (np.mean, FLOATS + COMPLEX, 64, True),
    "nansum": (np.nansum, FLOATS, 64, True),
    "nanmean": (np.nanmean, FLOATS, 64, True),
    "amax": (np.max, NUMBERS, None, False),
    "amin": (np.min, NUMBERS, None, False),
    "all": (np.all, tuple(d for d in ALL if d != "uint8"), None, True),
    "any": (np.any, tuple(d for d in ALL if d != "uint8"), None, True),
    "logsumexp": (special.logsumexp, FLOATS, 64, False),
    "count_nonzero": (np.count_nonzero, ALL, None, True),
}


@pytest.mark.parametrize("name", OVER_DIMS)
@examples
@given(data=st.data())
def test_over_dims(name, data):
    reference, dtypes, tolerance, empty = OVER_DIMS[name]
    t, a = data.draw(tensors(dtypes, special=name not in ("sum", "mean")))
    dims = dims_of(data.draw, a)
    assume(empty or a.size)
    f = getattr(torch, name)
    if name == "count_nonzero":
        check(f(t) if dims is None else f(t, dims), reference(a, axis=dims), dtype=False)
        return
    keep = data.draw(st.booleans())
    if name == "logsumexp":
        dims = tuple(range(a.ndim)) if dims is None else dims
        assume(dims)
    want = np.asarray(reference(a, axis=dims, keepdims=keep))
    if dims is None:
        check(f(t, tuple(range(a.ndim)), keepdim=keep) if a.ndim else f(t), want, tolerance)
        if not keep and not name.startswith("log"):
            check(f(t), want, tolerance)
    else:
        check(f(t, dims, keep), want, tolerance)


@examples
@given(data=st.data())
def test_sums_and_products_of_integers_are_int64(data):
    t, a = data.draw(tensors(("int8", "int16", "int32", "int64", "uint8", "bool")))
    dims = dims_of(data.draw, a)
    check(torch.sum(t, dims), np.sum(a, axis=dims, dtype=np.int64))
    if a.ndim:
        d = dim_of(data.draw, a)
        check(torch.prod(t, d), np.prod(a, axis=d, dtype=np.int64))
        check(torch.cumsum(t, d), np.cumsum(a, axis=d, dtype=np.int64))
        check(torch.cumprod(t, d), np.cumprod(a, axis=d, dtype=np.int64))


@examples
@given(data=st.data())
def test_var_and_std(data):
    t, a = data.draw(tensors(FLOATS))
    dims = dims_of(data.draw, a)
    correction = data.draw(st.integers(0, 2))
    count = np.prod([a.shape[d] for d in (range(a.ndim) if dims is None else dims)], dtype=int)
    assume(count > correction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(torch.var(t, dims, correction=correction), np.var(a, axis=dims, ddof=correction), 64)
        check(torch.std(t, dims, correction=correction), np.std(a, axis=dims, ddof=correction), 64)
        var, mean = torch.var_mean(t, dims, correction=correction)
        check(mean, np.mean(a, axis=dims), 64)
        check(var, np.var(a, axis=dims, ddof=correction), 64)


@pytest.mark.parametrize("name, reference", [("argmax", np.argmax), ("argmin", np.argmin)])
@examples
@given(data=st.data())
def test_arg_reductions(name, reference, data):
    t, a = data.draw(tensors(NUMBERS, special=True))
    assume(a.size)
    check(getattr(torch, name)(t), reference(a))
    if a.ndim:
        d = dim_of(data.draw, a)
        check(getattr(torch, name)(t, d), reference(a, axis=d))
        values, indices = getattr(torch, name[3:])(t, d)
        check(indices, reference(a, axis=d))
        check(values, getattr(np, name[3:])(a, axis=d))


@pytest.mark.parametrize("name, reference", [("cumsum", np.cumsum), ("cumprod", np.cumprod),
                                             ("logcumsumexp", np.logaddexp.accumulate)])  # fmt: skip
@examples
@given(data=st.data())
def test_scans(name, reference, data):
    t, a = data.draw(tensors(FLOATS))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    check(getattr(torch, name)(t, d), reference(a, axis=d), 64)


@pytest.mark.parametrize("name, reference", [("cummax", np.maximum.accumulate), ("cummin", np.minimum.accumulate)])
@examples
@given(data=st.data())
def test_running_extremes(name, reference, data):
    t, a = data.draw(tensors(NUMBERS, special=True))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    values, indices = getattr(torch, name)(t, d)
    check(values, reference(a, axis=d))
    check(torch.gather(t, d, indices), reference(a, axis=d))


@examples
@given(data=st.data())
def test_norms(data):
    t, a = data.draw(tensors(FLOATS + COMPLEX))
    assume(a.ndim and a.size)
    d = dim_of(data.draw, a)
    for p in (0, 1, 2, 3, np.inf, -np.inf):
        check(torch.norm(t, p, d), np.linalg.norm(a, p, axis=d), 64, dtype=False)


@examples
@given(data=st.data())
def test_diff_trapezoid_histogram_bincount(data):
    t, a = data.draw(tensors(("float32", "float64", "int64")))
    if a.ndim:
        d = dim_of(data.draw, a)
        n = data.draw(st.integers(0, 3))
        assume(a.shape[d] > n)
        check(torch.diff(t, n, d), np.diff(a, n, axis=d))
        if a.dtype.kind == "f":
            check(torch.trapezoid(t, dim=d), np.trapezoid(a, axis=d), 64)
    if a.dtype.kind == "f" and a.size:
        bins = data.draw(st.integers(1, 7))
        check(torch.histc(t, bins, -3, 3), np.histogram(a, bins, (-3, 3))[0], dtype=False)
    counts = t.to(torch.int64).abs().flatten()
    check(torch.bincount(counts, minlength=4), np.bincount(counts.numpy(), minlength=4))


@examples
@given(data=st.data())
def test_softmax(data):
    t, a = data.draw(tensors(FLOATS))
    assume(a.ndim and a.size)
    d = dim_of(data.draw, a)
    check(torch.softmax(t, d), special.softmax(a, axis=d), 32)
    check(torch.log_softmax(t, d), special.log_softmax(a, axis=d), 32)
