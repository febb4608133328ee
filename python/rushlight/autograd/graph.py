"""The recorded graph: its nodes, the edge behind a tensor, what is kept for backward, and hooks on several tensors."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _C
from .._C import _Node

if TYPE_CHECKING:
    from ..utils.hooks import RemovableHandle

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class _NodeMeta(type):
    def __instancecheck__(cls, instance) -> bool:
        return isinstance(instance, (_Node, _C._FunctionBase))

    def __subclasscheck__(cls, subclass) -> bool:
        return subclass is cls or issubclass(subclass, (_Node, _C._FunctionBase))


class Node(metaclass=_NodeMeta):
    """What every ``grad_fn`` is an instance of: recorded operations and contexts of custom functions alike."""

    if TYPE_CHECKING:  # what both have

        def name(self) -> str: ...
        @property
        def next_functions(self) -> tuple[tuple[Node | None, int], ...]: ...
        @property
        def metadata(self) -> dict[Any, Any]: ...
        def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle: ...
        def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle: ...


class GradientEdge(NamedTuple):
    """The place where the gradient of a tensor arrives: a node and the number of its output."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor: _C.Tensor) -> GradientEdge:
    """Return the edge of a tensor that requires grad; for a leaf, that of its AccumulateGrad node."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    if node is None:
        with _C.enable_grad():
            node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
    return GradientEdge(node, tensor.output_nr)


def increment_version(tensor: _C.Tensor | Sequence[_C.Tensor]) -> None:
    """Count a change in place that was made behind the library's back. Takes a tensor or several."""
    for t in (tensor,) if isinstance(tensor, _C.Tensor) else tensor:
        _C._increment_version(t)


class saved_tensors_hooks:
    """Inside, ``pack_hook(tensor)`` makes what is kept of every saved tensor, ``unpack_hook(packed)`` a tensor again.

    The innermost pair counts. pack_hook must not change its argument in place. Only for the thread that entered.
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _C._autograd._push_saved_tensors_default_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *args: object) -> None:
        _C._autograd._pop_saved_tensors_default_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Inside, saved tensors are kept in the memory of the processor and go back to their device when needed.

    pin_memory: as torch's; without effect here. device_type: of the device that ``pin_memory`` is for.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor):
            return tensor.device, tensor.cpu()

        def unpack(packed):
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str):
    """Inside, entering ``saved_tensors_hooks`` raises RuntimeError with this message."""
    before = _C._autograd._saved_tensors_hooks_get_disabled_error_message()
    _C._autograd._saved_tensors_hooks_disable(error_message)
    try:
        yield
    finally:
        if before is None:
            _C._autograd._saved_tensors_hooks_enable()
        else:
            _C._autograd._saved_tensors_hooks_disable(before)


class _Handles:
    """Handles that are removed together."""

    def __init__(self, handles) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence, fn: Callable, *, mode: str = "all"):
    """Call ``fn`` once per backward with the gradients of several tensors; returns a handle with ``remove()``.

    mode "all": fn(grads), a list with None for tensors that this backward does not reach, once the last gradient has
    been computed. mode "any": fn(grad) with the first one.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()

    if mode == "any":
        seen: set = set()

        @functools.wraps(fn)
        def first(grad):
            run = _C._current_graph_task_id()
            with lock:
                if run in seen:
                    return
                seen.add(run)
            _C._queue_callback(lambda: seen.discard(run))
            fn(grad)

        return _Handles([t.register_hook(first) for t in tensors if t.requires_grad])

    nodes = [get_gradient_edge(t).node for t in tensors]
    states: dict = {}  # per backward: how many gradients it will bring, how many came, and those

    def hook_of(index):
        def inner(grad):
            run = _C._current_graph_task_id()
            if run < 0:
                raise RuntimeError("expected this hook to be called inside a backward call")
            with lock:
                state = states.get(run)
                if state is None:
                    expected = sum(_C._will_engine_execute_node(node) for node in nodes)
                    state = states[run] = [expected, 0, [None] * len(nodes)]
                    _C._queue_callback(lambda: states.pop(run, None))
                state[1] += 1
                state[2][index] = grad
                complete = state[0] == state[1]
            if complete:
                fn(state[2])

        return inner

    return _Handles([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])


class _Copies:
    """What allow_mutation_on_saved_tensors() keeps."""

    def __init__(self) -> None:
        self._kept: list[list] = []

    def clear(self) -> None:
        """Lets go of all copies; derivatives that need one raise RuntimeError."""
        for cell in self._kept:
            cell.clear()
        self._kept.clear()


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Copies]:
    """In this block tensors that derivatives need may be changed in place: copies of them are kept.

    torch copies at the first change; here every tensor that is saved in the block is copied. Run backward() in the
    block, too: the copies go at its end.
    """
    copies = _Copies()

    def pack(tensor):
        cell = [tensor.clone()]
        copies._kept.append(cell)
        return cell

    def unpack(cell):
        if not cell:
            raise RuntimeError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was "
                "originally recorded."
            )
        return cell[0]

    with saved_tensors_hooks(pack, unpack):
        try:
            yield copies
        finally:
            copies.clear()
