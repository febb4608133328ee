"""Helpers shared by the Python package."""

from . import hooks, naming

__all__ = ["hooks", "naming"]
