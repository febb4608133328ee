"""Joining and splitting of random views against NumPy."""

import numpy as np
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ALL, check, dim_of, examples, tensors


@st.composite
def several(draw, dim=None):
    """Tensors of one dtype whose shapes differ in one dim at most, with their arrays."""
    t, a = draw(tensors(ALL))
    pairs = [(t, a)]
    for _ in range(draw(st.integers(0, 3))):
        shape = list(a.shape)
        if dim is not None and shape:
            shape[dim] = draw(st.integers(0, 3))
        pairs.append(draw(tensors((str(a.dtype),), shape=tuple(shape))))
    order = draw(st.permutations(pairs))
    return [t for t, _ in order], [a for _, a in order]


@examples
@given(data=st.data())
def test_cat_and_stack(data):
    ts, arrays = data.draw(several(dim=0))
    if arrays[0].ndim:
        check(torch.cat(ts), np.concatenate(arrays))
        check(torch.cat(ts, -arrays[0].ndim), np.concatenate(arrays))
        lists = [list(range(t.dim() - 1, -1, -1)) for t in ts]
        check(torch.cat([t.permute(p) for t, p in zip(ts, lists)], -1), np.concatenate([a.T for a in arrays], -1))
    ts, arrays = data.draw(several())
    d = data.draw(st.integers(-arrays[0].ndim - 1, arrays[0].ndim))
    check(torch.stack(ts, d), np.stack(arrays, d))
    check(torch.hstack(ts), np.hstack(arrays))
    check(torch.vstack(ts), np.vstack(arrays))
    check(torch.dstack(ts), np.dstack(arrays))
    check(torch.column_stack(ts), np.column_stack(arrays)) if arrays[0].ndim <= 2 else None


@examples
@given(data=st.data())
def test_cat_promotes(data):
    t, a = data.draw(tensors(("int8", "int32", "float32", "bool", "complex64")))
    u, b = data.draw(tensors(("uint8", "int64", "float64", "bool"), shape=a.shape))
    assume(a.ndim)
    result = torch.cat([t, u], -1)
    assert result.dtype == torch.promote_types(t.dtype, u.dtype)
    want = np.concatenate([a, b], -1)
    np.testing.assert_array_equal(result.numpy(), want.astype(result.numpy().dtype))


@examples
@given(data=st.data())
def test_cat_of_one_tensor_with_itself(data):
    """Views of one memory, expanded ones too."""
    t, a = data.draw(tensors(ALL))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    check(torch.cat([t, t.flip(d), t], d), np.concatenate([a, np.flip(a, d), a], d))
    out = torch.empty(0, dtype=t.dtype)
    torch.cat([t, t], d, out=out)
    check(out, np.concatenate([a, a], d))


@examples
@given(data=st.data())
def test_splits(data):
    t, a = data.draw(tensors(ALL))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    size = a.shape[d]
    places = sorted(data.draw(st.lists(st.integers(0, size), max_size=3)))
    parts = torch.tensor_split(t, places, d)
    wanted = np.split(a, places, d)
    assert len(parts) == len(wanted)
    for part, want in zip(parts, wanted):
        check(part, want)
    sections = data.draw(st.integers(1, 4))
    for part, want in zip(torch.tensor_split(t, sections, d), np.array_split(a, sections, d), strict=True):
        check(part, want)
    lengths = np.diff([0, *places, size]).tolist()
    for part, want in zip(torch.split(t, lengths, d), wanted, strict=True):
        check(part, want)
    each = data.draw(st.integers(1, 4))
    pieces = torch.split(t, each, d)
    assert [p.shape[d] for p in pieces] == [min(each, size - i) for i in range(0, size, each)] or size == 0
    check(torch.cat(pieces, d), a)
    check(torch.cat(torch.chunk(t, sections, d), d), a)
    for i, part in enumerate(torch.unbind(t, d)):
        check(part, np.take(a, i, d))


@examples
@given(data=st.data())
def test_splits_are_views(data):
    t, a = data.draw(
        tensors(("float32", "int64"), shape=tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))))
    )
    a = a.copy()
    d = dim_of(data.draw, a)
    for i, part in enumerate(torch.unbind(t, d)):
        part.fill_(i)
        np.moveaxis(a, d, 0)[i] = i
    check(t, a)


@examples
@given(data=st.data())
def test_meshgrid_and_products(data):
    arrays = [
        data.draw(tensors(("int32",), shape=(data.draw(st.integers(0, 4)),)))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    for indexing in ("ij", "xy"):
        grids = torch.meshgrid(*(t for t, _ in arrays), indexing=indexing)
        for grid, want in zip(grids, np.meshgrid(*(a for _, a in arrays), indexing=indexing), strict=True):
            check(grid, want)
    want = np.stack(np.meshgrid(*(a for _, a in arrays), indexing="ij"), -1).reshape(-1, len(arrays))
    check(torch.cartesian_prod(*(t for t, _ in arrays)), want[:, 0] if len(arrays) == 1 else want)
    blocks = [
        data.draw(tensors(("float32",), shape=(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3)))))
        for _ in range(2)
    ]
    made = torch.block_diag(*(t for t, _ in blocks)).numpy()
    (_, a), (_, b) = blocks
    want = np.zeros((a.shape[0] + b.shape[0], a.shape[1] + b.shape[1]), "float32")
    want[: a.shape[0], : a.shape[1]], want[a.shape[0] :, a.shape[1] :] = a, b
    np.testing.assert_array_equal(made, want)
