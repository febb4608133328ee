"""The name `torch` for rushlight in this process: rushlight.as_torch()."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from types import FrameType, ModuleType

from .torch_version import TORCH_API, TorchVersion


class _AliasLoader(Loader):
    """Loads torch.x as the module rushlight.x itself: one module object under two names."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # A module may put another one in its place in sys.modules; the import system hands that one out. So nothing of
        # rushlight's module (__spec__, __name__) is touched.
        name = module.__spec__.name
        sys.modules[name] = importlib.import_module(_own_name(name))


class _Metadata(Distribution):
    """What importlib.metadata.version("torch") reads."""

    def __init__(self, version: str) -> None:
        self._version = version

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return (
            f"Metadata-Version: 2.1\nName: torch\nVersion: {self._version}\nSummary: rushlight under the name torch\n"
        )

    def locate_file(self, path: object) -> object:
        from pathlib import Path

        return Path(__file__).parent / str(path)


def _refuse(name: str, caller: FrameType) -> None:
    # importlib.util.find_spec("torch.x") is a question, answered by None; an import is told what is absent.
    if caller.f_globals.get("__name__") != "importlib.util":
        raise ModuleNotFoundError(f"rushlight has no {name}", name=name)


class _Absent(MetaPathFinder):
    """The last finder: `from torch import x` comes here as rushlight.x when there is neither a name nor a module x."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.startswith("rushlight."):
            _refuse("torch" + name.removeprefix("rushlight"), sys._getframe(2))


class _Finder(MetaPathFinder):
    """Finds torch and torch.x; must stand before the finder of files, which would load a second copy."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "torch" and not name.startswith("torch."):
            return None
        try:
            found = importlib.util.find_spec(_own_name(name))
        except ModuleNotFoundError:
            found = None
        if found is not None:
            alias = ModuleSpec(name, _AliasLoader(), origin=found.origin)
            alias.submodule_search_locations = found.submodule_search_locations
            return alias
        return _refuse(name, sys._getframe(2))

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> list[Distribution]:
        wanted = getattr(context, "name", None)
        return [_Metadata(sys.modules["torch"].__version__)] if wanted == "torch" else []


def _own_name(name: str) -> str:
    return "rushlight" + name.removeprefix("torch")


def as_torch() -> ModuleType:
    """Makes `import torch` mean rushlight in this process, with all modules below it, and returns rushlight.

    torch.nn is the module rushlight.nn, and so on; each is imported when it is asked for. What rushlight lacks is
    named: `import torch.x` raises ModuleNotFoundError, `torch.x` AttributeError, `from torch import x` ImportError.

    __version__ becomes "2.13.0+rushlight.<version>": the version of torch whose interface this is, so that the checks
    of other packages hold, with rushlight's own version as its local part. importlib.metadata.version("torch") says the
    same.

    RuntimeError if the real torch is imported already. Calling it again changes nothing. Child processes that start a
    new interpreter (multiprocessing's spawn) call it again themselves.
    """
    own = sys.modules["rushlight"]
    there = sys.modules.get("torch")
    if there is own:
        return own
    if there is not None:
        raise RuntimeError(
            f"rushlight.as_torch(): another torch is imported already, from {getattr(there, '__file__', '?')}; "
            "call as_torch() before anything imports torch"
        )
    own.__version__ = TorchVersion(f"{TORCH_API}+rushlight.{own.__version__}")
    sys.modules["torch"] = own
    sys.meta_path.insert(0, _Finder())
    sys.meta_path.append(_Absent())
    importlib.invalidate_caches()
    return own
