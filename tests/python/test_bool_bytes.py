"""Bool memory that holds other bytes than 0 and 1: any byte but 0 is True, in every operation.

The sweep calls everything that the table of operations says takes a tensor, once on such memory and once on the same
values as zeros and ones.
"""

import inspect
import math
import re

import numpy as np
import pytest
import rushlight as torch

BYTES = np.random.default_rng(5).choice(np.array([0, 0, 1, 2, 128, 255], np.uint8), 1 << 16)


def foreign(*shape, start=0):
    """A bool tensor of that shape over any bytes."""
    n = math.prod(shape)
    return torch.from_numpy(BYTES[start : start + n].copy().view(bool).reshape(shape))


def plain(t):
    """The same values as zeros and ones."""
    made = torch.from_numpy((t.view(torch.uint8).numpy() != 0).copy())
    assert made.view(torch.uint8).max().item() <= 1
    return made


# ---- the table
PARAMETER = re.compile(r"(?P<kind>[\w\[\]\d*]+(?: or \w+)?)(?P<maybe>\?)? (?P<name>\w+)(?:=(?P<default>.+))?$")


def split_parameters(text):
    parts, depth, at = [], 0, 0
    for i, c in enumerate(text + ","):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            if text[at:i].strip():
                parts.append(text[at:i].strip())
            at = i + 1
    return parts


def signatures(doc):
    """The parameters of every overload: (kind, name, required)."""
    for line in (doc or "").split("\n\n")[0].splitlines():
        found = re.match(r"\w+\((.*)\)(?: -> .*)?$", line)
        if not found:
            continue
        parameters, by_name = [], False
        for part in split_parameters(found[1]):
            if part == "*":
                by_name = True
                continue
            p = PARAMETER.match(part)
            if p is None:
                break
            required = p["default"] is None and not p["maybe"]
            parameters.append((p["kind"], p["name"], required, by_name))
        else:
            yield parameters


def everything():
    seen = {}
    for owner, place in ((torch._C, "function"), (torch.Tensor, "method")):
        for name in dir(owner):
            f = inspect.getattr_static(owner, name)
            kind = type(f)
            if kind.__module__ == "rushlight" and kind.__name__ in ("function", "method"):
                seen[f"{place} {name}"] = getattr(owner, name)
    return seen


# Another memory than that of the operand, addresses, other processes, or nothing that can be compared.
LEFT_OUT = {
    *("data_ptr", "const_data_ptr", "from_file", "empty", "empty_like", "new_empty", "empty_strided", "empty_permuted"),
    *("new_empty_strided", "untyped_storage", "storage", "_typed_storage", "__reduce_ex__", "__dlpack__", "to_dlpack"),
    *("_to_dlpack", "share_memory_", "set_", "resize_", "resize_as_", "resize", "resize_as", "view", "numpy"),
    *("__array__", "set_num_threads", "manual_seed", "seed", "set_default_dtype", "set_rng_state", "set_printoptions"),
    *("register_hook", "register_post_accumulate_grad_hook", "_tensor_on_storage", "view_copy", "__hash__", "__repr__"),
}

NUMBERS = {"int": (0, 1, 2), "float": (0.5,), "bool": (True, False), "Scalar": (1, True, 0.5), "Number": (1, True, 0.5)}
SHAPES = [(7,), (4, 4), (2, 3, 300), (70, 37)]


def arguments(parameters, tensors, pick):
    """Arguments of one call; `tensors` makes the bool tensors, `pick` numbers the variants. None: there are none."""
    args, kwargs = [], {}
    shape = SHAPES[pick % len(SHAPES)]
    for kind, name, required, by_name in parameters:
        if not required:
            continue
        if kind == "Tensor" and name in ("index", "indices"):
            value = torch.zeros(shape, dtype=torch.int64)
        elif kind in ("Tensor", "Operand", "Tensor or Number"):
            value = tensors(shape)
        elif kind == "Tensor[]":
            value = [tensors(shape), tensors(shape)]
        elif kind in NUMBERS:
            value = NUMBERS[kind][pick // len(SHAPES) % len(NUMBERS[kind])]
        elif kind.startswith("int["):
            value = list(range(len(shape)))[: 1 + pick % 2] if "dim" in name else list(shape)
        elif kind == "dtype":
            value = (torch.float32, torch.int64, torch.bool, torch.complex64)[pick % 4]
        else:
            return None
        if by_name:
            kwargs[name] = value
        else:
            args.append(value)
    return args, kwargs


def values_of(result):
    if isinstance(result, torch.Tensor):
        if result.dtype == torch.bool:
            return ("bool", tuple(result.shape), plain(result).tolist())
        return (str(result.dtype), tuple(result.shape), repr(result.tolist()))
    if isinstance(result, (tuple, list)):
        return [values_of(r) for r in result]
    if isinstance(result, (bool, int, float, str, complex, type(None), torch.dtype)):
        return repr(result)
    return type(result)


def outcome(f, args, kwargs):
    torch.manual_seed(3)
    try:
        result = values_of(f(*args, **kwargs))
    except Exception as error:
        return type(error)
    return result, [values_of(a) for a in args if isinstance(a, torch.Tensor)]


def tensor_maker(seen, change):
    def make(shape):
        t = foreign(*shape, start=seen[0])
        seen[0] += 1000
        return t if change is None else change(t)

    return make


EVERYTHING = everything()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_sweep(name):
    if name.split()[1] in LEFT_OUT:
        pytest.skip("nothing to compare")
    f = EVERYTHING[name]
    answered = 0
    method = name.startswith("method")
    for parameters in signatures(f.__doc__):
        kinds = {kind for kind, _, required, _ in parameters if required}
        if not method and not kinds & {"Tensor", "Operand", "Tensor[]", "Tensor or Number"}:
            continue
        for pick in range(12):
            made = arguments(parameters, tensor_maker([0], None), pick)
            if made is None:
                break
            expected = arguments(parameters, tensor_maker([0], plain), pick)
            got, right = outcome(f, *made), outcome(f, *expected)
            assert got == right, (parameters, pick)
            answered += not isinstance(right, type)
    COUNTS[name] = answered


COUNTS = {}


def test_the_sweep_reaches_the_operations():
    """Most of what takes bools at all was compared by results, not by exceptions."""
    if len(COUNTS) < len(EVERYTHING) // 2:
        pytest.skip("the sweep ran elsewhere")
    assert sum(n > 0 for n in COUNTS.values()) > 450
