"""How this build of rushlight computes, as text for reports."""

from __future__ import annotations

import os
import platform

from . import _C
from ._missing import missing

missing(__name__)


def show() -> str:
    """The build: version, compiler of Python, instruction set in use, libraries."""
    from . import __version__

    return (
        f"rushlight {__version__} built with:\n"
        f"  - Python {platform.python_version()} ({platform.python_compiler()})\n"
        f"  - CPU capability usage: {_C._get_cpu_capability()}\n"
        "  - BLAS and LAPACK: OpenBLAS\n"
        "  - CUDA: none\n"
    )


def parallel_info() -> str:
    """The number of threads and what it is taken from."""
    lines = [f"get_num_threads() : {_C.get_num_threads()}", f"processors : {os.cpu_count()}", "Environment variables:"]
    for name in ("RUSHLIGHT_NUM_THREADS", "OMP_NUM_THREADS"):
        lines.append(f"\t{name} : {os.environ.get(name, '[not set]')}")
    return "\n".join(lines) + "\n"


def _cxx_flags() -> str:
    return ""
