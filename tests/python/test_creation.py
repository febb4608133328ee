"""Constructors, ranges, copies of the shape of others, dtypes and their limits, devices, sizes."""

import copy
import pickle

import numpy as np
import pytest
import rushlight as torch

NAMES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()


def dtype_of(name):
    return getattr(torch, name)


@pytest.mark.parametrize("name", NAMES + ["uint16", "uint32", "uint64"])
def test_filled(name, device):
    dtype = dtype_of(name)
    for t, value in [
        (torch.zeros(2, 3, dtype=dtype, device=device), 0),
        (torch.ones((2, 3), dtype=dtype, device=device), 1),
        (torch.full([2, 3], 1, dtype=dtype, device=device), 1),
        (torch.zeros_like(torch.empty(2, 3, dtype=dtype, device=device)), 0),
        (torch.ones_like(torch.empty(2, 3, dtype=dtype, device=device)), 1),
        (torch.full_like(torch.empty(2, 3, dtype=dtype, device=device), 1), 1),
        (torch.empty(1, dtype=dtype, device=device).new_zeros(2, 3), 0),
        (torch.empty(1, dtype=dtype, device=device).new_ones((2, 3)), 1),
        (torch.empty(1, dtype=dtype, device=device).new_full((2, 3), 1), 1),
        (torch.empty(2, 3, dtype=dtype, device=device).zero_(), 0),
        (torch.empty(2, 3, dtype=dtype, device=device).fill_(1), 1),
    ]:
        assert t.dtype == dtype and t.shape == (2, 3) and t.is_contiguous() and t.device.type == device.type
        assert t.tolist() == [[value] * 3] * 2
    assert torch.empty(2, 3, dtype=dtype).element_size() == dtype.itemsize


def test_shapes(device):
    for t in (
        torch.zeros(2, 3),
        torch.zeros((2, 3)),
        torch.zeros([2, 3]),
        torch.zeros(torch.Size([2, 3])),
        torch.zeros(size=(2, 3)),
    ):
        assert t.shape == (2, 3)
    assert (
        torch.zeros(()).shape == torch.zeros([]).shape == torch.ones(size=()).shape == ()
        and torch.zeros(0).numel() == 0
    )
    assert torch.zeros(2, 0, 3).shape == (2, 0, 3) and torch.empty(np.int64(2), 3).shape == (2, 3)
    assert torch.zeros(torch.tensor(2), 1).shape == (2, 1)
    with pytest.raises(RuntimeError, match="negative dimension"):
        torch.zeros(2, -1)
    with pytest.raises(TypeError):
        torch.zeros(2.0)
    with pytest.raises(TypeError):
        torch.zeros("2")
    with pytest.raises((RuntimeError, ValueError)):
        torch.empty(2**62, 2**62)
    with pytest.raises(RuntimeError):  # an out-of-memory error
        torch.empty(2**50)
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert torch.empty(1).new_empty_strided((2, 2), (1, 4)).stride() == (1, 4)
    with pytest.raises(RuntimeError):
        torch.empty_strided((2,), (-1,))


def test_full_infers_dtypes():
    assert torch.full((1,), 2).dtype == torch.int64 and torch.full((1,), True).dtype == torch.bool
    assert torch.full((1,), 2.5).dtype == torch.float32 and torch.full((1,), 1j).dtype == torch.complex64
    torch.set_default_dtype(torch.float64)
    assert torch.full((1,), 2.5).dtype == torch.float64 and torch.full((1,), 1j).dtype == torch.complex128
    assert torch.zeros(1).dtype == torch.float64 and torch.tensor(1.5).dtype == torch.float64
    assert torch.get_default_dtype() == torch.float64
    for bad in (torch.int64, torch.complex64):
        with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
            torch.set_default_dtype(bad)


def test_options(device):
    t = torch.ones(2, requires_grad=True, device=device)
    assert t.requires_grad and t.is_leaf and torch.ones_like(t).requires_grad is False
    assert (
        torch.zeros(2, device="cpu").device == torch.device("cpu")
        and torch.zeros(2, layout=torch.strided).layout == torch.strided
    )
    out = torch.ones(3, device=device)
    assert torch.zeros(3, out=out) is out and out.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(RuntimeError, match="[Oo]nly Tensors of floating point"):
        torch.ones(2, dtype=torch.int64, requires_grad=True)
    with pytest.raises((RuntimeError, AssertionError)):
        torch.ones(2, device="cuda:99")
    with pytest.raises(RuntimeError):
        torch.ones(2, device="nothing")


def test_likes_keep_layouts(device):
    t = torch.zeros(2, 3, 4, device=device).permute(2, 0, 1)
    assert (
        torch.empty_like(t).stride() == t.stride() == torch.ones_like(t).stride()
        and torch.rand_like(t).stride() == t.stride()
    )
    assert torch.zeros_like(t[::2]).stride() == torch.empty_like(t[::2]).stride() == (1, 6, 2)
    assert torch.empty_like(torch.zeros(3, 1, device=device).expand(3, 4)).stride() == (4, 1)
    assert (
        torch.zeros_like(t, dtype=torch.int8).dtype == torch.int8
        and t.new_zeros(3, dtype=torch.bool).dtype == torch.bool
    )
    n = t.new_tensor([1, 2])
    assert n.dtype == torch.float32 and n.tolist() == [1.0, 2.0]


ARANGES = [
    ((5,), [0, 1, 2, 3, 4], "int64"),
    ((5.0,), [0, 1, 2, 3, 4], "float32"),
    ((1, 4), [1, 2, 3], "int64"),
    ((1, 2.5, 0.5), [1, 1.5, 2], "float32"),
    ((5, 0, -2), [5, 3, 1], "int64"),
    ((0, 5, 2), [0, 2, 4], "int64"),
    ((0,), [], "int64"),
    ((3, 3), [], "int64"),
    ((0, 1, 0.25), [0, 0.25, 0.5, 0.75], "float32"),
    ((-1.5, 2), [-1.5, -0.5, 0.5, 1.5], "float32"),
    ((0, 1, 0.1), [np.float32(0.1 * i) for i in range(10)], "float32"),
    ((2**53, 2**53 + 3), [2**53, 2**53 + 1, 2**53 + 2], "int64"),
    ((True,), [0], "int64"),
]


@pytest.mark.parametrize("case", range(len(ARANGES)))
def test_arange(case, device):
    arguments, want, name = ARANGES[case]
    got = torch.arange(*arguments, device=device)
    assert got.tolist() == pytest.approx(want, abs=1e-7) and got.dtype == dtype_of(name)


def test_arange_rules(device):
    assert torch.arange(3, dtype=torch.float64, device=device).tolist() == [0.0, 1.0, 2.0]
    assert torch.arange(start=1, end=7, step=3, device=device).tolist() == [1, 4]
    assert torch.arange(torch.tensor(3), device=device).tolist() == [0, 1, 2]
    n = 1_000_001
    assert (torch.arange(n, device=device).cpu().numpy() == np.arange(n)).all()
    step = torch.arange(0, 10_000, 0.1, dtype=torch.float64, device=device).cpu().numpy()
    assert len(step) == 100_000 and np.abs(step - np.arange(100_000) * 0.1).max() < 1e-11
    out = torch.empty(0, device=device)
    assert torch.arange(4, out=out).tolist() == [0.0, 1.0, 2.0, 3.0]
    for f, match in [
        (lambda: torch.arange(0, 5, 0), "step must be nonzero"),
        (
            lambda: torch.arange(0, 5, -1),
            "upper bound and larger bound inconsistent|bound and step sign|inconsistent with step sign",
        ),
        (lambda: torch.arange(5, 0), "inconsistent with step sign"),
        (lambda: torch.arange(0, float("inf")), "unsupported range"),
        (lambda: torch.arange(float("nan")), "unsupported range"),
        (lambda: torch.arange(0, 1e30), "."),
    ]:
        with pytest.raises(RuntimeError, match=match):
            f()


def test_linspace(device):
    assert torch.linspace(0, 1, 5, device=device).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert torch.linspace(3, -3, 3, device=device).tolist() == [3.0, 0.0, -3.0]
    assert torch.linspace(2, 5, 1, device=device).tolist() == [2.0] and torch.linspace(
        2, 5, 0, device=device
    ).shape == (0,)
    assert torch.linspace(0, 10, 4, dtype=torch.int64, device=device).tolist() == [0, 3, 6, 10]
    t = torch.linspace(-1, 1, 100_001, dtype=torch.float64, device=device).cpu().numpy()
    assert np.abs(t - np.linspace(-1, 1, 100_001)).max() < 1e-15 and t[-1] == 1 and t[50_000] == 0
    single = torch.linspace(0.1, 0.9, 1001, device=device)
    assert single[0].item() == np.float32(0.1) and single[-1].item() == np.float32(0.9)
    with pytest.raises(RuntimeError, match="number of steps must be non-negative"):
        torch.linspace(0, 1, -1)


def test_eye(device):
    assert torch.eye(2, device=device).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert torch.eye(2, 3, dtype=torch.int64, device=device).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert torch.eye(3, 1, device=device).tolist() == [[1.0], [0.0], [0.0]] and torch.eye(0, device=device).shape == (
        0,
        0,
    )
    with pytest.raises(RuntimeError, match="n must be greater or equal to 0"):
        torch.eye(-1)


@pytest.mark.parametrize("case", range(30))
def test_ranges_like_torch(case):
    reference = pytest.importorskip("torch")
    rng = np.random.default_rng(case)
    start, end = sorted(rng.uniform(-10, 10, 2).round(case % 4).tolist())
    step = [0.1, 0.25, 1.0, 3.0, 0.3][case % 5]
    for name in ("float32", "float64", "int64", "float16"):
        got = (
            torch.arange(start, end, step, dtype=dtype_of(name))
            if name != "int64"
            else torch.arange(int(start), int(end), 2)
        )
        want = (
            reference.arange(start, end, step, dtype=getattr(reference, name))
            if name != "int64"
            else reference.arange(int(start), int(end), 2)
        )
        assert got.shape == tuple(want.shape)
        np.testing.assert_allclose(
            got.tolist(),
            want.tolist(),
            rtol=1e-3 if name == "float16" else 1e-6,
            atol=1e-2 if name == "float16" else 1e-6,
        )
        got = torch.linspace(start, end, case + 2, dtype=dtype_of(name))
        want = reference.linspace(start, end, case + 2, dtype=getattr(reference, name))
        tolerance = {"float16": 1e-2, "int64": 0}.get(name, 1e-6)
        np.testing.assert_allclose(got.tolist(), want.tolist(), rtol=tolerance, atol=tolerance)


def test_tensor_from_data():
    for data, dtype in [
        (1, torch.int64),
        (True, torch.bool),
        (1.5, torch.float32),
        (1j, torch.complex64),
        ([1, 2], torch.int64),
        ([1, 2.5], torch.float32),
        ([True, 2], torch.int64),
        ([], torch.float32),
        ([[1], [2]], torch.int64),
        ((1, 2), torch.int64),
        (range(3), torch.int64),
        ([[], []], torch.float32),
        (np.float64(2.5), torch.float64),
        (np.int32(3), torch.int32),
        (np.ones((2, 2), np.float32), torch.float32),
        ([torch.tensor(1), torch.tensor(2)], torch.int64),
        ([2**62], torch.int64),
    ]:
        t = torch.tensor(data)
        assert t.dtype == dtype, data
        if not isinstance(data, list) or not data or not torch.is_tensor(data[0]):
            assert t.tolist() == np.array(data).tolist()
    for bad, error in [
        ([[1], [2, 3]], ValueError),
        ([[1], 2], (ValueError, TypeError)),
        ("abc", TypeError),
        (None, (RuntimeError, TypeError)),
        ([None], (RuntimeError, TypeError)),
        ([object()], (RuntimeError, TypeError)),
        ([2**64], (RuntimeError, ValueError, OverflowError)),
    ]:
        with pytest.raises(error):
            torch.tensor(bad)
    x = torch.tensor([1.5, -2.5], dtype=torch.int32)
    assert x.tolist() == [1, -2]
    a = torch.tensor([1.0], requires_grad=True)
    assert a.requires_grad and torch.as_tensor(a) is a and torch.as_tensor(x, dtype=torch.int64) is not x
    deep = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises((RuntimeError, ValueError)):
        torch.tensor(deep)


def test_typed_constructors():
    for kind, dtype in [
        ("Float", "float32"),
        ("Double", "float64"),
        ("Long", "int64"),
        ("Int", "int32"),
        ("Byte", "uint8"),
        ("Bool", "bool"),
    ]:
        if not hasattr(torch, kind + "Tensor"):
            pytest.skip("no typed constructors")
        make = getattr(torch, kind + "Tensor")
        assert make([1, 0]).dtype == dtype_of(dtype) and make([1, 0]).tolist() == [1, 0] and make(2, 3).shape == (2, 3)
        assert isinstance(make([1]), make) and not isinstance(torch.ones(1, dtype=torch.int16), make)
        assert make([1]).type() == f"torch.{kind}Tensor"
    assert (
        torch.Tensor([1, 2]).dtype == torch.float32
        and torch.Tensor(2, 3).shape == (2, 3)
        and torch.Tensor().shape == (0,)
    )
    assert torch.Tensor(torch.Size([2])).shape == (2,)


def test_dtypes():
    aliases = (
        "float:float32 double:float64 half:float16 long:int64 int:int32 short:int16 "
        "cfloat:complex64 cdouble:complex128 chalf:complex32"
    )
    for pair in aliases.split():
        alias, name = pair.split(":")
        assert getattr(torch, alias) is dtype_of(name)
    assert repr(torch.float32) == str(torch.float32) == "torch.float32" and torch.bfloat16.itemsize == 2
    assert torch.float16.is_floating_point and not torch.int8.is_floating_point and torch.complex64.is_complex
    assert torch.int8.is_signed and not torch.uint8.is_signed and torch.float64.is_signed and not torch.bool.is_signed
    assert torch.float32.to_complex() == torch.complex64 and torch.complex128.to_real() == torch.float64
    assert (
        isinstance(torch.int8, torch.dtype) and len({torch.int8, torch.int8, torch.int16}) == 2 and torch.int8 != "int8"
    )
    for name in NAMES:
        dtype = dtype_of(name)
        assert pickle.loads(pickle.dumps(dtype)) is dtype and copy.deepcopy(dtype) is dtype


def test_conversions(device):
    x = torch.tensor([0.0, 1.7, -1.7, 200.5], device=device)
    assert x.to(torch.int32).tolist() == x.int().tolist() == x.long().tolist() == [0, 1, -1, 200]
    assert x.bool().tolist() == [False, True, True, True] and x.to("cpu", torch.float64).dtype == torch.float64
    assert (
        x.half().dtype == torch.float16 and x.double().dtype == torch.float64 and x.bfloat16().dtype == torch.bfloat16
    )
    assert x.to(torch.complex64).tolist() == [0j, 1.7000000476837158, -1.7000000476837158, 200.5]
    assert (
        x.to(x.double()).dtype == torch.float64
        and x.type(torch.int8).dtype == torch.int8
        and x.type_as(x.int()).dtype == torch.int32
    )
    assert x.float() is x and x.to(torch.float32) is x and x.to(torch.float32, copy=True) is not x
    assert torch.tensor([300, -1], device=device).byte().tolist() == [44, 255] and torch.tensor(
        [200], device=device
    ).char().tolist() == [-56]
    assert torch.tensor([70000.0], device=device).half().tolist() == [float("inf")]
    assert torch.tensor([1.0009765625 + 2**-12], device=device).half().item() == 1.0009765625
    assert torch.tensor([float("nan")], device=device).bfloat16().isnan().item()
    for name in NAMES:
        for other in NAMES:
            t = torch.tensor([0, 1, 1], dtype=dtype_of(name), device=device).to(dtype_of(other))
            assert t.dtype == dtype_of(other) and t.tolist() == [0, 1, 1]


def test_limits():
    for name in ("float32", "float64", "float16"):
        ours, theirs = torch.finfo(dtype_of(name)), np.finfo(name)
        for field in ("max", "min", "eps", "tiny", "smallest_normal", "bits"):
            assert getattr(ours, field) == float(getattr(theirs, field)), field
        assert ours.resolution == {"float16": 1e-3, "float32": 1e-6, "float64": 1e-15}[name]
        assert ours.dtype == name
    b = torch.finfo(torch.bfloat16)
    assert b.max == 3.3895313892515355e38 and b.eps == 0.0078125 and b.tiny == 1.1754943508222875e-38 and b.bits == 16
    assert torch.finfo().bits == 32 and torch.finfo(torch.complex64).eps == torch.finfo(torch.float32).eps
    for name in ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"):
        ours, theirs = torch.iinfo(dtype_of(name)), np.iinfo(name)
        assert (ours.max, ours.min, ours.bits, ours.dtype) == (theirs.max, theirs.min, theirs.bits, name)
    with pytest.raises(TypeError):
        torch.finfo(torch.int8)
    with pytest.raises(TypeError):
        torch.iinfo(torch.float32)
    assert repr(torch.iinfo(torch.int8)) == "iinfo(min=-128, max=127, dtype=int8)"
    assert repr(torch.finfo(torch.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, "
        "tiny=1.17549e-38, dtype=float32)"
    )


def test_devices():
    d = torch.device("cpu")
    assert d.type == "cpu" and d.index is None and str(d) == "cpu" and repr(d) == "device(type='cpu')"
    g = torch.device("cuda:1")
    assert (g.type, g.index, str(g), repr(g)) == ("cuda", 1, "cuda:1", "device(type='cuda', index=1)")
    assert torch.device("cuda", 1) == g and torch.device(g) == g and torch.device(type="cuda", index=1) == g and g != d
    assert len({g, torch.device("cuda:1"), d}) == 2 and pickle.loads(pickle.dumps(g)) == g and copy.deepcopy(g) == g
    for bad in ("nothing", "cpu:", "cuda:-1", "cuda:x", ""):
        with pytest.raises(RuntimeError):
            torch.device(bad)
    assert torch.zeros(1).device == d and torch.zeros(1).get_device() == -1 and torch.zeros(1).is_cpu


def test_device_context():
    with torch.device("cpu"):
        assert torch.zeros(2).device.type == "cpu"


def test_sizes():
    s = torch.zeros(2, 3).shape
    assert isinstance(s, torch.Size) and isinstance(s, tuple) and s == (2, 3) and repr(s) == "torch.Size([2, 3])"
    assert s.numel() == 6 and s[0] == 2
    t = torch.zeros(2, 3)
    assert t.size() == s and t.size(1) == t.size(-1) == 3 and t.dim() == t.ndim == t.ndimension() == 2 and len(t) == 2
    with pytest.raises(IndexError):
        t.size(2)
    with pytest.raises(TypeError, match="len\\(\\) of a 0-d tensor"):
        len(torch.tensor(1))


def test_numbers():
    assert torch.tensor(2.5).item() == 2.5 and float(torch.tensor([3])) == 3.0 and int(torch.tensor(2.9)) == 2
    assert bool(torch.tensor([1])) and not bool(torch.tensor(0.0)) and complex(torch.tensor(1j)) == 1j
    assert [10, 20, 30][torch.tensor(1)] == 20
    assert isinstance(torch.tensor(True).item(), bool) and isinstance(torch.tensor(1, dtype=torch.int8).item(), int)
    assert torch.tensor(2**63 + 5, dtype=torch.uint64).item() == 2**63 + 5
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with no values is ambiguous"):
        bool(torch.ones(0))
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        torch.ones(2).item()
    with pytest.raises((TypeError, IndexError)):
        [1, 2][torch.tensor(0.5)]
    assert f"{torch.tensor(1.23456):.2f}" == "1.23"
