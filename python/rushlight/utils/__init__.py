"""Helpers shared by the Python package."""

from .._missing import missing
from . import hooks, naming

__all__ = ["hooks", "naming"]

_missing = missing(__name__)


def __getattr__(name: str) -> object:
    if name == "dlpack":
        import importlib

        return importlib.import_module(f"{__name__}.dlpack")
    return _missing(name)
