"""Products of matrices and vectors: shapes, dtypes, memory layouts, batches, empty operands, errors, out=."""

import itertools

import numpy as np
import pytest
import rushlight as torch
from helpers import on_threads
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, max_examples=120, derandomize=True, suppress_health_check=list(HealthCheck))
FLOATS = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
TOLERANCE = {
    "float16": 2e-3,
    "bfloat16": 2e-2,
    "float32": 1e-5,
    "float64": 1e-13,
    "complex64": 1e-5,
    "complex128": 1e-13,
}


def dtype_of(name):
    return getattr(torch, name)


def make(shape, name, device, seed=0):
    """A tensor of small values and the same values as a NumPy array."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0 if name == "uint8" else -9, 10, shape)
    if name in FLOATS:
        a = a / 8
        if name.startswith("complex"):
            a = a + 1j * rng.integers(-9, 10, shape) / 8
    t = torch.tensor(a.tolist(), dtype=dtype_of(name), device=device).reshape(shape)
    return t, (a if name in FLOATS else a.astype(name))


def values(t):
    kind = complex if t.is_complex() else np.int64 if not t.is_floating_point() else float
    return np.array(t.tolist(), dtype=kind).reshape(t.shape)


def check(got, want, name, scale=1.0):
    assert got.dtype == dtype_of(name) and got.shape == want.shape
    if name in INTEGERS:
        assert (values(got) == want.astype(name)).all()
    else:
        tolerance = TOLERANCE[name] * scale
        np.testing.assert_allclose(values(got), want, rtol=tolerance, atol=tolerance)


def layouts(t):
    """The same values in other arrangements of memory."""
    yield t
    yield t.mT.contiguous().mT
    wide = torch.zeros((*t.shape[:-1], t.shape[-1] + 3), dtype=t.dtype, device=t.device)
    wide[..., 1:-2] = t
    yield wide[..., 1:-2]
    spread = torch.zeros((*t.shape[:-2], 2 * t.shape[-2], 2 * t.shape[-1]), dtype=t.dtype, device=t.device)
    spread[..., ::2, ::2] = t
    yield spread[..., ::2, ::2]


@pytest.mark.parametrize("name", FLOATS + INTEGERS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 3, 4), (5, 1, 7), (16, 16, 16), (33, 65, 17), (1, 100, 1), (70, 3, 90)]
)
def test_mm(name, shape, device):
    n, k, m = shape
    x, a = make((n, k), name, device, 1)
    y, b = make((k, m), name, device, 2)
    want = a @ b
    for f in (torch.mm, torch.matmul, lambda p, q: p @ q, lambda p, q: p.mm(q)):
        check(f(x, y), want, name, 4)
    assert (x @ y).is_contiguous()
    for p, q in itertools.product(layouts(x), layouts(y)):
        check(p @ q, want, name, 4)


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "complex64", "int32"])
def test_larger(name, device):
    x, a = make((150, 260), name, device, 1)
    y, b = make((260, 130), name, device, 2)
    want = a @ b
    for p, q in itertools.product(layouts(x), layouts(y)):
        got = values(p @ q)
        assert np.abs(got - want).max() <= TOLERANCE.get(name, 0) * np.abs(want).max() * 4
    v, c = make((260,), name, device, 3)
    assert np.abs(values(x @ v) - a @ c).max() <= TOLERANCE.get(name, 0) * 400


@pytest.mark.parametrize("name", FLOATS + INTEGERS)
def test_vectors(name, device):
    x, a = make((6, 9), name, device, 1)
    v, b = make((9,), name, device, 2)
    w, c = make((6,), name, device, 3)
    check(x @ v, a @ b, name, 4)
    check(torch.mv(x, v), a @ b, name, 4)
    check(x.mv(v[::1]), a @ b, name, 4)
    check(w @ x, c @ a, name, 4)
    check(x.t() @ w, a.T @ c, name, 4)
    check(x.t().contiguous().t() @ v, a @ b, name, 4)
    check(torch.outer(w, v), np.outer(c, b), name)
    check(torch.ger(w, v), np.outer(c, b), name)
    check(torch.dot(v, v), np.dot(b, b), name, 4)
    check(v @ v, np.dot(b, b), name, 4)
    check(torch.vdot(v, v), np.vdot(b, b), name, 4)
    check(torch.inner(x, x), np.inner(a, a), name, 4)
    check(torch.inner(x, v), np.inner(a, b), name, 4)
    double = torch.stack([v, v], 1)
    check(x @ double[:, 1], a @ b, name, 4)
    check(torch.dot(double[:, 0], v.flip(0)), np.dot(b, b[::-1]), name, 4)
    check(x @ v[:1].expand(9), a @ np.broadcast_to(b[:1], 9), name, 4)


@pytest.mark.parametrize("name", ["float32", "float64", "complex128", "int64", "float16"])
@pytest.mark.parametrize("batch", [1, 3, 10])
def test_bmm(name, batch, device):
    x, a = make((batch, 4, 6), name, device, 1)
    y, b = make((batch, 6, 5), name, device, 2)
    for p, q in itertools.product(layouts(x), layouts(y)):
        check(torch.bmm(p, q), a @ b, name, 4)
    z, c = make((batch, 4, 5), name, device, 3)
    check(torch.baddbmm(z, x, y, beta=2, alpha=3), 2 * c + 3 * (a @ b), name, 20)
    check(torch.addbmm(z[0], x, y), c[0] + (a @ b).sum(0), name, 20)
    check(x[:1].expand(batch, 4, 6) @ y, np.broadcast_to(a[:1], a.shape) @ b, name, 4)


@PROPERTY
@given(st.data())
def test_matmul_shapes(device, data):
    n, k, m = (data.draw(st.integers(0, 4)) for _ in range(3))
    left = data.draw(st.lists(st.sampled_from([1, 2, 3]), max_size=3))
    right = [data.draw(st.sampled_from([1, size])) for size in left][data.draw(st.integers(0, len(left))) :]
    shapes = [tuple(left) + (n, k), tuple(right) + (k, m)]
    if data.draw(st.booleans()):
        shapes[0] = (k,)
    elif data.draw(st.booleans()):
        shapes[1] = (k,)
    (x, a), (y, b) = make(shapes[0], "float64", device, 1), make(shapes[1], "float64", device, 2)
    want = np.matmul(a, b)
    check(x @ y, np.asarray(want), "float64", 4)
    if len(shapes[0]) > 1 and len(shapes[1]) > 1:
        turned = x.mT.contiguous().mT @ y.mT.contiguous().mT
        check(turned, want, "float64", 4)
    out = torch.empty(want.shape, dtype=torch.float64, device=device)
    assert torch.matmul(x, y, out=out) is out
    check(out, np.asarray(want), "float64", 4)


def test_empty(device):
    assert (torch.ones(0, 3, device=device) @ torch.ones(3, 2, device=device)).shape == (0, 2)
    assert (torch.ones(2, 0, device=device) @ torch.ones(0, 2, device=device)).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert torch.ones(0, device=device).dot(torch.ones(0, device=device)).item() == 0
    assert (torch.ones(2, 0, device=device) @ torch.ones(0, device=device)).tolist() == [0.0, 0.0]
    z = torch.full((2, 2), 3.0, device=device)
    assert (
        torch.addmm(z, torch.ones(2, 0, device=device), torch.ones(0, 2, device=device), beta=2).tolist()
        == [[6.0, 6.0]] * 2
    )
    assert torch.bmm(torch.ones(0, 2, 3, device=device), torch.ones(0, 3, 2, device=device)).shape == (0, 2, 2)
    assert torch.outer(torch.ones(0, device=device), torch.ones(3, device=device)).shape == (0, 3)


@pytest.mark.parametrize("name", ["float32", "float64", "complex64", "int64", "bfloat16"])
def test_addmm(name, device):
    x, a = make((4, 6), name, device, 1)
    y, b = make((6, 5), name, device, 2)
    z, c = make((4, 5), name, device, 3)
    v, d = make((6,), name, device, 4)
    w, e = make((4,), name, device, 5)
    check(torch.addmm(z, x, y), c + a @ b, name, 10)
    check(z.addmm(x, y, beta=2, alpha=-1), 2 * c - a @ b, name, 10)
    check(torch.addmm(z[0], x, y), c[0] + a @ b, name, 10)
    check(torch.addmm(z[:, :1], x, y), c[:, :1] + a @ b, name, 10)
    check(torch.addmm(z.t().contiguous().t(), x.t().contiguous().t(), y), c + a @ b, name, 10)
    check(torch.addmv(w, x, v, beta=3), 3 * e + a @ d, name, 10)
    check(z.clone().addmm_(x, y), c + a @ b, name, 10)
    out = torch.empty_like(z)
    assert torch.addmm(z, x, y, out=out) is out
    check(out, c + a @ b, name, 10)
    if name != "int64":
        # beta=0 ignores what is in the first operand, NaN included.
        check(torch.addmm(z * float("nan"), x, y, beta=0), a @ b, name, 10)
        check(torch.full_like(z, float("nan")).addmm_(x, y, beta=0), a @ b, name, 10)


def test_out(device):
    x, y = torch.ones(2, 3, device=device), torch.ones(3, 2, device=device)
    out = torch.empty(2, 2, device=device)
    assert torch.mm(x, y, out=out) is out and out.tolist() == [[3.0, 3.0]] * 2
    turned = torch.zeros(2, 2, device=device).t()
    torch.matmul(x * torch.tensor([[1.0], [2.0]], device=device), y, out=turned)
    assert turned.tolist() == [[3.0, 3.0], [6.0, 6.0]] and turned.stride() == (1, 2)
    part = torch.zeros(4, 4, device=device)
    torch.mm(x, y, out=part[::2, ::2])
    assert part.sum().item() == 12 and part[2, 2].item() == 3
    empty = torch.empty(0, device=device)
    assert torch.mv(x, y[:, 0], out=empty).tolist() == [3.0, 3.0]
    with pytest.warns(UserWarning, match="was resized"):
        torch.mm(x, y, out=torch.empty(5, device=device))
    with pytest.raises(RuntimeError):
        torch.mm(x, y, out=torch.empty(2, 2, dtype=torch.int64, device=device))
    square = torch.arange(4.0, device=device).reshape(2, 2)
    want = (square @ square).tolist()
    try:
        torch.mm(square, square, out=square)
    except RuntimeError:
        assert square.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    else:
        assert square.tolist() == want


ERRORS = [
    (lambda t: t.ones(2, 3) @ t.ones(2, 3), RuntimeError, r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)"),
    (
        lambda t: t.mm(t.ones(2, 3), t.ones(2, 3)),
        RuntimeError,
        r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)",
    ),
    (lambda t: t.mm(t.ones(2), t.ones(2, 3)), RuntimeError, "must be a matrix"),
    (lambda t: t.mv(t.ones(2, 3), t.ones(2)), RuntimeError, "size mismatch"),
    (lambda t: t.mv(t.ones(3), t.ones(3)), RuntimeError, "vector \\+ matrix @ vector expected"),
    (
        lambda t: t.dot(t.ones(2), t.ones(3)),
        RuntimeError,
        "inconsistent tensor size, expected tensor \\[2\\] and src \\[3\\]",
    ),
    (lambda t: t.dot(t.ones(2, 2), t.ones(2, 2)), RuntimeError, "1D tensors expected"),
    (lambda t: t.bmm(t.ones(2, 3), t.ones(2, 3)), RuntimeError, "batch1 must be a 3D tensor"),
    (
        lambda t: t.bmm(t.ones(2, 3, 4), t.ones(3, 4, 2)),
        RuntimeError,
        "Expected size for first two dimensions of batch2 tensor",
    ),
    (lambda t: t.tensor(1.0) @ t.ones(2), RuntimeError, "both arguments to matmul need to be at least 1D"),
    (lambda t: t.ones(2, 2, 3) @ t.ones(3, 3, 2), RuntimeError, "must match the size|Expected size"),
    (lambda t: t.outer(t.ones(2, 2), t.ones(2)), RuntimeError, "outer: Expected 1-D argument self, but got 2-D"),
    (lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64), RuntimeError, "expected .* to have the same dtype"),
    (lambda t: t.dot(t.ones(2), t.ones(2, dtype=t.float64)), RuntimeError, "expected both vectors to have same dtype"),
    (lambda t: t.ones(2, 2, dtype=t.bool) @ t.ones(2, 2, dtype=t.bool), RuntimeError, "not implemented for 'Bool'"),
    (
        lambda t: t.addmm(t.ones(3, 3), t.ones(2, 3), t.ones(3, 2)),
        RuntimeError,
        "expanded size of the tensor|must match",
    ),
    (lambda t: t.ones(2) @ 3, TypeError, "."),
    (lambda t: t.inner(t.ones(2, 3), t.ones(2, 4)), RuntimeError, r"inner\(\) the last dimension must match"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    f, error, match = ERRORS[case]
    with pytest.raises(error, match=match):
        f(torch)


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_like_torch(case):
    reference = pytest.importorskip("torch")
    f, error, match = ERRORS[case]
    with pytest.raises(error, match=match):
        f(reference)


def test_nan_and_infinity(device):
    x = torch.tensor([[float("inf"), 0.0], [float("nan"), 1.0]], device=device)
    y = torch.eye(2, device=device)
    got = (x @ y).tolist()
    assert got[0][0] == float("inf") and got[0][1] != got[0][1] and got[1][0] != got[1][0]


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "int32"])
def test_threads_give_the_same_bits(name, device):
    x, y = make((190, 310), name, device, 1)[0], make((310, 170), name, device, 2)[0]
    batch = x.expand(6, 190, 310)

    def products():
        return x @ y, x @ y[:, 0], torch.bmm(batch, y.expand(6, 310, 170)), torch.dot(x.flatten(), x.flatten())

    for a, b in zip(*on_threads(products), strict=True):
        assert a.equal(b)


DERIVATIVES = {
    "mm": lambda a, b, v: a @ b,
    "mm_t": lambda a, b, v: a.t() @ b.t(),
    "mv": lambda a, b, v: b @ v,
    "vm": lambda a, b, v: v @ a,
    "dot": lambda a, b, v: v @ v * v.dot(a[:, 0]),
    "outer": lambda a, b, v: torch.outer(v, a[0]),
    "inner": lambda a, b, v: torch.inner(a, b.t()),
    "addmm": lambda a, b, v: torch.addmm(v, a, b, beta=0.5, alpha=2) if a.shape[1] == 2 else a,
    "addmv": lambda a, b, v: torch.addmv(b[:, 0], b, v, beta=2, alpha=3),
    "batch": lambda a, b, v: torch.stack([a, a * 2]) @ b,
    "both": lambda a, b, v: torch.stack([a, a * 2])[:, None] @ torch.stack([b, b * b, b]),
    "baddbmm": lambda a, b, v: torch.baddbmm(v, torch.stack([a, a]), torch.stack([b, -b]), alpha=2),
    "expand": lambda a, b, v: a.expand(2, 3, 2) @ b.expand(2, 2, 3),
}


@pytest.mark.parametrize("case", DERIVATIVES)
@pytest.mark.parametrize("name", ["float64", "complex128"])
def test_derivatives(case, name, device):
    a, b, v = (make(s, name, device, k)[0].requires_grad_() for k, s in enumerate([(3, 2), (2, 3), (3,)]))
    assert torch.autograd.gradcheck(DERIVATIVES[case], (a, b, v))
    assert torch.autograd.gradgradcheck(DERIVATIVES[case], (a, b, v))
