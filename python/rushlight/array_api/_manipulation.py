"""Shapes, order and joining."""

from __future__ import annotations

import builtins

from .. import _C
from ._dtypes import Tensor, check_array, promoted

Axes = int | tuple[int, ...]


def axis_of(name: str, axis: int, ndim: int) -> int:
    """An axis counted from 0. IndexError if there is none such."""
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name}: axis {axis} is out of range for {ndim} dims")
    return axis + ndim if axis < 0 else axis


def axes_of(name: str, axes: Axes, ndim: int) -> builtins.list[int]:
    """Axes counted from 0. ValueError for one that is named twice."""
    found = [axis_of(name, a, ndim) for a in ((axes,) if isinstance(axes, int) else axes)]
    if len({*found}) < len(found):
        raise ValueError(f"{name}: an axis appears twice in {tuple(axes)}")
    return found


def broadcast_arrays(*arrays: Tensor) -> builtins.list[Tensor]:
    """The arrays, each expanded to their common shape."""
    check_array("broadcast_arrays", *arrays)
    return builtins.list(_C.broadcast_tensors_list(arrays)) if arrays else []


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """x expanded to a shape, as a view."""
    check_array("broadcast_to", x)
    return x.expand(shape)


def concat(arrays: tuple[Tensor, ...] | builtins.list[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Arrays one after another along an axis; axis=None flattens them first."""
    if not arrays:
        raise ValueError("concat: at least one array is required")
    arrays = promoted(*arrays)
    if axis is None:
        return _C.cat([x.reshape(-1) for x in arrays])
    shapes = [x.shape for x in arrays]
    axis = axis_of("concat", axis, len(shapes[0]))
    for shape in shapes:
        if len(shape) != len(shapes[0]) or builtins.any(
            a != b for i, (a, b) in enumerate(zip(shape, shapes[0])) if i != axis
        ):
            raise ValueError(f"concat: shapes {tuple(shapes[0])} and {tuple(shape)} differ beyond axis {axis}")
    return _C.cat(arrays, axis)


def expand_dims(x: Tensor, /, axis: int) -> Tensor:
    """A view with a dim of size 1 at a position."""
    check_array("expand_dims", x)
    return x.unsqueeze(axis)


def flip(x: Tensor, /, *, axis: Axes | None = None) -> Tensor:
    """The elements in reverse order along axes (default: all)."""
    check_array("flip", x)
    return _C.flip(x, builtins.list(range(x.ndim)) if axis is None else axes_of("flip", axis, x.ndim))


def moveaxis(x: Tensor, source: Axes, destination: Axes, /) -> Tensor:
    """A view with axes at other places; the rest keeps its order."""
    check_array("moveaxis", x)
    sources, places = axes_of("moveaxis", source, x.ndim), axes_of("moveaxis", destination, x.ndim)
    if len(sources) != len(places):
        raise ValueError(f"moveaxis: {len(sources)} axes for {len(places)} places")
    order = [a for a in range(x.ndim) if a not in sources]
    for place, axis in sorted(zip(places, sources)):
        order.insert(place, axis)
    return x.permute(order)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """A view with the dims in another order."""
    check_array("permute_dims", x)
    return x.permute(tuple(axes))


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element `repeats` times (one number, or one for each) along an axis; axis=None flattens first."""
    check_array("repeat", x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = axis_of("repeat", axis, x.ndim)
    size = x.shape[axis]
    if isinstance(repeats, int):
        repeats = _C.full((), repeats, dtype=_C.int64, device=x.device)
    if repeats.ndim > 1 or repeats.ndim == 1 and repeats.shape[0] not in (1, size):
        raise ValueError(f"repeat: repeats of shape {tuple(repeats.shape)} do not fit {size} elements")
    counts = repeats.to(_C.int64).expand(size)
    if size and int(counts.amin()) < 0:
        raise ValueError("repeat: repeats must not be negative")
    # Element i begins where the counts before it end: how many ends lie at or before a position is its source.
    ends = _C.cumsum(counts, 0)
    total = int(ends[-1]) if size else 0
    starts = _C.zeros(total + 1, dtype=_C.int64, device=x.device)
    starts.index_add_(0, ends, _C.ones_like(ends))
    return _C.index_select(x, axis, _C.cumsum(starts, 0)[:total])


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: builtins.bool | None = None) -> Tensor:
    """Another shape of the same elements. copy: True copies, None where needed, False never (ValueError)."""
    check_array("reshape", x)
    if copy:
        return x.clone().reshape(shape)
    if copy is False:
        try:
            return x.view(shape)
        except RuntimeError as error:
            raise ValueError(f"reshape: copy=False, but shape {tuple(shape)} needs a copy") from error
    return x.reshape(shape)


def roll(x: Tensor, /, shift: Axes, *, axis: Axes | None = None) -> Tensor:
    """Elements moved by shift places along axes; what leaves at the end enters at the start. axis=None: as if flat."""
    check_array("roll", x)
    if axis is None:
        if not isinstance(shift, int):
            raise ValueError("roll: several shifts need as many axes")
        return _roll(x.reshape(-1), shift, 0).reshape(x.shape)
    axes = [axis_of("roll", a, x.ndim) for a in ((axis,) if isinstance(axis, int) else axis)]
    shifts = [shift] * len(axes) if isinstance(shift, int) else shift
    if len(shifts) != len(axes):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    result = x
    for s, a in zip(shifts, axes):
        result = _roll(result, s, a)
    return result.clone() if result is x else result


def _roll(x: Tensor, shift: int, axis: int) -> Tensor:
    size = x.shape[axis]
    if size == 0:
        return x.clone()
    cut = -shift % size
    return _C.cat([x.narrow(axis, cut, size - cut), x.narrow(axis, 0, cut)], axis)


def squeeze(x: Tensor, /, axis: Axes) -> Tensor:
    """A view without the given dims. ValueError if one is not of size 1."""
    check_array("squeeze", x)
    axes = axes_of("squeeze", axis, x.ndim)
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: dim {a} has size {x.shape[a]}, not 1")
    return x.reshape([n for i, n in enumerate(x.shape) if i not in axes]) if not axes else _C.squeeze(x, tuple(axes))


def stack(arrays: tuple[Tensor, ...] | builtins.list[Tensor], /, *, axis: int = 0) -> Tensor:
    """Arrays of one shape along a new axis."""
    if not arrays:
        raise ValueError("stack: at least one array is required")
    return _C.stack(promoted(*arrays), axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """The array so many times along each dim; missing numbers in front are 1."""
    check_array("tile", x)
    counts = [1] * (x.ndim - len(repetitions)) + builtins.list(repetitions)
    sizes = [1] * (len(counts) - x.ndim) + builtins.list(x.shape)
    spread = x.reshape([n for size in sizes for n in (1, size)])
    spread = spread.expand([n for count, size in zip(counts, sizes) for n in (count, size)])
    result = spread.reshape([count * size for count, size in zip(counts, sizes)])
    return result.clone() if result.data_ptr() == x.data_ptr() and x.numel() else result


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Views of the slices along an axis."""
    check_array("unstack", x)
    return tuple(_C.unbind(x, axis_of("unstack", axis, x.ndim)))
