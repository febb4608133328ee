"""Sums, extremes, moments and running sums."""

from __future__ import annotations

import builtins
from collections.abc import Callable

from .. import _C
from ._dtypes import TWIN, DType, Tensor, check_array, is_integral, ordered, promoted
from ._manipulation import Axes, axes_of, axis_of


def _dims(name: str, x: Tensor, axis: Axes | None) -> builtins.list[int]:
    check_array(name, x)
    return builtins.list(range(x.ndim)) if axis is None else axes_of(name, axis, x.ndim)


def _summed_dtype(x: Tensor, dtype: DType | None) -> DType:
    """Sums of small integers are int64 or uint64, all others of the dtype of x."""
    if dtype is not None:
        return dtype
    if x.dtype is _C.bool or is_integral(x.dtype):
        return _C.uint64 if x.dtype is _C.uint8 or x.dtype in TWIN else _C.int64
    return x.dtype


def _modular(f: Callable[..., Tensor], x: Tensor, dtype: DType) -> Tensor:
    """f of x in a dtype; wide unsigned integers through the signed type of the same bits."""
    if dtype not in TWIN:
        return f(x.to(dtype))
    return f(x.to(dtype).view(TWIN[dtype])).to(TWIN[dtype]).view(dtype)


def sum(x: Tensor, /, *, axis: Axes | None = None, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
    """Sums over axes (default: all). Small integers sum as int64 or uint64."""
    dims, dtype = _dims("sum", x, axis), _summed_dtype(x, dtype)
    if not dims:
        return x.to(dtype, copy=True)
    return _modular(lambda y: _C.sum(y, dims, keepdims, dtype=y.dtype), x, dtype)


def prod(x: Tensor, /, *, axis: Axes | None = None, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
    """Products over axes (default: all). Small integers multiply as int64 or uint64."""
    dims, dtype = _dims("prod", x, axis), _summed_dtype(x, dtype)
    if not dims:
        return x.to(dtype, copy=True)

    def product(y: Tensor) -> Tensor:
        for dim in sorted(dims, reverse=True):
            y = _C.prod(y, dim, keepdims, dtype=y.dtype)
        return y

    return _modular(product, x, dtype)


def mean(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False) -> Tensor:
    """Means over axes (default: all)."""
    dims = _dims("mean", x, axis)
    return _C.mean(x, dims, keepdims) if dims else x.clone()


def _variance(name: str, x: Tensor, axis: Axes | None, correction: float, keepdims: bool) -> Tensor:
    dims = _dims(name, x, axis)
    if not dims:
        # Of one element each: 0 / (1 - correction).
        x = x.unsqueeze(-1)
        dims, keepdims = [x.ndim - 1], False
    return getattr(_C, name)(x, dims, correction=correction, keepdim=keepdims)


def std(x: Tensor, /, *, axis: Axes | None = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """Standard deviations over axes (default: all), with n - correction as divisor."""
    return _variance("std", x, axis, correction, keepdims)


def var(x: Tensor, /, *, axis: Axes | None = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """Variances over axes (default: all), with n - correction as divisor."""
    return _variance("var", x, axis, correction, keepdims)


def _extreme(name: str, x: Tensor, axis: Axes | None, keepdims: bool) -> Tensor:
    dims = _dims(name, x, axis)
    if not dims:
        return x.clone()
    if x.dtype.is_complex:
        raise TypeError(f"{name}: complex numbers have no order")
    y, back = ordered(x)
    return back(getattr(_C, f"a{name}")(y, dims, keepdims))


def max(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False) -> Tensor:
    """Largest values over axes (default: all); NaN if there is one."""
    return _extreme("max", x, axis, keepdims)


def min(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False) -> Tensor:
    """Smallest values over axes (default: all); NaN if there is one."""
    return _extreme("min", x, axis, keepdims)


def _position(name: str, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    check_array(name, x)
    y, _ = ordered(x)
    if axis is None:
        found = getattr(_C, name)(y.reshape(-1), 0)
        return found.reshape([1] * x.ndim) if keepdims else found
    return getattr(_C, name)(y, axis_of(name, axis, x.ndim), keepdims)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Positions of the first largest values along an axis, or in the flat array."""
    return _position("argmax", x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Positions of the first smallest values along an axis, or in the flat array."""
    return _position("argmin", x, axis, keepdims)


def count_nonzero(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False) -> Tensor:
    """How many elements are not 0, over axes (default: all)."""
    dims = _dims("count_nonzero", x, axis)
    return sum((x != 0).to(_C.int64), axis=tuple(dims), keepdims=keepdims)


def all(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False) -> Tensor:
    """Whether all elements over axes (default: all) are True or not 0."""
    return _test("all", x, axis, keepdims)


def any(x: Tensor, /, *, axis: Axes | None = None, keepdims: bool = False) -> Tensor:
    """Whether an element over axes (default: all) is True or not 0."""
    return _test("any", x, axis, keepdims)


def _test(name: str, x: Tensor, axis: Axes | None, keepdims: bool) -> Tensor:
    dims = _dims(name, x, axis)
    truth = x != 0 if x.dtype is not _C.bool else x
    for dim in sorted(dims, reverse=True):
        truth = getattr(_C, name)(truth, dim, keepdims)
    return truth.clone() if truth is x else truth


def _running(name: str, x: Tensor, axis: int | None, dtype: DType | None, first: int | None) -> Tensor:
    check_array(f"cumulative_{name[3:]}", x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"cumulative_{name[3:]}: axis is required for arrays of {x.ndim} dims")
        axis = 0
    dim = axis_of(f"cumulative_{name[3:]}", axis, x.ndim)
    dtype = _summed_dtype(x, dtype)
    result = _modular(lambda y: getattr(_C, name)(y, dim, dtype=y.dtype), x, dtype)
    if first is None:
        return result
    shape = builtins.list(x.shape)
    shape[dim] = 1
    return _C.cat([_C.full(shape, first, dtype=dtype, device=x.device), result], dim)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis, which 1-d arrays may leave out; include_initial puts a 0 in front."""
    return _running("cumsum", x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis, which 1-d arrays may leave out; include_initial puts a 1 in front."""
    return _running("cumprod", x, axis, dtype, 1 if include_initial else None)


def diff(
    x: Tensor, /, n: int = 1, *, axis: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along an axis, n times, after joining prepend and append.

    n may stand second without its name, as in NumPy.
    """
    check_array("diff", x)
    dim = axis_of("diff", axis, x.ndim)
    if n < 0:
        raise ValueError(f"diff: n must not be negative, got {n}")
    if n == 0:
        return x.clone()
    parts = [p for p in (prepend, x, append) if p is not None]
    y = _C.cat(promoted(*parts), dim) if len(parts) > 1 else x
    for _ in range(builtins.min(n, y.shape[dim])):
        size = y.shape[dim]
        after, before = y.narrow(dim, 1, size - 1), y.narrow(dim, 0, size - 1)
        y = _C.logical_xor(after, before) if y.dtype is _C.bool else after - before
    return y
