"""What computes behind the operations: rushlight's own kernels, and OpenBLAS for some products.

The modules of other libraries say that they are not there; their switches keep the values that programs give them and
change nothing.
"""

from __future__ import annotations

import importlib

_MODULES = ("cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"rushlight has no torch.backends.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
