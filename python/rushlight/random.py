"""The default generator as a module: torch.random."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from . import _C
from ._missing import missing

manual_seed = _C.manual_seed
seed = _C.seed
initial_seed = _C.initial_seed
get_rng_state = _C.get_rng_state
set_rng_state = _C.set_rng_state
default_generator = _C.default_generator

__all__ = ["set_rng_state", "get_rng_state", "manual_seed", "seed", "initial_seed", "fork_rng", "thread_safe_generator"]


@contextlib.contextmanager
def fork_rng(
    devices: Iterable | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Restores the state of the default generator at the end of the block, if enabled."""
    del devices, _caller, _devices_kw, device_type  # there are no generators of other devices
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)


def thread_safe_generator() -> _C.Generator | None:
    """A generator of the calling thread; None: the default generator serves all threads."""
    return None


missing(__name__)
