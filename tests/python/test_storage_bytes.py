"""Storages from buffers and files, bytes in another order, the old classes, tensors made from storages."""

import gc
import struct
import weakref

import pytest
import rushlight as torch

LEGACY = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


@pytest.mark.parametrize(
    "code,dtype", [("h", "int16"), ("i", "int32"), ("q", "int64"), ("f", "float32"), ("d", "float64")]
)
@pytest.mark.parametrize("order", ["big", "little"])
def test_from_buffer(code, dtype, order):
    values = [1, -2, 3.5, 77] if code in "fd" else [1, -2, 3, 77]
    data = struct.pack((">" if order == "big" else "<") + "4" + code, *values)
    cls = getattr(torch, LEGACY[dtype])
    assert cls.from_buffer(data, order).tolist() == values
    size = struct.calcsize(code)
    assert cls.from_buffer(b"x" + data, byte_order=order, count=2, offset=1 + size).tolist() == values[1:3]
    made = torch.UntypedStorage.from_buffer(bytearray(data), order, dtype=getattr(torch, dtype))
    assert isinstance(made, torch.UntypedStorage) and bytes(made) == struct.pack(f"=4{code}", *values)
    typed = torch.TypedStorage.from_buffer(memoryview(data), order, dtype=getattr(torch, dtype), device="cpu")
    assert typed.dtype == getattr(torch, dtype) and typed.tolist() == values


def test_from_buffer_copies_and_refuses():
    data = bytearray(b"abcd")
    s = torch.ByteStorage.from_buffer(data)
    data[0] = 0
    assert s.tolist() == [97, 98, 99, 100] and torch.CharStorage.from_buffer(b"\xff").tolist() == [-1]
    assert torch.BoolStorage.from_buffer(b"\0\1\2\xff", "big").tolist() == [False, True, True, True]
    assert torch.UntypedStorage.from_buffer(b"", "big", dtype=torch.int64).nbytes() == 0
    pairs = torch.ComplexFloatStorage.from_buffer(struct.pack(">4f", 1, 2, 3, 4), "big")
    assert pairs.tolist() == [1 + 2j, 3 + 4j]
    for error, text, call in [
        (RuntimeError, "byte_order", lambda: torch.FloatStorage.from_buffer(b"abcd")),
        (RuntimeError, "'dtype' cannot be None", lambda: torch.UntypedStorage.from_buffer(b"abcd")),
        (ValueError, "invalid byte_order 'x'", lambda: torch.FloatStorage.from_buffer(b"abcd", "x")),
        (ValueError, "multiple of element size", lambda: torch.FloatStorage.from_buffer(b"abcde", "big")),
        (ValueError, "offset", lambda: torch.FloatStorage.from_buffer(b"abcd", "big", -1, 5)),
        (ValueError, "offset", lambda: torch.FloatStorage.from_buffer(b"abcd", "big", -1, -1)),
        (ValueError, "buffer has only 1 elements", lambda: torch.FloatStorage.from_buffer(b"abcdef", "big", 2)),
        (TypeError, "bytes-like", lambda: torch.FloatStorage.from_buffer(5, "big")),
        (RuntimeError, "can only be specified", lambda: torch.FloatStorage.from_buffer(b"", "big", dtype=torch.int8)),
    ]:
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("dtype", [*LEGACY, "uint16", "uint64", "complex32"])
def test_byteswap(dtype):
    dtype = getattr(torch, dtype)
    size = dtype.itemsize // (2 if dtype.is_complex else 1)
    s = torch.UntypedStorage(list(range(32)))
    s.byteswap(dtype)
    assert s.tolist() == [x for at in range(0, 32, size) for x in reversed(range(at, at + size))]
    with pytest.raises(RuntimeError, match="no multiple"):
        torch.UntypedStorage(3).byteswap(torch.int16)
    with pytest.raises(RuntimeError, match=r"expected torch\.dtype"):
        s.byteswap(3)


def test_from_file(tmp_path):
    path = tmp_path / "däta"
    s = torch.IntStorage.from_file(str(path), True, 5)
    assert s.filename == str(path) and s.size() == 5 and s.tolist() == [0] * 5
    s[1] = 7
    other = torch.UntypedStorage.from_file(str(path), shared=True, nbytes=8)
    assert other.filename == str(path) and other[4] == 7
    t = torch.IntTensor(s)
    assert t.data_ptr() == s.data_ptr() and t.untyped_storage().filename == str(path)
    t.fill_(3)
    assert other.tolist() == [3, 0, 0, 0] * 2
    private = torch.UntypedStorage.from_file(str(path), False, 8)
    private[0] = 9
    assert private.filename is None and other[0] == 3
    del s, t, other
    assert torch.empty(3).untyped_storage().filename is None and torch.FloatStorage(3).filename is None
    with pytest.raises(RuntimeError, match="derived classes"):
        torch.TypedStorage.from_file(str(path), True, 1)


@pytest.mark.parametrize("dtype", LEGACY)
def test_old_classes(dtype):
    t = torch.ones(4, dtype=getattr(torch, dtype))
    cls = getattr(torch, LEGACY[dtype])
    assert torch.storage._dtype_to_storage_type_map()[t.dtype] == LEGACY[dtype] == t.storage().pickle_storage_type()
    assert torch.storage._storage_type_to_dtype_map()[LEGACY[dtype]] == t.dtype
    assert t.storage_type() is cls and cls in torch._storage_classes and cls.dtype == t.dtype
    assert t.storage()._size() == 4 and t.storage()._data_ptr() == t.data_ptr()
    for error, text, call in [
        (RuntimeError, "'device' cannot be specified", lambda: cls(device="cpu")),
        (RuntimeError, "'dtype' cannot be specified", lambda: cls(dtype=torch.float)),
        (TypeError, "unexpected keyword", lambda: cls(foo=1)),
        (RuntimeError, "Too many positional", lambda: cls(0, 0)),
        (TypeError, "invalid data type", lambda: cls("text")),
        (TypeError, "not recognized", lambda: cls(torch.tensor([]))),
        (RuntimeError, "No positional", lambda: cls(0, wrap_storage=t.untyped_storage())),
        (TypeError, "must be UntypedStorage", lambda: cls(wrap_storage=t.storage())),
    ]:
        with pytest.raises(error, match=text):
            call()


def test_the_storage_class_of_the_default_dtype():
    assert torch.Storage is torch.storage.Storage is torch.FloatStorage
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.Storage is torch.DoubleStorage
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.Storage is torch.FloatStorage and torch.LongTensor in torch._tensor_classes


def test_typed_storage_arguments():
    untyped = torch.UntypedStorage(4)
    for error, text, kwargs in [
        (RuntimeError, "Argument 'dtype' must be specified", {"wrap_storage": untyped}),
        (TypeError, r"must be torch.dtype, not int", {"wrap_storage": untyped, "dtype": 0}),
        (RuntimeError, "Argument 'device'", {"wrap_storage": untyped, "dtype": torch.int8, "device": "cpu"}),
        (TypeError, "must be UntypedStorage", {"wrap_storage": 3, "dtype": torch.int8}),
    ]:
        with pytest.raises(error, match=text):
            torch.TypedStorage(**kwargs)


@pytest.mark.parametrize("dtype", LEGACY)
def test_tensors_of_storages(dtype):
    a = torch.tensor([[0, 1], [1, 0], [1, 1]], dtype=getattr(torch, dtype))
    typed, untyped = a.storage(), a.untyped_storage()
    for made in (
        torch.tensor(typed),
        torch.tensor(untyped, dtype=a.dtype),
        torch.as_tensor(typed),
        a.new(typed),
        a.new(untyped),
        torch.empty(0, dtype=a.dtype).set_(typed),
        torch.empty(0, dtype=a.dtype).set_(untyped),
        getattr(torch, LEGACY[dtype].replace("Storage", "Tensor"))(typed),
    ):
        assert made.dtype == a.dtype and made.data_ptr() == a.data_ptr() and made.tolist() == a.flatten().tolist()
    other = torch.ones(2, dtype=torch.int16 if dtype != "int16" else torch.int32).storage()
    for call in (
        lambda: torch.tensor(other, dtype=a.dtype),
        lambda: a.new(other),
        lambda: torch.empty(0, dtype=a.dtype).set_(other),
        lambda: torch.empty(0, dtype=a.dtype).set_(other, 0, (1,)),
    ):
        with pytest.raises(RuntimeError, match="Expected a Storage of type"):
            call()


def test_untyped_storage_values():
    s = torch.UntypedStorage([0, 1, 255])
    assert s.float().tolist() == [0.0, 1.0, 255.0] and s.float().dtype == torch.float32
    assert s.bool().tolist() == [False, True, True] and s.char().tolist() == [0, 1, -1]
    assert s.complex_double().dtype == torch.complex128
    assert torch.tensor(torch.UntypedStorage(20)).dtype == torch.int64
    with pytest.raises(RuntimeError, match="Expected a sequence type, but got Tensor"):
        torch.UntypedStorage(torch.ones(2, dtype=torch.int64))


def test_attributes_and_weak_references():
    class Marker:
        pass

    s = torch.UntypedStorage(2)
    s.marker = Marker()
    marker, gone = weakref.ref(s.marker), []
    alive = weakref.ref(s, gone.append)
    same = torch.empty(0, dtype=torch.uint8).set_(s).untyped_storage()
    assert same is s is alive() and same.marker is marker()
    del s, same
    assert alive() is None and marker() is None and len(gone) == 1
    # A cycle through the attributes.
    a, b = torch.UntypedStorage(1), torch.UntypedStorage(1)
    a.other, b.other, a.marker = b, a, Marker()
    marker = weakref.ref(a.marker)
    del a, b
    gc.collect()
    assert marker() is None
