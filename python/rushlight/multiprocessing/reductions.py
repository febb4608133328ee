"""How tensors and storages go through multiprocessing's pickler: their memory is shared, not copied."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.reduction import DupFd, ForkingPickler

import rushlight as rl

strategy = "file_descriptor"

# Storages whose path is on its way to another process, which must not lose them before it has opened it.
_sent: dict[int, rl.UntypedStorage] = {}
_sweep_at = 64
os.register_at_fork(after_in_child=_sent.clear)


def _keep(storage: rl.UntypedStorage) -> None:
    global _sweep_at
    storage._count_messages(1)
    _sent[storage._cdata] = storage
    if len(_sent) >= _sweep_at:
        for key in [key for key, kept in _sent.items() if kept._count_messages(0) <= 0]:
            del _sent[key]
        _sweep_at = max(64, 2 * len(_sent))


def rebuild_storage_fd(descriptor: object, nbytes: int) -> rl.UntypedStorage:
    """The storage behind a descriptor that another process sent."""
    own = descriptor.detach()
    try:
        return rl.UntypedStorage._new_shared_fd_cpu(own, nbytes)
    finally:
        os.close(own)


def rebuild_storage_filename(path: bytes, nbytes: int) -> rl.UntypedStorage:
    """The storage behind a path that another process sent."""
    storage = rl.UntypedStorage._new_shared_filename_cpu(b"", path, nbytes)
    storage._count_messages(-1)
    return storage


def reduce_storage(storage: rl.UntypedStorage) -> tuple[Callable, tuple]:
    """What a storage is pickled as; its memory is moved to shared memory for it."""
    if storage.device.type != "cpu":
        raise RuntimeError(f"only storages on the CPU can be sent to other processes, got one on {storage.device}")
    if strategy == "file_system":
        _, path, nbytes = storage._share_filename_cpu_()
        _keep(storage)
        return rebuild_storage_filename, (path, nbytes)
    descriptor, nbytes = storage._share_fd_cpu_()
    return rebuild_storage_fd, (DupFd(descriptor), nbytes)


def reduce_tensor(tensor: rl.Tensor) -> tuple[Callable, tuple]:
    """What a tensor is pickled as: its geometry, and its storage by reduce_storage()."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    return tensor.__reduce_ex__(2)


def init_reductions() -> None:
    """Makes multiprocessing's pickler take the functions above."""
    from rushlight.nn.parameter import Parameter

    ForkingPickler.register(rl.UntypedStorage, reduce_storage)
    ForkingPickler.register(rl.Tensor, reduce_tensor)
    ForkingPickler.register(Parameter, reduce_tensor)
