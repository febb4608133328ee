"""Writes one call per public function and per tensor that it needs, with that tensor undefined, for test_undefined.cpp.

undefined_calls.py INCLUDE_FOLDER OUTPUT
"""

import re
import sys
from pathlib import Path

# What stands for an argument of each type where it is not the undefined one.
VALUES = {
    "const Tensor&": "some()",
    "const Operand&": "Operand(some())",
    "std::span<const Tensor>": "some_list()",
    "IntSpan": "IntSpan(kSizes)",
    "OptSpan": "OptSpan()",
    "OptDType": "OptDType()",
    "OptInt": "OptInt()",
    "OptScalar": "OptScalar()",
    "const OptScalar&": "OptScalar(Scalar(1))",
    "const Scalar&": "Scalar(1)",
    "std::span<const Scalar>": "std::span<const Scalar>()",
    "int64_t": "int64_t{0}",
    "double": "0.5",
    "bool": "false",
    "DType": "DType::Float32",
    "Device": "Device()",
    "std::string_view": '"sum"',
    "const char*": '"node"',
    "Generator": "default_generator()",
    "MemoryFormat": "MemoryFormat::Contiguous",
    "std::optional<double>": "std::optional<double>()",
    "std::optional<std::span<const double>>": "std::optional<std::span<const double>>()",
    "const SegmentOptions&": "SegmentOptions()",
    "TensorHook": "TensorHook()",
    "uint64_t": "uint64_t{0}",
    "int": "0",
}
UNDEFINED = {
    "const Tensor&": "Tensor()",
    "const Operand&": "Operand(undefined())",
    "std::span<const Tensor>": "undefined_list()",
}
# Where undefined stands for none.
OPTIONAL = {"clamp": (1, 2), "clamp_": (1, 2), "clamp_out": (2, 3), "native_layer_norm": (2, 3)}
HEADERS = [
    "ops", "contract", "creation", "index", "normalization", "random", "reduce", "segment", "shape", "sort", "special",
    "ternary", "hash", "grid_sampler", "conj",
]  # fmt: skip
FUNCTION = re.compile(
    r"^(?:Tensor|TensorList|TensorPair|const Tensor&|std::tuple<[^>]*>|Scalar|bool|void|Histogram|Unique|DType"
    r"|MemoryFormat) (\w+)\(([^;{]*)\);",
    re.MULTILINE,
)
TABLE = re.compile(r"^RL_(UNARY|BINARY)\(\w+, (\w+),", re.MULTILINE)


def split(parameters):
    depth, part = 0, ""
    for c in parameters + ",":
        if c == "," and depth == 0:
            if part.strip():
                yield " ".join(part.split())
            part = ""
            continue
        depth += (c in "<({") - (c in ">)}")
        part += c


def parsed(parameter):
    """The type, and whether an undefined tensor is allowed."""
    declared, _, fallback = parameter.partition(" = ")
    kind = declared.rsplit(" ", 1)[0]
    return kind, fallback == "{}"


def functions(folder):
    for header in HEADERS:
        text = (folder / f"{header}.h").read_text()
        text = re.sub(r"//[^\n]*", "", text)
        text = re.sub(r"#define(?:[^\n]*\\\n)*[^\n]*\n", "", text)
        for name, parameters in FUNCTION.findall(text):
            yield name, [parsed(p) for p in split(parameters)]
    for kind, name in TABLE.findall((folder / "elementwise.def").read_text()):
        first, rest = ("const Tensor&", []) if kind == "UNARY" else ("const Operand&", [("const Operand&", False)])
        yield name, [(first, False), *rest]
        yield name + "_", [("const Tensor&", False), *rest]
        yield name + "_out", [("const Tensor&", False), (first, False), *rest]


def calls(folder):
    for name, parameters in functions(folder):
        needed = [i for i, (kind, optional) in enumerate(parameters) if kind in UNDEFINED and not optional]
        needed = [i for i in needed if i not in OPTIONAL.get(name, ())]
        # index(), index_put(): undefined indices keep a dim.
        needed = [i for i in needed if not (name.startswith("index") and parameters[i][0].startswith("std::span"))]
        for which in [*([i] for i in needed), needed] if len(needed) > 1 else [needed]:
            if not which:
                continue
            arguments = [UNDEFINED[kind] if i in which else VALUES[kind] for i, (kind, _) in enumerate(parameters)]
            yield f"{name}({', '.join(arguments)})"


if __name__ == "__main__":
    lines = [f"UNDEFINED({call})\n" for call in calls(Path(sys.argv[1]))]
    Path(sys.argv[2]).write_text("".join(lines))
