"""Tensors and other libraries' memory by way of DLPack."""

import ctypes
import gc
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


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_dlpack_with_numpy(dtype):
    a = values(dtype, 3, 4)
    t = torch.from_dlpack(a)
    same_with_dtype(t, a)
    assert t.data_ptr() == a.ctypes.data
    same_with_dtype(torch.from_dlpack(a.T), a.T)
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


def test_capsules_of_the_dlpack_module():
    module = torch.utils.dlpack
    t = torch.arange(4.0)
    for export in (torch.to_dlpack, module.to_dlpack):
        capsule = export(t)
        for back in (module.from_dlpack, torch.from_dlpack, torch.asarray):
            shared = back(export(t))
            assert shared.data_ptr() == t.data_ptr() and shared.tolist() == t.tolist()
        module.from_dlpack(capsule)
        with pytest.raises(RuntimeError, match="consumed only once"):
            module.from_dlpack(capsule)
    assert module.DLDeviceType.kDLCPU == t.__dlpack_device__()[0] == 1
    for stream, error in [
        (object(), TypeError),
        ("a", TypeError),
        (1.5, TypeError),
        (True, TypeError),
        (1, AssertionError),
    ]:
        with pytest.raises(error, match="stream"):
            t.__dlpack__(stream=stream)
    assert module.from_dlpack(t.__dlpack__(stream=-1)).tolist() == t.tolist()
    with pytest.raises(AssertionError, match="not supported when ext_tensor is already"):
        torch.from_dlpack(torch.to_dlpack(t), copy=True)


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
        t.__cuda_array_interface__  # noqa: B018


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


class Descriptor(ctypes.Structure):
    """What a capsule holds."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    ]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_uint32 * 2),
        ("context", ctypes.c_void_p * 2),
        ("flags", ctypes.c_uint64),
        ("tensor", Descriptor),
    ]


def exported(capsule, versioned=False):
    """(shape, strides, whether there is memory, flags) in a capsule."""
    name = b"dltensor_versioned" if versioned else b"dltensor"
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = pointer(capsule, name)
    managed = Versioned.from_address(address) if versioned else None
    d = managed.tensor if versioned else Descriptor.from_address(address)
    assert d.offset == 0 and list(d.device) == [1, 0] and d.lanes == 1
    return d.shape[: d.ndim], d.strides[: d.ndim], bool(d.data), managed.flags if versioned else 0


@pytest.mark.parametrize(
    "shape, strides",
    [
        ((1, 3), (7, 1)),
        ((3, 1), (1, 9)),
        ((3, 1), (1, 0)),
        ((1,), (5,)),
        ((2, 1, 3), (3, 11, 1)),
        ((1, 1), (4, 9)),
        ((0, 3), (3, 1)),
        ((4, 0), (2, 5)),
        ((), ()),
        ((3, 2), (0, 1)),
    ],
)
def test_dlpack_keeps_strides(shape, strides):
    """Those of dims of size 0 and 1, too."""
    t = torch.arange(40.0).as_strided(shape, strides)
    for options in ({}, {"max_version": (1, 0)}, {"copy": False}):
        versioned = "max_version" in options
        found = exported(t.__dlpack__(**options), versioned)
        assert found == (list(shape), list(strides), t.numel() > 0, 0)
    assert exported(torch.to_dlpack(t))[1] == list(strides)
    assert torch.from_dlpack(t).stride() == strides
    if reference:
        theirs = reference.arange(40.0).as_strided(shape, strides)
        assert exported(theirs.__dlpack__())[:2] == (list(shape), list(strides))
        assert reference.from_dlpack(t).stride() == strides == torch.from_dlpack(theirs).stride()


def test_dlpack_flags():
    t = torch.arange(4.0)
    assert exported(t.__dlpack__(max_version=(1, 0), copy=True), versioned=True)[3] == 2
    read_only = torch.frombuffer(bytes(16), dtype=torch.float32)
    assert exported(read_only.__dlpack__(max_version=(1, 1)), versioned=True)[3] == 1
    for options in ({}, {"max_version": (0, 8)}):
        with pytest.raises(BufferError, match="read-only"):
            read_only.__dlpack__(**options)
        assert exported(read_only.__dlpack__(copy=True, **options))[0] == [4]


def test_dlpack_devices():
    t = torch.arange(4.0)
    for device in ((1, 0), [1, 0]):
        assert exported(t.__dlpack__(dl_device=device))[0] == [4]
    with pytest.raises(BufferError):
        t.__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError, match="without copying"):
        t.__dlpack__(dl_device=(2, 0), copy=False)
    for device in (1, ("a", 0)):
        with pytest.raises(TypeError):
            t.__dlpack__(dl_device=device)
    with pytest.raises(RuntimeError, match="dl_device"):
        t.__dlpack__(dl_device=(1,))


def test_dlpack_of_what_has_a_history():
    w = torch.arange(3.0, requires_grad=True)
    for t in (w, w * 2):
        with pytest.raises(BufferError, match="require gradient"):
            t.__dlpack__()
        # The function takes it, as torch's does.
        for export in (torch.to_dlpack, torch.utils.dlpack.to_dlpack):
            back = torch.from_dlpack(export(t))
            assert back.tolist() == t.tolist() and not back.requires_grad
    with torch.no_grad(), pytest.raises(BufferError, match="require gradient"):
        w.__dlpack__()
    c = torch.ones(2, dtype=torch.complex64).conj()
    for export in (c.__dlpack__, lambda: torch.to_dlpack(c)):
        with pytest.raises(BufferError, match="conjugate bit"):
            export()
