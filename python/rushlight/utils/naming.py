"""Names of types in messages."""

from __future__ import annotations

import rushlight as rl

__all__ = ["typename"]


def typename(obj) -> str:
    """``'torch.FloatTensor'`` for a tensor, else the type's name, with its module unless it is built in."""
    if isinstance(obj, rl.Tensor):
        return obj.type()
    cls = type(obj)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
