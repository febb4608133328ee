"""The Python objects of tensors: their class and attributes stay while anything holds the tensor."""

import gc
import threading
import weakref

import rushlight as torch


class Mine(torch.Tensor):
    pass


class Marker:
    pass


def marked(t):
    t.marker = Marker()
    return weakref.ref(t.marker)


def test_attributes_stay_with_a_gradient():
    x, y = torch.empty(2), torch.empty(2)
    marker = marked(x)
    x.foo = 2
    y.grad = x
    del x
    for _ in range(3):
        assert y.grad.foo == 2 and y.grad.marker is marker()
    z = y.grad
    z.foo = 3
    del z
    gc.collect()
    assert y.grad.foo == 3 and y.grad.__dict__.keys() == {"foo", "marker"}
    y.grad = None
    assert marker() is None
    # The same with the owner dying first.
    y.grad = torch.zeros(2)
    marker, grad = marked(y.grad), y.grad
    del y
    assert grad.marker is marker()
    del grad
    assert marker() is None


def test_classes_stay():
    x, y = torch.ones(2).as_subclass(Mine), torch.ones(2)
    x.foo = [1]
    y.grad = x
    before = weakref.ref(x)
    del x
    gc.collect()
    assert before() is None and type(y.grad) is Mine and y.grad.foo == [1] and y.grad.tolist() == [1, 1]
    y.grad = torch.ones(2).as_subclass(Mine)
    assert type(y.grad) is Mine and not hasattr(y.grad, "foo")
    kept = y.grad
    del y
    assert type(kept) is Mine
    # A parameter without attributes.
    y = torch.ones(3)
    y.grad = torch.nn.Parameter(torch.zeros(3))
    assert isinstance(y.grad, torch.nn.Parameter) and y.grad.requires_grad

    # Saved for backward.
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.detach() * 2

        @staticmethod
        def backward(ctx, grad):
            (saved,) = ctx.saved_tensors
            seen.append((type(saved), saved.foo))
            return grad * 2

    seen = []
    x = torch.ones(2).as_subclass(Mine).requires_grad_()
    x.foo = 5
    out = Function.apply(x)
    del x
    out.sum().backward()
    assert seen == [(Mine, 5)]


def test_plain_tensors_keep_nothing():
    y = torch.ones(2)
    y.grad = torch.ones(2)
    assert y.grad.__dict__ == {} and type(y.grad) is torch.Tensor
    x = torch.ones(2)
    x.foo = 1
    del x.foo
    y.grad = x
    del x
    assert not hasattr(y.grad, "foo")


def test_cycles_through_attributes():
    x, y, z = torch.empty(2), torch.empty(2), torch.empty(2)
    markers = [marked(x), marked(y)]
    x.loop, y.loop = y, x
    z.grad = x
    del x, y
    gc.collect()
    assert all(m() for m in markers) and z.grad.loop.loop is z.grad
    del z
    gc.collect()
    assert not any(m() for m in markers)
    x = torch.empty(2)
    marker, x.me = marked(x), x
    del x
    gc.collect()
    assert marker() is None


def test_the_last_owner_on_another_thread():
    holders, markers = [], []
    for _ in range(200):
        x, y = torch.ones(2), torch.ones(2)
        markers.append(marked(x))
        y.grad = x
        holders.append(y)
    del x, y
    threads = [threading.Thread(target=lambda: [holders.pop() for _ in range(50)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    gc.collect()
    assert not holders and not any(m() for m in markers)
