"""Context managers that turn the recording of operations on or off."""

from __future__ import annotations

from .._C import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]

_state = {"multithreading": True}


def is_multithreading_enabled() -> bool:
    """Return what set_multithreading_enabled has set."""
    return _state["multithreading"]


class set_multithreading_enabled:
    """Accepted as torch's: backward runs on the calling thread in any case. As a context manager, until its end."""

    def __init__(self, mode: bool) -> None:
        self.before = _state["multithreading"]
        _state["multithreading"] = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        _state["multithreading"] = self.before
