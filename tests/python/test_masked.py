"""torch.masked against the unmasked operations of NumPy on the elements that count."""

import numpy as np
import pytest
import rushlight as torch

LATER = {"median": "nanmedian", "logsumexp": "logsumexp", "logaddexp": "logaddexp"}


def needs(name):
    if not hasattr(torch._C, LATER.get(name, "sum")):
        pytest.skip(f"torch.{LATER[name]} is missing")
    if name in ("norm", "normalize") and not hasattr(torch.linalg, "vector_norm"):
        pytest.skip("torch.linalg.vector_norm is missing")


NUMPY = {
    "sum": np.sum,
    "prod": np.prod,
    "amax": np.max,
    "amin": np.min,
    "mean": np.mean,
    "var": lambda v: np.var(v, ddof=1),
    "std": lambda v: np.std(v, ddof=1),
    "norm": lambda v: np.linalg.norm(v),
    "median": lambda v: np.sort(v)[(len(v) - 1) // 2],
    "logsumexp": lambda v: np.log(np.exp(v).sum()),
}


@pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 2)])
@pytest.mark.parametrize("name", NUMPY)
def test_reductions(name, dim, device):
    needs(name)
    if name == "median" and not isinstance(dim, int):
        dim = 1
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 4, 5))
    mask = rng.random((3, 4, 5)) < 0.7
    mask[1, 2] = mask[:, :2, 0] = True
    axes = (0, 1, 2) if dim is None else tuple(d % 3 for d in (dim if isinstance(dim, tuple) else (dim,)))
    kept = [d for d in range(3) if d not in axes]
    flat = np.transpose(a, (*kept, *axes)).reshape([a.shape[d] for d in kept] + [-1])
    flags = np.transpose(mask, (*kept, *axes)).reshape(flat.shape)
    t, m = torch.tensor(a, device=device), torch.tensor(mask, device=device)
    for keepdim in (False, True):
        got = getattr(torch.masked, name)(t, dim=dim, keepdim=keepdim, mask=m)
        whole = getattr(torch.masked, name)(t, dim=dim, keepdim=keepdim)
        assert tuple(got.shape) == tuple(whole.shape)
        assert tuple(got.shape) == np.sum(a, axes, keepdims=keepdim).shape
        got, whole = (
            np.array(got.tolist()).reshape(flags.shape[:-1]),
            np.array(whole.tolist()).reshape(flags.shape[:-1]),
        )
        for at in np.ndindex(flags.shape[:-1]):
            if flags[at].sum() > 1:
                np.testing.assert_allclose(got[at], NUMPY[name](flat[at][flags[at]]), rtol=1e-12)
            np.testing.assert_allclose(whole[at], NUMPY[name](flat[at]), rtol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "normalize", "cumsum", "cumprod"])
def test_rows(name, device):
    needs(name)
    rng = np.random.default_rng(1)
    a, mask = rng.standard_normal((4, 6)), rng.random((4, 6)) < 0.6
    mask[:, 0] = True
    functions = {
        "softmax": lambda v: np.exp(v) / np.exp(v).sum(),
        "log_softmax": lambda v: v - np.log(np.exp(v).sum()),
        "softmin": lambda v: np.exp(-v) / np.exp(-v).sum(),
        "normalize": lambda v: v / np.linalg.norm(v),
        "cumsum": np.cumsum,
        "cumprod": np.cumprod,
    }
    args = (2.0, 1) if name == "normalize" else (1,)
    got = getattr(torch.masked, name)(torch.tensor(a, device=device), *args, mask=torch.tensor(mask, device=device))
    for row, values, flags in zip(np.array(got.tolist()), a, mask, strict=True):
        np.testing.assert_allclose(row[flags], functions[name](values[flags]), rtol=1e-12)


def test_arg_and_integers(device):
    t = torch.tensor([[5, 9, -3], [7, 7, 1]], device=device)
    m = torch.tensor([[True, False, True], [False, True, True]], device=device)
    assert torch.masked.argmax(t, 1, mask=m).tolist() == [0, 1]
    assert torch.masked.argmin(t, 1, mask=m, keepdim=True).tolist() == [[2], [2]]
    assert torch.masked.argmax(t, mask=m).item() == 4
    assert torch.masked.amax(t, 1, mask=m).tolist() == [5, 7]
    total = torch.masked.sum(t.to(torch.int8), 1, mask=m)
    assert total.tolist() == [2, 8] and total.dtype == torch.int64
    assert torch.masked.sum(t, 1, mask=m, dtype=torch.float32).dtype == torch.float32
    assert torch.masked.cumsum(t.to(torch.int8), 1, mask=m).dtype == torch.int8
    assert torch.masked.var(t, 1, mask=m, unbiased=False).tolist() == [16, 9]
    with pytest.raises(ValueError, match="Could not infer output dtype"):
        torch.masked.mean(t, 1, mask=m)


def test_mask_broadcasts(device):
    t = torch.arange(6.0, device=device).reshape(2, 3)
    row = torch.tensor([1, 0, 1], device=device)
    assert torch.masked.sum(t, 1, mask=row).tolist() == [2, 8]
    assert torch.masked.sum(t, 0, mask=torch.tensor([[False], [True]], device=device)).tolist() == [3, 4, 5]
    with pytest.raises(IndexError, match="mask dimensionality higher than of the input"):
        torch.masked.sum(t, 0, mask=torch.ones(1, 2, 3, dtype=torch.bool, device=device))
    with pytest.raises(RuntimeError):
        torch.masked.sum(t, 0, mask=torch.ones(2, dtype=torch.bool, device=device))
    with pytest.raises(RuntimeError, match="multiple times"):
        torch.masked.sum(t, (0, 0))
    with pytest.raises(IndexError, match="out of range"):
        torch.masked.sum(t, 2)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "amax", "var", "softmax", "log_softmax", "cumsum"])
def test_gradients(name, device):
    torch.manual_seed(0)
    x = torch.randn(3, 4, dtype=torch.float64, device=device, requires_grad=True)
    m = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 0], [0, 1, 1, 1]], device=device) > 0

    def f(x):
        y = getattr(torch.masked, name)(x, 1, mask=m)
        return torch.where(m, y, 0) if y.shape == x.shape else y

    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))
    (g,) = torch.autograd.grad(f(x).sum(), x)
    assert g[~m].tolist() == [0, 0, 0]


def test_logaddexp(device):
    needs("logaddexp")
    a, b = torch.tensor([1.0, 2.0, 3.0], device=device), torch.tensor([0.5, 4.0, 1.0], device=device)
    ma, mb = torch.tensor([True, True, False], device=device), torch.tensor([True, False, True], device=device)
    got = torch.masked.logaddexp(a, b, input_mask=ma, other_mask=mb)
    np.testing.assert_allclose(got.tolist(), [np.logaddexp(1, 0.5), 2, 1], rtol=1e-6)
