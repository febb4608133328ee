"""Switches of CUDA products; accepted without effect."""

from __future__ import annotations


class _Switches:
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


matmul = _Switches(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)


def is_built() -> bool:
    """Whether a CUDA backend was built."""
    return False
