"""Small matters in which torch decides: gradients where values are special, refusals, views, NaN."""

import math

import pytest
import rushlight as torch

inf, nan = math.inf, math.nan
COMPARISONS = "lt_ le_ gt_ ge_ eq_ ne_ less_ less_equal_ greater_ greater_equal_ not_equal_".split()


def gradient(f, values, upstream=None, dtype=torch.float64):
    x = torch.tensor(values, dtype=dtype, requires_grad=True)
    y = f(x)
    y.backward(torch.full(y.shape, 1.0 if upstream is None else upstream, dtype=y.dtype))
    return None if x.grad is None else x.grad.tolist()


def same(a, b):
    assert str(a).replace("-0.0", "0.0") == str(b).replace("-0.0", "0.0")


# ---- comparisons and logical operations in place


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("other", [0.5, "tensor"])
def test_inplace_comparisons_end_the_gradient(name, other):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    other = torch.ones(2) if other == "tensor" else other
    y = x * 3
    getattr(y, name)(other)
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    y = x * 3
    getattr(y[:1], name)(other if isinstance(other, float) else other[:1])
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 3.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        getattr(torch.ones(2, requires_grad=True), name)(0.5)
    y = torch.ones(2)
    getattr(y, name)(torch.ones(2, requires_grad=True))
    assert y.requires_grad


def test_logical_operations_may_change_leaves():
    for change in (lambda w: w.logical_not_(), lambda w: w.logical_and_(w), lambda w: w.logical_xor_(torch.ones(2))):
        w = torch.ones(2, requires_grad=True)
        change(w)
        assert w.requires_grad and w.is_leaf and w._version == 1
    with torch.inference_mode():
        frozen = torch.ones(2)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        frozen.logical_not_()


# ---- out= of operations without a derivative


def test_out_where_there_is_no_derivative():
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def out(dtype, *shape):
        return torch.empty(shape or (2,), dtype=dtype)

    assert torch.le(w, 1, out=out(torch.bool)).tolist() == [True, False]
    assert torch.eq(w, w, out=out(torch.bool)).tolist() == [True, True]
    assert torch.logical_not(w, out=out(torch.bool)).tolist() == [False, False]
    assert torch.logical_and(w, w, out=out(torch.bool)).tolist() == [True, True]
    assert torch.isposinf(w, out=out(torch.bool)).tolist() == [False, False]
    assert torch.signbit(w, out=out(torch.bool)).tolist() == [False, False]
    assert torch.argmax(w, 0, out=torch.empty((), dtype=torch.int64)).item() == 1
    assert torch.argmin(w, 0, out=torch.empty((), dtype=torch.int64)).item() == 0
    assert torch.all(w, 0, out=torch.empty((), dtype=torch.bool)).item()
    assert torch.any(w, 0, out=torch.empty((), dtype=torch.bool)).item()
    assert torch.argsort(w, stable=True, out=out(torch.int64)).tolist() == [0, 1]
    assert torch.floor_divide(w, 1, out=out(torch.float32)).tolist() == [1.0, 2.0]
    leaf = torch.zeros(2, requires_grad=True)
    assert torch.le(w, 1, out=leaf) is leaf and leaf.tolist() == [1.0, 0.0] and leaf.is_leaf
    for f in (
        torch.exp,
        torch.floor,
        lambda x, out: torch.add(x, 1, out=out),
        lambda x, out: torch.fmod(x, 1, out=out),
    ):
        with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
            f(w, out=out(torch.float32))


# ---- factors that are 0


def test_sums_of_bools_without_the_second_operand():
    def ones(*shape):
        return torch.ones(shape, dtype=torch.bool)

    assert torch.add(ones(3), ones(2, 1), alpha=0).shape == (2, 3)
    assert torch.add(ones(3), True, alpha=0).tolist() == [True] * 3
    assert torch.add(~ones(2), ones(2), alpha=0).tolist() == [False, False]
    with pytest.raises(RuntimeError, match="must match the size"):
        torch.add(ones(2), ones(3), alpha=0)
    x = ones(1)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        x.add_(ones(2), alpha=0)
    assert x.shape == (1,)
    out = torch.empty(0, dtype=torch.bool)
    assert torch.add(ones(2), ones(3, 1), alpha=False, out=out).shape == (3, 2)


def test_small_batched_products_times_zero_keep_nan():
    n, s = torch.full((1, 2, 2), nan), torch.ones(1, 2, 2)
    assert torch.baddbmm(s, n, n, alpha=0).isnan().all()
    assert torch.baddbmm(n, n, n, beta=0, alpha=0).isnan().all()
    assert torch.baddbmm(n, s, s, beta=0).tolist() == [[[2.0, 2.0], [2.0, 2.0]]]
    assert torch.baddbmm(s, s, s, alpha=0).tolist() == s.tolist()
    assert torch.addmm(s[0], n[0], n[0], alpha=0).tolist() == s[0].tolist()


# ---- shares of ties


TIES = {
    "max": lambda x: x.max(),
    "min": lambda x: x.min(),
    "amax": lambda x: x.amax(),
    "amin over a dim": lambda x: x.view(1, -1).amin(1),
    "aminmax": lambda x: x.aminmax()[0],
    "median": lambda x: x.median(),
    "nanmedian": lambda x: x.nanmedian(),
    "norm(inf)": lambda x: x.norm(inf),
    "norm(-inf) over a dim": lambda x: x.view(1, -1).norm(-inf, 1),
    "scatter_reduce": lambda x: torch.scatter_reduce(
        x[:1], 0, torch.zeros(69999, dtype=torch.int64), x[1:], "amax", include_self=True
    ),
    "scatter_reduce mean": lambda x: torch.scatter_reduce(
        x[:1], 0, torch.zeros(69999, dtype=torch.int64), x[1:], "mean", include_self=True
    ),
}


@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_many_ties(name, dtype):
    dtype = getattr(torch, dtype)
    grad = gradient(TIES[name], [1.0] * 70000, dtype=dtype)
    share = torch.tensor(1 / 70000, dtype=torch.float64).to(dtype).item()
    assert set(grad) == {share}


@pytest.mark.parametrize("name", ["max", "min", "median", "nanmedian"])
def test_infinite_gradients_reach_only_what_was_picked(name):
    grad = gradient(lambda x: getattr(x, name)(), [1.0, 1.0, 1.0], inf)
    same(grad, [inf] * 3)
    picked = {"max": [0.0, inf, 0.0], "min": [inf, 0.0, 0.0]}.get(name, [0.0, 0.0, inf])
    same(gradient(lambda x: getattr(x, name)(), [1.0, 3.0, 2.0], inf), picked)


# ---- single gradients


def test_gradients_at_special_values():
    same(gradient(lambda x: torch.xlogy(x, torch.tensor([nan, inf, 0.0])), [0.0, 1.0, 0.0], 0.0), [nan, 0.0, 0.0])
    same(gradient(lambda x: torch.xlogy(x, nan), [0.0, 1.0]), [0.0, nan])
    same(gradient(lambda x: torch.xlogy(x, 0.0), [0.0, 1.0]), [0.0, -inf])
    same(gradient(lambda x: torch.xlogy(x, torch.tensor([-1.0, 0.0])), [0.0, 1.0]), [0.0, -inf])
    same(gradient(lambda x: torch.special.xlog1py(x, torch.tensor([-1.0, -1.0])), [1.0, 0.0], 0.0), [0.0, 0.0])
    same(gradient(lambda x: torch.nextafter(x, torch.tensor([1.0, 2.0])), [1.0, 1.0]), [0.0, 1.0])
    assert gradient(torch.acosh, [-2.0, 2.0]) == pytest.approx([3**-0.5] * 2)
    same(gradient(torch.acosh, [0.5, -1.0]), [nan, inf])
    assert gradient(lambda x: x.norm(0), [1.0, 2.0]) is None


@pytest.mark.parametrize("twice", [True, False])
def test_a_second_backward(twice):
    keeps = {
        "x * 2": lambda x: x * 2,
        "2 * x": lambda x: 2 * x,
        "x / 2": lambda x: x / 2,
        "x.mul_(2)": lambda x: (x + 0).mul_(2),
        "x * x": lambda x: x * x,
    }
    free = {"x + 2": lambda x: x + 2, "2 - x": lambda x: 2 - x, "-x": lambda x: -x, "sum": lambda x: x.sum()}
    for f in (free if twice else keeps).values():
        y = f(torch.ones(2, requires_grad=True))
        y.backward(torch.ones(y.shape))
        if twice:
            y.backward(torch.ones(y.shape))
        else:
            with pytest.raises(RuntimeError, match="backward through the graph a second time"):
                y.backward(torch.ones(y.shape))


def test_what_is_kept_may_change_where_torch_keeps_something_else():
    w = torch.tensor([0.5, 0.25], requires_grad=True)
    y = (w * 1).erfinv()
    y.add_(1)
    y.sum().backward()
    assert w.grad.tolist() == pytest.approx(
        (math.pi**0.5 / 2 * torch.tensor([0.5, 0.25]).erfinv().square().exp()).tolist()
    )
    n = torch.tensor([1, 2])
    w.grad = None
    y = torch.ldexp(w, n)
    n.add_(5)
    y.sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]


# ---- views that are none, writes to overlapping memory


def test_results_that_are_no_views():
    w = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    for f in (torch.quantile, torch.nanquantile):
        for q in (0.5, torch.tensor([0.5, 1.0])):
            y = f(w, q)
            assert not y._is_view()
            y.detach_()
            assert not y.requires_grad
    torch.quantile(w, 0.5).backward()
    assert w.grad.tolist() == [0.0, 1.0, 0.0]
    m = torch.ones(2, 2, requires_grad=True)
    with pytest.warns(UserWarning, match="chain_matmul is deprecated"):
        r = torch.chain_matmul(m)
    assert r is not m and r.data_ptr() != m.data_ptr() and r.grad_fn.name() == "CloneBackward0"


@pytest.mark.parametrize(
    "index", [..., slice(None), None, True, (), slice(0, 2), (None, ...)], ids=lambda i: type(i).__name__
)
def test_expanded_memory_is_not_assigned(index):
    for make in (lambda: torch.ones(1).expand(3), lambda: torch.ones(()).expand(3), lambda: torch.ones(3).expand(2, 3)):
        for value in (2, 2.5, True, torch.tensor(2.0)):
            e = make()
            with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
                e[index] = value
            assert e.flatten().tolist() == [1.0] * e.numel() and e._version == 0
    e = torch.ones(1).expand(3)
    e[0] = 2
    e.fill_(3).zero_()
    assert e.tolist() == [0.0] * 3
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        e.fill_(torch.tensor(2.0))


def test_values_of_another_dtype_are_not_put_by_index():
    x = torch.ones(3)
    for index in ([0, 1], torch.tensor([0])):
        for value in (torch.tensor(2), torch.tensor(2j)):
            with pytest.raises(RuntimeError, match="Index put requires the source and destination dtypes match"):
                x[index] = value
    x[torch.tensor([True, False, False])] = torch.tensor(2)
    x[[1]] = 3
    x[2] = torch.tensor(4)
    assert x.tolist() == [2.0, 3.0, 4.0]


def test_one_bool_as_an_index():
    x = torch.arange(3.0)
    x[True] = x
    x[False] = 7
    x[False] = torch.ones(9)
    assert x.tolist() == [0.0, 1.0, 2.0]
    x[True] = torch.tensor([3.0, 4.0, 5.0])
    assert x.tolist() == [3.0, 4.0, 5.0]


# ---- NaN


def test_nan():
    assert torch.heaviside(torch.tensor([nan, 0.0, -1.0, 1.0]), torch.tensor([0.5])).tolist() == [0.0, 0.5, 0.0, 1.0]
    for values, value, at in (
        ([nan, 1.0, nan, 2.0], nan, 0),
        ([nan, nan, 1.0, 1.0], 1.0, 3),
        ([1.0, 1.0, nan, nan], 1.0, 1),
        ([2.0, nan, 1.0, nan, 1.0], 1.0, 2),
        ([3.0, nan, 3.0, nan, nan, 2.0, 2.0], 2.0, 5),
    ):
        m = torch.tensor(values).mode()
        same(m[0].item(), value)
        assert m[1].item() == at


def test_mode_as_torch():
    oracle = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(3)
    for n in (3, 10, 16, 17, 40, 200):
        for _ in range(20):
            values = torch.randint(0, 4, (n,), generator=generator).float()
            values[values == 3] = nan
            if not values.isnan().any():
                continue
            a, b = values.mode(), oracle.tensor(values.tolist()).mode()
            same(a[0].item(), b[0].item())
            assert a[1].item() == b[1].item()


# ---- numbers


def test_copy_of_numbers_keeps_their_digits():
    assert torch.zeros(1, dtype=torch.complex64).copy_(1 - 2j).item() == 1 - 2j
    assert torch.zeros(1, dtype=torch.complex128).copy_(0.1 + 0.3j).item() == 0.1 + 0.3j
    assert torch.zeros(1, dtype=torch.float64).copy_(0.1).item() == 0.1
    assert torch.zeros(1, dtype=torch.int64).copy_(2**60 + 1).item() == 2**60 + 1
    assert torch.zeros(1, dtype=torch.uint64).copy_(2**63 + 1).item() == 2**63 + 1
    assert torch.zeros(1, dtype=torch.int32).copy_(True).item() == 1
    assert torch.zeros(1).copy_(2 + 1j).item() == 2.0


def test_bool_to_the_power_of_a_bool():
    b = torch.tensor([True, False])
    for exponent, expected in ((True, [True, False]), (False, [True, True])):
        assert (b**exponent).tolist() == b.pow(exponent).tolist() == expected
        assert torch.pow(b, exponent).dtype is torch.bool
        assert torch.pow(b, exponent, out=torch.empty(0, dtype=torch.bool)).tolist() == expected
        c = b.clone()
        assert c.pow_(exponent) is c and c.tolist() == expected
    result = b**True
    result[0] = False
    assert b.tolist() == [True, False]
    for f in (lambda: True**b, lambda: b**b):
        with pytest.raises(NotImplementedError, match="\"pow\" not implemented for 'Bool'"):
            f()


@pytest.mark.parametrize("name", ["median", "nanmedian"])
def test_median_of_nothing_has_a_history(name):
    x = torch.empty((0, 3), requires_grad=True)
    y = getattr(x, name)()
    assert math.isnan(y.item()) and type(y.grad_fn).__name__ == f"{name.capitalize()}Backward0"
    y.backward()
    assert x.grad.shape == (0, 3)
    assert not torch.empty(0).median().requires_grad


@pytest.mark.parametrize("own", [True, False])
def test_ldexp_in_place_by_a_tensor_that_requires_grad(own):
    start = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64, requires_grad=own)
    exponent = torch.tensor([0.5, -2.5, 2.0], dtype=torch.float64, requires_grad=True)
    x = start * 1
    x.ldexp_(exponent).sum().backward()
    expected = [v * 2**e * math.log(2) for v, e in zip(start.tolist(), exponent.tolist())]
    assert exponent.grad.tolist() == pytest.approx(expected)
    if own:
        assert start.grad.tolist() == pytest.approx([2**e for e in exponent.tolist()])
