"""Distributions beyond the basic ones: torch's literal numbers, statistics against SciPy, memory order, derivatives."""

import math
import pickle

import numpy as np
import pytest
import rushlight as torch

# What torch 2.13 gives on the CPU after manual_seed(42).
LITERALS = {
    "rand_like": (
        lambda: torch.rand_like(torch.zeros(2, 3).t()),
        [
            [0.8822692632675171, 0.9593056440353394],
            [0.9150039553642273, 0.3904482126235962],
            [0.38286375999450684, 0.600895345211029],
        ],
    ),
    "randint_like": (
        lambda: torch.randint_like(torch.zeros(2, 2), 3, 9),
        [[3.0, 8.0], [7.0, 7.0]],
    ),
    "random_from": (
        lambda: torch.empty(3).random_(5, None),
        [14802407.0, 15352036.0, 6424365.0],
    ),
    "random_int16": (
        lambda: torch.empty(3, dtype=torch.int16).random_(-30000, 30000),
        [7542, 16067, 16876],
    ),
    "random_full": (
        lambda: torch.empty(2, dtype=torch.int64).random_(-(2**63), None),
        [6909045637428952499, -909160480315697906],
    ),
    "random_bool": (
        lambda: torch.empty(6, dtype=torch.bool).random_(),
        [False, True, False, False, False, True],
    ),
    "randint_uint32": (
        lambda: torch.randint(10**9, (2,), dtype=torch.uint32),
        [428952499, 393853710],
    ),
    "cauchy_": (
        lambda: torch.empty(3, dtype=torch.float64).cauchy_(1, 2),
        [-9.824974593994627, -8.987402160112728, -3.8897486534543475],
    ),
    "log_normal_": (
        lambda: torch.empty(3, dtype=torch.float64).log_normal_(0.5, 0.25),
        [1.7935064038928716, 1.7026780776056611, 1.7482505301368645],
    ),
    "geometric_": (
        lambda: torch.empty(6).geometric_(0.2),
        [13.0, 13.0, 10.0, 14.0, 3.0, 4.0],
    ),
    "geometric_int8": (
        lambda: torch.empty(6, dtype=torch.int8).geometric_(0.5),
        [5, 4, 4, 5, 1, 2],
    ),
    "bernoulli_p": (
        lambda: torch.bernoulli(torch.zeros(8, dtype=torch.int32), 0.6),
        [1, 1, 1, 1, 1, 1, 0, 0],
    ),
    "bernoulli_tensor_": (
        lambda: torch.empty(2, 4).bernoulli_(torch.tensor([0.1, 0.5, 0.5, 0.9], dtype=torch.float64)),
        [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]],
    ),
    "poisson": (
        lambda: torch.poisson(torch.tensor([0.0, 1.0, 5.0, 20.0, 200.0])),
        [0.0, 0.0, 2.0, 20.0, 176.0],
    ),
    "binomial": (
        lambda: torch.binomial(torch.tensor([5.0, 40.0, 100.0, 1000.0, 8.0]), torch.tensor([0.5, 0.5, 0.9, 0.25, 1.5])),
        [1.0, 16.0, 90.0, 227.0, 8.0],
    ),
    "multinomial": (
        lambda: torch.multinomial(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3),
        [3, 1, 2],
    ),
    "multinomial_one": (
        lambda: torch.multinomial(torch.tensor([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0]]), 1),
        [[1], [0]],
    ),
    "multinomial_replace": (
        lambda: torch.multinomial(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), 5, True),
        [[0, 0, 0, 0, 2], [0, 2, 2, 0, 0]],
    ),
    "multinomial_float64": (
        lambda: torch.multinomial(torch.arange(1.0, 9.0, dtype=torch.float64), 4),
        [3, 1, 2, 0],
    ),
    "normal_mean": (
        lambda: torch.normal(torch.arange(3.0), 0.5),
        [0.16834518313407898, 1.0644047260284424, 2.1172311305999756],
    ),
    "normal_std": (
        lambda: torch.normal(2.0, torch.arange(3.0)),
        [2.0, 2.1288094520568848, 2.4689247608184814],
    ),
    "normal_broadcast": (
        lambda: torch.normal(torch.zeros(2), torch.ones(2, 1)),
        [[0.33669036626815796, 0.12880940735340118], [0.23446236550807953, 0.23033303022384644]],
    ),
}


@pytest.mark.parametrize("case", LITERALS)
def test_literal_numbers(case):
    f, want = LITERALS[case]
    for _ in range(2):
        torch.manual_seed(42)
        assert np.array(f().tolist()) == pytest.approx(np.array(want), rel=1e-6, abs=0)


FLOATS = ("float16", "bfloat16", "float32", "float64")
# name: fill, dtypes
FILLS = {
    "uniform_": (lambda t: t.uniform_(-2, 3), (*FLOATS, "complex64", "complex128")),
    "normal_": (lambda t: t.normal_(1, 2), (*FLOATS, "complex64", "complex128")),
    "log_normal_": (lambda t: t.log_normal_(0.1, 0.5), FLOATS),
    "cauchy_": (lambda t: t.cauchy_(1, 2), FLOATS),
    "exponential_": (lambda t: t.exponential_(1.5), FLOATS),
    "geometric_": (lambda t: t.geometric_(0.3), (*FLOATS, "int8", "uint8", "int16", "int32", "int64")),
    "bernoulli_": (lambda t: t.bernoulli_(0.3), (*FLOATS, "bool", "uint8", "int64")),
    "bernoulli_p": (lambda t: t.bernoulli_(torch.full(t.shape[-1:], 0.4)), (*FLOATS, "bool", "int32")),
    "random_": (lambda t: t.random_(), (*FLOATS, "bool", "uint8", "int8", "int16", "int32", "int64")),
    "random_to": (lambda t: t.random_(2), (*FLOATS, "bool", "uint8", "uint16", "uint32", "uint64", "int64")),
}


@pytest.mark.parametrize("case", FILLS)
def test_memory_order(case, device):
    """Dense tensors are filled along their memory, others as their dense copies; gaps stay as they are."""
    f, names = FILLS[case]
    for name in names:
        dtype = getattr(torch, name)
        draws = []
        for t in (
            torch.zeros(4, 3, dtype=dtype, device=device),
            torch.zeros(4, 2, 3, dtype=dtype, device=device)[:, 1],
            torch.zeros(4, 6, dtype=dtype, device=device)[:, ::2],
        ):
            torch.manual_seed(11)
            before = t._version
            assert f(t) is t and t._version > before
            draws.append([t.tolist(), torch.get_rng_state().tolist()])
        assert draws[0] == draws[1] == draws[2] or case == "normal_"
        wide = torch.zeros(4, 6, dtype=dtype, device=device)
        f(wide[:, ::2])
        assert not any(x for row in wide[:, 1::2].tolist() for x in row)
        if case != "bernoulli_p" and case != "normal_":
            torch.manual_seed(11)
            assert f(torch.zeros(3, 4, dtype=dtype, device=device).t()).t().reshape(4, 3).tolist() == draws[0][0]
    assert f(torch.empty(0)).shape == (0,) and (case == "bernoulli_p" or f(torch.empty(())).shape == ())
    with pytest.raises(RuntimeError, match="single memory location"):
        f(torch.zeros(1).expand(3))


@pytest.mark.parametrize("case", FILLS)
def test_fills_forget(case):
    f = FILLS[case][0]
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * x
    f(y)
    assert y.requires_grad and "Backward" in y.grad_fn.name()
    (y * 3).sum().backward()
    assert x.grad.tolist() == [[0, 0], [0, 0]]
    x.grad = None
    y = x * x
    f(y[0])
    y.sum().backward()
    assert x.grad.tolist() == [[0, 0], [6, 8]]
    with pytest.raises(RuntimeError, match="leaf Variable"):
        f(x)
    e = x.exp()
    f(e)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        e.sum().backward()


def test_zero_gradients():
    p = torch.tensor([0.2, 0.7], requires_grad=True)
    q = torch.tensor([[0.5], [0.6]], requires_grad=True)
    for f, name in [
        (lambda: torch.bernoulli(p), "BernoulliBackward0"),
        (lambda: torch.poisson(p), "PoissonBackward0"),
        (lambda: torch.normal(p, 2.0), "NormalBackward1"),
        (lambda: torch.normal(2.0, p), "NormalBackward2"),
        (lambda: torch.normal(p, q), "NormalBackward3"),
        (lambda: torch.zeros(3, 2).bernoulli_(p), "BernoulliBackward1"),
    ]:
        y = f()
        assert y.grad_fn.name() == name
        assert torch.autograd.grad(y.sum(), p)[0].tolist() == [0, 0]
    assert torch.autograd.grad(torch.normal(p, q).sum(), q)[0].tolist() == [[0], [0]]
    assert not torch.multinomial(p, 1).requires_grad and not torch.rand_like(p).requires_grad
    count = torch.binomial(p * 9, p)
    with pytest.raises(RuntimeError, match="derivative for aten::binomial is not implemented"):
        count.sum().backward()


def test_statistics():
    """Kolmogorov-Smirnov and chi-squared distances to SciPy's distributions."""
    stats = pytest.importorskip("scipy.stats")
    torch.manual_seed(1)
    n = 20_000
    new = torch.empty(n, dtype=torch.float64)
    for draws, distribution in [
        (new.cauchy_(1, 2).clone(), stats.cauchy(1, 2)),
        (new.log_normal_(0.5, 0.25).clone(), stats.lognorm(0.25, scale=math.exp(0.5))),
        (new.exponential_(3).clone(), stats.expon(scale=1 / 3)),
        (torch.normal(torch.full((n,), 2.0), 3.0), stats.norm(2, 3)),
    ]:
        assert stats.kstest(draws.numpy(), distribution.cdf).statistic < 1.63 / math.sqrt(n)
    for draws, distribution in [
        (torch.empty(n).geometric_(0.3), stats.geom(0.3)),
        (torch.poisson(torch.full((n,), 3.5)), stats.poisson(3.5)),
        (torch.poisson(torch.full((n,), 60.0)), stats.poisson(60)),
        (torch.binomial(torch.full((n,), 12.0), torch.tensor(0.3)), stats.binom(12, 0.3)),
        (torch.binomial(torch.full((n,), 90.0), torch.tensor(0.8)), stats.binom(90, 0.8)),
        (
            torch.multinomial(torch.arange(1.0, 6.0), n, True),
            stats.rv_discrete(values=(range(5), np.arange(1, 6) / 15)),
        ),
    ]:
        values, counts = np.unique(draws.numpy().astype(int), return_counts=True)
        want = distribution.pmf(values) * n
        kept = want > 20
        assert (((counts - want) ** 2 / want)[kept]).sum() < stats.chi2(kept.sum()).ppf(0.9999)
        assert counts[kept].sum() > 0.98 * n


def test_counts():
    rate = torch.tensor([0.0, 1e-30, 2.0, 1e6])
    assert torch.poisson(rate)[:2].tolist() == [0, 0] and torch.poisson(rate.t()).dtype == torch.float32
    nan = float("nan")
    got = torch.binomial(torch.tensor([nan, 5, 0, -2, 7, 7]), torch.tensor([0.5, nan, 0.5, 0.5, 1.0, 0.0])).tolist()
    assert math.isnan(got[0]) and math.isnan(got[1]) and got[2:] == [0, 0, 7, 0]
    big = torch.binomial(torch.full((50,), 1e15, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64))
    assert (big / 1e15 - 0.5).abs().max().item() < 1e-6
    for bad, error in [
        (lambda: torch.poisson(torch.tensor([-1.0])), RuntimeError),
        (lambda: torch.poisson(torch.tensor([nan])), RuntimeError),
        (lambda: torch.poisson(torch.tensor([1])), NotImplementedError),
        (lambda: torch.binomial(torch.tensor([1]), torch.tensor([0.5])), ValueError),
        (lambda: torch.binomial(torch.zeros(2), torch.zeros(3)), RuntimeError),
        (lambda: torch.binomial(torch.zeros(2), torch.zeros(2, dtype=torch.float64)), RuntimeError),
        (lambda: torch.binomial(torch.zeros(2).half(), torch.zeros(2).half()), NotImplementedError),
    ]:
        with pytest.raises(error):
            bad()


def test_multinomial(device):
    w = torch.tensor([[1.0, 0.0, 3.0, 2.0], [0.0, 5.0, 0.0, 0.0]], device=device)
    assert torch.multinomial(w, 6, True)[1].tolist() == [1] * 6
    assert sorted(w[0].multinomial(4).tolist()) == [0, 1, 2, 3] and sorted(w[0].multinomial(3).tolist()) == [0, 2, 3]
    assert torch.multinomial(w[:0], 2).shape == (0, 2)
    out = torch.empty(0, dtype=torch.int64, device=device)
    assert torch.multinomial(w, 2, out=out) is out and out.shape == (2, 2)
    torch.manual_seed(5)
    rows = torch.multinomial(w, 2, True)
    torch.manual_seed(5)
    assert torch.multinomial(w.t().contiguous().t(), 2, True).equal(rows)
    state = torch.get_rng_state()
    for bad in (
        lambda: torch.multinomial(w, 5),
        lambda: torch.multinomial(w, 0),
        lambda: torch.multinomial(w, -1, True),
        lambda: torch.multinomial(w[0, 0], 1),
        lambda: torch.multinomial(w[None], 1),
        lambda: torch.multinomial(w * 0, 1),
        lambda: torch.multinomial(-w, 1),
        lambda: torch.multinomial(w / 0, 1, True),
        lambda: torch.multinomial(w.long(), 1),
        lambda: torch.multinomial(torch.zeros(0), 1, True),
        lambda: torch.multinomial(w, 1, out=torch.empty(0)),
    ):
        with pytest.raises(RuntimeError):
            bad()
    assert torch.get_rng_state().equal(state)


def test_out_and_aliases():
    x = torch.tensor([5.0, 7.0])
    torch.manual_seed(2)
    want = torch.normal(x, torch.tensor([1.0, 2.0]))
    torch.manual_seed(2)
    assert torch.normal(x, torch.tensor([1.0, 2.0]), out=x) is x and x.equal(want)
    out = torch.zeros(4, dtype=torch.int64)[::2]
    assert torch.bernoulli(torch.tensor([1.0, 0.0]), out=out) is out and out.tolist() == [1, 0]
    assert torch.bernoulli(torch.full((3, 4), 0.5).t()).is_contiguous()
    for bad in (
        lambda: torch.normal(x, 1.0, out=torch.empty(2, dtype=torch.int64)),
        lambda: torch.normal(x, torch.ones(3)),
        lambda: torch.normal(x, torch.tensor([1.0, -1.0])),
        lambda: torch.normal(x, torch.tensor([1.0, float("nan")])),
        lambda: torch.normal(x, torch.tensor([1j, 1])),
        lambda: torch.normal(x, -1.0),
        lambda: torch.bernoulli(torch.tensor([0.5]), out=torch.empty(1, requires_grad=True)),
    ):
        with pytest.raises(RuntimeError):
            bad()


def test_bounds():
    new = torch.zeros
    for bad in (
        lambda: new(2).uniform_(0, float("inf")),
        lambda: new(2).uniform_(float("nan"), 1),
        lambda: new(2).uniform_(-3e38, 3e38),
        lambda: new(2, dtype=torch.float16).uniform_(0, 7e4),
        lambda: new(2).geometric_(0),
        lambda: new(2).geometric_(1),
        lambda: new(2, dtype=torch.bool).geometric_(0.5),
        lambda: new(2).cauchy_(0, 0),
        lambda: new(2, dtype=torch.int32).cauchy_(),
        lambda: new(2).log_normal_(0, 0),
        lambda: new(2, dtype=torch.complex64).log_normal_(),
        lambda: new(2, dtype=torch.complex64).random_(),
        lambda: new(2, dtype=torch.complex64).random_(0, 5),
        lambda: new(2, dtype=torch.complex64).bernoulli_(),
        lambda: new(2).bernoulli_(torch.tensor([0.5, float("nan")])),
        lambda: new(2).bernoulli_(torch.tensor([1, 0])),
        lambda: new(2).bernoulli_(torch.rand(3, 2)),
        lambda: new(2).random_(5, 5),
        lambda: new(2, dtype=torch.uint8).random_(0, 257),
        lambda: new(2, dtype=torch.int32).random_(-(2**63), None),
        lambda: torch.randperm(258, dtype=torch.uint8),
        lambda: torch.randperm(3000, dtype=torch.float16),
    ):
        with pytest.raises(RuntimeError):
            bad()
    with pytest.warns(UserWarning, match=r"out of bounds \[-\(2\^11\), 2\^11\]"):
        new(2, dtype=torch.float16).random_(0, 4000)
    assert new(2).uniform_(**{"from": 2, "to": 2}).tolist() == [2, 2]
    assert new(2).exponential_(float("inf")).tolist() == [0, 0]
    assert new(2).uniform_(torch.tensor(3.0), torch.tensor(3)).tolist() == [3, 3]
    for bad in (torch.tensor([1.0]), torch.tensor(1.0, requires_grad=True), torch.tensor(1j)):
        with pytest.raises((TypeError, RuntimeError)):
            new(2).normal_(bad)


def test_generators():
    g = torch.Generator("cpu").manual_seed(5)
    copies = [pickle.loads(pickle.dumps(g)), g.clone_state()]
    want = torch.rand(3, generator=g)
    for copy in copies:
        assert copy.initial_seed() == 5 and torch.rand(3, generator=copy).equal(want)
    assert g.set_state(copies[0].get_state()) is g
    assert torch.manual_seed(3.7).initial_seed() == torch.manual_seed("3").initial_seed() == 3
    for bad, error in [
        (lambda: g.manual_seed(1.5), RuntimeError),
        (lambda: g.manual_seed(2**64), ValueError),
        (lambda: torch.manual_seed(None), TypeError),
        (lambda: g.set_state(3), TypeError),
        (lambda: g.set_state(torch.zeros(5056)), TypeError),
        (lambda: torch.set_rng_state(None), TypeError),
        (lambda: g.get_offset(), RuntimeError),
        (lambda: g.graphsafe_get_state(), NotImplementedError),
    ]:
        with pytest.raises(error):
            bad()
    assert torch.random.thread_safe_generator() is None
    before = torch.get_rng_state()
    with torch.random.fork_rng(enabled=False, device_type="cpu"):
        torch.rand(1)
    assert not torch.get_rng_state().equal(before)


@pytest.mark.parametrize("seed", [0, 2**40 + 3, -7])
def test_state_of_torch(seed):
    """States travel both ways, also in the middle of a pair of normal numbers."""
    reference = pytest.importorskip("torch")
    reference.manual_seed(seed)
    reference.randn(3)
    reference.rand(700)
    torch.set_rng_state(torch.tensor(reference.get_rng_state().tolist(), dtype=torch.uint8))
    assert torch.initial_seed() == reference.initial_seed()
    assert torch.randint(10**6, (5,)).tolist() == reference.randint(10**6, (5,)).tolist()
    assert torch.randn(1).item() == pytest.approx(reference.randn(1).item(), rel=1e-6)
    reference.set_rng_state(reference.tensor(torch.get_rng_state().tolist(), dtype=reference.uint8))
    assert torch.rand(5).tolist() == reference.rand(5).tolist()


@pytest.mark.parametrize("case", FILLS)
def test_fills_like_torch(case):
    reference = pytest.importorskip("torch")
    f, names = FILLS[case]
    for name in names:
        for make in (
            lambda m, n, d: m.zeros(n, 2, dtype=d),
            lambda m, n, d: m.zeros(2, n, dtype=d).t(),
            lambda m, n, d: m.zeros(2, n, 3, dtype=d).permute(1, 0, 2)[:, :, ::2],
        ):
            for n in (1, 7, 8, 9, 100):
                results = []
                for module in (torch, reference):
                    module.manual_seed(n)
                    t = make(module, n, getattr(module, name))
                    if case == "bernoulli_p":
                        t.bernoulli_(module.linspace(0, 1, t.shape[-1]))
                    else:
                        f(t)
                    results.append([np.array(t.tolist()), module.get_rng_state().tolist()])
                assert results[0][1] == results[1][1]
                eps = {"float16": 2e-3, "bfloat16": 1e-2, "float64": 1e-12}.get(name, 2e-6)
                np.testing.assert_allclose(results[0][0], results[1][0], rtol=eps, atol=3e-7)
