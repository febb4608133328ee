"""Methods of Tensor that old programs call: new, type, apply_, fill_diagonal_, dim_order and the like."""

import itertools
import warnings

import numpy as np
import pytest
import rushlight as torch


def test_sizes_from_zero_dim_integers():
    for sizes in [
        (torch.tensor(3), np.array(4)),
        ((np.array(3), np.int64(4)),),
        ([torch.tensor(3, dtype=torch.int8), np.uint8(4)],),
    ]:
        assert torch.ones(*sizes).shape == (3, 4)
    assert torch.ones(np.array(4)).shape == (4,) and torch.zeros(6).view(np.array(2), -1).shape == (2, 3)
    for bad in (np.array(4.0), np.array([4]), np.array([4, 5]), torch.tensor(3.0), (np.array(3.0), 1), np.array(True)):
        with pytest.raises(TypeError):
            torch.ones(bad)


def test_new():
    x, integers = torch.empty(0), torch.tensor([1, 2, 3], dtype=torch.int32)
    assert x.new().shape == x.new(()).shape == (0,) and x.new(1, 2).shape == (1, 2) and x.new(3).shape == (3,)
    assert x.new(torch.Size([3, 4])).shape == x.new(size=(3, 4)).shape == (3, 4)
    for data in ([3, 4], (3, 4), np.array((3, 4)), [np.int32(3), np.float64(4)], [integers[2], integers[0] + 3]):
        assert x.new(data).tolist() == [3, 4] and x.new(data).dtype == torch.float32
    y = torch.ones(2)
    assert x.new(y).data_ptr() == y.data_ptr() and x.new(y) is not y
    with pytest.raises(TypeError, match=r"expected torch.FloatTensor \(got torch.IntTensor\)"):
        x.new(integers)
    for call in (lambda: y.new(y, device="cpu"), lambda: torch.Tensor(y, device="cpu"), lambda: y.new(device="cuda")):
        with pytest.raises(RuntimeError, match=r"not supported|legacy constructor"):
            call()
    for call in (lambda: torch.Tensor(device="cuda"), lambda: torch.Tensor((2.0, 3.0), device="cuda")):
        with pytest.raises(RuntimeError, match="legacy constructor expects device type: cpu"):
            call()


def test_type():
    x = torch.ones(2, dtype=torch.int32)
    assert x.type("torch.LongTensor").dtype == x.type(torch.LongTensor).dtype == torch.int64
    assert x.type(torch.Tensor).dtype == x.type("torch.Tensor").dtype == torch.float32
    with pytest.raises(ValueError, match="invalid type: 'x'"):
        x.type("x")
    with pytest.raises(TypeError, match="type 'torch.FloatTensor' is not an acceptable base type"):
        type("Mine", (torch.FloatTensor,), {})
    assert torch.FloatTensor.is_cuda is False and isinstance(torch.ones(1), torch.FloatTensor)


def test_questions():
    x = torch.arange(4)
    assert 3 in x and 4 not in x and np.float32(1) in x
    for value, kind in [("a", "str"), (None, "NoneType"), ([1], "list")]:
        with pytest.raises(RuntimeError, match=f"you passed in a <class '{kind}'>\\."):
            value in x  # noqa: B015
    with pytest.raises(RuntimeError, match="with no values is ambiguous"):
        torch.tensor([]).is_nonzero()
    with pytest.raises(RuntimeError, match="with more than one value is ambiguous"):
        x.is_nonzero()
    assert hash(x) == id(x)
    assert x.data_ptr() != 0 and x[0:0].data_ptr() == 0 and torch.empty(2, 2).resize_(0, 2).data_ptr() == 0


def test_apply_and_map():
    assert torch.zeros(2, dtype=torch.int32).apply_(lambda v: 2.5).tolist() == [2, 2]
    assert torch.zeros(2, dtype=torch.bool).apply_(lambda v: 2.5).tolist() == [True, True]
    x, other = torch.zeros(3), torch.ones(3, requires_grad=True)
    for call in (
        lambda: x.apply_("a"),
        lambda: x.map_(x, 3),
        lambda: x.map2_(x, x, 3),
    ):
        with pytest.raises(TypeError, match="object is not callable"):
            call()
    for call in (
        lambda: x.map_(other, max),
        lambda: x.map2_(x, other, max),
        lambda: x.map2_(other, x, max),
        lambda: other.apply_(abs),
    ):
        with pytest.raises(RuntimeError, match=r"Can't call map2?_\(\)|Can't call apply_\(\)"):
            call()
    with pytest.raises(TypeError, match="map2_: expected torch.FloatTensor for argument 'y'"):
        x.map2_(x, x.int(), max)
    with pytest.raises((TypeError, ValueError)):
        torch.arange(3).apply_(lambda v: "text")
    assert x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (9, 2), (12, 3), (4, 4), (5, 4), (3, 1), (0, 3), (3, 0), (1, 1)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal(shape, wrap):
    expected = np.zeros(shape)
    if 0 not in shape:
        np.fill_diagonal(expected, 5, wrap=wrap)
    assert torch.zeros(shape).fill_diagonal_(5, wrap).tolist() == expected.tolist()
    t = torch.zeros(shape[::-1]).t()
    assert t.fill_diagonal_(5, wrap=wrap) is t and t.tolist() == expected.tolist()


def test_fill_diagonal_of_cubes():
    expected = np.zeros((3, 3, 3))
    np.fill_diagonal(expected, 5)
    assert torch.zeros(3, 3, 3).permute(2, 0, 1).fill_diagonal_(torch.tensor(5.0)).tolist() == expected.tolist()
    x = torch.ones(3, 3, requires_grad=True)
    x.clone().fill_diagonal_(0).sum().backward()
    assert x.grad.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    with pytest.raises(RuntimeError, match="equal length"):
        torch.zeros(3, 3, 4).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="larger than 1"):
        torch.zeros(3).fill_diagonal_(1)


def test_dim_order():
    for order in itertools.permutations(range(4)):
        assert torch.empty_permuted((2, 3, 5, 7), order).dim_order() == order
    last = torch.empty((2, 3, 5, 7, 8), memory_format=torch.channels_last_3d)
    assert last.dim_order() == (0, 2, 3, 4, 1) and last.dim_order(ambiguity_check=True) == (0, 2, 3, 4, 1)
    formats = [torch.contiguous_format, torch.channels_last]
    for shape in ([2, 2, 1, 2], [1, 2, 2, 2], [1, 2, 1, 2]):
        for form, order in zip(formats, [(0, 1, 2, 3), (0, 2, 3, 1)]):
            t = torch.empty(shape).to(memory_format=form)
            assert t.dim_order(ambiguity_check=formats) == order
            with pytest.raises(RuntimeError, match="unique dim order"):
                t.dim_order(ambiguity_check=True)
    with pytest.raises(RuntimeError, match="unique dim order"):
        torch.empty(1, 2, 1, 1).dim_order(ambiguity_check=formats)
    assert torch.empty(()).dim_order(ambiguity_check=True) == ()
    for bad in ("x", [3], 1):
        with pytest.raises(TypeError, match="bool or a list of memory formats"):
            torch.empty(2, 3).dim_order(ambiguity_check=bad)


def test_index_fill_on_expanded_tensors():
    index = torch.tensor([2, 1])
    with pytest.warns(UserWarning, match="index_fill_ on expanded tensors"):
        assert torch.zeros(1).expand(6).index_fill_(0, index, 1.0).tolist() == [1] * 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.zeros(3).index_fill_(0, index, 1.0).tolist() == [0, 1, 1]
    order = torch.tensor([2, 1, 0])
    with pytest.raises(RuntimeError, match="unsupported operation"):
        order.index_fill_(0, order, 0)


def test_overlap_is_told_before_dtypes():
    x = torch.rand(4)
    for call in (lambda: x[:-1].__ilshift__(x[1:]), lambda: x[:-1].__irshift__(x[1:]), lambda: x[1:].copy_(x[:-1])):
        with pytest.raises(RuntimeError, match="unsupported operation"):
            call()
    # A kernel that does not exist.
    y = torch.rand(1).expand(3, 3)
    for call in (y.bitwise_not_, lambda: torch.bitwise_not(x[1:], out=x[:-1])):
        with pytest.raises(RuntimeError, match="single memory location"):
            call()
    m = torch.arange(9.0).view(3, 3)
    with pytest.raises(RuntimeError, match="unsupported operation"):
        m.copy_(m.t())
    # Where torch does not notice, values move as if they had been copied first.
    m[:, 1:] = m[:, :-1]
    assert m.tolist() == [[0, 0, 1], [3, 3, 4], [6, 6, 7]]
    m[None, 0] += 1
    m[0, :1] = m[0, 0]
    assert m[0].tolist() == [1, 1, 2]


def test_reports():
    assert torch.__config__.show().startswith("rushlight") and "CPU capability" in torch.__config__.show()
    assert f"get_num_threads() : {torch.get_num_threads()}" in torch.__config__.parallel_info()
    assert torch.cpu.is_available() and torch.cpu.device_count() == 1 and torch.cpu.current_device() == "cpu"
    torch.cpu.synchronize()
    with torch.cpu.stream(torch.cpu.current_stream()) as stream:
        assert isinstance(stream, torch.cpu.Stream)
    if not torch.cuda.is_available():
        assert torch.cuda.is_bf16_supported() is False
        for call in (torch.cuda.FloatTensor, lambda: torch.set_default_tensor_type(torch.cuda.FloatTensor)):
            with pytest.raises(TypeError, match="Torch not compiled with CUDA enabled"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call()


def test_checks():
    for check, error in [
        (torch._check, RuntimeError),
        (torch._check_index, IndexError),
        (torch._check_value, ValueError),
        (torch._check_type, TypeError),
        (torch._check_not_implemented, NotImplementedError),
    ]:
        check(True, lambda: 1 / 0)
        with pytest.raises(error, match="Expected cond to be True"):
            check(False)
        with pytest.raises(error, match=r"tensor\(\[0, 1\]\)"):
            check(False, lambda: torch.arange(2))
        with pytest.raises(TypeError, match="cond must be a bool"):
            check(torch.tensor(True))
    torch._check_tensor_all(torch.ones(2, 2, dtype=torch.bool))
    torch._check_is_size(3, max=3)
    torch._assert_async(torch.tensor(0.1))
    for call in (
        lambda: torch._check_tensor_all(torch.tensor([True, False])),
        lambda: torch._check_is_size(-1),
        lambda: torch._check_is_size(4, max=3),
        lambda: torch._assert_async(torch.tensor(0)),
        lambda: torch._assert_async(torch.tensor([])),
    ):
        with pytest.raises(RuntimeError):
            call()


def test_flattened_tensors():
    parts = [torch.ones(2, 3), torch.zeros(()), torch.full((2,), 4.0)]
    flat = torch._utils._flatten_dense_tensors(parts)
    assert flat.tolist() == [1] * 6 + [0, 4, 4] and torch._utils._element_size(torch.complex64) == 8
    back = torch._utils._unflatten_dense_tensors(flat, parts)
    assert [t.tolist() for t in back] == [t.tolist() for t in parts] and back[0].data_ptr() == flat.data_ptr()


def test_return_types():
    found = torch.max(torch.ones(2, 2), 0)
    assert type(found) is torch.return_types.max is torch.return_types.max_out
    assert isinstance(torch.sort(torch.ones(2)), torch.return_types.sort)
    with pytest.raises(AttributeError, match="rushlight has no torch.return_types.nothing"):
        torch.return_types.nothing  # noqa: B018


def test_isclose_is_exact_for_integers():
    a = torch.tensor([2**53, -(2**63), 2**63 - 1])
    b = torch.tensor([2**53 + 1, 2**63 - 1, -(2**63)])
    assert torch.isclose(a, b, rtol=0, atol=0).tolist() == [False] * 3
    assert torch.isclose(a, b, rtol=0, atol=0.5).tolist() == [False] * 3
    assert torch.isclose(a, b, rtol=0, atol=1).tolist() == [True, False, False]
    x = torch.tensor([complex(1, 1), complex(2, 4)], dtype=torch.complex64)
    y = torch.tensor([complex(1, 1 + 1e-8), complex(1, 8.8523607)], dtype=torch.complex64)
    assert torch.isclose(x, y, rtol=0.5, atol=0.5).tolist() == [True, True]


def test_sequences_that_refuse():
    class Broken:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise TypeError

    with pytest.raises(ValueError, match="could not determine the shape of object type 'Broken'"):
        torch.tensor(Broken())
    with pytest.raises(RuntimeError, match="Stride calculation overflowed"):
        torch.empty([0, 4, 2**61])


@pytest.mark.parametrize(
    "call,message",
    [
        (
            lambda x: torch.ones(["a"]),
            "ones(): argument 'size' (position 1) must be tuple of ints, but found element of type str at pos 0",
        ),
        (
            lambda x: torch.zeros(size=(2.5,)),
            "zeros(): argument 'size' must be tuple of ints, but found element of type float at pos 0",
        ),
        (lambda x: torch.ones(2, "a"), "ones(): argument 'size' failed to unpack the object at pos 2 with error"),
        (lambda x: x.view((2, "a")), "view(): argument 'size' failed to unpack the object at pos 2"),
        (lambda x: x.view(("a", 2)), "view() received an invalid combination of arguments - got (tuple of (str, int))"),
        (lambda x: x.index_select("a", x), "index_select(): argument 'dim' (position 1) must be int, not str"),
        (lambda x: torch.index_select(x, "a", x), "index_select(): argument 'dim' (position 2) must be int, not str"),
        (lambda x: torch.tensor(), 'tensor() missing 1 required positional arguments: "data"'),
        (lambda x: torch.gather(x), 'gather() missing 2 required positional argument: "dim", "index"'),
        (lambda x: x.gather(), 'gather() missing 2 required positional argument: "dim", "index"'),
    ],
)
def test_messages_of_the_parser(call, message):
    with pytest.raises(TypeError) as error:
        call(torch.ones(4))
    assert str(error.value).startswith(message)
