"""Rules of the elementwise operations: promotion, broadcasting, strides, in-place and out= forms, overlap, threads."""

import itertools
import math

import numpy as np
import pytest
import rushlight as torch
from helpers import on_threads
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

settings.register_profile("families", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
PROPERTY = settings(settings.get_profile("families"), max_examples=120)

NAMES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
SHORT = dict(zip("b1 u1 i1 i2 i4 i8 f2 bf f4 f8 c8 c16".split(), NAMES))
PROMOTION = """
    b1  u1  i1  i2  i4  i8  f2  bf  f4  f8  c8  c16
b1  b1  u1  i1  i2  i4  i8  f2  bf  f4  f8  c8  c16
u1  u1  u1  i2  i2  i4  i8  f2  bf  f4  f8  c8  c16
i1  i1  i2  i1  i2  i4  i8  f2  bf  f4  f8  c8  c16
i2  i2  i2  i2  i2  i4  i8  f2  bf  f4  f8  c8  c16
i4  i4  i4  i4  i4  i4  i8  f2  bf  f4  f8  c8  c16
i8  i8  i8  i8  i8  i8  i8  f2  bf  f4  f8  c8  c16
f2  f2  f2  f2  f2  f2  f2  f2  f4  f4  f8  c8  c16
bf  bf  bf  bf  bf  bf  bf  f4  bf  f4  f8  c8  c16
f4  f4  f4  f4  f4  f4  f4  f4  f4  f4  f8  c8  c16
f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  f8  c16 c16
c8  c8  c8  c8  c8  c8  c8  c8  c8  c8  c16 c8  c16
c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16 c16
""".split("\n")[1:-1]
# dtype of tensor + number, the number being True, 1, 1.0, 1j
WITH_NUMBER = {
    "bool": "bool int64 float32 complex64",
    "uint8": "uint8 uint8 float32 complex64",
    "int64": "int64 int64 float32 complex64",
    "float16": "float16 float16 float16 complex32",
    "bfloat16": "bfloat16 bfloat16 bfloat16 complex64",
    "float32": "float32 float32 float32 complex64",
    "float64": "float64 float64 float64 complex128",
    "complex64": "complex64 complex64 complex64 complex64",
}


def dtype_of(name):
    return getattr(torch, name)


def promotion_table():
    columns = PROMOTION[0].split()
    for line in PROMOTION[1:]:
        row, *cells = line.split()
        for column, cell in zip(columns, cells):
            yield SHORT[row], SHORT[column], SHORT[cell]


def test_promotion(device):
    for a, b, want in promotion_table():
        x, y = torch.ones(2, dtype=dtype_of(a), device=device), torch.ones(2, dtype=dtype_of(b), device=device)
        assert torch.promote_types(x.dtype, y.dtype) == torch.result_type(x, y) == dtype_of(want), (a, b)
        total = x + y
        assert total.dtype == dtype_of(want) and (total == (1 if want == "bool" else 2)).all(), (a, b)
        assert (x == y).dtype == torch.bool and (x == y).all()
        quotient = x / y
        assert quotient.dtype == (dtype_of(want) if want[0] in "fc" or want == "bfloat16" else torch.float32)


def test_promotion_with_numbers(device):
    for name, row in WITH_NUMBER.items():
        x = torch.ones(2, dtype=dtype_of(name), device=device)
        for number, want in zip((True, 1, 1.0, 1j), row.split()):
            assert torch.result_type(x, number) == torch.result_type(number, x) == dtype_of(want), (name, number)
            if want == "complex32":
                continue
            got = x * number
            assert got.dtype == (number * x).dtype == dtype_of(want), (name, number)
            assert got.tolist() == [number * 1] * 2


def category(name):
    return 0 if name == "bool" else 3 if name.startswith("complex") else 1 if "int" in name else 2


def test_promotion_with_zero_dim(device):
    """A tensor of no dimensions counts only where its category is higher."""
    for a, b, both in promotion_table():
        x, y = torch.ones(2, dtype=dtype_of(a), device=device), torch.ones((), dtype=dtype_of(b), device=device)
        if category(a) >= category(b):
            want = a
        elif category(a) == 2 and category(b) == 3:
            want = {"float16": "complex32", "float64": "complex128"}.get(a, "complex64")
        else:
            want = both
        assert torch.result_type(x, y) == torch.result_type(y, x) == dtype_of(want), (a, b)
        if want != "complex32":  # storage only
            assert (x * y).dtype == (y * x).dtype == dtype_of(want)
        assert (y * y).dtype == dtype_of(b)


def test_promotion_like_torch():
    reference = pytest.importorskip("torch")
    numbers = [True, 2, 2.0]
    for a, b in itertools.product(NAMES, NAMES):
        for da, db in itertools.product((0, 1), (0, 1)):
            mine = [torch.ones((2,) * d, dtype=dtype_of(n)) for d, n in ((da, a), (db, b))]
            theirs = [reference.ones((2,) * d, dtype=getattr(reference, n)) for d, n in ((da, a), (db, b))]
            assert str(torch.result_type(*mine)) == str(reference.result_type(*theirs)), (a, b, da, db)
            if torch.result_type(*mine) == torch.complex32:
                continue
            for f in ("mul", "div", "atan2", "maximum", "pow", "where"):
                if f == "where":
                    want = outcome(lambda: reference.where(reference.tensor(True), *theirs))  # noqa: B023
                    got = outcome(lambda: torch.where(torch.tensor(True), *mine))  # noqa: B023
                else:
                    want = outcome(lambda: getattr(reference, f)(*theirs))  # noqa: B023
                    got = outcome(lambda: getattr(torch, f)(*mine))  # noqa: B023
                assert got == want, (f, a, b, da, db)
    for a, d, number in itertools.product(NAMES, (0, 1), numbers):
        mine, theirs = torch.ones((2,) * d, dtype=dtype_of(a)), reference.ones((2,) * d, dtype=getattr(reference, a))
        for f in ("mul", "div", "add", "floor_divide", "pow", "eq", "fmod"):
            want = outcome(lambda: getattr(reference, f)(theirs, number))  # noqa: B023
            got = outcome(lambda: getattr(torch, f)(mine, number))  # noqa: B023
            if a == "bool" and number is True and f in ("floor_divide", "fmod", "pow"):
                continue  # division of bools is defined here only, in torch powers with the number True
            assert got == want, (f, a, d, number)


def outcome(f):
    try:
        return str(f().dtype)
    except RuntimeError:
        return "error"


def test_default_dtype_decides(device):
    x = torch.tensor([1, 4], device=device)
    torch.set_default_dtype(torch.float64)
    assert x.sqrt().dtype == (x / x).dtype == (x + 0.5).dtype == torch.float64
    assert torch.ones(2, device=device).dtype == torch.float64
    torch.set_default_dtype(torch.float32)
    assert x.sqrt().dtype == (x / x).dtype == (x + 0.5).dtype == torch.float32


def test_can_cast():
    assert torch.can_cast(torch.int64, torch.float16) and torch.can_cast(torch.float64, torch.float16)
    assert torch.can_cast(torch.bool, torch.int8) and torch.can_cast(torch.int64, torch.uint8)
    assert not torch.can_cast(torch.float16, torch.int64) and not torch.can_cast(torch.complex64, torch.float64)
    assert not torch.can_cast(torch.int8, torch.bool)


def test_out_is_computed_in_the_common_dtype(device):
    x = torch.tensor([33000.0, 1.0], device=device).half()
    out = torch.empty(0, dtype=torch.float64, device=device)
    assert torch.add(x, x, out=out).tolist() == [math.inf, 2.0]
    assert torch.mul(x, 1.0001, out=out).tolist() == [32992.0, 1.0] and torch.exp(x, out=out).tolist()[1] == 2.71875
    u = torch.tensor([65535], dtype=torch.uint16, device=device)
    wide = torch.empty(0, dtype=torch.int64, device=device)
    assert torch.mul(u, 1, out=wide).tolist() == [65535] and torch.add(u, 1, out=wide).tolist() == [0]


@pytest.mark.parametrize("function", "neg sign sgn floor ceil round trunc frac conj_physical abs bitwise_not".split())
def test_functions_that_keep_the_dtype_want_it_from_out(function, device):
    x = torch.ones(2, dtype=torch.int32 if function == "bitwise_not" else torch.float32, device=device)
    for dtype in (torch.float64, torch.int64, torch.complex64):
        with pytest.raises(
            RuntimeError, match=f"Found dtype .* but expected {'Int' if x.dtype == torch.int32 else 'Float'}"
        ):
            getattr(torch, function)(x, out=torch.empty(0, dtype=dtype, device=device))
    out = torch.empty(0, dtype=x.dtype, device=device)
    assert getattr(torch, function)(x, out=out).equal(getattr(torch, function)(x))


def test_out_dtypes(device):
    x = torch.ones(2, device=device)
    for function in ("isposinf", "isneginf", "signbit"):
        with pytest.raises(RuntimeError, match=f"{function} does not support non-boolean outputs"):
            getattr(torch, function)(x, out=torch.empty(0, device=device))
    z = torch.tensor([3 + 4j], device=device)
    for dtype in (torch.float64, torch.complex64):
        assert torch.abs(z, out=torch.empty(0, dtype=dtype, device=device)).tolist() == [5.0]
    with pytest.raises(RuntimeError, match="the operation's result requires dtype Double"):
        torch.float_power(x, 2, out=torch.empty(0, device=device))
    with pytest.raises(RuntimeError, match="tensors with different dtypes"):
        torch.heaviside(x, x, out=torch.empty(0, dtype=torch.float64, device=device))
    # What the result cannot be stored in is told before what is not implemented.
    with pytest.raises(RuntimeError, match="can't be cast") as error:
        torch.bitwise_and(x, x, out=torch.empty(0, dtype=torch.int64, device=device))
    assert error.type is RuntimeError


def test_numbers_beside_half_precision_are_rounded(device):
    """torch rounds the number to the dtype of the tensor, except in products and quotients."""
    x = torch.tensor([2.46875], dtype=torch.bfloat16, device=device)
    number = 2.296875  # 2.3 in bfloat16
    assert (x + 2.3).tolist() == (x + number).tolist() == [4.75]
    assert (x.remainder(2.3)).tolist() == [2.46875 - number] and (x == 2.465).tolist() == [True]
    y = torch.tensor([1.0078125], dtype=torch.bfloat16, device=device)
    assert (y * 1.0039).tolist() == [1.015625] and (y / 0.9961).tolist() == [1.015625]


def test_two_numbers(device):
    assert torch.add(1, 2).item() == 3 and torch.add(1, 2).dtype == torch.int64
    assert torch.sub(1.5, 2).item() == -0.5 and torch.mul(True, False).dtype == torch.bool
    assert torch.div(1, 2).item() == 0.5 and torch.floor_divide(7, 2).item() == 3
    assert torch.div(7, 2, rounding_mode="trunc").item() == 3 and torch.multiply(1j, 2).item() == 2j
    assert torch.add(1, 2, out=torch.empty(0)).item() == 3


def test_numbers_out_of_range(device):
    """Operands wrap, as in torch; factors, exponents and bounds must fit."""
    x = torch.ones(2, dtype=torch.uint8, device=device)
    for number in (255, 256, 10**10, -1, -256, 1000):
        assert (x + number).tolist() == [(1 + number) % 256] * 2
        assert (number - x).tolist() == [(number - 1) % 256] * 2
        assert (x == number).tolist() == [number % 256 == 1] * 2
        assert (x & number).tolist() == [number & 1] * 2
        assert x.clone().mul_(number).tolist() == [number % 256] * 2
    wide = torch.empty(0, dtype=torch.int64, device=device)
    assert torch.add(x, 1000, out=wide).tolist() == [233, 233]  # computed in uint8
    for refused in (lambda: x.add(x, alpha=256), lambda: x.sub(x, alpha=1000), lambda: x**256, lambda: x.clamp(0, 256)):
        with pytest.raises(RuntimeError, match="without overflow"):
            refused()
    with pytest.raises((RuntimeError, OverflowError), match="too big|overflow"):
        torch.ones(2, dtype=torch.int64, device=device) + 2**70


# ---- broadcasting and layouts


@st.composite
def broadcast_pair(draw):
    shape = draw(st.lists(st.integers(0, 4), min_size=0, max_size=4))

    def operand():
        own = [1 if draw(st.booleans()) else n for n in shape]
        while own and own[0] == 1 and draw(st.booleans()):
            own.pop(0)
        return tuple(own)

    return operand(), operand()


def arranged(draw, array, device):
    """The values of `array` as a tensor of some memory layout."""
    order = draw(st.permutations(range(array.ndim)))
    t = torch.tensor(np.ascontiguousarray(array.transpose(order)).tolist(), dtype=torch.float64, device=device)
    t = t.reshape(array.transpose(order).shape)
    how = draw(st.sampled_from(["plain", "step", "offset"]))
    if how != "plain" and t.dim():
        size = [n for n in t.shape]
        size[-1] = size[-1] * 2 + 1
        wide = torch.full(size, 99.0, dtype=torch.float64, device=device)
        part = wide[..., 1 : 2 * t.shape[-1] + 1 : 2] if how == "step" else wide[..., 1 : t.shape[-1] + 1]
        part.copy_(t)
        t = part
    inverse = [order.index(i) for i in range(array.ndim)]
    return t.permute(inverse)


@PROPERTY
@given(st.data())
def test_broadcasting(device, data):
    left, right = data.draw(broadcast_pair())
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, left).astype(float), rng.integers(-9, 9, right).astype(float)
    x, y = arranged(data.draw, a, device), arranged(data.draw, b, device)
    assert x.shape == a.shape and x.tolist() == a.tolist()
    want = a - b
    got = x - y
    assert got.shape == want.shape and got.tolist() == want.tolist()
    assert torch.broadcast_shapes(left, right) == want.shape
    assert torch.maximum(x, y).tolist() == np.maximum(a, b).tolist()
    if want.shape == a.shape:
        z = x.clone()
        z -= y
        assert z.tolist() == want.tolist()
    out = torch.empty(0, dtype=torch.float64, device=device)
    assert torch.sub(x, y, out=out).tolist() == want.tolist() and out.shape == want.shape


def test_broadcast_errors(device):
    a, b = torch.ones(2, 3, device=device), torch.ones(2, device=device)
    message = r"The size of tensor a \(3\) must match the size of tensor b \(2\) at non-singleton dimension 1"
    with pytest.raises(RuntimeError, match=message):
        a + b
    with pytest.raises(RuntimeError, match=r"output with shape \[2\] doesn't match the broadcast shape \[2, 2\]"):
        b += torch.ones(2, 1, device=device)
    with pytest.raises(RuntimeError, match="must match the size"):
        torch.ones(0, device=device) + torch.ones(2, device=device)
    with pytest.raises(RuntimeError):
        torch.broadcast_shapes((2,), (3,))


def test_expanded_operands(device):
    row = torch.arange(3.0, device=device).expand(4, 3)
    assert (row * row).tolist() == [[0.0, 1.0, 4.0]] * 4
    assert (row + row[:, :1]).stride() == (3, 1)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        row += 1
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        torch.add(row, 1, out=row)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        row.sin_()


@pytest.mark.parametrize("pattern", range(8))
def test_strides_of_results(pattern, device):
    """The operands' order of dimensions is kept."""
    x = torch.randn(2, 3, 4, 5, device=device)
    last = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # channels last
    cases = [
        (x + x, (60, 20, 5, 1)),
        (last + last, (60, 1, 15, 3)),
        (last + 1, (60, 1, 15, 3)),
        (last.sin(), (60, 1, 15, 3)),
        (last + torch.ones(3, 1, 1, device=device), (60, 1, 15, 3)),
        (x.permute(3, 2, 1, 0) * 2, (1, 5, 20, 60)),
        (x[:, :, ::2].transpose(0, 3).cos(), (1, 10, 5, 30)),
        (last > 0, (60, 1, 15, 3)),
    ]
    got, want = cases[pattern]
    assert got.stride() == want and got.storage_offset() == 0


@PROPERTY
@given(st.data())
def test_strides_like_torch(data):
    reference = pytest.importorskip("torch")
    left, right = data.draw(broadcast_pair())
    orders = [data.draw(st.permutations(range(len(shape)))) for shape in (left, right)]
    step = data.draw(st.booleans())

    def build(module, shape, order):
        size = [shape[i] for i in order]
        t = module.ones(*size) if size else module.ones(())
        if step and size:
            t = module.ones(*[n * 2 for n in size])[tuple(slice(None, None, 2) for _ in size)]
        inverse = [order.index(i) for i in range(len(order))]
        return t.permute(inverse)

    mine = [build(torch, *o) for o in zip((left, right), orders)]
    theirs = [build(reference, *o) for o in zip((left, right), orders)]
    for f in (
        lambda m, a, b: a * b,
        lambda m, a, b: b - a,
        lambda m, a, b: a.exp(),
        lambda m, a, b: b + 1,
        lambda m, a, b: 2 - a,
        lambda m, a, b: a < b,
        lambda m, a, b: m.lerp(a, b, 0.5),
        lambda m, a, b: m.add(a, b, out=m.empty(0)),
        lambda m, a, b: m.exp(b, out=m.empty(0)),
    ):
        got, want = f(torch, *mine), f(reference, *theirs)
        assert got.shape == tuple(want.shape)
        assert got.numel() == 0 or got.stride() == want.stride()


def test_strides_of_ambiguous_operands(device):
    """Dims of size 1 have strides, too, which lead where shapes differ."""
    for last in (True, False):
        strides = (3, 1, 3, 3) if last else (3, 1, 1, 1)
        x = torch.empty_strided((10, 3, 1, 1), strides, device=device).fill_(1)
        assert x.is_contiguous()
        for result in (x * 5, x + torch.ones(3, 1, 1, device=device), torch.ones(3, 1, 1, device=device) - x):
            assert result.stride() == strides
        assert (x + x).stride() == (3, 1, 1, 1)
    y = torch.randn(1, 1, 4, 12, device=device)[:, :, :, ::2].permute(0, 2, 1, 3)
    dense = tuple(s // 2 for s in y.stride())
    for out in (None, torch.empty(0, device=device), torch.empty(0, 2, device=device)):
        assert torch.add(y, torch.ones(6, device=device), out=out).stride() == dense
        assert torch.exp(y, out=out).stride() == dense
    kept = torch.empty(1, 4, 1, 6, device=device)
    assert torch.exp(y, out=kept).stride() == (24, 6, 6, 1)


def test_empty_and_zero_dim(device):
    empty, zero = torch.ones(0, 3, device=device), torch.tensor(2.0, device=device)
    assert (empty + empty).shape == (empty * 2).shape == (empty + torch.ones(3, device=device)).shape == (0, 3)
    assert (empty + zero).shape == (0, 3) and (empty.t() + zero).shape == (3, 0)
    assert (zero + zero).shape == () and (zero * 3).item() == 6.0 and zero.exp().shape == ()
    assert (torch.ones(1, 1, device=device) + zero).shape == (1, 1)
    zero += 1
    assert zero.item() == 3.0
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        zero += torch.ones(1, device=device)


# ---- in-place and out=


def test_inplace_dtypes(device):
    i, f = torch.tensor([1, 2], device=device), torch.tensor([1.5, 2.5], device=device)
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        i += f
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        i /= 2
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        i.sin_()
    with pytest.raises(RuntimeError, match="result type ComplexFloat can't be cast to the desired output type Float"):
        f *= 1j
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type Bool"):
        torch.tensor([True], device=device).add_(1)
    assert i.tolist() == [1, 2] and f.tolist() == [1.5, 2.5]
    f += i
    assert f.tolist() == [2.5, 4.5] and f.dtype == torch.float32
    small = torch.tensor([250, 3], dtype=torch.uint8, device=device)
    small += torch.tensor([10, 10], device=device)
    assert small.tolist() == [4, 13] and small.dtype == torch.uint8
    half = torch.tensor([1.0, 2.0], dtype=torch.float16, device=device)
    half += torch.tensor([0.5, 0.25], dtype=torch.float64, device=device)
    assert half.tolist() == [1.5, 2.25] and half.dtype == torch.float16
    flags = torch.tensor([2.0, 0.0, 3.0], device=device)
    assert flags.eq_(2).tolist() == [1.0, 0.0, 0.0] and flags.dtype == torch.float32
    assert f.logical_not_().tolist() == [0.0, 0.0]
    i //= 2
    i **= 2
    i <<= 3
    assert i.tolist() == [0, 8]


def test_inplace_counts_versions(device):
    x = torch.ones(3, device=device)
    version = x._version
    x += 1
    x.exp_()
    torch.add(x, 1, out=x)
    assert x._version == version + 3
    view = x[1:]
    view.mul_(2)
    assert x._version == version + 4


def test_out(device):
    x, y = torch.tensor([1.0, 2.0], device=device), torch.tensor([3.0, 4.0], device=device)
    out = torch.empty(2, dtype=torch.float64, device=device)
    assert torch.mul(x, y, out=out) is out and out.tolist() == [3.0, 8.0] and out.dtype == torch.float64
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.mul(x, y, out=torch.empty(2, dtype=torch.int64, device=device))
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Int"):
        torch.exp(x, out=torch.empty(2, dtype=torch.int32, device=device))
    counts = torch.empty(2, dtype=torch.int32, device=device)
    assert torch.gt(y, 3, out=counts).tolist() == [0, 1]
    empty = torch.empty(0, device=device)
    torch.add(x, y, out=empty)
    assert empty.tolist() == [4.0, 6.0]
    wrong = torch.zeros(5, device=device)
    with pytest.warns(UserWarning, match=r"was resized since it had shape \[5\].*required output shape \[2\]"):
        torch.add(x, y, out=wrong)
    assert wrong.tolist() == [4.0, 6.0]
    columns = torch.zeros(2, 2, device=device)
    torch.add(x, y, out=columns[:, 1])
    assert columns.tolist() == [[0.0, 4.0], [0.0, 6.0]]
    leaf = torch.ones(2, device=device, requires_grad=True)
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.add(leaf, 1, out=empty)
    with torch.no_grad():
        assert torch.add(leaf, 1, out=empty).tolist() == [2.0, 2.0]
    with pytest.raises(TypeError):
        torch.add(x, y, out=3)


def test_overlap(device):
    message = "some elements of the input tensor and the written-to tensor refer to a single memory location"
    x = torch.arange(6.0, device=device)
    for f in (
        lambda: x[1:].add_(x[:-1]),
        lambda: torch.mul(x[:-1], 2, out=x[1:]),
        lambda: torch.exp(x[:-1], out=x[1:]),
        lambda: torch.add(x[:-1], x[1:], out=x[1:]),
    ):
        with pytest.raises(RuntimeError, match=message):
            f()
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    torch.add(x, x, out=x)
    assert x.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    x[::2].add_(x[1::2])
    assert x.tolist() == [2.0, 2.0, 10.0, 6.0, 18.0, 10.0]
    x += x
    assert x[0].item() == 4.0


def test_inplace_on_transposed_self(device):
    x = torch.arange(9.0, device=device).reshape(3, 3)
    with pytest.raises(RuntimeError, match="single memory location"):
        x += x.t()
    assert x.tolist() == torch.arange(9.0, device=device).reshape(3, 3).tolist()


# ---- threads


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "int32"])
def test_threads_give_the_same_bits(name, device):
    count = (1 << 18) + 37
    torch.manual_seed(1)
    x = (torch.randn(count, device=device) * 9).to(dtype_of(name))
    y = (torch.randn(count, device=device) * 9).to(dtype_of(name))
    other = torch.randint(-9, 9, (count,), device=device)
    cases = [
        lambda: x + y,
        lambda: x.exp(),
        lambda: torch.atan2(x, y),
        lambda: x * other,
        lambda: x.sin() / 3,
        lambda: x[::3] - y.flip(0)[::3],
        lambda: x[: 512 * 512].view(512, 512).t() * y[: 512 * 512].view(512, 512),
        lambda: x > y,
        lambda: torch.empty(count, device=device, dtype=torch.float64).copy_(x).add_(y),
    ]
    for f in cases:
        one, two = on_threads(f)
        assert one.equal(two) and not one.isnan().any()


def test_large_values(device, threads):
    threads(2)
    count = 3_000_001
    a = np.arange(count, dtype=np.float32) % 1001
    x = torch.arange(count, device=device, dtype=torch.int64).remainder(1001).float()
    assert (x.cpu().numpy() == a).all()
    assert ((x * 2 + 1).cpu().numpy() == a * 2 + 1).all()
    assert (x.view(-1)[1::2].sqrt().cpu().numpy() == np.sqrt(a[1::2])).all()
    square = x[: 1700 * 1700].view(1700, 1700)
    want = a[: 1700 * 1700].reshape(1700, 1700)
    assert ((square + square.t()).cpu().numpy() == want + want.T).all()
