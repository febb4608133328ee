"""What the garbage collector frees: cycles between tensors and Python objects that hang on their graphs. Each kind is a
function that returns a weak reference to something that must be gone after a collection."""

import functools
import gc
import operator
import random
import sys
import weakref

import pytest
import rushlight as torch
from helpers import unsanitized
from rushlight.autograd import Function
from rushlight.autograd.graph import register_multi_grad_hook, saved_tensors_hooks
from rushlight.utils.checkpoint import checkpoint


class Token:
    """Something to watch."""


class Square(Function):
    """Keeps its context; `fill(ctx, x, y)` hangs things on it."""

    @staticmethod
    def forward(ctx, x, fill):
        y = x * x
        ctx.x = x.detach()
        fill(ctx, x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.x * g, None


class SaveOut(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


def leaf():
    return torch.ones(3, requires_grad=True)


def context(fill, then=None):
    """A kind: the context holds a token and what `fill` gives it."""

    def make():
        token = Token()

        def both(ctx, x, y):
            ctx.token = token
            fill(ctx, x, y)

        y = Square.apply(leaf(), both)
        z = then(y) if then else y
        y.grad_fn.late = z
        z.sum().backward()
        return weakref.ref(token)

    return make


def hook(register):
    """A kind: `register(x, y, z, hook)` hangs a hook that holds all three tensors and a token on one of them."""

    def make():
        token = Token()
        x = leaf()
        y = x * 2
        z = y.exp()

        def called(*args, keep=(token, x, y, z)):
            return None

        register(x, y, z, called)
        z.sum().backward()
        return weakref.ref(token)

    return make


def attribute_of_tensor():
    token = Token()
    x = leaf()
    y = x * 2
    y.token, y.me = token, y
    return weakref.ref(token)


def attribute_of_result_of_function():
    token = Token()
    y = Square.apply(leaf(), lambda ctx, x, y: None)
    y.token, y.grad_fn.y = token, y
    return weakref.ref(token)


def attribute_of_saved_result():
    token = Token()
    y = Square.apply(leaf(), lambda ctx, x, y: None)
    z = y * y  # saves y
    y.token, y.z = token, z
    return weakref.ref(token)


def node_in_its_hook():
    token = Token()
    node = (leaf() * 2).grad_fn
    node.register_hook(lambda *args, keep=(token, node): None)
    return weakref.ref(token)


def node_in_its_context():
    token = Token()
    y = Square.apply(leaf(), lambda ctx, x, y: None)
    z = y * 2
    y.grad_fn.keep = (z.grad_fn, token)
    return weakref.ref(token)


def node_in_metadata():
    token = Token()
    y = leaf() * 2
    y.grad_fn.metadata["keep"] = (y, token)
    return weakref.ref(token)


def packed_closure():
    token = Token()
    box = [token]

    def pack(t):
        return t.detach()

    def unpack(t, keep=box):
        return t

    with saved_tensors_hooks(pack, unpack):
        z = leaf().exp().sin()
    box.append(z)
    return weakref.ref(token)


def packed_object():
    token = Token()

    class Packed:
        pass

    made = []

    def pack(t):
        p = Packed()
        p.value, p.token = t.detach(), token
        made.append(p)
        return p

    with saved_tensors_hooks(pack, lambda p: p.value):
        z = torch.mm(leaf().reshape(3, 1), leaf().reshape(1, 3)).tanh()
    for p in made:
        p.z = z
    return weakref.ref(token)


def packed_is_the_result():
    token = Token()
    results = []
    with saved_tensors_hooks(lambda t: results, lambda r: torch.ones(3)):
        results.append(leaf().exp())
    results[0].token = token
    return weakref.ref(token)


def packed_is_a_tuple_with_the_result():
    token = Token()
    y = leaf().exp()
    y.grad_fn._raw_saved_result.register_hooks(functools.partial(lambda *held: held, y, token), operator.itemgetter(0))
    return weakref.ref(token)


def packed_is_a_tuple_with_the_node():
    token = Token()
    node = leaf().exp().grad_fn
    node._raw_saved_result.register_hooks(functools.partial(lambda *held: held, node, token), operator.itemgetter(0))
    return weakref.ref(token)


def raw_saved_hooks():
    token = Token()
    y = leaf().exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda t: (t, token, y), lambda p: p[0])
    return weakref.ref(token)


def checkpoint_of_function():
    token = Token()
    x = leaf()

    def run(x, keep=token):
        return SaveOut.apply(x)

    y = checkpoint(run, x, use_reentrant=False)
    y.sum().backward()
    return weakref.ref(token)


def checkpoint_without_backward():
    token = Token()
    box = [token]

    def run(x, keep=box):
        return SaveOut.apply(x.sin()).cos()

    box.append(checkpoint(run, leaf(), use_reentrant=False))
    return weakref.ref(token)


def reentrant_checkpoint():
    token = Token()
    box = [token]

    def run(x, keep=box):
        return x.exp().sin()

    box.append(checkpoint(run, leaf(), use_reentrant=True))
    return weakref.ref(token)


def module_in_context():
    token = Token()

    class Call(Function):
        @staticmethod
        def forward(ctx, call, x, p):
            ctx.call = call
            return call(x)

        @staticmethod
        def backward(ctx, g):
            return None, None, None

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.token = token
            self.a = torch.nn.Parameter(torch.ones(3))
            self.out = Call.apply(self.forward, torch.ones(3), self.a)

        def forward(self, x):
            return self.a * x

    Module()
    return weakref.ref(token)


def subclass_with_attributes():
    token = Token()

    class Sub(torch.Tensor):
        pass

    y = Square.apply(leaf(), lambda ctx, x, y: None).as_subclass(Sub)
    y.token = token
    y.grad_fn.next_functions[0][0].register_hook(lambda *args, keep=y: None)
    return weakref.ref(token)


def exception_holds_frames():
    token = Token()

    def fails(g, keep=token):
        raise ValueError

    x = leaf()
    y = x * 2
    error = None
    y.register_hook(fails)
    try:
        y.sum().backward()
    except ValueError as e:
        error = e
    y.error = error
    return weakref.ref(token)


def double_backward_context():
    token = Token()

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            ctx.gradient = Square.apply(x * g, lambda inner, *args: setattr(inner, "keep", (ctx, token)))
            return ctx.gradient

    x = leaf()
    (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    g.sum().backward()
    return weakref.ref(token)


def leaf_holds_result():
    token = Token()
    x = leaf()
    x.register_hook(lambda g, keep=token: None)
    x.y = x.exp()
    return weakref.ref(token)


def view_of_result():
    token = Token()
    y = leaf() * 2
    v = y[1:]
    v.grad_fn.register_hook(lambda *args, keep=(v, y, token): None)
    v.sum().backward()
    return weakref.ref(token)


def changed_in_place():
    token = Token()
    y = leaf() * 2
    y[:2].mul_(3)
    y.grad_fn.register_hook(lambda *args, keep=(y, token): None)
    y.sum().backward()
    return weakref.ref(token)


def saved_view_of_output():
    token = Token()

    class SaveView(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.token = token
            ctx.save_for_backward(y.view(3, 1), y[:2])
            return y

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * a.view(3)

    y = SaveView.apply(leaf())
    del y
    return weakref.ref(token)


KINDS = {
    "context: output": context(lambda ctx, x, y: setattr(ctx, "y", y)),
    "context: input": context(lambda ctx, x, y: setattr(ctx, "x0", x)),
    "context: dict": context(lambda ctx, x, y: setattr(ctx, "d", {"y": y})),
    "context: list": context(lambda ctx, x, y: setattr(ctx, "l", [x, [y]])),
    "context: itself": context(lambda ctx, x, y: setattr(ctx, "c", ctx)),
    "context: bound method": context(lambda ctx, x, y: setattr(ctx, "f", y.exp)),
    "context: partial": context(lambda ctx, x, y: setattr(ctx, "f", functools.partial(print, y))),
    "context: saved and held": context(lambda ctx, x, y: (ctx.save_for_backward(x, y), setattr(ctx, "y", y))),
    "context: later result": context(lambda ctx, x, y: None, lambda y: y * 2),
    "context: later results": context(lambda ctx, x, y: None, lambda y: (y * y).exp().sum() + y.sin().reshape(3, 1)),
    "context: matmul above": context(lambda ctx, x, y: None, lambda y: y.reshape(1, 3) @ y.reshape(3, 1)),
    "hook of result": hook(lambda x, y, z, f: y.register_hook(f)),
    "hook of last result": hook(lambda x, y, z, f: z.register_hook(f)),
    "hook of leaf": hook(lambda x, y, z, f: x.register_hook(f)),
    "hook after accumulation": hook(lambda x, y, z, f: x.register_post_accumulate_grad_hook(f)),
    "hook of node": hook(lambda x, y, z, f: z.grad_fn.register_hook(f)),
    "hook of inner node": hook(lambda x, y, z, f: z.grad_fn.next_functions[0][0].register_hook(f)),
    "prehook of node": hook(lambda x, y, z, f: z.grad_fn.register_prehook(f)),
    "hook and retained gradient": hook(lambda x, y, z, f: (z.retain_grad(), z.register_hook(f))),
    "hook of several": hook(lambda x, y, z, f: register_multi_grad_hook((y, z), f)),
    **{
        f.__name__: f
        for f in (
            attribute_of_tensor,
            attribute_of_result_of_function,
            attribute_of_saved_result,
            node_in_its_hook,
            node_in_its_context,
            node_in_metadata,
            packed_closure,
            packed_object,
            packed_is_the_result,
            packed_is_a_tuple_with_the_result,
            packed_is_a_tuple_with_the_node,
            raw_saved_hooks,
            checkpoint_of_function,
            checkpoint_without_backward,
            reentrant_checkpoint,
            module_in_context,
            subclass_with_attributes,
            exception_holds_frames,
            double_backward_context,
            leaf_holds_result,
            view_of_result,
            changed_in_place,
            saved_view_of_output,
        )
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_is_freed(kind):
    watched = KINDS[kind]()
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("kind", [k for k in KINDS if k.startswith(("context", "hook"))])
def test_is_freed_in_threads_and_young_collections(kind):
    """The automatic collections of a loop free cycles as they come up."""
    alive = [KINDS[kind]() for _ in range(300)]
    for _ in range(3):
        gc.collect(0)
        gc.collect(1)
    gc.collect()
    assert sum(w() is not None for w in alive) == 0


def test_young_collections_free_direct_cycles():
    gc.collect()
    watched = KINDS["context: output"]()
    gc.collect(0)
    assert watched() is None


@pytest.mark.parametrize("kind", KINDS)
def test_is_kept_while_in_use(kind):
    """With a collection at nearly every allocation nothing goes that is needed."""
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        KINDS[kind]()
    finally:
        gc.set_threshold(*before)


def test_attributes_of_kept_tensors_stay():
    """A tensor that only a graph holds keeps its attributes, a context its own, through collections."""
    x = leaf()
    y = Square.apply(x, lambda ctx, x, y: setattr(ctx, "note", ["kept"]))
    y.note = ["mine"]
    z = y * y
    del y
    gc.collect()
    y = z.grad_fn._saved_self
    assert y.note == ["mine"]
    assert y.grad_fn.note == ["kept"]
    node = z.grad_fn
    del y, z
    gc.collect()
    assert node._saved_self.note == ["mine"]
    assert node.next_functions[0][0].note == ["kept"]


def test_hooks_of_a_kept_graph_stay():
    """The graph is held by a node, an edge, a running backward, or another tensor, while the collector runs."""
    calls = []

    def called(*args):
        gc.collect()
        calls.append(1)

    x = leaf()
    y = x * 2
    y.grad_fn.register_hook(lambda *args, keep=y: called())
    y.register_hook(lambda g, keep=y: called())
    node = y.exp().sum().grad_fn
    del y
    gc.collect()
    torch.autograd.backward(torch.autograd.graph.GradientEdge(node, 0))
    assert calls == [1, 1]
    assert x.grad.tolist() == pytest.approx([2 * 7.38905609893065] * 3)


def test_referents_are_asked_for_without_harm():
    y = Square.apply(leaf(), lambda ctx, x, y: setattr(ctx, "y", y))
    y.grad_fn.register_hook(lambda *args, keep=y: None)
    for _ in range(3):
        gc.get_referents(y, y.grad_fn)
        gc.get_referrers(y)
        gc.collect()
    y.sum().backward()


def test_revived_by_a_finalizer():
    """A finalizer that takes a tensor of a cycle back: the tensor and its graph are whole."""
    revived = []

    class Reviver:
        def __del__(self):
            revived.append(self.y)

    x = leaf()
    y = Square.apply(x, lambda ctx, x, y: None)
    y.grad_fn.keep = Reviver()
    y.grad_fn.keep.y = y
    y.note = "whole"
    del y
    gc.collect()
    assert len(revived) == 1
    y = revived.pop()
    assert y.note == "whole"
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_debug_saveall():
    """What is kept for debugging is collected later, and nothing that it refers to before."""
    flags = gc.get_debug()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            for make in KINDS.values():
                make()
            gc.collect()
        tensors = [o for o in gc.garbage if isinstance(o, torch.Tensor)]
        assert any(isinstance(o, Token) for o in gc.garbage)
        for t in tensors:
            assert t.grad_fn is None or t.grad_fn.name()
        del tensors, t
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()
    gc.collect()
    assert not any(isinstance(o, Token) for o in gc.get_objects())


def build(rng, xs, hold):
    """A random graph over xs; some of its parts are held by cycles through it."""
    pool = list(xs)
    for _ in range(rng.randrange(4, 20)):
        a, b = rng.choice(pool), rng.choice(pool)
        made = rng.randrange(9)
        if made == 0:
            y = Square.apply(a, lambda ctx, x, y: setattr(ctx, "keep", y)) * 0.1
        elif made == 1:
            y = a * b
        elif made == 2:
            y = (a.reshape(1, 3) @ b.reshape(3, 1)).expand(1, 3).reshape(3) * 0.1
        elif made == 3:
            with saved_tensors_hooks(lambda t: [t.detach()], lambda p: p[0]):
                y = (a * b).sin()
        elif made == 4:
            y = SaveOut.apply(a * 0.1)
        elif made == 5:
            y = checkpoint(lambda u, v: (u * v).cos(), a, b, use_reentrant=False)
        elif made == 6:
            y = a + b
            y.register_hook(lambda g, keep=y: None)
        elif made == 7:
            y = a - b
            y.grad_fn.register_hook(lambda *args, keep=(y, a): None)
        else:
            y = a.sin()
            y.me = [y, b]
        pool.append(y.tanh())
        if rng.random() < 0.1:
            hold.append((pool[-1], torch.autograd.graph.get_gradient_edge(pool[-1])))
    return sum(pool[len(xs) :]).sum()


@pytest.mark.parametrize("seed", range(6))
def test_gradients_do_not_depend_on_collections(seed):
    def gradients(threshold):
        rng = random.Random(seed)
        before = gc.get_threshold()
        gc.set_threshold(threshold)
        found, hold = [], []
        try:
            for _ in range(8):
                xs = [torch.full((3,), 0.1 * (i + 1), dtype=torch.float64, requires_grad=True) for i in range(3)]
                loss = build(rng, xs, hold)
                if rng.random() < 0.5:
                    loss.backward(retain_graph=True)
                if threshold == 1:
                    gc.collect()
                loss.backward()
                found.append([x.grad.tolist() if x.grad is not None else None for x in xs])
            for tensor, edge in hold:
                assert edge.node.name() and tensor.shape == (3,)
        finally:
            gc.set_threshold(*before)
        return found

    assert gradients(1) == gradients(100000)


@unsanitized
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow(kind):
    def resident():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096

    def rounds(n):
        for _ in range(n):
            KINDS[kind]()
        gc.collect()

    rounds(100)
    before = resident()
    rounds(200)
    assert resident() - before < 1 << 20
