"""rushlight.nn.Module, parameters, hooks, state dicts and containers: literal values and torch's messages."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import pytest
import rushlight as torch
from helpers import close, filled_linear
from rushlight import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Sequential(nn.ReLU(), nn.Linear(3, 1, bias=False))
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("cache", torch.zeros(2), persistent=False)

    def forward(self, x):
        return self.second(self.first(x)) * self.scale


# ---- Parameter and Buffer


def test_parameter():
    p = nn.Parameter(torch.tensor([1.0, 2.0]))
    assert isinstance(p, torch.Tensor) and isinstance(p, nn.Parameter)
    assert p.requires_grad and p.is_leaf
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    assert not nn.Parameter(torch.tensor([1]), requires_grad=False).requires_grad
    assert nn.Parameter().shape == (0,)
    assert type(p * 2) is torch.Tensor
    with pytest.raises(RuntimeError):
        nn.Parameter(torch.tensor([1]))


def test_parameter_shares_storage():
    data = torch.zeros(2)
    p = nn.Parameter(data)
    data[0] = 3.0
    close(p, [3.0, 0.0])


def test_parameter_copies():
    p = nn.Parameter(torch.tensor([1.0, 2.0]), requires_grad=False)
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(q) is nn.Parameter and not q.requires_grad and q is not p
        close(q, p)
        q.add_(1)
        close(p, [1.0, 2.0])
    twice = copy.deepcopy([p, p])
    assert twice[0] is twice[1]


def test_buffer():
    m = nn.Module()
    m.kept = nn.Buffer(torch.ones(1))
    m.lost = nn.Buffer(torch.ones(1), persistent=False)
    assert isinstance(m.kept, nn.Buffer) and not isinstance(torch.ones(1), nn.Buffer)
    assert list(dict(m.named_buffers())) == ["kept", "lost"]
    assert list(m.state_dict()) == ["kept"]


# ---- Module


def test_names():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "first.weight", "first.bias", "second.1.weight"]
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [n for n, _ in net.named_parameters(prefix="net")][1] == "net.first.weight"
    assert [n for n, _ in net.named_buffers()] == ["seen", "cache"]
    assert [n for n, _ in net.named_children()] == ["first", "second"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "second", "second.0", "second.1"]
    assert len(list(net.modules())) == 5 and len(list(net.parameters())) == 4 and len(list(net.buffers())) == 2


def test_shared_members_are_listed_once():
    layer = nn.Linear(2, 2)
    both = nn.Sequential(layer, layer)
    assert len(list(both.parameters())) == 2
    assert [n for n, _ in both.named_parameters(remove_duplicate=False)] == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
    ]
    assert len(list(both.children())) == 1
    assert list(both.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_registration_follows_assignment():
    m = nn.Module()
    m.x = 3
    m.x = nn.Parameter(torch.ones(1))
    assert "x" in m._parameters and "x" not in m.__dict__
    m.x = nn.ReLU()
    assert "x" in m._modules and "x" not in m._parameters
    m.x = None
    assert m._modules["x"] is None and list(m.children()) == []
    del m.x
    assert not hasattr(m, "x")
    with pytest.raises(AttributeError):
        del m.x
    m.t = torch.ones(1)
    assert "t" in m.__dict__ and not list(m.buffers())


def test_dir():
    names = dir(Net())
    assert {"first", "scale", "seen", "forward", "training"} <= set(names)
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


class _NoInit(nn.Module):
    def __init__(self, value):
        self.x = value


@pytest.mark.parametrize(
    "action, error, text",
    [
        (lambda m: m.foo, AttributeError, "'Linear' object has no attribute 'foo'"),
        (lambda m: m.register_parameter("a.b", None), KeyError, 'parameter name can\'t contain "."'),
        (lambda m: m.register_parameter("", None), KeyError, 'parameter name can\'t be empty string ""'),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m: m.register_parameter("q", nn.Parameter(torch.ones(1)) * 2), TypeError, "to parameter 'q'"),
        (lambda m: m.register_buffer("weight", None), KeyError, "attribute 'weight' already exists"),
        (lambda m: m.register_buffer("q", 3), TypeError, "cannot assign 'int' object to buffer 'q'"),
        (lambda m: m.add_module("a.b", None), KeyError, 'module name can\'t contain ".", got: a.b'),
        (lambda m: m.add_module("q", 3), TypeError, "int is not a Module subclass"),
        (lambda m: setattr(m, "weight", 3), TypeError, "cannot assign 'int' as parameter 'weight'"),
        (lambda m: m.get_submodule("a.b"), AttributeError, "Linear has no attribute `a`"),
        (lambda m: m.get_submodule("weight"), AttributeError, "`weight` is not an nn.Module"),
        (lambda m: m.get_parameter("in_features"), AttributeError, "`in_features` is not an nn.Parameter"),
        (lambda m: m.get_buffer("weight"), AttributeError, "`weight` is not a buffer"),
        (lambda m: m.train(3), ValueError, "training mode is expected to be boolean"),
        (lambda m: m.to(torch.int32), TypeError, "only accepts floating point or complex dtypes"),
        (lambda m: nn.Module()(3), NotImplementedError, 'Module [Module] is missing the required "forward" function'),
        (lambda m: _NoInit(nn.ReLU()), AttributeError, "cannot assign module before Module.__init__() call"),
        (
            lambda m: _NoInit(nn.Parameter(torch.ones(1))),
            AttributeError,
            "cannot assign parameters before Module.__init__() call",
        ),
    ],
)
def test_errors(action, error, text):
    with pytest.raises(error) as caught:
        action(nn.Linear(2, 2))
    assert text in (caught.value.args[0] if error is KeyError else str(caught.value))


def test_get_and_set_by_path():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("second.1") is net.second[1]
    assert net.get_parameter("second.1.weight") is net.second[1].weight
    assert net.get_buffer("seen") is net.seen
    net.set_submodule("second.0", nn.Tanh())
    assert isinstance(net.second[0], nn.Tanh)


def test_repr():
    net = nn.Sequential(
        OrderedDict(
            body=nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True)),
            heads=nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Dropout(0.2)]),
            named=nn.ModuleDict({"a": nn.Softmax(dim=1)}),
            weights=nn.ParameterList([torch.ones(2), torch.ones(3, 2)]),
            loss=nn.CrossEntropyLoss(),
        )
    )
    assert repr(net) == (
        "Sequential(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "    (1): ReLU(inplace=True)\n"
        "  )\n"
        "  (heads): ModuleList(\n"
        "    (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "    (2): Dropout(p=0.2, inplace=False)\n"
        "  )\n"
        "  (named): ModuleDict(\n"
        "    (a): Softmax(dim=1)\n"
        "  )\n"
        "  (weights): ParameterList(\n"
        "      (0): Parameter containing: [torch.float32 of size 2]\n"
        "      (1): Parameter containing: [torch.float32 of size 3x2]\n"
        "  )\n"
        "  (loss): CrossEntropyLoss()\n"
        ")"
    )
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"
    assert repr(nn.Unflatten(1, (3, 1))) == "Unflatten(dim=1, unflattened_size=(3, 1))"
    assert repr(nn.Identity(3)) == "Identity()" and repr(nn.Sequential()) == "Sequential()"


def test_modes():
    net = Net()
    assert net.eval() is net and not net.second[1].training
    assert net.train().second[0].training
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    visited = []
    net.apply(lambda m: visited.append(type(m).__name__))
    assert visited == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_zero_grad(device):
    layer = filled_linear(device)
    layer(torch.ones(1, 2, device=device)).sum().backward()
    close(layer.weight.grad, [[1.0, 1.0]] * 3)
    layer.zero_grad(set_to_none=False)
    close(layer.weight.grad, [[0.0, 0.0]] * 3)
    layer.zero_grad()
    assert layer.weight.grad is None


def test_to_keeps_parameter_objects():
    net = Net()
    net(torch.ones(4, 2)).sum().backward()
    net.register_buffer("count", torch.tensor([1]))
    before = list(net.parameters())
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters()))
    assert all(p.dtype == torch.float64 and p.grad.dtype == torch.float64 for p in net.parameters())
    assert net.seen.dtype == torch.float64 and net.count.dtype == torch.int64
    assert net.to(torch.float16).scale.dtype == torch.float16
    assert net.to("cpu", torch.float32).scale.dtype == torch.float32
    assert net.to(torch.ones(1, dtype=torch.float64)).scale.dtype == torch.float64
    assert net.to(device="cpu", dtype=torch.bfloat16).scale.dtype == torch.bfloat16
    assert net.float().half().scale.dtype == torch.float16
    assert net.scale.requires_grad and net.scale.is_leaf


def test_deepcopy_and_pickle():
    net = Net()
    net.first.register_forward_hook(print)
    del net.first._forward_hooks[next(iter(net.first._forward_hooks))]
    x = torch.ones(3, 2)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        close(twin(x), net(x))
        assert twin.scale is not net.scale and type(twin.scale) is nn.Parameter


def test_module_is_freed_at_once():
    gc.disable()
    try:
        net = Net()
        handle = net.register_forward_hook(print)
        reference = weakref.ref(net)
        del net
        assert reference() is None
        handle.remove()
    finally:
        gc.enable()


# ---- hooks


def test_forward_hooks():
    layer = nn.Identity()
    calls = []
    pre = layer.register_forward_pre_hook(lambda m, args: calls.append("pre") or (args[0] + 1,))
    post = layer.register_forward_hook(lambda m, args, out: calls.append("post") or out * 10)
    layer.register_forward_hook(lambda m, args, out: calls.append("first"), prepend=True)
    assert layer(1) == 20 and calls == ["pre", "first", "post"]
    post.remove()
    post.remove()
    assert layer(1) == 2
    with pre:
        pass
    assert layer(1) == 1


def test_forward_hooks_with_kwargs():
    class Add(nn.Module):
        def forward(self, a, b=0):
            return a + b

    m = Add()
    m.register_forward_pre_hook(lambda m, args, kwargs: (args, {"b": kwargs["b"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda m, args, kwargs, out: (out, kwargs["b"]), with_kwargs=True)
    assert m(1, b=2) == (4, 3)


def test_always_called_hook():
    class Fails(nn.Module):
        def forward(self):
            raise RuntimeError("no")

    m, calls = Fails(), []
    m.register_forward_hook(lambda *a: calls.append(a), always_call=True)
    m.register_forward_hook(lambda *a: calls.append("never"))
    with pytest.raises(RuntimeError, match="no"):
        m()
    assert calls == [(m, (), None)]


# ---- state dicts


def test_state_dict_round_trip():
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == ["scale", "seen", "first.weight", "first.bias", "second.1.weight"]
    assert not state["scale"].requires_grad and net.state_dict(keep_vars=True)["scale"] is net.scale
    assert state["scale"].data_ptr() == net.scale.data_ptr()
    assert state._metadata["second.1"] == {"version": 1}
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>" and result.missing_keys == []
    close(other(torch.ones(1, 2)), net(torch.ones(1, 2)))
    assert other.scale.data_ptr() != net.scale.data_ptr()


def test_load_state_dict_messages():
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError) as caught:
        layer.load_state_dict({"weight": torch.ones(3, 3), "x": 1, "y.z": 2})
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "x", "y.z". \n'
        "\tsize mismatch for weight: copying a param with shape torch.Size([3, 3]) from checkpoint, "
        "the shape in current model is torch.Size([2, 2])."
    )
    result = layer.load_state_dict({"x": 1}, strict=False)
    assert repr(result) == "_IncompatibleKeys(missing_keys=['weight', 'bias'], unexpected_keys=['x'])"
    missing, unexpected = result
    assert unexpected == ["x"]
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'int'>"):
        layer.load_state_dict(3)
    with pytest.raises(RuntimeError, match="expected torch.Tensor or Tensor-like object from checkpoint"):
        layer.load_state_dict({"weight": 4, "bias": torch.ones(2)})
    with pytest.raises(RuntimeError, match='"0.extra"'):
        nn.Sequential(nn.ReLU()).load_state_dict({"0.extra": 1})


def test_load_state_dict_assign():
    layer = nn.Linear(2, 2)
    weight = torch.ones(2, 2, dtype=torch.float64)
    layer.load_state_dict({"weight": weight, "bias": torch.ones(2)}, assign=True)
    assert layer.weight.data_ptr() == weight.data_ptr() and layer.weight.dtype == torch.float64
    assert type(layer.weight) is nn.Parameter and layer.weight.requires_grad


def test_extra_state_and_hooks():
    class Counter(nn.Module):
        count = 0

        def get_extra_state(self):
            return self.count

        def set_extra_state(self, state):
            self.count = state

    m = nn.Sequential(Counter())
    m[0].count = 5
    state = m.state_dict()
    assert dict(state) == {"0._extra_state": 5}
    fresh = nn.Sequential(Counter())
    fresh.load_state_dict(state)
    assert fresh[0].count == 5
    fresh.register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: state.pop("old", None))
    fresh.load_state_dict({**state, "old": 1})
    fresh.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    fresh.load_state_dict({})


# ---- containers


def test_sequential():
    a, b, c = nn.ReLU(), nn.Linear(2, 2), nn.Tanh()
    seq = nn.Sequential(a, b)
    assert seq.append(c) is seq and len(seq) == 3 and list(seq) == [a, b, c]
    assert seq[0] is a and seq[-1] is c
    assert type(seq[1:]) is nn.Sequential and list(seq[1:]._modules) == ["1", "2"]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        seq[3]
    seq.insert(1, c)
    assert list(seq) == [a, c, b, c]
    del seq[1]
    assert list(seq._modules) == ["0", "1", "2"] and list(seq) == [a, b, c]
    seq[0] = c
    assert seq[0] is c and seq.pop(0) is c and list(seq) == [b, c]
    assert list(seq + nn.Sequential(a)) == [b, c, a] and len(seq * 2) == 4
    named = nn.Sequential(OrderedDict(x=a, y=b))
    assert named.x is a and list(named[:1]._modules) == ["x"]


def test_module_list_and_dict():
    layers = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    assert len(layers) == 3 and isinstance(layers[:2], nn.ModuleList) and len(list(layers.parameters())) == 6
    layers.insert(0, nn.ReLU())
    layers += [nn.Tanh()]
    assert isinstance(layers[0], nn.ReLU) and isinstance(layers[-1], nn.Tanh) and len(layers) == 5
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.ModuleList([3])
    d = nn.ModuleDict({"a": nn.ReLU()})
    d["b"] = nn.Linear(1, 1)
    assert list(d) == ["a", "b"] and "b" in d and len(list(d.values())) == 2
    assert isinstance(d.pop("b"), nn.Linear) and list(d.keys()) == ["a"]


def test_parameter_list():
    params = nn.ParameterList([torch.ones(2), 3])
    params.append(nn.Parameter(torch.zeros(1)))
    assert isinstance(params[0], nn.Parameter) and params[1] == 3 and len(params) == 3
    assert [n for n, _ in params.named_parameters()] == ["0", "2"]
    params[1] = torch.ones(1)
    assert len(list(params.parameters())) == 3 and len(params[1:]) == 2
