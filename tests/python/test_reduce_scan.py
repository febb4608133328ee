"""Scans, softmax and differences: logcumsumexp, cumprod's and softmax's derivatives, diff, trapezoid, gradient."""

import math

import numpy as np
import pytest
import rushlight as torch
from helpers import array, tensor
from scipy import integrate, special

FLOATS = {"float16": 2**-9, "bfloat16": 2**-6, "float32": 2**-21, "float64": 2**-49}
inf, nan = math.inf, math.nan
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def log_sums(a, axis):
    parts = [special.logsumexp(np.take(a, range(i + 1), axis), axis) for i in range(a.shape[axis])]
    return np.stack(parts, axis)


# ---- logcumsumexp


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("spread", [1, 40, 2000])
@pytest.mark.parametrize("shape", [(1,), (300,), (5, 40), (40, 5), (3, 30, 7), (2, 600)])
def test_logcumsumexp(shape, spread, name, device):
    """Values close together take the vectorised way, those far apart the other one."""
    a = np.random.default_rng(0).normal(size=shape) * spread
    t = tensor(a, device, name)
    a = array(t)
    for d in range(a.ndim):
        got = t.logcumsumexp(d)
        assert got.dtype == t.dtype
        np.testing.assert_allclose(array(got), log_sums(a, d), rtol=FLOATS[name], atol=FLOATS[name])


def test_logcumsumexp_of_special_values(device):
    a = [[-inf, -inf, 1.0, 2.0], [1.0, inf, 3.0, -inf], [nan, 1.0, 2.0, 3.0], [-inf, 0.0, nan, inf]]
    want = [[-inf, -inf, 1.0, math.log(math.e + math.e**2)], [1.0, inf, inf, inf], [nan] * 4, [-inf, 0.0, nan, nan]]
    for t in (torch.tensor(a, device=device), torch.tensor(a, device=device).double()):
        np.testing.assert_allclose(array(t.logcumsumexp(1)), want, rtol=1e-6)
        np.testing.assert_allclose(array(t.t().contiguous().logcumsumexp(0)).T, want, rtol=1e-6)
        np.testing.assert_allclose(array(t[0].logcumsumexp(0)), want[0], rtol=1e-6)
    c = np.array([1 + 2j, -3 + 1j, 2 - 3j, 0.5j])
    np.testing.assert_allclose(np.exp(array(tensor(c, device).logcumsumexp(0))), np.exp(c).cumsum(), rtol=1e-13)
    # The logarithm of a complex zero has no angle.
    zeros = torch.tensor([complex(-inf, inf), complex(-inf, 4), 1.5 + 2j, complex(-inf, 1)], device=device)
    assert zeros.logcumsumexp(0).tolist() == [-inf, -inf, 1.5 + 2j, 1.5 + 2j]
    assert torch.empty(0, 2, device=device).logcumsumexp(0).shape == (0, 2)
    assert torch.tensor(2.0, device=device).logcumsumexp(0).item() == 2.0
    with pytest.raises(NotImplementedError, match="logcumsumexp"):
        torch.tensor([1], device=device).logcumsumexp(0)
    with pytest.raises(IndexError):
        torch.ones(2, device=device).logcumsumexp(1)
    with pytest.raises(RuntimeError, match="expected scalar_type Float but found Double"):
        torch.logcumsumexp(torch.ones(2, device=device), 0, out=torch.empty(2, dtype=torch.float64, device=device))
    x = torch.tensor([-inf, 1.0, 2.0], dtype=torch.float64, device=device, requires_grad=True)
    x.logcumsumexp(0)[1:].sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [0, 1 + 1 / (1 + math.e), 1 / (1 + math.exp(-1))])


# ---- derivatives


def sample(shape, zeros, is_complex, device):
    rng = np.random.default_rng(zeros)
    a = rng.normal(size=shape) + (1j * rng.normal(size=shape) if is_complex else 0)
    a.reshape(-1)[rng.permutation(a.size)[:zeros]] = 0
    return tensor(a, device).requires_grad_()


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("zeros", [0, 1, 3])
def test_cumprod_derivatives(zeros, is_complex, device):
    for shape, dim in [((5,), 0), ((3, 4), 1), ((4, 3), 0)]:
        t = sample(shape, zeros, is_complex, device)
        assert gradcheck(lambda x, d=dim: x.cumprod(d), t) and gradgradcheck(lambda x, d=dim: x.cumprod(d), t)


def test_cumprod_gradient_of_many_elements(device):
    """Linear memory: a matrix of all pairs would take 80 GB here."""
    t = torch.ones(100_000, dtype=torch.float64, device=device)
    t[50_000] = 0
    t.requires_grad_()
    t.cumprod(0).sum().backward()
    want = np.zeros(100_000)
    want[:50_000] = np.arange(50_000, 0, -1)
    want[50_000] = 50_000
    assert array(t.grad).tolist() == want.tolist()


@pytest.mark.parametrize("is_complex", [False, True])
def test_logcumsumexp_derivatives(is_complex, device):
    for shape, dim in [((5,), 0), ((3, 4), 0)]:
        t = sample(shape, 0, is_complex, device)
        assert gradcheck(lambda x, d=dim: x.logcumsumexp(d), t) and gradgradcheck(lambda x, d=dim: x.logcumsumexp(d), t)


@pytest.mark.parametrize("f", [torch.softmax, torch.log_softmax])
def test_softmax_derivatives(f, device):
    for shape, dim in [((3, 5), 1), ((3, 5), 0), ((2, 3, 4), 1), ((), 0)]:
        t = sample(shape, 0, False, device) if shape else torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
        assert gradcheck(lambda x, d=dim: f(x, d), t) and gradgradcheck(lambda x, d=dim: f(x, d), t)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("shape", [(4, 3), (3, 700), (700, 3), (2, 600, 300), (5, 0)])
def test_softmax_gradient(shape, name, device):
    """The fused kernels, over rows and columns, against the formula."""
    rng = np.random.default_rng(4)
    x = tensor(rng.normal(size=shape), device, name)
    g = tensor(rng.normal(size=shape), device, name)
    for f, log in ((torch.softmax, False), (torch.log_softmax, True)):
        for d in range(len(shape)):
            t = x.clone().requires_grad_()
            y = f(t, d)
            y.backward(g)
            a, b = array(y.detach()), array(g)
            if log:
                want = b - np.exp(a) * b.sum(d, keepdims=True)
            else:
                want = a * (b - (a * b).sum(d, keepdims=True))
            scale = max(1.0, np.abs(want).max(initial=0))
            np.testing.assert_allclose(array(t.grad), want, atol=4 * FLOATS[name] * scale)
            assert t.grad.dtype == x.dtype


def test_softmax_out(device):
    t = torch.tensor([1.0, 2.0], device=device)
    out = torch.empty(0, device=device)
    assert torch.softmax(t, 0, out=out) is out and out.sum().item() == pytest.approx(1)
    assert torch.log_softmax(t.half(), 0, torch.float32, out=out).dtype == torch.float32
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float, but got double"):
        torch.softmax(t, 0, out=out.double())


def test_scans_in_place(device):
    t = torch.tensor([1, 2, 3], dtype=torch.int32, device=device)
    assert t.cumsum_(0) is t and t.tolist() == [1, 3, 6] and t.cumprod_(0).tolist() == [1, 3, 18]
    with pytest.raises(RuntimeError, match="Bad in-place call"):
        t.cumsum_(0, dtype=torch.int64)
    out = torch.empty(3, dtype=torch.int16, device=device)
    assert torch.cumsum(t, 0, out=out).tolist() == [1, 4, 22]
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype long int"):
        torch.cumsum(t, 0, dtype=torch.int64, out=out)
    leaf = torch.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    (leaf * 1).cumprod_(0).sum().backward()
    assert leaf.grad.tolist() == [9.0, 4.0, 2.0]


# ---- diff


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_diff(n, dim, device):
    a = np.random.default_rng(5).integers(-9, 9, (3, 4)).astype(np.float64)
    edge = a[:1] * 2 if dim == 0 else a[:, :2] * 2
    t, e = tensor(a, device), tensor(edge, device)
    assert t.diff(n, dim).tolist() == np.diff(a, n, dim).tolist()
    if n:
        want = np.diff(a, n, dim, prepend=edge, append=edge)
        assert torch.diff(t, n, dim, prepend=e, append=e).tolist() == want.tolist()


def test_diff_rules(device):
    b = torch.tensor([True, False, False], device=device)
    assert b.diff().tolist() == [True, False] and b.diff().dtype == torch.bool
    t = torch.ones(2, 3, device=device)
    for match, f in [
        ("at least one-dimensional", lambda: torch.tensor(1.0, device=device).diff()),
        ("non-negative", lambda: t.diff(-1)),
        ("same dimension", lambda: t.diff(prepend=t[0])),
        ("match that of input", lambda: t.diff(append=torch.ones(3, 1, device=device))),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()
    with pytest.raises(IndexError):
        t.diff(dim=2)
    assert gradgradcheck(lambda x: x.diff(2, 0), sample((4, 2), 0, False, device))


# ---- trapezoid


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_trapezoid(dim, device):
    rng = np.random.default_rng(6)
    y, points, grid = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)[dim]), rng.normal(size=(4, 5))
    t = tensor(y, device)
    for f in (torch.trapezoid, torch.trapz):
        np.testing.assert_allclose(array(f(t, dx=0.5, dim=dim)), integrate.trapezoid(y, dx=0.5, axis=dim), atol=1e-14)
        for x in (points, grid):
            want = integrate.trapezoid(y, x, axis=dim)
            np.testing.assert_allclose(array(f(t, tensor(x, device), dim=dim)), want, atol=1e-14)
    got = torch.cumulative_trapezoid(t, tensor(points, device), dim=dim)
    np.testing.assert_allclose(array(got), integrate.cumulative_trapezoid(y, points, axis=dim), atol=1e-14)
    got = torch.cumulative_trapezoid(t, dx=2, dim=dim)
    np.testing.assert_allclose(array(got), integrate.cumulative_trapezoid(y, dx=2, axis=dim), atol=1e-14)


def test_trapezoid_rules(device):
    i = torch.tensor([1, 2, 3], device=device)
    assert torch.trapezoid(i).item() == 4.0 and torch.trapezoid(i, dx=2.5).item() == 10.0
    assert torch.trapezoid(torch.empty(2, 0, device=device)).tolist() == [0.0, 0.0]
    t = torch.ones(3, device=device)
    for match, f in [
        ("bool", lambda: torch.trapezoid(t > 0)),
        ("bool", lambda: torch.trapezoid(t, t > 0)),
        ("real number", lambda: torch.trapezoid(t, dx=1j)),
        ("one `x` value for each", lambda: torch.trapezoid(t, torch.ones(4, device=device))),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()
    with pytest.raises(IndexError):
        torch.trapezoid(torch.tensor(1.0, device=device))
    assert gradcheck(torch.trapezoid, (sample((2, 3), 0, False, device), sample((3,), 0, False, device)))


# ---- gradient


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ["float64", "complex128", "int64"])
def test_gradient(order, name, device):
    rng = np.random.default_rng(7)
    a = (rng.normal(size=(4, 5, 3)) * 9).astype(name)
    t = tensor(a, device)

    def same(got, want):
        want = want if isinstance(want, (list, tuple)) else [want]
        assert isinstance(got, tuple) and len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(array(g), w, rtol=1e-6 if name == "int64" else 1e-12, atol=1e-6)

    same(torch.gradient(t, edge_order=order), np.gradient(a, edge_order=order))
    same(torch.gradient(t, spacing=0.5, edge_order=order), np.gradient(a, 0.5, edge_order=order))
    same(
        torch.gradient(t, spacing=[2, 3.0], dim=(2, 0), edge_order=order),
        np.gradient(a, 2, 3.0, axis=(2, 0), edge_order=order),
    )
    points = [np.sort(rng.random(n)) * 4 for n in a.shape]
    coordinates = [tensor(p, device) for p in points]
    same(torch.gradient(t, spacing=coordinates, edge_order=order), np.gradient(a, *points, edge_order=order))
    got = torch.gradient(t, spacing=coordinates[1:2], dim=-2, edge_order=order)
    same(got, np.gradient(a, points[1], axis=1, edge_order=order))


def test_gradient_rules(device):
    t = torch.ones(3, 2, device=device)
    points = torch.tensor([0.0, 1.0], device=device)
    for match, f in [
        ("edge_order=1 and edge_order=2", lambda: torch.gradient(t, edge_order=3)),
        ("at least edge_order", lambda: torch.gradient(t, edge_order=2)),
        ("length equal to 'self.dim", lambda: torch.gradient(t, spacing=[1.0])),
        ("same length", lambda: torch.gradient(t, spacing=[1.0, 2.0], dim=0)),
        ("appears multiple times", lambda: torch.gradient(t, dim=(0, -2))),
        ("one dimension", lambda: torch.gradient(t, spacing=[t, t])),
        ("coordinates", lambda: torch.gradient(t, spacing=[points[:1], points])),
        ("uint8", lambda: torch.gradient(t.to(torch.uint8))),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()
    with pytest.raises(IndexError):
        torch.gradient(t, dim=2)
    for spacing in ("x", [1.0, points], points):
        with pytest.raises(TypeError, match="spacing"):
            torch.gradient(t, spacing=spacing)
    x = sample((4, 3), 0, False, device)
    assert gradcheck(lambda v: torch.gradient(v, spacing=0.5, edge_order=2), x)
