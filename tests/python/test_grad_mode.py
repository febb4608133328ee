"""no_grad, enable_grad, set_grad_enabled and inference_mode."""

import inspect
import threading

import pytest
import rushlight as torch


def leaf(values, device):
    return torch.tensor(values, device=device, requires_grad=True)


def test_no_grad(device):
    x = leaf([1.0], device)
    with torch.no_grad():
        assert not torch.is_grad_enabled() and not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(KeyError):
        with torch.no_grad():
            raise KeyError
    assert torch.is_grad_enabled()


def test_modes_nest_and_are_reusable():
    mode = torch.no_grad()
    for _ in range(2):
        with mode, mode, torch.enable_grad(), mode:
            assert not torch.is_grad_enabled()
        assert torch.is_grad_enabled()
    off = torch.no_grad()
    with torch.no_grad():
        with off:
            pass
        assert not torch.is_grad_enabled()


def test_modes_decorate():
    @torch.no_grad()
    def called(a, *, b=2):
        """Its docstring."""
        return torch.is_grad_enabled(), a + b

    @torch.no_grad
    def bare():
        return torch.is_grad_enabled()

    @torch.enable_grad()
    def enabled():
        return torch.is_grad_enabled()

    @torch.inference_mode()
    def inference():
        return torch.is_inference_mode_enabled()

    @torch.no_grad()
    def generator():
        got = yield torch.is_grad_enabled()
        try:
            yield got, torch.is_grad_enabled()
        except ValueError:
            yield torch.is_grad_enabled()
        return "end"

    assert called(1, b=3) == (False, 4) and called.__name__ == "called" and called.__doc__ == "Its docstring."
    assert bare() is False and inference() is True and not torch.is_inference_mode_enabled()
    with torch.no_grad():
        assert enabled() is True
    running = generator()
    assert inspect.isgeneratorfunction(generator)
    assert next(running) is False and torch.is_grad_enabled()
    assert running.send(5) == (5, False) and torch.is_grad_enabled()
    assert running.throw(ValueError) is False and torch.is_grad_enabled()
    with pytest.raises(StopIteration, match="end"):
        next(running)


def test_subclass_of_a_mode():
    class Quiet(torch.no_grad):
        def __init__(self, text):
            super().__init__()
            self.text = text

    with Quiet("x") as entered:
        assert entered is None and not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_set_grad_enabled():
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def f():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled() and f() is False and torch.is_grad_enabled()
    with pytest.raises(TypeError, match="must be bool"):
        torch.set_grad_enabled(3)


def test_inference_mode(device):
    x = leaf([1.0], device)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        t = x * 2
        t.add_(1)
        with torch.inference_mode(False):
            assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert t.is_inference() and torch.is_inference(t) and not x.is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        t.add_(1)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * t
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        t.requires_grad_()
    (x * t.clone()).backward()
    assert x.grad.item() == 3.0


def test_modes_are_per_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
