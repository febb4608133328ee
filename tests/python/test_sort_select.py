"""Selection, quantiles, distinct elements and search against NumPy: NaN, ties, dims, forms, derivatives, errors."""

import math

import numpy as np
import pytest
import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
nan, inf = math.nan, math.inf


def draw(rng, dtype, shape, with_nan=True):
    if dtype in INTEGERS:
        return torch.from_numpy(rng.integers(0, 9, shape).astype(dtype))
    a = np.round(rng.standard_normal(shape) * 4, 1)
    return torch.from_numpy(np.where(rng.random(shape) < 0.05, nan, a) if with_nan else a).to(getattr(torch, dtype))


def numbers(t):
    return t.contiguous().double().numpy()


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_kth_and_medians(device, dtype):
    rng = np.random.default_rng(5)
    for shape in ((7,), (4, 30, 3), (3, 700), (20000,)):
        t = draw(rng, dtype, shape).to(device)
        a = numbers(t)
        for dim in range(len(shape)):
            ordered, n = np.sort(a, dim), shape[dim]
            for k in (1, (n + 1) // 2, n):
                values, indices = torch.kthvalue(t, k, dim)
                np.testing.assert_array_equal(numbers(values), ordered.take(k - 1, dim))
                np.testing.assert_array_equal(
                    numbers(t.gather(dim, indices.unsqueeze(dim)).squeeze(dim)), numbers(values)
                )
            has_nan = np.isnan(a).any(dim)
            values, indices = t.median(dim, keepdim=True)
            expected = np.where(has_nan, nan, ordered.take((n - 1) // 2, dim))
            np.testing.assert_array_equal(numbers(values.squeeze(dim)), expected)
            stable = np.where(
                has_nan, np.isnan(a).argmax(dim), np.argsort(a, dim, kind="stable").take((n - 1) // 2, dim)
            )
            np.testing.assert_array_equal(indices.squeeze(dim).numpy(), stable)
            rank = (np.isfinite(a).sum(dim) - 1) // 2
            values, indices = t.nanmedian(dim)
            at = np.expand_dims(np.maximum(rank, 0), dim)
            np.testing.assert_array_equal(numbers(values), np.take_along_axis(ordered, at, dim).squeeze(dim))
        whole = np.sort(a, None)
        assert t.nanmedian().item() == whole[(np.isfinite(whole).sum() - 1) // 2]
        assert (
            math.isnan(t.median().item())
            if np.isnan(whole).any()
            else t.median().item() == whole[(whole.size - 1) // 2]
        )


def test_selection_of_misleading_rows(device):
    """Rows whose sample says nothing about the rank."""
    n = 40000
    steps = torch.arange(n, device=device).div(39, rounding_mode="floor")
    spike = torch.zeros(n, device=device)
    spike[::39] = -1.0
    for t in (steps, steps.flip(0), spike, torch.zeros(n, device=device)):
        ordered = t.sort().values
        for k in (1, 2, 1025, 1026, n // 2, n - 1, n):
            assert t.kthvalue(k).values.item() == ordered[k - 1].item()


def test_mode(device):
    rng = np.random.default_rng(2)
    for n in (1, 2, 9, 16, 40, 300):
        a = rng.integers(0, 6, (5, n))
        values, indices = torch.from_numpy(a).to(device).mode(1)
        counts = np.stack([np.bincount(row, minlength=6) for row in a])
        assert values.tolist() == counts.argmax(1).tolist()
        assert [a[r, i] for r, i in enumerate(indices.tolist())] == values.tolist()
    assert torch.tensor([2.0, nan, nan, 3.0, 3.0], device=device).mode().values.item() == 3
    assert torch.tensor([True, False], device=device).mode(0, True).indices.tolist() == [1]


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS])
def test_running_extremes(device, dtype):
    rng = np.random.default_rng(8)
    t = (draw(rng, "int8", (5, 40, 6)) > 4) if dtype == "bool" else draw(rng, dtype, (5, 40, 6))
    a = numbers(t.to(device))
    for dim in range(3):
        for f, accumulate in ((torch.cummax, np.maximum), (torch.cummin, np.minimum)):
            values, indices = f(t.to(device), dim)
            expected = accumulate.accumulate(a, dim)
            np.testing.assert_array_equal(numbers(values), expected)
            same = (a == expected) | (np.isnan(a) & np.isnan(expected))
            places = np.arange(a.shape[dim]).reshape([-1 if d == dim else 1 for d in range(3)])
            last = np.maximum.accumulate(np.where(same, places, -1), dim)
            np.testing.assert_array_equal(indices.numpy(), last)


@pytest.mark.parametrize("how", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(device, how):
    rng = np.random.default_rng(11)
    a = np.round(rng.standard_normal((4, 9, 5)), 2)
    holes = np.where(rng.random(a.shape) < 0.2, nan, a)
    qs = np.array([0.0, 0.3, 0.55, 1.0])
    for x, f, g in (
        (a, torch.quantile, np.quantile),
        (holes, torch.quantile, np.quantile),
        (holes, torch.nanquantile, np.nanquantile),
    ):
        t = torch.from_numpy(x).to(device)
        for dim in (None, 0, 1, -1):
            for keep in (False, True):
                got = f(t, torch.from_numpy(qs).to(device), dim, keep, interpolation=how)
                np.testing.assert_allclose(
                    got.numpy(), g(x, qs, axis=dim, keepdims=keep, method=how), rtol=1e-12, atol=1e-12
                )
                np.testing.assert_allclose(
                    f(t, 0.4, dim, keep, interpolation=how).numpy(),
                    g(x, 0.4, axis=dim, keepdims=keep, method=how),
                    rtol=1e-12,
                    atol=1e-12,
                )
    assert math.isnan(torch.tensor([nan, nan], device=device).nanquantile(0.5).item())


def test_unique(device):
    rng = np.random.default_rng(4)
    for dtype in ("bool", *INTEGERS, "float16", "float32", "float64"):
        t = (draw(rng, "int8", (6, 50)) > 4) if dtype == "bool" else draw(rng, dtype, (6, 50), False)
        t = t.to(device).t()
        values, inverse, counts = t.unique(return_inverse=True, return_counts=True)
        expected, expected_counts = np.unique(numbers(t), return_counts=True)
        assert numbers(values).tolist() == expected.tolist() and counts.tolist() == expected_counts.tolist()
        assert inverse.shape == t.shape and torch.equal(values[inverse], t)
        assert torch.equal(t.unique(sorted=False), values)
        runs, inverse, counts = t.unique_consecutive(True, True)
        flat = numbers(t).ravel()
        starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
        assert numbers(runs).tolist() == flat[starts].tolist() and torch.equal(runs[inverse], t)
        assert counts.tolist() == np.diff(np.r_[starts, flat.size]).tolist()


def test_unique_slices(device):
    a = np.random.default_rng(6).integers(0, 2, (7, 3, 5))
    t = torch.from_numpy(a).to(device)
    for dim in range(3):
        values, inverse, counts = t.unique(return_inverse=True, return_counts=True, dim=dim)
        expected, expected_counts = np.unique(a, return_counts=True, axis=dim)
        assert values.tolist() == expected.tolist() and counts.tolist() == expected_counts.tolist()
        assert torch.equal(values.index_select(dim, inverse), t)
    rows = torch.tensor([[1, 2], [1, 2], [0, 1], [1, 2]], device=device)
    assert [x.tolist() for x in rows.unique_consecutive(True, True, 0)] == [
        [[1, 2], [0, 1], [1, 2]],
        [0, 0, 1, 2],
        [2, 1, 1],
    ]
    assert torch.zeros(0, 3, device=device).unique(dim=0).shape == (0, 3)


def test_unique_of_specials(device):
    t = torch.tensor([nan, -0.0, 0.0, nan, inf], device=device)
    values, counts = t.unique(return_counts=True)
    assert (
        counts.tolist() == [2, 1, 1, 1]
        and values.tolist()[:2] == [0.0, inf]
        and math.copysign(1, values[0].item()) == -1
    )
    assert t.unique_consecutive().shape == (4,)
    x = torch.ones(2, device=device, requires_grad=True)
    with pytest.raises(NotImplementedError, match="the derivative for '_unique2' is not implemented"):
        x.unique().sum().backward()


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_search(device, dtype):
    rng = np.random.default_rng(9)
    edges = draw(rng, dtype, (3, 60), False).to(device)
    values = draw(rng, dtype, (3, 41), False).to(device)
    ordered, order = edges.sort()
    for right in (False, True):
        side = "right" if right else "left"
        expected = [np.searchsorted(e, v, side).tolist() for e, v in zip(numbers(ordered), numbers(values))]
        assert torch.searchsorted(ordered, values, right=right).tolist() == expected
        assert torch.searchsorted(ordered, values, side=side, out_int32=True).dtype == torch.int32
        assert torch.searchsorted(edges, values, side=side, sorter=order).tolist() == expected
        assert torch.searchsorted(ordered[0], values[0], right=right).tolist() == expected[0]
        assert (
            torch.bucketize(values.t(), ordered[0], right=right).tolist()
            == np.searchsorted(numbers(ordered[0]), numbers(values.t()), side).tolist()
        )
    tests = values.flatten()
    for count in (0, 3, 20, tests.numel()):
        expected = np.isin(numbers(edges), numbers(tests[:count]))
        assert torch.isin(edges, tests[:count]).tolist() == expected.tolist()
        assert torch.isin(edges, tests[:count], invert=True).tolist() == (~expected).tolist()


def test_search_forms(device):
    edges = torch.tensor([1.0, 3.0, 5.0], device=device)
    assert torch.searchsorted(edges, 3).item() == torch.bucketize(2.5, edges).item() == 1
    assert torch.searchsorted(edges, torch.tensor([nan, -inf], device=device)).tolist() == [3, 0]
    ints = torch.tensor([1, 2, 10**12], device=device)
    assert torch.isin(ints, 2).tolist() == torch.isin(elements=ints, test_element=2).tolist() == [False, True, False]
    assert torch.isin(2, ints).item() and torch.isin(ints, torch.tensor([2.0], device=device)).tolist() == [
        False,
        True,
        False,
    ]
    many = torch.arange(0, 10**12, 10**10, device=device)
    assert torch.isin(many[5:9] + torch.tensor([0, 1, 0, -1], device=device), many).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert torch.isin(torch.tensor([nan, 1.0], device=device), torch.tensor([nan, 1.0], device=device)).tolist() == [
        False,
        True,
    ]


def test_small(device):
    s = torch.tensor(5.0, device=device)
    for r in (s.kthvalue(1), s.median(0), s.nanmedian(-1, True), s.mode(), s.cummax(0), s.cummin(-1)):
        assert r.values.item() == 5 and r.indices.item() == 0 and r.values.shape == ()
    assert s.quantile(0.5).item() == 5 and s.unique().tolist() == [5] and s.unique_consecutive().tolist() == [5]
    e = torch.empty(0, 3, device=device)
    assert math.isnan(e.median().item()) and e.median(1).values.shape == (0,) and e.cummax(0).values.shape == (0, 3)
    assert e.unique().shape == (0,) and e.unique(return_inverse=True)[1].shape == (0, 3)


def test_derivatives(device):
    x = torch.randperm(24, dtype=torch.float64, device=device).reshape(2, 4, 3).requires_grad_()
    q = torch.tensor([0.21, 0.8], dtype=torch.float64, device=device, requires_grad=True)
    functions = {
        "KthvalueBackward0": lambda t: t.kthvalue(2, 1)[0],
        "MedianBackward0": lambda t: t.median(),
        "MedianBackward1": lambda t: t.median(0, True)[0],
        "NanmedianBackward0": lambda t: t.nanmedian(),
        "NanmedianBackward1": lambda t: t.nanmedian(2)[0],
        "ModeBackward0": lambda t: t.mode(1)[0],
        "CummaxBackward0": lambda t: t.cummax(1)[0],
        "CumminBackward0": lambda t: t.cummin(2)[0],
    }
    for name, f in functions.items():
        assert f(x).grad_fn.name() == name
        assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))
    assert gradcheck(lambda t, p: t.quantile(p, 1), (x, q)) and gradgradcheck(lambda t, p: t.nanquantile(p), (x, q))
    t = torch.tensor([1.0, 2.0, 2.0, 5.0], device=device, requires_grad=True)
    t.median().backward()
    assert t.grad.tolist() == [0, 0.5, 0.5, 0]


@pytest.mark.parametrize(
    "error, match, call",
    [
        (RuntimeError, "selected number k out of range for dimension 0", lambda t: t.kthvalue(4)),
        (RuntimeError, "selected number k out of range", lambda t: t.kthvalue(0)),
        (IndexError, "Expected reduction dim 0 to have non-zero size", lambda t: t[:0].kthvalue(1)),
        (IndexError, "Expected reduction dim 0 to have non-zero size", lambda t: t[:0].median(0)),
        (IndexError, "Expected reduction dim 0 to have non-zero size", lambda t: t[:0].mode()),
        (NotImplementedError, "not implemented for 'Bool'", lambda t: t.bool().median()),
        (NotImplementedError, "not implemented for 'ComplexFloat'", lambda t: t.to(torch.complex64).cummax(0)),
        (RuntimeError, "must be in the range", lambda t: t.quantile(1.5)),
        (RuntimeError, "must be in the range", lambda t: t.quantile(nan)),
        (RuntimeError, "values must be in the range", lambda t: t.quantile(torch.tensor([0.5, 2]))),
        (RuntimeError, "scalar or 1D", lambda t: t.quantile(torch.ones(1, 1))),
        (RuntimeError, "same dtype as the input", lambda t: t.quantile(torch.ones(1).double())),
        (RuntimeError, "either float or double", lambda t: t.long().quantile(0.5)),
        (RuntimeError, "must be non-empty", lambda t: t[:0].quantile(0.5)),
        (RuntimeError, "interpolation must be one of", lambda t: t.quantile(0.5, interpolation="cubic")),
        (RuntimeError, "0 sized dimensions", lambda t: torch.zeros(3, 0).unique(dim=0)),
        (IndexError, "tensor has no dimensions", lambda t: t[0].unique(dim=0)),
        (RuntimeError, "sorter index out of range", lambda t: torch.searchsorted(t, t, sorter=torch.tensor([0, 1, 3]))),
        (RuntimeError, "must have the same size", lambda t: torch.searchsorted(t, t, sorter=torch.tensor([0, 1]))),
        (RuntimeError, "can't be set to opposites", lambda t: torch.searchsorted(t, t, side="left", right=True)),
        (RuntimeError, "first N-1 dimensions", lambda t: torch.searchsorted(t.expand(2, 3), t)),
        (RuntimeError, "must be 1 dimension", lambda t: torch.bucketize(t, t.expand(2, 3))),
        (RuntimeError, "Unsupported input type", lambda t: torch.isin(t.bool(), 1)),
        (RuntimeError, "single memory location", lambda t: torch.kthvalue(t, 1, out=(t, torch.zeros(1).long()))),
    ],
)
def test_errors(error, match, call):
    t = torch.tensor([1.0, 2.0, 3.0])
    with pytest.raises(error, match=match):
        call(t)
    assert t.tolist() == [1, 2, 3]
