"""Writes the type stubs of the extension module: make_stubs.py EXTENSION FOLDER.

Functions and methods are written from the signatures that they were registered with ("sum(Tensor input, ...)"), into
python/stubs/_C.pyi, which holds what signatures cannot tell. The modules inside _C get stubs of their own.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import types
from pathlib import Path

TEMPLATE = Path(__file__).parent / "stubs" / "_C.pyi"

TYPES = {
    "Tensor": "Tensor",
    "Operand": "Tensor | _number",
    "Scalar": "_number",
    "int": "_int",
    "float": "_float",
    "bool": "_bool",
    "str": "str",
    "int[]": "Sequence[_int]",
    "int[1]": "_int | Sequence[_int]",
    "Tensor[]": "Sequence[Tensor]",
    "dtype": "_dtype_like",
    "device": "_device_like",
    "Generator": "Generator",
    "object": "object",
}
# Parameters that are checked by hand: registered as objects.
NAMED_OBJECTS = {
    "layout": "_layout",
    "memory_format": "_memory_format",
    "hook": "Callable[..., Any]",
    "callable": "Callable[..., Any]",
}
RETURNS = {
    "bool": "_bool",
    "int": "_int",
    "complex": "_complex",
    "dtype": "_dtype",
    "type": "_type",
    "dict": "dict[str, Any]",
    "object": "Any",
    "handle": "_RemovableHandle",
    "Tensor[]": "tuple[Tensor, ...]",
    "tuple[int, ...]": "tuple[_int, ...]",
    "TypedStorage": "_TypedStorage",
}
OPERATORS = [
    f"__{prefix}{name}__"
    for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
    for prefix in ("", "r", "i")
]


# ---- signatures


class Parameter:
    def __init__(self, text: str, keyword_only: bool) -> None:
        self.kind, _, name = text.partition(" ")
        self.name, equals, self.default = name.partition("=")
        self.required = not equals
        self.keyword_only = keyword_only
        self.nullable = self.kind.endswith("?") or self.default == "None"
        self.kind = self.kind.removesuffix("?")
        self.variadic = self.kind == "int[*]"

    def annotation(self) -> str:
        kind = TYPES["int[]" if self.variadic else self.kind]
        if self.kind == "object":
            kind = NAMED_OBJECTS.get(self.name, kind)
        return kind + (" | None" if self.nullable else "")

    def __str__(self) -> str:
        if self.required:
            return f"{self.name}: {self.annotation()}"
        plain = re.fullmatch(r"None|True|False|-?[\d.]+(e-?\d+)?|'\w*'", self.default)
        return f"{self.name}: {self.annotation()} = {self.default if plain else '...'}"


def returned(name: str, text: str) -> str:
    """The type of a result: "(Tensor values, Tensor indices)" is the named tuple of that function."""
    if text.startswith("("):
        items = text[1:-1].split(", ")
        return f"return_types.{name}" if " " in items[0] else f"tuple[{', '.join(items)}]"
    return RETURNS.get(text, text)


def definitions(signature: str, method: bool) -> list[str]:
    """The heads "def sum(...) -> Tensor" of a signature: two where ints may be given one by one or as a sequence."""
    name, rest = signature.split("(", 1)
    inner, result = rest.split(") -> ", 1)
    parameters, keyword_only = [], False
    for item in inner.split(", "):
        if item == "*":
            keyword_only = True
        elif item:
            parameters.append(Parameter(item, keyword_only))
    if method:
        parameters = [p for p in parameters[1:] if p.name != "out"]
    result = returned(name, result)
    if method and result == "Tensor" and name.endswith("_") and not name.endswith("__"):
        result = "Self"
    heads = []
    for spread in (True, False) if any(p.variadic for p in parameters) else (False,):
        items, star = ["self"] if method else [], False
        for p in parameters:
            if p.variadic and spread:
                items.append(f"*{p.name}: _int")
                star = True
                continue
            if p.keyword_only and not star:
                items.append("*")
                star = True
            items.append(str(p))
        heads.append(f"def {name}({', '.join(items)}) -> {result}")
    return heads


def document(doc: str | None, indent: str) -> str:
    """The body of a function: its docstring, or an ellipsis."""
    text = inspect.cleandoc(doc or "").replace("\\", "\\\\").replace('"""', "'''")
    if not text:
        return " ..."
    lines = [indent + line if line else "" for line in text.split("\n")]
    if len(lines) == 1:
        return f'\n{indent}"""{text}"""'
    return "\n" + "\n".join([f'{indent}"""{lines[0].lstrip()}', *lines[1:], f'{indent}"""'])


def own_doc(value: object) -> str | None:
    """A description without the signatures that it starts with."""
    value = value.__func__ if isinstance(value, staticmethod) else value
    doc = getattr(value, "__doc__", None) or ""
    count = len(getattr(value, "__signatures__", ()))
    return "\n".join(doc.split("\n")[count:]).strip()


def function(value: object, name: str, indent: str = "") -> str:
    """The stub of a function or method of any kind."""
    static = isinstance(value, staticmethod)
    target = value.__func__ if static else value
    if hasattr(target, "__signatures__"):
        method = type(target).__name__ == "method"
        heads = [head for text in target.__signatures__ for head in definitions(text, method)]
        heads = list(dict.fromkeys(heads))
        heads = [re.sub(r"^def \w+", f"def {name}", head) for head in heads]
    elif hasattr(target, "__nb_signature__"):
        heads = [nanobind_head(*entry) for entry in target.__nb_signature__]
    else:
        self = "" if static or not indent else "self, "
        heads = [f"def {name}({self}*args: Any, **kwargs: Any) -> Any"]
    decorators = (["@overload"] if len(heads) > 1 else []) + (["@staticmethod"] if static else [])
    text = ""
    for i, head in enumerate(heads):
        text += "".join(f"{indent}{decorator}\n" for decorator in decorators)
        last = i == len(heads) - 1
        text += f"{indent}{head}:{document(own_doc(target) if last else None, indent + '    ')}\n"
    return text


def nanobind_head(signature: str, doc: str | None, defaults: tuple | None = None) -> str:
    """nanobind describes its functions in Python, but for defaults ("\\0") and types of this module."""
    for i, default in enumerate(defaults or ()):
        signature = signature.replace(f"\\{i}", repr(default) if type(default) in (bool, int, type(None)) else "...")
    signature = signature.replace("rushlight.", "").replace("typing.", "").replace("collections.abc.", "")
    signature = re.sub(r"(?<=[:>|\[] )(bool|int|float|type)\b|(?<=\[)(bool|int|float)\b", r"_\g<0>", signature)
    return re.sub(
        r"-> (\w*[Dd]evice|object)\b",
        "-> Any",
        re.sub(r"\b(dict|list|tuple)\b(?!\[)", r"\1[Any, Any]", signature)
        .replace("list[Any, Any]", "list[Any]")
        .replace("tuple[Any, Any]", "tuple[Any, ...]"),
    )


# ---- the template


def defined(body: list[ast.stmt]) -> set[str]:
    """The names that the statements of a module or class bind."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


def is_function(value: object) -> bool:
    value = value.__func__ if isinstance(value, staticmethod) else value
    return callable(value) and not isinstance(value, type)


INHERITED = {"__doc__", "__module__", "__new__", "__weakref__", "__dict__", "__init__", "__getstate__"}


def members(cls: type, known: set[str], indent: str = "    ") -> str:
    """Stubs of the members of a class that the template does not name."""
    text = ""
    for name, value in vars(cls).items():
        if name in known or name in INHERITED:
            continue
        if isinstance(value, types.WrapperDescriptorType | types.ClassMethodDescriptorType) and name != "__call__":
            continue  # what object has, too, and operators
        if is_function(value):
            text += function(value, name, indent)
        elif isinstance(value, types.GetSetDescriptorType | property):
            flag = cls.__name__ == "Tensor"
            text += f"{indent}@property\n{indent}def {name}(self) -> {'_bool' if flag else 'Any'}: ...\n"
        else:
            text += f"{indent}{name}: Any\n"
    return text


def add_docs(text: str, owners: dict[str, object]) -> str:
    """The template's functions get the descriptions of the real ones."""
    lines = text.split("\n")
    for node in reversed(ast.parse(text).body):
        owner = owners.get(node.name) if isinstance(node, ast.ClassDef) else owners[""]
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        last = {n.name: n for n in inside if isinstance(n, ast.FunctionDef)}
        for n in sorted(last.values(), key=lambda n: -n.lineno):
            value = vars(owner).get(n.name) if owner else None
            doc = own_doc(value) if hasattr(value, "__signatures__") or hasattr(value, "__nb_signature__") else None
            at = n.end_lineno - 1
            if doc and lines[at].endswith(": ..."):
                lines[at] = lines[at].removesuffix(" ...") + document(doc, " " * (n.col_offset + 4))
    return "\n".join(lines)


def main_stub(module: types.ModuleType) -> str:
    text = TEMPLATE.read_text(encoding="utf-8")
    tree = ast.parse(text)
    text = text[text.index("# mypy:") :]
    text = add_docs(text, {"": module, **{n: v for n, v in vars(module).items() if isinstance(v, type)}})
    operators = "".join(
        f"    def {n}(self, other: Tensor | _number, /) -> Tensor: ...\n"
        for n in OPERATORS
        if hasattr(module.Tensor, n)
    )
    flags = []
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    known = defined(classes["Tensor"].body)
    for name, value in vars(module.Tensor).items():
        if isinstance(value, types.GetSetDescriptorType) and name not in known and name != "__dict__":
            flags.append(f"    @property\n    def {name}(self) -> _bool: ...\n")
            known.add(name)
    text = text.replace("    # ... operators\n", operators).replace("    # ... attributes\n", "".join(flags))
    for name, node in classes.items():
        if hasattr(module, name):
            inherited = [defined(classes[b.id].body) for b in node.bases if isinstance(b, ast.Name) and b.id in classes]
            own = known if name == "Tensor" else defined(node.body).union(*inherited)
            rest = members(getattr(module, name), own)
            pattern = rf"(?ms)(^class {name}\b(?:(?!^class ).)*?\n)    # \.\.\.\n"
            text = re.sub(pattern, lambda m, rest=rest: m[1] + rest, text, count=1)
    known = defined(tree.body)
    rest = []
    for name, value in vars(module).items():
        if name in known or (name.startswith("__") and name.endswith("__")):
            continue
        if isinstance(value, module.dtype):
            rest.append(f"{name}: dtype\n")
        elif isinstance(value, type):
            init = "    def __init__(self, *args: Any, **kwargs: Any) -> None: ...\n"
            rest.append(f"class {name}:\n{init}{members(value, set())}\n")
        elif is_function(value):
            rest.append(function(value, name))
        else:
            rest.append(f"{name}: Any\n")
    return text.replace("\n# ...\n", "\n" + "".join(rest))


# ---- the modules inside

HEADER = """\
# mypy: disable-error-code="misc, overload-overlap, overload-cannot-match"
# pyright: reportOverlappingOverload=false
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final, overload

from typing_extensions import Self

from . import return_types
from ._C import Generator, Tensor
from ._C import _bool as _bool
from ._C import _device_like as _device_like
from ._C import _dtype_like as _dtype_like
from ._C import _float as _float
from ._C import _int as _int
from ._C import _number as _number

"""


def inner_stub(module: types.ModuleType) -> str:
    text = HEADER
    for name, value in vars(module).items():
        if not name.startswith("__"):
            text += function(value, name) if is_function(value) else f"from ._C import _{name}\n\n{name} = _{name}\n"
    return text


def return_types_stub(module: types.ModuleType) -> str:
    fields = {}
    for owner in (module, module.Tensor):
        for value in vars(owner).values():
            for signature in getattr(value, "__signatures__", ()):
                name, result = signature.split("(", 1)[0], signature.rsplit("-> ", 1)[1]
                if result.startswith("(") and " " in result.split(",")[0]:
                    fields[name] = [item.split(" ") for item in result[1:-1].split(", ")]
    text = HEADER.replace("from . import return_types\n", "")
    for name, items in sorted(fields.items()):
        kinds = ", ".join("tuple[Tensor, ...]" if kind == "Tensor[]" else kind for kind, _ in items)
        text += f"@final\nclass {name}(tuple[{kinds}]):\n"
        text += "    def __new__(cls, sequence: Iterable[Any], /) -> Self: ...\n"
        for kind, field in items:
            kind = "tuple[Tensor, ...]" if kind == "Tensor[]" else kind
            text += f"    @property\n    def {field}(self) -> {kind}: ...\n"
        text += "\n"
    return text


def load(extension: str) -> types.ModuleType:
    package = types.ModuleType("rushlight")
    package.__path__ = []
    sys.modules["rushlight"] = package
    spec = importlib.util.spec_from_file_location("rushlight._C", extension)
    module = importlib.util.module_from_spec(spec)
    sys.modules["rushlight._C"] = module
    spec.loader.exec_module(module)
    return module


def main(extension: str, folder: str) -> None:
    module = load(extension)
    stubs = {"_C": main_stub(module), "return_types": return_types_stub(module)}
    stubs.update({name: inner_stub(getattr(module, name)) for name in ("_nn", "_special", "_autograd")})
    for name, text in stubs.items():
        ast.parse(text, f"{name}.pyi")
        (Path(folder) / f"{name}.pyi").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
