"""Reading, assigning and in-place arithmetic through every form of index, against NumPy; errors and bounds."""

import numpy as np
import pytest
import rushlight as torch
from helpers import numbered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))


def counted(shape, device):
    return torch.arange(int(np.prod(shape)), device=device).reshape(shape)


@st.composite
def basic_index(draw, shape):
    """Integers, slices with positive steps, None and Ellipsis; the same for NumPy and rushlight."""
    index, used = [], 0
    ellipsis = draw(st.booleans())
    for n in shape:
        kind = draw(st.sampled_from(["integer", "slice", "slice", "full", "stop"]))
        if draw(st.integers(0, 5)) == 0:
            index.append(None)
        if kind == "stop":
            break
        if kind == "integer" and n:
            index.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
            index.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, 3]))))
        else:
            index.append(slice(None))
        used += 1
    if ellipsis:
        index.insert(draw(st.integers(0, len(index))) if used == len(shape) else len(index), Ellipsis)
    return tuple(index)


@st.composite
def advanced_index(draw, shape):
    """Slices and None mixed with integer arrays that broadcast together, and masks.

    No integers: NumPy takes them for arrays, torch does not. test_mixed_like_torch has them.
    """
    index, lead = [], draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
    d = 0
    while d < len(shape):
        n = shape[d]
        kind = draw(st.sampled_from(["array", "array", "list", "mask", "slice", "full", "none"]))
        if kind in ("array", "list"):
            own = [m if draw(st.booleans()) else 1 for m in lead] if kind == "array" else lead[-1:]
            size = int(np.prod(own))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            index.append(np.array(values, dtype=np.int64).reshape(own) if kind == "array" else values)
        elif kind == "mask":
            mask = np.zeros(n, bool)
            mask[draw(st.permutations(range(n)))[: lead[-1]]] = True
            if mask.sum() not in (1, lead[-1]):
                mask[:] = False
                mask[0] = True
            index.append(mask)
        elif kind == "slice":
            index.append(slice(draw(st.integers(0, n - 1)), None, draw(st.integers(1, 2))))
        elif kind == "none":
            index.append(None)
            continue
        else:
            index.append(slice(None))
        d += 1
        if draw(st.integers(0, 6)) == 0:
            break
    return tuple(index)


def translate(index, device):
    return tuple(torch.tensor(i.tolist(), device=device) if isinstance(i, np.ndarray) else i for i in index)


SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def is_view(a, base):
    return np.shares_memory(a, base) or a.size == 0


@PROPERTY
@given(st.data())
def test_basic_reading(device, data):
    shape = data.draw(st.lists(st.integers(0, 5), max_size=4).map(tuple))
    index = data.draw(basic_index(shape))
    t, a = counted(shape, device), numbered(*shape)
    got, want = t[index], a[index]
    assert got.shape == np.shape(want) and got.tolist() == np.asarray(want).tolist()
    assert got.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()


@PROPERTY
@given(st.data())
def test_advanced_reading(device, data):
    shape = data.draw(SHAPES)
    index = data.draw(advanced_index(shape))
    t, a = counted(shape, device), numbered(*shape)
    try:
        want = a[index]
    except IndexError:
        with pytest.raises((IndexError, RuntimeError)):
            t[translate(index, device)]
        return
    got = t[translate(index, device)]
    assert got.shape == np.shape(want) and got.tolist() == np.asarray(want).tolist()
    turned = t.permute(*range(len(shape) - 1, -1, -1)).contiguous().permute(*range(len(shape) - 1, -1, -1))
    assert turned[translate(index, device)].tolist() == np.asarray(want).tolist()


@PROPERTY
@given(st.data())
def test_assigning(device, data):
    shape = data.draw(SHAPES)
    index = data.draw(st.one_of(basic_index(shape), advanced_index(shape)))
    t, a = counted(shape, device), numbered(*shape)
    mine = translate(index, device)
    try:
        selected = a[index]
    except IndexError:
        with pytest.raises((IndexError, RuntimeError)):
            t[mine] = 1
        return
    how = data.draw(st.sampled_from(["number", "tensor", "row", "float", "zero_dim"]))
    value = {
        "number": -7,
        "tensor": -1 - np.arange(selected.size).reshape(np.shape(selected)),
        "row": -1 - np.arange(selected.shape[-1] if np.ndim(selected) else 1),
        "float": -3.75,
        "zero_dim": np.array(-9),
    }[how]
    if how == "row" and not np.ndim(selected):
        value = value[0]
    # The last of several writes to one place is not defined: keep such indices to equal values.
    hits = np.zeros(shape, int)
    np.add.at(hits, index, 1)
    if hits.max() > 1 and how in ("tensor", "row"):
        value = -7
    if isinstance(value, np.ndarray):
        t[mine] = torch.tensor(value.tolist(), device=device, dtype=torch.int64).reshape(value.shape)
    else:
        t[mine] = value.item() if isinstance(value, np.generic) else value
    a[index] = value
    assert t.tolist() == a.tolist()


@PROPERTY
@given(st.data())
def test_arithmetic_in_place(device, data):
    shape = data.draw(SHAPES)
    index = data.draw(st.one_of(basic_index(shape), advanced_index(shape)))
    t, a = counted(shape, device), numbered(*shape)
    mine = translate(index, device)
    try:
        a[index]
    except IndexError:
        return
    hits = np.zeros(shape, int)
    np.add.at(hits, index, 1)
    t[mine] += 10
    a[index] += 10
    t[mine] *= 3
    a[index] *= 3
    assert t.tolist() == a.tolist()
    before = t.clone()
    if index and all(isinstance(i, np.ndarray) and i.dtype != bool for i in index):
        t.index_put_(mine, torch.ones((), dtype=torch.int64, device=device), accumulate=True)
        assert t.tolist() == (np.array(before.tolist()) + hits).tolist()


@PROPERTY
@given(st.data())
def test_masks(device, data):
    shape = data.draw(SHAPES)
    dims = data.draw(st.integers(1, len(shape)))
    count = int(np.prod(shape[:dims]))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count))).reshape(shape[:dims])
    t, a, m = counted(shape, device), numbered(*shape), torch.tensor(mask.tolist(), device=device)
    assert t[m].shape == a[mask].shape and t[m].tolist() == a[mask].tolist()
    assert m.nonzero().tolist() == np.argwhere(mask).tolist()
    assert [i.tolist() for i in m.nonzero(as_tuple=True)] == [i.tolist() for i in mask.nonzero()]
    values = -1 - np.arange(a[mask].size).reshape(a[mask].shape)
    t[m] = torch.tensor(values.tolist(), device=device, dtype=torch.int64).reshape(values.shape)
    a[mask] = values
    assert t.tolist() == a.tolist()
    t[m] = 4
    a[mask] = 4
    assert t.tolist() == a.tolist()
    if dims == len(shape):
        assert t.masked_select(m).tolist() == a[mask].tolist()
        assert t.masked_fill(m, 5).tolist() == np.where(mask, 5, a).tolist()
        assert torch.where(m, t, -t).tolist() == np.where(mask, a, -a).tolist()


def test_forms(device):
    t, a = counted((2, 3, 4), device), numbered(2, 3, 4)
    three = torch.tensor(1, device=device)
    for mine, theirs in [
        (three, 1),
        ((three, 2), (1, 2)),
        (np.int64(1), 1),
        ((np.int32(0), slice(np.int64(1), None)), (0, slice(1, None))),
        (slice(three, None), slice(1, None)),
        (True, True),
        (False, False),
        ((None, True), (None, True)),
        ([0, 1, 1], [0, 1, 1]),
        ([[0, 1], [2, 0]], None),
        (([0, 1], [2, 0]), ([0, 1], [2, 0])),
        ([True, False], [True, False]),
        ((..., [0, 3]), (..., [0, 3])),
        (([1], ..., [2]), ([1], ..., [2])),
        ((0, ..., None), (0, ..., None)),
        ((), ()),
        (Ellipsis, Ellipsis),
        (None, None),
        (range(2), [0, 1]),
        (torch.tensor([1, 0], dtype=torch.int32, device=device), [1, 0]),
        (torch.tensor([], dtype=torch.int64, device=device), np.array([], int)),
        ([], np.array([], int)),
    ]:
        if theirs is None and mine is not None:
            continue
        got, want = t[mine], a[theirs]
        assert got.shape == want.shape and got.tolist() == want.tolist(), mine
    assert t[torch.tensor([True, False], device=device)].shape == (1, 3, 4)
    flat = torch.arange(5, device=device)
    assert flat[3].item() == 3 and int(flat[-1]) == 4 and [int(x) for x in flat] == [0, 1, 2, 3, 4]
    assert flat[torch.tensor([[0, 1], [4, 2]], device=device)].tolist() == [[0, 1], [4, 2]]
    assert torch.tensor(3, device=device)[None].tolist() == [3] and torch.tensor(3, device=device)[...].item() == 3
    assert torch.tensor(3, device=device)[()].item() == 3


def test_views_and_copies(device):
    t = counted((3, 4), device)
    for index in (1, slice(1, 3), (slice(None), 2), None, Ellipsis, (1, 2), ()):
        assert t[index].untyped_storage().data_ptr() == t.untyped_storage().data_ptr() and t[index]._base is not None
    for index in ([0, 1], torch.tensor([0], device=device), t > 5, (0, [1])):
        assert t[index].untyped_storage().data_ptr() != t.untyped_storage().data_ptr()
    t[1][2] = 100
    t[1:][0, 0] = 50
    t[[0]][0] = 77
    assert t.tolist() == [[0, 1, 2, 3], [50, 5, 100, 7], [8, 9, 10, 11]]
    row = t[0]
    row += 1
    assert t[0].tolist() == [1, 2, 3, 4]


def test_assigning_values(device):
    t = torch.zeros(2, 3, device=device)
    t[0] = torch.tensor([1, 2, 3], device=device)
    t[1] = [4, 5, 6] if False else torch.tensor([4.0], device=device)
    assert t.tolist() == [[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]
    t[:, 1] = t[:, 0]
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        t[0, :2] = t[0, 1:]
    t[:, :2] = t[:, 1:]
    assert t.tolist() == [[1.0, 3.0, 3.0], [4.0, 4.0, 4.0]]
    t[...] = 0
    t[:, [0, 2]] = torch.ones(2, 2, device=device)
    assert t.tolist() == [[1.0, 0.0, 1.0]] * 2
    t[t == 0] = float("nan")
    assert t.isnan().sum().item() == 2
    t[torch.tensor([0, 0, 1], device=device), torch.tensor([0, 0, 1], device=device)] += 1
    assert t[0, 0].item() == 2.0
    i = torch.zeros(3, dtype=torch.int32, device=device)
    i[0] = 2.9
    i[1:] = torch.tensor([1.5, -1.5], device=device)
    assert i.tolist() == [2, 1, -1]
    i[True] = 6
    i[False] = 7
    assert i.tolist() == [6, 6, 6]
    with pytest.raises(RuntimeError, match=r"shape mismatch|expanded size|must match"):
        t[0] = torch.ones(2, device=device)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        t[[0, 1]] = torch.ones(3, 3, device=device)
    assert (torch.ones(1, 1, 1, device=device) == 1).all()
    t[0] = torch.full((1, 1, 3), 5.0, device=device)
    assert t[0].tolist() == [5.0, 5.0, 5.0]


ERRORS = [
    (lambda t: t[2], IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
    (lambda t: t[-3], IndexError, "index -3 is out of bounds for dimension 0 with size 2"),
    (lambda t: t[0, 3], IndexError, "index 3 is out of bounds for dimension 1 with size 3"),
    (lambda t: t[0, 0, 0], IndexError, "too many indices for tensor of dimension 2"),
    (lambda t: t[[0, 2]], IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
    (lambda t: t[:, [-4]], IndexError, r"index -4 is out of bounds for dimension \d with size 3"),
    (lambda t: t[::-1], ValueError, "step must be greater than zero"),
    (lambda t: t[::0], ValueError, "step"),
    (lambda t: t[1.0], IndexError, "only integers, slices"),
    (lambda t: t[{}], (IndexError, TypeError), "."),
    (lambda t: t[[0, 1], [0, 1, 2]], IndexError, "shape mismatch: indexing tensors could not be broadcast together"),
    (lambda t: t[t.bool()[:, :2]], IndexError, r"The shape of the mask \[2, 2\] at index 1 does not match"),
    (lambda t: t[t.float()], IndexError, "tensors used as indices must be long, int, byte or bool"),
    (lambda t: t[0, 0][0], IndexError, "invalid index of a 0-dim tensor"),
    (lambda t: t["a"], (IndexError, TypeError), "."),
    (lambda t: t[2**70], ValueError, "Overflow when unpacking long"),
    (lambda t: t.__setitem__(2, 1), IndexError, "index 2 is out of bounds"),
    (lambda t: t.__setitem__([5], 1), IndexError, "index 5 is out of bounds"),
    (lambda t: t.__setitem__((0, 0, 0), 1), IndexError, "too many indices"),
    (lambda t: t.__setitem__(0, "a"), TypeError, "can't assign a str"),
    (lambda t: t.__delitem__(0), TypeError, "does not support deleting items"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case, device):
    f, error, match = ERRORS[case]
    t = counted((2, 3), device)
    with pytest.raises(error, match=match):
        f(t)
    assert t.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_like_torch(case):
    reference = pytest.importorskip("torch")
    f, error, match = ERRORS[case]
    with pytest.raises(error, match=match if error is not TypeError else "."):
        f(reference.arange(6).reshape(2, 3))


# ---- functions


@PROPERTY
@given(st.data())
def test_dim_functions(device, data):
    shape = data.draw(SHAPES)
    d = data.draw(st.integers(0, len(shape) - 1))
    n = shape[d]
    index = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5)))
    t, a, i = counted(shape, device), numbered(*shape), torch.tensor(index.tolist(), device=device)
    assert t.index_select(d, i).tolist() == a.take(index, d).tolist()
    assert t.take(torch.tensor([0, t.numel() - 1, -1], device=device)).tolist() == a.take([0, a.size - 1, -1]).tolist()
    where = (slice(None),) * d + (index,)
    source = np.arange(int(np.prod(shape[:d] + (len(index),) + shape[d + 1 :]))).reshape(
        shape[:d] + (len(index),) + shape[d + 1 :]
    )
    s = torch.tensor(source.tolist(), device=device)
    want = a.copy()
    np.add.at(want, where, source)
    assert t.index_add(d - len(shape), i, s).tolist() == want.tolist()
    want = a.copy()
    np.add.at(want, where, -2 * source)
    assert t.clone().index_add_(d, i, s, alpha=-2).tolist() == want.tolist()
    want = a.copy()
    want[where] = -5
    assert t.index_fill(d, i, -5).tolist() == want.tolist()
    unique = np.unique(index)
    want = a.copy()
    want[(slice(None),) * d + (unique,)] = source.take(range(len(unique)), d)
    u = torch.tensor(unique.tolist(), device=device)
    assert t.index_copy(d, u, s.narrow(d, 0, len(unique))).tolist() == want.tolist()


@PROPERTY
@given(st.data())
def test_gather_scatter(device, data):
    shape = data.draw(SHAPES)
    d = data.draw(st.integers(0, len(shape) - 1))
    part = [data.draw(st.integers(1, n)) for n in shape]
    part[d] = data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    index = rng.integers(0, shape[d], part)
    t, a, i = counted(shape, device), numbered(*shape), torch.tensor(index.tolist(), device=device)
    grid = list(np.indices(part))
    grid[d] = index
    assert t.gather(d, i).tolist() == a[tuple(grid)].tolist()
    source = rng.integers(0, 100, part)
    s = torch.tensor(source.tolist(), device=device)
    want = a.copy()
    np.add.at(want, tuple(grid), source)
    assert t.scatter_add(d, i, s).tolist() == t.clone().scatter_add_(d, i, s).tolist() == want.tolist()
    want = a.copy()
    want[tuple(grid)] = -3
    assert t.scatter(d, i, -3).tolist() == want.tolist()
    if part[d] <= shape[d]:
        index = np.argsort(rng.random([n if k != d else shape[d] for k, n in enumerate(part)]), d).take(
            range(part[d]), d
        )
        grid[d] = index
        want = a.copy()
        want[tuple(grid)] = source
        assert t.scatter(d, torch.tensor(index.tolist(), device=device), s).tolist() == want.tolist()


@PROPERTY
@given(st.data())
def test_mixed_like_torch(data):
    reference = pytest.importorskip("torch")
    shape = data.draw(SHAPES)
    index = list(data.draw(advanced_index(shape)))
    for k, i in enumerate(index):
        if isinstance(i, slice) and data.draw(st.booleans()):
            index[k] = 0
    results = []
    for module in (torch, reference):
        t = module.arange(int(np.prod(shape))).reshape(shape)
        own = tuple(module.tensor(np.asarray(i).tolist()) if isinstance(i, (list, np.ndarray)) else i for i in index)
        try:
            got = t[own]
        except IndexError:
            results.append("error")
            continue
        t[own] = -1
        results.append((tuple(got.shape), got.tolist(), t.tolist()))
    assert results[0] == results[1]


def test_function_errors(device):
    t = counted((2, 3), device)
    i = torch.tensor([0, 3], device=device)
    for f in (
        lambda: t.index_select(1, i),
        lambda: t.index_add(1, i, torch.ones(2, 2, dtype=torch.int64, device=device)),
        lambda: t.index_fill(1, i, 1),
        lambda: t.index_copy(1, i, torch.ones(2, 2, dtype=torch.int64, device=device)),
        lambda: t.gather(1, torch.tensor([[3]], device=device)),
        lambda: t.gather(1, torch.tensor([[-1]], device=device)),
        lambda: t.scatter(1, torch.tensor([[3]], device=device), 1),
        lambda: t.scatter_add(1, torch.tensor([[-1]], device=device), t),
        lambda: t.take(torch.tensor([6], device=device)),
        lambda: t.take(torch.tensor([-7], device=device)),
        lambda: t.gather(1, torch.tensor([0], device=device)),
        lambda: t.gather(1, torch.tensor([[0.0]], device=device)),
        lambda: t.index_select(2, i),
        lambda: t.index_select(0, t),
        lambda: t.masked_select(torch.ones(2, 3, device=device)),
        lambda: t.masked_fill(t, 1),
        lambda: t.index_put_((i,), t),
    ):
        with pytest.raises((IndexError, RuntimeError)):
            f()
    assert t.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_large(device):
    """More elements than one piece of work."""
    n = 300_001
    t, a = torch.arange(n, device=device), np.arange(n)
    index = np.random.default_rng(0).integers(-n, n, n)
    i = torch.tensor(index.tolist(), device=device)
    assert (t[i].cpu().numpy() == a[index]).all()
    mask = a % 7 == 3
    assert (t[t % 7 == 3].cpu().numpy() == a[mask]).all()
    counts = torch.zeros(11, dtype=torch.int64, device=device)
    counts.index_put_((t % 11,), torch.tensor(1, device=device), accumulate=True)
    assert counts.tolist() == np.bincount(a % 11).tolist()
    t[i] = 0
    a[index] = 0
    assert (t.cpu().numpy() == a).all()
