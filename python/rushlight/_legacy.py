"""Constructors of one dtype each: FloatTensor, LongTensor and the like."""

from __future__ import annotations

import warnings

from . import _C


class _TypedConstructor(type):
    def __new__(mcs, name, bases, namespace, **kwargs):
        for base in bases:
            if isinstance(base, _TypedConstructor):
                raise TypeError(f"type 'torch.{base.__name__}' is not an acceptable base type")
        return super().__new__(mcs, name, bases, namespace, **kwargs)

    is_cuda = is_xpu = is_sparse = False
    is_cpu = True

    def __call__(cls, *args, device=None):
        """(*sizes) for uninitialised memory, (sequence) for its values."""
        if device is not None and _C.device(device).type != "cpu":
            raise RuntimeError(
                f"legacy constructor expects device type: cpu but device type: {_C.device(device).type} was passed"
            )
        if not args:
            return _C.empty(0, dtype=cls.dtype)
        if len(args) == 1 and isinstance(args[0], _C.Size):
            return _C.empty(args[0], dtype=cls.dtype)
        if isinstance(args[0], int) and not isinstance(args[0], bool):
            return _C.empty(*args, dtype=cls.dtype)
        if len(args) > 1:
            raise TypeError(
                f"new() received an invalid combination of arguments - takes data or sizes, got {len(args)} arguments"
            )
        if isinstance(args[0], _C.Tensor):
            if args[0].dtype is not cls.dtype:
                raise TypeError(f"expected torch.{cls.__name__} (got {args[0].type()})")
            return args[0].detach()
        if isinstance(args[0], (float, str)):
            raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")
        if isinstance(args[0], _C.UntypedStorage) or hasattr(args[0], "_untyped_storage"):
            return _C.empty(0, dtype=cls.dtype).set_(args[0])
        return _C.tensor(args[0], dtype=cls.dtype)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _C.Tensor) and instance.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


_NAMES = {
    "FloatTensor": _C.float32,
    "DoubleTensor": _C.float64,
    "HalfTensor": _C.float16,
    "BFloat16Tensor": _C.bfloat16,
    "ByteTensor": _C.uint8,
    "CharTensor": _C.int8,
    "ShortTensor": _C.int16,
    "IntTensor": _C.int32,
    "LongTensor": _C.int64,
    "BoolTensor": _C.bool,
    "ComplexFloatTensor": _C.complex64,
    "ComplexDoubleTensor": _C.complex128,
}
for _name, _dtype in _NAMES.items():
    globals()[_name] = _TypedConstructor(_name, (), {"dtype": _dtype, "__module__": "torch"})
_tensor_classes = {globals()[_name] for _name in _NAMES}


def set_default_tensor_type(t: type | str) -> None:
    """Deprecated: set_default_dtype() with the dtype of a constructor such as torch.DoubleTensor."""
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives.",
        UserWarning,
        stacklevel=2,
    )
    if isinstance(t, str):
        t = globals().get(t.removeprefix("torch."))
    dtype = getattr(t, "dtype", None)
    if getattr(t, "__module__", "") == "rushlight.cuda":
        raise TypeError(
            f"type torch.cuda.{t.__name__} not available. Torch not compiled with CUDA enabled: rushlight has no CUDA "
            "backend loaded"
        )
    if not isinstance(dtype, _C.dtype):
        raise TypeError("invalid type object")
    _C.set_default_dtype(dtype)
