"""Edges and nodes as ends of a backward, hooks on several tensors, and what the engine tells while it runs."""

import gc
import threading
import weakref

import pytest
import rushlight as torch
from rushlight.autograd import graph
from rushlight.autograd.graph import GradientEdge, get_gradient_edge


def leaf(values, device):
    return torch.tensor(values, dtype=torch.float64, device=device, requires_grad=True)


def ones(like):
    return torch.ones_like(like)


# ---- edges


def test_gradient_at_an_edge(device):
    x = leaf([1.0, 2.0], device)
    y = x.sin()
    out = (y * y).sum()
    expected = torch.autograd.grad(out, y, retain_graph=True)[0].tolist()
    for end in (get_gradient_edge(y), y.grad_fn, GradientEdge(y.grad_fn, 0)):
        assert torch.autograd.grad(out, end, retain_graph=True)[0].tolist() == expected
    (g,) = torch.autograd.grad(out, get_gradient_edge(x), retain_graph=True)
    assert g.tolist() == torch.autograd.grad(out, x)[0].tolist()


def test_edges_in_place(device):
    x = leaf([1.0, 2.0], device) * 1
    before = get_gradient_edge(x)
    x *= 2
    old, new = torch.autograd.grad(x.sum(), (before, x))
    assert old.tolist() == [2.0, 2.0] and new.tolist() == [1.0, 1.0]


def test_backward_in_two_steps(device):
    x = leaf([1.0, 2.0], device)
    middle = x.sin().cos()
    out = middle.exp().sum()
    edge = get_gradient_edge(middle)
    (g,) = torch.autograd.grad(out, edge, retain_graph=True)
    (two,) = torch.autograd.grad(edge, x, grad_outputs=g, retain_graph=True)
    assert two.tolist() == torch.autograd.grad(out, x, retain_graph=True)[0].tolist()
    torch.autograd.backward(edge, g)
    assert x.grad.tolist() == two.tolist()


def test_checks_of_edges(device):
    x = leaf([1.0, 2.0], device)
    y = x.sin()
    with pytest.raises(RuntimeError, match="implicitly created only for scalar outputs"):
        torch.autograd.grad(get_gradient_edge(y), x)
    with pytest.raises(RuntimeError, match=r"grad_output\[0\] has a shape of torch.Size\(\[3\]\)"):
        torch.autograd.grad(get_gradient_edge(y), x, torch.ones(3, dtype=torch.float64, device=device))
    torch.autograd.grad(get_gradient_edge(y.sum()), x, retain_graph=True)
    for slot in (1, 99, -1, 2**70):
        with pytest.raises(IndexError, match="an edge leads to output"):
            torch.autograd.grad(y, GradientEdge(y.grad_fn, slot), ones(y))
    with pytest.raises(TypeError, match="expected a GradientEdge"):
        torch.autograd.grad(y.sum(), x.unbind()[0].grad_fn)
    with pytest.raises(TypeError, match="expected Tensor at index 1, but got int"):
        torch.autograd.grad(y.sum(), (x, 3))


def test_backward_to_inputs(device):
    """Only the inputs get a gradient; leaves by their accumulators and hooks, results as if they retained it."""
    x, w = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    y = x * w
    z = y * 2
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    y.grad_fn.register_prehook(lambda gs: seen.append("pre"))
    y.grad_fn.register_hook(lambda into, out: seen.append("post"))
    torch.autograd.backward(z.sum(), inputs=(y, get_gradient_edge(x)), retain_graph=True)
    assert y.grad.tolist() == [2.0, 2.0] and x.grad.tolist() == [6.0, 8.0] and w.grad is None
    assert seen == ["pre", "post", [6.0, 8.0]]
    z.sum().backward(inputs=[y])
    assert y.grad.tolist() == [4.0, 4.0] and x.grad.tolist() == [6.0, 8.0]
    with pytest.raises(RuntimeError, match="can't retain_grad"):
        (x * 2).sum().backward(inputs=[torch.ones(1, device=device)])


def test_set_makes_another_leaf(device):
    x = leaf([1.0, 2.0], device)
    edge = get_gradient_edge(x)
    out = x * 3
    with torch.no_grad():
        x.set_(torch.ones(3, dtype=torch.float64, device=device))
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(out.sum(), x, retain_graph=True)
    assert torch.autograd.grad(out.sum(), edge)[0].tolist() == [3.0, 3.0]
    torch.cat([x, x]).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_materialize_grads(device):
    x, a = leaf(0.5, device), leaf(1.0, device)
    first = torch.autograd.grad(x * a, x, create_graph=True)
    second = torch.autograd.grad(first, x, create_graph=True, materialize_grads=True)
    assert second[0].item() == 0 and second[0].requires_grad
    assert torch.autograd.grad(second, x, materialize_grads=True)[0].item() == 0
    with pytest.raises(RuntimeError, match="cannot be used when the given input is a GradientEdge"):
        torch.autograd.grad(x * 2, (x, get_gradient_edge(a)), materialize_grads=True)
    with pytest.raises(ValueError, match="allow_unused=False"):
        torch.autograd.grad(x * 2, x, allow_unused=False, materialize_grads=True)


def test_nodes(device):
    x = leaf([1.0, 2.0], device)
    y = x**2

    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            assert isinstance(ctx, graph.Node)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    assert all(isinstance(n, graph.Node) for n in (y.grad_fn, y.grad_fn.next_functions[0][0], Same.apply(x).grad_fn))
    assert not isinstance(None, graph.Node) and issubclass(type(y.grad_fn), graph.Node)
    assert y.grad_fn(torch.ones(2, dtype=torch.float64, device=device)).tolist() == [2.0, 4.0]
    for bad, message in (((), "expected 1 arguments, got 0"), ((x, x), "got 2 instead"), ((3,), "not a Variable")):
        with pytest.raises(TypeError, match=message):
            y.grad_fn(*bad)


def test_metadata_belongs_to_the_node(device):
    y = leaf([1.0], device) * 2
    y.grad_fn.metadata["note"] = 3
    gc.collect()
    assert y.grad_fn.metadata == {"note": 3}

    class Mark:
        pass

    mark = Mark()
    y.grad_fn.metadata["note"] = mark
    ref = weakref.ref(mark)
    del mark
    assert ref() is not None
    del y
    assert ref() is None


# ---- hooks on several tensors


def test_multi_grad_hook_of_all(device):
    a, b, c, d = (leaf([1.0], device) for _ in range(4))
    seen = []
    handle = graph.register_multi_grad_hook((a, b, c, d), lambda grads: seen.append(grads))
    out = a * 2 + b * 3 + d * 4
    out.backward(retain_graph=True)
    assert [None if g is None else g.item() for g in seen[0]] == [2.0, 3.0, None, 4.0]
    out.backward(inputs=(a, b), retain_graph=True)
    assert [None if g is None else g.item() for g in seen[1]] == [2.0, 3.0, None, None]
    handle.remove()
    out.backward()
    assert len(seen) == 2


def test_multi_grad_hook_of_any(device):
    a, b = leaf([1.0], device), leaf([1.0], device)
    seen = []
    with graph.register_multi_grad_hook((a, b), lambda g: seen.append(g.item()), mode="any"):
        (a * 2 + b * 2).backward()
        (b * 3).backward()
        assert seen == [2.0, 3.0]
    (a * 2).backward()
    assert seen == [2.0, 3.0]
    with pytest.raises(ValueError, match=r"one of \('all', 'any'\) but got some"):
        graph.register_multi_grad_hook((a, b), print, mode="some")


def test_a_hook_of_one_output_sees_none_for_the_others(device):
    parts = leaf([1.0, 2.0], device).unbind()
    seen = []
    parts[0].register_hook(lambda g: seen.append(g))
    parts[0].backward()
    parts[1].backward()
    assert seen[0].item() == 1.0 and seen[1] is None


def test_leaf_hooks_return_none(device):
    x = leaf([1.0], device)
    x.register_post_accumulate_grad_hook(lambda t: t.grad)
    with pytest.raises(RuntimeError, match="should return None"):
        (x * 2).backward()


# ---- the backward that runs


def queue(callback):
    torch.autograd.Variable._execution_engine.queue_callback(callback)


def test_callbacks(device):
    x = leaf([1.0], device)
    y = x * 2
    order = []

    def last():
        order.append("last")

    def first():
        order.append(("first", x.grad.item()))
        queue(last)

    def hook(g):
        queue(first)
        with torch.enable_grad():
            z = leaf([1.0], device)
            z.register_hook(lambda g: queue(lambda: order.append("inner")))
            (z * 3).backward()

    y.register_hook(hook)
    y.backward()
    assert order == ["inner", ("first", 2.0), "last"]
    with pytest.raises(RuntimeError, match="only be installed during backward"):
        queue(last)
    y = x * 2
    y.register_hook(lambda g: queue(lambda: {}["missing"]))
    with pytest.raises(KeyError):
        y.backward()
    (x * 2).backward()


def test_deep_nesting(device):
    """Backward inside backward far beyond what one stack holds, twice, and its errors."""

    class Down(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, bottom):
            ctx.bottom = bottom
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_() - 1
            return ctx.x.detach()

        @staticmethod
        def backward(ctx, g):
            if ctx.x < 0:
                threads.add(threading.get_ident())
                ctx.bottom()
                return g, None
            with torch.enable_grad():
                Down.apply(ctx.x, ctx.bottom).sum().backward()
            return g, None

    threads = set()
    for _ in range(2):
        Down.apply(leaf(450.0, device), lambda: None).sum().backward()
    assert threads and threading.get_ident() not in threads
    with pytest.raises(KeyError, match="deep"):
        Down.apply(leaf(250.0, device), lambda: {}["deep"]).sum().backward()


def test_running_backward(device):
    from rushlight import _C

    assert _C._current_graph_task_id() == -1
    a, b = leaf([1.0], device), leaf([1.0], device)
    y = a * b
    other = y.cos()
    numbers, told = [], []

    def hook(g):
        numbers.append(_C._current_graph_task_id())
        nodes = (y.grad_fn, get_gradient_edge(a).node, get_gradient_edge(b).node, other.grad_fn)
        told.append([_C._will_engine_execute_node(n) for n in nodes])

    y.register_hook(hook)
    y.backward(retain_graph=True)
    y.backward(inputs=(a,), retain_graph=True)
    assert numbers[1] > numbers[0] >= 0
    assert told == [[True, True, True, False], [True, True, False, False]]
    with pytest.raises(RuntimeError, match="currently running autograd.grad"):
        torch.autograd.grad(y, a)
    with pytest.raises(RuntimeError, match="during the backward pass"):
        _C._will_engine_execute_node(y.grad_fn)


def test_increment_version(device):
    x = torch.ones(2, device=device)
    graph.increment_version(x)
    graph.increment_version([x, x])
    assert x._version == 3


# ---- gradients that a custom function leaves out, roots that lead to no input


class Nothing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x + 1

    @staticmethod
    def backward(ctx, g):
        return None


@pytest.mark.parametrize("materialize", [True, False])
def test_nodes_behind_a_missing_gradient_are_called(materialize, device):
    log = []

    class Watch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            log.append("Watch" if g is None else g.tolist())
            return g

    x = torch.ones(2, device=device, requires_grad=True)
    Nothing.apply(Watch.apply(x)).sum().backward()
    assert log == ([[0.0, 0.0]] if materialize else ["Watch"])
    assert (x.grad.tolist() == [0.0, 0.0]) if materialize else x.grad is None
    assert torch.autograd.grad(Nothing.apply(x).sum(), [x], allow_unused=True) == (None,)


def test_hooks_see_a_missing_gradient(device):
    log = []
    x = torch.ones(2, device=device, requires_grad=True)
    x.register_hook(lambda g: log.append(("x", g)))
    x.register_post_accumulate_grad_hook(lambda t: log.append(("post", t.grad)))
    y = x.exp()
    y.register_hook(lambda g: log.append(("y", g)))
    y.retain_grad()
    y.grad_fn.register_prehook(lambda grads: log.append(("before", grads)))
    y.grad_fn.register_hook(lambda inputs, outputs: log.append(("after", inputs, outputs)))
    Nothing.apply(y).sum().backward(retain_graph=True)
    assert log == [("y", None), ("before", (None,)), ("after", (None,), (None,)), ("x", None), ("post", None)]
    assert x.grad is None and y.grad is None
    log.clear()
    (Nothing.apply(y) + y).sum().backward()
    assert [entry[0] for entry in log] == ["y", "before", "after", "x", "post"] and x.grad is not None


def test_hooks_of_a_root_that_leads_to_no_input(device):
    log = []
    a, b = (torch.ones(2, device=device, requires_grad=True) for _ in range(2))
    c = b * 2
    c.register_hook(lambda g: log.append("c"))
    c.grad_fn.register_prehook(lambda grads: log.append("before"))
    c.retain_grad()
    b.register_hook(lambda g: log.append("b"))
    ones = torch.ones(2, device=device)
    assert torch.autograd.grad(c, [a], ones, allow_unused=True) == (None,)
    assert log == ["c"] and c.grad.tolist() == [1.0, 1.0]
    c.backward(ones, inputs=[a])
    b.backward(ones, inputs=[a])
    assert log == ["c", "c", "b"] and a.grad is None and b.grad is None
    # Of several roots, only those are started that lead to an input.
    assert torch.autograd.grad([c, b], [a], [ones, ones], allow_unused=True) == (None,)
    assert log == ["c", "c", "b"]


def test_a_root_with_other_data_has_the_shape_of_its_node(device):
    x = torch.ones(6, device=device, requires_grad=True)
    for shape in ((2, 1), (1,)):
        y = x * x
        y.data = torch.ones(shape, device=device)
        with pytest.raises(RuntimeError, match=r"invalid gradient at index 0 - got \[.*\] but expected shape .* \[6\]"):
            y.backward(torch.ones(shape, device=device))
    y = x * x
    y.data = torch.ones(2, 6, device=device)
    y.backward(torch.ones(2, 6, device=device))
    assert x.grad.tolist() == [4.0] * 6


def test_complex_gradients_of_real_inputs_are_refused():
    class Turned(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * (1 + 5j)

    x = torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError):
        Turned.apply(x).sum().backward()
    assert x.grad is None
    z = torch.ones(1, dtype=torch.complex64, requires_grad=True)
    Turned.apply(z).real.sum().backward()
    assert z.grad.tolist() == [1 + 5j]
