"""The pickles inside checkpoints: torch's names are written and read, whatever the classes are called here."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError

from . import _C
from .nn.parameter import Parameter
from .storage import TypedStorage

Tensor = _C.Tensor
UntypedStorage = _C.UntypedStorage
DTYPES = {name: value for name, value in vars(_C).items() if isinstance(value, _C.dtype)}
_STORAGE_NAMES = {
    "Float": _C.float32,
    "Double": _C.float64,
    "Half": _C.float16,
    "BFloat16": _C.bfloat16,
    "Byte": _C.uint8,
    "Char": _C.int8,
    "Short": _C.int16,
    "Int": _C.int32,
    "Long": _C.int64,
    "Bool": _C.bool,
    "ComplexFloat": _C.complex64,
    "ComplexDouble": _C.complex128,
}


class Global:
    """A name of torch's in a pickle. Those of storage classes have the dtype of the elements."""

    def __init__(self, module: str, name: str, dtype: _C.dtype | None = None) -> None:
        self.module, self.name, self.dtype = module, name, dtype


_STORAGES = {dtype: Global("torch", f"{name}Storage", dtype) for name, dtype in _STORAGE_NAMES.items()}
_UNTYPED = Global("torch.storage", "UntypedStorage", _C.uint8)


class StoredElements:
    """A storage with the dtype that its pickle is to name."""

    def __init__(self, storage: UntypedStorage, dtype: _C.dtype) -> None:
        self.storage, self.dtype = storage, dtype


# ---- what torch's pickles call


def _finished(tensor: Tensor, requires_grad: bool, metadata: dict | None) -> Tensor:
    if metadata and metadata.get("conj"):
        tensor = tensor.conj().detach()
    if metadata and metadata.get("neg"):
        tensor = tensor._neg_view().detach()
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _rebuild_tensor(storage, storage_offset, size, stride) -> Tensor:
    return _C._tensor_on_storage(storage.untyped(), storage.dtype, storage_offset, tuple(size), tuple(stride))


def _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None) -> Tensor:
    return _finished(_rebuild_tensor(storage, storage_offset, size, stride), requires_grad, metadata)


def _rebuild_tensor_v3(storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None):
    tensor = _C._tensor_on_storage(storage.untyped(), dtype, storage_offset, tuple(size), tuple(stride))
    return _finished(tensor, requires_grad, metadata)


def _rebuild_parameter(data, requires_grad, backward_hooks) -> Parameter:
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state) -> Parameter:
    return _with_state(Parameter(data, requires_grad), state)


def _rebuild_from_type_v2(function, kind, args, state) -> Tensor:
    tensor = function(*args)
    if type(tensor) is not kind:
        tensor = Tensor._make_subclass(kind, tensor.detach(), tensor.requires_grad)
    return _with_state(tensor, state)


def _with_state(tensor: Tensor, state) -> Tensor:
    if isinstance(state, tuple):
        state, slots = state
        for name, value in (slots or {}).items():
            setattr(tensor, name, value)
    tensor.__dict__.update(state or {})
    return tensor


def _get_layout(name: str):
    return getattr(sys.modules[__package__], name.removeprefix("torch."))


def _bytes(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8", "utf8", "ascii"):
        raise UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode(encoding)


def _bytearray(*args) -> bytearray:
    if args and not isinstance(args[0], (bytes, str)):
        raise UnpicklingError("bytearray() of something else than bytes")
    return bytearray(*args)


def _empty_bytes() -> bytes:
    return b""


_REBUILD = {
    ("torch._utils", f.__name__): f
    for f in (
        _rebuild_tensor,
        _rebuild_tensor_v2,
        _rebuild_tensor_v3,
        _rebuild_parameter,
        _rebuild_parameter_with_state,
    )
}
_REBUILD["torch._tensor", "_rebuild_from_type_v2"] = _rebuild_from_type_v2
_REBUILD["torch.serialization", "_get_layout"] = _get_layout
_FUNCTION_NAMES = {function: key for key, function in _REBUILD.items()}

# Everything that a restricted pickle may name.
ALLOWED = {
    **_REBUILD,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("builtins", "complex"): complex,
    ("__builtin__", "complex"): complex,
    ("builtins", "bytearray"): _bytearray,
    ("__builtin__", "bytearray"): _bytearray,
    ("builtins", "bytes"): _empty_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
    ("_codecs", "encode"): _bytes,
    ("torch", "Size"): _C.Size,
    ("torch", "device"): _C.device,
    ("torch", "Tensor"): Tensor,
    ("torch.nn.parameter", "Parameter"): Parameter,
    ("torch.storage", "UntypedStorage"): _UNTYPED,
    **{("torch", name): dtype for name, dtype in DTYPES.items()},
    **{(module, g.name): g for g in _STORAGES.values() for module in ("torch", "torch.cuda")},
}


# ---- writing


class Pickler(pickle._Pickler):
    """Writes rushlight's objects under torch's names; storages become ids, and `storages` collects them in order."""

    def __init__(self, file, protocol: int) -> None:
        super().__init__(file, protocol)
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
        kind = _STORAGES[dtype] if dtype else _UNTYPED
        return "storage", kind, self._keys[identity], str(storage.device), count

    def reducer_override(self, value):
        if isinstance(value, Tensor):
            return self._reduce_tensor(value)
        if isinstance(value, _C.dtype):
            return "dtype"
        if isinstance(value, Global):
            return value.name
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
        if tensor.dtype in _STORAGES:
            function, args = _rebuild_tensor_v2, (StoredElements(storage, tensor.dtype), *parts, *metadata)
        else:
            function, args = _rebuild_tensor_v3, (storage, *parts, tensor.dtype, *metadata)
        if kind is Tensor and not state:
            return function, args
        return _rebuild_from_type_v2, (function, kind, args, state)

    def save_global(self, value, name=None) -> None:
        if isinstance(value, _C.dtype):
            module, name = "torch", str(value).rpartition(".")[2]
        elif isinstance(value, Global):
            module, name = value.module, value.name
        elif type(value) is type(_get_layout) and value in _FUNCTION_NAMES:
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
    dispatch = {**pickle._Pickler.dispatch, type(_get_layout): save_global}


# ---- reading


def find_global(module: str, name: str):
    """What a pickle of torch's means by module.name."""
    found = ALLOWED.get((module, name))
    if found is not None:
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


class RestrictedUnpickler(pickle._Unpickler):
    """Knows the opcodes of plain data, calls only what ALLOWED or `safe` names, and touches no other object."""

    _OPCODES = (
        "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 "
        "FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 SHORT_BINSTRING BINSTRING BINBYTES "
        "SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS LIST EMPTY_DICT "
        "DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE "
        "GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID"
    ).split()
    dispatch = {getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _OPCODES}

    def __init__(self, file, load_storage: Callable, safe: dict, encoding: str = "ASCII") -> None:
        super().__init__(file, encoding=encoding)
        self._load_storage = load_storage
        self._safe = safe
        self._callable = {id(value) for value in ALLOWED.values() if not isinstance(value, (Global, _C.dtype))}
        self._callable -= {id(Tensor)}
        self._callable |= {id(value) for value in safe.values()}

    def load(self):
        try:
            return super().load()
        except KeyError as error:
            opcode = error.args[0] if error.args else None
            if isinstance(opcode, int):
                raise UnpicklingError(f"Unsupported operand {opcode}") from None
            raise UnpicklingError(f"the pickle is damaged: {error!r}") from error
        except (AttributeError, EOFError, IndexError, MemoryError, OverflowError, TypeError, ValueError) as error:
            raise UnpicklingError(f"the pickle is damaged: {error!r}") from error

    def find_class(self, module: str, name: str):
        full = f"{module}.{name}"
        if full in self._safe:
            return self._safe[full]
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{name}])` or the "
            f"`torch.serialization.safe_globals([{name}])` context manager to allowlist this global if you trust this "
            "class/function."
        )

    def persistent_load(self, saved_id):
        return self._load_storage(saved_id)

    def _check_type(self, value, *kinds) -> None:
        if type(value) not in kinds:
            raise UnpicklingError(f"Can not add items to {type(value).__name__}")

    def load_append(self):
        self._check_type(self.stack[-2], list)
        super().load_append()

    dispatch[pickle.APPEND[0]] = load_append

    def load_appends(self):
        self._check_type(self.metastack[-1][-1], list)
        super().load_appends()

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_additems(self):
        self._check_type(self.metastack[-1][-1], set)
        super().load_additems()

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def load_setitem(self):
        self._check_type(self.stack[-3], dict, OrderedDict, Counter)
        super().load_setitem()

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self):
        self._check_type(self.metastack[-1][-1], dict, OrderedDict, Counter)
        super().load_setitems()

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_reduce(self):
        function = self.stack[-2]
        if id(function) not in self._callable:
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {function!r}")
        if function is _rebuild_from_type_v2 and id(self.stack[-1][0]) not in self._callable:
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {self.stack[-1][0]!r}")
        super().load_reduce()

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self):
        kind = self.stack[-2]
        if kind not in (OrderedDict, Counter) and id(kind) not in {id(value) for value in self._safe.values()}:
            raise UnpicklingError(f"Trying to instantiate unsupported object {kind!r}")
        super().load_newobj()

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self):
        value = self.stack[-2]
        if type(value) in (OrderedDict, Counter):
            state = self.stack.pop()
            if not isinstance(state, dict):
                raise UnpicklingError("the state of a dict must be a dict")
            value.__dict__.update(state)
        elif not isinstance(value, type) and any(type(value) is safe for safe in self._safe.values()):
            super().load_build()
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got "
                f"{type(value)}"
            )

    dispatch[pickle.BUILD[0]] = load_build
