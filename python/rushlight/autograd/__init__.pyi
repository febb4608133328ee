from .._C import _autograd_backward as backward
from .._C import _autograd_grad as grad
from .._C import _SavedTensor as SavedTensor
from .._C import enable_grad as enable_grad
from .._C import inference_mode as inference_mode
from .._C import is_grad_enabled as is_grad_enabled
from .._C import is_inference_mode_enabled as is_inference_mode_enabled
from .._C import no_grad as no_grad
from .._C import set_grad_enabled as set_grad_enabled
from . import anomaly_mode as anomaly_mode
from . import function as function
from . import functional as functional
from . import grad_mode as grad_mode
from . import graph as graph
from . import variable as variable
from .anomaly_mode import detect_anomaly as detect_anomaly
from .anomaly_mode import set_detect_anomaly as set_detect_anomaly
from .function import Function as Function
from .grad_mode import enforce_grad_layout_policy as enforce_grad_layout_policy
from .grad_mode import is_multithreading_enabled as is_multithreading_enabled
from .grad_mode import set_multithreading_enabled as set_multithreading_enabled
from .gradcheck import gradcheck as gradcheck
from .gradcheck import gradgradcheck as gradgradcheck
from .variable import Variable as Variable

__all__ = [
    "Function",
    "SavedTensor",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
