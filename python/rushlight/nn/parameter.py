"""Tensors that a Module registers when they are assigned to it."""

from __future__ import annotations

from collections import OrderedDict

import rushlight as rl

TYPE_CHECKING = False  # spares the import of typing
if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Parameter", "Buffer"]


def _rebuild_parameter(data, requires_grad, backward_hooks):
    """Make a Parameter from its pickled parts (backward hooks are not restored)."""
    return Parameter(data, requires_grad)


class _ParameterMeta(type(rl.Tensor)):
    def __instancecheck__(cls, instance):
        # A Parameter of a subclass of Tensor is an instance of that subclass with a mark.
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, rl.Tensor) and getattr(instance, "_is_param", False)


class Parameter(rl.Tensor, metaclass=_ParameterMeta):
    """A leaf tensor that a Module lists among its parameters.

    Shares the storage of ``data``; without ``data`` it is an empty tensor. ``requires_grad`` defaults to True
    and asks for a floating-point or complex dtype.
    """

    def __new__(cls, data: rl.Tensor | None = None, requires_grad: bool = True) -> Self:
        if data is None:
            data = rl.empty(0)
        elif not isinstance(data, rl.Tensor):
            raise TypeError(f"Parameter data should be a Tensor, but got {type(data).__name__}")
        elif type(data) is not rl.Tensor and not isinstance(data, Parameter):
            made = data.detach().requires_grad_(requires_grad)
            if type(made) is not type(data):
                raise RuntimeError(
                    f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() "
                    f"returns an instance of the same type, but it returned {type(made).__name__}. To use the type as "
                    "a Parameter, correct the detach() semantics of its __torch_function__."
                )
            made._is_param = True
            return made
        return rl.Tensor._make_subclass(cls, data, requires_grad)

    __torch_function__ = rl._C._disabled_torch_function_impl

    def __deepcopy__(self, memo) -> Self:
        if id(self) in memo:
            return memo[id(self)]
        copy = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        plain = self.detach().requires_grad_(self.requires_grad)  # prints as tensor(...), not as a subclass
        return f"Parameter containing:\n{plain!r}"

    def __reduce_ex__(self, protocol):
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


class _BufferMeta(type(rl.Tensor)):
    def __instancecheck__(cls, instance):
        if cls is not Buffer:
            return super().__instancecheck__(instance)
        return isinstance(instance, rl.Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(rl.Tensor, metaclass=_BufferMeta):
    """A tensor that a Module registers as a buffer when it is assigned.

    ``Buffer(data, persistent=True)`` returns a plain Tensor marked as a buffer, sharing the storage of ``data``.
    A buffer with ``persistent=False`` is left out of ``state_dict()``.
    """

    def __new__(cls, data: rl.Tensor | None = None, *, persistent: bool = True) -> Self:
        if data is None:
            data = rl.empty(0)
        tensor = data.detach().requires_grad_(data.requires_grad)
        tensor._is_buffer = True
        tensor.persistent = persistent
        return tensor

    __torch_function__ = rl._C._disabled_torch_function_impl
