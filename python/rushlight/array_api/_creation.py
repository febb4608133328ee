"""Arrays from nothing, from numbers and from other objects."""

from __future__ import annotations

import builtins

from .. import _C
from ._dtypes import DType, Scalar, Tensor, complex_of, is_integral, result_type

Shape = int | tuple[int, ...]


def _shape(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _wide(dtype: DType | None) -> bool:
    return dtype in (_C.uint16, _C.uint32, _C.uint64)


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: object = None,
) -> Tensor:
    """start, start + step, ... below stop; arange(stop) starts at 0. int64 if all are integers."""
    if stop is None:
        start, stop = 0, start
    if step > 0 and stop <= start or step < 0 and stop >= start:
        if dtype is None:
            integers = builtins.all(isinstance(v, int) for v in (start, stop, step))
            dtype = _C.int64 if integers else _C.get_default_dtype()
        return _C.empty(0, dtype=dtype, device=device)
    if _wide(dtype):
        return _C.arange(start, stop, step, dtype=_C.int64, device=device).to(dtype)
    return _C.arange(start, stop, step, dtype=dtype, device=device)


def asarray(
    obj: object, /, *, dtype: DType | None = None, device: object = None, copy: builtins.bool | None = None
) -> Tensor:
    """An array of an array, number, nested sequence, buffer or object with DLPack.

    copy: None copies where needed, True always, False never (ValueError where a copy is needed).
    """
    if isinstance(obj, Tensor):
        changes = dtype not in (None, obj.dtype) or device is not None and _C.device(device) != obj.device
        if changes and copy is False:
            raise ValueError("asarray: copy=False, but the conversion needs a copy")
        return obj.to(device=obj.device if device is None else device, dtype=dtype or obj.dtype, copy=copy is True)
    shares = hasattr(obj, "__dlpack__") or hasattr(obj, "__array_interface__") or _has_buffer(obj)
    if copy is False and not shares:
        raise ValueError(f"asarray: copy=False, but an object of type {type(obj).__name__} must be copied")
    if isinstance(obj, (list, tuple)):
        return _from_sequence(obj, dtype, device)
    return _C.asarray(obj, dtype=dtype, device=device, copy=copy)


def _has_buffer(obj: object) -> bool:
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


def _from_sequence(obj: list | tuple, dtype: DType | None, device: object) -> Tensor:
    leaves, found = [obj], []
    while leaves:
        leaf = leaves.pop()
        leaves.extend(leaf) if isinstance(leaf, (list, tuple)) else found.append(leaf)
    arrays = [x for x in found if isinstance(x, Tensor)]
    if dtype is None and arrays:
        dtype = result_type(*found)
    if dtype is None and found and builtins.all(isinstance(x, int) for x in found):
        big = builtins.max(found) >= 2**63
        dtype = _C.uint64 if big and builtins.min(found) >= 0 else None
    return _stacked(obj, dtype, device) if arrays else _C.tensor(obj, dtype=dtype, device=device)


def _stacked(obj: object, dtype: DType | None, device: object) -> Tensor:
    """A nested sequence in which arrays stand."""
    if isinstance(obj, (list, tuple)):
        return _C.stack([_stacked(o, dtype, device) for o in obj])
    return asarray(obj, dtype=dtype, device=device)


def empty(shape: Shape, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array whose values are not set."""
    return _C.empty(_shape(shape), dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of the shape and dtype of x whose values are not set."""
    return _C.empty_like(x, dtype=dtype, device=device)


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DType | None = None, device: object = None
) -> Tensor:
    """A matrix with ones on diagonal k and zeros elsewhere."""
    n_cols = n_rows if n_cols is None else n_cols
    rows = _C.arange(n_rows, device=device).reshape(-1, 1)
    k = builtins.max(-n_rows, builtins.min(k, n_cols))
    return (rows + k == _C.arange(n_cols, device=device)).to(dtype or _C.get_default_dtype())


def from_dlpack(x: object, /, *, device: object = None, copy: builtins.bool | None = None) -> Tensor:
    """An array that shares the memory of an object with __dlpack__. copy: True copies, False never does."""
    return _C.from_dlpack(x, device=device, copy=copy)


def full(shape: Shape, fill_value: Scalar, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of one value; the dtype is the default one of the value's kind."""
    return _C.full(_shape(shape), fill_value, dtype=dtype, device=device)


def full_like(x: Tensor, /, fill_value: Scalar, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of the shape and dtype of x with one value."""
    return _C.full_like(x, fill_value, dtype=dtype, device=device)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: object = None,
    endpoint: builtins.bool = True,
) -> Tensor:
    """num evenly spaced numbers from start to stop, without stop if not endpoint."""
    if num < 0:
        raise ValueError(f"linspace: num must not be negative, got {num}")
    is_complex = isinstance(start, complex) or isinstance(stop, complex) or (dtype is not None and dtype.is_complex)
    if dtype is None:
        dtype = complex_of(_C.get_default_dtype()) if is_complex else _C.get_default_dtype()
    if is_complex:
        start, stop = complex(start), complex(stop)
        parts = [
            linspace(a, b, num, dtype=dtype.to_real(), device=device, endpoint=endpoint)
            for a, b in ((start.real, stop.real), (start.imag, stop.imag))
        ]
        return _C.view_as_complex(_C.stack(parts, -1))
    # Integers are rounded from float64.
    made = _C.float64 if is_integral(dtype) else dtype
    values = (
        _C.linspace(start, stop, num, dtype=made, device=device)
        if endpoint
        else _C.linspace(start, stop, num + 1, dtype=made, device=device)[:-1]
    )
    return values.to(dtype)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> builtins.list[Tensor]:
    """Coordinate matrices of one-dimensional arrays. indexing: "xy" swaps the first two dims, "ij" does not."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}")
    if builtins.any(x.ndim > 1 for x in arrays):
        raise ValueError("meshgrid: arrays must be one-dimensional")
    if len({x.dtype for x in arrays}) > 1:
        raise ValueError("meshgrid: arrays must have one dtype")
    swap = indexing == "xy" and len(arrays) > 1
    shape = [x.numel() for x in arrays]
    if swap:
        shape[0], shape[1] = shape[1], shape[0]
    grids = []
    for i, x in enumerate(arrays):
        place = 1 - i if swap and i < 2 else i
        ones = [1] * len(arrays)
        ones[place] = x.numel()
        grids.append(x.reshape(ones).expand(shape).clone())
    return grids


def ones(shape: Shape, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of ones."""
    return _C.ones(_shape(shape), dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of ones of the shape and dtype of x."""
    return _C.ones_like(x, dtype=dtype, device=device)


def _triangle(x: Tensor, k: int, lower: builtins.bool) -> Tensor:
    if x.ndim < 2:
        raise ValueError(f"{'tril' if lower else 'triu'}: expected at least 2 dims, got {x.ndim}")
    k = builtins.max(-x.shape[-2] - 1, builtins.min(k, x.shape[-1] + 1))
    distance = _C.arange(x.shape[-1], device=x.device) - _C.arange(x.shape[-2], device=x.device).reshape(-1, 1)
    return _C.where(distance <= k if lower else distance >= k, x, _C.zeros((), dtype=x.dtype, device=x.device))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Matrices with zeros above diagonal k."""
    return _triangle(x, k, True)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Matrices with zeros below diagonal k."""
    return _triangle(x, k, False)


def zeros(shape: Shape, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of zeros."""
    return _C.zeros(_shape(shape), dtype=dtype, device=device)


def zeros_like(x: Tensor, /, *, dtype: DType | None = None, device: object = None) -> Tensor:
    """An array of zeros of the shape and dtype of x."""
    return _C.zeros_like(x, dtype=dtype, device=device)
