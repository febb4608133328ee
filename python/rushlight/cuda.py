"""CUDA devices. This build has no CUDA backend: questions are answered, use raises."""

from __future__ import annotations

from . import _C
from ._missing import missing


def is_available() -> bool:
    """Whether a CUDA backend and a device are there."""
    return False


def device_count() -> int:
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False without a device."""
    return False


def is_initialized() -> bool:
    return False


def _refuse(*args: object, **kwargs: object) -> None:
    raise AssertionError("Torch not compiled with CUDA enabled: rushlight has no CUDA backend loaded")


current_device = init = synchronize = set_device = get_device_name = get_device_properties = _refuse


def memory_allocated(device: object = None) -> int:
    """Bytes that tensors hold on the device: 0 without one."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


class _NeedsDevice:
    def __init__(self, *args: object, **kwargs: object) -> None:
        _refuse()


Stream = type("Stream", (_NeedsDevice,), {"__doc__": "Queue of work on a device."})
Event = type("Event", (_NeedsDevice,), {"__doc__": "Mark in a stream."})


class _NeedsCuda:
    dtype = None

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise TypeError(
            f"type torch.cuda.{type(self).__name__} not available. Torch not compiled with CUDA enabled: rushlight has "
            "no CUDA backend loaded"
        )


for _kind in "Float Double Half BFloat16 Byte Char Short Int Long Bool ComplexFloat ComplexDouble".split():
    globals()[f"{_kind}Tensor"] = type(f"{_kind}Tensor", (_NeedsCuda,), {"__doc__": "Constructor on the GPU."})
del _kind


def empty_cache() -> None:
    """Nothing is cached without a device."""


def manual_seed(seed: int) -> None:
    """Accepted without a device, as in torch."""


def manual_seed_all(seed: int) -> None:
    """Accepted without a device, as in torch."""


class device:
    """Context manager that selects a device."""

    def __init__(self, device: object) -> None:
        self.device = _C.device(device) if device is not None else None

    def __enter__(self) -> None:
        _refuse()

    def __exit__(self, *args: object) -> bool:
        return False


missing(__name__)
