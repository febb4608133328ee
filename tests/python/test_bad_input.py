"""Bad input raises torch's kind of exception, changes nothing and never reaches memory outside a storage."""

import gc
import math

import pytest
import rushlight as torch
from helpers import run_child as run
from helpers import unsanitized

# ---- memory


@pytest.mark.parametrize("size", [4, 300_000])
def test_shrunk_storage_stays_addressable(size):
    """untyped_storage().resize_() to fewer bytes gives no addresses back: tensors that saw them stay valid."""
    run(f"""
        t = torch.ones({size})
        v = t[{size} // 2:]
        t.untyped_storage().resize_(0)
        assert t.untyped_storage().nbytes() == 0
        for x in (t, v):
            x.sum(), x + 1, x.tolist(), x.clone(), x.add_(1)
        t.untyped_storage().resize_({size} * 40)
        v.add_(1), t.sum()
        t.resize_({size} * 100).zero_()
        assert v.shape == ({size} - {size} // 2,) and v.sum() == 0
    """)


def test_shrunk_storage_of_a_saved_tensor():
    """backward() may read a saved tensor whose storage has been emptied."""
    run("""
        x = torch.ones(300_000, requires_grad=True)
        y = (x * x).exp().sum()
        x.untyped_storage().resize_(0)
        y.backward()
    """)


@pytest.mark.parametrize(
    "export",
    ["t.numpy()", "memoryview(t)", "t.__dlpack__()", "t.untyped_storage()[4:8]", "memoryview(t.untyped_storage())"],
)
def test_exported_memory_does_not_move(export):
    """Memory whose address others hold cannot be resized."""
    t = torch.zeros(100)
    if "numpy" in export:
        pytest.importorskip("numpy")
    held = eval(export)
    with pytest.raises(RuntimeError, match="not resizable"):
        t.resize_(10_000)
    with pytest.raises(RuntimeError, match="not resizable"):
        t.untyped_storage().resize_(10_000)
    assert t.shape == (100,)
    del held


@pytest.mark.parametrize(
    "sizes, strides, offset",
    [
        ((2**40,), (1,), 0),
        ((2,), (2**62,), 0),
        ((2,), (1,), 2**62),
        ((2,), (1,), -1),
        ((2,), (-1,), 4),
        ((6,), (1,), 0),
        ((2, 3), (3,), 0),
        ((-1,), (1,), 0),
    ],
)
def test_views_stay_inside_the_storage(sizes, strides, offset):
    """No sizes, strides and offset reach memory outside the storage."""
    with pytest.raises(RuntimeError):
        torch.ones(5).as_strided(sizes, strides, offset)
    with pytest.raises(RuntimeError):
        torch.zeros(1).set_(torch.ones(5), offset, sizes, strides)


# ---- objects whose methods change the tensor


@pytest.mark.parametrize(
    "use", ["t[1, e:]", "t[e:5]", "t[:, e]", "t[:, e:]", "t[..., e:, None]", "t[[e]]", "t[e, 1:4]"]
)
@pytest.mark.parametrize("change", ["t.set_(torch.zeros(1))", "t.resize_(0)", "t.data = torch.zeros(2, 2, 2)"])
def test_index_that_changes_the_tensor(use, change):
    """An __index__ that changes the tensor that is indexed gives a valid view or an exception, read and written."""
    run(f"""
        class E:
            def __index__(self):
                {change}
                return 4
        for write in (False, True):
            t, e = torch.zeros(5, 5), E()
            try:
                if write:
                    {use} = 3
                else:
                    ({use}).sum()
            except (IndexError, TypeError, RuntimeError, ValueError):
                pass
    """)


@pytest.mark.parametrize("result, error", [("'a'", TypeError), ("None", TypeError), ("1 / 0", ZeroDivisionError)])
def test_index_that_fails(result, error):
    """What __index__ raises arrives; what is no integer is a TypeError."""

    class E:
        def __index__(self):
            return eval(result)

    t = torch.zeros(5)
    for index in (E(), slice(E(), None), slice(None, None, E())):
        with pytest.raises(error):
            t[index]
        with pytest.raises(error):
            t[index] = 1


def test_lists_that_lie():
    """Ragged, endless, self-referential and lying sequences are errors."""
    loop = []
    loop.append(loop)

    class Long(list):
        def __len__(self):
            return 100

    class Endless:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return self

    for data in (loop, Long([1, 2]), Endless(), [[1], [1, 2]], [[1], 2]):
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            torch.tensor(data)


# ---- objects made without __init__


@pytest.mark.parametrize(
    "code",
    [
        "memoryview(new(torch.UntypedStorage))",
        "new(torch.UntypedStorage).resize_(3)",
        "new(torch.UntypedStorage).fill_(3)",
        "new(torch.UntypedStorage).nbytes()",
        "torch.UntypedStorage(4).copy_(new(torch.UntypedStorage))",
        "torch.zeros(2).set_(new(torch.UntypedStorage))",
        "torch.UntypedStorage.__repr__(torch.zeros(2))",
        "torch.zeros(2, dtype=new(torch.dtype))",
        "torch.zeros(2, device=new(torch.device))",
        "new(torch.Generator).manual_seed(1)",
        "torch.rand(3, generator=new(torch.Generator))",
    ],
)
def test_objects_without_init(code):
    """What __new__ alone has made is refused."""
    run(f"""
        new = lambda cls: cls.__new__(cls)
        try:
            {code}
        except (TypeError, BufferError):
            pass
        else:
            raise SystemExit('accepted')
    """)


# ---- out= is untouched by a call that fails


@pytest.mark.parametrize("dtype", [torch.qint8, torch.quint8])
@pytest.mark.parametrize(
    "call",
    [
        lambda o: torch.mul(torch.ones(3), 2, out=o),
        lambda o: torch.exp(torch.ones(3), out=o),
        lambda o: torch.isposinf(torch.ones(3), out=o),
        lambda o: torch.max(torch.ones(3), out=o),
        lambda o: torch.mean(torch.ones(3, 3), 0, out=o),
        lambda o: torch.linspace(0, 1, 3, out=o),
    ],
)
def test_out_of_a_storage_only_dtype(call, dtype):
    """Where nothing converts to the dtype of out=, it keeps its shape."""
    out = torch.zeros(2, 2, dtype=dtype)
    with pytest.raises((NotImplementedError, RuntimeError)):
        call(out)
    assert out.shape == (2, 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda o: torch.add(torch.ones(3), 1, out=o),
        lambda o: torch.sum(torch.ones(3, 3), 0, out=o),
        lambda o: torch.zeros(3, out=o),
        lambda o: torch.full((3,), 1, out=o),
        lambda o: torch.arange(3, out=o),
        lambda o: torch.linspace(0, 1, 3, out=o),
        lambda o: torch.eye(3, out=o),
        lambda o: torch.rand(3, out=o),
        lambda o: torch.cat([torch.ones(2), torch.ones(3)], out=o),
        lambda o: torch.mm(torch.ones(3, 3), torch.ones(3, 3), out=o),
    ],
)
def test_out_of_read_only_memory(call):
    """Read-only memory is neither written nor given another shape."""
    out = torch.frombuffer(bytes(8), dtype=torch.float32)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError):
        call(out)
    assert out.shape == (2,) and out.tolist() == [0, 0]
    assert torch.equal(before, torch.get_rng_state())


def test_out_and_numbers_that_do_not_fit():
    """A number that does not fit is found before out= is resized."""
    out = torch.zeros(2, dtype=torch.int8)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.sub(torch.zeros(3, dtype=torch.int8), 1, alpha=1000, out=out)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.full((3,), 1000, out=out)
    assert out.shape == (2,)


def test_methods_take_no_out():
    """out= belongs to functions; NumPy's own, which pass out=None and axis=, are let through."""
    t = torch.ones(3)
    with pytest.raises(TypeError):
        t.exp(out=torch.zeros(3))
    with pytest.raises(TypeError):
        t.add(1, out=torch.zeros(3))
    with pytest.raises(TypeError):
        t.sum(out=None)
    assert t.sum(axis=None, out=None) == 3


def test_out_is_not_ignored():
    """Functions that take out= write it."""
    x = torch.tensor([-1.0, 2.0])
    for call in (
        lambda o: torch.clamp_min(x, 0, out=o),
        lambda o: torch.clamp_max(x, 0, out=o),
        lambda o: torch.normal(x, 0.0, out=o),
        lambda o: torch.bernoulli(torch.ones(2), out=o),
    ):
        out = torch.full((2,), 9.0)
        assert call(out) is out and 9.0 not in out.tolist()
    with pytest.raises(RuntimeError, match="out kwarg"):
        torch.nonzero(x, out=torch.zeros(0, dtype=torch.int64), as_tuple=True)


# ---- numbers


@pytest.mark.parametrize(
    "call",
    [
        lambda n: torch.zeros(3)[n],
        lambda n: torch.zeros(3).sum(n),
        lambda n: torch.zeros(3).select(0, n),
        lambda n: torch.eye(n),
    ],
)
def test_integers_beyond_int64(call):
    """ValueError for an integer argument that int64 cannot hold."""
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        call(2**63)


@pytest.mark.parametrize(
    "call",
    [
        lambda n: torch.zeros(n),
        lambda n: torch.zeros((2, n)),
        lambda n: torch.zeros(3).view(n),
        lambda n: torch.zeros(3).expand(n),
        lambda n: torch.zeros(3).permute(n),
    ],
)
def test_integers_beyond_int64_in_lists(call):
    """TypeError that names the argument where it stands in a list of sizes or dims."""
    with pytest.raises(TypeError, match="failed to unpack the object at pos"):
        call(2**63)


def test_numbers_beyond_uint64():
    """OverflowError for operands that no dtype holds."""
    for call in (
        lambda t: t + 2**64,
        lambda t: t.add(2**64),
        lambda t: t.fill_(2**64),
        lambda t: torch.full((2,), 2**64),
    ):
        with pytest.raises(OverflowError):
            call(torch.zeros(3))


def test_numbers_beyond_int64():
    """Numbers up to 2**64 - 1 keep their value in floating point and in uint64, and do not fit int64."""
    n, one = 2**63, torch.ones(1, dtype=torch.float64)
    assert (one * n).item() == (one.clamp(n)).item() == one.clone().fill_(n).item() == 2.0**63
    assert (n - one).item() == 2.0**63 and (one / n).item() == 2.0**-63 and (one < n).item()
    assert torch.zeros(1, dtype=torch.uint64).fill_(n).item() == n
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.full((1,), n)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.tensor([1]).fill_(n)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.tensor([1]).clamp(max=n)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.arange(n, n + 2)


@pytest.mark.parametrize("bound", [1j, 2 + 0j, "tensor"])
def test_clamp_by_a_complex_number(bound):
    """clamp has no complex bounds."""
    run(f"""
        bound = torch.tensor(1j) if {bound!r} == 'tensor' else {bound!r}
        for call in (lambda t: t.clamp(max=bound), lambda t: t.clamp(bound), lambda t: t.clamp_(bound)):
            for t in (torch.zeros(1), torch.tensor([1])):
                try:
                    call(t)
                except (RuntimeError, NotImplementedError):
                    continue
                raise SystemExit('accepted')
    """)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: torch.tensor([1j]).abs_(), RuntimeError),
        (lambda: torch.tensor([1j]).sign(), NotImplementedError),
        (lambda: torch.tensor([1j]).deg2rad(), RuntimeError),
        (lambda: torch.zeros(2).lerp(torch.zeros(2, dtype=torch.float64), 0.5), RuntimeError),
        (lambda: torch.normal(torch.zeros(2), torch.tensor([1.0, -1.0])), RuntimeError),
        (lambda: torch.normal(0.0, torch.tensor([1.0, math.nan])), RuntimeError),
        (lambda: torch.maximum(torch.tensor([1j]), torch.tensor([1j])), RuntimeError),
        (lambda: torch.relu(torch.tensor([True])), RuntimeError),
        (lambda: torch.zeros(2, dtype=torch.int64).exponential_(), RuntimeError),
        (lambda: torch.isclose(torch.zeros(2), torch.zeros(2), atol=math.nan), RuntimeError),
        (lambda: torch.zeros(2) & torch.zeros(2), NotImplementedError),
        (lambda: torch.zeros(2) & torch.zeros(3), RuntimeError),
        (lambda: torch.device("cpu:" + "9" * 1000), RuntimeError),
    ],
)
def test_what_torch_refuses(call, error):
    """The type of torch's exception."""
    with pytest.raises(error):
        call()


def test_equal_looks_at_shapes_first():
    """Tensors of different shapes are unequal, whatever their dtypes."""
    assert not torch.equal(torch.zeros(2), torch.zeros(3, dtype=torch.int64))


def test_size_numel_is_exact():
    """A Size may hold any integers: their product is a Python integer."""
    assert torch.Size([2**62, 4]).numel() == 2**64 and torch.Size([2**70]).numel() == 2**70
    assert repr(torch.Size([2**63 - 1, -(2**63)])) == "torch.Size([9223372036854775807, -9223372036854775808])"


def test_sizes_of_empty_tensors():
    """The other sizes of an empty tensor may multiply to more than int64 holds."""
    t = torch.zeros(2**50, 2**50, 0)
    assert t.sum() == 0 and t.sum(0).shape == (2**50, 0) and (t + 1).shape == t.shape
    with pytest.raises(RuntimeError, match="overflow"):
        t.sum(2)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64, torch.qint8, torch.quint8])
@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.clamp(0),
        lambda t: t.clamp(max=1),
        lambda t: t.clamp_min(1),
        lambda t: t.softmax(0),
        lambda t: t @ t,
        lambda t: t.random_(),
    ],
)
def test_storage_only_dtypes(call, dtype):
    """Dtypes that only store have no arithmetic; wide unsigned integers have that of single elements."""
    with pytest.raises((NotImplementedError, RuntimeError)):
        call(torch.zeros(3, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.qint8, torch.quint8])
@pytest.mark.parametrize("call", [lambda t: t + 1, lambda t: t < t])
def test_storage_only_dtypes_elementwise(call, dtype):
    with pytest.raises((NotImplementedError, RuntimeError)):
        call(torch.zeros(3, dtype=dtype))


def test_strides_that_are_never_followed():
    """The stride of a dim of size 1 or 0 may be any: lists, buffers and arrays do not multiply it."""
    t = torch.ones(9).as_strided((3, 1), (1, 2**62), 1)
    assert t.tolist() == [[1.0]] * 3 and memoryview(t).shape == (3, 1)
    assert torch.ones(9).as_strided((2, 0), (1, 2**62)).tolist() == [[], []]
    if pytest.importorskip("numpy"):
        assert t.numpy().tolist() == [[1.0]] * 3


@unsanitized
def test_nested_backward():
    """A hook that calls backward() for ever is an error, also on a thread with a small stack."""
    run("""
        import threading
        def work():
            y = torch.zeros(1, requires_grad=True) * 2
            y.register_hook(lambda g: y.backward(retain_graph=True))
            try:
                y.backward()
            except (RecursionError, RuntimeError):
                done.append(1)
        done = []
        threading.stack_size(512 * 1024)
        thread = threading.Thread(target=work)
        thread.start(), thread.join()
        assert done
        x = torch.ones(1, requires_grad=True)
        (x * 3).backward()
        assert x.grad == 3
    """)


# ---- the end of a process


def test_exit_with_busy_daemon_threads():
    """A process ends cleanly while other threads compute."""
    run("""
        import threading, time
        for _ in range(6):
            threading.Thread(target=lambda: [torch.randn(200_000).exp().sum() for _ in range(1000)], daemon=True).start()
        time.sleep(0.2)
    """)


def test_fork_then_compute():
    """Parent and child compute on after a fork."""
    run("""
        import os
        torch.randn(1_000_000).exp()
        child = os.fork()
        (torch.randn(1_000_000) + 1).exp().sum(), torch.randn(300, 300) @ torch.randn(300, 300)
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)


def test_cycles_are_collected():
    """A tensor that holds itself, by an attribute or by a hook, is no crash for the collector."""
    t = torch.zeros(1, requires_grad=True)
    t.itself = t
    t.register_hook(lambda g: t)
    del t
    gc.collect()


def test_index_put_without_indices():
    x = torch.zeros(3)
    for indices in ([], [None]):
        for accumulate in (False, True):
            with pytest.raises(IndexError, match="at least one index must be provided"):
                x.index_put_(indices, torch.tensor(1.0), accumulate)
            with pytest.raises(IndexError, match="at least one index must be provided"):
                x.index_put(indices, torch.tensor(1.0), accumulate)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        torch.zeros(()).index_put([], torch.ones(1))
    assert x.tolist() == [0.0] * 3


def test_what_is_told_first():
    """Shapes before dtypes, ranges before what is not implemented."""
    x = torch.arange(4)
    with pytest.raises(RuntimeError, match=r"value tensor of shape \[3\] cannot be broadcast"):
        x[x > -1] = torch.ones(3)
    with pytest.raises(RuntimeError, match="got Long for the destination and Float for the source"):
        x[torch.arange(4)] = torch.ones(4)
    with pytest.raises(RuntimeError, match="max must be larger than min"):
        torch.histc(x, bins=2, min=3, max=1)
    with pytest.raises(ValueError, match=r"negative values, but got \(2, -3\)"):
        torch.unravel_index(x, (2, -3))
    for sizes in ([0, 4, 2**61], [2**40, 0, 2**40, 2**40]):
        with pytest.raises(RuntimeError, match="Stride calculation overflowed"):
            torch.empty(sizes)
        with pytest.raises(RuntimeError, match="Stride calculation overflowed"):
            torch.empty(()).resize_(sizes)


def test_numbers_that_require_grad():
    """A tensor that requires grad is no number."""
    x, number = torch.ones(2), torch.tensor(2.0, requires_grad=True)
    for f in (lambda: x.add(x, alpha=number), lambda: torch.full((2,), number), lambda: x.addcmul(x, x, value=number)):
        with pytest.raises(TypeError):
            f()
    assert x.add(x, alpha=number.detach()).tolist() == [3.0, 3.0]
