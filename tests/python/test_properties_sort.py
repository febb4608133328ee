"""Order, search and sets on random views against NumPy."""

import numpy as np
import pytest
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import FLOATS, NUMBERS, check, dim_of, examples, tensors

ORDERED = (*NUMBERS, "float16")


@examples
@given(data=st.data())
def test_sort(data):
    t, a = data.draw(tensors((*ORDERED, "bool"), special=True))
    d = dim_of(data.draw, a) if a.ndim else -1
    values, indices = torch.sort(t, dim=d, stable=True)
    if not a.ndim:
        check(values, a)
        check(indices, np.int64(0))
        return
    check(values, np.sort(a, d))
    check(indices, np.argsort(a, d, kind="stable"))
    check(torch.argsort(t, dim=d, stable=True), np.argsort(a, d, kind="stable"))
    values, indices = torch.sort(t, dim=d, descending=True, stable=True)
    # Stable in the other direction too: equal elements keep their order.
    order = np.flip(a.shape[d] - 1 - np.argsort(np.flip(a, d), d, kind="stable"), d)
    check(indices, order)
    check(values, np.take_along_axis(a, order, d))


@examples
@given(data=st.data())
def test_topk_and_kthvalue(data):
    t, a = data.draw(tensors(ORDERED, special=True))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    size = a.shape[d]
    k = data.draw(st.integers(0, size))
    for largest in (True, False):
        values, indices = torch.topk(t, k, d, largest=largest)
        ordered = np.flip(np.sort(a, d), d) if largest else np.sort(a, d)
        check(values, np.take(ordered, range(k), d))
        check(torch.gather(t, d, indices), np.take(ordered, range(k), d))
    if k and a.size:
        value, index = torch.kthvalue(t, k, d)
        check(value, np.take(np.sort(a, d), k - 1, d))
        check(torch.gather(t, d, index.unsqueeze(d)).squeeze(d), np.take(np.sort(a, d), k - 1, d))


@examples
@given(data=st.data())
def test_median_and_quantile(data):
    t, a = data.draw(tensors(FLOATS))
    assume(a.size)
    # torch's median is the lower one of two.
    check(torch.median(t), np.sort(a, axis=None)[(a.size - 1) // 2])
    q = data.draw(st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]))
    check(torch.quantile(t, q), np.quantile(a, q).astype(a.dtype), 16)
    if a.ndim:
        d = dim_of(data.draw, a)
        check(torch.median(t, d).values, np.take(np.sort(a, d), (a.shape[d] - 1) // 2, d))
        check(torch.quantile(t, q, d), np.quantile(a, q, d).astype(a.dtype), 16)


@examples
@given(data=st.data())
def test_unique(data):
    t, a = data.draw(tensors((*NUMBERS, "bool")))
    values, inverse, counts = torch.unique(t, return_inverse=True, return_counts=True)
    want, want_inverse, want_counts = np.unique(a, return_inverse=True, return_counts=True)
    check(values, want)
    check(inverse, want_inverse.reshape(a.shape))
    check(counts, want_counts)
    if a.ndim and a.size:
        d = dim_of(data.draw, a)
        values, counts = torch.unique(t, dim=d, return_counts=True)
        want, want_counts = np.unique(a, axis=d, return_counts=True)
        check(values, want)
        check(counts, want_counts)
    values, counts = torch.unique_consecutive(t, return_counts=True)
    flat = a.reshape(-1)
    starts = np.concatenate([np.ones(min(1, a.size), bool), flat[1:] != flat[:-1]])
    check(values, flat[starts])
    check(counts, np.diff(np.append(np.flatnonzero(starts), a.size)) if a.size else np.zeros(0, np.int64))


@examples
@given(data=st.data())
def test_searchsorted(data):
    dtype = data.draw(st.sampled_from(NUMBERS))
    _, edges = data.draw(tensors((dtype,), shape=(data.draw(st.integers(0, 9)),)))
    t, a = data.draw(tensors((dtype,)))
    edges = np.sort(edges)
    for side in ("left", "right"):
        want = np.searchsorted(edges, a, side)
        check(torch.searchsorted(torch.from_numpy(edges), t, side=side), want)
        check(torch.bucketize(t, torch.from_numpy(edges), right=side == "right"), want)


@examples
@given(data=st.data())
def test_isin_and_nonzero(data):
    t, a = data.draw(tensors(NUMBERS))
    u, b = data.draw(tensors((str(a.dtype),)))
    check(torch.isin(t, u), np.isin(a, b))
    check(torch.isin(t, u, invert=True), np.isin(a, b, invert=True))
    check(torch.nonzero(t), np.argwhere(a))


@examples
@given(data=st.data())
def test_histogram_and_bincount(data):
    t, a = data.draw(tensors(("float32", "float64"), shape=(data.draw(st.integers(1, 20)),)))
    bins = data.draw(st.integers(1, 6))
    check(torch.histc(t, bins, -6, 6), np.histogram(a, bins, (-6, 6))[0].astype(a.dtype))
    t, a = data.draw(tensors(("uint8", "int64"), shape=(data.draw(st.integers(0, 9)),)))
    check(torch.bincount(abs(t)), np.bincount(np.abs(a)).astype(np.int64))


def test_searchsorted_warns_of_copies():
    rows, values = torch.arange(6.0).view(2, 3), torch.ones(2, 2)
    for a, b, text in [
        (rows, values.t(), "input value tensor"),
        (rows.t().contiguous().t(), values, "boundary tensor"),
    ]:
        with pytest.warns(UserWarning, match=f"{text} is non-contiguous"):
            assert torch.searchsorted(a, b).tolist() == [[1, 1], [0, 0]]
