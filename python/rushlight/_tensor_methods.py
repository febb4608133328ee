"""Methods of Tensor that run Python code for every element or exist for old programs."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from . import _C
from ._shape import broadcast_shapes


def _elementwise(name: str, tensor: _C.Tensor, others: tuple[_C.Tensor, ...], function: Callable) -> _C.Tensor:
    if tensor.requires_grad:
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    for other in others:
        if other.dtype != tensor.dtype:
            raise TypeError(f"{name}: expected {tensor.type()} for 'other' (got {other.type()})")
        if broadcast_shapes(tensor.shape, other.shape) != tensor.shape:
            raise RuntimeError(
                f"{name}: 'other' of shape {list(other.shape)} cannot be expanded to {list(tensor.shape)}"
            )
    columns = [t.expand(tensor.shape).flatten().tolist() for t in (tensor, *others)]
    values = [function(*row) for row in zip(*columns, strict=True)]
    if not tensor.dtype.is_floating_point and not tensor.dtype.is_complex:
        values = [int(v) for v in values]
    with _C.no_grad():
        tensor.copy_(_C.tensor(values, dtype=tensor.dtype).reshape(tensor.shape))
    return tensor


def apply_(tensor: _C.Tensor, function: Callable) -> _C.Tensor:
    """Replaces each element x by function(x). Slow: one Python call per element."""
    return _elementwise("apply_", tensor, (), function)


def map_(tensor: _C.Tensor, other: _C.Tensor, function: Callable) -> _C.Tensor:
    """Replaces each element x by function(x, y) with y of `other`, which broadcasts and has the same dtype."""
    return _elementwise("map_", tensor, (other,), function)


def map2_(tensor: _C.Tensor, x: _C.Tensor, y: _C.Tensor, function: Callable) -> _C.Tensor:
    """Replaces each element by function(element, x, y)."""
    return _elementwise("map2_", tensor, (x, y), function)


def resize(tensor: _C.Tensor, sizes: tuple[int, ...]) -> _C.Tensor:
    """Deprecated: reshape."""
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    return tensor.reshape(sizes)


def resize_as(tensor: _C.Tensor, other: _C.Tensor) -> _C.Tensor:
    """Deprecated: reshape to the shape of other."""
    warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
    return tensor.reshape(other.shape)


def dim_order(tensor: _C.Tensor, ambiguity_check: bool | list) -> tuple[int, ...]:
    """The dims from the outermost in memory to the innermost; RuntimeError where ambiguity_check finds several."""
    from ._types import memory_format

    formats = ambiguity_check if isinstance(ambiguity_check, list) else []
    if not isinstance(ambiguity_check, (bool, list)) or not all(isinstance(f, memory_format) for f in formats):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    strides = tensor.stride()
    ambiguous = False
    if ambiguity_check is True:
        # An order is unique where no two dims have the same stride and none of size 1 could be anywhere.
        ambiguous = tensor.numel() > 0 and (
            len(set(strides)) < len(strides) or (tensor.dim() > 1 and 1 in tensor.shape)
        )
    elif formats:
        ambiguous = sum(tensor.is_contiguous(memory_format=f) for f in formats) != 1
    if ambiguous:
        raise RuntimeError(
            "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
        )
    return tuple(sorted(range(tensor.dim()), key=lambda d: -strides[d]))
