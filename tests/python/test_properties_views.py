"""Shape operations on random views against NumPy: values, and that views share memory as torch's do."""

import numpy as np
import rushlight as torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ALL, check, dim_of, examples, filled_shapes, tensors


def shares(result, t):
    return result.numel() == 0 or result.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()


def view(result, t, want):
    check(result, want)
    assert shares(result, t)


@st.composite
def splittings(draw, n):
    """A shape of n elements."""
    shape, rest = [], n
    for _ in range(draw(st.integers(0, 3))):
        divisors = [d for d in range(1, rest + 1) if rest % d == 0] if rest else [0, 1, 2]
        d = draw(st.sampled_from(divisors))
        shape.append(d)
        rest = rest // d if d else rest
    return (*shape, rest)


@examples
@given(data=st.data())
def test_permutations(data):
    t, a = data.draw(tensors(ALL))
    order = data.draw(st.permutations(range(a.ndim)))
    view(t.permute(*order) if order else t.permute(()), t, a.transpose(order))
    if a.ndim:
        d, e = dim_of(data.draw, a), dim_of(data.draw, a)
        view(t.transpose(d, e), t, np.swapaxes(a, d, e))
        view(torch.movedim(t, d, e), t, np.moveaxis(a, d, e))
        view(torch.swapaxes(t, d, e), t, np.swapaxes(a, d, e))
    if a.ndim >= 2:
        view(t.mT, t, np.swapaxes(a, -1, -2))
    destination = data.draw(st.permutations(range(a.ndim)))
    view(torch.movedim(t, tuple(order), tuple(destination)), t, np.moveaxis(a, order, destination))


@examples
@given(data=st.data())
def test_reshape_and_view(data):
    t, a = data.draw(tensors(ALL))
    shape = data.draw(splittings(a.size))
    if 0 not in shape or a.size == 0:
        result = t.reshape(shape)
        check(result, a.reshape(shape))
        try:
            viewed = t.view(shape)
        except RuntimeError:
            assert not shares(result, t) and not t.is_contiguous()
        else:
            view(viewed, t, a.reshape(shape))
    unknown = list(shape)
    if 0 not in shape:
        unknown[data.draw(st.integers(0, len(shape) - 1))] = -1
        check(t.reshape(unknown), a.reshape(shape))
    check(t.ravel(), a.reshape(-1))
    if a.ndim:
        start = data.draw(st.integers(0, a.ndim - 1))
        end = data.draw(st.integers(start, a.ndim - 1))
        merged = int(np.prod(a.shape[start : end + 1]))
        want = a.reshape(*a.shape[:start], merged, *a.shape[end + 1 :])
        check(torch.flatten(t, start - a.ndim, end), want)
        check(torch.unflatten(torch.flatten(t, start, end), start, a.shape[start : end + 1]), a)


@examples
@given(data=st.data())
def test_dims_of_size_one(data):
    t, a = data.draw(tensors(ALL))
    d = data.draw(st.integers(-a.ndim - 1, a.ndim))
    view(t.unsqueeze(d), t, np.expand_dims(a, d))
    view(t.squeeze(), t, np.squeeze(a))
    if a.ndim:
        d = dim_of(data.draw, a)
        view(t.squeeze(d), t, np.squeeze(a, d) if a.shape[d] == 1 else a)


@examples
@given(data=st.data())
def test_expand(data):
    t, a = data.draw(tensors(ALL))
    shape = [data.draw(st.integers(0, 4)) if n == 1 else n for n in a.shape]
    new = data.draw(st.lists(st.integers(0, 3), max_size=2))
    view(t.expand(*new, *shape) if new or shape else t.expand(()), t, np.broadcast_to(a, (*new, *shape)))
    kept = [n if a.shape[i] == 1 else -1 for i, n in enumerate(shape)]
    view(t.expand(new + kept), t, np.broadcast_to(a, (*new, *shape)))
    check(torch.broadcast_to(t, (*new, *shape)), np.broadcast_to(a, (*new, *shape)))


@examples
@given(data=st.data())
def test_copies(data):
    t, a = data.draw(tensors(ALL))
    dims = data.draw(st.lists(st.integers(0, a.ndim - 1), unique=True)) if a.ndim else []
    check(torch.flip(t, dims), np.flip(a, dims))
    counts = data.draw(st.lists(st.integers(0, 3), min_size=a.ndim, max_size=a.ndim + 1))
    check(t.repeat(counts) if counts else t.repeat(()), np.tile(a, counts))
    check(torch.tile(t, tuple(counts[:1])), np.tile(a, counts[:1]))
    shift = data.draw(st.integers(-7, 7))
    check(torch.roll(t, shift), np.roll(a, shift))
    if a.ndim:
        d = dim_of(data.draw, a)
        check(torch.roll(t, shift, d), np.roll(a, shift, d))
        each = data.draw(st.integers(0, 3))
        check(torch.repeat_interleave(t, each, d), np.repeat(a, each, d))
    if a.ndim >= 2:
        i, j = data.draw(st.permutations(range(a.ndim)))[:2]
        check(torch.rot90(t, shift, (i, j)), np.rot90(a, shift, (i, j)))


@examples
@given(data=st.data())
def test_diagonals_and_triangles(data):
    t, a = data.draw(tensors(ALL))
    assume(a.ndim >= 2)
    i, j = data.draw(st.permutations(range(a.ndim)))[:2]
    offset = data.draw(st.integers(-6, 6))
    rows, columns = a.shape[i], a.shape[j]
    result = torch.diagonal(t, offset, i, j)
    if -rows <= offset <= columns:
        view(result, t, np.diagonal(a, offset, i, j))
    else:
        assert result.shape[-1] == 0
    check(torch.tril(t, offset), np.tril(a, offset))
    check(torch.triu(t, offset), np.triu(a, offset))


@examples
@given(data=st.data())
def test_windows(data):
    t, a = data.draw(tensors(ALL, shape=data.draw(filled_shapes)))
    assume(a.ndim)
    d = dim_of(data.draw, a)
    size, step = data.draw(st.integers(1, a.shape[d])), data.draw(st.integers(1, 3))
    want = np.lib.stride_tricks.sliding_window_view(a, size, d % a.ndim)
    key = (slice(None),) * (d % a.ndim) + (slice(None, None, step),)
    view(t.unfold(d, size, step), t, want[key])
    start = data.draw(st.integers(0, a.shape[d]))
    length = data.draw(st.integers(0, a.shape[d] - start))
    view(t.narrow(d, start, length), t, np.take(a, range(start, start + length), d))
    i = data.draw(st.integers(-a.shape[d], a.shape[d] - 1))
    view(t.select(d, i), t, np.take(a, i, d))


@examples
@given(data=st.data())
def test_writing_through_views(data):
    """What is written through a view arrives at its place in the base, and nowhere else."""
    t, a = data.draw(tensors(("float32", "int16", "complex64"), shape=data.draw(filled_shapes)))
    a = a.copy()
    if a.ndim:
        d = dim_of(data.draw, a)
        start, step = data.draw(st.integers(0, a.shape[d])), data.draw(st.integers(1, 3))
        key = (slice(None),) * (d % a.ndim) + (slice(start, None, step),)
        order = data.draw(st.permutations(range(a.ndim)))
        t[key].permute(order).add_(1)
        a[key] += 1
        t[key] = 3 * t[key]
        a[key] = 3 * a[key]
    else:
        t.add_(1)
        a += 1
    check(t, a)
