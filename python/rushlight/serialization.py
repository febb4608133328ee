"""torch.save and torch.load: checkpoints in torch's zip format, and reading its older format.

A checkpoint is an uncompressed zip archive: data.pkl, a pickle in which storages are ids, and one record data/<key>
with the bytes of each storage, aligned to 64 bytes. load() runs no code of the file unless weights_only=False.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from . import _C
from ._checkpoint import ALLOWED, Global, Pickler, RestrictedUnpickler, unpickler
from ._missing import missing
from .storage import TypedStorage

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "register_package",
    "safe_globals",
    "save",
    "skip_data",
]

DEFAULT_PROTOCOL = 2
_ALIGNMENT = 64
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

UntypedStorage = _C.UntypedStorage


# ---- the names that a restricted load accepts
_safe: list = []


def add_safe_globals(safe_globals: list) -> None:
    """Lets load(weights_only=True) make objects of these classes and call these functions. An item may be a pair
    (object, "module.name") for the name in the file."""
    _safe.extend(item for item in safe_globals if item not in _safe)


def clear_safe_globals() -> None:
    """Forgets what add_safe_globals() was given."""
    _safe.clear()


def get_safe_globals() -> list:
    """What add_safe_globals() was given."""
    return list(_safe)


class safe_globals:
    """add_safe_globals() for the time of a `with` block."""

    def __init__(self, safe_globals: list) -> None:
        self._items = safe_globals

    def __enter__(self) -> None:
        self._before = list(_safe)
        add_safe_globals(self._items)

    def __exit__(self, *error: object) -> None:
        _safe[:] = self._before


def _safe_by_name() -> dict:
    by_name = {}
    for item in _safe:
        value, name = item if isinstance(item, tuple) else (item, None)
        if name is None:
            module = value.__module__
            if module.partition(".")[0] == "rushlight":
                module = "torch" + module.removeprefix("rushlight")
            name = f"{module}.{value.__qualname__}"
        by_name[name] = value
    return by_name


# ---- where storages go
_packages: list[tuple[int, Callable, Callable]] = []


def register_package(priority: int, tagger: Callable, deserializer: Callable) -> None:
    """Adds tagger(storage) -> location or None and deserializer(storage, location) -> storage or None; those with the
    lowest priority number are asked first."""
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda entry: entry[0])


def location_tag(storage: UntypedStorage) -> str:
    """The location that save() writes for a storage, such as "cpu"."""
    for _, tagger, _ in _packages:
        if (location := tagger(storage)) is not None:
            return location
    return str(storage.device)


def default_restore_location(storage: UntypedStorage, location: str) -> UntypedStorage:
    """The storage at a location of a file. RuntimeError for devices that are not there."""
    for _, _, deserializer in _packages:
        if (moved := deserializer(storage, location)) is not None:
            return moved
    if location == "cpu":
        return storage
    if location.partition(":")[0] == "cuda":
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are "
            "running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        )
    raise RuntimeError(f"don't know how to restore data location of {storage} (tagged with {location})")


def _restorer(map_location) -> Callable:
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))
    if isinstance(map_location, (str, _C.device)):
        return lambda storage, location: default_restore_location(storage, str(map_location))

    def restore(storage, location):
        moved = map_location(storage, location)
        return default_restore_location(storage, location) if moved is None else moved

    return restore


# ---- saving
_skip_data = False


@contextmanager
def skip_data() -> Iterator[None]:
    """In this block save() leaves room for the bytes of storages without writing them."""
    global _skip_data
    before, _skip_data = _skip_data, True
    try:
        yield
    finally:
        _skip_data = before


def _bytes_of(storage: UntypedStorage) -> memoryview:
    return memoryview(_C._tensor_on_storage(storage, _C.uint8, 0, (storage.nbytes(),), (1,)))


class _Writer:
    """Stored records of a zip archive below one folder, their data aligned."""

    def __init__(self, file, folder: str) -> None:
        self._file, self._folder = file, folder
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)

    def write(self, name: str, data) -> None:
        info = zipfile.ZipInfo(f"{self._folder}/{name}")
        data = memoryview(data)
        large = data.nbytes >= 1 << 31
        header = 30 + len(info.filename.encode()) + 4 + (20 if large else 0)
        padding = -(self._zip.start_dir + header) % _ALIGNMENT
        info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        with self._zip.open(info, "w", force_zip64=large) as record:
            record.write(data)

    def close(self) -> None:
        self._zip.close()


def _pickled(obj: object, protocol: int) -> tuple[bytes, list[UntypedStorage]]:
    data = io.BytesIO()
    pickler = Pickler(data, protocol)
    pickler.dump(obj)
    return data.getvalue(), pickler.storages


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
    data, storages = _pickled(obj, pickle_protocol)
    folder = "archive"
    if isinstance(f, (str, os.PathLike)):
        folder = Path(os.fspath(f)).stem or "archive"
        with open(f, "wb") as file:
            _write(file, folder, data, storages, _disable_byteorder_record)
    else:
        _write(f, folder, data, storages, _disable_byteorder_record)


def _write(file, folder: str, data: bytes, storages: list[UntypedStorage], no_byteorder: bool) -> None:
    writer = _Writer(file, folder)
    writer.write("data.pkl", data)
    writer.write(".format_version", b"1")
    writer.write(".storage_alignment", str(_ALIGNMENT).encode())
    if not no_byteorder:
        writer.write("byteorder", sys.byteorder.encode())
    for key, storage in enumerate(storages):
        writer.write(f"data/{key}", bytes(storage.nbytes()) if _skip_data else _bytes_of(storage.cpu()))
    writer.write("version", b"3\n")
    writer.close()


# ---- loading
class _Reader:
    """The records of a checkpoint's archive."""

    def __init__(self, file, mapped: bool) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file)
        names = self._zip.namelist()
        folder = next((name[: -len("data.pkl")] for name in names if name.endswith("/data.pkl")), None)
        if folder is None:
            hint = " (a TorchScript archive)" if any(name.endswith("/constants.pkl") for name in names) else ""
            raise RuntimeError(f"PytorchStreamReader failed locating file data.pkl: file not found{hint}")
        self._folder = folder
        self._map = None
        if mapped:
            import mmap

            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        order = self.read("byteorder", b"little").decode()
        if order != sys.byteorder:
            raise RuntimeError(f"the checkpoint has the byte order {order!r}, this machine {sys.byteorder!r}")
        if any(name.endswith("/constants.pkl") for name in names):
            raise RuntimeError("torch.load: TorchScript archives are not supported")

    def read(self, name: str, otherwise: bytes | None = None) -> bytes:
        try:
            return self._zip.read(self._folder + name)
        except KeyError:
            if otherwise is None:
                raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found") from None
            return otherwise

    def storage(self, key: str, size: int) -> UntypedStorage:
        name = f"{self._folder}data/{key}"
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise RuntimeError(f"PytorchStreamReader failed locating file data/{key}: file not found") from None
        if info.file_size != size:
            raise RuntimeError(f"torch.load: record data/{key} has {info.file_size} bytes, its pickle says {size}")
        stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == size
        if self._map is not None and stored and size:
            return _C.frombuffer(self._map, dtype=_C.uint8, count=size, offset=self._start(info)).untyped_storage()
        memory = _C.empty(size, dtype=_C.uint8)
        view = memoryview(memory)
        # Straight from the file where it can do that: zipfile would check the sums, which costs more than reading.
        direct = stored and hasattr(self._file, "readinto")
        done = 0
        with nullcontext(self._file) if direct else self._zip.open(info) as record:
            if direct:
                record.seek(self._start(info))
            while done < size:
                count = record.readinto(view[done:])
                if not count:
                    raise RuntimeError(f"torch.load: record data/{key} ends too early")
                done += count
        return memory.untyped_storage()

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of a stored record begin in the file."""
        self._file.seek(info.header_offset)
        header = self._file.read(30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise RuntimeError(f"torch.load: record {info.filename} has no header")
        return info.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))


def _saved_storage(saved_id) -> tuple[Global, str, str, int]:
    """The parts of the id of a storage in a pickle, checked."""
    if not isinstance(saved_id, tuple) or len(saved_id) < 5 or saved_id[0] not in ("storage", b"storage"):
        raise pickle.UnpicklingError(f"Unknown typename for persistent_load: {saved_id!r}")
    _, kind, key, location, count = saved_id[:5]
    key, location = (part.decode() if isinstance(part, bytes) else part for part in (key, location))
    if not isinstance(kind, Global) or not isinstance(location, str) or not isinstance(count, int) or count < 0:
        raise pickle.UnpicklingError(f"not a storage: {saved_id!r}")
    return kind, str(key), location, count


def _unpickle(file, load_storage: Callable, weights_only: bool, pickle_module, options: dict):
    if not weights_only:
        return unpickler(pickle_module.Unpickler, load_storage)(file, **options).load()
    try:
        return RestrictedUnpickler(file, load_storage, _safe_by_name(), options.get("encoding", "utf-8")).load()
    except pickle.UnpicklingError as error:
        raise pickle.UnpicklingError(
            "Weights only load failed. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, "
            "but it can result in arbitrary code execution. Do it only if you got the file from a trusted source.\n"
            f"WeightsUnpickler error: {error}"
        ) from None


def _load_zip(file, restore: Callable, weights_only: bool, pickle_module, mapped: bool, options: dict):
    reader = _Reader(file, mapped)
    storages: dict[str, UntypedStorage] = {}

    def load_storage(saved_id):
        kind, key, location, count = _saved_storage(saved_id)
        if key not in storages:
            storages[key] = restore(reader.storage(key, count * kind.dtype.itemsize), location)
        return _as_saved(storages[key], kind)

    return _unpickle(io.BytesIO(reader.read("data.pkl")), load_storage, weights_only, pickle_module, options)


def _as_saved(storage: UntypedStorage, kind: Global) -> TypedStorage:
    return TypedStorage(wrap_storage=storage.untyped(), dtype=kind.dtype)


def _load_legacy(file, restore: Callable, weights_only: bool, pickle_module, options: dict):
    """The format before torch 1.6: pickles one after the other, then the bytes of the storages."""

    def load(load_storage):
        return _unpickle(file, load_storage, weights_only, pickle_module, options)

    def no_storage(saved_id):
        raise pickle.UnpicklingError(f"unexpected storage {saved_id!r}")

    if load(no_storage) != _LEGACY_MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    if load(no_storage) != _LEGACY_PROTOCOL:
        raise RuntimeError("Invalid protocol version: the file was written by another version of torch")
    load(no_storage)  # what the machine was
    start = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(start)
    memory: dict[str, UntypedStorage] = {}
    storages: dict[str, UntypedStorage] = {}

    def load_storage(saved_id):
        if isinstance(saved_id, tuple) and saved_id and saved_id[0] in ("module", b"module"):
            return saved_id[1]
        kind, key, location, count = _saved_storage(saved_id)
        if len(saved_id) > 5 and saved_id[5] is not None:
            raise RuntimeError("torch.load: views of storages in old files are not supported")
        if key not in storages:
            size = count * kind.dtype.itemsize
            if size > length:
                raise RuntimeError(f"torch.load: a storage of {size} bytes in a file of {length}")
            memory[key] = _C.empty(size, dtype=_C.uint8).untyped_storage()
            storages[key] = restore(memory[key], location)
        return _as_saved(storages[key], kind)

    result = load(load_storage)
    for key in load(no_storage):
        storage = memory.get(str(key))
        if storage is None:
            raise RuntimeError(f"torch.load: unknown storage {key!r}")
        count = struct.unpack("<q", file.read(8))[0]
        view = _bytes_of(storage)
        if count < 0 or (count == 0) != (view.nbytes == 0) or (count and view.nbytes % count):
            raise RuntimeError(f"torch.load: storage {key!r} has another size than its pickle says")
        data = file.read(view.nbytes)
        if len(data) != view.nbytes:
            raise RuntimeError("torch.load: the file ends too early")
        view[:] = data
    return result


def _environment(name: str) -> bool:
    return os.getenv(name, "0") in ("1", "y", "yes", "true")


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
    path) into memory, private to the process, instead of reading it.

    TORCH_FORCE_WEIGHTS_ONLY_LOAD=1 in the environment overrides weights_only, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 makes
    False the default.
    """
    forced, lifted = (
        _environment(name) for name in ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    )
    if forced and lifted:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both "
            "were set."
        )
    if forced:
        weights_only = True
    if weights_only is None:
        weights_only = pickle_module is None and not lifted
    elif weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    restore = _restorer(map_location)
    pickle_module = pickle_module or pickle
    path = isinstance(f, (str, os.PathLike))
    if mmap and not path:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not path:
        for method in ("read", "readline", "seek", "tell"):
            if not hasattr(f, method):
                raise AttributeError(
                    f"{type(f).__name__!r} object has no attribute {method!r}: torch.load reads from a file that can "
                    "seek; give it a path, or read the bytes into io.BytesIO first"
                )
    file = open(f, "rb") if path else f
    try:
        start = file.tell()
        head = file.read(4)
        file.seek(start)
        if not head:
            raise EOFError("Ran out of input")
        if head == b"PK\x03\x04":
            try:
                return _load_zip(file, restore, weights_only, pickle_module, bool(mmap), pickle_load_args)
            except (zipfile.BadZipFile, struct.error) as error:
                raise RuntimeError(f"torch.load: the archive is damaged: {error}") from error
        if mmap:
            raise RuntimeError("mmap can only be used with files saved with the zip format")
        return _load_legacy(file, restore, weights_only, pickle_module, pickle_load_args)
    finally:
        if path:
            file.close()


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """The names in a checkpoint that load(weights_only=True) would refuse."""
    import pickletools

    file = open(f, "rb") if isinstance(f, (str, os.PathLike)) else f
    try:
        data = _Reader(file, False).read("data.pkl")
    finally:
        if file is not f:
            file.close()
    safe = _safe_by_name()
    names: dict[str, None] = {}
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            module, _, name = argument.partition(" ")
        elif opcode.name == "STACK_GLOBAL":
            module, name = strings[-2:]
        else:
            if isinstance(argument, str):
                strings.append(argument)
            continue
        if (module, name) not in ALLOWED and f"{module}.{name}" not in safe:
            names[f"{module}.{name}"] = None
    return list(names)


missing(__name__)
