"""Constructors with random arguments against NumPy."""

import numpy as np
import pytest
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ALL, INTEGERS, check, examples, shapes, tensors


def dtype_of(name):
    return getattr(torch, name)


@examples
@given(shape=shapes, name=st.sampled_from(ALL), value=st.integers(0, 7))
def test_filled(shape, name, value):
    dtype = dtype_of(name)
    check(torch.zeros(shape, dtype=dtype), np.zeros(shape, name))
    check(torch.ones(*shape, dtype=dtype) if shape else torch.ones((), dtype=dtype), np.ones(shape, name))
    check(torch.full(shape, value, dtype=dtype), np.full(shape, value, name))
    made = torch.empty(shape, dtype=dtype)
    assert made.shape == shape and made.is_contiguous() and made.dtype == dtype


@examples
@given(data=st.data())
def test_like(data):
    t, a = data.draw(tensors(ALL))
    check(torch.zeros_like(t), np.zeros_like(a))
    check(torch.ones_like(t), np.ones_like(a))
    check(torch.full_like(t, 2), np.full_like(a, 2))
    check(t.new_full((2,), 1), np.full(2, 1, a.dtype))
    copy = t.clone()
    check(copy, a)
    copy.zero_()
    check(t, a)  # in memory of its own


@examples
@given(start=st.integers(-20, 20), stop=st.integers(-20, 20), step=st.integers(-5, 5), name=st.sampled_from(INTEGERS))
def test_arange_of_integers(start, stop, step, name):
    if step == 0 or (stop - start) * step < 0:
        with pytest.raises(RuntimeError):
            torch.arange(start, stop, step)
        return
    check(torch.arange(start, stop, step), np.arange(start, stop, step))
    assume(name != "uint8" or min(start, stop) >= 0)
    check(torch.arange(start, stop, step, dtype=dtype_of(name)), np.arange(start, stop, step, dtype=name))


@examples
@given(start=st.floats(-9, 9), length=st.floats(0, 9), step=st.sampled_from([0.5, 0.25, 1.5, -0.75]))
def test_arange_of_floats(start, length, step):
    start, length = round(start, 2), round(length, 2)
    stop = start + length * (1 if step > 0 else -1)
    check(torch.arange(start, stop, step, dtype=torch.float64), np.arange(start, stop, step), 8)


@examples
@given(
    start=st.floats(-9, 9), stop=st.floats(-9, 9), steps=st.integers(0, 9), name=st.sampled_from(["float32", "float64"])
)
def test_linspace(start, stop, steps, name):
    dtype = dtype_of(name)
    check(torch.linspace(start, stop, steps, dtype=dtype), np.linspace(start, stop, steps, dtype=name), 8)
    low, high = start / 9, stop / 9
    check(torch.logspace(low, high, steps, dtype=dtype), np.logspace(low, high, steps, dtype=name), 64)


@examples
@given(n=st.integers(0, 5), m=st.integers(0, 5), name=st.sampled_from(ALL), k=st.integers(-5, 5))
def test_matrices(n, m, name, k):
    check(torch.eye(n, m, dtype=dtype_of(name)), np.eye(n, m, dtype=name))
    assume(-n <= k <= m)
    rows, columns = np.tril_indices(n, k, m)
    check(torch.tril_indices(n, m, k), np.stack([rows, columns]).astype(np.int64))
    rows, columns = np.triu_indices(n, k, m)
    check(torch.triu_indices(n, m, k), np.stack([rows, columns]).astype(np.int64))


@examples
@given(data=st.data())
def test_from_other_objects(data):
    t, a = data.draw(tensors(ALL))
    check(torch.tensor(a.tolist(), dtype=t.dtype).reshape(a.shape), a)
    check(torch.tensor(a), a)
    check(torch.asarray(t), a)
    check(torch.from_dlpack(t), a)
    assert t.tolist() == a.tolist()
    check(t.numpy(), a)
    other = data.draw(st.sampled_from(ALL))
    if not (a.dtype.kind == "c" and np.dtype(other).kind != "c"):
        assume(a.dtype.kind in "biu" or np.dtype(other).kind in "fc" or np.dtype(other).kind == "b")
        with np.errstate(all="ignore"):
            want = a.astype(other)
        if not (np.dtype(other).kind == "u" and a.dtype.kind == "f"):
            check(t.to(dtype_of(other)), want)


@examples
@given(shape=shapes, seed=st.integers(0, 2**63 - 1))
def test_random_numbers_repeat(shape, seed):
    made = []
    for _ in range(2):
        torch.manual_seed(seed)
        made.append([torch.rand(shape), torch.randn(shape), torch.randint(-3, 4, shape), torch.randperm(7)])
    for first, second in zip(*made):
        assert torch.equal(first, second)
    uniform, _, integers, order = made[0]
    assert bool(((uniform >= 0) & (uniform < 1)).all()) and bool(((integers >= -3) & (integers < 4)).all())
    assert sorted(order.tolist()) == list(range(7))
