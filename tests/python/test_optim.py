"""rushlight.optim: literal values, torch's messages, and torch's results where it is installed."""

import copy
import pickle
import warnings

import pytest
import rushlight as torch
from helpers import close
from rushlight import nn, optim
from rushlight.nn import functional as F

# ---- optimizers


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


# ---- schedules and training

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
