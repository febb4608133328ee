"""Discrete Fourier transforms, computed by numpy.fft."""

from __future__ import annotations

from collections.abc import Callable

from . import _C
from ._C import _overridable as overridable
from ._missing import missing
from .autograd import Function

__all__ = ["fft", "ifft", "rfft", "irfft", "fftfreq"]


def _apply(name: str, x: _C.Tensor, n: int | None, dim: int, norm: str | None) -> _C.Tensor:
    import numpy

    double = x.dtype in (_C.float64, _C.complex128)
    if x.dtype in (_C.float16, _C.bfloat16):
        raise RuntimeError(f"Unsupported dtype {x.dtype}: {name}() needs at least single precision")
    transform = getattr(numpy.fft, name)
    result = _C.from_numpy(
        numpy.ascontiguousarray(transform(x.detach().resolve_conj().resolve_neg().numpy(), n, dim, norm))
    )
    real = not result.dtype.is_complex
    return result.to((_C.float64 if double else _C.float32) if real else (_C.complex128 if double else _C.complex64))


_INVERSE_NORM = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _fit(x: _C.Tensor, size: int, dim: int) -> _C.Tensor:
    """Cut or padded with zeros to `size` along a dim."""
    if x.size(dim) > size:
        return x.narrow(dim, 0, size)
    if x.size(dim) < size:
        shape = list(x.shape)
        shape[dim] = size - x.size(dim)
        return _C.cat([x, x.new_zeros(shape)], dim)
    return x


def _transform(name: str, inverse: str) -> Callable[..., _C.Tensor]:
    class Transform(Function):
        @staticmethod
        def forward(ctx, x, n, dim, norm):
            ctx.size, ctx.n, ctx.dim, ctx.norm = x.size(dim), n, dim, norm
            ctx.real = not x.dtype.is_complex
            return _apply(name, x, n, dim, norm)

        @staticmethod
        def backward(ctx, grad):
            # The adjoint of the transform is the other one under the mirrored normalisation.
            other = _FUNCTIONS[inverse]
            back = _fit(other(grad, ctx.n, ctx.dim, _INVERSE_NORM[ctx.norm]), ctx.size, ctx.dim)
            return back.real if ctx.real else back, None, None, None

    Transform.__name__ = f"{name.capitalize()}C2C"

    def function(input: _C.Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> _C.Tensor:
        if n is not None and n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        return Transform.apply(input, n, dim, norm or "backward")

    function.__name__ = function.__qualname__ = name
    return overridable(function)


_FUNCTIONS = {"fft": _transform("fft", "ifft"), "ifft": _transform("ifft", "fft")}
fft, ifft = _FUNCTIONS["fft"], _FUNCTIONS["ifft"]
fft.__doc__ = "One-dimensional transform of `n` points (default: all) along `dim`."
ifft.__doc__ = "Inverse of fft()."


class _RfftR2C(Function):
    @staticmethod
    def forward(ctx, x, n, dim, norm):
        ctx.size, ctx.n, ctx.dim, ctx.norm = x.size(dim), n or x.size(dim), dim, norm
        return _apply("rfft", x, n, dim, norm)

    @staticmethod
    def backward(ctx, grad):
        # The frequencies that are left out have no gradient.
        full = _fit(grad, ctx.n, ctx.dim)
        back = ifft(full, ctx.n, ctx.dim, _INVERSE_NORM[ctx.norm])
        return _fit(back.real, ctx.size, ctx.dim), None, None, None


@overridable
def rfft(input: _C.Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> _C.Tensor:
    """The first half of fft() of real input: n // 2 + 1 values."""
    if input.dtype.is_complex:
        raise RuntimeError(f"rfft expects a real input tensor, but got {input.dtype}")
    if n is not None and n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return _RfftR2C.apply(input, n, dim, norm or "backward")


class _IrfftC2R(Function):
    @staticmethod
    def forward(ctx, x, n, dim, norm):
        ctx.size, ctx.dim, ctx.norm = x.size(dim), dim, norm
        ctx.real = not x.dtype.is_complex
        return _apply("irfft", x, n, dim, norm)

    @staticmethod
    def backward(ctx, grad):
        # Every frequency but the first and, of an even number of points, the last stands for two.
        n = grad.size(ctx.dim)
        back = rfft(grad, n, ctx.dim, _INVERSE_NORM[ctx.norm])
        weights = _C.full((n // 2 + 1,), 2.0, dtype=back.real.dtype)
        weights[0] = 1
        if n % 2 == 0:
            weights[-1] = 1
        back = _fit(back.movedim(ctx.dim, -1).mul(weights).movedim(-1, ctx.dim), ctx.size, ctx.dim)
        return back.real if ctx.real else back, None, None, None


@overridable
def irfft(input: _C.Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> _C.Tensor:
    """Inverse of rfft(): n real values (default: 2 * (size - 1))."""
    if n is None:
        n = 2 * (input.size(dim) - 1)
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return _IrfftC2R.apply(input, n, dim, norm or "backward")


def fftfreq(n: int, d: float = 1.0, *, dtype: _C.dtype | None = None) -> _C.Tensor:
    """Sample frequencies in cycles per unit of `d`."""
    index = _C.arange(n, dtype=dtype or _C.get_default_dtype())
    half = (n - 1) // 2 + 1
    return _C.where(index >= half, index - n, index) / (n * d)


missing(__name__)
