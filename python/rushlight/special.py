"""torch.special: special functions by the names of SciPy."""

from __future__ import annotations

import rushlight as _torch

from . import _C

# Names of torch.special that are functions of torch itself.
_ALIASES = {
    "digamma": "digamma",
    "erf": "erf",
    "erfc": "erfc",
    "erfinv": "erfinv",
    "exp2": "exp2",
    "expit": "sigmoid",
    "expm1": "expm1",
    "gammainc": "igamma",
    "gammaincc": "igammac",
    "gammaln": "lgamma",
    "i0": "i0",
    "log1p": "log1p",
    "log_softmax": "log_softmax",
    "logit": "logit",
    "logsumexp": "logsumexp",
    "modified_bessel_i0": "i0",
    "multigammaln": "mvlgamma",
    "polygamma": "polygamma",
    "psi": "digamma",
    "round": "round",
    "sinc": "sinc",
    "softmax": "softmax",
    "xlogy": "xlogy",
}
_OWN = {
    **{name: name for name in vars(_C._special) if not name.startswith("_")},
    "modified_bessel_i1": "i1",
}


def __getattr__(name: str) -> object:
    if name in _OWN:
        value = getattr(_C._special, _OWN[name])
    elif name in _ALIASES and hasattr(_torch, _ALIASES[name]):
        value = getattr(_torch, _ALIASES[name])
    else:
        raise AttributeError(f"rushlight has no torch.special.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*_OWN, *(name for name, of in _ALIASES.items() if hasattr(_torch, of))})
