"""Backwards that run at the same time, within one another, and beside a fork."""

import gc
import os
import signal
import threading
import time

import pytest
import rushlight as torch
import rushlight.nn.functional as F
from rushlight.autograd import Function
from rushlight.autograd.graph import saved_tensors_hooks
from rushlight.utils.checkpoint import checkpoint


def on_threads(count, run):
    """Run run(i) on threads; what one of them raises is raised here."""
    errors = []

    def guarded(i):
        try:
            run(i)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(i,), daemon=True) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads)
    if errors:
        raise errors[0]


@pytest.mark.parametrize("where", ["leaf", "result", "node", "prenode", "accumulated", "function"])
def test_hooks_of_two_backwards_wait_for_each_other(where):
    barrier = threading.Barrier(2, timeout=30)

    class Meet(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            barrier.wait()
            return g

    def replica(i):
        def meet(*args):
            barrier.wait()

        w = torch.full((3,), i + 1.0, requires_grad=True)
        y = Meet.apply(w) if where == "function" else w * 2
        if where == "leaf":
            w.register_hook(meet)
        elif where == "result":
            y.register_hook(meet)
        elif where == "node":
            y.grad_fn.register_hook(meet)
        elif where == "prenode":
            y.grad_fn.register_prehook(meet)
        elif where == "accumulated":
            w.register_post_accumulate_grad_hook(meet)
        (y * w).sum().backward()
        assert w.grad.tolist() == [(2 if where == "function" else 4) * (i + 1.0)] * 3

    on_threads(2, replica)


@pytest.mark.parametrize("where", ["leaf", "result", "node", "function"])
def test_hooks_meet_on_one_graph(where):
    """The same with two backwards over the same nodes."""
    barrier = threading.Barrier(2, timeout=30)

    class Meet(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            barrier.wait()
            return g * ctx.saved_tensors[0] / ctx.saved_tensors[0]

    def meet(*args):
        barrier.wait()

    w = torch.ones(3, requires_grad=True)
    y = Meet.apply(w) if where == "function" else w * 2
    if where == "leaf":
        w.register_hook(meet)
    elif where == "result":
        y.register_hook(meet)
    elif where == "node":
        y.grad_fn.register_hook(meet)
    z = (y * w).sum()
    on_threads(2, lambda i: z.backward(retain_graph=True))
    assert w.grad.tolist() == [4 if where == "function" else 8] * 3


def test_gradients_of_one_leaf_add_up():
    w = torch.ones(200, 200, requires_grad=True)

    def run(i):
        for _ in range(20):
            ((w * w) @ torch.ones(200, 200)).sum().backward()

    on_threads(4, run)
    assert w.grad.unique().tolist() == [4 * 20 * 2 * 200]


def test_one_graph_with_many_nodes_on_several_threads():
    w = torch.ones(50, 50, requires_grad=True)
    y = w
    parts = []
    for _ in range(40):
        y = (y * 1.01).tanh() + w
        parts.append(y.sum())
    z = sum(parts)
    z.backward(retain_graph=True)
    once = w.grad.clone()
    w.grad = None
    on_threads(4, lambda i: [z.backward(retain_graph=True) for _ in range(5)])
    assert torch.allclose(w.grad, once * 20, rtol=1e-4)


def test_a_graph_is_freed_by_one_of_two():
    """Without retain_graph each backward has the right result or says that the graph is gone."""
    for _ in range(30):
        w = torch.ones(100, 100, requires_grad=True)
        z = ((w @ w).exp().log() * w).sum()
        done = []

        def run(i, z=z, done=done):
            try:
                torch.autograd.backward(z)
                done.append(1)
            except RuntimeError as e:
                assert "second time" in str(e)

        on_threads(2, run)
        assert len(done) <= 2


def test_retained_gradient_of_a_tensor_that_dies():
    for _ in range(5):
        x = torch.ones(1_000_000, requires_grad=True)
        y = x * 2
        y.retain_grad()
        z = y.sum() * 1.0
        box = [y]
        del y
        started = threading.Event()
        box[0].register_hook(lambda g, started=started: started.set())
        keep = []

        def killer(box=box, keep=keep, started=started):
            started.wait(30)
            box.clear()
            keep.extend(torch.zeros(1, requires_grad=True) for _ in range(40))
            for k in keep:
                k.grad = torch.ones(1)

        t = threading.Thread(target=killer)
        t.start()
        z.backward()
        t.join()
        for k in keep:
            assert k.grad.item() == 1
            assert k.shape == (1,)


def test_gradient_that_is_set_to_none_meanwhile():
    x = torch.ones(500_000, requires_grad=True)
    stop = threading.Event()

    def clear():
        while not stop.is_set():
            x.grad = None

    t = threading.Thread(target=clear)
    t.start()
    try:
        for _ in range(50):
            (x * 2 + x).sum().backward()
    finally:
        stop.set()
        t.join()


UNPACKED = {
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "exp": lambda x, y: (x * y).exp(),
    "bce": lambda x, y: F.binary_cross_entropy(x, y.detach(), reduction="none"),
    "mse": lambda x, y: F.mse_loss(x, y, reduction="none"),
    "lerp": lambda x, y: torch.lerp(x, y, torch.rand(4, requires_grad=True)),
    "where": lambda x, y: torch.where(x > 0.5, x * y, y),
    "prod": lambda x, y: torch.prod(x * 1.0),
    "mm": lambda x, y: torch.mm(x.reshape(2, 2), y.reshape(2, 2)),
    "addcmul": lambda x, y: torch.addcmul(x, x, y),
    "softmax": lambda x, y: x.softmax(0) * y,
    "norm": lambda x, y: x.norm() * y,
    "index": lambda x, y: x[torch.tensor([0, 1])] * y[:2],
    "cumprod": lambda x, y: x.cumprod(0),
    "einsum": lambda x, y: torch.einsum("i,j->ij", x, y),
    "linear": lambda x, y: F.linear(x.reshape(2, 2), y.reshape(2, 2)),
    "layer_norm": lambda x, y: F.layer_norm(x, (4,), y),
    "in place": lambda x, y: (x * 1.0)[:2].mul_(y[:2]),
    "function": lambda x, y: Keeps.apply(x, y),
}


class Keeps(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * y, g * x


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("which", UNPACKED)
def test_backward_within_unpack_hook_frees_the_graph(which, nth):
    """Either the gradient of two backwards, or the error that the graph is freed; never a crash."""
    state = {"n": 0, "loss": None}

    def unpack(t):
        state["n"] += 1
        if state["n"] == nth:
            state["loss"].backward()
        return t

    x, y = (torch.rand(4).add(0.1).div(1.2).requires_grad_() for _ in range(2))
    with saved_tensors_hooks(lambda t: t, unpack):
        out = UNPACKED[which](x, y)
    state["loss"] = out.sum()
    try:
        state["loss"].backward()
    except RuntimeError as e:
        assert "second time" in str(e)
        return
    found, x.grad = x.grad, None
    if which == "lerp":
        return
    UNPACKED[which](x, y).sum().backward()
    assert torch.allclose(found, x.grad * (2 if state["n"] >= nth else 1))


@pytest.mark.parametrize("where", ["unpack", "hook", "function"])
def test_nested_backwards_of_other_graphs(where):
    """Each level runs the next one's; beyond 100 levels on threads of their own."""
    depth = 130
    count = [0]

    @torch.enable_grad()
    def deeper(level):
        x = torch.ones(2, requires_grad=True)

        def nested(*args):
            count[0] += 1
            if level < depth:
                deeper(level + 1)

        if where == "unpack":
            seen = []

            def unpack(t):
                if not seen:
                    seen.append(1)
                    nested()
                return t

            with saved_tensors_hooks(lambda t: t, unpack):
                y = x.exp()
        elif where == "hook":
            y = x * 2
            y.register_hook(nested)
        else:

            class Nest(Function):
                @staticmethod
                def forward(ctx, x):
                    return x * 1

                @staticmethod
                def backward(ctx, g):
                    nested()
                    return g

            y = Nest.apply(x)
        y.sum().backward()
        assert x.grad is not None

    deeper(1)
    assert count[0] == depth


def test_nested_backwards_of_one_graph_on_helper_threads():
    """All levels run the same nodes while the outer ones hold them."""
    x = torch.ones(2, requires_grad=True)
    level = [0]
    loss = []

    def unpack(t):
        level[0] += 1
        if level[0] < 220:
            loss[0].backward(retain_graph=True)
        return t

    with saved_tensors_hooks(lambda t: t, unpack):
        loss.append(x.exp().sum())
    loss[0].backward()
    assert level[0] == 220
    assert torch.allclose(x.grad, torch.full((2,), 220 * 2.718281828))


def test_reentrant_checkpoints_on_threads():
    w = torch.ones(20, 20, requires_grad=True)

    def run(i):
        for reentrant in (True, False, True):
            y = checkpoint(
                lambda u: checkpoint(lambda v: (v @ v).tanh(), u * 0.01, use_reentrant=reentrant),
                w * 1.0,
                use_reentrant=reentrant,
            )
            y.sum().backward()

    run(0)
    once = w.grad.clone()
    w.grad = None
    on_threads(3, run)
    assert torch.allclose(w.grad, once * 3)


def test_release_while_saved_hooks_are_registered():
    x = torch.ones(2, requires_grad=True)
    y = (x.exp() * x).sum()
    node = y.grad_fn.next_functions[0][0]

    def pack(t):
        y.backward()
        return t

    node._raw_saved_self.register_hooks(pack, lambda t: t)
    assert torch.allclose(x.grad, torch.full((2,), 2 * 2.718281828))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_beside_backward():
    """The child of a process whose other thread runs a backward can run its own, over the same leaf and graph."""
    x = torch.rand(200, 200, requires_grad=True)
    shared = (x @ x).exp().mean()
    stop = threading.Event()

    def work():
        while not stop.is_set():
            shared.backward(retain_graph=True)
            (x @ x).exp().sum().backward()

    @torch.enable_grad()
    def deep(level):
        y = torch.ones(1, requires_grad=True)
        if level:
            y.register_hook(lambda g: deep(level - 1))
        (y * 2).backward()

    t = threading.Thread(target=work, daemon=True)
    t.start()
    try:
        for _ in range(8):
            time.sleep(0.01)
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    y = torch.ones(3, requires_grad=True)
                    (y * 2).sum().backward()
                    shared.backward(retain_graph=True)
                    (x * x).sum().backward()
                    deep(120)
                    gc.collect()
                    code = 0
                finally:
                    os._exit(code)
            end = time.monotonic() + 60
            while True:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    break
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    pytest.fail("the child hangs")
                time.sleep(0.01)
            assert status == 0
    finally:
        stop.set()
        t.join()
