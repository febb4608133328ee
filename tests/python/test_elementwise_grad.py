"""Derivatives of the elementwise functions and of indexing at ordinary and at special points, against torch.

Central differences of all of them are in test_derivatives.py.
"""

import numpy as np
import pytest
import rushlight as torch

reference = pytest.importorskip("torch")

UNARY = (
    "neg abs sign sgn positive square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos "
    "atan sinh cosh tanh asinh acosh atanh sigmoid erf erfc relu floor ceil round trunc frac deg2rad rad2deg"
).split()
BINARY = "add sub mul div pow maximum minimum fmax fmin atan2 remainder fmod".split()
POINTS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.25, 3.0, 20.0, -20.0, float("inf"), float("-inf"), float("nan")]


def gradients(module, f, *inputs, dtype="float64"):
    leaves = [module.tensor(x, dtype=getattr(module, dtype), requires_grad=True) for x in inputs]
    out = f(module, *leaves)
    weights = module.arange(1, out.numel() + 1).to(out.dtype).reshape(out.shape)
    out.backward(weights)
    return out.tolist(), [None if leaf.grad is None else (leaf.grad + 0).tolist() for leaf in leaves]


def check(f, *inputs, dtype="float64", rtol=1e-9):
    got, want = gradients(torch, f, *inputs, dtype=dtype), gradients(reference, f, *inputs, dtype=dtype)
    for a, b in zip(got[1], want[1], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(np.array(a), np.array(b), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("function", UNARY)
def test_unary(function):
    points = [x for x in POINTS if x >= 1] if function == "acosh" else POINTS  # outside the domain torch is not NaN
    check(lambda m, x: getattr(m, function)(x), points)
    check(lambda m, x: getattr(m, function)(x), points[2:11], dtype="float32", rtol=2e-5)
    check(lambda m, x: getattr(m, function)(x.clone() * 1), [[0.3, 0.6], [0.9, 1.2]])
    if function not in ("positive", "asinh", "acosh", "atanh"):  # torch has no in-place derivatives of the last three
        check(lambda m, x: getattr(x * 1, function + "_")(), [0.3, 0.6, 1.25])


@pytest.mark.parametrize("function", BINARY)
def test_binary(function):
    def f(m, a, b):
        return getattr(m, function)(a, b)

    finite = [x for x in POINTS if np.isfinite(x)]
    pairs = [(x, y) for x in finite for y in finite]
    if function in ("remainder", "fmod"):
        pairs = [(x, y) for x, y in pairs if y != 0]
    check(f, [p[0] for p in pairs], [p[1] for p in pairs])
    check(f, [[1.0, 2.5, 3.0]], [[2.0], [0.5]])
    check(f, [1.0, 2.5, 3.0], 2.0)
    check(f, 1.5, [1.0, 2.5, 3.0])
    if hasattr(reference.Tensor, function + "_"):
        check(lambda m, a, b: getattr(a * 1, function + "_")(b), [1.0, 2.5, 3.0], [2.0, 0.5, 1.25])
    check(lambda m, a: f(m, a, a), [1.0, 2.5, 3.0])


NUMBERS = {
    "pow_0": lambda m, x: x**0,
    "pow_1": lambda m, x: x**1,
    "pow_2": lambda m, x: x**2,
    "pow_3": lambda m, x: x**3,
    "pow_half": lambda m, x: x**0.5,
    "pow_minus": lambda m, x: x**-2,
    "base_2": lambda m, x: 2**x,
    "base_0": lambda m, x: 0**x,
    "rsub": lambda m, x: 3 - x,
    "rdiv": lambda m, x: 3 / x,
    "mod": lambda m, x: x % 3,
    "alpha": lambda m, x: m.add(x, x, alpha=3),
    "clamp": lambda m, x: x.clamp(-1, 1.5),
    "clamp_min": lambda m, x: x.clamp(min=0.5),
    "lerp": lambda m, x: m.lerp(x, x * x, 0.3),
    "addcmul": lambda m, x: m.addcmul(x, x, x, value=2),
    "addcdiv": lambda m, x: m.addcdiv(x, x + 30, x + 40, value=2),
    "where": lambda m, x: m.where(x > 0, x * 2, x * 3),
    "floor_divide": lambda m, x: m.div(x, 2, rounding_mode="floor") + x,
    "trunc": lambda m, x: m.div(x, 2, rounding_mode="trunc") + x,
}


@pytest.mark.parametrize("case", NUMBERS)
def test_with_numbers(case):
    check(NUMBERS[case], [x for x in POINTS if np.isfinite(x) and str(x) != "-0.0"])


INDEXING = {
    "slice": lambda m, x: x[1:, ::2] * x[0, 1],
    "list": lambda m, x: x[[0, 0, 1]] * 2,
    "pair": lambda m, x: x[m.tensor([0, 1, 1]), m.tensor([2, 0, 0])].pow(2),
    "mask": lambda m, x: x[x > 1].pow(2),
    "assign": lambda m, x: assigned(x, (slice(None), 1), x[:, 0]),
    "assign_list": lambda m, x: assigned(x, ([0, 1], [1, 2]), x[0, :2] * 3),
    "assign_number": lambda m, x: assigned(x, x > 1, 5.0),
    "put": lambda m, x: x.index_put((m.tensor([0, 0]), m.tensor([1, 1])), x[1, :2], accumulate=True),
    "take": lambda m, x: x.take(m.tensor([0, 5, 5])),
    "index_add": lambda m, x: x.index_add(1, m.tensor([0, 0]), x[:, :2], alpha=2),
    "index_copy": lambda m, x: x.index_copy(1, m.tensor([2, 0]), x[:, :2] * 2),
    "index_fill": lambda m, x: x.index_fill(0, m.tensor([1]), 3.0) * x,
    "gather": lambda m, x: x.gather(1, m.tensor([[0, 0], [2, 1]])),
    "scatter": lambda m, x: x.scatter(1, m.tensor([[0, 2], [2, 1]]), x[:, :2] * 2),
    "scatter_add": lambda m, x: x.scatter_add(1, m.tensor([[0, 0], [2, 1]]), x[:, :2] * 2),
    "masked_select": lambda m, x: x.masked_select(x > 1) * 2,
    "masked_scatter": lambda m, x: x.masked_scatter(x > 2, x * 10),
    "expand": lambda m, x: x[:, :1].expand(2, 5) * x[0, 0],
    "as_strided": lambda m, x: x.as_strided((2, 3), (1, 2)) * 2,
    "overlapping": lambda m, x: (x * 1).as_strided((3, 3), (1, 1)).pow(2),
    "unfold": lambda m, x: x.unfold(1, 2, 1).pow(2),
    "diagonal": lambda m, x: x.diagonal(1).pow(2),
    "view_chain": lambda m, x: chained(x * 1),
}


def assigned(x, index, value):
    y = x * 1
    y[index] = value
    return y * x


def chained(y):
    y.t()[1:].mul_(2)
    y[0].view(3)[::2].add_(y[1, 1])
    return y.pow(2)


@pytest.mark.parametrize("case", INDEXING)
def test_indexing(case):
    check(INDEXING[case], [[0.5, 1.5, 2.5], [3.5, -4.5, 5.5]])
