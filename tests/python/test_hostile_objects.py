"""Objects whose methods change what is being read: names, lists, contexts, and objects that come back while they die."""

import gc
import itertools
import weakref

import pytest
import rushlight as torch
from helpers import run_child

SURROGATE = "a\ud800"
ESCAPED = r"a\ud800"


# ---- names that are not UTF-8


@pytest.mark.parametrize("name", ["add", "sum", "relu", "zeros", "tensor", "mul", "matmul", "cat", "where", "rand"])
def test_keywords_that_are_not_utf8(name):
    x = torch.ones(3)
    args = {"zeros": (3,), "tensor": (3,), "cat": ([x],), "rand": (3,), "matmul": (x, x)}.get(name, (x,))
    with pytest.raises(TypeError) as error:
        getattr(torch, name)(*args, **{SURROGATE: 1})
    assert ESCAPED in str(error.value)


def test_methods_and_constructors_show_such_keywords():
    for call in (torch.ones(3).sum, torch.ones(3).add, torch.Tensor, torch.ones(2).new_zeros):
        with pytest.raises(TypeError, match=r"a\\ud800"):
            call(**{SURROGATE: 1})


def test_attributes_of_nodes_that_are_not_utf8():
    node = (torch.ones(3, requires_grad=True) * 2).grad_fn
    for name in (SURROGATE, "_saved_" + SURROGATE, "_raw_saved_" + SURROGATE):
        assert not hasattr(node, name)
        with pytest.raises(AttributeError, match="has no attribute"):
            getattr(node, name)


class Shown(type):
    def __repr__(cls):
        return SURROGATE


class Anything(metaclass=Shown):
    pass


def test_classes_that_show_themselves_so():
    with pytest.raises(RuntimeError, match=r"a\\ud800"):
        Anything() in torch.ones(3)  # noqa: B015
    with pytest.raises(TypeError, match=r"a\\ud800"):
        torch.unravel_index(torch.tensor(1), Anything())


def test_hooks_named_so():
    y = torch.ones(3, requires_grad=True) * 2

    def hook(g):
        return g.double()

    hook.__name__ = SURROGATE
    y.register_hook(hook)
    with pytest.raises(RuntimeError, match=r"hook 'a\\ud800' has changed the type"):
        y.sum().backward()


def test_texts_that_are_not_utf8():
    for call in (
        lambda: torch.device(SURROGATE),
        lambda: torch.einsum(SURROGATE, torch.ones(1)),
        lambda: torch.ones(1).type(SURROGATE),
        lambda: torch.ones(1).div(1, rounding_mode=SURROGATE),
        lambda: torch.meshgrid(torch.ones(1), indexing=SURROGATE),
        lambda: torch.UntypedStorage.from_file(SURROGATE),
        lambda: format(torch.ones(1), SURROGATE),
    ):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            call()
    with torch.autograd.graph.disable_saved_tensors_hooks(SURROGATE):
        with pytest.raises(RuntimeError, match=r"a\\ud800"):
            with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                pass


def test_sizes_show_any_integer():
    assert repr(torch.Size([2**70, -1])) == f"torch.Size([{2**70}, -1])"


def test_results_show_what_they_hold():
    class Odd:
        def __repr__(self):
            return SURROGATE

    result = type(torch.ones(2).max(0))((Odd(), Odd()))
    assert ESCAPED in repr(result)

    class Bad:
        def __repr__(self):
            raise KeyError("no")

    with pytest.raises(KeyError):
        repr(type(result)((Bad(), 1)))


# ---- lists that change while they are read

# Classes that look like NumPy's by their names.
KINDS = ["numpy.ndarray", "numpy.int64", "numpy.float64", "numpy.bool", "plain"]


def shrinking(kind, what):
    """A list whose first item runs what() in all of its conversions, and drops everything in the list."""
    items = []

    def run(self=None, place=0, **_):
        what(items)
        if place:  # of __getitem__
            raise IndexError
        return 1

    names = ["__index__", "__int__", "__float__", "__bool__", "__complex__", "__len__", "__getitem__", "__array__"]
    items.append(type(kind, (), dict.fromkeys(names, run))())
    items.extend(object() for _ in range(40))
    return items


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", [list.clear, lambda items: items.extend([2] * 50), lambda items: items.pop()])
def test_lists_that_change_under_the_parser(kind, what):
    x = torch.arange(6.0)
    for call in (
        torch.zeros,
        torch.empty,
        torch.rand,
        x.view,
        x.reshape,
        x.expand,
        x.repeat,
        x.permute,
        x.sum,
        x.flip,
        x.new_zeros,
        x.new_tensor,
        x.tile,
        torch.tensor,
        torch.as_tensor,
        torch.Tensor,
        torch.Size,
        torch.UntypedStorage,
        torch.cat,
        torch.stack,
        torch.block_diag,
        torch.broadcast_shapes,
        torch.gradient,
        x.split,
        x.tensor_split,
        x.unflatten,
        x.__getitem__,
        lambda s: x.clone().__setitem__(s, 1),
        lambda s: x.clone().__setitem__(slice(None), s),
        lambda s: x.roll(s, s),
        lambda s: torch.einsum(x, s),
        lambda s: torch.as_strided(x, s, s),
        lambda s: torch.unravel_index(torch.tensor(1), s),
        lambda s: torch.autograd.grad(x, s),
        lambda s: x.__dlpack__(max_version=s),
        lambda s: x.__dlpack__(dl_device=s),
        lambda s: torch.tensor([s, s]),
        lambda s: torch.tensor([[1], s]),
    ):
        try:
            call(shrinking(kind, what))
        except (TypeError, ValueError, IndexError, RuntimeError, BufferError):
            pass
    assert x.tolist() == [0, 1, 2, 3, 4, 5]


def test_sizes_in_arrays():
    np = pytest.importorskip("numpy")
    assert torch.zeros([np.array(2), np.array(3, dtype=np.uint8)]).shape == (2, 3)
    for bad in (np.array([2]), np.array(2.0), np.array(True)):
        with pytest.raises(TypeError):
            torch.zeros([bad])


def test_keywords_that_answer_for_others():
    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            raise KeyError("no")

    assert torch.Tensor(**{Name("data"): [1]}).tolist() == [1]
    assert torch.ones(2).sum(**{Name("dim"): 0}).item() == 2


def test_interrupts_are_not_taken_for_answers():
    class Stops:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        torch.tensor(Stops())


def test_pack_hooks_that_save_again():
    """save_for_backward() called while its tensors are being packed."""
    kept = []

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            kept.append(ctx)
            ctx.save_for_backward(*[x * i for i in range(20)])
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * len(ctx.saved_tensors)

    def pack(t):
        kept[0].save_for_backward()
        kept[0].mark_non_differentiable()
        return t

    x = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = F.apply(x)
    y.sum().backward()
    assert x.grad.tolist() == [20, 20, 20]


def test_contexts_of_other_types():
    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

    for made in (5, None, torch.ones(1)):
        F._backward_cls = lambda made=made: made
        with pytest.raises(TypeError, match="_backward_cls"):
            F.apply(torch.ones(3, requires_grad=True))


# ---- objects that come back while they die


def with_grad():
    p = torch.ones(3, requires_grad=True)
    (p * 2).sum().backward()
    return p


OWNED = {
    "gradient": lambda: (p := with_grad(), lambda: p.grad),
    "base": lambda: (v := torch.full((4,), 2.0)[1:], lambda: v._base),
    "leaf": lambda: (
        y := (torch.full((3,), 2.0, requires_grad=True) * 2),
        lambda: y.grad_fn.next_functions[0][0].variable,
    ),
    "parameter": lambda: (
        y := (torch.nn.Parameter(torch.full((3,), 2.0)) * 2),
        lambda: y.grad_fn.next_functions[0][0].variable,
    ),
    "saved": lambda: (y := with_grad() * torch.full((3,), 2.0), lambda: y.grad_fn._saved_other),
}


@pytest.mark.parametrize("owned", OWNED.values(), ids=OWNED)
@pytest.mark.parametrize("attribute", [False, True], ids=["plain", "attribute"])
def test_weak_callbacks_bring_a_new_object(owned, attribute):
    keep, get = owned()
    got = []
    values = get().tolist()
    if attribute:
        get().note = "mine"
    else:
        get()
    o = get()
    name = type(o)
    w = weakref.ref(o, lambda _: got.append(get()))
    del o
    assert w() is None and len(got) == 1
    others = [torch.full((5,), 7.0) for _ in range(100)]
    assert all(got[0] is not o for o in others)
    assert got[0] is get() and type(got[0]) is name and got[0].tolist() == values
    assert getattr(got[0], "note", None) == ("mine" if attribute else None)
    del keep


def test_weak_callbacks_one_after_another():
    """Each callback's object has a callback of its own."""
    p = with_grad()
    count = itertools.count()
    kept = []

    def again(_):
        if next(count) < 50:
            kept.append(weakref.ref(p.grad, again))

    kept.append(weakref.ref(p.grad, again))
    assert next(count) == 51
    assert p.grad.tolist() == [2, 2, 2]


class Sub(torch.Tensor):
    pass


def test_subclasses_that_come_back_in_del():
    got = []

    class Phoenix(torch.Tensor):
        def __del__(self):
            got.append(self)

    p = torch.ones(3, requires_grad=True)
    p.grad = torch.full((3,), 2.0).as_subclass(Phoenix)
    p.grad.note = 1
    gc.collect()
    assert got[0].tolist() == [2, 2, 2] and type(got[0]) is Phoenix and got[0].note == 1
    assert p.grad is got[0]
    got.clear()
    assert type(p.grad) is Phoenix and p.grad.tolist() == [2, 2, 2]
    p.grad = None


@pytest.mark.parametrize("kind", [torch.Tensor, Sub])
def test_objects_waiting_to_be_freed_stay_dead(kind):
    """Deeply nested containers are freed later than their counts say; their items must not be found meanwhile."""
    p = torch.ones(3, requires_grad=True)
    p.grad = torch.full((3,), 2.0).as_subclass(kind)
    got = []

    class Looks:
        def __del__(self):
            got.append(p.grad)

    for depth in range(30, 80):
        g = p.grad
        g.note = "mine"
        nested = [Looks(), g]
        del g
        for i in range(depth):
            nested = [nested] if i % 2 else (nested,)
        del nested
        others = [torch.full((5,), 7.0).as_subclass(kind) for _ in range(5)]
        assert type(got[-1]) is kind and got[-1].tolist() == [2, 2, 2]
        assert all(o is not got[-1] for o in others) and p.grad.tolist() == [2, 2, 2]
        got.clear()


def test_collector_during_callbacks():
    p = with_grad()
    got = []

    def back(_):
        gc.collect()
        got.append(p.grad)
        gc.collect()

    g = p.grad
    g.me = g
    w = weakref.ref(g, back)
    del g
    gc.collect()
    assert p.grad.tolist() == [2, 2, 2]
    p.grad = None
    gc.collect()
    assert w() is None


def test_collector_at_every_new_object():
    """Code run by the collector asks for the object that is being made."""
    run_child("""
        import gc
        class Sub(torch.Tensor):
            pass
        p = torch.ones(3, requires_grad=True)
        p.grad = torch.full((3,), 2.0).as_subclass(Sub)
        p.grad.note = 1
        s = torch.ones(3)
        found = []
        class Cycle:
            def __init__(self):
                self.me = self
            def __del__(self):
                found.append(p.grad)
                found.append(s.untyped_storage())
                if on:
                    Cycle()
        on = True
        gc.set_threshold(1)
        for i in range(300):
            Cycle()
            a = p.grad
            u = s.untyped_storage()
            assert a is p.grad and type(a) is Sub and a.note == 1
            assert u is s.untyped_storage()
            keep = [torch.ones(2) for _ in range(70)]
            del a, u, keep
            found.clear()
        on = False
    """)


def test_weak_callbacks_of_storages():
    t = torch.ones(3)
    got = []
    w = weakref.ref(t.untyped_storage(), lambda _: got.append(t.untyped_storage()))
    assert w() is None
    assert got[0] is t.untyped_storage() and got[0].nbytes() == 12
    address = got[0]._cdata
    got.clear()
    assert t.untyped_storage()._cdata == address
    gc.collect()
    s = t.untyped_storage()
    assert s is t.untyped_storage()


def test_storages_that_come_back_in_del():
    got = []

    class S(torch.UntypedStorage):
        def __del__(self):
            got.append(self)

    s = S(8)
    t = torch.tensor([], dtype=torch.uint8).set_(s)
    del s
    assert got[0] is t.untyped_storage() and got[0].nbytes() == 8
    got.clear()
    assert t.untyped_storage().nbytes() == 8


@pytest.mark.filterwarnings("ignore:nanobind")
def test_storages_are_made_once():
    s = torch.ones(3).untyped_storage()
    t = torch.tensor([], dtype=torch.uint8).set_(s)
    try:
        s.__init__(64)
    except (TypeError, RuntimeError):
        pass
    del s
    gc.collect()
    assert t.untyped_storage() is t.untyped_storage()


# ---- what is looked up once


def test_first_hooks_on_several_threads():
    """No thread waits for another's import with the interpreter's lock in its hands."""
    run_child(
        """
        import importlib.abc, sys, threading, time
        class Slow(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                time.sleep(0.005)
        sys.meta_path.insert(0, Slow())
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        calls = [
            lambda: x.register_hook(lambda g: g),
            lambda: y.grad_fn.register_hook(lambda a, b: None),
            lambda: y.grad_fn.register_prehook(lambda a: None),
            lambda: x.register_post_accumulate_grad_hook(lambda p: None),
            lambda: torch.zeros(2).layout,
            lambda: torch.ones(3).untyped_storage().tolist(),
            lambda: repr(x),
            lambda: x.sort(),
            lambda: x.T,
            lambda: x.__array__(),
        ]
        threads = [threading.Thread(target=c) for c in calls for _ in range(2)]
        for t in threads: t.start()
        for t in threads: t.join()
        y.sum().backward()
        assert x.grad.tolist() == [2, 2, 2]
        """,
        timeout=60,
    )
