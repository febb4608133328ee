"""Helpers shared by the Python package."""

from .._missing import missing
from . import hooks, naming

__all__ = ["hooks", "naming"]

__getattr__ = missing(__name__)
