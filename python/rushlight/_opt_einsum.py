"""What opt_einsum calls for tensors: functions with NumPy's arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import _C
from .functional import einsum as _einsum
from .functional import tensordot as _tensordot

Tensor = _C.Tensor


def transpose(a: Tensor, axes: Sequence[int]) -> Tensor:
    return a.permute(tuple(axes))


def tensordot(x: Tensor, y: Tensor, axes: int | Sequence = 2) -> Tensor:
    return _tensordot(x, y, axes=axes)


def einsum(equation: str, *operands: Tensor, **kwargs: object) -> Tensor:
    from opt_einsum.parser import convert_to_valid_einsum_chars

    return _einsum(convert_to_valid_einsum_chars(equation), *operands)  # letters may be of any alphabet


def _tensors(arrays: Sequence) -> list:
    return [_C.as_tensor(a) if hasattr(a, "__array__") else a for a in arrays]  # None for what is not constant


def build_expression(_: object, expression: Callable) -> Callable:
    """`expression` for NumPy arrays, of which it gives one."""

    def contract(*arrays: object) -> object:
        return expression._contract(_tensors(arrays), backend="rushlight").numpy(force=True)

    return contract


def evaluate_constants(constants: Sequence, expression: Callable) -> object:
    return expression(*_tensors(constants), backend="rushlight", evaluate_constants=True)
