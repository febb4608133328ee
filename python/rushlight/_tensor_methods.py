"""Methods of Tensor that run Python code for every element or exist for old programs."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Callable

from . import _C


def _elementwise(
    name: str, tensor: _C.Tensor, others: dict[str, _C.Tensor], function: Callable[..., object]
) -> _C.Tensor:
    if any(t.requires_grad for t in (tensor, *others.values())):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    for argument, other in others.items():
        if other.dtype != tensor.dtype:
            raise TypeError(f"{name}: expected {tensor.type()} for {argument} (got {other.type()})")
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    columns = [t.expand(tensor.shape).flatten().tolist() for t in (tensor, *others.values())]
    values = [function(*row) for row in zip(*columns, strict=True)]
    if tensor.dtype is _C.bool:
        values = [bool(v) for v in values]
    elif not tensor.dtype.is_floating_point and not tensor.dtype.is_complex:
        for v in values:
            if not isinstance(v, (float, _C.Tensor)):
                operator.index(v)
        values = [int(v) for v in values]
    with _C.no_grad():
        tensor.copy_(_C.tensor(values, dtype=tensor.dtype).reshape(tensor.shape))
    return tensor


def apply_(tensor: _C.Tensor, function: Callable) -> _C.Tensor:
    """Replaces each element x by function(x). Slow: one Python call per element."""
    return _elementwise("apply_", tensor, {}, function)


def map_(tensor: _C.Tensor, other: _C.Tensor, function: Callable) -> _C.Tensor:
    """Replaces each element x by function(x, y) with y of `other`, which broadcasts and has the same dtype."""
    return _elementwise("map_", tensor, {"'other'": other}, function)


def map2_(tensor: _C.Tensor, x: _C.Tensor, y: _C.Tensor, function: Callable) -> _C.Tensor:
    """Replaces each element by function(element, x, y)."""
    return _elementwise("map2_", tensor, {"argument 'x'": x, "argument 'y'": y}, function)


def resize(tensor: _C.Tensor, sizes: tuple[int, ...]) -> _C.Tensor:
    """Deprecated: reshape."""
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    return tensor.reshape(sizes)


def resize_as(tensor: _C.Tensor, other: _C.Tensor) -> _C.Tensor:
    """Deprecated: reshape to the shape of other."""
    warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
    return tensor.reshape(other.shape)


def dim_order(tensor: _C.Tensor, ambiguity_check: bool | list = False) -> tuple[int, ...]:
    """The dims from the outermost in memory to the innermost."""
    from ._types import channels_last, memory_format

    if not isinstance(ambiguity_check, bool) and (
        not isinstance(ambiguity_check, list) or not all(isinstance(f, memory_format) for f in ambiguity_check)
    ):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    strides = tensor.stride()
    if ambiguity_check is not False and (1 in tensor.shape or any(a == b for a, b in itertools.pairwise(strides))):
        formats = [] if ambiguity_check is True else ambiguity_check
        if sum(tensor.is_contiguous(memory_format=f) for f in formats) != 1:
            raise RuntimeError(
                "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
            )
    dims = range(tensor.dim())
    if tensor.is_contiguous():
        return tuple(dims)
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=channels_last):
        return (0, 2, 3, 1)
    return tuple(sorted(dims, key=lambda d: -strides[d]))
