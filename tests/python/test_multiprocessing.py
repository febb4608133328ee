"""Memory that processes share: share_memory_(), and tensors that go to other processes through multiprocessing."""

import gc
import io
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import rushlight as torch
import rushlight.multiprocessing as mp

METHODS = ["fork", "spawn"]
WAIT = 120

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(params=["file_descriptor", "file_system"])
def strategy(request):
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy(request.param)
    yield request.param
    mp.set_sharing_strategy(before)


def run(method, target, *args):
    """target(*args) in a process of its own, which must end well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking beside threads
        process = mp.get_context(method).Process(target=target, args=args)
        process.start()
    process.join(WAIT)
    assert process.exitcode == 0


class Marked(torch.Tensor):
    pass


# ---- in one process
def test_moves_in_place():
    t = torch.arange(6.0).reshape(2, 3)
    view, alias, storage = t[1], t.detach(), t.untyped_storage()
    old = t.data_ptr()
    assert not t.is_shared() and not storage.is_shared() and not t.storage().is_shared()
    assert view.share_memory_() is view
    assert all(x.is_shared() for x in (t, view, alias, storage, t.storage()))
    assert t.data_ptr() != old and alias.data_ptr() == t.data_ptr() and view.data_ptr() == t.data_ptr() + 12
    assert t.untyped_storage() is storage and t.tolist() == [[0, 1, 2], [3, 4, 5]]
    view[0] = 9
    assert alias[1, 0] == 9
    moved = t.data_ptr()
    t.share_memory_()
    assert t.data_ptr() == moved
    assert not t.clone().is_shared() and not (t + 1).is_shared() and not storage.clone().is_shared()
    empty = torch.empty(0)
    assert not empty.is_shared() and empty.share_memory_() is empty and empty.is_shared()
    for made in (
        torch.UntypedStorage(8).share_memory_(),
        torch.FloatStorage(3).share_memory_(),
        torch.UntypedStorage._new_shared(8),
    ):
        assert made.is_shared()


def test_sizes_stay():
    t = torch.arange(4.0).share_memory_()
    with pytest.raises(RuntimeError, match="not resizable"):
        t.resize_(100)
    with pytest.raises(RuntimeError, match="not resizable"):
        t.untyped_storage().resize_(4)
    assert not t.untyped_storage().resizable() and t.resize_(2).tolist() == [0, 1] and t.resize_(4).tolist()[3] == 3
    # What a shrunken storage does not count any more may still be seen.
    u = torch.arange(5000.0)
    tail = u[4000:]
    u.untyped_storage().resize_(16)
    u.share_memory_()
    assert tail.shape == (1000,) and u[:4].tolist() == [0, 1, 2, 3]
    tail.fill_(1)
    assert tail.sum().item() == 1000


def test_autograd():
    p = torch.ones(3, requires_grad=True)
    loss = (p * p).sum()
    p.share_memory_()
    loss.backward()
    assert p.is_leaf and p.is_shared() and p.grad.tolist() == [2, 2, 2]
    made = (p * 2).share_memory_()
    made.sum().backward()
    assert made.is_shared() and p.grad.tolist() == [4, 4, 4]


def test_memory_of_others_is_copied():
    a = np.arange(4.0)
    t = torch.from_numpy(a)
    t.share_memory_()
    t[0] = 7
    assert a.tolist() == [0, 1, 2, 3] and t.tolist() == [7, 1, 2, 3]
    # Memory whose address has been handed out stays where it is until the storage goes.
    for n in (3, 3000):
        t = torch.arange(float(n))
        given, buffer = t.numpy(), memoryview(t)
        t.share_memory_()
        t.fill_(5)
        assert given[-1] == n - 1 and buffer[1] == 1 and t.numpy()[0] == 5
        given[:] = 1
        assert t.tolist() == [5] * n
        del t
        gc.collect()
        assert given.sum() == n


def test_modules():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    model.register_buffer("count", torch.zeros(1))
    parameters = list(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert model.share_memory() is model
    assert all(p.is_shared() and p.grad.is_shared() for p in model.parameters()) and model.count.is_shared()
    assert all(p is q for p, q in zip(parameters, model.parameters(), strict=True))
    before = parameters[0].detach().clone()
    optimizer.step()
    assert not torch.equal(before, model[0].weight)


def test_refusals():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        ForkingPickler.dumps(x * 2)
    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        ForkingPickler.dumps({"a": [x * 2]})
    with pytest.raises(AssertionError, match="invalid sharing strategy 'fast'"):
        mp.set_sharing_strategy("fast")
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
    assert mp.get_sharing_strategy() == "file_descriptor"
    with pytest.raises(RuntimeError, match="bytes"):
        s = torch.UntypedStorage(8).share_memory_()
        torch.UntypedStorage._new_shared_fd_cpu(s._share_fd_cpu_()[0], 1 << 20)
    with pytest.raises(RuntimeError, match="unable to"):
        torch.UntypedStorage._new_shared_fd_cpu(-1, 8)
    with pytest.raises(RuntimeError, match="unable to open"):
        torch.UntypedStorage._new_shared_filename_cpu(b"", b"/nowhere/nothing", 8)


def test_ordinary_pickles_are_copies():
    t = torch.ones(3)
    made = pickle.loads(pickle.dumps(t))
    made[0] = 2
    assert not t.is_shared() and not made.is_shared() and t.tolist() == [1, 1, 1]


def test_handles():
    s = torch.UntypedStorage([1, 2, 3])
    descriptor, n = s._share_fd_cpu_()
    assert n == 3 and s.is_shared() and s._share_fd_cpu_() == (descriptor, 3)
    assert torch.UntypedStorage._new_shared_fd_cpu(descriptor, 3) is s
    manager, path, n = s._share_filename_cpu_()
    assert n == 3 and torch.UntypedStorage._new_shared_filename_cpu(manager, path, 3) is s
    own = os.dup(descriptor)
    del s
    gc.collect()
    again = torch.UntypedStorage._new_shared_fd_cpu(own, 3)  # the descriptor keeps the memory
    os.close(own)
    assert again.tolist() == [1, 2, 3] and again.is_shared()


# ---- forked children
def test_forked_children_see_and_write():
    t = torch.zeros(4)
    part = t[2:]
    part.share_memory_()
    t[3] = 1

    def work():
        assert part[1] == 1 and t.is_shared()
        t[1] = 5
        part[0] = 6

    run("fork", work)
    assert t.tolist() == [0, 5, 6, 1]


# ---- queues and arguments
def change_everything(queue, back, things):
    tensor, view, parameter, storage, conj, imag, marked, half = things
    assert all(t.is_shared() for t in things)
    assert view.untyped_storage() is tensor.untyped_storage() and view.stride() == (1, 3)
    assert parameter.requires_grad and type(parameter) is torch.nn.Parameter
    assert conj.is_conj() and imag.is_neg() and type(marked) is Marked and marked.name_ == "x"
    assert half.requires_grad and half.is_leaf
    view[0, 1] = 50
    with torch.no_grad():
        parameter.mul_(3)
        half.add_(1)
    storage[0] = 9
    conj[0] = 5 + 5j
    imag[1] = 7
    marked.add_(10)
    back.put(tensor)
    made = torch.arange(3)
    back.put(made)
    assert queue.get(timeout=WAIT) == "got it"  # the memory is there until it has been taken


@pytest.mark.parametrize("method", METHODS)
def test_tensors_go_to_processes(method, strategy):
    tensor = torch.arange(6.0).reshape(2, 3)
    parameter = torch.nn.Parameter(torch.ones(2))
    storage = torch.UntypedStorage([1, 2])
    z = torch.tensor([1 + 2j, 3 - 1j])
    marked = torch.ones(2).as_subclass(Marked)
    marked.name_ = "x"
    half = torch.ones(2, dtype=torch.float16, requires_grad=True)
    things = [tensor, tensor.t(), parameter, storage, z.conj(), z.conj().imag, marked, half]
    context = mp.get_context(method)
    queue, back = context.Queue(), context.Queue()
    if method == "fork":  # nothing is pickled: what is not shared would be a copy
        for t in things:
            t.share_memory_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        process = context.Process(target=change_everything, args=(queue, back, things))
        process.start()
    same, made = back.get(timeout=WAIT), back.get(timeout=WAIT)
    queue.put("got it")
    process.join(WAIT)
    assert process.exitcode == 0
    assert same.untyped_storage() is tensor.untyped_storage() and same.tolist() == [[0, 1, 2], [50, 4, 5]]
    assert parameter.tolist() == [3, 3] and storage.tolist() == [9, 2] and marked.tolist() == [11, 11]
    assert z.tolist() == [5 - 5j, 3 - 7j] and half.tolist() == [2, 2]
    assert made.tolist() == [0, 1, 2] and made.is_shared()
    if strategy == "file_system":
        assert all(s._count_messages(0) <= 1 for s in mp.reductions._sent.values())


def echo(connection):
    for _ in range(3):
        connection.send(connection.recv())
    connection.recv()


def test_pipes(strategy):
    ours, theirs = mp.Pipe()
    process = mp.get_context("spawn").Process(target=echo, args=(theirs,))
    process.start()
    for t in (torch.empty(0, 3), torch.tensor(True), torch.nn.Linear(2, 2)):
        ours.send(t)
        back = ours.recv()
        assert type(back) is type(t)
        if isinstance(t, torch.Tensor):
            assert back.shape == t.shape and back.dtype == t.dtype and back.data_ptr() == t.data_ptr()
        else:
            assert back.weight.data_ptr() == t.weight.data_ptr()
    ours.send(None)
    process.join(WAIT)
    assert process.exitcode == 0


def doubled(t):
    return t * 2


def test_pools():
    with mp.get_context("spawn").Pool(1) as pool:
        results = pool.map(doubled, [torch.ones(2), torch.arange(3)])
        assert [r.tolist() for r in results] == [[2, 2], [0, 2, 4]]


def set_first(t):
    t[0] = 9


def test_mapped_files(tmp_path):
    t = torch.from_file(str(tmp_path / "x"), shared=True, size=4)
    assert t.is_shared() and t.share_memory_() is t
    assert not torch.from_file(str(tmp_path / "x"), shared=False, size=4).is_shared()
    run("spawn", set_first, t)
    assert t.tolist() == [9, 0, 0, 0] and np.fromfile(tmp_path / "x", np.float32)[0] == 9
    os.rename(tmp_path / "x", tmp_path / "y")
    (tmp_path / "x").write_bytes(bytes(16))
    u = torch.from_file(str(tmp_path / "y"), shared=True, size=4)
    os.rename(tmp_path / "x", tmp_path / "y")
    with pytest.raises(RuntimeError, match="another one"):
        ForkingPickler.dumps(u)


def test_the_pickler_of_multiprocessing_needs_no_import():
    """A program that never names rushlight.multiprocessing shares as well."""
    program = """
        import multiprocessing as mp, sys
        import rushlight as torch

        def work(t, storage):
            t[0] = 5
            storage[0] = 7

        if __name__ == "__main__":
            t, s = torch.zeros(2), torch.UntypedStorage(1)
            context = mp.get_context("spawn")
            for args in ((t, s), (t, s)):
                p = context.Process(target=work, args=args)
                p.start(); p.join()
            assert t.tolist() == [5, 0] and s.tolist() == [7] and t.is_shared()
            from multiprocessing.reduction import ForkingPickler
            ForkingPickler.dumps(torch.UntypedStorage(1))
            print("shared")
    """
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"rushlight_share_{os.getpid()}.py")
    with open(path, "w") as file:
        file.write(textwrap.dedent(program))
    try:
        done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=WAIT)
    finally:
        os.unlink(path)
    assert done.stdout == "shared\n", done.stderr


# ---- nothing is left
def mappings():
    with open("/proc/self/maps") as file:
        return sum("memfd:rushlight" in line for line in file)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def shared_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssShmem")) * 1024


@linux
def test_memory_is_given_back():
    gc.collect()
    before, files, rss = mappings(), descriptors(), shared_bytes()
    names = set(os.listdir("/dev/shm"))
    for _ in range(50):
        t = torch.ones(1 << 20).share_memory_()  # 4 MiB
        assert t.sum().item() == 1 << 20
    assert mappings() == before + 1
    del t
    gc.collect()
    assert mappings() == before and descriptors() == files and shared_bytes() - rss < 1 << 20
    for _ in range(5):
        t = torch.ones(1 << 20)
        a = t.numpy()
        t.share_memory_()
        del t, a
    gc.collect()
    assert mappings() == before and descriptors() == files
    assert set(os.listdir("/dev/shm")) == names


def hold(t, ready):
    kept = torch.ones(1000).share_memory_()
    t[0] = kept.sum()
    ready.set()
    signal.pause()


@linux
@pytest.mark.parametrize("method", METHODS)
def test_killed_processes_leave_nothing(method, strategy):
    mp.reductions._sent.clear()
    gc.collect()
    names, before = set(os.listdir("/dev/shm")), mappings()
    t = torch.zeros(10).share_memory_()
    context = mp.get_context(method)
    ready = context.Event()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        process = context.Process(target=hold, args=(t, ready))
        process.start()
    assert ready.wait(WAIT)
    process.kill()
    process.join()
    assert t[0] == 1000
    del t, process, ready
    mp.reductions._sent.clear()
    gc.collect()
    assert mappings() == before
    assert {n for n in os.listdir("/dev/shm") if "rushlight" in n} <= names


def test_the_sender_keeps_what_was_not_taken():
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy("file_system")
    try:
        sent = ForkingPickler.dumps(torch.arange(4))
        gc.collect()
        got = pickle.loads(sent)
        assert got.tolist() == [0, 1, 2, 3]
        for _ in range(200):  # what was taken is let go of
            pickle.loads(ForkingPickler.dumps(torch.zeros(2)))
        assert len(mp.reductions._sent) < 70
    finally:
        mp.set_sharing_strategy(before)
        mp.reductions._sent.clear()


# ---- spawn()
def write_rank(rank, t, value):
    t[rank] = value


def fail_second(rank, t):
    if rank == 1:
        raise ValueError("the second fails")
    signal.pause()


def leave(rank, how):
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def test_spawn():
    t = torch.zeros(2).share_memory_()
    assert mp.spawn(write_rank, (t, 4), nprocs=2) is None
    assert t.tolist() == [4, 4]
    context = mp.start_processes(write_rank, (t, 5), nprocs=1, join=False, start_method="fork")
    assert len(context.pids()) == 1 and isinstance(context, mp.ProcessContext)
    while not context.join(timeout=1):
        pass
    assert t.tolist() == [5, 4] and context.join()
    with pytest.warns(FutureWarning, match="only supports start_method=spawn"):
        mp.spawn(write_rank, (t, 6), nprocs=1, start_method="fork")
    assert t.tolist() == [6, 4]


def test_spawn_tells_of_exceptions():
    t = torch.zeros(2).share_memory_()
    with pytest.raises(mp.ProcessRaisedException, match="(?s)-- Process 1 terminated.*the second fails") as raised:
        mp.start_processes(fail_second, (t,), nprocs=2, start_method="fork")
    assert raised.value.error_index == 1 and isinstance(raised.value, mp.ProcessException)
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 3") as exited:
        mp.start_processes(leave, ("exit",), start_method="fork")
    assert exited.value.exit_code == 3
    with pytest.raises(mp.ProcessExitedException, match="signal SIGKILL") as exited:
        mp.start_processes(leave, ("signal",), start_method="fork")
    again = pickle.loads(pickle.dumps(exited.value))
    assert again.signal_name == "SIGKILL" and again.exit_code == -9 and str(again) == str(exited.value)


def test_names():
    assert mp.Queue and mp.get_context("spawn").Process is multiprocessing.get_context("spawn").Process
    assert set(multiprocessing.__all__) <= set(mp.__all__) and all(hasattr(mp, name) for name in mp.__all__)
    assert torch.multiprocessing is mp
    buffer = io.BytesIO()
    pickle.Pickler(buffer).dump(torch.ones(1))
    assert pickle.loads(buffer.getvalue()).tolist() == [1]
