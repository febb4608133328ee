"""The __getattr__ of modules: what rushlight lacks is named as torch's."""

from __future__ import annotations

from collections.abc import Callable


def missing(module: str) -> Callable[[str], object]:
    """For `__getattr__ = missing(__name__)` in a module: AttributeError "rushlight has no torch.nn.Foo"."""
    place = "torch" + module.removeprefix("rushlight")

    def __getattr__(name: str) -> object:
        raise AttributeError(f"rushlight has no {place}.{name}")

    return __getattr__
