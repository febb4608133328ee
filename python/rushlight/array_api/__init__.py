"""The Python array API standard, version 2024.12: functions on rushlight tensors with the standard's names and rules.

    xp = tensor.__array_namespace__()        or        from rushlight import array_api as xp

Arrays are rushlight tensors. Their operators and methods stay PyTorch's; the functions here follow the standard where
the two differ: the promotion of 0-d arrays, keywords (axis, keepdims), dtypes of sums, defaults (correction=0).
Functions are differentiable as those of rushlight that they call. The extensions linalg and fft are imported on use.
"""

from __future__ import annotations

import sys as _sys
from math import e, inf, nan, pi
from types import ModuleType as _ModuleType

from .. import _C as _C
from .._C import (
    bool,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from ._creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from ._dtypes import astype, can_cast, finfo, iinfo, isdtype, result_type
from ._elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    real,
    reciprocal,
    remainder,
    round,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
)
from ._info import __array_namespace_info__
from ._manipulation import (
    broadcast_arrays,
    broadcast_to,
    concat,
    expand_dims,
    flip,
    moveaxis,
    permute_dims,
    repeat,
    reshape,
    roll,
    squeeze,
    stack,
    tile,
    unstack,
)
from ._products import matmul, matrix_transpose, tensordot, vecdot
from ._reduce import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    diff,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from ._search import (
    argsort,
    nonzero,
    searchsorted,
    sort,
    take,
    take_along_axis,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
    where,
)

__array_api_version__ = "2024.12"
newaxis = None

_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def _namespace(api_version: str | None) -> _ModuleType:
    """This module, for Tensor.__array_namespace__. ValueError for a version of the standard that it does not follow."""
    if api_version is not None and api_version not in _VERSIONS:
        raise ValueError(f"array API version {api_version!r} is not supported, only {', '.join(_VERSIONS)}")
    return _sys.modules[__name__]


def __getattr__(name: str) -> object:
    if name in ("linalg", "fft"):
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    public = [name for name in globals() if not name.startswith("_") or name.startswith("__array")]
    return [*public, "linalg", "fft"]
