"""The negative bit: imag of a conjugate is a view; everything but views sees resolved values."""

import copy
import io
import pickle

import numpy as np
import pytest
import rushlight as torch
from test_bool_bytes import EVERYTHING, LEFT_OUT, arguments, outcome, signatures, tensor_maker
from test_conj import VIEW_METHODS, first


def triple(shape=(3, 4), dtype=torch.float64, seed=0):
    """An array, a tensor of its negatives, and a negative view of that with the values of the array."""
    a = np.random.default_rng(seed).integers(-8, 8, shape).astype(str(dtype).removeprefix("torch."))
    t = torch.tensor(-a)
    n = t._neg_view()
    assert n.is_neg() and not t.is_neg() and n.data_ptr() == t.data_ptr()
    return a, t, n


def values(t):
    return t.detach().resolve_neg().resolve_conj().numpy()


def test_imag_of_conj():
    x = torch.tensor([1 + 2j, 3 - 1j])
    i = x.conj().imag
    assert i.is_neg() and torch.is_neg(i) and not i.is_conj() and i._base is x and i.data_ptr() == x.data_ptr() + 4
    assert i.tolist() == [-2, 1]
    i.fill_(5.0)
    assert x.tolist() == [1 - 5j, 3 - 5j] and i.tolist() == [5, 5]
    x[0] = 7 + 7j
    assert i.tolist() == [-7, 5]
    assert not x.conj().real.is_neg() and not x.imag.is_neg() and not x.conj().conj().imag.is_neg()
    assert torch.imag(x.conj()).is_neg() and not torch.real(x.conj()).is_neg()


def test_both_bits():
    x = torch.tensor([[1 + 2j, 3 - 1j]])
    n, c = x._neg_view(), x.conj()._neg_view()
    assert (n.real.is_neg(), n.imag.is_neg(), n.conj().is_neg(), n.conj().is_conj()) == (True, True, True, True)
    assert (c.real.is_neg(), c.imag.is_neg()) == (True, False)
    assert c.tolist() == [[-1 + 2j, -3 - 1j]] and c.imag.tolist() == [[2, -1]] and c.real.tolist() == [[-1, -3]]
    assert not c.resolve_neg().is_conj() and not c.resolve_conj().is_neg() and c.resolve_conj().tolist() == c.tolist()
    assert torch.view_as_real(n).is_neg() and torch.view_as_real(n).tolist() == [[[-1, -2], [-3, 1]]]
    with pytest.raises(RuntimeError, match="view_as_real doesn't work on unresolved conjugated"):
        torch.view_as_real(c)
    assert torch.view_as_complex(torch.ones(2, 2)._neg_view()).tolist() == [-1 - 1j, -1 - 1j]
    assert c.mH.is_neg() and not c.mH.is_conj() and c.mH.tolist() == [[-1 - 2j], [-3 + 1j]]
    c.fill_(1j)
    assert x.tolist() == [[1j, 1j]]
    c.copy_(torch.tensor([[2.0, 1 + 3j]]))
    assert x.tolist() == [[-2, -1 + 3j]]
    c[0, 0] = 3 - 2j
    assert x[0, 0].item() == -3 - 2j and c[0, 0].item() == 3 - 2j
    c.imag = 4.0
    assert x.imag.tolist() == [[4, 4]] and c.imag.tolist() == [[4, 4]]


COMPLEX_ONLY = ("cdouble", "to", "type_as", "resolve_neg", "conj", "contiguous", "cpu", "positive", "__copy__")


@pytest.mark.parametrize("method", [m for m in VIEW_METHODS if m[0] not in COMPLEX_ONLY], ids=lambda m: m[0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_every_view_shares_memory(method, dtype):
    a, t, n = triple((3, 4, 2) if method[0] == "dsplit" else (3, 4), dtype)
    name, *args = method
    base, v = first(getattr(t, name)(*args)), first(getattr(n, name)(*args))
    assert v.data_ptr() == base.data_ptr() and v.is_neg() and not base.is_neg()
    np.testing.assert_array_equal(values(v), -values(base))
    if function := getattr(torch, name, None):
        assert first(function(n, *args)).is_neg()
    if v.numel() <= t.numel():
        v.copy_(v * 3)
        at = v.storage_offset()
        assert t.view(-1)[at] == -3 * a.ravel()[at]


def test_resolve_and_copies():
    a, t, n = triple()
    r = n.resolve_neg()
    assert not r.is_neg() and r.data_ptr() != t.data_ptr() and t.resolve_neg() is t and n.resolve_conj() is n
    np.testing.assert_array_equal(r.numpy(), a)
    assert n.contiguous() is n and n.to(n.dtype) is n and n.double() is n and n.cpu() is n and torch.positive(n) is n
    assert n.conj() is n and n.real is n and torch.asarray(n).is_neg() and torch.as_tensor(n).is_neg()
    assert n.detach().is_neg() and n.data.is_neg() and n._neg_view().is_neg() is False and n[0].is_neg()
    for copied in (n.clone(), n.T.contiguous().T, n.to(torch.float32), n + 0, torch.tensor([n[0, 0]]), n[[0]]):
        assert not copied.is_neg()
    for fresh in (torch.empty_like(n), torch.zeros_like(n), n.new_empty(2), torch.stack([n]), torch.cat([n, n]), -n):
        assert not fresh.is_neg()
    np.testing.assert_array_equal(n.T.contiguous().numpy(), a.T)
    np.testing.assert_array_equal(n.to(torch.float32).numpy(), a.astype("float32"))
    assert n.tolist() == a.tolist() and n[1, 1].item() == a[1, 1] and float(n[1, 1]) == a[1, 1]
    assert repr(n) == repr(r) and bool(n[1, 1] == a[1, 1]) and a[1, 1] in n
    for again in (copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))):
        made = again(n)
        np.testing.assert_array_equal(values(made), a)
        made = again(torch.nn.Parameter(n))
        np.testing.assert_array_equal(values(made), a)
    assert copy.copy(n).is_neg() and pickle.loads(pickle.dumps(n)).is_neg()
    both = torch.tensor([1 + 2j])._neg_view().conj()
    assert pickle.loads(pickle.dumps(both)).tolist() == copy.deepcopy(both).tolist() == [-1 + 2j]


@pytest.mark.parametrize("kind", ["neg", "both"])
def test_saved(kind):
    t = torch.tensor([1 + 2j, 3 - 1j])
    n = t._neg_view() if kind == "neg" else t.conj()._neg_view()
    file = io.BytesIO()
    torch.save({"x": n, "i": torch.tensor([1.0, 2.0])._neg_view()}, file)
    for weights_only in (True, False):
        file.seek(0)
        loaded = torch.load(file, weights_only=weights_only)
        assert loaded["x"].is_neg() and loaded["x"].is_conj() == (kind == "both")
        assert loaded["x"].tolist() == n.tolist() and loaded["i"].tolist() == [-1, -2] and loaded["i"].is_neg()


def test_saved_for_the_reference():
    real = pytest.importorskip("torch")
    t, u = torch.tensor([1 + 2j, 3 - 1j]), torch.tensor([1 + 2j, 3 - 1j])
    file = io.BytesIO()
    torch.save([t.conj().imag, u.conj()._neg_view()], file)
    file.seek(0)
    i, both = real.load(file)
    assert i.is_neg() and i.tolist() == [-2, 1] and both.is_neg() and both.is_conj()
    file = io.BytesIO()
    x, y = real.tensor([1 + 2j, 3 - 1j]), real.tensor([1 + 2j, 3 - 1j])
    real.save([x.conj().imag, y.conj()._neg_view()], file)
    file.seek(0)
    i, both = torch.load(file)
    assert i.is_neg() and i.tolist() == [-2, 1] and both.is_neg() and both.is_conj()


def test_refusals():
    _, t, n = triple()
    with pytest.raises(RuntimeError, match=r"negative bit set. Use tensor.resolve_neg\(\)"):
        n.numpy()
    with pytest.raises(RuntimeError, match="negative bit set"):
        np.asarray(n)
    with pytest.raises(RuntimeError, match="negative bit set when converting to a different dtype"):
        n.view(torch.int64)
    for export in (memoryview, lambda x: x.__dlpack__()):
        with pytest.raises(BufferError, match="negative bit"):
            export(n)
    np.testing.assert_array_equal(n.numpy(force=True), -t.numpy())
    with pytest.raises(RuntimeError, match="several tensors that have the conjugate or negative bit"):
        torch.sort(t, out=(n, torch.empty(3, 4, dtype=torch.int64)))


WRITES = [
    lambda v: v.fill_(5),
    lambda v: v.copy_(torch.tensor([7, 8])),
    lambda v: v.copy_(torch.tensor([True, False])),
    lambda v: v.copy_(torch.tensor([200, 1], dtype=torch.uint8)),
    lambda v: v.copy_(torch.ones(2)._neg_view()),
    lambda v: v.copy_(v),
    lambda v: v.add_(1),
    lambda v: v.mul_(3),
    lambda v: v.add_(v, alpha=2),
    lambda v: v.sub_(v),
    lambda v: v.zero_(),
    lambda v: v.neg_(),
    lambda v: v.abs_(),
    lambda v: v.clamp_(min=0),
    lambda v: v.__setitem__(0, 9),
    lambda v: v.__setitem__(0, True),
    lambda v: v.__setitem__([1], 9.5),
    lambda v: v.__setitem__(v < 0, 4),
    lambda v: v.__setitem__(slice(None), torch.tensor([3, 200], dtype=torch.uint8)),
    lambda v: v.__setitem__(slice(1), [2.5]),
    lambda v: v.index_fill_(0, torch.tensor([0]), 4),
    lambda v: v.masked_fill_(v < 0, 3),
    lambda v: v.index_put_((torch.tensor([1]),), torch.tensor(6.0), accumulate=True),
    lambda v: v.scatter_(0, torch.tensor([1, 0]), torch.tensor([1.0, 2.0])),
    lambda v: v.__iadd__(v),
    lambda v: v.__itruediv__(4),
    lambda v: v[:1].fill_(3),
    lambda v: v.data.fill_(2),
    lambda v: v.view(1, 2).t().add_(torch.tensor([[1.0], [2.0]])),
    lambda v: torch.add(v, 2, out=v),
    lambda v: torch.neg(torch.ones(2), out=v),
    lambda v: v.index_copy_(0, torch.tensor([0]), torch.tensor([5.0])),
    lambda v: v.set_(torch.ones(2)),
]


@pytest.mark.parametrize("number", range(len(WRITES)))
def test_writes_go_through(number):
    """What is written to a part that is a negative view arrives as when a plain tensor is written and put back."""
    write = WRITES[number]
    x = torch.tensor([1 + 2j, 3 - 1j])
    v = x.conj().imag
    kept = v.clone()
    write(v)
    write(kept)
    if number < len(WRITES) - 1:
        assert v.tolist() == kept.tolist() and v.is_neg()
        assert x.real.tolist() == [1, 3] and x.imag.tolist() == [-a for a in kept.tolist()]
    else:  # other memory; a tensor brings its own bit
        assert v.tolist() == [1, 1] and x.imag.tolist() == [2, -1]


def test_set_keeps_the_bit_for_storages():
    t = torch.tensor([1.0, 2.0])
    n = torch.zeros(2)._neg_view()
    n.set_(t.untyped_storage(), 0, (2,), (1,))
    assert n.tolist() == [-1, -2]
    n.data = torch.tensor([4.0])
    assert n.tolist() == [4] and not n.is_neg()
    n.data = t._neg_view()
    assert n.tolist() == [-1, -2]
    assert t._neg_view().storage().tolist() == [1, 2]


# ---- derivatives
def imag_changed(x):
    z = x * 1
    z.conj().imag.mul_(3)
    return (z.abs() ** 2).sum()


def test_gradients_of_changed_parts():
    x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    imag_changed(x).backward()
    assert x.grad.tolist() == [2 + 36j, 6 - 18j]
    z = x * 1
    part = z.conj().imag
    assert part.grad_fn.name() == "SelectBackward0" or "Neg" in part.grad_fn.name()
    z.mul_(2)  # the part's history is made anew
    assert part.tolist() == [-4, 2]
    x.grad = None
    (part * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [-2j, -20j]


def detached_conj(x):
    base = (x * 1).conj().resolve_conj()
    c = base.conj()
    c.real.mul_(2)
    c.imag.add_(c.real.clone() * c.imag.clone())
    return c * c


def neg_view(x):
    y = x * 1
    n = y._neg_view()
    n[0] = n[1].clone() * n[2].clone()
    n.mul_(y.clone())
    return y * n


def parts_of_neg(x):
    y = x * 1
    n = y._neg_view()
    n.imag.mul_(n.real.clone())
    n.conj().real.sin_()
    torch.view_as_real(n)[1, 0] = n[0].imag.clone() * n[2].real.clone()
    return (y * n).real + n.imag


def complex_view(x):
    y = torch.view_as_real(x * 1)
    n = torch.view_as_complex(y._neg_view())
    n.mul_(n.conj().clone())
    n.conj().imag.add_(2 * n.real)
    return y * y.flip(0)


@pytest.mark.parametrize("f", [imag_changed, detached_conj, neg_view, parts_of_neg, complex_view])
def test_derivatives(f):
    x = torch.randn(3, dtype=torch.complex128, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


def test_base_with_bits():
    """A base that has a bit itself, as detach() of a view makes one."""
    x = torch.randn(3, dtype=torch.complex128, requires_grad=True)
    for make in (lambda t: t.conj(), lambda t: t._neg_view(), lambda t: t._neg_view().conj()):

        def f(x, make=make):
            base = make(torch.zeros(3, dtype=torch.complex128)).detach()
            flat = base.real.as_strided((6,), (1,))  # all parts of the memory; its history is made anew
            base.copy_(x)
            base.imag.mul_(base.real.clone())
            base.real.sin_()
            base[1:].mul_(x[0])
            return base * base.imag + flat[:3] * flat[3:]

        assert torch.autograd.gradcheck(f, (x,))


def test_hooks_and_grad_get_plain_tensors():
    x = torch.ones(2, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.is_neg()))
    (x * 2).backward(torch.ones(2)._neg_view())
    assert seen == [False] and x.grad.tolist() == [-2, -2] and not x.grad.is_neg()
    x.grad = torch.ones(2)._neg_view()
    assert x.grad.tolist() == [-1, -1]


OPERATIONS = [
    (lambda t: t + 1, lambda a: a + 1),
    (lambda t: 2 - t, lambda a: 2 - a),
    (lambda t: t @ t.T, lambda a: a @ a.T),
    (lambda t: abs(t), np.abs),
    (lambda t: -t, np.negative),
    (lambda t: t.sum(0), lambda a: a.sum(0)),
    (lambda t: torch.where(t > 0, t, 0), lambda a: np.where(a > 0, a, 0)),
    (lambda t: t.max(), np.max),
    (lambda t: t.sort(1)[0], lambda a: np.sort(a, 1)),
    (lambda t: t.exp(), np.exp),
    (lambda t: t[t > 0], lambda a: a[a > 0]),
    (lambda t: t[[0, 2], 1:], lambda a: a[[0, 2], 1:]),
    (lambda t: torch.stack([t, t]), lambda a: np.stack([a, a])),
    (lambda t: torch.einsum("ij,kj->ik", t, t), lambda a: np.einsum("ij,kj->ik", a, a)),
    (lambda t: t == t.clone(), lambda a: a == a),
    (lambda t: t.unique(), np.unique),
]


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_operations_see_the_values(number):
    ours, reference = OPERATIONS[number]
    a, _, n = triple()
    result = ours(n)
    assert not result.is_neg()
    np.testing.assert_allclose(result.numpy(), reference(a), rtol=1e-12)


# ---- everything that the table of operations says takes tensors
def number(shape, start, dtype):
    g = torch.Generator().manual_seed(start)
    t = torch.randint(-3, 4, shape, generator=g).to(dtype)
    return t + 0.5j if dtype.is_complex else t


# Views with the values of a tensor: by the negative bit, by that of an imaginary part, by both bits.
MAKERS = {
    "neg": (torch.float64, lambda t: (-t)._neg_view()),
    "integers": (torch.int64, lambda t: (-t)._neg_view()),
    "imag": (torch.float64, lambda t: torch.complex(t + 1, -t).conj().imag),
    "both": (torch.complex128, lambda t: (-t.conj_physical()).conj()._neg_view()),
}
# Questions about the bits and the geometry, refusals for views, and what depends on how the copy lies in memory.
LEFT_OUT_HERE = LEFT_OUT | {
    *("is_neg", "is_conj", "_is_view", "detach_", "view_as_real", "_neg_view", "is_contiguous", "stride", "normal_"),
    *("as_strided", "as_strided_", "as_strided_copy", "as_strided_scatter", "storage_offset"),
}


def without_signs_of_zeros(result):
    return str(result).replace("-0.0", "0.0").replace("-0j", "+0j")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(name for name in EVERYTHING if name.split()[1] not in LEFT_OUT_HERE))
def test_sweep(name):
    """A call gives the same for views with a bit as for plain tensors of the same values, and changes them alike."""
    shapes = [(7,), (4, 4), (2, 3, 5)]  # bits are resolved before a kernel runs: large ones would show no more
    for dtype, view in MAKERS.values():
        make = tensor_maker(lambda *a, view=view, dtype=dtype: view(number(*a, dtype)))
        for parameters in signatures(EVERYTHING[name].__doc__):
            for pick in range(0, 9, 2):
                made = arguments(parameters, make, pick, shapes)
                if made is None:
                    break
                plain = [resolved(a) for a in made[0]], {k: resolved(v) for k, v in made[1].items()}
                got, right = outcome(EVERYTHING[name], *made), outcome(EVERYTHING[name], *plain)
                assert without_signs_of_zeros(got) == without_signs_of_zeros(right), (parameters, pick)


def resolved(value):
    """The same values in the same geometry, without bits."""
    if isinstance(value, list):
        return [resolved(v) for v in value]
    if not isinstance(value, torch.Tensor) or not value.is_neg() and not value.is_conj():
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype).copy_(value)


def test_activations_in_place_of_tensors_with_the_bit():
    functional = torch.nn.functional
    for call in (
        lambda x: functional.relu(x, inplace=True),
        lambda x: functional.relu_(x),
        lambda x: functional.leaky_relu(x, 0.5, inplace=True),
    ):
        base = torch.tensor([1 + 2j, 1 - 1j])
        x = base.conj().imag
        expected = call(x.clone())
        assert x.is_neg() and call(x) is x and x.tolist() == expected.tolist()
        assert base.imag.tolist() == (-expected).tolist()


def test_view_as_complex_shares_memory():
    x = torch.zeros(2, 2)
    v = torch.view_as_complex(x._neg_view())
    assert v.is_neg()
    v.fill_(1 + 2j)
    assert x.tolist() == [[-1, -2], [-1, -2]]
    with pytest.raises(RuntimeError, match="last dimension with stride 1"):
        torch.view_as_complex(torch.tensor([[1 + 2j, 3 + 4j]]).conj().imag)
    w = torch.tensor([[1.0, -2.0]], requires_grad=True)
    torch.view_as_complex(w._neg_view()).abs().sum().backward()
    assert torch.allclose(w.grad, w.detach() / 5**0.5)


def test_indices_with_the_bit():
    i = torch.tensor([0, -1])._neg_view()
    x = torch.arange(5)
    assert x[i].tolist() == [0, 1] and x[i, None].tolist() == [[0], [1]]
    x[i] = 7
    assert x.tolist() == [7, 7, 2, 3, 4]
    m = torch.arange(6).reshape(2, 3)
    assert m[:, i].tolist() == [[0, 1], [3, 4]] and m[i, i].tolist() == [0, 4] and m[[i, i]].tolist() == [0, 4]
