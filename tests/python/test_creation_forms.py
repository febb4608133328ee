"""Constructors in all their forms: options, out=, memory formats, ranges, triangles, files, objects with memory."""

import array
import warnings

import numpy as np
import pytest
import rushlight as torch

CONSTRUCTORS = {
    "empty": lambda **k: torch.empty(2, 3, **k),
    "zeros": lambda **k: torch.zeros(2, 3, **k),
    "ones": lambda **k: torch.ones((2, 3), **k),
    "full": lambda **k: torch.full((2, 3), 1.5, **k),
    "eye": lambda **k: torch.eye(2, 3, **k),
    "arange": lambda **k: torch.arange(6.0, **k),
    "range": lambda **k: torch.range(0, 5, **k),
    "linspace": lambda **k: torch.linspace(0, 1, 6, **k),
    "logspace": lambda **k: torch.logspace(0, 1, 6, **k),
    "rand": lambda **k: torch.rand(2, 3, **k),
    "randn": lambda **k: torch.randn(2, 3, **k),
    "randint": lambda **k: torch.randint(3, (2, 3), **k),
    "randperm": lambda **k: torch.randperm(6, **k),
    "normal": lambda **k: torch.normal(0, 1, (2, 3), **k),
}
OTHERS = {
    "scalar_tensor": lambda **k: torch.scalar_tensor(2.5, **k),
    "empty_strided": lambda **k: torch.empty_strided((2, 3), (1, 2), **k),
    "empty_permuted": lambda **k: torch.empty_permuted((2, 3), (1, 0), **k),
    "hann_window": lambda **k: torch.hann_window(4, **k),
    "zeros_like": lambda **k: torch.zeros_like(torch.zeros(2), **k),
    "full_like": lambda **k: torch.full_like(torch.zeros(2), 2, **k),
    "rand_like": lambda **k: torch.rand_like(torch.zeros(2), **k),
    "randint_like": lambda **k: torch.randint_like(torch.zeros(2), 2, **k),
    "new_zeros": lambda **k: torch.zeros(1).new_zeros(2, **k),
    "new_full": lambda **k: torch.zeros(1).new_full((2,), 1, **k),
    "new_tensor": lambda **k: torch.zeros(1).new_tensor([1], **k),
}
pytestmark = pytest.mark.filterwarnings("ignore:torch.range is deprecated")


@pytest.mark.parametrize("name", [*CONSTRUCTORS, *OTHERS])
def test_options(name, device):
    make = {**CONSTRUCTORS, **OTHERS}[name]
    t = make(dtype=torch.float64, device=device, requires_grad=True, layout=torch.strided, pin_memory=False)
    assert t.dtype == torch.float64 and t.device.type == device.type and t.requires_grad and t.is_leaf
    usual = torch.int64 if name in ("randint", "randperm") else torch.float32
    assert make().dtype == usual and not make(requires_grad=None).requires_grad
    assert make(dtype=None, device=None, layout=None, pin_memory=None).dtype == usual
    for bad, error in [
        ({"pin_memory": True}, RuntimeError),
        ({"layout": torch.sparse_coo}, RuntimeError),
        ({"layout": 3}, TypeError),
        ({"device": "cuda"}, AssertionError),
        ({"dtype": torch.complex64, "requires_grad": 3}, TypeError),
        ({"nothing": 1}, TypeError),
    ]:
        with pytest.raises((error, NotImplementedError)):
            make(**bad)
    with pytest.raises(RuntimeError):
        make(dtype=torch.int64, requires_grad=True)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_out(name, device):
    make = CONSTRUCTORS[name]
    for out in (
        torch.full((6,), 7.0, dtype=torch.float64, device=device),
        torch.empty(0, dtype=torch.float64, device=device),
        torch.empty(3, 4, dtype=torch.float64, device=device).t(),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(3)
            assert make(out=out) is out
        torch.manual_seed(3)
        want = make(dtype=torch.float64)
        assert name == "empty" or (out == want).all() and out.shape == want.shape
    assert make(out=torch.empty(0), requires_grad=True).requires_grad
    for out, options in [
        (torch.empty(0), {"dtype": torch.float16}),
        (torch.empty(0, requires_grad=True), {}),
        (torch.empty(1).expand(2, 3), {}),
        (torch.zeros(2, dtype=torch.int32), {"requires_grad": True}),
    ]:
        before = tuple(out.shape)
        with pytest.raises(RuntimeError):
            make(out=out, **options)
        assert tuple(out.shape) == before


def test_memory_formats(device):
    t = torch.zeros(2, 3, 4, 5, device=device)
    last = (60, 1, 15, 3)
    assert torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride() == last
    assert torch.empty((2, 0, 4, 5), memory_format=torch.channels_last).stride() == (0, 1, 0, 0)
    assert torch.empty(1, 2, 3, 4, 5, memory_format=torch.channels_last_3d).stride() == (120, 1, 40, 10, 2)
    for f in (torch.empty_like, torch.zeros_like, torch.ones_like, torch.rand_like, torch.randn_like):
        assert f(t, memory_format=torch.channels_last).stride() == last
        assert f(t.transpose(0, 3), memory_format=torch.contiguous_format).is_contiguous()
        assert f(t.transpose(0, 3), memory_format=torch.preserve_format).stride() == t.transpose(0, 3).stride()
        with pytest.raises(RuntimeError, match="required rank 5 tensor to use channels_last_3d format"):
            f(t, memory_format=torch.channels_last_3d)
        with pytest.raises(TypeError):
            f(t, memory_format=1)
    with pytest.raises(RuntimeError, match="incompatible with 'out'"):
        torch.empty(2, 3, 4, 5, memory_format=torch.channels_last, out=torch.empty(0))
    for strides, want in [
        ((0, 4, 1), (12, 4, 1)),
        ((1, 8, 2), (1, 8, 2)),
        ((1, 0, 2), (1, 2, 6)),
        ((2, 4, 40), (1, 2, 6)),
    ]:
        assert torch.empty_like(torch.empty_strided((2, 3, 4), strides)).stride() == want
    assert torch.empty_like(torch.zeros(3, 0).t()).stride() == (1, 1)


def test_permuted_and_strided(device):
    t = torch.empty_permuted((2, 3, 5), (2, 0, 1), device=device)
    assert t.stride() == (3, 1, 6) and t.permute(2, 0, 1).is_contiguous() and torch.empty_permuted((), ()).shape == ()
    for sizes, dims in [((2, 3), (0, 0)), ((2, 3), (0,)), ((2, 3), (0, 2)), ((2, 3), (-1, 0)), ((2, -3), (0, 1))]:
        with pytest.raises(RuntimeError):
            torch.empty_permuted(sizes, dims)
    for sizes, strides in [((2, 3), (1,)), ((2, 3), (1, -1)), ((2**62, 2**62), (2**62, 1)), ((-1,), (1,))]:
        with pytest.raises(RuntimeError):
            torch.empty_strided(sizes, strides)


@pytest.mark.parametrize(
    "row,col,offset", [(3, 4, 0), (4, 3, 1), (5, 2, -2), (3, 3, 9), (3, 3, -9), (0, 4, 0), (2, 0, 1)]
)
def test_triangles(row, col, offset, device):
    for f, numpy in ((torch.tril_indices, np.tril_indices), (torch.triu_indices, np.triu_indices)):
        for dtype in (torch.int64, torch.int32):
            t = f(row, col, offset, dtype=dtype, device=device)
            assert t.dtype == dtype and t.tolist() == [x.tolist() for x in numpy(row, offset, col)]
    assert torch.tril_indices(2, 2, 2**63 - 1).shape == torch.triu_indices(2, 2, -(2**63)).shape == (2, 4)
    assert torch.triu_indices(2, 2, 2**63 - 1).shape == torch.tril_indices(2, 2, -(2**63)).shape == (2, 0)
    for bad in (lambda: torch.tril_indices(-1, 2), lambda: torch.triu_indices(1, -2)):
        with pytest.raises(RuntimeError, match="must be non-negative"):
            bad()
    with pytest.raises(RuntimeError):
        torch.tril_indices(2**40, 2**40)
    with pytest.raises(NotImplementedError):
        torch.tril_indices(2, 2, dtype=torch.float32)


def test_vander():
    x = torch.tensor([1.5, -2.0, 3.0], dtype=torch.float64)
    for n in (None, 0, 1, 2, 5):
        for increasing in (False, True):
            want = np.vander(x.numpy(), n, increasing)
            assert torch.vander(x, n, increasing).shape == want.shape
            np.testing.assert_allclose(torch.vander(x, N=n, increasing=increasing).numpy(), want)
    assert torch.vander(torch.tensor([2, 3], dtype=torch.int8), 3).tolist() == [[4, 2, 1], [9, 3, 1]]
    assert torch.vander(torch.tensor([2, 3], dtype=torch.int8)).dtype == torch.int64
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda t: torch.vander(t, 4), x)
    for bad in (lambda: torch.vander(x, -1), lambda: torch.vander(x[None])):
        with pytest.raises(RuntimeError):
            bad()


@pytest.mark.parametrize("name,tolerance", [("float64", 1e-14), ("float32", 1e-6), ("complex128", 1e-14)])
def test_logspace(name, tolerance):
    dtype = getattr(torch, name)
    for start, end, steps, base in [(0, 2, 5, 10), (-1.5, 3.5, 101, 2), (2, -2, 4, 2.5), (3, 7, 1, 10), (1, 2, 0, 10)]:
        got = torch.logspace(start, end, steps, base, dtype=dtype)
        np.testing.assert_allclose(got.numpy(), np.logspace(start, end, steps, base=base), rtol=tolerance)
    assert torch.logspace(0, 3, 4, base=2, dtype=torch.int64).tolist() == [1, 2, 4, 8]
    assert torch.logspace(torch.tensor(0), torch.tensor(1.0), 2).tolist() == [1.0, 10.0]
    for bad in (lambda: torch.logspace(0, 1, -1), lambda: torch.logspace(torch.zeros(1), 1, 2)):
        with pytest.raises(RuntimeError):
            bad()
    with pytest.raises(RuntimeError, match="can't be safely cast"):
        torch.logspace(0, 1j, 3, dtype=torch.float32)
    with pytest.raises(NotImplementedError):
        torch.logspace(0, 1, 3, dtype=torch.bool)


def test_ranges():
    with pytest.warns(UserWarning, match="torch.range is deprecated"):
        assert torch.range(0, 1.5, 0.5).tolist() == [0.0, 0.5, 1.0, 1.5]
    assert torch.range(1.9, 4.2, dtype=torch.int64).tolist() == [1, 2, 3, 4]
    assert torch.range(3, 0, -2).tolist() == [3.0, 1.0] and torch.range(2, 2).tolist() == [2.0]
    assert torch.linspace(-7, 9, 5, dtype=torch.int8).tolist() == [-7, -3, 1, 5, 9]
    assert torch.linspace(torch.tensor(1j), 2, 3).dtype == torch.complex64
    wide = torch.arange(-(2**63), 2**63 - 1, 2**61)
    assert wide.tolist() == [k * 2**61 for k in range(-4, 4)]
    assert torch.arange(0.5, 5, 1.5, dtype=torch.int32).tolist() == [0, 1, 2]
    for bad, error in [
        (lambda: torch.arange(0, 5, 0.5, dtype=torch.int64), ValueError),
        (lambda: torch.range(0, 5, 0.5, dtype=torch.int64), ValueError),
        (lambda: torch.arange(5, dtype=torch.bool), NotImplementedError),
        (lambda: torch.arange(5, dtype=torch.complex64), NotImplementedError),
        (lambda: torch.arange(5j), RuntimeError),
        (lambda: torch.arange(2**63), RuntimeError),
        (lambda: torch.arange(0, 1, float("nan")), RuntimeError),
        (lambda: torch.linspace(0, 300, 3, dtype=torch.uint8), RuntimeError),
        (lambda: torch.linspace(0, float("nan"), 3, dtype=torch.int32), RuntimeError),
        (lambda: torch.linspace(torch.zeros(2), 1, 3), RuntimeError),
    ]:
        with pytest.raises(error):
            bad()
    out = torch.empty(5)
    with pytest.warns(UserWarning, match="does not match the computed number of elements 3"):
        torch.arange(3, out=out)
    assert out.tolist() == [0.0, 1.0, 2.0] and torch.arange(3, out=torch.empty(1, 3)).shape == (1, 3)


def test_numbers_that_do_not_fit():
    for value, name in [
        (255.5, "uint8"),
        (-0.5, "uint8"),
        (256, "uint8"),
        (127.5, "int8"),
        (2**31, "int32"),
        (2.0**64, "int64"),
        (float("nan"), "int64"),
        (1e300, "float32"),
        (1e300j, "complex64"),
        (1 + 1j, "float64"),
    ]:
        with pytest.raises(RuntimeError, match="without overflow"):
            torch.full((2,), value, dtype=getattr(torch, name))
    assert torch.full((1,), -1, dtype=torch.uint8).item() == 255 and torch.full((1,), 2.9, dtype=torch.int8).item() == 2
    assert torch.full((1,), 1 + 1j, dtype=torch.bool).item() is True and torch.full((1,), np.inf).item() == np.inf


def test_files(tmp_path):
    path = str(tmp_path / "values")
    np.arange(6, dtype=np.float32).tofile(path)
    private = torch.from_file(path, size=4)
    assert private.tolist() == [0, 1, 2, 3]
    private[0] = 9
    shared = torch.from_file(path, shared=True, size=6, dtype=torch.float32)
    assert shared[0].item() == 0
    shared[5] = 7
    assert np.fromfile(path, np.float32).tolist() == [0, 1, 2, 3, 4, 7]
    new = str(tmp_path / "new")
    torch.from_file(new, shared=True, size=3, dtype=torch.int16).copy_(torch.tensor([1, 2, 3]))
    assert np.fromfile(new, np.int16).tolist() == [1, 2, 3] and torch.from_file(path).shape == (0,)
    for bad in (
        lambda: torch.from_file(path, size=7),
        lambda: torch.from_file(path, size=-1),
        lambda: torch.from_file(path, size=2**62),
        lambda: torch.from_file(str(tmp_path / "absent"), size=1),
        lambda: torch.from_file(str(tmp_path), size=1),
    ):
        with pytest.raises(RuntimeError):
            bad()


def test_asarray():
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    assert torch.asarray(leaf, requires_grad=True) is leaf
    assert not torch.asarray(leaf, requires_grad=False).requires_grad
    assert torch.asarray(leaf, requires_grad=False).data_ptr() == leaf.data_ptr()
    copied = torch.asarray(leaf, copy=True, requires_grad=True)
    assert copied.requires_grad and not copied.is_leaf and copied.data_ptr() != leaf.data_ptr()
    memory = array.array("i", [1, 2])
    t = torch.asarray(memory, dtype=torch.int32)
    memory[0] = 5
    assert t.tolist() == [5, 2] and torch.asarray(bytearray(8)).shape == (2,)
    for bad in (
        lambda: torch.asarray([1], copy=False),
        lambda: torch.asarray(np.arange(2), dtype=torch.float32, copy=False),
    ):
        with pytest.raises(ValueError, match="can't alias"):
            bad()
    with pytest.raises(RuntimeError):
        torch.tensor([1.0], pin_memory=True)


def test_legacy_constructors():
    t = torch.zeros(2, dtype=torch.int16)
    assert t.new(2, 3).shape == t.new(torch.Size([2, 3])).shape == (2, 3) and t.new().shape == (0,)
    assert t.new((1, 2)).tolist() == [1, 2] and t.new([[1]]).dtype == torch.int16
    other = torch.tensor([1, 2], dtype=torch.int16)
    assert t.new(other).data_ptr() == other.data_ptr()
    assert torch.Tensor(torch.tensor([1])).dtype == torch.int64 and torch.Tensor(size=(2, 1)).shape == (2, 1)
    storage = torch.tensor([1.0, 2.0]).untyped_storage()
    assert torch.Tensor(storage).tolist() == [1.0, 2.0]
    for bad in (lambda: t.new(torch.zeros(2)), lambda: t.new(2.5), lambda: t.new("a"), lambda: torch.Tensor(None)):
        with pytest.raises(TypeError):
            bad()


def test_defaults():
    assert torch.get_default_device() == torch.device("cpu")
    torch.set_default_device("cpu")
    with torch.device("cpu") as inside:
        assert inside == torch.get_default_device() == torch.zeros(1).device
    with torch.device("cuda"), pytest.raises(AssertionError):
        torch.zeros(1)
    assert torch.zeros(1).device.type == "cpu"
    with pytest.warns(UserWarning, match="deprecated"):
        torch.set_default_tensor_type(torch.DoubleTensor)
    assert torch.zeros(1).dtype == torch.hann_window(2).dtype == torch.linspace(0, 1, 2).dtype == torch.float64
    for bad in (torch.int32, None, float, "float32"):
        with pytest.raises(TypeError, match="only floating-point types"):
            torch.set_default_dtype(bad)
