"""Limits on the size of gradients. ``foreach`` is accepted and ignored."""

from __future__ import annotations

from collections.abc import Iterable

import rushlight as rl

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _as_list(tensors) -> list:
    return [tensors] if isinstance(tensors, rl.Tensor) else list(tensors)


def _gradients(parameters) -> list:
    return [p.grad for p in _as_list(parameters) if p.grad is not None]


def get_total_norm(
    tensors: rl.Tensor | Iterable[rl.Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> rl.Tensor:
    """The norm of all tensors seen as one vector: a 0-d tensor, on the device of the first one."""
    tensors = _as_list(tensors)
    if not tensors:
        return rl.tensor(0.0)
    norm_type = float(norm_type)
    with rl.no_grad():
        norms = [rl.linalg.vector_norm(t, norm_type) for t in tensors]
        device = norms[0].device
        total = rl.linalg.vector_norm(rl.stack([n.to(device) for n in norms]), norm_type)
    if error_if_nonfinite and not bool(rl.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: rl.Tensor | Iterable[rl.Tensor], max_norm: float, total_norm: rl.Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients, whose norm is ``total_norm``, so that it does not exceed ``max_norm``."""
    gradients = _gradients(parameters)
    if not gradients:
        return
    with rl.no_grad():
        # Multiplied even where the factor is 1: to ask for its value would wait for the device.
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in gradients:
            grad.mul_(scale.to(grad.device))


def clip_grad_norm_(
    parameters: rl.Tensor | Iterable[rl.Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> rl.Tensor:
    """Scale the gradients together so that their norm is at most ``max_norm``; return the norm before that."""
    parameters = _as_list(parameters)
    total_norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total_norm)
    return total_norm


def clip_grad_value_(
    parameters: rl.Tensor | Iterable[rl.Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value]."""
    clip_value = float(clip_value)
    with rl.no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(min=-clip_value, max=clip_value)
