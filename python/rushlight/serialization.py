"""torch.save and torch.load: checkpoints in torch's zip format, and reading its older format.

A checkpoint is an uncompressed zip archive: data.pkl, a pickle in which storages are ids, and one record data/<key>
with the bytes of each storage, aligned to 64 bytes. load() runs no code of the file unless weights_only=False, and
takes no more memory than twice the file and 64 MiB.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import _C
from ._archive import File, Reader, Writer
from ._checkpoint import Pickler, unpickler
from ._checkpoint_legacy import _STORAGE_BYTES, load_legacy
from ._checkpoint_names import ALLOWED, Names
from ._checkpoint_rebuild import STORAGE_KINDS, StorageKind
from ._missing import missing
from ._pickle_machine import Machine
from ._pickle_parts import Memory, names_in_pickle, shown
from ._serialization_options import (
    LoadEndianness,
    add_safe_globals,
    clear_safe_globals,
    default_restore_location,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    get_safe_globals,
    local,
    location_tag,
    register_package,
    restorer,
    safe_by_name,
    safe_globals,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
    validate_cuda_device,
    validate_hpu_device,
)
from ._storage_bytes import byteswap
from .storage import TypedStorage
from .utils.serialization import config

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "mkdtemp",
    "normalize_storage_type",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
    "validate_cuda_device",
    "validate_hpu_device",
]

DEFAULT_PROTOCOL = 2
_ALLOWANCE = 64 << 20  # bytes that any load may take, beside twice its file
_OVERHEAD = 8 << 20  # of that, for buffers and what the allocator keeps
_BLOCK = 1 << 18  # bytes of a pickle that are read at once
_KEY_LENGTH = 256
_UNSAFE_MESSAGE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` from `False` to "
    "`True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result in "
    "arbitrary code execution. Do it only if you got the file from a trusted source."
)

UntypedStorage = _C.UntypedStorage


class SourceChangeWarning(Warning):
    """Would say that the source of a module in a file is another one; it is not compared here."""


@contextmanager
def mkdtemp() -> Iterator[str]:
    """A directory for the time of a `with` block."""
    path = tempfile.mkdtemp()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def check_module_version_greater_or_equal(module, req_version_tuple, error_if_malformed: bool = True) -> bool:
    """Whether module.__version__ is at least the version, a tuple such as (0, 3, 1)."""
    try:
        kinds = map(type, req_version_tuple)
        version = tuple(kind(part) for kind, part in zip(kinds, module.__version__.split("."), strict=False))
        return version >= req_version_tuple
    except Exception as error:
        message = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be compared"
        )
        if error_if_malformed:
            raise RuntimeError(message) from error
        warnings.warn(message + ", but continuing assuming that requirement is met", stacklevel=2)
        return True


def normalize_storage_type(storage_type: type) -> type:
    """The class of torch's with the name of a class of storages."""
    return getattr(sys.modules[__package__], storage_type.__name__)


def storage_to_tensor_type(storage) -> type:
    """The old class of tensors for a storage's class."""
    return getattr(sys.modules[__package__], type(storage).__name__.replace("Storage", "Tensor"))


class StorageType:
    """A class of storages that a pickle names: "FloatStorage" and the like, with its dtype."""

    def __init__(self, name: str) -> None:
        self._dtype = next((dtype for dtype, kind in STORAGE_KINDS.items() if kind.full_name == f"torch.{name}"), None)
        if self._dtype is None:
            raise KeyError(f'pickle storage type "{name}" is not recognized')

    @property
    def dtype(self):
        """The dtype of the elements."""
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


# ---- saving
def _bytes_of(storage: UntypedStorage) -> memoryview:
    return memoryview(_C._tensor_on_storage(storage, _C.uint8, 0, (storage.nbytes(),), (1,)))


def save(
    obj: object,
    f,
    pickle_module=pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Saves tensors, storages and what pickle takes around them to a path or a binary file, for torch.load of either
    library. Tensors that share memory share it after loading; their whole storage is saved.

    The file is touched only after obj has been pickled. pickle_module is not used. RuntimeError for the old format
    (_use_new_zipfile_serialization=False), which can only be read.
    """
    if not _use_new_zipfile_serialization:
        raise RuntimeError("torch.save: only the zip format can be written")
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(f"expected 'f' to be string, path, or a file-like object with a 'write' attribute: {f!r}")
    data = io.BytesIO()
    pickler = Pickler(data, pickle_protocol, location_tag)
    pickler.dump(obj)
    folder = "archive"
    if isinstance(f, (str, os.PathLike)):
        folder = Path(os.fsdecode(f)).stem or "archive"
        with open(f, "wb") as file:
            _write(file, folder, data.getvalue(), pickler.storages, _disable_byteorder_record)
    else:
        _write(f, folder, data.getvalue(), pickler.storages, _disable_byteorder_record)


def _write(file, folder: str, data: bytes, storages: list[UntypedStorage], no_byteorder: bool) -> None:
    alignment = config.save.storage_alignment
    writer = Writer(file, folder, alignment, config.save.compute_crc32)
    writer.write("data.pkl", data)
    writer.write(".format_version", b"1")
    writer.write(".storage_alignment", str(alignment).encode())
    if not no_byteorder:
        writer.write("byteorder", sys.byteorder.encode())
    for key, storage in enumerate(storages):
        writer.write(f"data/{key}", bytes(storage.nbytes()) if local.skip_data else _bytes_of(storage.cpu()))
    writer.write("version", b"3\n")
    writer.close()


# ---- loading
def _storage_parts(saved_id, legacy: bool = False) -> tuple[StorageKind, str, str, int, object]:
    """The parts of the id of a storage in a pickle, checked: kind, key, location, number of elements, view."""
    if type(saved_id) is not tuple or len(saved_id) not in ((5, 6) if legacy else (5,)):
        raise pickle.UnpicklingError(f"persistent_load id must be a tuple of 5 parts, but got {shown(saved_id)}")
    name, kind, key, location, count = (
        part.decode("ascii", "replace") if type(part) is bytes and len(part) <= _KEY_LENGTH else part
        for part in saved_id[:5]
    )
    if type(name) is not str or name != "storage":
        raise pickle.UnpicklingError(f"Only persistent_load of storage is allowed, but got {shown(name)}")
    if legacy and type(key) is int:
        key = str(key) if key.bit_length() <= 64 else None
    if type(kind) is not StorageKind:
        raise pickle.UnpicklingError(f"the class of a storage must be one of torch's, but got {shown(kind)}")
    for part in (key, location):
        if type(part) is not str or len(part) > _KEY_LENGTH:
            raise pickle.UnpicklingError(f"the key and the location of a storage must be short text, got {shown(part)}")
    if type(count) is not int or not 0 <= count < 1 << 48:
        raise pickle.UnpicklingError(f"the size of a storage cannot be {shown(count)}")
    return kind, key, location, count, saved_id[5] if len(saved_id) > 5 else None


class _Loader:
    """What one call of load() was asked for, and what it may take."""

    def __init__(self, file, weights_only: bool, pickle_module, restore: Callable, options: dict) -> None:
        self.file = File(file)
        limit = config.load.max_memory
        self.memory = Memory(2 * self.file.size + _ALLOWANCE - _OVERHEAD if limit is None else limit)
        self._names = Names(safe_by_name()) if weights_only else None
        self._pickle, self._restore, self._options = pickle_module, restore, options
        self._running: Machine | None = None

    def _machine(self, load_storage: Callable, more: Callable[[int], bytes]) -> Machine:
        self._running = Machine(more, self._names, load_storage, self.memory, self._options["encoding"])
        return self._running

    def restore_by(self, map_location) -> None:
        """Has exceptions of the caller's map_location reach the caller as they are."""
        restore = self._restore

        def restored(storage, location):
            if self._running is None:
                return restore(storage, location)
            before, self._running.foreign = self._running.foreign, True
            result = restore(storage, location)
            self._running.foreign = before
            return result

        if map_location is not None:
            self._restore = restored

    def zip(self, mapped):
        """The object of a zip archive."""
        reader = Reader(self.file, self.memory)
        if "constants.pkl" in reader:
            if self._names is not None:
                raise RuntimeError(
                    "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
                    + _UNSAFE_MESSAGE
                )
            raise RuntimeError("torch.load: TorchScript archives are not supported")
        swap = _byte_order(reader) != sys.byteorder
        storages: dict[str, tuple[TypedStorage, StorageKind, int]] = {}

        def load_storage(saved_id):
            kind, key, location, count, _ = _storage_parts(saved_id)
            storage, saved_kind, saved_count = storages.get(key, (None, None, None))
            if saved_kind is kind and saved_count == count:
                return storage
            size = count * kind.dtype.itemsize
            self.memory.take(_STORAGE_BYTES)
            if storage is None:
                untyped = self._record(reader, key, size, mapped)
                if swap and not local.skip_data:
                    byteswap(untyped, kind.dtype)
                untyped = self._restore(untyped, location).untyped()
            else:
                untyped = storage.untyped()
                if saved_count * saved_kind.dtype.itemsize != size:
                    raise RuntimeError(f"torch.load: the pickle has two sizes for record data/{key}")
            typed = TypedStorage(wrap_storage=untyped, dtype=kind.dtype)
            storages[key] = typed, kind, count
            return typed

        if self._names is None:
            data = io.BytesIO(reader.read("data.pkl"))
            return unpickler(self._pickle.Unpickler, load_storage)(data, **self._options).load()
        return self._machine(load_storage, reader.stream("data.pkl")).load()

    def _record(self, reader: Reader, key: str, size: int, mapped) -> UntypedStorage:
        name = f"data/{key}"
        if reader.size(name) != size:
            raise RuntimeError(f"torch.load: record {name} has {reader.size(name)} bytes, its pickle says {size}")
        if local.skip_data:
            self.memory.take(size)
            return _C.empty(size, dtype=_C.uint8).untyped_storage()
        if mapped is not None and size:
            place = reader.place(name)
            if place is not None and place % 16 == 0:
                return _C.frombuffer(mapped, dtype=_C.uint8, count=size, offset=place).untyped_storage()
        return reader.storage(name)

    def legacy(self):
        """The object of a file in the format before."""
        if self._names is None:

            def unpickle(load_storage):
                def load_any(saved_id):
                    if isinstance(saved_id, tuple) and len(saved_id) > 1 and saved_id[0] in ("module", b"module"):
                        return saved_id[1]
                    return load_storage(saved_id)

                return unpickler(self._pickle.Unpickler, load_any)(self.file.file, **self._options).load()
        else:
            file = self.file.file

            def unpickle(load_storage):
                start = file.tell()
                machine = self._machine(load_storage, lambda least: file.read(max(least, _BLOCK)))
                result = machine.load()
                file.seek(start + machine.consumed)
                return result

        return load_legacy(self.file, unpickle, _storage_parts, self._restore, self.memory, local.skip_data)


def _byte_order(reader: Reader) -> str:
    """The byte order of a file, "little" or "big"."""
    if "byteorder" in reader:
        order = reader.read("byteorder", 16)
        if order not in (b"little", b"big"):
            raise RuntimeError(f"Unknown endianness type: {shown(order)}")
        return order.decode()
    default = get_default_load_endianness()
    if default is LoadEndianness.NATIVE:
        return sys.byteorder
    return "big" if default is LoadEndianness.BIG else "little"


def _environment(name: str) -> bool:
    return os.getenv(name, "0").lower() in ("1", "y", "yes", "true")


def _failed(message: str) -> pickle.UnpicklingError:
    """The error of a restricted load, with what can be done."""
    if "was not an allowed global by default" in message:
        return pickle.UnpicklingError(
            "Weights only load failed. This file can still be loaded, to do so you have two options, do those steps "
            "only if you trust the source of the checkpoint. \n\t(1) " + _UNSAFE_MESSAGE + "\n\t(2) Alternatively, to "
            "load with `weights_only=True` please check the recommended steps in the following error message.\n\t"
            "WeightsUnpickler error: " + message
        )
    return pickle.UnpicklingError(f"Weights only load failed. {_UNSAFE_MESSAGE}\nWeightsUnpickler error: {message}")


def _weights_only(asked: bool | None, pickle_module) -> bool:
    """What the argument, the environment and a pickle_module come to."""
    forced, lifted = map(_environment, ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"))
    if forced and lifted:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both "
            "were set."
        )
    weights_only = pickle_module is None if asked is None else bool(asked)
    if forced:
        weights_only = True
    elif lifted and asked is None:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the `weights_only` argument was not "
            "explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        weights_only = False
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return weights_only


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args,
):
    """Loads what torch.save of either library wrote, from a path or a binary file that can seek.

    weights_only (default: True) makes nothing but tensors, plain Python data and what add_safe_globals() allows, and
    raises pickle.UnpicklingError for anything else; with False the file may run any code. map_location: a device for
    all storages, a dict of locations, or a function (storage, location) -> storage or None. mmap=True maps the file (a
    path) into memory, private to the process unless set_default_mmap_options() says else, instead of reading it.

    A load takes no more memory than twice the file and 64 MiB; RuntimeError where the file asks for more. RuntimeError
    for damaged archives, pickle.UnpicklingError for damaged pickles.

    TORCH_FORCE_WEIGHTS_ONLY_LOAD=1 in the environment overrides weights_only, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 makes
    False the default.
    """
    weights_only = _weights_only(weights_only, pickle_module)
    if pickle_load_args and weights_only and pickle_load_args.keys() != {"encoding"}:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    options = {"encoding": "utf-8", **pickle_load_args}
    restore = restorer(map_location)
    mapped = config.load.mmap if mmap is None else mmap
    with _opened(f) as file:
        start, head = file.tell(), _head(file)
        if head[:4] != b"PK\x03\x04" and mapped:
            raise RuntimeError(
                "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True), please "
                "torch.save your checkpoint with this option in order to use mmap."
            )
        if start == 0 and head[257:262] == b"ustar":
            raise RuntimeError(
                ("Cannot use ``weights_only=True`` with files saved in the legacy .tar format. " + _UNSAFE_MESSAGE)
                if weights_only
                else "torch.load: files in the legacy .tar format are not supported"
            )
        loader = _Loader(file, weights_only, pickle_module or pickle, restore, options)
        loader.restore_by(map_location)
        try:
            if head[:4] == b"PK\x03\x04":
                return loader.zip(_mapped(f, file) if mapped else None)
            return loader.legacy()
        except pickle.UnpicklingError as error:
            if not weights_only:
                raise
            raise _failed(str(error)) from None


@contextmanager
def _opened(f) -> Iterator:
    """The file at a path, or a file that can do what load() needs."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            yield file
        return
    for method in ("read", "readline", "seek", "tell"):
        if not hasattr(f, method):
            raise AttributeError(
                f"{type(f).__name__!r} object has no attribute {method!r}. You can only torch.load from a file that is "
                "seekable. Please pre-load the data into a buffer like io.BytesIO and try to load from it instead."
            )
    try:
        f.seek(f.tell())
    except OSError as error:  # io.UnsupportedOperation, or a pipe's
        raise io.UnsupportedOperation(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer "
            "like io.BytesIO and try to load from it instead."
        ) from None
    yield f


def _head(file) -> bytes:
    """The first bytes of a file, which stays where it is. EOFError if there are none."""
    start = file.tell()
    head = file.read(512)
    file.seek(start)
    if not isinstance(head, bytes):
        raise TypeError(f"torch.load: the file must be opened in binary mode, its read() gave {type(head).__name__}")
    if not head:
        raise EOFError("Ran out of input")
    return head


def _mapped(f, file):
    """The file in memory."""
    import mmap

    if not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
    if get_default_mmap_options() != mmap.MAP_SHARED:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    with open(f, "r+b") as writable:
        return mmap.mmap(writable.fileno(), 0, access=mmap.ACCESS_WRITE)


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """The names in a checkpoint in the zip format that load(weights_only=True) would refuse. Nothing is run."""
    with _opened(f) as file:
        if _head(file)[:4] != b"PK\x03\x04":
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        part = File(file)
        reader = Reader(part, Memory(2 * part.size + _ALLOWANCE - _OVERHEAD))
        if "constants.pkl" in reader:
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint"
            )
        data = reader.read("data.pkl")
    safe = safe_by_name()
    return [name for name in names_in_pickle(data) if name not in ALLOWED and name not in safe]


missing(__name__)
