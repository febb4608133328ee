"""load(weights_only=True) of files made to do harm: nothing is called, changed or hashed that is not on the list, and
nothing takes more memory than twice the file and 64 MiB."""

import builtins
import io
import os
import pickle
import random
import struct
import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import rushlight as torch
from checkpoints import (
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    EXPANDED,
    EXPANDED_LONG,
    FALSE,
    FROM_TYPE,
    HOOKS,
    LAYOUT,
    NONE,
    ORDERED,
    PARAMETER,
    PARAMETER_STATE,
    TENSOR,
    TRUE,
    V1,
    V2,
    V3,
    Program,
    archive,
    call,
    dict_of,
    integer,
    integers,
    legacy,
    legacy_tensor,
    list_of,
    name,
    number,
    raw,
    storage,
    storage_id,
    tensor,
    tensor_args,
    text,
    tuple_of,
)
from helpers import unsanitized

ERRORS = (pickle.UnpicklingError, RuntimeError)
MUTANTS = int(
    os.environ.get("RUSHLIGHT_MUTANTS", "600")
)  # changed files and random pickles for each file; 20000 by hand


def load(code, **options):
    return torch.load(io.BytesIO(archive(code)), **options)


def nested(function, *args):
    """A call through two rebuild functions."""
    inner = tuple_of(function, TENSOR, tuple_of(*args), NONE)
    return call(FROM_TYPE, FROM_TYPE, TENSOR, inner, NONE)


def laughs(levels, pair=b"\x86"):
    """A tuple of 2**levels parts in a few bytes."""
    code = tuple_of(integer(1), integer(1)) + b"q\x01"
    for i in range(2, levels):
        code += b"0h" + bytes([i - 1]) + b"h" + bytes([i - 1]) + pair + b"q" + bytes([i])
    return code


state = text("foo") + integer(1)
VIEW = tensor_args()[:4]
REFUSED = {
    # names
    "a function of os": name("os.system") + tuple_of(text("true")) + b"R",
    "a blocked module": name("posix.system"),
    "builtins.eval": name("builtins.eval"),
    "builtins.getattr": name("builtins.getattr"),
    "__builtin__.getattr": name("__builtin__.getattr"),
    "torch.load": name("torch.load"),
    "torch.save": name("torch.save"),
    "rushlight.save": name("rushlight.save"),
    "a module": name("torch.serialization"),
    "torch.serialization.load": name("torch.serialization.load"),
    "a dotted name": b"ctorch\nserialization.load\n",
    "an empty name": b"c\n\n",
    "a name without end": b"c" + b"a" * 5000,
    "a name that is not UTF-8": b"c\xff\n\xfe\n",
    "STACK_GLOBAL": text("os") + text("system") + b"\x93",
    "STACK_GLOBAL of numbers": integer(1) + integer(2) + b"\x93",
    "STACK_GLOBAL of types": name("torch.Tensor") + text("x") + b"\x93",
    "EXT1": b"\x82\x01",
    "INST": b"(X\x01\x00\x00\x00xios\nsystem\n",
    "OBJ": b"(" + name("collections.OrderedDict") + b"o",
    "NEWOBJ_EX": ORDERED + EMPTY_TUPLE + EMPTY_DICT + b"\x92",
    # attributes of the package
    **{
        f"_get_layout({attribute})": call(LAYOUT, text(attribute))
        for attribute in "torch.save save torch.load torch._LAZY torch.__builtins__ __dict__ torch.strided\0 torch".split()
    },
    "_get_layout of a layout's attribute": call(LAYOUT, text("torch.strided.__class__")),
    "_get_layout of a tensor": call(LAYOUT, tensor()),
    # calls inside of calls
    "from_type of from_type": nested(V2, *tensor_args()),
    "from_type of _get_layout": call(FROM_TYPE, LAYOUT, TENSOR, tuple_of(text("torch.strided")), NONE),
    "from_type of itself": call(FROM_TYPE, FROM_TYPE, TENSOR, EMPTY_TUPLE, NONE),
    "from_type of set": call(FROM_TYPE, name("builtins.set"), TENSOR, tuple_of(EMPTY_LIST), NONE),
    "from_type of encode": call(FROM_TYPE, name("_codecs.encode"), TENSOR, tuple_of(text("a"), text("latin1")), NONE),
    "from_type of a number": call(FROM_TYPE, integer(1), TENSOR, EMPTY_TUPLE, NONE),
    "from_type to set": call(FROM_TYPE, V2, name("builtins.set"), tuple_of(*tensor_args()), NONE),
    "from_type to a number": call(FROM_TYPE, V2, integer(3), tuple_of(*tensor_args()), NONE),
    "from_type with a list": call(FROM_TYPE, V2, TENSOR, list_of(*tensor_args()), NONE),
    "from_type with a tensor for arguments": call(FROM_TYPE, V2, TENSOR, tensor(), NONE),
    "a parameter of a number": call(PARAMETER, integer(3), TRUE, HOOKS),
    "a parameter of a storage": call(PARAMETER, storage(), TRUE, HOOKS),
    "calling a number": integer(5) + EMPTY_TUPLE + b"R",
    "calling a dtype": name("torch.float32") + EMPTY_TUPLE + b"R",
    "calling a storage class": name("torch.FloatStorage") + tuple_of(integer(2**30)) + b"R",
    "calling with a list": name("builtins.set") + list_of(EMPTY_LIST) + b"R",
    "NEWOBJ of a function": V2 + tuple_of(*tensor_args()) + b"\x81",
    "NEWOBJ of complex": name("builtins.complex") + EMPTY_TUPLE + b"\x81",
    "NEWOBJ of a number": integer(1) + EMPTY_TUPLE + b"\x81",
    # sizes
    "Tensor(2**28)": call(TENSOR, integer(2**28)),
    "FloatTensor(2**28)": call(name("torch.FloatTensor"), integer(2**28)),
    "FloatTensor(Size)": call(name("torch.FloatTensor"), call(name("torch.Size"), integers([2**14, 2**14]))),
    "Tensor.__new__(2**28)": TENSOR + tuple_of(integer(2**28)) + b"\x81",
    "Parameter.__new__(2**28)": name("torch.nn.parameter.Parameter") + tuple_of(integer(2**28)) + b"\x81",
    "bytearray(2**31)": call(name("builtins.bytearray"), integer(2**31)),
    "bytes(2**31)": call(name("builtins.bytes"), integer(2**31)),
    "complex of text": call(name("builtins.complex"), text("1")),
    "complex of a huge number": call(name("builtins.complex"), integer(1 << 2000)),
    "Size of text": call(name("torch.Size"), text("abc")),
    "Size of negative numbers": call(name("torch.Size"), integers([-1])),
    "Size of bools": call(name("torch.Size"), tuple_of(TRUE)),
    "a device of nowhere": call(name("torch.device"), text("nowhere")),
    "a device 1e9": call(name("torch.device"), text("cuda"), integer(10**9)),
    "encode to rot13": call(name("_codecs.encode"), text("a"), text("rot13")),
    "encode to punycode": call(name("_codecs.encode"), text("ä" * 100), text("punycode")),
    "encode of what latin-1 lacks": call(name("_codecs.encode"), text("日"), text("latin1")),
    "bytearray of bz2": call(name("builtins.bytearray"), text("a"), text("bz2_codec")),
    # tensors instead of lists and tuples
    "set(tensor)": call(name("builtins.set"), EXPANDED),
    "Counter(tensor)": call(name("collections.Counter"), EXPANDED),
    "OrderedDict(tensor)": call(ORDERED, tensor((2**22, 2), (0, 0))),
    "Size(tensor)": call(name("torch.Size"), EXPANDED_LONG),
    "complex(tensor)": call(name("builtins.complex"), tensor((), ())),
    "bytearray(tensor)": call(name("builtins.bytearray"), EXPANDED),
    "bytearray(storage)": call(name("builtins.bytearray"), storage()),
    "a size that is a tensor": call(V1, storage(), integer(0), EXPANDED_LONG, EXPANDED_LONG),
    "a stride that is a tensor": call(V1, storage(), integer(0), integers([1]), EXPANDED_LONG),
    "an offset that is a tensor": call(V1, storage(), EXPANDED_LONG, integers([1]), integers([1])),
    "a size that is text": call(V1, storage(), integer(0), text("abc"), text("abc")),
    "a size of tensors": call(V1, storage(), integer(0), tuple_of(tensor((), ())), integers([1])),
    "a size of bools": call(V1, storage(), integer(0), tuple_of(TRUE), integers([1])),
    "a size of floats": call(V1, storage(), integer(0), tuple_of(number(1.0)), integers([1])),
    "a storage that is a tensor": call(V1, tensor(), integer(0), integers([1]), integers([1])),
    "a storage that is a class": call(V1, name("torch.FloatStorage"), integer(0), integers([1]), integers([1])),
    "requires_grad that is a tensor": tensor(grad=tensor()),
    "hooks": tensor(hooks=ORDERED + b")R" + text("a") + integer(1) + b"s"),
    "hooks that are a function": tensor(hooks=V2),
    "metadata that is a tensor": tensor(metadata=EXPANDED),
    "unknown metadata": tensor(metadata=dict_of(text("foo"), TRUE)),
    "metadata that is no bool": tensor(metadata=dict_of(text("neg"), EXPANDED)),
    "a key of metadata that is a tensor": tensor(metadata=dict_of(EXPANDED, TRUE)),
    "conj of real numbers": tensor((2**28,), (0,), metadata=dict_of(text("conj"), TRUE)),
    "a dtype that is a number": call(V3, *tensor_args(), integer(3)),
    "a dtype that is text": call(V3, *tensor_args(), text("float32")),
    "a dtype without tensors": call(V3, *tensor_args(), name("torch.qint8")),
    "too few arguments": call(V2, storage()),
    "too many arguments": call(V2, *tensor_args(), NONE, NONE, NONE),
    # outside of the storage
    "behind the end": tensor((2,), (1,)),
    "behind the end by the offset": tensor((1,), (1,), 1),
    "behind the end by strides": tensor((2, 2), (0, 1)),
    "a negative offset": tensor((1,), (1,), -1),
    "a negative size": tensor((-1,), (1,)),
    "a negative stride": tensor((2,), (-1,)),
    "an offset that overflows": tensor((2**62, 4), (2**62, 2**61), 2**62),
    "elements that overflow": tensor((2**33, 2**33), (0, 0)),
    "an offset far from an empty tensor": tensor((0,), (1,), 2**61),
    "80 dims": tensor((1,) * 80, (1,) * 80),
    "more strides than sizes": tensor((1,), (1, 1)),
    "an integer beyond 64 bits": tensor((1,), (2**70,)),
    # storages
    "an id that is a number": integer(1) + b"Q",
    "an id that is text": text("storage") + b"Q",
    "an id of four parts": storage_id(text("0"), integer(1))[:-1] + b"0tQ",
    "an id of a module": storage_id(text("0"), integer(1), first="module") + b"Q",
    "a key that is a tensor": storage_id(tensor(), integer(1)) + b"Q",
    "a key that is a number": storage_id(integer(0), integer(1)) + b"Q",
    "a key that leads out": storage_id(text("../data/0"), integer(1)) + b"Q",
    "a long key": storage_id(text("0" * 10000), integer(1)) + b"Q",
    "a count that is text": storage_id(text("0"), text("1")) + b"Q",
    "a count that is a bool": storage_id(text("0"), TRUE) + b"Q",
    "a negative count": storage_id(text("0"), integer(-1)) + b"Q",
    "a huge count": storage_id(text("0"), integer(2**62)) + b"Q",
    "another count": storage_id(text("0"), integer(2)) + b"Q",
    "two counts": tuple_of(storage(), storage("0", 0)),
    "a class that is a tensor's": storage_id(text("0"), integer(1), "torch.Tensor") + b"Q",
    "a class that is a function": storage_id(text("0"), integer(1), "torch._utils._rebuild_tensor") + b"Q",
    "a location that is a number": storage_id(text("0"), integer(1), location=integer(0)) + b"Q",
    "a location nowhere": storage_id(text("0"), integer(1), location=text("x" * 10**6)) + b"Q",
    "an id with itself": EMPTY_LIST + b"q\x01h\x01aQ",
    # state
    **{
        f"state {attribute!r} of a Parameter": call(PARAMETER_STATE, tensor(), TRUE, HOOKS, dict_of(text(attribute), NONE))
        for attribute in ("data", "grad", "__class__", "__dict__", "backward", "requires_grad", "__reduce_ex__")
    },
    "state of slots": call(PARAMETER_STATE, tensor(), TRUE, HOOKS, tuple_of(NONE, dict_of(text("data"), tensor()))),
    "state __class__ in slots": call(FROM_TYPE, V2, TENSOR, tuple_of(*tensor_args()), tuple_of(NONE, dict_of(text("__class__"), TENSOR))),
    "state with a number for a name": call(PARAMETER_STATE, tensor(), TRUE, HOOKS, dict_of(integer(1), NONE)),
    "state that is a list": call(PARAMETER_STATE, tensor(), TRUE, HOOKS, list_of(integer(1))),
    "state that is a tensor": call(PARAMETER_STATE, tensor(), TRUE, HOOKS, EXPANDED),
    "state of an OrderedDict's method": HOOKS + dict_of(text("items"), NONE) + b"b",
    "state of an OrderedDict's class": HOOKS + dict_of(text("__class__"), ORDERED) + b"b",
    "state of an OrderedDict that is a list": HOOKS + list_of(integer(1)) + b"b",
    "state of a list": EMPTY_LIST + dict_of(state) + b"b",
    "state of a class": ORDERED + dict_of(text("get"), integer(1)) + b"b",
    "state of a function": V2 + dict_of(text("__code__"), NONE) + b"b",
    "state of a dtype": name("torch.float32") + dict_of(state) + b"b",
    "state of a tensor with a dict": tensor() + dict_of(text("data"), NONE) + b"b",
    "state of a tensor of another dtype": call(name("torch.LongTensor")) + tuple_of(*VIEW) + b"b",
    "state of a tensor behind the end": TENSOR + b")R" + tuple_of(*tensor_args((5,), (1,))[:4]) + b"b",
    "state of a Parameter of one part": call(PARAMETER, tensor(), TRUE, HOOKS) + tuple_of(NONE) + b"b",
    # containers and keys
    "append to a tuple": EMPTY_TUPLE + integer(1) + b"a",
    "append to a tensor": tensor() + integer(1) + b"a",
    "append to text": text("a") + text("b") + b"a",
    "append to a class": name("collections.OrderedDict") + integer(1) + b"a",
    "setitem of a list": list_of(integer(1)) + integer(0) + integer(2) + b"s",
    "setitem of a tensor": tensor() + integer(0) + integer(2) + b"s",
    "setitem of a storage": storage() + integer(0) + integer(2) + b"s",
    "setitems with a key alone": EMPTY_DICT + b"(K\x01u",
    "additems to a list": EMPTY_LIST + b"(K\x01\x90",
    "a list as a key": EMPTY_DICT + EMPTY_LIST + integer(1) + b"s",
    "a dict in a set": b"\x8f(" + EMPTY_DICT + b"\x90",
    "a storage as a key": EMPTY_DICT + storage() + integer(1) + b"s",
    "2**33 parts as a key": EMPTY_DICT + laughs(34) + integer(1) + b"s",
    "2**33 parts in a set": b"\x8f(" + laughs(34)[:0] + b"\x90" + laughs(34) + b"\x85" + b"Q",
    "2**33 parts in a frozenset": b"(" + laughs(34) + b"\x91",
    "2**33 parts as an id": laughs(34) + b"Q",
    "2**33 parts to call": laughs(34) + EMPTY_TUPLE + b"R",
    "2**33 parts as a layout": LAYOUT + laughs(34) + b"\x85R",
    "2**33 parts as a size": call(V1, storage(), integer(0), laughs(34), integers([1])),
    "2**33 parts as a state": HOOKS + laughs(34) + b"b",
    "a deep tuple as a key": EMPTY_DICT + EMPTY_TUPLE + b"\x85" * 5000 + integer(1) + b"s",
    "an integer of 8 kB as a key": EMPTY_DICT + integer(1 << 65000) + integer(1) + b"s",
    "long text as a key": EMPTY_DICT + text("a" * (1 << 17)) + integer(1) + b"s",
    "keys with one hash": EMPTY_DICT
    + b"(" + b"".join(integer(i * (2**61 - 1)) + NONE for i in range(1, 70000)) + b"u",
    "complex keys with one hash": b"\x8f("
    + b"".join(name("builtins.complex") + tuple_of(number(-1000003.0 * i), number(i)) + b"R" for i in range(9000)) + b"\x90",
    "pairs of numbers as keys": b"\x8f(" + b"".join(integers((i << 40, i << 41)) for i in range(1, 9000)) + b"\x90",
    # opcodes
    "INT": b"I" + b"9" * 100000 + b"\n",
    "LONG": b"L" + b"9" * 100000 + b"L\n",
    "UNICODE": b"V\\u0041\n",
    "GET": b"g0\n",
    "PERSID": b"Pstorage\n",
    "DUP": integer(1) + b"2",
    "a byte that is no opcode": b"\xff",
    "a memo place far away": NONE + b"r\xff\xff\xff\x7f",
    "an empty memo place": b"h\x07",
    "a memo place that was left out": NONE + b"q\x05h\x03",
    "tuple without mark": b"t",
    "pop without value": b"0",
    "append without list": integer(1) + b"a",
    "nothing": b"",
    "text of 2**32 - 1": b"X\xff\xff\xff\xffa",
    "text of 2**64 - 1": b"\x8d" + b"\xff" * 8 + b"a",
    "bytes of 2**62": b"\x8e" + struct.pack("<Q", 2**62) + b"a",
    "a bytearray of 2**62": b"\x96" + struct.pack("<Q", 2**62) + b"a",
    "an integer of 2**31 - 1 bytes": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"a",
    "an integer of -1 bytes": b"\x8b" + struct.pack("<i", -1) + b"a",
    "text that is not UTF-8": b"X\x02\x00\x00\x00\xff\xfe",
    "text that ends too early": b"X\x09\x00\x00\x00ab",
    # kinds of tensors
    **{
        f"{function}": call(name(f"torch._utils.{function}"), integer(1))
        for function in (
            "_rebuild_sparse_tensor _rebuild_qtensor _rebuild_nested_tensor _rebuild_meta_tensor_no_storage "
            "_rebuild_wrapper_subclass _rebuild_device_tensor_from_numpy"
        ).split()
    },
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_is_refused(case, form):
    before = dict(vars(builtins)), dict(torch._LAZY)
    code = REFUSED[case]
    storages = {"0": (struct.pack("<f", 1.0), 4), "1": (bytes(8), 8)}
    data = archive(code) if form == "zip" else legacy(code, storages)
    with pytest.raises(ERRORS) as caught:
        torch.load(io.BytesIO(data))
    assert 10 < len(str(caught.value)) < 2000
    assert (dict(vars(builtins)), dict(torch._LAZY)) == before


def test_a_refusal_names_what_it_refuses():
    for code, message in (
        (name("numpy.ndarray"), r"Unsupported global: GLOBAL numpy.ndarray was not an allowed global by default"),
        (name("builtins.eval"), r"GLOBAL eval was not an allowed global"),
        (name("__builtin__.eval"), r"GLOBAL eval was not an allowed global"),
        (name("os.system"), r"unsupported GLOBAL os.system whose module os is blocked"),
        (EMPTY_TUPLE + NONE + b"a", r"Can only append to lists"),
        (EMPTY_LIST + NONE + NONE + b"s", r"Can only SETITEM for dict"),
        (integer(3) + EMPTY_TUPLE + b"R", r"Trying to call reduce for unrecognized function 3"),
        (integer(3) + EMPTY_DICT + b"b", r"Can only build Tensor, Parameter, OrderedDict or types allowlisted"),
        (integer(3) + EMPTY_TUPLE + b"\x81", r"Can only create new object for nn.Parameter or classes allowlisted"),
        (b"I1\n", r"Unsupported operand 73"),
        (call(name("torch._utils._rebuild_sparse_tensor"), NONE), "sparse tensors are not supported"),
    ):
        with pytest.raises(pickle.UnpicklingError, match="(?s)Weights only load failed.*" + message):
            load(code)


def test_what_is_allowed():
    assert load(call(name("builtins.set"), list_of(integer(1), text("a")))) == {1, "a"}
    assert load(call(name("__builtin__.set"), list_of(integer(1)))) == {1}
    assert load(b"(K\x01\x91") == frozenset([1])
    assert load(call(name("collections.Counter"), dict_of(text("a"), integer(2)))) == Counter("aa")
    assert load(call(ORDERED, list_of(list_of(text("a"), integer(1))))) == OrderedDict(a=1)
    made = load(HOOKS + dict_of(text("_metadata"), integer(1), text("note"), integer(2)) + b"b")
    assert vars(made) == {"_metadata": 1, "note": 2}
    assert load(call(name("torch.Size"), integers([2, 3]))) == torch.Size([2, 3])
    assert load(call(name("torch.device"), text("cuda"), integer(1))) == torch.device("cuda:1")
    assert load(call(name("torch.device"), text("cuda:1"))) == torch.device("cuda:1")
    assert load(call(LAYOUT, text("torch.strided"))) is torch.strided
    assert load(name("torch.bfloat16")) is torch.bfloat16
    assert load(call(name("builtins.complex"), number(1.0), integer(2))) == 1 + 2j
    assert load(call(name("builtins.bytearray"), text("é"), text("latin-1"))) == bytearray(b"\xe9")
    assert load(call(name("_codecs.encode"), text("é"), text("latin1"))) == b"\xe9"
    assert load(call(name("builtins.bytes"))) == b""
    assert load(integer(-(10**300))) == -(10**300)
    for size, stride, offset in (
        ((1,), (1,), 0),
        ((), (), 0),
        ((0, 3), (3, 1), 1),
        ((2**40,), (0,), 0),
        ((1,), (99,), 0),
    ):
        made = load(tensor(size, stride, offset))
        assert (tuple(made.shape), made.stride(), made.storage_offset()) == (size, stride, offset)
    for hooks in (HOOKS, NONE, EMPTY_DICT):
        assert load(tensor(hooks=hooks)).tolist() == [1]
    assert load(call(V1, *VIEW)).tolist() == [1]
    assert load(
        call(V3, *tensor_args(of=storage("0", 4, "torch.storage.UntypedStorage")), name("torch.float32"))
    ).tolist() == [1]
    made = load(call(PARAMETER_STATE, tensor(), FALSE, HOOKS, dict_of(state)))
    assert type(made) is torch.nn.Parameter and not made.requires_grad and made.foo == 1
    made = load(call(FROM_TYPE, V2, TENSOR, tuple_of(*tensor_args()), tuple_of(dict_of(state), NONE)))
    assert type(made) is torch.Tensor and made.foo == 1
    keys = [
        integer(2**63),
        number(0.5),
        NONE,
        TRUE,
        raw(b"x"),
        integers([1, 2]),
        name("torch.float32"),
        name("torch.Tensor"),
    ]
    assert len(load(dict_of(*(part for key in keys for part in (key, NONE))))) == len(keys)
    assert len(load(EMPTY_DICT + b"(" + b"".join(integer(i) + NONE for i in range(100_000)) + b"u")) == 100_000
    assert load(text("a\ud800")) == "a\ud800"  # as torch
    assert load(text("日本" * 50_000 + "\U0001f600")) == "日本" * 50_000 + "\U0001f600"
    assert load(raw(b"ab" * 300_000)) == b"ab" * 300_000
    shared = load(list_of(tensor() + b"q\x01", b"h\x01"))
    assert shared[0] is shared[1]
    loop = load(EMPTY_LIST + b"q\x01h\x01a")
    assert loop[0] is loop


def test_the_first_files():
    """Tensors and Parameters that are made empty and get their memory as state."""
    made = load(call(name("torch.FloatTensor")) + tuple_of(*VIEW) + b"b")
    assert made.dtype == torch.float32 and made.tolist() == [1]
    parameter = name("torch.nn.parameter.Parameter")
    for parts in (VIEW, (tensor(), NONE, HOOKS, TRUE, FALSE)):
        made = load(parameter + EMPTY_TUPLE + b"\x81" + tuple_of(*parts) + b"b")
        assert type(made) is torch.nn.Parameter and made.tolist() == [1] and made.requires_grad
    made = load(parameter + tuple_of(tensor()) + b"\x81" + tuple_of(FALSE, NONE, HOOKS) + b"b")
    assert made.tolist() == [1] and not made.requires_grad


class Slotted(torch.Tensor):
    __slots__ = ("mark",)


class WithState(torch.Tensor):
    def __setstate__(self, state):
        self.__dict__.update(found=state)


def reached(*args):
    raise AssertionError("called")


def allowed(code, *items):
    with torch.serialization.safe_globals(list(items)):
        return load(code)


def test_what_the_user_allows():
    here = f"{__name__}."
    slots = tuple_of(NONE, dict_of(text("mark"), integer(3)))
    made = allowed(call(FROM_TYPE, V2, name(here + "Slotted"), tuple_of(*tensor_args()), slots), Slotted)
    assert type(made) is Slotted and made.mark == 3
    made = allowed(call(FROM_TYPE, V2, name(here + "WithState"), tuple_of(*tensor_args()), dict_of(state)), WithState)
    assert made.found == {"foo": 1}
    for code in (
        call(
            FROM_TYPE, V2, name(here + "Slotted"), tuple_of(*tensor_args()), tuple_of(NONE, dict_of(text("data"), NONE))
        ),
        call(
            FROM_TYPE,
            V2,
            name(here + "Slotted"),
            tuple_of(*tensor_args()),
            tuple_of(NONE, dict_of(text("__class__"), TENSOR)),
        ),
        call(FROM_TYPE, name(here + "Slotted"), TENSOR, EMPTY_TUPLE, NONE),
        call(name(here + "Slotted"), integer(2**28)),
        name(here + "Slotted") + tuple_of(integer(2**28)) + b"\x81",
    ):
        with pytest.raises(pickle.UnpicklingError):
            allowed(code, Slotted)
    with pytest.raises(pickle.UnpicklingError, match="unrecognized function"):  # not as the function of another
        allowed(call(FROM_TYPE, name(here + "reached"), TENSOR, EMPTY_TUPLE, NONE), reached)
    with pytest.raises(AssertionError, match="called"):  # its errors are its own
        allowed(call(name(here + "reached")), reached)
    with pytest.raises(pickle.UnpicklingError, match="blocked"):
        allowed(name("os.system"), (os.getcwd, "os.system"))


def test_random_pickles():
    """Random programs out of what is allowed: a value or one of two errors, and values that can be read."""
    outcomes = Counter()
    for seed in range(MUTANTS * 5):
        code = Program(random.Random(seed)).bytes()
        try:
            outcomes[type(readable(load(code))).__name__] += 1
        except ERRORS as error:
            assert len(str(error)) < 2000, seed
            outcomes[type(error).__name__] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
    assert len(outcomes) > 5


def readable(value, depth=0):
    """Reads the ends of every tensor in it."""
    if isinstance(value, torch.Tensor):
        if value.numel():
            value.detach()[(0,) * value.dim()].item(), value.detach()[(-1,) * value.dim()].item()
    elif depth < 50 and isinstance(value, (list, tuple, set, frozenset, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            readable(item, depth + 1)
    return value


def test_legacy_files():
    assert torch.load(io.BytesIO(legacy(legacy_tensor()))).tolist() == [1]
    for data in (
        legacy(legacy_tensor((2,), (1,))),
        legacy(legacy_tensor(count=2)),
        legacy(legacy_tensor(count=2**40)),
        legacy(legacy_tensor(), keys=[]),  # memory that nobody filled
        legacy(legacy_tensor(), keys=["0", "0"]),
        legacy(legacy_tensor(), keys=["1"]),
        legacy(legacy_tensor(), keys=3),
        legacy(legacy_tensor(), keys=[(1,)]),
        legacy(legacy_tensor(), counts={"0": 2}),
        legacy(legacy_tensor(), counts={"0": -1}),
        legacy(legacy_tensor(view=tuple_of(text("1"), integer(0), integer(1)))),
        legacy(tuple_of(*(legacy_tensor(key=str(i), count=10) for i in range(100)))),
        legacy(legacy_tensor(), magic=1),
        legacy(legacy_tensor(), protocol=1),
        legacy(legacy_tensor(), magic=[1]),
        legacy(legacy_tensor())[:-1],
        legacy(storage_id(text("0"), integer(1), first="module") + b"Q"),
    ):
        with pytest.raises(ERRORS) as caught:
            torch.load(io.BytesIO(data))
        assert 10 < len(str(caught.value)) < 2000


@unsanitized
def test_memory():
    """Each case in a process of its own: no more than twice the file and 64 MiB."""
    script = Path(__file__).with_name("load_memory.py")
    paths = os.pathsep.join([str(Path(torch.__file__).parent.parent), str(script.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, str(script), *(["all"] if MUTANTS > 1000 else [])],
        env=environment, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") >= 10, done.stdout


def test_exceptions_of_map_location_are_its_own():
    file = io.BytesIO()
    torch.save(torch.ones(2), file)

    def fails(error):
        def map_location(storage, location):
            raise error

        return map_location

    for error in (KeyError("cpu"), ValueError("x"), TypeError("y"), ZeroDivisionError(), AttributeError("z")):
        for weights_only in (True, False):
            file.seek(0)
            with pytest.raises(type(error)):
                torch.load(file, map_location=fails(error), weights_only=weights_only)
