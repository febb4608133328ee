"""nansum, nanmean, count_nonzero, aminmax, logsumexp, norm and their out= forms against NumPy and SciPy."""

import math

import numpy as np
import pytest
import rushlight as torch
from helpers import array, on_threads, tensor
from scipy import special

FLOATS = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-22, "float64": 2**-51}
ALL = ["bool", "uint8", "int8", "int16", "int32", "int64", *FLOATS]
SHAPES = [(), (1,), (7,), (3, 70), (70, 3), (5, 40, 9), (2, 3000), (3000, 2)]
inf, nan = math.inf, math.nan


def layouts(a, device, dtype):
    """The same values contiguous, transposed in memory and with gaps."""
    yield tensor(a, device, dtype)
    if a.ndim > 1:
        yield tensor(np.ascontiguousarray(a.T), device, dtype).permute(*reversed(range(a.ndim)))
        wide = torch.zeros(*a.shape[:-1], 2 * a.shape[-1], dtype=getattr(torch, dtype), device=device)
        wide[..., ::2] = tensor(a, device, dtype)
        yield wide[..., ::2]


def dims_of(a):
    yield None
    yield from range(a.ndim)
    if a.ndim > 1:
        yield (0, -1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FLOATS)
def test_nansum_and_nanmean(shape, name, device):
    rng = np.random.default_rng(len(shape))
    a = np.asarray(rng.integers(-8, 9, shape) / 4.0)
    a[rng.random(shape) < 0.2] = nan
    for t in layouts(a, device, name):
        for dim in dims_of(a):
            keep = dim is not None
            got = t.nansum(dim, keepdim=keep)
            want = np.nansum(a, dim, keepdims=keep)
            assert got.dtype == t.dtype
            np.testing.assert_allclose(array(got), want, rtol=FLOATS[name], atol=1e-30)
            count = (~np.isnan(a)).sum(dim, keepdims=keep)
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(array(t.nanmean(dim, keep)), want / count, rtol=2 * FLOATS[name], atol=1e-30)
    assert t.nansum(dtype=torch.float64).dtype == torch.float64


def test_nansum_rules(device):
    i = torch.tensor([1, 2, 3], device=device)
    assert i.nansum().dtype == torch.int64 and i.nansum().item() == 6
    assert torch.tensor([nan, 1.5, 2.0], device=device).nansum(dtype=torch.int32).item() == 3
    out = torch.empty(0, dtype=torch.float64, device=device)
    assert torch.nansum(torch.tensor([nan, 1.5], device=device), out=out) is out and out.item() == 1.5
    with pytest.raises(RuntimeError, match="complex"):
        torch.tensor([1j], device=device).nansum()
    with pytest.raises(RuntimeError, match="provided dtype must match"):
        torch.nansum(out.float(), dtype=torch.float32, out=out)
    with pytest.raises(RuntimeError, match="floating point or complex"):
        i.nanmean()
    assert math.isnan(torch.empty(0, device=device).nanmean().item())


@pytest.mark.parametrize("shape", [*SHAPES, (0, 3), (70000,)])
@pytest.mark.parametrize("name", ALL)
def test_count_nonzero(shape, name, device):
    a = np.random.default_rng(1).integers(0, 3, shape).astype(np.float64)
    for t in layouts(a, device, name):
        for dim in dims_of(a):
            got = torch.count_nonzero(t, dim)
            assert got.dtype == torch.int64 and array(got).tolist() == np.count_nonzero(a, dim).tolist()
    assert torch.tensor([0j, 1j, nan * 1j], device=device).count_nonzero().item() == 2
    assert t.count_nonzero(*range(t.dim())).item() == np.count_nonzero(a)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALL)
def test_aminmax(shape, name, device):
    a = np.asarray(np.random.default_rng(2).permutation(math.prod(shape)).reshape(shape) % 120, dtype=np.float64)
    a = (a > 60).astype(np.float64) if name == "bool" else a
    for t in layouts(a, device, name):
        low, high = torch.aminmax(t)
        assert low.dtype == high.dtype == t.dtype and (low.item(), high.item()) == (a.min(), a.max())
        for dim in range(a.ndim):
            r = t.aminmax(dim=dim, keepdim=True)
            assert array(r.min).tolist() == a.min(dim, keepdims=True).tolist()
            assert array(r.max).tolist() == a.max(dim, keepdims=True).tolist()


def test_aminmax_rules(device):
    t = torch.tensor([[1.0, nan, 3.0], [4.0, -inf, 2.0]], device=device)
    r = torch.aminmax(t, dim=1)
    assert type(r).__name__ == "aminmax" and r.min.isnan().tolist() == r.max.isnan().tolist() == [True, False]
    out = torch.empty(0, device=device), torch.empty(0, device=device)
    torch.aminmax(t, dim=0, out=out)
    assert out[0].tolist()[0] == 1.0 and out[1].tolist()[0] == 4.0
    with pytest.raises(RuntimeError, match="no identity"):
        torch.empty(0, device=device).aminmax()
    with pytest.raises(IndexError, match="non-zero size"):
        torch.empty(2, 0, device=device).aminmax(dim=1)
    with pytest.raises(RuntimeError, match="dtype"):
        torch.aminmax(t, out=(out[0].double(), out[1]))
    with pytest.raises(NotImplementedError):
        torch.tensor([1j], device=device).aminmax()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FLOATS)
def test_logsumexp(shape, name, device):
    a = np.asarray(np.random.default_rng(3).normal(size=shape) * 20)
    for t in layouts(a, device, name):
        b = array(t)
        for dim in list(dims_of(a))[1:] or [0]:
            want = special.logsumexp(b, dim if a.ndim else None, keepdims=True)
            np.testing.assert_allclose(array(t.logsumexp(dim, True)), want, rtol=FLOATS[name], atol=FLOATS[name])


def test_logsumexp_rules(device):
    def f(*values):
        return torch.tensor(values, device=device).logsumexp(0).item()

    assert f(-inf, -inf) == -inf and f(inf, 1.0) == inf and f(-inf, 2.0) == 2.0 and math.isnan(f(nan, inf))
    assert f(1000.0, 1000.0) == pytest.approx(1000 + math.log(2)) and f(-1000.0, -inf) == -1000
    # Blocks of all -inf beside finite ones.
    long = torch.full((100_000,), -inf, device=device)
    long[-1] = -2000.0
    assert long.logsumexp(0).item() == -2000.0
    e = torch.empty(2, 0, device=device)
    assert e.logsumexp(1).tolist() == [-inf, -inf] and e.logsumexp(0).shape == (0,)
    assert torch.tensor([1, 2, 3], device=device).logsumexp(0).dtype == torch.float32
    c = np.array([[1 + 2j, -3 + 1j], [0.5j, 2 - 1j]])
    np.testing.assert_allclose(array(tensor(c, device).logsumexp((0, 1))), np.log(np.exp(c).sum()))
    out = torch.empty(0, dtype=torch.float64, device=device)
    assert torch.logsumexp(torch.zeros(4, device=device), 0, out=out).item() == pytest.approx(math.log(4), rel=1e-6)
    with pytest.raises(RuntimeError, match="floating point type for result"):
        torch.logsumexp(torch.zeros(4, device=device), 0, out=out.long())
    with pytest.raises(TypeError, match="dim"):
        torch.logsumexp(out)


def test_norm_forms(device):
    a = np.arange(6.0).reshape(2, 3)
    t = tensor(a, device)
    for p in ("fro", None, 2, 2.0):
        assert torch.norm(t, p).item() == pytest.approx(np.linalg.norm(a))
    np.testing.assert_allclose(array(torch.norm(t, 3, 1, True)), (a**3).sum(1, keepdims=True) ** (1 / 3))
    out = torch.empty(0, dtype=torch.float64, device=device)
    assert torch.norm(t, 1, 0, False, out) is out and out.tolist() == [3.0, 5.0, 7.0]
    assert t.float().norm(2, 1, False, torch.float64).dtype == torch.float64
    assert tensor([3 + 4j, 0], device).norm(1).item() == 5
    # The squares of half precision overflow, their norm does not.
    assert torch.full((4,), 300.0, dtype=torch.float16, device=device).norm(4).item() == pytest.approx(424.26, rel=1e-3)
    for p, dim, match in [
        ("fro", (0, 1, 2), "2-tuple"),
        ("abc", None, "Order abc"),
        (1j, None, "non-complex"),
        ("nuc", 0, "2-tuple"),
    ]:
        with pytest.raises(RuntimeError, match=match):
            torch.norm(torch.ones(2, 2, 2, device=device), p, dim)
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype double"):
        torch.norm(t, 2, 1, out=out.float())


def test_moments_of_infinities(device):
    for values in ([inf, 1.0, 2.0], [-inf], [1.0, nan]):
        assert math.isnan(torch.tensor(values, device=device).var(correction=0).item())
        columns = torch.tensor([[v, 1.0] for v in values], device=device)
        assert columns.std(0, correction=0).isnan().tolist() == [True, False]
    assert math.isnan(torch.empty(0, dtype=torch.complex64, device=device).mean().item().imag)


def test_gradients_of_integer_sums_are_refused(device):
    t = torch.ones(3, device=device, requires_grad=True)
    for f in (torch.sum, torch.prod, torch.nansum):
        with pytest.raises(RuntimeError, match="Autograd not support dtype"):
            f(t, dtype=torch.int64)


DERIVATIVES = {
    "nansum": lambda t: t.nansum(1).square(),
    "nanmean": lambda t: t.nanmean((0, 1)).square(),
    "aminmax": lambda t: torch.aminmax(t.square(), dim=1),
    "aminmax_all": lambda t: torch.aminmax(t.square(), keepdim=True),
    "logsumexp": lambda t: t.logsumexp((0, 1)),
    "logsumexp_dim": lambda t: t.logsumexp(1, True),
    "prod": lambda t: t.prod(1),
    "prod_all": lambda t: t.prod(),
    "norm3": lambda t: t.norm(3, 1),
    "var": lambda t: torch.var_mean(t, 1, correction=0),
}


@pytest.mark.parametrize("case", DERIVATIVES)
def test_derivatives(case, device):
    t = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], dtype=torch.float64, device=device, requires_grad=True)
    assert torch.autograd.gradcheck(DERIVATIVES[case], t) and torch.autograd.gradgradcheck(DERIVATIVES[case], t)


@pytest.mark.parametrize("zeros", [0, 1, 2])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (3, 0), (0, 3)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_prod_with_zeros_is_twice_differentiable(zeros, shape, dtype, device):
    t = (torch.arange(1, math.prod(shape) + 1, device=device).to(dtype) / 2).reshape(shape)
    if t.numel():
        t.view(-1)[:zeros] = 0
    t.requires_grad_()
    for f in (lambda x: x.prod(), lambda x: x.prod(-1), lambda x: x.prod(0, True)):
        assert torch.autograd.gradcheck(f, t) and torch.autograd.gradgradcheck(f, t)


def test_gradients_at_the_edge(device):
    t = torch.tensor([[nan, 1.0, 2.0], [3.0, nan, nan]], device=device, requires_grad=True)
    t.nansum().backward()
    assert t.grad.tolist() == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    t = torch.full((3,), -inf, device=device, requires_grad=True)
    t.logsumexp(0).backward()
    assert t.grad.tolist() == [0.0] * 3
    t = torch.tensor([1.0, 1.0, 3.0], device=device, requires_grad=True)
    low, high = torch.aminmax(t)
    (low + 2 * high).backward()
    assert t.grad.tolist() == [0.5, 0.5, 2.0]


THREADED = {
    "nansum": lambda t: t.nansum(),
    "logsumexp": lambda t: t.logsumexp((0, 1)),
    "logsumexp0": lambda t: t.logsumexp(0),
    "logsumexp1": lambda t: t.logsumexp(1),
    "aminmax": lambda t: torch.stack(torch.aminmax(t)),
    "count_nonzero": lambda t: t.count_nonzero(0),
}


@pytest.mark.parametrize("case", THREADED)
def test_threads_give_the_same_bits(case, device):
    t = torch.sin(torch.arange(600_000.0, device=device)).reshape(600, 1000)
    one, three = on_threads(lambda: THREADED[case](t), (1, 3))
    assert one.equal(three)
