"""Ctrl-C ends long work soon, and what it leaves can be used."""

import sys

import pytest
from helpers import run_child

PROGRAM = """
import os, signal, threading, time, warnings
warnings.simplefilter("ignore")
torch.set_num_threads({threads})
{setup}
def work():
    global x
    {work}
pid = os.getpid()
threading.Timer(0.3, os.kill, (pid, signal.SIGINT)).start()
caught = False
try:
    for _ in range(1000):
        before = [t._version for t in written]
        work()
    print("never interrupted")
except KeyboardInterrupt:
    caught = True
assert caught
assert all(t._version > b for t, b in zip(written, before))
# Nothing is left locked or broken.
y = torch.ones(300_000, requires_grad=True)
(y * 2).exp().sum().backward()
assert y.grad.shape == (300_000,)
assert torch.randn(100_000).isfinite().all()
assert (torch.ones(300, 300) @ torch.ones(300, 300)).unique().tolist() == [300]
assert torch.arange(200_000).flip(0).sort().values[:3].tolist() == [0, 1, 2]
"""

WORK = {
    "backward": (
        "x = torch.ones(1, requires_grad=True)\ny = x\nfor _ in range(400_000): y = y * 1\nwritten = []",
        "y.sum().backward(retain_graph=True)",
    ),
    "backward of long steps": (
        "x = torch.ones(300_000, requires_grad=True)\ny = x\nfor _ in range(60): y = y.tanh()\nwritten = []",
        "y.sum().backward(retain_graph=True)",
    ),
    "elementwise": ("x = torch.rand(20_000_000)\nwritten = []", "torch.lgamma(x)"),
    "in place": ("x = torch.rand(20_000_000)\nwritten = [x]", "x.lgamma_()"),
    "operator in place": ("x = torch.rand(20_000_000)\nwritten = [x]", "x **= 1.5"),
    "out": ("x = torch.rand(20_000_000)\no = torch.empty_like(x)\nwritten = [o]", "torch.lgamma(x, out=o)"),
    "item": ("x = torch.zeros(20_000_000)\nwritten = [x]", "x[:] = torch.ones(1)"),
    "sum": ("x = torch.rand(20_000_000)\nwritten = []", "for _ in range(1000): x.sum()"),
    "matmul": ("x = torch.rand(1500, 1500)\nwritten = []", "for _ in range(1000): x @ x"),
    "complex matmul": ("x = torch.rand(900, 900).cfloat()\nwritten = []", "for _ in range(1000): x @ x"),
    "sort": ("x = torch.rand(2000, 10_000)\nwritten = []", "x.sort(dim=1)"),
    "random": ("written = []", "torch.randn(50_000_000)"),
    "index": ("x = torch.rand(5_000_000)\ni = torch.randint(0, 5_000_000, (5_000_000,))\nwritten = []", "x[i]"),
    "cdist": ("x = torch.rand(3000, 40)\nwritten = []", "torch.cdist(x, x, p=3.0)"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.kill")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", WORK)
def test_long_work_is_interrupted(name, threads):
    setup, work = WORK[name]
    run_child(PROGRAM.format(setup=setup, work=work, threads=threads), timeout=60)


def test_one_long_call_is_interrupted():
    """The exception comes out of the call that was running, not after it."""
    run_child("""
        import os, signal, threading
        torch.set_num_threads(1)
        x = torch.rand(100_000, 100)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        finished = False
        try:
            torch.cdist(x, x[:30_000], p=1.7)  # minutes, and 12 GB
            finished = True
        except KeyboardInterrupt:
            pass
        except torch.OutOfMemoryError:
            raise SystemExit(0)
        assert not finished
    """)


def test_handlers_of_the_program_run_and_work_goes_on():
    run_child("""
        import os, signal, threading
        seen = []
        def handler(*_):
            seen.append(float((torch.ones(200_000) * 2).sum()))
        signal.signal(signal.SIGUSR1, handler)
        x = torch.rand(10_000_000)
        expected = torch.lgamma(x)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        while not seen:
            assert torch.equal(torch.lgamma(x), expected)
        assert seen == [400_000.0]
    """)


def test_other_threads_are_not_interrupted():
    run_child("""
        import os, signal, threading, time
        x = torch.rand(5_000_000)
        expected = torch.lgamma(x)
        wrong = []
        def work():
            for _ in range(4):
                if not torch.equal(torch.lgamma(x), expected):
                    wrong.append(1)
        t = threading.Thread(target=work)
        t.start()
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            pass
        t.join()
        assert not wrong
    """)
