"""Per-tensor affine quantisation: real value = (stored integer - zero_point) * scale, one pair for the whole tensor.

A QTensor is a small Python object around the integer tensor, not a Tensor: it stores, shows and dequantises.
"""

import sys

from . import _tensor_str

_rl = None  # the namespace that owns the tensor functions and dtypes; None means this package


def _namespace():
    global _rl
    if _rl is None:
        _rl = sys.modules[__package__]
    return _rl


def _storage_of(dtype):
    """(dtype of the stored integers, least, greatest) for a quantised dtype. RuntimeError for any other."""
    ns = _namespace()
    if dtype == ns.quint8:
        return ns.uint8, 0, 255
    if dtype == ns.qint8:
        return ns.int8, -128, 127
    if dtype == ns.qint32:
        return ns.int32, -(2**31), 2**31 - 1
    raise RuntimeError(f"quantize_per_tensor: dtype must be torch.quint8, torch.qint8 or torch.qint32, got {dtype}")


class QTensor:
    """A quantised tensor: integers of some shape with one scale and one zero point."""

    __slots__ = ("_integers", "_scale", "_zero_point", "_dtype")
    is_quantized = True
    requires_grad = False

    def __init__(self, integers, scale, zero_point, dtype):
        self._integers = integers
        self._scale = scale
        self._zero_point = zero_point
        self._dtype = dtype

    def int_repr(self):
        """A copy of the stored integers: uint8, int8 or int32."""
        return self._integers.clone()

    def dequantize(self):
        """The real values they stand for, as float32."""
        ns = _namespace()
        return (self._integers.to(ns.float32) - self._zero_point) * self._scale

    def q_scale(self):
        """The distance between neighbouring real values."""
        return self._scale

    def q_zero_point(self):
        """The integer that stands for 0."""
        return self._zero_point

    def qscheme(self):
        """torch.per_tensor_affine, or its name where the namespace does not define it."""
        return getattr(_namespace(), "per_tensor_affine", "torch.per_tensor_affine")

    @property
    def dtype(self):
        """quint8, qint8 or qint32."""
        return self._dtype

    @property
    def shape(self):
        """The size of each dimension."""
        return self._integers.shape

    @property
    def device(self):
        """The device that holds the integers."""
        return self._integers.device

    @property
    def ndim(self):
        """The number of dimensions."""
        return self._integers.dim()

    def dim(self):
        """The number of dimensions."""
        return self._integers.dim()

    def size(self, dim=None):
        """The shape, or the size of one dimension."""
        return self._integers.size() if dim is None else self._integers.size(dim)

    def numel(self):
        """The number of elements."""
        return self._integers.numel()

    def tolist(self):
        """The real values as nested lists of Python floats."""
        return self.dequantize().tolist()

    def __len__(self):
        return len(self._integers)

    def __getitem__(self, index):
        return QTensor(self._integers[index], self._scale, self._zero_point, self._dtype)

    def __repr__(self):
        prefix = "tensor("
        suffixes = [f"device='{self.device}'"] if self.device.type != "cpu" else []
        suffixes += [
            f"size={tuple(self.shape)}",
            f"dtype={self.dtype}",
            f"quantization_scheme={self.qscheme()}",
            f"scale={self._scale}",
            f"zero_point={self._zero_point}",
        ]
        body = _tensor_str._contents(self.dequantize(), len(prefix))
        return _tensor_str._with_suffixes(prefix + body, suffixes, len(prefix))


def quantize_per_tensor(input, scale, zero_point, dtype):
    """Quantise a float32 tensor: round(input / scale + zero_point), ties to even, kept within the range of dtype.

    scale: number or one-element tensor. zero_point: integer or one-element integer tensor, in the range of dtype.
    dtype: torch.quint8, torch.qint8 or torch.qint32. Returns a QTensor. NaN becomes the greatest integer, in qint32
    the least. RuntimeError for any other dtype or a zero_point out of range.
    """
    ns = _namespace()
    stored, least, greatest = _storage_of(dtype)
    if input.dtype != ns.float32:
        raise RuntimeError(f"Quantize only works on Float Tensor, got {input.dtype}")
    scale = float(scale)
    if isinstance(zero_point, ns.Tensor):
        zero_point = zero_point.item()
    if not isinstance(zero_point, int):
        raise TypeError(f"quantize_per_tensor: zero_point must be an integer, got {type(zero_point).__name__}")
    if zero_point > greatest:
        raise RuntimeError(f"quantize_tensor_per_tensor_affine zero_point {zero_point} is above upper bound.")
    if zero_point < least:
        raise RuntimeError(f"quantize_tensor_per_tensor_affine zero_point {zero_point} is below lower bound.")
    # As torch: multiply by the float32 reciprocal and add in float32. Clamp in float64, which holds 2**31 - 1.
    inverse = (1.0 / ns.tensor(scale, dtype=ns.float32)).item()
    real = (input.detach() * inverse + zero_point).to(ns.float64)
    missing = float(least if dtype == ns.qint32 else greatest)
    real = ns.where(real.isnan(), ns.full_like(real, missing), real)
    return QTensor(real.round().clamp(least, greatest).to(stored), scale, zero_point, dtype)
