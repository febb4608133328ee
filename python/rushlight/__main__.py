"""Runs a Python program in which `import torch` means rushlight.

    python -m rushlight script.py [args]
    python -m rushlight -m module [args]
    python -m rushlight -c code [args]

and answers questions of build systems: --cmake-dir, --include-dir, --pkgconfig-dir, --version.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import os
import pkgutil
import sys
import types
from typing import NoReturn

# python -P: no folder is put in front of sys.path.
_SAFE_PATH = getattr(sys.flags, "safe_path", False)


def _execute(code: types.CodeType, **names: object) -> None:
    """Runs code as __main__. An exception is shown without the frames of this file."""
    main = types.ModuleType("__main__")
    main.__dict__.update(names, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    try:
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        traceback = error.__traceback__
        while traceback and traceback.tb_frame.f_code.co_filename == __file__:
            traceback = traceback.tb_next
        if isinstance(error, KeyboardInterrupt):
            raise error.with_traceback(traceback) from None
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback
        sys.last_exc = error
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        sys.exit(1)


def _fail(text: str) -> NoReturn:
    print(f"{sys.executable}: {text}", file=sys.stderr)
    sys.exit(2)


def _run_spec(spec: importlib.machinery.ModuleSpec) -> None:
    loader = spec.loader
    code = loader.get_code(spec.name) if hasattr(loader, "get_code") else None
    if code is None:
        _fail(f"No code object available for {spec.name}")
    sys.argv[0] = spec.origin
    _execute(
        code,
        __spec__=spec,
        __file__=spec.origin,
        __cached__=spec.cached,
        __loader__=loader,
        __package__=spec.parent,
        __doc__=None,
    )


def _run_module(name: str) -> None:
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        _fail(f"Error while finding module specification for {name!r} ({type(error).__name__}: {error})")
    if spec is None:
        _fail(f"No module named {name}")
    _run_spec(spec)


def _run_script(path: str) -> None:
    if path != "-" and pkgutil.get_importer(path) is not None:
        # A folder or archive with a __main__.py.
        sys.path[0:0] = [path]
        spec = importlib.machinery.PathFinder.find_spec("__main__", [path])
        if spec is None:
            _fail(f"can't find '__main__' module in {path!r}")
        _run_spec(spec)
        return
    if path == "-":
        name, folder, source = "<stdin>", "", sys.stdin.read()
    else:
        name, folder = os.path.abspath(path), os.path.dirname(os.path.realpath(path))
        try:
            with io.open_code(name) as file:
                source = file.read()
        except OSError as error:
            _fail(f"can't open file {name!r}: [Errno {error.errno}] {error.strerror}")
    if not _SAFE_PATH:
        sys.path.insert(0, folder)
    _execute_source(source, name, __file__=name, __cached__=None)


def _execute_source(source: str | bytes, name: str, **names: object) -> None:
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        sys.excepthook(type(error), error.with_traceback(None), None)
        sys.exit(1)
    _execute(code, __spec__=None, __package__=None, __loader__=None, __doc__=None, **names)


def _answer(arguments: list[str]) -> None:
    import argparse
    import pathlib

    from . import _C, __version__

    # Beside the extension module: in an editable installation Python files lie elsewhere.
    root = pathlib.Path(_C.__file__).resolve().parent
    parser = argparse.ArgumentParser(
        prog="python -m rushlight", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cmake-dir", action="store_true", help="folder for CMAKE_PREFIX_PATH or rushlight_DIR")
    parser.add_argument("--include-dir", action="store_true", help="folder of the C++ headers")
    parser.add_argument("--pkgconfig-dir", action="store_true", help="folder for PKG_CONFIG_PATH")
    parser.add_argument("--version", action="store_true", help="version of the package")
    options = parser.parse_args(arguments)
    if options.cmake_dir:
        print(root / "lib" / "cmake" / "rushlight")
    elif options.include_dir:
        print(root / "include")
    elif options.pkgconfig_dir:
        print(root / "lib" / "pkgconfig")
    else:
        print(__version__)


def main() -> None:
    arguments = sys.argv[1:]
    first = arguments[0] if arguments else "--version"
    if first not in ("-", "-c", "-m") and first.startswith("-"):
        return _answer(arguments)
    if first in ("-c", "-m") and len(arguments) < 2:
        _fail(f"argument expected for the {first} option")

    from . import as_torch

    as_torch()
    # `python -m` has put the current folder in front; a script has its own folder there.
    if first == "-m":
        sys.argv = arguments[1:]
        _run_module(arguments[1])
    elif first == "-c":
        sys.argv = ["-c", *arguments[2:]]
        if not _SAFE_PATH:
            sys.path[0] = ""
        _execute_source(arguments[1], "<string>")
    else:
        if not _SAFE_PATH:
            del sys.path[0]
        sys.argv = arguments
        _run_script(first)


if __name__ == "__main__":
    main()
