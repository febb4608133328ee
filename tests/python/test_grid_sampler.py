"""grid_sampler against a direct transcription of its definition; gradients of both orders; errors."""

import itertools

import numpy as np
import pytest
import rushlight as torch
import rushlight.nn.functional as F


def fold(x, size, padding, align):
    if padding == 2:
        low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
        if span == 0:
            return 0.0
        x = abs(x - low) % (2 * span)
        x = (2 * span - x if x > span else x) + low
    return x if padding == 0 else min(max(x, 0.0), size - 1.0)


def cubic(t):
    a = -0.75

    def near(d):
        return (a + 2) * d**3 - (a + 3) * d**2 + 1

    def far(d):
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


def taps(c, size, mode, padding, align):
    """(index, weight) along one dim."""
    x = (c + 1) / 2 * (size - 1) if align else ((c + 1) * size - 1) / 2
    if mode == 2:
        f = np.floor(x)
        places = [(fold(f + i - 1, size, padding, align), w) for i, w in enumerate(cubic(x - f))]
    else:
        x = fold(x, size, padding, align)
        f = np.floor(x)
        places = [(np.rint(x), 1.0)] if mode == 1 else [(f, 1 - (x - f)), (f + 1, x - f)]
    return [(int(i), w) for i, w in places if 0 <= i < size]


def sampled(a, grid, mode, padding, align):
    out = np.zeros(a.shape[:2] + grid.shape[1:-1])
    sizes = a.shape[2:]
    for at in np.ndindex(grid.shape[:-1]):
        n, p = at[0], at[1:]
        lists = [taps(c, s, mode, padding, align) for c, s in zip(grid[at][::-1], sizes, strict=True)]
        for combination in itertools.product(*lists):
            where = tuple(i for i, _ in combination)
            out[(n, slice(None), *p)] += a[(n, slice(None), *where)] * np.prod([w for _, w in combination])
    return out


CASES = [(m, p, al) for m in (0, 1, 2) for p in (0, 1, 2) for al in (True, False)]


@pytest.mark.parametrize(("mode", "padding", "align"), CASES)
def test_values(mode, padding, align, device):
    rng = np.random.default_rng(0)
    for shape, points in [((2, 3, 4, 5), (2, 3, 2)), ((1, 2, 1, 3), (1, 2, 2)), ((2, 2, 3, 2, 4), (2, 2, 1, 3))]:
        dims = len(shape) - 2
        if mode == 2 and dims == 3:
            continue
        a = rng.standard_normal(shape)
        grid = rng.uniform(-2.5, 2.5, (*points, dims))
        expected = sampled(a, grid, mode, padding, align)
        t, g = torch.tensor(a, device=device), torch.tensor(grid, device=device)
        got = torch.grid_sampler(t, g, mode, padding, align)
        np.testing.assert_allclose(got.tolist(), expected, atol=1e-12)
        own = (torch.grid_sampler_2d if dims == 2 else torch.grid_sampler_3d)(t, g, mode, padding, align)
        assert own.equal(got)
        names = ("bilinear", "nearest", "bicubic")[mode], ("zeros", "border", "reflection")[padding]
        assert F.grid_sample(t, g, *names, align_corners=align).equal(got)
        np.testing.assert_allclose(
            torch.grid_sampler(t.float(), g.float(), mode, padding, align).tolist(), expected, atol=2e-4
        )


@pytest.mark.parametrize(("mode", "padding", "align"), CASES)
def test_gradients(mode, padding, align, device):
    torch.manual_seed(0)
    options = {"dtype": torch.float64, "device": device}
    for shape, points in [((2, 2, 3, 4), (2, 2, 3)), ((1, 1, 2, 3, 2), (1, 1, 1, 2))]:
        if mode == 2 and len(shape) == 5:
            continue
        x = torch.randn(*shape, **options).requires_grad_()
        grid = (torch.rand(*points, len(shape) - 2, **options) * 2.6 - 1.3).requires_grad_()

        def f(x, grid):
            return torch.grid_sampler(x, grid, mode, padding, align)

        assert torch.autograd.gradcheck(f, (x, grid))
        assert torch.autograd.gradgradcheck(f, (x, grid))


def test_nan_infinity_and_far_away(device):
    nan, inf = float("nan"), float("inf")
    t = torch.ones(1, 1, 2, 2, device=device)
    grid = torch.tensor([[[[nan, 0.0], [inf, 0.0], [1e30, -1e30], [0.0, 0.0]]]], device=device)
    for padding in (1, 2):
        assert torch.grid_sampler(t, grid, 0, padding, False).tolist()[0][0][0][2:] == [1, 1]
    zeros = torch.grid_sampler(t, grid, 0, 0, False).flatten().tolist()
    assert np.isnan(zeros[0]) and zeros[2:] == [0, 1]
    assert torch.grid_sampler(t, grid, 1, 0, False).flatten().tolist()[:3] == [0, 0, 0]


def test_empty(device):
    t, grid = torch.ones(2, 3, 4, 5, device=device), torch.ones(2, 6, 7, 2, device=device)
    assert torch.grid_sampler(t[:0], grid[:0], 0, 0, True).shape == (0, 3, 6, 7)
    assert torch.grid_sampler(t[:, :0], grid, 0, 0, True).shape == (2, 0, 6, 7)
    assert torch.grid_sampler(t, grid[:, :0], 0, 0, True).shape == (2, 3, 0, 7)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda t, g: torch.grid_sampler(t, g[:1], 0, 0, True), "same batch size"),
        (lambda t, g: torch.grid_sampler_2d(t[..., None], g[:1, ..., None], 0, 0, True), "same batch size"),
        (lambda t, g: torch.grid_sampler_3d(t, g[:1], 0, 0, True), "same batch size"),
        (lambda t, g: torch._grid_sampler_2d_cpu_fallback(t, g[:1], 0, 0, True), "same batch size"),
        (lambda t, g: torch.grid_sampler(t, g[..., :1], 0, 0, True), "size 2 in last dimension"),
        (lambda t, g: torch.grid_sampler(t, g[:, 0], 0, 0, True), "same number of dimensions"),
        (lambda t, g: torch.grid_sampler(t[:, :, :0], g, 0, 0, True), "non-empty spatial dimensions"),
        (lambda t, g: torch.grid_sampler(t, g, 3, 0, True), "unknown interpolation mode 3"),
        (lambda t, g: torch.grid_sampler(t, g, 0, -1, True), "unknown padding mode -1"),
        (lambda t, g: torch.grid_sampler(t, g.double(), 0, 0, True), "expected scalar type Float but found Double"),
        (lambda t, g: torch.grid_sampler(t.int(), g.int(), 0, 0, True), "not implemented for 'Int'"),
        (lambda t, g: torch.grid_sampler_3d(t, g, 0, 0, True), "expected 5D input"),
        (lambda t, g: torch.grid_sampler(t[:, :, None], g[:, None, ..., [0, 0, 0]], 2, 0, True), "only supports 4D"),
    ],
)
def test_errors(call, match, device):
    with pytest.raises(RuntimeError, match=match):
        call(torch.ones(2, 3, 4, 5, device=device), torch.ones(2, 6, 7, 2, device=device))
