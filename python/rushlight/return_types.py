"""The types of the named tuples that functions with several results return: torch.return_types.max and the like.

A type is known once a function that returns it has been called; those of max, min, sort, topk, median, nanmedian, mode,
kthvalue, cummax and cummin always. `max_out` is `max`.
"""

from __future__ import annotations

from . import _C


def __getattr__(name: str) -> type:
    found = getattr(_C.return_types, name.removesuffix("_out"), None)
    if found is None:
        raise AttributeError(f"rushlight has no torch.return_types.{name}")
    return found


def __dir__() -> list[str]:
    return sorted(n for n in vars(_C.return_types) if not n.startswith("_"))
