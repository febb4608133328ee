"""Writes coverage.md: which of torch's public names rushlight has: python docs/make_coverage.py [--check]."""

from __future__ import annotations

import importlib
import sys
import textwrap
import types
import warnings
from pathlib import Path

PAGE = Path(__file__).parent / "coverage.md"

# Modules whose names are counted, with what they are.
MODULES = {
    "": "functions, dtypes and settings",
    "Tensor": "methods and attributes",
    "nn": "layers",
    "nn.functional": "what layers compute",
    "nn.init": "initialisers",
    "nn.parameter": "parameters",
    "nn.utils": "helpers for training",
    "optim": "optimizers",
    "optim.lr_scheduler": "learning rates",
    "autograd": "derivatives",
    "autograd.function": "custom functions",
    "autograd.functional": "Jacobians and Hessians",
    "autograd.graph": "the recorded graph",
    "linalg": "linear algebra",
    "fft": "Fourier transforms",
    "special": "special functions",
    "signal.windows": "windows",
    "masked": "masked reductions",
    "random": "random state",
    "distributions": "probability",
    "serialization": "saving and loading",
    "utils": "helpers",
    "utils.checkpoint": "recomputation",
    "utils.data": "datasets and loaders",
    "utils.dlpack": "exchange of memory",
    "overrides": "__torch_function__",
    "testing": "comparison",
    "types": "names for annotations",
    "return_types": "named tuples",
    "func": "function transforms",
    "amp": "mixed precision",
    "sparse": "sparse tensors",
    "nested": "ragged tensors",
    "cpu": "the processor",
    "cuda": "CUDA",
    "accelerator": "the current accelerator",
    "multiprocessing": "processes",
}
# Modules that are named only.
WHOLE = (
    "ao compiler distributed export fx hub jit library monitor mps mtia onnx package profiler quantization xpu"
).split()


def find(package: str, path: str) -> object | None:
    """The module or class at a dotted path below a package; None where there is none."""
    if path == "Tensor":
        return importlib.import_module(package).Tensor
    try:
        return importlib.import_module(f"{package}.{path}" if path else package)
    except ImportError:
        return None


# Of the classes of torch._C, which are all in torch, too, those that are not TorchScript's.
OF_C = (
    "AcceleratorError DisableTorchFunction DisableTorchFunctionSubclass Event Future Generator OutOfMemoryError Size "
    "Stream Tag device dtype finfo iinfo layout memory_format qscheme"
).split()
VALUES = (bool, int, str, list, tuple, dict, set, frozenset)


def is_public(owner: object, name: str) -> bool:
    """Whether a name is part of the API and not an import, a submodule, a helper or a part of TorchScript."""
    if name.startswith("_"):
        return False
    value = getattr(owner, name)
    if isinstance(owner, type):
        return True
    if isinstance(value, (types.ModuleType, *VALUES)):
        return False
    home = str(getattr(value, "__module__", "torch"))
    if owner.__name__ == "torch":
        import torch

        if getattr(torch._C, name, None) is value and isinstance(value, type) or "pybind11" in str(type(type(value))):
            return name in OF_C
        return home.startswith(("torch", "None"))
    if name in getattr(owner, "__all__", ()):
        return True
    if hasattr(owner, "__path__"):
        return home.startswith("torch")
    if hasattr(owner, "__all__"):
        return False
    return home == owner.__name__ or isinstance(value, types.BuiltinFunctionType)


def names(path: str) -> list[str]:
    owner = find("torch", path)
    return sorted(name for name in dir(owner) if is_public(owner, name))


def has(owner: object | None, name: str) -> bool:
    try:
        getattr(owner, name)
    except (AttributeError, ImportError):
        return False
    return owner is not None


def wrapped(found: list[str]) -> str:
    return textwrap.fill(", ".join(found), 120, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    import torch

    rows, sections, present, total = [], [], 0, 0
    for path, what in MODULES.items():
        theirs, ours = names(path), find("rushlight", path)
        here = [name for name in theirs if has(ours, name)]
        lacking = sorted({*theirs} - {*here})
        title = "torch." + path if path else "torch"
        rows.append(f"| `{title}` | {what} | {len(theirs)} | {len(here)} |")
        present, total = present + len(here), total + len(theirs)
        text = f"## {title}\n\n"
        if here:
            text += f"Here, {len(here)}:\n\n    " + wrapped(here).replace("\n", "\n    ") + "\n\n"
        if lacking:
            text += f"Not here, {len(lacking)}:\n\n    " + wrapped(lacking).replace("\n", "\n    ") + "\n\n"
        sections.append(text)
    absent = [f"`torch.{path}`" for path in WHOLE if find("rushlight", path) is None]
    table = "\n".join(["| module | what | names in torch | here |", "|---|---|---|---|", *rows])
    release = torch.__version__.split("+")[0]
    whole = textwrap.fill(f"Not here as a whole: {', '.join(absent)}.", 120)
    return (
        f"# What rushlight has of torch\n\n"
        f"Made by `docs/make_coverage.py` from the public names of torch {release}: {present} of {total} are here.\n"
        f"A name counts as here where rushlight has it; [deviations.md](deviations.md) says where it differs.\n\n"
        f"{table}\n\n{whole}\n\n" + "".join(sections)
    ).rstrip() + "\n"


def main() -> int:
    warnings.simplefilter("ignore")
    text = page()
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text(encoding="utf-8") != text:
            print("docs/coverage.md is not current: run python docs/make_coverage.py")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
