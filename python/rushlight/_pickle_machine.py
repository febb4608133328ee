"""A small machine for the pickles of checkpoints that nobody vouches for.

It knows the opcodes of binary pickles, makes plain data itself, and leaves every name, call, state and stored memory to
the tables of `_checkpoint_names.py`. Nothing in a pickle reaches an attribute, a method or a module. What it makes is
charged to a Memory before it is made, so that neither memory nor time grows faster than the file: containers cost what
they may take at most, and objects that hash or compare in more than constant time are no keys.
"""

from __future__ import annotations

import codecs
import pickle
import struct
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError

from ._pickle_parts import Memory, name_in_python3, shown

_NAME_LIMIT = 1024  # bytes of a module's or a function's name
_MEMO_GAP = 256  # memo places that a pickler may leave out at once
_KEY_LEAVES = 64  # values inside a tuple that is a key
_KEY_LENGTH = 1 << 16  # bytes of text in a key
_WEAK_KEYS = 1 << 16  # keys whose hashes the file chooses; see _weigh_key
_SMALL = 1 << 16  # bytes of text or data that need no closer look
_SLOT = 20  # a place on the stack, and in the list or tuple that takes it over; lists double while they grow
_DICT_ITEM, _SET_ITEM, _LIST_ITEM = 96, 136, 20
_FIRST_ITEM = 160
_LITTLE = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<H")
_DOUBLE = struct.Struct(">d")

BLOCKED_MODULES = ("sys", "os", "posix", "nt")


class Machine:
    """Runs pickles from what more(least) gives, bytes until it gives none.

    names: find(module, name), call(machine, function, args), make(machine, kind, args), build(machine, value, state).
    load_storage: the memory for a persistent id. encoding: of the strings of Python 2.
    """

    def __init__(
        self,
        more: Callable[[int], bytes],
        names,
        load_storage: Callable,
        memory: Memory,
        encoding: str = "utf-8",
    ) -> None:
        self.data, self.position = b"", 0
        self.names, self.load_storage, self.memory = names, load_storage, memory
        self.foreign = False  # code that the user allowed is running
        self._encoding, self._more, self._dropped = encoding, more, 0
        self._weak_keys = 0

    def load(self):
        """The object of the next pickle."""
        self._stack: list = []
        self._marks: list[list] = []
        self._memo: list = []
        self.foreign = False
        memory = self.memory
        try:
            while True:
                if self.position >= len(self.data):
                    self._fill(1)
                opcode = self.data[self.position]
                self.position += 1
                memory.left -= _COSTS[opcode]
                if memory.left < 0:
                    memory.refuse()
                run = _OPCODES[opcode]
                if run is None:
                    if opcode == 46:  # STOP
                        return self._stack.pop()
                    raise UnpicklingError(f"Unsupported operand {opcode}")
                run(self)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            if self.foreign:
                raise
            # Programs that take from an empty stack, text that is not UTF-8 and the like.
            raise UnpicklingError(f"the pickle is damaged: {type(error).__name__}: {str(error)[:200]}") from None
        finally:
            self._stack, self._marks, self._memo = [], [], []

    # ---- the bytes
    @property
    def consumed(self) -> int:
        """The bytes that pickles took so far."""
        return self._dropped + self.position

    def _fill(self, least: int) -> None:
        """Drops what was taken and gets more, so that `least` bytes are there."""
        parts = [self.data[self.position :]]
        have = len(parts[0])
        while have < least:
            part = self._more(least - have)
            if not part:
                raise UnpicklingError("the pickle is truncated: Ran out of input")
            parts.append(part)
            have += len(part)
        self._dropped += self.position
        self.data, self.position = b"".join(parts) if parts[0] else parts[1], 0

    def _bytes(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            self._fill(count)
            end = count
        part = self.data if count == len(self.data) else self.data[self.position : end]
        self.position = end
        return part

    def _large(self, count: int) -> bytes:
        """The same for counts that the memory must have: it is charged for what `_fill` makes on the way."""
        self.memory.take(count)
        if count > _SMALL:
            self.memory.take(count)
            self.memory.left += count
        return self._bytes(count)

    def _number(self, kind: struct.Struct) -> int | float:
        return kind.unpack(self._bytes(kind.size))[0]

    def _line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + _NAME_LIMIT)
        while end < 0:
            have = len(self.data) - self.position
            if have >= _NAME_LIMIT:
                raise UnpicklingError(f"a name of more than {_NAME_LIMIT} bytes")
            self._fill(have + 1)
            end = self.data.find(b"\n", 0, _NAME_LIMIT)
        line = str(self.data[self.position : end], "utf-8")
        self.position = end + 1
        return line

    # ---- plain values
    def _push_text(self, count: int) -> None:
        self._decode(count, "utf-8", "surrogatepass")

    def _decode(self, count: int, encoding: str, errors: str) -> None:
        if count > _SMALL:
            self._stack.append(self._decode_large(count, encoding, errors))
            return
        data = self._bytes(count)
        cost = count if data.isascii() else 6 * count
        self.memory.take(cost)
        text = str(data, encoding, errors)
        self.memory.left += cost - min(cost, sys.getsizeof(text))
        self._stack.append(text)

    def _decode_large(self, count: int, encoding: str, errors: str) -> str:
        """In parts: text is as wide as its widest character, and a decoder of all would take some of each width."""
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        parts, taken, length, width = [], 0, 0, 1
        while count:
            data = self._bytes(min(count, _SMALL))
            count -= len(data)
            part = decoder.decode(data, not count)
            self.memory.take(sys.getsizeof(part))
            taken += sys.getsizeof(part)
            length += len(part)
            if not part.isascii():
                most = max(part)
                width = max(width, 4 if most > "\uffff" else 2 if most > "\xff" else 1)
            parts.append(part)
        self.memory.take(width * length)
        text = "".join(parts)
        self.memory.left += taken
        return text

    def _push_bytes(self, count: int) -> None:
        self._stack.append(self._large(count))

    def _push_old_text(self, count: int) -> None:
        if self._encoding == "bytes":
            self._push_bytes(count)
        else:
            self._decode(count, self._encoding, "strict")

    def _push_long(self, count: int) -> None:
        self.memory.take(count >> 3)
        self._stack.append(int.from_bytes(self._large(count), "little", signed=True))

    def _op_long4(self) -> None:
        count = self._number(_LITTLE[0])
        if count < 0:
            raise UnpicklingError("an integer with a negative size")
        self._push_long(count)

    def _op_bytearray8(self) -> None:
        count = self._number(_LITTLE[2])
        self._stack.append(bytearray(self._large(count)))

    def _op_frame(self) -> None:
        self._number(_LITTLE[2])

    # ---- the stack
    def _op_mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _op_pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._to_mark()

    def _op_tuple(self) -> None:
        items = self._to_mark()
        self.memory.take(8 * len(items))
        self._stack.append(tuple(items))

    def _op_tuple1(self) -> None:
        self._stack[-1] = (self._stack[-1],)

    def _op_tuple2(self) -> None:
        last = self._stack.pop()
        self._stack[-1] = (self._stack[-1], last)

    def _op_tuple3(self) -> None:
        last, middle = self._stack.pop(), self._stack.pop()
        self._stack[-1] = (self._stack[-1], middle, last)

    # ---- the memo
    def _get(self, index: int) -> None:
        value = self._memo[index] if index < len(self._memo) else _ABSENT
        if value is _ABSENT:
            raise UnpicklingError(f"memo place {index} is empty")
        self._stack.append(value)

    def _put(self, index: int) -> None:
        memo, value = self._memo, self._stack[-1]
        if index == len(memo):
            memo.append(value)
        elif index < len(memo):
            memo[index] = value
        elif index - len(memo) < _MEMO_GAP:
            self.memory.take(_SLOT * (index - len(memo)))
            memo.extend([_ABSENT] * (index - len(memo)))
            memo.append(value)
        else:
            raise UnpicklingError(f"memo place {index} comes after place {len(memo)}")

    # ---- containers
    def _op_append(self) -> None:
        value = self._stack.pop()
        target = self._stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"Can only append to lists, but got {type(target)}")
        target.append(value)

    def _op_appends(self) -> None:
        items = self._to_mark()
        target = self._stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"Can only extend lists, but got {type(target)}")
        self.memory.take(_LIST_ITEM * len(items))
        target.extend(items)

    def _op_setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items("SETITEM", (key, value))

    def _op_setitems(self) -> None:
        items = self._to_mark()
        if len(items) % 2:
            raise UnpicklingError("SETITEMS with a key that has no value")
        self._set_items("SETITEMS", items)

    def _set_items(self, opcode: str, items) -> None:
        target = self._stack[-1]
        kind = type(target)
        if kind is not dict and kind is not OrderedDict and kind is not Counter:
            raise UnpicklingError(
                f"Can only {opcode} for dict, collections.OrderedDict, collections.Counter, but got {kind}"
            )
        self.charge_dict(len(items) // 2, kind is OrderedDict)
        for i in range(0, len(items), 2):
            key = items[i]
            if type(key) is not str or len(key) > _KEY_LENGTH:
                self.check_key(key, len(target))
            target[key] = items[i + 1]

    def charge_dict(self, count: int, ordered: bool = False) -> None:
        """For a dict that takes `count` more items."""
        self.memory.take(_FIRST_ITEM + (2 * _DICT_ITEM if ordered else _DICT_ITEM) * count)

    def _op_additems(self) -> None:
        items = self._to_mark()
        target = self._stack[-1]
        if type(target) is not set:
            raise UnpicklingError(f"Can only add items to sets, but got {type(target)}")
        self.add_to_set(target, items)

    def _op_frozenset(self) -> None:
        items = self._to_mark()
        self.memory.take(_SET_ITEM * len(items))  # the set and the frozenset
        self._stack.append(frozenset(self.add_to_set(set(), items)))

    def add_to_set(self, target: set, items) -> set:
        """Adds to a set what can be a key."""
        self.memory.take(_SET_ITEM * len(items))
        for item in items:
            if type(item) is not str or len(item) > _KEY_LENGTH:
                self.check_key(item, len(target))
            target.add(item)
        return target

    # ---- keys
    def check_key(self, key, beside: int) -> None:
        """UnpicklingError for what should not be a key beside so many others.

        Text is hashed with a secret of the process. Of numbers the file knows the hashes, and may choose many that
        meet in a table: those that are not about as small as the table are counted.
        """
        weight, leaves, length, todo = 0, 0, 0, [key]
        while todo:
            part = todo.pop()
            kind = type(part)
            leaves += 1
            if kind is str or kind is bytes:
                length += len(part)
            elif kind is int:
                if not -65536 <= part <= 65536 + 8 * beside:
                    weight += 1 if part.bit_length() <= 64 else 8
                    length += 16 * part.bit_length()  # no more than 4096 bits
            elif kind is float:
                weight += 1
            elif kind is complex:
                weight += 8
            elif kind is tuple or kind is frozenset or kind is self.names.size_type:
                length += 512 * len(part)
                weight += 8 if kind is frozenset else 0
                if leaves + len(todo) + len(part) <= _KEY_LEAVES:
                    todo.extend(part)
                else:
                    leaves = _KEY_LEAVES + 1
            elif not (part is None or kind is bool or self.names.is_key(part)):
                raise UnpicklingError(f"{shown(part)} cannot be a key")
            if leaves > _KEY_LEAVES or length > _KEY_LENGTH:
                raise UnpicklingError("a key of a dict or a set is too large")
        if leaves > 1 and weight > 1:
            weight = 8
        self._weak_keys += weight
        if self._weak_keys > _WEAK_KEYS:
            raise UnpicklingError("too many keys that are large numbers, or tuples of numbers")

    # ---- names
    def _op_global(self) -> None:
        module = self._line()
        self._find(*name_in_python3(module, self._line()))

    def _op_stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str or max(len(name), len(module)) > _NAME_LIMIT:
            raise UnpicklingError("STACK_GLOBAL requires str")
        self._find(module, name)

    def _find(self, module: str, name: str) -> None:
        if module in BLOCKED_MODULES:
            raise UnpicklingError(
                f"Trying to load unsupported GLOBAL {module}.{name[:400]} whose module {module} is blocked."
            )
        self._stack.append(self.names.find(module, name))

    def _op_reduce(self) -> None:
        args = self._stack.pop()
        self._stack[-1] = self.names.call(self, self._stack[-1], args)

    def _op_newobj(self) -> None:
        args = self._stack.pop()
        self._stack[-1] = self.names.make(self, self._stack[-1], args)

    def _op_build(self) -> None:
        state = self._stack.pop()
        self.names.build(self, self._stack[-1], state)

    def _op_binpersid(self) -> None:
        self._stack[-1] = self.load_storage(self._stack[-1])


_ABSENT = object()
_OPCODES: list = [None] * 256
_COSTS = [_SLOT] * 256


def _opcode(name: str, run: Callable, cost: int = 0) -> None:
    code = getattr(pickle, name)[0]
    _OPCODES[code] = run
    _COSTS[code] = _SLOT + cost


def _fill_tables() -> None:
    def constant(value):
        return lambda machine: machine._stack.append(value)

    def number(kind):
        return lambda machine: machine._stack.append(machine._number(kind))

    def counted(push, kind=None):  # a count in one byte, or in a number of that kind
        if kind is None:
            return lambda machine: push(machine, machine._bytes(1)[0])
        return lambda machine: push(machine, machine._number(kind))

    signed, unsigned, wide, short = _LITTLE
    for name, value in (("NONE", None), ("NEWTRUE", True), ("NEWFALSE", False), ("EMPTY_TUPLE", ())):
        _opcode(name, constant(value))
    for name, kind, cost in (("EMPTY_LIST", list, 72), ("EMPTY_DICT", dict, 80), ("EMPTY_SET", set, 232)):
        _opcode(name, lambda machine, kind=kind: machine._stack.append(kind()), cost)
    for name, kind in (("BININT", signed), ("BININT2", short), ("BINFLOAT", _DOUBLE)):
        _opcode(name, number(kind), 32)
    _opcode("BININT1", lambda machine: machine._stack.append(machine._bytes(1)[0]))
    for name, push, kind in (
        ("SHORT_BINUNICODE", Machine._push_text, None),
        ("BINUNICODE", Machine._push_text, unsigned),
        ("BINUNICODE8", Machine._push_text, wide),
        ("SHORT_BINBYTES", Machine._push_bytes, None),
        ("BINBYTES", Machine._push_bytes, unsigned),
        ("BINBYTES8", Machine._push_bytes, wide),
        ("SHORT_BINSTRING", Machine._push_old_text, None),
        ("BINSTRING", Machine._push_old_text, unsigned),
        ("LONG1", Machine._push_long, None),
        ("BINGET", Machine._get, None),
        ("LONG_BINGET", Machine._get, unsigned),
        ("BINPUT", Machine._put, None),
        ("LONG_BINPUT", Machine._put, unsigned),
    ):
        _opcode(name, counted(push, kind), 0 if "PUT" in name or "GET" in name else 48 if "LONG" in name else 64)
    _opcode("MEMOIZE", lambda machine: machine._put(len(machine._memo)))
    _opcode("PROTO", lambda machine: machine._bytes(1))
    for name, cost in (
        ("LONG4", 48),
        ("BYTEARRAY8", 80),
        ("FRAME", 0),
        ("MARK", 88),
        ("POP", 0),
        ("TUPLE", 48),
        ("TUPLE1", 48),
        ("TUPLE2", 56),
        ("TUPLE3", 64),
        ("APPEND", _LIST_ITEM),
        ("APPENDS", 0),
        ("SETITEM", 0),
        ("SETITEMS", 0),
        ("ADDITEMS", 0),
        ("FROZENSET", 232),
        ("GLOBAL", 0),
        ("STACK_GLOBAL", 0),
        ("REDUCE", 64),
        ("NEWOBJ", 64),
        ("BUILD", 64),
        ("BINPERSID", 128),
    ):
        _opcode(name, getattr(Machine, f"_op_{name.lower()}"), cost)
    _opcode("POP_MARK", lambda machine: machine._to_mark())


_fill_tables()
