"""The settings of torch.save and torch.load, and what add_safe_globals() allows."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from enum import Enum

from .utils.serialization import config


class _Local(threading.local):
    """Settings of a thread."""

    skip_data = False
    materialize_fake_tensors = False


local = _Local()


class skip_data:
    """In this block save() leaves room for the bytes of storages without writing them, and load() makes storages whose
    bytes it does not read. materialize_fake_tensors has no meaning here."""

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self._before = local.skip_data, local.materialize_fake_tensors
        local.skip_data, local.materialize_fake_tensors = True, self.materialize_fake_tensors

    def __exit__(self, *error: object) -> None:
        local.skip_data, local.materialize_fake_tensors = self._before


# ---- the names that a restricted load accepts
_safe: dict = {}  # a set that keeps the order


def add_safe_globals(safe_globals: list) -> None:
    """Lets load(weights_only=True) make objects of these classes and call these functions, with any arguments that the
    file has. An item may be a pair (object, "module.name") for the name in the file."""
    _safe.update(dict.fromkeys(safe_globals))


def clear_safe_globals() -> None:
    """Forgets what add_safe_globals() was given."""
    _safe.clear()


def get_safe_globals() -> list:
    """What add_safe_globals() was given."""
    return list(_safe)


class safe_globals:
    """add_safe_globals() for the time of a `with` block. At its end the items are no longer allowed."""

    def __init__(self, safe_globals: list) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: object) -> None:
        for item in self.safe_globals:
            _safe.pop(item, None)


def safe_by_name() -> dict[str, object]:
    """What add_safe_globals() was given, by the names in files."""
    by_name = {}
    for item in _safe:
        if isinstance(item, tuple):
            if len(item) != 2:
                raise ValueError(
                    f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: "
                    f"{len(item)}"
                )
            if type(item[1]) is not str:
                raise TypeError(
                    f"Expected second item in tuple to be str of callable full path, but got: {type(item[1])}"
                )
            value, name = item
        else:
            value, module = item, item.__module__
            if module.partition(".")[0] == "rushlight":
                module = "torch" + module.removeprefix("rushlight").removeprefix("._C")
            name = f"{module}.{value.__qualname__}"
        by_name[name] = value
    return by_name


# ---- byte order, sums, mapped files
class LoadEndianness(Enum):
    """The byte order of files that do not say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order of files that do not say theirs; None means little."""
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Sets the byte order of files that do not say theirs."""
    if not isinstance(endianness, LoadEndianness) and endianness is not None:
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    config.load.endianness = endianness


def get_crc32_options() -> bool:
    """Whether save() writes the CRC-32 of each record."""
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Sets whether save() writes the CRC-32 of each record. Without it load() still takes the file; zip programs may
    complain."""
    config.save.compute_crc32 = compute_crc32


def get_default_mmap_options() -> int | None:
    """How load(mmap=True) maps files: mmap.MAP_PRIVATE or mmap.MAP_SHARED."""
    return config.load.mmap_flags


class set_default_mmap_options:
    """Sets how load(mmap=True) maps files, for good or for a `with` block: mmap.MAP_PRIVATE (the default), where
    changes of tensors stay in the process, or mmap.MAP_SHARED, where they reach the file."""

    def __init__(self, flags: int) -> None:
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self.prev = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        config.load.mmap_flags = self.prev


# ---- where storages go
packages: list[tuple[int, Callable, Callable]] = []


def register_package(priority: int, tagger: Callable, deserializer: Callable) -> None:
    """Adds tagger(storage) -> location or None and deserializer(storage, location) -> storage or None; those with the
    lowest priority number are asked first."""
    packages.append((priority, tagger, deserializer))
    packages.sort(key=lambda entry: entry[0])


def location_tag(storage) -> str:
    """The location that save() writes for a storage, such as "cpu"."""
    for _, tagger, _ in packages:
        if location := tagger(storage):
            return location
    return str(storage.device)


def default_restore_location(storage, location: str):
    """The storage at a location of a file. RuntimeError for devices that are not there."""
    for _, _, deserializer in packages:
        if (moved := deserializer(storage, location)) is not None:
            return moved
    if location == "cpu":
        return storage
    if location.partition(":")[0] == "cuda":
        return validate_cuda_device(location)
    raise RuntimeError(
        f"don't know how to restore data location of torch.{type(storage).__name__} (tagged with {location[:100]})"
    )


def restorer(map_location) -> Callable:
    """The function (storage, location) -> storage for the argument of load()."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))
    if callable(map_location):

        def restore(storage, location):
            moved = map_location(storage, location)
            return default_restore_location(storage, location) if moved is None else moved

        return restore
    return lambda storage, location: default_restore_location(storage, str(map_location))


def validate_cuda_device(location: str) -> int:
    """RuntimeError: there is no CUDA device here."""
    raise RuntimeError(
        "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running "
        "on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to "
        "the CPU."
    )


def validate_hpu_device(location: str) -> int:
    """RuntimeError: there is no HPU device here."""
    raise RuntimeError(
        "Attempting to deserialize object on a HPU device but torch.hpu.is_available() is False. If you are running "
        "on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to "
        "the CPU."
    )
