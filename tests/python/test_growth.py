"""Memory that calls take is given back: counted exactly after thousands of calls, by RSS after 200,000 of them.

RUSHLIGHT_FUZZ=all runs the long form.
"""

import copy
import ctypes
import functools
import gc
import io
import os
import pickle
import sys
import warnings

import numpy as np
import pytest
import rushlight as torch

LONG = os.environ.get("RUSHLIGHT_FUZZ") == "all"
CALLS = 200_000
MEGABYTE = 1 << 20


class Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def malloc_bytes():
    """Bytes that C and C++ code holds from malloc, None where the C library does not tell."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = Mallinfo
    info = library.mallinfo2()
    return info.uordblks + info.hblkhd


def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def held():
    gc.collect()
    return {
        "Python blocks": sys.getallocatedblocks(),
        "tensor bytes": torch.memory_stats()["allocated_bytes"],
        "malloc bytes": malloc_bytes(),
    }


# What one call may leave behind: nothing, with room for tables and free lists that fill up.
ROOM = {"Python blocks": 0.1, "tensor bytes": 1, "malloc bytes": 4}


def check_growth(call, calls):
    """A leak grows in every round; tables and free lists that fill up do not."""
    for _ in range(4):
        before, resident = held(), rss()
        for i in range(calls):
            call(i)
        after, grown = held(), rss() - resident
        grew = {
            n: (before[n], after[n])
            for n, room in ROOM.items()
            if before[n] is not None and after[n] - before[n] >= room * calls + 40
        }
        if not grew and not (LONG and grown >= MEGABYTE):
            return
    pytest.fail(f"grew again in {calls} calls: {grew}, RSS by {grown} bytes")


def raises(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception:
        return True
    return False


BASE = torch.arange(24.0).reshape(4, 6)
COMPLEX = BASE.to(torch.complex64)
ARRAY = np.arange(24.0).reshape(4, 6)

CASES = {
    "views": lambda i: (
        BASE[1:, ::2],
        BASE.t(),
        BASE.view(-1),
        BASE.unsqueeze(0),
        BASE.expand(2, 4, 6),
        BASE.unbind(1),
    ),
    "views of complex numbers": lambda i: (
        COMPLEX.real,
        COMPLEX.imag,
        COMPLEX.conj(),
        torch.view_as_real(COMPLEX),
        COMPLEX.mH,
    ),
    "views of dtypes": lambda i: (BASE.view(torch.int32), BASE.view(torch.uint8), BASE.as_strided((2, 3), (1, 2), 1)),
    "parts": lambda i: (
        BASE.split(2),
        BASE.chunk(3, 1),
        BASE.tensor_split(3),
        torch.hsplit(BASE, 2),
        BASE.unfold(1, 2, 1),
    ),
    "storages": lambda i: (
        BASE.untyped_storage(),
        torch.UntypedStorage(100),
        BASE.clone().untyped_storage().resize_(2000),
    ),
    "typed storages": lambda i: (BASE.storage()[3], torch.FloatStorage([1.0, 2.0]), BASE.storage().tolist()),
    "sizes": lambda i: (BASE.shape, BASE.stride(), torch.Size([i, 2]), BASE.size(), BASE.shape.numel()),
    "attributes": lambda i: (
        BASE.data,
        BASE.T,
        BASE.mT,
        BASE.dtype,
        BASE.device,
        BASE.layout,
        BASE.is_leaf,
        BASE._base,
    ),
    "own attributes": lambda i: setattr(torch.ones(2), "note", [i]),
    "numbers": lambda i: (BASE.tolist(), BASE[1, 2].item(), float(BASE[0, 0]), list(BASE[0]), bool(BASE[0, 1])),
    "numpy": lambda i: (
        BASE.numpy(),
        torch.from_numpy(ARRAY),
        np.asarray(BASE),
        torch.tensor(ARRAY),
        torch.as_tensor(ARRAY),
    ),
    "numpy copies": lambda i: (
        torch.from_numpy(ARRAY.copy()),
        BASE.clone().numpy(),
        torch.tensor([ARRAY[0], ARRAY[1]]),
    ),
    "dlpack": lambda i: (torch.from_dlpack(BASE), np.from_dlpack(BASE), torch.from_dlpack(ARRAY), BASE.__dlpack__()),
    "buffers": lambda i: (
        torch.frombuffer(bytearray(64), dtype=torch.int32),
        memoryview(ARRAY.tobytes()),
        torch.asarray(bytearray(b"1234")),
    ),
    "nested lists": lambda i: (
        torch.tensor([[1, 2], [3, i]]),
        torch.tensor([[True], [False]]),
        torch.stack([BASE[0], BASE[1]]),
    ),
    "indices": lambda i: (
        BASE[[0, 2]],
        BASE[:, [1, -1]],
        BASE[BASE > 3],
        BASE[None, ..., 1],
        BASE[True],
        BASE[torch.tensor([1, 2]), 0],
    ),
    "index assignment": lambda i: BASE.clone().__setitem__(([0, 1], slice(0, 2)), 5),
    "named tuples": lambda i: (
        BASE.max(1),
        BASE.sort(),
        BASE.topk(2),
        BASE.median(0),
        torch.aminmax(BASE),
        BASE.cummax(0),
        torch.frexp(BASE),
    ),
    "several results": lambda i: (
        torch.unique(BASE, return_inverse=True, return_counts=True),
        torch.var_mean(BASE),
        torch.broadcast_tensors(BASE, BASE[0]),
    ),
    "out": lambda i: (
        torch.add(BASE, 1, out=torch.empty(0)),
        torch.max(BASE, 1, out=(torch.empty(0), torch.empty(0, dtype=torch.int64))),
    ),
    "in place": lambda i: BASE.clone().add_(1).mul_(BASE).clamp_(0, 3).t_().unsqueeze_(0),
    "moved memory": lambda i: (
        torch.empty(0).set_(BASE),
        BASE.clone().resize_(2 + i % 40),
        torch.ones(3).__setattr__("data", BASE),
    ),
    "generators": lambda i: (
        torch.Generator().manual_seed(i),
        torch.rand(3, generator=torch.Generator()),
        torch.get_rng_state(),
    ),
    "texts": lambda i: (
        repr(BASE),
        str(BASE.dtype),
        repr(BASE.shape),
        f"{BASE[0, 0]:.3f}",
        repr(torch.device("cpu", 0)),
    ),
    "deep copies": lambda i: (copy.deepcopy(BASE), copy.copy(BASE), copy.deepcopy({"a": [BASE, BASE.t()]})),
    "pickles": lambda i: pickle.loads(pickle.dumps((BASE, BASE.t(), torch.float32, BASE.shape))),
    "functions": lambda i: (
        torch.einsum("ij,kj->ik", BASE, BASE),
        torch.where(BASE > 1, BASE, 0),
        torch.cat([BASE, BASE]),
        BASE @ BASE.t(),
    ),
    "formats": lambda i: (
        BASE.reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        BASE.to(torch.float64),
        BASE.half(),
    ),
    "modes": lambda i: torch.no_grad()(lambda: torch.inference_mode()(BASE.clone)())(),
    "modules": lambda i: torch.nn.Linear(2, 3).state_dict(),
}


@pytest.mark.parametrize("name", CASES)
def test_results_are_given_back(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_growth(CASES[name], CALLS if LONG else 400)


def test_training_steps_are_given_back():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    target = torch.tensor([0, 1, 2, 0])

    def step(i):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(BASE), target).backward()
        optimizer.step()

    check_growth(step, 100_000 if LONG else 400)


def test_graphs_that_raise_are_given_back():
    """Of every kind in turn: the forward, the backward, a hook, an unpack hook, a custom function."""

    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("no gradient here")

    def refuse(*_):
        raise ValueError("refused")

    w = torch.ones(4, 6, requires_grad=True)

    def forward_raises(y):
        y @ y

    def backward_raises(y):
        Refuses.apply(y).sum().backward()

    def hook_raises(y):
        y.register_hook(refuse)
        y.exp().sum().backward()

    def unpack_raises(y):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, refuse):
            z = y * y
        z.sum().backward()

    def change_is_found(y):
        z = y.exp()
        z.add_(1)
        z.sum().backward()

    kinds = [forward_raises, backward_raises, hook_raises, unpack_raises, change_is_found]

    def graph(i):
        assert raises(kinds[i % len(kinds)], torch.tanh(w * BASE) + 1)

    check_growth(graph, 50_000 if LONG else 400)


def test_checkpoints_are_given_back():
    def save_and_load(i):
        file = io.BytesIO()
        torch.save({"w": BASE, "view": BASE[1:], "n": i}, file)
        file.seek(0)
        torch.load(file)
        file.seek(100)
        file.write(b"\0" * 30)
        file.seek(0)
        raises(torch.load, file)

    check_growth(save_and_load, CALLS // 20 if LONG else 100)


WRONG = {
    "a type": lambda f: raises(f, object()),
    "no arguments": lambda f: raises(f),
    "a keyword": lambda f: raises(f, BASE, no_such_argument=1),
    "a dim": lambda f: raises(f, BASE, 77),
    "a shape": lambda f: raises(f, BASE, torch.ones(7, 7, 7)),
    "a dtype": lambda f: raises(f, torch.ones(3, dtype=torch.bool), "text"),
    "an out": lambda f: raises(f, BASE, out=3),
}
SKIPPED = {
    "as_torch",
    "set_num_threads",
    "set_num_interop_threads",
    "set_cache_limit",
    "manual_seed",
    "seed",
    "initial_seed",
    "set_rng_state",
}
SKIPPED |= {
    "set_default_dtype",
    "set_default_device",
    "set_default_tensor_type",
    "inference_mode",
    "set_grad_enabled",
    "set_warn_always",
}
SKIPPED |= {"set_printoptions", "use_deterministic_algorithms", "set_flush_denormal", "set_deterministic_debug_mode"}


@pytest.mark.parametrize("wrong", WRONG)
def test_errors_are_given_back(wrong):
    functions = [
        getattr(torch, name)
        for name in dir(torch)
        if name not in SKIPPED and not name.startswith("_") and isinstance(getattr(torch, name), type(torch.add))
    ]
    methods = [
        functools.partial(getattr(torch.Tensor, name), BASE.clone())
        for name in dir(torch.Tensor)
        if not name.startswith("_") and callable(getattr(torch.Tensor, name)) and name not in ("share_memory_", "imag")
    ]
    assert len(functions) > 300 and len(methods) > 400
    run = WRONG[wrong]
    wrong_methods = lambda f: raises(f, object(), object(), object(), no_such=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_growth(lambda i: run(functions[i % len(functions)]), CALLS if LONG else 3 * len(functions))
        check_growth(lambda i: wrong_methods(methods[i % len(methods)]), CALLS if LONG else 3 * len(methods))
