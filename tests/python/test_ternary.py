"""Elementwise operations that are not in elementwise.def, against NumPy: values, forms, gradients, errors."""

import itertools
import math
import warnings

import numpy as np
import pytest
import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
COMPLEX = ["complex64", "complex128"]
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-22, "complex64": 2.0**-21}


def tensor(shape, name, seed=0, low=-4, high=5):
    """Multiples of 1/4 (integers for integer dtypes), so that sums and products of a few are exact or nearly so."""
    rng = np.random.default_rng(seed)
    dtype = getattr(torch, name)
    if name == "bool":
        return torch.tensor(rng.random(shape) < 0.5)
    if not (dtype.is_floating_point or dtype.is_complex):
        return torch.tensor(rng.integers(max(low, 0) if name == "uint8" else low, high, shape)).to(dtype)
    values = rng.integers(4 * low, 4 * high, shape) / 4
    if dtype.is_complex:
        values = values + 1j * rng.integers(4 * low, 4 * high, shape) / 4
    return torch.tensor(values).to(dtype)


def array(t):
    """In float64 or complex128; integers and bool as they are."""
    if t.dtype.is_complex:
        return t.to(torch.complex128).numpy()
    return t.double().numpy() if t.dtype.is_floating_point else t.numpy()


def assert_close(actual, expected, name):
    tolerance = EPS.get(name, 1e-12)
    np.testing.assert_allclose(array(actual), expected, rtol=tolerance, atol=tolerance)


SHAPES = [((), (), ()), ((5,), (5,), (5,)), ((3, 4), (4,), (3, 1)), ((0, 3), (3,), ()), ((2, 1, 4), (3, 1), (2, 3, 4))]


# ---- addcmul, addcdiv, lerp


@pytest.mark.parametrize("name", FLOATS + COMPLEX + INTEGERS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_addcmul(name, shapes):
    """input + value * tensor1 * tensor2 in all forms."""
    a, b, c = (tensor(s, name, i, 0, 3) for i, s in enumerate(shapes))
    expected = array(a) + 2 * array(b) * array(c)
    out = torch.empty(0, dtype=a.dtype)
    for r in (
        torch.addcmul(a, b, c, value=2),
        a.addcmul(b, c, value=2),
        torch.addcmul(a, b, c, value=2, out=out),
        a.expand(expected.shape).clone().addcmul_(b, c, value=2),
    ):
        assert r.dtype == a.dtype and r.shape == expected.shape
        assert_close(r, expected, name)


@pytest.mark.parametrize("name", FLOATS + COMPLEX)
@pytest.mark.parametrize("shapes", SHAPES)
def test_addcdiv(name, shapes):
    """input + value * tensor1 / tensor2 in all forms."""
    a, b = (tensor(s, name, i) for i, s in enumerate(shapes[:2]))
    c = tensor(shapes[2], name, 2, 1, 5)
    expected = array(a) - 0.5 * array(b) / array(c)
    for r in (
        torch.addcdiv(a, b, c, value=-0.5),
        torch.addcdiv(a, b, c, value=-0.5, out=torch.empty(expected.shape, dtype=a.dtype)),
        a.expand(expected.shape).clone().addcdiv_(b, c, value=-0.5),
    ):
        assert_close(r, expected, name)


@pytest.mark.parametrize("name", FLOATS + COMPLEX)
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("weight", [0, 0.25, 0.5, 1, -2, "tensor"])
def test_lerp(name, shapes, weight):
    """input + weight * (end - input)."""
    a, b = (tensor(s, name, i) for i, s in enumerate(shapes[:2]))
    w = tensor(shapes[2], name, 2) if weight == "tensor" else weight
    wa = array(w) if weight == "tensor" else weight
    expected = array(a) + wa * (array(b) - array(a))
    for r in (torch.lerp(a, b, w), a.lerp(b, w), a.expand(expected.shape).clone().lerp_(b, w)):
        assert_close(r, expected, "float16" if name == "float16" and weight == "tensor" else name)


def test_lerp_is_exact_at_both_ends():
    """Weight 0 gives input and weight 1 gives end, whatever cancels in between."""
    a, b = torch.tensor([1e10, -1.0, 3e-9]), torch.tensor([1e-3, 7.0, 1.0])
    assert torch.equal(a.lerp(b, 0), a) and torch.equal(a.lerp(b, 1), b)
    assert torch.equal(a.lerp(b, torch.zeros(3)), a) and torch.equal(a.lerp(b, torch.ones(3)), b)


def test_fused_operations_on_many_elements():
    """Contiguous, strided and transposed operands beyond one chunk of a thread give the same bits."""
    a, b, c = (torch.randn(300, 301) for _ in range(3))
    for f in (
        lambda x, y, z: torch.addcmul(x, y, z, value=0.3),
        lambda x, y, z: torch.addcdiv(x, y, z, value=0.3),
        lambda x, y, z: torch.lerp(x, y, z),
        lambda x, y, z: torch.clamp(x, y, z),
    ):
        expected = f(a, b, c)
        assert torch.equal(f(a.t(), b.t(), c.t()), expected.t())
        assert torch.equal(f(a[:, ::2], b[:, ::2], c[:, ::2]), expected[:, ::2])
        assert torch.equal(f(a[7], b[7, 3], c[7, 5]), f(a[7], b[7, 3].expand(301).clone(), c[7, 5].expand(301).clone()))


def test_fused_operations_mix_dtypes():
    """addcmul and addcdiv promote, lerp wants one dtype."""
    i, f = torch.tensor([1, 2, 3]), torch.tensor([1.0, 2.0, 3.0])
    assert torch.addcmul(i, f, i).dtype == torch.float32 and torch.addcmul(f, i, i, value=0.5).tolist() == [1.5, 4, 7.5]
    assert torch.addcdiv(i, f, i).dtype == torch.float32
    assert torch.addcmul(f, f.double(), torch.tensor(2)).dtype == torch.float64
    assert f.lerp(f, torch.tensor(0.5, dtype=torch.float64)).dtype == torch.float32
    with pytest.raises(RuntimeError, match="Integer division with addcdiv"):
        torch.addcdiv(f, i, i)
    with pytest.raises(RuntimeError, match="can't be cast"):
        i.clone().addcmul_(f, f)
    with pytest.raises(RuntimeError, match="expected dtype float for `end` but got dtype long int"):
        f.lerp(i, 0.5)
    with pytest.raises(RuntimeError, match="expected dtype float for `weight` but got dtype double"):
        f.lerp(f, f.double())
    for call in (lambda: torch.addcmul(f > 0, f > 0, f > 0), lambda: i.lerp(i, 0.5)):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.addcmul(i.to(torch.int8), i.to(torch.int8), i.to(torch.int8), value=300)


def test_addcmul_in_the_old_order():
    """addcmul(input, value, tensor1, tensor2) warns."""
    f = torch.tensor([1.0, 2.0])
    with pytest.warns(UserWarning, match="deprecated"):
        assert torch.addcmul(f, 3, f, f).tolist() == [4, 14]
    with pytest.warns(UserWarning, match="deprecated"):
        assert f.clone().addcdiv_(3, f, f).tolist() == [4, 5]


def test_overlap_of_fused_operations():
    """Operands may be the result itself, not a part of it."""
    x = torch.arange(6.0)
    assert x.clone().addcmul_(x, x).tolist() == [v + v * v for v in range(6)]
    y = x.clone()
    y.addcmul_(y, y)
    assert y.tolist() == [v + v * v for v in range(6)]
    with pytest.raises(RuntimeError, match="single memory location"):
        x[1:].addcmul_(x[:-1], x[1:])
    with pytest.raises(RuntimeError, match="broadcast shape"):
        x.clone().lerp_(torch.ones(2, 6), 0.5)


# ---- clamp


@pytest.mark.parametrize("name", FLOATS + INTEGERS)
@pytest.mark.parametrize("bounds", [(0, 2), (None, 2), (1, None), (3, 1)])
def test_clamp(name, bounds):
    """Bounds as numbers and as tensors; where they cross, the upper one wins."""
    x = tensor((3, 4), name)
    expected = array(x)
    if bounds[0] is not None:
        expected = np.maximum(expected, bounds[0])
    if bounds[1] is not None:
        expected = np.minimum(expected, bounds[1])
    tensors = [None if b is None else torch.full((4,), b).to(x.dtype) for b in bounds]
    for low, high in (bounds, tensors):
        for r in (
            torch.clamp(x, low, high),
            torch.clip(x, min=low, max=high),
            x.clone().clamp_(low, high),
            torch.clamp_(x.clone(), low, high),
            torch.clamp(x, low, high, out=torch.empty(0, dtype=x.dtype)),
            torch.clamp(x.t(), low, high if high is None or isinstance(high, int) else high[:3]).t()
            if not isinstance(low, torch.Tensor)
            else torch.clamp(x, low, high),
        ):
            assert r.dtype == x.dtype
            np.testing.assert_array_equal(array(r), expected)
    if bounds[0] is None or bounds[1] is None:
        f, g = (torch.clamp_max, "clamp_max_") if bounds[0] is None else (torch.clamp_min, "clamp_min_")
        for (b,) in ([b for b in bounds if b is not None], [b for b in tensors if b is not None]):
            np.testing.assert_array_equal(array(f(x, b)), expected)
            np.testing.assert_array_equal(array(getattr(x.clone(), g)(b)), expected)


def test_clamp_and_nan():
    """NaN in any operand gives NaN."""
    nan = math.nan
    x = torch.tensor([nan, 1.0, 2.0])
    assert x.clamp(0, 1)[0].isnan() and x.clamp(nan, 1).isnan().all() and x.clamp(max=nan).isnan().all()
    low, high = torch.tensor([0, nan, 0.0]), torch.tensor([1, 1, nan])
    assert x.clamp(low, high).isnan().all() and x.clamp(low).isnan().tolist() == [True, True, False]


def test_clamp_promotes():
    """Bounds take part in promotion; 0-d tensors beside numbers count as numbers."""
    i = torch.tensor([1, 2, 3])
    assert i.clamp(1.5).dtype == torch.float32 and i.clamp(1.5).tolist() == [1.5, 2, 3]
    assert i.clamp(torch.tensor(1.5, dtype=torch.float64)).dtype == torch.float64
    assert i.clamp(torch.tensor(1.5, dtype=torch.float64), 2).dtype == torch.float32
    assert i.clamp(torch.ones(2, 3)).shape == (2, 3)
    assert (i > 1).clamp(0, 1).dtype == torch.int64
    for call in (lambda: i.clone().clamp_(1.5), lambda: i.clone().clamp_(torch.ones(3))):
        with pytest.raises(RuntimeError, match="result type Float can't be cast"):
            call()
    for call in (lambda: i.clamp(), lambda: torch.clamp(i, None, None)):
        with pytest.raises(RuntimeError, match="At least one of 'min' or 'max'"):
            call()
    for call in (lambda: (i > 1).clamp(False, True), lambda: (i + 1j).clamp(0), lambda: i.clamp(1j)):
        with pytest.raises(NotImplementedError):
            call()
    for call in (lambda: i.to(torch.uint8).clamp(0, 300), lambda: torch.ones(1).half().clamp(max=1e6)):
        with pytest.raises(RuntimeError, match="without overflow"):
            call()
    assert i.to(torch.uint8).clamp(-5).tolist() == [1, 2, 3]


# ---- nan_to_num, closeness


@pytest.mark.parametrize("name", FLOATS)
def test_nan_to_num(name):
    """NaN and infinities are replaced, by the extreme numbers of the dtype unless told otherwise."""
    dtype = getattr(torch, name)
    x = torch.tensor([math.nan, math.inf, -math.inf, 1.5, -0.0], dtype=dtype)
    top = torch.finfo(dtype).max
    assert torch.nan_to_num(x).tolist() == [0, top, -top, 1.5, 0]
    assert x.nan_to_num(1, 2, 3).tolist() == [1, 2, 3, 1.5, 0]
    assert x.nan_to_num(nan=math.inf)[0] == math.inf
    y = x.clone()
    assert y.nan_to_num_(posinf=4) is y and y.tolist() == [0, 4, -top, 1.5, 0]
    assert torch.nan_to_num(x, out=torch.empty(0, dtype=dtype)).tolist() == [0, top, -top, 1.5, 0]
    with pytest.raises(RuntimeError, match="should be same as input"):
        torch.nan_to_num(x, out=torch.empty(5, dtype=torch.int64))


def test_nan_to_num_of_other_dtypes():
    """Complex numbers part by part; integers and bool are copied."""
    z = torch.complex(torch.tensor([math.nan, 1.0]), torch.tensor([2.0, math.inf]))
    assert z.nan_to_num(posinf=9).tolist() == [2j, 1 + 9j] and z[0].real.isnan()
    assert z.nan_to_num_(posinf=9)[1] == 1 + 9j
    i = torch.tensor([1, 2])
    assert i.nan_to_num().tolist() == [1, 2] and i.nan_to_num().data_ptr() != i.data_ptr()


@pytest.mark.parametrize("name", FLOATS + COMPLEX + INTEGERS + ["bool"])
def test_isclose(name):
    """|a - b| <= atol + rtol |b|."""
    a, b = tensor((4, 5), name, 0), tensor((5,), name, 1)
    for rtol, atol in itertools.product([0, 0.5, 1], [0, 1]):
        expected = np.isclose(array(a).astype(complex), array(b).astype(complex), rtol=rtol, atol=atol)
        r = torch.isclose(a, b, rtol=rtol, atol=atol)
        assert r.dtype == torch.bool and np.array_equal(r.numpy(), expected)
        assert a.allclose(b, rtol, atol) == expected.all()


def test_isclose_of_special_values():
    """Infinities are close to themselves alone, NaN to NaN if asked."""
    inf, nan = math.inf, math.nan
    a, b = torch.tensor([inf, inf, inf, nan, nan, 1.0]), torch.tensor([inf, -inf, 1.0, nan, 1.0, inf])
    assert torch.isclose(a, b, rtol=1).tolist() == [True] + [False] * 5
    assert torch.isclose(a, b, equal_nan=True).tolist() == [True, False, False, True, False, False]
    assert torch.isclose(a + 0j, b + 0j, equal_nan=True).tolist() == [True, False, False, True, False, False]
    assert torch.allclose(torch.ones(0), torch.ones(0)) and not torch.equal(a[3:4], a[3:4])
    with pytest.raises(RuntimeError, match="Float did not match Double"):
        torch.isclose(a, b.double())
    for options in ({"rtol": -1}, {"atol": nan}):
        with pytest.raises(RuntimeError, match="greater than or equal to zero"):
            torch.isclose(a, b, **options)


def test_equal():
    """Shapes and values, whatever the dtypes."""
    a = torch.tensor([1.0, 2.0])
    assert a.equal(a.clone()) and torch.equal(a, a.int()) and not torch.equal(a, a[:1]) and not a.equal(a + 1)
    assert torch.equal(torch.tensor([0.0]), torch.tensor([-0.0])) and torch.equal(a + 1j, a + 1j)


# ---- where, fill


def test_where():
    """Selection with numbers, tensors, broadcasting, promotion, out=, and the form of one argument."""
    c = torch.tensor([[True], [False]])
    x, y = torch.tensor([1, 2, 3]), torch.tensor([0.5])
    assert torch.where(c, x, y).tolist() == [[1, 2, 3], [0.5] * 3] and torch.where(c, 1, 2).dtype == torch.int64
    assert torch.where(c, x, 2.5).dtype == torch.float32 and torch.where(c, 1, 2j).dtype == torch.complex64
    assert x.where(x > 1, -1).tolist() == [-1, 2, 3] and torch.where(x > 1)[0].tolist() == [1, 2]
    assert [i.tolist() for i in torch.where(torch.tensor(2))] == [[0]]
    assert torch.where(c, x, x, out=torch.empty(0, dtype=torch.int64)).shape == (2, 3)
    with pytest.raises(RuntimeError, match="Expected out type"):
        torch.where(c, x, x, out=torch.empty(0))
    with pytest.raises(RuntimeError, match="boolean tensor"):
        torch.where(x, x, x)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.where(c, x.byte(), 300)


def test_fill():
    """Numbers and 0-d tensors, in a copy and in place."""
    x = torch.tensor([1, 2])
    assert torch.fill(x, 1.5).tolist() == [1, 1] and x.tolist() == [1, 2]
    assert torch.fill_(x.clone(), torch.tensor(7.9)).tolist() == [7, 7] and torch.zero_(x.clone()).tolist() == [0, 0]
    assert torch.fill(x > 0, 2).tolist() == [True, True]
    for value, match in ((torch.ones(1), "0-dimension"), (1j, "without overflow"), (2**64 - 1, "without overflow")):
        with pytest.raises(RuntimeError, match=match):
            torch.fill(x, value)
    for value in (256, -300, math.inf):
        with pytest.raises(RuntimeError, match="without overflow"):
            torch.fill(x.byte(), value)


# ---- parts of numbers


@pytest.mark.parametrize("name", FLOATS)
def test_frexp(name):
    """Mantissa and exponent, also of denormal and special values."""
    values = [0.0, 1.0, -3.0, 0.4375, 2.0**-24, math.inf, math.nan]
    r = torch.frexp(torch.tensor(values, dtype=getattr(torch, name)))
    m, e = np.frexp(np.array(values[:-2]))
    assert r.mantissa.dtype == getattr(torch, name) and r.exponent.dtype == torch.int32
    assert r.mantissa[:-2].tolist() == m.tolist() and r.exponent.tolist() == [*e.tolist(), 0, 0]
    out = torch.empty(7, dtype=r.mantissa.dtype), torch.empty(7, dtype=torch.int32)
    torch.frexp(torch.tensor(values, dtype=getattr(torch, name)), out=out)
    assert torch.equal(out[1], r.exponent)
    with pytest.raises(RuntimeError, match="only supports floating-point"):
        torch.frexp(torch.tensor([1]))
    with pytest.raises(RuntimeError, match="expects exponent to have int dtype but got long int"):
        torch.frexp(torch.ones(1), out=(torch.empty(1), torch.empty(1, dtype=torch.int64)))


def test_ldexp():
    """x * 2**n, rounded once; any dtypes."""
    x = torch.tensor([1.5, -3.0, 1e-40])
    assert torch.ldexp(x, torch.tensor([1, -2, 130])).tolist() == [3, -0.75, np.ldexp(np.float32(1e-40), 130)]
    assert torch.ldexp(torch.tensor([3]), torch.tensor([2])).dtype == torch.float32
    assert torch.ldexp(x.half(), torch.tensor([1, 1, 1])).dtype == torch.float16
    assert torch.ldexp(torch.tensor([1 + 2j]), torch.tensor([[3], [2**40]]))[0].item() == 8 + 16j
    assert x[:2].ldexp(torch.tensor([0.5, 1])).tolist() == pytest.approx([1.5 * 2**0.5, -6])
    assert x.clone().ldexp_(torch.tensor(1))[0] == 3
    with pytest.raises(RuntimeError):
        torch.tensor([1]).ldexp_(torch.tensor([1]))


@pytest.mark.parametrize(
    "name, result", [("float16", "complex32"), ("float32", "complex64"), ("float64", "complex128")]
)
def test_complex(name, result):
    """real + i imag, broadcast."""
    re, im = tensor((3, 1), name, 0), tensor((4,), name, 1)
    z = torch.complex(re, im)
    assert z.dtype == getattr(torch, result) and z.shape == (3, 4)
    assert torch.equal(z.real, re.expand(3, 4)) and torch.equal(z.imag, im.expand(3, 4))
    assert torch.complex(re, im, out=torch.empty(0, dtype=z.dtype)).shape == (3, 4)
    for a, b in ((re, im.bool()), (re.bfloat16(), im.bfloat16()), (re, torch.ones(1, dtype=torch.int64))):
        with pytest.raises(RuntimeError, match="Expected both inputs to be Half, Float or Double"):
            torch.complex(a, b)
    with pytest.raises(RuntimeError, match="for argument 'out'"):
        torch.complex(re, im, out=torch.empty(3, 4))


def test_polar():
    """Magnitude and angle."""
    m, a = torch.tensor([1.0, 2.0, -3.0]).double(), torch.tensor([0.0, 2.0, -1.0]).double()
    np.testing.assert_allclose(torch.polar(m, a).numpy(), m.numpy() * np.exp(1j * a.numpy()), rtol=1e-15)
    with pytest.raises(RuntimeError, match="second argument"):
        torch.polar(m, a.float())
    with pytest.raises(NotImplementedError):
        torch.polar(m.half(), a.half())


def test_real_tensors_are_their_own_conjugates():
    """conj, conj_physical, real, resolve_conj and positive return the tensor itself."""
    x = torch.ones(2)
    assert x.conj() is x and torch.conj_physical(x) is x and torch.real(x) is x
    assert x.resolve_conj() is x and x.resolve_neg() is x and torch.positive(x) is x
    assert torch.conj_physical(x + 1j).tolist() == [1 - 1j] * 2
    for call in (lambda: torch.imag(x), lambda: torch.view_as_real(x), lambda: torch.positive(x > 0)):
        with pytest.raises(RuntimeError):
            call()


def test_complex32():
    """Half precision complex numbers convert, compute in complex64 and show."""
    z = torch.tensor([1 + 2j, -3.5j])
    h = z.chalf()
    assert h.dtype == torch.complex32 and h.chalf() is h and h.tolist() == z.tolist() and h[0].item() == 1 + 2j
    assert torch.equal(h.cdouble(), z.cdouble()) and h.real.dtype == torch.float16
    assert torch.tensor([1, 2]).chalf().tolist() == [1, 2] and h.bool().all() and (h * h)[0].item() == -3 + 4j
    assert abs(h).dtype == torch.float16 and "complex32" in repr(h)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert h.int().tolist() == [1, 0]
    x = torch.ones(2, requires_grad=True)
    x.chalf().cfloat().real.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_conversions_to_unsigned_integers():
    """Negative numbers wrap."""
    x = torch.tensor([-1.0, -2.5, 300.7], dtype=torch.float64)
    assert x.to(torch.uint32).tolist() == [2**32 - 1, 2**32 - 2, 300]
    assert x.to(torch.uint64).tolist() == [2**64 - 1, 2**64 - 2, 300]
    assert torch.tensor([2.0**63 + 2.0**40]).to(torch.uint64).item() == 2**63 + 2**40


# ---- gradients

GRADIENTS = {
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c, value=-1.5), 3),
    "addcdiv": (lambda a, b, c: torch.addcdiv(a, b, c, value=-1.5), 3),
    "lerp": (torch.lerp, 3),
    "lerp number": (lambda a, b: torch.lerp(a, b, 0.7), 2),
    "addcmul_": (lambda a, b: (a * 1).addcmul_(b, b, value=2), 2),
    "addcmul_ of itself": (lambda a, b: (lambda x: x.addcmul_(x, b))(a * 1), 2),
    "addcdiv_ of itself": (lambda a, b: (lambda x: x.addcdiv_(b, x))(a * 1), 2),
    "lerp_": (lambda a, b, c: (a * 1).lerp_(b, c), 3),
    "lerp_ of itself": (lambda a, b: (lambda x: x.lerp_(b, x))(a * 1), 2),
    "ldexp": (lambda a: torch.ldexp(a, torch.tensor([[1], [-2], [0]])), 1),
    "nan_to_num": (torch.nan_to_num, 1),
}
REAL_GRADIENTS = {
    "clamp": (lambda a, b, c: torch.clamp(a, b, c), 3),
    "clamp crossed": (lambda a, b, c: torch.clamp(a, b + 3, c - 3), 3),
    "clamp_": (lambda a, b, c: (a * 1).clamp_(b, c), 3),
    "clamp min": (lambda a, b: torch.clamp(a, b), 2),
    "clamp_max": (lambda a, b: torch.clamp_max(a, b), 2),
    "clamp_ number": (lambda a: (a * 1).clamp_(2.1, 4.2), 1),
    "clamp_min_ number": (lambda a: (a * 1).clamp_min_(2.1), 1),
    "complex": (torch.complex, 2),
    "polar": (torch.polar, 2),
    "frexp": (lambda a: torch.frexp(a)[0], 1),
}


@pytest.mark.parametrize("name", [*GRADIENTS, *REAL_GRADIENTS])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients(name, dtype):
    """First and second derivatives with respect to every operand, broadcast where out of place."""
    if dtype == "complex128" and name in REAL_GRADIENTS:
        pytest.skip("real operands only")
    function, count = (GRADIENTS | REAL_GRADIENTS)[name]
    generator = torch.Generator().manual_seed(3)
    shapes = [(3, 2), (3, 1), (2,)] if "_" not in name else [(3, 2), (3, 2), (2,)]
    inputs = [
        (torch.rand(s, generator=generator, dtype=torch.float64) * 4 + 1).to(getattr(torch, dtype)).requires_grad_()
        for s in shapes[:count]
    ]
    assert gradcheck(function, inputs) and gradgradcheck(function, inputs)


def test_gradient_of_fill():
    """The value gets the sum, the old contents nothing."""
    x, v = torch.ones(3, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    torch.fill(x, v).sum().backward()
    assert x.grad.tolist() == [0, 0, 0] and v.grad.item() == 3


@pytest.mark.parametrize("name", ["addcmul_", "addcdiv_", "lerp_", "clamp_", "clamp_min_", "nan_to_num_"])
def test_leaves_are_not_changed(name):
    """A leaf that requires grad is refused before it is written."""
    x, y = torch.ones(2, requires_grad=True), torch.full((2,), 2.0)
    arguments = {"clamp_": (2.0,), "clamp_min_": (y,), "nan_to_num_": ()}.get(name, (y, y))
    version = x._version
    with pytest.raises(RuntimeError, match="leaf Variable"):
        getattr(x, name)(*arguments)
    assert x.tolist() == [1, 1] and x._version == version
