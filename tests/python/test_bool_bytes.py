"""Bool memory that holds other bytes than 0 and 1: any byte but 0 is True, in every operation.

The sweep calls everything that the table of operations says takes a tensor, once on such memory and once on the same
values as zeros and ones.
"""

import inspect
import io
import itertools
import math
import re
from functools import partial

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


def arguments(parameters, tensors, pick, shapes=SHAPES):
    """Arguments of one call; `tensors` makes the operands, `pick` numbers the variants. None: there are none."""
    args, kwargs = [], {}
    shape = shapes[pick % len(shapes)]
    tensors = partial(tensors, layout=pick // len(shapes) % 3)
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
            value = NUMBERS[kind][pick // len(shapes) % len(NUMBERS[kind])]
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


def tensor_maker(make):
    """make(shape, start), the next one from another start, in memory that is dense, strided or transposed."""
    starts = itertools.count(0, 1000)

    def maker(shape, layout):
        if layout == 0:
            return make(shape, next(starts))
        if layout == 1:
            return make((*shape[:-1], 2 * shape[-1]), next(starts))[..., ::2]
        return make(shape[::-1], next(starts)).permute(*range(len(shape))[::-1])

    return maker


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
            made = arguments(parameters, tensor_maker(lambda shape, start: foreign(*shape, start=start)), pick)
            if made is None:
                break
            expected = arguments(
                parameters, tensor_maker(lambda shape, start: plain(foreign(*shape, start=start))), pick
            )
            got, right = outcome(f, *made), outcome(f, *expected)
            assert got == right, (parameters, pick)
            answered += not isinstance(right, type)
    COUNTS[name] = answered


COUNTS = {}


MIXED = [
    lambda b, x: torch.where(b, x, 0.0),
    lambda b, x: torch.where(b, b, ~b),
    lambda b, x: x.masked_fill(b, 7),
    lambda b, x: x.masked_scatter(b, -x),
    lambda b, x: x.masked_select(b),
    lambda b, x: x[b],
    lambda b, x: x[b.reshape(b.shape[0], -1)[:, 0]],
    lambda b, x: x.index_put((b,), torch.tensor(3.0)),
    lambda b, x: x * b,
    lambda b, x: x + b,
    lambda b, x: x.mul(b).add_(b).pow_(b),
    lambda b, x: torch.zeros_like(x).copy_(b),
    lambda b, x: torch.zeros(x.shape, dtype=torch.complex64).copy_(b),
    lambda b, x: torch.add(b, b, out=torch.empty(0, dtype=torch.int32)),
    lambda b, x: torch.sum(b, 0, dtype=torch.float64),
    lambda b, x: b.sum(dtype=torch.uint8),
    lambda b, x: torch.eq(b, x > 0, out=torch.empty(0, dtype=torch.bool)),
    lambda b, x: b == 1,
    lambda b, x: b.int() == b,
    lambda b, x: torch.stack([b, ~b]).to(torch.int64).sum(0),
    lambda b, x: torch.cat([b.to(torch.float32), x]),
    lambda b, x: torch.cat([b, x]),
    lambda b, x: torch.zeros_like(b).scatter_(0, torch.zeros(b.shape, dtype=torch.int64), b),
    lambda b, x: torch.zeros_like(b).index_add_(0, torch.zeros(b.shape[0], dtype=torch.int64), b),
    lambda b, x: torch.zeros_like(b).scatter_reduce_(0, torch.zeros(b.shape, dtype=torch.int64), b, "amin"),
    lambda b, x: b.clone().logical_xor_(x > 0),
    lambda b, x: b.clone().__ixor__(b.clone()),
    lambda b, x: torch.histc(b.float(), 2),
    lambda b, x: torch.bincount(b.long().reshape(-1)),
    lambda b, x: torch.tensor([bool(i) for i in b.reshape(-1)]),
    lambda b, x: torch.tensor(b.tolist()),
    lambda b, x: torch.tensor([int(b.reshape(-1)[0].item()), b.reshape(-1)[1].int().item()]),
    lambda b, x: repr(b),
    lambda b, x: torch.equal(b, b.clone()),
    lambda b, x: torch.einsum("...i,...i->...", b.int(), b.int()),
]


@pytest.mark.parametrize("number", range(len(MIXED)))
@pytest.mark.parametrize("shape", [(9,), (40, 30)])
def test_beside_other_dtypes(number, shape):
    b = foreign(*shape, start=100)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for view in (lambda t: t, lambda t: t[::2], lambda t: t.T if t.dim() == 2 else t):
        assert values_of(MIXED[number](view(b), view(x))) == values_of(MIXED[number](view(plain(b)), view(x)))


def test_wherever_the_bytes_come_from(tmp_path):
    data = bytes([0, 1, 2, 255])
    path = tmp_path / "bytes"
    path.write_bytes(data)
    file = io.BytesIO()
    torch.save(torch.frombuffer(bytearray(data), dtype=torch.bool), file)
    file.seek(0)
    array = np.frombuffer(data, np.uint8).view(bool)
    for t in (
        torch.tensor(list(data), dtype=torch.uint8).view(torch.bool),
        torch.from_numpy(array.copy()),
        torch.frombuffer(bytearray(data), dtype=torch.bool),
        torch.from_file(str(path), size=4, dtype=torch.bool),
        torch.empty(0, dtype=torch.bool).set_(torch.UntypedStorage(list(data))),
        torch.load(file),
        torch.from_dlpack(torch.from_numpy(array.copy())),
        torch.as_tensor(array.copy()),
        torch.asarray(bytearray(data), dtype=torch.bool),
    ):
        assert t.sum() == 3 and (t == True).tolist() == [False, True, True, True]  # noqa: E712
        assert t.to(torch.int64).tolist() == [0, 1, 1, 1] and (t ^ True).tolist() == [True, False, False, False]
        assert t.tolist() == [False, True, True, True] and t[3].item() is True and t.float().mean() == 0.75
        t.logical_not_()
        assert t.view(torch.uint8).tolist() == [1, 0, 0, 0]


def test_the_sweep_reaches_the_operations():
    """Most of what takes bools at all was compared by results, not by exceptions."""
    if len(COUNTS) < len(EVERYTHING) // 2:
        pytest.skip("the sweep ran elsewhere")
    assert sum(n > 0 for n in COUNTS.values()) > 450
