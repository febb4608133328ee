"""The namespace of the array API standard, against NumPy's, which follows the same standard."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
import rushlight
from rushlight import array_api as xp

REAL = ["float32", "float64"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGERS = SIGNED + UNSIGNED
NUMERIC = INTEGERS + REAL + ["complex64", "complex128"]
ALL = ["bool", *NUMERIC]
random = np.random.default_rng(0)


def array(dtype, shape=(3, 4)):
    """Small numbers, so that nothing overflows."""
    if dtype == "bool":
        return random.random(shape) < 0.5
    values = random.integers(0 if dtype.startswith("uint") else -4, 5, shape)
    if dtype.startswith("complex"):
        values = values + 1j * random.integers(-4, 5, shape)
    return values.astype(dtype)


def to_xp(value):
    if isinstance(value, np.ndarray):
        return xp.asarray(value.copy())
    if isinstance(value, list):
        return [to_xp(v) for v in value]
    if isinstance(value, type) and issubclass(value, np.generic):
        return getattr(xp, value.__name__.rstrip("_"))
    return value


def same(result, expected):
    """Dtype, shape and values, of single arrays and of tuples and lists of them."""
    if isinstance(expected, (tuple, list)):
        assert len(result) == len(expected)
        for r, e in zip(result, expected):
            same(r, e)
        return
    assert isinstance(result, rushlight.Tensor)
    assert str(result.dtype) == f"torch.{expected.dtype}" and tuple(result.shape) == expected.shape
    tolerance = 1e-5 if expected.dtype.itemsize <= 8 else 1e-12
    np.testing.assert_allclose(result.numpy(), expected, rtol=tolerance, atol=tolerance)


def check(name, *arguments, numpy_name=None, **keywords):
    with np.errstate(all="ignore"):
        expected = getattr(np, numpy_name or name)(*arguments, **keywords)
    expected = expected if isinstance(expected, (tuple, list)) else np.asarray(expected)
    same(getattr(xp, name)(*map(to_xp, arguments), **{k: to_xp(v) for k, v in keywords.items()}), expected)


# ---- names and signatures


def test_namespace():
    x = rushlight.ones(2)
    assert x.__array_namespace__() is xp is x.__array_namespace__(api_version="2024.12") is rushlight.array_api
    assert xp.__array_api_version__ == "2024.12"
    with pytest.raises(ValueError, match="2030.12"):
        x.__array_namespace__(api_version="2030.12")
    with pytest.raises(AttributeError, match="no_such"):
        xp.no_such  # noqa: B018
    assert {"linalg", "fft", "float32", "unique_all", "__array_namespace_info__"} <= {*dir(xp)}
    assert (xp.e, xp.pi, xp.inf, xp.newaxis) == (np.e, np.pi, np.inf, None) and np.isnan(xp.nan)


def test_signatures():
    """Kinds of parameters as the standard prints them; NumPy's functions are not all written in Python."""
    expected = {
        "sum": "(x, /, *, axis=None, dtype=None, keepdims=False)",
        "std": "(x, /, *, axis=None, correction=0.0, keepdims=False)",
        "sort": "(x, /, *, axis=-1, descending=False, stable=True)",
        "add": "(x1, x2, /)",
        "exp": "(x, /)",
        "clip": "(x, /, min=None, max=None)",
        "take": "(x, indices, /, *, axis=None)",
        "concat": "(arrays, /, *, axis=0)",
        "reshape": "(x, /, shape, *, copy=None)",
        "arange": "(start, /, stop=None, step=1, *, dtype=None, device=None)",
        "eye": "(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)",
        "searchsorted": "(x1, x2, /, *, side='left', sorter=None)",
        "cumulative_sum": "(x, /, *, axis=None, dtype=None, include_initial=False)",
        "astype": "(x, dtype, /, *, copy=True, device=None)",
    }
    for name, text in expected.items():
        signature = inspect.signature(getattr(xp, name))
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
        assert str(inspect.Signature(plain)) == text
    for name in dir(xp):
        if inspect.isfunction(getattr(xp, name)):
            assert getattr(xp, name).__doc__ and getattr(xp, name).__name__ == name


def test_info():
    info, numpy_info = xp.__array_namespace_info__(), np.__array_namespace_info__()
    for kind in [None, "bool", "integral", "real floating", ("signed integer", "complex floating")]:
        assert {*info.dtypes(kind=kind)} == {*numpy_info.dtypes(kind=kind)}
    assert info.capabilities()["boolean indexing"] and info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] == rushlight.float32
    assert info.dtypes()["int8"] is xp.int8
    with pytest.raises((RuntimeError, AssertionError)):
        info.dtypes(device="cuda")


# ---- dtypes


@pytest.mark.parametrize("a", ALL)
def test_promotion(a):
    for b in ALL:
        signed = {a, b} & {*SIGNED}
        if "uint64" in (a, b) and signed:
            with pytest.raises(TypeError):
                xp.result_type(getattr(xp, a), getattr(xp, b))
            continue
        expected = np.result_type(a, b)
        kinds = {np.dtype(d).kind.replace("u", "i").replace("c", "f") for d in (a, b)}
        if len(kinds) > 1:
            continue  # not in the standard
        assert str(xp.result_type(getattr(xp, a), getattr(xp, b))) == f"torch.{expected}"
        # Arrays without dims count as any others.
        x, y = xp.ones((), dtype=getattr(xp, a)), xp.ones(2, dtype=getattr(xp, b))
        assert str(xp.result_type(x, y)) == f"torch.{expected}"
        assert xp.can_cast(getattr(xp, a), getattr(xp, b)) == (expected == b)
        if a != "bool":
            assert str(xp.multiply(x, y).dtype) == f"torch.{expected}"


def test_scalars():
    assert xp.result_type(xp.int8, 5) is xp.int8 and xp.result_type(xp.float32, 2.5, 1) is xp.float32
    assert xp.result_type(xp.float64, 1j) is xp.complex128 and xp.result_type(xp.float32, 1j) is xp.complex64
    assert xp.add(1, xp.asarray([1], dtype=xp.uint16)).dtype is xp.uint16
    assert xp.maximum(xp.asarray([1.0, 5.0]), 3).tolist() == [3, 5]
    with pytest.raises(ValueError):
        xp.result_type(1, 2.0)
    with pytest.raises(TypeError):
        xp.result_type("float32")


def test_kinds_and_limits():
    assert xp.isdtype(xp.uint8, "integral") and xp.isdtype(xp.uint8, ("bool", xp.uint8))
    assert not xp.isdtype(xp.complex64, "real floating") and xp.isdtype(xp.complex64, "numeric")
    with pytest.raises(ValueError, match="float"):
        xp.isdtype(xp.float32, "float")
    for name in REAL:
        ours, theirs = xp.finfo(getattr(xp, name)), np.finfo(name)
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(ours, field) == getattr(theirs, field)
        assert ours.dtype is getattr(xp, name) and type(ours.eps) is float
    assert xp.finfo(xp.complex64).dtype is xp.float32 and xp.finfo(xp.ones(2)).bits == 32
    for name in INTEGERS:
        ours, theirs = xp.iinfo(getattr(xp, name)), np.iinfo(name)
        assert (ours.bits, ours.max, ours.min) == (theirs.bits, theirs.max, theirs.min)


def test_astype():
    x = xp.asarray([1.5, -2.5])
    assert xp.astype(x, xp.float32, copy=False) is x and xp.astype(x, xp.float32) is not x
    assert xp.astype(x, xp.int8).tolist() == [1, -2]
    with pytest.raises(TypeError):
        xp.astype(xp.asarray([1j]), xp.float32)


# ---- values


@pytest.mark.parametrize("dtype", UNSIGNED)
def test_unsigned_arithmetic(dtype):
    big = np.iinfo(dtype).max
    x = np.array([0, 1, 2, 7, big - 1, big], dtype)
    y = np.array([3, 1, big, 5, 2, big], dtype)
    binary = "add subtract multiply floor_divide remainder bitwise_and bitwise_or bitwise_xor equal not_equal less"
    for name in (binary + " less_equal greater greater_equal maximum minimum").split():
        check(name, x, y)
    check("bitwise_left_shift", x, y % 9)
    check("bitwise_right_shift", x, y % 9)
    check("pow", x, y % 9)
    for (
        name
    ) in "abs negative positive sign square bitwise_invert floor ceil trunc round logical_not isfinite isnan".split():
        check(name, x)
    for name in "sum prod max min argmax argmin cumulative_sum cumulative_prod".split():
        check(name, x)
    check("matmul", x[:4].reshape(2, 2), y[2:].reshape(2, 2))
    # The operators of tensors, in place too.
    tx, ty = to_xp(x), to_xp(y)
    same(tx + ty, x + y)
    same(tx - ty, x - y)
    same(tx < ty, x < y)
    same(~tx, ~x)
    same(tx // ty, x // y)
    same(rushlight.add(tx, ty, alpha=3), x + np.array(3, dtype) * y)
    tx -= ty
    same(tx, x - y)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        ty // (ty - ty)


def test_mixed_unsigned_operators():
    for a, b, c in [("uint16", "int8", "int32"), ("uint32", "int16", "int64"), ("uint16", "uint64", "uint64")]:
        same(to_xp(array(a)) * to_xp(array(b)) * 0, np.zeros((3, 4), c))
    with pytest.raises(RuntimeError, match="Promotion"):
        to_xp(array("uint64")) + to_xp(array("int8"))


@pytest.mark.parametrize("dtype", REAL + ["complex64", "complex128"])
def test_functions_of_floats(dtype):
    x = array(dtype) / 8
    names = (
        "acos asin asinh atan atanh conj cos cosh exp expm1 imag log1p real round sign sin sinh sqrt square tan tanh"
    )
    for name in names.split():
        check(name, x)
    for name in "acosh log log2 log10 reciprocal".split():
        check(name, abs(x) + np.asarray(1.25, dtype))
    x, y = array(dtype), array(dtype) + np.asarray(0.5, dtype)
    for name in "add subtract multiply divide equal".split():
        check(name, x, y)
    if dtype in REAL:
        for name in "atan2 floor_divide remainder maximum minimum less".split():
            check(name, x, y)
        check("pow", np.abs(x), y)
        special = np.array([np.inf, -np.inf, np.nan, -0.0, 2.5, -2.5, 0.5], dtype)
        for name in "isfinite isinf isnan ceil floor trunc round sign".split():
            check(name, special)


@pytest.mark.parametrize("name", ["copysign", "hypot", "logaddexp", "nextafter", "signbit"])
def test_functions_of_two_floats(name):
    if not hasattr(rushlight, name):
        pytest.skip(f"no rushlight.{name}")
    special = np.array([1.5, -2.0, np.inf, -np.inf, 0.0, -0.0])
    arguments = [special] if name == "signbit" else [special[:, None], special]
    check(name, *arguments)


def test_special_cases():
    x = xp.asarray([np.inf, -np.inf, 1.0, -1.0])
    assert xp.floor_divide(x, xp.asarray([2.0, 2.0, -np.inf, np.inf])).tolist() == [np.inf, -np.inf, 0, 0]
    z = xp.expm1(xp.asarray([complex(np.inf, 0), complex(-np.inf, np.inf)]))
    assert z[0] == complex(np.inf, 0) and z[1].real == -1


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_tanh_at_infinity(dtype):
    """tanh(inf + iy) is 1 + 0i for y > 0 (not 0 times sin(2y)); the rest follows from symmetry."""
    ys = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 5.0])
    for real in (np.inf, -np.inf):
        z = np.empty(7, dtype)
        z.real, z.imag = real, ys
        result = xp.tanh(xp.asarray(z)).numpy()
        assert result.dtype == dtype and (result == np.sign(real)).all()
        assert (np.signbit(result.imag) == np.signbit(ys)).all()
    same(xp.tanh(xp.asarray(np.array([0.5 + 2j, 20 - 2j], dtype))), np.tanh(np.array([0.5 + 2j, 20 - 2j], dtype)))
    edges = xp.tanh(xp.asarray(np.array([complex(np.inf, np.nan), complex(np.nan, 0)], dtype)))
    assert edges[0].real == 1 and xp.isnan(edges[1].real) and edges[1].imag == 0


def test_operators_are_torch_s():
    """Where operators differ from the functions of the same meaning; docs/deviations.md lists these."""
    one = xp.asarray([1.0, -1.0])
    assert (one // xp.asarray([-np.inf, np.inf])).tolist() == [-1, -1]
    assert xp.isnan(xp.asarray([np.inf]) // 2.0).all() and xp.floor_divide(xp.asarray([np.inf]), 2.0)[0] == np.inf
    zeros, signs = xp.asarray([-0.0, 0.0]), xp.asarray([1.0, -1.0])
    assert xp.signbit(zeros % signs).tolist() == [True, False]
    assert xp.signbit(xp.remainder(zeros, signs)).tolist() == [False, True]
    wide = xp.asarray(1.0, dtype=xp.float64)
    assert (xp.ones(2) + wide).dtype == xp.float32 and xp.add(xp.ones(2), wide).dtype == xp.float64
    with pytest.raises(ValueError, match="step"):
        one[::-1]
    with pytest.raises(IndexError, match="mask"):
        one[xp.zeros(0, dtype=xp.bool)]


@pytest.mark.parametrize("dtype", NUMERIC)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
def test_reductions(dtype, axis):
    x = array(dtype, (2, 3, 2))
    for keepdims in (False, True):
        check("sum", x, axis=axis, keepdims=keepdims)
        check("prod", x, axis=axis, keepdims=keepdims)
        check("count_nonzero", x, axis=axis, keepdims=keepdims)
        check("any", x, axis=axis, keepdims=keepdims)
        check("all", x, axis=axis, keepdims=keepdims)
        if not dtype.startswith("complex"):
            check("max", x, axis=axis, keepdims=keepdims)
            check("min", x, axis=axis, keepdims=keepdims)
        if dtype in REAL:
            check("mean", x, axis=axis, keepdims=keepdims)
            check("std", x, axis=axis, keepdims=keepdims, **({} if axis == () else {"correction": 1}))
            check("var", x, axis=axis, keepdims=keepdims)
        if (axis is None or isinstance(axis, int)) and not dtype.startswith("complex"):
            check("argmax", x, axis=axis, keepdims=keepdims)
            check("argmin", x, axis=axis, keepdims=keepdims)
    check("sum", x, axis=axis, dtype=np.complex128)
    if isinstance(axis, int):
        check("cumulative_sum", x, axis=axis)
        check("cumulative_prod", x, axis=axis, include_initial=True)
        check("diff", x, axis=axis)
        check("diff", x, axis=axis, n=2, prepend=x, append=x)
        check("diff", x, 2, axis=axis)
    check(
        "cumulative_sum", x.reshape(-1), include_initial=True, dtype=np.float64 if not dtype.startswith("c") else None
    )


def test_reductions_of_nothing_and_errors():
    empty = np.zeros((0, 3), "int8")
    check("sum", empty)
    check("prod", empty, axis=0)
    check("all", empty)
    with pytest.raises(ValueError, match="twice"):
        xp.sum(xp.ones((2, 2)), axis=(0, -2))
    with pytest.raises(IndexError, match="out of range"):
        xp.max(xp.ones((2, 2)), axis=2)
    with pytest.raises(ValueError, match="axis"):
        xp.cumulative_sum(xp.ones((2, 2)))
    with pytest.raises(TypeError):
        xp.max(xp.asarray([1j]), axis=0)
    with pytest.raises(TypeError, match="expected an array"):
        xp.sum([1, 2])


def test_creation():
    check("arange", 5)
    check("arange", 1, 9, 3, dtype=np.uint16)
    check("arange", 5.0, 1.0, -0.5, dtype=np.float64)
    check("arange", 3, 1)
    check("linspace", 0, 1, num=5, endpoint=False, dtype=np.float64)
    check("linspace", 1j, 2, num=4, dtype=np.complex128)
    check("linspace", 0, 1, num=0, dtype=np.float32)
    check("eye", 3, 4, k=1, dtype=np.int8)
    check("eye", 2, k=-9, dtype=np.float32)
    check("full", (2, 2), 2**63, dtype=np.uint64)
    check("full", 3, True)
    check("zeros", (2, 0), dtype=np.uint32)
    check("ones", 3, dtype=np.float32)
    for name in ("zeros_like", "ones_like"):
        check(name, array("uint16"))
    check("full_like", array("int8"), 7, dtype=np.float32)
    for k in (-1, 0, 2):
        check("tril", array("uint64", (2, 3, 4)), k=k)
        check("triu", array("complex64"), k=k)
    for indexing in ("xy", "ij"):
        check("meshgrid", *(np.arange(n) for n in (2, 3, 4)), indexing=indexing)
    check("meshgrid", np.arange(2))
    assert xp.empty((2, 3)).shape == (2, 3) and xp.empty_like(xp.ones(2, dtype=xp.int8)).dtype is xp.int8
    assert xp.full((2,), 1j).dtype is xp.complex64 and xp.full((2,), 1.0).dtype is xp.float32


def test_asarray():
    x = xp.asarray([[1, 2], [3, 4]])
    assert x.dtype is xp.int64 and xp.asarray(x) is x and xp.asarray(x, copy=True) is not x
    assert xp.asarray([2**63]).dtype is xp.uint64 and xp.asarray([True]).dtype is xp.bool
    assert xp.asarray(1j).dtype is xp.complex64 and xp.asarray([x, x]).shape == (2, 2, 2)
    with pytest.raises(ValueError, match="copy=False"):
        xp.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        xp.asarray(x, dtype=xp.int8, copy=False)
    a = np.arange(3)
    shared, copied = xp.asarray(a, copy=False), xp.asarray(a, copy=True)
    a[0] = 9
    assert shared.tolist() == [9, 1, 2] and copied.tolist() == [0, 1, 2]


def test_dlpack_and_devices():
    x = xp.asarray([1.0, 2.0])
    assert x.to_device("cpu") is x and x.to_device(x.device) is x
    assert x.__dlpack_device__() == (1, 0)
    y = xp.from_dlpack(x)
    y[0] = 5
    assert x[0] == 5 and np.from_dlpack(x)[0] == 5
    assert xp.from_dlpack(np.arange(3.0), copy=True).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="stream"):
        x.to_device("cpu", stream=1)


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "complex128", "bool"])
def test_manipulation(dtype):
    x, y = array(dtype, (2, 3, 1)), array(dtype, (2, 3, 1))
    check("broadcast_arrays", x, array(dtype, (3, 4)))
    check("broadcast_to", x, (5, 2, 3, 4))
    for axis in (0, -2, None):
        check("concat", [x, y], axis=axis)
        check("flip", x, axis=axis)
        check("repeat", x, 2, axis=axis)
        check("roll", x, 4, axis=axis)
    check("repeat", x, np.array([2, 0, 1]), axis=1)
    check("roll", x, (1, -2), axis=(0, 1))
    check("stack", [x, y], axis=-1)
    check("expand_dims", x, axis=-1)
    check("moveaxis", x, (0, 1), (-1, 0))
    check("permute_dims", x, (2, 0, 1))
    check("reshape", x, (3, -1))
    check("squeeze", x, axis=2)
    check("squeeze", x, axis=())
    check("tile", x, (2, 1, 1, 3))
    check("tile", x, (2,))
    check("tile", x, (0, 1, 1))
    check("unstack", x, axis=1)
    check("matrix_transpose", x)
    check("where", x != 0, x, y)
    check("where", x != 0)
    with pytest.raises(TypeError, match="both"):
        xp.where(to_xp(x != 0), to_xp(x))
    check("nonzero", x)
    check("take", x, np.array([2, 0, -1]), axis=1)
    check("take_along_axis", x, np.array([[[1], [0], [2]]]), axis=1)
    assert xp.tile(to_xp(x), (1,)).data_ptr() != to_xp(x).data_ptr()


def test_errors_of_manipulation():
    x = xp.ones((2, 3))
    for wrong in (
        lambda: xp.squeeze(x, axis=0),
        lambda: xp.concat([]),
        lambda: xp.concat([x, xp.ones((3, 2))]),
        lambda: xp.reshape(x.T, (6,), copy=False),
        lambda: xp.nonzero(xp.ones(())),
        lambda: xp.take(x, xp.asarray([0])),
        lambda: xp.repeat(x, xp.asarray([1, 2, 3]), axis=0),
        lambda: xp.repeat(x, -1),
        lambda: xp.roll(x, (1, 2)),
        lambda: xp.matmul(x, xp.ones(())),
        lambda: xp.tensordot(x, x, axes=1),
        lambda: xp.vecdot(x, xp.ones((2, 2))),
        lambda: xp.meshgrid(x),
        lambda: xp.tril(xp.ones(2)),
        lambda: xp.linspace(0, 1, -1),
    ):
        with pytest.raises(ValueError):
            wrong()
    for wrong in (
        lambda: xp.expand_dims(x, axis=4),
        lambda: xp.stack([x], axis=5),
        lambda: xp.take(x, xp.asarray([7]), axis=0),
    ):
        with pytest.raises(IndexError):
            wrong()


@pytest.mark.parametrize("dtype", ["int16", "uint32", "uint64", "float64", "complex64"])
def test_products(dtype):
    x, y = array(dtype, (2, 3, 4)), array(dtype, (2, 4, 3))
    check("matmul", x, y)
    check("matmul", x[0, 0], y)
    check("tensordot", x, y, axes=((0, 2), (0, 1)))
    check("tensordot", x, y, axes=0)
    check("tensordot", x, np.swapaxes(x, 0, 2), axes=1)
    check("vecdot", x, array(dtype, (3, 4)))
    check("vecdot", x, x, axis=-2)


@pytest.mark.skipif(not hasattr(rushlight, "sort"), reason="no rushlight.sort")
@pytest.mark.parametrize("dtype", ["int8", "uint16", "uint64", "float32", "bool"])
def test_order_and_sets(dtype):
    x = array(dtype, (4, 5))
    if dtype == "uint64":
        x[0, 0] = 2**64 - 1
    if dtype != "bool":
        for axis in (0, -1):
            check("sort", x, axis=axis)
            check("argsort", x, axis=axis, **({"stable": True}))
            same(xp.sort(to_xp(x), axis=axis, descending=True), np.flip(np.sort(x, axis), axis))
        sorted_ = np.sort(x.reshape(-1))
        check("searchsorted", sorted_, x)
        check("searchsorted", sorted_, x, side="right")
        check("searchsorted", x.reshape(-1), x, sorter=np.argsort(x.reshape(-1)))
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        check(name, x)
    same(xp.unique_values(to_xp(x)), np.unique(x))  # NumPy's unique_values has no order
    result = xp.unique_all(to_xp(x))
    assert result._fields == ("values", "indices", "inverse_indices", "counts")


@pytest.mark.skipif(not hasattr(rushlight, "sort"), reason="no rushlight.sort")
def test_each_nan_is_distinct():
    x = xp.asarray([np.nan, 1.0, np.nan, 1.0])
    values, indices, inverse, counts = xp.unique_all(x)
    assert counts.tolist() == [2, 1, 1] and indices.tolist() == [1, 0, 2] and inverse.tolist() == [1, 0, 2, 0]
    assert xp.unique_counts(xp.asarray([1j, 1, 1j])).counts.tolist() == [2, 1]
    assert xp.unique_values(xp.zeros(0)).shape == (0,)


def test_clip():
    x = np.array([-3, 0, 5, 9], "int8")
    for low, high in ((0, 5), (None, 3), (-1, None), (np.array([1, 2, 3, 4], "int8"), 6)):
        check("clip", x, low, high)
    assert xp.clip(to_xp(x), -1000, 1000).tolist() == x.tolist()
    clipped = xp.clip(to_xp(x))
    assert clipped.tolist() == x.tolist()
    check("clip", np.array([np.nan, 5.0, -1.0]), 0, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_linalg(dtype):
    x = array(dtype, (2, 3, 3)) + 7 * np.eye(3, dtype=dtype)
    hermitian = x @ np.conj(np.swapaxes(x, -1, -2))
    for name in "det inv pinv matrix_norm matrix_rank slogdet trace diagonal svdvals matrix_transpose".split():
        expected = getattr(np.linalg, name)(x)
        same(
            getattr(xp.linalg, name)(to_xp(x)), tuple(expected) if isinstance(expected, tuple) else np.asarray(expected)
        )
    for name in ("cholesky", "eigvalsh"):
        same(getattr(xp.linalg, name)(to_xp(hermitian)), getattr(np.linalg, name)(hermitian))
    same(xp.linalg.solve(to_xp(x), to_xp(x[0])), np.linalg.solve(x, x[0]))
    same(xp.linalg.cross(to_xp(x), to_xp(x[0]), axis=-1), np.linalg.cross(x, np.broadcast_to(x[0], x.shape)))
    same(xp.linalg.outer(to_xp(x[0, 0]), to_xp(x[0, 1])), np.outer(x[0, 0], x[0, 1]))
    for order in (2, 1, 0, 3.5, np.inf, -np.inf):
        same(xp.linalg.vector_norm(to_xp(x), axis=-1, ord=order), np.linalg.vector_norm(x, axis=-1, ord=order))
    q, r = xp.linalg.qr(to_xp(x))
    np.testing.assert_allclose((q @ r).numpy(), x, rtol=1e-4, atol=1e-4)
    u, s, vh = xp.linalg.svd(to_xp(x), full_matrices=False)
    np.testing.assert_allclose(((u * s.unsqueeze(-2)) @ vh).numpy(), x, rtol=1e-4, atol=1e-4)
    with pytest.raises(RuntimeError, match="cholesky"):
        xp.linalg.cholesky(to_xp(-hermitian))


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_fft(dtype):
    x = array(dtype, (4, 6))
    for name in "fft ifft fftn ifftn hfft irfft irfftn".split():
        same(getattr(xp.fft, name)(to_xp(x)), getattr(np.fft, name)(x))
    for name in "fftshift ifftshift".split():
        same(getattr(xp.fft, name)(to_xp(x), axes=1), getattr(np.fft, name)(x, axes=1))
    same(xp.fft.fft(to_xp(x), n=5, axis=0, norm="ortho"), np.fft.fft(x, n=5, axis=0, norm="ortho"))
    same(xp.fft.rfftfreq(7, d=0.5, dtype=xp.float64), np.fft.rfftfreq(7, d=0.5))
    same(xp.fft.fftfreq(6, dtype=xp.float64), np.fft.fftfreq(6))


def test_gradients():
    x = rushlight.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=xp.float64, requires_grad=True)
    for f in (
        lambda x: xp.std(x, axis=0),
        lambda x: xp.tile(xp.roll(x, 1, axis=1), (2, 1)),
        lambda x: xp.cumulative_prod(x, axis=1, include_initial=True),
        lambda x: xp.tensordot(x, x, axes=1),
        lambda x: xp.diff(xp.repeat(x, 2, axis=0), axis=0),
        lambda x: xp.clip(x, 1.5, 3.5),
        lambda x: xp.take(x, xp.asarray([1, 0, 1]), axis=1),
    ):
        assert rushlight.autograd.gradcheck(f, (x,))


# ---- what others make of it


def test_array_api_compat():
    compat = pytest.importorskip("array_api_compat")
    x = rushlight.arange(6.0).reshape(2, 3)
    assert compat.array_namespace(x) is xp is compat.array_namespace(x, 1.0, rushlight.ones(2))
    assert compat.is_array_api_obj(x) and not compat.is_torch_array(x) and not compat.is_numpy_array(x)
    assert compat.size(x) == 6 and compat.device(x) == x.device and compat.to_device(x, "cpu") is x
    with pytest.raises(TypeError):
        compat.array_namespace(x, np.ones(2))


USERS = """
import numpy as np, rushlight, sklearn
from scipy import special, stats
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

random = np.random.default_rng(0)
x, labels = random.normal(size=(40, 3)), np.arange(40) % 2
x[:, 0] += labels
t, y = rushlight.asarray(x), rushlight.asarray(labels)

def same(result, expected):
    assert isinstance(result, rushlight.Tensor), type(result)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-9, atol=1e-9)

with sklearn.config_context(array_api_dispatch=True):
    same(StandardScaler().fit_transform(t), StandardScaler().fit_transform(x))
    same(PCA(2, svd_solver="full").fit_transform(t), PCA(2, svd_solver="full").fit_transform(x))
    same(Ridge(solver="svd").fit(t, t[:, 1]).coef_, Ridge(solver="svd").fit(x, x[:, 1]).coef_)
    lda = LinearDiscriminantAnalysis()
    same(lda.fit(t, y).predict(t), LinearDiscriminantAnalysis().fit(x, labels).predict(x))
    assert np.isclose(r2_score(t[:, 0], t[:, 1]), r2_score(x[:, 0], x[:, 1]))
    assert np.isclose(roc_auc_score(y, t[:, 0]), roc_auc_score(labels, x[:, 0]))
for name in "expit gammaln erf ndtri logit entr xlogy betainc logsumexp".split():
    f, arguments = getattr(special, name), {"xlogy": 2, "betainc": 3}.get(name, 1)
    same(f(*[abs(t) / 5] * arguments), f(*[abs(x) / 5] * arguments))
for name in "zscore skew kurtosis gmean sem entropy".split():
    same(getattr(stats, name)(abs(t)), getattr(stats, name)(abs(x)))
same(stats.ttest_ind(t[:, 0], t[:, 1]).pvalue, stats.ttest_ind(x[:, 0], x[:, 1]).pvalue)
"""


def test_scikit_learn_and_scipy():
    """In a process of its own: scipy reads SCIPY_ARRAY_API when it is imported."""
    pytest.importorskip("sklearn")
    pytest.importorskip("scipy", minversion="1.15")
    run = subprocess.run(
        [sys.executable, "-c", USERS], env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_einops_through_the_namespace():
    einops = pytest.importorskip("einops.array_api")
    x = rushlight.arange(12.0).reshape(3, 4)
    same(einops.rearrange(x, "a b -> (b a)"), x.numpy().T.reshape(-1))
    same(einops.reduce(x, "a b -> a", "max"), x.numpy().max(1))
    same(einops.repeat(x, "a b -> a 2 b"), np.stack([x.numpy()] * 2, 1))
