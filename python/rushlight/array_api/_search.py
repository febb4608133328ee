"""Order, search, selection and sets."""

from __future__ import annotations

from typing import NamedTuple

from .. import _C
from ._dtypes import Scalar, Tensor, check_array, ordered, promoted
from ._manipulation import axis_of


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Positions of the sorted elements along an axis. Always stable."""
    return _sorted("argsort", x, axis, descending)[1]


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in order along an axis; NaN counts as larger than all numbers. Always stable."""
    return _sorted("sort", x, axis, descending)[0]


def _sorted(name: str, x: Tensor, axis: int, descending: bool) -> tuple[Tensor, Tensor]:
    check_array(name, x)
    if x.dtype.is_complex:
        raise TypeError(f"{name}: complex numbers have no order")
    y, back = ordered(x)
    values, indices = _C.sort(y, dim=axis_of(name, axis, x.ndim), descending=descending, stable=True)
    return back(values), indices


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The positions of elements that are not 0, one array per dim."""
    check_array("nonzero", x)
    if x.ndim == 0:
        raise ValueError("nonzero: a 0-d array has no positions")
    return tuple(_C.unbind(_C.nonzero(x), 1))


def searchsorted(x1: Tensor, x2: Tensor, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Where the elements of x2 belong in the sorted array x1. side: "left" before equal ones, "right" after."""
    check_array("searchsorted", x1, x2)
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', not {side!r}")
    if x1.ndim != 1:
        raise ValueError(f"searchsorted: x1 must be one-dimensional, got {x1.ndim} dims")
    if sorter is not None:
        x1 = take(x1, sorter)
    x1, x2 = promoted(x1, x2)
    return _C.searchsorted(ordered(x1)[0].contiguous(), ordered(x2)[0].contiguous(), side=side)


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The elements at positions along an axis, which 1-d arrays may leave out."""
    check_array("take", x, indices)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis is required for arrays of {x.ndim} dims")
        axis = 0
    axis = axis_of("take", axis, x.ndim)
    at = indices.to(_C.int64).reshape(-1)
    at = _C.where(at < 0, at + x.shape[axis], at)
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return _C.index_select(x, axis, at).reshape(shape)


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The elements at positions along an axis, for each place of the other axes; those broadcast."""
    check_array("take_along_axis", x, indices)
    axis = axis_of("take_along_axis", axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ValueError(f"take_along_axis: {indices.ndim} dims of indices for {x.ndim} of the array")
    indices = indices.to(_C.int64)
    indices = _C.where(indices < 0, indices + x.shape[axis], indices)
    shape = [b if a == 1 else a for a, b in zip(x.shape, indices.shape)]
    x = x.expand([*shape[:axis], x.shape[axis], *shape[axis + 1 :]])
    return _C.gather(x, axis, indices.expand([*shape[:axis], indices.shape[axis], *shape[axis + 1 :]]))


def where(
    condition: Tensor, x1: Tensor | Scalar | None = None, x2: Tensor | Scalar | None = None, /
) -> Tensor | tuple[Tensor, ...]:
    """x1 where the condition is True, else x2; all broadcast. Without both nonzero(condition), as NumPy has it."""
    check_array("where", condition)
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise TypeError("where: expected both x1 and x2 or neither")
    if not isinstance(x1, Tensor) and not isinstance(x2, Tensor):
        return _C.where(condition, x1, x2)
    return _C.where(condition, *promoted(x1, x2))


# ---- sets


class UniqueAllResult(NamedTuple):
    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAllResult:
    """The distinct elements in order, where each occurs first, which one each element is, and how often each occurs.

    Each NaN is distinct from all others.
    """
    check_array("unique_all", x)
    if x.dtype.is_complex:
        return _unique_complex(x)
    y, back = ordered(x.reshape(-1))
    values, order = _C.sort(y, stable=True)
    starts = _C.ones(values.shape[0], dtype=_C.bool, device=x.device)
    if values.shape[0] > 1:
        starts[1:] = values[1:] != values[:-1]
    return _groups(x, back(values), order, starts)


def _unique_complex(x: Tensor) -> UniqueAllResult:
    """Complex numbers in the order of their real, then imaginary parts."""
    flat = x.reshape(-1)
    order = _C.sort(flat.imag, stable=True)[1]
    order = order[_C.sort(flat.real[order], stable=True)[1]]
    values = flat[order]
    starts = _C.ones(values.shape[0], dtype=_C.bool, device=x.device)
    if values.shape[0] > 1:
        starts[1:] = values[1:] != values[:-1]
    return _groups(x, values, order, starts)


def _groups(x: Tensor, values: Tensor, order: Tensor, starts: Tensor) -> UniqueAllResult:
    """The result from sorted values, their positions in x, and where a new value starts."""
    first = _C.nonzero(starts).reshape(-1)
    group = _C.cumsum(starts.to(_C.int64), 0) - 1
    inverse = _C.empty_like(group)
    inverse[order] = group
    ends = _C.cat([first[1:], _C.full((1,), values.shape[0], dtype=_C.int64, device=x.device)])[: first.shape[0]]
    return UniqueAllResult(values[first], order[first], inverse.reshape(x.shape), ends - first)


def unique_counts(x: Tensor, /) -> UniqueCountsResult:
    """The distinct elements in order and how often each occurs; each NaN is distinct."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverseResult:
    """The distinct elements in order and which one each element is; each NaN is distinct."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """The distinct elements in order; each NaN is distinct."""
    return unique_all(x).values
