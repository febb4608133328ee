"""Reductions, scans and softmax against NumPy: dims, keepdim, dtypes, NaN, empty, accuracy, threads, derivatives."""

import math

import numpy as np
import pytest
import rushlight as torch
from helpers import on_threads
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck))
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
inf, nan = math.inf, math.nan


def dtype_of(name):
    return getattr(torch, name)


def make(array, device, dtype=None):
    t = torch.tensor(np.asarray(array).tolist(), device=device, dtype=dtype or dtype_of(str(np.asarray(array).dtype)))
    return t.reshape(np.shape(array))


def doubles(t):
    return np.array(t.double().tolist() if not t.is_complex() else t.tolist()).reshape(t.shape)


@st.composite
def arrangements(draw, least=0):
    """A shape, a permutation of its dims in memory, the dims to reduce and keepdim."""
    shape = draw(st.lists(st.integers(least, 5), max_size=4).map(tuple))
    order = draw(st.permutations(range(len(shape))))
    dims = draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1)) if shape else []
    return shape, order, tuple(dims), draw(st.booleans())


def arranged(a, order, device):
    inverse = [order.index(i) for i in range(a.ndim)]
    return make(a.transpose(order), device).permute(inverse)


@PROPERTY
@given(arrangements())
def test_over_dims(device, case):
    shape, order, dims, keep = case
    a = np.random.default_rng(len(shape)).integers(-9, 9, shape).astype(np.float64)
    t = arranged(a, order, device)
    if not dims:
        assert t.sum().item() == a.sum() and t.amax().item() == a and t.any().item() == bool(a)
        return
    signed = [d - len(shape) if d % 2 else d for d in dims]
    assert doubles(t.sum(signed, keep)).tolist() == a.sum(dims, keepdims=keep).tolist()
    assert t.sum(signed, keepdim=keep).shape == a.sum(dims, keepdims=keep).shape
    count = np.prod([shape[d] for d in dims])
    with np.errstate(all="ignore"):
        mean = a.sum(dims, keepdims=keep) / count
    np.testing.assert_allclose(doubles(t.mean(signed, keep)), mean, rtol=1e-14)
    assert doubles(t.any(signed, keep)).tolist() == a.any(dims, keepdims=keep).astype(float).tolist()
    assert doubles(t.all(signed, keep)).tolist() == a.all(dims, keepdims=keep).astype(float).tolist()
    if count:
        assert doubles(t.amax(signed, keep)).tolist() == a.max(dims, keepdims=keep).tolist()
        assert doubles(t.amin(signed, keep)).tolist() == a.min(dims, keepdims=keep).tolist()
        np.testing.assert_allclose(
            doubles(t.var(signed, unbiased=False, keepdim=keep)), a.var(dims, keepdims=keep), atol=1e-12
        )
        np.testing.assert_allclose(
            doubles(t.norm(2, signed, keep)), np.sqrt((a * a).sum(dims, keepdims=keep)), rtol=1e-13
        )
    elif t.numel() == 0 and np.prod([n for d, n in enumerate(shape) if d not in dims]) >= 0:
        with pytest.raises((IndexError, RuntimeError)):
            t.amax(signed)


@PROPERTY
@given(arrangements(1))
def test_over_one_dim(device, case):
    shape, order, dims, keep = case
    a = np.random.default_rng(len(shape)).integers(-9, 9, shape).astype(np.float64)
    t = arranged(a, order, device)
    d = dims[0] if dims else 0
    if not shape:
        assert t.max(0)[1].item() == 0 and t.cumsum(0).item() == a and t.softmax(0).item() == 1.0
        return
    highest, lowest = t.max(d, keep), t.min(d - len(shape), keep)
    assert doubles(highest.values).tolist() == a.max(d, keepdims=keep).tolist()
    assert doubles(lowest.values).tolist() == a.min(d, keepdims=keep).tolist()
    # The first of equal elements.
    assert highest.indices.tolist() == a.argmax(d, keepdims=keep).tolist() == t.argmax(d, keep).tolist()
    assert lowest.indices.tolist() == a.argmin(d, keepdims=keep).tolist() == t.argmin(d, keep).tolist()
    assert t.argmax().item() == a.argmax() and t.argmin().item() == a.argmin()
    assert doubles(t.cumsum(d)).tolist() == a.cumsum(d).tolist()
    assert doubles(t.cumprod(d)).tolist() == a.cumprod(d).tolist()
    assert doubles(t.prod(d, keep)).tolist() == a.prod(d, keepdims=keep).tolist()
    e = np.exp(a - a.max(d, keepdims=True))
    soft = e / e.sum(d, keepdims=True)
    np.testing.assert_allclose(doubles(t.softmax(d)), soft, rtol=1e-13)
    np.testing.assert_allclose(doubles(t.log_softmax(d)), np.log(soft), rtol=1e-12, atol=1e-14)
    if shape[d] > 1:
        np.testing.assert_allclose(
            doubles(t.std(d, keepdim=keep)), a.std(d, ddof=1, keepdims=keep), rtol=1e-12, atol=1e-13
        )


@pytest.mark.parametrize("name", INTEGERS + ["bool"])
def test_integers(name, device):
    a = np.arange(0, 60).reshape(5, 12) % 7 - (0 if name in ("uint8", "bool") else 3)
    a = a.astype(name)
    t = make(a, device)
    assert t.sum().dtype == t.prod().dtype == t.cumsum(0).dtype == t.cumprod(1).dtype == torch.int64
    assert t.sum(0).tolist() == a.sum(0, dtype=np.int64).tolist() and t.sum().item() == a.sum(dtype=np.int64)
    assert t.prod(0).tolist() == a.prod(0, dtype=np.int64).tolist()
    assert t.cumsum(1).tolist() == a.cumsum(1, dtype=np.int64).tolist()
    assert t.cumprod(0).tolist() == a.cumprod(0, dtype=np.int64).tolist()
    assert t.max(1)[0].dtype == t.amax(1).dtype == t.dtype and t.max(1)[1].dtype == torch.int64
    assert t.amax(1).tolist() == a.max(1).tolist() and t.amin(0).tolist() == a.min(0).tolist()
    assert t.max().item() == a.max() and t.min().item() == a.min()
    assert t.any(0).tolist() == a.any(0).tolist() and t.all(1).tolist() == a.all(1).tolist()
    assert t.any().dtype == (torch.uint8 if name == "uint8" else torch.bool)
    assert t.sum(dtype=torch.float32).dtype == torch.float32 and t.mean(dtype=torch.float64).item() == a.mean()
    for f in (torch.mean, torch.var, torch.std, torch.norm):
        with pytest.raises(RuntimeError):
            f(t)
    if name != "bool":
        top = np.iinfo(name).max
        assert torch.full((3,), top, dtype=t.dtype, device=device).sum().item() == (
            3 * top if name != "int64" else top - 2
        )
        assert torch.full((3,), top, dtype=t.dtype, device=device).sum(dtype=t.dtype).dtype == t.dtype


@pytest.mark.parametrize("name", FLOATS)
def test_floats(name, device):
    a = np.random.default_rng(0).normal(size=(7, 33))
    t = make(a, device, dtype_of(name))
    a = doubles(t)
    eps = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52}[name]
    for got, want in [
        (t.sum(), a.sum()),
        (t.sum(1), a.sum(1)),
        (t.mean(0), a.mean(0)),
        (t.prod(1), a.prod(1)),
        (t.var(0), a.var(0, ddof=1)),
        (t.std(), a.std(ddof=1)),
        (t.norm(), np.linalg.norm(a)),
        (t.norm(1, 0), np.abs(a).sum(0)),
        (t.norm(inf), np.abs(a).max()),
        (t.norm(-inf), np.abs(a).min()),
        (t.norm(0, 1), (a != 0).sum(1)),
        (t.norm(3.0), (np.abs(a) ** 3).sum() ** (1 / 3)),
        (t.amax(1), a.max(1)),
        (t.max(), a.max()),
    ]:
        assert got.dtype == dtype_of(name)
        np.testing.assert_allclose(doubles(got), want, rtol=20 * eps, atol=20 * eps)
    assert t.softmax(1).dtype == t.cumsum(0).dtype == t.dtype
    np.testing.assert_allclose(doubles(t.softmax(1)).sum(1), 1, rtol=20 * eps)
    assert t.sum(dtype=torch.float64).dtype == torch.float64
    np.testing.assert_allclose(t.sum(dtype=torch.float64).item(), a.sum(), rtol=1e-13)
    assert t.softmax(0, dtype=torch.float64).dtype == torch.float64
    var, mean = torch.var_mean(t, 1)
    std, same = torch.std_mean(t, 1)
    assert var.equal(t.var(1)) and std.equal(t.std(1)) and mean.equal(same)
    np.testing.assert_allclose(doubles(mean), a.mean(1), rtol=20 * eps, atol=eps)


@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_complex(name, device):
    rng = np.random.default_rng(2)
    a = (rng.normal(size=(4, 5)) + 1j * rng.normal(size=(4, 5))).astype(name)
    t = make(a, device)
    tolerance = 1e-5 if name == "complex64" else 1e-13
    for got, want in [
        (t.sum(1), a.sum(1)),
        (t.mean(), a.mean()),
        (t.prod(0), a.prod(0)),
        (t.cumsum(1), a.cumsum(1)),
        (t.cumprod(0), a.cumprod(0)),
    ]:
        assert got.dtype == t.dtype
        np.testing.assert_allclose(doubles(got), want, rtol=tolerance, atol=tolerance)
    assert t.norm().dtype == t.var().dtype == t.real.dtype
    np.testing.assert_allclose(t.norm().item(), np.linalg.norm(a), rtol=tolerance)
    np.testing.assert_allclose(t.var().item(), a.var(ddof=1), rtol=tolerance)
    for f in (torch.amax, torch.max, torch.argmax):
        with pytest.raises(RuntimeError):
            f(t)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("size", [3, 40, 1000])
def test_nan_and_infinity(name, size, device):
    for at in (0, size // 2, size - 1):
        t = torch.arange(size, device=device, dtype=dtype_of(name))
        t[at] = nan
        for r in (
            t.sum(),
            t.mean(),
            t.max(),
            t.min(),
            t.amax(),
            t.amin(),
            t.prod(),
            t.var(),
            t.norm(),
            t.max(0)[0],
            t.softmax(0)[1],
        ):
            assert math.isnan(r.item())
        assert t.argmax().item() == t.argmin().item() == t.max(0)[1].item() == t.min(0)[1].item() == at
        assert t.any().item() and t[at:].cumsum(0).isnan().all() and not t[:at].cumsum(0).isnan().any()
        columns = torch.stack([t, torch.zeros_like(t)], 1)
        assert columns.amax(0).isnan().tolist() == [True, False] and columns.argmax(0)[0].item() == at
        t[at] = inf
        assert t.sum().item() == inf and t.max().item() == inf and t.argmax().item() == at
        t[at] = -inf
        assert t.sum().item() == -inf and t.min().item() == -inf and t.argmin().item() == at
        assert t.softmax(0)[at].item() == 0.0 and t.log_softmax(0)[at].item() == -inf
    assert torch.full((3,), -inf, device=device, dtype=dtype_of(name)).softmax(0).isnan().all()


def test_empty(device):
    e = torch.empty(0, 3, device=device)
    assert e.sum().item() == 0 and e.prod().item() == 1 and e.sum(0).tolist() == [0.0] * 3 and e.sum(1).shape == (0,)
    assert math.isnan(e.mean().item()) and e.mean(0).isnan().all() and e.prod(0).tolist() == [1.0] * 3
    assert not e.any().item() and e.all().item() and e.all(0).tolist() == [True] * 3 and e.norm().item() == 0
    assert e.amax(1).shape == (0,) and e.max(1)[0].shape == (0,) and e.cumsum(0).shape == e.softmax(1).shape == (0, 3)
    for f in (
        lambda: e.max(),
        lambda: e.amax(0),
        lambda: e.argmax(),
        lambda: e.max(0),
        lambda: e.argmin(0),
        lambda: e.amin(),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            f()
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert torch.ones(1, device=device).var().isnan().item()


def test_zero_dim(device):
    t = torch.tensor(-2.5, device=device)
    assert t.sum().item() == t.sum(0).item() == t.mean(-1).item() == t.amax(0).item() == t.cumsum(0).item() == -2.5
    assert t.max(0).values.item() == -2.5 and t.argmax(0).item() == 0 and t.softmax(0).item() == 1.0
    with pytest.raises(IndexError, match="Dimension out of range"):
        t.sum(1)


def test_errors(device):
    t = torch.ones(2, 3, device=device)
    with pytest.raises(IndexError, match=r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)"):
        t.sum(2)
    with pytest.raises(RuntimeError, match="dim 0 appears multiple times in the list of dims"):
        t.sum((0, -2))
    with pytest.raises(RuntimeError, match="bool"):
        torch.tensor([True], device=device).argmax()
    for f in (lambda: t.softmax(2), lambda: t.cumsum(-3), lambda: t.max(5), lambda: t.argmin(2), lambda: t.std(3)):
        with pytest.raises(IndexError, match="Dimension out of range"):
            f()
    with pytest.raises(TypeError):
        t.sum("a")
    with pytest.raises(RuntimeError, match="[Ii]nput dtype|floating"):
        torch.ones(2, dtype=torch.int64, device=device).mean()


def test_return_types(device):
    t = torch.tensor([[1.0, 3.0], [2.0, 0.0]], device=device)
    r = t.max(1)
    values, indices = r
    assert type(r).__name__ == "max" and isinstance(r, tuple) and r.values is values and r.indices is indices
    assert isinstance(t.min(0), torch.return_types.min) and r[0] is values and len(r) == 2
    assert torch.max(t, t.t()).tolist() == [[1.0, 3.0], [3.0, 0.0]] and torch.min(t, dim=0)[0].tolist() == [1.0, 0.0]
    assert repr(r).startswith("torch.return_types.max(\nvalues=tensor([3., 2.])")


def test_out(device):
    t = torch.arange(6.0, device=device).reshape(2, 3)
    out = torch.empty(3, device=device)
    assert torch.sum(t, 0, out=out) is out and out.tolist() == [3.0, 5.0, 7.0]
    assert torch.mean(t, 0, out=out).tolist() == [1.5, 2.5, 3.5] and torch.prod(t, 0, out=out).tolist() == [
        0.0,
        4.0,
        10.0,
    ]
    assert torch.amax(t, 0, out=out).tolist() == [3.0, 4.0, 5.0]
    assert torch.cumsum(t, 1, out=torch.empty(2, 3, device=device)).tolist() == [[0.0, 1.0, 3.0], [3.0, 7.0, 12.0]]
    i = torch.empty(3, dtype=torch.int64, device=device)
    r = torch.max(t, 0, out=(out, i))
    assert r[0] is out and r[1] is i and i.tolist() == [1, 1, 1]
    assert torch.argmin(t, 1, out=i[:2]).tolist() == [0, 0]
    with pytest.warns(UserWarning, match="was resized"):
        torch.sum(t, 0, out=torch.empty(5, device=device))
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.mean(t, 0, out=torch.empty(3, dtype=torch.int64, device=device))
    with pytest.raises(RuntimeError, match="Expected the dtype for input and out to match"):
        torch.amax(t, 0, out=torch.empty(3, dtype=torch.int64, device=device))
    assert torch.sum(t, 0, out=i).tolist() == [3, 5, 7]  # computed in the dtype of out


# ---- accuracy and threads


@pytest.mark.parametrize("count", [1_000_003, 10_000_000])
def test_sums_are_accurate(count, device, threads):
    """The error of a float32 sum stays within a few units where a plain loop loses most digits."""
    t = torch.rand(count, device=device)
    a = t.cpu().numpy()
    exact = math.fsum(a) if count < 2_000_000 else a.sum(dtype=np.longdouble)
    exact = float(exact)
    unit = np.spacing(np.float32(exact))
    assert abs(t.sum().item() - exact) <= 4 * unit
    assert abs(t.mean().item() - exact / count) <= 4 * np.spacing(np.float32(0.5))
    assert torch.full((count,), 0.1, device=device).sum().item() == pytest.approx(
        float(np.float32(0.1)) * count, rel=3e-7
    )
    assert t.view(1, -1).sum(1).item() == pytest.approx(exact, rel=3e-7)
    assert t.view(-1, 1).sum(0).item() == pytest.approx(exact, rel=3e-7)
    if count == 10_000_000:
        wide = t.view(1000, 10000)
        for d in (0, 1):
            np.testing.assert_allclose(
                wide.sum(d).cpu().numpy(), a.reshape(1000, 10000).sum(d, dtype=np.float64), rtol=1e-6
            )
        assert t.var().item() == pytest.approx(a.var(dtype=np.float64, ddof=1), rel=1e-6)
        assert t.norm().item() == pytest.approx(np.linalg.norm(a.astype(np.float64)), rel=1e-6)
        assert t.double().sum().item() == pytest.approx(exact, rel=1e-14)


def test_variance_is_accurate(device):
    t = torch.rand(100_000, device=device) + 10_000
    want = t.cpu().numpy().astype(np.float64).var(ddof=1)
    assert t.var().item() == pytest.approx(want, rel=1e-4)
    assert t.view(100, 1000).var(0).cpu().numpy() == pytest.approx(
        t.cpu().numpy().astype(np.float64).reshape(100, 1000).var(0, ddof=1), rel=1e-4
    )


def test_norm_of_extremes(device):
    assert torch.tensor([3e-42, 4e-42], device=device).norm().item() >= 0
    assert torch.tensor([3e150, 4e150], dtype=torch.float64, device=device).norm().item() == pytest.approx(5e150)


THREADED = {
    "sum": lambda t: t.sum(),
    "sum0": lambda t: t.view(-1, 8).sum(0),
    "sum1": lambda t: t.view(8, -1).sum(1),
    "mean": lambda t: t.mean(),
    "prod": lambda t: (t * 1e-3 + 1).prod(),
    "var": lambda t: t.var(),
    "norm": lambda t: t.norm(),
    "norm3": lambda t: t.norm(3),
    "amax": lambda t: t.amax(),
    "argmin": lambda t: t.argmin(),
    "max": lambda t: t.view(512, -1).max(1)[1],
    "cumsum": lambda t: t.cumsum(0),
    "cumsum1": lambda t: t.view(512, -1).t().cumsum(1),
    "softmax": lambda t: t.view(512, -1).softmax(1),
    "softmax0": lambda t: t.view(512, -1).softmax(0),
    "any": lambda t: (t > 4.5).any(),
    "strided": lambda t: t.view(512, -1)[::2, ::3].sum(),
}


@pytest.mark.parametrize("case", THREADED)
@pytest.mark.parametrize("name", ["float32", "float64", "float16"])
def test_threads_give_the_same_bits(case, name, device):
    torch.manual_seed(3)
    t = torch.randn(512 * 1024, device=device).to(dtype_of(name))
    one, *others = on_threads(lambda: THREADED[case](t), (1, 2, 2))
    assert all(one.equal(other) for other in others)


# ---- torch


@PROPERTY
@given(arrangements(1))
def test_strides_and_dtypes_like_torch(case):
    reference = pytest.importorskip("torch")
    shape, order, dims, keep = case
    if not dims:
        return
    inverse = [order.index(i) for i in range(len(shape))]
    mine = torch.ones([shape[i] for i in order]).permute(inverse)
    theirs = reference.ones([shape[i] for i in order]).permute(inverse)
    for f in (
        lambda t: t.sum(dims, keep),
        lambda t: t.amax(dims, keep),
        lambda t: t.max(dims[0], keep)[0],
        lambda t: t.max(dims[0], keep)[1],
        lambda t: t.argmax(dims[0], keep),
        lambda t: t.cumsum(dims[0]),
        lambda t: t.softmax(dims[0]),
    ):
        got, want = f(mine), f(theirs)
        assert got.shape == tuple(want.shape) and str(got.dtype) == str(want.dtype) and got.tolist() == want.tolist()


# ---- derivatives

DERIVATIVES = {
    "sum": lambda t: t.sum(0).pow(2),
    "mean": lambda t: t.mean((0, 1)) * t.mean(1).sum(),
    "prod": lambda t: t.prod(0),
    "prod_all": lambda t: t.prod(),
    "amax": lambda t: t.amax(1),
    "amin": lambda t: t.amin(),
    "max": lambda t: t.max(0).values,
    "min": lambda t: t.min(),
    "var": lambda t: t.var(1),
    "std": lambda t: t.std(0, unbiased=False),
    "norm": lambda t: t.norm(2, 1),
    "norm1": lambda t: t.norm(1),
    "norm3": lambda t: t.norm(3, 0),
    "norm_inf": lambda t: t.norm(inf),
    "cumsum": lambda t: t.cumsum(1).pow(2),
    "cumprod": lambda t: t.cumprod(0),
    "softmax": lambda t: t.softmax(1).pow(2),
    "log_softmax": lambda t: t.log_softmax(0)[0],
}
VALUES = [[0.5, -1.0, 2.0, 0.75], [1.5, 0.25, -0.5, 3.0], [0.0, 2.5, 1.0, -2.0]]


@pytest.mark.parametrize("case", DERIVATIVES)
@pytest.mark.parametrize("values", ["distinct", "ties", "zeros"])
def test_gradients_like_torch(case, values):
    reference = pytest.importorskip("torch")
    numbers = {
        "distinct": VALUES,
        "ties": [[1.0, 2.0, 2.0], [2.0, 1.0, 1.0]],
        "zeros": [[0.0, 2.0, 0.0], [0.0, 3.0, 4.0]],
    }[values]
    grads = []
    for module in (torch, reference):
        t = module.tensor(numbers, dtype=module.float64, requires_grad=True)
        out = DERIVATIVES[case](t)
        (out * module.arange(1.0, out.numel() + 1, dtype=module.float64).reshape(out.shape)).sum().backward()
        grads.append(t.grad.tolist())
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-10, atol=1e-12)
