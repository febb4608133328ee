"""Signal processing: torch.signal."""

from .._missing import missing
from . import windows

__all__ = ["windows"]

__getattr__ = missing(__name__)
