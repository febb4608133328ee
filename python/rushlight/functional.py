"""Functions whose arguments take many forms; the others of torch.functional under their names there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from . import _C
from ._C import _overridable as overridable
from ._C import norm, split, unique, unique_consecutive, unravel_index
from ._missing import missing
from ._shape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_shapes,
    broadcast_tensors,
    cartesian_prod,
    meshgrid,
)

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "einsum",
    "meshgrid",
    "norm",
    "split",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]

Tensor = _C.Tensor


def _subscripts(numbers: Sequence) -> str:
    """Letters for the integers 0 to 51; Ellipsis for dims that broadcast."""
    text = ""
    for n in numbers:
        if n is Ellipsis:
            text += "..."
        elif 0 <= n < 52:
            text += chr((65 if n < 26 else 71) + n)
        else:
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return text


@overridable
def einsum(*args: object) -> Tensor:
    """Einstein's sum: einsum("bij,bjk->bik", a, b) or einsum(a, [0, 1, 2], b, [0, 2, 3], [0, 1, 3]).

    Letters [a-zA-Z] (or integers from 0 to 51) name the dims of each operand and, behind "->", those of the result;
    "..." stands for dims that broadcast. Letters that the result lacks are summed over; a letter that occurs twice in
    one operand takes its diagonal. Without "->" the result has the dims of "..." and then, sorted with capitals first,
    the letters that occur once. Operands are multiplied from left to right.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, "
            "or at least one operand and its subscripts list"
        )
    if isinstance(args[0], Tensor):
        equation = ",".join(_subscripts(numbers) for numbers in args[1::2])
        operands = args[::2]
        if len(args) % 2:
            equation += "->" + _subscripts(args[-1])
            operands = operands[:-1]
    else:
        equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        return einsum(equation, *operands[0])
    return _C._einsum(equation, operands)


@overridable
def tensordot(
    a: Tensor,
    b: Tensor,
    dims: int | Sequence[Sequence[int]] | Tensor = 2,
    out: Tensor | None = None,
    *,
    axes: int | Sequence | None = None,
) -> Tensor:
    """Sums the products of a and b over dims of both: the last `dims` of a and the first of b, or the two lists
    dims = (dims of a, dims of b). The result has the other dims of a, then those of b.

    axes: NumPy's name for dims, which may be one integer for each of the two."""
    if axes is not None:
        dims = axes
        if isinstance(dims, (tuple, list)):
            dims = [[d] if isinstance(d, int) else list(d) for d in dims]
    if not isinstance(dims, (tuple, list, Tensor, int)):
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, "
            f"but got dims={dims}"
        )
    if isinstance(dims, Tensor):
        dims = dims.tolist() if dims.numel() > 1 else int(dims.item())
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims_a, dims_b = list(range(-dims, 0)), list(range(dims))
    else:
        dims_a, dims_b = dims
    return _C._tensordot(a, b, dims_a, dims_b, out=out)


_DISTANCE_MODES = {
    "use_mm_for_euclid_dist_if_necessary": 0,
    "use_mm_for_euclid_dist": 1,
    "donot_use_mm_for_euclid_dist": 2,
}


@overridable
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """p-norms of the differences between all rows of x1 [*, P, M] and x2 [*, R, M]: [*, P, R]. p >= 0, inf included.

    compute_mode: whether p = 2 uses products of matrices, which is faster and less exact where rows are close:
    "use_mm_for_euclid_dist_if_necessary" (P or R above 25), "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist".
    """
    mode = 0 if compute_mode is None else _DISTANCE_MODES.get(compute_mode)
    if mode is None:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return _C._cdist(x1, x2, p, mode)


@overridable
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices in the order that costs least. Deprecated: torch.linalg.multi_dot."""
    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot "
        "instead, which accepts a list of two or more tensors rather than multiple parameters.",
        stacklevel=2,
    )
    return _C._chain_matmul(matrices, out=out)


missing(__name__)
