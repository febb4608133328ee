"""Random tensors for tests: torch's numbers for the same seed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import rushlight as torch

_UNSIGNED = (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
_INTEGERS = (*_UNSIGNED, torch.int8, torch.int16, torch.int32, torch.int64)


def _bounds(dtype: torch.dtype, low: float | None, high: float | None) -> tuple[float, float]:
    whole = dtype == torch.bool or dtype in _INTEGERS
    if dtype == torch.bool:
        least, limit, default = 0, 2, (0, 2)
    elif whole:
        info = torch.iinfo(dtype)
        # randint cannot draw the largest int64.
        least, limit, default = info.min, min(info.max + (dtype != torch.int64), 2**63 - 1), (-9, 10)
    else:
        info = torch.finfo(dtype)
        least, limit, default = info.min, info.max, (-9, 9)
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and not whole:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 "
            "and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < least or low >= limit:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{least}, {limit})"
        )
    low, high = (min(max(value, least), limit) for value in (low, high))
    return (math.ceil(low), math.ceil(high)) if whole else (low, high)


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
    """A tensor of uniform random numbers from [low, high).

    low, high: -9 and 9 for floating point and complex dtypes (both parts), -9 and 10 for integers, 0 and 2 for bool;
    clipped to the range of the dtype.
    noncontiguous: every second element of a larger tensor, if it has more than one element.
    exclude_zero: zeros become the smallest normal number (floating point) or 1.
    ValueError for low >= high, for bounds outside the dtype, for requires_grad with an integer dtype and for
    noncontiguous with memory_format.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got {noncontiguous=} and {memory_format=}"
        )
    floating = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not floating:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    noncontiguous = noncontiguous and math.prod(sizes) > 1
    if noncontiguous:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    low, high = _bounds(dtype, low, high)
    if floating:
        result = torch.empty(sizes, device=device, dtype=dtype)
        parts = torch.view_as_real(result) if dtype.is_complex else result
        if high - low >= torch.finfo(parts.dtype).max:
            parts.uniform_(low / 2, high / 2).mul_(2)  # a range that is not a number of the dtype
        else:
            parts.uniform_(low, high)
    else:
        result = torch.randint(low, high, sizes, device=device, dtype=dtype)
    if noncontiguous:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = torch.finfo(dtype).tiny if floating else 1
    return result.requires_grad_() if requires_grad else result
