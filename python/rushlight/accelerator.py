"""The accelerator of this machine: none without a backend for one."""

from __future__ import annotations

from . import _C, cuda
from ._missing import missing

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    return cuda.is_available()


def device_count() -> int:
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> _C.device | None:
    """The device of the accelerator, or None."""
    return _C.device("cuda") if is_available() else None


missing(__name__)
