"""Versions, under the names of torch.version. `rushlight` is this package's own version."""

import sys as _sys

from .torch_version import TORCH_API

rushlight = _sys.modules[__package__].__version__.rpartition("+rushlight.")[2]
torch_api = TORCH_API
debug = False
cuda = None
hip = None
xpu = None
git_version = "unknown"


def __getattr__(name: str) -> str:
    if name == "__version__":
        return _sys.modules[__package__].__version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
