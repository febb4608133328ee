"""The conjugate bit: conj(), H, mH and adjoint() are views; everything else sees resolved values."""

import copy
import pickle

import numpy as np
import pytest
import rushlight as torch

DTYPES = [torch.complex64, torch.complex128]


def pair(shape=(3, 4), dtype=torch.complex128, seed=0):
    """A complex array and a tensor of the same values."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    t = torch.tensor(a).to(dtype)
    return t.numpy().copy(), t


def values(t):
    return t.resolve_conj().detach().numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "view, reference",
    [
        (lambda t: t.conj(), np.conj),
        (lambda t: torch.conj(t), np.conj),
        (lambda t: t.H, lambda a: a.conj().T),
        (lambda t: t.mH, lambda a: a.conj().T),
        (lambda t: t.adjoint(), lambda a: a.conj().T),
        (lambda t: t.conj()[1], lambda a: a.conj()[1]),
        (lambda t: t.conj()[1:, ::2], lambda a: a.conj()[1:, ::2]),
        (lambda t: t.conj().T, lambda a: a.conj().T),
        (lambda t: t.conj().view(2, 6), lambda a: a.conj().reshape(2, 6)),
        (lambda t: t.conj().reshape(-1), lambda a: a.conj().reshape(-1)),
        (lambda t: t.conj().unsqueeze(0), lambda a: a.conj()[None]),
        (lambda t: t.conj().unbind(1)[2], lambda a: a.conj()[:, 2]),
        (lambda t: t.conj().split(2, 1)[1], lambda a: a.conj()[:, 2:]),
        (lambda t: t.conj().diagonal(), lambda a: a.conj().diagonal()),
        (lambda t: t.conj().expand(2, 3, 4), lambda a: np.broadcast_to(a.conj(), (2, 3, 4))),
        (lambda t: t.conj().as_strided((2, 2), (4, 1), 1), lambda a: a.conj()[:2, 1:3]),
        (lambda t: t.conj().detach(), np.conj),
        (lambda t: t.conj().data, np.conj),
        (lambda t: torch.atleast_3d(t.conj()), lambda a: a.conj()[:, :, None]),
    ],
)
def test_views(dtype, view, reference):
    a, t = pair(dtype=dtype)
    v = view(t)
    assert v.is_conj()
    assert v.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
    np.testing.assert_array_equal(values(v), reference(a))
    assert torch.conj(v).is_conj() is False
    np.testing.assert_array_equal(values(v.conj()), reference(a).conj())
    a[0, 1] = 5 - 7j
    t[0, 1] = 5 - 7j  # seen through the view
    np.testing.assert_array_equal(values(v), reference(a))


def first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


VIEW_METHODS = [
    ("adjoint",), ("as_strided", (2, 2), (4, 1)), ("broadcast_to", (2, 3, 4)), ("chunk", 2), ("conj",), ("contiguous",),
    ("cpu",), ("detach",), ("diagonal",), ("dsplit", 2), ("expand", 2, 3, 4), ("expand_as", torch.ones(2, 3, 4)),
    ("flatten",), ("hsplit", 2), ("moveaxis", 0, 1), ("movedim", 0, 1), ("narrow", 0, 1, 2), ("permute", (1, 0)),
    ("positive",), ("ravel",), ("reshape", 12), ("reshape_as", torch.ones(12)), ("select", 0, 1), ("split", 2),
    ("split_with_sizes", [1, 2]), ("squeeze",), ("swapaxes", 0, 1), ("swapdims", 0, 1), ("t",), ("tensor_split", 2),
    ("to", torch.complex128), ("transpose", 0, 1), ("type_as", torch.ones(1, dtype=torch.complex128)), ("unbind",),
    ("unflatten", 1, (2, 2)), ("unfold", 0, 2, 1), ("unsafe_chunk", 2), ("unsafe_split", 2),
    ("unsafe_split_with_sizes", [1, 2]), ("unsqueeze", 0), ("view", 12), ("view_as", torch.ones(12)), ("vsplit", 3),
    ("cdouble",), ("resolve_neg",), ("__copy__",), ("as_subclass", torch.Tensor), ("requires_grad_", False),
]  # fmt: skip


@pytest.mark.parametrize("method", VIEW_METHODS, ids=lambda m: m[0])
def test_every_view_shares_memory(method):
    a, t = pair((3, 4, 2) if method[0] == "dsplit" else (3, 4))
    name, *args = method
    plain, v = first(getattr(t, name)(*args)), first(getattr(t.conj(), name)(*args))
    assert plain.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
    assert v.data_ptr() == plain.data_ptr() and v.is_conj() != plain.is_conj()
    np.testing.assert_array_equal(values(v), values(plain).conj())
    function = getattr(torch, name, None)
    if function and name not in ("cdouble", "cpu", "to"):
        f = first(function(t.conj(), *args))
        assert f.data_ptr() == plain.data_ptr() and f.is_conj() != plain.is_conj()
    if v.numel() <= t.numel():  # else elements share memory
        v.copy_(v * 2j)
        at = v.storage_offset()
        assert t.numpy().ravel()[at] == a.ravel()[at] * (-2j if v.is_conj() else 2j)


def test_resolve():
    a, t = pair()
    c = t.conj()
    r = c.resolve_conj()
    assert not r.is_conj() and r.data_ptr() != t.data_ptr() and c.data_ptr() == t.data_ptr()
    assert t.resolve_conj() is t and c.conj().data_ptr() == t.data_ptr()
    np.testing.assert_array_equal(r.numpy(), a.conj())
    assert c.contiguous() is c and c.to(c.dtype) is c
    for copied in (c.clone(), c.T.contiguous().T, c.to(torch.complex64), c.T.reshape(-1), torch.tensor([c[0, 0]])):
        assert not copied.is_conj()
    np.testing.assert_array_equal(c.T.contiguous().numpy(), a.conj().T)
    np.testing.assert_array_equal(c.to(torch.complex64).numpy(), a.conj().astype(np.complex64))


def test_real_tensors():
    t = torch.ones(2, 3)
    assert t.conj() is t and not t.mH.is_conj() and not t.is_conj()


def test_parts():
    a, t = pair()
    c = t.conj()
    assert c.real.data_ptr() == t.data_ptr() and not c.real.is_conj()
    np.testing.assert_array_equal(c.real.numpy(), a.real)
    np.testing.assert_array_equal(c.imag.resolve_neg().numpy(), -a.imag)
    with pytest.raises(RuntimeError, match="view_as_real"):
        torch.view_as_real(c)
    with pytest.raises(RuntimeError, match="conjugate view"):
        c.view(torch.float64)


OPERATIONS = [
    (lambda t: t + 1j, lambda a: a + 1j),
    (lambda t: (2 - 1j) * t, lambda a: (2 - 1j) * a),
    (lambda t: t * t, lambda a: a * a),
    (lambda t: 1 / t, lambda a: 1 / a),
    (lambda t: -t, lambda a: -a),
    (lambda t: abs(t), np.abs),
    (lambda t: t**2, lambda a: a**2),
    (lambda t: t @ t.T, lambda a: a @ a.T),
    (lambda t: torch.mm(t, t.T), lambda a: a @ a.T),
    (lambda t: t == t.clone(), lambda a: a == a),
    (lambda t: t.sum(), np.sum),
    (lambda t: t.mean(0), lambda a: a.mean(0)),
    (lambda t: torch.cat([t, t]), lambda a: np.concatenate([a, a])),
    (lambda t: torch.stack((t, t * 1)), lambda a: np.stack([a, a])),
    (lambda t: torch.where(t.real > 0, t, 1j), lambda a: np.where(a.real > 0, a, 1j)),
    (lambda t: t[[0, 2]], lambda a: a[[0, 2]]),
    (lambda t: t[t.real > 0], lambda a: a[a.real > 0]),
    (lambda t: torch.exp(t), np.exp),
    (lambda t: t.conj_physical(), np.conj),
    (lambda t: t.angle(), np.angle),
    (lambda t: torch.tensor(t.tolist()), lambda a: a),
    (lambda t: torch.tensor([[complex(x) for x in row] for row in t]), lambda a: a),
    (lambda t: torch.cumsum(t, 0), lambda a: a.cumsum(0)),
    (lambda t: torch.as_tensor(t), lambda a: a),
    (lambda t: t.flip(0), lambda a: a[::-1]),
    (lambda t: torch.full_like(t, t[0, 0]), lambda a: np.full_like(a, a[0, 0])),
    (lambda t: torch.add(t, t, alpha=t[0, 0].item()), lambda a: a + a[0, 0] * a),
]


@pytest.mark.parametrize("operation, reference", OPERATIONS)
def test_operations(operation, reference):
    a, t = pair()
    result = operation(t.conj())
    np.testing.assert_allclose(values(result), reference(a.conj()), rtol=1e-5)
    np.testing.assert_array_equal(t.numpy(), a)


def put(t, index, value):
    t[index] = value


IN_PLACE = [
    (lambda t: t.mul_(2j), lambda a: a * 2j),
    (lambda t: t.__iadd__(1 + 1j), lambda a: a + 1 + 1j),
    (lambda t: t.__imul__(t), lambda a: a * a),
    (lambda t: t.__ipow__(2), lambda a: a**2),
    (lambda t: t.fill_(1j), lambda a: np.full_like(a, 1j)),
    (lambda t: t.zero_(), np.zeros_like),
    (lambda t: t.copy_(t * 1j), lambda a: a * 1j),
    (lambda t: t.copy_(t.conj()), np.conj),
    (lambda t: t.exp_(), np.exp),
    (lambda t: t.conj_physical_(), np.conj),
    (lambda t: t.add_(t, alpha=2), lambda a: 3 * a),
    (lambda t: t[1].sub_(1j), lambda a: a - 1j * (np.arange(3) == 1)[:, None]),
    (lambda t: torch.mul(t, 3j, out=t), lambda a: 3j * a),
    (lambda t: put(t, 1, 2j), lambda a: np.where((np.arange(3) == 1)[:, None], 2j, a)),
    (lambda t: put(t, slice(1, 2), t[:1]), lambda a: a[[0, 0, 2]]),
    (lambda t: put(t, [0, 1], t[[1, 0]]), lambda a: a[[1, 0, 2]]),
    (lambda t: put(t, t.real > 0, 1 - 1j), lambda a: np.where(a.real > 0, 1 - 1j, a)),
    (lambda t: put(t, (0, 0), [t[1, 1].item()]), lambda a: np.where(np.arange(12).reshape(3, 4) == 0, a[1, 1], a)),
    (lambda t: t.masked_fill_(t.real > 0, 1j), lambda a: np.where(a.real > 0, 1j, a)),
]


@pytest.mark.parametrize("change, reference", IN_PLACE)
def test_in_place(change, reference):
    a, t = pair()
    c = t.conj()
    made = change(c)
    assert made is None or made is c or made._base is not None
    assert c.is_conj()
    np.testing.assert_allclose(values(c), reference(a.conj()), rtol=1e-12)
    np.testing.assert_allclose(t.numpy(), reference(a.conj()).conj(), rtol=1e-12)


def test_copy_into_conjugate_of_itself():
    a, t = pair((3, 3))
    t.copy_(t.mH)
    np.testing.assert_array_equal(t.numpy(), a.conj().T)
    t.mul_(t.conj())
    np.testing.assert_allclose(t.numpy(), np.abs(a.T) ** 2, rtol=1e-12)


def test_refused_in_place():
    a, t = pair()
    c = t.conj()
    with pytest.raises(RuntimeError):
        c.expand(2, 3, 4).add_(1)
    leaf = t.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.conj().mul_(2)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.conj()[0] = 1
    np.testing.assert_array_equal(t.numpy(), a)


def test_exports():
    _, t = pair()
    c = t.conj()
    with pytest.raises(RuntimeError, match="conjugate bit set"):
        c.numpy()
    with pytest.raises(RuntimeError, match="conjugate bit set"):
        np.asarray(c)
    with pytest.raises(BufferError):
        memoryview(c)
    with pytest.raises(BufferError):
        c.__dlpack__()
    assert repr(c) == repr(c.resolve_conj()) and "j" in repr(c)
    np.testing.assert_array_equal(c.numpy(force=True), t.numpy().conj())
    assert c.storage()[0] == t[0, 0].item()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies(again):
    a, t = pair()
    for leaf in (False, True):
        c = t.conj().detach().requires_grad_(leaf)
        made = again(c)
        assert made.requires_grad == leaf and made.is_leaf
        np.testing.assert_array_equal(values(made), a.conj())
    p = again(torch.nn.Parameter(t.conj()))
    np.testing.assert_array_equal(values(p), a.conj())


def test_set():
    a, t = pair()
    c = t.conj()
    c.set_(t.untyped_storage(), 0, (4,), (1,))  # a storage keeps the bit, a tensor brings its own
    np.testing.assert_array_equal(values(c), a[0].conj())
    c.set_(t, 4, (4,), (1,))
    np.testing.assert_array_equal(values(c), a[1])
    c.set_(t.conj(), 4, (4,), (1,))
    np.testing.assert_array_equal(values(c), a[1].conj())
    c.set_(t.mH)
    np.testing.assert_array_equal(values(c), a.conj().T)
    c.data = t[0]
    np.testing.assert_array_equal(values(c), a[0])


def test_gradients():
    _, x = pair()
    _, w = pair(seed=1)
    x.requires_grad_()
    w.requires_grad_()
    gradcheck = torch.autograd.gradcheck
    assert gradcheck(lambda x: x.conj() * x, (x,))
    assert gradcheck(lambda x, w: x.conj() @ w.mH, (x, w))
    assert gradcheck(lambda x: x.H[1:, [0, 2]], (x,))
    assert gradcheck(lambda x: x.conj().real * x.conj().imag, (x,))
    assert torch.autograd.gradgradcheck(lambda x, w: (x.conj() * w.conj()).exp(), (x * 0.3, w * 0.3))


def changed_view(x, w):
    y = x * 1
    y.conj().mul_(w)
    return y * y


def changed_base(x, w):
    y = x * 1
    c = y.conj()
    y.mul_(w)
    return c * c.T.T


def changed_part(x, w):
    y = x * 1
    c = y.conj()[1:]
    c[0] = w[0]
    c[:, 1].add_(w.conj()[1:, 1])
    return torch.cat([y, c * w[1:].mH.mT])


def changed_back(x, w):
    y = x.conj() * 1
    y.conj().conj().H.copy_(w.mT * (y * 1).T)
    return y


def changed_detached_view(x, w):
    c = pair(seed=2)[1].conj().detach()
    c[1:].mul_(x[1:])
    return c * w.conj()


@pytest.mark.parametrize("function", [changed_detached_view, changed_view, changed_base, changed_part, changed_back])
def test_gradients_of_changes(function):
    _, x = pair()
    _, w = pair(seed=1)
    assert torch.autograd.gradcheck(function, (x.requires_grad_(), w.requires_grad_()))


def test_flagged_values_in_the_engine():
    _, x = pair()
    _, g = pair(seed=1)
    x.requires_grad_()
    (x * 2).backward(g.conj())
    np.testing.assert_allclose(x.grad.numpy(), 2 * g.numpy().conj())
    (made,) = torch.autograd.grad(x * 2, x, g.T.H)
    np.testing.assert_allclose(made.numpy(), 2 * g.numpy().conj())
    c = x.conj()
    (made,) = torch.autograd.grad(c * 2, c, g)
    np.testing.assert_allclose(made.numpy(), 2 * g.numpy())
    x.grad = g.conj()
    np.testing.assert_array_equal(values(x.grad), g.numpy().conj())
    (x * 1).backward(g)
    np.testing.assert_allclose(x.grad.numpy(), 2 * g.numpy().real)
    y = x * 1
    y.register_hook(lambda grad: grad.conj())
    (made,) = torch.autograd.grad(y * 1, x, g)
    np.testing.assert_allclose(made.numpy(), g.numpy().conj())

    class Conjugate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            out = t.conj()
            ctx.save_for_backward(t.conj())
            return out

        @staticmethod
        def backward(ctx, grad):
            assert ctx.saved_tensors[0].is_conj()
            return grad.conj()

    assert torch.autograd.gradcheck(Conjugate.apply, (x,))
    leaf = g.conj().detach().requires_grad_()
    (leaf * leaf).sum().abs().backward()
    assert leaf.grad is not None and not leaf.grad.is_conj()


def test_kernels_never_read_unresolved_memory():
    """What reaches the core with the bit is refused, not misread."""
    _, t = pair()
    c = t.conj()
    out = torch.empty(3, 4, dtype=torch.complex128).conj()
    torch.add(c, 1, out=out)
    np.testing.assert_array_equal(values(out), t.numpy().conj() + 1)
    with pytest.raises(RuntimeError, match="conjugate bit"):
        torch.add(c, 1, out=torch.empty(0, dtype=torch.complex128).conj())


def test_parts_can_be_set(device):
    z = torch.zeros(3, dtype=torch.complex64, device=device)
    z.real = torch.arange(3, device=device)
    z.imag = 2
    assert z.tolist() == [2j, 1 + 2j, 2 + 2j]
    c = z.conj()
    c.imag = torch.tensor([1.0, 2.0, 3.0], device=device)
    assert c.tolist() == [1j, 1 + 2j, 2 + 3j] and z.tolist() == [-1j, 1 - 2j, 2 - 3j]
    z.real = c  # the real part of what is given
    assert z.real.tolist() == [0.0, 1.0, 2.0]
    x = torch.ones(2, device=device)
    x.real = torch.tensor([3.0, 4.0], device=device)
    assert x.tolist() == [3.0, 4.0]
    with pytest.raises(RuntimeError, match="non-complex"):
        x.imag = x
    with pytest.raises(TypeError, match="tensor or a number"):
        z.real = "1"
    with pytest.raises(RuntimeError):
        z.real = torch.ones(2, device=device)


def test_real_numbers_in_conjugate_views():
    """Their imaginary part reads as +0: square roots and logarithms stay on that side of the cut."""
    for write in (
        lambda v: v.__setitem__(0, -4),
        lambda v: v.__setitem__(slice(None), torch.tensor([-4.0])),
        lambda v: v.copy_(torch.tensor([-4.0])),
        lambda v: v.fill_(-4.0),
        lambda v: v.__setitem__(torch.tensor([True]), -4.0),
    ):
        v = torch.zeros(1, dtype=torch.complex64).conj()
        write(v)
        assert v.sqrt().tolist() == [2j] and not torch.signbit(v.imag).item()
    w = torch.tensor([-4.0], requires_grad=True)
    v = torch.zeros(1, dtype=torch.complex64).conj()
    v.copy_(w)
    v.sqrt().imag.sum().backward()
    assert w.grad.tolist() == [-0.25]
