"""One random program: made step by step as it runs, shrunk where it shows a difference, printed as a short script."""

import ast
import re
import warnings

from .draw import MAX_ELEMENTS, Draw
from .grammar import next_step
from .known import known
from .session import NAME, PRELUDE, Session, run, snapshot, storage_of

MAX_STEPS = 18
TORN = "**An operand of a call that raised keeps**"
HEAD = """import importlib, sys, copy, gc, io, math, pickle, weakref

L = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "rushlight")
"""


def make_and_run(seed, ours, theirs):
    """(steps, difference or None, name of the known deviation or None) of the program of that seed."""
    draw = Draw(seed)
    session = Session(ours, theirs)
    found = None
    for _ in range(4 + draw.below(MAX_STEPS - 3)):
        draw.pool = {k: t for k, t in theirs.pool().items() if t.numel() <= MAX_ELEMENTS and t.dim() <= 6}
        found = session.execute(next_step(draw))
        if found:
            break
    found = found or session.finish()
    return session.steps, found, deviation(found, session.steps, ours, theirs) if found else None


def deviation(found, steps, ours, theirs):
    """The words of docs/deviations.md that state the difference, or None."""
    return known(found, steps, ours, theirs) or (TORN if torn(found, steps, ours, theirs) else None)


def earlier_deviation(steps, ours, theirs):
    """The words that state the first difference of a short program where one comes before the one it was kept for."""
    first = run(steps, ours, theirs, careful=True)
    return first and deviation(first, steps[: first.step + 1], ours, theirs)


def torn(found, steps, ours, theirs):
    """Whether the difference may come from a step that raised and changed tensors of the reference."""
    ours.reset(), theirs.reset()
    names = set()  # of tensors that have gone apart, and of all that met them since
    for text in steps:
        before = snapshot(theirs.pool()) if not re.search(r"backward\(|autograd\.grad\(", text) else {}
        raised = theirs.step(text)
        ours.step(text)
        if raised and before:
            after = snapshot(theirs.pool())
            names |= {k for k in before if repr(before[k]) != repr(after.get(k))}
        if names & set(NAME.findall(text)):
            names.update(NAME.findall(text))
        if names:
            memory = {storage_of(t) for k, t in ours.pool().items() if k in names}
            names |= {k for k, t in ours.pool().items() if storage_of(t) in memory}
    return bool(names & {found.name.split("[")[0], *NAME.findall(found.text)})


def shrink(steps, found, ours, theirs):
    """The fewest steps that show a difference of the same kind, with that difference."""
    careful = run(steps, ours, theirs, careful=True)
    if careful is not None and not deviation(careful, steps, ours, theirs):
        found = careful
    else:
        careful = None
    steps = steps[: found.step + 1]

    def shows(candidate):
        again = run(candidate, ours, theirs, careful=careful is not None)
        if (
            again
            and again.field == found.field
            and again.text == candidate[-1]
            and not deviation(again, candidate, ours, theirs)
        ):
            return again if kinds(again) == kinds(found) else None
        return None

    size = len(steps) // 2
    while size:
        start = len(steps) - 1 - size
        while start > -size:
            candidate = steps[: max(start, 0)] + steps[start + size :]
            if len(candidate) < len(steps) and candidate and (again := shows(candidate)):
                steps, found = candidate, again
            start -= size
        size //= 2
    return steps, found


def kinds(found):
    if found.field == "exception":
        return type(found.ours).__name__, type(found.theirs).__name__
    return found.name != "" if found.field == "values" else ()


def definitions(steps):
    """The parts of the prelude that the steps name, directly or not."""
    parts = {}
    for node in ast.parse(PRELUDE).body:
        name = getattr(node, "name", None) or (node.targets[0].id if isinstance(node, ast.Assign) else None)
        if name:
            parts[name] = ast.get_source_segment(PRELUDE, node)
            if getattr(node, "decorator_list", None):
                parts[name] = "\n".join(f"@{ast.unparse(d)}" for d in node.decorator_list) + "\n" + parts[name]
    wanted, todo = set(), "\n".join(steps)
    while True:
        new = {
            n
            for n in parts
            if n not in wanted
            and re.search(rf"\b{n}\b(?!\()|\b{n}\(", todo)
            and not re.search(rf"\.{n}\b", todo)
            or n in wanted
        }
        if new <= wanted:
            break
        wanted |= new
        todo = "\n".join([*steps, *(parts[n] for n in wanted)])
    return [parts[n] for n in parts if n in wanted]


def script(steps, found, seed=None):
    """A program that runs on either library: `python it.py torch`."""
    names = sorted({n for n in NAME.findall("\n".join(steps)) if n[0] == "v"}, key=lambda n: int(n[1:]))
    lines = [HEAD.rstrip(), *definitions(steps), *steps[:-1]]
    last = steps[-1]
    if found.field == "exception":
        lines += ["try:", f"    {last}", '    print("no exception")', "except Exception as e:", "    print(repr(e))"]
    else:
        lines.append(last)
        if found.name:
            lines.append(f"print({found.name.split('[')[0]})")
    head = (
        f"# {found.field} of {found.name or 'the last step'}: {short(found.ours)} here, {short(found.theirs)} in torch"
    )
    if seed is not None:
        head += f" (seed {seed})"
    return "\n".join([head, *lines]) + "\n" if names or steps else head


def short(value, limit=160):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def quiet(*libraries):
    """No warnings, one thread: what differs between runs must not depend on either."""
    warnings.simplefilter("ignore")
    for library in libraries:
        library.set_num_threads(1)
