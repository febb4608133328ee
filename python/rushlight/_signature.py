"""What inspect.signature() says of functions that are not written in Python."""

import ast
import inspect

_LITERALS = {"None": None, "True": True, "False": False}


def _default(text: str) -> object:
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def of(function: object) -> inspect.Signature:
    """The signature of a function with one overload; ValueError for others."""
    text = function.__text_signature_full__
    if text is None:
        raise ValueError(f"{function!r} has several signatures")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    found = []
    for parameter in filter(None, text[1:-1].split(", ")):
        if parameter == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
            continue
        name, _, default = parameter.rpartition(" ")[2].partition("=")
        found.append(inspect.Parameter(name, kind, default=_default(default) if default else inspect.Parameter.empty))
    return inspect.Signature(found)
