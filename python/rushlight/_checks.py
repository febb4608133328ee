"""torch._check and its kin: conditions that raise with a message made only when they fail."""

from __future__ import annotations

from collections.abc import Callable

from . import _C

_Message = Callable[[], object] | None


def _raise(kind: type[Exception], message: _Message) -> None:
    if message is None:
        text = "Expected cond to be True, but got False."
    elif callable(message):
        text = str(message())
    else:
        raise TypeError("message must be a callable")
    raise kind(text)


def _check_with(error_type: type[Exception], cond: bool, message: _Message = None) -> None:
    """Raises error_type with message() unless cond, which must be a bool."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if not cond:
        _raise(error_type, message)


def _check(cond: bool, message: _Message = None) -> None:
    """RuntimeError with message() unless cond."""
    _check_with(RuntimeError, cond, message)


def _check_index(cond: bool, message: _Message = None) -> None:
    """IndexError with message() unless cond."""
    _check_with(IndexError, cond, message)


def _check_value(cond: bool, message: _Message = None) -> None:
    """ValueError with message() unless cond."""
    _check_with(ValueError, cond, message)


def _check_type(cond: bool, message: _Message = None) -> None:
    """TypeError with message() unless cond."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond: bool, message: _Message = None) -> None:
    """NotImplementedError with message() unless cond."""
    _check_with(NotImplementedError, cond, message)


def _check_is_size(i: int, message: _Message = None, *, max: int | None = None) -> None:
    """RuntimeError with message() unless 0 <= i (<= max)."""
    _check(i >= 0, message)
    if max is not None:
        _check(i <= max, message)


def _check_tensor_all_with(error_type: type[Exception], cond: _C.Tensor, message: _Message = None) -> None:
    """Raises error_type with message() unless all elements of a bool tensor are True."""
    if not isinstance(cond, _C.Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype is not _C.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(error_type, bool(cond.all()), message)


def _check_tensor_all(cond: _C.Tensor, message: _Message = None) -> None:
    """RuntimeError with message() unless all elements of a bool tensor are True."""
    _check_tensor_all_with(RuntimeError, cond, message)


def _assert_async(
    input: _C.Tensor, assert_msg: str = "Expected Tensor with single nonzero value, but got zero"
) -> None:
    """RuntimeError with assert_msg unless the one element of a tensor is nonzero."""
    if not input.is_nonzero():
        raise RuntimeError(assert_msg)
