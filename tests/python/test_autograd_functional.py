"""jacobian, hessian and the products with vectors, and the checks of gradcheck itself."""

import warnings

import pytest
import rushlight as torch
from rushlight.autograd import functional, gradcheck
from rushlight.autograd.gradcheck import GradcheckError

NEEDED = "Output 0 of the user-provided function does not require gradients"
INDEPENDENT = "The output of the user-provided function is independent of input 0. This is not allowed in strict mode"
OF_NUMBERS = ("hessian", "hvp", "vhp")


def ramp(n, device, grad=False):
    return torch.arange(1.0, n + 1, dtype=torch.float64, device=device).requires_grad_(grad)


def call(name, function, x, **kwargs):
    """The derivative (not the value) that functional.<name> gives, with a vector of ones where one is needed."""
    if name in ("jacobian", "hessian"):
        return getattr(functional, name)(function, x, **kwargs)
    v = torch.ones_like(function(x)) if name == "vjp" else torch.ones_like(x)
    return getattr(functional, name)(function, x, v, **kwargs)[1]


def summed(name, function):
    return (lambda x: function(x).sum()) if name in OF_NUMBERS else function


def test_values(device):
    x = ramp(3, device)
    cube = lambda t: t**3  # noqa: E731
    diagonal = torch.diag(3 * x**2)
    assert functional.jacobian(cube, x).tolist() == diagonal.tolist()
    assert call("vjp", cube, x).tolist() == call("jvp", cube, x).tolist() == (3 * x**2).tolist()
    assert functional.hessian(summed("hessian", cube), x).tolist() == torch.diag(6 * x).tolist()
    assert call("hvp", summed("hvp", cube), x).tolist() == call("vhp", summed("vhp", cube), x).tolist()
    assert call("vhp", summed("vhp", cube), x).tolist() == (6 * x).tolist()


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"])
def test_strict(name, device):
    x = ramp(4, device)
    constant = summed(name, lambda t: t.detach())
    unrelated = summed(name, lambda t: t.long().double().requires_grad_().clone())
    with pytest.raises(RuntimeError, match=NEEDED):
        call(name, constant, x, strict=True)
    message = {
        "jacobian": "Output 0 of the user-provided function is independent of input 0",
        "hessian": "The jacobian of the user-provided function with respect to input 0 is independent of the inputs",
    }.get(name, INDEPENDENT)
    with pytest.raises(RuntimeError, match=message):
        call(name, unrelated, x, strict=True)
    for function in (constant, unrelated):
        assert not call(name, function, x).any()
    if name in OF_NUMBERS:
        with pytest.raises(RuntimeError, match="jacobian of the user-provided function with respect to input 0 is"):
            call(name, lambda t: (3 * t).sum(), x, strict=True)
        assert not call(name, lambda t: (3 * t).sum(), x).any()
    else:
        x.requires_grad_()
        with pytest.raises(RuntimeError, match="jacobian of the user-provided function is independent of input 0"):
            call(name, lambda t: t.clone(), x, create_graph=True, strict=True)
        assert call(name, lambda t: t.clone(), x, create_graph=True).sum() == 4


@pytest.mark.parametrize("name", ["vjp", "jvp", "hvp", "vhp"])
def test_checks_of_vectors(name, device):
    x = ramp(4, device)
    function, call_it = summed(name, lambda t: t**2), getattr(functional, name)
    v = torch.tensor([[1.0]], device=device) if name in OF_NUMBERS else x
    with pytest.raises(TypeError, match=f"The inputs given to {name} must be either a Tensor"):
        call_it(function, (x, 2), v)
    with pytest.raises(TypeError, match=f"The outputs of the user-provided function given to {name} must"):
        call_it(lambda t: 3, x, x)
    with pytest.raises(TypeError, match=f"The v given to {name} must be either a Tensor or a tuple of Tensors"):
        call_it(function, x, (x, 2))
    with pytest.raises(RuntimeError, match="The given v should contain a single Tensor"):
        call_it(function, x, (x, x))
    with pytest.raises(RuntimeError, match="^v has invalid size: should be torch.Size"):
        call_it(function, x, ramp(5, device))
    with pytest.raises(RuntimeError, match="The vector v can only be None if the (user-provided|input to the)"):
        call_it(lambda t: t**2 if name == "vjp" else function(t), x)
    with pytest.raises(RuntimeError, match="v is a tuple of invalid length: should be 2 but got 1"):
        pair = (x, x)
        call_it(lambda a, b: (a, b) if name == "vjp" else (a * b).sum(), pair, (x,))
    with pytest.raises(RuntimeError, match="Entry 1 in v has invalid size"):
        call_it(lambda a, b: (a, b) if name == "vjp" else (a * b).sum(), pair, (x, ramp(5, device)))


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_functions_of_one_number(name, device):
    x = ramp(4, device)
    with pytest.raises(RuntimeError, match=f"returned by the function given to {name} should contain a single element"):
        call(name, lambda t: t * 2, x)
    with pytest.raises(RuntimeError, match=f"The function given to {name} should return a single Tensor"):
        call(name, lambda t: (t.sum(), t.sum()), x)


def test_refused_combinations(device):
    x = ramp(2, device)
    for name in ("jacobian", "hessian"):
        with pytest.raises(RuntimeError, match="not supported together"):
            call(name, lambda t: t.sum(), x, strict=True, vectorize=True)
    with pytest.raises(NotImplementedError, match="not supported together"):
        functional.jacobian(lambda t: t, x, create_graph=True, strategy="forward-mode")
    with pytest.raises(AssertionError, match="Expected strategy"):
        functional.jacobian(lambda t: t, x, strategy="backwards")


# ---- gradcheck


def wrong(x):
    y = x * 1
    y.register_hook(lambda g: g + 1e-2)
    return y


@pytest.mark.parametrize(
    "dtype, function, message",
    [
        (torch.float64, wrong, "^Jacobian mismatch for output 0 with respect to input 0"),
        (torch.complex128, wrong, "^While considering the imaginary part of complex outputs only, Jacobian mismatch"),
        (torch.float64, lambda x: wrong(torch.complex(x, x)), "^While considering the imaginary part"),
        (torch.float64, lambda x: torch.tensor([x.sum().item()]).double(), "Numerical gradient .* expected to be zero"),
    ],
)
def test_mismatches(dtype, function, message, device):
    x = torch.ones(2, 2, dtype=dtype, device=device, requires_grad=True)
    with pytest.raises(GradcheckError, match=message):
        gradcheck(function, (x,))
    assert gradcheck(function, (x,), raise_exception=False) is False
    assert gradcheck(lambda x: (), (x,))


@pytest.mark.parametrize("what, other", [("shape", lambda x: torch.cat([x, x])), ("dtype", lambda x: x.float())])
def test_outputs_that_depend_on_values(what, other, device):
    x = torch.ones(1, dtype=torch.float64, device=device, requires_grad=True)
    with pytest.raises(AssertionError, match=f"outputs with the same {what} when inputs are perturbed"):
        gradcheck(lambda x: other(x) if bool((x >= 1).all()) else x * 1, (x,))


def test_an_output_that_needs_its_gradient(device):
    class Greedy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 3

    class Careful(Greedy):
        @staticmethod
        def backward(ctx, g, h):
            return (0 if g is None else g * 2) + (0 if h is None else h * 3)

    x = torch.ones(1, dtype=torch.float64, device=device, requires_grad=True)
    assert gradcheck(Careful.apply, (x,))
    with pytest.raises((GradcheckError, TypeError)):
        gradcheck(Greedy.apply, (x,))


def test_options(device):
    x = torch.ones(2, dtype=torch.float64, device=device, requires_grad=True)
    same = lambda x: x * 1  # noqa: E731
    for options, message in (
        ({"check_backward_ad": False}, "at least one of check_forward_ad or check_backward_ad"),
        ({"check_batched_forward_grad": True}, "requires check_forward_ad to be True"),
        (
            {"check_backward_ad": False, "check_forward_ad": True, "check_batched_grad": True},
            "requires check_backward_ad to be True",
        ),
    ):
        with pytest.raises(AssertionError, match=message):
            gradcheck(same, (x,), **options)
    with pytest.raises(NotImplementedError, match="no forward-mode"):
        gradcheck(same, (x,), check_forward_ad=True, check_backward_ad=False)
    with pytest.warns(UserWarning, match="only backward mode is checked"):
        assert gradcheck(same, (x,), check_forward_ad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradcheck(same, (x,), check_grad_dtypes=True)


def test_multithreading_setting():
    assert torch.autograd.is_multithreading_enabled()
    with torch.autograd.set_multithreading_enabled(False):
        assert not torch.autograd.is_multithreading_enabled()
    assert torch.autograd.is_multithreading_enabled()


# Functions of two tensors with several outputs, among them one that depends on one input only and one on neither.
def several(x, y):
    return x.outer(y) * 2, (x * x).sum(), y.exp()[None], x.new_ones(2)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((1,), (1,)), ((4,), (0,)), ((7,), (9,))])
@pytest.mark.parametrize("options", [{"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}])
def test_vectorized_jacobian_is_the_same(shapes, options, device):
    x, y = (ramp(n[0], device) / 4 for n in shapes)
    rows = functional.jacobian(several, (x, y))
    columns = functional.jacobian(several, (x, y), **options)
    for row, column, out in zip(rows, columns, several(x, y), strict=True):
        for a, b, t in zip(row, column, (x, y), strict=True):
            assert a.shape == b.shape == out.shape + t.shape
            assert torch.allclose(a, b, rtol=1e-13)
    assert functional.jacobian(lambda t: t.sum(), x, **options).tolist() == [1.0] * len(x)


def test_vectorized_jacobian_goes_back_once_per_input(device):
    def unpacked(**options):
        count = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: count.append(1) or t):
            functional.jacobian(lambda x: (x[None] + torch.ones(50, 1, device=device)).sum(1).exp(), x, **options)
        return len(count)

    x = ramp(3, device)
    assert unpacked() == 50
    assert 1 <= unpacked(vectorize=True) <= 8


def test_vectorized_jacobian_with_a_hook_that_is_not_linear(device):
    def function(x):
        y = torch.cat([x, x * 4])
        y.register_hook(lambda g: (g * 5).clamp(max=2))
        return y

    x = ramp(2, device)
    assert functional.jacobian(function, x, vectorize=True).tolist() == functional.jacobian(function, x).tolist()
    assert functional.jacobian(function, x, vectorize=True).max() == 8


def test_vectorized_jacobian_of_what_has_one_derivative_only(device):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.cat([x, x * 2])

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            n = len(grad) // 2
            return grad[:n] + 2 * grad[n:]

    x = ramp(2, device)
    eye = torch.eye(2, dtype=x.dtype, device=device)
    assert functional.jacobian(Once.apply, x, vectorize=True).tolist() == torch.cat([eye, 2 * eye]).tolist()


def test_jacobian_dtypes_and_graph(device):
    x = ramp(2, device, grad=True)
    function = lambda t: torch.cat([t.float() ** 2, t.float()])  # noqa: E731
    assert functional.jacobian(function, x).dtype == torch.float64
    assert functional.jacobian(function, x, vectorize=True).dtype == torch.float64
    assert functional.jacobian(function, x, vectorize=True, strategy="forward-mode").dtype == torch.float32
    for vectorize in (False, True):
        found = functional.jacobian(lambda t: torch.cat([t**3, t]), x, create_graph=True, vectorize=vectorize)
        (second,) = torch.autograd.grad(found.sum(), x)
        assert second.tolist() == (6 * x).tolist()
        assert not functional.jacobian(lambda t: torch.cat([t**3, t]), x, vectorize=vectorize).requires_grad


def test_jacobian_refusals(device):
    x = ramp(2, device)
    for options in ({"strategy": "forward-mode"}, {"strategy": "forward-mode", "create_graph": True}):
        with pytest.raises(NotImplementedError):
            functional.jacobian(torch.exp, x, **options)
    for options in ({}, {"strategy": "forward-mode"}):
        with pytest.raises(RuntimeError, match="are not supported together"):
            functional.jacobian(torch.exp, x, strict=True, vectorize=True, **options)
    with pytest.raises(AssertionError):
        functional.jacobian(torch.exp, x, strategy="sideways")
    with pytest.raises(RuntimeError, match="real scalar outputs"):
        functional.jacobian(lambda t: t * 1j, x)


def test_hooks_may_keep_the_gradients_of_a_jacobian(device):
    kept = []

    def function(x):
        y = x * 1
        y.register_hook(kept.append)
        return y

    functional.jacobian(function, ramp(3, device))
    assert torch.stack(kept).tolist() == torch.eye(3).tolist()
