import builtins

from . import _C as _C
from . import accelerator as accelerator
from . import array_api as array_api
from . import autograd as autograd
from . import backends as backends
from . import cpu as cpu
from . import cuda as cuda
from . import fft as fft
from . import functional as functional
from . import linalg as linalg
from . import masked as masked
from . import multiprocessing as multiprocessing
from . import nn as nn
from . import optim as optim
from . import overrides as overrides
from . import random as random
from . import return_types as return_types
from . import serialization as serialization
from . import signal as signal
from . import special as special
from . import storage as storage
from . import testing as testing
from . import torch_version as torch_version
from . import types as types
from . import utils as utils
from . import version as version
from ._as_torch import as_torch as as_torch
from ._C import *
from ._C import Tensor as Tensor
from ._C import _nn as _nn
from ._legacy import BFloat16Tensor as BFloat16Tensor
from ._legacy import BoolTensor as BoolTensor
from ._legacy import ByteTensor as ByteTensor
from ._legacy import CharTensor as CharTensor
from ._legacy import DoubleTensor as DoubleTensor
from ._legacy import FloatTensor as FloatTensor
from ._legacy import HalfTensor as HalfTensor
from ._legacy import IntTensor as IntTensor
from ._legacy import LongTensor as LongTensor
from ._legacy import ShortTensor as ShortTensor
from ._legacy import set_default_tensor_type as set_default_tensor_type
from ._quantized import quantize_per_tensor as quantize_per_tensor
from ._settings import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from ._settings import compiled_with_cxx11_abi as compiled_with_cxx11_abi
from ._settings import get_deterministic_debug_mode as get_deterministic_debug_mode
from ._settings import get_device_module as get_device_module
from ._settings import get_float32_matmul_precision as get_float32_matmul_precision
from ._settings import get_num_interop_threads as get_num_interop_threads
from ._settings import init_num_threads as init_num_threads
from ._settings import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from ._settings import is_anomaly_enabled as is_anomaly_enabled
from ._settings import is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled
from ._settings import is_vulkan_available as is_vulkan_available
from ._settings import is_warn_always_enabled as is_warn_always_enabled
from ._settings import set_anomaly_enabled as set_anomaly_enabled
from ._settings import set_deterministic_debug_mode as set_deterministic_debug_mode
from ._settings import set_float32_matmul_precision as set_float32_matmul_precision
from ._settings import set_flush_denormal as set_flush_denormal
from ._settings import set_num_interop_threads as set_num_interop_threads
from ._settings import set_warn_always as set_warn_always
from ._settings import sym_float as sym_float
from ._settings import sym_int as sym_int
from ._settings import sym_ite as sym_ite
from ._settings import sym_max as sym_max
from ._settings import sym_min as sym_min
from ._settings import sym_not as sym_not
from ._settings import sym_sqrt as sym_sqrt
from ._settings import sym_sum as sym_sum
from ._settings import typename as typename
from ._settings import use_deterministic_algorithms as use_deterministic_algorithms
from ._shape import atleast_1d as atleast_1d
from ._shape import atleast_2d as atleast_2d
from ._shape import atleast_3d as atleast_3d
from ._shape import block_diag as block_diag
from ._shape import broadcast_shapes as broadcast_shapes
from ._shape import broadcast_tensors as broadcast_tensors
from ._shape import cartesian_prod as cartesian_prod
from ._shape import meshgrid as meshgrid
from ._tensor_str import get_printoptions as get_printoptions
from ._tensor_str import set_printoptions as set_printoptions
from ._types import channels_last as channels_last
from ._types import channels_last_3d as channels_last_3d
from ._types import contiguous_format as contiguous_format
from ._types import finfo as finfo
from ._types import iinfo as iinfo
from ._types import layout as layout
from ._types import memory_format as memory_format
from ._types import preserve_format as preserve_format
from ._types import sparse_coo as sparse_coo
from ._types import strided as strided
from .functional import cdist as cdist
from .functional import chain_matmul as chain_matmul
from .functional import einsum as einsum
from .functional import tensordot as tensordot
from .random import fork_rng as fork_rng
from .random import thread_safe_generator as thread_safe_generator
from .serialization import load as load
from .serialization import save as save
from .storage import TypedStorage as TypedStorage
from .storage import is_storage as is_storage
from .utils.dlpack import to_dlpack as to_dlpack

__version__: str
float: _C.dtype
double: _C.dtype
half: _C.dtype
short: _C.dtype
int: _C.dtype
long: _C.dtype
cfloat: _C.dtype
cdouble: _C.dtype
chalf: _C.dtype
e: builtins.float
inf: builtins.float
nan: builtins.float
pi: builtins.float
newaxis: None
