import builtins

from . import _C as _C
from . import autograd as autograd
from . import cuda as cuda
from . import fft as fft
from . import linalg as linalg
from . import nn as nn
from . import optim as optim
from . import random as random
from . import special as special
from . import storage as storage
from . import utils as utils
from ._C import *
from ._C import Tensor as Tensor
from ._C import _nn as _nn
from ._functional import broadcast_shapes as broadcast_shapes
from ._functional import broadcast_tensors as broadcast_tensors
from ._functional import fork_rng as fork_rng
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
from ._quantized import quantize_per_tensor as quantize_per_tensor
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
from .storage import TypedStorage as TypedStorage

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
