"""torch.utils.checkpoint: functions that run again instead of keeping what they saved."""

import subprocess
import sys

import pytest
import rushlight as torch
from rushlight.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    noop_context_fn,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

MODES = pytest.mark.parametrize("reentrant", [False, True])


def leaf(values, device):
    return torch.tensor(values, dtype=torch.float64, device=device, requires_grad=True)


class Counted:
    """A function and the number of its calls; `end` counts how often it came to its end."""

    def __init__(self, function):
        self.function, self.calls, self.ends = function, 0, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        result = self.function(*args, **kwargs)
        self.ends += 1
        return result


@MODES
def test_gradients(reentrant, device):
    x, y = leaf([0.5, 1.0], device), leaf([2.0, 3.0], device)
    f = Counted(lambda a, b, flag: ((a * b).sin().exp(), flag, b.detach()))
    out, flag, rest = checkpoint(f, x, y, "flag", use_reentrant=reentrant)
    assert f.calls == 1 and flag == "flag" and rest.requires_grad is reentrant
    out.sum().backward()
    assert f.calls == 2
    got = x.grad, y.grad
    x.grad = y.grad = None
    (x * y).sin().exp().sum().backward()
    assert [g.tolist() for g in got] == [x.grad.tolist(), y.grad.tolist()]


@MODES
def test_random_numbers_are_drawn_again(reentrant, device):
    x = leaf([1.0] * 50, device)
    out = checkpoint(lambda a: a * torch.rand_like(a), x, use_reentrant=reentrant)
    state = torch.get_rng_state()
    torch.rand(5)
    out.sum().backward()
    assert x.grad.tolist() == out.detach().tolist()  # the same factors
    torch.set_rng_state(state)
    x.grad = None
    out = checkpoint(lambda a: a * torch.rand_like(a), x, use_reentrant=reentrant, preserve_rng_state=False)
    out.sum().backward()
    assert (x.grad.tolist() == out.detach().tolist()) is False


def test_nothing_is_kept_but_the_arguments(device):
    x = leaf([1.0], device)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        checkpoint(lambda a: a.sin().exp().sin(), x, use_reentrant=False)
    assert len(saved) == 1 and saved[0] is x


def test_early_stop(device):
    x = leaf([1.0], device)
    for stop, ends in ((True, 1), (False, 2)):
        f = Counted(lambda a: a.sin().exp() + 1)
        with set_checkpoint_early_stop(stop):
            out = checkpoint(f, x, use_reentrant=False)
        out.backward()
        assert (f.calls, f.ends) == (2, ends)
    f = Counted(lambda a: a.sin().exp() + 1)
    checkpoint(f, x, use_reentrant=False, early_stop=False).backward()
    assert f.ends == 2


def test_one_run_serves_all_holders_of_a_backward(device):
    x = leaf([1.0], device)
    f = Counted(lambda a: (a.sin().exp(), a.cos()))
    a, b = checkpoint(f, x, use_reentrant=False)
    (a + b).backward(retain_graph=True)
    assert f.calls == 2
    (a + b).backward()
    assert f.calls == 3
    expected = leaf([1.0], device)
    (2 * (expected.sin().exp() + expected.cos())).backward()
    torch.testing.assert_close(x.grad, expected.grad)


def test_nested(device):
    x = leaf([0.3], device)
    inner = Counted(lambda a: a.sin().exp())
    outer = Counted(lambda a: checkpoint(inner, a, use_reentrant=False).cos())
    checkpoint(outer, x, use_reentrant=False).backward()
    expected = leaf([0.3], device)
    expected.sin().exp().cos().backward()
    assert x.grad.tolist() == expected.grad.tolist()
    assert outer.calls == 2 and inner.calls == 3


def test_second_derivative_and_grad(device):
    x = leaf([0.3, 0.7], device)
    out = checkpoint(lambda a: (a**3).sin(), x, use_reentrant=False)
    (g,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    (g2,) = torch.autograd.grad((x**3).sin().sum(), x, create_graph=True)
    torch.testing.assert_close(h, torch.autograd.grad(g2.sum(), x)[0])


def test_backward_inside_the_function(device):
    def f(a):
        (g,) = torch.autograd.grad(a.sin().exp(), a, create_graph=True)
        return a.cos() * g.detach()

    x = leaf([0.4], device)
    checkpoint(f, x, use_reentrant=False).backward()
    expected = leaf([0.4], device)
    f(expected).backward()
    assert x.grad.tolist() == expected.grad.tolist()


def changing(first, second):
    runs = iter((first, second))
    return lambda x: next(runs)(x)


@pytest.mark.parametrize(
    "second, message",
    [
        (lambda x: x.sin(), "different number of tensors.*forward: 2.*recomputation: 1"),
        (lambda x: x[:1].sin().exp(), "different metadata"),
    ],
)
def test_differences_are_found(second, message, device):
    x = leaf([1.0, 2.0], device)
    first = lambda a: a.sin().exp()  # noqa: E731
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        checkpoint(changing(first, second), x, use_reentrant=False).sum().backward()
    with pytest.raises(CheckpointError, match=f"(?s)debug=True.*{message}.*forward:.*recomputation:"):
        checkpoint(changing(first, second), x, use_reentrant=False, debug=True).sum().backward()
    with set_checkpoint_debug_enabled(True), pytest.raises(CheckpointError, match="because you passed `debug=True`"):
        checkpoint(changing(first, second), x, use_reentrant=False).sum().backward()


def test_more_tensors_and_no_check(device):
    x = leaf([1.0, 2.0], device)
    more = changing(lambda a: a.sin(), lambda a: a.sin().exp())
    with pytest.raises(CheckpointError, match="trying to save more tensors"):
        checkpoint(more, x, use_reentrant=False, early_stop=False).sum().backward()
    other_dtype = changing(lambda a: a.sin(), lambda a: a.float().sin())
    checkpoint(other_dtype, x, use_reentrant=False, determinism_check="none").sum().backward()
    assert x.grad is not None


def test_saved_tensors_once(device):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] * ctx.saved_tensors[0]

    with pytest.raises(CheckpointError, match="already unpacked once"):
        checkpoint(Twice.apply, leaf([1.0], device), use_reentrant=False).backward()


def test_contexts(device):
    entered = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *exc_info):
            pass

    x = leaf([1.0], device)
    out = checkpoint(lambda a: a.sin(), x, use_reentrant=False, context_fn=lambda: (Note("forward"), Note("again")))
    assert entered == ["forward"]
    out.backward()
    assert entered == ["forward", "again"]
    assert [type(c).__name__ for c in noop_context_fn()] == ["nullcontext"] * 2


def test_without_grad(device):
    f = Counted(lambda a: a.sin())
    with torch.no_grad():
        assert not checkpoint(f, leaf([1.0], device), use_reentrant=False).requires_grad
    assert not checkpoint(f, torch.ones(1, device=device), use_reentrant=False).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not checkpoint(f, torch.ones(1, device=device), use_reentrant=True).requires_grad
    assert f.calls == 3


def test_refusals(device):
    x = leaf([1.0], device)
    sin = torch.sin
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(sin, x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: more"):
        checkpoint(sin, x, use_reentrant=True, more=3)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(sin, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(sin, x, use_reentrant=False, determinism_check="other")
    with pytest.raises(RuntimeError, match="incompatible with .grad"):
        torch.autograd.grad(checkpoint(sin, x, use_reentrant=True), x)
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        checkpoint(lambda a: a.detach().sin(), x, use_reentrant=True).backward()


@MODES
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(reentrant, segments, device):
    functions = [Counted(f) for f in (torch.sin, torch.exp, torch.tanh)]
    x = leaf([0.2], device)
    checkpoint_sequential(functions, segments, x, use_reentrant=reentrant).backward()
    expected = leaf([0.2], device)
    expected.sin().exp().tanh().backward()
    assert x.grad.tolist() == expected.grad.tolist()
    again = 3 // segments * (segments - 1)
    assert [f.calls for f in functions] == [2] * again + [1] * (3 - again)


def test_it_is_imported_when_asked_for():
    code = "import sys, rushlight as t; n = 'rushlight.utils.checkpoint'; a = n in sys.modules; t.utils.checkpoint; "
    code += "print(a, n in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == [
        "False",
        "True",
    ]
