"""Random tensors for tests: torch's numbers for the same seed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import rushlight as torch


def _bounds(
    dtype: torch.dtype,
    low: float | None,
    high: float | None,
    defaults: tuple[float, float],
    limits: tuple[float, float],
) -> tuple[float, float]:
    """low and high, checked and clipped to the limits of dtype."""
    low = defaults[0] if low is None else low
    high = defaults[1] if high is None else high
    inexact = dtype.is_floating_point or dtype.is_complex
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and inexact:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 "
            "and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < limits[0] or low >= limits[1]:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{limits[0]}, {limits[1]})"
        )
    low, high = (min(max(bound, limits[0]), limits[1]) for bound in (low, high))
    return (low, high) if inexact else (math.ceil(low), math.ceil(high))


def _fill_uniform(t: torch.Tensor, low: float, high: float) -> None:
    """uniform_(low, high) where high - low may exceed the largest number of the dtype."""
    if high - low >= torch.finfo(t.dtype).max:
        t.uniform_(low / 2, high / 2).mul_(2)
    else:
        t.uniform_(low, high)


def make_tensor(
    *shape: int | Sequence[int],
    dtype: torch.dtype,
    device: object = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: object = None,
) -> torch.Tensor:
    """A tensor of uniform random numbers from [low, high), the same as torch's for the same seed.

    low, high: -9 and 9 for floating point and complex dtypes (both parts), -9 and 10 for signed integers, 0 and 10 for
    unsigned ones, 0 and 2 for bool; clipped to the range of the dtype.
    noncontiguous: every second element of a larger tensor, unless there are fewer than two.
    exclude_zero: zeros become the smallest positive number (floating point) or 1.
    ValueError for low >= high, NaN, bounds outside the range of dtype, requires_grad with an integer dtype and
    noncontiguous with memory_format.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"{noncontiguous=} and {memory_format=}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    noncontiguous = noncontiguous and math.prod(sizes) > 1
    if noncontiguous:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    if inexact:
        info = torch.finfo(dtype)
        low, high = _bounds(dtype, low, high, (-9, 9), (info.min, info.max))
        result = torch.empty(sizes, dtype=dtype, device=device)
        _fill_uniform(torch.view_as_real(result) if dtype.is_complex else result, low, high)
    else:
        if dtype is torch.bool:
            low, high = _bounds(dtype, low, high, (0, 2), (0, 2))
        else:
            info = torch.iinfo(dtype)
            # randint cannot draw the largest int64.
            limits = (info.min, info.max + (dtype is not torch.int64))
            low, high = _bounds(dtype, low, high, (-9, 10), limits)
        result = torch.randint(low, high, sizes, device=device, dtype=dtype)
    if noncontiguous:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = torch.finfo(dtype).tiny if inexact else 1
    return result.requires_grad_() if requires_grad else result
