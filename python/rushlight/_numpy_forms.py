"""Methods in NumPy's form: np.min(t) and the like call the method of that name with NumPy's keywords."""

from __future__ import annotations

from collections.abc import Callable

from . import _C

Tensor = _C.Tensor


def _prod(t: Tensor, axis: object, keepdims: bool, dtype: object) -> Tensor:
    dims = range(t.dim()) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if t.dim() == 0 or (axis == () and dtype is None):
        return t.prod(dtype=dtype) if axis is None else t.clone()
    for d in sorted((range(t.dim())[d] for d in dims), reverse=True):
        t = t.prod(d, keepdims, dtype=dtype)
    return t


def _deviation(name: str) -> Callable:
    def run(t: Tensor, axis: object, keepdims: bool, dtype: object, ddof: float = 0) -> Tensor:
        if dtype is not None or not (t.is_floating_point() or t.is_complex()):
            t = t.to(dtype or _C.float64)
        return getattr(t, name)(dim=axis, correction=ddof, keepdim=keepdims)

    return run


def _mean(t: Tensor, axis: object, keepdims: bool, dtype: object) -> Tensor:
    exact = t.is_floating_point() or t.is_complex()
    return t.mean(dim=axis, keepdim=keepdims, dtype=dtype or (None if exact else _C.float64))


def _plain(name: str) -> Callable:
    def run(t: Tensor, axis: object, keepdims: bool, dtype: object) -> Tensor:
        if dtype is not None:
            raise TypeError(f"{name}() takes no dtype")
        if name.startswith("arg") and t.dtype is _C.bool:
            t = t.view(_C.uint8)
        return getattr(t, name)(dim=axis, keepdim=keepdims)

    return run


def _extreme(name: str) -> Callable:
    def run(t: Tensor, axis: object, keepdims: bool, dtype: object) -> Tensor:
        return getattr(t, name)(dim=() if axis is None else axis, keepdim=keepdims)

    return run


def _running(name: str) -> Callable:
    def run(t: Tensor, axis: object, keepdims: bool, dtype: object) -> Tensor:
        return getattr(t.flatten() if axis is None else t, name)(axis or 0, dtype=dtype)

    return run


_OWN = {
    "all": _plain("all"),
    "any": _plain("any"),
    "argmax": _plain("argmax"),
    "argmin": _plain("argmin"),
    "cumprod": _running("cumprod"),
    "cumsum": _running("cumsum"),
    "max": _extreme("amax"),
    "mean": _mean,
    "min": _extreme("amin"),
    "prod": _prod,
    "std": _deviation("std"),
    "sum": lambda t, axis, keepdims, dtype: t.sum(dim=axis, keepdim=keepdims, dtype=dtype),
    "var": _deviation("var"),
}


def _dtype(dtype: object) -> object:
    """A dtype of ours for what NumPy takes for one."""
    if dtype is None or isinstance(dtype, _C.dtype):
        return dtype
    import numpy as np

    return _C.from_numpy(np.empty(0, dtype)).dtype


def call(
    name: str,
    t: Tensor,
    *,
    axis: object = None,
    dtype: object = None,
    out: object = None,
    keepdims: bool = False,
    **others: object,
) -> object:
    """The method as NumPy's of that name, in own operations where these have the arguments, else by NumPy."""
    if isinstance(out, Tensor):
        result = call(name, t, axis=axis, dtype=dtype, keepdims=keepdims, **others)
        if result.shape != out.shape:
            raise ValueError(f"{name}(): the output has shape {tuple(out.shape)}, not {tuple(result.shape)}")
        return out.copy_(result)
    if out is None and others.keys() <= {"ddof"}:
        return _OWN[name](t, axis, bool(keepdims), _dtype(dtype), **others)
    if keepdims:
        others["keepdims"] = keepdims
    if dtype is not None:
        others["dtype"] = dtype
    result = getattr(t.resolve_conj().resolve_neg().numpy(), name)(axis=axis, out=out, **others)
    return result if out is not None else _C.as_tensor(result)
