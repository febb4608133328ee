"""Anomaly detection."""

import warnings

import pytest
import rushlight as torch
from rushlight.autograd import detect_anomaly, set_detect_anomaly

NAN = "returned nan values in its {}th output"


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        return x + y

    @staticmethod
    def backward(ctx, g):
        return g, g * float("nan")


def leaf(device):
    return torch.ones(3, device=device, requires_grad=True)


@pytest.fixture(autouse=True)
def off():
    yield
    torch._C.set_anomaly_enabled(False)


def quiet(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return detect_anomaly(*args)


def messages(run, match):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match=match):
            run()
    return [str(w.message) for w in caught]


def test_it_is_off(device):
    assert not torch._C.is_anomaly_enabled()
    Fails.apply(leaf(device), leaf(device)).sum().backward()


def test_nan(device):
    with quiet():
        out = Fails.apply(leaf(device), leaf(device)).sum()
    assert not torch._C.is_anomaly_enabled()
    with quiet():
        told = messages(out.backward, "Function 'FailsBackward' " + NAN.format(1))
    assert len(told) == 1 and "Error detected in FailsBackward. Traceback of forward call" in told[0]
    assert "Fails.apply(leaf(device), leaf(device))" in told[0]


def test_operations(device):
    x = torch.zeros(2, device=device, requires_grad=True)
    with quiet():
        out = (x / x).sum()
        told = messages(out.backward, "Function 'DivBackward0' " + NAN.format(1))
    assert "out = (x / x).sum()" in told[0]


def test_recorded_before(device):
    out = Fails.apply(leaf(device), leaf(device)).sum()
    with quiet():
        told = messages(out.backward, NAN.format(1))
    assert "No forward pass information available" in told[0]


def test_parents(device):
    x = torch.zeros(2, device=device, requires_grad=True)
    with quiet():
        (g,) = torch.autograd.grad((x * x * x).sum(), x, create_graph=True)
        told = messages(lambda: (g / g).sum().backward(), NAN.format(1))
    assert len(told) == 1  # the quotient itself fails, and nothing led to it
    y = torch.full((2,), 0.0, device=device, requires_grad=True)
    with quiet():
        (g,) = torch.autograd.grad(y.sqrt().sum(), y, create_graph=True)
        told = messages(lambda: (g * 0).sum().backward(), "returned nan values")
    assert len(told) == 2 and "Previous calculation was induced by SqrtBackward0" in told[1]
    assert "y.sqrt()" in told[1]


def test_without_the_check(device):
    with quiet(False):
        out = Fails.apply(leaf(device), leaf(device)).sum()
        out.backward(retain_graph=True)
        with quiet(True):
            messages(out.backward, NAN.format(1))
        assert not torch._C.is_anomaly_check_nan_enabled()


def test_errors_are_traced(device):
    class Raises(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise RuntimeError("in backward")

    with quiet():
        out = Raises.apply(leaf(device)).sum()
        told = messages(out.backward, "in backward")
    assert "Error detected in RaisesBackward" in told[0]
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="Error detected"):
            Raises.apply(leaf(device)).sum().backward()


def test_set(device):
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        detect_anomaly()
    set_detect_anomaly(True, check_nan=False)
    assert torch._C.is_anomaly_enabled() and not torch._C.is_anomaly_check_nan_enabled()
    with set_detect_anomaly(False):
        assert not torch._C.is_anomaly_enabled()
    assert torch._C.is_anomaly_enabled()
    set_detect_anomaly(False)
