"""Writes the licences of what a wheel holds beside rushlight's own code: licenses.py FOLDER [--openblas].

They are those of the very packages that the wheel is built with: nanobind, the hash table inside it, and, where it is
bundled, OpenBLAS with LAPACK and the parts of libgfortran that it holds.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import distribution
from pathlib import Path


def license_of(package: str) -> str:
    files = [f for f in distribution(package).files or () if re.match(r"(LICEN[CS]E|COPYING)", f.name)]
    if not files:
        raise SystemExit(f"{package} ships no licence")
    return "\n".join(f.read_text(encoding="utf-8") for f in files)


def first_comment(package: str, name: str) -> str:
    """The text of the comment that a header starts with."""
    header = next(f for f in distribution(package).files or () if f.name == name)
    comment = re.match(r"\s*/\*+\n(.*?)\*/", header.read_text(encoding="utf-8"), re.DOTALL)
    if not comment or "Copyright" not in comment[1]:
        raise SystemExit(f"{package}: {name} names no licence")
    return re.sub(r"(?m)^ ?\*? ?", "", comment[1])


def openblas() -> str:
    text = license_of("scipy-openblas64")
    for word in ("OpenBLAS", "LAPACK", "libgfortran", "GCC RUNTIME LIBRARY EXCEPTION"):
        if word not in text:
            raise SystemExit(f"scipy-openblas64 ships no licence of {word}")
    return text


def main(folder: str, *options: str) -> None:
    texts = {"nanobind": license_of("nanobind"), "robin_map": first_comment("nanobind", "robin_map.h")}
    if "--openblas" in options:
        texts["OpenBLAS"] = openblas()
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (Path(folder) / f"LICENSE-{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
