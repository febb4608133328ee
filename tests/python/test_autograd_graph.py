"""rushlight.autograd.graph: hooks on saved tensors and on several tensors at once."""

import threading

import pytest
import rushlight as torch
from helpers import close
from rushlight.autograd import graph


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[1]


FUNCTIONS = {
    "product": lambda x: x * x,
    "result": lambda x: x.exp(),
    "both": lambda x: x.sigmoid() * x.tanh(),
    "matrices": lambda x: torch.outer(x, x) @ torch.outer(x, x).T,
    "softmax": lambda x: x.softmax(0),
    "norm": lambda x: torch.nn.functional.layer_norm(x, (3,)),
    "sorted": lambda x: x.sort().values.cumprod(0),
    "indexed": lambda x: x[torch.tensor([0, 0, 2])].prod(),
    "custom": Exp.apply,
    "in place": lambda x: x.clone().exp_().mul(x),
    "view in place": lambda x: (x * 1)[1:].exp_(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_hooks_change_and_restore_gives_the_same_derivatives(name):
    function = FUNCTIONS[name]

    def derivatives(use_hooks):
        x = leaf(0.5, -1.0, 2.0)
        if use_hooks:
            with graph.saved_tensors_hooks(lambda t: (t.tolist(), t.dtype), unpack):
                y = function(x).sum()
        else:
            y = function(x).sum()
        (first,) = torch.autograd.grad(y, x, create_graph=True)
        (second,) = torch.autograd.grad((first * first).sum(), x)
        return first, second

    def unpack(packed):
        return torch.tensor(packed[0], dtype=packed[1])

    for mine, expected in zip(derivatives(True), derivatives(False), strict=True):
        close(mine, expected, 1e-12)


def test_hooks_see_what_is_saved():
    seen = []

    def pack(t):
        seen.append(t)
        assert not torch.is_grad_enabled()
        return len(seen) - 1

    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with graph.saved_tensors_hooks(pack, lambda i: seen[i] * 10):
        z = x * y
    assert seen[0] is y and seen[1] is x
    z.sum().backward()
    assert x.grad.tolist() == [30, 40] and y.grad.tolist() == [10, 20]
    assert (x * y).sum() and len(seen) == 2  # not beyond the block


def test_the_innermost_hooks_count():
    x = leaf(1.0)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t * 2):
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t * 3):
            inner = x.square()
        outer = x.square()
    (inner + outer).backward()
    assert x.grad.tolist() == [2 * 3 + 2 * 2]


def test_hooks_belong_to_a_thread():
    x = leaf(1.0)
    calls = []

    def other():
        y = x.square()
        calls.append(y.grad_fn is not None)

    with graph.saved_tensors_hooks(lambda t: calls.append("packed"), lambda t: t):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert calls == [True]


def test_hooks_that_misbehave():
    x = leaf(1.0, 2.0)

    def derived(pack, unpack):
        with graph.saved_tensors_hooks(pack, unpack):
            y = x * x
        y.sum().backward()

    with pytest.raises(TypeError, match="expected to be a Tensor but got result of type int"):
        derived(lambda t: t, lambda t: 3)
    with pytest.raises(RuntimeError, match="has returned one of dtype"):
        derived(lambda t: t, lambda t: t.float())
    with pytest.raises(RuntimeError, match="has returned one of dtype"):
        derived(lambda t: t, lambda t: t[:1])
    with pytest.raises(ZeroDivisionError):
        derived(lambda t: 1 / 0, lambda t: t)
    with pytest.raises(ZeroDivisionError):
        derived(lambda t: t, lambda t: 1 / 0)
    with pytest.raises(TypeError):
        derived(1, 2)
    with pytest.raises(RuntimeError, match="modifying its input in place"):
        with graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
            (x * 1).sin()
    assert x.grad is None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_strides_are_restored():
    # Kernels of derivatives may rely on them.
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t.t().contiguous().t()):
        y = (x.softmax(1) * x.log_softmax(0).exp()).logsumexp(1)
    (mine,) = torch.autograd.grad(y.sum(), x)
    (expected,) = torch.autograd.grad((x.softmax(1) * x.log_softmax(0).exp()).logsumexp(1).sum(), x)
    close(mine, expected, 1e-12)


def test_hooks_can_be_disabled():
    with graph.disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"):
            with graph.save_on_cpu():
                pass
    with graph.save_on_cpu():
        with pytest.raises(RuntimeError, match="cannot be disabled"):
            with graph.disable_saved_tensors_hooks("not here"):
                pass


def test_save_on_cpu_and_copies():
    x = leaf(0.5, 1.5)
    with graph.save_on_cpu():
        y = (x.sin() * x.exp()).prod()
    (mine,) = torch.autograd.grad(y, x)
    (expected,) = torch.autograd.grad((x.sin() * x.exp()).prod(), x)
    close(mine, expected, 1e-12)
    with graph.allow_mutation_on_saved_tensors() as copies:
        b = x.clone()
        y = (b**2).sum()
        b.sin_()
        y.backward(retain_graph=True)
        assert x.grad.tolist() == [1, 3]
        copies.clear()
        with pytest.raises(RuntimeError):
            y.backward()


def test_multi_grad_hooks():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    c, d = a * b, a * b
    seen = []
    handle = graph.register_multi_grad_hook((a, b, c, d), lambda grads: seen.append([g is not None for g in grads]))
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    d.sum().backward(retain_graph=True)
    (c + d).sum().backward(retain_graph=True)
    torch.autograd.grad((c + d).sum(), b, retain_graph=True)
    assert seen == [
        [True, True, True, False],
        [True, False, True, False],
        [True, True, False, True],
        [True, True, True, True],
        [False, True, True, True],
    ]
    handle.remove()
    c.sum().backward(retain_graph=True)
    assert len(seen) == 5
    first = []
    with graph.register_multi_grad_hook((a, b, c, d), first.append, mode="any"):
        (c + 2 * d).sum().backward(retain_graph=True)
        d.sum().backward(retain_graph=True)
    c.sum().backward()
    assert len(first) == 2 and first[1].tolist() == [1, 1]
    with pytest.raises(ValueError, match="mode"):
        graph.register_multi_grad_hook((a,), print, mode="some")
    with pytest.raises(RuntimeError):
        graph.register_multi_grad_hook((torch.zeros(2),), print)


def test_increment_version():
    x = leaf(1.0, 2.0)
    y = x.exp()
    z = y.sum()
    graph.increment_version(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    graph.increment_version([x, y])
    assert y._version == 2
