"""sort, argsort, msort and topk against NumPy's stable sort: dtypes, layouts, NaN, ties, lengths, derivatives, errors."""

import numpy as np
import pytest
import rushlight as torch
from helpers import on_threads
from rushlight.autograd import gradcheck, gradgradcheck

INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
DTYPES = ["bool", *INTEGERS, *FLOATS]
nan, inf = float("nan"), float("inf")
# Below and above the limits between insertion, merging, networks and radix passes.
LENGTHS = [1, 2, 15, 16, 17, 40, 130, 600, 1024, 1025, 5000]


def draw(rng, dtype, shape, wide):
    """Values of the dtype as a tensor: few different ones, or all there are."""
    if dtype == "bool":
        return torch.from_numpy(rng.random(shape) < 0.5)
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        low, high = (info.min, info.max) if wide else (max(info.min, -3), 4)
        return torch.from_numpy(rng.integers(low, high, shape, dtype=dtype))
    a = (
        rng.standard_normal(shape) * np.exp(4 * rng.standard_normal(shape))
        if wide
        else rng.integers(-2, 3, shape) + 0.0
    )
    special = rng.choice([nan, -nan, 0.0, -0.0, inf, -inf], shape)
    return torch.from_numpy(np.where(rng.random(shape) < 0.1, special, a)).to(getattr(torch, dtype))


def numbers(t):
    return t.contiguous().double().numpy() if t.is_floating_point() else t.contiguous().numpy()


def expected_order(a, axis, descending):
    """Stable, NaN last (descending: first)."""
    if not descending:
        return np.argsort(a, axis=axis, kind="stable")
    return np.flip(a.shape[axis] - 1 - np.argsort(np.flip(a, axis), axis=axis, kind="stable"), axis)


def check(t, dim, descending):
    a = numbers(t)
    order = expected_order(a, dim, descending)
    values, indices = torch.sort(t, dim=dim, descending=descending, stable=True)
    assert values.dtype == t.dtype and indices.dtype == torch.int64
    np.testing.assert_array_equal(indices.numpy(), order)
    got, expected = numbers(values), np.take_along_axis(a, order, dim)
    np.testing.assert_array_equal(got, expected)
    if t.is_floating_point():
        np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))
    assert torch.argsort(t, dim, descending).tolist() == order.tolist()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lengths(device, dtype, wide):
    rng = np.random.default_rng(wide)
    for n in LENGTHS:
        check(draw(rng, dtype, (n,), wide).to(device), 0, n % 2 == 0)
        if n < 2000:
            check(draw(rng, dtype, (5, n), wide).to(device), 1, n % 2 == 1)
            check(draw(rng, dtype, (n, 11), wide).to(device), 0, n % 2 == 0)


@pytest.mark.parametrize("dtype", ["int8", "float32", "int64"])
def test_layouts(device, dtype):
    rng = np.random.default_rng(3)
    base = draw(rng, dtype, (6, 70, 9), False).to(device)
    views = [
        base,
        base.permute(2, 0, 1),
        base[::2, 1::3],
        base.transpose(0, 1)[:, ::2, 3:],
        base[:, :1].expand(6, 40, 9),
    ]
    for t in views:
        for dim in range(3):
            check(t, dim, dim == 1)
    column = draw(rng, dtype, (1500, 9), True).to(device)
    check(column, 0, False)
    check(column.t(), 1, True)
    check(column[:, ::2], 0, False)


def test_strides_of_results(device):
    t = torch.arange(24.0, device=device).reshape(2, 3, 4).permute(2, 0, 1)
    for dim in range(3):
        values, indices = t.sort(dim)
        assert values.stride() == indices.stride() == t.stride() == (1, 12, 4)
    assert torch.argsort(t).stride() == torch.msort(t).stride() == (1, 12, 4)
    assert t.topk(2, 0).values.stride() == (6, 3, 1)


def test_forms(device):
    t = torch.tensor([3.0, nan, 1.0, 2.0, 1.0], device=device)
    order = [2, 4, 3, 0, 1]
    for r in (
        torch.sort(t),
        t.sort(0),
        t.sort(stable=True, dim=-1),
        torch.sort(t, stable=None),
        torch.sort(input=t, axis=0),
    ):
        assert type(r).__name__ == "sort" and r.indices.tolist() == order
    assert t.argsort(stable=True).tolist() == torch.argsort(t, 0, False).tolist() == order
    assert t.argsort(descending=True).tolist() == [1, 0, 3, 2, 4]
    values, indices = torch.empty(0, device=device), torch.empty(0, dtype=torch.int64, device=device)
    assert torch.sort(t, out=(values, indices))[0] is values and indices.tolist() == order
    out = torch.empty(5, device=device)
    assert torch.msort(t, out=out) is out and out.tolist()[:4] == [1.0, 1.0, 2.0, 3.0]
    assert t.sort(stable=True).values.tolist()[:4] == t.msort().tolist()[:4]


def test_small_and_empty(device):
    s = torch.tensor(5.0, device=device)
    assert s.sort().values.item() == 5 and s.sort(-1).indices.item() == 0 and s.argsort().shape == ()
    assert s.topk(1).values.item() == 5
    for shape, dim in (((0,), 0), ((0, 3), 0), ((0, 3), 1), ((2, 0), 1)):
        values, indices = torch.empty(shape, device=device).sort(dim)
        assert values.shape == indices.shape == shape
    assert torch.empty(0, 3, device=device).topk(2).values.shape == (0, 2)
    assert torch.ones(4, device=device).topk(0).indices.shape == (0,)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_topk(device, dtype, largest):
    rng = np.random.default_rng(7)
    for n, k in ((1, 1), (9, 4), (300, 3), (300, 150), (3000, 1), (3000, 40), (9000, 300), (9000, 4000)):
        for wide in (False, True):
            t = draw(rng, dtype, (3, n), wide).to(device)
            values, indices = t.topk(k, 1, largest)
            expected = numbers(t.sort(1, largest).values)[:, :k]
            np.testing.assert_array_equal(numbers(values), expected)
            np.testing.assert_array_equal(numbers(t.gather(1, indices)), expected)
            assert all(len(set(row)) == k for row in indices.tolist())
            columns = t.t().contiguous().topk(k, 0, largest, sorted=False)
            np.testing.assert_array_equal(np.sort(numbers(columns.values), 0), np.sort(expected, 1).T)


def test_topk_of_long_rows_takes_the_first_of_equal_elements(device):
    t = torch.arange(4000, device=device).remainder(7)
    assert t.topk(3).indices.tolist() == [6, 13, 20]
    assert t.topk(3, largest=False).indices.tolist() == [0, 7, 14]
    rising = torch.arange(100000, device=device)
    assert rising.topk(4).indices.tolist() == [99999, 99998, 99997, 99996]


def test_derivatives(device):
    x = torch.randperm(24, dtype=torch.float64, device=device).reshape(2, 4, 3).requires_grad_()
    functions = [
        lambda t: t.sort(1, True)[0],
        lambda t: t.msort(),
        lambda t: t.topk(2, 1)[0],
        lambda t: t[0, 0, 0].sort()[0],
    ]
    for f in functions:
        assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))
    assert x.sort().values.grad_fn.name() == x.msort().grad_fn.name() == "SortBackward0"
    assert x.topk(1).values.grad_fn.name() == "TopkBackward0"
    assert not x.argsort().requires_grad and not x.sort().indices.requires_grad


def test_errors(device):
    t, z = torch.ones(3, device=device), torch.ones(3, dtype=torch.complex64, device=device)
    with pytest.raises(IndexError, match="Dimension out of range"):
        t.sort(1)
    for f in (z.sort, z.argsort, z.msort):
        with pytest.raises(RuntimeError, match="Sort does not support complex dtypes on CPU"):
            f()
    for k in (4, -1):
        with pytest.raises(RuntimeError, match="selected index k out of range"):
            t.topk(k)
    with pytest.raises(RuntimeError, match="topk does not support bool"):
        t.bool().topk(1)
    with pytest.raises(RuntimeError, match="topk does not support complex"):
        z.topk(1)
    out = torch.full((3,), 7, device=device)
    with pytest.raises(RuntimeError, match="dtype float, but got long int"):
        torch.sort(t, out=(out, out))
    with pytest.raises(RuntimeError, match="dtype long int, but got float"):
        torch.topk(t, 1, out=(t.clone(), t.clone()))
    assert out.tolist() == [7, 7, 7]


def test_threads(device):
    t = draw(np.random.default_rng(1), "float32", (300, 700), False).to(device)
    forms = [torch.argsort, lambda t: t.argsort(0), lambda t: t.topk(5).indices, lambda t: t.topk(300).indices]
    one, four = on_threads(lambda: [f(t).tolist() for f in forms], (1, 4))
    assert one == four
