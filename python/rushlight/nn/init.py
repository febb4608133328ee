"""Initialisers: each fills a tensor in place, outside the graph, and returns it.

Random ones take ``generator=`` and draw what torch draws for the same seed.
"""

from __future__ import annotations

import math
import warnings

import rushlight as rl
from rushlight._C import _overridable as overridable

from .._missing import missing

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = ("linear", "sigmoid") + tuple(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))


def calculate_gain(nonlinearity: str, param: int | float | None = None) -> float:
    """The factor by which weights before ``nonlinearity`` are scaled to keep the variance.

    ``param`` is the negative slope of leaky_relu (default 0.01).
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, (int, float)) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _calculate_fan_in_and_fan_out(tensor) -> tuple[int, int]:
    """Inputs and outputs per unit of a weight (out, in, *kernel)."""
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    out_channels, in_channels, *kernel = tensor.shape
    receptive_field = math.prod(kernel)
    return in_channels * receptive_field, out_channels * receptive_field


def _calculate_correct_fan(tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


@overridable
def uniform_(tensor: rl.Tensor, a: float = 0.0, b: float = 1.0, generator: rl.Generator | None = None) -> rl.Tensor:
    """U(a, b)."""
    with rl.no_grad():
        return tensor.uniform_(a, b, generator=generator)


@overridable
def normal_(tensor: rl.Tensor, mean: float = 0.0, std: float = 1.0, generator: rl.Generator | None = None) -> rl.Tensor:
    """N(mean, std^2)."""
    with rl.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: rl.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: rl.Generator | None = None,
) -> rl.Tensor:
    """N(mean, std^2), with values outside [a, b] drawn again."""

    def cdf(x):
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    inside = cdf((b - mean) / std) - cdf((a - mean) / std)
    with rl.no_grad():
        fill = _reject_from_normal if inside > 0.3 else _reject_from_uniform
        fill(tensor, mean, std, a, b, generator)
    return tensor


def _reject_from_normal(tensor, mean, std, a, b, generator) -> None:
    """Draw from the normal distribution until all values are in [a, b]: fast where most of it is inside."""
    low, high = rl.tensor([a, b], dtype=tensor.dtype).tolist()  # as the dtype rounds them
    tensor.normal_(mean, std, generator=generator)
    while bool((outside := (tensor < low) | (tensor > high)).any()):
        again = rl.empty_like(tensor).normal_(mean, std, generator=generator)
        tensor.copy_(rl.where(outside, again, tensor))


def _reject_from_uniform(tensor, mean, std, a, b, generator) -> None:
    """Draw from U(a, b), accept in proportion to the density: fast where little of the normal one is inside."""
    log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2

    def rejected(values):
        log_density = values.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
        return rl.empty_like(tensor).uniform_(generator=generator).log_() > log_density

    tensor.uniform_(a, b, generator=generator)
    pending = rejected(tensor)
    while bool(pending.any()):
        again = rl.empty_like(tensor).uniform_(a, b, generator=generator)
        tensor.copy_(rl.where(pending, again, tensor))
        pending = pending & rejected(again)


@overridable
def constant_(tensor: rl.Tensor, val: float) -> rl.Tensor:
    with rl.no_grad():
        return tensor.fill_(val)


def ones_(tensor: rl.Tensor) -> rl.Tensor:
    return constant_(tensor, 1.0)


def zeros_(tensor: rl.Tensor) -> rl.Tensor:
    return constant_(tensor, 0.0)


def eye_(tensor: rl.Tensor) -> rl.Tensor:
    """The identity, for a 2-d tensor."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with rl.no_grad():
        return tensor.copy_(rl.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def _xavier_std(tensor, gain: float) -> float:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def xavier_uniform_(tensor: rl.Tensor, gain: float = 1.0, generator: rl.Generator | None = None) -> rl.Tensor:
    """U(-a, a), a = gain * sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: rl.Tensor, gain: float = 1.0, generator: rl.Generator | None = None) -> rl.Tensor:
    """N(0, s^2), s = gain * sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _is_empty(tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


@overridable
def kaiming_uniform_(
    tensor: rl.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: rl.Generator | None = None,
) -> rl.Tensor:
    """U(-b, b), b = gain * sqrt(3 / fan) (He et al. 2015); ``a`` is the slope of leaky_relu."""
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: rl.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: rl.Generator | None = None,
) -> rl.Tensor:
    """N(0, s^2), s = gain / sqrt(fan) (He et al. 2015); ``a`` is the slope of leaky_relu."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def dirac_(tensor: rl.Tensor, groups: int = 1) -> rl.Tensor:
    """Weights (out, in, *kernel) of a convolution with 1 to 3 dims that passes its first channels on, per group."""
    if not 3 <= tensor.dim() <= 5:
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    out = tensor.shape[0] // groups
    centre = [size // 2 for size in tensor.shape[2:]]
    with rl.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(out, tensor.shape[1])):
                tensor[(group * out + channel, channel, *centre)] = 1
    return tensor


def sparse_(tensor: rl.Tensor, sparsity: float, std: float = 0.01, generator: rl.Generator | None = None) -> rl.Tensor:
    """N(0, std^2) in a matrix, and zeros in ceil(sparsity * rows) random places of each column (Martens 2010)."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with rl.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[rl.randperm(rows)[:zeros], column] = 0
    return tensor


def _deprecated(function):
    """The function under its name of old, without the underscore."""
    old, new = function.__name__[:-1], function.__name__

    def call(*args, **kwargs):
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = old
    call.__doc__ = f"Deprecated: {new}."
    return call


constant = _deprecated(constant_)
dirac = _deprecated(dirac_)
eye = _deprecated(eye_)
kaiming_normal = _deprecated(kaiming_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
normal = _deprecated(normal_)
sparse = _deprecated(sparse_)
uniform = _deprecated(uniform_)
xavier_normal = _deprecated(xavier_normal_)
xavier_uniform = _deprecated(xavier_uniform_)

missing(__name__)
