"""Differences that docs/deviations.md states. Each entry cites the words there that state it."""

import math
import re

ENTRIES = []


def entry(cites):
    """Registers a test (difference, steps, machine) -> bool for what the cited words of docs/deviations.md state."""

    def register(f):
        ENTRIES.append((cites, f))
        return f

    return register


def known(found, steps, machine, reference):
    """The words that state the difference, or None. Entries may ask the library under test about the steps."""
    machine.reference = reference
    for cites, f in ENTRIES:
        if f(found, steps, machine):
            return cites
    return None


# ---- what several entries ask


def message(e):
    return str(e) if isinstance(e, BaseException) else ""


def calls(found, *names):
    return re.search(rf"\b({'|'.join(names)})\(", found.text)


def kind(e):
    return type(e).__name__ if isinstance(e, BaseException) else "-"


def raised(found):
    """(ours, theirs): the names of the exceptions, "-" for none."""
    if found.field != "exception":
        return None
    return kind(found.ours), kind(found.theirs)


def replay(steps, machine):
    machine.reset()
    for text in steps:
        machine.step(text)
    return machine.names


def tensors(names, machine):
    return [t for t in names.values() if isinstance(t, machine.Tensor)]


def shares_elements(t):
    """Whether elements of the tensor share memory with each other: it has more of them than there is room."""
    return t.numel() > sum((n - 1) * k for n, k in zip(t.shape, t.stride())) + 1


def flat(value):
    if isinstance(value, list):
        for x in value:
            yield from flat(x)
    else:
        yield value


def parts_of(x):
    return (x.real, x.imag) if isinstance(x, complex) else (x,)


def same_number(x, y):
    return all(
        p == q or (p != p and q != q) or (math.isfinite(p) and math.isclose(p, q, rel_tol=0.05, abs_tol=1e-4))
        for p, q in zip(parts_of(x), parts_of(y))
    )


def changed_pairs(found):
    """Pairs of numbers that differ by more than digits between lists of the same form."""
    if found.field not in ("values", "grad", "result") or isinstance(found.ours, str) or isinstance(found.theirs, str):
        return []
    a, b = list(flat(found.ours)), list(flat(found.theirs))
    if len(a) != len(b):
        return []
    return [
        (x, y)
        for x, y in zip(a, b)
        if isinstance(x, (int, float, complex)) and isinstance(y, (int, float, complex)) and not same_number(x, y)
    ]


def unlike_tensors(steps, machine):
    """Names of tensors whose values the two libraries do not agree on to the last bit."""
    names = replay(steps, machine)
    others = replay(steps, machine.reference)
    return {
        k
        for k, t in names.items()
        if isinstance(t, machine.Tensor)
        and k in others
        and repr(outcome(t.tolist)) != repr(outcome(lambda: others[k].detach().clone().tolist()))  # noqa: B023
    }


def outcome(f):
    try:
        return f()
    except Exception as e:
        return type(e).__name__


def root(t):
    return t if t._base is None else t._base


def same_memory(a, b):
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def written(text):
    """The name of the tensor that a step changes in place, or None."""
    text = re.sub(r"^with [^:]+: ", "", text)
    m = re.match(r"(?:v\d+ = )?(v\d+)\.\w+_\(|(v\d+)(?:\[.*\]|\.requires_grad)? [^ =]*= ", text)
    return m and (m[1] or m[2])


def graph(t):
    """Names of the nodes of its graph."""
    todo, seen, kinds = [t.grad_fn], set(), set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        kinds.add(type(node).__name__)
        todo.extend(n for n, _ in node.next_functions)
    return kinds


def onto_itself(text, names):
    """Whether the step copies a tensor to its own memory."""
    text = re.sub(r"^with [^:]+: ", "", text)
    m = re.match(r"(?:v\d+ = )?(v\d+)\.copy_\((v\d+)\)$", text) or re.match(r"(v\d+\[.*\]) = (v\d+)$", text)
    if not m:
        return re.match(r"v\d+\[.*\] [^ ]+= ", text)
    try:
        with names["L"].no_grad():
            a, b = (eval(expression.replace("[True]", "[None]"), names) for expression in m.groups())
        return a.data_ptr() == b.data_ptr() and a.dtype == b.dtype
    except Exception:
        return False


# ---- values and memory


@entry("A tensor that is copied onto itself")
def copied_onto_itself(found, steps, machine):
    if raised(found) == ("-", "RuntimeError") and "more than one element of the written-to tensor" in message(
        found.theirs
    ):
        return onto_itself(found.text, replay(steps[:-1], machine))
    counted = found.field == "version" and " to " in str(found.ours) and len(set(str(found.ours).split(" to "))) == 1
    recorded = found.field == "grad_fn" and found.theirs in (
        "CopyBackwards",
        "CopySlices",
        "AsStridedBackward0",
        "FillBackward3",
    )
    if not (counted or recorded or found.field == "is_leaf"):
        return False
    machine.reset()
    for text in steps:
        if onto_itself(text, machine.names):
            return True
        machine.step(text)
    return False


@entry("Tensors over one storage share its counter of changes")
def shared_counter(found, steps, machine):
    makers = r"copy\.copy|set_\(|from_numpy|from_dlpack|\.data"
    if not re.search(makers, "\n".join(steps)):
        return False
    if raised(found) == ("RuntimeError", "-"):
        return "its base or another view of its base has been modified inplace" in message(found.ours)
    return found.field == "version"


@entry("`copy_` between overlapping tensors")
def overlapping_copy(found, steps, machine):
    if found.field == "values" and re.search("from_numpy|from_dlpack", "\n".join(steps)):
        names = replay(steps[:-1], machine)  # torch sees two storages
        t = names.get(written(found.text))
        used = [names[n] for n in re.findall(r"\bv\d+\b", found.text.split("_(")[-1]) if n in names]
        return t is not None and any(same_memory(t, u) for u in used)
    if found.field == "values":
        m = re.match(r"(?:with [^:]+: )?(v\d+)\[.*\] = (v\d+)$", found.text)
        names = m and replay(steps[:-1], machine)
        return names and all(n in names for n in m.groups()) and same_memory(names[m[1]], names[m[2]])
    return raised(found) == ("-", "RuntimeError") and "some elements of the input tensor" in message(found.theirs)


@entry("**Overlap is found exactly.**")
def overlap_found(found, steps, machine):
    if re.search(r"tri[ul]_\(", found.text) and raised(found) == ("-", "RuntimeError"):
        return "more than one element of the written-to" in message(found.theirs)
    return raised(found) == ("RuntimeError", "-") and "to a single memory location" in message(found.ours)


@entry("An out= tensor that is also an operand gets the right result")
def out_operand(found, steps, machine):
    m = re.search(r"\((\[?v\d+.*), out=(v\d+)\)", found.text)
    refused = raised(found) == ("-", "RuntimeError") and "match the broadcast shape" in message(found.theirs)
    if not m or not (refused or found.field in ("values", "shape", "result")):
        return False
    names = replay(steps, machine)
    operands = [names[n] for n in re.findall(r"v\d+", m[1]) if n in names]
    out = names.get(m[2])
    return out is not None and any(
        hasattr(t, "untyped_storage") and t.untyped_storage().data_ptr() == out.untyped_storage().data_ptr()
        for t in operands
    )


@entry("is never resized")
def out_with_gradient(found, steps, machine):
    if raised(found) == ("-", "RuntimeError") and "out=" in found.text:
        return re.match(r"aten::\w+\(\): functions with out=", message(found.theirs))
    return (
        raised(found) == ("RuntimeError", "-")
        and "out=" in found.text
        and "cannot resize variables that require grad" in message(found.ours)
    )


@entry("changes of shape by `out=` refuse tensors that have one")
def shape_with_bit(found, steps, machine):
    return (
        raised(found) == ("RuntimeError", "-")
        and "out=" in found.text
        and "bit set cannot be changed in place" in message(found.ours)
    )


@entry("In place they are checked as `copy_` is")
def logical_with_bit(found, steps, machine):
    if raised(found) != ("RuntimeError", "-") or not re.search(r"logical_\w+_\(", found.text):
        return False
    t = replay(steps[:-1], machine).get(written(found.text))
    return t is not None and (t.is_conj() or t.is_neg())


@entry("Deep copies keep the bits.")
def copied_bits(found, steps, machine):
    return found.field in ("conj", "neg") and "deepcopy" in found.text and found.ours is True


@entry("Gradients have neither bit")
def gradient_bits(found, steps, machine):
    return found.field in ("conj", "neg") and "autograd.grad(" in "\n".join(steps) and found.ours is False


@entry("and always have memory")
def zeros_without_memory(found, steps, machine):
    if found.field == "grad":  # they stay zeros where they are multiplied with an infinity
        pairs = changed_pairs(found)
        return pairs and "sgn" in "\n".join(steps) and all(x != x and y == 0 for x, y in pairs)
    return raised(found) == ("-", "RuntimeError") and re.search(
        "ZeroTensors are immutable|tensor with unallocated storage", message(found.theirs)
    )


@entry("takes no further hook")
def second_hook(found, steps, machine):
    return (
        raised(found) == ("RuntimeError", "-")
        and ".register_hook(" in found.text
        and len(re.findall(r"\.register_hook\(", "\n".join(steps))) > 1
        and "its base or another view of its base has been modified inplace" in message(found.ours)
    )


@entry("do not look at the history of their operands")
def history_not_asked(found, steps, machine):
    names = r"isfinite|isnan|isinf|isreal|isposinf|isneginf|set_"
    return (
        raised(found) == ("-", "RuntimeError")
        and calls(found, names)
        and "its base or another view of its base has been modified inplace" in message(found.theirs)
    )


@entry("`is_set_to` compares")
def is_set_to(found, steps, machine):
    m = re.search(r"= (v\d+)\.is_set_to\((v\d+)\)$", found.text)
    names = m and replay(steps, machine)
    return names and any(names[n].is_conj() or names[n].is_neg() for n in m.groups())


# ---- autograd


@entry("**Views of a leaf that is a view keep their history**")
def views_of_leaf_view(found, steps, machine):
    fields = ("requires_grad", "is_leaf", "grad_fn", "has_grad", "grad", "grad layout")
    if found.field not in fields and "does not require grad" not in message(found.theirs):
        return False
    names = replay(steps, machine)
    t = names.get(found.name)
    cut = "requires_grad_(False)" in "\n".join(steps)
    leaves = [u for u in tensors(names, machine) if u._is_view() and (cut or u.requires_grad)]
    leaves = [u for u in leaves if outcome(lambda: u.is_leaf) is True]  # noqa: B023
    if t is None:
        return raised(found) == ("-", "RuntimeError") and any(u._version for u in leaves)
    return any(same_memory(t, u) and u._version for u in leaves)


@entry("is no leaf from then on")
def view_before_history(found, steps, machine):
    if raised(found) == ("RuntimeError", "-") and "change requires_grad flags of leaf" in message(found.ours):
        t = replay(steps[:-1], machine).get(written(found.text))
        return t is not None and (t._is_view() and t._base.grad_fn is not None or "CopySlices" in graph(t))
    if found.field == "retains_grad":
        t = replay(steps, machine).get(found.name)
        return found.ours is True and t is not None and t._is_view() and t._base.requires_grad
    if raised(found) != (
        "-",
        "RuntimeError",
    ) or "a leaf Variable that requires grad is being used in an in-place" not in (message(found.theirs)):
        return False
    t = replay(steps[:-1], machine).get(written(found.text))
    return t is not None and t._is_view() and t._base.grad_fn is not None


@entry("is added to the leaf all the same")
def leaf_among_views(found, steps, machine):
    return (
        raised(found) == ("-", "RuntimeError")
        and "backward(" in found.text
        and "its base or another view of its base has been modified inplace" in message(found.theirs)
    )


@entry("What kept nothing for backward")
def nothing_saved(found, steps, machine):
    if found.field != "exception" or "Trying to backward through the graph a second time" not in message(found.theirs):
        return False
    names = replay(steps[:-1], machine)
    used = [names[n] for n in re.findall(r"v\d+", found.text) if n in names]
    return any({"CopySlices", "CopysignBackward0"} & graph(t) for t in used)


@entry("where saved tensors go through hooks")
def changed_under_hooks(found, steps, machine):
    m = re.search(r"(?:saved_tensors_hooks|save_on_cpu)\(.*\): (?:v\d+ = )?(v\d+)\.\w+_\(.*\1\b", "\n".join(steps))
    return found.field == "grad" and m


@entry("a custom function that changes it in place")
def retained_of_dirty(found, steps, machine):
    return raised(found) == ("-", "AttributeError") and "AddInPlace" in "\n".join(steps) and ".grad." in found.text


@entry("Graph nodes created by an in-place change")
def node_of_change(found, steps, machine):
    """Which of the two ways to a changed view shows is left open."""
    if found.field != "grad_fn":
        return False
    pair = {found.ours, found.theirs}
    return "AsStridedBackward0" in pair and all(n and VIEW_NODE.match(n) for n in pair)


VIEW_NODE = re.compile(
    "(AsStrided|Slice|Select|Permute|Transpose|T|View|UnsafeView|Alias|Squeeze|Unsqueeze|Diagonal|Expand|Unfold|Conj|Unbind|"
    "Split|SplitWithSizes|ReshapeAlias|ViewAsComplex|ViewAsReal|Real|Imag|Narrow|Detach|ToView)Backward"
)


@entry("In-place changes of shape and `polygamma_`")
def inplace_shape_node(found, steps, machine):
    return found.field == "grad_fn" and calls(
        found,
        "polygamma_",
        "mvlgamma_",
        "transpose_",
        "swapaxes_",
        "swapdims_",
        "t_",
        "as_strided_",
        "squeeze_",
        "unsqueeze_",
    )


@entry("`floor_divide` has the gradient 0")
def floor_divide(found, steps, machine):
    if calls(found, "floor_divide", "heaviside") and "out=" in found.text:
        return found.field in ("requires_grad", "is_leaf", "grad_fn") or raised(found) == ("-", "RuntimeError")
    missing = r"derivative for aten::(floor_divide|heaviside)_? is not implemented"
    return (
        found.field == "grad_fn"
        and found.theirs == "NotImplemented"
        or (raised(found) == ("-", "RuntimeError") and re.search(missing, message(found.theirs)))
    )


@entry("A number or 0-d tensor that is assigned")
def assigned_number(found, steps, machine):
    names = {"CopyBackwards", "FillBackward2", "FillBackward3", "CopySlices"}
    return found.field == "grad_fn" and {found.ours, found.theirs} <= names


@entry("where an operation consists of several")
def composite_node(found, steps, machine):
    """Which node comes last of those that a product is made of."""
    if raised(found) == ("-", "RuntimeError") and "Can't detach views in-place" in message(found.theirs):
        return "inner(" in "\n".join(steps)
    if found.field != "grad_fn" or found.theirs is None or found.ours is None:
        return False
    if {found.ours, found.theirs} == {"NegViewBackward0", "SelectBackward0"}:
        return True
    if found.theirs == "AsStridedBackward0":  # torch's result is a view that was changed
        return re.search(r"inner\(", "\n".join(steps))
    parts = ("DivBackward0", "SubBackward0", "MulBackward0", "CloneBackward0", "AddBackward0")
    return found.ours in parts or re.search(r" @ |inner|outer|einsum|linear|matmul", "\n".join(steps))


@entry("The graph of a gradient")
def graph_of_gradient(found, steps, machine):
    if found.field == "grad layout":
        return found.ours[2] == found.theirs[2] and "create_graph" in "\n".join(steps)
    if found.field in ("requires_grad", "is_leaf"):
        return re.match(r"(?:with [^:]+: )?v\d+ = L\.autograd\.grad\(.*create_graph=True", found.text)
    return found.field == "grad_fn" and "create_graph" in "\n".join(steps)


@entry("**In-place operations copy an operand that a gradient needs**")
def saved_copy(found, steps, machine):
    return found.field == "exception" and "modified by an inplace operation" in message(found.theirs)


@entry("Tensors of integers never require grad")
def integers_require_grad(found, steps, machine):
    refused = raised(found) == ("-", "RuntimeError") and "is being modified inplace" in message(found.theirs)
    names = replay(steps, machine)
    t = names.get(written(found.text) if refused else found.name)
    if refused:
        return t is not None and not (t.is_floating_point() or t.is_complex())
    return (
        found.field in ("requires_grad", "is_leaf", "grad_fn")
        and t is not None
        and not (t.is_floating_point() or t.is_complex())
    )


@entry("`_version` of every inference tensor raises")
def inference_version(found, steps, machine):
    theirs = found.theirs == "RuntimeError" and ".data = " in "\n".join(steps)
    return found.field == "version" and (found.ours == "RuntimeError" or theirs)


@entry("The gradient of an empty tensor")
def empty_gradient(found, steps, machine):
    if found.field == "grad layout":
        return 0 in found.ours[2]
    if found.field not in ("is_leaf", "requires_grad", "grad_fn") or "autograd.grad(" not in found.text:
        return False
    t = replay(steps, machine).get(found.name)
    return t is not None and t.numel() == 0


@entry("`1 ** x`")
def number_to_a_power(found, steps, machine):
    return found.field == "strides" and re.search(r"(\d+|True|\)) \*\* v|ldexp\(", found.text)


@entry("`view(dtype)` with the tensor's own dtype keeps the gradient")
def own_dtype(found, steps, machine):
    return found.field in ("requires_grad", "is_leaf", "inference", "grad_fn") and re.search(
        r"view\(L\.", "\n".join(steps)
    )


@entry("`set_` gives no history")
def set_history(found, steps, machine):
    return found.field in ("requires_grad", "is_leaf") and calls(found, "set_")


# ---- numbers


@entry("`polygamma` is infinite at its poles")
def polygamma(found, steps, machine):
    pairs = changed_pairs(found)
    return (
        re.search("polygamma|mvlgamma|digamma|lgamma", "\n".join(steps))
        and pairs
        and all(abs(x) == math.inf or abs(y) == math.inf for x, y in pairs)
    )


@entry("`sinc` is exactly 0 at integers")
def sinc(found, steps, machine):
    where = "\n".join(steps) if found.field == "grad" else found.text
    return "sinc" in where and found.field in ("values", "result", "grad")


@entry("take half precision, bool or complex where torch does")
def more_dtypes(found, steps, machine):
    if raised(found) == ("NotImplementedError", "-") and "\"index_put\" not implemented for 'ComplexHalf'" in message(
        found.ours
    ):
        return True
    return raised(found) == ("-", "NotImplementedError") or (
        raised(found) == ("-", "RuntimeError") and "index_reduce does not support" in message(found.theirs)
    )


@entry("An operation that a dtype does not have is refused for empty and 0-d tensors, too")
def empty_refused(found, steps, machine):
    if raised(found) != ("NotImplementedError", "-"):
        return False
    names = replay(steps[:-1], machine)
    used = [names[n] for n in re.findall(r"v\d+", found.text) if n in names]
    return any(t.numel() == 0 or t.dim() == 0 for t in used) or "[]" in found.text


@entry("others have complex gradients where torch has none")
def complex_gradients(found, steps, machine):
    words = "does not support automatic differentiation for outputs with complex dtype|Expected isFloatingType\\(grad"
    return raised(found) == ("-", "RuntimeError") and re.search(words, message(found.theirs))


@entry("and the like give dense results")
def dense_scatter(found, steps, machine):
    return found.field == "strides" and calls(found, "select_scatter", "slice_scatter", "diagonal_scatter")


@entry("`i0` of an infinity is infinite")
def i0(found, steps, machine):
    pairs = changed_pairs(found)
    return re.search(r"i0", "\n".join(steps)) and pairs and all(not math.isfinite(abs(y)) for _, y in pairs)


@entry("Infinities and NaN of complex results")
def complex_values(found, steps, machine):
    """Infinities and NaN of complex numbers follow other formulas."""
    pairs = changed_pairs(found)
    seen = re.search("complex|real|imag", "\n".join(steps))  # also where parts are seen as real numbers
    return pairs and all(
        (isinstance(y, complex) or (seen and y != y))
        and not all(math.isfinite(p) for p in (*parts_of(x), *parts_of(y)))
        for x, y in pairs
    )


@entry("cumulative products are NaN only")
def nan_of_products(found, steps, machine):
    pairs = changed_pairs(found)
    return found.field == "grad" and pairs and "cumprod" in "\n".join(steps) and all(y != y for _, y in pairs)


@entry("`std` and `var` of numbers near the end of their range")
def overflow_of_squares(found, steps, machine):
    pairs = changed_pairs(found)
    return pairs and calls(found, "std", "var") and all(not math.isfinite(p) for pair in pairs for p in pair)


@entry("Half precision rounds once per operation")
def half_products(found, steps, machine):
    names = calls(found, "prod", "cumprod") and replay(steps, machine)
    t = names and names.get(found.name)
    pairs = changed_pairs(found)
    return pairs and t is not None and t.dtype.itemsize == 2 and all(not math.isfinite(y) for _, y in pairs)


@entry("Bools that are other bytes")
def other_bytes(found, steps, machine):
    return found.field == "values" and ".view(L.bool)" in "\n".join(steps)


@entry("changes the sign of every zero")
def complex_negative(found, steps, machine):
    """What functions with a branch cut make of the sign of a zero part."""
    pairs = changed_pairs(found)
    if not pairs or not all(isinstance(x, complex) for x, _ in pairs):
        return False
    names = unlike_tensors(steps[:-1], machine) if found.name in found.text else set()
    return names & set(re.findall(r"\bv\d+\b", found.text)) or all(same_number(x.conjugate(), y) for x, y in pairs)


@entry("Bounds of `clamp` below 0 count as 0 for unsigned dtypes")
def unsigned_bounds(found, steps, machine):
    return calls(found, "clamp", "clamp_") and "-1" in found.text and found.field == "values"


@entry("Transcendental functions need not be torch's bits")
def bits(found, steps, machine):
    """Digits, and the signs of NaN, that a view under another dtype shows."""
    if found.field not in ("values", "grad", "result") or not re.search(r"\.view\(L\.", "\n".join(steps)):
        return False
    return unlike_tensors(steps, machine) - {found.name} or any(
        x != x for t in tensors(replay(steps, machine), machine) for x in flat(outcome(t.tolist))
    )


JUMPS = (
    "signbit|sgn|sign|copysign|heaviside|ceil|floor|trunc|frac|fix|round|bool|int|fmod|remainder|floor_divide|div|angle|"
    "eq|ne|lt|le|gt|ge|equal|allclose|isclose|isreal|logical_\\w+|nonzero|argmax|argmin|argsort|sort|unique|topk|all|any|"
    "searchsorted|bucketize|count_nonzero|histc"
)


@entry("a function with a jump shows it")
def jump(found, steps, machine):
    """A step that jumps, or has a pole, where the digits of its operands already differ."""
    if found.field not in ("values", "result", "shape") or found.name.split("[")[0] not in found.text:
        return False
    if not re.search(rf"\b({JUMPS})_?\(| (//|%|[<>=!]=|[<>]) |\.to\(L\.(u?int|bool)", found.text):
        return False
    used = set(re.findall(r"\bv\d+\b", found.text))
    return used & unlike_tensors(steps[:-1], machine) or signs_of_nan(found, steps, machine)


def signs_of_nan(found, steps, machine):
    m = re.search(r"(?:signbit|copysign)_?\(", found.text) and re.findall(r"\bv\d+\b", found.text)
    names = m and replay(steps[:-1], machine)
    return names and any(x != x for n in m if n in names for x in flat(outcome(names[n].tolist)))


@entry("Writing to windows that share elements")
def shared_elements(found, steps, machine):
    return found.field == "values" and any(shares_elements(t) for t in tensors(replay(steps, machine), machine))


# ---- errors


@entry("memory that NumPy, DLPack or a buffer has been given cannot be resized")
def pinned(found, steps, machine):
    return raised(found) == ("RuntimeError", "-") and "not resizable" in message(found.ours)


@entry("assignment takes lists and NumPy arrays")
def converted_value(found, steps, machine):
    return raised(found) == ("-", "RuntimeError") and "Index put requires the source and destination" in message(
        found.theirs
    )


@entry("Results of indexing with tensors")
def indexed_strides(found, steps, machine):
    return found.field == "strides" and re.search(r" = v\d+\[.*(tensor|\[).*\]$", found.text)


@entry("Where torch stops with an internal error")
def internal_error(found, steps, machine):
    words = "INTERNAL ASSERT FAILED|DispatchKey Conjugate doesn't correspond|UntypedStorage' has no attribute|UntypedStorage' object has no"
    return found.field == "exception" and kind(found.ours) == "-" and re.search(words, message(found.theirs))


@entry("dims that are out of range")
def empty_dims(found, steps, machine):
    names = raised(found) == ("IndexError", "-") and replay(steps[:-1], machine)
    return names and any(names[n].numel() == 0 for n in re.findall(r"v\d+", found.text) if n in names)


@entry("have no strides to speak of")
def empty_strides(found, steps, machine):
    if raised(found) != ("-", "RuntimeError") or "stride(-1) must be 1 to view" not in message(found.theirs):
        return False
    m = re.search(r"(v\d+)\.view\(L\.", found.text)
    return m and replay(steps[:-1], machine)[m[1]].numel() == 0


@entry("`copy.deepcopy` takes every tensor of a subclass")
def deep_copies(found, steps, machine):
    return raised(found) == ("-", "RuntimeError") and "default implementation of __deepcopy__" in message(found.theirs)


@entry("An inference tensor that requires grad")
def inference_leaf(found, steps, machine):
    if not re.search("inference_mode", "\n".join(steps)):
        return False
    if found.field in ("requires_grad", "is_leaf", "grad_fn"):
        return any(t.is_inference() and t.requires_grad for t in tensors(replay(steps, machine), machine))
    words = "Inference tensors cannot be saved|functions with out=... arguments don't support automatic"
    return re.search(words, message(found.ours) + message(found.theirs))


@entry("`detach_()` forgets")
def retains(found, steps, machine):
    return found.field == "retains_grad" and "detach_" in "\n".join(steps)


@entry("works in inference mode")
def detached_in_inference(found, steps, machine):
    return found.field in ("requires_grad", "is_leaf", "grad_fn") and re.search(
        r"inference_mode\(\): (.*\n)*.*detach_\(", "\n".join(steps)
    )


@entry("`diff` of an empty tensor")
def empty_difference(found, steps, machine):
    if found.field not in ("identity", "inference", "version", "sharing", "is_leaf", "requires_grad", "grad_fn"):
        return False
    made = re.findall(r"(v\d+) = (?:L\.diff\((v\d+)|(v\d+)\.diff\()", "\n".join(steps))
    names = made and replay(steps, machine)
    return any(names[n].numel() == 0 for n, *_ in made if n in names)


@entry("The strides of gradients")
def gradient_strides(found, steps, machine):
    return found.field in ("strides", "grad layout") and re.search(r"autograd\.grad|\.grad\b", "\n".join(steps))


@entry("Where a call is wrong in several ways")
def other_error(found, steps, machine):
    pair = raised(found)
    if pair in (("NotImplementedError", "RuntimeError"), ("RuntimeError", "NotImplementedError")):
        return True
    return (
        pair
        and "-" not in pair
        and re.search(
            "leaf|is a view|inference|out tensor|functions with out=|modified inplace|does not support complex inputs",
            message(found.ours) + message(found.theirs),
        )
    )


@entry("`relu` takes out=")
def relu_out(found, steps, machine):
    return calls(found, "relu") and "out=" in found.text and (raised(found) or ("", ""))[1] == "TypeError"
