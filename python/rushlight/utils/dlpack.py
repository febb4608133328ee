"""Exchange of tensors by DLPack."""

from .._C import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor) -> object:
    """A DLPack capsule of the tensor's memory, for one use by from_dlpack() of any library."""
    return tensor.__dlpack__()
