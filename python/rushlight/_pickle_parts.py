"""What the reading of checkpoints shares: the memory that a load may take, values in messages, names in pickles."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from pickle import UnpicklingError


class Name:
    """What a name of a pickle stands for, where that is no object of Python's."""

    __slots__ = ("full_name",)

    def __init__(self, full_name: str) -> None:
        self.full_name = full_name


class Memory:
    """What a load may still take, in bytes."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.left = self.limit = limit

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            self.refuse()

    def refuse(self) -> None:
        raise RuntimeError(
            f"torch.load: the checkpoint asks for more memory than is allowed, {self.limit} bytes (by default about "
            "twice the file and 64 MiB; torch.utils.serialization.config.load.max_memory sets another limit)"
        )


def shown(value: object) -> str:
    """A value of a file in a message: short, and in constant time."""
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"[:200]
    kind = type(value)
    if kind is str or kind is bytes:
        return repr(value[:60]) + ("..." if len(value) > 60 else "")
    if value is None or kind in (bool, float) or (kind is int and value.bit_length() <= 64):
        return repr(value)
    if isinstance(value, Name):
        return value.full_name
    return f"an object of type {kind.__module__}.{kind.__qualname__}"[:200]


def name_in_python3(module: str, name: str) -> tuple[str, str]:
    """Pickles of protocol 2 name what Python 2 had."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[module, name]
    return IMPORT_MAPPING.get(module, module), name


def names_in_pickle(data: bytes) -> list[str]:
    """What a pickle names, without running it: "module.name", each once. UnpicklingError if it is damaged."""
    import pickletools

    found: dict[str, None] = {}
    texts: list = ["", ""]  # the last two texts, which STACK_GLOBAL takes
    memo: dict[int, object] = {}
    last = None
    try:
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                memo[len(memo) if argument is None else argument] = last
                continue
            last = memo.get(argument) if name in ("GET", "BINGET", "LONG_BINGET") else argument
            if name == "GLOBAL":
                module, _, of_module = argument.partition(" ")
                found[".".join(name_in_python3(module, of_module))] = None
            elif name == "STACK_GLOBAL":
                found[f"{texts[0]}.{texts[1]}"] = None
            if type(last) is str:
                texts = [texts[1], last]
    except (ValueError, LookupError, ArithmeticError) as error:
        raise UnpicklingError(f"the pickle is damaged: {str(error)[:200]}") from None
    return list(found)
