"""The real inverse transform has a derivative; transforms take tensors with lazy bits."""

import numpy as np
import pytest
import rushlight as torch


@pytest.mark.parametrize("n", [None, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_irfft(n, norm):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 5)) + 1j * rng.standard_normal((3, 5))
    for dim in (0, 1):
        x = torch.from_numpy(values).requires_grad_()
        y = torch.fft.irfft(x, n, dim, norm)
        assert np.allclose(y.detach().numpy(), np.fft.irfft(values, n, dim, norm))
        assert torch.autograd.gradcheck(lambda t, dim=dim: torch.fft.irfft(t, n, dim, norm), (x,))
        assert torch.autograd.gradgradcheck(lambda t, dim=dim: torch.fft.irfft(t * t, n, dim, norm), (x,))


def test_irfft_of_rfft_is_the_identity_with_its_gradient():
    x = torch.arange(4.0, requires_grad=True)
    torch.fft.irfft(torch.fft.rfft(x)).sum().backward()
    assert torch.allclose(x.grad, torch.ones(4))
    with pytest.raises(RuntimeError, match="Invalid number of data points"):
        torch.fft.irfft(torch.ones(1))


def test_lazy_bits():
    f = torch.fft.fft(torch.arange(4.0))
    assert torch.allclose(torch.fft.ifft(f.conj()), torch.fft.ifft(f.conj().resolve_conj()))
    x = torch.arange(4.0)._neg_view()
    assert torch.allclose(torch.fft.rfft(x), -torch.fft.rfft(torch.arange(4.0)))
    xp = torch.ones(1).__array_namespace__()
    assert torch.allclose(xp.fft.ifft(f.conj()), torch.fft.ifft(f.conj()))
    m = torch.tensor([[2 + 1j, 0j], [0j, 1 + 0j]])
    assert torch.allclose(xp.linalg.inv(m.conj()), xp.linalg.inv(m).conj())
