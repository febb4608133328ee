"""Small constant types of the torch namespace: layouts, memory formats, finfo and iinfo."""

from __future__ import annotations

from . import _C


class layout:
    """How a tensor lies in memory; rushlight has strided tensors only."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format:
    """Order of the dims in memory."""

    __slots__ = ("_format", "_name")

    def __init__(self, name: str, format: int) -> None:
        self._name, self._format = name, format

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


strided = layout("strided")
sparse_coo = layout("sparse_coo")
# The numbers are those of MemoryFormat in rushlight/shape.h.
contiguous_format = memory_format("contiguous_format", 0)
preserve_format = memory_format("preserve_format", 1)
channels_last = memory_format("channels_last", 2)
channels_last_3d = memory_format("channels_last_3d", 3)

# bits, eps, max, tiny, smallest subnormal, resolution
_FLOATS = {
    "float16": (16, 2.0**-10, 65504.0, 2.0**-14, 2.0**-24, 1e-3),
    "bfloat16": (16, 2.0**-7, float.fromhex("0x1.fep127"), 2.0**-126, 2.0**-133, 1e-2),
    "float32": (32, 2.0**-23, float.fromhex("0x1.fffffep127"), 2.0**-126, 2.0**-149, 1e-6),
    "float64": (64, 2.0**-52, float.fromhex("0x1.fffffffffffffp1023"), 2.0**-1022, 5e-324, 1e-15),
}


def _name(dtype: object) -> str:
    return str(dtype).rpartition(".")[2]


class finfo:
    """Limits of a floating point dtype (the default dtype if none is given).

    Attributes: bits, eps, max, min, tiny (smallest normal number), smallest_normal, resolution, dtype.
    """

    def __init__(self, type: _C.dtype | None = None) -> None:
        dtype = _C.get_default_dtype() if type is None else type
        if not isinstance(dtype, _C.dtype):
            raise TypeError(
                f"finfo(): argument 'type' (position 1) must be torch.dtype, not {dtype.__class__.__name__}"
            )
        name = _name(dtype.to_real())
        if name not in _FLOATS:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{dtype}'")
        self.bits, self.eps, self.max, self.tiny, self._subnormal, self.resolution = _FLOATS[name]
        self.min, self.smallest_normal, self.dtype = -self.max, self.tiny, name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer dtype. Attributes: bits, max, min, dtype."""

    def __init__(self, type: _C.dtype) -> None:
        if not isinstance(type, _C.dtype):
            raise TypeError(f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {type.__class__.__name__}")
        if type.is_floating_point or type.is_complex or type is _C.bool:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        self.bits, self.dtype = 8 * type.itemsize, _name(type)
        self.max = 2 ** (self.bits - type.is_signed) - 1
        self.min = -self.max - 1 if type.is_signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)
