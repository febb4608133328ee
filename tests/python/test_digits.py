"""The example examples/digits.py: it learns, is reproducible, draws, and agrees with torch."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("sklearn")

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"
QUICK = ["--epochs", "8", "--hidden", "64"]


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_learns(digits, capsys):
    run = digits.main([*QUICK, "--no-plots"])
    assert run.accuracy >= 0.95
    assert len(run.losses) == 8 * -(-(1797 - digits.TEST_DIGITS) // 16)
    assert run.losses[0] == pytest.approx(2.3, abs=0.2)  # log(10): nothing learnt yet
    assert sum(run.losses[-20:]) / 20 < 0.1
    assert "test accuracy" in capsys.readouterr().out


def test_defaults_reach_97_percent(digits):
    assert digits.main(["--no-plots"]).accuracy >= 0.97


def test_same_seed_same_losses(digits):
    images, labels = digits.load_digits()
    options = dict(epochs=1, batch_size=64, lr=0.1, hidden=16)
    first, second = (digits.train(digits.torch, images, labels, seed=3, **options).losses for _ in range(2))
    assert first == second
    assert digits.train(digits.torch, images, labels, seed=4, **options).losses != first


def test_pictures(digits, tmp_path):
    pytest.importorskip("matplotlib")
    digits.main(["--epochs", "2", "--out", str(tmp_path / "new" / "folder")])
    for name in ("loss.png", "misread.png"):
        assert (tmp_path / "new" / "folder" / name).read_bytes().startswith(b"\x89PNG")


def test_compare_with_torch(digits, capsys):
    torch = pytest.importorskip("torch")
    threads = digits.torch.get_num_threads(), torch.get_num_threads()
    try:
        digits.main(["--epochs", "2", "--no-plots", "--compare", "torch"])  # asserts equal losses
    finally:
        digits.torch.set_num_threads(threads[0])
        torch.set_num_threads(threads[1])
    assert "ratio" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--epochs", "--batch-size", "--hidden"])
def test_rejects_zero(digits, option, capsys):
    with pytest.raises(SystemExit):
        digits.main([option, "0"])
    assert "at least 1" in capsys.readouterr().err
