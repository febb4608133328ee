"""Storages from buffers, their bytes in another order, and the values of bytes in other dtypes."""

from __future__ import annotations

import sys

from . import _C


def from_buffer(
    buffer: object,
    byte_order: str | None = None,
    count: int = -1,
    offset: int = 0,
    dtype: _C.dtype | None = None,
) -> _C.UntypedStorage:
    """A copy of `count` elements (-1: all) of dtype from `offset` bytes on, in the machine's byte order.

    byte_order: 'big', 'little' or 'native', that of the buffer; may be absent for int8 and uint8. Booleans are
    bytes: all but 0 become 1.
    """
    if dtype is None:
        raise RuntimeError("argument 'dtype' cannot be None")
    if not isinstance(dtype, _C.dtype):
        raise RuntimeError("argument 'dtype' must be of type torch.dtype")
    if byte_order is None and dtype not in (_C.int8, _C.uint8):
        raise RuntimeError("function missing required argument 'byte_order' (pos 2)")
    if byte_order not in (None, "big", "little", "native"):
        raise ValueError(f"invalid byte_order '{byte_order}' (expected 'big', 'little', or 'native')")
    try:
        data = memoryview(buffer).cast("B")
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(buffer).__name__}'") from None
    item = dtype.itemsize
    if not 0 <= offset <= len(data):
        raise ValueError(
            f"offset must be non-negative and no greater than buffer length ({len(data)}), but got {offset}"
        )
    rest = len(data) - offset
    if count < 0:
        if rest % item:
            raise ValueError(f"buffer size ({rest}) must be a multiple of element size ({item})")
        count = rest // item
    elif count * item > rest:
        raise ValueError(
            f"buffer has only {rest // item} elements after offset {offset}, but specified a size of {count}"
        )
    part = bytes(data[offset : offset + count * item])
    if dtype is _C.bool:
        part = part.translate(b"\0" + b"\1" * 255)
    storage = _C._storage_from_buffer(part)
    if byte_order not in (None, "native", sys.byteorder):
        byteswap(storage, dtype)
    return storage


def byteswap(storage: _C.UntypedStorage, dtype: _C.dtype) -> None:
    """Reverses the bytes of every number of dtype in place; of complex ones the parts one by one."""
    if not isinstance(dtype, _C.dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    size = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    if storage.nbytes() % size:
        raise RuntimeError(f"byteswap: {storage.nbytes()} bytes are no multiple of {size}")
    if size > 1:
        flat = _C.empty(0, dtype=_C.uint8).set_(storage).view(-1, size)
        flat.copy_(flat.flip(1))


def convert(storage: _C.UntypedStorage, name: str) -> object:
    """A TypedStorage with the values of the bytes in the dtype `name`."""
    from .storage import TypedStorage

    return TypedStorage(wrap_storage=storage, dtype=_C.uint8)._to(getattr(_C, name))
