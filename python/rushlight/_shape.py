"""Functions of shapes and of any number of tensors."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence

from . import _C
from ._C import _overridable as overridable

_warned = False


def _tensors(given: tuple) -> tuple[_C.Tensor, ...]:
    """The arguments, or those in a single list."""
    if len(given) == 1 and isinstance(given[0], (list, tuple)):
        given = tuple(given[0])
    for i, t in enumerate(given):
        if not isinstance(t, _C.Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return given


@overridable
def broadcast_tensors(*tensors: _C.Tensor) -> tuple[_C.Tensor, ...]:
    """Views of the tensors expanded to their common shape. RuntimeError if there is none."""
    return _C.broadcast_tensors_list(_tensors(tensors))


def broadcast_shapes(*shapes: int | Sequence[int]) -> _C.Size:
    """The shape that tensors of these shapes broadcast to. RuntimeError if there is none."""
    sizes = []
    for shape in shapes:
        if isinstance(shape, int):
            shape = (shape,)
        if not isinstance(shape, (tuple, list)):
            raise RuntimeError(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}")
        sizes.append(tuple(map(operator.index, shape)))
    result = [1] * max(map(len, sizes), default=0)
    for at, shape in enumerate(sizes):
        for i in range(-1, -len(shape) - 1, -1):
            if shape[i] < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            if shape[i] == 1 or shape[i] == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument at index "
                    f"{at} had {shape}; but expected shape should be broadcastable to {result}"
                )
            result[i] = shape[i]
    return _C.Size(result)


@overridable
def meshgrid(*tensors: _C.Tensor | Sequence[_C.Tensor], indexing: str | None = None) -> tuple[_C.Tensor, ...]:
    """Views of vectors (or 0-d tensors) expanded over the grid of all their elements.

    indexing: "ij", element (i, j, ...) belongs to element i of the first vector; "xy", the first two dims swapped.
    """
    global _warned
    if indexing is None and not _warned:
        _warned = True
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            UserWarning,
            stacklevel=2,
        )
    return _C._meshgrid(_tensors(tensors), "ij" if indexing is None else indexing)


@overridable
def cartesian_prod(*tensors: _C.Tensor) -> _C.Tensor:
    """All tuples of one element of each vector, as rows; a single vector is returned as it is."""
    return _C._cartesian_prod(_tensors(tensors))


@overridable
def block_diag(*tensors: _C.Tensor) -> _C.Tensor:
    """A matrix with the given ones (or vectors as rows, or 0-d tensors) along its diagonal and 0 elsewhere."""
    return _C._block_diag(_tensors(tensors))


@overridable
def atleast_1d(*tensors: _C.Tensor | Sequence[_C.Tensor]) -> _C.Tensor | tuple[_C.Tensor, ...]:
    """Views with at least 1 dim; one tensor for one tensor, else a tuple."""
    result = _C._atleast_1d(_tensors(tensors))
    return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.Tensor) else result


@overridable
def atleast_2d(*tensors: _C.Tensor | Sequence[_C.Tensor]) -> _C.Tensor | tuple[_C.Tensor, ...]:
    """Views with at least 2 dims, new ones in front; one tensor for one tensor, else a tuple."""
    result = _C._atleast_2d(_tensors(tensors))
    return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.Tensor) else result


@overridable
def atleast_3d(*tensors: _C.Tensor | Sequence[_C.Tensor]) -> _C.Tensor | tuple[_C.Tensor, ...]:
    """Views with at least 3 dims: vectors lie along dim 1, matrices along dims 0 and 1."""
    result = _C._atleast_3d(_tensors(tensors))
    return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.Tensor) else result
