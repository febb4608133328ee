"""What the pickles of checkpoints call, for files that are trusted, and the tables of dtypes, layouts and storages.

`_checkpoint_names.py` checks the arguments of files that are not.
"""

from __future__ import annotations

from . import _C, _types
from ._pickle_parts import Name
from .nn.parameter import Parameter

Tensor = _C.Tensor

DTYPES = {name: value for name, value in vars(_C).items() if isinstance(value, _C.dtype)}
LAYOUTS = {str(value): value for value in vars(_types).values() if isinstance(value, _types.layout)}
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


class StorageKind(Name):
    """A class of storages, with the dtype of the elements."""

    __slots__ = ("dtype",)

    def __init__(self, full_name: str, dtype: _C.dtype) -> None:
        super().__init__(full_name)
        self.dtype = dtype


STORAGE_KINDS = {dtype: StorageKind(f"torch.{name}Storage", dtype) for name, dtype in _STORAGE_NAMES.items()}
UNTYPED = StorageKind("torch.storage.UntypedStorage", _C.uint8)


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
    if hasattr(kind, "__setstate__"):
        tensor.__setstate__(state)
        return tensor
    return _with_state(tensor, state)


def _with_state(tensor: Tensor, state) -> Tensor:
    if isinstance(state, tuple):
        state, slots = state
        for name, value in (slots or {}).items():
            setattr(tensor, name, value)
    tensor.__dict__.update(state or {})
    return tensor


def _get_layout(name: str):
    return LAYOUTS[name]


REBUILD = {
    ("torch._utils", f.__name__): f
    for f in (
        _rebuild_tensor,
        _rebuild_tensor_v2,
        _rebuild_tensor_v3,
        _rebuild_parameter,
        _rebuild_parameter_with_state,
    )
}
REBUILD["torch._tensor", "_rebuild_from_type_v2"] = _rebuild_from_type_v2
REBUILD["torch.serialization", "_get_layout"] = _get_layout
