"""A few random programs beside torch and a few random calls; tests/fuzz runs many of both.

RUSHLIGHT_FUZZ=all runs more of them.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import calls, run  # noqa: E402

ALL = os.environ.get("RUSHLIGHT_FUZZ") == "all"
DEVIATIONS = Path(__file__).resolve().parents[2] / "docs" / "deviations.md"


@pytest.fixture
def paths(monkeypatch):
    """Children import the package from where this process has it."""
    import rushlight

    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(rushlight.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    )


# Programs still find known differences: leaves that are views, views taken under no_grad, in-place comparisons.
@pytest.mark.skipif(not ALL, reason="RUSHLIGHT_FUZZ=all runs random programs beside torch")
def test_programs_do_the_same_in_torch(paths):
    pytest.importorskip("torch")
    shown = []
    findings, deaths, _ = run.run(1, 20000 if ALL else 2000, 1, 1000, show=shown.append)
    texts = [
        min((e for e in entries if "script" in e), key=lambda e: e["size"])["script"] for entries in findings.values()
    ]
    assert not findings and not deaths, "\n\n".join([*shown, *texts])


def test_calls_with_odd_values_raise_at_most(paths):
    shown = []
    entries, deaths = calls.run(1, 50000 if ALL else 6000, 1, 3000, show=shown.append)
    assert not entries and not deaths, "\n".join([*shown, *map(str, entries)])


@pytest.mark.skipif(not DEVIATIONS.exists(), reason="the documentation is not here")
def test_known_deviations_are_documented():
    from fuzz import known, program

    text = " ".join(DEVIATIONS.read_text().split())
    for cites, _ in [*known.ENTRIES, (program.TORN, None)]:
        assert cites in text, cites
