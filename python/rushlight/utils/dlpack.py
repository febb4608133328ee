"""Exchange of tensors with other libraries as DLPack capsules."""

from __future__ import annotations

import enum

from .._C import from_dlpack, to_dlpack
from .._missing import missing

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]

missing(__name__)


class DLDeviceType(enum.IntEnum):
    """The device types of the DLPack standard."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17
