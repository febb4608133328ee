"""__torch_function__: how subclasses, other classes and modes take over functions, methods and attributes of tensors.

What has a handler is an argument whose class has ``__torch_function__`` (a Tensor subclass has one unless it set
``torch._C._disabled_torch_function_impl``), and a mode that is entered. Handlers are asked in this order: the innermost
mode, then arguments, subclasses before their bases and else from left to right, each class once. The first result that
is not NotImplemented counts.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Iterable, Iterator

import rushlight as _torch

from . import _C
from ._C import (
    _get_function_stack_at,
    _get_overloaded_args,  # noqa: F401
    _is_torch_function_mode_enabled,  # noqa: F401
    _len_torch_function_stack,
    _pop_torch_function_stack,
    _push_on_torch_function_stack,
    _skip_one_hop_torch_function,
)
from ._missing import missing

__all__ = [
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "resolve_name",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "wrap_torch_function",
    "enable_reentrant_dispatch",
    "redispatch_function",
]

has_torch_function_unary = _C._has_torch_function_unary
has_torch_function_variadic = _C._has_torch_function_variadic


def has_torch_function(relevant_args: Iterable) -> bool:
    """Whether a handler of one of the arguments, or a mode, is to be called. Plain tensors and Parameters have none."""
    return _C._has_torch_function(relevant_args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable, *args, **kwargs) -> object:
    """Call the handlers as ``handler(public_api, types, args, kwargs)`` until one gives a result.

    A function that can be taken over begins with
    ``if has_torch_function((x,)): return handle_torch_function(function, (x,), x)``.
    TypeError where no handler gives a result.
    """
    return _C._handle_torch_function(public_api, tuple(relevant_args), args, kwargs)


def wrap_torch_function(dispatcher: Callable[..., Iterable]) -> Callable[[Callable], Callable]:
    """Decorator: the function is taken over by handlers of what ``dispatcher(*args, **kwargs)`` returns."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def redispatch_function(func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> object:
    """Call ``func(*args, **kwargs)`` past its own handlers; what it calls is taken over again."""
    return _skip_one_hop_torch_function(func, types, args, kwargs)


def enable_reentrant_dispatch() -> contextlib.AbstractContextManager:
    """For programs that ask for it; calls inside a handler need nothing."""
    return contextlib.nullcontext()


def is_tensor_like(inp: object) -> bool:
    """Whether it is a tensor or an object of a class with __torch_function__."""
    return type(inp) is _C.Tensor or hasattr(inp, "__torch_function__")


# ---- modes


class TorchFunctionMode:
    """While entered (``with``), ``__torch_function__(self, func, types, args=(), kwargs=None)`` takes over every call.

    Also of functions without tensors, such as ``ones(2)``. Modes nest; while one runs, calls go to the next outer one.
    The stack of modes belongs to the thread.
    """

    inner: TorchFunctionMode

    def __init__(self) -> None:
        pass

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        _push_mode(self)
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        _pop_mode()

    @classmethod
    def push(cls, *args, **kwargs):
        """Deprecated: ``with cls(...)``."""
        warnings.warn("`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`", stacklevel=2)
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls what it takes over."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def _push_mode(mode: TorchFunctionMode) -> None:
    _push_on_torch_function_stack(mode)


def _pop_mode() -> TorchFunctionMode:
    return _pop_torch_function_stack()


def _get_current_function_mode_stack() -> list[TorchFunctionMode]:
    return [_get_function_stack_at(i) for i in range(_len_torch_function_stack())]


def _get_current_function_mode() -> TorchFunctionMode | None:
    depth = _len_torch_function_stack()
    return _get_function_stack_at(depth - 1) if depth else None


@contextlib.contextmanager
def _pop_mode_temporarily() -> Iterator[TorchFunctionMode]:
    mode = _pop_mode()
    try:
        yield mode
    finally:
        _push_mode(mode)


@contextlib.contextmanager
def _enable_torch_function() -> Iterator[None]:
    """Calls are taken over again inside DisableTorchFunction."""
    state = _C._swap_torch_function_state(0)
    try:
        yield
    finally:
        _C._swap_torch_function_state(state)


# ---- what can be taken over


def _namespaces() -> list[tuple[str, object]]:
    return [
        ("torch", _torch),
        ("torch.functional", _torch.functional),
        ("torch.nn.functional", _torch.nn.functional),
        ("torch.nn.init", _torch.nn.init),
        ("torch.Tensor", _torch.Tensor),
        ("torch.linalg", _torch.linalg),
        ("torch.fft", _torch.fft),
        ("torch.special", _torch.special),
    ]


_Wrapped = type(_C._overridable(is_tensor_like))
_Function = type(_C.add)
_Method = type(_C.Tensor.add)
_Getter = types.GetSetDescriptorType
# Operators and conversions that are slots of the class.
_SLOTS = frozenset(
    f"__{name}__"
    for name in (
        "abs add and bool contains eq float floordiv ge getitem gt iadd iand ifloordiv ilshift imod imul index int "
        "invert ior ipow irshift isub itruediv ixor le len lshift lt matmul mod mul ne neg or pos pow radd rand repr "
        "rfloordiv rlshift rmatmul rmod rmul ror rpow rrshift rshift rsub rtruediv rxor setitem sub truediv xor"
    ).split()
)


def _is_overridable(name: str, value: object) -> bool:
    if isinstance(value, (_Function, _Method)):
        return value._overridable
    return isinstance(value, (_Wrapped, _Getter)) or name in _SLOTS


@functools.cache
def _tables() -> tuple[dict[object, list[Callable]], dict[Callable, str], set[Callable]]:
    """Functions that can be taken over by namespace, names of all functions, functions that cannot be taken over."""
    found: dict[object, list[Callable]] = {}
    names: dict[Callable, str] = {}
    ignored: set[Callable] = set()
    for place, namespace in _namespaces():
        shared = place in ("torch.linalg", "torch.fft", "torch.special")  # names for functions of torch among them
        for name in dir(namespace):
            if namespace is not _torch.Tensor and (name.startswith("_") or name == "unique_dim"):
                continue
            value = getattr(namespace, name, None)
            if not callable(value) and not isinstance(value, _Getter):
                continue
            if isinstance(value, (type, types.ModuleType)) or name in (
                "__class__",
                "__new__",
                "__dict__",
                "__array_interface__",
            ):
                continue
            if isinstance(value, _Getter):
                get, put = value.__get__, value.__set__
                names[get] = f"{place}.{name}.__get__"
                names[put] = f"{place}.{name}.__set__"
                found.setdefault(value, []).append(get)
                continue
            try:
                if shared and value in names:
                    if not _is_overridable(name, value):
                        continue
                    found.setdefault(namespace, []).append(value)
                    continue
                names[value] = f"{place}.{name}"
            except TypeError:  # not hashable
                continue
            if _is_overridable(name, value):
                found.setdefault(namespace, []).append(value)
            else:
                ignored.add(value)
    return found, names, ignored


def get_overridable_functions() -> dict[object, list[Callable]]:
    """Functions that can be taken over, by their namespace; getters (``Tensor.shape.__get__``) by their attribute."""
    return {namespace: list(functions) for namespace, functions in _tables()[0].items()}


def get_ignored_functions() -> set[Callable]:
    """Public functions whose arguments cannot take them over, mostly since none is a tensor."""
    return set(_tables()[2])


def resolve_name(f: Callable) -> str | None:
    """The name of a function that a handler was given, such as "torch.Tensor.add"; None where it has none."""
    try:
        return _tables()[1].get(f)
    except TypeError:
        return None


def _shown_name(f: Callable) -> str:
    """The name for messages."""
    return resolve_name(f) or f"{getattr(f, '__module__', '')}.{getattr(f, '__qualname__', repr(f))}"


def _parameters(function: Callable) -> list[tuple[str, bool, bool]]:
    """(name, required, keyword only) of each parameter."""
    if isinstance(function, (_Function, _Method)):
        return list(function._parameters)
    if isinstance(function, _Wrapped):
        kinds = inspect.Parameter
        return [
            ("*" + p.name if p.kind is kinds.VAR_POSITIONAL else p.name, p.default is p.empty, p.kind is p.KEYWORD_ONLY)
            for p in inspect.signature(function).parameters.values()
            if p.kind is not kinds.VAR_KEYWORD
        ]
    count = {"__setitem__": 3, "__getitem__": 2, "__contains__": 2}.get(function.__name__, 0)
    if not count:
        unary = ("abs", "bool", "float", "index", "int", "invert", "len", "neg", "pos", "repr", "get")
        count = 1 if function.__name__.strip("_") in unary else 2
    return [(name, True, False) for name in ("self", "other", "value")[:count]]


def _constant(function: Callable) -> Callable:
    """A function with the parameters of another one that returns -1."""
    parts, star, optional = [], False, False
    for name, required, keyword_only in _parameters(function):
        if keyword_only and not star:
            parts.append("*")
            star = True
        star = star or name.startswith("*")
        optional = optional or not required
        parts.append(name if name.startswith("*") or not optional else f"{name}=None")
    # Slots cannot return -1. The names of parameters are the library's own.
    value = {"__len__": 0, "__bool__": False, "__contains__": False}.get(function.__name__, -1)
    return eval(f"lambda {', '.join(parts)}: {value}", {})


@functools.cache
def get_testing_overrides() -> dict[Callable, Callable]:
    """For every function that can be taken over one with the same parameters that returns -1."""
    return {f: _constant(f) for functions in _tables()[0].values() for f in functions}


def get_default_nowrap_functions() -> set[Callable]:
    """Getters whose results Tensor.__torch_function__ does not turn into the subclass."""
    return set(_C._default_nowrap_functions)


@functools.cache
def _tensor_methods() -> set[Callable]:
    found = _tables()[0]
    return {
        *found[_torch.Tensor],
        *(f for attribute, functions in found.items() if isinstance(attribute, _Getter) for f in functions),
    }


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether it is a method of Tensor or the getter or setter of an attribute."""
    return func in _tensor_methods() or getattr(func, "__name__", None) in ("__get__", "__set__")


missing(__name__)
