"""Random tensors for tests."""

from __future__ import annotations

from collections.abc import Sequence

import rushlight as torch

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64)


def _bounds(dtype: torch.dtype, low: float | None, high: float | None) -> tuple[float, float]:
    if dtype == torch.bool:
        lowest, highest, default = 0, 2, (0, 2)
    elif dtype in _INTEGERS:
        info = torch.iinfo(dtype)
        lowest, highest = info.min, info.max + (dtype not in (torch.int64, torch.uint64))
        default = (0 if dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64) else -9, 10)
    else:
        info = torch.finfo(dtype.to_real() if dtype.is_complex else dtype)
        lowest, highest, default = info.min, info.max, (-9, 9)
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (low == high and dtype in (*_INTEGERS, torch.bool)):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    return max(low, lowest), min(high, highest)


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

    low, high: -9 and 9 for floating point and complex dtypes (both parts), -9 and 10 for signed integers, 0 and 10 for
    unsigned ones, 0 and 2 for bool; clipped to the range of the dtype.
    noncontiguous: every second element of a larger tensor.
    exclude_zero: zeros become the smallest positive number (floating point) or 1.
    ValueError for low >= high, for requires_grad with an integer dtype and for noncontiguous with memory_format.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    if noncontiguous and memory_format is not None:
        raise ValueError(f"The parameters `noncontiguous` and `memory_format` are mutually exclusive: {memory_format=}")
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    low, high = _bounds(dtype, low, high)
    full = (*sizes[:-1], 2 * sizes[-1]) if noncontiguous and len(sizes) > 0 else sizes
    if dtype.is_complex:
        parts = [torch.empty(full, dtype=torch.float64, device=device).uniform_(low, high) for _ in range(2)]
        result = torch.view_as_complex(torch.stack(parts, -1)).to(dtype)
    elif dtype.is_floating_point:
        result = torch.empty(full, dtype=torch.float64, device=device).uniform_(low, high).to(dtype)
    else:
        result = torch.randint(int(low), max(int(high), int(low) + 1), full, device=device).to(dtype)
    if noncontiguous and len(sizes) > 0:
        result = result[..., ::2]
    if memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        tiny = torch.finfo(dtype.to_real()).tiny if dtype.is_floating_point or dtype.is_complex else 1
        result.masked_fill_(result == 0, tiny)
    return result.requires_grad_() if requires_grad else result
