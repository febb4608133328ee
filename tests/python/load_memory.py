"""Loads files that ask for much memory, each in a process of its own, and says how much each took; "all" for all of them.

Exits with 1 if one took more than twice its file and 64 MiB. Run by test_load_restricted.py; needs Linux's /proc.
"""

import io
import os
import pickle
import struct
import sys
import tempfile
import warnings

import rushlight as torch
from checkpoints import (
    EMPTY_DICT,
    FALSE,
    HOOKS,
    NONE,
    ORDERED,
    PARAMETER,
    PARAMETER_STATE,
    V1,
    archive,
    call,
    dict_of,
    integer,
    integers,
    legacy,
    legacy_tensor,
    list_of,
    name,
    raw,
    storage,
    tensor,
    tensor_args,
    text,
    tuple_of,
)

MIB = 1 << 20
OPERATIONS = {
    "lists": b"]",
    "lists of one": b"]Na",
    "dicts": b"}",
    "dicts of one": b"}K\x01Ns",
    "sets": b"\x8f",
    "sets of one": b"\x8f(K\x01\x90",
    "frozensets": b"(K\x01\x91",
    "tuples": b")\x85",
    "triples": b"NNN\x87",
    "None": b"N",
    "integers": b"J\x01\x02\x03\x04",
    "long integers": b"\x8a\x07abcdefg",
    "floats": b"G\x01\x01\x01\x01\x01\x01\x01\x01",
    "text": b"X\x02\x00\x00\x00ab",
    "wide text": b"X\x04\x00\x00\x00\xf0\x9f\x98\x80",
    "bytes": b"C\x02ab",
    "bytearrays": b"\x96\x02\x00\x00\x00\x00\x00\x00\x00ab",
    "memo": b"N\x94",
}


def repeated(function, args, times, before=b""):
    """A list with what calls of one function with the same arguments give."""
    return before + function + b"q\x01" + args + b"q\x02](" + b"h\x01h\x02R" * times + b"e"


def numbers(count, between=b""):
    return b"".join(b"J" + struct.pack("<i", i) + between for i in range(count))


def builders():
    """By name, a function that gives a file; the first ones are those that a short run takes."""
    many = 700_000
    wide = text("a" * 30_000_000 + "\U0001f600")
    big = 60_000_000
    cases = {
        "deep lists": lambda: archive(b"]" * 10**6 + b"a" * 999_999),
        "lists side by side": lambda: archive(b"](" + b"]" * many + b"e"),
        "tensors": lambda: archive(repeated(V1, tuple_of(*tensor_args()[:4]), 200_000)),
        "expanded tensors, negated": lambda: archive(tensor((2**28,), (0,), metadata=dict_of(text("neg"), b"\x88"))),
        "a set of numbers": lambda: archive(b"\x8f(" + numbers(many) + b"\x90"),
        "Counters": lambda: archive(
            repeated(name("collections.Counter"), dict_of(*[text("a"), NONE]) + b"\x85", 300_000)
        ),
        "a Counter copied": lambda: archive(
            repeated(name("collections.Counter"), EMPTY_DICT + b"(" + numbers(10_000, b"N") + b"u\x85", 100_000)
        ),
        "text in a deflated pickle": lambda: archive(text("a" * (100 * MIB)), packed=True),
        "a deflated record": lambda: archive(
            tensor((2**26,), (1,), of=storage("0", 2**26)), {"data/0": bytes(2**28)}, packed=True
        ),
        "a deflated byte order": lambda: archive(NONE, {"byteorder": bytes(2**28)}, packed=True),
        "wide text": lambda: archive(wide),
        "bytes": lambda: archive(raw(b"a" * big)),
        "a storage": lambda: archive(tensor((15_000_000,), (1,), of=storage("0", 15_000_000)), {"data/0": bytes(big)}),
        "a storage in the other order": lambda: archive(
            tensor((15_000_000,), (1,), of=storage("0", 15_000_000)), {"data/0": bytes(big), "byteorder": b"big"}
        ),
        "a storage of the old format": lambda: legacy(
            legacy_tensor((15_000_000,), (1,), count=15_000_000), {"0": (bytes(big), 4)}
        ),
        "a dict of numbers": lambda: archive(b"}(" + numbers(many, b"N") + b"u"),
    }
    cases["end of the short run"] = None
    for operation, code in OPERATIONS.items():
        cases[f"{operation} on the stack"] = lambda code=code: archive(b"(" + code * 3_000_000 + b"t")
        cases[f"{operation} in a list"] = lambda code=code: archive(b"](" + code * 1_500_000 + b"e")
        cases[f"{operation} in an old file"] = lambda code=code: legacy(b"(" + code * 3_000_000 + b"t")
    parameter = tuple_of(tensor(), FALSE, HOOKS)
    with_state = tuple_of(tensor(), FALSE, HOOKS, dict_of(text("foo"), NONE))
    cases |= {
        "numbers one by one": lambda: archive(b"}" + numbers(many, b"Ns")),
        "numbers in an OrderedDict": lambda: archive(HOOKS + b"(" + numbers(many, b"N") + b"u"),
        "numbers in a frozenset": lambda: archive(b"(" + numbers(many) + b"\x91"),
        "None one by one": lambda: archive(b"]" + b"Na" * 3_000_000),
        "Parameters": lambda: archive(repeated(PARAMETER, parameter, 300_000)),
        "Parameters with state": lambda: archive(repeated(PARAMETER_STATE, with_state, 300_000)),
        "old tensors": lambda: archive(repeated(name("torch.FloatTensor"), b")", 300_000)),
        "sizes": lambda: archive(repeated(name("torch.Size"), integers([1] * 200) + b"\x85", 300_000)),
        "devices": lambda: archive(repeated(name("torch.device"), text("cpu") + b"\x85", 10**6)),
        "OrderedDicts": lambda: archive(repeated(ORDERED, b")", 10**6)),
        "OrderedDicts of one": lambda: archive(repeated(ORDERED, list_of(integers([1, 2])) + b"\x85", 10**6)),
        "sets": lambda: archive(repeated(name("builtins.set"), b")", 10**6)),
        "complex numbers": lambda: archive(repeated(name("builtins.complex"), b")", 10**6)),
        "encoded text": lambda: archive(
            repeated(name("_codecs.encode"), tuple_of(text("a" * 10**6), text("latin1")), 1000)
        ),
        "bytearrays of bytes": lambda: archive(repeated(name("builtins.bytearray"), raw(b"a" * 10**6) + b"\x85", 1000)),
        "storages of one record": lambda: archive(
            tuple_of(text("storage"), name("torch.FloatStorage"), text("0"), text("cpu"), integer(1))
            + b"q\x01](" + b"h\x01Q" * 10**6 + b"e"
        ),
        "storages": lambda: archive(
            list_of(*(storage(str(i), 1) for i in range(50_000))), {f"data/{i}": b"abcd" for i in range(50_000)}
        ),
        "records": lambda: archive(NONE, {f"data/{i}": b"" for i in range(200_000)}),
        "names": lambda: archive(name("torch.float32") * 10**6),
        "text": lambda: archive(text("a" * big)),
        "text of two bytes": lambda: archive(text("\xe9" * (big // 2))),
        "text of three bytes": lambda: archive(text("\u65e5" * (big // 3))),
        "an integer": lambda: archive(b"\x8b" + struct.pack("<i", big) + b"a" * big),
        "a bytearray": lambda: archive(b"\x96" + struct.pack("<Q", big) + b"a" * big),
        "bytes of an old file": lambda: legacy(raw(b"a" * big)),
        "encoded bytes": lambda: archive(call(name("_codecs.encode"), text("\xe9" * 20_000_000), text("latin1"))),
        "storages of an old file": lambda: legacy(
            tuple_of(*(legacy_tensor(key=str(i)) for i in range(20_000))),
            {str(i): (b"abcd", 4) for i in range(20_000)},
        ),
    }  # fmt: skip
    return cases


def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def in_a_child(run):
    """What run() gives, from a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps(run()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, code = os.waitpid(child, 0)
    return pickle.loads(data) if data and code == 0 else (f"died with status {code}", float("inf"))


def main():
    warnings.simplefilter("ignore")
    small = archive(tensor())
    torch.load(io.BytesIO(small))  # imports what it needs
    failed = False
    for case, build in builders().items():
        if build is None:
            if sys.argv[1:] == ["all"]:
                continue
            break
        with tempfile.NamedTemporaryFile() as file:

            def write(build=build, path=file.name):
                with open(path, "wb") as target:
                    target.write(build())

            in_a_child(write)
            size = os.path.getsize(file.name)
            assert size

            def measured(path=file.name):
                before = status("VmRSS")
                with open("/proc/self/clear_refs", "w") as reset:
                    reset.write("5")  # the peak counts from here on
                try:
                    outcome = type(torch.load(path)).__name__
                except (RuntimeError, pickle.UnpicklingError) as error:
                    outcome = f"{type(error).__name__}: {str(error)[:60]}"
                return outcome, status("VmHWM") - before

            outcome, peak = in_a_child(measured)
        limit = 2 * size / MIB + 64
        too_much = "TOO MUCH" if peak > limit else ""
        failed |= peak > limit
        print(f"{case:32} file {size / MIB:6.1f} MiB, took {peak:6.1f} of {limit:6.1f} MiB {too_much} {outcome}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
