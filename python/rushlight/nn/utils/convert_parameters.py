"""Parameters as one flat vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import rushlight as rl
from rushlight.utils.naming import typename

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_one_device(tensors) -> None:
    if len({t.device for t in tensors}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")


def parameters_to_vector(parameters: Iterable[rl.Tensor]) -> rl.Tensor:
    """All parameters, each flattened, joined into one 1-d tensor."""
    parameters = list(parameters)
    _check_one_device(parameters)
    return rl.cat([p.view(-1) for p in parameters])


def vector_to_parameters(vec: rl.Tensor, parameters: Iterable[rl.Tensor]) -> None:
    """Make consecutive pieces of the 1-d tensor ``vec`` the data of the parameters (views, no copy)."""
    if not isinstance(vec, rl.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    parameters = list(parameters)
    _check_one_device(parameters)
    start = 0
    for param in parameters:
        count = param.numel()
        param.data = vec[start : start + count].view_as(param).data
        start += count
