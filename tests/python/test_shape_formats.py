"""Memory formats: strides of new tensors, copies and results; values never depend on them."""

import itertools

import numpy as np
import pytest
import rushlight as torch

FORMATS = [torch.contiguous_format, torch.preserve_format, torch.channels_last, torch.channels_last_3d]


def last_strides(shape):
    """Channels innermost, written down independently: the strides of a dense (N, *spatial, C) array."""
    order = [0, *range(2, len(shape)), 1]
    dense = np.cumprod([1] + [shape[d] for d in order[:0:-1]])[::-1]
    strides = [0] * len(shape)
    for d, s in zip(order, dense):
        strides[d] = int(s)
    return tuple(strides)


def dense_strides(shape):
    return tuple(int(s) for s in np.cumprod([1] + list(shape)[:0:-1])[::-1])


CASES = [((2, 3, 4, 5), torch.channels_last), ((2, 3, 2, 4, 5), torch.channels_last_3d)]


@pytest.mark.parametrize("shape,last", CASES)
def test_new_tensors(shape, last, device):
    want = last_strides(shape)
    assert torch.empty(shape, memory_format=last, device=device).stride() == want
    assert torch.empty(*shape, memory_format=torch.contiguous_format).stride() == dense_strides(shape)
    out = torch.empty(3, device=device)
    with pytest.raises(RuntimeError, match="memory_format"):
        torch.empty(shape, memory_format=last, out=out)
    x = torch.empty(shape, device=device)
    y = x.to(memory_format=last)
    for name, args in [
        ("empty_like", ()),
        ("zeros_like", ()),
        ("ones_like", ()),
        ("full_like", (3,)),
        ("rand_like", ()),
        ("randn_like", ()),
        ("randint_like", (9,)),
        ("randint_like", (2, 9)),
    ]:
        like = getattr(torch, name)
        assert like(x, *args, memory_format=last).stride() == want, name
        assert like(y, *args).stride() == like(y, *args, memory_format=torch.preserve_format).stride() == want, name
        assert like(y, *args, memory_format=torch.contiguous_format).stride() == dense_strides(shape), name
    assert torch.full_like(x, 3, memory_format=last).unique().tolist() == [3.0] if hasattr(x, "unique") else True
    assert torch.full_like(x, 3, memory_format=last).sum().item() == 3 * x.numel()


@pytest.mark.parametrize("shape,last", CASES)
def test_copies_and_questions(shape, last, device):
    x = torch.arange(int(np.prod(shape)), dtype=torch.float32, device=device).reshape(shape)
    y = x.contiguous(memory_format=last)
    assert y.stride() == last_strides(shape) and y.equal(x)
    assert not y.is_contiguous() and y.is_contiguous(memory_format=last) and not x.is_contiguous(memory_format=last)
    assert y.contiguous(memory_format=last) is y and x.contiguous() is x
    assert y.contiguous().stride() == dense_strides(shape) and y.contiguous().equal(x)
    assert x.clone(memory_format=last).stride() == y.stride() and y.clone().stride() == y.stride()
    assert y.clone(memory_format=torch.contiguous_format).stride() == x.stride()
    assert y.to(torch.float64).stride() == y.double().stride() == y.half().stride() == y.stride()
    assert x.to(torch.float64, memory_format=last).stride() == y.stride()
    assert x.double(memory_format=last).stride() == y.stride() and x.double(memory_format=last).equal(x.double())
    assert x.to(memory_format=last).equal(x) and y.to(memory_format=last) is y
    assert y.to(memory_format=torch.contiguous_format).stride() == x.stride()
    assert x.cpu(memory_format=last).stride() == y.stride()
    other = torch.channels_last_3d if last is torch.channels_last else torch.channels_last
    assert not y.is_contiguous(memory_format=other)
    with pytest.raises(RuntimeError, match="required rank . tensor to use channels_last"):
        x.contiguous(memory_format=other)
    x.requires_grad_()
    (x.contiguous(memory_format=last) * 2 + x.to(memory_format=last) + x.double(memory_format=last)).sum().backward()
    assert x.grad.unique().tolist() == [4.0] if hasattr(x, "unique") else x.grad.sum().item() == 4 * x.numel()


@pytest.mark.parametrize("shape,last", CASES)
def test_resize(shape, last, device):
    t = torch.empty(5, device=device)
    assert t.resize_(shape, memory_format=last) is t and t.stride() == last_strides(shape)
    assert t.resize_(shape).stride() == last_strides(shape)
    assert t.resize_(shape, memory_format=torch.contiguous_format).stride() == dense_strides(shape)
    like = torch.empty(shape, memory_format=last, device=device)
    assert torch.empty(0).resize_as_(like).stride() == dense_strides(shape)
    assert torch.empty(0).resize_as_(like, memory_format=torch.preserve_format).stride() == like.stride()
    assert torch.resize_as_(torch.empty(0), like, memory_format=last).stride() == like.stride()
    with pytest.raises(RuntimeError, match="Preserve"):
        t.resize_(shape, memory_format=torch.preserve_format)
    with pytest.raises(RuntimeError, match="required rank"):
        t.resize_(2, 3, memory_format=last)
    assert tuple(t.shape) == shape


def test_results_follow_operands(device):
    x = torch.randn(2, 3, 4, 5, device=device)
    y = x.contiguous(memory_format=torch.channels_last)
    want = y.stride()
    for f in (
        lambda t: t + 1,
        lambda t: t.exp(),
        lambda t: t * t,
        lambda t: t > 0,
        lambda t: t.clamp(0),
        lambda t: t * torch.ones(3, 1, 1, device=device),
        lambda t: torch.ones(3, 1, 1, device=device) * t,
        lambda t: torch.where(t > 0, t, t),
        lambda t: t.flip(0),
        lambda t: t.roll(1, 1),
        lambda t: torch.cat([t[:1], t[1:]]),
    ):
        assert f(y).stride() == want and f(y).equal(f(x))
    assert (y + x).stride() == want and (x + y).stride() == x.stride()
    wide = torch.cat([y, y], 1)
    assert wide.is_contiguous(memory_format=torch.channels_last) and wide.equal(torch.cat([x, x], 1))
    padded = torch.constant_pad_nd(y, (1, 0), 5.0)
    assert padded.stride() == (72, 1, 18, 3) and padded.equal(torch.constant_pad_nd(x, (1, 0), 5.0))
    assert torch.cat([y, x]).is_contiguous() and y.tril().is_contiguous() and y.repeat(1, 1, 1, 2).is_contiguous()


def test_bad_formats(device):
    x = torch.ones(2, 3, device=device)
    for f in (
        lambda m: x.clone(memory_format=m),
        lambda m: x.contiguous(memory_format=m),
        lambda m: x.is_contiguous(memory_format=m),
        lambda m: x.to(torch.float64, memory_format=m),
        lambda m: torch.empty(2, memory_format=m),
        lambda m: torch.empty_like(x, memory_format=m),
        lambda m: x.resize_(6, memory_format=m),
    ):
        for bad in ("channels_last", 2, torch.float32):
            with pytest.raises(TypeError, match="argument 'memory_format' must be torch.memory_format, not"):
                f(bad)
    assert x.shape == (2, 3)
    with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last format"):
        x.clone(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="Preserve"):
        torch.empty(2, memory_format=torch.preserve_format)
    assert not x.is_contiguous(memory_format=torch.channels_last) and x.is_contiguous(memory_format=FORMATS[1])


def test_strides_like_torch():
    """Every arrangement of 4 dims, also with dims of size 0 and 1, gaps and repeats."""
    reference = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    orders = list(itertools.permutations(range(4)))
    for k in range(400):
        size = [int(s) for s in rng.choice([0, 1, 1, 2, 3], 4, p=[0.05, 0.2, 0.2, 0.3, 0.25])]
        order = (0, 2, 3, 1) if k % 3 == 0 else orders[rng.integers(len(orders))]
        stride, step = [0] * 4, int(rng.choice([1, 1, 1, 2]))
        for d in reversed(order):
            stride[d], step = step, step * max(size[d], 1)
        if k % 7 == 0:
            stride[rng.integers(4)] = 0
        results = []
        for module in (torch, reference):
            t = module.arange(500).as_strided(size, stride, 3)
            r = [t.is_contiguous(memory_format=getattr(module, str(f)[6:])) for f in FORMATS]
            for f in (
                lambda t: t.clone(),
                lambda t: module.zeros_like(t),
                lambda t: t.to(module.float64),
                lambda t: t.to(memory_format=module.channels_last),
                lambda t: t.contiguous(memory_format=module.channels_last),
                lambda t: t.clone(memory_format=module.contiguous_format),
                lambda t: t + t,
                lambda t: module.cat([t, t], 1),
                lambda t: t.view(t.shape),
                lambda t: t.flip(1),
            ):
                r.append(f(t).stride())
            results.append(r)
        assert results[0] == results[1], (size, stride)
