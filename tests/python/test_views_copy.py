"""Parts of tensors (split, tensor_split ...), copies of views, and copies with a view replaced."""

import numpy as np
import pytest
import rushlight as torch
from helpers import numbered, same, tensor
from rushlight.autograd import gradcheck, gradgradcheck


def all_same(tensors, arrays):
    assert isinstance(tensors, tuple) and len(tensors) == len(arrays)
    for t, a in zip(tensors, arrays):
        same(t, a)


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 4, 6), (2, 4, 0), (2, 4, 6, 1)])
def test_tensor_split(shape, device):
    a = numbered(*shape)
    t = tensor(a, device)
    for d in range(-len(shape), len(shape)):
        for n in (1, 2, 3, 7):
            want = np.array_split(a, n, d)
            for got in (torch.tensor_split(t, n, d), t.tensor_split(torch.tensor(n), d)):
                all_same(got, want)
            assert all(p.untyped_storage().data_ptr() == t.untyped_storage().data_ptr() for p in got)
        for cuts in ((), (1,), (0, 2), (2, 1), (-1, 3), (3, 9), (-9, 2)):
            all_same(t.tensor_split(cuts, d), np.array_split(a, cuts, d))
            if cuts:
                all_same(torch.tensor_split(t, torch.tensor(cuts), d), np.array_split(a, cuts, d))
    for name, least, reference in (("hsplit", 1, np.hsplit), ("vsplit", 2, np.vsplit), ("dsplit", 3, np.dsplit)):
        if len(shape) < least:
            with pytest.raises(RuntimeError, match=f"torch.{name} requires a tensor with at least {least} dimension"):
                getattr(t, name)(1)
            continue
        all_same(getattr(torch, name)(t, 2), reference(a, 2))
        all_same(getattr(t, name)((1, 3)), reference(a, (1, 3)))
        with pytest.raises(RuntimeError, match="is not divisible by the split_size"):
            getattr(t, name)(0)


def test_split_errors(device):
    t = torch.ones(3, 4, device=device)
    for f, error, text in [
        (
            lambda: t.hsplit(3),
            RuntimeError,
            "split along dimension 1, but the size of the dimension 4 is not divisible",
        ),
        (lambda: t.tensor_split(0), RuntimeError, "number of sections must be larger than 0, got 0"),
        (lambda: t.tensor_split(2**40), RuntimeError, "too many sections"),
        (lambda: t.tensor_split(torch.tensor(1.0)), RuntimeError, "to have dtype of long, but got Float"),
        (lambda: t.tensor_split(torch.ones(1, 1).long()), RuntimeError, "zero-dimensional or one-dimensional"),
        (lambda: torch.tensor(1).tensor_split(1), RuntimeError, "at least a 1-dimensional tensor"),
        (lambda: t.tensor_split(2, 2), IndexError, "Dimension out of range"),
        (lambda: t.split(2.5), TypeError, "tuple of ints"),
        (lambda: t.split((1, "a")), TypeError, "tuple of ints"),
        (lambda: t.unsafe_chunk(0), RuntimeError, "greater than 0"),
        (lambda: t.narrow(0, torch.tensor(1.0), 1), RuntimeError, "0-dim integral Tensor"),
        (lambda: torch.unbind_copy(t, out=[torch.empty(0)]), RuntimeError, "argument of size 3, got size 1"),
    ]:
        with pytest.raises(error, match=text):
            f()
    same(t.narrow(0, torch.tensor(1), 2), np.ones((2, 4)))


def test_unsafe_parts_are_no_views(device):
    a = numbered(5, 2)
    t = tensor(a, device)
    all_same(t.unsafe_split(2), np.split(a, [2, 4]))
    all_same(torch.unsafe_chunk(t, 2), np.split(a, [3]))
    all_same(t.unsafe_split_with_sizes((1, 1), 1), np.split(a, 2, 1))
    assert len(t[:0].unsafe_chunk(3)) == 3
    x = torch.ones(4, 2, requires_grad=True, device=device)
    parts = (x * 2).unsafe_split(3)
    assert all(p._base is None and p.grad_fn.name() == "UnsafeSplitBackward0" for p in parts)
    parts[0].mul_(5)
    (parts[0].sum() + parts[1].sum()).backward()
    assert x.grad.tolist() == [[10.0, 10.0]] * 3 + [[2.0, 2.0]]


COPIES = [
    ("expand_copy", ((2, 3, 4),), lambda t: t.expand(2, 3, 4)),
    ("view_copy", ((4, 3),), lambda t: t.reshape(4, 3)),
    ("view_copy", (torch.int32,), lambda t: t.contiguous().view(torch.int32)),
    ("alias_copy", (), lambda t: t),
    ("detach_copy", (), lambda t: t.detach()),
    ("as_strided_copy", ((2, 2), (1, 2), 1), lambda t: t.as_strided((2, 2), (1, 2), 1)),
    ("permute_copy", ((1, 0),), lambda t: t.permute(1, 0)),
    ("t_copy", (), lambda t: t.t()),
    ("transpose_copy", (0, 1), lambda t: t.transpose(0, 1)),
    ("squeeze_copy", (), lambda t: t.squeeze()),
    ("squeeze_copy", (0,), lambda t: t.squeeze(0)),
    ("squeeze_copy", ((0, 1),), lambda t: t.squeeze((0, 1))),
    ("unsqueeze_copy", (-1,), lambda t: t.unsqueeze(-1)),
    ("slice_copy", (1, 1, 9, 2), lambda t: t[:, 1:9:2]),
    ("slice_copy", (), lambda t: t),
    ("select_copy", (1, -1), lambda t: t[:, -1]),
    ("narrow_copy", (1, 1, 2), lambda t: t[:, 1:3]),
    ("unfold_copy", (1, 2, 1), lambda t: t.unfold(1, 2, 1)),
    ("diagonal_copy", (1,), lambda t: t.diagonal(1)),
]


@pytest.mark.parametrize("case", range(len(COPIES)))
def test_copies_of_views(case, device):
    name, args, view = COPIES[case]
    base = torch.arange(24, device=device)
    for t in (base[:12].view(3, 4), base.view(6, 4)[::2], base[:12].view(4, 3).t()):
        if args == (torch.int32,) and not t.is_contiguous():
            continue
        want = view(t)
        got = getattr(torch, name)(t, *args)
        assert got.dtype is want.dtype and got.shape == want.shape and got.tolist() == want.tolist()
        assert got.is_contiguous() and got._base is None
        assert got.untyped_storage().data_ptr() != t.untyped_storage().data_ptr()
        out = torch.empty(0, dtype=got.dtype, device=device)
        assert getattr(torch, name)(t, *args, out=out) is out and out.tolist() == want.tolist()
    x = torch.arange(12.0, device=device).view(3, 4).requires_grad_()
    if name == "detach_copy":
        assert not torch.detach_copy(x).requires_grad
    elif args != (torch.int32,):
        y = getattr(torch, name)(x, *args)
        assert y.grad_fn.name().endswith("_copy") or name == "narrow_copy"
        w = torch.randn(y.shape, device=device)
        (g,) = torch.autograd.grad(y, x, w)
        (want,) = torch.autograd.grad(view(x), x, w)
        assert g.tolist() == want.tolist()


def test_copies_of_complex_and_lists(device):
    z = torch.tensor([[1 + 2j, 3 - 1j]], device=device)
    same(torch.view_as_real_copy(z), [[[1, 2], [3, -1]]])
    assert torch.view_as_complex_copy(torch.view_as_real_copy(z)).equal(z)
    t = tensor(numbered(3, 4), device)
    all_same(torch.unbind_copy(t, 1), list(numbered(3, 4).T))
    all_same(torch.split_copy(t, 2), np.split(numbered(3, 4), [2]))
    all_same(torch.split_with_sizes_copy(t, (1, 3), 1), np.split(numbered(3, 4), [1], 1))
    out = [torch.empty(0, dtype=torch.int64, device=device) for _ in range(3)]
    assert torch.unbind_copy(t, out=out) is None and [o.tolist() for o in out] == t.tolist()
    out = [torch.empty(0, dtype=torch.int64, device=device) for _ in range(2)]
    assert torch.split_with_sizes_copy(t, (1, 2), out=out) is None
    all_same(tuple(out), np.split(numbered(3, 4), [1]))


LAYOUTS = {
    "dense": lambda t: t,
    "transposed": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
    "spaced": lambda t: torch.stack([t, t], -1)[..., 1],
    "expanded": lambda t: t[:1].expand(t.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scatter_of_views(layout, device):
    a = numbered(3, 4, 3)
    t = LAYOUTS[layout](tensor(a, device))
    a = np.array(t.tolist())
    before = t.tolist()
    for d in range(-3, 3):
        for index in (-2, 0, 2):
            part = (slice(None),) * (d % 3) + (index,)
            src = np.arange(a[part].size).reshape(a[part].shape) + 500
            want = a.copy()
            want[part] = src
            same(torch.select_scatter(t, tensor(src, device), d, index), want)
        for start, end, step in ((None, None, 1), (1, 3, 1), (-2, None, 2), (2, 1, 1), (0, 99, 2)):
            part = (slice(None),) * (d % 3) + (slice(start, end, step),)
            src = np.arange(a[part].size).reshape(a[part].shape) + 500
            want = a.copy()
            want[part] = src
            same(t.slice_scatter(tensor(src, device), d, start, end, step), want)
    for offset in (-1, 0, 2):
        want = a.copy()
        view = want.transpose(1, 0, 2)
        n = np.diagonal(a, offset, 0, 2).shape[-1]
        src = np.arange(4 * n).reshape(4, n) + 500
        for i in range(n):
            view[:, i - min(offset, 0), i + max(offset, 0)] = src[:, i]
        same(t.diagonal_scatter(tensor(src, device), offset, 0, 2), want)
    assert t.tolist() == before
    if layout == "dense":
        r = t[1:].as_strided_scatter(torch.full((2, 2), -1, device=device), (2, 2), (1, 5), 13)
        want = a.reshape(-1).copy()
        want[[13, 18, 14, 19]] = -1
        same(r, want.reshape(3, 4, 3)[1:])
    for f in (lambda: t.select_scatter(t, 0, 0), lambda: t.slice_scatter(t[0], 0), lambda: t.diagonal_scatter(t)):
        with pytest.raises(RuntimeError, match="expected src to have a size equal to the slice of self"):
            f()
    with pytest.raises(IndexError, match="out of range"):
        t.select_scatter(t[0], 0, 3)
    with pytest.raises(RuntimeError, match="out of bounds"):
        t.as_strided_scatter(t[0], (4, 3), (100, 1))


SMOOTH = {
    "select_scatter": lambda x, y: x.select_scatter(y[0, :, 0], 0, 1) ** 2,
    "slice_scatter": lambda x, y: x.slice_scatter(y[:, :2, 0], 1, 0, 3, 2) ** 2,
    "diagonal_scatter": lambda x, y: x.diagonal_scatter(y[0, :2, 1], 1) ** 2,
    "as_strided_scatter of src": lambda x, y: (
        torch.ones_like(x).as_strided_scatter(y[:, :2, 0], (2, 2), (1, 3), 1) ** 2 * x.sum()
    ),
    "unsafe_split": lambda x, y: sum(p.sum() ** 2 for p in x.unsafe_split(1)) + y.unsafe_chunk(2, 1)[0] ** 2,
    "tensor_split": lambda x, y: x.tensor_split(2)[0] ** 2 * y.tensor_split((1,), 1)[0].sum(),
    "unbind_copy": lambda x, y: torch.unbind_copy(x)[1] ** 2 * y.sum(),
    "unfold_copy": lambda x, y: torch.unfold_copy(x, 1, 2, 1) ** 2 * y.sum(),
    "squeeze_copy": lambda x, y: torch.squeeze_copy(x[:1]) ** 2 * y.sum(),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name, device):
    torch.manual_seed(0)
    x = torch.randn(2, 3, dtype=torch.float64, device=device, requires_grad=True)
    y = torch.randn(2, 3, 2, dtype=torch.float64, device=device, requires_grad=True)
    assert gradcheck(SMOOTH[name], (x, y))
    assert gradgradcheck(SMOOTH[name], (x, y))


def test_as_strided_scatter_gives_self_the_gradient_of_what_was_replaced(device):
    # So does torch, although the derivative is zero there and one elsewhere.
    x = torch.arange(6.0, device=device, requires_grad=True)
    weights = torch.arange(1.0, 7.0, device=device)
    (x.as_strided_scatter(torch.zeros(2, device=device), (2,), (2,), 1) * weights).sum().backward()
    assert x.grad.tolist() == [0, 2, 0, 4, 0, 0]
