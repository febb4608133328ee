"""The standard's extension fft, computed by numpy.fft: no derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import _C
from ._dtypes import DType, Tensor, check_array

__all__ = [
    "fft",
    "ifft",
    "fftn",
    "ifftn",
    "rfft",
    "irfft",
    "rfftn",
    "irfftn",
    "hfft",
    "ihfft",
    "fftfreq",
    "rfftfreq",
    "fftshift",
    "ifftshift",
]


def _by_numpy(name: str, x: Tensor, *arguments: object, **keywords: object) -> Tensor:
    """numpy.fft's function on the memory of the array. RuntimeError for arrays that require grad."""
    import numpy

    check_array(name, x)
    result = getattr(numpy.fft, name)(x.resolve_conj().resolve_neg().numpy(), *arguments, **keywords)
    return _C.from_numpy(numpy.ascontiguousarray(result).reshape(result.shape))


def _one_dim(name: str, doc: str) -> Callable[..., Tensor]:
    def transform(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
        return _by_numpy(name, x, n=n, axis=axis, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"{doc} of n points (default: all) along an axis."
    return transform


def _many_dims(name: str, doc: str) -> Callable[..., Tensor]:
    def transform(
        x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
    ) -> Tensor:
        if s is not None and axes is None:
            axes = range(x.ndim - len(s), x.ndim)
        return _by_numpy(name, x, s=s, axes=axes, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"{doc} of s points (default: all) along axes (default: all)."
    return transform


fft = _one_dim("fft", "Transform")
ifft = _one_dim("ifft", "Inverse transform")
rfft = _one_dim("rfft", "Transform of real numbers: its first half,")
irfft = _one_dim("irfft", "Inverse of rfft: real numbers")
hfft = _one_dim("hfft", "Transform of a Hermitian half: real numbers")
ihfft = _one_dim("ihfft", "Inverse of hfft")
fftn = _many_dims("fftn", "Transform")
ifftn = _many_dims("ifftn", "Inverse transform")
rfftn = _many_dims("rfftn", "Transform of real numbers: the first half of the last axis,")
irfftn = _many_dims("irfftn", "Inverse of rfftn: real numbers")


def _frequencies(index: Tensor, n: int, d: float, dtype: DType | None) -> Tensor:
    dtype = _C.get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise ValueError(f"frequencies are real floating point numbers, not {dtype}")
    return (index.to(_C.float64) / (n * d)).to(dtype)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: object = None) -> Tensor:
    """Sample frequencies of fft in cycles per unit of d."""
    index = _C.arange(n, device=device)
    return _frequencies(_C.where(index > (n - 1) // 2, index - n, index), n, d, dtype)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: object = None) -> Tensor:
    """Sample frequencies of rfft in cycles per unit of d."""
    return _frequencies(_C.arange(n // 2 + 1, device=device), n, d, dtype)


def _shift(x: Tensor, axes: int | Sequence[int] | None, back: bool) -> Tensor:
    from ._manipulation import axes_of, roll

    dims = range(x.ndim) if axes is None else axes_of("fftshift", axes, x.ndim)
    shifts = [-(x.shape[a] // 2) if back else x.shape[a] // 2 for a in dims]
    return roll(x, tuple(shifts), axis=tuple(dims))


def fftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The zero frequency moved to the middle."""
    check_array("fftshift", x)
    return _shift(x, axes, False)


def ifftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Inverse of fftshift."""
    check_array("ifftshift", x)
    return _shift(x, axes, True)
