"""Random calls of everything there is with random and hostile objects: whatever happens, the process must not end.

hostile_calls.py SEED CALLS; prints the call before it is made if a third argument is given.
"""

import faulthandler
import gc
import inspect
import os
import random
import resource
import signal
import sys
import tempfile
import types
import warnings

import rushlight as torch

# What ends the process, waits for somebody, writes files or changes settings for all calls behind it.
SKIPPED = {
    "set_num_threads", "set_num_interop_threads", "set_printoptions", "from_file", "save", "load", "as_torch", "compile",
    "set_default_device", "set_default_dtype", "set_default_tensor_type", "set_deterministic_debug_mode",
    "use_deterministic_algorithms", "set_warn_always", "_set_fill_uninitialized", "set_flush_denormal", "_enter_device",
    "_exit_device", "share_memory_", "_share_filename_cpu_", "_share_fd_cpu_", "_new_shared", "set_anomaly_enabled",
}  # fmt: skip


class Stop(Exception):
    pass


class Hostile:
    """Objects of one case: tensors that all may change, and objects whose methods change them."""

    def __init__(self, rng):
        self.rng = rng
        self.depth = 0
        self.lists = [[1, 2], [], [[1, 2], [3, 4]]]
        self.tensors = [self.tensor() for _ in range(5)]
        self.classes = [
            self.duck(name) for name in ("numpy.int64", "numpy.ndarray", "numpy.float32", "D", "numpy.bool")
        ]
        self.subclass = self.tensor_class()

    def tensor(self):
        rng = self.rng
        shape = rng.choice(
            [(), (0,), (3,), (2, 3), (2, 0, 3), (1,), (2, 3, 4), (3, 3), (1, 1, 1, 1, 1, 1, 1, 2), (64,)]
        )
        names = ["float32", "float64", "int64", "int32", "uint8", "bool", "complex64", "float16", "bfloat16", "uint16"]
        t = torch.ones(shape, dtype=getattr(torch, rng.choice(names)))
        kind = rng.randrange(8)
        if kind == 0 and t.is_floating_point():
            t.requires_grad_()
        elif kind == 1 and t.dim() > 1:
            t = t.transpose(0, 1)
        elif kind == 2:
            t = t.expand(2, *t.shape)
        elif kind == 3 and t.is_complex():
            t = t.conj()
        elif kind == 4 and t.is_floating_point():
            t = t.requires_grad_() * 2
        return t

    def act(self):
        """Changes what somebody may be reading."""
        rng, t = self.rng, self.rng.choice(self.tensors)
        if self.depth > 2:
            return
        self.depth += 1
        try:
            kind = rng.randrange(12)
            if kind == 0:
                t.resize_(rng.choice([(0,), (5,), (2, 2)]))
            elif kind == 1:
                t.set_(self.tensor().to(t.dtype))
            elif kind == 2:
                t.data = self.tensor()
            elif kind == 3:
                rng.choice(self.lists).clear()
            elif kind == 4:
                rng.choice(self.lists).append(rng.choice([1, t, None, self]))
            elif kind == 5:
                t.untyped_storage().resize_(rng.choice([0, 64, 4096]))
            elif kind == 6:
                self.tensors[rng.randrange(len(self.tensors))] = self.tensor()
            elif kind == 7 and rng.random() < 0.02:
                gc.collect()
            elif kind == 8:
                t.squeeze_()
            elif kind == 9:
                t.sum().requires_grad_().backward()
            elif kind == 10:
                raise rng.choice([KeyError("no"), ValueError("\ud800"), RuntimeError("no"), IndexError(), TypeError()])
        except (RuntimeError, ValueError, IndexError, TypeError) as e:
            if rng.random() < 0.1:
                raise e
        finally:
            self.depth -= 1

    def value(self):
        return self.rng.choice([0, 1, -1, 2, 2**63, 2**70, 1.5, None, "x", (), [1], True, float("nan"), self])

    def duck(self, name):
        def method(*_, **__):
            self.act()
            return self.value()

        names = [
            "__index__", "__int__", "__float__", "__bool__", "__complex__", "__len__", "__getitem__", "__iter__", "__eq__",
            "__hash__", "__add__", "__radd__", "__mul__", "__call__", "__array__", "__dlpack__", "__lt__", "__contains__",
            "__next__", "__enter__", "__get__", "__format__", "__str__", "__repr__", "__del__", "__fspath__", "__neg__",
        ]  # fmt: skip
        return type(name, (), {n: method for n in names if self.rng.random() < 0.7})

    def tensor_class(self):
        act = self.act

        class Sub(torch.Tensor):
            def __del__(self):
                act()

            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                act()
                return super().__torch_function__(func, types, args, kwargs or {})

        return Sub

    def anything(self, depth=0):
        rng = self.rng
        kind = rng.randrange(34 if depth < 3 else 24)
        if kind < 8:
            return rng.choice(self.tensors)
        if kind < 12:
            return rng.choice([0, 1, 2, -1, -2, 3, 5, True, False])
        if kind == 12:
            return rng.choice([2**31, -(2**63), 2**63 - 1, 2**64, 10**30, 1 << 40])
        if kind == 13:
            return rng.choice([0.5, float("inf"), float("nan"), -1.0, 1e300, 1j])
        if kind == 14:
            return rng.choice(["", "mean", "\ud800", "x" * 300, "cpu", "ij,jk->ik", "sum", "trunc", "a\0b"])
        if kind == 15:
            return rng.choice([None, Ellipsis, NotImplemented, int, torch.Tensor, type, object(), torch])
        if kind == 16:
            return rng.choice([torch.float32, torch.int64, torch.bool, torch.complex64, torch.strided, torch.float16])
        if kind == 17:
            return rng.choice([torch.device("cpu"), torch.Size([2, 3]), torch.Generator(), torch.contiguous_format])
        if kind == 18:
            return rng.choice([b"abcd", bytearray(8), memoryview(b"abcdefgh"), range(3), {1: 2}, {"a": 1}, {1, 2}])
        if kind == 19:
            return rng.choice(self.tensors).untyped_storage()
        if kind in (20, 21, 22):
            return rng.choice(self.classes)()
        if kind == 23:
            return rng.choice([lambda *a, **k: a[0] if a else None, iter([1, 2]), (i for i in range(3)), Stop])
        if kind == 24:
            return slice(*(rng.choice([None, 1, -1, 2, rng.choice(self.classes)()]) for _ in range(3)))
        if kind == 25:
            return rng.choice(self.lists)
        if kind == 26:
            own = [1]
            own.append(own)
            return own
        if kind == 27:
            return torch.ones(2, 3).as_subclass(self.subclass)
        items = [self.anything(depth + 1) for _ in range(rng.randrange(4))]
        return items if kind % 2 else tuple(items)


def targets():
    found = []
    modules = [torch, torch.nn.functional, torch.special, torch.linalg, torch.fft, torch.autograd, torch.masked]
    for module in modules:
        for name in sorted(dir(module)):
            thing = getattr(module, name)
            if name in SKIPPED or isinstance(thing, types.ModuleType) or not callable(thing):
                continue
            if inspect.isclass(thing) and not issubclass(thing, (torch.Tensor, tuple)):
                continue
            found.append((f"{module.__name__}.{name}", None, thing))
    for owner in (torch.Tensor, torch.UntypedStorage):
        for name in sorted(dir(owner)):
            if name not in SKIPPED and name not in ("__init_subclass__", "__subclasshook__", "__class__", "__new__"):
                found.append((f"{owner.__name__}.{name}", owner, name))
    return found


def call(case, target):
    name, owner, thing = target
    rng = case.rng
    args = [case.anything() for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))]
    names = [
        "dim",
        "out",
        "dtype",
        "keepdim",
        "size",
        "other",
        "generator",
        "input",
        "\ud800",
        "requires_grad",
        "index",
    ]
    kwargs = {rng.choice(names): case.anything() for _ in range(rng.choice([0, 0, 0, 1, 2]))}
    if owner is None:
        if args and rng.random() < 0.6:
            args[0] = rng.choice(case.tensors)
        return thing(*args, **kwargs)
    self = rng.choice(case.tensors)
    if owner is torch.UntypedStorage:
        self = self.untyped_storage()
    attribute = getattr(self, thing)
    return attribute(*args, **kwargs) if callable(attribute) else setattr(self, thing, args[0] if args else None)


def main(seed, calls, shown):
    faulthandler.enable()
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda *_: None
    if "RUSHLIGHT_SANITIZED" not in os.environ:  # sanitizers reserve address space, and have a limit of their own
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
    os.chdir(tempfile.mkdtemp())

    def late(*_):
        raise Stop

    signal.signal(signal.SIGALRM, late)
    every = targets()
    for number in range(calls):
        rng = random.Random(f"{seed} {number}")
        target = rng.choice(every)
        if shown:
            print(number, target[0], flush=True)
        signal.setitimer(signal.ITIMER_REAL, 5)
        try:
            case = Hostile(rng)
            result = call(case, target)
            if isinstance(result, torch.Tensor) and result.numel() < 10_000:
                repr(result)
                result.sum()
        except Exception:  # noqa: S110
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        del number
        case = result = None
    gc.collect()
    print("done", len(every))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3)
