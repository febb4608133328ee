"""The multiprocessing of the standard library, by which tensors go to other processes as shared memory.

What it exports is multiprocessing's own, with spawn() and start_processes() beside it. Tensors, Parameters and storages
that go through queues and pipes or are arguments of processes are not copied: the memory of what is sent is moved to
shared memory once, and both sides see the same bytes.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403

from . import reductions
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
    *multiprocessing.__all__,
]

reductions.init_reductions()

_STRATEGIES = frozenset(("file_descriptor", "file_system"))


def set_sharing_strategy(new_strategy: str) -> None:
    """How memory is handed on from now on.

    'file_descriptor' (the default): a descriptor of it is sent. 'file_system': the receiver opens it by a path; the
    process that sent it must live until then.
    """
    if new_strategy not in _STRATEGIES:
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}, expected one of {set(_STRATEGIES)}")
    reductions.strategy = new_strategy


def get_sharing_strategy() -> str:
    """The strategy that set_sharing_strategy() chose."""
    return reductions.strategy


def get_all_sharing_strategies() -> set[str]:
    """What set_sharing_strategy() takes."""
    return set(_STRATEGIES)
