"""Fixtures of all Python tests."""

import pytest
import rushlight


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device that the tests run on: cpu or cuda")


@pytest.fixture
def device(request):
    """Where tensors of a test live; tests are skipped where the device is absent."""
    name = request.config.getoption("--device", default="cpu")
    if name.startswith("cuda") and not rushlight.cuda.is_available():
        pytest.skip("no CUDA device")
    return rushlight.device(name)


@pytest.fixture
def threads():
    """set_num_threads; the number from before the test comes back after it."""
    before = rushlight.get_num_threads()
    yield rushlight.set_num_threads
    rushlight.set_num_threads(before)


@pytest.fixture(autouse=True)
def restore_defaults():
    """Every test starts and ends with the default dtype and print options."""
    dtype = rushlight.get_default_dtype()
    yield
    rushlight.set_default_dtype(dtype)
    rushlight.set_printoptions(profile="default", sci_mode=None)
