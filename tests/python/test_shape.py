"""Copies in another order (flip, roll, repeat, pad ...), diagonals and triangles, against NumPy."""

import numpy as np
import pytest
import rushlight as torch
from helpers import numbered, same
from rushlight.autograd import gradcheck, gradgradcheck

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.complex64,
    torch.complex128,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.bool,
]


# How the same array can lie in memory.
LAYOUTS = {
    "dense": lambda t: t,
    "transposed": lambda t: t.permute(*reversed(range(t.dim()))).contiguous().permute(*reversed(range(t.dim()))),
    "spaced": lambda t: torch.stack([t, t + 100], -1)[..., 0],
    "shifted": lambda t: torch.cat([t.new_zeros(3), t.reshape(-1)])[3:].view(t.shape),
}


@pytest.fixture(params=LAYOUTS)
def laid(request, device):
    return lambda a: LAYOUTS[request.param](torch.tensor(a.tolist(), dtype=torch.int64, device=device).reshape(a.shape))


SHAPES = [(6,), (3, 4), (2, 3, 4), (2, 1, 3, 2), (0, 3), (2, 0, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_flips_and_rolls(laid, shape):
    a = numbered(*shape, start=1)
    t = laid(a)
    for d in range(-len(shape), len(shape)):
        same(t.flip(d), np.flip(a, d))
        for shift in (-7, -1, 0, 1, 2, 50):
            same(torch.roll(t, shift, d), np.roll(a, shift, d))
    same(t.flip(*range(len(shape))), np.flip(a))
    same(t.flip(()), a)
    same(t.roll(5), np.roll(a, 5))
    same(t.flipud(), np.flipud(a))
    if len(shape) > 1:
        same(t.roll((1, -2), (0, 1)), np.roll(a, (1, -2), (0, 1)))
        same(torch.fliplr(t), np.fliplr(a))
        for k in range(-5, 6):
            same(torch.rot90(t, k), np.rot90(a, k))
            same(t.rot90(k, (-1, 0)), np.rot90(a, k, (-1, 0)))


@pytest.mark.parametrize("shape", SHAPES)
def test_repeat_and_tile(laid, shape):
    a = numbered(*shape, start=1)
    t = laid(a)
    n = len(shape)
    for counts in ((1,) * n, (2,) * n, tuple(range(n)), tuple(range(1, n + 1)), (3,) + (1,) * n, (2, 0) + (2,) * n):
        same(t.repeat(counts), np.tile(a, counts))
        assert t.repeat(*counts).is_contiguous()
    for counts in ((), (3,), (2, 3)):
        same(torch.tile(t, counts), np.tile(a, counts))
    same(torch.tensor(5).repeat(2, 3), np.full((2, 3), 5))
    same(torch.tensor(5).repeat(()), np.array(5))


def test_repeat_of_large_and_scattered_operands(device):
    a = np.random.default_rng(0).integers(0, 100, (60, 70))
    t = torch.tensor(a.tolist(), device=device)
    for counts in ((40, 1), (1, 40), (7, 9), (3, 4, 5)):
        assert np.array_equal(t.repeat(counts).numpy(), np.tile(a, counts))
        assert np.array_equal(t.t().repeat(counts).numpy(), np.tile(a.T, counts))
        assert np.array_equal(t[::2, 1::3].repeat(counts).numpy(), np.tile(a[::2, 1::3], counts))
    v = torch.arange(100000, device=device)
    assert np.array_equal(v.repeat(5).numpy(), np.tile(np.arange(100000), 5))
    assert np.array_equal(v[:3].expand(4, 3).repeat(2, 2).tolist(), np.tile(np.broadcast_to([0, 1, 2], (4, 3)), (2, 2)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype, device):
    a = np.array([[1, 0, 3], [0, 1, 1]])
    t = torch.tensor(a.tolist(), device=device).to(dtype)
    for name, args, want in [
        ("flip", (0,), a[::-1]),
        ("roll", (1,), np.roll(a, 1)),
        ("repeat", (2, 2), np.tile(a, (2, 2))),
        ("tril", (), np.tril(a)),
        ("triu", (1,), np.triu(a, 1)),
        ("diagonal", (), a.diagonal()),
        ("diag", (), a.diagonal()),
        ("diagflat", (), np.diagflat(a)),
        ("rot90", (), np.rot90(a)),
    ]:
        got = getattr(t, name)(*args)
        assert got.dtype is dtype, name
        same(got, torch.tensor(np.ascontiguousarray(want).tolist()).to(dtype).tolist())
    padded = torch.constant_pad_nd(t, (1, 0), 1)
    assert padded.dtype is dtype and padded[:, 0].tolist() == torch.ones(2, dtype=dtype).tolist()


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 4), (2, 3, 4), (2, 1, 3, 3), (0, 3), (3, 0), (2, 0, 3)])
def test_triangles(laid, shape):
    a = numbered(*shape, start=1)
    for k in (-9, -2, -1, 0, 1, 2, 9, 2**62, -(2**62)):
        near = max(min(k, 10), -10)
        low = np.tril(a, near) if a.size else a
        high = np.triu(a, near) if a.size else a
        t = laid(a)
        same(torch.tril(t, k), low)
        same(t.triu(diagonal=k), high)
        assert t.tril(k).is_contiguous()
        out = torch.empty(0, dtype=torch.int64, device=t.device)
        assert torch.tril(t, k, out=out) is out
        same(out, low)
        u = laid(a)
        assert u.tril_(k) is u
        same(u, low)
        u = laid(a)
        same(u.triu_(k), high)


def test_triangles_in_place_touch_nothing_else(device):
    whole = torch.ones(4, 6, 6, device=device)
    whole[1:3, 1:5, 2:5].tril_()
    want = np.ones((4, 6, 6))
    want[1:3, 1:5, 2:5] = np.tril(np.ones((2, 4, 3)))
    same(whole, want)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.ones(3, 1, device=device).expand(3, 3).tril_()
    x = torch.ones(3, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.triu_()
    y = x * 2
    version = y._version
    y.triu_(1)
    assert y._version == version + 1 and y.grad_fn.name() == "TriuBackward0"
    y.sum().backward()
    same(x.grad, 2 * np.triu(np.ones((3, 3)), 1))


@pytest.mark.parametrize("offset", [-4, -1, 0, 1, 2, 4])
def test_diagonals(laid, offset):
    v, m = numbered(3, start=1), numbered(3, 4, start=1)
    same(torch.diag(laid(v), offset), np.diag(v, offset))
    same(laid(m).diag(offset), np.diag(m, offset))
    same(laid(m).diagflat(offset), np.diagflat(m, offset))
    c = numbered(2, 3, 4, start=1)
    t = laid(c)
    for d1 in range(-3, 3):
        for d2 in range(-3, 3):
            if d1 % 3 == d2 % 3:
                with pytest.raises(RuntimeError, match="diagonal dimensions cannot be identical"):
                    t.diagonal(offset, d1, d2)
                continue
            want = c.diagonal(offset, d1, d2)
            same(t.diagonal(offset, d1, d2), want)
            same(torch.diagonal_copy(t, offset, d1, d2), want)
    for d1, d2 in ((-2, -1), (0, 1), (1, -1), (3, 0)):
        e = torch.diag_embed(t, offset, d1, d2)
        same(e.diagonal(offset, d1, d2), c)
        assert e.sum().item() == c.sum()
    same(torch.diag_embed(torch.ones(2, 0)), np.zeros((2, 0, 0)))


def test_trace(laid):
    for shape in ((3, 3), (2, 4), (4, 2), (0, 3)):
        a = numbered(*shape, start=1)
        assert laid(a).trace().item() == np.trace(a)
    assert torch.ones(2, 2, dtype=torch.int8).trace().dtype is torch.int64
    assert torch.trace(torch.full((2, 2), 1 + 2j)).item() == 2 + 4j


@pytest.mark.parametrize(
    "pad", [(), (1, 2), (0, 0, 3, 1), (-1, 2), (1, -1, -1, 2), (-1, -2), (0, 0, 0, 0, 1, 1), (-4, 0)]
)
def test_constant_pad(laid, pad):
    for shape in ((2, 3, 4), (1, 5, 4), (0, 2, 4)):
        a = numbered(*shape, start=1)
        widths = [(0, 0)] * 3
        for i in range(len(pad) // 2):
            widths[2 - i] = pad[2 * i : 2 * i + 2]
        want = np.pad(a, [(max(b, 0), max(e, 0)) for b, e in widths], constant_values=7)
        want = want[tuple(slice(max(-b, 0), n - max(-e, 0)) for (b, e), n in zip(widths, want.shape))]
        same(torch.constant_pad_nd(laid(a), pad, 7), want)


SMOOTH = {
    "flip": lambda x: x.flip(0, 2),
    "rot90": lambda x: x.rot90(1, (0, 2)) * x.rot90(1, (0, 2)),
    "rot90 of 3": lambda x: x.rot90(3, (0, 1)),
    "roll": lambda x: x.roll((1, 2), (0, 2)) * x,
    "roll flat": lambda x: x.roll(-3) * x,
    "repeat": lambda x: x.repeat(2, 1, 3, 1) ** 2,
    "repeat nothing": lambda x: x.repeat(0, 1, 1),
    "tile": lambda x: x.tile(2) ** 2,
    "pad": lambda x: torch.constant_pad_nd(x, (1, -1, 2, 0), 3.0) ** 2,
    "cut": lambda x: torch.constant_pad_nd(x, (-1, 0)) ** 2,
    "tril": lambda x: x.tril(1) ** 2,
    "triu": lambda x: x.triu(-1) ** 2,
    "triu_": lambda x: (x * x).triu_(1) * x,
    "tril_ of a view": lambda x: torch.cat([x, x])[1:3].clone().transpose(0, 1).tril_(),
    "diag_embed": lambda x: x.diag_embed(1, 0, -1) ** 2,
    "diagflat": lambda x: x.diagflat() ** 2,
    "diagonal": lambda x: x.diagonal(1, 0, 2) ** 2,
    "diag": lambda x: x[0].diag() ** 2,
    "trace": lambda x: x[1].trace() ** 2,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name, device):
    torch.manual_seed(0)
    for x in (torch.randn(2, 3, 2, dtype=torch.float64, device=device), torch.randn(2, 2, 3).double().transpose(1, 2)):
        x.requires_grad_()
        assert gradcheck(SMOOTH[name], (x,))
        assert gradgradcheck(SMOOTH[name], (x,))
    z = torch.randn(2, 3, 2, dtype=torch.complex128, device=device, requires_grad=True)
    assert gradcheck(SMOOTH[name], (z,))


def test_graph_names(device):
    x = torch.ones(2, 2, requires_grad=True)
    for f, name in [
        (lambda: x.flip(0), "FlipBackward0"),
        (lambda: x.rot90(), "Rot90Backward0"),
        (lambda: x.roll(1), "RollBackward0"),
        (lambda: x.tile(2), "RepeatBackward0"),
        (lambda: x[0].diag(), "DiagEmbedBackward0"),
        (lambda: x.diag(), "DiagonalBackward0_copy"),
        (lambda: x.tril(), "TrilBackward0"),
        (lambda: x.trace(), "TraceBackward0"),
        (lambda: torch.constant_pad_nd(x, (1, 1)), "ConstantPadNdBackward0"),
    ]:
        assert f().grad_fn.name() == name


ERRORS = [
    (lambda x: x.flip(0, 0), RuntimeError, "dim 0 appears multiple times"),
    (lambda x: x.flip(2), IndexError, "Dimension out of range"),
    (lambda x: x[0].fliplr(), RuntimeError, "Input must be >= 2-d"),
    (lambda x: x[0, 0].flipud(), RuntimeError, "Input must be >= 1-d"),
    (lambda x: x.rot90(1, (0, 0)), RuntimeError, "expected rotation dims to be different"),
    (lambda x: x.rot90(1, (0, -2)), RuntimeError, "expected rotation dims to be different"),
    (lambda x: x.rot90(1, (0, 5)), IndexError, "Dimension out of range"),
    (lambda x: x.rot90(1, (0,)), RuntimeError, "expected total rotation dims == 2, but got dims = 1"),
    (lambda x: x[0].rot90(), RuntimeError, "expected total dims >= 2, but got total dims = 1"),
    (lambda x: x.roll(()), RuntimeError, "`shifts` required"),
    (lambda x: x.roll((1, 2)), RuntimeError, "shifts and dimensions must align. shifts: 2, dims:0"),
    (lambda x: x.roll(1, 2), IndexError, "Dimension out of range"),
    (lambda x: x.repeat(2), RuntimeError, "Number of dimensions of repeat dims can not be smaller"),
    (lambda x: x.repeat(-1, 2), RuntimeError, "negative dimension"),
    (lambda x: x.repeat(2**40, 2**40), RuntimeError, "overflow"),
    (lambda x: x[None].diag(), RuntimeError, "Supports 1D or 2D tensors. Got 3D"),
    (lambda x: x[0, 0].diag_embed(), IndexError, "Dimension|dimensions"),
    (lambda x: x.diag_embed(0, 1, 1), RuntimeError, "diagonal dimensions cannot be identical"),
    (lambda x: x.diag_embed(2**63 - 1), RuntimeError, "overflow"),
    (lambda x: x.diag_embed(-(2**63)), RuntimeError, "overflow"),
    (lambda x: x[0].tril(), RuntimeError, "tril: input tensor must have at least 2 dimensions"),
    (lambda x: x[0].triu_(), RuntimeError, "triu: input tensor must have at least 2 dimensions|triu_"),
    (lambda x: x[0].trace(), RuntimeError, "trace: expected a matrix, but got tensor with dim 1"),
    (lambda x: (x > 0).trace(), NotImplementedError, "not implemented for 'Bool'"),
    (lambda x: torch.constant_pad_nd(x, (1,)), RuntimeError, "Length of pad must be even"),
    (lambda x: torch.constant_pad_nd(x, (1,) * 6), RuntimeError, "no more than twice the number of dimensions"),
    (lambda x: torch.constant_pad_nd(x, (-4, 0)), RuntimeError, "length must be non-negative"),
    (lambda x: torch.constant_pad_nd(x, (2**63 - 1, 1)), RuntimeError, "overflow"),
    (lambda x: torch.diag(x[0], out=torch.empty(0, dtype=torch.float64)), RuntimeError, "out"),
    (lambda x: torch.tril(x, out=torch.empty(0, dtype=torch.int64)), RuntimeError, "can't be cast"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case, device):
    f, error, text = ERRORS[case]
    with pytest.raises(error, match=text):
        f(torch.ones(2, 3, device=device))


def test_roll_without_dims(device):
    t = torch.arange(6, device=device).reshape(2, 3)
    assert (
        t.roll(1).tolist() == t.roll(1, None).tolist() == torch.roll(t, 1, dims=None).tolist() == [[5, 0, 1], [2, 3, 4]]
    )
