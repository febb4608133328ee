"""The processor as a device: always one, always idle between calls."""

from __future__ import annotations

from ._missing import missing

__all__ = ["current_device", "device_count", "is_available", "is_initialized", "set_device", "synchronize"]


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def current_device() -> str:
    return "cpu"


def device_count() -> int:
    return 1


def set_device(device: object) -> None:
    """Nothing: there is one."""


def synchronize(device: object = None) -> None:
    """Nothing: operations are done when they return."""


__getattr__ = missing(__name__)
