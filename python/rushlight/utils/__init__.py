"""Helpers shared by the Python package. ``checkpoint`` is imported when first asked for."""

from .._missing import missing
from . import hooks, naming

__all__ = ["checkpoint", "deterministic", "dlpack", "hooks", "naming", "serialization"]

_missing = missing(__name__)


def __getattr__(name: str) -> object:
    if name in ("checkpoint", "deterministic", "dlpack", "serialization"):  # imported when asked for
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    return _missing(name)
