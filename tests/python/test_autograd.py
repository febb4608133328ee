"""Recording, backward, nodes, hooks, in-place changes, and the lifetime of graphs."""

import gc
import threading
import time
import warnings
import weakref

import pytest
import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

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
    with pytest.raises(RuntimeError, match="(?i)only Tensors of floating point"):
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
    with pytest.raises(RuntimeError, match="attempting to assign a gradient of size"):
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
        (
            lambda g: g.double(),
            RuntimeError,
            r"changed the type of value \(was torch.FloatTensor got torch.DoubleTensor\)",
        ),
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
    post = y.grad_fn.register_hook(
        lambda into, out: (calls.append(("post", into[0].tolist(), into[1])), (into[0] + 1, None))[1]
    )
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


def test_operand_that_is_a_view_of_what_changes():
    """The view follows the base to its new history, also where the same call used the view."""
    for change in (
        lambda u, v: u.add_(v),
        lambda u, v: u.mul_(v),
        lambda u, v: u.addcmul_(v, v),
    ):
        x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
        w = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)

        def f(x):
            u = x * 1.5
            v = u[:]
            change(u, v)  # noqa: B023
            return (v * w).sum() + (u * u).sum()

        assert torch.autograd.gradcheck(f, (x,))


def test_backward_again_where_nothing_was_saved(device):
    x = torch.ones(3, device=device, requires_grad=True)
    y = (x + 1).reshape(3, 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0] * 3
    parts = x.unbind()
    for p in parts:
        p.backward()
    assert x.grad.tolist() == [3.0] * 3
    z = (x * x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


@pytest.mark.parametrize("conjugate", [False, True])
def test_inplace_on_complex_views_of_real_tensors(conjugate, device):
    """The strides of the view count pairs of elements of the base."""

    def run(x, inplace):
        view = torch.view_as_complex(x.clone()).reshape(4)[1:]
        if conjugate:
            view = view.conj()
        changed = view.mul_(2 + 1j) if inplace else view * (2 + 1j)
        return (changed * (3 - 1j)).imag.sum()

    x = torch.arange(8.0, device=device).reshape(2, 2, 2).requires_grad_()
    (one,) = torch.autograd.grad(run(x, True), x)
    (two,) = torch.autograd.grad(run(x, False), x)
    assert one.equal(two) and one.count_nonzero() == 6
    assert torch.autograd.gradcheck(lambda t: run(t, True), (x.detach().double().requires_grad_(),))


def test_versions_start_at_zero(device):
    like = torch.empty(3, device=device)
    for t in (torch.zeros(3), torch.full((3,), 2), torch.rand(3), torch.randn(3), torch.eye(3), torch.ones_like(like)):
        assert t._version == 0
    t = torch.rand(1, device=device)
    assert t.resize_(1, 2)._version == 1 and t.resize_as_(like)._version == 2
