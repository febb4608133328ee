"""python -m rushlight --cmake-dir: where find_package(rushlight) finds this installation."""

from __future__ import annotations

import argparse
import pathlib


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(prog="python -m rushlight", description=__doc__)
    parser.add_argument("--cmake-dir", action="store_true", help="folder for CMAKE_PREFIX_PATH or rushlight_DIR")
    parser.add_argument("--include-dir", action="store_true", help="folder of the C++ headers")
    parser.add_argument("--version", action="store_true", help="version of the package")
    options = parser.parse_args()
    if options.cmake_dir:
        print(root / "lib" / "cmake" / "rushlight")
    elif options.include_dir:
        print(root / "include")
    else:
        from . import __version__

        print(__version__)


if __name__ == "__main__":
    main()
