"""Runs the steps of a program in both libraries and compares what they leave behind.

A step is one line of Python. It assigns tensors to `v1`, `v2`, ... or other results to `r1`, `r2`, ...; `L` is the
library, and the names of prelude.py are there as well.
"""

import functools
import math
import re
from pathlib import Path
from typing import NamedTuple

PRELUDE = (Path(__file__).parent / "prelude.py").read_text()
# Relative to the largest element.
TOLERANCE = {
    "float16": 4e-3,
    "complex32": 4e-3,
    "bfloat16": 3e-2,
    "float32": 2e-5,
    "complex64": 2e-5,
    "float64": 1e-9,
    "complex128": 1e-9,
}
FIELDS = (
    "type",
    "dtype",
    "shape",
    "strides",
    "offset",
    "requires_grad",
    "is_leaf",
    "version",
    "conj",
    "neg",
    "inference",
    "retains_grad",
    "grad_fn",
    "has_grad",
)
VERSION = FIELDS.index("version")
# Steps that may have changed something when they raise: they run hooks and write gradients.
STARTED = re.compile(r"backward\(|autograd\.grad\(|\.apply\(|deepcopy|pickle|register|Parameter|; ")
TARGET = re.compile(r"(?:with [^:]+: )?([rv]\d+)\b(?:, ([rv]\d+))?")
NAME = re.compile(r"\b([rv]\d+)\b")


class Difference(NamedTuple):
    field: str  # of FIELDS, or values, exception, grad, log, sharing, identity, own state
    step: int
    text: str
    name: str
    ours: object
    theirs: object

    @property
    def key(self):
        """What differences of one cause have in common before they are shrunk."""
        kind = self.field
        if kind == "exception":
            kind += f" {kind_of(self.ours)}/{kind_of(self.theirs)}"
        elif kind == "grad_fn":
            kind += f" {self.ours}/{self.theirs}"
        return f"{kind} | {operation(self.text)}"


def kind_of(e):
    return type(e).__name__ if isinstance(e, BaseException) else "-"


def operation(text):
    """The step without the names and numbers that are its own."""
    return re.sub(r"-?\b\d+(\.\d*)?j?\b", "#", re.sub(r"\b[rv]\d+\b", "v", text))


@functools.lru_cache(4096)
def compiled(text):
    return compile(text, "<step>", "exec")


class Machine:
    """One library: the names that its steps see."""

    def __init__(self, library):
        self.library = library
        self.base = {"L": library}
        exec(compile(PRELUDE, "prelude.py", "exec"), self.base)
        exec("import copy, gc, io, math, pickle, weakref", self.base)
        self.Tensor = library.Tensor
        self.reset()

    def reset(self):
        self.names = dict(self.base)
        self.log = self.names["log"]
        self.log.clear()
        return self

    def step(self, text):
        try:
            exec(compiled(text), self.names)
        except Exception as e:
            return e
        return None

    def pool(self):
        """The tensors of the program by name."""
        return {k: t for k, t in self.names.items() if k[0] == "v" and k[1:].isdigit() and isinstance(t, self.Tensor)}


def attempt(f, *args):
    try:
        return f(*args)
    except Exception as e:
        return kind_of(e)


def node_name(t):
    f = t.grad_fn
    return None if f is None else type(f).__name__


def strides(t, shape):
    """Those that are followed: 0 for dims of size 1, none at all for empty tensors."""
    s = t.stride()
    if 0 in shape:
        return ()
    return tuple([0 if n == 1 else k for n, k in zip(shape, s)]) if 1 in shape else s


QUESTIONS = (
    lambda t: type(t).__name__,
    lambda t: str(t.dtype),
    lambda t: tuple(t.shape),
    lambda t: strides(t, t.shape),
    lambda t: 0 if 0 in t.shape else t.storage_offset(),
    lambda t: t.requires_grad,
    lambda t: t.is_leaf,
    lambda t: t._version,
    lambda t: t.is_conj(),
    lambda t: t.is_neg(),
    lambda t: t.is_inference(),
    lambda t: t.retains_grad,
    node_name,
    lambda t: t.is_leaf and t.grad is not None,
)


def describe(t):
    """The answers to FIELDS, or the name of the exception that the question raises."""
    try:
        shape = t.shape
        return (
            type(t).__name__,
            str(t.dtype),
            tuple(shape),
            strides(t, shape),
            0 if 0 in shape else t.storage_offset(),
            t.requires_grad,
            t.is_leaf,
            t._version,
            t.is_conj(),
            t.is_neg(),
            t.is_inference(),
            t.retains_grad,
            node_name(t),
            t.is_leaf and t.grad is not None,
        )
    except Exception:
        return tuple(attempt(q, t) for q in QUESTIONS)


def flatten(value, out):
    if isinstance(value, (list, tuple)):
        out.append(f"[{len(value)}")
        for x in value:
            flatten(x, out)
    elif isinstance(value, complex):
        out.append(value.real)
        out.append(value.imag)
    else:
        out.append(value)
    return out


def same_values(ours, theirs, tolerance):
    """Nested lists of numbers: the same lengths, NaN and infinities in the same places, the rest about equal."""
    if ours == theirs:
        return True
    a, b = flatten(ours, []), flatten(theirs, [])
    if len(a) != len(b):
        return False
    scale = max((abs(y) for y in b if isinstance(y, float) and math.isfinite(y)), default=0.0)
    for x, y in zip(a, b):
        if x == y:
            continue
        if type(x) is not type(y) or not isinstance(y, float):
            return False
        if math.isnan(x) and math.isnan(y):
            continue
        if not (math.isfinite(x) and math.isfinite(y) and abs(x - y) <= tolerance * max(scale, 0.1)):
            return False
    return True


class Session:
    """A program as it runs in both libraries. `careful` compares every tensor after every step."""

    # Told when the reference starts and ends a step, so that its crashes are not taken for ours.
    in_reference = staticmethod(lambda inside: None)

    def __init__(self, ours, theirs, careful=False):
        self.ours, self.theirs, self.careful = ours.reset(), theirs.reset(), careful
        self.steps = []
        self.logged = 0, 0
        self.tolerance = 0.0
        self.partial = False  # whether a backward has raised: who got a gradient before is left open
        self.versions = {}  # by the identity of the tensors: what both said when last asked

    # ---- comparisons: None or a Difference

    def difference(self, field, name, ours, theirs):
        return Difference(field, len(self.steps) - 1, self.steps[-1], name, ours, theirs)

    def compare_tensors(self, name, a, b):
        x, y = describe(a), describe(b)
        if x != y:
            for field, p, q in zip(FIELDS, x, y):
                if p != q and field != "version" and not (self.partial and field == "has_grad"):
                    return self.difference(field, name, p, q)
        p, q = x[VERSION], y[VERSION]
        if type(p) is not type(q):
            return self.difference("version", name, p, q)
        if a._is_view() and not b._is_view() and not any(".view(L." in s or "grad" in s for s in self.steps):
            return self.difference("is_view", name, True, False)
        # Where versions start and by how much they move is not compared, only whether they moved.
        _, u, v = self.versions.get(id(a), (a, p, q))
        self.versions[id(a)] = a, p, q
        if (p != u) != (q != v):
            return self.difference("version", name, f"{u} to {p}", f"{v} to {q}")
        return self.compare_values(name, a, b, y[1])

    def compare_values(self, name, a, b, dtype, field="values"):
        p, q = attempt(a.tolist), attempt(b.tolist)
        if isinstance(q, str):  # tensors of zeros without memory are not read directly
            q = attempt(lambda: b.clone().tolist())
        if p == q:
            return None
        # Digits that were lost on the way do not come back.
        own = TOLERANCE.get(dtype[6:], 0.0)
        if own > self.tolerance:
            self.tolerance = own
        if own and same_values(p, q, self.tolerance):
            return None
        return self.difference(field, name, p, q)

    def compare_results(self, name, a, b):
        if isinstance(b, self.theirs.Tensor):
            if not isinstance(a, self.ours.Tensor):
                return self.difference("result", name, type(a).__name__, type(b).__name__)
            return self.compare_tensors(name, a, b)
        if type(a).__name__ != type(b).__name__:
            return self.difference("result", name, type(a).__name__, type(b).__name__)
        if isinstance(b, (list, tuple)):
            if len(a) != len(b):
                return self.difference("result", name, len(a), len(b))
            for i, (x, y) in enumerate(zip(a, b)):
                if found := self.compare_results(f"{name}[{i}]", x, y):
                    return found
        elif isinstance(b, (float, complex)):
            if not same_values(a, b, 3e-2):
                return self.difference("result", name, a, b)
        elif isinstance(b, (bool, int, str, type(None))):
            if a != b:
                return self.difference("result", name, a, b)
        elif str(a) != str(b) and type(b).__name__ in ("dtype", "device", "Size"):
            return self.difference("result", name, str(a), str(b))
        return None

    def compare_names(self, names):
        ours, theirs = self.ours.names, self.theirs.names
        for name in names:
            if name in theirs or name in ours:
                if found := self.compare_results(name, ours.get(name), theirs.get(name)):
                    return found
        return None

    def compare_all(self):
        """Every tensor, its gradient, who shares memory with whom, and what hooks have logged."""
        ours, theirs = self.ours.pool(), self.theirs.pool()
        if found := self.compare_names(theirs):
            return found
        for name, b in theirs.items():
            a = ours[name]
            g, h = gradient(a), gradient(b)
            if h is not None and not self.partial:
                x, y = describe(g), describe(h)
                if x[1:4] + x[5:6] != y[1:4] + y[5:6]:
                    return self.difference("grad layout", name, x, y)
                if found := self.compare_values(name, g, h, str(h.dtype), "grad"):
                    return found
        for field, key in (("identity", id), ("sharing", storage_of)):
            p, q = partition(ours, key), partition(theirs, key)
            if p != q:
                return self.difference(field, "", p, q)
        p, q = self.ours.log[: self.logged[0]], self.theirs.log[: self.logged[1]]
        if not same_values(p, q, 3e-2):
            return self.difference("log", "", p, q)
        return None

    # ---- running

    def execute(self, text):
        self.steps.append(text)
        if "out=" in text:  # of a wider dtype than what is computed
            self.tolerance = max(self.tolerance, TOLERANCE["float32"])
        # What looking at tensors has logged is no part of the program.
        del self.ours.log[self.logged[0] :], self.theirs.log[self.logged[1] :]
        a = self.ours.step(text)
        self.in_reference(1)
        b = self.theirs.step(text)
        self.in_reference(0)
        self.logged = len(self.ours.log), len(self.theirs.log)
        if a is None and b is None:
            if self.careful:
                return self.compare_all() or self.compare_names(TARGET.findall(text)[0][:1])
            m = TARGET.match(text)
            return self.compare_names([n for n in m.groups() if n]) if m else None
        # How far a backward came that raised is not compared.
        self.logged = 0, 0
        self.partial = self.partial or bool(re.search(r"backward\(|autograd\.grad\(", text))
        if type(a).__name__ != type(b).__name__:
            return self.difference("exception", "", a or "no exception", b or "no exception")
        if not STARTED.search(text):
            return self.compare_own_state(text)
        return None

    def compare_own_state(self, text):
        """A call that raised left everything as it was: as if the steps had run without it."""
        names, log = self.ours.names, list(self.ours.log)
        after = snapshot(self.ours.pool())
        self.ours.reset()
        for step in self.steps[:-1]:
            self.ours.step(step)
        before = snapshot(self.ours.pool())
        self.ours.names = names
        self.ours.log[:] = log
        if repr(before) != repr(after):
            changed = next(k for k in before if repr(before[k]) != repr(after.get(k)))
            return self.difference("own state", changed, after.get(changed), before[changed])
        return None

    def finish(self):
        return self.compare_all() if self.steps else None


def gradient(t):
    """The gradient where asking for it is allowed."""
    try:
        return t.grad if t.is_leaf else None
    except RuntimeError:
        return None


def snapshot(pool):
    result = {}
    for name, t in pool.items():
        g = gradient(t)
        result[name] = describe(t), attempt(t.tolist), g is not None and attempt(g.tolist)
    return result


def storage_of(t):
    try:
        return t.untyped_storage().data_ptr() if t.numel() else id(t)
    except RuntimeError:  # zeros without memory
        return id(t)


def partition(pool, key):
    """Which tensors have the same key, as the first name of each group."""
    first = {}
    return {name: first.setdefault(key(t), name) for name, t in pool.items()}


def run(steps, ours, theirs, careful=False):
    """The first difference of a program, or None."""
    session = Session(ours, theirs, careful)
    for text in steps:
        if found := session.execute(text):
            return found
    return session.finish()
