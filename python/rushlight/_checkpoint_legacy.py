"""The format of checkpoints before torch 1.6: pickles one after the other, then the bytes of the storages."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pickle import UnpicklingError

from . import _C
from ._archive import File
from ._pickle_parts import Memory, shown
from .storage import TypedStorage

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGE_BYTES = 1024  # a storage of Python's and C++'s, without its memory


def load_legacy(file: File, unpickle: Callable, storage_parts: Callable, restore: Callable, memory: Memory, skip: bool):
    """What a file holds. unpickle(load_storage): the object of the next pickle; storage_parts: the checked parts of the
    id of a storage."""

    def no_storage(saved_id):
        raise UnpicklingError(f"unexpected storage {shown(saved_id)}")

    magic = unpickle(no_storage)
    if type(magic) is not int or magic != _MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    protocol = unpickle(no_storage)
    if type(protocol) is not int or protocol != _PROTOCOL:
        raise RuntimeError(f"Invalid protocol version: {shown(protocol)}")
    unpickle(no_storage)  # what the machine was
    raw: dict[str, tuple[_C.UntypedStorage, int]] = {}  # the memory as it is read, and the size of its elements
    storages: dict[str, _C.UntypedStorage] = {}
    total = 0

    def load_storage(saved_id):
        nonlocal total
        kind, key, location, count, view = storage_parts(saved_id, legacy=True)
        if view is not None:
            raise RuntimeError("torch.load: views of storages in old files are not supported")
        size = count * kind.dtype.itemsize
        if key not in storages:
            total += size
            if total > file.size:
                raise RuntimeError(f"torch.load: storages of {total} bytes in a file of {file.size}; is it truncated?")
            memory.take(size + _STORAGE_BYTES)
            raw[key] = _C.empty(size, dtype=_C.uint8).untyped_storage(), kind.dtype.itemsize
            storages[key] = restore(raw[key][0], location)
        elif raw[key][0].nbytes() != size:
            raise UnpicklingError(f"storage {shown(key)} has two sizes")
        return TypedStorage(wrap_storage=storages[key].untyped(), dtype=kind.dtype)

    result = unpickle(load_storage)
    keys = unpickle(no_storage)
    if type(keys) is not list or not all(type(key) in (str, int) for key in keys):
        raise RuntimeError("torch.load: the list of storages is damaged")
    keys = list(map(str, keys))
    if len(keys) != len(raw) or set(keys) != raw.keys():  # memory that is not read would be whatever was there
        raise RuntimeError("torch.load: the list of storages does not fit the pickle; is the file damaged?")
    if skip:
        return result
    place = file.file.tell() - file.base
    for key in keys:
        storage, item = raw[key]
        count = struct.unpack("<q", file.read(place, 8))[0]
        if count * item != storage.nbytes():
            raise RuntimeError(f"torch.load: storage {shown(key)} has another size than its pickle says")
        place += 8
        if storage.nbytes():
            view = _C._tensor_on_storage(storage, _C.uint8, 0, (storage.nbytes(),), (1,))
            file.read_into(place, memoryview(view))
        place += storage.nbytes()
    file.file.seek(file.base + place)
    return result
