"""Products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .. import _C
from ._dtypes import TWIN, Tensor, check_array, modular, promoted
from ._manipulation import axes_of, axis_of

_matmul = modular(_C.matmul)


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Matrix product; dims before the last two broadcast, 1-d arrays count as a row or a column."""
    check_array("matmul", x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError("matmul: arrays must have at least one dim")
    return _matmul(*promoted(x1, x2))


def matrix_transpose(x: Tensor, /) -> Tensor:
    """A view with the last two dims swapped."""
    check_array("matrix_transpose", x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: expected at least 2 dims, got {x.ndim}")
    return x.mT


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """Sums products over pairs of axes: the last n of x1 with the first n of x2, or two lists."""
    check_array("tensordot", x1, x2)
    if isinstance(axes, int):
        if axes < 0 or axes > min(x1.ndim, x2.ndim):
            raise ValueError(f"tensordot: {axes} axes for arrays of {x1.ndim} and {x2.ndim} dims")
        left, right = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        left, right = axes_of("tensordot", tuple(axes[0]), x1.ndim), axes_of("tensordot", tuple(axes[1]), x2.ndim)
    if [x1.shape[a] for a in left] != [x2.shape[a] for a in right]:
        raise ValueError(
            f"tensordot: shapes {tuple(x1.shape)} and {tuple(x2.shape)} differ in the axes {left}, {right}"
        )
    x1, x2 = promoted(x1, x2)
    free1, free2 = [a for a in range(x1.ndim) if a not in left], [a for a in range(x2.ndim) if a not in right]
    inner = prod(x1.shape[a] for a in left)
    shape1, shape2 = [x1.shape[a] for a in free1], [x2.shape[a] for a in free2]
    first = x1.permute(free1 + left).reshape(prod(shape1), inner)
    second = x2.permute(right + free2).reshape(inner, prod(shape2))
    return _matmul(first, second).reshape(shape1 + shape2)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Sum of conj(x1) * x2 along an axis, counted from the end; the other dims broadcast."""
    check_array("vecdot", x1, x2)
    place = [axis_of("vecdot", axis, x.ndim) - x.ndim for x in (x1, x2)]
    if axis >= 0:
        place = [axis - max(x1.ndim, x2.ndim)] * 2
    if x1.shape[place[0]] != x2.shape[place[1]]:
        raise ValueError(f"vecdot: sizes {x1.shape[place[0]]} and {x2.shape[place[1]]} along axis {axis} differ")
    x1, x2 = promoted(x1, x2)
    product = _C.conj_physical(x1) * x2 if x1.dtype.is_complex else x1 * x2
    if x1.dtype in TWIN:
        return _C.sum(product.view(TWIN[x1.dtype]), place[0], dtype=TWIN[x1.dtype]).view(x1.dtype)
    return _C.sum(product, place[0], dtype=x1.dtype)
