"""Forms, names and defaults that torch's documentation promises and no family file covers."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import rushlight as torch
from helpers import close
from rushlight.autograd import gradcheck
from rushlight.testing import make_tensor


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (7, 3), (8, 3), (9, 2), (5, 1), (1, 4), (0, 3), (3, 0), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal(shape, wrap):
    expected = np.zeros(shape)
    if expected.size:
        np.fill_diagonal(expected, 5, wrap=wrap)
    for t in (torch.zeros(shape), torch.zeros(shape[::-1]).permute(tuple(reversed(range(len(shape)))))):
        assert t.fill_diagonal_(5, wrap=wrap) is t
        assert t.tolist() == expected.tolist()


def test_fill_diagonal_refuses():
    for shape in [(3,), (), (2, 3, 3)]:
        with pytest.raises(RuntimeError):
            torch.zeros(shape).fill_diagonal_(1)


def test_result_type_takes_names():
    x = torch.ones(1)
    assert torch.result_type(tensor=x, other=2.5) == torch.float32
    assert torch.result_type(tensor=x.long(), other=x.double()) == torch.float64
    assert torch.result_type(scalar=1.5, tensor=x.long()) == torch.float32
    assert torch.result_type(scalar1=1, scalar2=2) == torch.int64
    with pytest.raises(TypeError):
        torch.result_type("a", 1)


@pytest.mark.filterwarnings("ignore:This overload of")
def test_factors_in_the_old_order():
    rng = np.random.default_rng(0)
    shapes = {
        "addmm": ((2, 2), (2, 3), (3, 2)),
        "addmv": ((2,), (2, 3), (3,)),
        "addbmm": ((2, 2), (4, 2, 3), (4, 3, 2)),
        "baddbmm": ((4, 2, 2), (4, 2, 3), (4, 3, 2)),
        "addr": ((2, 3), (2,), (3,)),
    }
    for name, sizes in shapes.items():
        x, a, b = (torch.tensor(rng.integers(-3, 4, s)) for s in sizes)
        function, method, inplace = getattr(torch, name), getattr(x, name), name + "_"
        for alpha in (1, 5):
            expected = function(x, a, b, beta=2, alpha=alpha).tolist()
            factors = (alpha,) if alpha != 1 else ()
            assert function(2, x, *factors, a, b).tolist() == expected
            assert method(2, *factors, a, b).tolist() == expected
            assert getattr(x.clone(), inplace)(2, *factors, a, b).tolist() == expected
            out = torch.empty(0, dtype=torch.int64)
            assert function(2, x, *factors, a, b, out=out) is out and out.tolist() == expected
    x = torch.ones(2)
    assert x.add_(2, torch.ones(2)) is x and x.tolist() == [3, 3]
    assert x.sub_(2, torch.ones(2)).tolist() == [1, 1]


def test_functions_of_numbers():
    x = torch.tensor([1.0, 2.0])
    assert torch.add(5, x).tolist() == [6, 7] and torch.add(5, x, alpha=2).tolist() == [7, 9]
    assert torch.sub(5, x).tolist() == [4, 3] and torch.mul(5, x).tolist() == [5, 10]
    assert torch.div(4, x).tolist() == torch.true_divide(4, x).tolist() == [4, 2]
    assert torch.div(5, x, rounding_mode="floor").tolist() == torch.floor_divide(5, x).tolist() == [5, 2]
    for result, value, dtype in [
        (torch.add(5, 5), 10, torch.int64),
        (torch.add(5, 2.5), 7.5, torch.float32),
        (torch.multiply(True, 5), 5, torch.int64),
        (torch.subtract(1, 2j), 1 - 2j, torch.complex64),
        (torch.divide(5, 2), 2.5, torch.float32),
        (torch.floor_divide(5, 2), 2, torch.int64),
    ]:
        assert result.shape == () and result.tolist() == value and result.dtype == dtype
    out = torch.empty(0)
    assert torch.mul(2, 3, out=out) is out and out.tolist() == 6
    z = torch.tensor([1 + 2j])
    assert torch.add(1, z.conj()).tolist() == [2 - 2j] and torch.mul(z.conj(), 1j).tolist() == [2 + 1j]
    assert torch.add(input=1, other=x).tolist() == torch.add(x=1, x2=x).tolist() == [2, 3]
    y = x.clone().requires_grad_()
    torch.div(1, y).sum().backward()
    assert y.grad.tolist() == [-1, -0.25]
    for call in (lambda: torch.add("a", x), lambda: torch.mul("a", x), lambda: torch.div([1], x), lambda: torch.sub(1)):
        with pytest.raises(TypeError):
            call()


def test_numpys_names_of_arguments():
    x, y = torch.tensor([[1.0, -2.0]]), torch.tensor([3.0, 4.0])
    assert torch.abs(x1=x).tolist() == torch.abs(x=x).tolist() == torch.abs(a=x).tolist() == [[1, 2]]
    assert torch.add(x1=x, x2=y).tolist() == [[4, 2]]
    assert torch.sum(x1=x, axis=1, keepdims=True).tolist() == [[-1]]


def bits(values, dtype):
    return np.asarray(values, dtype=dtype).view(np.uint64)


def test_hash_tensor():
    values = np.arange(24.0).reshape(2, 3, 4) - 5
    x = torch.tensor(values)
    for dims in [None, (0,), (1, 2), (-1,), (0, 1, 2)]:
        axis = tuple(range(3)) if dims is None else tuple(d % 3 for d in dims)
        expected = np.bitwise_xor.reduce(bits(values, np.float64), axis=axis)
        assert torch.hash_tensor(x, dims).tolist() == expected.tolist()
        assert x.float().transpose(0, 2).hash_tensor(dims if dims is None else [2 - d for d in axis]).tolist() == (
            expected.T.tolist()
        )
    whole = x.to(torch.int8)
    assert torch.hash_tensor(whole, 1, keepdim=True).tolist() == (
        np.bitwise_xor.reduce(bits(values, np.int64), axis=1, keepdims=True).tolist()
    )
    assert torch.hash_tensor(torch.tensor([True, False])).tolist() == 1
    assert torch.hash_tensor(torch.zeros(0, 2), 1).shape == (0,)
    for call, error in [
        (lambda: torch.hash_tensor(torch.empty(0)), RuntimeError),
        (lambda: torch.hash_tensor(torch.zeros(2, 0), 1), IndexError),
        (lambda: torch.hash_tensor(x, (0, 0)), RuntimeError),
        (lambda: torch.hash_tensor(x, 3), IndexError),
        (lambda: torch.hash_tensor(x, mode=1), RuntimeError),
        (lambda: torch.hash_tensor(x * 1j), NotImplementedError),
    ]:
        with pytest.raises(error):
            call()


def test_cosine_similarity_and_pairwise_distance():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 5)), rng.standard_normal((4, 5))
    x, y = torch.tensor(a), torch.tensor(b)
    for axis in (0, 1):
        expected = (a * b).sum(axis) / np.linalg.norm(a, axis=axis) / np.linalg.norm(b, axis=axis)
        close(torch.cosine_similarity(x, y, dim=axis), expected.tolist(), 1e-12)
    assert torch.cosine_similarity(torch.zeros(2, 3), torch.ones(2, 3)).tolist() == [0, 0]
    assert torch.cosine_similarity(x.float(), y[0], dim=-1).dtype == torch.float64
    for p in (1, 2, 3, np.inf):
        close(torch.pairwise_distance(x, y, p), np.linalg.norm(a - b + 1e-6, p, axis=1).tolist(), 1e-12)
    assert torch.nn.functional.pairwise_distance(x, y[0], keepdim=True).shape == (4, 1)
    leaves = (x.clone().requires_grad_(), y[:1].clone().requires_grad_())
    assert gradcheck(torch.cosine_similarity, leaves)
    assert gradcheck(torch.pairwise_distance, leaves)
    with pytest.raises(RuntimeError):
        torch.cosine_similarity(x.long(), y.long())
    with pytest.raises(IndexError):
        torch.cosine_similarity(x, y, dim=2)


DTYPES = ["float32", "float64", "float16", "bfloat16", "complex64", "int8", "uint8", "int64", "bool"]
OPTIONS = [{}, {"low": -1, "high": 1}, {"noncontiguous": True}, {"low": 0, "high": 2, "exclude_zero": True}]


@pytest.mark.parametrize("dtype", DTYPES)
def test_make_tensor_draws_torchs_numbers(dtype):
    real = pytest.importorskip("torch")
    if real is torch:
        pytest.skip("torch is rushlight here")
    from torch.testing import make_tensor as expected

    for options, shape in itertools.product(OPTIONS, [(3, 4), (), (5,), (2, 0)]):
        if dtype == "uint8" and options.get("low") == -1 or dtype == "bool" and "high" in options:
            continue
        results = []
        for library, make in ((torch, make_tensor), (real, expected)):
            library.manual_seed(3)
            t = make(shape, dtype=getattr(library, dtype), device="cpu", **options)
            results.append((t.stride(), t.storage_offset(), t.tolist()))
        assert results[0] == results[1]


def test_make_tensor_refuses():
    for options in [{"low": 3, "high": 3}, {"low": 300, "high": 400}, {"low": float("nan")}, {"requires_grad": True}]:
        with pytest.raises(ValueError):
            make_tensor(3, dtype=torch.int8, **options)
    with pytest.warns(FutureWarning, match="low==high"):
        assert make_tensor(3, dtype=torch.float32, low=2, high=2).tolist() == [2, 2, 2]


def test_initialisers():
    weight = torch.nn.init.dirac_(torch.empty(4, 2, 3), groups=2)
    x = torch.zeros(4, 2, 3)
    for place in [(0, 0, 1), (1, 1, 1), (2, 0, 1), (3, 1, 1)]:
        x[place] = 1
    assert torch.equal(weight, x)
    sparse = torch.nn.init.sparse_(torch.empty(10, 4), sparsity=0.25)
    assert (sparse == 0).sum(0).tolist() == [3, 3, 3, 3]
    for call in (
        lambda: torch.nn.init.dirac_(torch.empty(2, 2)),
        lambda: torch.nn.init.dirac_(torch.empty(3, 2, 2), groups=2),
        lambda: torch.nn.init.sparse_(torch.empty(2), 0.5),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.warns(FutureWarning, match="nn.init.constant_"):
        assert torch.nn.init.constant(torch.empty(2), 3).tolist() == [3, 3]


def test_default_device_may_be_absent_until_it_is_used():
    code = """
import rushlight as torch
torch.set_default_device("cuda")
assert torch.get_default_device().type == "cuda"
for make in (lambda: torch.zeros(2), lambda: torch.tensor([1]), lambda: torch.rand(2), lambda: torch.arange(3),
             lambda: torch.empty(2), lambda: torch.tensor(1.0), lambda: torch.eye(2), lambda: torch.linspace(0, 1, 3)):
    try:
        make()
    except AssertionError as error:
        assert "CUDA" in str(error)
    else:
        raise SystemError("no error")
assert torch.zeros(2, device="cpu").tolist() == [0, 0]
torch.set_default_device(None)
assert torch.zeros(2).tolist() == [0, 0]
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_inference_tensors_have_no_version():
    with torch.inference_mode():
        x = torch.ones(2)
    with pytest.raises(RuntimeError, match="do not track version counter"):
        x._version  # noqa: B018


def test_dlpack_module():
    x = torch.arange(4)
    from rushlight.utils import dlpack

    capsule = dlpack.to_dlpack(x)
    y = dlpack.from_dlpack(capsule)
    y[0] = 7
    assert x[0] == 7
    assert torch.from_dlpack(torch.to_dlpack(x)).data_ptr() == x.data_ptr()
    with pytest.raises((RuntimeError, BufferError)):
        torch.from_dlpack(capsule)  # used already


def test_questions_and_flags():
    assert torch.overrides.is_tensor_like(torch.ones(1)) and not torch.overrides.is_tensor_like(1)
    assert torch.overrides.has_torch_function((torch.ones(1),)) is False
    assert isinstance(3, torch.types.Number)
    assert torch.masked._ops.sum(torch.ones(2), 0).tolist() == 2
    assert torch.get_device_module("cpu") is torch.cpu and torch.cpu.current_device() == "cpu"
    assert torch.accelerator.current_accelerator() is None or torch.accelerator.is_available()
    assert repr(torch.Generator()).startswith("<torch._C.Generator object at 0x")
    assert not torch.is_anomaly_enabled()
    with torch.autograd.detect_anomaly(check_nan=False):
        assert torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
    assert not torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    with torch.autograd.set_multithreading_enabled(False):
        assert not torch.autograd.is_multithreading_enabled()
    assert torch.autograd.is_multithreading_enabled()
    assert (torch.sym_max(1, 2.0), torch.sym_min(1, 2), torch.sym_int(-3.5), torch.sym_float(2)) == (2.0, 1, -3, 2.0)
    assert type(torch.sym_min(1, 2.0)) is float and torch.sym_not(False) and torch.sym_ite(True, 1, 2) == 1
