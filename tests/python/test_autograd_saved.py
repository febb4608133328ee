"""Hooks that pack what is saved for backward."""

import gc
import threading
import weakref

import pytest
import rushlight as torch
from rushlight.autograd import graph


def leaf(values, device):
    return torch.tensor(values, dtype=torch.float64, device=device, requires_grad=True)


def keep(x):
    return x


def hooks(pack=keep, unpack=keep):
    return graph.saved_tensors_hooks(pack, unpack)


def test_what_is_unpacked_is_used(device):
    a = leaf([1.0, 2.0], device)
    seen = []

    def pack(x):
        seen.append((x is a, torch.is_grad_enabled()))
        return ("packed", x.detach().clone())

    with hooks(pack, lambda p: p[1] * 10):
        y = a * a
    assert seen == [(True, False), (True, False)]
    assert y.grad_fn._saved_self.tolist() == [10.0, 20.0]
    y.sum().backward()
    assert a.grad.tolist() == [20.0, 40.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda x: x.exp(), lambda x: x.exp()),
        (lambda x: x**3, lambda x: 6 * x),
        (lambda x: x.cumprod(0), None),
        (lambda x: (x * 2) @ (x * 3), lambda x: 12 * torch.ones_like(x)),
        (lambda x: torch.nn.functional.layer_norm(x, (3,)), None),
    ],
)
def test_second_derivatives(function, expected, device):
    """Unpacked tensors have their places in the graph, whether they are inputs or the result itself."""

    def second(x, context):
        with context:
            y = function(x).sum()
            (g,) = torch.autograd.grad(y, x, create_graph=True)
        return torch.autograd.grad(g.sum(), x)[0]

    x = leaf([0.5, 1.5, -2.0], device)
    plain = second(x, torch.enable_grad())
    packed = second(x, hooks(lambda t: t.detach().clone()))
    assert packed.tolist() == plain.tolist()
    if expected is not None:
        torch.testing.assert_close(packed, expected(x.detach()))


def test_leaves_keep_their_accumulator(device):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            assert x.is_leaf and x.requires_grad and x is not a
            return g * x * x

    a = leaf([3.0], device)
    with hooks(lambda t: t.detach()):
        y = Double.apply(a)
    (g,) = torch.autograd.grad(y, a, create_graph=True)
    g.backward()
    assert a.grad.tolist() == [6.0]


def test_the_innermost_pair_counts_and_ends(device):
    a, b, c = (leaf([1.0], device) for _ in range(3))
    with hooks(lambda x: x * 3):
        with hooks(lambda x: x * 5):
            y = a * a
        z = b * b
    w = c * c
    (y + z + w).backward()
    assert [t.grad.item() for t in (a, b, c)] == [10.0, 6.0, 2.0]


def test_only_tensors_are_packed(device):
    a = leaf([1.0], device)
    with hooks(lambda x: pytest.fail("numbers are not saved as tensors")):
        torch.autograd.grad((a * 3).sum(), a)


def test_hooks_belong_to_their_thread(device):
    a = leaf([2.0], device)
    results = []
    with hooks(lambda x: x * 100):
        thread = threading.Thread(target=lambda: results.append(torch.autograd.grad(a * a, a)[0].item()))
        thread.start()
        thread.join()
    assert results == [4.0]


def test_errors(device):
    a = leaf([1.0, 2.0], device)

    def change(x):
        x += 1
        return x

    y = a * 1
    with hooks(change), pytest.raises(RuntimeError, match="pack hook is modifying its input in place"):
        y.exp()
    with hooks(lambda x: {}["missing"]), pytest.raises(KeyError, match="missing"):
        a.sin()
    with hooks(unpack=lambda x: 3):
        y = a.sin()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.sum().backward()
    with hooks(unpack=lambda x: {}["missing"]):
        y = a.sin()
    with pytest.raises(KeyError, match="missing"):
        y.sum().backward()
    a.sin().sum().backward()
    assert a.grad.tolist() == a.detach().cos().tolist()


def test_disabled(device):
    with graph.disable_saved_tensors_hooks("outer"):
        with graph.disable_saved_tensors_hooks("inner"):
            with pytest.raises(RuntimeError, match="inner"), hooks():
                pass
        with pytest.raises(RuntimeError, match="outer"), hooks():
            pass
        leaf([1.0], device).exp().backward()
    with hooks():
        with pytest.raises(RuntimeError, match="no hooks"), graph.disable_saved_tensors_hooks("no hooks"):
            pass
        with hooks():
            pass


def test_save_on_cpu(device):
    a = leaf([1.0, 2.0], device)
    with graph.save_on_cpu(pin_memory=True):
        y = a * a
    assert y.grad_fn._saved_self.device == a.device
    y.sum().backward()
    assert a.grad.tolist() == [2.0, 4.0]


def test_raw_saved_tensors(device):
    a = leaf([1.0, 2.0], device)
    y = a * a
    y.grad_fn._raw_saved_self.register_hooks(lambda x: x * 2, lambda x: x)
    assert y.grad_fn._saved_self.tolist() == [2.0, 4.0] and y.grad_fn._saved_other is a
    with pytest.raises(RuntimeError, match="already been set"):
        y.grad_fn._raw_saved_self.register_hooks(keep, keep)
    y.sum().backward()
    assert a.grad.tolist() == [3.0, 6.0]
    with pytest.raises(RuntimeError, match="already been freed"):
        y.grad_fn._saved_self  # noqa: B018
    y = a.exp()
    y.grad_fn._raw_saved_result.register_hooks(keep, keep)
    assert y.grad_fn._saved_result.grad_fn is y.grad_fn
    with pytest.raises(AttributeError, match="_saved_nothing"):
        y.grad_fn._saved_nothing  # noqa: B018
    with pytest.raises(RuntimeError, match="from Python is forbidden"):
        torch.autograd.SavedTensor()


def test_hooks_of_custom_functions(device):
    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    a = leaf([3.0], device)
    y = Keep.apply(a)
    first, second = y.grad_fn._raw_saved_tensors
    first.register_hooks(lambda x: x + 1, keep)
    with pytest.raises(RuntimeError, match="None is forbidden"):
        second.register_hooks(keep, keep)
    y.backward()
    assert a.grad.tolist() == [4.0]
    with pytest.raises(RuntimeError, match="already been freed"):
        first.register_hooks(keep, keep)
    with pytest.warns(DeprecationWarning, match="saved_variables"):
        Keep.apply(a).grad_fn.saved_variables  # noqa: B018


def test_results_are_not_kept_alive_by_hooks_that_keep_them(device):
    class Mark:
        pass

    def run():
        mark = Mark()
        with hooks():
            y = leaf([1.0], device).exp()
        y.grad_fn.metadata["mark"] = mark
        return weakref.ref(mark)

    gc.disable()
    try:
        assert run()() is None
    finally:
        gc.enable()


def test_backward_leaves_the_hooks_as_they_were(device):
    contexts = []

    def unpack(x):
        contexts[0].__exit__()
        contexts[1].__enter__()
        contexts[1].__enter__()
        return x

    contexts += [hooks(keep, unpack), hooks(lambda x: x * 100)]
    a = leaf([2.0], device)
    with contexts[0]:
        (a * a).backward()
        assert (a * a).grad_fn._raw_saved_self is not None
    assert torch.autograd.grad(a * a, a)[0].item() == 4.0


def test_a_saved_tensor_that_was_detached_in_place(device):
    a = leaf([1.0], device) * 1
    b, c = a.sin(), a.exp()
    a.detach_()
    with pytest.raises(RuntimeError, match="saved tensor that has been detached"):
        b.backward()
    c.backward()


def test_saved_tensors_may_change_where_copies_are_kept():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.allow_mutation_on_saved_tensors() as copies:
        a = x.clone()
        y = a * a
        a.add_(5)
        y.sum().backward()
        assert x.grad.tolist() == [2.0, 4.0]
        z = a.exp()
        copies.clear()
        with pytest.raises(RuntimeError, match="Trying to backward outside"):
            z.sum().backward()
