"""Handles returned when a hook is registered."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict

__all__ = ["RemovableHandle"]

_ids = itertools.count()


class RemovableHandle:
    """Removes a hook from the dict it was registered in; usable as a context manager.

    ``extra_dict`` names further dicts, keyed by the same id, that hold options of the hook.
    The dicts are OrderedDicts (a plain dict takes no weak references) and are held weakly: a handle
    never keeps a module alive.
    """

    def __init__(self, hooks_dict, *, extra_dict=()):
        if isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.id = next(_ids)
        self._hooks = weakref.ref(hooks_dict)
        self._extra = tuple(weakref.ref(d) for d in extra_dict)

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        for ref in (self._hooks, *self._extra):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return self.id, self._hooks(), tuple(ref() for ref in self._extra)

    def __setstate__(self, state):
        self.id, hooks, extra = state
        self._hooks = weakref.ref(OrderedDict() if hooks is None else hooks)
        self._extra = tuple(weakref.ref(OrderedDict() if d is None else d) for d in extra)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()
