"""A few of the random hostile calls of hostile_calls.py; that program makes as many as one likes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
@pytest.mark.parametrize("seed", range(int(os.environ.get("RUSHLIGHT_HOSTILE_SEEDS", "2"))))
def test_hostile_calls_do_not_end_the_process(seed):
    program = Path(__file__).with_name("hostile_calls.py")
    done = subprocess.run(
        [sys.executable, str(program), str(seed), "1500", "show"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"ended with {done.returncode}\n{done.stdout[-300:]}{done.stderr[-3000:]}"
    assert done.stdout.splitlines()[-1].startswith("done")
