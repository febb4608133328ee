"""The CPU as a device, for programs that ask every device the same questions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ._missing import missing

missing(__name__)


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def device_count() -> int:
    return 1


def current_device() -> str:
    return "cpu"


def set_device(device: object) -> None:
    """Accepted without effect."""


def synchronize(device: object = None) -> None:
    """Operations are finished when they return."""


class Stream:
    """The order of the calls: there is no other."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: object) -> None:
        pass

    def record_event(self, event: object = None) -> None:
        pass

    def wait_event(self, event: object) -> None:
        pass


_stream = Stream()


def current_stream(device: object = None) -> Stream:
    return _stream


@contextlib.contextmanager
def stream(stream: object) -> Iterator[object]:
    """Accepted without effect."""
    yield stream
