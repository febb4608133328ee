"""assert_close, make_tensor, the settings that programs touch, and the methods of old programs."""

import warnings

import numpy as np
import pytest
import rushlight as torch
from rushlight.testing import assert_close, make_tensor


def text_of(*args, **options):
    with pytest.raises(AssertionError) as caught:
        assert_close(*args, **options)
    return str(caught.value)


def test_close_within_the_tolerance_of_the_dtype():
    a = torch.tensor([1.0, 2.0])
    assert_close(a, a + 1e-6)
    assert_close(a.double(), a.double() + 1e-8)
    assert_close(a.half(), a.half() + 1e-3)
    assert_close([a, {"x": a}], (a.clone(), {"x": a.clone()}))
    assert_close(np.array([1.0]), np.array([1.0]))
    assert_close(None, None)
    assert_close(torch.tensor([]), torch.tensor([]))
    assert_close(torch.tensor([torch.nan]), torch.tensor([torch.nan]), equal_nan=True)
    assert_close(a, a.double(), check_dtype=False)


def test_the_largest_differences_are_named():
    text = text_of(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 5.0], [3.0, 9.0]]))
    assert text == (
        "Tensor-likes are not close!\n\nMismatched elements: 2 / 4 (50.0%)\n"
        "Greatest absolute difference: 5.0 at index (1, 1) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.6000000238418579 at index (0, 1) (up to 1.3e-06 allowed)"
    )
    assert "Tensor-likes are not equal!" in text_of(torch.tensor([1, 2]), torch.tensor([1, 3]))
    assert text_of(1.0, 1.5).startswith("Scalars are not close!\n\nExpected 1.5 but got 1.0.")


@pytest.mark.parametrize(
    "actual, expected, options, part",
    [
        (torch.zeros(2), torch.zeros(3), {}, "attribute 'shape' do not match: torch.Size([2]) != torch.Size([3])"),
        (torch.zeros(2), torch.zeros(2).long(), {}, "attribute 'dtype' do not match: torch.float32 != torch.int64"),
        (torch.zeros(2), torch.zeros(4)[::2], {"check_stride": True}, "'stride()' do not match: (1,) != (2,)"),
        ([1, 2], [1, 3], {}, "The failure occurred for item [1]"),
        ({"a": 1}, {"b": 1}, {}, "Missing keys in the actual mapping: ['b']"),
        ([1], [1, 2], {}, "The length of the sequences mismatch: 1 != 2"),
        (None, 1, {}, "None mismatch"),
        (True, False, {}, "Booleans mismatch"),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan]), {}, "Mismatched elements: 1 / 1"),
        (torch.zeros(1), torch.ones(1), {"msg": "mine"}, "mine"),
        (torch.zeros(1), torch.ones(1), {"msg": lambda m: "X " + m}, "X Tensor-likes"),
    ],
)
def test_mismatches(actual, expected, options, part):
    assert part in text_of(actual, expected, **options)


def test_what_cannot_be_compared():
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(torch.zeros(1), [0.0])
    with pytest.raises(ValueError, match="got no atol"):
        assert_close(torch.zeros(1), torch.zeros(1), rtol=1e-3)


@pytest.mark.parametrize("name", "float32 float16 bfloat16 float64 complex64 int64 int8 uint8 bool".split())
def test_make_tensor(name):
    dtype = getattr(torch, name)
    t = make_tensor(50, 40, dtype=dtype)
    assert t.shape == (50, 40) and t.dtype == dtype
    values = torch.view_as_real(t) if t.is_complex() else t
    assert values.double().min() >= (0 if name in ("uint8", "bool") else -9) and values.double().max() <= 10
    assert len(set(values.flatten().tolist())) > 1
    apart = make_tensor((3, 4), dtype=dtype, noncontiguous=True, low=0, high=2)
    assert apart.shape == (3, 4) and not apart.is_contiguous()
    assert bool((make_tensor(2000, dtype=dtype, low=0, high=2, exclude_zero=True) != 0).all())


def test_make_tensor_refuses():
    with pytest.raises(ValueError, match="requires_grad"):
        make_tensor(2, dtype=torch.int64, requires_grad=True)
    for dtype in (torch.float32, torch.complex64, torch.int64, torch.bool):
        for low, high, text in [
            (2, 1, "`low` must be less"),
            (None, float("nan"), "cannot be NaN"),
            (-(2**2000), -(2**1999), "only supports"),
            (2**1999, 2**2000, "only supports"),
        ]:
            with pytest.raises(ValueError, match=text):
                make_tensor(2, dtype=dtype, low=low, high=high)
    with pytest.raises(ValueError, match="`low` must be less"):
        make_tensor(2, dtype=torch.int64, low=1, high=1)
    with pytest.warns(FutureWarning, match="low==high"):
        assert make_tensor(2, dtype=torch.complex64, low=1.5, high=1.5).tolist() == [1.5 + 1.5j] * 2
    with pytest.raises(ValueError, match="mutually exclusive"):
        make_tensor(2, 3, 4, 5, dtype=torch.int64, noncontiguous=True, memory_format=torch.channels_last)


@pytest.mark.parametrize("name", "float32 float64 float16 bfloat16 complex64 complex128 complex32".split())
def test_make_tensor_over_the_whole_range(name):
    dtype = getattr(torch, name)
    info = torch.finfo(dtype)
    t = make_tensor(1000, dtype=dtype, low=info.min, high=info.max)
    values = (torch.view_as_real(t) if t.is_complex() else t).double()
    assert values.isfinite().all() and values.max() > info.max / 2 and values.min() < info.min / 2
    assert t._base is None


@pytest.mark.parametrize("name", "float32 float64 float16 bfloat16 complex64 complex32 int64 int8 uint8 bool".split())
def test_make_tensor_like_torch(name):
    reference = pytest.importorskip("torch")
    for kwargs in ({}, {"low": -3, "high": 1.5}, {"noncontiguous": True}, {"exclude_zero": True, "low": 0, "high": 2}):
        results = []
        for m in (torch, reference):
            m.manual_seed(5)
            results.append(m.testing.make_tensor(3, 40, dtype=getattr(m, name), device="cpu", **kwargs))
        assert results[0].tolist() == results[1].tolist() and results[0].stride() == results[1].stride()


def test_settings_keep_their_values():
    assert torch.get_float32_matmul_precision() == "highest"
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    with pytest.warns(UserWarning, match="not one of"):
        torch.set_float32_matmul_precision("low")
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.are_deterministic_algorithms_enabled() and torch.get_deterministic_debug_mode() == 1
    torch.set_deterministic_debug_mode("default")
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="expected one of"):
        torch.set_deterministic_debug_mode("x")
    torch.backends.cudnn.benchmark = True
    import rushlight.backends.cudnn as cudnn

    assert cudnn.benchmark and not cudnn.is_available() and not torch.backends.mps.is_available()
    assert torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
    with pytest.raises(AttributeError, match=r"torch\.backends\.tpu"):
        torch.backends.tpu  # noqa: B018


def test_default_tensor_type_and_typename():
    try:
        torch.set_default_tensor_type(torch.DoubleTensor)
        assert torch.ones(1).dtype == torch.float64
        torch.set_default_tensor_type("torch.FloatTensor")
        assert torch.ones(1).dtype == torch.float32
        with pytest.raises(TypeError):
            torch.set_default_tensor_type("nothing")
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.typename(torch.ones(1)) == "torch.FloatTensor" and torch.typename(3) == "int"


def test_methods_of_old_programs():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.apply_(lambda v: v + 1).tolist() == [[2, 3], [4, 5]]
    assert x.T.map_(torch.tensor([1.0, 2.0]), lambda a, b: a * b).tolist() == [[2, 8], [3, 10]]
    assert x.tolist() == [[2, 3], [8, 10]]
    assert x.map2_(x, x, lambda a, b, c: a + b + c).tolist() == [[6, 9], [24, 30]]
    with pytest.raises(RuntimeError, match="requires grad"):
        torch.ones(2, requires_grad=True).apply_(lambda v: v)
    with pytest.raises(TypeError, match="expected torch.FloatTensor"):
        torch.ones(2).map_(torch.ones(2).double(), lambda a, b: a)
    with pytest.raises(RuntimeError, match="must match the existing size"):
        torch.ones(2).map_(torch.ones(3), lambda a, b: a)
    assert x.new(2, 3).shape == (2, 3) and x.new([1, 2]).tolist() == [1, 2] and x.new().shape == (0,)
    assert torch.ones(2, 3, 4).permute(2, 0, 1).dim_order() == (1, 2, 0)
    assert [t.tolist() for t in reversed(torch.arange(3))] == [2, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert x.resize(4).shape == (4,) and x.resize_as(torch.ones(4)).shape == (4,)
    assert not x.is_xla and not x.is_mps and x.sparse_dim() == 0 and x.dense_dim() == 2 and x.to_dense() is x
    with pytest.raises(RuntimeError, match="sparse"):
        x.values()
    with pytest.raises(RuntimeError, match="none is available"):
        x.pin_memory()


def test_signatures_are_registered_once():
    """No function has the same signature twice."""
    for owner in (torch._C, torch.Tensor, torch._C._nn):
        for name in dir(owner):
            signatures = getattr(getattr(owner, name, None), "__signatures__", ())
            assert len(signatures) == len(set(signatures)), name
