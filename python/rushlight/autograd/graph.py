"""The recorded graph: its nodes, the edge behind a tensor, hooks on several tensors and on what derivatives keep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from .. import _C
from .._C import _Node as Node
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


class GradientEdge(NamedTuple):
    """The place where the gradient of a tensor arrives: a node and the number of its output."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor) -> GradientEdge:
    """Return the edge of a tensor that requires grad; for a leaf, that of its AccumulateGrad node."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    if node is None:
        node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
    return GradientEdge(node, tensor.output_nr)


def increment_version(tensor) -> None:
    """Says that a tensor, or each of several, was changed in place behind autograd's back."""
    for t in (tensor,) if isinstance(tensor, _C.Tensor) else tensor:
        _C._bump_version(t)


class saved_tensors_hooks:
    """In this `with` block pack_hook(tensor) gives what is kept instead of a tensor that a derivative needs, and
    unpack_hook(kept) gives the tensor back, of the same shape and dtype. The innermost pair counts.

    pack_hook runs without recording and must not change its argument. RuntimeError on entry while hooks are disabled.
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _C._push_saved_tensor_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *error: object) -> None:
        _C._pop_saved_tensor_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keeps what derivatives need on the CPU, as copies, and moves it back to its device. pin_memory has no effect."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor):
            kept = _C.empty_like(tensor, device="cpu")
            kept.copy_(tensor)
            return tensor.device, kept

        def unpack(packed):
            device, kept = packed
            return kept.to(device)

        super().__init__(pack, unpack)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """In this block saved_tensors_hooks raises RuntimeError(error_message)."""
    before = _C._disable_saved_tensor_hooks(error_message)
    try:
        yield
    finally:
        _C._disable_saved_tensor_hooks(before)


class _Copies:
    """What allow_mutation_on_saved_tensors() keeps."""

    def __init__(self) -> None:
        self._kept: list[list] = []

    def clear(self) -> None:
        """Lets go of all copies; derivatives that need one raise RuntimeError."""
        for cell in self._kept:
            cell.clear()
        self._kept.clear()


@contextmanager
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


class _MultiHandle(RemovableHandle):
    """Takes all hooks of register_multi_grad_hook() away."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __getstate__(self):
        return self.handles

    def __setstate__(self, state) -> None:
        self.handles = state


def _expected_calls(nodes: Sequence[Node | None]) -> int:
    """How many of the nodes the running backward reaches."""
    return sum(bool(reached) for reached in _C._will_run(nodes))


def register_multi_grad_hook(tensors: Sequence, fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Calls fn with the gradients of all tensors (None for those that got none) when a backward has made all of them,
    or with the first that is made (mode="any")."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    if mode == "any":
        called: set[int] = set()

        def first(grad):
            run = _C._current_backward()
            with lock:
                if run in called:
                    return
                called.clear()
                called.add(run)
            fn(grad)

        return _MultiHandle([t.register_hook(first) for t in tensors])

    counts: dict[int, int] = {}
    expected: dict[int, int] = {}
    gradients: dict[int, list] = {}
    nodes = [get_gradient_edge(t).node for t in tensors]

    def hook_of(i: int) -> Callable:
        def hook(grad):
            run = _C._current_backward()
            if run == -1:
                raise RuntimeError("expected this hook to be called inside a backward call")
            with lock:
                if run not in counts:
                    expected[run] = _expected_calls(nodes)
                count = counts[run] = counts.get(run, 0) + 1
                row = gradients.setdefault(run, [None] * len(tensors))
                row[i] = grad
                complete = count == expected[run]
                if complete:
                    del counts[run], expected[run], gradients[run]
            if complete:
                fn(row)

        return hook

    return _MultiHandle([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])
