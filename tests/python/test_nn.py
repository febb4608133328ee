"""rushlight.nn and rushlight.optim: literal values, torch's messages, and torch's results where it is installed."""

import copy
import gc
import pickle
import warnings
import weakref
from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn, optim
from rushlight.nn import functional as F


def close(actual, expected, tolerance=1e-6):
    """Compare tensors of either library, numbers or nested lists."""
    values = [x.tolist() if hasattr(x, "tolist") else x for x in (actual, expected)]
    assert flat(values[0]) == pytest.approx(flat(values[1]), rel=tolerance, abs=tolerance)


def flat(value):
    return [x for item in value for x in flat(item)] if isinstance(value, (list, tuple)) else [value]


def filled_linear(device="cpu"):
    layer = nn.Linear(2, 3, device=device)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        layer.bias.copy_(torch.tensor([0.5, -0.5, 0.0]))
    return layer


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


# ---- layers


def test_linear(device):
    layer = filled_linear(device)
    x = torch.tensor([[1.0, -1.0], [0.0, 2.0]], device=device, requires_grad=True)
    y = layer(x)
    close(y, [[-0.5, -1.5, -1.0], [4.5, 7.5, 12.0]])
    y.sum().backward()
    close(layer.weight.grad, [[1.0, 1.0]] * 3)
    close(layer.bias.grad, [2.0] * 3)
    close(x.grad, [[9.0, 12.0]] * 2)
    assert layer(torch.ones(4, 5, 2, device=device)).shape == (4, 5, 3)
    close(nn.Linear(2, 3, bias=False, device=device)(torch.zeros(1, 2, device=device)), [[0.0] * 3])


def test_linear_with_replaced_weight():
    layer = filled_linear()
    weight = layer.weight.detach()
    del layer.weight
    layer.weight = weight * 2
    close(layer(torch.ones(1, 2)), [[6.5, 13.5, 22.0]])


def test_shape_layers(device):
    x = torch.arange(24.0, device=device).reshape(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(2, (2, 2))(x).shape == (2, 3, 2, 2)
    assert nn.Identity(1, foo=2)(x) is x


def test_activations(device):
    x = torch.tensor([[-1.0, 0.0, 2.0]], device=device)
    close(nn.ReLU()(x), [[0.0, 0.0, 2.0]])
    close(nn.Sigmoid()(x), [[0.26894142, 0.5, 0.88079708]])
    close(nn.Tanh()(x), [[-0.76159416, 0.0, 0.96402758]])
    close(nn.Softmax(dim=1)(x), [[0.04201007, 0.1141952, 0.84379473]])
    close(nn.LogSoftmax(dim=1)(x), [[-3.16984602, -2.16984602, -0.16984602]])
    y = x.clone()
    assert nn.ReLU(inplace=True)(y) is y
    close(y, [[0.0, 0.0, 2.0]])
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        nn.Softmax()(x)


def test_leaky_relu(device):
    close(nn.LeakyReLU(0.1)(torch.tensor([-1.0, 2.0], device=device)), [-0.1, 2.0])


def test_dropout(device):
    x = torch.ones(10000, device=device)
    torch.manual_seed(0)
    y = nn.Dropout(0.25)(x)
    assert y.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert abs((y == 0).float().mean().item() - 0.25) < 0.02
    close(nn.Dropout(0.25).eval()(x).sum(), 10000.0)
    close(F.dropout(x, 1.0).sum(), 0.0)
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got 2"):
        nn.Dropout(2)


# ---- losses


def test_pointwise_losses(device):
    x = torch.tensor([1.0, 2.0, 4.0], device=device, requires_grad=True)
    t = torch.tensor([1.0, 0.0, 1.0], device=device)
    close(nn.MSELoss()(x, t), 13 / 3)
    close(nn.MSELoss(reduction="sum")(x, t), 13.0)
    close(nn.MSELoss(reduction="none")(x, t), [0.0, 4.0, 9.0])
    close(nn.L1Loss()(x, t), 5 / 3)
    close(nn.L1Loss(reduction="sum")(x, t), 5.0)
    w = torch.tensor([1.0, 2.0, 1.0], device=device)
    close(F.mse_loss(x, t, weight=w), 17 / 4)
    close(F.l1_loss(x, t, weight=w, reduction="none"), [0.0, 4.0, 3.0])
    assert type(F.mse_loss(x, t).grad_fn).__name__ == "MseLossBackward0"
    assert type(F.l1_loss(x, t).grad_fn).__name__ == "MeanBackward0"
    F.mse_loss(x, t).backward()
    close(x.grad, [0.0, 4 / 3, 2.0])


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss])
def test_pointwise_loss_warns_of_broadcast(loss):
    message = (
        r"Using a target size \(torch.Size\(\[2\]\)\) that is different to the input size \(torch.Size\(\[3, 2\]\)\)\. "
        "This will likely lead to incorrect results due to broadcasting"
    )
    with pytest.warns(UserWarning, match=message):
        close(loss(torch.ones(3, 2), torch.zeros(2)), 1.0)
    with pytest.raises(ValueError, match="foo is not a valid value for reduction"):
        loss(torch.ones(2), torch.ones(2), reduction="foo")


def test_legacy_reduction():
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated.*reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning):
        assert nn.MSELoss(reduce=False).reduction == "none"


def test_cross_entropy(device):
    x = torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]], device=device, requires_grad=True)
    t = torch.tensor([2, 0], device=device)
    loss = nn.CrossEntropyLoss()(x, t)
    close(loss, (0.40760596 + 1.09861229) / 2)
    loss.backward()
    close(x.grad, [[0.04501529, 0.12236424, -0.16737953], [-1 / 3, 1 / 6, 1 / 6]])
    close(nn.CrossEntropyLoss(ignore_index=0)(x, t), 0.40760596)
    close(nn.CrossEntropyLoss(reduction="none")(x, t), [0.40760596, 1.09861229])
    weight = torch.tensor([3.0, 1.0, 1.0], device=device)
    close(nn.CrossEntropyLoss(weight)(x, t), (0.40760596 + 3 * 1.09861229) / 4)
    probabilities = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], device=device)
    close(nn.CrossEntropyLoss()(x, probabilities), (0.40760596 + 1.09861229) / 2)
    close(nn.CrossEntropyLoss(label_smoothing=0.3)(x[:1], t[:1]), 0.7 * 0.40760596 + 0.3 * 1.40760596)
    close(F.nll_loss(F.log_softmax(x, 1), t), (0.40760596 + 1.09861229) / 2)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (4,)])
def test_cross_entropy_like_torch(reduction, smoothing, weighted, shape):
    ref = pytest.importorskip("torch")
    generator = ref.Generator().manual_seed(1)
    logits = ref.randn(shape, generator=generator)
    labels = ref.randint(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else (), generator=generator)
    probabilities = ref.rand(shape, generator=generator)
    for target, ignore in ((labels, -100), (labels, 1), (probabilities, -100)):
        results = []
        for lib in (torch, ref):
            x = lib.tensor(logits.tolist(), requires_grad=True)
            weight = lib.tensor([1.0, 2.0, 0.5, 3.0]) if weighted else None
            options = dict(ignore_index=ignore, reduction=reduction, label_smoothing=smoothing)
            loss = lib.nn.CrossEntropyLoss(weight, **options)(x, lib.tensor(target.tolist()))
            loss.sum().backward()
            results.append((loss.detach(), x.grad))
        if ignore == 1 and (labels == 1).all():
            continue  # nan
        close(results[0][0], results[1][0], 1e-5)
        close(results[0][1], results[1][1], 1e-5)


def test_binary_cross_entropy(device):
    x = torch.tensor([0.25, 0.5, 1.0], device=device, requires_grad=True)
    t = torch.tensor([1.0, 0.0, 1.0], device=device)
    close(nn.BCELoss(reduction="none")(x, t), [1.38629436, 0.69314718, 0.0])
    close(nn.BCELoss()(torch.zeros(1, device=device), torch.ones(1, device=device)), 100.0)
    z = torch.tensor([0.0, 2.0], device=device, requires_grad=True)
    loss = nn.BCEWithLogitsLoss(reduction="sum", pos_weight=torch.tensor([3.0, 1.0], device=device))(z, t[:2])
    close(loss, 3 * 0.69314718 + 2.12692801)
    loss.backward()
    close(z.grad, [-1.5, 0.88079708])
    with pytest.raises(ValueError, match="must be the same as input size"):
        F.binary_cross_entropy_with_logits(torch.ones(2, 2), torch.ones(2))
    with pytest.raises(ValueError, match="Using a target size"):
        F.binary_cross_entropy(torch.ones(2, 2), torch.ones(2))


# ---- init


def test_init_values():
    x = torch.empty(2, 3)
    close(nn.init.constant_(x, 2.5), [[2.5] * 3] * 2)
    close(nn.init.zeros_(x), [[0.0] * 3] * 2)
    close(nn.init.ones_(x), [[1.0] * 3] * 2)
    close(nn.init.eye_(x), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert nn.init.uniform_(x) is x
    assert nn.init._calculate_fan_in_and_fan_out(torch.empty(8, 4, 3, 3)) == (36, 72)
    p = nn.Parameter(torch.empty(3, 3))
    assert nn.init.normal_(p) is p and p.is_leaf and p.grad_fn is None


def test_gain():
    assert nn.init.calculate_gain("relu") == 2**0.5 and nn.init.calculate_gain("tanh") == 5 / 3
    assert nn.init.calculate_gain("leaky_relu", 1) == 1 and nn.init.calculate_gain("conv_transpose2d") == 1
    with pytest.raises(ValueError, match="Unsupported nonlinearity x"):
        nn.init.calculate_gain("x")
    with pytest.raises(ValueError, match="negative_slope True not a valid number"):
        nn.init.calculate_gain("leaky_relu", True)


def test_init_errors():
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.xavier_uniform_(torch.ones(2))
    with pytest.raises(ValueError, match=r"Mode x not supported, please use one of \['fan_in', 'fan_out'\]"):
        nn.init.kaiming_normal_(torch.ones(2, 2), mode="x")
    with pytest.warns(UserWarning, match="zero-element"):
        nn.Linear(0, 2)


INITIALISERS = [
    ("uniform_", dict(a=-2.0, b=3.0)),
    ("normal_", dict(mean=1.0, std=2.0)),
    ("xavier_uniform_", dict(gain=1.5)),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", dict(a=0.1, mode="fan_out")),
    ("kaiming_normal_", dict(nonlinearity="relu")),
    ("trunc_normal_", dict(std=0.7, a=-1.0, b=0.5)),
    ("trunc_normal_", dict(mean=1.0, std=0.5, a=1.5, b=3.0)),
]


@pytest.mark.parametrize("name, options", INITIALISERS)
def test_init_like_torch(name, options):
    ref = pytest.importorskip("torch")
    drawn = []
    for lib in (torch, ref):
        lib.manual_seed(7)
        fill = getattr(lib.nn.init, name)
        plain = fill(lib.empty(20, 13), **options)
        drawn.append((plain, fill(lib.empty(20, 13), generator=lib.Generator().manual_seed(9), **options)))
    close(drawn[0][0], drawn[1][0])
    close(drawn[0][1], drawn[1][1])


def test_linear_starts_like_torch():
    ref = pytest.importorskip("torch")
    for dtype in ("float32", "float64"):
        layers = []
        for lib in (torch, ref):
            lib.manual_seed(3)
            layers.append(lib.nn.Sequential(*(lib.nn.Linear(n, 5, dtype=getattr(lib, dtype)) for n in (64, 3, 17))))
        for ours, theirs in zip(layers[0].parameters(), layers[1].parameters()):
            assert ours.tolist() == theirs.tolist()


# ---- nn.utils


def test_clip_grad():
    p, q = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    p.grad, q.grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    close(nn.utils.clip_grad_norm_([p, q, nn.Parameter(torch.zeros(1))], 1.0), 5.0)
    close(p.grad, [0.6, 0.0])
    close(q.grad, [0.8])
    close(nn.utils.clip_grad_norm_(iter([p, q]), 10.0, norm_type=float("inf")), 0.8)
    close(p.grad, [0.6, 0.0])
    nn.utils.clip_grad_value_(q, 0.5)
    close(q.grad, [0.5])
    q.grad = torch.tensor([float("inf")])
    with pytest.raises(RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        nn.utils.clip_grad_norm_(q, 1.0, error_if_nonfinite=True)
    close(nn.utils.clip_grad_norm_([], 1.0), 0.0)


def test_parameters_to_vector():
    layer = filled_linear()
    vector = nn.utils.parameters_to_vector(layer.parameters())
    close(vector, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5, -0.5, 0.0])
    weight = layer.weight
    nn.utils.vector_to_parameters(vector.detach() * 2, layer.parameters())
    assert layer.weight is weight
    close(layer.weight, [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]])
    with pytest.raises(TypeError, match="expected torch.Tensor, but got: int"):
        nn.utils.vector_to_parameters(3, layer.parameters())


# ---- optim


def test_sgd_by_hand(device):
    p = nn.Parameter(torch.tensor([1.0, 2.0], device=device))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5)
    p.grad = torch.tensor([1.0, -1.0], device=device)
    optimizer.step()
    close(p, [0.9, 2.1])
    optimizer.step()
    close(p, [0.75, 2.25])
    close(p.grad, [1.0, -1.0])
    close(optimizer.state[p]["momentum_buffer"], [1.5, -1.5])
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()  # nothing to do


OPTIMIZERS = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.3)),
    ("SGD", dict(lr=0.1, momentum=0.9, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, maximize=True)),
    ("SGD", dict(lr=0.1, weight_decay=0.1, maximize=True)),
    ("SGD", dict(lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True)),
    ("Adam", {}),
    ("Adam", dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.1, amsgrad=True)),
    ("Adam", dict(maximize=True, eps=1e-3)),
    ("AdamW", dict(lr=0.05)),
    ("AdamW", dict(lr=0.05, weight_decay=0.3, amsgrad=True, maximize=True)),
]


@pytest.mark.parametrize("name, options", OPTIMIZERS)
def test_optimizer_like_torch(name, options):
    ref = pytest.importorskip("torch")
    gradients = ref.randn(6, 2, 3, generator=ref.Generator().manual_seed(0)).tolist()
    ends, texts, states = [], [], []
    for lib in (torch, ref):
        params = [lib.nn.Parameter(lib.ones(2, 3) * k) for k in (1, 2)]
        optimizer = getattr(lib.optim, name)([{"params": params[0]}, {"params": params[1:], "lr": 0.01}], **options)
        for i, gradient in enumerate(gradients):
            params[0].grad = lib.tensor(gradient)
            params[1].grad = lib.tensor(gradient) * 2 if i % 2 else None
            optimizer.step()
            if i == 2:  # through a state dict and on
                state = optimizer.state_dict()
                optimizer = getattr(lib.optim, name)([{"params": params[:1]}, {"params": params[1]}])
                optimizer.load_state_dict(state)
        ends.append(params)
        texts.append(repr(optimizer))
        states.append(optimizer.state_dict())
    for ours, theirs in zip(*ends):
        close(ours, theirs, 2e-6)
    assert texts[0] == texts[1]
    assert states[0]["param_groups"] == states[1]["param_groups"]
    assert list(states[0]["state"]) == list(states[1]["state"])
    for key, entry in states[1]["state"].items():
        assert list(entry) == list(states[0]["state"][key])
        for field, value in entry.items():
            close(states[0]["state"][key][field], value, 2e-6)


def test_closure_runs_with_gradients():
    p = nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        close(optimizer.step(closure), 1.0)
    close(p, [0.0])


def test_optimizer_repr():
    p = nn.Parameter(torch.ones(1))
    assert repr(optim.SGD([p], lr=0.1, momentum=0.9)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0.9\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_named_parameters_and_groups():
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["lr"] == 1e-3
    optimizer = optim.SGD([layer.weight], lr=0.1)
    optimizer.add_param_group({"params": layer.bias, "lr": 0.2})
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.2]


@pytest.mark.parametrize(
    "action, error, text",
    [
        (lambda p: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (lambda p: optim.SGD(p), TypeError, "should be an iterable of Tensors or dicts"),
        (lambda p: optim.SGD([3]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
        (lambda p: optim.SGD([p * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: optim.SGD([p], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda p: optim.SGD([p], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "Nesterov momentum requires a momentum"),
        (lambda p: optim.SGD([{"params": {p}}]), TypeError, "organized in ordered collections"),
        (lambda p: optim.SGD([p]).add_param_group({"params": p}), ValueError, "more than one parameter group"),
        (lambda p: optim.SGD([("a", p), p]), ValueError, "with/without names"),
        (lambda p: optim.Adam([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda p: optim.Adam([p], betas=(0, 2)), ValueError, "Invalid beta parameter at index 1: 2"),
        (
            lambda p: optim.SGD([p]).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "loaded state dict has a different number of parameter groups",
        ),
        (
            lambda p: optim.SGD([p]).load_state_dict({"state": {}, "param_groups": [{"params": []}]}),
            ValueError,
            "doesn't match the size of optimizer's group",
        ),
    ],
)
def test_optimizer_errors(action, error, text):
    with pytest.raises(error) as caught:
        action(nn.Parameter(torch.ones(1)))
    assert text in str(caught.value)


def test_step_hooks():
    p = nn.Parameter(torch.ones(1))
    optimizer, calls = optim.SGD([p]), []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre"))
    handle = optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post"))
    optimizer.step()
    handle.remove()
    optimizer.step()
    assert calls == ["pre", "post", "pre"]


def test_optimizer_pickles():
    p = nn.Parameter(torch.ones(2))
    optimizer = optim.SGD([p], momentum=0.9)
    p.grad = torch.ones(2)
    optimizer.step()
    for twin in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        q = twin.param_groups[0]["params"][0]
        close(twin.state[q]["momentum_buffer"], [1.0, 1.0])
        q.grad = torch.ones(2)
        twin.step()


SCHEDULES = [
    ("StepLR", (3,), dict(gamma=0.5)),
    ("LambdaLR", (lambda epoch: 0.9**epoch,), {}),
    ("CosineAnnealingLR", (5,), dict(eta_min=0.01)),
]


@pytest.mark.parametrize("name, args, options", SCHEDULES)
def test_schedule_like_torch(name, args, options):
    ref = pytest.importorskip("torch")
    rates = []
    for lib in (torch, ref):
        params = [lib.nn.Parameter(lib.ones(1)) for _ in range(2)]
        optimizer = lib.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1)
        schedule = getattr(lib.optim.lr_scheduler, name)(optimizer, *args, **options)
        rates.append([])
        for i in range(13):
            rates[-1] += schedule.get_last_lr()
            optimizer.step()
            schedule.step()
            if i == 6:
                state = schedule.state_dict()
                schedule = getattr(lib.optim.lr_scheduler, name)(optimizer, *args, **options)
                schedule.load_state_dict(state)
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)


def test_schedule_warns_of_order():
    optimizer = optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="lr_scheduler.step.*before.*optimizer.step"):
        schedule.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == [pytest.approx(0.001)]


def test_training_fits_a_line(device):
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 32, device=device).unsqueeze(1)
    model = nn.Linear(1, 1, device=device)
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        F.mse_loss(model(x), 3 * x - 2).backward()
        optimizer.step()
    close(model.weight, [[3.0]], 1e-4)
    close(model.bias, [-2.0], 1e-4)
