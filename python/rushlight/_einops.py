"""einops works on tensors: its class for torch is derived for rushlight when einops is imported, before or after us."""

from __future__ import annotations

import sys

_MODULE = "einops._backends"


def _register(backends: object) -> None:
    if not hasattr(backends, "TorchBackend"):
        return

    class RushlightBackend(backends.TorchBackend):
        # einops asks those of its classes whose framework_name is an imported module.
        framework_name = "rushlight"

        def __init__(self) -> None:
            self.torch = sys.modules["rushlight"]

    backends.RushlightBackend = RushlightBackend  # classes live as long as something refers to them


class _Finder:
    """Waits for the import of einops's backends, then leaves sys.meta_path."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name != _MODULE:
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: object) -> None:
                execute(module)
                _register(module)

            spec.loader.exec_module = execute_and_register
        return spec


def install() -> None:
    if _MODULE in sys.modules:
        _register(sys.modules[_MODULE])
    else:
        sys.meta_path.insert(0, _Finder())
