"""Calls that raise leave their operands as they were: values, version, history, gradients and sizes."""

import warnings

import pytest
import rushlight as torch
from rushlight.autograd.graph import saved_tensors_hooks

np = pytest.importorskip("numpy")


def index():
    return torch.tensor([0, 1])


# In-place methods and their arguments for a tensor of shape (2, 2) with values within (0, 1).
CALLS = {
    "add_": lambda t: (t(),),
    "addbmm_": lambda t: (t(3, 2, 2), t(3, 2, 2)),
    "addcdiv_": lambda t: (t(), t()),
    "addcmul_": lambda t: (t(), t()),
    "addmm_": lambda t: (t(), t()),
    "addr_": lambda t: (t(2), t(2)),
    "atan2_": lambda t: (t(),),
    "baddbmm_": lambda t: (t(1, 2, 2), t(1, 2, 2)),
    "addmv_": lambda t: (t(), t(2)),
    "clamp_": lambda t: (t(), t() * 2),
    "clamp_max_": lambda t: (t(),),
    "clamp_min_": lambda t: (t(),),
    "copy_": lambda t: (t(),),
    "copysign_": lambda t: (t(),),
    "cumprod_": lambda t: (0,),
    "cumsum_": lambda t: (0,),
    "div_": lambda t: (t(),),
    "eq_": lambda t: (t(),),
    "fill_": lambda t: (t().sum(),),
    "fmod_": lambda t: (t(),),
    "hypot_": lambda t: (t(),),
    "igamma_": lambda t: (t().detach(),),
    "index_add_": lambda t: (0, index(), t()),
    "index_copy_": lambda t: (0, index(), t()),
    "index_fill_": lambda t: (0, index(), t().sum()),
    "index_put_": lambda t: ((index(),), t()),
    "index_reduce_": lambda t: (0, index(), t(), "amax"),
    "ldexp_": lambda t: (t(),),
    "lerp_": lambda t: (t(), t()),
    "logit_": lambda t: (),
    "lt_": lambda t: (t(),),
    "masked_fill_": lambda t: (torch.tensor([True, False]), t().sum()),
    "masked_scatter_": lambda t: (torch.tensor([True, False]), t()),
    "mul_": lambda t: (t(),),
    "mvlgamma_": lambda t: (1,),
    "nan_to_num_": lambda t: (),
    "nextafter_": lambda t: (t(),),
    "polygamma_": lambda t: (1,),
    "pow_": lambda t: (t(),),
    "put_": lambda t: (index(), t(2)),
    "remainder_": lambda t: (t(),),
    "renorm_": lambda t: (2, 0, 0.1),
    "scatter_": lambda t: (0, index().expand(2, 2), t()),
    "scatter_add_": lambda t: (0, index().expand(2, 2), t()),
    "scatter_reduce_": lambda t: (0, index().expand(2, 2), t(), "prod"),
    "sub_": lambda t: (t(),),
    "tril_": lambda t: (),
    "uniform_": lambda t: (),
    "xlogy_": lambda t: (t(),),
    "zero_": lambda t: (),
}
UNARY = (
    "abs acos asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor frac i0 lgamma "
    "log log10 log1p log2 neg rad2deg reciprocal relu round rsqrt sigmoid sign sgn sin sinc sinh sqrt square tan tanh "
    "trunc"
)
CALLS.update({f"{name}_": lambda t: () for name in UNARY.split()})
SHAPES = {"addmv_": (2,), "baddbmm_": (1, 2, 2)}


def operand(*shape):
    return torch.full(shape or (2, 2), 0.25, requires_grad=True) * 2


def operand_of_inference_mode(*shape):
    with torch.inference_mode():
        return torch.full(shape or (2, 2), 0.5)


def state(x):
    return x.tolist(), x._version, x.grad_fn, x.shape


def target(name, view):
    x = torch.full(SHAPES.get(name, (2, 2)), 0.5, requires_grad=True) * 1
    return (x, x[:]) if view else (x, x)


@pytest.mark.parametrize("view", [False, True], ids=["whole", "view"])
@pytest.mark.parametrize("name", CALLS)
def test_pack_hooks_that_raise(name, view):
    def calls(limit):
        """Runs with a hook that raises at the call number `limit`; whether it was reached."""
        count = 0

        def pack(t):
            nonlocal count
            count += 1
            if count == limit:
                raise ValueError("no")
            return t

        base, x = target(name, view)
        args = CALLS[name](operand)
        before = state(x), state(base)
        with saved_tensors_hooks(pack, lambda t: t):
            try:
                getattr(x, name)(*args)
            except ValueError:
                assert (state(x), state(base)) == before
                (grad,) = torch.autograd.grad(base.sum(), base)
                assert grad.tolist() == torch.ones(base.shape).tolist()
                return True
        assert x._version == before[0][1] + 1
        return False

    limit = 1
    while calls(limit):
        limit += 1
    assert limit < 9


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", [(0,), (1,), (2, 1), (1, 1, 1), (9, 9)])
def test_pack_hooks_that_change_operands(name, shape):
    """What a hook does to other operands may make the call fail, and nothing else."""

    def pack(t):
        with torch.no_grad():
            for other in others:
                if other is not t:
                    other.data = torch.full(shape, 0.5)
        return t

    x = target(name, False)[0]
    args = CALLS[name](operand)
    given = [a for arg in args for a in (arg if isinstance(arg, tuple) else (arg,))]
    others = [x] + [a for a in given if isinstance(a, torch.Tensor)]
    with saved_tensors_hooks(pack, lambda t: t):
        try:
            getattr(x, name)(*args)
        except (RuntimeError, IndexError):
            pass
    x.tolist()


@pytest.mark.parametrize("name", CALLS)
def test_operands_of_inference_mode(name):
    base, x = target(name, False)
    before = state(x)
    try:
        getattr(x, name)(*CALLS[name](operand_of_inference_mode))
    except RuntimeError as e:
        assert "Inference tensors cannot be saved for backward" in str(e)
        assert state(x) == before
        (grad,) = torch.autograd.grad(x.sum(), x)
        assert grad.tolist() == torch.ones(x.shape).tolist()


def test_what_is_kept_of_the_same_memory():
    """Operands beside the written elements are kept at the version that they have afterwards."""
    w = torch.tensor([[2.0, 3.0], [5.0, 7.0]], requires_grad=True)
    y = w * 1
    y[0].mul_(y[1])
    y.sum().backward()
    assert w.grad.tolist() == [[5.0, 7.0], [3.0, 4.0]]


def test_no_grad_views_as_operands():
    x = torch.ones(2, requires_grad=True) * 3
    with torch.no_grad():
        v = x[:]
    x.mul_(v + 0)
    assert x.tolist() == [9.0, 9.0]


# ---- several out= tensors


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["max", "min", "sort", "topk", "kthvalue", "mode", "median", "cummax", "frexp"])
@pytest.mark.parametrize("kind", ["dtype", "read-only", "expanded", "view of a leaf"])
def test_the_first_out_is_kept_where_the_second_is_refused(name, kind):
    x = torch.arange(6.0).reshape(2, 3)
    dtype = torch.int32 if name == "frexp" else torch.int64
    second = torch.zeros(3, dtype=dtype)
    if kind == "dtype":
        second = torch.zeros(3, dtype=torch.bool)
    elif kind == "read-only":
        a = np.zeros(3, dtype="int32" if name == "frexp" else "int64")
        a.setflags(write=False)
        second = torch.from_numpy(a)
    elif kind == "expanded":
        second = torch.zeros(1, dtype=dtype).expand(3)
    elif kind == "view of a leaf":
        second = torch.ones(3, requires_grad=True)[:2]
    first = torch.full((7,), 9.0)
    args = {"topk": (1,), "kthvalue": (1, 0), "frexp": (), "sort": ()}.get(name, (0,))
    with pytest.raises(RuntimeError):
        getattr(torch, name)(x, *args, out=(first, second))
    assert first.tolist() == [9.0] * 7


def test_warnings_that_are_errors_come_before_the_first_write():
    x = torch.arange(6.0).reshape(2, 3)
    first, second = torch.empty(0), torch.zeros(5, dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="was resized"):
            torch.max(x, 0, out=(first, second))
    assert first.shape == (0,) and second.tolist() == [0] * 5


# ---- memory of somebody else


def giving(array):
    class Give(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.from_numpy(array)

    return Give.apply


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("writable", [False, True])
def test_gradients_in_memory_of_others(writable):
    array = np.ones(3, dtype=np.float32)
    array.setflags(write=writable)
    give = giving(array)
    x = torch.ones(3, requires_grad=True)
    for n in (1.0, 2.0):
        give(x).sum().backward()
        assert x.grad.tolist() == [n] * 3
    x.grad.add_(100)
    h = torch.ones(3, requires_grad=True)
    k = h * 1
    (give(k) + give(k) + give(k)).sum().backward()
    assert h.grad.tolist() == [3.0] * 3
    assert array.tolist() == [1.0] * 3


@pytest.mark.filterwarnings("ignore")
def test_accumulation_into_a_read_only_grad():
    array = np.ones(2, dtype=np.float32)
    array.setflags(write=False)
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.from_numpy(array)
    x.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0] and array.tolist() == [1.0, 1.0]
