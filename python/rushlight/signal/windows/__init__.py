"""Window functions of M samples: torch.signal.windows.

sym: True gives a symmetric window (for filters), False a periodic one (for spectra): that of M + 1 samples without the
last. dtype: float32 or float64, get_default_dtype() where absent. Everything is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from operator import index

from ... import _C

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]

_COMMON = """
    sym: symmetric (True) or periodic (False). dtype: float32 or float64. device, layout (strided only), requires_grad:
    as for every constructor. Raises ValueError for negative M and other dtypes and layouts.
    """


def _window(name: str, M: int, sym: bool, f: Callable[[_C.Tensor, int], _C.Tensor], options: dict) -> _C.Tensor:
    """f(i, n) for i = 0 .. M - 1, where n is the number of samples of the symmetric window."""
    M = index(M)
    dtype = options["dtype"] = options["dtype"] or _C.get_default_dtype()
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    layout = options["layout"]
    if layout is not None and repr(layout) != "torch.strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (_C.float32, _C.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    if M <= 1:
        return _C.ones(M, **options)
    values = f(_C.arange(M, dtype=_C.float64), M if sym else M + 1).to(dtype)
    if options["device"] is not None:
        values = values.to(options["device"])
    return values.requires_grad_() if options["requires_grad"] else values


def _define(f: Callable) -> Callable:
    f.__doc__ += "\n" + _COMMON
    return f


@_define
def bartlett(M: int, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False) -> _C.Tensor:
    """A triangle from 0 to 1 to 0."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _window("bartlett", M, sym, lambda i, n: 1 - (2 * i / (n - 1) - 1).abs(), options)


@_define
def general_cosine(
    M: int, *, a: Iterable, sym=True, dtype=None, layout=None, device=None, requires_grad=False
) -> _C.Tensor:
    """The sum over k of (-1)**k a[k] cos(2 pi k i / (n - 1))."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _cosines("general_cosine", M, sym, a, options)


def _cosines(name: str, M: int, sym: bool, a: Iterable, options: dict) -> _C.Tensor:
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    a = list(a)
    if not a:
        raise ValueError("Coefficients cannot be empty")

    def f(i: _C.Tensor, n: int) -> _C.Tensor:
        angle = i * (2 * math.pi / (n - 1))
        terms = ((-c if k % 2 else c) * (k * angle).cos() for k, c in enumerate(a))
        return sum(terms, _C.zeros_like(i))

    return _window(name, M, sym, f, options)


@_define
def general_hamming(
    M: int, *, alpha: float = 0.54, sym=True, dtype=None, layout=None, device=None, requires_grad=False
) -> _C.Tensor:
    """alpha - (1 - alpha) cos(2 pi i / (n - 1))."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _cosines("general_hamming", M, sym, [alpha, 1 - alpha], options)


@_define
def hamming(M: int, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False) -> _C.Tensor:
    """0.54 - 0.46 cos(2 pi i / (n - 1))."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _cosines("hamming", M, sym, [0.54, 0.46], options)


@_define
def hann(M: int, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False) -> _C.Tensor:
    """0.5 - 0.5 cos(2 pi i / (n - 1))."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _cosines("hann", M, sym, [0.5, 0.5], options)


@_define
def blackman(M: int, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False) -> _C.Tensor:
    """general_cosine with the coefficients 0.42, 0.5, 0.08."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _cosines("blackman", M, sym, [0.42, 0.5, 0.08], options)


@_define
def nuttall(M: int, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False) -> _C.Tensor:
    """Nuttall (1981): general_cosine with the coefficients 0.3635819, 0.4891775, 0.1365995, 0.0106411."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _cosines("nuttall", M, sym, [0.3635819, 0.4891775, 0.1365995, 0.0106411], options)


@_define
def cosine(M: int, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False) -> _C.Tensor:
    """sin(pi (i + 1/2) / n)."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    return _window("cosine", M, sym, lambda i, n: ((i + 0.5) * (math.pi / n)).sin(), options)


@_define
def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym=True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
) -> _C.Tensor:
    """exp(-|i - center| / tau); center: (n - 1) / 2 where absent, another one only for periodic windows. tau > 0."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return _window(
        "exponential",
        M,
        sym,
        lambda i, n: (-(i - ((n - 1) / 2 if center is None else center)).abs() / tau).exp(),
        options,
    )


@_define
def gaussian(
    M: int, *, std: float = 1.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False
) -> _C.Tensor:
    """exp(-((i - (n - 1) / 2) / std)**2 / 2); std > 0."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window("gaussian", M, sym, lambda i, n: (((i - (n - 1) / 2) / std) ** 2 / -2).exp(), options)


@_define
def kaiser(
    M: int, *, beta: float = 12.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False
) -> _C.Tensor:
    """I0(beta sqrt(1 - x**2)) / I0(beta) for x from -1 to 1; beta >= 0."""
    options = {"dtype": dtype, "layout": layout, "device": device, "requires_grad": requires_grad}
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _window("kaiser", M, sym, lambda i, n: _C.kaiser_window(M, not sym, float(beta), dtype=_C.float64), options)
