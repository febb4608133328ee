"""Other interpreters, forks, threads beside a kernel, and memory that ends."""

import sys

import pytest
from helpers import run_child, unsanitized

needs_fork = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and /proc")

# ---- subinterpreters

SUB = """
import sys
try:
    import _interpreters as sub
except ImportError:
    try:
        import _xxsubinterpreters as sub
    except ImportError:
        print("none")
        raise SystemExit(0)
def run(code):
    i = sub.create()
    try:
        failed = sub.run_string(i, code)
    except Exception as e:
        return str(e)
    finally:
        sub.destroy(i)
    return "" if failed is None else str(failed)
"""


def test_subinterpreters_are_refused():
    run_child(
        SUB
        + """
for _ in range(2):
    text = run("import rushlight as R; R.rand(2).sum()")
    assert "subinterpreters" in text, text
    text = run("try:\\n    import rushlight\\nexcept ImportError as e:\\n    assert 'subinterpreters' in str(e)\\n"
               "else:\\n    raise SystemError")
    assert text == "", text
x = torch.ones(3, requires_grad=True)
(x * 2).sum().backward()
assert x.grad.tolist() == [2, 2, 2] and repr(torch.ones(1)) == "tensor([1.])"
"""
    )


def test_a_subinterpreter_that_comes_first():
    import subprocess

    code = (
        SUB
        + """
text = run("import rushlight")
assert "subinterpreters" in text, text
import rushlight
assert rushlight.ones(3).sum().item() == 3
"""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# ---- forks


@needs_fork
@pytest.mark.parametrize("own", [False, True], ids=["default generator", "own generator"])
def test_fork_while_another_thread_draws(own):
    run_child(f"""
        import os, signal, threading, time
        g = torch.Generator() if {own} else torch.default_generator
        stop = []
        def work():
            while not stop:
                torch.randn(1_000_000, generator=g)
        t = threading.Thread(target=work)
        t.start()
        time.sleep(0.1)
        for _ in range(8):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                ok = torch.rand(3, generator=g).shape == (3,) and torch.randn(100_000, generator=g).isfinite().all()
                g.manual_seed(1)
                a = torch.rand(3, generator=g)
                ok = ok and torch.equal(a, torch.rand(3, generator=torch.Generator().manual_seed(1)))
                os._exit(0 if ok else 1)
            assert os.waitpid(pid, 0)[1] == 0
        stop.append(1)
        t.join()
    """)


@needs_fork
def test_fork_while_other_threads_work():
    run_child("""
        import os, signal, threading, time
        x = torch.rand(700, 700)
        stop = []
        def work():
            while not stop:
                (x @ x).sum(), torch.lgamma(torch.rand(300_000)), x.cfloat()[:200, :200] @ x.cfloat()[:200, :200]
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads: t.start()
        time.sleep(0.1)
        for _ in range(8):
            pid = os.fork()
            if pid == 0:
                signal.alarm(30)
                y = torch.ones(300_000, requires_grad=True)
                (y * 2).sum().backward()
                z = torch.ones(100_000)
                z.data = torch.zeros(200_000)
                os._exit(0 if y.grad[7] == 2 and (x @ x).shape == (700, 700) and z.sum() == 0 else 1)
            assert os.waitpid(pid, 0)[1] == 0
        stop.append(1)
        for t in threads: t.join()
    """)


# ---- memory that moves beside a kernel

CHANGES = {
    "data": "x.data = torch.full((4,), 2.0)",
    "set_": "x.set_(torch.full((4,), 2.0))",
    "resize_": "x.resize_(2 * N)",
    "storage": "x.untyped_storage().resize_(8 * N)",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("work", ["x.add_(1)", "x.sin_()", "torch.add(y, 1, out=x)", "x.copy_(y)", "x.zero_()"])
def test_memory_that_a_kernel_works_on_is_kept(change, work):
    """New memory of the same size is never what a running kernel still writes to."""
    run_child(f"""
        import threading, time
        N = 4_000_000
        y = torch.ones(N)
        for round in range(8):
            x = torch.ones(N)
            go = threading.Event()
            out = []
            def other():
                go.wait()
                time.sleep(0.0005)
                {change}
                z = torch.zeros(N)
                time.sleep(0.01)
                out.append(z)
            t = threading.Thread(target=other)
            t.start()
            go.set()
            for _ in range(3):
                if x.numel() == N:
                    try:
                        {work}
                    except RuntimeError:
                        pass
            t.join()
            assert out[0].count_nonzero() == 0
    """)


def test_gradients_dropped_while_they_grow():
    run_child("""
        import threading
        w = torch.ones(200_000, requires_grad=True)
        stop = []
        def drop():
            while not stop:
                w.grad = None
                w.grad = torch.zeros(200_000)
        t = threading.Thread(target=drop)
        t.start()
        for _ in range(200):
            (w * 2).sum().backward()
        stop.append(1)
        t.join()
    """)


# ---- memory that ends

LIMIT = """
import os, resource
def limit(extra):
    used = int(open("/proc/self/statm").read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, resource.RLIM_INFINITY))
def in_child(run):
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            run()
            code = 0
        except torch.OutOfMemoryError as e:
            code = 1 if "allocate" in str(e) else 2
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFEXITED(status), f"signal {status & 127}"
    return os.WEXITSTATUS(status)
"""


@needs_fork
@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float32", "float64"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_products_without_memory(dtype, warm):
    """OpenBLAS, which ends the process, is never asked when there is no room for its buffers."""
    run_child(
        LIMIT
        + f"""
torch.set_num_threads(1)
codes = []
for extra in range(2, 260, 16):
    def run():
        x = torch.rand(300, 300).to(torch.{dtype})
        v = torch.rand(300).to(torch.{dtype})
        if {warm}:
            x @ x
        limit(extra << 20)
        x @ x
        x @ v
    codes.append(in_child(run))
assert set(codes) <= {{0, 1}}, codes
assert codes[-1] == 0, codes
"""
    )


@needs_fork
@unsanitized
@pytest.mark.parametrize(
    "call",
    ["x.mode()", "x.median()", "x.nanmedian()", "x.kthvalue(7)", "x.sort()", "x.unique()", "x.flip(0)", "x.cumsum(0)",
     "x.argsort()", "x.topk(1_000_000)", "x.bincount()", "torch.randperm(4_000_000)", "x + 1", "x.float()"],
)  # fmt: skip
def test_scratch_without_memory(call):
    run_child(
        LIMIT
        + f"""
x = torch.arange(4_000_000)
def run():
    limit(1 << 20)
    {call}
code = in_child(run)
assert code in (0, 1), code
"""
    )


@unsanitized
@needs_fork
def test_pool_without_threads():
    """Where no thread can be started, work is done by the caller."""
    run_child("""
        import resource
        import threading
        torch.set_num_threads(64)
        x = torch.rand(2_000_000)
        y = torch.empty_like(x)
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), resource.RLIM_INFINITY))
        try:
            threading.Thread(target=int).start()
        except RuntimeError:
            torch.exp(x, out=y)
            assert x.sum() > 0
        else:
            raise SystemExit("a stack fits into the memory that is left")
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert torch.allclose(y.log(), x, atol=1e-5)
    """)
