"""Functions behind the layers; the names and arguments are those of torch.nn.functional."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import rushlight as rl
from rushlight._C import _nn
from rushlight._C import _overridable as overridable

from .._missing import missing

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "grid_sample",
    "group_norm",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "pairwise_distance",
    "pdist",
    "relu",
    "relu_",
    "sigmoid",
    "softmax",
    "tanh",
]

cosine_similarity = rl.cosine_similarity
pairwise_distance = rl.pairwise_distance
pdist = rl.pdist

_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


def _legacy_reduction(size_average, reduce, reduction: str) -> str:
    """The reduction that the deprecated flags ask for, or ``reduction`` where neither is given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is not None and not reduce:
        chosen = "none"
    else:
        chosen = "mean" if size_average is None or size_average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{chosen}' instead.", stacklevel=4
    )
    return chosen


def _reduction_code(size_average, reduce, reduction: str) -> int:
    """The number that kernels take for a reduction."""
    if size_average is not None or reduce is not None:
        reduction = _legacy_reduction(size_average, reduce, reduction)
    code = _REDUCTIONS.get(reduction)
    if code is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return code


# ---- layers

# (input (*, in), weight (out, in), bias (out) or None) -> (*, out)
linear = _nn.linear


# The activations of one tensor take no Python frame.
relu = _nn.relu
relu_ = _nn.relu_
leaky_relu = _nn.leaky_relu
sigmoid = _nn.sigmoid
tanh = _nn.tanh


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


@overridable
def softmax(input: rl.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: rl.dtype | None = None) -> rl.Tensor:
    """exp(input) / sum of exp(input) along ``dim``, computed in ``dtype`` where given."""
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return rl.softmax(input, dim) if dtype is None else rl.softmax(input, dim, dtype=dtype)


@overridable
def log_softmax(
    input: rl.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: rl.dtype | None = None
) -> rl.Tensor:
    """log(softmax(input)), computed without overflow."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return rl.log_softmax(input, dim) if dtype is None else rl.log_softmax(input, dim, dtype=dtype)


def _check_dropout_probability(p) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@overridable
def dropout(input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> rl.Tensor:
    """In training: zero each element with probability ``p``, scale the others by 1 / (1 - p)."""
    _check_dropout_probability(p)
    if not training:
        return input
    return rl.dropout_(input, p, training) if inplace else rl.dropout(input, p, training)


# ---- losses


def _uneven_pointwise_loss(kernel, input, target, code: int, weight):
    """A pointwise loss with weights, or of shapes that differ."""
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
        input, target = rl.broadcast_tensors(input, target)
    if weight is None:
        return kernel(input, target, code)
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = kernel(input, target, 0) * weight
    if code == 0:
        return loss
    return loss.sum() if code == 2 else loss.sum() / weight.sum()


@overridable
def mse_loss(
    input: rl.Tensor,
    target: rl.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: rl.Tensor | None = None,
) -> rl.Tensor:
    """(input - target)^2. With ``weight`` (same shape) 'mean' divides by its sum."""
    code = _reduction_code(size_average, reduce, reduction)
    if weight is None and target.shape == input.shape:
        return _nn.mse_loss(input, target, code)
    return _uneven_pointwise_loss(_nn.mse_loss, input, target, code, weight)


@overridable
def l1_loss(
    input: rl.Tensor,
    target: rl.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: rl.Tensor | None = None,
) -> rl.Tensor:
    """|input - target|. With ``weight`` (same shape) 'mean' divides by its sum."""
    code = _reduction_code(size_average, reduce, reduction)
    if weight is None and target.shape == input.shape:
        return _nn.l1_loss(input, target, code)
    return _uneven_pointwise_loss(_nn.l1_loss, input, target, code, weight)


@overridable
def nll_loss(
    input: rl.Tensor,
    target: rl.Tensor,
    weight: rl.Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> rl.Tensor:
    """-input[n, target[n]]: log-probabilities (N, C, ...), class indices (N, ...)."""
    code = _reduction_code(size_average, reduce, reduction)
    return _nn.nll_loss(input, target, weight, code, ignore_index)


@overridable
def cross_entropy(
    input: rl.Tensor,
    target: rl.Tensor,
    weight: rl.Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> rl.Tensor:
    """Cross entropy of logits (N, C, ...) with class indices (N, ...) or class probabilities (N, C, ...)."""
    code = _reduction_code(size_average, reduce, reduction)
    return _nn.cross_entropy_loss(input, target, weight, code, ignore_index, label_smoothing)


@overridable
def binary_cross_entropy(
    input: rl.Tensor,
    target: rl.Tensor,
    weight: rl.Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> rl.Tensor:
    """-(t log x + (1 - t) log(1 - x)) for probabilities x; logarithms are bounded below by -100."""
    code = _reduction_code(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) "
            "is deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(rl.broadcast_shapes(weight.shape, target.shape))
    return _nn.binary_cross_entropy(input, target, weight, code)


@overridable
def binary_cross_entropy_with_logits(
    input: rl.Tensor,
    target: rl.Tensor,
    weight: rl.Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: rl.Tensor | None = None,
) -> rl.Tensor:
    """binary_cross_entropy(sigmoid(input), target), computed without overflow.

    ``pos_weight`` scales the term of the positive class; it and ``weight`` are broadcast.
    """
    code = _reduction_code(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return rl.binary_cross_entropy_with_logits(input, target, weight, pos_weight, code)


@overridable
def layer_norm(
    input: rl.Tensor,
    normalized_shape: Sequence[int],
    weight: rl.Tensor | None = None,
    bias: rl.Tensor | None = None,
    eps: float = 1e-5,
) -> rl.Tensor:
    """Slices over the last dims, which have `normalized_shape`, with mean 0 and variance 1; * weight + bias."""
    return rl.layer_norm(input, normalized_shape, weight, bias, eps)


def _check_batch(size) -> None:
    """One value per channel has no variance."""
    count = 1
    for n in (size[0], *size[2:]):
        count *= n
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


@overridable
def group_norm(
    input: rl.Tensor, num_groups: int, weight: rl.Tensor | None = None, bias: rl.Tensor | None = None, eps: float = 1e-5
) -> rl.Tensor:
    """Groups of channels of input (N, C, *) with mean 0 and variance 1; * weight + bias of the channel."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    if num_groups > 0:
        _check_batch([input.size(0) * input.size(1) // num_groups, num_groups, *input.shape[2:]])
    return rl.group_norm(input, num_groups, weight, bias, eps)


@overridable
def batch_norm(
    input: rl.Tensor,
    running_mean: rl.Tensor | None,
    running_var: rl.Tensor | None,
    weight: rl.Tensor | None = None,
    bias: rl.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> rl.Tensor:
    """Channels of input (N, C, *) with mean 0 and variance 1; * weight + bias.

    training: with the moments of the batch, which are mixed into the running ones by `momentum`.
    """
    if training:
        _check_batch(input.size())
    return rl.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)


@overridable
def grid_sample(
    input: rl.Tensor,
    grid: rl.Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> rl.Tensor:
    """Values of an image (N, C, H, W) or (N, C, D, H, W) at positions in [-1, 1], (N, ..., 2 or 3), x first."""
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    if mode not in modes:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in paddings:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            stacklevel=2,
        )
        align_corners = False
    return rl.grid_sampler(input, grid, modes.index(mode), paddings.index(padding_mode), align_corners)


missing(__name__)
