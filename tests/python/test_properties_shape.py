"""Views, rearrangements, joins and creation on random views against NumPy."""

import numpy as np
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ALL, check, dim_of, dims_of, examples, shapes, tensors


def same_memory(view, t):
    return view.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()


@examples
@given(data=st.data())
def test_flip_roll_rot90_tile_repeat(data):
    t, a = data.draw(tensors(ALL))
    dims = dims_of(data.draw, a) or ()
    check(torch.flip(t, dims), np.flip(a, dims) if dims else a)
    if dims:
        shifts = tuple(data.draw(st.integers(-7, 7)) for _ in dims)
        check(torch.roll(t, shifts, dims), np.roll(a, shifts, dims))
    check(torch.roll(t, 3), np.roll(a, 3))
    reps = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    check(torch.tile(t, reps), np.tile(a, reps))
    if len(reps) >= a.ndim:
        check(t.repeat(reps), np.tile(a, reps))
    if a.ndim:
        d = dim_of(data.draw, a)
        check(torch.repeat_interleave(t, 2, d), np.repeat(a, 2, d))


@examples
@given(data=st.data(), k=st.integers(-5, 5))
def test_rot90_triangles_and_diagonals(data, k):
    t, a = data.draw(tensors(ALL))
    assume(a.ndim > 1)
    check(torch.rot90(t, k, (0, 1)), np.rot90(a, k, (0, 1)))
    check(torch.tril(t, k), np.tril(a, k))
    check(torch.triu(t, k), np.triu(a, k))
    check(torch.diagonal(t, k, -2, -1), np.diagonal(a, k, -2, -1))
    if a.ndim == 2:
        check(torch.diag(t, k), np.diag(a, k))
    check(torch.diagflat(t, k), np.diagflat(a, k))


@examples
@given(data=st.data())
def test_expand_and_slices(data):
    t, a = data.draw(tensors(ALL))
    shape = tuple(data.draw(st.integers(1, 3)) for _ in range(2)) + tuple(
        data.draw(st.integers(1, 3)) if n == 1 else n for n in a.shape
    )
    check(t.expand(shape), np.broadcast_to(a, shape))
    check(torch.broadcast_to(t, shape), np.broadcast_to(a, shape))
    if a.ndim:
        d = dim_of(data.draw, a)
        size = data.draw(st.integers(1, 3))
        check([p.shape[d] for p in t.split(size, d)], [min(size, a.shape[d] - i) for i in range(0, a.shape[d], size)]
              or [0])  # fmt: skip
        n = data.draw(st.integers(1, 4))
        for got, want in zip(torch.tensor_split(t, n, d), np.array_split(a, n, d), strict=True):
            check(got, want)
            assert same_memory(got, t)
        for got, want in zip(t.unbind(d), np.moveaxis(a, d, 0), strict=True):
            check(got, want)


@examples
@given(data=st.data())
def test_cat_and_stacks(data):
    t, a = data.draw(tensors(ALL))
    u, b = data.draw(tensors((str(a.dtype),), shape=a.shape))
    d = dim_of(data.draw, a)
    if a.ndim:
        check(torch.cat([t, u, t], d), np.concatenate([a, b, a], d))
    check(torch.stack([t, u], d), np.stack([a, b], d))
    check(torch.hstack([t, u]), np.hstack([a, b]))
    check(torch.vstack([t, u]), np.vstack([a, b]))
    check(torch.dstack([t, u]), np.dstack([a, b]))
    if a.ndim <= 2:
        check(torch.column_stack([t, u]), np.column_stack([a, b]))


@examples
@given(data=st.data())
def test_contiguous_clone_and_conversions(data):
    t, a = data.draw(tensors(ALL))
    check(t.contiguous(), a)
    assert t.contiguous().is_contiguous()
    copy = t.clone()
    check(copy, a)
    assert not same_memory(copy, t) or a.size == 0
    if a.dtype.kind != "c":
        for dtype in (torch.float64, torch.float32, torch.int64, torch.bool):
            check(t.to(dtype), a.astype(str(dtype)[6:]))


@examples
@given(data=st.data())
def test_copy_into_views(data):
    shape = data.draw(shapes)
    t, a = data.draw(tensors(("float32", "int64", "complex64"), shape=shape))
    u, b = data.draw(tensors((str(a.dtype),), shape=shape))
    t = t.clone(memory_format=torch.preserve_format)
    t.copy_(u)
    check(t, b)


@examples
@given(start=st.integers(-20, 20), stop=st.integers(-20, 20), step=st.integers(-7, 7), n=st.integers(0, 9))
def test_creation(start, stop, step, n):
    if step and (stop - start) * step >= 0:
        check(torch.arange(start, stop, step), np.arange(start, stop, step))
        check(torch.arange(start, stop, step / 4, dtype=torch.float64), np.arange(start, stop, step / 4))
    check(torch.linspace(start, stop, n, dtype=torch.float64), np.linspace(start, stop, n), 8)
    check(torch.eye(n, abs(stop)), np.eye(n, abs(stop), dtype=np.float32))
    check(torch.full((n, 2), start), np.full((n, 2), start))
    rows, cols = n, abs(stop) % 7
    check(torch.tril_indices(rows, cols, step), np.stack(np.tril_indices(rows, step, cols)))
    check(torch.triu_indices(rows, cols, step), np.stack(np.triu_indices(rows, step, cols)))
    if n > 1:
        check(torch.hann_window(n, periodic=False, dtype=torch.float64), np.hanning(n), 16)
        check(torch.vander(torch.arange(float(n)), 3), np.vander(np.arange(n, dtype=np.float32), 3), dtype=False)
