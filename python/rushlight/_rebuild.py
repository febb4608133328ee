"""Copies and pickles of tensors.

A pickled tensor is its storage, dtype, offset, sizes and strides, so tensors that share memory share it again in the
copy. The whole storage is stored, even for a small view of it; clone() first to avoid that.
"""

import copy as _copy
import sys

_C = sys.modules[__package__ + "._C"]
Tensor = _C.Tensor


def _rebuild_storage(data):
    """An UntypedStorage of the bytes in a buffer."""
    return _C._storage_from_buffer(data)


def _to_other_process():
    """Whether multiprocessing's pickler asks, two frames up, that has not been taught to share tensors. Now it has."""
    caller = sys._getframe(1).f_back
    if caller is None or caller.f_globals.get("__name__") != "multiprocessing.reduction":
        return False
    if __package__ + ".multiprocessing" in sys.modules:
        return False
    from . import multiprocessing  # noqa: F401

    return True


def _reduce_storage(storage, protocol):
    """What UntypedStorage.__reduce_ex__ returns."""
    if _to_other_process():
        from .multiprocessing.reductions import reduce_storage

        return reduce_storage(storage)
    if protocol < 5:
        return _rebuild_storage, (bytes(storage),)
    from pickle import PickleBuffer

    return _rebuild_storage, (PickleBuffer(storage),)


def _rebuild_tensor(storage, dtype, offset, size, stride, requires_grad, conj=False, neg=False):
    tensor = _C._tensor_on_storage(storage, dtype, offset, size, stride)
    if conj:
        tensor = tensor.conj().detach()
    if neg:
        tensor = tensor._neg_view().detach()
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _rebuild_subclass(cls, parts, state):
    plain = _rebuild_tensor(*parts[:5], False, *parts[6:])
    tensor = Tensor._make_subclass(cls, plain, parts[5])
    tensor.__dict__.update(state)
    return tensor


def _parts(tensor, storage):
    parts = (
        storage,
        tensor.dtype,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
        tensor.requires_grad,
    )
    if tensor.is_neg():
        return (*parts, tensor.is_conj(), True)
    return (*parts, True) if tensor.is_conj() else parts


def _build(cls, parts, state):
    if cls is not Tensor:
        return _rebuild_subclass(cls, parts, state)
    tensor = _rebuild_tensor(*parts)
    if state:
        tensor.__dict__.update(state)
    return tensor


def _rebuild_with_state(parts, state):
    return _build(Tensor, parts, state)


def _reduce(tensor):
    """What Tensor.__reduce_ex__ returns. Gradients, history and hooks are not kept."""
    if _to_other_process():
        from .multiprocessing.reductions import reduce_tensor

        return reduce_tensor(tensor)
    parts = _parts(tensor, tensor.untyped_storage())
    state = tensor.__dict__
    if type(tensor) is not Tensor:
        return _rebuild_subclass, (type(tensor), parts, state)
    if state:
        return _rebuild_with_state, (parts, state)
    return _rebuild_tensor, parts


def _copy_tensor(tensor):
    return _build(type(tensor), _parts(tensor, tensor.untyped_storage()), tensor.__dict__)


def _deepcopy(tensor, memo):
    """A copy in memory of its own, with gradient and attributes; tensors that share memory do so in the copy."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."
        )
    storage = tensor.untyped_storage().__deepcopy__(memo)
    made = _build(type(tensor), _parts(tensor, storage), {})
    memo[id(tensor)] = made
    if tensor.grad is not None:
        made.grad = _copy.deepcopy(tensor.grad, memo)
    if tensor.__dict__:
        made.__dict__.update(_copy.deepcopy(tensor.__dict__, memo))
    return made
