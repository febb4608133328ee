"""Helpers that programs take from torch._utils."""

from __future__ import annotations

from collections.abc import Sequence

from . import _C
from ._missing import missing

missing(__name__)


def _element_size(dtype: _C.dtype) -> int:
    """Bytes of an element."""
    if not isinstance(dtype, _C.dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize


def _flatten_dense_tensors(tensors: Sequence[_C.Tensor]) -> _C.Tensor:
    """The elements of tensors of one dtype, one after the other in a new 1-d tensor."""
    return _C.cat([t.contiguous().view(-1) for t in tensors])


def _unflatten_dense_tensors(flat: _C.Tensor, tensors: Sequence[_C.Tensor]) -> tuple[_C.Tensor, ...]:
    """Views of parts of flat with the shapes of tensors: the inverse of _flatten_dense_tensors."""
    parts = flat.split([t.numel() for t in tensors])
    return tuple(part.view(t.shape) for part, t in zip(parts, tensors, strict=True))
