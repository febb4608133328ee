"""Recording, backward, hooks, grad modes, custom functions, and every derivative against central differences."""

import gc
import inspect
import threading
import time
import warnings
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import Function, functional, gradcheck, gradgradcheck
from rushlight.autograd.function import once_differentiable

LEAF = "leaf Variable that requires grad"
FREED = "backward through the graph a second time"


def leaf(values, device, dtype=None):
    return torch.tensor(values, device=device, dtype=dtype, requires_grad=True)


def double(values, device):
    return leaf(values, device, torch.float64)


def name(tensor):
    return type(tensor.grad_fn).__name__


# ---- recording and running


def test_leaves_and_results(device):
    x, constant = leaf([1.0, 2.0], device), torch.ones(2, device=device)
    y = x * 2 + constant
    assert (x.is_leaf, constant.is_leaf, y.is_leaf) == (True, True, False)
    assert (x.requires_grad, constant.requires_grad, y.requires_grad) == (True, False, True)
    assert x.grad_fn is None and name(y) == "AddBackward0"
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype"):
        torch.ones(2, dtype=torch.int64, device=device).requires_grad_()


def test_gradients_accumulate_and_are_not_shared(device):
    x = leaf([1.0, 2.0], device)
    for k in range(1, 4):
        (x * 3).sum().backward()
        assert x.grad.tolist() == [3.0 * k] * 2
    x.grad = None
    seed = torch.ones(2, device=device)
    (x + 0).backward(seed)
    x.grad.zero_()
    assert seed.tolist() == [1.0, 1.0]
    y = x.clone()
    z = leaf([5.0, 6.0], device)
    (y + z).backward(seed)
    x.grad.fill_(7)
    assert z.grad.tolist() == [1.0, 1.0]


def test_assigned_grad_is_checked(device):
    x = leaf([1.0, 2.0], device)
    with pytest.raises(RuntimeError, match="different size"):
        x.grad = torch.ones(3, device=device)
    with pytest.raises(TypeError, match="Tensor or None"):
        x.grad = 3
    x.grad = torch.ones(2, device=device)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_retain_graph(device):
    x = leaf([1.0, 2.0], device)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(RuntimeError, match=FREED):
        y.backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_backward_arguments(device):
    x = leaf([1.0, 2.0, 3.0], device)
    with pytest.raises(RuntimeError, match="^grad can be implicitly created only for scalar outputs$"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="^element 0 of tensors does not require grad and does not have a grad_fn$"):
        torch.ones(1, device=device).backward()
    with pytest.raises(RuntimeError, match=r"grad_output\[0\] has a shape of torch.Size\(\[2\]\)"):
        (x * 2).backward(torch.ones(2, device=device))
    with pytest.raises(RuntimeError, match="inputs. argument to .backward"):
        x.sum().backward(inputs=[])
    (x * 2).backward(torch.tensor([1.0, 0.0, -1.0], device=device))
    assert x.grad.tolist() == [2.0, 0.0, -2.0]
    x.grad = None
    torch.autograd.backward([x.sum(), x * 3], [None, torch.ones(3, device=device)])
    assert x.grad.tolist() == [4.0, 4.0, 4.0]


def test_backward_for_some_inputs(device):
    x, w = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    y = x * w
    y.sum().backward(inputs=[w])
    assert x.grad is None and w.grad.tolist() == [1.0, 2.0]


def test_diamond_runs_every_node_once(device):
    x = leaf(2.0, device)
    a = x * x
    calls = []
    a.register_hook(lambda g: calls.append(g.item()))
    b, c = a * 3, a * 5
    (b * c + a).backward()
    assert calls == [2 * 15 * 4.0 + 1]
    assert x.grad.item() == pytest.approx(60 * 8 + 4)


def test_grad(device):
    x, unused = leaf([1.0, 2.0], device), leaf([1.0], device)
    y = (x * x).sum()
    (g,) = torch.autograd.grad(y, x, retain_graph=True)
    assert g.tolist() == [2.0, 4.0] and x.grad is None
    with pytest.raises(RuntimeError, match="index 1 appears to not have been used in the graph"):
        torch.autograd.grad(y, [x, unused], retain_graph=True)
    assert torch.autograd.grad(y, [x, unused], retain_graph=True, allow_unused=True)[1] is None
    assert torch.autograd.grad(y, [x, unused], retain_graph=True, materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(ValueError, match="allow_unused"):
        torch.autograd.grad(y, x, allow_unused=False, materialize_grads=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(y, torch.ones(1, device=device))
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.grad(y, [])
    with pytest.raises(TypeError):
        torch.autograd.grad(y, 3)


def test_grad_of_intermediate_results(device):
    x = leaf([1.0, 2.0], device)
    y = x * 3
    z = (y * y).sum()
    gy, gx = torch.autograd.grad(z, [y, x])
    assert gy.tolist() == [6.0, 12.0] and gx.tolist() == [18.0, 36.0]
    assert torch.autograd.grad(x.sum(), x)[0].tolist() == [1.0, 1.0]


def test_grad_of_a_batch_of_weights(device):
    x = leaf([1.0, 2.0, 3.0], device)
    (rows,) = torch.autograd.grad(x * x, x, torch.eye(3, device=device), is_grads_batched=True)
    assert rows.tolist() == [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]


def test_create_graph(device):
    x = double([2.0], device)
    g = x**4
    for expected in (32.0, 48.0, 48.0, 24.0):
        (g,) = torch.autograd.grad(g, x, torch.ones_like(g), create_graph=True)
        assert g.item() == expected
    assert g.requires_grad is False or torch.autograd.grad(g, x, allow_unused=True)[0] in (None, 0)
    y = (x**3).sum()
    y.backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad = None


def test_broadcast_and_dtypes_are_undone(device):
    row, column = leaf([1.0, 2.0, 3.0], device), double([[1.0], [2.0]], device)
    (row * column).sum().backward()
    assert row.grad.dtype == torch.float32 and row.grad.tolist() == [3.0, 3.0, 3.0]
    assert column.grad.dtype == torch.float64 and column.grad.tolist() == [[6.0], [6.0]]


def test_strides_of_grad_follow_the_leaf(device):
    x = torch.ones(3, 2, device=device).t().requires_grad_()
    (x * 2).sum().backward()
    assert x.grad.stride() == x.stride()


# ---- nodes


def test_node_objects(device):
    x = leaf([1.0, 2.0], device)
    y = (x * x + 2).sum()
    node = y.grad_fn
    assert repr(node).startswith("<SumBackward0 object at 0x") and node.name() == "SumBackward0"
    assert node is y.grad_fn and node == y.grad_fn and hash(node) == hash(y.grad_fn)
    ((add, slot),) = node.next_functions
    (mul, _), (constant, _) = add.next_functions
    assert (slot, constant, mul.name()) == (0, None, "MulBackward0")
    first, second = (f for f, _ in mul.next_functions)
    assert first is second and first.variable is x and type(first).__name__ == "AccumulateGrad"
    assert isinstance(node, torch.autograd.graph.Node) and type(add) is type((x + 1).grad_fn)
    node.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}
    with pytest.raises(TypeError):
        type(node)()


def test_nodes_outlive_their_tensors(device):
    x = leaf([1.0], device)
    node = ((x * 2) + 1).grad_fn
    gc.collect()
    assert node.next_functions[0][0].name() == "MulBackward0"


# ---- modes


def test_no_grad(device):
    x = leaf([1.0], device)
    with torch.no_grad():
        assert not torch.is_grad_enabled() and not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(KeyError):
        with torch.no_grad():
            raise KeyError
    assert torch.is_grad_enabled()


def test_modes_nest_and_are_reusable():
    mode = torch.no_grad()
    for _ in range(2):
        with mode, mode, torch.enable_grad(), mode:
            assert not torch.is_grad_enabled()
        assert torch.is_grad_enabled()
    off = torch.no_grad()
    with torch.no_grad():
        with off:
            pass
        assert not torch.is_grad_enabled()


def test_modes_decorate():
    @torch.no_grad()
    def called(a, *, b=2):
        """Its docstring."""
        return torch.is_grad_enabled(), a + b

    @torch.no_grad
    def bare():
        return torch.is_grad_enabled()

    @torch.enable_grad()
    def enabled():
        return torch.is_grad_enabled()

    @torch.inference_mode()
    def inference():
        return torch.is_inference_mode_enabled()

    @torch.no_grad()
    def generator():
        got = yield torch.is_grad_enabled()
        try:
            yield got, torch.is_grad_enabled()
        except ValueError:
            yield torch.is_grad_enabled()
        return "end"

    assert called(1, b=3) == (False, 4) and called.__name__ == "called" and called.__doc__ == "Its docstring."
    assert bare() is False and inference() is True and not torch.is_inference_mode_enabled()
    with torch.no_grad():
        assert enabled() is True
    running = generator()
    assert inspect.isgeneratorfunction(generator)
    assert next(running) is False and torch.is_grad_enabled()
    assert running.send(5) == (5, False) and torch.is_grad_enabled()
    assert running.throw(ValueError) is False and torch.is_grad_enabled()
    with pytest.raises(StopIteration, match="end"):
        next(running)


def test_subclass_of_a_mode():
    class Quiet(torch.no_grad):
        def __init__(self, text):
            super().__init__()
            self.text = text

    with Quiet("x") as entered:
        assert entered is None and not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_set_grad_enabled():
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def f():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled() and f() is False and torch.is_grad_enabled()
    with pytest.raises(TypeError, match="must be bool"):
        torch.set_grad_enabled(3)


def test_inference_mode(device):
    x = leaf([1.0], device)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        t = x * 2
        t.add_(1)
        with torch.inference_mode(False):
            assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert t.is_inference() and torch.is_inference(t) and not x.is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        t.add_(1)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * t
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        t.requires_grad_()
    (x * t.clone()).backward()
    assert x.grad.item() == 3.0


def test_modes_are_per_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# ---- detach, retain_grad, hooks


def test_detach(device):
    x = leaf([2.0, 3.0], device)
    y = x * x
    d = y.detach()
    assert d.grad_fn is None and not d.requires_grad and d.data_ptr() == y.data_ptr()
    (x * d).sum().backward()
    assert x.grad.tolist() == [4.0, 9.0]
    y.detach_()
    assert y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 2)[0].detach_()


def test_retain_grad(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert y.grad is None
    assert "not a leaf Tensor" in str(caught[0].message)
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 8.0] and not y.grad.requires_grad
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(1, device=device).retain_grad()
    # The tensor may die before the backward, and may change in place before it.
    z = x * 3
    z.retain_grad()
    out = z.sum()
    del z
    out.backward()
    w = x * 1
    w.retain_grad()
    w.mul_(2)
    w.sum().backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_tensor_hooks(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    seen = []
    first = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    on_leaf = x.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [21.0, 21.0]
    assert torch.autograd.grad(y.sum(), x, retain_graph=True)[0].tolist() == [21.0, 21.0]
    first.remove()
    first.remove()
    on_leaf.remove()
    x.grad = None
    y.sum().backward(retain_graph=True)
    assert len(seen) == 2 and x.grad.tolist() == [20.0, 20.0]
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(1, device=device).register_hook(print)


@pytest.mark.parametrize(
    "hook, error, message",
    [
        (lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (lambda g: g.double(), RuntimeError, r"changed the type of value \(was torch.FloatTensor got torch.DoubleTensor\)"),
        (lambda g: g[:1], RuntimeError, "changed the size of value"),
        (lambda g: {}["missing"], KeyError, "missing"),
    ],
)
def test_faulty_hooks(hook, error, message, device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    handle = y.register_hook(hook)
    with pytest.raises(error, match=message):
        y.sum().backward(retain_graph=True)
    assert x.grad is None
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_node_hooks(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    calls = []
    y.grad_fn.register_prehook(lambda out: (calls.append(("pre", out[0].tolist())), (out[0] * 3,))[1])
    post = y.grad_fn.register_hook(lambda into, out: (calls.append(("post", into[0].tolist(), into[1])), (into[0] + 1, None))[1])
    y.sum().backward(retain_graph=True)
    assert calls == [("pre", [1.0, 1.0]), ("post", [6.0, 6.0], None)] and x.grad.tolist() == [7.0, 7.0]
    post.remove()
    y.grad_fn.register_hook(lambda into, out: 3)
    with pytest.raises(TypeError, match="expected tuple"):
        y.sum().backward()


def test_post_accumulate_grad_hook(device):
    x = leaf([1.0, 2.0], device)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append((p is x, p.grad.tolist())))
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [(True, [2.0, 2.0])]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_backward_inside_a_hook(device):
    x = leaf(3.0, device)
    y = x * x
    inner = []

    def hook(g):
        inner.append(torch.autograd.grad(y, x, retain_graph=True)[0].item())

    z = y * 2
    z.register_hook(hook)
    z.backward()
    assert inner == [6.0] and x.grad.item() == 12.0


# ---- in-place changes


def test_version_check_names_the_operation(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation: .*version 1; expected version 0.*add_"):
        z.sum().backward()
    y = torch.exp(x)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="inplace operation.*output 0 of ExpBackward0"):
        y.sum().backward()


def test_leaves_may_not_change_in_place(device):
    x = leaf([1.0, 2.0], device)
    for change in (lambda: x.add_(1), lambda: x.zero_(), lambda: x[0].fill_(1), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(RuntimeError, match=LEAF):
            change()
    with torch.no_grad():
        x.add_(1)
        view = x[0]
    assert x.tolist() == [2.0, 3.0] and x.is_leaf
    view.data.add_(1)


def test_in_place_on_results(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    y.mul_(3).add_(1)
    assert name(y) == "AddBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_in_place_on_views(device):
    x, w = leaf([1.0, 2.0, 3.0], device), leaf(5.0, device)
    y = x * 2
    view = y[1]
    view.mul_(w)
    assert name(y) == "CopySlices" and name(view) == "AsStridedBackward0"
    (y * torch.tensor([1.0, 10.0, 100.0], device=device)).sum().backward()
    assert x.grad.tolist() == [2.0, 100.0, 200.0] and w.grad.item() == 40.0


def test_assignment_through_a_view(device):
    w = leaf([7.0, 8.0], device)
    base = torch.zeros(2, 2, device=device)
    row = base[0]
    base[:, 1] = w
    assert base.requires_grad and row.requires_grad
    (row * 3).sum().backward()
    assert w.grad.tolist() == [3.0, 0.0]
    filled = w * 1
    filled[0] = 4.0
    w.grad = None
    filled.sum().backward()
    assert w.grad.tolist() == [0.0, 1.0]


def test_views_see_changes_of_their_base_twice(device):
    x = leaf([1.0, 2.0], device)
    y = x * 1
    v = y[:1]
    y.mul_(3)
    a, b = v * 2, v * 5  # both consumers lead to one node that is made between them
    (a + b).sum().backward()
    assert x.grad.tolist() == [21.0, 0.0]


def test_in_place_on_real_views_of_complex(device):
    x = leaf([1 + 2j, 3 + 4j], device, torch.complex128)

    def f(z):
        y = z * 1
        torch.view_as_real(y)[:, 1].mul_(3.0)
        return y

    assert f(x).tolist() == [1 + 6j, 3 + 12j]
    assert gradcheck(f, (x,))


def test_view_made_in_no_grad_may_not_change_in_place(device):
    y = leaf([1.0, 2.0], device) * 1
    with torch.no_grad():
        v = y[0]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode"):
        v.mul_(2)


def test_second_derivative_through_in_place_on_views(device):
    x = double([0.3, 0.7], device)

    def f(a):
        y = a * a
        y[1].mul_(a[0])
        y[0].exp_()
        return y

    assert gradcheck(f, (x,)) and gradgradcheck(f, (x,))


# ---- depth, threads, lifetime


@pytest.mark.parametrize("run", ["backward", "grad", "free"])
def test_chain_of_a_million_nodes(run, device):
    x = leaf([1.0], device)
    start = time.perf_counter()
    y = x
    for _ in range(1_000_000):
        y = y * 1.0
    if run == "backward":
        y.backward()
        assert x.grad.item() == 1.0
    elif run == "grad":
        assert torch.autograd.grad(y, x)[0].item() == 1.0
    del y
    assert time.perf_counter() - start < 60


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


def test_threads_share_leaves(device):
    x = leaf([1.0, 2.0], device)
    errors = []

    def work():
        try:
            for _ in range(200):
                y = x
                for _ in range(5):
                    y = y * 1.5
                torch.autograd.grad(y.sum(), x)
                (x * 2).sum().backward()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and x.grad.tolist() == [1600.0, 1600.0]


def test_graphs_are_freed(device):
    class Marker(torch.Tensor):
        pass

    x = leaf([1.0], device)
    kept = torch.ones(1, device=device).as_subclass(Marker)
    ref = weakref.ref(kept)
    y = x * kept
    del kept
    z = y * 2
    del y, z
    gc.collect()
    assert ref() is None


# ---- custom functions


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
        (lambda g: ("a", None), TypeError, "expected Variable or None"),
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
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Cube()


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


# ---- derivatives against central differences

UNARY = (
    "neg abs sgn square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh "
    "asinh atanh sigmoid positive"
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


@pytest.mark.parametrize("function", [lambda x: x**2, lambda x: x**0, lambda x: x**-1.5, lambda x: 2.0**x, lambda x: 3 - x])
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


def test_make_subclass(device):
    class Mine(torch.Tensor):
        pass

    data = torch.ones(2, device=device)
    made = torch.Tensor._make_subclass(Mine, data, True)
    assert type(made) is Mine and made.requires_grad and made.is_leaf and made.data_ptr() == data.data_ptr()
    assert type(data.as_subclass(Mine)) is Mine
    with pytest.raises(RuntimeError, match="Only Tensors of floating point"):
        torch.Tensor._make_subclass(Mine, torch.ones(2, dtype=torch.int64, device=device), True)
    with pytest.raises(TypeError):
        torch.Tensor._make_subclass(int, data)
    assert isinstance(data, torch.autograd.Variable)
