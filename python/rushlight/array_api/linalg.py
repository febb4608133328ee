"""The standard's extension linalg, computed by numpy.linalg where it is more than products: no derivatives."""

from __future__ import annotations

import math
from typing import NamedTuple

from .. import _C
from ._dtypes import DType, Tensor, check_array, promoted
from ._manipulation import Axes, axis_of
from ._products import matmul, matrix_transpose, tensordot, vecdot
from ._reduce import max as _max
from ._reduce import min as _min
from ._reduce import sum as _sum

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def _tensor(x: object) -> Tensor:
    import numpy

    return _C.from_numpy(numpy.ascontiguousarray(x).reshape(numpy.shape(x)))


def _by_numpy(name: str, *arguments: object, **keywords: object) -> object:
    """numpy.linalg's function on the memory of the arrays. RuntimeError for arrays that require grad."""
    import numpy

    check_array(name, arguments[0])
    given = [a.resolve_conj().resolve_neg().numpy() if isinstance(a, Tensor) else a for a in arguments]
    try:
        result = getattr(numpy.linalg, name)(*given, **keywords)
    except numpy.linalg.LinAlgError as error:
        raise _C._LinAlgError(f"linalg.{name}: {error}") from error
    return tuple(map(_tensor, result)) if isinstance(result, tuple) else _tensor(result)


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The triangular factor L (or U) of positive definite matrices L @ L^H (U^H @ U)."""
    return _by_numpy("cholesky", x, upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Cross products of 3-vectors along an axis; the other dims broadcast."""
    check_array("cross", x1, x2)
    for x in (x1, x2):
        if x.shape[axis_of("cross", axis, x.ndim)] != 3:
            raise ValueError(f"cross: axis {axis} must have size 3, got {x.shape[axis]}")
    x1, x2 = _C.broadcast_tensors_list(promoted(x1, x2))
    (a, b, c), (u, v, w) = _C.unbind(x1, axis), _C.unbind(x2, axis)
    return _C.stack([b * w - c * v, c * u - a * w, a * v - b * u], axis)


def det(x: Tensor, /) -> Tensor:
    """Determinants of square matrices."""
    return _by_numpy("det", x)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """A view of the diagonals of matrices; offset > 0 lies above the main one."""
    check_array("diagonal", x)
    if x.ndim < 2:
        raise ValueError(f"diagonal: expected at least 2 dims, got {x.ndim}")
    offset = max(-x.shape[-2], min(offset, x.shape[-1]))
    return _C.diagonal(x, offset, -2, -1)


def eigh(x: Tensor, /) -> EighResult:
    """Eigenvalues in ascending order and eigenvectors (columns) of Hermitian matrices."""
    return EighResult(*_by_numpy("eigh", x))


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues of Hermitian matrices in ascending order."""
    return _by_numpy("eigvalsh", x)


def inv(x: Tensor, /) -> Tensor:
    """Inverses of square matrices."""
    return _by_numpy("inv", x)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Tensor:
    """Norms of matrices: 'fro', 'nuc', 1, 2, inf and the negative ones."""
    check_array("matrix_norm", x)
    if x.ndim < 2:
        raise ValueError(f"matrix_norm: expected at least 2 dims, got {x.ndim}")
    if 0 in x.shape[-2:] and ord not in ("fro", "nuc", None):
        shape = (*x.shape[:-2], 1, 1) if keepdims else x.shape[:-2]
        return _C.zeros(tuple(shape), dtype=x.dtype.to_real(), device=x.device)
    return _by_numpy("matrix_norm", x, keepdims=keepdims, ord=ord)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Square matrices to an integer power."""
    return _by_numpy("matrix_power", x, n)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values exceed rtol times the largest one (default: eps times the larger size)."""
    return _by_numpy("matrix_rank", x, rtol=rtol.numpy() if isinstance(rtol, Tensor) else rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """All products of the elements of two vectors."""
    check_array("outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: expected vectors, got {x1.ndim} and {x2.ndim} dims")
    x1, x2 = promoted(x1, x2)
    return x1.unsqueeze(1) * x2


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Pseudo-inverses; singular values up to rtol times the largest count as 0 (default: eps times the larger size)."""
    from ._dtypes import finfo

    if rtol is None:
        check_array("pinv", x)
        rtol = max(x.shape[-2:]) * finfo(x.dtype).eps
    return _by_numpy("pinv", x, rtol=rtol.numpy() if isinstance(rtol, Tensor) else rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """Orthogonal and upper triangular factors. mode: "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', not {mode!r}")
    return QRResult(*_by_numpy("qr", x, mode=mode))


def slogdet(x: Tensor, /) -> SlogdetResult:
    """Signs and logarithms of the absolute values of determinants."""
    return SlogdetResult(*_by_numpy("slogdet", x))


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solutions of x1 @ solution = x2; x2 is a vector if it is one-dimensional."""
    check_array("solve", x1, x2)
    x1, x2 = promoted(x1, x2)
    return _by_numpy("solve", x1, x2)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """U, S and Vh with U @ diag(S) @ Vh = x; S is in descending order."""
    return SVDResult(*_by_numpy("svd", x, full_matrices=full_matrices))


def svdvals(x: Tensor, /) -> Tensor:
    """Singular values in descending order."""
    return _by_numpy("svdvals", x)


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """Sums of the diagonals of matrices; small integers sum as int64 or uint64."""
    return _sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """p-norms over axes (default: all), for any real ord, inf and -inf."""
    check_array("vector_norm", x)
    y = _C.abs(x)
    if ord == math.inf:
        return _max(y, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return _min(y, axis=axis, keepdims=keepdims)
    if ord == 0:
        return _sum((y != 0).to(y.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return _sum(y, axis=axis, keepdims=keepdims)
    if ord == 2:
        return _C.sqrt(_sum(y * y, axis=axis, keepdims=keepdims))
    return _sum(y**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)
