"""Custom functions: autograd.Function."""

import pytest
import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.function import once_differentiable

LEAF = "leaf Variable that requires grad"
FREED = "backward through the graph a second time"


def leaf(values, device, dtype=None):
    return torch.tensor(values, device=device, dtype=dtype, requires_grad=True)


def double(values, device):
    return leaf(values, device, torch.float64)


def name(tensor):
    return type(tensor.grad_fn).__name__


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Scale(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


class ExpResult(Function):
    """Separate setup; saves its result."""

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class Both(Function):
    """Two outputs, of which one has no derivative."""

    @staticmethod
    def forward(ctx, x, y):
        index = x.argmax()
        ctx.save_for_backward(x, y)
        ctx.mark_non_differentiable(index)
        return x * y, x + y, index

    @staticmethod
    def backward(ctx, product, total, _):
        x, y = ctx.saved_tensors
        return product * y + total, (product * x + total) if ctx.needs_input_grad[1] else None


def test_custom_function(device):
    x = double([2.0, 3.0], device)
    y = Cube.apply(x)
    assert name(y) == "CubeBackward" and y.grad_fn.name() == "CubeBackward"
    assert y.grad_fn.next_functions[0][0].variable is x and y.grad_fn.saved_tensors[0] is x
    y.sum().backward()
    assert x.grad.tolist() == [12.0, 27.0]
    with pytest.raises(RuntimeError, match=FREED):
        y.sum().backward()
    assert Scale.apply(x, factor=4.0).tolist() == [8.0, 12.0]
    with torch.no_grad():
        assert not Cube.apply(x).requires_grad
    for f in (Cube.apply, ExpResult.apply, lambda a: Scale.apply(a, 3.0)):
        assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


def test_custom_function_with_several_outputs(device):
    x, y = double([2.0, 3.0], device), torch.tensor([5.0, 7.0], dtype=torch.float64, device=device)
    product, total, index = Both.apply(x, y)
    assert (product.requires_grad, total.requires_grad, index.requires_grad) == (True, True, False)
    total.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert gradcheck(lambda a, b: Both.apply(a, b)[:2], (x, y.clone().requires_grad_()))


def test_custom_function_version_check(device):
    x = leaf([2.0], device)
    y = x * 1
    z = Cube.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_custom_function_in_place(device):
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf([1.0, 2.0, 3.0], device)
    with pytest.raises(RuntimeError, match=LEAF):
        Double.apply(x)
    y = torch.zeros(3, device=device) + x
    assert Double.apply(y) is y and name(y) == "DoubleBackward"
    Double.apply(y[1:])
    assert name(y) == "CopySlices"
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 4.0]


def test_custom_function_returns_its_input(device):
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf([1.0], device)
    y = Same.apply(x)
    assert y is not x and y.data_ptr() == x.data_ptr() and x.is_leaf
    y.backward()
    assert x.grad.item() == 5.0


@pytest.mark.parametrize(
    "result, error, message",
    [
        (lambda g: (g, g), RuntimeError, "gradient different than None at position 2"),
        (lambda g: g, RuntimeError, r"incorrect number of gradients \(expected 2, got 1\)"),
        (lambda g: (g, None, 1), RuntimeError, r"incorrect number of gradients \(expected 2, got 3\)"),
        (lambda g: ("a", None), RuntimeError, "expected Variable or None"),
        (lambda g: (torch.ones(7), None), RuntimeError, "invalid gradient at index 0 - got"),
        (lambda g: {}["missing"], KeyError, "missing"),
    ],
)
def test_wrong_gradients_of_custom_functions(result, error, message, device):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * k

        @staticmethod
        def backward(ctx, g):
            return result(g)

    x = leaf([1.0, 2.0], device)
    with pytest.raises(error, match=message):
        Wrong.apply(x, 2).sum().backward()
    assert x.grad is None


def test_absent_gradients_of_custom_functions(device):
    class Pair(Function):
        materialize = True

        @classmethod
        def make(cls, materialize):
            return type("Pair", (cls,), {"materialize": materialize})

        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(type(ctx)._forward_cls.materialize)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, a, b):
            seen.append(None if b is None else b.tolist())
            return a

    seen = []
    x = leaf([1.0], device)
    for materialize in (True, False):
        Pair.make(materialize).apply(x)[0].backward()
    assert seen == [[0.0], None]
    with pytest.raises(NotImplementedError, match="backward or vjp"):
        type("NoBackward", (Function,), {"forward": staticmethod(lambda ctx, x: x * 1)}).apply(x).backward()
    with pytest.raises(NotImplementedError, match="forward"):
        Function.apply(x)
    with (
        pytest.warns(DeprecationWarning, match="should not be instantiated"),
        pytest.raises(RuntimeError, match="Legacy"),
    ):
        Cube()(x)


def test_once_differentiable(device):
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x, w = leaf([3.0], device), leaf([1.0], device)
    (g,) = torch.autograd.grad(Once.apply(x), x, w * 1, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_long_chain_of_custom_functions(device):
    x = leaf([1.0], device)
    y = x
    for _ in range(20_000):
        y = Scale.apply(y, 1.0)
    y.backward()
    assert x.grad.item() == 1.0
    for _ in range(20_000):
        y = Scale.apply(y, 1.0)
    del y


def test_setup_context_sees_defaults():
    class Power(torch.autograd.Function):
        @staticmethod
        def forward(x, y=3):
            return x**y

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.y = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * ctx.y * x ** (ctx.y - 1), None

    x = torch.tensor([2.0], requires_grad=True)
    for args, want in (((), 12.0), ((2,), 4.0)):
        assert torch.autograd.grad(Power.apply(x, *args), x)[0].tolist() == [want]
    assert torch.autograd.grad(Power.apply(x, y=1), x)[0].tolist() == [1.0]
