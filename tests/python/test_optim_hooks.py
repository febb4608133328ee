"""Hooks of optimizers: when they run, what they are given, what they may change; flags that make layers do nothing."""

import copy
import importlib
import pickle

import pytest
import rushlight
from rushlight import optim

try:
    import torch as reference
except ImportError:
    reference = None

LIBRARIES = [rushlight] + ([reference] if reference else [])


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def torch(request):
    """What is asserted of one is asserted of the other."""
    return request.param


def parameter(torch):
    w = torch.ones(2, requires_grad=True)
    w.grad = torch.ones(2)
    return w


def test_arguments_of_step_hooks(torch):
    calls = []
    optimizer = torch.optim.SGD([parameter(torch)], lr=0.5)
    optimizer.register_step_pre_hook(lambda *given: calls.append(("pre", *given)))
    optimizer.register_step_post_hook(lambda *given: calls.append(("post", *given)))

    def closure():
        calls.append("closure")
        return 3

    assert optimizer.step() is None
    assert calls == [("pre", optimizer, (optimizer,), {}), ("post", optimizer, (optimizer,), {})]
    calls.clear()
    assert optimizer.step(closure) == 3
    given = (optimizer, (optimizer, closure), {})
    assert calls == [("pre", *given), "closure", ("post", *given)]
    calls.clear()
    assert optimizer.step(closure=closure) == 3
    given = (optimizer, (optimizer,), {"closure": closure})
    assert calls == [("pre", *given), "closure", ("post", *given)]


def test_a_pre_hook_replaces_the_arguments(torch):
    optimizer = torch.optim.SGD([parameter(torch)], lr=0.5)
    seen = []
    handle = optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 7}))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append((args, list(kwargs))))
    assert optimizer.step() == 7 and seen == [((optimizer,), ["closure"])]
    handle.remove()
    assert optimizer.step() is None
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of \\(new_args, new_kwargs\\), but got 3"):
        optimizer.step()


def test_global_hooks(torch):
    module = importlib.import_module(f"{torch.__name__}.optim.optimizer")
    before, after = module.register_optimizer_step_pre_hook, module.register_optimizer_step_post_hook
    calls = []
    optimizers = [torch.optim.SGD([parameter(torch)]), torch.optim.Adam([parameter(torch)])]
    for optimizer in optimizers:
        optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre"))
        optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post"))
    handles = [before(lambda *given: calls.append(given)), after(lambda *given: calls.append(given))]
    try:
        for optimizer in optimizers:
            calls.clear()
            optimizer.step()
            given = (optimizer, (optimizer,), {})
            assert calls == [given, "pre", "post", given]
    finally:
        for handle in handles:
            handle.remove()
    calls.clear()
    optimizers[0].step()
    assert calls == ["pre", "post"]


def test_state_dict_hooks(torch):
    calls = []
    optimizer = torch.optim.SGD([parameter(torch)], lr=0.5)
    optimizer.register_state_dict_pre_hook(lambda o: calls.append(("second", o)))
    optimizer.register_state_dict_pre_hook(lambda o: calls.append(("first", o)), prepend=True)
    handle = optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_state_dict_post_hook(lambda o, state: calls.append("more" in state))
    state = optimizer.state_dict()
    assert calls == [("first", optimizer), ("second", optimizer), True] and state["more"] == 1
    handle.remove()
    assert "more" not in optimizer.state_dict()

    def lower(o, state):
        assert state is not given
        state["param_groups"] = [{**state["param_groups"][0], "lr": 0.25}]

    given = optimizer.state_dict()
    optimizer.register_load_state_dict_pre_hook(lower)
    optimizer.register_load_state_dict_pre_hook(lambda o, state: calls.append(state["param_groups"][0]["lr"]))
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append(o.param_groups[0]["lr"]))
    calls.clear()
    optimizer.load_state_dict(given)
    assert calls == [0.25, 0.25] and given["param_groups"][0]["lr"] == 0.5


def test_copies_have_no_hooks(torch):
    optimizer = torch.optim.SGD([parameter(torch)], lr=0.5)
    calls = []
    optimizer.register_step_pre_hook(lambda *given: calls.append(1))
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        other.step()
        assert not calls and other.state_dict()["param_groups"][0]["lr"] == 0.5
        other.register_state_dict_pre_hook(lambda o: calls.append(2))
        other.state_dict()
        assert calls == [2]
        calls.clear()


def test_step_keeps_its_name():
    assert optim.SGD.step.__name__ == "step" and optim.SGD.step.__qualname__ == "SGD.step"


def test_dropout_that_does_nothing_gives_its_input(torch):
    x, leaf = torch.ones(3), torch.ones(3, requires_grad=True)
    for inplace in (False, True):
        layer = torch.nn.Dropout(0.5, inplace=inplace).eval()
        for t in (x, leaf, leaf * 2):
            version = t._version
            assert layer(t) is t and torch.nn.functional.dropout(t, 0.5, False, inplace) is t
            assert t._version == version
    with pytest.raises(RuntimeError, match="leaf"):
        torch.nn.Dropout(0.5, inplace=True)(leaf)
    assert torch.nn.functional.dropout(x, 0.5, True, True) is x


def test_layers_in_place(torch):
    for layer in (torch.nn.ReLU(inplace=True), torch.nn.LeakyReLU(0.5, inplace=True)):
        x = torch.tensor([-2.0, 2.0])
        assert layer(x) is x and x[0] > -2
        with pytest.raises(RuntimeError, match="leaf"):
            layer(torch.ones(2, requires_grad=True))
