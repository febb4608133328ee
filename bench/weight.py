"""What a package weighs: python bench/weight.py [--module torch].

The time of its import and the memory that it takes, beyond those of the interpreter, and the size of its files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PROBE = """
import time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[1])
import resource
print(seconds, pages * resource.getpagesize())
"""


def probe(statement: str) -> tuple[float, float]:
    """Seconds of a statement and the resident bytes after it, in an interpreter of its own."""
    code = PROBE.format(statement=statement)
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    seconds, size = output.split()
    return float(seconds), float(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", default="rushlight")
    module = parser.parse_args().module
    bare = min(probe("pass")[1] for _ in range(5))
    probe(f"import {module}")  # brings the files into memory
    runs = [probe(f"import {module}") for _ in range(10)]
    folders = [Path(place) for place in find_spec(module).submodule_search_locations]
    files = {f for folder in folders for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"}
    size = sum(f.stat().st_size for f in files)
    print(f"import {min(seconds for seconds, _ in runs) * 1e3:8.1f} ms")
    print(f"memory {(min(used for _, used in runs) - bare) / 1e6:8.1f} MB")
    print(f"files  {size / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
