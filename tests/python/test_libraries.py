"""Libraries that take tensors for arrays: opt_einsum, NumPy's functions, plotting, data frames, images."""

import subprocess
import sys

import numpy as np
import pytest
import rushlight as torch
from helpers import array

EQUATIONS = {
    "ij,jk->ik": [(3, 4), (4, 5)],
    "ij,jk,kl->il": [(3, 4), (4, 5), (5, 2)],
    "abc,cde,eaf->bdf": [(2, 3, 4), (4, 5, 2), (2, 2, 6)],
    "ij->ji": [(2, 3)],
    "ij,ij->": [(2, 3), (2, 3)],
    "i,j->ji": [(2,), (3,)],
    "...ij,...jk->...ik": [(7, 2, 3), (7, 3, 4)],
    "αβ,βγ->γα": [(3, 4), (4, 5)],
    ",ij->j": [(), (2, 3)],
}


def draw(*shape):
    return np.random.default_rng(0).random(shape)


# ---- opt_einsum


@pytest.mark.parametrize("backend", ["auto", "rushlight"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_opt_einsum(equation, backend):
    opt_einsum = pytest.importorskip("opt_einsum")
    arrays = [draw(*shape) for shape in EQUATIONS[equation]]
    tensors = [torch.from_numpy(np.array(a)).requires_grad_() for a in arrays]
    result = opt_einsum.contract(equation, *tensors, backend=backend)
    assert isinstance(result, torch.Tensor) and result.requires_grad
    assert np.allclose(array(result.detach()), opt_einsum.contract(equation, *arrays))


def test_opt_einsum_expressions():
    opt_einsum = pytest.importorskip("opt_einsum")
    a, b, c = draw(3, 4), draw(4, 5), draw(5, 2)
    for constant in (a, torch.from_numpy(a)):
        expression = opt_einsum.contract_expression("ij,jk,kl->il", constant, (4, 5), (5, 2), constants=[0])
        result = expression(torch.from_numpy(b).requires_grad_(), torch.from_numpy(c), backend="rushlight")
        assert result.requires_grad and np.allclose(result.detach(), a @ b @ c)
        result = expression(b, c, backend="rushlight")
        assert isinstance(result, np.ndarray) and np.allclose(result, a @ b @ c)


@pytest.mark.parametrize("first, second", [("rushlight", "opt_einsum"), ("opt_einsum", "rushlight")])
def test_opt_einsum_in_both_orders_of_import(first, second):
    pytest.importorskip("opt_einsum")
    program = (
        f"import {first}, {second}; o = rushlight.ones(2, 2); print(opt_einsum.contract('ab,bc->ac', o, o).tolist())"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout == "[[2.0, 2.0], [2.0, 2.0]]\n"


def test_tensordot_with_axes():
    x, y = torch.from_numpy(draw(2, 3, 4)), torch.from_numpy(draw(4, 3, 2))
    for axes in (0, 1, (1, 1), ([0, 1], [2, 1]), [(-1,), (0,)], (2, [0]), ((0, 1, 2), (2, 1, 0))):
        assert np.allclose(torch.tensordot(x, y, axes=axes), np.tensordot(x.numpy(), y.numpy(), axes=axes))
