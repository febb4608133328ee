"""PyTorch's tensor and autograd API in a library of NumPy's weight.

    import rushlight as torch

Names, defaults and results are torch's; docs/deviations.md lists where they differ on purpose.
"""

from __future__ import annotations

from . import _C

globals().update({_name: _value for _name, _value in vars(_C).items() if not _name.startswith("__")})
del return_types  # the module of that name has more  # noqa: F821

__version__ = "0.1.0"

# ---- dtypes under their other names
float = _C.float32
double = _C.float64
half = _C.float16
short = _C.int16
int = _C.int32
long = _C.int64
cfloat = _C.complex64
cdouble = _C.complex128
chalf = _C.complex32

# ---- constants
from math import e, inf, nan, pi  # noqa: E402

newaxis = None

from . import _libraries  # noqa: E402

_libraries.install()

# What is not needed by every program is imported when it is asked for.
_LAZY_MODULES = (
    "nn",
    "optim",
    "serialization",
    "autograd",
    "utils",
    "accelerator",
    "cpu",
    "cuda",
    "storage",
    "random",
    "fft",
    "functional",
    "linalg",
    "multiprocessing",
    "special",
    "signal",
    "masked",
    "array_api",
    "testing",
    "types",
    "overrides",
    "backends",
    "version",
    "torch_version",
    "return_types",
    "_utils",
    "cpu",
    "__config__",
)
_LAZY = {
    **dict.fromkeys(("set_printoptions", "get_printoptions"), "_tensor_str"),
    **dict.fromkeys(
        (
            "layout",
            "memory_format",
            "strided",
            "sparse_coo",
            "contiguous_format",
            "preserve_format",
            "channels_last",
            "channels_last_3d",
            "finfo",
            "iinfo",
        ),
        "_types",
    ),
    **dict.fromkeys(("quantize_per_tensor",), "_quantized"),
    **dict.fromkeys(
        (
            "are_deterministic_algorithms_enabled",
            "compiled_with_cxx11_abi",
            "get_deterministic_debug_mode",
            "get_device_module",
            "get_float32_matmul_precision",
            "get_num_interop_threads",
            "init_num_threads",
            "is_deterministic_algorithms_warn_only_enabled",
            "is_vulkan_available",
            "is_warn_always_enabled",
            "set_deterministic_debug_mode",
            "set_float32_matmul_precision",
            "set_flush_denormal",
            "set_num_interop_threads",
            "set_warn_always",
            "sym_float",
            "sym_int",
            "sym_ite",
            "sym_max",
            "sym_min",
            "sym_not",
            "sym_sqrt",
            "sym_sum",
            "typename",
            "use_deterministic_algorithms",
        ),
        "_settings",
    ),
    **dict.fromkeys(
        (
            "_assert_async",
            "_check",
            "_check_index",
            "_check_is_size",
            "_check_not_implemented",
            "_check_tensor_all",
            "_check_tensor_all_with",
            "_check_type",
            "_check_value",
            "_check_with",
        ),
        "_checks",
    ),
    **dict.fromkeys(("fork_rng", "thread_safe_generator"), "random"),
    "set_default_tensor_type": "_legacy",
    **dict.fromkeys(
        (
            "atleast_1d",
            "atleast_2d",
            "atleast_3d",
            "block_diag",
            "broadcast_shapes",
            "broadcast_tensors",
            "cartesian_prod",
            "meshgrid",
        ),
        "_shape",
    ),
    **dict.fromkeys(("cdist", "chain_matmul", "einsum", "tensordot"), "functional"),
    **dict.fromkeys(("load", "save"), "serialization"),
    "to_dlpack": "utils.dlpack",
    "TypedStorage": "storage",
    "_storage_classes": "storage",
    "_tensor_classes": "_legacy",
    "as_torch": "_as_torch",
    "is_storage": "storage",
}


def __getattr__(name: str) -> object:
    import importlib

    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    elif name == "Storage":  # of the default dtype, which may change
        return importlib.import_module(f"{__name__}.storage").Storage
    elif name.endswith("Storage"):
        value = getattr(importlib.import_module(f"{__name__}.storage"), name)
    elif name.endswith("Tensor"):
        value = getattr(importlib.import_module(f"{__name__}._legacy"), name)
    else:
        raise AttributeError(f"rushlight has no torch.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LAZY_MODULES})
