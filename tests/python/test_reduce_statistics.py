"""cov, corrcoef, dist, renorm, histograms and bincount against NumPy."""

import math

import numpy as np
import pytest
import rushlight as torch
from helpers import array, on_threads, tensor

inf, nan = math.inf, math.nan
gradcheck = torch.autograd.gradcheck


# ---- covariance


@pytest.mark.parametrize("shape", [(7,), (1, 5), (3, 6), (4, 2)])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("correction", [0, 1])
def test_cov(shape, is_complex, correction, device):
    rng = np.random.default_rng(0)
    a = rng.normal(size=shape) + (1j * rng.normal(size=shape) if is_complex else 0)
    f, w = rng.integers(1, 4, shape[-1]), rng.random(shape[-1]) + 0.1
    t = tensor(a, device)
    for fw, aw in [(None, None), (f, None), (None, w), (f, w)]:
        want = np.cov(a, ddof=correction, fweights=fw, aweights=aw)
        weights = {k: tensor(v, device) for k, v in (("fweights", fw), ("aweights", aw)) if v is not None}
        np.testing.assert_allclose(array(t.cov(correction=correction, **weights)), want, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(array(t.corrcoef()), np.corrcoef(a), rtol=1e-11, atol=1e-13)


def test_cov_rules(device):
    t = torch.arange(6.0, device=device).reshape(2, 3)
    i = torch.tensor([1, 2, 3], device=device)
    for match, f in [
        ("two or fewer", lambda: torch.ones(2, 2, 2, device=device).cov()),
        ("bool", lambda: (t > 0).cov()),
        ("integral dtype", lambda: t.cov(fweights=t[0])),
        ("floating point dtype", lambda: t.cov(aweights=i)),
        ("negative", lambda: t.cov(fweights=-i)),
        ("same numel", lambda: t.cov(fweights=i[:2])),
        ("one or fewer", lambda: t.cov(aweights=t)),
        ("sum to zero", lambda: t.cov(fweights=i * 0)),
        ("two or fewer", lambda: torch.ones(2, 2, 2, device=device).corrcoef()),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert t.cov(correction=5).tolist() == [[inf, inf], [inf, inf]]
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert torch.empty(2, 0, device=device).cov().isnan().all()
    assert i.cov().item() == 1.0
    x = torch.tensor([[1.0, 2.5, -1.0], [0.5, 3.0, 2.0]], dtype=torch.float64, device=device, requires_grad=True)
    assert gradcheck(torch.cov, x) and gradcheck(lambda v: v.corrcoef()[0, 1], x)


def test_dist_and_renorm(device):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=4)
    for p in (0, 1, 2, 3, inf, -inf):
        want = np.linalg.norm((a - b).ravel(), p)
        assert torch.dist(tensor(a, device), tensor(b, device), p).item() == pytest.approx(want)
    with pytest.raises(RuntimeError, match="floating point or complex"):
        torch.dist(torch.ones(2, dtype=torch.int64, device=device), torch.ones(2, dtype=torch.int64, device=device))
    for p in (1, 2, 2.5, inf):
        for dim in (0, 1, -1):
            n = np.linalg.norm(a, p, axis=1 - dim % 2, keepdims=True)
            want = np.where(n > 1.5, a * (1.5 / (n + 1e-7)), a)
            t = tensor(a, device)
            np.testing.assert_allclose(array(torch.renorm(t, p, dim, 1.5)), want, rtol=1e-12)
            assert t.renorm_(p, dim, 1.5) is t
            np.testing.assert_allclose(array(t), want, rtol=1e-12)
    half = torch.full((2, 4), 200.0, dtype=torch.float16, device=device).renorm(3, 0, 1.0)
    assert half.dtype == torch.float16 and half[0, 0].item() == pytest.approx(0.63, rel=1e-2)
    t = torch.ones(2, 2, device=device)
    for match, args in [("non-positive", (0, 0, 1)), ("maxnorm", (2, 0, -1)), ("real-valued", (1j, 0, 1))]:
        with pytest.raises(RuntimeError, match=match):
            t.renorm(*args)
    with pytest.raises(RuntimeError, match="at least 2"):
        t[0].renorm(2, 0, 1)
    with pytest.raises(IndexError):
        t.renorm(2, 2, 1)


# ---- histograms


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
def test_histc(name, size, device):
    a = np.random.default_rng(2).integers(-16, 17, size) / 8.0
    t = tensor(a, device, name)
    for bins, low, high in [(8, -2, 2), (4, 0, 1), (16, -1, 3)]:
        got = torch.histc(t, bins, low, high)
        assert got.dtype == t.dtype
        want = tensor(np.histogram(a, bins, (low, high))[0], device).to(t.dtype)
        assert got.tolist() == want.tolist()
    if size > 1:
        assert torch.histc(t, 8).tolist() == torch.histc(t, 8, -2, 2).tolist()


def test_histc_rules(device):
    t = torch.tensor([1.0, 2.0, 4.0], device=device)
    assert torch.histc(torch.tensor([1.0, nan, inf, -inf], device=device), 2, 0, 2).tolist() == [0.0, 1.0]
    assert torch.histc(torch.ones(3, device=device), 4).tolist() == [0.0, 0.0, 3.0, 0.0]
    for match, f in [
        ("must be > 0", lambda: torch.histc(t, 0)),
        ("larger than min", lambda: torch.histc(t, 3, 2, 1)),
        ("not finite", lambda: torch.histc(t, 3, nan, 1)),
        ("not finite", lambda: torch.histc(t / 0, 3)),
        ("same dtype", lambda: torch.histc(t, 3, out=torch.empty(3, dtype=torch.float64, device=device))),
        ("not implemented for 'Long'", lambda: torch.histc(t.long(), 3)),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("density", [False, True])
def test_histogram(weighted, density, device):
    rng = np.random.default_rng(3)
    a, w = rng.normal(size=(20, 30)), rng.random((20, 30))
    edges = np.sort(rng.normal(size=9))
    weights = w if weighted else None
    kw = {"weight": tensor(w, device) if weighted else None, "density": density}
    t = tensor(a, device)
    for args, more, want in [
        ((7,), {}, np.histogram(a, 7, weights=weights, density=density)),
        ((7,), {"range": (-1.0, 0.5)}, np.histogram(a, 7, (-1.0, 0.5), weights=weights, density=density)),
        ((tensor(edges, device),), {}, np.histogram(a, edges, weights=weights, density=density)),
    ]:
        got = torch.histogram(t, *args, **more, **kw)
        np.testing.assert_allclose(array(got.hist), want[0], rtol=1e-12)
        np.testing.assert_allclose(array(got.bin_edges), want[1], rtol=1e-14)
    assert type(got).__name__ == "histogram" and torch.histogram(t).hist.shape == (100,)


def test_histogram_edges(device):
    """Every edge lies in the bin above it, the last one in the last bin, however the width rounds."""
    for bins in (3, 7, 10, 49, 1000):
        edges = torch.linspace(0.1, 0.7, bins + 1, device=device)
        got = torch.histogram(edges, bins, range=(0.1, 0.7))
        assert got.hist.tolist() == [1.0] * (bins - 1) + [2.0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("density", [False, True])
def test_histogramdd(weighted, density, device):
    rng = np.random.default_rng(4)
    a, w = rng.normal(size=(500, 3)), rng.random(500)
    kw = {"weight": tensor(w, device) if weighted else None, "density": density}
    weights = w if weighted else None
    t = tensor(a, device)
    edges = [np.sort(rng.normal(size=n)) for n in (3, 4, 5)]
    ranges = [(-1, 1), (0, 2), (-2, 0.5)]
    for bins, mine, more, theirs in [
        ([2, 3, 4], [2, 3, 4], {}, {}),
        (3, 3, {}, {}),
        ([2, 3, 4], [2, 3, 4], {"range": [v for r in ranges for v in r]}, {"range": ranges}),
        (edges, [tensor(e, device) for e in edges], {}, {}),
    ]:
        want, want_edges = np.histogramdd(a, bins, weights=weights, density=density, **theirs)
        got = torch.histogramdd(t, mine, **more, **kw)
        np.testing.assert_allclose(array(got.hist), want, rtol=1e-12)
        assert isinstance(got.bin_edges, tuple)
        for g, e in zip(got.bin_edges, want_edges, strict=True):
            np.testing.assert_allclose(array(g), e, rtol=1e-14, atol=1e-14)


def test_histogram_rules(device):
    t = torch.tensor([1.0, 2.0, 4.0], device=device)
    points = torch.ones(3, 2, device=device)
    assert torch.histogram(t[:0], 4).bin_edges.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert torch.histogram(t, 4, range=(2.0, 2.0)).hist.tolist() == [0.0, 0.0, 1.0, 0.0]
    out = torch.empty(0, device=device), torch.empty(0, device=device)
    torch.histogram(t, 2, out=out)
    assert out[0].tolist() == [2.0, 1.0] and out[1].tolist() == [1.0, 2.5, 4.0]
    for match, f in [
        ("min should not exceed max", lambda: torch.histogram(t, 4, range=(8.0, 0.0))),
        ("should have 2 elements", lambda: torch.histogram(t, 4, range=(8.0,))),
        ("not finite", lambda: torch.histogram(t, 4, range=(nan, 1.0))),
        ("same shape", lambda: torch.histogram(t, 4, weight=t[:2])),
        ("same dtype", lambda: torch.histogram(t, 4, weight=t.double())),
        ("same dtype", lambda: torch.histogram(t, t.double())),
        ("one dimension", lambda: torch.histogram(t, points)),
        ("at least 1 element", lambda: torch.histogram(t, t[:0])),
        ("must be > 0", lambda: torch.histogram(t, t[:1])),
        ("must be > 0", lambda: torch.histogram(t, -1)),
        ("not implemented for 'Long'", lambda: torch.histogram(t.long(), 4)),
        ("at least 2 dimensions", lambda: torch.histogramdd(t, [2])),
        ("innermost dimension", lambda: torch.histogramdd(points, [2, 2, 2])),
        ("expected 2 sequences", lambda: torch.histogramdd(points, [t])),
        ("should have 4 elements", lambda: torch.histogramdd(points, [2, 2], range=(0.0, 1.0))),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()
    for value in ("ab", [1.0, "x"], 3.0):
        with pytest.raises(TypeError, match="range"):
            torch.histogram(t, 4, range=value)


# ---- bincount


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("size", [1, 100, 300_000])
def test_bincount(name, size, device):
    rng = np.random.default_rng(5)
    a, w = rng.integers(0, 100, size).astype(name), rng.integers(-8, 8, size) / 4.0
    t = tensor(a, device)
    assert t.bincount().dtype == torch.int64 and t.bincount().tolist() == np.bincount(a).tolist()
    assert t.bincount(minlength=200).tolist() == np.bincount(a, minlength=200).tolist()
    for dtype, result in [("float32", torch.float32), ("float16", torch.float64), ("int32", torch.float64)]:
        weights = tensor(w, device, dtype)
        got = torch.bincount(t, weights)
        assert got.dtype == result and got.tolist() == np.bincount(a, array(weights)).tolist()


def test_bincount_rules(device):
    i = torch.tensor([1, 2, 3], device=device)
    assert i[:0].bincount().shape == (0,) and i[:0].bincount(minlength=3).tolist() == [0, 0, 0]
    for match, f in [
        ("non-negative integral", lambda: torch.bincount(-i)),
        ("non-negative integral", lambda: torch.bincount(i.reshape(1, 3))),
        ("minlength should be >= 0", lambda: i.bincount(minlength=-1)),
        ("same length", lambda: i.bincount(i[:2].float())),
        ("not implemented for 'Float'", lambda: i.float().bincount()),
        ("overflow|memory|size", lambda: torch.tensor([2**62], device=device).bincount()),
        ("too large", lambda: torch.tensor([2**63 - 1], device=device).bincount()),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()


THREADED = {
    "histc": lambda t: torch.histc(t, 50),
    "weighted": lambda t: torch.histogram(t, 50, weight=t).hist,
    "histogramdd": lambda t: torch.histogramdd(t.reshape(-1, 2), [5, 6], weight=t[: t.numel() // 2]).hist,
    "bincount": lambda t: (t * 40).abs().long().bincount(),
    "weighted bincount": lambda t: (t * 40).abs().long().bincount(t),
}


@pytest.mark.parametrize("case", THREADED)
def test_threads_give_the_same_bits(case, device):
    t = torch.sin(torch.arange(600_000.0, device=device))
    one, three = on_threads(lambda: THREADED[case](t), (1, 3))
    assert one.equal(three)
