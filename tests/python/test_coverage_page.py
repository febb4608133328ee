"""docs/coverage.md says which of torch's names there are."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker():
    path = DOCS / "make_coverage.py"
    if not path.exists():
        pytest.skip("docs/ does not lie beside the tests")
    spec = importlib.util.spec_from_file_location("make_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_page_calls_here_is_here(maker):
    sections = re.findall(
        r"(?ms)^## torch(\S*)\n\nHere, (\d+):\n\n(.*?)\n\n", (DOCS / "coverage.md").read_text(encoding="utf-8")
    )
    assert len(sections) > 20
    for path, count, text in sections:
        names = re.split(r",\s+", text.strip())
        owner = maker.find("rushlight", path.removeprefix("."))
        assert len(names) == int(count), path
        assert [name for name in names if not maker.has(owner, name)] == [], path


@pytest.mark.filterwarnings("ignore")
def test_the_page_is_current(maker):
    """After a change of what there is: python docs/make_coverage.py."""
    torch = pytest.importorskip("torch")
    if not torch.__version__.startswith("2.13.0"):
        pytest.skip("the page is made from torch 2.13.0")
    assert maker.page() == (DOCS / "coverage.md").read_text(encoding="utf-8")
