"""einsum, tensordot, cross, addr, chain_matmul and distances against NumPy and SciPy; gradients; errors."""

import numpy as np
import pytest
import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck
from scipy.spatial.distance import cdist as scipy_cdist
from scipy.spatial.distance import pdist as scipy_pdist

DTYPES = ["float32", "float64", "complex64", "complex128", "int32", "int64"]


def make(shape, dtype="float64", seed=0):
    """Small whole numbers, so that every sum is exact."""
    rng = np.random.default_rng(seed)
    a = np.asarray(rng.integers(-4, 5, shape))
    if dtype.startswith("complex"):
        a = a + 1j * rng.integers(-4, 5, shape)
    return np.asarray(a, dtype)


def leaf(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.standard_normal(shape).tolist(), dtype=torch.float64, requires_grad=True)


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj->ki", (2, 3), (4, 3)),
    ("ij,jk", (2, 3), (3, 4)),
    ("kj,ji", (2, 3), (3, 4)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("ijij->ji", (2, 3, 2, 3)),
    ("ijk->kij", (2, 3, 4)),
    ("ijk->", (2, 3, 4)),
    ("ijk->j", (2, 3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,bjk->kbi", (2, 3, 4), (2, 4, 5)),
    ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("...ij->...ji", (2, 3, 4, 5)),
    ("...,...", (2, 3), (3,)),
    ("ij,j...->i...", (2, 3), (3, 4, 5)),
    ("bn,anm,bm->ba", (2, 5), (3, 5, 4), (2, 4)),
    ("a,b,c->cab", (2,), (3,), (4,)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("ij,kl->ik", (2, 3), (4, 5)),
    ("Ab,bA", (2, 3), (3, 2)),
    (" i j , j k -> k i ", (2, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("ij,jk->ik", (0, 2), (2, 3)),
    (",ij->ji", (), (2, 3)),
    ("", ()),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_einsum_is_numpys(case, dtype, device):
    equation, *shapes = case
    arrays = [make(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    result = torch.einsum(equation, *(torch.tensor(a, device=device) for a in arrays))
    expected = np.einsum(equation, *arrays)
    assert tuple(result.shape) == expected.shape
    assert np.array_equal(np.array(result.tolist()).reshape(expected.shape), expected)
    transposed = [torch.tensor(a.T.copy(), device=device).permute(tuple(reversed(range(a.ndim)))) for a in arrays]
    assert torch.equal(torch.einsum(equation, transposed), result)


def test_einsum_sorts_capitals_first():
    # NumPy's order of an implicit result is the same; ASCII has capitals first.
    a = make((2, 3))
    assert torch.einsum("bA", torch.tensor(a)).tolist() == a.T.tolist()


def test_einsum_broadcasts_dims_of_size_1():
    a, b = make((2, 3)), make((1, 3), seed=1)
    x, y = torch.tensor(a), torch.tensor(b)
    assert torch.einsum("ij,ij->ij", x, y).tolist() == (a * b).tolist()
    assert torch.einsum("ij,ij->j", x, y).tolist() == (a * b).sum(0).tolist()
    assert torch.einsum("ij,ij->", x, y).tolist() == (a * b).sum()
    assert (
        torch.einsum("ij,jk->ik", torch.tensor(a[:, :1]), torch.tensor(a.T)).tolist()
        == (a[:, :1] * a.T.sum(0)).tolist()
    )


def test_einsum_sums_the_dims_of_an_ellipsis():
    a = make((3, 2, 2))
    assert torch.einsum("i...->i", torch.tensor(a)).tolist() == a.sum((1, 2)).tolist()
    assert torch.einsum("i...,i...->i", torch.tensor(a), torch.tensor(a[:, :1])).tolist() == (
        (a * a[:, :1]).sum((1, 2)).tolist()
    )


def test_einsum_with_lists_of_subscripts():
    a, b = make((2, 3, 4)), make((2, 4, 5), seed=1)
    x, y = torch.tensor(a), torch.tensor(b)
    expected = (a @ b).tolist()
    assert torch.einsum(x, [0, 1, 2], y, [0, 2, 3], [0, 1, 3]).tolist() == expected
    assert torch.einsum(x, [..., 0, 30], y, [..., 30, 51], [..., 0, 51]).tolist() == expected
    assert torch.einsum(x, [2, 0, 1]).tolist() == np.einsum("cab", a).tolist()


def test_einsum_of_one_operand_is_a_view():
    x = torch.zeros(3, 3)
    torch.einsum("ii->i", x).fill_(1)
    assert x.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    torch.einsum("ij->ji", x)[0, 2] = 5
    assert x[2, 0] == 5


@pytest.mark.parametrize(
    "equation, shapes, message",
    [
        ("ij,jk", [(2, 3), (4, 4)], "subscript j has size 4 for operand 1 which does not broadcast with previously"),
        ("ii", [(2, 3)], "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2"),
        ("i->ii", [(3,)], "output subscript i appears more than once in the output"),
        ("i->j", [(3,)], "output subscript j does not appear in the equation for any input operand"),
        ("i,j", [(3,)], "fewer operands were provided than specified in the equation"),
        ("i", [(3,), (3,)], "more operands were provided than specified in the equation"),
        ("ij", [(3,)], "does not match the number of dimensions"),
        ("ij...", [(3,)], "is more than the number of dimensions"),
        ("...i...", [(3, 2)], "found '.' for operand 0 for which an ellipsis was already found"),
        ("i..", [(3, 2)], "found '.' for operand 0 that is not part of any ellipsis"),
        ("i->i.", [(3,)], "found '.' for output that is not part of any ellipsis"),
        ("i1", [(3, 2)], "invalid subscript given at index 1"),
        ("i->i->i", [(3,)], "invalid subscript given at index 4"),
        ("é", [(3,)], "invalid subscript given at index 0"),
    ],
)
def test_einsum_refuses(equation, shapes, message):
    with pytest.raises(RuntimeError) as caught:
        torch.einsum(equation, *(torch.zeros(shape) for shape in shapes))
    assert message in str(caught.value)


def test_einsum_refuses_other_arguments():
    x = torch.zeros(2, 3)
    for args in [(), ("ij",), (x,)]:
        with pytest.raises(ValueError, match="must specify the equation string and at least one operand"):
            torch.einsum(*args)
    for number in (52, -1):
        with pytest.raises(ValueError, match="valid range"):
            torch.einsum(x, [0, number])
    with pytest.raises(TypeError):
        torch.einsum("ij", 3)
    with pytest.raises(TypeError):
        torch.einsum(3, x)
    with pytest.raises(RuntimeError, match="expected scalar type"):
        torch.einsum("ij,jk", x, torch.zeros(3, 2, dtype=torch.float64))


@pytest.mark.parametrize("equation", ["ij,jk->ki", "iji->j", "bij,bjk,k->b", "...i,i->...", "ij,kl->ik", "i,i->i"])
def test_einsum_gradients(equation):
    shapes = {"ij,jk->ki": [(2, 3), (3, 2)], "iji->j": [(2, 3, 2)], "bij,bjk,k->b": [(2, 2, 3), (2, 3, 2), (2,)]}
    shapes |= {"...i,i->...": [(2, 3), (3,)], "ij,kl->ik": [(2, 3), (2, 2)], "i,i->i": [(3,), (3,)]}
    inputs = tuple(leaf(*shape, seed=i) for i, shape in enumerate(shapes[equation]))
    assert gradcheck(lambda *x: torch.einsum(equation, *x), inputs)
    assert gradgradcheck(lambda *x: torch.einsum(equation, *x), inputs)


@pytest.mark.parametrize("dims", [0, 1, 2, ([1, 2], [0, 1]), ([-1], [1]), ([2, 1], [1, 0]), [(), ()]])
def test_tensordot_is_numpys(dims, device):
    a, b = make((2, 3, 4)), make((3, 4, 5), seed=1)
    if dims == 1:
        b = make((4, 5), seed=1)
    x, y = torch.tensor(a, device=device), torch.tensor(b, device=device)
    expected = np.tensordot(a, b, dims)
    result = torch.tensordot(x, y, dims)
    assert tuple(result.shape) == expected.shape
    assert result.tolist() == expected.tolist()
    out = torch.empty(0, dtype=torch.float64, device=device)
    assert torch.tensordot(x, y, dims, out=out) is out
    assert out.tolist() == expected.tolist()


def test_tensordot_takes_tensors_of_dims_and_broadcasts():
    a, b = make((2, 3)), make((3, 2), seed=1)
    x, y = torch.tensor(a), torch.tensor(b)
    assert torch.tensordot(x, y, torch.tensor([[1], [0]])).tolist() == (a @ b).tolist()
    assert torch.tensordot(x, y, torch.tensor(1)).tolist() == (a @ b).tolist()
    assert torch.tensordot(x, y[:1], ([1], [0])).tolist() == (a.sum(1)[:, None] * b[:1]).tolist()
    assert torch.tensordot(torch.tensor(2.0), torch.tensor(3.0), 0).tolist() == 6
    assert gradcheck(lambda p, q: torch.tensordot(p, q, ([0], [1])), (leaf(2, 3), leaf(4, 2, seed=1)))


@pytest.mark.parametrize(
    "shapes, dims, error",
    [
        (((2, 3), (2, 3)), -1, RuntimeError),
        (((2, 3), (2, 3)), 3, RuntimeError),
        (((2, 3), (3, 2)), ([1, 0], [0]), RuntimeError),
        (((2, 2), (2, 2)), ([1, 1], [0, 0]), RuntimeError),
        (((2, 3), (3, 2)), ([2], [0]), IndexError),
        (((2, 3), (4, 2)), 1, RuntimeError),
        (((2, 3), (3, 2)), "a", RuntimeError),
        (((2, 3), (3, 2)), (1, 0), TypeError),
        (((2, 3), (3, 2)), [1], ValueError),
    ],
)
def test_tensordot_refuses(shapes, dims, error):
    with pytest.raises(error):
        torch.tensordot(torch.zeros(shapes[0]), torch.zeros(shapes[1]), dims)


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
def test_cross_is_numpys(dtype, device):
    a, b = make((4, 3), dtype), make((4, 3), dtype, seed=1)
    x, y = torch.tensor(a, device=device), torch.tensor(b, device=device)
    expected = np.cross(a, b).tolist()
    assert torch.cross(x, y, dim=1).tolist() == expected
    assert torch.cross(x.T, y.T, dim=0).T.tolist() == expected
    assert torch.linalg.cross(x, y).tolist() == expected
    assert torch.linalg.cross(x, y[:1]).tolist() == np.cross(a, b[:1]).tolist()
    with pytest.warns(UserWarning, match="without specifying the dim"):
        assert x.T.cross(y.T).T.tolist() == expected  # the first dim of size 3


def test_cross_gradients_and_errors():
    assert gradcheck(torch.linalg.cross, (leaf(2, 3), leaf(1, 3, seed=1)))
    assert gradgradcheck(torch.linalg.cross, (leaf(2, 3), leaf(1, 3, seed=1)))
    x = torch.zeros(4, 3)
    for args, error in [
        ((x, x[0], 1), RuntimeError),
        ((x, x, 0), RuntimeError),
        ((x, x, 2), IndexError),
        ((x, x.double(), 1), RuntimeError),
        ((x > 0, x > 0, 1), NotImplementedError),
        ((torch.tensor(1.0), torch.tensor(1.0), 0), RuntimeError),
    ]:
        with pytest.raises(error):
            torch.cross(*args)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="no dimension of size 3"):
        torch.cross(x[:, :2], x[:, :2])


def test_addr():
    m, v, w = make((2, 3)), make((2,), seed=1), make((3,), seed=2)
    x, y, z = torch.tensor(m), torch.tensor(v), torch.tensor(w)
    expected = (2 * m - 3 * np.outer(v, w)).tolist()
    assert torch.addr(x, y, z, beta=2, alpha=-3).tolist() == expected
    assert torch.addr(x[0], y, z).tolist() == (m[0] + np.outer(v, w)).tolist()
    assert torch.addr(x * float("nan"), y, z, beta=0).tolist() == np.outer(v, w).tolist()
    assert x.clone().addr_(y, z, beta=2, alpha=-3).tolist() == expected
    assert torch.addr(x.long(), y, z.float()).dtype == torch.float64
    flags = torch.tensor([True, False])
    assert torch.addr(torch.tensor([[False, True], [False, True]]), flags, flags).tolist() == [[1, 1], [0, 1]]
    assert gradcheck(lambda *t: torch.addr(*t, beta=2, alpha=3), (leaf(3), leaf(2, seed=1), leaf(3, seed=2)))
    for call in (
        lambda: torch.addr(x, z, y),
        lambda: torch.addr(x, x, z),
        lambda: torch.addr(x.long(), y.long(), z.long(), alpha=0.5),
        lambda: x[0].addr_(y, z),
        lambda: x.long().addr_(y, z),
    ):
        with pytest.raises(RuntimeError):
            call()


def test_chain_matmul():
    arrays = [make(shape, seed=i) for i, shape in enumerate([(2, 30), (30, 4), (4, 50), (50, 3)])]
    tensors = [torch.tensor(a) for a in arrays]
    with pytest.warns(UserWarning, match="chain_matmul is deprecated"):
        assert torch.chain_matmul(*tensors).tolist() == np.linalg.multi_dot(arrays).tolist()
    with pytest.warns(UserWarning):
        assert torch.equal(torch.chain_matmul(tensors[0]), tensors[0])
    for wrong in ((), (tensors[0], tensors[1][0]), (tensors[1], tensors[0])):
        with pytest.warns(UserWarning), pytest.raises(RuntimeError):
            torch.chain_matmul(*wrong)


def test_products_added_write_into_out():
    x, batch = make((2, 2)), make((3, 2, 2), seed=1)
    t, b = torch.tensor(x), torch.tensor(batch)
    for function, args, expected in [
        (torch.addmv, (t[0], t, t[1]), x[0] + x @ x[1]),
        (torch.addbmm, (t, b, b), x + (batch @ batch).sum(0)),
        (torch.baddbmm, (t, b, b), x + batch @ batch),
        (torch.vdot, (t[0], t[1]), x[0] @ x[1]),
    ]:
        out = torch.empty(0, dtype=torch.float64)
        assert function(*args, out=out) is out
        assert out.tolist() == expected.tolist()
    assert t.clone().addbmm_(b, b, beta=2).tolist() == (2 * x + (batch @ batch).sum(0)).tolist()
    y = t[0].clone()
    assert torch.addmv_(y, t, t[1]) is y
    assert y.tolist() == (x[0] + x @ x[1]).tolist()


NORMS = {0: "hamming", 1: "cityblock", 2: "euclidean", float("inf"): "chebyshev"}


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, float("inf")])
@pytest.mark.parametrize("rows", [(2, 5), (30, 4), (3, 40)])
@pytest.mark.parametrize("cols", [1, 5, 37])
def test_distances_are_scipys(p, rows, cols, device):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((rows[0], cols)), rng.standard_normal((rows[1], cols))
    a[0, 0] = b[0, 0]
    x, y = torch.tensor(a, device=device), torch.tensor(b, device=device)
    if p in NORMS:
        expected, pairs = scipy_cdist(a, b, NORMS[p]), scipy_pdist(a, NORMS[p])
        if p == 0:
            expected, pairs = expected * cols, pairs * cols
    else:
        expected, pairs = scipy_cdist(a, b, "minkowski", p=p), scipy_pdist(a, "minkowski", p=p)
    for mode in (None, "donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist"):
        assert np.allclose(torch.cdist(x, y, p, compute_mode=mode).tolist(), expected, atol=1e-7)
    assert np.allclose(torch.cdist(x.float(), y.float(), p).tolist(), expected, rtol=1e-4, atol=1e-3)
    assert np.allclose(torch.pdist(x, p).tolist(), pairs)
    batches = torch.cdist(torch.stack([x, 2 * x]).unsqueeze(1), y.expand(3, *y.shape), p)
    assert batches.shape == (2, 3, *rows)
    assert torch.allclose(batches[0, 1], torch.cdist(x, y, p))


def test_distances_of_nothing():
    assert torch.cdist(torch.zeros(2, 0), torch.zeros(4, 0)).tolist() == [[0] * 4] * 2
    assert torch.cdist(torch.zeros(0, 3), torch.zeros(4, 3)).shape == (0, 4)
    assert torch.pdist(torch.zeros(1, 3)).shape == torch.pdist(torch.zeros(0, 3)).shape == (0,)
    assert torch.cdist(torch.tensor([[float("nan")]]), torch.tensor([[1.0]]), float("inf")).isnan().all()


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, float("inf")])
def test_gradients_of_distances(p):
    x, y = leaf(3, 4), leaf(2, 4, seed=1)
    assert gradcheck(lambda a, b: torch.cdist(a, b, p), (x, y))
    assert gradcheck(lambda a: torch.pdist(a, p), (x,))
    if p in (1.5, 2, 3):
        assert gradgradcheck(lambda a, b: torch.cdist(a, b, p), (x, y))


def test_gradients_of_distances_by_products():
    x, y = leaf(3, 4), leaf(2, 4, seed=1)

    def by_products(a, b):
        return torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist")

    assert gradcheck(by_products, (x, y))
    assert gradgradcheck(by_products, (x, y))
    for p in (0.5, 1, 2, 3):  # distances of 0
        z = torch.ones(2, 2, requires_grad=True)
        torch.cdist(z, torch.ones(2, 2), p).sum().backward()
        assert z.grad.tolist() == [[0, 0], [0, 0]]


def test_distances_refuse():
    x = torch.zeros(2, 3)
    for call, error in [
        (lambda: torch.cdist(x, x[:, :2]), RuntimeError),
        (lambda: torch.cdist(x, x, -1), RuntimeError),
        (lambda: torch.cdist(x, x, float("nan")), RuntimeError),
        (lambda: torch.cdist(x.long(), x.long()), RuntimeError),
        (lambda: torch.cdist(x, x.double()), RuntimeError),
        (lambda: torch.cdist(x[0], x), RuntimeError),
        (lambda: torch.cdist(x, x, compute_mode="fast"), ValueError),
        (lambda: torch.cdist(x.half(), x.half()), NotImplementedError),
        (lambda: torch.pdist(x[0]), RuntimeError),
        (lambda: torch.pdist(x, -1), RuntimeError),
    ]:
        with pytest.raises(error):
            call()
