"""Writes the type stub of the extension module with nanobind's stub generator: make_stubs.py EXTENSION OUTPUT.

The functions of rushlight are not nanobind's own but carry the same description of their signatures.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import types

from nanobind.stubgen import StubGen

UNARY = ("__neg__", "__pos__", "__abs__", "__invert__")
BINARY = [
    f"__{prefix}{name}__"
    for name in ("add sub mul truediv floordiv mod pow and or xor lshift rshift matmul".split())
    for prefix in ("", "r", "i")
]
COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
ATTRIBUTES = {
    "shape": "Size",
    "dtype": "dtype",
    "device": "device",
    "grad": "Tensor | None",
    "grad_fn": "object | None",
    "name": "str | None",
    "_base": "Tensor | None",
    "layout": "object",
    **dict.fromkeys(("T", "mT", "H", "mH", "real", "imag", "data"), "Tensor"),
    **dict.fromkeys(("ndim", "output_nr", "_version", "itemsize", "nbytes"), "int"),
}


class Generator(StubGen):
    """nanobind's generator, taught what rushlight's functions and attributes are."""

    def is_function(self, tp: type) -> bool:
        return super().is_function(tp) or (tp.__module__ == "rushlight" and tp.__name__ in ("function", "method"))

    def put_function(self, fn, name=None, parent=None) -> None:
        target = fn.__func__ if isinstance(fn, staticmethod) else fn
        if type(target).__module__ == "rushlight":
            if isinstance(fn, staticmethod):
                self.write_ln("@staticmethod")
            self.put_nb_func(target, name)
        elif isinstance(fn, types.WrapperDescriptorType) and name in UNARY:
            self.write_ln(f"def {name}(self) -> Tensor: ...\n")
        elif isinstance(fn, types.WrapperDescriptorType) and name in BINARY:
            self.write_ln(f"def {name}(self, other: Tensor | complex, /) -> Tensor: ...\n")
        elif isinstance(fn, types.WrapperDescriptorType) and name in COMPARISONS:
            self.write_ln(f"def {name}(self, other: Tensor | complex, /) -> Tensor: ...  # type: ignore[override]\n")
        else:
            super().put_function(fn, name, parent)

    def put(self, value, name=None, parent=None) -> None:
        if isinstance(value, types.GetSetDescriptorType) and name:
            if name != "__dict__":
                kind = ATTRIBUTES.get(name, "bool")
                self.write_ln("@property")
                self.write_ln(f"def {name}(self) -> {kind}: ...\n")
                if name in ("grad", "data", "requires_grad"):
                    self.write_ln(f"@{name}.setter")
                    self.write_ln(f"def {name}(self, value: {kind}) -> None: ...\n")
            return
        super().put(value, name, parent)


def main(extension: str, output: str) -> None:
    package = types.ModuleType("rushlight")
    package.__path__ = []
    sys.modules["rushlight"] = package
    spec = importlib.util.spec_from_file_location("rushlight._C", extension)
    module = importlib.util.module_from_spec(spec)
    sys.modules["rushlight._C"] = module
    spec.loader.exec_module(module)
    module.__name__ = "rushlight"  # classes say they are from there
    generator = Generator(module, include_private=True)
    generator.put(module)
    # Inside the module `bool` is a dtype, inside Tensor `int` is a method: annotations use other names.
    names = "bool|int|float|complex|dtype|device|Size|Generator"
    text = re.sub(rf"(?<=[:|\[>] )({names})\b(?! = )|(?<=\[)({names})\b", lambda m: f"_{m.group()}", generator.get())
    text = re.sub(r"(?m)^(\w+): _dtype = \.\.\.$", r"\1: dtype", text)
    header = "import builtins\nfrom collections.abc import Sequence\n"
    aliases = "".join(f"_{n} = builtins.{n}\n" for n in ("bool", "int", "float", "complex"))
    text = header + text + "\n" + aliases + "_dtype = dtype\n_device = device\n_Size = Size\n_Generator = Generator\n"
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
