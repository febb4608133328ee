"""Views and shape functions: values, strides, offsets, aliasing and errors, against NumPy and torch."""

import numpy as np
import pytest
import rushlight as torch
from helpers import numbered, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, max_examples=80, derandomize=True, suppress_health_check=list(HealthCheck))
SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


def counted(shape, device, module=torch):
    n = int(np.prod(shape))
    return module.arange(n, device=str(device)).reshape(shape)


def shares(view, base):
    return view.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()


@PROPERTY
@given(st.data())
def test_permutations(device, data):
    shape = data.draw(SHAPES)
    t, a = counted(shape, device), numbered(*shape)
    order = data.draw(st.permutations(range(len(shape))))
    signed = [d - len(shape) if data.draw(st.booleans()) else d for d in order]
    p = t.permute(*signed) if shape else t.permute(())
    same(p, a.transpose(order))
    same(torch.permute(t, order), a.transpose(order))
    assert p.stride() == tuple(t.stride(d) for d in order) and shares(p, t)
    assert p._base is (t if t._base is None else t._base)
    if shape:
        i, j = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.integers(0, len(shape) - 1))
        same(t.transpose(i, j), a.swapaxes(i, j))
        same(t.swapaxes(i, j), a.swapaxes(i, j))
        same(torch.movedim(t, i, j), np.moveaxis(a, i, j))
        same(torch.moveaxis(t, [i], [j]), np.moveaxis(a, i, j))
    same(p.contiguous(), a.transpose(order))
    assert p.contiguous().is_contiguous() and p.clone().tolist() == p.tolist()


@PROPERTY
@given(st.data())
def test_reshape(device, data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=0, max_size=4).map(tuple))
    a = numbered(*shape)
    factors = [n for n in shape]
    target = []
    for n in factors:
        cuts = [d for d in range(1, n + 1) if n % d == 0]
        d = data.draw(st.sampled_from(cuts))
        target += [d, n // d]
    target = data.draw(st.sampled_from([target, [a.size], target + [1], [1] + target]))
    if data.draw(st.booleans()) and target:
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    t = counted(shape, device)
    same(t.reshape(target), a.reshape(target))
    same(t.view(*target) if target else t.view(()), a.reshape(target))
    assert shares(t.reshape(target), t)
    order = data.draw(st.permutations(range(len(shape))))
    p = t.permute(order)
    same(p.reshape(target), a.transpose(order).reshape(target))
    try:
        v = p.view(target)
    except RuntimeError as error:
        assert "view size is not compatible with input tensor's size and stride" in str(error)
        assert not shares(p.reshape(target), p)
    else:
        same(v, a.transpose(order).reshape(target))
        assert shares(v, t) and shares(p.reshape(target), t)


@PROPERTY
@given(st.data())
def test_view_like_torch(data):
    """The same arrangements can be viewed, and with the same strides."""
    reference = pytest.importorskip("torch")
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    order = data.draw(st.permutations(range(len(shape))))
    target = data.draw(
        st.sampled_from([list(shape)[::-1], [-1], [1, -1], [2, -1], [-1, 2], [shape[0], -1], [-1, shape[-1]]])
    )
    results = []
    for module in (torch, reference):
        t = counted(shape, "cpu", module).permute(order)
        for f in (lambda t: t.view(target), lambda t: t.reshape(target), lambda t: t.flatten(), lambda t: t.squeeze()):
            try:
                r = f(t)
                strides = [step for n, step in zip(r.shape, r.stride()) if n != 1]
                results.append((tuple(r.shape), strides, r.storage_offset(), r.tolist()))
            except RuntimeError as error:
                results.append(str(error).split("(")[0].split("[")[0][:30])
    half = len(results) // 2
    assert results[:half] == results[half:]


@PROPERTY
@given(st.data())
def test_dims_of_one(device, data):
    shape = data.draw(st.lists(st.sampled_from([1, 1, 2, 3]), min_size=0, max_size=5).map(tuple))
    t, a = counted(shape, device), numbered(*shape)
    same(t.squeeze(), a.squeeze())
    at = data.draw(st.integers(-len(shape) - 1, len(shape)))
    same(t.unsqueeze(at), np.expand_dims(a, at))
    assert shares(t.unsqueeze(at), t)
    if shape:
        d = data.draw(st.integers(-len(shape), len(shape) - 1))
        same(t.squeeze(d), a.squeeze(d) if shape[d] == 1 else a)
        dims = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
        same(t.squeeze(dims), a.squeeze(tuple(d for d in dims if shape[d] == 1)))
        c = t.clone()
        assert c.squeeze_(d) is c and c.shape == t.squeeze(d).shape
        c = t.clone()
        assert c.unsqueeze_(at) is c and c.shape == t.unsqueeze(at).shape


@PROPERTY
@given(st.data())
def test_flatten(device, data):
    shape = data.draw(SHAPES)
    t = counted(shape, device)
    if not shape:
        assert t.flatten().shape == (1,)
        return
    first = data.draw(st.integers(0, len(shape) - 1))
    last = data.draw(st.integers(first, len(shape) - 1))
    merged = (*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :])
    assert t.flatten(first, last).shape == t.flatten(first - len(shape), last - len(shape)).shape == merged
    assert torch.flatten(t).tolist() == t.ravel().tolist() == list(range(t.numel()))
    if t.numel():
        same(t.flatten(first, last).unflatten(first, shape[first : last + 1]), numbered(*shape))


@PROPERTY
@given(st.data())
def test_narrowing(device, data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    t, a = counted(shape, device), numbered(*shape)
    d = data.draw(st.integers(0, len(shape) - 1))
    start = data.draw(st.integers(0, shape[d]))
    length = data.draw(st.integers(0, shape[d] - start))
    want = a.take(range(start, start + length), d)
    same(t.narrow(d, start, length), want)
    same(torch.narrow(t, d - len(shape), start - shape[d] if start < shape[d] else start, length), want)
    i = data.draw(st.integers(-shape[d], shape[d] - 1))
    same(t.select(d, i), a.take(i, d))
    assert t.select(d, i).storage_offset() == (i % shape[d]) * t.stride(d)
    for got, w in zip(t.unbind(d), range(shape[d]), strict=True):
        same(got, a.take(w, d))
    size = data.draw(st.integers(1, 6))
    parts = t.split(size, d)
    wanted = [a.take(range(k, min(k + size, shape[d])), d) for k in range(0, shape[d], size)]
    assert isinstance(parts, tuple)
    for got, w in zip(parts, wanted, strict=True):
        same(got, w)
        assert shares(got, t)
    sizes = [start, length, shape[d] - start - length]
    for got, w in zip(torch.split(t, sizes, d), np.split(a, [start, start + length], d), strict=True):
        same(got, w)
    chunks = t.chunk(size, d)
    step = -(-shape[d] // size)
    for got, k in zip(chunks, range(0, shape[d], step), strict=True):
        same(got, a.take(range(k, min(k + step, shape[d])), d))


@PROPERTY
@given(st.data())
def test_expand(device, data):
    shape = data.draw(st.lists(st.sampled_from([1, 1, 2, 3]), max_size=3).map(tuple))
    lead = data.draw(st.lists(st.integers(0, 3), max_size=2))
    target = lead + [data.draw(st.integers(0, 3)) if n == 1 else n for n in shape]
    t, a = counted(shape, device), numbered(*shape)
    e = t.expand(target)
    same(e, np.broadcast_to(a, target))
    assert shares(e, t)
    same(torch.broadcast_to(t, target), np.broadcast_to(a, target))
    kept = lead + [-1 if n != 1 else m for n, m in zip(shape, target[len(lead) :])]
    same(t.expand(*kept) if kept else t.expand(()), np.broadcast_to(a, target))
    same(t.expand_as(e), np.broadcast_to(a, target))
    if e.numel():
        assert all(s == 0 for s, n, m in zip(e.stride()[len(lead) :], shape, target[len(lead) :]) if n == 1 and m > 1)
        assert e.sum_to_size(shape).tolist() == (a * (e.numel() // max(a.size, 1))).tolist()
    repeats = lead + [data.draw(st.integers(0, 3)) for _ in shape]
    same(t.repeat(repeats), np.tile(a, repeats))


@PROPERTY
@given(st.data())
def test_diagonal_unfold(device, data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple))
    t, a = counted(shape, device), numbered(*shape)
    i, j = data.draw(st.permutations(range(len(shape))))[:2]
    offset = data.draw(st.integers(-4, 4))
    same(t.diagonal(offset, i, j), a.diagonal(offset, i, j))
    size = data.draw(st.integers(1, shape[i]))
    step = data.draw(st.integers(1, 3))
    want = np.lib.stride_tricks.sliding_window_view(a, size, i)
    want = want[tuple(slice(None, None, step) if d == i else slice(None) for d in range(want.ndim))]
    same(t.unfold(i, size, step), want)
    dims = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True))
    flipped = t.flip(dims)
    same(flipped, np.flip(a, tuple(dims)))
    assert not shares(flipped, t) and flipped.is_contiguous()


@PROPERTY
@given(st.data())
def test_as_strided(device, data):
    base = torch.arange(40, device=device)
    sizes = data.draw(st.lists(st.integers(0, 4), max_size=3))
    strides = data.draw(st.lists(st.integers(0, 8), min_size=len(sizes), max_size=len(sizes)))
    offset = data.draw(st.integers(0, 30))
    last = offset + sum((n - 1) * s for n, s in zip(sizes, strides))
    if 0 in sizes or last < 40:
        got = base.as_strided(sizes, strides, offset)
        assert got.shape == tuple(sizes) and got.stride() == tuple(strides) and got.storage_offset() == offset
        want = np.lib.stride_tricks.as_strided(np.arange(40)[offset:], sizes, [8 * s for s in strides])
        assert got.tolist() == want.tolist()
    else:
        with pytest.raises(RuntimeError, match="out of bounds for storage"):
            base.as_strided(sizes, strides, offset)


def test_aliasing(device):
    x = torch.zeros(2, 3, device=device)
    views = [x.view(6), x.t(), x[1], x[:, 1:], x.reshape(3, 2), x.unsqueeze(0), x.expand(2, 2, 3), x.diagonal()]
    for k, v in enumerate(views):
        assert v._is_view() and v._base is x and shares(v, x), k
    assert shares(x.detach(), x) and not x.detach()._is_view()
    x[1, 1] = 5
    assert [5.0 in v.flatten().tolist() for v in views] == [True] * len(views)
    x.t()[2, 0] = 7
    assert x[0, 2].item() == 7.0 and views[0][2].item() == 7.0
    for copied in (x.clone(), x.t().contiguous(), x.repeat(1, 1), x.flip(0), x.t().reshape(6), x[[0, 1]], x[x == x]):
        assert not shares(copied, x)
    assert x.contiguous() is x and x.reshape(2, 3) is not x and x.to(torch.float32) is x
    assert x.expand(2, 3)._is_view() and not x._is_view() and x._base is None
    assert x[1].data_ptr() == x.data_ptr() + 12 and x.view(6)[4].storage_offset() == 4


def test_versions_are_shared(device):
    x = torch.zeros(2, 3, device=device)
    v = x[0]
    before = x._version
    v.add_(1)
    assert x._version == v._version == before + 1
    assert x.detach()._version == x._version and x.clone()._version == 0


def test_inplace_shapes(device):
    x = torch.arange(6, device=device).reshape(2, 3)
    pointer = x.data_ptr()
    assert x.t_() is x and x.shape == (3, 2) and x.stride() == (1, 3) and x.data_ptr() == pointer
    assert x.transpose_(0, 1).shape == (2, 3)
    assert x.unsqueeze_(1).shape == (2, 1, 3) and x.squeeze_().shape == (2, 3)
    assert x.swapaxes_(0, 1).shape == (3, 2) and x.swapdims_(0, 1).shape == (2, 3)
    assert x.as_strided_((2, 2), (1, 2)).tolist() == [[0, 2], [1, 3]]
    y = torch.zeros(2, 2, device=device)
    assert y.resize_(3, 3) is y and y.shape == (3, 3) and y.is_contiguous()
    assert y.resize_(1).shape == (1,) and y.untyped_storage().nbytes() == 36
    assert y.resize_as_(x).shape == (2, 2)
    z = torch.empty(0, device=device)
    z.set_(torch.ones(2, 2, device=device))
    assert z.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_transposes(device):
    x = counted((2, 3, 4), device)
    assert x.mT.shape == (2, 4, 3) and x.mT.tolist() == numbered(2, 3, 4).swapaxes(1, 2).tolist()
    assert x[0].T.shape == (4, 3) and x[0].H.shape == (4, 3) and x[0].t().stride() == (1, 4)
    assert x[0, 0].t().shape == (4,) and torch.tensor(1, device=device).t().shape == ()
    c = torch.tensor([[1 + 2j, 3j]], device=device)
    assert c.mH.tolist() == [[1 - 2j], [-3j]] and c.H.tolist() == c.adjoint().tolist()
    with pytest.raises(RuntimeError, match="t\\(\\) expects a tensor with <= 2 dimensions, but self is 3D"):
        x.t()
    assert c.real.tolist() == [[1.0, 0.0]] and c.imag.tolist() == [[2.0, 3.0]]
    c.imag.zero_()
    assert c.tolist() == [[1 + 0j, 0j]] and torch.view_as_real(c).shape == (1, 2, 2)
    assert torch.view_as_complex(torch.tensor([[1.0, 2.0]], device=device)).tolist() == [1 + 2j]


def test_view_of_dtype(device):
    x = torch.tensor([1.0, -2.0], device=device)
    assert x.view(torch.int32).tolist() == [0x3F800000, -0x40000000] and x.view(torch.int32).stride() == (1,)
    assert x.view(torch.uint8).shape == (8,) and x.view(torch.float64).shape == (1,)
    x.view(torch.int32)[0] = 0
    assert x.tolist() == [0.0, -2.0]
    assert x.view(torch.complex64).tolist() == [-2j]
    with pytest.raises(RuntimeError, match="divisible"):
        torch.ones(3, device=device).view(torch.float64)
    with pytest.raises(RuntimeError, match="stride"):
        torch.ones(2, 4, device=device).t().view(torch.float64)
    with pytest.raises(RuntimeError):
        torch.tensor(1.0, device=device).view(torch.int16)


def test_memory_formats(device):
    x = torch.randn(2, 3, 4, 5, device=device)
    last = x.contiguous(memory_format=torch.channels_last)
    assert last.stride() == (60, 1, 15, 3) and last.equal(x) and not last.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert last.clone().stride() == last.stride() and torch.empty_like(last).stride() == last.stride()
    assert last.clone(memory_format=torch.contiguous_format).is_contiguous()
    assert x.to(memory_format=torch.channels_last).stride() == last.stride()


ERRORS = [
    (lambda x: x.view(4), RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
    (lambda x: x.reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
    (lambda x: x.reshape(-1, 4), RuntimeError, r"shape '\[-1, 4\]' is invalid for input of size 6"),
    (lambda x: x.reshape(-2, 3), RuntimeError, "invalid shape dimension -2|negative dimension"),
    (lambda x: x[:0].reshape(-1, 0), RuntimeError, "cannot reshape tensor of 0 elements into shape .* ambiguous"),
    (lambda x: x.t().view(6), RuntimeError, "view size is not compatible with input tensor's size and stride"),
    (
        lambda x: x.transpose(0, 2),
        IndexError,
        r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)",
    ),
    (lambda x: x.permute(0, 0), RuntimeError, "duplicate dims are not allowed|repeated dim"),
    (lambda x: x.permute(0), RuntimeError, "number of dimensions|does not match the length"),
    (lambda x: x.unsqueeze(3), IndexError, "Dimension out of range"),
    (lambda x: x.squeeze(2), IndexError, "Dimension out of range"),
    (
        lambda x: x.select(0, 2),
        IndexError,
        r"select\(\): index 2 out of range for tensor of size \[2, 3\] at dimension 0",
    ),
    (lambda x: x.narrow(1, 2, 2), RuntimeError, r"start \(2\) \+ length \(2\) exceeds dimension size \(3\)"),
    (lambda x: x.narrow(1, 0, -1), RuntimeError, "non-negative"),
    (lambda x: x.narrow(1, 4, 0), IndexError, "out of range|start"),
    (
        lambda x: x.expand(2, 4),
        RuntimeError,
        r"The expanded size of the tensor \(4\) must match the existing size \(3\)",
    ),
    (lambda x: x.expand(3), RuntimeError, "number of sizes provided"),
    (lambda x: x.expand(-1, 2, 3), RuntimeError, "leading, non-existing dimension"),
    (lambda x: x.repeat(2), RuntimeError, "Number of dimensions of repeat dims can not be smaller"),
    (lambda x: x.repeat(2, -1), RuntimeError, "negative"),
    (lambda x: x.split(-1), RuntimeError, "split"),
    (lambda x: x.split([1, 3], 1), RuntimeError, r"split_with_sizes expects split_sizes to sum exactly to 3"),
    (lambda x: x.chunk(0), RuntimeError, "chunk expects `chunks` to be greater than 0"),
    (lambda x: x.unfold(1, 4, 1), RuntimeError, "maximum size for tensor at dimension 1 is 3 but size is 4"),
    (lambda x: x.unfold(1, 2, 0), RuntimeError, "step is 0 but must be > 0"),
    (lambda x: x.flip(0, 0), RuntimeError, "dim 0 appears multiple times"),
    (lambda x: x.diagonal(0, 1, 1), RuntimeError, "identical|same"),
    (lambda x: x.as_strided((2,), (1, 2)), RuntimeError, "mismatch|same"),
    (lambda x: x.as_strided((2,), (-1,)), RuntimeError, "(?i)negative"),
    (lambda x: x.as_strided((-2,), (1,)), RuntimeError, "negative|overflow"),
    (lambda x: x.as_strided((2,), (1,), -1), RuntimeError, "storage offset|storage_offset|negative"),
    (lambda x: x.as_strided((2**62, 2**62), (1, 1)), RuntimeError, "overflow|out of bounds"),
    (lambda x: x.as_strided((2,), (2**62,)), RuntimeError, "overflow|out of bounds"),
    (lambda x: x.as_strided((1,), (1,), 2**62), RuntimeError, "overflow|out of bounds"),
    (lambda x: x.unflatten(1, (2, 2)), RuntimeError, "don't multiply up to the size of dim 1"),
    (lambda x: x.flatten(1, 0), RuntimeError, "start_dim cannot come after end_dim"),
    (lambda x: torch.tensor(1).unbind(), (RuntimeError, IndexError), "0|dimension"),
    (lambda x: x.movedim((0, 1), (0,)), RuntimeError, "movedim"),
    (lambda x: x.resize_(-1), RuntimeError, "negative|overflow"),
    (lambda x: x.view("a"), TypeError, ""),
    (lambda x: x.imag, RuntimeError, "imag is not implemented for tensors with non-complex dtypes"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case, device):
    f, error, match = ERRORS[case]
    x = torch.arange(6, device=device).reshape(2, 3)
    with pytest.raises(error, match=match):
        f(x)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_like_torch(case):
    """The table above holds for torch too."""
    reference = pytest.importorskip("torch")
    f, error, match = ERRORS[case]
    with pytest.raises(error, match=match):
        f(reference.arange(6).reshape(2, 3))


def test_many_dims(device):
    x = torch.ones((1,) * 40 + (2,), device=device)
    assert x.dim() == 41 and (x + x).shape == x.shape and x.squeeze().shape == (2,)
    assert x.transpose(0, 40).shape == (2,) + (1,) * 40
    with pytest.raises(RuntimeError):
        torch.ones((1,) * 73, device=device) + 1
