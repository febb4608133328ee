"""Derivatives: ``backward``, ``grad``, custom functions, and tools built on them.

``functional`` (jacobian, hessian, vjp, jvp, hvp, vhp) and ``gradcheck`` are imported when first asked for.
"""

from __future__ import annotations

from .._C import (
    _autograd_backward as backward,
)
from .._C import (
    _autograd_grad as grad,
)
from .._C import (
    _SavedTensor as SavedTensor,  # noqa: F401
)
from .._C import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

_LAZY_MODULES = ("anomaly_mode", "function", "functional", "grad_mode", "graph", "variable")
_LAZY = {
    "Function": "function",
    "Variable": "variable",
    "detect_anomaly": "anomaly_mode",
    "is_multithreading_enabled": "grad_mode",
    "set_detect_anomaly": "anomaly_mode",
    "set_multithreading_enabled": "grad_mode",
    "gradcheck": "gradcheck",
    "gradgradcheck": "gradcheck",
    "enforce_grad_layout_policy": "grad_mode",
}


def __getattr__(name: str) -> object:
    import importlib

    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _LAZY:
        raise AttributeError(f"rushlight has no torch.autograd.{name}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LAZY_MODULES})
