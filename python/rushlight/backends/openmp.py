"""OpenMP, which is not used: rushlight has its own thread pool."""

from __future__ import annotations


def is_available() -> bool:
    return False
