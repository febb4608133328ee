"""The __getattr__ of modules: what rushlight lacks is named as torch's."""

from __future__ import annotations

import sys
from collections.abc import Callable


def missing(module: str) -> Callable[[str], object]:
    """Gives a module a __getattr__ that raises AttributeError "rushlight has no torch.nn.Foo", and returns it.

    Set from here, so that type checkers see which names there are.
    """
    place = "torch" + module.removeprefix("rushlight")

    def __getattr__(name: str) -> object:
        raise AttributeError(f"rushlight has no {place}.{name}")

    sys.modules[module].__getattr__ = __getattr__
    return __getattr__
