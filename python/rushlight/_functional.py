"""Functions that need no kernel of their own."""

from __future__ import annotations

from . import _C


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
