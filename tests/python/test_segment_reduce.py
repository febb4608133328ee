"""segment_reduce against NumPy, its gradients and its refusals."""

import numpy as np
import pytest
import rushlight as torch

REDUCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod}
EMPTY = {"sum": 0.0, "mean": np.nan, "max": -np.inf, "min": np.inf, "prod": 1.0}
NAN = float("nan")


def reference(data, reduce, lengths, axis):
    """Segments of one axis, the same in all others."""
    parts, at = [], 0
    for n in lengths:
        part = np.take(data, range(at, at + n), axis)
        at += n
        shape = np.delete(part.shape, axis)
        parts.append(REDUCTIONS[reduce](part, axis) if n else np.full(shape, EMPTY[reduce]))
    return np.stack(parts, axis)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("integer", ["int32", "int64"])
def test_values(reduce, dtype, integer):
    rng = np.random.default_rng(3)
    data = rng.integers(1, 4, (7, 3)).astype(float)
    data[2, 1] = NAN
    lengths = [2, 0, 1, 4]
    t = torch.tensor(data, dtype=getattr(torch, dtype))
    of = torch.tensor(lengths, dtype=getattr(torch, integer))
    bounds = torch.tensor(np.cumsum([0, *lengths]), dtype=of.dtype)
    expected = reference(data, reduce, lengths, 0)
    for result in (
        torch.segment_reduce(t, reduce, lengths=of),
        torch._segment_reduce(t, reduce, offsets=bounds),
        torch.segment_reduce(t.t().contiguous().t(), reduce, lengths=of, unsafe=True),
    ):
        assert result.dtype == t.dtype and result.is_contiguous()
        np.testing.assert_allclose(result.double().numpy(), expected, rtol=4e-2 if "16" in dtype else 1e-6)
    # Each row has its own lengths.
    rows = torch.stack([t[:, 0], t[:, 2]])
    own = [[2, 0, 1, 4], [0, 7, 0, 0]]
    result = torch.segment_reduce(rows, reduce, lengths=torch.tensor(own, dtype=of.dtype), axis=-1)
    expected = [reference(rows[i].double().numpy(), reduce, own[i], 0) for i in range(2)]
    np.testing.assert_allclose(result.double().numpy(), expected, rtol=4e-2 if "16" in dtype else 1e-6)


def test_initial_and_gaps():
    x = torch.arange(6.0)
    lengths = torch.tensor([6, 0])
    results = {r: torch.segment_reduce(x, r, lengths=lengths, initial=9).tolist() for r in REDUCTIONS}
    assert results == {"sum": [24, 9], "mean": [4, 9], "max": [9, 9], "min": [0, 9], "prod": [0, 9]}
    assert torch.segment_reduce(x, "sum", lengths=torch.tensor([1, 2]), unsafe=True).tolist() == [0, 3]
    assert torch.segment_reduce(x, "sum", offsets=torch.tensor([1, 2, 5])).tolist() == [1, 9]
    assert torch.segment_reduce(x, "sum", offsets=torch.tensor([0])).tolist() == []
    assert torch.segment_reduce(torch.ones(0), "prod", lengths=torch.tensor([0, 0])).tolist() == [1, 1]


@pytest.mark.parametrize(
    "reduce,initial,expected",
    [
        ("max", 0, [1, 1, 0, 0, 0.5, 0.5]),
        ("min", 1000, [1, 1, 0, 1, 0, 0]),
        ("sum", 0, [1] * 6),
        ("mean", 0, [1, 0.5, 0.5, 1 / 3, 1 / 3, 1 / 3]),
        ("prod", 2, [2, 6, NAN, 50, 40, 40]),
        ("max", 100, [0, 1, 0, 0, 0, 0]),
    ],
)
def test_gradients_with_nan(reduce, initial, expected):
    x = torch.tensor([1, NAN, 3, 4, 5, 5], requires_grad=True)
    result = torch.segment_reduce(x, reduce, lengths=torch.tensor([1, 2, 3, 0]), initial=initial)
    assert type(result.grad_fn).__name__ == "SegmentReduceBackward0"
    result.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.float32(expected), rtol=1e-6)


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("values", [[1.5, -2.0, 3.0, 4.0, 0.5, 6.0], [1.5, 0.0, 3.0, 4.0, 0.5, 6.0]])
def test_derivatives(reduce, values):
    x = torch.tensor([values, values[::-1]], dtype=torch.float64, requires_grad=True)
    offsets = torch.tensor([[0, 2, 5], [1, 1, 6]])

    def f(x):
        return torch.segment_reduce(x, reduce, offsets=offsets, axis=1, initial=1)

    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


def test_products_with_zeros():
    x = torch.tensor([0.0, 0.0, 2.0, 0.0, 3.0], requires_grad=True)
    result = torch.segment_reduce(x, "prod", lengths=torch.tensor([3, 2]))
    (grad,) = torch.autograd.grad(result.sum(), x, create_graph=False)
    assert grad.tolist() == [0, 0, 0, 3, 0]
    result = torch.segment_reduce(x, "prod", lengths=torch.tensor([3, 2]))
    with pytest.raises(RuntimeError, match="several zeros"):
        torch.autograd.grad(result.sum(), x, create_graph=True)


def test_refusals():
    x, n = torch.arange(6.0), torch.tensor([2, 4])
    for error, text, args, kwargs in [
        (RuntimeError, "Either lengths or offsets", (x, "sum"), {}),
        (RuntimeError, "must be either sum", (x, "foo"), {"lengths": n}),
        (RuntimeError, "indices based", (x, "sum"), {"lengths": n, "indices": n}),
        (NotImplementedError, "'Int'", (x.int(), "sum"), {"lengths": n}),
        (NotImplementedError, "'Float'", (x, "sum"), {"lengths": n.float()}),
        (RuntimeError, "negative", (x, "sum"), {"lengths": torch.tensor([-1, 7])}),
        (RuntimeError, "negative", (x, "sum"), {"lengths": torch.tensor([-1, 7]), "unsafe": True}),
        (RuntimeError, "to sum to data.size", (x, "sum"), {"lengths": torch.tensor([1, 2])}),
        (RuntimeError, "to sum to data.size", (x, "sum"), {"lengths": torch.tensor([2**62, 2**62, 2**62, 2**62])}),
        (RuntimeError, "ends beyond", (x, "sum"), {"lengths": torch.tensor([1, 9]), "unsafe": True}),
        (RuntimeError, "ends beyond", (x, "sum"), {"offsets": torch.tensor([1, 9])}),
        (RuntimeError, "out of range", (x, "sum"), {"offsets": torch.tensor([-1, 2])}),
        (RuntimeError, "must not decrease", (x, "sum"), {"offsets": torch.tensor([4, 2])}),
        (RuntimeError, "Expected axis", (x.view(2, 3), "sum"), {"lengths": n, "axis": 1}),
        (RuntimeError, "more dimensions", (x, "sum"), {"lengths": n.view(1, 2)}),
        (RuntimeError, "does not match data", (x.view(2, 3), "sum"), {"lengths": n.view(1, 2), "axis": 1}),
        (IndexError, "out of range", (x, "sum"), {"lengths": n, "axis": 3}),
    ]:
        with pytest.raises(error, match=text):
            torch.segment_reduce(*args, **kwargs)
