"""Reductions and normalizations that leave out elements (torch.masked).

`mask` is true where an element counts; it broadcasts to the input and has at most its number of dims. Where nothing
counts, results have no defined value. `dtype`: the input is converted before, results have it.
"""

from __future__ import annotations

import builtins
import math
import sys

from . import _C, iinfo, linalg
from ._missing import missing

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]

_WHOLE = (_C.uint8, _C.int8, _C.int16, _C.int32, _C.int64, _C.bool)


def _lowest(dtype):
    if dtype == _C.bool:
        return False
    return iinfo(dtype).min if dtype in _WHOLE else -math.inf


def _highest(dtype):
    if dtype == _C.bool:
        return True
    return iinfo(dtype).max if dtype in _WHOLE else math.inf


def _dims(dim, ndim: int) -> tuple[int, ...]:
    """Different dims in rising order; all of them for None."""
    if dim is None:
        return tuple(range(ndim))
    size = builtins.max(ndim, 1)
    dims: list[int] = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -size <= d < size:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got {d})")
        if d % size in dims:
            raise RuntimeError(f"dim={d % size} appears multiple times in the list of dims")
        dims.append(d % size)
    return tuple(sorted(dims))


def _input_mask(input, *args, mask=None, **kwargs):
    """`mask` as bool in the shape of the input; all true for None."""
    if mask is None:
        return _C.ones(input.shape, dtype=_C.bool, device=input.device)
    if mask.ndim > input.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    if mask.shape != input.shape:
        mask = mask.expand(input.shape)
    return mask if mask.dtype == _C.bool else mask != 0


def _output_mask(op, input, *args, dim=None, keepdim: bool = False, mask=None, **kwargs):
    """Where the result of `op` is defined."""
    name = getattr(op, "__name__", op)
    where = _input_mask(input, mask=mask)
    if name in ("softmax", "log_softmax", "softmin", "normalize", "cumsum", "cumprod"):
        return where
    if name == "norm":
        args = args[1:]
    dim = args[0] if args else -1 if name == "median" and dim is None else dim
    for d in reversed(_dims(dim, input.ndim)):
        where = where.any(d, keepdim=bool(keepdim))
    return where


def _fill(input, mask, identity):
    """The input with what does not count replaced."""
    return input if mask is None else _C.where(_input_mask(input, mask=mask), input, _scalar(identity, input))


def _scalar(value, like):
    return _C.tensor(value, dtype=like.dtype, device=like.device)


def _wide(input, dtype):
    """The dtype of sums and products."""
    if dtype is not None:
        return dtype
    return _C.int64 if input.dtype in _WHOLE else input.dtype


def _cast(input, dtype):
    return input if dtype is None or dtype == input.dtype else input.to(dtype)


def sum(input, dim=None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Sum over dim (an integer, several or None for all). Integers give int64."""
    dtype = _wide(input, dtype)
    x = _fill(_cast(input, dtype), mask, 0)
    return _C.sum(x, _dims(dim, input.ndim), bool(keepdim), dtype=dtype)


def prod(input, dim=None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Product over dim (an integer, several or None for all). Integers give int64."""
    dtype = _wide(input, dtype)
    x = _fill(_cast(input, dtype), mask, 1)
    for d in reversed(_dims(dim, input.ndim)):
        x = x.prod(d, keepdim=bool(keepdim))
    return x.to(dtype)


def cumsum(input, dim: int, *, dtype=None, mask=None):
    """Running sums along dim, of the dtype of the input."""
    x = _cast(input, dtype)
    return _C.cumsum(_fill(x, mask, 0), _dims(dim, input.ndim)[0], dtype=x.dtype)


def cumprod(input, dim: int, *, dtype=None, mask=None):
    """Running products along dim, of the dtype of the input."""
    x = _cast(input, dtype)
    return _C.cumprod(_fill(x, mask, 1), _dims(dim, input.ndim)[0], dtype=x.dtype)


def amax(input, dim=None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Largest elements over dim (an integer, several or None for all)."""
    x = _cast(input, dtype)
    return _C.amax(_fill(x, mask, _lowest(x.dtype)), _dims(dim, input.ndim), bool(keepdim))


def amin(input, dim=None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Smallest elements over dim (an integer, several or None for all)."""
    x = _cast(input, dtype)
    return _C.amin(_fill(x, mask, _highest(x.dtype)), _dims(dim, input.ndim), bool(keepdim))


def argmax(input, dim: int | None = None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Where the largest element along dim is; in the flattened input for None."""
    x = _cast(input, dtype)
    return _C.argmax(_fill(x, mask, _lowest(x.dtype)), dim, bool(keepdim)).to(x.dtype)


def argmin(input, dim: int | None = None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Where the smallest element along dim is; in the flattened input for None."""
    x = _cast(input, dtype)
    return _C.argmin(_fill(x, mask, _highest(x.dtype)), dim, bool(keepdim)).to(x.dtype)


def _count(input, dims, keepdim: bool, mask):
    return _C.sum(_input_mask(input, mask=mask), dims, keepdim, dtype=_C.int64)


def mean(input, dim=None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Mean over dim (an integer, several or None for all)."""
    x, dims = _cast(input, dtype), _dims(dim, input.ndim)
    if x.dtype in _WHOLE:
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {x.dtype}"
        )
    if mask is None:
        return _C.mean(x, dims, bool(keepdim))
    total = _C.sum(_fill(x, mask, 0), dims, bool(keepdim), dtype=x.dtype)
    return total / _count(x, dims, bool(keepdim), mask)


def median(input, dim: int = -1, *, keepdim: bool = False, dtype=None, mask=None):
    """Median along dim: the lower one of two. Integers need an element that counts in every row.

    Floating-point results keep the dtype of the input, as in torch.
    """
    floating = input.dtype.is_floating_point
    x = _fill(input if floating else input.to(_C.get_default_dtype()), mask, math.nan)
    result = _C.nanmedian(x, _dims(dim, input.ndim)[0], bool(keepdim)).values
    if floating:
        return result
    if result.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return result.to(input.dtype if dtype is None else dtype)


def norm(input, ord: float | None = 2.0, dim=None, *, keepdim: bool | None = False, dtype=None, mask=None):
    """Vector norm of order `ord` over dim (an integer, several or None for all)."""
    ord = 2.0 if ord is None else ord
    x = _fill(_cast(input, dtype), mask, math.inf if ord == -math.inf else 0)
    return linalg.vector_norm(x, ord, _dims(dim, input.ndim), bool(keepdim), dtype=dtype)


def _moment(input, dim, unbiased, correction, keepdim, dtype, mask, root: bool):
    if unbiased is not None and correction is not None:
        raise RuntimeError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    dims, keepdim = _dims(dim, input.ndim), bool(keepdim)
    if dtype is None:
        dtype = _C.float32 if input.dtype in _WHOLE else input.dtype
    x = _cast(input, dtype if dtype not in _WHOLE else _C.float32)
    if mask is None:
        return (_C.std if root else _C.var)(x, dims, correction=correction, keepdim=keepdim).to(dtype)
    where = _input_mask(x, mask=mask)
    count = _count(x, dims, True, where)
    center = _C.sum(_fill(x, where, 0), dims, True) / count
    away = _fill(x - center, where, 0)
    squares = (away * away.conj()).real if away.is_complex() else away * away
    total = _C.sum(squares, dims, keepdim)
    if not keepdim:
        count = count.reshape(total.shape)
    result = total / _C.maximum(count - correction, _C.zeros((), dtype=_C.int64, device=x.device))
    return (result.sqrt() if root else result).to(dtype)


def var(input, dim=None, unbiased=None, *, correction=None, keepdim: bool | None = False, dtype=None, mask=None):
    """Variance over dim; `correction` is taken off the count (1; unbiased=False: 0)."""
    return _moment(input, dim, unbiased, correction, keepdim, dtype, mask, False)


def std(input, dim=None, unbiased=None, *, correction=None, keepdim: bool | None = False, dtype=None, mask=None):
    """Standard deviation over dim; `correction` is taken off the count (1; unbiased=False: 0)."""
    return _moment(input, dim, unbiased, correction, keepdim, dtype, mask, True)


def softmax(input, dim: int, *, dtype=None, mask=None):
    """exp(x) / sum(exp(x)) along dim."""
    x = _cast(input, dtype)
    return _C.softmax(_fill(x, mask, -math.inf), _dims(dim, input.ndim)[0])


def log_softmax(input, dim: int, *, dtype=None, mask=None):
    """x - log(sum(exp(x))) along dim."""
    x = _cast(input, dtype)
    return _C.log_softmax(_fill(x, mask, -math.inf), _dims(dim, input.ndim)[0])


def softmin(input, dim: int, *, dtype=None, mask=None):
    """softmax(-x) along dim."""
    x = _cast(input, dtype)
    return _C.softmax(-_fill(x, mask, math.inf), _dims(dim, input.ndim)[0])


def normalize(input, ord: float, dim: int, *, eps: float = 1e-12, dtype=None, mask=None):
    """x / max(norm(x, ord), eps) along dim."""
    x = _cast(input, dtype)
    length = norm(x, ord, dim, keepdim=True, mask=mask)
    return _fill(x, mask, 0) / _C.maximum(length, _scalar(eps, length))


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)), each with a mask of its own."""
    a, b = _cast(input, dtype), _cast(other, dtype)
    return _C.logaddexp(_fill(a, input_mask, -math.inf), _fill(b, other_mask, -math.inf))


def logsumexp(input, dim=None, *, keepdim: bool = False, dtype=None, mask=None):
    """log(sum(exp(x))) over dim (an integer, several or None for all)."""
    x = _cast(input, dtype)
    return _C.logsumexp(_fill(x, mask, _lowest(x.dtype)), _dims(dim, input.ndim), bool(keepdim)).to(x.dtype)


_ops = sys.modules[__name__]  # torch's documentation calls them there

missing(__name__)
