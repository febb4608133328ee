"""Tensors from Python data and objects that export arrays: torch.tensor, as_tensor, asarray."""

import array
import warnings

import numpy as np
import pytest
import rushlight as torch
from helpers import NUMPY_DTYPES, same_with_dtype

try:
    import torch as reference
except ImportError:
    reference = None


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

    with pytest.raises(ValueError, match="could not determine the shape of object type 'Failing'"):
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

    same_with_dtype(torch.tensor(WithArray()), np.arange(3))
    same_with_dtype(torch.tensor(WithInterface()), np.arange(3.0))
    same_with_dtype(torch.tensor(WithDLPack()), np.arange(4, dtype=np.int16))
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
