"""Layers, losses, init and nn.utils: literal values, and torch's results where it is installed."""

import pytest
import rushlight as torch
from helpers import close, filled_linear
from rushlight import nn
from rushlight.nn import functional as F

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
    assert sorted(set(y.tolist())) == pytest.approx([0.0, 4 / 3])
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
