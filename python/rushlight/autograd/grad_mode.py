"""Context managers that turn the recording of operations on or off, and some that only remember a flag."""

from __future__ import annotations

from .._C import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

_flags = {"multithreading": True, "grad_layout": True}


class _Flag:
    """Sets a flag without effect; as a context manager, until the end of the block."""

    name = ""

    def __init__(self, mode: bool) -> None:
        self.prev = _flags[self.name]
        self.mode = _flags[self.name] = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        _flags[self.name] = self.prev


class set_multithreading_enabled(_Flag):
    """Accepted: backward() runs on the thread that calls it."""

    name = "multithreading"


class enforce_grad_layout_policy(_Flag):
    """Accepted: the first gradient of a dense leaf always gets the strides of the leaf."""

    name = "grad_layout"


def is_multithreading_enabled() -> bool:
    return _flags["multithreading"]
