"""Windows against SciPy."""

import numpy as np
import pytest
import rushlight as torch

windows = pytest.importorskip("scipy.signal").windows

PLAIN = {
    "bartlett_window": lambda n, sym: windows.bartlett(n, sym),
    "blackman_window": lambda n, sym: windows.blackman(n, sym),
    "hamming_window": lambda n, sym: windows.hamming(n, sym),
    "hann_window": lambda n, sym: windows.hann(n, sym),
    "kaiser_window": lambda n, sym: windows.kaiser(n, 12.0, sym),
}
SIGNAL = {
    "bartlett": ({}, windows.bartlett),
    "blackman": ({}, windows.blackman),
    "cosine": ({}, windows.cosine),
    "exponential": ({"tau": 2.5}, lambda n, sym: windows.exponential(n, None, 2.5, sym)),
    "gaussian": ({"std": 1.7}, lambda n, sym: windows.gaussian(n, 1.7, sym)),
    "general_cosine": ({"a": [0.4, 0.3, 0.2]}, lambda n, sym: windows.general_cosine(n, [0.4, 0.3, 0.2], sym)),
    "general_hamming": ({"alpha": 0.6}, lambda n, sym: windows.general_hamming(n, 0.6, sym)),
    "hamming": ({}, windows.hamming),
    "hann": ({}, windows.hann),
    "kaiser": ({"beta": 5.5}, lambda n, sym: windows.kaiser(n, 5.5, sym)),
    "nuttall": ({}, windows.nuttall),
}


@pytest.mark.parametrize("name", PLAIN)
def test_functions(name, device):
    f = getattr(torch, name)
    for n in (0, 1, 2, 3, 8, 101):
        for periodic in (True, False):
            want = PLAIN[name](n, not periodic)
            got = f(n, periodic, dtype=torch.float64, device=device)
            np.testing.assert_allclose(got.cpu().numpy(), want, atol=1e-13)
            half = f(n, periodic=periodic, dtype=torch.float16)
            assert half.dtype == torch.float16 and half.double().sub(got).abs().sum() <= 1e-3 * n
    assert f(4).dtype == torch.float32 and f(window_length=4).equal(f(4, True)) and f(4, requires_grad=True).is_leaf
    for bad, error in [
        (lambda: f(-1), RuntimeError),
        (lambda: f(2.5), TypeError),
        (lambda: f(3, dtype=torch.int64), RuntimeError),
        (lambda: f(3, dtype=torch.complex64), NotImplementedError),
    ]:
        with pytest.raises(error):
            bad()


def test_parameters():
    got = torch.hamming_window(6, True, 0.7, 0.2, dtype=torch.float64).numpy()
    np.testing.assert_allclose(got, 0.7 - 0.2 * np.cos(2 * np.pi * np.arange(6) / 6), atol=1e-14)
    for beta in (0.0, 0.5, 8.0, 29.0, 31.0, 120.0, 600.0):
        got = torch.kaiser_window(31, False, beta, dtype=torch.float64)
        np.testing.assert_allclose(got.numpy(), windows.kaiser(31, beta), rtol=1e-12, atol=1e-300)
    assert torch.kaiser_window(5, False, -3.0).equal(torch.kaiser_window(5, False, 3.0))
    assert torch.kaiser_window(5, False, 1e4).isfinite().all()


@pytest.mark.parametrize("name", SIGNAL)
def test_signal(name, device):
    f, (parameters, reference) = getattr(torch.signal.windows, name), SIGNAL[name]
    for n in (0, 1, 2, 3, 8, 51):
        for sym in (True, False):
            got = f(n, sym=sym, dtype=torch.float64, device=device, **parameters)
            assert got.dtype == torch.float64 and got.shape == (n,)
            # One sample is 1, also where the formula gives another value.
            want = reference(n, sym) if n > 1 else np.ones(n)
            np.testing.assert_allclose(got.cpu().numpy(), want, atol=1e-13)
    assert f(4, **parameters).dtype == torch.float32 and f(4, requires_grad=True, **parameters).requires_grad
    for bad, error in [
        (lambda: f(-1, **parameters), ValueError),
        (lambda: f(3, dtype=torch.float16, **parameters), ValueError),
        (lambda: f(3, layout=torch.sparse_coo, **parameters), ValueError),
        (lambda: f(3.0, **parameters), TypeError),
        (lambda: f(3, True, **parameters), TypeError),
    ]:
        with pytest.raises(error):
            bad()


def test_signal_errors():
    w = torch.signal.windows
    for bad, error in [
        (lambda: w.exponential(3, tau=0), ValueError),
        (lambda: w.exponential(3, center=1), ValueError),
        (lambda: w.gaussian(3, std=0), ValueError),
        (lambda: w.kaiser(3, beta=-1), ValueError),
        (lambda: w.general_cosine(3, a=[]), ValueError),
        (lambda: w.general_cosine(3, a=2), TypeError),
    ]:
        with pytest.raises(error):
            bad()
    np.testing.assert_allclose(w.exponential(4, center=1, sym=False).numpy(), np.exp(-np.abs(np.arange(4) - 1.0)), 1e-6)
