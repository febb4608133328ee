"""cat, stack and what takes them apart again: values, dtypes, layouts, empty operands, errors, derivatives."""

import numpy as np
import pytest
import rushlight as torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck))


@PROPERTY
@given(st.data())
def test_cat(device, data):
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    d = data.draw(st.integers(0, len(shape) - 1))
    tensors, arrays = [], []
    for k in range(data.draw(st.integers(1, 4))):
        own = list(shape)
        own[d] = data.draw(st.integers(0, 3))
        order = data.draw(st.permutations(range(len(own))))
        a = np.random.default_rng(k).integers(-99, 99, own)
        inverse = [order.index(i) for i in range(len(own))]
        t = torch.tensor(a.transpose(order).tolist(), dtype=torch.int64, device=device)
        tensors.append(t.reshape(a.transpose(order).shape).permute(inverse))
        arrays.append(a)
    want = np.concatenate(arrays, d)
    for got in (torch.cat(tensors, d), torch.concat(tuple(tensors), d - len(shape)), torch.concatenate(tensors, dim=d)):
        assert got.shape == want.shape and got.tolist() == want.tolist()
    out = torch.empty(want.shape, dtype=torch.int64, device=device)
    assert torch.cat(tensors, d, out=out) is out and out.tolist() == want.tolist()
    if len(tensors) == len([t for t in tensors if t.numel()]):
        parts = torch.cat(tensors, d).split([t.shape[d] for t in tensors], d)
        assert all(p.equal(t) for p, t in zip(parts, tensors))


@PROPERTY
@given(st.data())
def test_stack(device, data):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    arrays = [np.random.default_rng(k).integers(-99, 99, shape) for k in range(data.draw(st.integers(1, 4)))]
    tensors = [torch.tensor(a.tolist(), dtype=torch.int64, device=device).reshape(shape) for a in arrays]
    d = data.draw(st.integers(-len(shape) - 1, len(shape)))
    want = np.stack(arrays, d)
    got = torch.stack(tensors, d)
    assert got.shape == want.shape and got.tolist() == want.tolist()
    assert all(a.equal(b) for a, b in zip(got.unbind(d), tensors))


def test_promotion(device):
    i, f, h = (torch.ones(2, dtype=t, device=device) for t in (torch.int32, torch.float32, torch.float16))
    assert torch.cat([i, f]).dtype == torch.float32 and torch.cat([h, i]).dtype == torch.float16
    assert torch.cat([i, torch.ones(1, device=device) > 0]).dtype == torch.int32
    assert torch.cat([f, torch.ones(1, dtype=torch.complex64, device=device)]).dtype == torch.complex64
    assert torch.stack([i, i.long()]).dtype == torch.int64 and torch.cat([i, f]).tolist() == [1.0] * 4
    out = torch.empty(4, dtype=torch.float64, device=device)
    assert torch.cat([i, f], out=out).dtype == torch.float64
    with pytest.raises(TypeError, match="can't be cast to the desired output type Int"):
        torch.cat([i, f], out=torch.empty(4, dtype=torch.int32, device=device))


def test_old_empty_operands(device):
    """Tensors of shape (0,) are skipped, whatever the others look like."""
    t = torch.ones(2, 3, device=device)
    assert torch.cat([torch.empty(0, device=device), t, torch.empty(0, device=device)], 1).shape == (2, 3)
    assert torch.cat([torch.empty(0, device=device)] * 2).shape == (0,)
    assert torch.cat([torch.empty(0, 3, device=device), t]).shape == (2, 3)


def test_results_are_copies(device):
    t = torch.ones(2, device=device)
    c = torch.cat([t])
    c[0] = 5
    assert t.tolist() == [1.0, 1.0] and torch.cat([t, t]).is_contiguous()
    joined = torch.cat([t, t, t])
    torch.cat([joined[:2], t], out=torch.empty(4, device=device))
    with pytest.raises(RuntimeError, match="single memory location|overlap"):
        torch.cat([joined[:3], t[:1]], out=joined[1:5])


def test_layouts(device):
    x = torch.randn(2, 3, 4, 5, device=device)
    last = torch.empty_strided((2, 3, 4, 5), (60, 1, 15, 3), device=device)
    last.copy_(x)
    both = torch.cat([last, last], 1)
    assert both.stride() == (120, 1, 30, 6) and both.equal(torch.cat([x, x], 1))
    assert torch.cat([x, last]).is_contiguous()


def test_large(device):
    a = np.arange(400_000, dtype=np.float32)
    t = torch.arange(400_000, dtype=torch.float32, device=device)
    assert (torch.cat([t, t[::2], t]).cpu().numpy() == np.concatenate([a, a[::2], a])).all()
    m, b = t.view(400, 1000), a.reshape(400, 1000)
    assert (torch.cat([m, m.t()[:400, :].t()], 1).cpu().numpy() == np.concatenate([b, b[:, :400]], 1)).all()
    assert (torch.stack([m, m + 1], 2).cpu().numpy() == np.stack([b, b + 1], 2)).all()
    many = [t[k : k + 1] for k in range(5000)]
    assert torch.cat(many).equal(t[:5000]) and torch.stack([x[0] for x in many]).equal(t[:5000])


ERRORS = [
    (lambda t: t.cat([]), (RuntimeError, ValueError), "expected a non-empty list of Tensors"),
    (lambda t: t.stack([]), (RuntimeError, ValueError), "stack expects a non-empty TensorList"),
    (
        lambda t: t.cat([t.ones(2, 3), t.ones(2, 4)]),
        RuntimeError,
        "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 4 for tensor number 1",
    ),
    (
        lambda t: t.cat([t.ones(2), t.ones(2, 2)]),
        RuntimeError,
        "Tensors must have same number of dimensions: got 1 and 2",
    ),
    (lambda t: t.cat([t.ones(2)], 1), IndexError, "Dimension out of range"),
    (
        lambda t: t.cat([t.tensor(1), t.tensor(2)]),
        RuntimeError,
        r"zero-dimensional tensor \(at position 0\) cannot be concatenated",
    ),
    (
        lambda t: t.stack([t.ones(2), t.ones(3)]),
        RuntimeError,
        r"stack expects each tensor to be equal size, but got \[2\] at entry 0",
    ),
    (lambda t: t.stack([t.ones(2)], 2), IndexError, "Dimension out of range"),
    (lambda t: t.cat([t.ones(2), 3]), TypeError, "."),
    (lambda t: t.cat(3), TypeError, "."),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    f, error, match = ERRORS[case]
    with pytest.raises(error, match=match):
        f(torch)


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_like_torch(case):
    reference = pytest.importorskip("torch")
    f, error, match = ERRORS[case]
    with pytest.raises(error, match=match):
        f(reference)


def test_derivatives(device):
    x = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64, device=device, requires_grad=True)
    y = torch.tensor([[1.5, 3.0]], dtype=torch.float64, device=device, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(lambda a, b: torch.cat([a, b, a]).pow(2), (x, y))
    assert check(lambda a, b: torch.stack([a, b.expand(2, 2), a * b], 1), (x, y))
    assert check(lambda a, b: torch.cat([a.t(), b.t()], 1), (x, y))
    assert torch.autograd.gradgradcheck(lambda a, b: torch.cat([a * a, b * b]), (x, y))
    torch.cat([x, torch.ones(1, 2, dtype=torch.float64, device=device), y]).sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]] and y.grad.tolist() == [[1.0, 1.0]]
    assert torch.cat([x, y]).grad_fn.name() == "CatBackward0" and torch.stack([x]).grad_fn.name() == "StackBackward0"
