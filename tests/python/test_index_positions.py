"""take_along_dim, repeat_interleave, unravel_index, nonzero_static and forms of t[...] that are read like torch's."""

import numpy as np
import pytest
import rushlight as torch


def counted(shape, device, dtype=torch.float64):
    return torch.arange(int(np.prod(shape)), dtype=dtype, device=device).reshape(shape)


def test_take_along_dim(device):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 4, 5))
    t = torch.tensor(a, device=device)
    for dim, shape in [(0, (2, 4, 5)), (1, (3, 7, 5)), (-1, (3, 4, 2)), (1, (1, 2, 1)), (0, (1, 4, 1))]:
        ix = rng.integers(-a.shape[dim], a.shape[dim], shape)
        wide = np.broadcast_to(ix, [n if d == dim % 3 else a.shape[d] for d, n in enumerate(shape)])
        expected = np.take_along_axis(a, wide, dim)
        assert torch.take_along_dim(t, torch.tensor(ix, device=device), dim).tolist() == expected.tolist()
    # The indices may be the larger ones.
    row = torch.tensor(a[:1], device=device)
    ix = rng.integers(0, 4, (3, 2, 5))
    expected = np.take_along_axis(np.broadcast_to(a[:1], (3, 4, 5)), ix, 1)
    assert row.take_along_dim(torch.tensor(ix, device=device), 1).tolist() == expected.tolist()
    ix = rng.integers(0, 60, (2, 3))
    assert torch.take_along_dim(t, torch.tensor(ix, device=device)).tolist() == a.reshape(-1)[ix.reshape(-1)].tolist()
    assert t.take_along_dim(torch.zeros(3, 0, 5, dtype=torch.int64, device=device), 1).shape == (3, 0, 5)
    x = t.clone().requires_grad_()
    ix = torch.tensor([[[1], [1]]], device=device)
    assert torch.autograd.gradcheck(lambda x: x.take_along_dim(ix, 1), (x,))
    assert torch.autograd.gradgradcheck(lambda x: x.take_along_dim(ix, 1), (x,))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "bool", "complex64"])
def test_repeat_interleave(dtype, device):
    a = (np.arange(24).reshape(2, 3, 4) % 5).astype(dtype)
    for t in (torch.tensor(a, device=device), torch.tensor(a.T.copy(), device=device).permute(2, 1, 0)):
        for dim in (None, 0, 1, -1):
            n = a.size if dim is None else a.shape[dim]
            for r in (0, 1, 3):
                expected = np.repeat(a, r, dim)
                got = torch.repeat_interleave(t, r, dim)
                assert got.is_contiguous() and got.dtype == t.dtype and tuple(got.shape) == expected.shape
                assert got.tolist() == expected.tolist()
            counts = np.arange(n) % 3
            r = torch.tensor(counts, device=device)
            expected = np.repeat(a, counts, dim)
            assert t.repeat_interleave(r, dim).tolist() == expected.tolist()
            size = int(counts.sum())
            assert t.repeat_interleave(r.to(torch.int32), dim=dim, output_size=size).tolist() == expected.tolist()
            assert t.repeat_interleave(torch.tensor([2], device=device), dim).tolist() == np.repeat(a, 2, dim).tolist()
            assert t.repeat_interleave(torch.tensor(2, device=device), dim).tolist() == np.repeat(a, 2, dim).tolist()


def test_repeat_interleave_of_counts(device):
    r = torch.tensor([2, 0, 1], dtype=torch.int32, device=device)
    got = torch.repeat_interleave(r)
    assert got.tolist() == [0, 0, 2] and got.dtype == torch.int32
    assert torch.repeat_interleave(repeats=r.long()).tolist() == [0, 0, 2]
    assert torch.repeat_interleave(torch.zeros(0, dtype=torch.int64, device=device)).shape == (0,)
    assert torch.repeat_interleave(torch.tensor(7.0, device=device), 2).tolist() == [7, 7]


def test_repeat_interleave_gradients(device):
    x = torch.randn(2, 3, dtype=torch.float64, device=device, requires_grad=True)
    r = torch.tensor([2, 0, 1], device=device)
    for f in (
        lambda x: x.repeat_interleave(2),
        lambda x: x.repeat_interleave(3, 0),
        lambda x: x.repeat_interleave(r, 1),
    ):
        assert torch.autograd.gradcheck(f, (x,))
        assert torch.autograd.gradgradcheck(f, (x,))


def test_unravel_index(device):
    ix = torch.tensor([[0, 5], [23, 17]], device=device)
    for shape in ((2, 3, 4), [24], (24, 1), 24, torch.Size([4, 6])):
        got = torch.unravel_index(ix, shape)
        expected = np.unravel_index(np.array(ix.tolist()), shape if isinstance(shape, int) else tuple(shape))
        assert isinstance(got, tuple) and [g.tolist() for g in got] == [e.tolist() for e in expected]
    got = torch.unravel_index(torch.tensor(5, dtype=torch.uint8, device=device), (2, 4))
    assert [g.item() for g in got] == [1, 1] and got[0].dtype == torch.int64
    assert torch.unravel_index(ix, ()) == ()


def test_nonzero_static(device):
    t = torch.tensor([[0, 3], [4, 0], [5, 6]], device=device)
    rows = t.nonzero().tolist()
    assert t.nonzero_static(size=2).tolist() == rows[:2]
    assert torch.nonzero_static(t, size=6, fill_value=-7).tolist() == rows + [[-7, -7]] * 2
    assert t.nonzero_static(size=0).shape == (0, 2)
    assert torch.tensor(1, device=device).nonzero_static(size=3).shape == (3, 0)


def test_where_with_one_argument(device):
    t = torch.tensor([[0.0, 3.0], [float("nan"), 0.0]], device=device)
    assert [i.tolist() for i in torch.where(t)] == [[0, 1], [1, 0]]
    assert [i.tolist() for i in torch.where(torch.tensor(2, device=device))] == [[0]]
    assert torch.argwhere(t).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda t, i: t.take_along_dim(i, 0),
            RuntimeError,
            "same number of dimensions, but got 2 dimensions for input",
        ),
        (lambda t, i: t.take_along_dim(i[None].int(), 0), RuntimeError, "should be Long but got Int"),
        (lambda t, i: t.take_along_dim(i[None].expand(4, 2), 1), RuntimeError, "must match the size of tensor b"),
        (lambda t, i: t.take_along_dim(i + 99), RuntimeError, "index 99 is out of bounds"),
        (lambda t, i: t.repeat_interleave(-1), RuntimeError, "Repeats must be non-negative"),
        (lambda t, i: t.repeat_interleave(i - 1, 1), RuntimeError, "repeats can not be negative"),
        (lambda t, i: t.repeat_interleave(i, 0), RuntimeError, r"repeats.size\(0\) = 2 and input.size\(0\) = 3"),
        (lambda t, i: t.repeat_interleave(i, 1, output_size=9), RuntimeError, "does not match required size"),
        (lambda t, i: t.repeat_interleave(2, 1, output_size=9), RuntimeError, "expected 4 but got 9"),
        (lambda t, i: t.repeat_interleave(i.double(), 1), NotImplementedError, "not implemented for 'Double'"),
        (lambda t, i: torch.repeat_interleave(i[None]), RuntimeError, "only accept 1D vector"),
        (lambda t, i: torch.repeat_interleave(torch.full((3,), 2**62)), RuntimeError, "overflows"),
        (lambda t, i: torch.unravel_index(t, (3, 2)), TypeError, "integer dtype, but got torch.float64"),
        (lambda t, i: torch.unravel_index(i, t), TypeError, "'shape' to be int or sequence of ints"),
        (lambda t, i: torch.unravel_index(i, (2.0, 3)), TypeError, "to only contain ints, but got <class 'float'>"),
        (lambda t, i: torch.unravel_index(i, (-2, 3)), ValueError, "cannot have negative values"),
        (lambda t, i: torch.unravel_index(i, (2**40, 2**40)), RuntimeError, "overflows"),
        (lambda t, i: t.nonzero_static(size=-1), RuntimeError, "non-negative integer"),
        (lambda t, i: t[::0], ValueError, "slice step cannot be zero"),
    ],
)
def test_errors(call, error, match, device):
    with pytest.raises(error, match=match):
        call(counted((3, 2), device), torch.tensor([0, 1], device=device))


def test_lists_of_indices(device):
    """A short list that holds more than numbers is a tuple; one of numbers is an index tensor."""
    t, a = counted((3, 4, 2), device), np.arange(24.0).reshape(3, 4, 2)
    ix = torch.tensor([0, 2], device=device)
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert t[[[0, 2], [1, 3]]].tolist() == a[[0, 2], [1, 3]].tolist()
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert t[[ix, 1]].tolist() == a[[0, 2], 1].tolist()
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert t[[slice(None), np.array([1, 0])]].tolist() == a[:, [1, 0]].tolist()
    assert t[[0, 2]].tolist() == a[[0, 2]].tolist()
    assert t[[True, False, True]].tolist() == a[[True, False, True]].tolist()
    assert t[([[0, 2], [1, 1]],)].tolist() == a[np.array([[0, 2], [1, 1]])].tolist()
    assert t[[0] * 40].shape == (40, 4, 2)


def test_arrays_of_any_integers(device):
    t = counted((3, 2), device)
    for dtype in (np.int8, np.int16, np.uint16, np.int32, np.int64):
        assert t[np.array([2, 0], dtype=dtype)].tolist() == [[4, 5], [0, 1]]
    assert t[np.array([1, 0, 1], dtype=bool), np.int16(1)].tolist() == [1, 5]
    assert t[torch.tensor(1, dtype=torch.uint8, device=device)].shape == (1, 3, 2)  # a mask


def test_assigned_values_lose_leading_ones(device):
    t = torch.zeros(2, 3, device=device)
    t[torch.tensor([0, 1], device=device)] = torch.ones(1, 1, 2, 1, device=device)
    assert t.tolist() == [[1, 1, 1]] * 2
    t[:, 0] = torch.full((1, 1, 2), 5.0, device=device)
    assert t[:, 0].tolist() == [5, 5]


def test_one_value_under_a_mask_is_converted(device):
    t = torch.zeros(2, 3, device=device)
    mask = torch.tensor([[True, False, True], [False, False, True]], device=device)
    t[mask] = torch.tensor([4], device=device)
    assert t.tolist() == [[4, 0, 4], [0, 0, 4]]
    with pytest.raises(RuntimeError, match="source and destination dtypes match"):
        t[mask] = torch.tensor([1, 2, 3], device=device)
    x = torch.ones(2, 3, dtype=torch.float64, device=device, requires_grad=True)
    v = torch.tensor([2.0], device=device, requires_grad=True)
    y = x * 1
    y[mask] = v
    y.sum().backward()
    assert v.grad.item() == 3 and v.grad.dtype == torch.float32
    assert x.grad.tolist() == [[0, 1, 0], [1, 1, 0]]


def test_index_fill_counts_slices_once(device):
    x = torch.randn(3, 2, dtype=torch.float64, device=device, requires_grad=True)
    v = torch.tensor(2.0, dtype=torch.float64, device=device, requires_grad=True)
    ix = torch.tensor([2, 0, 2, -1], device=device)
    x.index_fill(0, ix, v).sum().backward()
    assert v.grad.item() == 4
    assert torch.autograd.gradcheck(lambda x, v: x.index_fill(0, ix, v), (x, v))
    assert torch.autograd.gradgradcheck(lambda x, v: x.index_fill(0, ix, v), (x, v))


def test_float_overflow_into_unsigned(device):
    t = torch.zeros(2, dtype=torch.uint8, device=device)
    mask = torch.ones(2, dtype=torch.bool, device=device)
    assert t.masked_fill(mask, -3).tolist() == [253, 253]
    for bad in (-3.0, -0.5, 255.5, 256):
        with pytest.raises(RuntimeError, match="cannot be converted to type uint8_t without overflow"):
            t.masked_fill(mask, bad)
