"""The pickles inside checkpoints: torch's names are written, and read for files that are trusted, whatever the classes
are called here. `_pickle_machine.py` and `_checkpoint_names.py` read those that are not."""

from __future__ import annotations

import importlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType

from . import _C, _types
from ._checkpoint_names import ALLOWED
from ._checkpoint_rebuild import (
    REBUILD,
    STORAGE_KINDS,
    UNTYPED,
    StorageKind,
    _get_layout,
    _rebuild_from_type_v2,
    _rebuild_parameter,
    _rebuild_parameter_with_state,
    _rebuild_tensor_v2,
    _rebuild_tensor_v3,
)
from .nn.parameter import Parameter
from .storage import TypedStorage

Tensor = _C.Tensor
UntypedStorage = _C.UntypedStorage
_FUNCTION_NAMES = {function: key for key, function in REBUILD.items()}


class StoredElements:
    """A storage with the dtype that its pickle is to name."""

    def __init__(self, storage: UntypedStorage, dtype: _C.dtype) -> None:
        self.storage, self.dtype = storage, dtype


# ---- writing


class Pickler(pickle._Pickler):
    """Writes rushlight's objects under torch's names; storages become ids, and `storages` collects them in order."""

    def __init__(self, file, protocol: int, location_of: Callable) -> None:
        super().__init__(file, protocol)
        self._location_of = location_of
        self.storages: list[UntypedStorage] = []
        self._keys: dict[int, str] = {}
        self._dtypes: dict[int, _C.dtype] = {}

    def persistent_id(self, value):
        if isinstance(value, StoredElements):
            storage, dtype = value.storage, value.dtype
        elif isinstance(value, TypedStorage):
            storage, dtype = value.untyped(), value.dtype
        elif isinstance(value, UntypedStorage):
            storage, dtype = value, None
        else:
            return None
        identity = storage._cdata
        if dtype is not None and storage.nbytes() and self._dtypes.setdefault(identity, dtype) != dtype:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        if identity not in self._keys:
            self._keys[identity] = str(len(self.storages))
            self.storages.append(storage)
        count = storage.nbytes() // (dtype.itemsize if dtype else 1)
        kind = STORAGE_KINDS[dtype] if dtype else UNTYPED
        return "storage", kind, self._keys[identity], self._location_of(storage), count

    def reducer_override(self, value):
        if isinstance(value, Tensor):
            return self._reduce_tensor(value)
        if isinstance(value, _C.dtype):
            return "dtype"
        if isinstance(value, _types.layout):
            return _get_layout, (str(value),)
        if isinstance(value, StorageKind):
            return value.full_name
        return NotImplemented

    def _reduce_tensor(self, tensor: Tensor):
        kind, state = type(tensor), tensor.__dict__
        if kind is Parameter:
            parts = (tensor.data, tensor.requires_grad, OrderedDict())
            return (_rebuild_parameter_with_state, (*parts, state)) if state else (_rebuild_parameter, parts)
        size, stride = tuple(tensor.shape), tensor.stride()
        storage = tensor.untyped_storage()
        parts = (tensor.storage_offset(), size, stride, tensor.requires_grad, OrderedDict())
        bits = {"conj": tensor.is_conj(), "neg": tensor.is_neg()}
        metadata = ({name: True for name, bit in bits.items() if bit},) if any(bits.values()) else ()
        if tensor.dtype in STORAGE_KINDS:
            function, args = _rebuild_tensor_v2, (StoredElements(storage, tensor.dtype), *parts, *metadata)
        else:
            function, args = _rebuild_tensor_v3, (storage, *parts, tensor.dtype, *metadata)
        if kind is Tensor and not state:
            return function, args
        return _rebuild_from_type_v2, (function, kind, args, state)

    def save_global(self, value, name=None) -> None:
        if isinstance(value, _C.dtype):
            module, name = "torch", str(value).rpartition(".")[2]
        elif isinstance(value, _types.memory_format):
            module, name = "torch", str(value).rpartition(".")[2]
        elif isinstance(value, StorageKind):
            module, _, name = value.full_name.rpartition(".")
        elif type(value) is FunctionType and value in _FUNCTION_NAMES:
            module, name = _FUNCTION_NAMES[value]
        elif str(getattr(value, "__module__", "")).partition(".")[0] == "rushlight":
            module = "torch" + value.__module__.removeprefix("rushlight").removeprefix("._C")
            name = name or value.__qualname__
        else:
            return super().save_global(value, name)
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(value)

    # dtypes are the same objects every time, as torch's pickles have them
    dispatch = {**pickle._Pickler.dispatch, FunctionType: save_global}


# ---- reading


def find_global(module: str, name: str):
    """What a pickle of torch's means by module.name."""
    if (module, name) in REBUILD:
        return REBUILD[module, name]
    found = ALLOWED.get(f"{module}.{name}")
    if isinstance(found, (StorageKind, _C.dtype)):
        return found
    if module == "torch" or module.startswith("torch."):
        module = "rushlight" + module.removeprefix("torch")
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value


def unpickler(base: type, load_storage: Callable) -> type:
    """The class of an unpickler that runs whatever the file says, on a class like pickle.Unpickler."""

    class Unpickler(base):
        def persistent_load(self, saved_id):
            return load_storage(saved_id)

        def find_class(self, module, name):
            if module.partition(".")[0] == "torch":
                return find_global(module, name)
            return super().find_class(module, name)

    return Unpickler
