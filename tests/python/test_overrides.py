"""__torch_function__ of subclasses, other classes and modes."""

from __future__ import annotations

import copy
import inspect
import operator
import pickle
import threading

import numpy as np
import overrides_reference
import pytest
import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn, overrides

try:
    import torch as reference
except ImportError:
    reference = None


class Plain(torch.Tensor):
    pass


class Sub(Plain):
    pass


class Other(torch.Tensor):
    pass


class Logged(torch.Tensor):
    log: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.log.append(overrides.resolve_name(func))
        return super().__torch_function__(func, types, args, kwargs)


class Duck:
    """Not a tensor; answers every call with what it was asked."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return "duck", overrides.resolve_name(func), len(args), sorted(kwargs or {})


class Mode(overrides.TorchFunctionMode):
    def __init__(self, tag="mode"):
        self.tag, self.log = tag, []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.log.append(overrides.resolve_name(func))
        return func(*args, **(kwargs or {}))


def names_of(call):
    with Mode() as mode:
        call()
    return mode.log


x = torch.arange(4.0).reshape(2, 2)


def as_(cls):
    return x.clone().as_subclass(cls)


# ---- results of plain subclasses


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a + 1,
        lambda a: 1 + a,
        lambda a: 1 - a,
        lambda a: 2**a,
        lambda a: a @ a,
        lambda a: x + a,
        lambda a: x @ a,
        lambda a: -a,
        lambda a: abs(a),
        lambda a: a > 1,
        lambda a: a == a,
        lambda a: a[0],
        lambda a: a[:, 1:],
        lambda a: a[a > 0],
        lambda a: a[[0, 1]],
        lambda a: x.view(-1)[a.long()],
        lambda a: a.T,
        lambda a: a.mT,
        lambda a: a.data,
        lambda a: a.real,
        lambda a: a.clone(),
        lambda a: a.detach(),
        lambda a: a.view(-1),
        lambda a: a.sum(),
        lambda a: a.to(torch.float64),
        lambda a: a.new_zeros(2),
        lambda a: torch.add(x, a),
        lambda a: torch.stack([x, a]),
        lambda a: torch.cat((a, x)),
        lambda a: torch.where(a > 0, a, x),
        lambda a: torch.einsum("ij->i", a),
        lambda a: torch.zeros_like(a),
        lambda a: F.relu(a),
        lambda a: F.linear(a, x),
        lambda a: nn.ReLU()(a),
        lambda a: torch.add(x, 1, out=a),
        lambda a: a.add_(1),
        lambda a: torch.special.erf(a),
        lambda a: torch.fft.fft(a),
        lambda a: torch.linalg.vector_norm(a),
        lambda a: list(a)[0],
        lambda a: a.max(0).values,
        lambda a: a.split(1)[0],
        lambda a: torch.sort(a)[1],
        lambda a: torch.meshgrid(a[0], a[1], indexing="ij")[0],
    ],
)
def test_results_are_of_the_subclass(call):
    assert type(call(as_(Plain))) is Plain
    assert type(call(as_(Sub))) is Sub
    plain = call(x.clone().as_subclass(torch.Tensor))
    assert type(plain) is torch.Tensor
    assert torch.equal(call(as_(Plain)).as_subclass(torch.Tensor), plain)


def test_what_is_no_tensor_stays():
    a = as_(Plain)
    assert type(a.shape) is torch.Size and type(a.size()) is torch.Size
    assert type(a.tolist()) is list and type(a[0, 0].item()) is float and type(a.numpy()) is np.ndarray
    assert type(a.max(0)).__name__ == "max"
    assert type(a.grad) is type(None) and type(a._base) is torch.Tensor
    assert type(a.as_subclass(torch.Tensor)) is torch.Tensor
    assert repr(a[0]) == "Plain([0., 1.])"


@pytest.mark.parametrize(
    "a, b, expected",
    [
        (Plain, Sub, Sub),
        (Sub, Plain, Sub),
        (Plain, None, Plain),
        (None, Sub, Sub),
        (Plain, Other, None),
        (Sub, Other, None),
    ],
)
def test_precedence_of_classes(a, b, expected):
    a, b = (x.clone() if c is None else as_(c) for c in (a, b))
    for call in (operator.add, torch.mul, lambda p, q: torch.stack([p, q]), F.mse_loss):
        if expected:
            assert type(call(a, b)) is expected
        else:  # unrelated classes
            with pytest.raises(TypeError):
                call(a, b)


def test_in_place_keeps_object_and_class():
    a = as_(Plain)
    same = a
    a += 1
    a *= x
    a[0] = 5
    assert a is same and type(a) is Plain and a.tolist() == [[5, 5], [6, 12]]
    p = x.clone()
    p += as_(Plain)
    assert type(p) is Plain or type(p) is torch.Tensor
    p = x.clone()
    p[0] = as_(Plain)[1]
    assert type(p) is torch.Tensor and p.tolist() == [[2, 3], [2, 3]]


def test_gradients_flow_through_subclasses():
    w = x.clone().requires_grad_()
    a = w.as_subclass(Plain)
    y = (a * a).sum()
    assert type(y) is Plain and y.requires_grad
    y.backward()
    assert w.grad.tolist() == [[0, 2], [4, 6]]
    leaf = as_(Plain).requires_grad_()
    (leaf * 3).sum().backward()
    assert type(leaf.grad) is torch.Tensor and leaf.grad.tolist() == [[3, 3], [3, 3]]
    (g,) = torch.autograd.grad((leaf**2).sum(), leaf)
    assert g.tolist() == [[0, 2], [4, 6]]


def test_attributes_of_instances_survive():
    class Named(torch.Tensor):
        @staticmethod
        def __new__(cls, data, name):
            return super().__new__(cls, data)

        def __init__(self, data, name):
            self.name_ = name

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            result = super().__torch_function__(func, types, args, kwargs)
            if isinstance(result, cls) and not hasattr(result, "name_"):
                result.name_ = next((a.name_ for a in args if hasattr(a, "name_")), None)
            return result

    a = Named(x, "a")
    assert (a + 1).name_ == "a" and a.sum().name_ == "a" and a[0].name_ == "a"


def test_copies_and_pickles():
    a = as_(Plain)
    a.note = [1]
    for b in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert type(b) is Plain and torch.equal(b, a) and b.note == [1]
    assert copy.deepcopy(a).note is not a.note


def test_parameters():
    p = nn.Parameter(x.clone())
    assert type(p + 1) is torch.Tensor and type(p[0]) is torch.Tensor and type(p.detach()) is torch.Tensor
    assert not overrides.has_torch_function((p,))
    q = nn.Parameter(as_(Plain))
    assert type(q) is Plain and isinstance(q, nn.Parameter) and q.requires_grad and q.is_leaf
    assert not isinstance(as_(Plain), nn.Parameter)
    assert type(p + as_(Plain)) is Plain

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(as_(Plain))
            self.register_buffer("b", as_(Plain))

        def forward(self, t):
            return t @ self.w + self.b

    m = Model()
    assert [n for n, _ in m.named_parameters()] == ["w"] and type(m(x)) is Plain
    optimizer = torch.optim.SGD(m.parameters(), lr=0.5)
    m(x).sum().backward()
    before = m.w.detach().clone()
    optimizer.step()
    assert type(m.w) is Plain and torch.allclose(m.w.detach(), before - 0.5 * m.w.grad)

    class Broken(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    with pytest.raises(RuntimeError, match="detach"):
        nn.Parameter(as_(Broken))


# ---- what handlers see


@pytest.mark.skipif(reference is None, reason="torch is not installed")
def test_calls_reach_handlers_as_in_torch():
    ours, theirs = overrides_reference.run(torch), overrides_reference.run(reference)
    different = {
        name: (ours[name], theirs[name])
        for name in theirs
        if ours[name] != theirs[name] and name not in overrides_reference.KNOWN
    }
    assert len(theirs) > 300 and not different
    assert overrides_reference.KNOWN <= set(theirs)


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda a: a + 1, "torch.Tensor.add"),
        (lambda a: 1 - a, "torch.Tensor.__rsub__"),
        (lambda a: a.shape, "torch.Tensor.shape.__get__"),
        (lambda a: a[0], "torch.Tensor.__getitem__"),
        (lambda a: torch.exp(a), "torch.exp"),
        (lambda a: F.relu(a), "torch.nn.functional.relu"),
        (lambda a: len(a), "torch.Tensor.__len__"),
        (lambda a: setattr(a, "grad", None), "torch.Tensor.grad.__set__"),
        (lambda a: np.asarray(a), "torch.Tensor.__array__"),
    ],
)
def test_names_of_calls(call, name):
    a = as_(Logged)
    Logged.log.clear()
    call(a)
    assert Logged.log == [name]


def test_plain_method_is_called_with_a_warning():
    class Old:
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return type(self), types

    with pytest.warns(DeprecationWarning, match="plain method"):
        assert torch.add(x, Old()) == (Old, (Old,))


def test_handlers_that_decline():
    class Declines(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    d = x.as_subclass(Declines)
    with pytest.raises(TypeError, match=r"torch.add.*returned NotImplemented"):
        torch.add(d, 1)
    with pytest.raises(TypeError, match="unsupported operand"):
        d + 1
    assert torch.add(d, Duck())[0] == "duck" and (d + Duck())[0] == "duck"
    with pytest.raises(TypeError):
        d[0]
    with pytest.raises(TypeError):
        d[0] = 1
    with pytest.raises(TypeError):
        _ = d.shape


def test_exceptions_of_handlers_arrive():
    class Raises(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            raise KeyError("mine")

    a = x.as_subclass(Raises)
    for call in (
        lambda: a + 1,
        lambda: torch.sum(a),
        lambda: a[0],
        lambda: a.T,
        lambda: bool(a),
        lambda: len(a),
        lambda: 1 in a,
        lambda: a == 1,
        lambda: F.relu(a),
        lambda: setattr(a, "grad", None),
        lambda: a.__setitem__(0, 1),
        lambda: repr(a),
    ):
        with pytest.raises(KeyError, match="mine"):
            call()


def test_a_class_may_get_its_handler_later():
    class Late(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    a = x.as_subclass(Late)
    assert type(a + 1) is torch.Tensor
    Late.__torch_function__ = classmethod(lambda cls, func, types, args=(), kwargs=None: "late")
    assert a + 1 == "late"


# ---- other classes


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda d: torch.add(x, d), "torch.add"),
        (lambda d: torch.add(input=x, other=d), "torch.add"),
        (lambda d: x + d, "torch.Tensor.add"),
        (lambda d: d + x, "torch.Tensor.add"),
        (lambda d: d - x, "torch.Tensor.__rsub__"),
        (lambda d: x @ d, "torch.Tensor.matmul"),
        (lambda d: x < d, "torch.Tensor.lt"),
        (lambda d: d < x, "torch.Tensor.gt"),
        (lambda d: x.add(d), "torch.Tensor.add"),
        (lambda d: x.clone().__iadd__(d), "torch.Tensor.add_"),
        (lambda d: x[d], "torch.Tensor.__getitem__"),
        (lambda d: torch.stack([x, d]), "torch.stack"),
        (lambda d: torch.sum(d, dim=0), "torch.sum"),
        (lambda d: F.relu(d), "torch.nn.functional.relu"),
        (lambda d: F.linear(d, x), "torch.nn.functional.linear"),
        (lambda d: torch.einsum("i->i", d), "torch.functional.einsum"),
        (lambda d: torch.einsum("i->i", [d]), "torch.functional.einsum"),
        (lambda d: torch.add(x, x, out=d), "torch.add"),
        (lambda d: nn.init.uniform_(d), "torch.nn.init.uniform_"),
        (lambda d: torch.fft.fft(d), "torch.fft.fft"),
    ],
)
def test_other_classes_take_calls_over(call, name):
    found = call(Duck())
    assert found[:2] == ("duck", name)


def test_other_classes_take_assignments_over():
    seen = []

    class Seen:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((overrides.resolve_name(func), len(args)))

    y = x.clone()
    y[0] = Seen()
    assert seen == [("torch.Tensor.__setitem__", 3)] and torch.equal(x, y)


def test_objects_without_handler_are_refused_as_ever():
    class Nothing:
        __torch_function__ = torch._C._disabled_torch_function_impl

    for o in (object(), Nothing(), "text"):
        with pytest.raises(TypeError):
            torch.add(x, o)
        with pytest.raises(TypeError):
            x + o
        with pytest.raises((IndexError, TypeError)):
            x[o]


def test_every_function_can_be_taken_over():
    testing = overrides.get_testing_overrides()
    assert len(testing) > 1000
    for namespace, functions in overrides.get_overridable_functions().items():
        for function in functions:
            assert function in testing, (namespace, function)
    for function, constant in testing.items():
        spec = inspect.getfullargspec(constant)
        count = len(spec.args) - len(spec.defaults or ())
        method = overrides.is_tensor_method_or_property(function)
        seen = []

        class Takes(torch.Tensor if method else object):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None, seen=seen, constant=constant):
                seen.append(func)
                return constant(*args, **(kwargs or {}))

        a = torch.ones(2).as_subclass(Takes) if method else Takes()
        args = [a] * (count + 2 * (spec.varargs is not None))
        kwargs = {n: a for n in spec.kwonlyargs if n not in (spec.kwonlydefaults or {})}
        if function.__name__ == "__get__" and function.__self__.__name__ == "layout":
            args = [a]
        result = function(*(args or [a]), **kwargs)
        assert seen and (seen[0] == function or overrides.resolve_name(seen[0])), overrides.resolve_name(function)
        assert result in (-1, 0, None), (function, result)


# ---- modes


def test_modes_nest_and_call_the_next_outer_one():
    with Mode("a") as a:
        with Mode("b") as b:
            x + 1
        torch.zeros(2)
    x + 1
    assert b.log == ["torch.Tensor.add"]
    assert a.log == ["torch.Tensor.add", "torch.zeros"]


@pytest.mark.parametrize(
    "call, names",
    [
        (lambda: torch.ones(2), ["torch.ones"]),
        (lambda: torch.tensor([1.0]), ["torch.tensor"]),
        (lambda: torch.randperm(3), ["torch.randperm"]),
        (lambda: x.shape, ["torch.Tensor.shape.__get__"]),
        (lambda: F.relu(x), ["torch.nn.functional.relu"]),
        (lambda: repr(x), ["torch.Tensor.__repr__"]),
        (lambda: x.__setitem__(0, x[0]), ["torch.Tensor.__getitem__", "torch.Tensor.__setitem__"]),
        (lambda: torch.is_tensor(x), []),
        (lambda: hash(x), []),
        (lambda: torch.manual_seed(0), []),
    ],
)
def test_what_modes_see(call, names):
    assert names_of(call) == names


def test_modes_come_before_subclasses():
    Logged.log.clear()
    with Mode() as mode:
        assert type(as_(Logged) + 1) is Logged
    assert mode.log[-1] == "torch.Tensor.add" and Logged.log[-1] == "torch.Tensor.add"


def test_modes_belong_to_their_thread():
    with Mode() as mode:
        thread = threading.Thread(target=lambda: x + 1)
        thread.start()
        thread.join()
    assert mode.log == []


def test_modes_that_raise_are_left():
    class Raises(overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            raise KeyError("mode")

    for _ in range(3):
        with pytest.raises(KeyError), Raises():
            x + 1
        with Raises():
            with pytest.raises(KeyError):
                x + 1
            with pytest.raises(KeyError):
                torch.ones(1)
    assert overrides._get_current_function_mode() is None and overrides._get_current_function_mode_stack() == []
    assert type(x + 1) is torch.Tensor
    with pytest.raises(NotImplementedError), overrides.TorchFunctionMode():
        x + 1
    with pytest.raises(RuntimeError):
        torch._C._pop_torch_function_stack()


def test_current_modes():
    with Mode("a") as a, Mode("b") as b:
        assert overrides._get_current_function_mode() is b
        assert overrides._get_current_function_mode_stack() == [a, b]
        with overrides._pop_mode_temporarily() as top:
            assert top is b and overrides._get_current_function_mode() is a


def test_states():
    a = as_(Plain)
    with torch._C.DisableTorchFunctionSubclass():
        assert type(a + 1) is torch.Tensor and type(a[0]) is torch.Tensor and type(a.T) is torch.Tensor
        with Mode() as mode:
            a + 1
        assert mode.log == ["torch.Tensor.add"]
        assert not torch._C._is_torch_function_enabled()
    with Mode() as mode, torch._C.DisableTorchFunction():
        assert type(a + 1) is torch.Tensor
        with overrides._enable_torch_function():
            assert type(a + 1) is Plain
    assert mode.log == ["torch.Tensor.add"]
    assert torch._C._is_torch_function_enabled() and type(a + 1) is Plain


# ---- functions of programs


def test_own_functions():
    def double(a):
        if overrides.has_torch_function((a,)):
            return overrides.handle_torch_function(double, (a,), a)
        return a * 2

    assert type(double(as_(Plain))) is Plain and type(double(x)) is torch.Tensor
    assert double(Duck()) == ("duck", None, 1, [])
    wrapped = overrides.wrap_torch_function(lambda a: (a,))(lambda a: a * 2)
    assert wrapped(Duck())[0] == "duck" and torch.equal(wrapped(x), x * 2)
    assert overrides.has_torch_function_unary(as_(Plain)) and not overrides.has_torch_function_unary(x)
    assert overrides.has_torch_function_variadic(x, Duck()) and not overrides.has_torch_function_variadic(x, 1, None)


def test_redispatch():
    log = []

    class Redispatched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            log.append(func.__name__)
            return overrides.redispatch_function(func, types, args, kwargs)

    def scaled(a, b):
        if overrides.has_torch_function((a, b)):
            return overrides.handle_torch_function(scaled, (a, b), a, b)
        return a * b + 1

    a = torch.tensor([3.0]).as_subclass(Redispatched)
    assert scaled(a, a).tolist() == [10.0] and log == ["scaled", "mul"]


def test_lengths_from_handlers():
    class Counted(torch.Tensor):
        length = 3

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return cls.length

    a = x.as_subclass(Counted)
    assert len(a) == 3 and 1 in a
    for Counted.length in (-1, -5):
        with pytest.raises(ValueError, match="__len__"):
            len(a)
    for Counted.length in ("text", None, 2**100):
        with pytest.raises((TypeError, OverflowError)):
            len(a)
    with pytest.raises(TypeError):
        float(a)
    with pytest.raises(TypeError):
        repr(a)


def test_questions():
    assert overrides.is_tensor_like(x) and overrides.is_tensor_like(Duck()) and not overrides.is_tensor_like(3)
    assert overrides.is_tensor_method_or_property(torch.Tensor.add)
    assert overrides.is_tensor_method_or_property(torch.Tensor.shape.__get__)
    assert not overrides.is_tensor_method_or_property(torch.add)
    assert overrides.resolve_name(torch.Tensor.add) == "torch.Tensor.add"
    assert overrides.resolve_name(torch.Tensor.grad.__set__) == "torch.Tensor.grad.__set__"
    assert overrides.resolve_name(len) is None and overrides.resolve_name([]) is None
    assert torch.add not in overrides.get_ignored_functions() and torch.zeros in overrides.get_ignored_functions()
    assert torch.Tensor.as_subclass in overrides.get_ignored_functions()
    assert torch.Tensor.grad.__get__ in overrides.get_default_nowrap_functions()
    with overrides.enable_reentrant_dispatch():
        pass


def test_functions_of_python_are_themselves():
    assert F.relu.__name__ == "relu" and F.relu.__module__ == "rushlight.nn.functional" and F.relu.__doc__
    signature = inspect.signature(F.relu)
    assert list(signature.parameters) == ["input", "inplace"] and signature.parameters["inplace"].default is False
    for f in (F.relu, F.linear, F.leaky_relu, F.tanh, torch.special.expit):
        assert pickle.loads(pickle.dumps(f)) is f and copy.deepcopy(f) is f
    assert str(inspect.signature(F.leaky_relu)) == "(input, negative_slope=0.01, inplace=False)"
    assert inspect.isfunction(F.mse_loss) and pickle.loads(pickle.dumps(F.mse_loss)) is F.mse_loss
    assert copy.deepcopy(F.mse_loss) is F.mse_loss and repr(F.mse_loss).startswith("<function mse_loss")
    with pytest.raises(TypeError, match="relu"):
        F.relu()


def test_bad_calls_of_the_protocol():
    with pytest.raises(TypeError):
        torch.Tensor.__torch_function__()
    with pytest.raises(TypeError):
        torch.Tensor.__torch_function__(torch.add, (torch.Tensor,), (x, 1), [1])
    with pytest.raises(TypeError):
        torch.Tensor.__torch_function__(torch.add, 5)
    assert torch.Tensor.__torch_function__(torch.add, (Duck,), (x, 1)) is NotImplemented
    assert torch.Tensor.__torch_function__(torch.add, (torch.Tensor,), (x, 1)).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(TypeError):
        overrides.handle_torch_function(torch.add, (), x)
    with pytest.raises(TypeError):
        overrides.has_torch_function(5)
    for bad in (None, 5, -1, 3):
        with pytest.raises((TypeError, ValueError)):
            torch._C._swap_torch_function_state(bad if bad != 5 else "a")
    with pytest.raises(TypeError):
        torch._C._overridable(5)


class SameInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        return g


def test_custom_functions_that_return_an_input():
    class Own(torch.Tensor):
        pass

    class Disabled(torch.Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

    for leaf in (torch.ones(2), torch.ones(2, requires_grad=True)):
        assert type(SameInput.apply(leaf.as_subclass(Own))) is Own
        assert type(SameInput.apply(leaf.as_subclass(Disabled))) is torch.Tensor
    assert type(SameInput.apply(torch.nn.Parameter(torch.ones(2)))) is torch.Tensor


def test_bool_takes_only_bools_from_handlers():
    class Own(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return cls.answer

    t = torch.ones(1).as_subclass(Own)
    for Own.answer in (True, False):
        assert bool(t) is Own.answer
    for Own.answer in ("no bool", 1, None):
        with pytest.raises(TypeError, match="__bool__ should return bool, returned"):
            bool(t)


def test_grad_is_taken_over_under_its_name():
    seen = []

    class Own(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append(func)
            return super().__torch_function__(func, types, args, kwargs)

    w = torch.ones(2, requires_grad=True)
    y = (w * 2).sum().as_subclass(Own)
    (g,) = torch.autograd.grad(y, w)
    assert seen == [torch.autograd.grad] and seen[0].__name__ == "grad"
    assert g.tolist() == [2, 2]
    assert pickle.loads(pickle.dumps(torch.autograd.grad)) is torch.autograd.grad
