"""Tensors and other libraries' memory: from_numpy, numpy(), the array and buffer protocols, frombuffer, DLPack."""

import array
import gc
import io
import sys
import warnings
import weakref

import numpy as np
import pytest
import rushlight as torch
from helpers import NUMPY_DTYPES, same_with_dtype

try:
    import torch as reference
except ImportError:
    reference = None


def values(dtype, *shape):
    return np.asarray(np.arange(int(np.prod(shape))).reshape(shape) % 7, dtype=dtype)


# ---------------------------------------------------------------------------------------------------------------------
# NumPy
# ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (0, 3), (3, 0, 2)])
def test_numpy_round_trip(dtype, shape):
    a = values(dtype, *shape)
    t = torch.from_numpy(a)
    same_with_dtype(t, a)
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
    same_with_dtype(t, a)
    same_with_dtype(t, t.numpy())
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
        (
            lambda: np.arange(3)[::-1],
            ValueError,
            "strides in the given numpy array is negative|stride in the given numpy",
        ),
        (
            lambda: np.array([None]),
            TypeError,
            r"can't convert np.ndarray of type numpy.object_. The only supported types",
        ),
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
    same_with_dtype(torch.from_numpy(np.ma.masked_array([1, 2])), np.array([1, 2]))
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


def test_equality_with_arrays():
    t, a = torch.arange(4).reshape(2, 2), np.array([[0, 1], [2, 4]])
    assert (t == a).tolist() == (a == t).tolist() == [[True, True], [True, False]]
    assert (t != a).tolist() == [[False, False], [False, True]]
    with pytest.raises(RuntimeError, match="size"):
        t == np.zeros(3)  # noqa: B015
    with pytest.raises(RuntimeError, match="can't alias NumPy scalars"):
        torch.asarray(np.float64(0.5), copy=False)
