"""Linear algebra: norms and products so far."""

from __future__ import annotations

from . import _C
from ._C import _overridable as overridable
from ._missing import missing

LinAlgError = _C._LinAlgError
matmul = _C.matmul
cross = _C._linalg_cross


@overridable
def vector_norm(
    x: _C.Tensor,
    ord: float = 2,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: _C.dtype | None = None,
) -> _C.Tensor:
    """p-norm of the elements over `dim` (default: all), for any real `ord`, inf and -inf."""
    return _C.norm(x, ord, dim, keepdim, dtype=dtype)


missing(__name__)
