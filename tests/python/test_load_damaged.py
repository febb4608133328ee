"""load() of damaged files of both formats: RuntimeError for archives, UnpicklingError for pickles, and nothing else."""

import functools
import io
import os
import pickle
import random
import struct
import zipfile
from collections import Counter, OrderedDict

import pytest
import rushlight as torch
from checkpoints import archive, legacy, legacy_tensor, list_of, mutated, tensor, text, tuple_of

ERRORS = (pickle.UnpicklingError, RuntimeError)
MUTANTS = int(os.environ.get("RUSHLIGHT_MUTANTS", "600"))


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def state():
    """What a training program saves."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 3, "history": [0.5, 0.25]}


def values():
    marked = torch.ones(2)
    marked.note = "kept"
    base = torch.arange(12.0).reshape(3, 4)
    return OrderedDict(
        views=[base, base[1:], base.T],
        kinds=[torch.ones(2, dtype=dtype) for dtype in (torch.bool, torch.bfloat16, torch.uint16, torch.complex64)],
        conj=torch.tensor([1j]).conj(),
        parameter=torch.nn.Parameter(torch.ones(2)),
        marked=marked,
        small=[torch.float16, torch.Size([2]), torch.device("cpu"), torch.strided, {1, 2}, 1j, b"ab", bytearray(b"c")],
        counter=Counter("aab"),
        plain=(None, True, 10**30, -(2**40), "é" * 50, 2.5),
    )


def packed(data):
    """The same archive, deflated."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for record in old.namelist():
            new.writestr(record, old.read(record))
    return made.getvalue()


CASES = ("a tensor", "a state", "values", "values in protocol 5", "deflated", "big endian", "old", "small old")


@functools.cache
def files():
    old = legacy(
        list_of(legacy_tensor((2,), (1,), count=2), legacy_tensor(key="1", kind="torch.LongStorage"), text("x")),
        {"0": (bytes(8), 4), "1": (bytes(8), 8)},
    )
    return {
        "a tensor": saved({"a": torch.ones(3)}),
        "a state": saved(state()),
        "values": saved(values(), pickle_protocol=2),
        "values in protocol 5": saved(values(), pickle_protocol=5),
        "deflated": packed(saved(values())),
        "big endian": archive(tensor(), {"data/0": struct.pack(">f", 1.0), "byteorder": b"big"}),
        "old": old,
        "small old": legacy(tuple_of(legacy_tensor())),
    }


def inside(data, chance):
    """The archive with its pickle changed, or its list of records, each record itself whole."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for record in old.namelist():
            content = old.read(record)
            if record.endswith("data.pkl"):
                content = mutated(content, chance)
            elif chance.random() < 0.02:
                continue
            new.writestr(record, content)
    return made.getvalue()


def outcome(run):
    try:
        run()
        return "loaded"
    except ERRORS as error:
        assert 10 < len(str(error)) < 2000
        return type(error).__name__


@pytest.mark.parametrize("case", CASES)
def test_changed_files(case):
    data, outcomes = files()[case], Counter()
    for seed in range(MUTANTS):
        chance = random.Random(seed)
        changed = inside(data, chance) if data[:2] == b"PK" and seed % 3 == 0 else mutated(data, chance)
        if not changed:
            continue
        try:
            outcomes[outcome(lambda changed=changed: torch.load(io.BytesIO(changed)))] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    assert outcomes["loaded"] and outcomes["RuntimeError"] and outcomes["UnpicklingError"], outcomes


@pytest.mark.parametrize("options", [{"mmap": True}, {"weights_only": False}], ids=["mapped", "trusted"])
def test_changed_archives(tmp_path, options):
    """Mapped, and with a pickle that is trusted (and whole): the archive around it is not."""
    data = saved(values())
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        size = whole.getinfo("archive/data.pkl").file_size
        start = data.index(whole.read("archive/data.pkl"))
    outcomes, path = Counter(), tmp_path / "x.pt"
    for seed in range(MUTANTS // 2):
        changed = mutated(data, random.Random(seed))
        if changed[:4] != b"PK\x03\x04" or ("mmap" not in options and data[start : start + size] not in changed):
            continue
        path.write_bytes(changed)
        try:
            outcomes[outcome(lambda: torch.load(path, **options))] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    assert outcomes["loaded"] and outcomes["RuntimeError"], outcomes


@pytest.mark.parametrize("case", CASES)
def test_cut_files(case):
    """Cut at every place near the ends and at some between."""
    data = files()[case]
    chance = random.Random(0)
    places = {*range(1, 80), *range(len(data) - 80, len(data)), *(chance.randrange(1, len(data)) for _ in range(100))}
    for place in places:
        with pytest.raises(ERRORS) as caught:
            torch.load(io.BytesIO(data[:place]))
        assert 10 < len(str(caught.value)) < 2000


def entries(data):
    """Places of the directory's entries and of its end."""
    places, at = [], data.find(b"PK\x01\x02")
    while at >= 0:
        places.append(at)
        at = data.find(b"PK\x01\x02", at + 1)
    return places, data.rfind(b"PK\x05\x06")


@pytest.mark.parametrize(
    ("field", "width", "value"),
    [
        (8, 2, 1),  # encrypted
        (10, 2, 99),  # an unknown method
        (10, 2, 8),  # deflated, though it is not
        (20, 4, 2**31),  # sizes
        (20, 4, 2**32 - 1),
        (24, 4, 2**31),
        (24, 4, 0),
        (28, 2, 65535),  # lengths of names and more
        (28, 2, 0),
        (30, 2, 65535),
        (32, 2, 65535),
        (42, 4, 2**31),  # places
        (42, 4, 2**32 - 1),
        (42, 4, 7),
    ],
)
def test_lies_in_the_directory(field, width, value):
    data = saved(values())
    for place in entries(data)[0]:
        changed = bytearray(data)
        changed[place + field : place + field + width] = value.to_bytes(width, "little")
        name = data[place + 46 : place + 60]
        if name.startswith((b"archive/data/", b"archive/data.p")):
            with pytest.raises(RuntimeError):
                torch.load(io.BytesIO(bytes(changed)))


@pytest.mark.parametrize(
    ("field", "width", "value"),
    [(4, 2, 1), (6, 2, 1), (10, 2, 0), (10, 2, 65535), (10, 2, 3), (12, 4, 0), (12, 4, 2**32 - 1), (16, 4, 0), (16, 4, 2**32 - 1)],
)  # fmt: skip
def test_lies_at_the_end(field, width, value):
    data = saved(values())
    end = entries(data)[1]
    changed = bytearray(data)
    changed[end + field : end + field + width] = value.to_bytes(width, "little")
    with pytest.raises(RuntimeError):
        torch.load(io.BytesIO(bytes(changed)))


def test_records_that_overlap_or_repeat():
    def with_records(change):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as made:
            made.writestr("a/data.pkl", b"\x80\x02" + tuple_of(tensor(), tensor()) + b".")
            made.writestr("a/data/0", bytes(4))
            change(made)
        return file.getvalue()

    def overlap(made):
        made.writestr("a/data/1", bytes(100))
        made.getinfo("a/data/1").header_offset = made.getinfo("a/data/0").header_offset

    def twice(made):
        with pytest.warns(UserWarning):
            made.writestr("a/data/0", bytes(4))

    def lying(made):
        info = made.getinfo("a/data/0")
        info.file_size = info.compress_size = 2**31

    assert len(torch.load(io.BytesIO(with_records(lambda made: None)))) == 2
    for change, message in ((overlap, "overlaps"), (twice, "two records"), (lying, "overlaps")):
        with pytest.raises(RuntimeError, match=message):
            torch.load(io.BytesIO(with_records(change)))


class Plain:
    """A file with nothing but what load() asks for, which gives a few bytes at once."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, count=-1):
        return self._file.read(min(count, 1000) if count >= 0 else count)

    def readline(self):
        return self._file.readline()

    def seek(self, place, whence=0):
        self._file.seek(place, whence)

    def tell(self):
        return self._file.tell()


@pytest.mark.parametrize("case", ["values", "old", "deflated", "big endian"])
def test_all_kinds_of_files(case, tmp_path):
    data = files()[case]
    expected = str(torch.load(io.BytesIO(data)))
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    assert str(torch.load(Plain(data))) == expected
    assert str(torch.load(path)) == expected
    assert str(torch.load(os.fspath(path))) == expected
    with open(path, "rb", buffering=0) as file:
        assert str(torch.load(file)) == expected
    behind = io.BytesIO(b"12345" + data)  # not from the beginning
    behind.seek(5)
    assert str(torch.load(behind)) == expected
    if data[:2] == b"PK":
        assert str(torch.load(path, mmap=True)) == expected
    assert str(torch.load(io.BytesIO(data), weights_only=False)) == expected


def test_several_values_in_a_file():
    file = io.BytesIO()
    data = legacy(legacy_tensor())
    file.write(data + legacy(text("b"), {}))
    file.seek(0)
    assert torch.load(file).tolist() == [1]
    assert file.tell() == len(data)
    assert torch.load(file) == "b"
    file = io.BytesIO(b"123")
    file.seek(3)
    torch.save([torch.ones(2)], file)
    file.seek(3)
    assert torch.load(file)[0].tolist() == [1, 1]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(EOFError, match="Ran out of input"):
        torch.load(io.BytesIO())
    with pytest.raises(TypeError, match="binary mode"):
        torch.load(io.StringIO("PK"))
    with pytest.raises(IsADirectoryError):
        torch.load(tmp_path)
    with open(os.devnull, "rb") as file, pytest.raises(EOFError):
        torch.load(file)
    reading, writing = os.pipe()
    os.write(writing, b"PK\x03\x04")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises(io.UnsupportedOperation, match="pre-load the data"):
        torch.load(pipe)
    tar = bytearray(512)
    tar[257:262] = b"ustar"
    for weights_only, message in ((True, "Cannot use ``weights_only=True``"), (False, "tar format")):
        with pytest.raises(RuntimeError, match=message):
            torch.load(io.BytesIO(tar), weights_only=weights_only)
    script = io.BytesIO()
    with zipfile.ZipFile(script, "w") as made:
        made.writestr("a/data.pkl", b"\x80\x02N.")
        made.writestr("a/constants.pkl", b"\x80\x02N.")
    for weights_only in (True, False):
        script.seek(0)
        with pytest.raises(RuntimeError, match="TorchScript"):
            torch.load(script, weights_only=weights_only)
