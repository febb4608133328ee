"""The printed form of tensors, parameters and storages: literal texts, and torch's own text where it is installed."""

import math
import re

import numpy as np
import pytest
import rushlight as torch
from rushlight import _tensor_str

inf, nan = math.inf, math.nan


@pytest.fixture(autouse=True)
def default_options():
    """Every test starts and ends with the default print options."""
    torch.set_printoptions(profile="default")
    yield
    torch.set_printoptions(profile="default")


def shows(tensor, expected, device="cpu"):
    """The tensor, moved to the device, prints as expected; elsewhere than on the CPU with a device suffix."""
    if str(device) == "cpu":
        assert repr(tensor) == expected
        assert str(tensor) == expected
        return
    text = repr(tensor.to(device))
    assert f"device='{tensor.to(device).device}'" in text
    text = re.sub(r",\s+device='[^']*'", "", text)
    assert " ".join(text.split()) == " ".join(expected.split())


# ----------------------------------------------------------------------------------------------------------------
# Numbers
# ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "data, dtype, expected",
    [
        ([1, 2, 3], "int64", "tensor([1, 2, 3])"),
        ([1, -20, 3], "int32", "tensor([  1, -20,   3], dtype=torch.int32)"),
        ([0, 255], "uint8", "tensor([  0, 255], dtype=torch.uint8)"),
        ([True, False], "bool", "tensor([ True, False])"),
        ([1.0, 2.0], "float32", "tensor([1., 2.])"),
        ([1.0, -2.0], "float64", "tensor([ 1., -2.], dtype=torch.float64)"),
        ([0.5, 2.25], "float32", "tensor([0.5000, 2.2500])"),
        ([0.1, 100.0], "float16", "tensor([9.9976e-02, 1.0000e+02], dtype=torch.float16)"),
        ([0.1, 100.0], "bfloat16", "tensor([  0.1001, 100.0000], dtype=torch.bfloat16)"),
        ([0.0, 0.0], "float32", "tensor([0., 0.])"),
        ([-0.0, 0.0], "float32", "tensor([-0., 0.])"),
        ([nan, inf, -inf], "float32", "tensor([nan, inf, -inf])"),
        ([nan, 1.0, -inf], "float32", "tensor([nan, 1., -inf])"),
        ([0.5, nan, -inf], "float32", "tensor([0.5000,    nan,   -inf])"),
        ([1e10, 1.0], "float32", "tensor([1.0000e+10, 1.0000e+00])"),
        ([1e-5, 2e-5], "float64", "tensor([1.0000e-05, 2.0000e-05], dtype=torch.float64)"),
        ([1.0, 1000.0], "float32", "tensor([   1., 1000.])"),
        ([1.0, 1001.0], "float32", "tensor([1.0000e+00, 1.0010e+03])"),
        ([1 + 2j], "complex64", "tensor([1.+2.j])"),
        ([1.5 - 2j, -3 + 0.25j], "complex128", "tensor([ 1.5000-2.0000j, -3.0000+0.2500j], dtype=torch.complex128)"),
    ],
)
def test_numbers(data, dtype, expected, device):
    shows(torch.tensor(data, dtype=getattr(torch, dtype)), expected, device)


def test_magnitude_decides_notation(device):
    shows(torch.tensor([1e8, 1e7]), "tensor([100000000.,  10000000.])", device)
    shows(torch.tensor([1e8 + 8, 1e7]), "tensor([1.0000e+08, 1.0000e+07])", device)
    shows(torch.tensor([1e-4], dtype=torch.float64), "tensor([0.0001], dtype=torch.float64)", device)
    shows(torch.tensor([1e-4]), "tensor([1.0000e-04])", device)  # as float32 just below 1e-4


def test_scalars(device):
    shows(torch.tensor(3), "tensor(3)", device)
    shows(torch.tensor(3.0), "tensor(3.)", device)
    shows(torch.tensor(3.14159), "tensor(3.1416)", device)
    shows(torch.tensor(True), "tensor(True)", device)
    shows(torch.tensor(nan), "tensor(nan)", device)
    shows(torch.tensor(1 - 2j), "tensor(1.-2.j)", device)
    shows(torch.tensor(7, dtype=torch.int8), "tensor(7, dtype=torch.int8)", device)


# ----------------------------------------------------------------------------------------------------------------
# Shapes
# ----------------------------------------------------------------------------------------------------------------
def test_matrices(device):
    shows(torch.tensor([[1.0, -1.0], [1.0, -1.0]]), "tensor([[ 1., -1.],\n        [ 1., -1.]])", device)
    shows(
        torch.arange(8).reshape(2, 2, 2),
        "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])",
        device,
    )
    shows(
        torch.arange(4).reshape(2, 1, 1, 2),
        "tensor([[[[0, 1]]],\n\n\n        [[[2, 3]]]])",
        device,
    )
    shows(torch.tensor([[1, 2], [3, 4]]).t(), "tensor([[1, 3],\n        [2, 4]])", device)


def test_empty(device):
    shows(torch.zeros(0), "tensor([])", device)
    shows(torch.zeros(0, 3), "tensor([], size=(0, 3))", device)
    shows(torch.zeros(0, dtype=torch.int64), "tensor([], dtype=torch.int64)", device)
    shows(torch.zeros(2, 0, dtype=torch.bool), "tensor([], size=(2, 0), dtype=torch.bool)", device)


def test_lines_break_at_linewidth():
    shows(
        torch.arange(30),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
    )
    torch.set_printoptions(linewidth=20)
    shows(torch.arange(6), "tensor([0, 1, 2, 3,\n        4, 5])")


def test_summary(device):
    shows(torch.arange(1000).reshape(10, 100)[:, :1].reshape(-1), repr(torch.arange(0, 1000, 100)), device)
    shows(torch.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])", device)
    shows(
        torch.arange(2000).reshape(2, 1000),
        "tensor([[   0,    1,    2,  ...,  997,  998,  999],\n        [1000, 1001, 1002,  ..., 1997, 1998, 1999]])",
        device,
    )
    shows(
        torch.arange(2000).reshape(1000, 2),
        "tensor([[   0,    1],\n        [   2,    3],\n        [   4,    5],\n        ...,\n"
        "        [1994, 1995],\n        [1996, 1997],\n        [1998, 1999]])",
        device,
    )


def test_summary_ignores_elements_not_shown():
    x = torch.ones(2000)
    x[1000] = 1e-7
    shows(x, "tensor([1., 1., 1.,  ..., 1., 1., 1.])")


def test_summary_reads_few_elements():
    shows(torch.tensor([7]).expand(10**12), "tensor([7, 7, 7,  ..., 7, 7, 7])")


# ----------------------------------------------------------------------------------------------------------------
# Suffixes
# ----------------------------------------------------------------------------------------------------------------
def test_grad(device):
    x = torch.ones(2, requires_grad=True)
    shows(x, "tensor([1., 1.], requires_grad=True)")
    shows(x + 1, "tensor([2., 2.], grad_fn=<AddBackward0>)")
    shows(x * 2, "tensor([2., 2.], grad_fn=<MulBackward0>)")
    shows((x * 2).sum(), "tensor(4., grad_fn=<SumBackward0>)")
    shows(x.detach(), "tensor([1., 1.])", device)


def test_suffix_moves_to_next_line():
    x = torch.zeros(1, 9, dtype=torch.float64, requires_grad=True)
    shows(
        x + 0.5,
        "tensor([[0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000]],\n"
        "       dtype=torch.float64, grad_fn=<AddBackward0>)",
    )


def test_parameter():
    shows(
        torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "Parameter containing:\ntensor([1., 2.], requires_grad=True)",
    )


def test_subclass():
    class Mine(torch.Tensor):
        pass

    shows(torch.ones(2, 2).as_subclass(Mine), "Mine([[1., 1.],\n      [1., 1.]])")


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        shows(torch.ones(1), "tensor([1.])")
        shows(torch.ones(1, dtype=torch.float32), "tensor([1.], dtype=torch.float32)")
        shows(torch.ones(1, dtype=torch.complex128), "tensor([1.+0.j])")
    finally:
        torch.set_default_dtype(torch.float32)


# ----------------------------------------------------------------------------------------------------------------
# Options
# ----------------------------------------------------------------------------------------------------------------
def test_options():
    x = torch.tensor([1.12345, 2.0])
    torch.set_printoptions(precision=2)
    shows(x, "tensor([1.12, 2.00])")
    torch.set_printoptions(sci_mode=True)
    shows(x, "tensor([1.12e+00, 2.00e+00])")
    torch.set_printoptions(profile="default", sci_mode=False)
    shows(torch.tensor([1e-7, 1e3]), "tensor([   0.0000, 1000.0000])")
    torch.set_printoptions(threshold=5, edgeitems=1)
    shows(torch.arange(10), "tensor([0,  ..., 9])")
    torch.set_printoptions(profile="full")
    assert "..." not in repr(torch.arange(5000))
    torch.set_printoptions(profile="short")
    shows(torch.arange(1001.0), "tensor([   0.,    1.,  ...,  999., 1000.])")
    torch.set_printoptions(profile="default", edgeitems=0)
    shows(torch.ones(2), "tensor([1., 1.], size=(2,))")
    shows(torch.ones(2000), "tensor([...], size=(2000,))")


def test_options_restore():
    before = _tensor_str.get_printoptions()
    with _tensor_str.printoptions(precision=1):
        shows(torch.tensor([0.25]), "tensor([0.2])")
        assert _tensor_str.get_printoptions()["precision"] == 1
    assert _tensor_str.get_printoptions() == before
    assert before == {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


def test_format(device):
    assert f"{torch.tensor(3.14159, device=device):.3f}" == "3.142"
    assert f"{torch.tensor(3, device=device):>4d}" == "   3"
    assert f"{torch.tensor(2.5, requires_grad=True)}" == "2.5"
    assert f"{torch.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{torch.ones(2):.3f}"


# ----------------------------------------------------------------------------------------------------------------
# Storages, quantised tensors
# ----------------------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storage():
    a = torch.tensor([[1, 2, 3], [-1, -2, -3]])
    text = " 1\n 2\n 3\n -1\n -2\n -3\n[torch.storage.TypedStorage(dtype=torch.int64, device=cpu) of size 6]"
    shows(a.storage(), text)
    shows(a[1:].storage(), text)
    shows(torch.zeros(0).storage(), " \n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 0]")
    shows(
        torch.FloatStorage([1, 2.5]),
        " 1.0\n 2.5\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]",
    )
    shows(
        torch.tensor([1], dtype=torch.int16).untyped_storage(),
        " 1\n 0\n[torch.storage.UntypedStorage(device=cpu) of size 2]",
    )


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storage_elements():
    a = torch.arange(4.0)
    s = a[2:].storage()
    assert (len(s), s.size(), s.nbytes(), s.element_size(), s[-1], s.tolist()) == (
        4,
        4,
        16,
        4,
        3.0,
        [0.0, 1.0, 2.0, 3.0],
    )
    s[0] = 9
    s[1:3] = 5
    assert a.tolist() == [9.0, 5.0, 5.0, 3.0]
    assert s.fill_(2) is s and a.tolist() == [2.0] * 4
    s.copy_(torch.FloatStorage([4, 3, 2, 1]))
    assert list(s) == a.tolist() == [4.0, 3.0, 2.0, 1.0]
    assert s.data_ptr() == a.data_ptr() == s.untyped().data_ptr()
    assert s.clone().data_ptr() != s.data_ptr()
    assert isinstance(s, torch.FloatStorage) and not isinstance(s, torch.LongStorage)
    assert torch.FloatStorage.dtype == torch.float32 and len(torch.FloatStorage(5)) == 5
    assert s.long().dtype == torch.int64 and s.long().tolist() == [4, 3, 2, 1]
    for wrong, error in ((4, IndexError), (-5, IndexError), (slice(0, 1), RuntimeError), ("a", RuntimeError)):
        with pytest.raises(error):
            s[wrong]
    with pytest.raises(IndexError):
        s[4] = 1
    with pytest.raises(RuntimeError, match="16 bytes but src was 4 bytes"):
        s.copy_(torch.FloatStorage([1]))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantized():
    x = torch.tensor([0.25, 0.75, 1.25, -0.25, 1e30, -1e30, inf, -inf])
    for dtype, stored, low, high in (
        (torch.quint8, torch.uint8, 0, 255),
        (torch.qint8, torch.int8, -128, 127),
        (torch.qint32, torch.int32, -(2**31), 2**31 - 1),
    ):
        q = torch.quantize_per_tensor(x, 0.5, 1, dtype)
        assert q.int_repr().dtype == stored and q.dtype == dtype and tuple(q.shape) == (8,)
        assert q.int_repr().tolist() == [2, 2, 4, 0, high, low, high, low]
        assert q.dequantize().tolist()[:4] == [0.5, 0.5, 1.5, -0.5]
        assert (q.q_scale(), q.q_zero_point()) == (0.5, 1)
    shows(
        torch.quantize_per_tensor(torch.tensor([0.0, 1.0, 2.0]), 0.5, 3, torch.qint8),
        "tensor([0., 1., 2.], size=(3,), dtype=torch.qint8,\n"
        "       quantization_scheme=torch.per_tensor_affine, scale=0.5, zero_point=3)",
    )
    with pytest.raises(RuntimeError, match="above upper bound"):
        torch.quantize_per_tensor(x, 0.5, 300, torch.quint8)
    with pytest.raises(RuntimeError, match="only works on Float"):
        torch.quantize_per_tensor(x.double(), 0.5, 0, torch.quint8)


# ----------------------------------------------------------------------------------------------------------------
# Against torch
# ----------------------------------------------------------------------------------------------------------------
def random_array(rng):
    """An array of random dtype, shape, magnitudes and special values."""
    limits = {0: 1, 1: 1300, 2: 40, 3: 12, 4: 6}
    dim = int(rng.integers(0, 5))
    shape = tuple(int(n) for n in rng.integers(1 if rng.random() < 0.9 else 0, limits[dim] + 1, dim))
    kind = rng.choice(
        ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]
    )
    if kind == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if "int" in kind:
        bounds = np.iinfo(kind)
        low, high = (bounds.min, bounds.max) if rng.random() < 0.5 else (max(bounds.min, -20), 20)
        return np.asarray(rng.integers(low, high, shape), dtype=kind)

    def reals():
        scale = 10.0 ** rng.integers(-9, 10) if rng.random() < 0.5 else 5.0
        x = np.asarray(rng.standard_normal(shape) * scale)
        if rng.random() < 0.3:
            x = np.asarray(np.rint(x))
        for special in (nan, inf, -inf, 0.0, -0.0, 1e-44):
            if rng.random() < 0.15:
                x = np.where(rng.random(shape) < 0.3, special, x)
        return x

    with np.errstate(over="ignore"):
        return np.asarray(reals() + 1j * reals() if kind == "complex64" else reals(), dtype=kind)


@pytest.mark.filterwarnings("ignore")
def test_text_equals_torch():
    oracle = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    options = [{}, {}, {"precision": 2}, {"sci_mode": True}, {"sci_mode": False}, {"linewidth": 40}, {"threshold": 20}]
    options += [{"edgeitems": 1, "threshold": 10}, {"profile": "short"}, {"edgeitems": 0}, {"profile": "full"}]
    try:
        for i in range(2000):
            chosen = {"profile": "default", **options[i % len(options)]}
            torch.set_printoptions(**chosen)
            oracle.set_printoptions(**chosen)
            array = random_array(rng)
            ours, theirs = torch.from_numpy(array), oracle.from_numpy(array)
            if i % 5 == 0 and array.dtype == np.float32:
                ours, theirs = ours.bfloat16(), theirs.bfloat16()
            elif i % 5 == 1 and array.ndim > 1:
                ours, theirs = ours.transpose(0, -1), theirs.transpose(0, -1)
            elif i % 5 == 2 and array.dtype.kind == "f":
                ours.requires_grad_()
                theirs.requires_grad_()
            assert repr(ours) == repr(theirs), (array.dtype, array.shape, chosen)
    finally:
        oracle.set_printoptions(profile="default")
