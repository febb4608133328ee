"""Functions that need no kernel of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from . import _C


@contextlib.contextmanager
def fork_rng(devices: object = None, enabled: bool = True) -> Iterator[None]:
    """Restores the state of the default generator at the end of the block."""
    state = _C.get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            _C.set_rng_state(state)
