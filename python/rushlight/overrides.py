"""Functions never call __torch_function__, so there are no overrides; what programs ask about them has answers."""

from __future__ import annotations

from collections.abc import Iterable

from . import _C
from ._missing import missing

__all__ = ["has_torch_function", "is_tensor_like", "is_tensor_method_or_property"]


def has_torch_function(relevant_args: Iterable) -> bool:
    """False."""
    return False


def is_tensor_like(inp: object) -> bool:
    """Whether it is a tensor or an object with __torch_function__."""
    return isinstance(inp, _C.Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: object) -> bool:
    """Whether it is a method of Tensor or the getter of an attribute."""
    name = getattr(func, "__name__", None)
    return name == "__get__" or (name is not None and getattr(_C.Tensor, name, None) is func)


__getattr__ = missing(__name__)
