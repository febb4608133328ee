"""Helpers shared by the Python package. ``checkpoint`` is imported when first asked for."""

from .._missing import missing
from . import hooks, naming

__all__ = ["checkpoint", "hooks", "naming"]

_missing = missing(__name__)


def __getattr__(name: str) -> object:
    if name == "checkpoint":
        import importlib

        return importlib.import_module(f"{__name__}.checkpoint")
    return _missing(name)
