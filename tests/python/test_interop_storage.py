"""Storages, set_, and tensors that are copied or pickled with them."""

import copy
import gc
import pickle
import warnings

import numpy as np
import pytest
import rushlight as torch
from helpers import NUMPY_DTYPES


# ---------------------------------------------------------------------------------------------------------------------
# Storages
# ---------------------------------------------------------------------------------------------------------------------
def test_untyped_storage():
    t = torch.arange(4, dtype=torch.int32)
    s = t.untyped_storage()
    assert s.nbytes() == s.size() == len(s) == 16
    assert s.data_ptr() == t.data_ptr() and s.device == t.device and s.element_size() == 1
    assert s[4] == 1 and s[-4] == 3 and s.tolist() == list(t.numpy().tobytes()) and bytes(s) == t.numpy().tobytes()
    assert t[1:].untyped_storage() is s and s == t.untyped_storage() and hash(s) == hash(t.untyped_storage())
    assert s != torch.arange(4).untyped_storage() and s != 3
    s[0] = 5
    s[4:6] = 1
    assert t.tolist() == [5, 257, 2, 3]
    part = s[4:8]
    part[0] = 7
    assert t[1] == 263 and part.data_ptr() == s.data_ptr() + 4
    assert not s.is_shared() and s.filename is None and not s.is_cuda and not s.is_pinned()
    with pytest.raises(IndexError, match="index 100 out of range for storage of size 16"):
        s[100]
    with pytest.raises(RuntimeError, match="out of bounds"):
        s[100] = 1
    with pytest.raises(RuntimeError, match="step of 2"):
        s[::2]
    with pytest.raises(TypeError, match="can't index a torch.UntypedStorage with str"):
        s["a"]
    with pytest.raises(RuntimeError, match="int types"):
        s[0] = 1.5
    clone = s.clone()
    assert clone.tolist() == s.tolist() and clone.data_ptr() != s.data_ptr()
    assert torch.UntypedStorage([1, 300]).tolist() == [1, 44]
    assert torch.UntypedStorage(4).fill_(3).tolist() == [3] * 4
    assert torch.UntypedStorage().nbytes() == 0
    with pytest.raises(RuntimeError):
        torch.UntypedStorage(-1)
    with pytest.raises(RuntimeError, match="size does not match"):
        s.copy_(torch.UntypedStorage(3))
    key = id(s)
    del t, s
    gc.collect()
    assert key and torch.ones(1).untyped_storage().nbytes() == 4


def test_storage_resize():
    s = torch.UntypedStorage([1, 2, 3])
    s.resize_(10000)
    assert s.nbytes() == 10000 and s.tolist()[:3] == [1, 2, 3]
    s.resize_(2)
    assert s.tolist() == [1, 2]
    with pytest.raises(RuntimeError):
        s.resize_(-1)
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.from_numpy(np.arange(3)).untyped_storage().resize_(100)


def test_read_only_storage():
    a = np.arange(3)
    a.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        s = torch.from_numpy(a).untyped_storage()
    for write in (lambda: s.fill_(1), lambda: s.__setitem__(0, 1)):
        with pytest.raises(RuntimeError, match="read-only"):
            write()


def test_set():
    x = torch.arange(6.0)
    s = x.untyped_storage()
    t = torch.empty(0)
    assert t.set_(x) is t and t.data_ptr() == x.data_ptr() and t.shape == (6,)
    assert torch.empty(0).set_(s).tolist() == x.tolist()
    assert torch.empty(0).set_(x.storage()).tolist() == x.tolist()
    assert torch.empty(0).set_(s, 1, (2, 2), (1, 1)).tolist() == [[1, 2], [2, 3]]
    assert torch.empty(0).set_(s, 1, (2, 2)).tolist() == [[1, 2], [3, 4]]
    assert torch.empty(0).set_(x, 1, (2,), (2,)).tolist() == [1, 3]
    assert torch.ones(3).set_().shape == (0,)
    for arguments in (
        (s, 0, (7,)),
        (s, 5, (2,), (1,)),
        (s, -1, (2,), (1,)),
        (s, 0, (2, 2), (-1, 1)),
        (s, 0, (2**62, 2**62)),
        (s, 2**62, (1,), (1,)),
        (s, 0, (3, 3), (1,)),
        (s, 0, (2,), (2**62,)),
    ):
        with pytest.raises(RuntimeError):
            torch.empty(0).set_(*arguments)
    with pytest.raises(RuntimeError, match="Could not set tensor of type"):
        torch.empty(0, dtype=torch.int32).set_(x)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        torch.ones(2, requires_grad=True).set_(x)
    with pytest.raises(TypeError):
        torch.empty(0).set_(3)


# ---------------------------------------------------------------------------------------------------------------------
# Copies and pickles
# ---------------------------------------------------------------------------------------------------------------------
class Child(torch.Tensor):
    pass


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", NUMPY_DTYPES + ["bfloat16"])
def test_pickle(protocol, dtype):
    t = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    for x in (t, t.t(), t[1:, ::2], t[0, 0], t[:0]):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert y.dtype == x.dtype and y.stride() == x.stride() and y.shape == x.shape and y.tolist() == x.tolist()
        y.zero_()  # memory of its own
    assert t.sum() == 15 or dtype == "bool"


def test_pickle_keeps_sharing_and_flags():
    base = torch.arange(6.0)
    a, b, c = pickle.loads(pickle.dumps([base, base[2:4], base]))
    assert a is c and b.data_ptr() == a.data_ptr() + 8
    a[2] = 9
    assert b[0] == 9
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.ones(2)
    y = pickle.loads(pickle.dumps(x))
    assert y.requires_grad and y.is_leaf and y.grad is None
    assert pickle.loads(pickle.dumps(x * 2)).is_leaf
    x.note = "kept"
    assert pickle.loads(pickle.dumps(x)).note == "kept"
    s = pickle.loads(pickle.dumps(base.untyped_storage()))
    assert bytes(s) == bytes(base.untyped_storage())
    assert len(pickle.dumps(torch.ones(100000))) < 400500
    p = torch.nn.Parameter(torch.ones(2))
    q = pickle.loads(pickle.dumps(p))
    assert type(q) is torch.nn.Parameter and q.requires_grad


def test_pickle_out_of_band():
    t = torch.arange(1000.0)
    buffers = []
    data = pickle.dumps(t, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    u = pickle.loads(data, buffers=buffers)
    assert u.data_ptr() == t.data_ptr() and u.tolist() == t.tolist()


def test_deepcopy():
    base = torch.arange(6.0)
    a, b, c = copy.deepcopy([base, base[2:4], base])
    assert a is c and a.data_ptr() != base.data_ptr() and b.data_ptr() == a.data_ptr() + 8
    t = copy.deepcopy(torch.arange(6).reshape(2, 3).t())
    assert t.stride() == (1, 3) and t.tolist() == [[0, 3], [1, 4], [2, 5]]
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)
    x.note = [1]
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y.grad.tolist() == [3, 3] and y.grad is not x.grad
    assert y.note == [1] and y.note is not x.note
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)
    memo = {}
    assert copy.deepcopy(base, memo) is copy.deepcopy(base, memo)
    s = base.untyped_storage()
    assert copy.deepcopy(s) is not s and copy.deepcopy(s).tolist() == s.tolist()


def test_copy():
    x = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
    y = copy.copy(x)
    assert y is not x and y.data_ptr() == x.data_ptr() and y.stride() == x.stride() and y.requires_grad


def test_subclasses_are_kept():
    x = Child(torch.ones(2))
    x.note = 1
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is Child and y.note == 1 and y.tolist() == [1, 1]
