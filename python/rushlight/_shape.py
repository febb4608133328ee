"""Functions of shapes and of any number of tensors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from . import _C

_warned = False


def _tensors(given: tuple) -> tuple[_C.Tensor, ...]:
    if len(given) == 1 and isinstance(given[0], (list, tuple)):
        return tuple(given[0])
    return given


def broadcast_tensors(*tensors: _C.Tensor) -> tuple[_C.Tensor, ...]:
    """Views of the tensors expanded to their common shape. RuntimeError if there is none."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    return _C.broadcast_tensors_list(tensors)


def broadcast_shapes(*shapes: int | tuple[int, ...]) -> _C.Size:
    """The shape that tensors of these shapes broadcast to. RuntimeError if there is none."""
    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    result = [1] * max((len(s) for s in sizes), default=0)
    for shape in sizes:
        for i in range(-1, -len(shape) - 1, -1):
            if shape[i] < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({shape[i]}): ({shape[i]})")
            if shape[i] == 1 or shape[i] == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape"
                    f": {', '.join(str(list(s)) for s in sizes)}"
                )
            result[i] = shape[i]
    return _C.Size(result)


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


def cartesian_prod(*tensors: _C.Tensor) -> _C.Tensor:
    """All tuples of one element of each vector, as rows; a single vector is returned as it is."""
    return _C._cartesian_prod(_tensors(tensors))


def block_diag(*tensors: _C.Tensor) -> _C.Tensor:
    """A matrix with the given ones (or vectors as rows, or 0-d tensors) along its diagonal and 0 elsewhere."""
    return _C._block_diag(_tensors(tensors))


def atleast_1d(*tensors: _C.Tensor | Sequence[_C.Tensor]) -> _C.Tensor | tuple[_C.Tensor, ...]:
    """Views with at least 1 dim; one tensor for one tensor, else a tuple."""
    result = _C._atleast_1d(_tensors(tensors))
    return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.Tensor) else result


def atleast_2d(*tensors: _C.Tensor | Sequence[_C.Tensor]) -> _C.Tensor | tuple[_C.Tensor, ...]:
    """Views with at least 2 dims, new ones in front; one tensor for one tensor, else a tuple."""
    result = _C._atleast_2d(_tensors(tensors))
    return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.Tensor) else result


def atleast_3d(*tensors: _C.Tensor | Sequence[_C.Tensor]) -> _C.Tensor | tuple[_C.Tensor, ...]:
    """Views with at least 3 dims: vectors lie along dim 1, matrices along dims 0 and 1."""
    result = _C._atleast_3d(_tensors(tensors))
    return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.Tensor) else result
