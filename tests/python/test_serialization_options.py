"""The settings of save and load: byte order, sums, alignment, mapped files, data that is left out, where storages go."""

import io
import mmap
import pickle
import struct
import threading
import zipfile

import pytest
import rushlight as torch
from checkpoints import archive, call, dict_of, name, storage, tensor, text, tuple_of
from rushlight.utils.serialization import config

serialization = torch.serialization


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


def test_all_names_are_there():
    for each in serialization.__all__:
        assert getattr(serialization, each) is not None
    real = pytest.importorskip("torch")
    assert set(real.serialization.__all__) <= set(serialization.__all__)


@pytest.mark.parametrize(
    ("kind", "code", "values"),
    [
        ("Float", ">2f", [1.0, -2.5]),
        ("Short", ">2h", [1, -2]),
        ("Long", ">2q", [1, -(2**40)]),
        ("Byte", "2B", [1, 2]),
        ("ComplexFloat", ">4f", [1 + 2j, 3 - 4j]),
    ],
)
def test_files_of_machines_with_the_other_byte_order(kind, code, values):
    flat = [part for value in values for part in ((value.real, value.imag) if kind.startswith("Complex") else (value,))]
    data = struct.pack(code, *flat)
    count = len(values)
    pickled = tensor((count,), (1,), of=storage("0", count, f"torch.{kind}Storage"))
    assert torch.load(io.BytesIO(archive(pickled, {"data/0": data, "byteorder": b"big"}))).tolist() == values


def test_the_byte_order_of_files_that_do_not_say_theirs():
    file = archive(tensor(), {"data/0": struct.pack(">f", 2.0)})
    little = archive(tensor(), {"data/0": struct.pack("<f", 2.0)})
    order = serialization.LoadEndianness
    assert serialization.get_default_load_endianness() is None
    try:
        for default, data in ((None, little), (order.NATIVE, little), (order.LITTLE, little), (order.BIG, file)):
            serialization.set_default_load_endianness(default)
            assert serialization.get_default_load_endianness() is default
            assert torch.load(io.BytesIO(data)).tolist() == [2]
            assert torch.load(saved(torch.ones(1))).tolist() == [1]  # says its own
        with pytest.raises(TypeError, match="Invalid argument type"):
            serialization.set_default_load_endianness("big")
    finally:
        serialization.set_default_load_endianness(None)
    for order in (b"", b"middle", b"little ", bytes(100)):
        with pytest.raises(RuntimeError):
            torch.load(io.BytesIO(archive(tensor(), {"data/0": bytes(4), "byteorder": order})))


def test_sums():
    assert serialization.get_crc32_options() is True
    serialization.set_crc32_options(False)
    try:
        file = saved(torch.ones(3))
    finally:
        serialization.set_crc32_options(True)
    with zipfile.ZipFile(file) as made:
        assert {info.CRC for info in made.infolist()} == {0}
    file.seek(0)
    assert torch.load(file).tolist() == [1, 1, 1]
    with zipfile.ZipFile(saved(torch.ones(3))) as made:
        assert made.testzip() is None


@pytest.mark.parametrize("alignment", [1, 64, 4096])
def test_alignment(alignment, monkeypatch, tmp_path):
    monkeypatch.setattr(config.save, "storage_alignment", alignment)
    torch.save([torch.ones(3), torch.zeros(5, dtype=torch.uint8), torch.ones(7)], tmp_path / "x.pt")
    for options in ({}, {"mmap": True}):
        assert [t.sum().item() for t in torch.load(tmp_path / "x.pt", **options)] == [3, 0, 7]
    with zipfile.ZipFile(tmp_path / "x.pt") as made:
        assert made.read("x/.storage_alignment") == str(alignment).encode()
        for info in made.infolist():
            made.fp.seek(info.header_offset + 26)
            assert (info.header_offset + 30 + sum(struct.unpack("<2H", made.fp.read(4)))) % alignment == 0


def test_torch_computes_where_our_records_are(tmp_path):
    real = pytest.importorskip("torch")
    from torch.utils.serialization import config as its

    sizes = [0, 1, 3, 16, 47, 48, 49, 64, 100, 1000]
    torch.save([torch.full((n,), n % 251, dtype=torch.uint8) for n in sizes], tmp_path / "x.pt")
    with its.patch({"load.calculate_storage_offsets": True}):
        after = real.load(tmp_path / "x.pt", mmap=True)
    assert [t.tolist() for t in after] == [[n % 251] * n for n in sizes]


def test_mapped_files(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(3), path)
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    torch.load(path, mmap=True)[0] = 5
    assert torch.load(path).tolist() == [0, 0, 0]
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        assert serialization.get_default_mmap_options() == mmap.MAP_SHARED
        torch.load(path, mmap=True)[0] = 5
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    assert torch.load(path).tolist() == [5, 0, 0]
    with pytest.raises(ValueError, match="MAP_PRIVATE"):
        serialization.set_default_mmap_options(12345)
    monkeypatch.setattr(config.load, "mmap", True)
    torch.load(path)[1] = 7
    with pytest.raises(ValueError, match="file path"):
        torch.load(saved(1))
    assert torch.load(path, mmap=False).tolist() == [5, 0, 0]
    path.write_bytes(
        archive(tensor((2,), (1,), of=storage("0", 2)), {"data/0": struct.pack("<2f", 1, 2)})
    )  # not aligned
    assert torch.load(path, mmap=True).tolist() == [1, 2]


def test_data_that_is_left_out():
    file = saved({"x": torch.ones(4)})
    with serialization.skip_data(materialize_fake_tensors=True):
        skipped = saved(torch.ones(2))
        assert torch.load(file)["x"].shape == (4,)
        others = []
        thread = threading.Thread(target=lambda: others.append(torch.load(saved(torch.ones(2))).tolist()))
        thread.start()
        thread.join()
    assert others == [[1, 1]]
    assert torch.load(skipped).tolist() == [0, 0]


def test_the_limit_of_memory(monkeypatch):
    data = archive(b"](" + b"}" * 10_000 + b"e")
    assert len(torch.load(io.BytesIO(data))) == 10_000
    monkeypatch.setattr(config.load, "max_memory", 100_000)
    with pytest.raises(RuntimeError, match="more memory than is allowed, 100000 bytes.*max_memory"):
        torch.load(io.BytesIO(data))
    with pytest.raises(RuntimeError, match="max_memory"):
        torch.load(saved(torch.ones(30_000)), weights_only=False)


def test_packages(monkeypatch):
    monkeypatch.setattr("rushlight._serialization_options.packages", packages := [])
    serialization.register_package(20, lambda storage: "late", lambda storage, location: None)
    serialization.register_package(
        10,
        lambda storage: "here:1",
        lambda storage, location: torch.full((2,), 7.0).untyped_storage() if location == "here:1" else None,
    )
    assert [entry[0] for entry in packages] == [10, 20]
    assert serialization.location_tag(torch.ones(1).untyped_storage()) == "here:1"
    file = saved(torch.ones(2))
    assert torch.load(file).tolist() == [7, 7]
    packages.clear()
    file.seek(0)
    with pytest.raises(RuntimeError, match="don't know how to restore data location .*tagged with here:1"):
        torch.load(file)
    file.seek(0)
    assert torch.load(file, map_location={"here:1": "cpu"}).tolist() == [1, 1]


class First:
    pass


class Second:
    pass


def test_safe_globals_are_a_set():
    add, get = serialization.add_safe_globals, serialization.get_safe_globals
    assert get() == []
    try:
        add([First, Second])
        add([First])
        assert get() == [First, Second]
        with serialization.safe_globals([First, (Second, "other.Second")]):
            assert len(get()) == 3
        assert get() == [Second]  # as torch: what the block names is no longer allowed behind it
        for item, error in (((First, "a", "b"), ValueError), ((First, 3), TypeError)):
            with serialization.safe_globals([item]), pytest.raises(error):
                torch.load(saved(1))
    finally:
        serialization.clear_safe_globals()
    with serialization.safe_globals([(Second, f"{__name__}.First")]):
        assert type(torch.load(saved(First()))) is Second


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_unsafe_globals(protocol):
    unsafe = serialization.get_unsafe_globals_in_checkpoint
    value = [First(), Second(), First(), torch.ones(1), {1}, torch.nn.Parameter(torch.ones(1))]
    assert set(unsafe(saved(value, pickle_protocol=protocol))) == {f"{__name__}.First", f"{__name__}.Second"}
    with serialization.safe_globals([First]):
        assert unsafe(saved(value, pickle_protocol=protocol)) == [f"{__name__}.Second"]
    assert unsafe(saved(torch.ones(2), pickle_protocol=protocol)) == []


def test_unsafe_globals_of_other_files(tmp_path):
    unsafe = serialization.get_unsafe_globals_in_checkpoint
    path = tmp_path / "x.pt"
    path.write_bytes(archive(call(name("os.system"), text("true")) + call(name("__builtin__.eval"), text("1"))))
    assert unsafe(path) == ["os.system", "builtins.eval"]
    with pytest.raises(ValueError, match="Expected input to be a checkpoint"):
        unsafe(io.BytesIO(pickle.dumps(1)))
    with pytest.raises(ValueError, match="torchscript"):
        unsafe(io.BytesIO(archive(b"N", {"constants.pkl": b""})))
    with pytest.raises(pickle.UnpicklingError, match="damaged"):
        unsafe(io.BytesIO(archive(b"X\xff\xff\xff\xff")))
    with pytest.raises(RuntimeError, match="damaged"):
        unsafe(io.BytesIO(archive(b"N")[:-30]))


def test_small_ones(tmp_path):
    with serialization.mkdtemp() as path:
        open(f"{path}/x", "w").close()
    with pytest.raises(FileNotFoundError):
        open(f"{path}/x")
    assert serialization.StorageType("FloatStorage").dtype == torch.float32
    assert str(serialization.StorageType("LongStorage")) == "StorageType(dtype=torch.int64)"
    with pytest.raises(KeyError, match="not recognized"):
        serialization.StorageType("Storage")
    at_least = serialization.check_module_version_greater_or_equal
    module = type("module", (), {"__version__": "0.3.1", "__name__": "module"})
    assert at_least(module, (0, 3, 1)) and not at_least(module, (0, 4, 0))
    module.__version__ = "a.b"
    with pytest.raises(RuntimeError, match="malformed"):
        at_least(module, (0, 3, 1))
    with pytest.warns(UserWarning, match="malformed"):
        assert at_least(module, (0, 3, 1), error_if_malformed=False)
    assert serialization.normalize_storage_type(torch.UntypedStorage) is torch.UntypedStorage
    for location, validate in (
        ("cuda:0", serialization.validate_cuda_device),
        ("hpu", serialization.validate_hpu_device),
    ):
        with pytest.raises(RuntimeError, match="map_location"):
            validate(location)
    assert issubclass(serialization.SourceChangeWarning, Warning)


def test_layouts_and_formats_keep_their_names():
    real = pytest.importorskip("torch")
    after = real.load(saved([torch.strided, torch.channels_last, torch.sparse_coo]), weights_only=False)
    assert after == [real.strided, real.channels_last, real.sparse_coo]
    assert torch.load(saved([torch.strided, torch.sparse_coo])) == [torch.strided, torch.sparse_coo]


def test_warnings(monkeypatch):
    with pytest.warns(UserWarning, match="pickle_load_args only works"):
        torch.load(saved(1), errors="strict")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TRUE")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert type(torch.load(saved(First()))) is First


def test_text_of_python_2():
    data = archive(b"U\x02\xc3\xa9")
    assert torch.load(io.BytesIO(data)) == "é"
    assert torch.load(io.BytesIO(data), encoding="bytes") == b"\xc3\xa9"
    assert torch.load(io.BytesIO(data), encoding="latin1") == "Ã©"
    with pytest.raises(pickle.UnpicklingError, match="damaged"):
        torch.load(io.BytesIO(data), encoding="ascii")
    keys = archive(
        call(name("torch._utils._rebuild_tensor"), tuple_of(text("storage")))[:0] + dict_of(b"U\x01a", b"K\x01")
    )
    assert torch.load(io.BytesIO(keys), encoding="bytes") == {b"a": 1}
