"""scatter_reduce and index_reduce against loops over NumPy arrays; their gradients; out= forms of the scatter family."""

import math

import numpy as np
import pytest
import rushlight as torch

REDUCES = ["sum", "prod", "mean", "amax", "amin"]
DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def reduced(self, dim, index, source, reduce, include_self):
    """The same by one Python loop: `index` has the dims of `source`."""
    self = self[None] if self.ndim == 0 else self
    shape = index.shape or (1,)
    index, source = index.reshape(shape), source.reshape(source.shape or (1,))
    out = self.astype(object)
    groups = {}
    for at in np.ndindex(shape):
        place = list(at)
        place[dim] = int(index[at])
        groups.setdefault(tuple(place), []).append(source[at].item())
    for place, values in groups.items():
        values = ([self[place].item()] if include_self else []) + values
        if reduce == "sum":
            r = sum(values)
        elif reduce == "prod":
            r = math.prod(values)
        elif reduce == "mean":
            r = sum(values) // len(values) if self.dtype.kind in "iu" else sum(values) / len(values)
        else:
            r = (np.max if reduce == "amax" else np.min)(values)
        out[place] = r
    return out.astype(self.dtype)


def values(rng, shape, dtype, device):
    low = 0 if dtype in ("uint8", "bool") else -3
    a = rng.integers(low, 2 if dtype == "bool" else 4, shape)
    t = torch.tensor(a.tolist(), dtype=getattr(torch, dtype), device=device).reshape(shape)
    return a.astype("float64" if "float" in dtype else dtype), t


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_scatter_reduce(dtype, reduce, include_self, device):
    rng = np.random.default_rng(abs(hash((DTYPES.index(dtype), REDUCES.index(reduce), include_self))))
    if dtype == "bool" and reduce == "mean":
        with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
            torch.ones(2, dtype=torch.bool, device=device).scatter_reduce(
                0, torch.tensor([0], device=device), torch.ones(1, dtype=torch.bool, device=device), "mean"
            )
        return
    for shape, dim, n in [((5,), 0, 9), ((3, 4), 0, 5), ((3, 4), 1, 6), ((2, 3, 4), -2, 5), ((4,), 0, 0), ((), 0, 1)]:
        index_shape = list(shape)
        if shape:
            index_shape[dim] = n
        a, t = values(rng, shape, dtype, device)
        s, source = values(rng, index_shape, dtype, device)
        index = rng.integers(0, shape[dim] if shape else 1, index_shape)
        ix = torch.tensor(index.tolist(), dtype=torch.int64, device=device).reshape(index_shape)
        expected = reduced(a, dim % max(len(shape), 1), index, s, reduce, include_self).reshape(shape)
        kw = {"include_self": include_self}
        got = t.scatter_reduce(dim, ix, source, reduce, **kw)
        assert got.dtype == t.dtype
        tol = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-5}.get(dtype, 1e-12)
        np.testing.assert_allclose(np.array(got.to(torch.float64).tolist()), expected.astype(float), rtol=tol, atol=tol)
        assert torch.scatter_reduce(t, dim, ix.to(torch.int32), source, reduce, **kw).equal(got)
        out = torch.empty(0, dtype=t.dtype, device=device)
        assert torch.scatter_reduce(t, dim, ix, source, reduce, out=out, **kw) is out and out.equal(got)
        if len(shape) > 1:  # other strides
            wide = torch.zeros([2 * d for d in shape], dtype=t.dtype, device=device)[
                tuple([slice(None, None, 2)] * t.dim())
            ]
            wide.copy_(t)
            other = source.transpose(0, 1).contiguous().transpose(0, 1)
            assert wide.scatter_reduce_(dim, ix, other, reduce, **kw) is wide and wide.equal(got)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCES[1:])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8"])
def test_index_reduce(dtype, reduce, include_self, device):
    rng = np.random.default_rng(REDUCES.index(reduce))
    for shape, dim, n in [
        ((5,), 0, 9),
        ((3, 40), 0, 5),
        ((3, 4), 1, 6),
        ((2, 3, 20), 1, 5),
        ((4, 2), 0, 0),
        ((3, 0), 0, 2),
    ]:
        source_shape = list(shape)
        source_shape[dim] = n
        a, t = values(rng, shape, dtype, device)
        s, source = values(rng, source_shape, dtype, device)
        index = rng.integers(0, shape[dim], n)
        wide = np.broadcast_to(index.reshape([-1 if d == dim else 1 for d in range(len(shape))]), source_shape)
        expected = reduced(a, dim, wide, s, reduce, include_self)
        ix = torch.tensor(index.tolist(), dtype=torch.int64, device=device)
        got = t.index_reduce(dim, ix, source, reduce, include_self=include_self)
        tol = 2e-2 if dtype == "float16" else 1e-12
        np.testing.assert_allclose(np.array(got.tolist()).reshape(shape), expected.astype(float), rtol=tol, atol=tol)
        again = t.clone().transpose(0, -1).contiguous().transpose(0, -1)
        assert again.index_reduce_(dim, ix, source, reduce, include_self=include_self).equal(got)
        out = torch.empty_like(t)
        torch.index_reduce(t, dim, ix, source, reduce, include_self=include_self, out=out)
        assert out.equal(got)


def test_nan_and_infinity(device):
    nan, inf = float("nan"), float("inf")
    t = torch.tensor([0.0, nan, -1.0], device=device)
    ix = torch.tensor([0, 0, 1, 2], device=device)
    s = torch.tensor([nan, 1.0, 5.0, -inf], device=device)
    top = t.scatter_reduce(0, ix, s, "amax").tolist()
    assert math.isnan(top[0]) and math.isnan(top[1]) and top[2] == -1
    low = t.scatter_reduce(0, ix, s, "amin", include_self=False).tolist()
    assert math.isnan(low[0]) and low[1:] == [5, -inf]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCES)
def test_gradients(reduce, include_self, device):
    torch.manual_seed(0)
    options = {"dtype": torch.float64, "device": device, "requires_grad": True}
    t = torch.randn(3, 4, **options)
    s = torch.randn(5, 4, **options)
    ix = torch.tensor([[0, 1, 0, 2], [0, 2, 1, 2], [1, 1, 1, 1], [0, 0, 0, 0], [0, 2, 0, 1]], device=device)

    def scatter(t, s):
        return t.scatter_reduce(0, ix, s, reduce, include_self=include_self)

    def inplace(t, s):
        return (t * 1).scatter_reduce_(0, ix, s, reduce, include_self=include_self)

    def corner(t, s):  # source is larger than index
        return t.scatter_reduce(0, ix[:3, :2], s, reduce, include_self=include_self)

    def slices(t, s):
        return t.index_reduce(0, ix[:, 1], s, reduce, include_self=include_self)

    for f in (scatter, inplace, corner) + ((slices,) if reduce != "sum" else ()):
        assert torch.autograd.gradcheck(f, (t, s))
        assert torch.autograd.gradgradcheck(f, (t, s))
    y = t.scatter_reduce(0, ix, s, reduce, include_self=include_self)
    assert y.grad_fn.name() == "ScatterReduceBackward0"


def test_gradient_of_products_with_zeros(device):
    t = torch.tensor([2.0, 3.0, 0.0], device=device, requires_grad=True)
    s = torch.tensor([0.0, 5.0, 0.0, 0.0], device=device, requires_grad=True)
    y = t.scatter_reduce(0, torch.tensor([0, 0, 1, 1], device=device), s, "prod")
    assert y.tolist() == [0, 0, 0]
    grads = torch.autograd.grad(y.sum(), [t, s], create_graph=True)
    assert grads[0].tolist() == [0, 0, 1]
    assert grads[1].tolist() == [10, 0, 0, 0]
    with pytest.raises(RuntimeError, match="double backward is unsupported for src when >1 zeros"):
        grads[1].sum().backward()


def test_equal_extremes_share_the_gradient(device):
    t = torch.tensor([4.0, 1.0], device=device, requires_grad=True)
    s = torch.tensor([4.0, 2.0, 4.0], device=device, requires_grad=True)
    y = t.scatter_reduce(0, torch.tensor([0, 0, 0], device=device), s, "amax")
    y.sum().backward()
    np.testing.assert_allclose(t.grad.tolist(), [1 / 3, 1], rtol=1e-6)
    np.testing.assert_allclose(s.grad.tolist(), [1 / 3, 0, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda t, i: t.scatter_reduce(0, i, t, "max"), RuntimeError, "must be either sum, prod, mean, amax or amin"),
        (lambda t, i: t.scatter_reduce(0, i + 3, t, "sum"), RuntimeError, "out of bounds for dimension 0 with size 3"),
        (lambda t, i: t.scatter_reduce(0, i - 1, t, "sum"), RuntimeError, "index -1 is out of bounds"),
        (lambda t, i: t.scatter_reduce(0, i, t.double(), "sum"), RuntimeError, "self.dtype to be equal to src.dtype"),
        (lambda t, i: t.scatter_reduce(0, i, t[:1], "sum"), RuntimeError, "to be no larger size than src"),
        (lambda t, i: t.scatter_reduce(1, i, t, "sum"), IndexError, "Dimension out of range"),
        (lambda t, i: t.scatter_reduce_(0, i, t, "sum"), RuntimeError, "refer to a single memory location"),
        (lambda t, i: t.index_reduce(0, i, t, "sum"), RuntimeError, "one of prod, mean, amax or amin but got sum"),
        (lambda t, i: t.index_reduce(0, i + 3, t, "prod"), IndexError, "index out of range in self"),
        (lambda t, i: t.index_reduce(0, i[:2], t, "prod"), RuntimeError, r"Number of indices \(2\) should be equal"),
        (lambda t, i: t.index_reduce(0, i[None], t, "prod"), IndexError, "supposed to be a vector"),
        (
            lambda t, i: torch.scatter(t, 0, i, t, out=t.double()),
            RuntimeError,
            "Expected out tensor to have dtype float",
        ),
        (lambda t, i: torch.index_add(t, 0, i, t, out=t.double()), RuntimeError, "Expected out tensor to have dtype"),
    ],
)
def test_errors(call, error, match, device):
    t = torch.tensor([1.0, 2.0, 3.0], device=device)
    with pytest.raises(error, match=match):
        call(t, torch.tensor([0, 1, 0], device=device))
    assert t.tolist() == [1, 2, 3]


def test_out_forms(device):
    t = torch.arange(12.0, device=device).reshape(3, 4)
    ix = torch.tensor([2, 0], device=device)
    wide = torch.tensor([[2, 0, 1, 0]], device=device)
    s = torch.full((2, 4), 10.0, device=device)
    calls = [
        (torch.scatter, (t, 0, wide, s), {}),
        (torch.scatter, (t, 0, wide, 7.0), {}),
        (torch.scatter, (t, 0, wide, s), {"reduce": "add"}),
        (torch.scatter, (t, 0, wide, 3.0), {"reduce": "multiply"}),
        (torch.scatter_add, (t, 0, wide, s), {}),
        (torch.index_add, (t, 0, ix, s), {"alpha": 2}),
        (torch.index_copy, (t, 0, ix, s), {}),
        (torch.take_along_dim, (t, wide, 0), {}),
    ]
    for f, args, kw in calls:
        expected = f(*args, **kw)
        out = torch.zeros(4, 3, device=device).t()[: expected.size(0)]
        assert f(*args, out=out, **kw) is out
        assert out.equal(expected)
    x = t.clone()
    torch.index_add(x, 0, ix, s, out=x)
    assert x.equal(t.index_add(0, ix, s))
