"""Every derivative against central differences; gradcheck itself; autograd.functional."""

import pytest
import rushlight as torch
from rushlight.autograd import Function, functional, gradcheck, gradgradcheck


def leaf(values, device, dtype=None):
    return torch.tensor(values, device=device, dtype=dtype, requires_grad=True)


def double(values, device):
    return leaf(values, device, torch.float64)


UNARY = (
    "neg abs sgn square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh "
    "tanh asinh atanh sigmoid positive"
).split()
REAL_ONLY = "erf erfc relu sign floor ceil round trunc frac deg2rad rad2deg".split()
BINARY = "add sub mul div pow".split()
REAL_BINARY = "maximum minimum fmax fmin atan2 remainder fmod".split()

SHAPED = {
    "sum": lambda x: x.sum(),
    "sum_dim": lambda x: x.sum(1, keepdim=True),
    "mean": lambda x: x.mean(0),
    "prod": lambda x: x.prod(1),
    "prod_all": lambda x: x.prod(),
    "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin(0),
    "max_dim": lambda x: x.max(1)[0],
    "min_all": lambda x: x.min(),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(),
    "norm": lambda x: x.norm(),
    "norm_1": lambda x: x.norm(1, 0),
    "norm_3": lambda x: x.norm(3),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(0),
    "view": lambda x: x.view(6) * 2,
    "reshape": lambda x: x.t().reshape(6) * 2,
    "permute": lambda x: x.permute(1, 0) * x.t(),
    "transpose": lambda x: x.transpose(0, 1) * 2,
    "expand": lambda x: x[:, :1].expand(2, 4) * 2,
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0) * x,
    "select": lambda x: x.select(0, 1) * x[0],
    "slice": lambda x: x[:, ::2] * 3,
    "diagonal": lambda x: x.diagonal() * 2,
    "unfold": lambda x: x.unfold(1, 2, 1) * 2,
    "as_strided": lambda x: x.as_strided((2, 2), (1, 1)) * 2,
    "unbind": lambda x: x.unbind(1)[1] * 2,
    "split": lambda x: x.split(2, 1)[0] * x.split(2, 1)[0],
    "chunk": lambda x: torch.cat(x.chunk(2, 0), 1),
    "cat": lambda x: torch.cat([x, x * x], 1),
    "stack": lambda x: torch.stack([x, x.sin()], 1),
    "flip": lambda x: x.flip(1) * x,
    "index": lambda x: x[[0, 1, 1], [2, 0, 0]],
    "mask": lambda x: x[x > 0.5],
    "index_select": lambda x: x.index_select(1, torch.tensor([2, 0, 2])),
    "gather": lambda x: x.gather(1, torch.tensor([[0, 0], [2, 1]])),
    "scatter": lambda x: torch.zeros(2, 3, dtype=x.dtype).scatter(1, torch.tensor([[0, 2], [1, 0]]), x[:, :2]),
    "index_add": lambda x: x.index_add(0, torch.tensor([1, 1]), x * 2),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, 2.0) * x,
    "where": lambda x: torch.where(x > 0.5, x * x, x.exp()),
    "clamp": lambda x: x.clamp(0.3, 0.65),
    "matmul": lambda x: x @ x.t(),
    "mv": lambda x: x @ x[0],
    "bmm": lambda x: x.expand(2, 2, 3) @ x.t().expand(2, 3, 2),
    "outer": lambda x: torch.outer(x[0], x[1]),
    "dot": lambda x: torch.dot(x[0], x[1]),
    "addmm": lambda x: torch.addmm(x[:, :2], x, x.t(), beta=0.5, alpha=2.0),
    "contiguous": lambda x: x.t().contiguous() * 2,
    "clone": lambda x: x.clone() * x,
    "setitem": lambda x: setitem(x),
}


def setitem(x):
    y = x * 1
    y[0, 1:] = x[1, :2] * 2
    y[:, 0] += 1
    return y


def values(device, shape=(2, 3), shift=0.0):
    n = 1
    for size in shape:
        n *= size
    return (torch.arange(n, dtype=torch.float64, device=device) * 0.137 % 0.79 + 0.11 + shift).reshape(shape)


def complex_values(device, shape, real=0.0, imaginary=0.2):
    return torch.view_as_complex(torch.stack([values(device, shape, real), values(device, shape, imaginary)], -1))


@pytest.mark.parametrize("function", UNARY + REAL_ONLY + ["acosh"])
def test_unary_derivatives(function, device):
    f = getattr(torch, function)
    x = values(device, shift=1.0 if function == "acosh" else 0.0).requires_grad_()
    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


@pytest.mark.parametrize("function", UNARY)
def test_complex_unary_derivatives(function, device):
    f = getattr(torch, function)
    x = complex_values(device, (3,)).requires_grad_()
    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


@pytest.mark.parametrize("function", BINARY + REAL_BINARY)
def test_binary_derivatives(function, device):
    f = getattr(torch, function)
    x, y = values(device).requires_grad_(), values(device, (3,), 0.35).requires_grad_()
    assert gradcheck(f, (x, y)) and gradgradcheck(f, (x, y))
    assert gradcheck(lambda a: f(a, torch.tensor(1.7, dtype=torch.float64, device=device)), (x,))


@pytest.mark.parametrize("function", BINARY)
def test_complex_binary_derivatives(function, device):
    f = getattr(torch, function)
    x = complex_values(device, (3,)).requires_grad_()
    y = complex_values(device, (2, 1), 0.3, 0.0).requires_grad_()
    real = values(device, (3,), 0.4).requires_grad_()
    assert gradcheck(f, (x, y)) and gradgradcheck(f, (x, y)) and gradcheck(f, (x, real)) and gradcheck(f, (real, x))


@pytest.mark.parametrize(
    "function", [lambda x: x**2, lambda x: x**0, lambda x: x**-1.5, lambda x: 2.0**x, lambda x: 3 - x]
)
def test_derivatives_with_numbers(function, device):
    x = values(device).requires_grad_()
    assert gradcheck(function, (x,)) and gradgradcheck(function, (x,))


@pytest.mark.parametrize("case", SHAPED)
def test_shaped_derivatives(case, device):
    if device.type != "cpu" and case in ("index_select", "gather", "scatter", "index_add"):
        pytest.skip("the indices of the case are on the CPU")
    x = values(device).requires_grad_()
    assert gradcheck(SHAPED[case], (x,)) and gradgradcheck(SHAPED[case], (x,))


def test_gradcheck_finds_errors(device):
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = double([1.0, 2.0], device)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(Bad.apply, (x,))
    assert gradcheck(Bad.apply, (x,), raise_exception=False) is False
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(torch.sin, (x.detach(),))
    with pytest.warns(UserWarning, match="not a double precision"):
        gradcheck(lambda a: a * 2, (leaf([1.0], device),), eps=1e-2, atol=1e-2)


# ---- functional


def test_functional(device):
    x, y = double([1.0, 2.0], device), double([3.0, 4.0], device)
    v = torch.tensor([1.0, 2.0], dtype=torch.float64, device=device)
    assert functional.jacobian(lambda a: a**2, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    pair = functional.jacobian(lambda a, b: (a * b, a.sum()), (x, y))
    assert pair[0][1].tolist() == [[1.0, 0.0], [0.0, 2.0]] and pair[1][0].tolist() == [1.0, 1.0]
    assert functional.hessian(lambda a: (a**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    blocks = functional.hessian(lambda a, b: (a * a * b).sum(), (x, y))
    assert blocks[0][1].tolist() == [[2.0, 0.0], [0.0, 4.0]] and blocks[1][1].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    out, product = functional.vjp(lambda a: a**2, x, v)
    assert out.tolist() == [1.0, 4.0] and product.tolist() == [2.0, 8.0]
    assert functional.jvp(lambda a: a**2, x, v)[1].tolist() == [2.0, 8.0]
    assert functional.hvp(lambda a: (a**3).sum(), x, v)[1].tolist() == [6.0, 24.0]
    assert functional.vhp(lambda a: (a**3).sum(), x, v)[1].tolist() == [6.0, 24.0]
    assert not product.requires_grad and functional.jacobian(lambda a: a**3, x, create_graph=True).requires_grad
    with pytest.raises(RuntimeError, match="independent of input 0"):
        functional.jacobian(lambda a: y * 2, x, strict=True)
    with pytest.raises(RuntimeError, match="single element"):
        functional.hessian(lambda a: a * 2, x)
    with pytest.raises(TypeError, match="must be either a Tensor or a tuple of Tensors"):
        functional.jacobian(lambda a: a, 3)
