"""Signal processing: torch.signal."""

from .._missing import missing
from . import windows

__all__ = ["windows"]

missing(__name__)
