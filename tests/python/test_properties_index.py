"""Indexing and ordering on random views against NumPy."""

import warnings

import numpy as np
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ALL, NUMBERS, check, dim_of, examples, tensors

warnings.filterwarnings("ignore", category=RuntimeWarning)


@st.composite
def indices(draw, shape):
    """An index of Python objects; arrays of integers and masks become tensors on one side."""
    items, left = [], list(shape)
    while left and draw(st.integers(0, 3)):
        kind = draw(st.sampled_from(["int", "slice", "none", "ellipsis", "list", "mask", "array"]))
        n = left[0]
        if kind == "none":
            items.append(None)
        elif kind == "ellipsis":
            if any(i is Ellipsis for i in items):
                continue
            items.append(Ellipsis)
            left = left[draw(st.integers(0, len(left))) :]
            # What follows counts from the end.
            left = left[:0]
        elif kind == "slice":
            start = draw(st.none() | st.integers(-n - 1, n + 1))
            stop = draw(st.none() | st.integers(-n - 1, n + 1))
            items.append(slice(start, stop, draw(st.none() | st.integers(1, 3))))
            left.pop(0)
        elif n == 0:
            items.append(slice(None))
            left.pop(0)
        elif kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
            left.pop(0)
        elif kind == "mask":
            rng = np.random.default_rng(draw(st.integers(0, 1000)))
            mask = np.zeros(n, bool)
            mask[rng.integers(0, n, 2)] = True
            # As many as the other index arrays have: two or one that broadcasts.
            if mask.sum() == 1:
                mask[:] = False
                mask[0] = True
            items.append(mask)
            left.pop(0)
        else:
            items.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=2, max_size=2))))
            left.pop(0)
    return tuple(items)


def for_tensor(index):
    return tuple(torch.from_numpy(i.copy()) if isinstance(i, np.ndarray) else i for i in index)


@examples
@given(data=st.data())
def test_getitem(data):
    t, a = data.draw(tensors(ALL))
    index = data.draw(indices(a.shape))
    try:
        want = a[index]
    except IndexError:
        assume(False)
    check(t[for_tensor(index)], want)


@examples
@given(data=st.data())
def test_setitem(data):
    t, a = data.draw(tensors(NUMBERS, steps=1))
    t, a = t.clone(), np.array(a)
    index = data.draw(indices(a.shape))
    try:
        shape = a[index].shape
    except IndexError:
        assume(False)
    a[index] = 3
    t[for_tensor(index)] = 3
    check(t, a)
    distinct = not any(isinstance(i, np.ndarray) and i.dtype != bool for i in index)
    if distinct and shape:
        row = np.arange(shape[-1]).astype(a.dtype)
        a[index] = row
        t[for_tensor(index)] = torch.from_numpy(row)
        check(t, a)


@examples
@given(data=st.data())
def test_along_a_dim(data):
    t, a = data.draw(tensors(ALL))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    n = a.shape[d]
    assume(n)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    rows = rng.integers(0, n, 4)
    check(torch.index_select(t, d, torch.from_numpy(rows)), np.take(a, rows, d))
    index = rng.integers(0, n, a.shape)
    check(torch.gather(t, d, torch.from_numpy(index)), np.take_along_axis(a, index, d))
    check(torch.take_along_dim(t, torch.from_numpy(index), d), np.take_along_axis(a, index, d))
    if a.size:
        flat = rng.integers(-a.size, a.size, 5)
        check(torch.take(t, torch.from_numpy(flat)), np.take(a, flat))
    order = rng.permutation(n)
    into, want = torch.zeros(t.shape, dtype=t.dtype), np.zeros_like(a)
    where = np.broadcast_to(order.reshape([-1 if k == d % a.ndim else 1 for k in range(a.ndim)]), a.shape)
    np.put_along_axis(want, where, a, d)
    check(into.scatter(d, torch.from_numpy(where.copy()), t), want)
    check(into.index_copy(d, torch.from_numpy(order), t), want)


@examples
@given(data=st.data())
def test_accumulating(data):
    t, a = data.draw(tensors(("float64", "int64", "int32")))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    n = a.shape[d]
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    rows = rng.integers(0, 3, n)
    shape = list(a.shape)
    shape[d] = 3
    want = np.zeros(shape, a.dtype)
    np.add.at(np.moveaxis(want, d, 0), rows, np.moveaxis(a, d, 0))
    zeros = torch.zeros(shape, dtype=t.dtype)
    check(zeros.index_add(d, torch.from_numpy(rows), t), want, 64)
    where = np.broadcast_to(rows.reshape([-1 if k == d % a.ndim else 1 for k in range(a.ndim)]), a.shape).copy()
    check(zeros.scatter_add(d, torch.from_numpy(where), t), want, 64)
    check(zeros.scatter_reduce(d, torch.from_numpy(where), t, "sum"), want, 64)
    low = np.full(shape, 100, a.dtype)
    np.minimum.at(np.moveaxis(low, d, 0), rows, np.moveaxis(a, d, 0))
    check(torch.full(shape, 100, dtype=t.dtype).scatter_reduce(d, torch.from_numpy(where), t, "amin"), low)


@examples
@given(data=st.data())
def test_masks(data):
    t, a = data.draw(tensors(ALL))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    mask = rng.random(a.shape) < 0.4
    m = torch.from_numpy(mask) if a.ndim else torch.tensor(bool(mask))
    check(torch.masked_select(t, m), a[mask])
    check(torch.masked_fill(t, m, 2), np.where(mask, a.dtype.type(2), a))
    check(torch.nonzero(t), np.argwhere(a))
    check(torch.argwhere(t), np.argwhere(a))
    for got, want in zip(torch.where(t), np.nonzero(a) if a.ndim else (), strict=False):
        check(got, want)
    check(torch.count_nonzero(t), np.count_nonzero(a), dtype=False)
