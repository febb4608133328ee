"""Settings of determinism, and the memory they fill."""

import pytest
import rushlight as torch

DTYPES = "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex32 complex64"


@pytest.fixture
def filling():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True


def is_filled(t):
    if t.dtype.is_floating_point or t.dtype.is_complex:
        return all(v != v for v in t.flatten().tolist())
    largest = 1 if t.dtype == torch.bool else torch.iinfo(t.dtype).max
    return t.flatten().tolist() == [largest] * t.numel()


@pytest.mark.parametrize("name", DTYPES.split())
def test_new_memory_is_filled(name, filling):
    dtype = getattr(torch, name)
    like = torch.zeros(10, 9, dtype=dtype)
    for t in (
        torch.empty(10, 9, dtype=dtype),
        torch.empty(10, 9, out=torch.zeros(1, dtype=dtype).resize_(0)),
        torch.empty_like(like),
        torch.empty_like(like.t(), memory_format=torch.contiguous_format),
        torch.empty_strided((10, 9), (1, 12), dtype=dtype),
        torch.empty_permuted((2, 3, 5), (1, 0, 2), dtype=dtype),
        torch.empty(2, 3, 4, 5, dtype=dtype, memory_format=torch.channels_last),
        like.new_empty(3),
        like.new_empty_strided((3, 2), (1, 3)),
    ):
        assert is_filled(t)
    assert not like.any() and not torch.zeros(3, dtype=dtype).any()
    grown = torch.zeros(3, dtype=dtype)
    grown.resize_(2, 4)
    assert is_filled(grown.flatten()[3:]) and not grown.flatten()[:3].any()


def test_settings(filling):
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.is_deterministic_algorithms_warn_only_enabled() and torch.get_deterministic_debug_mode() == 1
    assert torch.empty(2).isnan().all()
    torch.utils.deterministic.fill_uninitialized_memory = False
    assert torch.utils.deterministic.fill_uninitialized_memory is False
    torch.full((1000,), 3.0)
    assert not torch.empty(1000).isnan().all()
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(2).isnan().all()
    torch.set_deterministic_debug_mode("default")
    torch.full((1000,), 3.0)
    assert not torch.empty(1000).isnan().all() and not torch.are_deterministic_algorithms_enabled()
    for mode in (True, False):
        torch.use_deterministic_algorithms(mode, warn_only=True)
        assert torch.are_deterministic_algorithms_enabled() is mode
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.get_deterministic_debug_mode() == mode
    for kwargs in ({"mode": 1}, {"mode": True, "warn_only": 1}):
        with pytest.raises(TypeError, match="must be bool, not int"):
            torch.use_deterministic_algorithms(**kwargs)
    with pytest.raises(TypeError):
        torch.utils.deterministic.fill_uninitialized_memory = 1
