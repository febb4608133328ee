"""Checkpoints written byte by byte: parts of pickles, archives around them, the format before zip, and changes that damage
them. For the tests of what load() does with files that nobody vouches for."""

import io
import pickle
import struct
import zipfile

EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, NONE, TRUE, FALSE = b")", b"]", b"}", b"N", b"\x88", b"\x89"
INTERESTING = [0, 1, 2, 3, 4, 8, 63, 64, 72, 73, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**27, 2**31 - 1, 2**31]
INTERESTING += [
    2**32 - 1,
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**70,
    -1,
    -2,
    -(2**31),
    -(2**63),
    -(2**64),
]


def name(full: str) -> bytes:
    """GLOBAL of "module.name"."""
    module, _, attribute = full.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def raw(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data if len(data) < 256 else b"\x8b" + struct.pack("<i", len(data)) + data


def number(value: float) -> bytes:
    return b"G" + struct.pack(">d", value)


def tuple_of(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def list_of(*parts: bytes) -> bytes:
    return b"](" + b"".join(parts) + b"e"


def dict_of(*parts: bytes) -> bytes:
    """Of keys and values in turn."""
    return b"}(" + b"".join(parts) + b"u"


def integers(values) -> bytes:
    return tuple_of(*map(integer, values))


def call(function: bytes, *args: bytes) -> bytes:
    return function + tuple_of(*args) + b"R"


def storage_id(key: bytes, count: bytes, kind="torch.FloatStorage", location=None, first="storage") -> bytes:
    return tuple_of(text(first), name(kind), key, text("cpu") if location is None else location, count)


def storage(key="0", count=1, kind="torch.FloatStorage") -> bytes:
    return storage_id(text(key), integer(count), kind) + b"Q"


V1, V2, V3 = (name(f"torch._utils._rebuild_tensor{version}") for version in ("", "_v2", "_v3"))
FROM_TYPE = name("torch._tensor._rebuild_from_type_v2")
PARAMETER = name("torch._utils._rebuild_parameter")
PARAMETER_STATE = name("torch._utils._rebuild_parameter_with_state")
LAYOUT = name("torch.serialization._get_layout")
TENSOR = name("torch.Tensor")
ORDERED = name("collections.OrderedDict")
HOOKS = ORDERED + b")R"


def tensor_args(size=(1,), stride=(1,), offset=0, of=None, metadata=b"", grad=FALSE, hooks=HOOKS) -> tuple:
    tail = (metadata,) if metadata else ()
    return (of or storage(), integer(offset), integers(size), integers(stride), grad, hooks, *tail)


def tensor(size=(1,), stride=(1,), offset=0, **options) -> bytes:
    return call(V2, *tensor_args(size, stride, offset, **options))


EXPANDED = tensor((2**28,), (0,))
EXPANDED_LONG = tensor((2**22,), (0,), of=storage("1", 1, "torch.LongStorage"))
RECORDS = {"data/0": struct.pack("<f", 1.0), "data/1": bytes(8)}


def archive(code: bytes, records=RECORDS, packed=False, protocol=2) -> bytes:
    """A zip archive around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        made.writestr("a/data.pkl", b"\x80" + bytes([protocol]) + code + b".")
        for record, data in records.items():
            made.writestr(f"a/{record}", data)
        made.writestr("a/version", "3\n")
    return file.getvalue()


def legacy(code: bytes, storages=None, magic=0x1950A86A20F9469CFC6C, protocol=1001, keys=None, counts=None) -> bytes:
    """The format before zip. storages: by key, their bytes and the size of an element."""
    storages = {"0": (struct.pack("<f", 1.0), 4)} if storages is None else storages
    parts = [pickle.dumps(value, 2) for value in (magic, protocol, {"little_endian": True})]
    parts.append(b"\x80\x02" + code + b".")
    parts.append(pickle.dumps(list(storages) if keys is None else keys, 2))
    for key, (data, item) in storages.items():
        parts.append(struct.pack("<q", (counts or {}).get(key, len(data) // item)) + data)
    return b"".join(parts)


def legacy_tensor(size=(1,), stride=(1,), key="0", count=1, view=NONE, kind="torch.FloatStorage") -> bytes:
    saved = storage_id(text(key), integer(count), kind)[:-1] + view + b"tQ"
    return call(V2, saved, integer(0), integers(size), integers(stride), FALSE, HOOKS)


def mutated(data: bytes, chance) -> bytes:
    """The bytes with one to three changes of the kinds that damaged and forged files have."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(max(len(changed), 1))
        kind = chance.randrange(9)
        if kind <= 1 and changed:
            changed[min(at, len(changed) - 1)] = chance.randrange(256)
        elif kind == 2 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 3:
            del changed[at : at + chance.randint(1, 40)]
        elif kind == 4:
            changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 20)))
        elif kind == 5:
            changed[at:at] = changed[at : at + chance.randint(1, 80)]
        elif kind == 6:
            del changed[at:]
        elif kind == 7:  # a number where there may be one
            width = chance.choice((1, 2, 4, 8))
            value = chance.choice(INTERESTING) % (1 << (8 * width))
            changed[at : at + width] = value.to_bytes(width, "little")
        elif len(data) > 40:  # a piece from elsewhere
            start = chance.randrange(len(data))
            piece = data[start : start + chance.randint(1, 60)]
            changed[at : at + len(piece)] = piece
    return bytes(changed)


class Program:
    """A random pickle out of opcodes that a machine takes, with names that are allowed and arguments that are not."""

    NAMES = (
        "torch._utils._rebuild_tensor torch._utils._rebuild_tensor_v2 torch._utils._rebuild_tensor_v3 "
        "torch._utils._rebuild_parameter torch._utils._rebuild_parameter_with_state "
        "torch._tensor._rebuild_from_type_v2 torch.serialization._get_layout _codecs.encode builtins.bytes "
        "collections.OrderedDict collections.Counter builtins.set builtins.complex builtins.bytearray torch.Size "
        "torch.device torch.Tensor torch.FloatTensor torch.LongTensor torch.nn.parameter.Parameter torch.float32 "
        "torch.qint8 torch.bool torch.int64 torch.FloatStorage torch.storage.UntypedStorage"
    ).split()
    TEXTS = (
        "storage 0 1 cpu cuda:0 torch.strided torch.save latin1 utf-8 conj neg data grad foo __class__ items".split()
    )

    def __init__(self, chance) -> None:
        self.chance, self.code, self.depth = chance, [], 0

    def value(self, level=0) -> bytes:
        """Code that leaves one value."""
        chance = self.chance
        kind = chance.randrange(16 if level < 4 else 8)
        if kind == 0:
            return chance.choice((NONE, TRUE, FALSE, EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, b"\x8f", HOOKS))
        if kind == 1:
            return integer(chance.choice(INTERESTING))
        if kind == 2:
            return text(chance.choice(self.TEXTS))
        if kind == 3:
            return name(chance.choice(self.NAMES))
        if kind == 4:
            return tensor()
        if kind == 5:
            return chance.choice((EXPANDED, EXPANDED_LONG, storage(), tensor((0,), (1,), chance.choice((0, 2**40)))))
        if kind == 6:
            return chance.choice((number(chance.choice((0.0, float("nan"), 1e308))), raw(b"ab"), b"h\x00", b"h\x01"))
        if kind == 7:
            return integers(chance.choice(INTERESTING) for _ in range(chance.randrange(4)))
        parts = [self.value(level + 1) for _ in range(chance.randrange(5))]
        if kind == 8:
            return tuple_of(*parts)
        if kind == 9:
            return list_of(*parts)
        if kind == 10:
            return dict_of(*parts[: len(parts) // 2 * 2])
        if kind == 11:
            return b"\x8f(" + b"".join(parts) + b"\x90"
        if kind == 12:
            return self.value(level + 1) + self.value(level + 1) + chance.choice((b"b", b"a", b"R", b"\x81", b"0"))
        if kind == 13:
            return call(name(chance.choice(self.NAMES)), *parts)
        if kind == 14:
            args = list(tensor_args())
            args[chance.randrange(len(args))] = self.value(level + 1)
            function = chance.choice((V2, PARAMETER, V3 if len(args) > 6 else V2))
            made = call(function, *args)
            return (
                call(FROM_TYPE, V2, TENSOR, tuple_of(*args), self.value(level + 1)) if chance.random() < 0.3 else made
            )
        kinds = (b"q\x00", b"q\x01", b"\x85", b"Q")
        return self.value(level + 1) + chance.choice(kinds)

    def bytes(self) -> bytes:
        code = self.value()
        if self.chance.random() < 0.2:
            code = mutated(code, self.chance)
        return code
