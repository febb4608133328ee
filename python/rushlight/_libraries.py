"""einops and opt_einsum work on tensors: they are told of them when they are imported, before or after us."""

from __future__ import annotations

import sys


def _to_einops(backends: object) -> None:
    if not hasattr(backends, "TorchBackend"):
        return

    class RushlightBackend(backends.TorchBackend):
        # einops asks those of its classes whose framework_name is an imported module.
        framework_name = "rushlight"

        def __init__(self) -> None:
            self.torch = sys.modules["rushlight"]

    backends.RushlightBackend = RushlightBackend  # classes live as long as something refers to them


def _to_opt_einsum(dispatch: object) -> None:
    # It calls `tensordot`, `transpose` and `einsum` of the module with NumPy's arguments.
    aliases = getattr(dispatch, "_aliases", None)
    if aliases is None:
        return
    aliases["rushlight"] = "rushlight._opt_einsum"
    if hasattr(dispatch, "CONVERT_BACKENDS") and hasattr(dispatch, "EVAL_CONSTS_BACKENDS"):
        from . import _opt_einsum

        dispatch.CONVERT_BACKENDS["rushlight"] = _opt_einsum.build_expression
        dispatch.EVAL_CONSTS_BACKENDS["rushlight"] = _opt_einsum.evaluate_constants


_WAITING = {"einops._backends": _to_einops, "opt_einsum.backends.dispatch": _to_opt_einsum}


class _Finder:
    """Waits for the imports of these modules, then leaves sys.meta_path."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name not in _WAITING:
            return None
        import importlib.util

        register = _WAITING.pop(name)  # before it is looked for once more
        if not _WAITING:
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: object) -> None:
                execute(module)
                register(module)

            spec.loader.exec_module = execute_and_register
        return spec


def install() -> None:
    for name in [name for name in _WAITING if name in sys.modules]:
        _WAITING.pop(name)(sys.modules[name])
    if _WAITING:
        sys.meta_path.insert(0, _Finder())
