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


def known(found, steps, machine):
    """The words that state the difference, or None. `machine` is the library under test, to ask about the steps."""
    for cites, f in ENTRIES:
        if f(found, steps, machine):
            return cites
    return None


# ---- what several entries ask


def message(e):
    return str(e) if isinstance(e, BaseException) else ""


def calls(found, *names):
    return re.search(rf"\b({'|'.join(names)})\(", found.text)


def raised(found):
    """(ours, theirs): the names of the exceptions, "-" for none."""
    if found.field != "exception":
        return None
    return tuple(type(e).__name__ if isinstance(e, BaseException) else "-" for e in (found.ours, found.theirs))


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


def changed_pairs(found):
    """Pairs of numbers that differ between lists of the same form."""
    a, b = list(flat(found.ours)), list(flat(found.theirs))
    if (
        found.field not in ("values", "grad")
        or len(a) != len(b)
        or isinstance(found.ours, str)
        or isinstance(found.theirs, str)
    ):
        return []
    return [(x, y) for x, y in zip(a, b) if x != y and not (x != x and y != y)]


def onto_itself(text, names):
    """Whether the step copies a tensor to its own memory."""
    text = re.sub(r"^with [^:]+: ", "", text)
    m = re.match(r"(?:v\d+ = )?(v\d+)\.copy_\((v\d+)\)$", text) or re.match(r"(v\d+\[.*\]) = (v\d+)$", text)
    if not m:
        return re.match(r"v\d+\[.*\] [^ ]+= ", text)
    try:
        a, b = (eval(expression.replace("[True]", "[None]"), names) for expression in m.groups())
        return a.data_ptr() == b.data_ptr() and a.dtype == b.dtype
    except Exception:
        return False


# ---- values and memory


@entry("A tensor that is copied onto itself")
def copied_onto_itself(found, steps, machine):
    if found.field not in ("version", "grad_fn"):
        return False
    machine.reset()
    for text in steps:
        if onto_itself(text, machine.names):
            return True
        machine.step(text)
    return False


@entry("Tensors over one storage share its counter of changes")
def shared_counter(found, steps, machine):
    return found.field == "version" and re.search(r"copy\.copy|set_\(|from_numpy|from_dlpack|\.data", "\n".join(steps))


@entry("`copy_` between overlapping tensors")
def overlapping_copy(found, steps, machine):
    return raised(found) == ("-", "RuntimeError") and "some elements of the input tensor" in message(found.theirs)


@entry("**Overlap is found exactly.**")
def overlap_found(found, steps, machine):
    return raised(found) == ("RuntimeError", "-") and "to a single memory location" in message(found.ours)


@entry("An out= tensor that is also an operand gets the right result")
def out_operand(found, steps, machine):
    m = re.search(r"\((\[?v\d+.*), out=(v\d+)\)", found.text)
    if not m or found.field not in ("values", "shape", "result"):
        return False
    names = replay(steps, machine)
    operands = [names[n] for n in re.findall(r"v\d+", m[1]) if n in names]
    out = names.get(m[2])
    return out is not None and any(
        hasattr(t, "untyped_storage") and t.untyped_storage().data_ptr() == out.untyped_storage().data_ptr()
        for t in operands
    )


# ---- autograd


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
    return found.field == "grad_fn" and found.theirs == "NotImplemented"


@entry("A number or 0-d tensor that is assigned")
def assigned_number(found, steps, machine):
    names = {"CopyBackwards", "FillBackward2", "FillBackward3", "CopySlices"}
    return found.field == "grad_fn" and {found.ours, found.theirs} <= names


@entry("where an operation consists of several")
def composite_node(found, steps, machine):
    """Which node comes last of those that a product is made of."""
    parts = ("DivBackward0", "SubBackward0", "MulBackward0", "CloneBackward0", "AddBackward0")
    return found.field == "grad_fn" and (
        found.ours in parts or re.search(r" @ |inner|outer|einsum|linear|matmul", "\n".join(steps))
    )


@entry("The graph of a gradient")
def graph_of_gradient(found, steps, machine):
    return found.field == "grad_fn" and re.search(r"create_graph", "\n".join(steps))


@entry("**In-place operations copy an operand that a gradient needs**")
def saved_copy(found, steps, machine):
    return raised(found) == ("-", "RuntimeError") and "modified by an inplace operation" in message(found.theirs)


@entry("Tensors of integers never require grad")
def integers_require_grad(found, steps, machine):
    names = replay(steps, machine)
    t = names.get(found.name)
    return (
        found.field in ("requires_grad", "is_leaf", "grad_fn")
        and t is not None
        and not (t.is_floating_point() or t.is_complex())
    )


@entry("`_version` of every inference tensor raises")
def inference_version(found, steps, machine):
    return found.field == "version" and found.ours == "RuntimeError"


@entry("The gradient of an empty tensor")
def empty_gradient(found, steps, machine):
    return found.field == "grad layout" and 0 in found.ours[2]


@entry("`1 ** x`")
def one_to_a_power(found, steps, machine):
    return found.field == "strides" and re.search(r"(1|True) \*\* v", found.text)


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
    text = "\n".join(steps)
    return re.search("polygamma|mvlgamma|digamma|lgamma", text) and any(
        x == math.inf or y == math.inf for x, y in changed_pairs(found)
    )


@entry("`sinc` is exactly 0 at integers")
def sinc(found, steps, machine):
    return "sinc" in "\n".join(steps) and found.field in ("values", "result", "grad")


@entry("take half precision, bool or complex where torch does")
def more_dtypes(found, steps, machine):
    return raised(found) == ("-", "NotImplementedError") or (
        raised(found) == ("-", "RuntimeError") and "index_reduce does not support" in message(found.theirs)
    )


@entry("An operation that a dtype does not have is refused for empty and 0-d tensors, too.")
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
    return re.search(r"i0", "\n".join(steps)) and any(y != y for _, y in changed_pairs(found))


@entry("Infinities and NaN of complex results")
def complex_values(found, steps, machine):
    """Infinities and NaN of complex numbers follow other formulas."""
    return any(
        isinstance(y, complex) and not (math.isfinite(y.real) and math.isfinite(y.imag))
        for _, y in changed_pairs(found)
    )


@entry("Bounds of `clamp` below 0 count as 0 for unsigned dtypes")
def unsigned_bounds(found, steps, machine):
    return calls(found, "clamp", "clamp_") and "-1" in found.text and found.field == "values"


@entry("Transcendental functions need not be torch's bits")
def bits(found, steps, machine):
    """Digits, and the signs of NaN, that a view under another dtype shows."""
    return found.field in ("values", "grad", "result") and re.search(r"\.view\(L\.", "\n".join(steps))


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


@entry("`copy.deepcopy` takes every tensor of a subclass")
def deep_copies(found, steps, machine):
    return raised(found) == ("-", "RuntimeError") and "default implementation of __deepcopy__" in message(found.theirs)


@entry("An inference tensor that requires grad")
def inference_leaf(found, steps, machine):
    if not re.search("inference_mode", "\n".join(steps)):
        return False
    if found.field in ("requires_grad", "is_leaf", "grad_fn"):
        return any(t.is_inference() and t.requires_grad for t in tensors(replay(steps, machine), machine))
    return "Inference tensors cannot be saved" in message(found.ours) + message(found.theirs)


@entry("`detach_()` forgets")
def retains(found, steps, machine):
    return found.field == "retains_grad" and "detach_" in "\n".join(steps)


@entry("`diff` of an empty tensor")
def empty_difference(found, steps, machine):
    return found.field == "identity" and "diff(" in "\n".join(steps)


@entry("The strides of gradients")
def gradient_strides(found, steps, machine):
    return found.field in ("strides", "grad layout") and re.search(r"grad", "\n".join(steps))


@entry("Where a call is wrong in several ways")
def other_error(found, steps, machine):
    pair = raised(found)
    if pair in (("NotImplementedError", "RuntimeError"), ("RuntimeError", "NotImplementedError")):
        return True
    return (
        pair
        and "-" not in pair
        and re.search(
            "leaf|is a view|inference|out tensor|functions with out=|modified inplace",
            message(found.ours) + message(found.theirs),
        )
    )


@entry("`relu` takes out=")
def relu_out(found, steps, machine):
    return calls(found, "relu") and "out=" in found.text and (raised(found) or ("", ""))[1] == "TypeError"
