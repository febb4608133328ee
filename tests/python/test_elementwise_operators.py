"""Python's operators, comparisons and torch's aliases of the elementwise functions."""

import math
import operator

import numpy as np
import pytest
import rushlight as torch
from elementwise_reference import INTEGER_BINARY, OPERATORS, UNARY, array, check_real, dtype_of, pairs, tensor

nan = math.nan


def operands(name, function, rng, shape):
    a, b = pairs(name, function, rng, int(np.prod(shape)))
    return a.reshape(shape), b.reshape(shape)


@pytest.mark.parametrize("name", ["int32", "float32", "float64"])
@pytest.mark.parametrize("function", OPERATORS)
def test_operators(function, name, device):
    if function in INTEGER_BINARY and name != "int32":
        x = torch.ones(2, dtype=dtype_of(name), device=device)
        with pytest.raises((RuntimeError, TypeError)):
            OPERATORS[function][0](x, x)
        return
    plain, inplace = OPERATORS[function]
    a, b = operands(name, function, np.random.default_rng(8), (5, 7))
    ta, tb = tensor(a, name, device), tensor(b, name, device)
    f = getattr(torch, function)
    assert plain(ta, tb).equal(f(ta, tb)) and getattr(ta, function)(tb).equal(f(ta, tb))
    by_tensor = f(ta, torch.tensor(3, dtype=ta.dtype, device=device))
    if function == "pow" and name != "int32":  # x * x * x
        check_real(array(plain(ta, 3)), array(by_tensor), name, 2)
    else:
        assert plain(ta, 3).equal(by_tensor)
    assert plain(3, tb).equal(f(torch.tensor(3, dtype=ta.dtype, device=device), tb))
    if not (function == "div" and name == "int32"):
        c = ta.clone()
        pointer = c.data_ptr()
        c = inplace(c, tb)
        assert c.equal(f(ta, tb)) and c.data_ptr() == pointer
        c = ta.clone()
        assert getattr(c, function + "_")(tb) is c and c.equal(f(ta, tb))
        out = torch.empty_like(ta)
        assert f(ta, tb, out=out) is out and out.equal(f(ta, tb))
    with pytest.raises(TypeError):
        plain(ta, "3")
    with pytest.raises(TypeError):
        plain(ta, None)


def test_comparison_operators(device):
    x = torch.tensor([1.0, 2.0, nan], device=device)
    assert (x == x).tolist() == [True, True, False] and (x != x).tolist() == [False, False, True]
    assert (x < 2).tolist() == [True, False, False] and (2 > x).tolist() == [True, False, False]
    assert (x >= 2).tolist() == [False, True, False] and (1 >= x).tolist() == [True, False, False]
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (x == "a") is False
    with pytest.raises(TypeError):
        operator.lt(x, "a")


ALIASES = {
    "absolute": "abs",
    "negative": "neg",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "arccosh": "acosh",
    "arcsinh": "asinh",
    "arctanh": "atanh",
    "fix": "trunc",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "true_divide": "div",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "arctan2": "atan2",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias, device):
    x = torch.tensor([0.25, -0.5, 0.75], device=device)
    arguments = (x,) if ALIASES[alias] in UNARY else (x, x.flip(0))
    want = getattr(torch, ALIASES[alias])(*arguments)
    for got in (getattr(torch, alias)(*arguments), getattr(x, alias)(*arguments[1:])):
        assert torch.allclose(got.double(), want.double(), equal_nan=True)
    assert hasattr(torch.Tensor, alias + "_")


def test_scaled_add(device):
    x, y = torch.tensor([1.0, 2.0], device=device), torch.tensor([10.0, 20.0], device=device)
    assert torch.add(x, y, alpha=3).tolist() == [31.0, 62.0] and x.sub(y, alpha=0.5).tolist() == [-4.0, -8.0]
    assert torch.rsub(x, y, alpha=2).tolist() == [8.0, 16.0] and torch.add(x, 5, alpha=2).tolist() == [11.0, 12.0]
    integers = torch.tensor([1, 2], device=device)
    assert torch.add(integers, integers, alpha=-2).tolist() == [-1, -2]
    with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
        torch.add(integers, integers, alpha=0.5)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported"):
        torch.add(x, y, alpha=True)
    flags = torch.tensor([True, False], device=device)
    assert (flags + flags).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="two bool tensors is not supported"):
        operator.sub(flags, flags)
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        operator.sub(flags, x)
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        operator.sub(x, flags)
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        operator.neg(flags)
