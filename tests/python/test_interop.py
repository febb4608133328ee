"""Tensors from Python data and NumPy, and back: construction, from_numpy, numpy(), buffers, DLPack, storages, copies."""

import array
import copy
import gc
import io
import pickle
import sys
import warnings
import weakref

import numpy as np
import pytest
import rushlight as torch

try:
    import torch as reference
except ImportError:
    reference = None

NUMPY_DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def values(dtype, *shape):
    return np.asarray(np.arange(int(np.prod(shape))).reshape(shape) % 7, dtype=dtype)


def same(tensor, array):
    assert tensor.shape == array.shape
    assert str(tensor.dtype) == f"torch.{array.dtype}"
    assert tensor.tolist() == array.tolist()


# ---------------------------------------------------------------------------------------------------------------------
# torch.tensor
# ---------------------------------------------------------------------------------------------------------------------
class Sequence:
    def __len__(self):
        return 2

    def __getitem__(self, i):
        if i >= 2:
            raise IndexError
        return i


@pytest.mark.parametrize(
    "data, dtype, shape",
    [
        (1, "int64", ()),
        (True, "bool", ()),
        (1.5, "float32", ()),
        (1j, "complex64", ()),
        ([], "float32", (0,)),
        ([[]], "float32", (1, 0)),
        ([[], []], "float32", (2, 0)),
        ([1, 2], "int64", (2,)),
        ([True, False], "bool", (2,)),
        ([True, 1], "int64", (2,)),
        ([1, 2.5], "float32", (2,)),
        ([1.5, 2], "float32", (2,)),
        ([1.5, True], "float32", (2,)),
        ([True, 1.5, 1j], "complex64", (3,)),
        ([[1, 2], (3, 4)], "int64", (2, 2)),
        (((1.0,), (2.0,), (3.0,)), "float32", (3, 1)),
        (range(3), "int64", (3,)),
        (Sequence(), "int64", (2,)),
        (bytearray(b"abc"), "int64", (3,)),
        (memoryview(b"abc"), "int64", (3,)),
        (array.array("d", [1.5, 2.5]), "float32", (2,)),
        (np.float32(1), "float32", ()),
        (np.float64(1), "float64", ()),
        (np.int8(1), "int8", ()),
        (np.bool_(True), "bool", ()),
        (np.complex64(1), "complex64", ()),
        ([np.float64(1), np.float32(1)], "float64", (2,)),
        ([np.int32(1)], "int32", (1,)),
        ([np.arange(3), np.arange(3)], "int64", (2, 3)),
        ([[1, 2], np.array([3, 4])], "int64", (2, 2)),
        ([np.array(1.5, dtype=np.float32)], "float32", (1,)),
        ([[[1]] * 3] * 2, "int64", (2, 3, 1)),
    ],
)
def test_inferred_dtype_and_shape(data, dtype, shape):
    t = torch.tensor(data)
    assert str(t.dtype) == f"torch.{dtype}"
    assert t.shape == shape
    expected = np.array(data if not isinstance(data, Sequence) else [0, 1])
    assert np.array_equal(np.array(t.tolist()).reshape(shape), expected.reshape(shape))
    assert t.is_contiguous() and t.is_leaf and not t.requires_grad


def test_tensor_of_tensors():
    one, two = torch.tensor(1), torch.tensor([2])
    assert torch.tensor([one, two]).tolist() == [1, 2]
    assert torch.tensor([[one], [two]]).shape == (2, 1)
    assert torch.tensor([torch.tensor(1.5), 2]).tolist() == [1.5, 2.0]
    assert torch.tensor([torch.tensor(1, dtype=torch.int8)]).dtype == torch.int8
    assert torch.tensor([torch.tensor(1, dtype=torch.int8), 2]).dtype == torch.int64
    assert torch.tensor([[1.5, 2], torch.tensor([3, 4])]).tolist() == [[1.5, 2], [3, 4]]
    with pytest.raises(TypeError, match="only integer tensors of a single element"):
        torch.tensor([torch.tensor([1, 2])])
    with pytest.raises(ValueError, match="expected sequence of length 2 at dim 1"):
        torch.tensor([[1.5, 2], torch.tensor([3])])
    with pytest.raises(ValueError, match="only one element tensors"):
        torch.tensor([torch.tensor([1.0, 2]), [3, 4]])


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    assert torch.tensor([1.5]).dtype == torch.float64
    assert torch.tensor([1, 1.5]).dtype == torch.float64
    assert torch.tensor([1j]).dtype == torch.complex128
    assert torch.tensor([]).dtype == torch.float64


@pytest.mark.parametrize("dtype", NUMPY_DTYPES + ["bfloat16"])
@pytest.mark.parametrize("data", [[0, 1, 2], [[0], [1]], [True, False], 3])
def test_dtype_argument(dtype, data):
    t = torch.tensor(data, dtype=getattr(torch, dtype))
    assert str(t.dtype) == f"torch.{dtype}"
    assert t.tolist() == np.array(data, dtype="float32" if dtype == "bfloat16" else dtype).tolist()


@pytest.mark.parametrize(
    "data, dtype, expected",
    [
        ([1.9, -1.9], "int64", [1, -1]),
        ([-1], "uint8", [255]),
        ([255], "uint8", [255]),
        ([1e300], "float32", [float("inf")]),
        ([70000], "float16", [float("inf")]),
        ([1.5, 0, float("nan")], "bool", [True, False, True]),
        ([2**64 - 1], "uint64", [2**64 - 1]),
        ([2**70], "float64", [float(2**70)]),
        ([1.5, 10**20], "float32", [1.5, float(np.float32(1e20))]),
        ([1 + 2j], "complex128", [1 + 2j]),
        ([1.5], "complex64", [1.5 + 0j]),
        ([1.0, 3], "int32", [1, 3]),
    ],
)
def test_conversions(data, dtype, expected):
    assert torch.tensor(data, dtype=getattr(torch, dtype)).tolist() == expected


RECURSIVE = []
RECURSIVE.append(RECURSIVE)
RECURSIVE_LATER = [1]
RECURSIVE_LATER.append(RECURSIVE_LATER)


@pytest.mark.parametrize(
    "data, dtype, error, message",
    [
        ([[1, 2], [3]], None, ValueError, r"expected sequence of length 2 at dim 1 \(got 1\)"),
        ([[1.0, 2.0], [3.0, 4.0, 5.0]], None, ValueError, r"expected sequence of length 2 at dim 1 \(got 3\)"),
        ([[[1], [2]], [[3], [4, 5]]], None, ValueError, r"expected sequence of length 1 at dim 2 \(got 2\)"),
        ([[1, 2], 3], None, TypeError, "not a sequence"),
        ([1, [2, 3]], None, TypeError, "'list' object cannot be interpreted as an integer"),
        ([1.5, [2, 3]], None, TypeError, "must be real number, not list"),
        ("abc", None, TypeError, r"new\(\): invalid data type 'str'"),
        (b"abc", None, TypeError, r"new\(\): invalid data type 'bytes'"),
        (["a"], None, ValueError, "too many dimensions 'str'"),
        ([1, "a"], None, TypeError, r"new\(\): invalid data type 'str'"),
        (None, None, RuntimeError, "Could not infer dtype of NoneType"),
        ([None], None, RuntimeError, "Could not infer dtype of NoneType"),
        ({}, None, RuntimeError, "Could not infer dtype of dict"),
        ({1, 2}, None, RuntimeError, "Could not infer dtype of set"),
        (object(), None, RuntimeError, "Could not infer dtype of object"),
        ([None], "float32", TypeError, "must be real number, not NoneType"),
        ([None], "int32", TypeError, "'NoneType' object cannot be interpreted as an integer"),
        (RECURSIVE, None, ValueError, "too many dimensions 'list'"),
        (RECURSIVE_LATER, None, TypeError, "self-referential lists are incompatible"),
        ([2**70], None, ValueError, "Overflow when unpacking long long"),
        (2**63, None, ValueError, "Overflow when unpacking long long"),
        ([300], "uint8", RuntimeError, "value cannot be converted to type uint8 without overflow"),
        ([-300], "uint8", RuntimeError, "without overflow"),
        ([200], "int8", RuntimeError, "without overflow"),
        ([2**40], "int32", RuntimeError, "without overflow"),
        ([1e30], "int64", RuntimeError, "without overflow"),
        ([float("nan")], "int64", RuntimeError, "without overflow"),
        ([float("inf")], "int32", RuntimeError, "without overflow"),
        ([1j], "float32", TypeError, "must be real number, not complex"),
        ([1j], "int32", TypeError, "'complex' object cannot be interpreted as an integer"),
        ([-1], "uint64", OverflowError, "negative"),
        ([10**400], "float64", OverflowError, "too large"),
    ],
)
def test_construction_errors(data, dtype, error, message):
    with pytest.raises(error, match=message):
        torch.tensor(data, **({"dtype": getattr(torch, dtype)} if dtype else {}))


def test_list_that_changes_while_it_is_read():
    class Evil(int):
        def __index__(self):
            outer.clear()
            return 1

    class EvilFloat(float):
        pass

    outer = []
    for n in (2, 100):
        outer[:] = [Evil(1) for _ in range(n)]
        try:
            torch.tensor(outer, dtype=torch.int32)
        except (ValueError, TypeError, RuntimeError):
            pass

    class Shrinking:
        def __init__(self):
            self.n = 4

        def __len__(self):
            self.n -= 1
            return self.n

        def __getitem__(self, i):
            if i >= self.n:
                raise IndexError
            return [1] * self.n

    with pytest.raises((ValueError, IndexError)):
        torch.tensor([Shrinking(), Shrinking()])

    class Failing:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise KeyError("no")

    with pytest.raises(KeyError):
        torch.tensor(Failing())
    assert torch.tensor([EvilFloat(2.5)]).tolist() == [2.5]


def test_tensor_is_a_copy():
    t = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        u = torch.tensor(t)
    assert not u.requires_grad and u.data_ptr() != t.data_ptr() and u.tolist() == t.tolist()
    a = np.arange(3.0)
    u = torch.tensor(a)
    a[0] = 7
    assert u.tolist() == [0, 1, 2] and u.dtype == torch.float64
    assert torch.tensor(np.asfortranarray(np.zeros((2, 3)))).stride() == (1, 2)
    read_only = np.arange(3)
    read_only.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.tensor(read_only)[0] = 5


def test_requires_grad_argument():
    assert torch.tensor([1.5], requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="floating point and complex"):
        torch.tensor([1], requires_grad=True)


def test_device_argument(device):
    assert torch.tensor([1], device=device).device == device
    with pytest.raises((RuntimeError, AssertionError)):
        torch.tensor([1], device="cuda:100")


def test_objects_that_export_arrays():
    class WithArray:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3)

    class WithInterface:
        data = np.arange(3.0)
        __array_interface__ = data.__array_interface__

    class WithDLPack:
        data = np.arange(4, dtype=np.int16)

        def __dlpack__(self, **kwargs):
            return self.data.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return self.data.__dlpack_device__()

    same(torch.tensor(WithArray()), np.arange(3))
    same(torch.tensor(WithInterface()), np.arange(3.0))
    same(torch.tensor(WithDLPack()), np.arange(4, dtype=np.int16))
    shared = torch.as_tensor(WithDLPack())
    shared[0] = 9
    assert WithDLPack.data[0] == 9


@pytest.mark.skipif(reference is None, reason="needs torch")
def test_against_torch():
    for data in ([1, 2.5], [[1, 2], [3, 4]], (True, 2), [1.5, 2**40], [[1j, 2]], [[0.1] * 3] * 5, 0.1, [1e-40, 3e38]):
        ours, theirs = torch.tensor(data), reference.tensor(data)
        assert str(ours.dtype) == str(theirs.dtype) and ours.stride() == theirs.stride()
        assert np.array_equal(ours.numpy(), theirs.numpy())
    theirs = reference.arange(6.0).reshape(2, 3).T
    ours = torch.as_tensor(theirs)
    assert ours.stride() == (1, 3) and ours.tolist() == theirs.tolist()
    ours[0, 0] = 5
    assert theirs[0, 0] == 5
    bf16 = torch.tensor(reference.ones(2, dtype=reference.bfloat16))
    assert bf16.dtype == torch.bfloat16


# ---------------------------------------------------------------------------------------------------------------------
# as_tensor, asarray
# ---------------------------------------------------------------------------------------------------------------------
def test_as_tensor_shares():
    t = torch.ones(2, requires_grad=True)
    assert torch.as_tensor(t) is t
    assert torch.as_tensor(t, dtype=torch.float64).grad_fn is not None
    a = np.arange(3)
    u = torch.as_tensor(a)
    u[0] = 7
    assert a[0] == 7
    assert torch.as_tensor(a, dtype=torch.float32).data_ptr() != a.ctypes.data
    assert torch.as_tensor([1, 2], dtype=float).dtype == torch.float64


def test_asarray():
    a = np.arange(3)
    assert torch.asarray(a).data_ptr() == a.ctypes.data
    assert torch.asarray(a, copy=True).data_ptr() != a.ctypes.data
    assert torch.asarray(a, copy=False).data_ptr() == a.ctypes.data
    with pytest.raises(ValueError, match="can't alias tensor with dtype 'Long' into dtype 'Float'"):
        torch.asarray(a, dtype=torch.float32, copy=False)
    with pytest.raises(ValueError, match="can't alias arbitrary sequence"):
        torch.asarray([1, 2], copy=False)
    assert torch.asarray(3.5).item() == 3.5
    assert torch.asarray(bytearray(8), dtype=torch.int32).tolist() == [0, 0]
    assert torch.asarray([1.0], requires_grad=True).requires_grad


# ---------------------------------------------------------------------------------------------------------------------
# NumPy
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (0, 3), (3, 0, 2)])
def test_numpy_round_trip(dtype, shape):
    a = values(dtype, *shape)
    t = torch.from_numpy(a)
    same(t, a)
    assert t.is_contiguous() and (a.size == 0 or t.data_ptr() == a.ctypes.data)
    b = t.numpy()
    assert b.dtype == a.dtype and b.shape == a.shape and np.array_equal(a, b)
    assert b.flags.c_contiguous and b.flags.writeable and b.flags.aligned and not b.flags.owndata
    assert a.size == 0 or b.ctypes.data == a.ctypes.data


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[:, ::2],
        lambda a: a[1:, 1:],
        lambda a: a[:, 1],
        lambda a: np.broadcast_to(a[0], (4, 6)),
        lambda a: a[1:2, ::5],
        lambda a: a[:0, ::-1],
        lambda a: a[None, :, None],
    ],
)
def test_numpy_views(view):
    a = view(np.arange(24.0).reshape(4, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # broadcast views are read-only
        t = torch.from_numpy(a)
    same(t, a)
    same(t, t.numpy())
    assert t.clone().numpy().tolist() == a.tolist()


def test_numpy_views_of_tensors():
    t = torch.arange(24.0).reshape(4, 6)
    for view in (t.t(), t[:, ::2], t[1:, 1:], t[2], t[:, 3], t[0].expand(4, 6), t[1, 2]):
        a = view.numpy()
        assert a.tolist() == view.tolist()
        assert a.size == 0 or a.ctypes.data == view.data_ptr()
        assert all(x == y * 4 for x, y, n in zip(a.strides, view.stride(), view.shape) if n > 1)


def test_numpy_shares_memory():
    a = np.zeros(3)
    t = torch.from_numpy(a)
    t.add_(1)
    assert a.tolist() == [1, 1, 1]
    b = t.numpy()
    b[1] = 5
    assert t.tolist() == [1, 5, 1] and a.tolist() == [1, 5, 1]
    assert np.shares_memory(a, b)


def test_numpy_lifetime():
    a = np.arange(1000.0)
    owner = weakref.ref(a)
    t = torch.from_numpy(a)
    view = t[10:20]
    del a, t
    gc.collect()
    assert owner() is not None and view.tolist() == list(range(10, 20))
    del view
    gc.collect()
    assert owner() is None

    for n in (4, 10**6):  # inside the header of the storage, and not
        t = torch.arange(float(n))
        b = t[1:].numpy()
        del t
        gc.collect()
        other = [torch.zeros(n) for _ in range(10)]
        assert b[0] == 1 and b[-1] == n - 1
        del other

    count = sys.getrefcount(np.dtype("float32"))
    for _ in range(100):
        torch.from_numpy(torch.ones(3).numpy()).numpy()
    assert abs(sys.getrefcount(np.dtype("float32")) - count) < 10


def test_numpy_array_survives_changes_of_the_tensor():
    t = torch.ones(4)
    a = t.numpy()
    t.set_(torch.zeros(2))
    assert a.tolist() == [1, 1, 1, 1] and t.tolist() == [0, 0]
    t = torch.ones(4)
    a = t.numpy()
    t.data = torch.zeros(3)
    gc.collect()
    assert a.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: [1], TypeError, r"expected np.ndarray \(got list\)"),
        (lambda: np.float32(1), TypeError, r"expected np.ndarray \(got numpy.float32\)"),
        (lambda: np.arange(3)[::-1], ValueError, "strides in the given numpy array is negative|stride in the given numpy"),
        (lambda: np.array([None]), TypeError, r"can't convert np.ndarray of type numpy.object_. The only supported types"),
        (lambda: np.array(["a"]), TypeError, "can't convert np.ndarray of type numpy.str_"),
        (lambda: np.zeros(2, "M8[s]"), TypeError, "numpy.datetime64"),
        (lambda: np.zeros(2, "V4"), TypeError, "numpy.void"),
        (lambda: np.zeros(2, np.longdouble), TypeError, "numpy.longdouble"),
        (lambda: np.zeros(2, np.dtype("i4").newbyteorder()), ValueError, "byte order"),
        (lambda: np.zeros(3, [("a", "i1"), ("b", "i4")])["b"], ValueError, "not a multiple of the element byte size"),
    ],
)
def test_from_numpy_errors(make, error, message):
    with pytest.raises(error, match=message):
        torch.from_numpy(make())


def test_subclasses_of_arrays(tmp_path):
    same(torch.from_numpy(np.ma.masked_array([1, 2])), np.array([1, 2]))
    mapped = np.memmap(tmp_path / "x", dtype=np.float32, shape=(3,), mode="w+")
    torch.from_numpy(mapped).fill_(2)
    assert mapped.tolist() == [2, 2, 2]


def test_read_only_arrays():
    a = np.arange(3.0)
    a.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = torch.from_numpy(a)
    assert t.tolist() == [0, 1, 2] and not t.numpy().flags.writeable
    for write in (lambda: t.add_(1), lambda: t.fill_(1), lambda: t.zero_(), lambda: t.__setitem__(0, 1)):
        with pytest.raises(RuntimeError):
            write()
    assert a.tolist() == [0, 1, 2]
    assert (t + 1).tolist() == [1, 2, 3]
    code = (
        "import numpy, rushlight, warnings\n"
        "a = numpy.arange(3); a.flags.writeable = False\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    rushlight.from_numpy(a); rushlight.from_numpy(a)\n"
        "assert len(seen) == 1 and 'The given NumPy array is not writable' in str(seen[0].message), seen\n"
    )
    run_python(code)


def run_python(code):
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_numpy_is_not_imported():
    run_python(
        "import sys, rushlight as rl\n"
        "t = rl.tensor([[1.0, 2.0]]); t.tolist(); rl.as_tensor([1]); t.untyped_storage(); t.__dlpack__()\n"
        "assert 'numpy' not in sys.modules\n"
        "assert t.numpy().shape == (1, 2) and 'numpy' in sys.modules\n"
    )


def test_numpy_errors():
    t = torch.ones(2, requires_grad=True)
    message = r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\).numpy\(\) instead."
    with pytest.raises(RuntimeError, match=message):
        t.numpy()
    with pytest.raises(RuntimeError, match=message):
        np.asarray(t)
    assert t.numpy(force=True).ctypes.data == t.data_ptr()
    assert t.detach().numpy().tolist() == [1, 1]
    for make in (lambda t: t.numpy(), np.asarray):
        with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
            make(torch.ones(2, dtype=torch.bfloat16))


def test_array_protocol():
    t = torch.arange(3.0)
    a = np.asarray(t)
    assert a.dtype == np.float32 and a.ctypes.data == t.data_ptr()
    assert np.array(t).ctypes.data != t.data_ptr()
    assert np.asarray(t, dtype=np.int32).tolist() == [0, 1, 2]
    assert np.asarray(t, copy=False).ctypes.data == t.data_ptr()
    assert np.asarray(t, copy=True).ctypes.data != t.data_ptr()
    assert t.__array__().ctypes.data == t.data_ptr()
    assert t.__array__(np.float64).dtype == np.float64
    with pytest.raises(ValueError):
        t.__array__(np.float64, copy=False)
    assert np.asarray(torch.tensor(3)).shape == ()
    assert np.asarray(torch.zeros(0, 2)).shape == (0, 2)
    for dtype in NUMPY_DTYPES:
        assert np.asarray(torch.ones(2, dtype=getattr(torch, dtype))).dtype == dtype


def test_numpy_functions_give_tensors():
    t = torch.tensor([0.0, 1.0])
    r = np.exp(t)
    assert isinstance(r, torch.Tensor) and r.dtype == torch.float32
    assert np.add(np.ones(2), t).dtype == torch.float64
    assert np.equal(t, 1).dtype == torch.uint8


# ---------------------------------------------------------------------------------------------------------------------
# Buffers, tolist, item
# ---------------------------------------------------------------------------------------------------------------------
has_buffer = True
try:
    memoryview(torch.ones(1))
except TypeError:
    has_buffer = False


@pytest.mark.skipif(not has_buffer, reason="Tensor has no buffer")
def test_buffer_protocol():
    t = torch.arange(6, dtype=torch.int16).reshape(2, 3)
    m = memoryview(t)
    assert m.shape == (2, 3) and m.format == "h" and m.strides == (6, 2) and not m.readonly
    assert m.tolist() == t.tolist()
    m[0, 1] = 9
    assert t[0, 1] == 9
    assert bytes(m) == t.numpy().tobytes()
    columns = memoryview(t.t())
    assert columns.tolist() == t.t().tolist() and not columns.c_contiguous and columns.f_contiguous
    with pytest.raises(BufferError):
        io.BytesIO().write(t[:, ::2])
    with pytest.raises(BufferError):
        memoryview(torch.ones(2, requires_grad=True))
    with pytest.raises(BufferError):
        memoryview(torch.ones(2, dtype=torch.bfloat16))
    big = torch.arange(100000)
    m = memoryview(big)
    del big
    gc.collect()
    assert m[99999] == 99999
    assert memoryview(torch.tensor(2.5)).tolist() == 2.5
    assert memoryview(torch.zeros(0, 3)).nbytes == 0
    target = torch.zeros(4, dtype=torch.uint8)
    assert io.BytesIO(b"abcd").readinto(target) == 4 and target.tolist() == [97, 98, 99, 100]


def test_frombuffer():
    b = bytearray(range(8))
    t = torch.frombuffer(b, dtype=torch.uint8)
    t[0] = 77
    assert b[0] == 77
    assert torch.frombuffer(b, dtype=torch.int16, offset=2, count=2).tolist() == [0x0302, 0x0504]
    assert torch.frombuffer(b, dtype=torch.uint8, count=-3).shape == (8,)
    assert torch.frombuffer(array.array("d", [1.5, 2]), dtype=torch.float64).tolist() == [1.5, 2]
    part = torch.frombuffer(b, dtype=torch.uint8, offset=6)
    with pytest.raises(BufferError):
        b.clear()
    del t, part
    gc.collect()
    b.clear()
    assert torch.frombuffer(bytearray(8), dtype=torch.float32, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    "buffer, arguments, error, message",
    [
        (b"", {}, ValueError, r"both buffer length \(0\) and count \(-1\) must not be 0"),
        (b"abcd", {"count": 0}, ValueError, "must not be 0"),
        (b"abcd", {"count": 2}, ValueError, "must not be greater than actual buffer length"),
        (b"abcd", {"count": 2**62}, ValueError, "must not be greater"),
        (b"abcd", {"offset": 5}, ValueError, "must be non-negative and no greater"),
        (b"abcd", {"offset": 4}, ValueError, "must be non-negative and no greater"),
        (b"abcd", {"offset": -1}, ValueError, "must be non-negative and no greater"),
        (b"abcde", {}, ValueError, "must be a multiple of element size"),
        ([1], {}, ValueError, "object does not implement Python buffer protocol."),
        (bytearray(4), {"requires_grad": True}, RuntimeError, "floating point and complex"),
    ],
)
def test_frombuffer_errors(buffer, arguments, error, message):
    with pytest.raises(error, match=message):
        torch.frombuffer(buffer, dtype=torch.int32, **arguments)


def test_read_only_buffers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = torch.frombuffer(b"abcd", dtype=torch.uint8)
    assert t.tolist() == [97, 98, 99, 100]
    with pytest.raises(RuntimeError):
        t.fill_(0)


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_tolist(dtype):
    a = values(dtype, 2, 3, 4)
    t = torch.from_numpy(a)
    assert t.tolist() == a.tolist()
    assert t.permute(2, 0, 1).tolist() == a.transpose(2, 0, 1).tolist()
    assert type(t[0, 0, 1].tolist()) is type(a[0, 0, 1].item())
    assert t[1, 1, 1].item() == a[1, 1, 1].item()


def test_tolist_and_item():
    assert torch.zeros(0, 2).tolist() == [] and torch.zeros(2, 0).tolist() == [[], []]
    assert torch.tensor([1.5], dtype=torch.bfloat16).tolist() == [1.5]
    assert torch.ones(1, 1, requires_grad=True).item() == 1.0
    assert torch.tensor(2**63, dtype=torch.uint64).item() == 2**63
    with pytest.raises(RuntimeError, match="a Tensor with 4 elements cannot be converted to Scalar"):
        torch.ones(2, 2).item()
    with pytest.raises(RuntimeError, match="a Tensor with 0 elements"):
        torch.ones(0).item()


# ---------------------------------------------------------------------------------------------------------------------
# DLPack
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_dlpack_with_numpy(dtype):
    a = values(dtype, 3, 4)
    t = torch.from_dlpack(a)
    same(t, a)
    assert t.data_ptr() == a.ctypes.data
    same(torch.from_dlpack(a.T), a.T)
    b = np.from_dlpack(t)
    assert b.dtype == a.dtype and np.array_equal(a, b) and np.shares_memory(a, b)
    assert np.array_equal(np.from_dlpack(t.t()), a.T)
    assert np.from_dlpack(torch.ones(0, 2)).shape == (0, 2)
    assert np.from_dlpack(torch.tensor(3)).shape == ()


@pytest.mark.skipif(reference is None, reason="needs torch")
@pytest.mark.parametrize("dtype", NUMPY_DTYPES + ["bfloat16"])
def test_dlpack_with_torch(dtype):
    theirs = reference.arange(6).reshape(2, 3).to(getattr(reference, dtype))
    ours = torch.from_dlpack(theirs)
    assert str(ours.dtype) == f"torch.{dtype}" and ours.tolist() == theirs.tolist()
    assert ours.data_ptr() == theirs.data_ptr()
    back = reference.from_dlpack(ours.t())
    assert back.tolist() == theirs.t().tolist() and back.data_ptr() == theirs.data_ptr()
    assert reference.from_dlpack(ours.__dlpack__()).tolist() == theirs.tolist()
    assert torch.from_dlpack(theirs.__dlpack__()).tolist() == theirs.tolist()


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_dlpack_capsules(version):
    a = np.arange(1000.0)
    owner = weakref.ref(a)
    t = torch.from_numpy(a)
    del a
    capsule = t.__dlpack__(max_version=version)  # never consumed
    assert ("versioned" in repr(capsule)) == (version is not None)
    del t
    gc.collect()
    assert owner() is not None
    del capsule
    gc.collect()
    assert owner() is None

    capsule = torch.arange(5).__dlpack__(max_version=version)
    t = torch.from_dlpack(capsule)
    assert t.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="can be consumed only once"):
        torch.from_dlpack(capsule)
    del capsule
    gc.collect()
    assert t.tolist() == [0, 1, 2, 3, 4]


def test_dlpack_lifetime_through_numpy():
    a = np.arange(1000.0)
    owner = weakref.ref(a)
    b = np.from_dlpack(torch.from_dlpack(a))
    del a
    gc.collect()
    assert owner() is not None and b[999] == 999
    del b
    gc.collect()
    assert owner() is None


def test_dlpack_arguments():
    t = torch.ones(2)
    assert t.__dlpack_device__() == (1, 0)
    t.__dlpack__(stream=None)
    t.__dlpack__(stream=-1, dl_device=(1, 0), copy=False)
    with pytest.raises(AssertionError, match="stream should be None on cpu"):
        t.__dlpack__(stream=1)
    with pytest.raises(BufferError):
        t.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(2, requires_grad=True).__dlpack__()
    assert torch.from_dlpack(t.__dlpack__(copy=True)).data_ptr() != t.data_ptr()
    assert torch.from_dlpack(t, copy=True).data_ptr() != t.data_ptr()
    assert torch.from_dlpack(t).data_ptr() == t.data_ptr()
    with pytest.raises(RuntimeError, match="invalid capsule"):
        torch.from_dlpack(3)
    with pytest.raises(BufferError):
        torch.from_dlpack(np.arange(3)[::-1])
    with pytest.raises(AttributeError):
        t.__cuda_array_interface__


def test_dlpack_read_only():
    a = np.arange(3.0)
    a.flags.writeable = False
    t = torch.from_dlpack(a)
    with pytest.raises(RuntimeError):
        t.add_(1)
    with pytest.raises(BufferError):
        t.__dlpack__()
    assert not np.from_dlpack(t).flags.writeable
    torch.from_dlpack(a, copy=True).add_(1)


# ---------------------------------------------------------------------------------------------------------------------
# Storages
# ---------------------------------------------------------------------------------------------------------------------
def test_untyped_storage():
    t = torch.arange(4, dtype=torch.int32)
    s = t.untyped_storage()
    assert s.nbytes() == s.size() == len(s) == 16
    assert s.data_ptr() == t.data_ptr() and s.device == t.device and s.element_size() == 1
    assert s[4] == 1 and s[-4] == 3 and s.tolist() == list(t.numpy().tobytes()) and bytes(s) == t.numpy().tobytes()
    assert t[1:].untyped_storage() is s and s == t.untyped_storage() and hash(s) == hash(t.untyped_storage())
    assert s != torch.arange(4).untyped_storage() and s != 3
    s[0] = 5
    s[4:6] = 1
    assert t.tolist() == [5, 257, 2, 3]
    part = s[4:8]
    part[0] = 7
    assert t[1] == 263 and part.data_ptr() == s.data_ptr() + 4
    assert not s.is_shared() and s.filename is None and not s.is_cuda and not s.is_pinned()
    with pytest.raises(IndexError, match="index 100 out of range for storage of size 16"):
        s[100]
    with pytest.raises(RuntimeError, match="out of bounds"):
        s[100] = 1
    with pytest.raises(RuntimeError, match="step of 2"):
        s[::2]
    with pytest.raises(TypeError, match="can't index a torch.UntypedStorage with str"):
        s["a"]
    with pytest.raises(RuntimeError, match="int types"):
        s[0] = 1.5
    clone = s.clone()
    assert clone.tolist() == s.tolist() and clone.data_ptr() != s.data_ptr()
    assert torch.UntypedStorage([1, 300]).tolist() == [1, 44]
    assert torch.UntypedStorage(4).fill_(3).tolist() == [3] * 4
    assert torch.UntypedStorage().nbytes() == 0
    with pytest.raises(RuntimeError):
        torch.UntypedStorage(-1)
    with pytest.raises(RuntimeError, match="size does not match"):
        s.copy_(torch.UntypedStorage(3))
    key = id(s)
    del t, s
    gc.collect()
    assert key and torch.ones(1).untyped_storage().nbytes() == 4


def test_storage_resize():
    s = torch.UntypedStorage([1, 2, 3])
    s.resize_(10000)
    assert s.nbytes() == 10000 and s.tolist()[:3] == [1, 2, 3]
    s.resize_(2)
    assert s.tolist() == [1, 2]
    with pytest.raises(RuntimeError):
        s.resize_(-1)
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.from_numpy(np.arange(3)).untyped_storage().resize_(100)


def test_read_only_storage():
    a = np.arange(3)
    a.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        s = torch.from_numpy(a).untyped_storage()
    for write in (lambda: s.fill_(1), lambda: s.__setitem__(0, 1)):
        with pytest.raises(RuntimeError, match="read-only"):
            write()


def test_set():
    x = torch.arange(6.0)
    s = x.untyped_storage()
    t = torch.empty(0)
    assert t.set_(x) is t and t.data_ptr() == x.data_ptr() and t.shape == (6,)
    assert torch.empty(0).set_(s).tolist() == x.tolist()
    assert torch.empty(0).set_(x.storage()).tolist() == x.tolist()
    assert torch.empty(0).set_(s, 1, (2, 2), (1, 1)).tolist() == [[1, 2], [2, 3]]
    assert torch.empty(0).set_(s, 1, (2, 2)).tolist() == [[1, 2], [3, 4]]
    assert torch.empty(0).set_(x, 1, (2,), (2,)).tolist() == [1, 3]
    assert torch.ones(3).set_().shape == (0,)
    for arguments in ((s, 0, (7,)), (s, 5, (2,), (1,)), (s, -1, (2,), (1,)), (s, 0, (2, 2), (-1, 1)), (s, 0, (2**62, 2**62)),
                      (s, 2**62, (1,), (1,)), (s, 0, (3, 3), (1,)), (s, 0, (2,), (2**62,))):
        with pytest.raises(RuntimeError):
            torch.empty(0).set_(*arguments)
    with pytest.raises(RuntimeError, match="Could not set tensor of type"):
        torch.empty(0, dtype=torch.int32).set_(x)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        torch.ones(2, requires_grad=True).set_(x)
    with pytest.raises(TypeError):
        torch.empty(0).set_(3)


# ---------------------------------------------------------------------------------------------------------------------
# Copies and pickles
# ---------------------------------------------------------------------------------------------------------------------
class Child(torch.Tensor):
    pass


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", NUMPY_DTYPES + ["bfloat16"])
def test_pickle(protocol, dtype):
    t = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    for x in (t, t.t(), t[1:, ::2], t[0, 0], t[:0]):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert y.dtype == x.dtype and y.stride() == x.stride() and y.shape == x.shape and y.tolist() == x.tolist()
        y.zero_()  # memory of its own
    assert t.sum() == 15 or dtype == "bool"


def test_pickle_keeps_sharing_and_flags():
    base = torch.arange(6.0)
    a, b, c = pickle.loads(pickle.dumps([base, base[2:4], base]))
    assert a is c and b.data_ptr() == a.data_ptr() + 8
    a[2] = 9
    assert b[0] == 9
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.ones(2)
    y = pickle.loads(pickle.dumps(x))
    assert y.requires_grad and y.is_leaf and y.grad is None
    assert pickle.loads(pickle.dumps(x * 2)).is_leaf
    x.note = "kept"
    assert pickle.loads(pickle.dumps(x)).note == "kept"
    s = pickle.loads(pickle.dumps(base.untyped_storage()))
    assert bytes(s) == bytes(base.untyped_storage())
    assert len(pickle.dumps(torch.ones(100000))) < 400500
    p = torch.nn.Parameter(torch.ones(2))
    q = pickle.loads(pickle.dumps(p))
    assert type(q) is torch.nn.Parameter and q.requires_grad


def test_pickle_out_of_band():
    t = torch.arange(1000.0)
    buffers = []
    data = pickle.dumps(t, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    u = pickle.loads(data, buffers=buffers)
    assert u.data_ptr() == t.data_ptr() and u.tolist() == t.tolist()


def test_deepcopy():
    base = torch.arange(6.0)
    a, b, c = copy.deepcopy([base, base[2:4], base])
    assert a is c and a.data_ptr() != base.data_ptr() and b.data_ptr() == a.data_ptr() + 8
    t = copy.deepcopy(torch.arange(6).reshape(2, 3).t())
    assert t.stride() == (1, 3) and t.tolist() == [[0, 3], [1, 4], [2, 5]]
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)
    x.note = [1]
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y.grad.tolist() == [3, 3] and y.grad is not x.grad
    assert y.note == [1] and y.note is not x.note
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)
    memo = {}
    assert copy.deepcopy(base, memo) is copy.deepcopy(base, memo)
    s = base.untyped_storage()
    assert copy.deepcopy(s) is not s and copy.deepcopy(s).tolist() == s.tolist()


def test_copy():
    x = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    y = copy.copy(x)
    assert y is not x and y.data_ptr() == x.data_ptr() and y.stride() == x.stride() and y.requires_grad


def test_subclasses_are_kept():
    x = Child(torch.ones(2))
    x.note = 1
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is Child and y.note == 1 and y.tolist() == [1, 1]
