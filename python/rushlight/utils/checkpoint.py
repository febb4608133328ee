"""Activation checkpointing: what a function saves for backward is dropped and computed again when backward asks for it.

Without reentrance (``use_reentrant=False``) every tensor that the function saves is replaced by an empty holder. The
first holder that backward opens runs the function again; the n-th tensor saved then belongs to the n-th holder. With
reentrance, one custom function runs forward without recording, and in backward again with recording.
"""

from __future__ import annotations

import contextlib
import traceback
import warnings
import weakref
from collections.abc import Callable

from .. import _C
from .. import random as _random
from .._missing import missing
from ..autograd.function import Function
from ..autograd.graph import saved_tensors_hooks

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "GraphExecGroup",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

_settings = {"early_stop": True, "debug": None}


class CheckpointError(RuntimeError):
    """The function did not save the same tensors when it ran again."""


class _Stop(Exception):
    """Ends a recomputation that has found all that was asked for."""


class _setting(contextlib.AbstractContextManager):
    """Changes an entry of the settings for a block."""

    def __init__(self, name: str, value) -> None:
        self.name, self.value = name, value

    def __enter__(self) -> None:
        self.before, _settings[self.name] = _settings[self.name], self.value

    def __exit__(self, *exc_info) -> None:
        _settings[self.name] = self.before


def set_checkpoint_early_stop(enable: bool):
    """Inside, checkpoints stop recomputing at the last saved tensor (the default), or run their function to its end."""
    return _setting("early_stop", enable)


def set_checkpoint_debug_enabled(enabled: bool | None):
    """Inside, ``debug`` of all checkpoints has this value; None leaves it to them."""
    return _setting("debug", enabled)


def noop_context_fn():
    """The default ``context_fn``: nothing around forward, nothing around the recomputation."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def detach_variable(inputs: tuple) -> tuple:
    """Detach the tensors of a tuple; they require grad as they did before."""
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: ", type(inputs).__name__)
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, _C.Tensor) else x for x in inputs)


def check_backward_validity(inputs) -> None:
    """Warn where no tensor among the inputs requires grad."""
    if not any(x.requires_grad for x in inputs if isinstance(x, _C.Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def get_device_states(*args):
    """Return no devices and no states: only the generator of the processor exists."""
    return [], []


def set_device_states(devices, states, *, device_type=None) -> None:
    """Accept what get_device_states returns."""


class GraphExecGroup:
    """Inside, several calls of backward share what a checkpoint has recomputed."""

    _current = None
    _count = 0

    def __enter__(self):
        if GraphExecGroup._current is not None:
            raise RuntimeError("GraphExecGroup contexts cannot be nested.")
        GraphExecGroup._count += 1
        self.key = ("group", GraphExecGroup._count)
        GraphExecGroup._current = self
        return self

    def __exit__(self, *exc_info) -> None:
        GraphExecGroup._current = None


# ---- with reentrance


class CheckpointFunction(Function):
    """The node of a checkpoint with reentrance: apply(function, preserve_rng_state, *args)."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.rng_state = _random.get_rng_state() if preserve_rng_state else None
        # Tensors are saved as such, so that changes in place are noticed.
        ctx.positions = [i for i, x in enumerate(args) if isinstance(x, _C.Tensor)]
        ctx.others = [None if isinstance(x, _C.Tensor) else x for x in args]
        ctx.save_for_backward(*(args[i] for i in ctx.positions))
        with _C.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if not _C._all_inputs_wanted():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        inputs = list(ctx.others)
        for i, x in zip(ctx.positions, ctx.saved_tensors):
            inputs[i] = x
        with _random.fork_rng(enabled=ctx.rng_state is not None):
            if ctx.rng_state is not None:
                _random.set_rng_state(ctx.rng_state)
            detached = detach_variable(tuple(inputs))
            with _C.enable_grad():
                outputs = ctx.run_function(*detached)
        if isinstance(outputs, _C.Tensor):
            outputs = (outputs,)
        live = [(o, g) for o, g in zip(outputs, grads) if isinstance(o, _C.Tensor) and o.requires_grad]
        if not live:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        _C._autograd_backward([o for o, _ in live], [g for _, g in live])
        return (None, None, *(x.grad if isinstance(x, _C.Tensor) else None for x in detached))


# ---- without


class _Inputs(Function):
    """Keeps the arguments of a checkpoint as saved tensors: an outer checkpoint may then drop those, too."""

    @staticmethod
    def forward(ctx, anchor, kwargs, *args):
        ctx.kwargs = kwargs
        ctx.positions = [i for i, x in enumerate(args) if isinstance(x, _C.Tensor)]
        ctx.others = [None if isinstance(x, _C.Tensor) else x for x in args]
        ctx.save_for_backward(*(args[i] for i in ctx.positions))
        return _C.empty((0,))

    @staticmethod
    def backward(ctx, *grads):
        raise AssertionError("the arguments of a checkpoint take no part in backward")


class _Holder:
    """Stands for a saved tensor. Per backward: the key of the tensor that was computed again, None once it was used."""

    __slots__ = ("__weakref__", "keys")

    def __init__(self) -> None:
        self.keys = {}


class _Key:
    __slots__ = ("__weakref__",)


class _Recomputed:
    """What one backward has computed again. A tensor lives as long as the key that its holder has."""

    def __init__(self) -> None:
        self.tensors = weakref.WeakKeyDictionary()
        self.count = 0
        self.done = False


def _metadata(x):
    return {"shape": x.shape, "dtype": x.dtype, "device": x.device}


_DETERMINISM_CHECKS = {"default": _metadata, "none": lambda x: None}


class _Frame:
    """One call of a checkpoint: the holders of what its function saved, and how to run it again."""

    def __init__(self, run, early_stop, metadata, debug) -> None:
        self.run = run
        self.early_stop = early_stop
        self.metadata = metadata
        self.holders = []  # weak
        self.saved_metadata = []
        self.forward_done = False
        self.ignore_mismatch = False
        self.inputs = None  # result of _Inputs
        self.recomputed = {}
        self.traces = {"forward": [], "recomputation": []} if debug else None

    def note(self, phase, x):
        if self.traces is not None:
            place = "".join(traceback.format_stack(limit=8)[:-2])
            self.traces[phase].append(f"{x.dtype} {tuple(x.shape)}, saved at\n{place}")

    def failure(self, text):
        """The error of a recomputation that differs; with debug=True it lists what both runs have saved."""
        if self.traces is None:
            return CheckpointError(f"{text}\n\nTip: checkpoint(..., debug=True) shows what both runs save.\n")
        lists = "".join(
            f"\nTensors saved by the {phase}:\n" + "".join(f"{i}: {line}" for i, line in enumerate(lines))
            for phase, lines in self.traces.items()
        )
        return CheckpointError(
            f"You are seeing this error because you passed `debug=True` to checkpoint and the two runs of its function "
            f"have not saved the same tensors.\n{text}\n{lists}"
        )

    def hooks(self):
        return saved_tensors_hooks(self._pack, self._unpack)

    def _pack(self, x):
        self.note("forward", x)
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.saved_metadata.append(self.metadata(x))
        return holder

    def _unpack(self, holder):
        group = GraphExecGroup._current
        number = _C._current_graph_task_id()
        key = group.key if group is not None else number if number >= 0 else object()
        state = self.recomputed.setdefault(key, _Recomputed())
        if number >= 0 and group is None and not state.done:
            self._forget_after_backward(key)
        try:
            if not state.done:
                self._recompute(key, state)
            if key not in holder.keys:
                raise CheckpointError("torch.utils.checkpoint: a saved tensor was not computed again.")
            place = holder.keys[key]
            if place is None:
                raise CheckpointError(
                    "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. If "
                    "you are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise please "
                    "open an issue with details on your use case."
                )
            holder.keys[key] = None
            return state.tensors[place]
        finally:
            if number < 0 and group is None:
                self._forget(key)

    def _forget(self, key):
        self.recomputed.pop(key, None)
        for reference in self.holders:
            holder = reference()
            if holder is not None:
                holder.keys.pop(key, None)

    def _forget_after_backward(self, key):
        frame = weakref.ref(self)

        def forget():
            alive = frame()
            if alive is not None:
                alive._forget(key)

        _C._queue_callback(forget)

    def _recompute(self, key, state):
        ctx = self.inputs.grad_fn
        args = list(ctx.others)
        for i, x in zip(ctx.positions, ctx.saved_tensors):
            args[i] = x
        frame = weakref.ref(self)

        def pack(x):
            x = x.detach() if x.requires_grad else x
            owner = frame()
            owner.note("recomputation", x)
            at = state.count
            state.count += 1
            if at >= len(owner.holders):
                if not owner.forward_done:  # a backward inside the function itself
                    owner.ignore_mismatch = True
                    return x
                raise owner.failure(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the original "
                    "forward pass."
                )
            holder = owner.holders[at]()
            if holder is not None:
                holder.keys[key] = place = _Key()
                state.tensors[place] = x
            if owner.early_stop and state.count == len(owner.holders):
                raise _Stop
            return x

        with contextlib.suppress(_Stop), saved_tensors_hooks(pack, lambda x: x), _C.enable_grad():
            self.run(args, ctx.kwargs)
        state.done = True
        self._check(key, state)

    def _check(self, key, state):
        """Raise CheckpointError where the tensors saved now cannot be those saved in forward."""
        if self.ignore_mismatch:
            return
        if state.count != len(self.holders):
            raise self.failure(
                f"torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {state.count}."
            )
        different = []
        for i, (reference, before) in enumerate(zip(self.holders, self.saved_metadata)):
            holder = reference()
            place = holder.keys.get(key) if holder is not None else None
            if place is None:
                continue
            now = self.metadata(state.tensors[place])
            if now != before:
                different.append(f"tensor at position {i}:\nsaved metadata: {before}\nrecomputed metadata: {now}\n")
        if different:
            raise self.failure(
                f"torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                f"during the forward pass.\n{''.join(different)}"
            )


def _without_reentrance(function, args, kwargs, preserve_rng_state, context_fn, determinism_check, early_stop, debug):
    if _settings["debug"] is not None:
        debug = _settings["debug"]
    if determinism_check not in _DETERMINISM_CHECKS:
        raise ValueError(f"determinism_check should be one of {list(_DETERMINISM_CHECKS)}, but got {determinism_check}")
    forward_context, recompute_context = context_fn()
    rng_state = _random.get_rng_state() if preserve_rng_state else None

    def run(args, kwargs):
        with _random.fork_rng(enabled=preserve_rng_state):
            if preserve_rng_state:
                _random.set_rng_state(rng_state)
            with recompute_context:
                function(*args, **kwargs)

    frame = _Frame(run, _settings["early_stop"] and early_stop, _DETERMINISM_CHECKS[determinism_check], debug)
    frame.inputs = _Inputs.apply(_C.empty((0,), requires_grad=True), kwargs, *args)
    if frame.inputs.grad_fn is None:  # nothing is recorded
        return function(*args, **kwargs)
    with frame.hooks(), forward_context:
        result = function(*args, **kwargs)
    frame.forward_done = True
    return result


def _or_reentrant(use_reentrant: bool | None, caller: str) -> bool:
    """use_reentrant, or its old default with a warning where it is not given."""
    if use_reentrant is not None:
        return use_reentrant
    warnings.warn(
        f"{caller}: the use_reentrant parameter should be passed explicitly. use_reentrant=False is recommended; "
        "use_reentrant=True keeps what was the default.",
        stacklevel=3,
    )
    return True


def checkpoint(
    function: Callable,
    *args,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs,
):
    """Return ``function(*args, **kwargs)`` and run it again in backward instead of keeping what it saved.

    use_reentrant: False is recommended; True needs an argument that requires grad and a plain ``backward()``. Not given
    it warns and is True. preserve_rng_state (keyword, True): the second run draws the same random numbers.

    Only without reentrance: context_fn returns two context managers, for forward and for the recomputation.
    determinism_check: "default" compares shapes, dtypes and devices of what both runs save, "none" only their number.
    debug: an error lists both. early_stop: end the second run at the last tensor that is needed.

    Raises CheckpointError where the two runs differ.
    """
    use_reentrant = _or_reentrant(use_reentrant, "torch.utils.checkpoint")
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    return _without_reentrance(function, args, kwargs, preserve, context_fn, determinism_check, early_stop, debug)


def checkpoint_sequential(functions, segments: int, input, use_reentrant: bool | None = None, **kwargs):
    """Run functions one after the other (a Sequential or a list), in ``segments`` parts of which all but the last are
    checkpoints. kwargs: preserve_rng_state.
    """
    use_reentrant = _or_reentrant(use_reentrant, "torch.utils.checkpoint.checkpoint_sequential")
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def part(start, end):
        def run(x):
            for function in functions[start:end]:
                x = function(x)
            return x

        return run

    length = len(functions) // segments
    start = 0
    for _ in range(segments - 1):
        input = checkpoint(part(start, start + length), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
        start += length
    return part(start, len(functions))(input)


missing(__name__)
