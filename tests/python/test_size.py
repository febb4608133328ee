"""torch.Size: a tuple of ints that stays one under what tuples can do."""

import copy
import operator
import pickle

import numpy as np
import pytest
import rushlight as torch

Size = torch.Size
s = Size([2, 3])


class Index:
    def __index__(self):
        return 7


class Other(tuple):
    pass


@pytest.mark.parametrize(
    "made, values",
    [
        (lambda: s + s, (2, 3, 2, 3)),
        (lambda: s + (1,), (2, 3, 1)),
        (lambda: (1,) + s, (1, 2, 3)),
        (lambda: (1,) + s + (1,), (1, 2, 3, 1)),
        (lambda: Other((1,)) + s, (1, 2, 3)),
        (lambda: s + Other((1,)), (2, 3, 1)),
        (lambda: s + (torch.tensor(3), True, np.int8(4), Index()), (2, 3, 3, 1, 4, 7)),
        (lambda: () + s, (2, 3)),
        (lambda: s + (), (2, 3)),
        (lambda: s.__radd__((1,)), (1, 2, 3)),
        (lambda: operator.iadd(s, (5,)), (2, 3, 5)),
        (lambda: operator.concat(s, (5,)), (2, 3, 5)),
        (lambda: sum((s, Size([4]), (5,)), Size()), (2, 3, 4, 5)),
        (lambda: s * 2, (2, 3, 2, 3)),
        (lambda: 2 * s, (2, 3, 2, 3)),
        (lambda: s * np.int64(2), (2, 3, 2, 3)),
        (lambda: s * torch.tensor(2), (2, 3, 2, 3)),
        (lambda: s * -1, ()),
        (lambda: s[:], (2, 3)),
        (lambda: s[1:], (3,)),
        (lambda: s[::-1], (3, 2)),
        (lambda: s[5:], ()),
        (lambda: torch.zeros(4, 5).shape[1:] + (6,), (5, 6)),
        (lambda: copy.copy(s), (2, 3)),
        (lambda: copy.deepcopy(s), (2, 3)),
        (lambda: pickle.loads(pickle.dumps(s)), (2, 3)),
        (lambda: Size(x for x in (1, 2)), (1, 2)),
        (lambda: Size([torch.tensor(2), torch.tensor([3])]), (2, 3)),
        (lambda: Size(torch.tensor([1, 2])), (1, 2)),
        (lambda: Size(np.array([1, 2])), (1, 2)),
        (lambda: Size([True, np.int64(3), Index()]), (1, 3, 7)),
        (lambda: Size([-1]), (-1,)),
        (lambda: Size(), ()),
    ],
)
def test_sizes(made, values):
    size = made()
    assert type(size) is Size and size == values and values == size
    assert all(type(n) is int for n in size) and repr(size) == str(size) == f"torch.Size({list(values)})"
    assert hash(size) == hash(values) and size.numel() == int(np.prod(values))


def test_what_is_no_size():
    assert type(tuple(s)) is tuple and type(s[0]) is int and type(torch.zeros(2).stride()) is tuple
    assert Size.__mro__ == (Size, tuple, object) and isinstance(s, tuple) and s != [2, 3]
    assert (s + np.array([1, 2])).tolist() == (np.array([1, 2]) + s).tolist() == [3, 5]
    assert s.__reduce__() == (Size, ((2, 3),))


@pytest.mark.parametrize(
    "refused, message",
    [
        (lambda: Size([1.5]), "takes an iterable of 'int' \\(item 0 is 'float'\\)"),
        (lambda: Size([1, "a"]), "item 1 is 'str'"),
        (lambda: Size([None]), "item 0 is 'NoneType'"),
        (lambda: Size([torch.tensor(2.0)]), "item 0 is 'Tensor'"),
        (lambda: Size([torch.tensor([2, 3])]), "item 0 is 'Tensor'"),
        (lambda: Size([[1]]), "item 0 is 'list'"),
        (lambda: Size(3), "not iterable"),
        (lambda: Size([1], [2]), "at most 1 argument"),
        (lambda: Size(sequence=[1]), "keyword"),
        (lambda: s + (1.5,), "item 2 is 'float'"),
        (lambda: (1.5,) + s, "item 0 is 'float'"),
        (lambda: s + ("a",), "item 2 is 'str'"),
        (lambda: s + [1], "can only concatenate tuple \\(not list\\) to torch.Size"),
        (lambda: s + 1, "can only concatenate tuple \\(not int\\) to torch.Size"),
        (lambda: s + None, "can only concatenate tuple \\(not NoneType\\)"),
        (lambda: s + torch.tensor([1, 2]), "can only concatenate tuple \\(not Tensor\\)"),
        (lambda: [1] + s, "can only concatenate list"),
        (lambda: s * 1.5, "can't multiply sequence"),
        (lambda: s["a"], "tuple indices must be integers"),
        (lambda: type("Mine", (Size,), {}), "not an acceptable base type"),
    ],
)
def test_refusals(refused, message):
    with pytest.raises(TypeError, match=message):
        refused()
