"""What torch.use_deterministic_algorithms(True) does beyond the choice of algorithms."""

from __future__ import annotations

import sys
import types

from .. import _settings


class _Module(types.ModuleType):
    @property
    def fill_uninitialized_memory(self) -> bool:
        """Whether torch.empty(), resize_() and the like fill memory with NaN or the largest integer. Default True."""
        return _settings._state["fill"]

    @fill_uninitialized_memory.setter
    def fill_uninitialized_memory(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"fill_uninitialized_memory must be bool, not {type(mode).__name__}")
        _settings._set_deterministic(fill=mode)


sys.modules[__name__].__class__ = _Module
