"""save and load: what comes back, torch's files both ways, the old format, restricted loading, damaged files."""

import io
import pickle
import random
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import rushlight as torch

DTYPES = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex32 complex64 "
    "complex128"
).split()


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


def again(value, **options):
    return torch.load(saved(value), **options)


def content(t, library=torch):
    """What must be the same after loading."""
    t0 = t.detach()
    values = t0.to(library.complex128 if t0.is_complex() else library.float64).tolist()
    return (
        type(t).__name__,
        str(t.dtype),
        tuple(t.shape),
        t.stride(),
        t.storage_offset(),
        t.requires_grad,
        t.is_conj(),
        values,
        dict(t.__dict__),
    )


def many(library):
    """Tensors of all kinds in one dict, made by rushlight or torch."""
    base = library.arange(24.0).reshape(4, 6)
    marked = library.ones(2)
    marked.note = "kept"
    values = OrderedDict(
        base=base,
        view=base[1:, ::2],
        transposed=base.T,
        scalar=library.tensor(3),
        empty=library.empty(0, 3),
        expanded=library.ones(1).expand(5),
        conj=library.tensor([1 + 2j, 3j]).conj(),
        leaf=library.ones(2, requires_grad=True),
        parameter=library.nn.Parameter(library.full((2, 2), 5.0)),
        marked=marked,
    )
    for name in DTYPES:
        values[name] = library.tensor([0, 1, 1]).to(getattr(library, name))
    return values


@pytest.mark.parametrize("weights_only", [True, False])
def test_tensors_come_back(weights_only):
    before = many(torch)
    after = again(before, weights_only=weights_only)
    assert type(after) is OrderedDict and list(after) == list(before)
    for name in before:
        assert content(after[name]) == content(before[name]), name


def test_memory_stays_shared():
    after = again(many(torch))
    after["base"][1, 0] = -1
    assert after["view"][0, 0] == -1 and after["transposed"][0, 1] == -1
    assert after["leaf"].untyped_storage().data_ptr() != after["base"].untyped_storage().data_ptr()


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_comes_back(weights_only, protocol):
    value = {
        "numbers": [1, -(10**30), 2.5, float("inf"), 1 + 2j, True, None],
        "text": ("é", "", "x" * 300),
        "bytes": [b"\x00\xff", b""] + ([bytearray(b"ab")] if protocol < 5 else []),
        "sets": [{1, 2}, set()],
        1: {"nested": [{}, (), []]},
        "counter": Counter("aab"),
        "ordered": OrderedDict(b=1, a=2),
    }
    value["self"] = value["numbers"]
    after = torch.load(saved(value, pickle_protocol=protocol), weights_only=weights_only)
    assert after == value
    assert after["self"] is after["numbers"]
    assert [type(x) for x in after["numbers"]] == [type(x) for x in value["numbers"]]


def test_small_objects_come_back():
    value = [torch.float32, torch.bfloat16, torch.device("cpu"), torch.Size([2, 3]), torch.strided]
    after = torch.load(saved(value), weights_only=False)
    assert after == value and type(after[3]) is torch.Size
    assert again(value[:4]) == value[:4]
    memory = again([torch.tensor([1, 2]).untyped_storage(), torch.tensor([1.5, 2]).storage()])
    assert memory[0].tolist() == [1] + [0] * 7 + [2] + [0] * 7
    assert memory[1].dtype == torch.float32 and memory[1].tolist() == [1.5, 2]


def test_modules_and_optimizers():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    state = again({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert state["model"]._metadata == model.state_dict()._metadata
    other = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    other.load_state_dict(state["model"])
    assert torch.equal(other(torch.ones(4, 2)), model(torch.ones(4, 2)))
    assert state["optimizer"]["param_groups"][0]["lr"] == 0.5
    whole = again(model, weights_only=False)
    assert torch.equal(whole(torch.ones(4, 2)), model(torch.ones(4, 2)))
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.container.Sequential"):
        again(model)


def test_lazy_bits_are_saved():
    z = torch.tensor([1 + 2j, 3 - 4j])
    for before in (z.conj(), z.conj().imag, z.conj().imag[1:], z.imag):
        for weights_only in (True, False):
            after = again(before, weights_only=weights_only)
            assert after.tolist() == before.tolist()
            assert (after.is_conj(), after.is_neg()) == (before.is_conj(), before.is_neg())


def test_torch_reads_lazy_bits(real):
    z = torch.tensor([1 + 2j, 3 - 4j])
    for before in (z.conj(), z.conj().imag):
        after = real.load(saved(before))
        assert after.tolist() == before.tolist()
        assert (after.is_conj(), after.is_neg()) == (before.is_conj(), before.is_neg())
        file = io.BytesIO()
        real.save(after, file)
        file.seek(0)
        assert torch.load(file).tolist() == before.tolist()


def test_files(tmp_path):
    path = tmp_path / "model.pt"
    value = {"x": torch.arange(5), "y": torch.zeros(0)}
    torch.save(value, path)
    for file in (path, str(path)):
        assert torch.load(file)["x"].tolist() == [0, 1, 2, 3, 4]
    with open(path, "rb") as file:
        assert torch.load(file)["x"].tolist() == [0, 1, 2, 3, 4]
    mapped = torch.load(path, mmap=True)
    assert mapped["x"].tolist() == [0, 1, 2, 3, 4] and mapped["y"].shape == (0,)
    mapped["x"][0] = 9  # private to the process
    assert torch.load(path, mmap=True)["x"][0] == 0
    with zipfile.ZipFile(path) as archive:
        assert [info.filename for info in archive.infolist()] == [
            "model/data.pkl",
            "model/.format_version",
            "model/.storage_alignment",
            "model/byteorder",
            "model/data/0",
            "model/data/1",
            "model/version",
        ]
        assert archive.testzip() is None
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "absent.pt")


def test_an_object_that_cannot_be_pickled_leaves_the_file(tmp_path):
    path = tmp_path / "kept.pt"
    torch.save(torch.ones(1), path)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        torch.save([torch.ones(1), lambda: 0], path)
    assert torch.load(path).tolist() == [1]
    x = torch.ones(2)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([x, x.view(torch.int32)], path)
    assert torch.load(path).tolist() == [1]


def test_skip_data():
    with torch.serialization.skip_data():
        file = saved(torch.ones(2))
    assert torch.load(file).tolist() == [0, 0]
    assert again(torch.ones(2)).tolist() == [1, 1]


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Point and other.x == self.x


def test_safe_globals():
    value = [Point(torch.ones(2)), Point(3)]
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global: GLOBAL .*Point was not an allowed global"):
        again(value)
    with torch.serialization.safe_globals([Point]):
        after = again(value)
        assert torch.serialization.get_safe_globals() == [Point]
    assert after[0].x.tolist() == [1, 1] and after[1] == Point(3)
    assert torch.serialization.get_safe_globals() == []
    torch.serialization.add_safe_globals([(Point, f"{Point.__module__}.Point")])
    assert again(value)[1] == Point(3)
    torch.serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        again(value)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(saved(value)) == [f"{Point.__module__}.Point"]


def archive_of(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    return file


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00trueptR.",  # a function
        b"\x80\x02c__builtin__\neval\n.",
        b"\x80\x02ctorch.serialization\nload\n.",
        b"\x80\x02(cposix\nsystem\nX\x01\x00\x00\x00xo.",  # OBJ
        b"\x80\x02(X\x01\x00\x00\x00xiposix\nsystem\n.",  # INST
        b"\x80\x02ccollections\nOrderedDict\n}X\x03\x00\x00\x00getK\x01sb.",  # attributes of a class
        b"\x80\x02ctorch.nn.parameter\nParameter\nK\x05\x85\x81.",  # NEWOBJ
        b"\x80\x02ctorch\nTensor\nK\x05\x85R.",
        b"\x80\x02K\x05)R.",
        b"\x80\x02K\x05K\x05a.",
        b"\x80\x02}K\x05K\x05a.",
        b"\x80\x02]K\x01K\x02s.",
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00bz2_c\x86R.",
        b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        b"\x80\x02h\x07.",
        b"\x80\x02",
        b"",
        b"\x80\x02K\x01Q.",
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(c_codecs\nencode\nK\x01)}tR.",
    ],
)
def test_a_restricted_load_refuses(data):
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(archive_of(data))


def rewritten(file, change):
    """The archive with one record changed: change(name, data) -> data or None to leave it out."""
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    made.seek(0)
    return made


def test_sizes_that_do_not_fit_are_refused():
    file = saved(torch.arange(6.0).reshape(2, 3))
    for change in (
        lambda name, data: data[:-1] if name.endswith("data/0") else data,
        lambda name, data: None if name.endswith("data/0") else data,
        lambda name, data: data.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"),  # sizes beyond the storage
        lambda name, data: data.replace(b"K\x03K\x01\x86", b"K\x7fK\x01\x86"),  # strides
        lambda name, data: None if name.endswith("data.pkl") else data,
        lambda name, data: b"huge" if name.endswith("byteorder") else data,
    ):
        with pytest.raises(RuntimeError):
            torch.load(rewritten(file, change))


def test_damaged_pickles_raise():
    file = saved({"a": torch.arange(6.0).reshape(2, 3), "b": [torch.ones(2)[1:], (1, {2.5: "x"})]})
    with zipfile.ZipFile(file) as archive:
        data = archive.read("archive/data.pkl")
    chance = random.Random(0)
    outcomes = Counter()
    for _ in range(600):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        if chance.random() < 0.2:
            changed = changed[: chance.randrange(len(changed))]
        try:
            torch.load(rewritten(file, lambda name, old, new=bytes(changed): new if name.endswith("pkl") else old))
            outcomes["loaded"] += 1
        except (pickle.UnpicklingError, RuntimeError) as error:
            outcomes[type(error)] += 1
    assert len(outcomes) == 3  # nothing but these


def test_damaged_archives_raise():
    data = saved(torch.arange(100)).getvalue()
    for damaged in (data[:200], data[:-30], b"PK\x03\x04", data[:80] + b"\xff" * 40 + data[120:]):
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            torch.load(io.BytesIO(damaged))
    with pytest.raises(EOFError):
        torch.load(io.BytesIO())
    with pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(b"not a checkpoint"))


def test_arguments_are_checked(tmp_path):
    with pytest.raises(AttributeError, match="write"):
        torch.save(1, 3)
    with pytest.raises(AttributeError, match="seek"):
        torch.load(3)
    with pytest.raises(RuntimeError, match="pickle_module"):
        torch.load(saved(1), pickle_module=pickle, weights_only=True)
    with pytest.raises(ValueError, match="mmap"):
        torch.load(saved(1), mmap=True)
    with pytest.raises(RuntimeError):
        torch.save(1, io.BytesIO(), _use_new_zipfile_serialization=False)


def test_the_environment_decides(monkeypatch):
    value = Point(3)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    assert again(value) == value
    with pytest.raises(pickle.UnpicklingError):
        again(value, weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        again(value)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(pickle.UnpicklingError):
        again(value, weights_only=False)


def test_numpy_values_can_be_allowed():
    value = {"x": np.float64(2.5), "y": np.arange(3)}
    with pytest.raises(pickle.UnpicklingError, match="numpy"):
        again(value)
    names = [np._core.multiarray.scalar, np._core.multiarray._reconstruct, np.dtype, np.ndarray]
    with torch.serialization.safe_globals([*names, np.dtypes.Float64DType, np.dtypes.Int64DType]):
        after = again(value)
    assert after["x"] == 2.5 and after["y"].tolist() == [0, 1, 2]


def test_map_location():
    file = saved({"x": torch.ones(2)})

    def load(where):
        file.seek(0)
        return torch.load(file, map_location=where)["x"]

    seen = []
    for where in ("cpu", torch.device("cpu"), {"cpu": "cpu"}, {}, lambda storage, location: seen.append(location)):
        assert load(where).tolist() == [1, 1]
    assert seen == ["cpu"]
    assert load(lambda storage, location: torch.full((2,), 5.0).untyped_storage()).tolist() == [5, 5]
    for where in ("cuda", {"cpu": "cuda:0"}):
        with pytest.raises(RuntimeError, match="CUDA"):
            load(where)
    cuda = rewritten(file, lambda name, data: data.replace(b"\x03\x00\x00\x00cpu", b"\x06\x00\x00\x00cuda:0"))
    with pytest.raises(RuntimeError, match="map_location"):
        torch.load(cuda)
    cuda.seek(0)
    assert torch.load(cuda, map_location="cpu")["x"].tolist() == [1, 1]


# ---- the real torch, where it is installed


@pytest.fixture
def real():
    real = pytest.importorskip("torch")
    if real is torch:
        pytest.skip("torch is rushlight here")
    return real


@pytest.mark.parametrize("weights_only", [True, False])
def test_torch_reads_our_files(real, weights_only):
    before = many(torch)
    after = real.load(saved(before), weights_only=weights_only)
    for name, t in after.items():
        assert content(t, real) == content(before[name]), name
    assert after["view"].untyped_storage().data_ptr() == after["base"].untyped_storage().data_ptr()


def test_torch_maps_our_files(real, tmp_path):
    torch.save(many(torch), tmp_path / "x.pt")
    after = real.load(tmp_path / "x.pt", mmap=True)
    assert after["base"].tolist() == torch.arange(24.0).reshape(4, 6).tolist()
    assert after["base"].data_ptr() % 64 == 0


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
def test_we_read_torchs_files(real, weights_only, zipped, tmp_path):
    before = many(real)
    real.save(before, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    after = torch.load(tmp_path / "x.pt", weights_only=weights_only)
    for name, t in before.items():
        assert content(after[name]) == content(t, real), name
    assert after["view"].untyped_storage().data_ptr() == after["base"].untyped_storage().data_ptr()


def test_state_dicts_go_both_ways(real):
    ours = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    theirs = real.nn.Sequential(real.nn.Linear(2, 3), real.nn.Linear(3, 1))
    file = io.BytesIO()
    real.save(theirs.state_dict(), file)
    file.seek(0)
    ours.load_state_dict(torch.load(file))
    x = np.ones((1, 2), dtype=np.float32)
    assert ours(torch.tensor(x)).tolist()[0] == pytest.approx(theirs(real.tensor(x)).tolist()[0], rel=1e-6, abs=1e-6)
    theirs.load_state_dict(real.load(saved(ours.state_dict())))
    # A whole module of ours is one of torch's for torch.
    assert type(real.load(saved(ours), weights_only=False)) is real.nn.Sequential
