"""Keeps the licences of what a wheel holds beside rushlight's own code: python licenses/update.py [--check].

They are those of the packages that it is built with: OpenBLAS with LAPACK and the parts of libgfortran that it holds,
nanobind, and the hash table inside nanobind. Run it where these are installed; --check only compares.
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


def main() -> int:
    texts = {
        "OpenBLAS": openblas(),
        "nanobind": license_of("nanobind"),
        "robin_map": first_comment("nanobind", "robin_map.h"),
    }
    wrong = []
    for name, text in texts.items():
        file = Path(__file__).parent / f"LICENSE-{name}.txt"
        text = "\n".join(line.rstrip() for line in text.strip().split("\n")) + "\n"
        if sys.argv[1:] != ["--check"]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            wrong.append(file.name)
    if wrong:
        print(f"not the licence of the installed package: {', '.join(wrong)}; run python licenses/update.py")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
