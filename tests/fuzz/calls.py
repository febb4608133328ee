"""Random calls of everything that the package has, with odd values: no crash, no hang, no SystemError, memory bounded.

    python tests/fuzz/calls.py --calls 200000 --jobs 2 --seed 0

A call is its number: `--seed 4711 --calls 1 --verbose` prints and runs it again.
"""

import argparse
import inspect
import os
import random
import re
import resource
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import children

MEMORY = 6 << 30  # address space of a child
BATCH = 5000
MODULES = (
    *("", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "autograd", "autograd.functional", "autograd.graph"),
    *("linalg", "fft", "special", "signal.windows", "masked", "overrides", "random", "serialization", "storage"),
    *("testing", "utils", "utils.dlpack", "array_api", "array_api.linalg", "array_api.fft", "functional", "_C"),
)
# What does not come back, by design, or changes how all later calls behave.
LEFT_OUT = {
    *("as_torch", "set_num_threads", "set_num_interop_threads", "set_cache_limit", "set_default_device"),
    *("set_default_tensor_type", "set_warn_always", "set_printoptions", "detect_anomaly", "set_detect_anomaly"),
    *(
        "__enter__",
        "__exit__",
        "_inference_mode",
        "_set_inference_mode",
        "use_deterministic_algorithms",
        "inference_mode",
        "set_grad_enabled",
        "set_default_dtype",
        "set_flush_denormal",
    ),
}


def targets(library):
    """(text, callable) of all functions, classes and methods, in a fixed order."""
    found = {}
    for path in MODULES:
        module = library
        for part in path.split(".") if path else ():
            module = getattr(module, part, None)
        if module is None:
            continue
        for name in sorted(dir(module)):
            if name in LEFT_OUT or (name.startswith("__") and name not in ("__version__",)):
                continue
            value = getattr(module, name, None)
            owner = getattr(value, "__module__", None) or ""
            if (
                callable(value)
                and not inspect.ismodule(value)
                and owner.split(".")[0] not in ("typing", "collections", "contextlib", "functools")
            ):
                found.setdefault(id(value), (f"{path or 'rushlight'}.{name}", value))
    methods = []
    for cls in (library.Tensor, library.Generator, library.Size, library.UntypedStorage, library.dtype, library.device):
        for name in sorted(dir(cls)):
            if name in LEFT_OUT or name in ("__class__", "__init_subclass__", "__subclasshook__", "__del__"):
                continue
            methods.append((f"{cls.__name__}.{name}", name, cls))
    return sorted(found.values(), key=lambda item: item[0]), methods


class Values:
    """Odd values, made anew for each call."""

    def __init__(self, library, seed):
        self.L, self.random = library, random.Random(seed)

    def one(self, *choices):
        return self.random.choice(choices)

    def tensor(self):
        L, one = self.L, self.one
        kind = self.random.randrange(16)
        dtype = getattr(
            L,
            one(
                "float32",
                "float32",
                "float64",
                "int64",
                "int32",
                "bool",
                "uint8",
                "complex64",
                "bfloat16",
                "float16",
                "uint16",
                "int8",
            ),
        )
        if kind < 5:
            return L.ones([self.random.randrange(4) for _ in range(self.random.randrange(4))], dtype=dtype)
        if kind == 5:
            return L.empty(one((0,), (0, 3), (2, 0, 4), (1,) * 64), dtype=dtype)
        if kind == 6:
            return L.ones(1, dtype=dtype).expand(one((5,), (3, 1), (2, 3, 4)))
        if kind == 7:
            return L.ones(12, dtype=dtype).as_strided((3, 4), one((1, 1), (0, 1), (2, 1), (0, 0)))
        if kind == 8:
            return L.full((3,), one(float("nan"), float("inf"), -float("inf"), 1e38, -0.0), dtype=L.float32)
        if kind == 9:
            return L.ones(2, 3, requires_grad=True)
        if kind == 10:
            return L.ones(2, 3, requires_grad=True) * 2
        if kind == 11:
            return L.ones(3, 4).t()[1:]
        if kind == 12:
            return L.ones(3, 2, dtype=L.complex64).conj()
        if kind == 13:
            return L.tensor(one(0, 1, -1, 2**62, True, 0.5, 1j))
        if kind == 14:
            return L.tensor([one(0, -1, 3, 2**62) for _ in range(3)])
        with L.inference_mode():
            return L.ones(2, 2)

    def value(self, depth=0):
        kind = self.random.randrange(30)
        one = self.one
        if kind < 9:
            return self.tensor()
        if kind < 12:
            return one(0, 1, -1, 2, 3, 5, -7, 64)
        if kind < 13:
            return one(2**31, 2**62, -(2**63), 2**63, 2**64, 2**200, -(2**64))
        if kind < 15:
            return one(0.5, -1.5, 0.0, float("nan"), float("inf"), 1e300, -0.0)
        if kind < 16:
            return one(None, True, False, ..., 1j, NotImplemented)
        if kind < 18:
            return one(
                "sum", "mean", "", "ij,jk->ik", "trunc", "cpu", "cuda", "float32", "\ud800", "a" * 3000, "linear", "\0"
            )
        if kind < 19:
            return one(b"", b"abc", bytearray(b"12345678"), memoryview(b"1234"))
        if kind < 22:
            return getattr(
                self.L,
                one(
                    "float32",
                    "int64",
                    "bool",
                    "complex64",
                    "strided",
                    "channels_last",
                    "preserve_format",
                    "uint8",
                    "complex32",
                ),
            )
        if kind < 25:
            sizes = tuple(
                one(0, 1, 2, 3, -1, 4, 2**40, 2**62) if self.random.random() < 0.2 else self.random.randrange(5)
                for _ in range(self.random.randrange(5))
            )
            return one(sizes, list(sizes), self.L.Size([abs(s) for s in sizes]))
        if kind == 25:
            loop = [1, 2]
            loop.append(loop)
            return loop
        if kind == 26:
            return one(slice(None), slice(1, None, 2), slice(5, 1), slice(None, None, -1), slice(0, 2**70))
        if kind == 27:
            return one(object(), int, len, lambda *a: None, {}, {"dim": 1}, set(), range(3), iter([1, 2]), (0,) * 70)
        if kind == 28:
            return one(self.L.device("cpu"), self.L.Generator(), self.L.UntypedStorage(16), self.L.Tensor, self.L.dtype)
        if depth > 2:
            return ()
        return one(list, tuple)(self.value(depth + 1) for _ in range(self.random.randrange(4)))

    def of_type(self, kind):
        """A value that a parameter of that type may take, often."""
        r = self.random
        if r.random() < 0.15:
            return self.value()
        if "Tensor[]" in kind:
            return [self.tensor() for _ in range(r.randrange(4))]
        if "Tensor" in kind:
            return self.tensor()
        if "[" in kind:
            return self.one(
                tuple(r.randrange(-1, 4) for _ in range(r.randrange(4))), r.randrange(4), (2**40, 2**40), (-1, 2)
            )
        if kind == "int":
            return self.one(0, 1, -1, 2, r.randrange(-3, 8), 2**62, -(2**63))
        if kind in ("Number", "Scalar", "float", "complex"):
            return self.one(0, 1, -2, 0.5, 3, True, float("nan"), 1e300, 2**63, 1j)
        if kind == "bool":
            return r.random() < 0.5
        if kind == "dtype":
            return getattr(
                self.L, self.one("float32", "int64", "bool", "complex64", "uint8", "float16", "uint64", "float64")
            )
        if kind == "device":
            return self.one("cpu", self.L.device("cpu"), "meta", "cuda:0", 0)
        return self.value()


SIGNATURE = re.compile(r"^\w+\((.*?)\)(?: -> .*)?$", re.M)
PARAMETER = re.compile(r"^(.+?)(\??) (\w+)(=.*)?$")


def signatures(f):
    """[(type, name, optional, keyword only)] of each form that the text of a function states."""
    found = []
    doc = getattr(f, "__doc__", None)  # a descriptor where f is a class whose instances have one
    for text in SIGNATURE.findall(doc if isinstance(doc, str) else ""):
        parameters, keyword = [], False
        for part in re.split(r", (?![^\[\(]*[\]\)])", text):
            keyword = keyword or part == "*"
            if m := PARAMETER.match(part):
                parameters.append((m[1], m[3], bool(m[2] or m[4]), keyword))
        if parameters:
            found.append(parameters)
    if not found and inspect.isfunction(f):
        kinds = inspect.Parameter
        known = inspect.signature(f).parameters.values()
        found.append(
            [
                ("", p.name, p.default is not kinds.empty, p.kind == kinds.KEYWORD_ONLY)
                for p in known
                if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
            ]
        )
    return found


def fitting(values, forms, bound):
    """Arguments for one of the forms; `bound`: the first one is there."""
    r = values.random
    args, kwargs = [], {}
    for kind, name, optional, keyword in r.choice(forms)[1 if bound else 0 :]:
        if optional and (keyword or len(kwargs) or r.random() < 0.6):
            if r.random() < 0.15:
                kwargs[name] = values.of_type(kind)
        elif keyword:
            kwargs[name] = values.of_type(kind)
        else:
            args.append(values.of_type(kind) if kind else values.value())
    return args, kwargs


KEYWORDS = (
    *("dim", "dtype", "out", "keepdim", "input", "other", "size", "n", "alpha", "beta", "value", "reduction", "device"),
    *("requires_grad", "generator", "index", "src", "descending", "stable", "k", "p", "weight", "bias", "dims", "mode"),
    *("rounding_mode", "correction", "unbiased", "memory_format", "start", "end", "step", "padding", "kernel_size"),
)


def call(values, functions, methods):
    """(text, f, args, kwargs) of one call."""
    r = values.random
    args = [values.value() for _ in range(r.choice((0, 1, 1, 2, 2, 3, 4, 6)))]
    kwargs = {r.choice(KEYWORDS): values.value() for _ in range(r.choice((0, 0, 0, 1, 1, 2)))}
    if r.random() < 0.6:
        text, name, cls = r.choice(methods)
        own = {"Tensor": values.tensor, "Size": lambda: values.L.Size([2, 3])}.get(cls.__name__)
        if cls.__name__ == "dtype":
            self = values.L.float32
        elif cls.__name__ == "device":
            self = values.L.device("cpu")
        else:
            self = own() if own else cls()
        try:
            member = getattr(self, name, None)
        except RuntimeError:  # attributes that some tensors do not have
            member = None
        if not callable(member):
            return f"{text} = ", lambda v=None: setattr(self, name, v), args[:1], {}
        if r.random() < 0.85 and (forms := signatures(member)):
            args, kwargs = fitting(values, forms, forms[0][0][1] in ("self", "input"))
        return text, member, args, kwargs
    text, f = r.choice(functions)
    if r.random() < 0.85 and (forms := signatures(f)):
        args, kwargs = fitting(values, forms, False)
    return text, f, args, kwargs


def attempt(number, library, functions, methods, verbose=False):
    """Runs call `number`; the text and the exception where it is a SystemError."""
    values = Values(library, number)
    text, f, args, kwargs = call(values, functions, methods)
    if verbose:
        print(text, [short(a) for a in args], {k: short(v) for k, v in kwargs.items()})
    try:
        result = f(*args, **kwargs)
        if isinstance(result, library.Tensor) and result.numel() < 1000:
            repr(result)
        elif inspect.isgenerator(result) or hasattr(result, "__next__"):
            for _, _ in zip(range(3), result):
                pass
    except SystemError as e:
        return f"{text}: {e!r}"
    except (Exception, SystemExit, GeneratorExit) as e:
        if verbose:
            print(repr(e)[:300])
        str(e)
    return None


def short(value):
    try:
        return repr(value)[:60]
    except Exception as e:
        return type(e).__name__


def work(first, last, report, beat, verbose=False):
    warnings.simplefilter("ignore")
    os.chdir(tempfile.mkdtemp())
    sys.stdin = open(os.devnull)  # noqa: SIM115
    if not verbose:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if "RUSHLIGHT_SANITIZED" not in os.environ:  # sanitizers reserve address space, and have a limit of their own
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))
    import rushlight

    rushlight.set_num_threads(1)
    worker = children.Worker(report, beat)
    functions, methods = targets(rushlight)
    state = rushlight.get_default_dtype()
    for number in range(first, last):
        worker.at(number)
        if found := attempt(number, rushlight, functions, methods, verbose):
            worker.say(number=number, found=found)
        # What a call may have switched on for all that follow.
        rushlight.set_default_dtype(state)
        rushlight.set_default_device("cpu")
        rushlight.set_grad_enabled(True)


def run(first, count, jobs, batch=BATCH, show=print):
    """(SystemErrors, deaths of children) of `count` calls."""
    return children.run(__file__, first, count, jobs, batch, show=show)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0, help="the number of the first call")
    parser.add_argument("--verbose", action="store_true", help="run the calls in this process and print them")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        first, last, report, beat = args.worker
        return work(int(first), int(last), report, beat)
    if args.verbose:
        with tempfile.NamedTemporaryFile() as beat:
            beat.write(b"\0" * 9)
            beat.flush()
            return work(args.seed, args.seed + args.calls, os.devnull, beat.name, True)
    entries, deaths = run(args.seed, args.calls, args.jobs)
    for e in entries:
        print(e)
    print(f"{args.calls} calls: {len(entries)} SystemErrors, {len(deaths)} deaths {deaths}")
    return 1 if entries or deaths else 0


if __name__ == "__main__":
    sys.exit(main())
