"""Memory and gradients that keep others alive, in chains of any length, are freed without recursion."""

import pytest
from helpers import run_child

# Each makes one more link: the new end of the chain.
LINKS = {
    "numpy": ("torch.ones(4)", "torch.from_numpy(x.numpy())"),
    "dlpack": ("torch.ones(4)", "torch.from_dlpack(x)"),
    "capsule": ("torch.ones(4)", "torch.from_dlpack(x.__dlpack__())"),
    "buffer": ("torch.ones(4)", "torch.frombuffer(memoryview(x), dtype=torch.float32)"),
    "tensor as buffer": ("torch.ones(4)", "torch.frombuffer(x, dtype=torch.float32)"),
    "part of a buffer": ("torch.ones(4)", "torch.frombuffer(x, dtype=torch.float32, count=3, offset=0)"),
    "storage": ("torch.ones(4).untyped_storage()", "x[0:16]"),
    "storage and tensor": ("torch.ones(4)", "torch.tensor([]).set_(x.untyped_storage()[0:16], 0, (4,))"),
    "typed storage": ("torch.ones(4)", "torch.tensor([]).set_(x.storage()._untyped_storage[0:16], 0, (4,))"),
    "mixed": ("torch.ones(4)", "torch.from_dlpack(torch.from_numpy(x.numpy()))"),
    "array": ("torch.ones(4)", "torch.as_tensor(np.asarray(x))"),
    "pickle buffer": ("torch.ones(4)", "torch.frombuffer(pickle.PickleBuffer(x), dtype=torch.float32)"),
    "gradient": ("torch.ones(1)", "linked(torch.ones(1), 'grad', x)"),
    "gradient of a leaf": ("torch.ones(1)", "linked(torch.ones(1, requires_grad=True), 'grad', x)"),
    "gradient of a result": ("torch.ones(1)", "linked(torch.ones(1, requires_grad=True) * 1, 'grad', x.detach())"),
    "attribute": ("torch.ones(1)", "linked(torch.ones(1), 'before', x)"),
    "attribute of a subclass": ("torch.ones(1)", "linked(torch.ones(1).as_subclass(Sub), 'before', x)"),
    "attribute of a gradient": ("torch.ones(1)", "attribute_of_gradient(x)"),
    "hook": ("torch.ones(1)", "hooked(torch.ones(1, requires_grad=True), x)"),
    "hook of a node": ("torch.ones(1)", "hooked(torch.ones(1, requires_grad=True) * 1, x)"),
    "view": ("torch.ones(1)", "x[:]"),
    "graph": ("torch.ones(1, requires_grad=True)", "x * 1"),
    "saved": ("torch.ones(1, requires_grad=True)", "x.exp() * x"),
    "saved by hooks": ("torch.ones(1, requires_grad=True)", "packed(x)"),
    "function": ("torch.ones(1, requires_grad=True)", "Keep.apply(x)"),
    "context": ("torch.ones(1)", "Other.apply(torch.ones(1, requires_grad=True), x)"),
    "storage attribute": ("torch.ones(1).untyped_storage()", "linked(torch.ones(1).untyped_storage(), 'before', x)"),
}

PROGRAM = """
import pickle, threading
import numpy as np
class Sub(torch.Tensor):
    pass
class Keep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.mine = x
        return x.clone()
class Other(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, x):
        ctx.mine = x
        return y.clone()
def linked(new, name, old):
    setattr(new, name, old)
    return new
def attribute_of_gradient(x):
    new = torch.ones(1, requires_grad=True)
    new.grad = torch.ones(1)
    new.grad.before = x
    return new
def hooked(new, old):
    new.register_hook(lambda g: old)
    return new
def packed(x):
    with torch.autograd.graph.saved_tensors_hooks(lambda t: [t], lambda p: p[0]):
        return x.exp()
def run():
    x = {start}
    for _ in range({count}):
        x = {link}
    y = x
    del x
    del y
    done.append(True)
done = []
{call}
assert done
"""


@pytest.mark.parametrize("start, link", LINKS.values(), ids=LINKS)
def test_chains_on_a_small_stack(start, link):
    """A chain of 30,000 on a thread with 256 KiB of stack, where 10 bytes a link would be too much."""
    call = "threading.stack_size(1 << 18)\nt = threading.Thread(target=run)\nt.start()\nt.join()"
    run_child(PROGRAM.format(start=start, link=link, count=30_000, call=call))


@pytest.mark.parametrize("name", ["numpy", "storage", "gradient"])
def test_chains_of_a_million(name):
    start, link = LINKS[name]
    run_child(PROGRAM.format(start=start, link=link, count=1_000_000, call="run()"))


def test_middles_of_chains_stay():
    """What somebody else still holds of a chain is not freed with it."""
    run_child("""
        kept, x = [], torch.arange(4.0)
        for i in range(10_000):
            x = torch.from_numpy(x.numpy())
            if i % 1000 == 0:
                kept.append(x)
        del x
        assert all(k.tolist() == [0, 1, 2, 3] for k in kept)
        kept[5].add_(1)
        del kept[6:]
        assert kept[0].tolist() == [1, 2, 3, 4]
    """)
