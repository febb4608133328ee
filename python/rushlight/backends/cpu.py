"""The processor's instruction set."""

from __future__ import annotations

from .. import _C


def get_cpu_capability() -> str:
    """'AVX512', 'AVX2' or 'DEFAULT': the kernels that run."""
    return _C._get_cpu_capability()
