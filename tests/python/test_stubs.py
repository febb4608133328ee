"""The type stubs that are installed: they parse, and name what is there and nothing else."""

import ast
import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import rushlight as torch

if "RUSHLIGHT_SANITIZED" in os.environ:
    pytest.skip("a build with sanitizers makes no stubs", allow_module_level=True)

# One folder where the package is installed; two where it is edited in place.
FOLDERS = {Path(torch.__file__).parent, Path(torch._C.__file__).parent}
STUBS = {f.relative_to(folder).as_posix(): f for folder in sorted(FOLDERS) for f in folder.rglob("*.pyi")}
# What annotations in _C.pyi are made of.
ALIASES = {
    "_T",
    "_P",
    "_R",
    "_F",
    "_GradMode",
    "_Buffer",
    "_RemovableHandle",
    "_TypedStorage",
    "_GradientEdge",
    "_GraphNode",
} | {f"_{n}" for n in "int bool float complex type number dtype dtype_like device device_like index layout".split()}
ALIASES |= {"_memory_format"}


def names(body):
    """The names that a stub gives to others: not those of `import x` or `from y import z`, but of `z as z` and `*`."""
    found = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign):
            found.update(t.id for t in node.targets)
            if node.targets[0].id == "__all__":
                found.update(ast.literal_eval(node.value))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    found |= {n for n in names(tree(f"{node.module}.pyi").body) if not n.startswith("_")}
                elif alias.asname == alias.name:
                    found.add(alias.name)
    return found


def tree(name):
    return ast.parse(STUBS[name].read_text(encoding="utf-8"))


def test_every_file_parses():
    files = [f for folder in FOLDERS for f in folder.rglob("*.py*") if f.suffix in (".py", ".pyi")]
    assert len(files) > 60 and "_C.pyi" in STUBS
    for file in files:
        compile(file.read_text(encoding="utf-8"), str(file), "exec", dont_inherit=True)


def test_the_extension_module():
    stub = names(tree("_C.pyi").body) - ALIASES
    real = {n for n in vars(torch._C) if not (n.startswith("__") and n.endswith("__"))}
    assert stub == real


SLOTS = ("__setattr__", "__delattr__", "__getattribute__", "__init__", "__new__", "__repr__", "__str__", "__format__")
SLOTS += ("__getstate__", "__reduce__", "__reduce_ex__", "__dir__", "__sizeof__", "__init_subclass__", "__class__")
SLOTS += ("__doc__", "__module__", "__dict__", "__weakref__", "__subclasshook__", "__getattr__", "__hash__", "__ipow__")


@pytest.mark.parametrize("name", [n for n, v in vars(torch._C).items() if isinstance(v, type)])
def test_classes(name):
    cls = getattr(torch._C, name)
    node = next(n for n in tree("_C.pyi").body if isinstance(n, ast.ClassDef) and n.name == name)
    mixin = next(n for n in tree("_C.pyi").body if isinstance(n, ast.ClassDef) and n.name == "_GradMode")
    inherited = names(mixin.body) if [ast.unparse(b) for b in node.bases] == ["_GradMode"] else set()
    base = cls.__mro__[1]
    stub = (names(node.body) | inherited) - set(SLOTS)
    real = {n for n in vars(cls) if vars(base).get(n) is not vars(cls)[n]} - set(SLOTS)
    if base is tuple:  # Size: what it has anew from tuple need not be said again
        real -= {"__contains__", "__len__", "__mul__", "__radd__", "__rmul__"}
        stub -= {"__mul__", "__rmul__", "__radd__"}
    if name == "Tensor":
        real.add("__torch_function__") if hasattr(cls, "__torch_function__") else stub.discard("__torch_function__")
    assert stub == real


@pytest.mark.parametrize("name", sorted(set(STUBS) - {"_C.pyi", "_legacy.pyi", "return_types.pyi"}))
def test_stub_names_exist(name):
    path = name.removesuffix(".pyi").removesuffix("/__init__").replace("/", ".")
    if path == "__init__":
        module = torch
    elif path in ("_nn", "_special", "_autograd"):
        module = getattr(torch._C, path)
        assert names(tree(name).body) - ALIASES == {n for n in vars(module) if not n.startswith("__")}
    else:
        module = importlib.import_module(f"rushlight.{path}")
    missing = [n for n in names(tree(name).body) - ALIASES if not hasattr(module, n)]
    assert missing == []


@pytest.mark.parametrize(
    "module, name",
    [(torch, "__init__.pyi"), (torch.autograd, "autograd/__init__.pyi"), (torch.special, "special.pyi")],
)
def test_public_names_are_in_the_stub(module, name):
    # Of a fresh process: other tests ask for names that are made on demand and kept.
    listed = f"import {module.__name__} as m; print(*dir(m))"
    shown = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True).stdout
    real = {n for n in shown.split() if not n.startswith("_")} - {"annotations", "missing"}
    real = {n for n in real if not isinstance(getattr(module, n), types.ModuleType) or n in module.__dir__()}
    assert real - names(tree(name).body) == set()


def test_named_results():
    x = torch.arange(12.0).reshape(3, 4)
    weights = torch.ones(12)
    made = [
        *(getattr(x, n)(0) for n in "max min sort median nanmedian mode cummax cummin".split()),
        x.kthvalue(1),
        x.topk(1),
        x.aminmax(),
        x.frexp(),
        torch.histogram(x.flatten(), weight=weights),
        torch.histogramdd(x, [2, 2, 2, 2]),
    ]
    classes = {n.name: n for n in tree("return_types.pyi").body if isinstance(n, ast.ClassDef)}
    assert set(classes) == {type(r).__name__ for r in made}
    for result in made:
        fields = names(classes[type(result).__name__].body) - {"__new__"}
        assert len(fields) == len(result)
        assert all(any(getattr(result, f) is item for item in result) for f in fields)
