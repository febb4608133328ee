"""Operations with derivatives written in Python."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable

from .. import _C

TYPE_CHECKING = False  # spares the import of typing
if TYPE_CHECKING:
    from typing import Any

__all__ = ["BackwardCFunction", "Function", "FunctionCtx", "FunctionMeta", "InplaceFunction", "once_differentiable"]


class FunctionCtx(_C._FunctionBase):
    """What ``forward`` hands to ``backward``: saved tensors, and any attributes."""


class BackwardCFunction(FunctionCtx):
    """Base of the contexts: one class per Function, named after it."""

    def apply(self, *grads: Any) -> Any:
        forward_cls = self._forward_cls
        backward, vjp = forward_cls.backward, forward_cls.vjp
        if vjp is not Function.vjp:
            if backward is not Function.backward:
                raise RuntimeError(
                    "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only "
                    "implement one of them."
                )
            backward = vjp
        return backward(self, *grads)

    def _is_compiled_autograd_tracing(self) -> bool:
        return False


class FunctionMeta(type):
    """Makes the class of the contexts along with a Function."""

    def __init__(cls, name, bases, attrs):
        cls._backward_cls = type(name + "Backward", (BackwardCFunction,), {"_forward_cls": cls})
        cls._separate_setup = cls.setup_context is not _no_setup
        # setup_context() also sees the arguments that were left to their defaults.
        cls._fills_defaults = cls._separate_setup and bool(getattr(cls.forward, "__defaults__", None))
        super().__init__(name, bases, attrs)


def _no_setup(ctx: Any, inputs: Any, output: Any) -> Any:
    """Fill ``ctx`` for backward(); for a ``forward`` that does not take ``ctx``."""
    raise NotImplementedError("setup_context is not implemented.")


class Function(metaclass=FunctionMeta):
    """An operation with a derivative of its own, called by ``apply``.

    ``forward(ctx, *args)`` computes the result. It may keep tensors with ``ctx.save_for_backward`` and other values as
    attributes of ``ctx``. Alternatively ``forward(*args)`` leaves that to ``setup_context(ctx, inputs, output)``.
    ``backward(ctx, *grads)`` gets a gradient per output and returns one per argument of ``apply``, None where there
    is none. Both are static methods.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            f"invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; to be overridden."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    setup_context = staticmethod(_no_setup)

    @staticmethod
    def backward(*args: Any, **kwargs: Any) -> Any:
        """Compute the gradients of the arguments; to be overridden."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @staticmethod
    def vjp(*args: Any, **kwargs: Any) -> Any:
        """The same as ``backward``, under another name."""
        return Function.backward(*args, **kwargs)

    apply = classmethod(_C._function_apply)


class InplaceFunction(Function):
    """Kept for old code; the same as Function."""


def _positional(cls, args, kwargs):
    """Bring keyword arguments of ``apply`` into the order of ``forward``."""
    given = args if cls._separate_setup else (None, *args)
    bound = inspect.signature(cls.forward).bind(*given, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(f"{cls.__name__}.apply() takes no keyword-only arguments: {', '.join(bound.kwargs)}")
    return bound.args if cls._separate_setup else bound.args[1:]


class _NoSecondDerivative(Function):
    @staticmethod
    def forward(ctx, *tensors):
        return tuple(t.detach() for t in tensors)

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a ``backward`` that is not differentiable itself: a second derivative raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx, *args):
        with _C.no_grad():
            outputs = fn(ctx, *args)
        if not _C.is_grad_enabled():
            return outputs
        if not any(isinstance(a, _C.Tensor) and a.requires_grad for a in args):
            return outputs
        single = not isinstance(outputs, tuple)
        values = (outputs,) if single else outputs
        tensors = [v.detach().requires_grad_() for v in values if v is not None]
        marked = iter(_NoSecondDerivative.apply(*tensors))
        result = tuple(None if v is None else next(marked) for v in values)
        return result[0] if single else result

    return wrapper
