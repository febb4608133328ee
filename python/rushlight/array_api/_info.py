"""What the library can do: __array_namespace_info__()."""

from __future__ import annotations

import builtins

from .. import _C
from ._dtypes import COMPLEX, KINDS, REAL, SIGNED, UNSIGNED, complex_of, isdtype


def _check_device(device: object) -> None:
    if device is not None:
        _C.empty(0, device=device)


class _Info:
    """Capabilities, devices and dtypes."""

    def capabilities(self) -> dict[str, object]:
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> _C.device:
        return _C.device("cpu")

    def default_dtypes(self, *, device: object = None) -> dict[str, _C.dtype]:
        _check_device(device)
        real = _C.get_default_dtype()
        return {
            "real floating": real,
            "complex floating": complex_of(real),
            "integral": _C.int64,
            "indexing": _C.int64,
        }

    def dtypes(self, *, device: object = None, kind: str | tuple[str, ...] | None = None) -> dict[str, _C.dtype]:
        _check_device(device)
        names = {str(d).rpartition(".")[2]: d for d in (*KINDS["bool"], *SIGNED, *UNSIGNED, *REAL, *COMPLEX)}
        return names if kind is None else {n: d for n, d in names.items() if isdtype(d, kind)}

    def devices(self) -> builtins.list[_C.device]:
        from .. import cuda

        return [_C.device("cpu"), *(_C.device("cuda", i) for i in range(cuda.device_count()))]


def __array_namespace_info__() -> _Info:
    """Answers questions about capabilities, devices and dtypes."""
    return _Info()
