"""Settings of torch that choose between ways to compute. rushlight has one way, so most only remember their value."""

from __future__ import annotations

import builtins
import math
import sys
import warnings

from . import _C

_state = {
    "precision": "highest",
    "deterministic": False,
    "warn_only": False,
    "warn_always": False,
    "fill": True,
}
_MODES = {"default": 0, "warn": 1, "error": 2}


def get_float32_matmul_precision() -> str:
    """'highest', 'high' or 'medium'; products of float32 are computed in float32 whatever it is."""
    return _state["precision"]


def set_float32_matmul_precision(precision: str) -> None:
    """Remembers the precision; unknown names give a warning and change nothing, as in torch."""
    if precision not in ("highest", "high", "medium"):
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; it has no effect.", stacklevel=2)
        return
    _state["precision"] = precision


def _set_deterministic(**changes: builtins.bool) -> None:
    _state.update(changes)
    _C._set_fill_uninitialized(_state["deterministic"] and _state["fill"])


def use_deterministic_algorithms(mode: builtins.bool, *, warn_only: builtins.bool = False) -> None:
    """Every algorithm of rushlight is deterministic, but with True uninitialised memory is filled.

    torch.empty() and the like then give NaN or the largest integer, unless
    torch.utils.deterministic.fill_uninitialized_memory is False.
    """
    for name, value in (("'mode' (position 1)", mode), ("'warn_only'", warn_only)):
        if not isinstance(value, builtins.bool):
            raise TypeError(
                f"_set_deterministic_algorithms(): argument {name} must be bool, not {type(value).__name__}"
            )
    _set_deterministic(deterministic=mode, warn_only=warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    return _state["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return _state["warn_only"]


def set_deterministic_debug_mode(debug_mode: builtins.int | str) -> None:
    """0 'default', 1 'warn', 2 'error'. RuntimeError for anything else."""
    mode = _MODES.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        expected = "`default`, `warn`, `error`" if isinstance(debug_mode, str) else "0, 1, 2"
        raise RuntimeError(f"invalid value of debug_mode, expected one of {expected}, but got {debug_mode}")
    _set_deterministic(deterministic=mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> builtins.int:
    return 0 if not _state["deterministic"] else 1 if _state["warn_only"] else 2


def is_warn_always_enabled() -> bool:
    return _state["warn_always"]


def set_warn_always(b: bool) -> None:
    _state["warn_always"] = bool(b)


def get_num_interop_threads() -> builtins.int:
    """1: operations run one after the other on the calling thread."""
    return 1


def set_num_interop_threads(num: builtins.int) -> None:
    """Accepted without effect. RuntimeError unless positive."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers are always kept."""
    return False


def init_num_threads() -> None:
    """Nothing: the number of threads is known from the start."""


def is_vulkan_available() -> bool:
    return False


def compiled_with_cxx11_abi() -> bool:
    return True


def get_device_module(device: object = None) -> object:
    """The module of a kind of device, such as rushlight.cuda. RuntimeError where there is none."""
    kind = (_C.get_default_device() if device is None else _C.device(device)).type
    module = getattr(sys.modules[__package__], kind, None)
    if module is None:
        raise RuntimeError(f"Invalid device module name: '{kind}' does not have a corresponding module registered")
    return module


# ---- numbers that may be symbols in torch


def sym_float(a):
    """float(a); what is a float already stays."""
    return a if isinstance(a, float) else builtins.float(a)


def sym_int(a):
    """a rounded towards 0."""
    return a if isinstance(a, int) else math.floor(a) if a >= 0 else math.ceil(a)


def sym_max(a, b):
    """max(a, b), a float where either is one."""
    return builtins.float(max(a, b)) if isinstance(a, float) or isinstance(b, float) else max(a, b)


def sym_min(a, b):
    """min(a, b), a float where either is one."""
    return builtins.float(min(a, b)) if isinstance(a, float) or isinstance(b, float) else min(a, b)


def sym_not(a):
    return not a


def sym_ite(b, t, f):
    return t if b else f


def sym_sum(args):
    return sum(args)


def sym_sqrt(a):
    return math.sqrt(a)


def typename(obj: object, /) -> str:
    """The name of an object's type with its module; of tensors the type's legacy name, 'torch.FloatTensor'."""
    if isinstance(obj, _C.Tensor):
        return obj.type()
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "") or ""
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"
