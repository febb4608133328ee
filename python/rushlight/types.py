"""Names for annotations."""

from __future__ import annotations

import builtins
import os
from typing import IO, TypeAlias, Union

from . import _C
from .storage import TypedStorage

__all__ = ["Number", "Device", "FileLike", "Storage"]

Device: TypeAlias = Union[_C.device, str, int, None]  # noqa: UP007
FileLike: TypeAlias = Union[str, os.PathLike[str], IO[bytes]]  # noqa: UP007
Number: TypeAlias = int | float | bool
Storage: TypeAlias = _C.UntypedStorage | TypedStorage

_int, _float, _bool, _complex = builtins.int, builtins.float, builtins.bool, builtins.complex
_size = _C.Size | list[int] | tuple[int, ...]
_dtype, _device = _C.dtype, _C.device
