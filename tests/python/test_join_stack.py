"""hstack and its kin, atleast_nd, meshgrid, products and blocks, against NumPy."""

import itertools

import numpy as np
import pytest
import rushlight as torch
from helpers import numbered, same, tensor
from rushlight.autograd import gradcheck, gradgradcheck

STACKS = {
    "hstack": (np.hstack, [[(3,), (2,)], [(2, 3), (2, 1)], [(), ()], [(2, 1, 3), (2, 2, 3)], [(0,), (2,)], [(), (2,)]]),
    "vstack": (np.vstack, [[(3,), (3,)], [(2, 3), (1, 3)], [(), ()], [(3,), (2, 3)], [(1, 2, 3), (2, 2, 3)]]),
    "row_stack": (np.vstack, [[(3,), (3,)]]),
    "dstack": (
        np.dstack,
        [[(3,), (3,)], [(2, 3), (2, 3)], [(), ()], [(2, 3, 1), (2, 3)], [(1, 1, 2, 2), (1, 1, 3, 2)]],
    ),
    "column_stack": (np.column_stack, [[(3,), (3,)], [(2, 3), (2, 1)], [(2,), (2, 3)]]),
}


@pytest.mark.parametrize("name", STACKS)
def test_stacks(name, device):
    reference, cases = STACKS[name]
    function = getattr(torch, name)
    for shapes in cases:
        arrays = [numbered(*s) + 10 * i for i, s in enumerate(shapes)]
        want = reference(arrays)
        tensors = [tensor(a, device) for a in arrays]
        for given in (tensors, tuple(tensors)):
            same(function(given), want)
        out = torch.empty(0, dtype=torch.float64, device=device)
        assert function(tensors, out=out) is out
        same(out, want)
        assert function([tensors[0], tensors[1].double()]).dtype is torch.float64
    with pytest.raises(RuntimeError, match="expects a non-empty TensorList"):
        function([])
    with pytest.raises(TypeError, match="can't be cast"):
        function([torch.ones(2)], out=torch.empty(0, dtype=torch.int64))


def test_at_least(device):
    for n, name in ((1, "atleast_1d"), (2, "atleast_2d"), (3, "atleast_3d")):
        function, reference = getattr(torch, name), getattr(np, name)
        tensors = [tensor(numbered(*range(2, 2 + d)), device) for d in range(5)]
        for t in tensors:
            r = function(t)
            same(r, reference(np.array(t.tolist())))
            assert r.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
        for results in (function(*tensors), function(tensors)):
            assert isinstance(results, tuple)
            assert [r.dim() for r in results] == [max(n, d) for d in range(5)]
        assert function([tensors[0]])[0].dim() == n and function() == ()


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid(indexing, device):
    for shapes in ([(3,)], [(2,), (3,)], [(2,), (3,), (4,)], [(), (3,)], [(0,), (2,)]):
        arrays = [numbered(*s) + 5 * i for i, s in enumerate(shapes)]
        want = np.meshgrid(*arrays, indexing=indexing)
        tensors = [tensor(a, device) for a in arrays]
        for grids in (torch.meshgrid(*tensors, indexing=indexing), torch.meshgrid(tensors, indexing=indexing)):
            assert isinstance(grids, tuple)
            for g, w, t in zip(grids, want, tensors):
                same(g, w)
                assert g.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
    for bad, text in [
        (lambda: torch.meshgrid(torch.ones(2, 2), indexing="ij"), "Expected 0D or 1D tensor"),
        (lambda: torch.meshgrid(torch.ones(2), torch.arange(2), indexing="ij"), "same dtype"),
        (lambda: torch.meshgrid(torch.ones(2), indexing="yx"), 'must be one of "xy" or "ij"'),
        (lambda: torch.meshgrid(indexing="ij"), "non-empty"),
    ]:
        with pytest.raises(RuntimeError, match=text):
            bad()


def test_products_of_elements(device):
    a, b, c = numbered(3), numbered(2) + 10, numbered(4) + 20
    ta, tb, tc = (tensor(x, device) for x in (a, b, c))
    same(torch.cartesian_prod(ta, tb, tc), list(itertools.product(a, b, c)))
    assert torch.cartesian_prod(ta) is ta
    assert torch.cartesian_prod(ta, tb[:0]).shape == (0, 2)
    for n in range(6):
        v = numbered(n) * 3
        for r in range(5):
            for choose, flag in ((itertools.combinations, False), (itertools.combinations_with_replacement, True)):
                got = torch.combinations(tensor(v, device), r, flag)
                want = list(choose(v.tolist(), r))
                if r == 0:
                    assert got.shape == (0,)
                else:
                    same(got, np.array(want, dtype=np.int64).reshape(len(want), r))
    for bad in (
        lambda: torch.combinations(torch.ones(2, 2)),
        lambda: torch.combinations(torch.ones(2), -1),
        lambda: torch.combinations(torch.ones(10000), 5000),
        lambda: torch.combinations(torch.ones(2), 2**63 - 1, True),
        lambda: torch.cartesian_prod(torch.ones(2, 2)),
    ):
        with pytest.raises(RuntimeError, match="Expect a|too many results"):
            bad()


def test_block_diag(device):
    blocks = [numbered(2, 3) + 1, numbered(2) + 20, np.array(7), numbered(0, 2), numbered(3, 1) + 30, numbered(2, 0)]
    want = np.zeros((sum(np.atleast_2d(b).shape[0] for b in blocks), sum(np.atleast_2d(b).shape[1] for b in blocks)))
    row = column = 0
    for b in blocks:
        h, w = np.atleast_2d(b).shape
        want[row : row + h, column : column + w] = b
        row, column = row + h, column + w
    tensors = [tensor(b, device) for b in blocks]
    same(torch.block_diag(*tensors), want)
    same(torch.block_diag(*[t.float().t() if t.dim() == 2 else t for t in tensors])[:3, :2], blocks[0].T)
    assert torch.block_diag().shape == (1, 0)
    assert torch.block_diag(torch.ones(1, dtype=torch.int32), torch.tensor(1.5)).dtype is torch.float32
    assert torch.block_diag(torch.ones(1), torch.tensor(1.5, dtype=torch.float64)).dtype is torch.float32
    with pytest.raises(RuntimeError, match="Input 1 has 3 dimensions"):
        torch.block_diag(torch.ones(1), torch.ones(1, 1, 1))


def test_kron(device):
    for s1, s2 in itertools.product([(), (3,), (2, 3), (2, 1, 3)], [(), (2,), (3, 2), (1, 2, 2), (0, 2)]):
        a, b = numbered(*s1) + 1, numbered(*s2) + 2
        ta, tb = tensor(a, device), tensor(b, device)
        same(torch.kron(ta, tb), np.kron(a, b))
        same(ta.kron(tb.double()), np.kron(a, b))
        if a.ndim == b.ndim == 2:
            same(ta.t().kron(tb.t()), np.kron(a.T, b.T))
            out = torch.empty(0, dtype=torch.int64, device=device)
            same(torch.kron(ta, tb, out=out), np.kron(a, b))
    assert torch.kron(torch.ones(2, dtype=torch.bool), torch.ones(2, dtype=torch.int8)).dtype is torch.int8


SMOOTH = {
    "hstack": lambda a, b: torch.hstack([a, b, a]) ** 2,
    "vstack": lambda a, b: torch.vstack([a, b[:, :1].expand(2, 2), a[0]]) ** 2,
    "dstack": lambda a, b: torch.dstack([a, b[:, 1:]]) ** 2,
    "column_stack": lambda a, b: torch.column_stack([a, b[:, 0]]) ** 2,
    "meshgrid": lambda a, b: sum(torch.meshgrid(a[0], b[1], indexing="xy")) ** 2,
    "cartesian_prod": lambda a, b: torch.cartesian_prod(a[0], b[1]) ** 2,
    "combinations": lambda a, b: torch.combinations(b[0], 2, True) ** 2,
    "no combinations": lambda a, b: torch.combinations(b[0], 9),
    "block_diag": lambda a, b: torch.block_diag(a, b[0], b[1, 1], a.t()) ** 2,
    "kron": lambda a, b: torch.kron(a.t(), b),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name, device):
    torch.manual_seed(0)
    a = torch.randn(2, 2, dtype=torch.float64, device=device, requires_grad=True)
    b = torch.randn(2, 3, dtype=torch.float64, device=device, requires_grad=True)
    used = [x for x in (a, b) if name not in ("combinations", "no combinations") or x is b]
    function = SMOOTH[name] if len(used) == 2 else lambda b: SMOOTH[name](None, b)
    assert gradcheck(function, tuple(used))
    assert gradgradcheck(function, tuple(used))
