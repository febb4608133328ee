"""``Variable``, the name that tensors with derivatives once had."""

from __future__ import annotations

from .. import _C

__all__ = ["Variable"]


class _Engine:
    """What torch's engine offers to callbacks."""

    @staticmethod
    def queue_callback(callback) -> None:
        """Call ``callback()`` when the backward that is running on this thread is done. RuntimeError without one."""
        _C._queue_callback(callback)


class _VariableMeta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, _C.Tensor)


class Variable(metaclass=_VariableMeta):
    """``Variable(data, requires_grad=False)`` is a tensor on the memory of ``data``."""

    _execution_engine = _Engine()

    def __new__(cls, data, requires_grad=False, volatile=None):
        return data.detach().requires_grad_(requires_grad)
