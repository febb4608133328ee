"""Dtypes of the standard: promotion, kinds, limits."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce, wraps

from .. import _C, _types

Tensor = _C.Tensor
DType = _C.dtype

SIGNED = (_C.int8, _C.int16, _C.int32, _C.int64)
UNSIGNED = (_C.uint8, _C.uint16, _C.uint32, _C.uint64)
REAL = (_C.float32, _C.float64)
COMPLEX = (_C.complex64, _C.complex128)
KINDS = {
    "bool": (_C.bool,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": SIGNED + UNSIGNED,
    "real floating": REAL,
    "complex floating": COMPLEX,
    "numeric": SIGNED + UNSIGNED + REAL + COMPLEX,
}
SCALARS = (builtins.bool, builtins.int, builtins.float, builtins.complex)
Scalar = builtins.bool | builtins.int | builtins.float | builtins.complex

# Wide unsigned integers and the signed type of the same bits.
TWIN = {_C.uint16: _C.int16, _C.uint32: _C.int32, _C.uint64: _C.int64}


def is_integral(dtype: DType) -> builtins.bool:
    return not (dtype.is_floating_point or dtype.is_complex or dtype is _C.bool)


def complex_of(dtype: DType) -> DType:
    return _C.complex128 if dtype in (_C.float64, _C.complex128) else _C.complex64


def _with_scalar(dtype: DType, scalar: Scalar) -> DType:
    """The dtype of an array with a Python number: the array's within its kind, else the default of the larger kind."""
    if isinstance(scalar, builtins.bool):
        return dtype
    if isinstance(scalar, builtins.int):
        return _C.int64 if dtype is _C.bool else dtype
    inexact = dtype.is_floating_point or dtype.is_complex
    if isinstance(scalar, builtins.float):
        return dtype if inexact else _C.get_default_dtype()
    return dtype if dtype.is_complex else complex_of(dtype if inexact else _C.get_default_dtype())


def result_type(*arrays_and_dtypes: Tensor | DType | Scalar) -> DType:
    """The dtype of a result: by dtype and kind alone, so that 0-d arrays count as any others.

    Python numbers do not raise the width. ValueError without an array or dtype; TypeError where there is no common type
    (uint64 with signed integers).
    """
    dtypes, scalars = [], []
    for x in arrays_and_dtypes:
        if isinstance(x, SCALARS):
            scalars.append(x)
        elif isinstance(x, (Tensor, DType)):
            dtypes.append(x.dtype if isinstance(x, Tensor) else x)
        else:
            raise TypeError(f"result_type: expected arrays, dtypes or numbers, got {type(x).__name__}")
    if not dtypes:
        raise ValueError("result_type: at least one array or dtype is required")
    try:
        common = reduce(_C.promote_types, dtypes)
    except RuntimeError as error:
        raise TypeError(f"result_type: no common dtype of {', '.join(map(str, dtypes))}") from error
    return reduce(_with_scalar, scalars, common)


def can_cast(from_: DType | Tensor, to: DType, /) -> builtins.bool:
    """Whether every value of a dtype has its place in another one, by the promotion of types."""
    if isinstance(from_, Tensor):
        from_ = from_.dtype
    if from_ is to:
        return True
    try:
        return _C.promote_types(from_, to) is to
    except RuntimeError:
        return False


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> builtins.bool:
    """Whether a dtype is of a kind: a dtype, a name such as "integral" or "real floating", or a tuple of them."""
    if isinstance(kind, tuple):
        return builtins.any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"isdtype: unknown kind {kind!r}, expected one of {', '.join(map(repr, KINDS))}")
        return dtype in KINDS[kind]
    if not isinstance(kind, DType):
        raise TypeError(f"isdtype: kind must be a dtype, str or tuple, not {type(kind).__name__}")
    return dtype is kind


def astype(x: Tensor, dtype: DType, /, *, copy: builtins.bool = True, device: object = None) -> Tensor:
    """A copy with another dtype; with copy=False the array itself where nothing changes."""
    check_array("astype", x)
    if x.dtype.is_complex and not dtype.is_complex:
        raise TypeError(f"astype: {x.dtype} cannot be cast to {dtype}: take the real part first")
    return x.to(device=x.device if device is None else device, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class FInfo:
    """Limits of a floating point dtype, as Python floats."""

    bits: builtins.int
    eps: builtins.float
    max: builtins.float
    min: builtins.float
    smallest_normal: builtins.float
    dtype: DType


@dataclass(frozen=True)
class IInfo:
    """Limits of an integer dtype."""

    bits: builtins.int
    max: builtins.int
    min: builtins.int
    dtype: DType


def finfo(type: DType | Tensor, /) -> FInfo:
    """Limits of a floating point dtype; of the parts for a complex one."""
    dtype = type.dtype if isinstance(type, Tensor) else type
    info = _types.finfo(dtype)
    return FInfo(info.bits, info.eps, info.max, info.min, info.smallest_normal, dtype.to_real())


def iinfo(type: DType | Tensor, /) -> IInfo:
    """Limits of an integer dtype."""
    dtype = type.dtype if isinstance(type, Tensor) else type
    info = _types.iinfo(dtype)
    return IInfo(info.bits, info.max, info.min, dtype)


# ---- what the other files share


def check_array(name: str, *arrays: object) -> None:
    for x in arrays:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected an array, got {type(x).__name__}")


def promoted(*operands: Tensor | Scalar) -> list[Tensor]:
    """The operands as arrays of their common dtype; Python numbers become 0-d arrays."""
    dtypes = {x.dtype for x in operands if isinstance(x, Tensor)}
    if len(dtypes) == 1 and builtins.all(isinstance(x, Tensor) for x in operands):
        return list(operands)
    dtype = result_type(*operands)
    device = next(x.device for x in operands if isinstance(x, Tensor))
    return [x.to(dtype) if isinstance(x, Tensor) else _C.full((), x, dtype=dtype, device=device) for x in operands]


def ordered(x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """An array whose order is that of x, of a dtype that all kernels have, and the function that leads back."""
    dtype = x.dtype
    if dtype not in TWIN:
        return x, lambda y: y
    if dtype is not _C.uint64:
        return x.to(_C.int64), lambda y: y.to(dtype)
    # The sign bit flipped: the order of unsigned numbers among signed ones.
    lowest = -(2**63)
    return x.view(_C.int64) ^ lowest, lambda y: (y ^ lowest).view(_C.uint64)


def modular(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Computes on the signed twins of wide unsigned arrays: sums and products have the same bits."""

    @wraps(function)
    def on_twins(x: Tensor, *arguments: object, **keywords: object) -> Tensor:
        dtype = x.dtype
        if dtype not in TWIN:
            return function(x, *arguments, **keywords)
        twin = TWIN[dtype]
        arguments = [y.view(twin) if isinstance(y, Tensor) else y for y in arguments]
        return function(x.view(twin), *arguments, **keywords).view(dtype)

    return on_twins
