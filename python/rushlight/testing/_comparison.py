"""assert_close: values, dtypes, devices and strides, with errors that say where the largest difference is."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rushlight as torch

# Relative and absolute tolerance: the square root of the epsilon, widened where sums are common.
_TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex32: (1e-3, 1e-5),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
_NUMBERS = {int: torch.int64, float: torch.float64, complex: torch.complex128}


class _Failure(Exception):
    """An assertion that does not hold, and the way to the item inside containers."""

    def __init__(self, text: str, path: tuple = ()) -> None:
        super().__init__(text)
        self.text, self.path = text, path


def _tolerances(dtypes: Sequence, rtol: float | None, atol: float | None) -> tuple[float, float]:
    if rtol is not None and atol is not None:
        return rtol, atol
    pairs = [_TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
    return max(p[0] for p in pairs), max(p[1] for p in pairs)


def _kind(exact: bool) -> str:
    return "equal" if exact else "close"


def _allowed(bound: float) -> str:
    return f" (up to {bound} allowed)" if bound else ""


def _compare_numbers(actual: Any, expected: Any, rtol: float | None, atol: float | None, options: dict) -> None:
    if options["check_dtype"] and type(actual) is not type(expected):
        raise _Failure(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    rtol, atol = _tolerances([_NUMBERS[type(actual)], _NUMBERS[type(expected)]], rtol, atol)
    if actual == expected:
        return
    both_nan = cmath.isnan(actual) and cmath.isnan(expected)
    difference = abs(actual - expected)
    if options["equal_nan"] and both_nan:
        return
    if cmath.isfinite(difference) and difference <= atol + rtol * abs(expected):
        return
    relative = difference / abs(expected) if expected else float("inf")
    exact = rtol == 0 and atol == 0
    raise _Failure(
        f"Scalars are not {_kind(exact)}!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {difference}{_allowed(atol)}\nRelative difference: {relative}{_allowed(rtol)}"
    )


def _place(values: torch.Tensor, shape: Sequence[int]) -> tuple[Any, tuple[int, ...]]:
    """The largest element and its index."""
    flat = int(values.argmax())
    index = []
    for size in reversed(shape):
        index.append(flat % size)
        flat //= size
    index = tuple(reversed(index))
    return values[index].item() if index else values.item(), index


def _mismatch_text(actual: torch.Tensor, expected: torch.Tensor, close: torch.Tensor, rtol: float, atol: float) -> str:
    wrong = close.logical_not()
    count, total = int(wrong.sum()), close.numel()
    exact = rtol == 0 and atol == 0
    if actual.dtype == torch.bool:
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    elif not actual.is_floating_point() and not actual.is_complex():
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    absolute = (actual - expected).abs()
    relative = absolute / expected.abs()
    # Only what does not match counts; what matches shows as 0.
    absolute, relative = absolute.masked_fill(close, 0), relative.masked_fill(close, 0)
    (largest, at), (ratio, ratio_at) = _place(absolute, absolute.shape), _place(relative, relative.shape)
    if actual.dim() == 0:
        return (
            f"Scalars are not {_kind(exact)}!\n\nExpected {expected.item()} but got {actual.item()}.\n"
            f"Absolute difference: {largest}{_allowed(atol)}\nRelative difference: {ratio}{_allowed(rtol)}"
        )
    return (
        f"Tensor-likes are not {_kind(exact)}!\n\n"
        f"Mismatched elements: {count} / {total} ({count / total:.1%})\n"
        f"Greatest absolute difference: {largest} at index {at}{_allowed(atol)}\n"
        f"Greatest relative difference: {ratio} at index {ratio_at}{_allowed(rtol)}"
    )


def _compare_tensors(
    actual: torch.Tensor, expected: torch.Tensor, rtol: float | None, atol: float | None, options: dict
) -> None:
    def attribute(name: str, a: object, b: object) -> None:
        if a != b:
            raise _Failure(f"The values for attribute '{name}' do not match: {a} != {b}.")

    attribute("shape", actual.shape, expected.shape)
    if options["check_device"]:
        attribute("device", actual.device, expected.device)
    if options["check_dtype"]:
        attribute("dtype", actual.dtype, expected.dtype)
    if options["check_stride"]:
        attribute("stride()", actual.stride(), expected.stride())
    rtol, atol = _tolerances([actual.dtype, expected.dtype], rtol, atol)
    actual, expected = actual.detach(), expected.detach()
    if actual.device != expected.device:
        actual, expected = actual.cpu(), expected.cpu()
    common = torch.promote_types(actual.dtype, expected.dtype)
    actual, expected = actual.to(common), expected.to(common)
    close = torch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options["equal_nan"])
    if not bool(close.all()):
        raise _Failure(_mismatch_text(actual, expected, close, rtol, atol))


def _is_array(value: object) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "__array_interface__")


def _compare(actual: Any, expected: Any, rtol: float | None, atol: float | None, options: dict, path: tuple) -> None:
    tensors = isinstance(actual, torch.Tensor), isinstance(expected, torch.Tensor)
    try:
        if isinstance(actual, torch.Tensor) and isinstance(expected, torch.Tensor):
            if options["allow_subclasses"] or type(actual) is type(expected):
                return _compare_tensors(actual, expected, rtol, atol, options)
        elif actual is None or expected is None:
            if actual is not expected:
                raise _Failure(f"None mismatch: {actual} is not {expected}")
            return None
        elif isinstance(actual, bool) and isinstance(expected, bool):
            if actual is not expected:
                raise _Failure(f"Booleans mismatch: {actual} is not {expected}")
            return None
        elif type(actual) in _NUMBERS and type(expected) in _NUMBERS:
            return _compare_numbers(actual, expected, rtol, atol, options)
        elif _is_array(actual) and _is_array(expected):
            return _compare_tensors(torch.as_tensor(actual), torch.as_tensor(expected), rtol, atol, options)
        elif any(tensors):
            pass
        elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
            missing, additional = expected.keys() - actual.keys(), actual.keys() - expected.keys()
            if missing or additional:
                raise _Failure(
                    "The keys of the mappings do not match:\n"
                    f"Missing keys in the actual mapping: {sorted(missing, key=str)}\n"
                    f"Additional keys in the actual mapping: {sorted(additional, key=str)}"
                )
            for key in actual:
                _compare(actual[key], expected[key], rtol, atol, options, (*path, key))
            return None
        elif (
            isinstance(actual, Sequence)
            and isinstance(expected, Sequence)
            and not isinstance(actual, (str, bytes))
            and not isinstance(expected, (str, bytes))
        ):
            if len(actual) != len(expected):
                raise _Failure(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
            for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
                _compare(a, e, rtol, atol, options, (*path, i))
            return None
    except _Failure as failure:
        if not failure.path and path:
            failure.path = path
        raise
    raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    actual, expected: tensors, numbers, NumPy arrays, None, or sequences and mappings of them.
    rtol, atol: both or none; by default those of the coarser dtype (float32: 1.3e-6 and 1e-5; integers: 0).
    msg: the error's text, or a function of the text that would have been shown.
    ValueError for one tolerance without the other, TypeError for what cannot be compared.
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
    options = {
        "allow_subclasses": allow_subclasses,
        "equal_nan": equal_nan,
        "check_device": check_device,
        "check_dtype": check_dtype,
        "check_stride": check_stride,
    }
    try:
        _compare(actual, expected, rtol, atol, options, ())
    except _Failure as failure:
        text = failure.text
        if failure.path:
            text += "\n\nThe failure occurred for item " + "".join(f"[{p!r}]" for p in failure.path)
        raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older name of assert_close, which does not compare dtypes, devices and strides."""
    if not isinstance(actual, torch.Tensor):
        actual = torch.tensor(actual)
    if not isinstance(expected, torch.Tensor):
        expected = torch.tensor(expected, dtype=actual.dtype)
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=True,
        check_dtype=False,
        check_stride=False,
        msg=msg or None,
    )
