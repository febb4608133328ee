"""Layer, group and batch normalization against NumPy; gradients; running moments; errors."""

import numpy as np
import pytest
import rushlight as torch
import rushlight.nn.functional as F
from helpers import on_threads


def normalized(a, axes, eps):
    a = a.astype(np.float64)
    mean, var = a.mean(axes, keepdims=True), a.var(axes, keepdims=True)
    return (a - mean) / np.sqrt(var + eps), mean, 1 / np.sqrt(var + eps)


def per_channel(v, ndim):
    return v.reshape([1, -1] + [1] * (ndim - 2))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 17), (7, 1), (3, 100), (2, 5000), (300, 130)])
def test_layer_norm(shape, dtype, device):
    rng = np.random.default_rng(0)
    d = getattr(torch, dtype)
    tol = {"float64": 1e-12, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}[dtype]
    t = torch.tensor(rng.standard_normal(shape) * 3 + 100, device=device).to(d)
    a = np.array(t.double().tolist())
    for k in range(1, len(shape) + 1):
        w, b = rng.standard_normal(shape[-k:]), rng.standard_normal(shape[-k:])
        tw, tb = (torch.tensor(v, device=device).to(d) for v in (w, b))
        w, b = np.array(tw.double().tolist()), np.array(tb.double().tolist())
        axes = tuple(range(-k, 0))
        x, mean, rstd = normalized(a, axes, 1e-5)
        for weight, bias in ((None, None), (tw, None), (None, tb), (tw, tb)):
            expected = x * (w if weight is not None else 1) + (b if bias is not None else 0)
            out, m, r = torch.native_layer_norm(t, shape[-k:], weight, bias, 1e-5)
            assert out.dtype == d and m.shape == mean.shape
            np.testing.assert_allclose(out.double().tolist(), expected, rtol=tol, atol=4 * tol)
            np.testing.assert_allclose(m.double().tolist(), mean, rtol=tol)
            np.testing.assert_allclose(r.double().tolist(), rstd, rtol=20 * tol)
            assert F.layer_norm(t, shape[-k:], weight, bias).equal(out)
    if len(shape) > 1:
        turned = t.transpose(0, 1).contiguous().transpose(0, 1)
        assert torch.layer_norm(turned, shape[1:]).equal(torch.layer_norm(t, shape[1:]))


def test_parameters_in_single_precision(device):
    t = torch.randn(4, 6, device=device).half()
    w = torch.randn(6, device=device)
    out, mean, rstd = torch.native_layer_norm(t, (6,), w, w, 1e-5)
    assert (out.dtype, mean.dtype, rstd.dtype) == (torch.float16, torch.float32, torch.float32)
    np.testing.assert_allclose(out.tolist(), torch.layer_norm(t.float(), (6,), w, w).tolist(), rtol=1e-2, atol=1e-2)
    with pytest.raises(RuntimeError, match="mixed dtype"):
        torch.layer_norm(t.double(), (6,), w)


@pytest.mark.parametrize("shape", [(2, 6), (3, 6, 5), (2, 6, 4, 9), (2, 6, 1, 1)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(shape, groups, device):
    rng = np.random.default_rng(1)
    a, w, b = rng.standard_normal(shape) + 5, rng.standard_normal(6), rng.standard_normal(6)
    t, tw, tb = (torch.tensor(v, device=device) for v in (a, w, b))
    x, mean, rstd = normalized(a.reshape(shape[0], groups, -1), -1, 1e-3)
    x = x.reshape(shape)
    expected = x * per_channel(w, len(shape)) + per_channel(b, len(shape))
    got = torch.group_norm(t, groups, tw, tb, 1e-3)
    np.testing.assert_allclose(got.tolist(), expected, atol=1e-11)
    np.testing.assert_allclose(torch.group_norm(t, groups, eps=1e-3).tolist(), x, atol=1e-11)
    length = t[0, 0].numel()
    out, m, r = torch.native_group_norm(t, tw, tb, shape[0], 6, length, groups, 1e-3)
    assert out.equal(got)
    np.testing.assert_allclose(m.tolist(), mean[..., 0], atol=1e-12)
    np.testing.assert_allclose(r.tolist(), rstd[..., 0], rtol=1e-11)


@pytest.mark.parametrize("shape", [(4, 3), (3, 3, 5), (2, 3, 4, 9)])
def test_batch_norm(shape, device):
    rng = np.random.default_rng(2)
    a, w, b = rng.standard_normal(shape) + 3, rng.standard_normal(3), rng.standard_normal(3)
    t, tw, tb = (torch.tensor(v, device=device) for v in (a, w, b))
    axes = tuple(d for d in range(len(shape)) if d != 1)
    x, mean, rstd = normalized(a, axes, 1e-3)
    running = torch.zeros(3, dtype=torch.float64, device=device), torch.ones(3, dtype=torch.float64, device=device)
    out, m, r = torch.native_batch_norm(t, tw, tb, *running, True, 0.25, 1e-3)
    np.testing.assert_allclose(out.tolist(), x * per_channel(w, len(shape)) + per_channel(b, len(shape)), atol=1e-11)
    np.testing.assert_allclose(m.tolist(), mean.reshape(-1), atol=1e-12)
    np.testing.assert_allclose(r.tolist(), rstd.reshape(-1), rtol=1e-11)
    np.testing.assert_allclose(running[0].tolist(), 0.25 * mean.reshape(-1), atol=1e-12)
    np.testing.assert_allclose(running[1].tolist(), 0.75 + 0.25 * a.var(axes, ddof=1), atol=1e-12)
    # Evaluation
    rm, rv = (np.array(v.tolist()) for v in running)
    expected = (a - per_channel(rm, len(shape))) / np.sqrt(per_channel(rv, len(shape)) + 1e-3)
    out, m, r = torch.native_batch_norm(t, None, None, *running, False, 0.25, 1e-3)
    np.testing.assert_allclose(out.tolist(), expected, atol=1e-11)
    assert m.shape == r.shape == (0,)
    assert F.batch_norm(t, *running, eps=1e-3).equal(out)
    np.testing.assert_allclose(running[0].tolist(), rm)


@pytest.mark.parametrize("length", [1, 3, 11])
def test_gradients(length, device):
    torch.manual_seed(0)
    options = {"dtype": torch.float64, "device": device}
    x = torch.randn(3, 4, length, **options).requires_grad_()
    w = torch.randn(4, **options).requires_grad_()
    b = torch.randn(4, **options).requires_grad_()
    lw = torch.randn(4, length, **options).requires_grad_()
    mean, var = torch.randn(4, **options), torch.rand(4, **options) + 0.5
    calls = [
        (lambda x, w, b: torch.layer_norm(x, (4, length), w, b), (x, lw, (lw * 2).detach().requires_grad_())),
        (lambda x: torch.layer_norm(x, (4, length)), (x,)),
        (lambda x, w, b: torch.group_norm(x, 2, w, b, 1e-2), (x, w, b)),
        (lambda x: torch.native_group_norm(x, None, None, 3, 4, length, 2, 1e-2), (x,)),
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (x, w, b)),
        (lambda x, w, b: F.batch_norm(x, mean, var, w, b, False), (x, w, b)),
    ]
    for f, args in calls:
        assert torch.autograd.gradcheck(f, args)
        assert torch.autograd.gradgradcheck(f, args)


@pytest.mark.parametrize("shape", [(3, 5), (40, 1000)])
def test_both_ways_of_the_gradient_agree(shape, device):
    """By kernels, and by operations where the gradient is to be differentiated again."""
    torch.manual_seed(1)
    x = torch.randn(*shape, device=device).requires_grad_()
    w = torch.randn(shape[-1], device=device).requires_grad_()
    b = torch.zeros(shape[-1], device=device).requires_grad_()
    g = torch.randn(*shape, device=device)
    for f in (
        lambda: torch.layer_norm(x, shape[-1:], w, b),
        lambda: torch.group_norm(x.reshape(1, *shape), 1),
        lambda: F.batch_norm(x.reshape(1, *shape), None, None, training=True),
    ):
        inputs = [t for t in (x, w, b) if f().grad_fn.name().startswith("NativeLayer") or t is x]
        one = torch.autograd.grad(f(), inputs, g.reshape(f().shape))
        two = torch.autograd.grad(f(), inputs, g.reshape(f().shape), create_graph=True)
        assert two[0].requires_grad
        for p, q in zip(one, two, strict=True):
            assert not p.requires_grad
            np.testing.assert_allclose(p.tolist(), q.detach().tolist(), rtol=1e-3, atol=1e-4)


def test_same_bits_on_any_number_of_threads(device):
    torch.manual_seed(2)
    x = torch.randn(300, 700, device=device).requires_grad_()
    w = torch.randn(700, device=device).requires_grad_()

    def run():
        y = torch.layer_norm(x, (700,), w)
        return y, *torch.autograd.grad(y, (x, w), x.detach())

    for p, q in zip(*on_threads(run), strict=True):
        assert p.equal(q)


def test_empty(device):
    assert torch.layer_norm(torch.ones(0, 3, device=device), (3,)).shape == (0, 3)
    assert torch.layer_norm(torch.ones(2, 0, device=device), (0,)).shape == (2, 0)
    assert torch.group_norm(torch.ones(0, 4, 2, device=device), 2).shape == (0, 4, 2)
    w = torch.ones(3, device=device, requires_grad=True)
    torch.layer_norm(torch.ones(0, 3, device=device), (3,), w).sum().backward()
    assert w.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda t, w: torch.layer_norm(t, (5,)), RuntimeError, r"expected input with shape \[\*, 5\]"),
        (lambda t, w: torch.layer_norm(t, ()), RuntimeError, "at least 1-dimensional"),
        (lambda t, w: torch.layer_norm(t, (3,), t), RuntimeError, "weight to be of same shape as normalized_shape"),
        (lambda t, w: torch.layer_norm(t, (3,), None, t), RuntimeError, "bias to be of same shape"),
        (lambda t, w: torch.layer_norm(t.int(), (3,)), NotImplementedError, "not implemented for 'Int'"),
        (lambda t, w: torch.group_norm(t, 2), RuntimeError, "divisible by num_groups"),
        (lambda t, w: torch.group_norm(t, 0), RuntimeError, "greater than 0"),
        (lambda t, w: torch.group_norm(t, 3, w[:2]), RuntimeError, "size equal to the number of channels"),
        (lambda t, w: torch.native_group_norm(t, None, None, 2, 3, 7, 1, 0.1), RuntimeError, "N=2"),
        (lambda t, w: torch.batch_norm(t, w[:2], None, None, None, True, 0.1, 0.1, False), RuntimeError, "3 elements"),
        (lambda t, w: torch.batch_norm(t, w, None, w[:1], w, True, 0.1, 0.1, False), RuntimeError, "3 elements"),
        (lambda t, w: torch.batch_norm(t, w, None, None, None, False, 0.1, 0.1, False), RuntimeError, "running_mean"),
        (
            lambda t, w: torch.batch_norm(t[:0], w, None, None, None, True, 0.1, 0.1, False),
            RuntimeError,
            "at least one",
        ),
        (lambda t, w: torch.batch_norm(w, w, None, None, None, True, 0.1, 0.1, False), IndexError, "out of range"),
        (lambda t, w: F.batch_norm(t[:1], None, None, training=True), ValueError, "more than 1 value per channel"),
        (lambda t, w: F.group_norm(t[:1], 3), ValueError, "more than 1 value per channel"),
    ],
)
def test_errors(call, error, match, device):
    with pytest.raises(error, match=match):
        call(torch.ones(2, 3, device=device), torch.ones(3, device=device))
