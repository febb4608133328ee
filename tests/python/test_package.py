"""What is installed beside the Python files: the library and its files for build systems, metadata, licences."""

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import rushlight

LIB = Path(rushlight._C.__file__).parent / "lib"


def test_the_library_is_there_once():
    """Archives hold no links: a second name would be a second copy."""
    libraries = sorted(LIB.glob("librushlight*"))
    assert len(libraries) == 1
    assert libraries[0].name.startswith("librushlight.so.0.") or libraries[0].suffix == ".dylib"


def test_files_for_build_systems():
    text = (LIB / "pkgconfig" / "rushlight.pc").read_text(encoding="utf-8")
    found = dict(re.findall(r"(?m)^(\w+)[=:] ?(.*)$", text))
    here = str(LIB / "pkgconfig")
    assert found["Version"] == rushlight.__version__
    assert (Path(found["includedir"].replace("${pcfiledir}", here)) / "rushlight" / "rushlight.h").exists()
    library = found["Libs"].split()[0].replace("${libdir}", found["libdir"]).replace("${pcfiledir}", here)
    assert Path(library).exists()
    assert (LIB / "cmake" / "rushlight" / "rushlightConfig.cmake").exists()


def test_internals_are_hidden():
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm is not installed")
    library = next(iter(LIB.glob("librushlight*")))
    names = subprocess.run([nm, "-DC", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    assert " rushlight::zeros(" in names and "typeinfo for rushlight::Error" in names
    assert re.findall(r"rushlight::cpu::v\d::|rushlight::cpu::run_loop|rushlight::cpu::blas\(", names) == []


def test_metadata():
    try:
        package = distribution("rushlight")
    except PackageNotFoundError:
        pytest.skip("not installed by pip")
    metadata = package.metadata
    assert metadata["Version"] == rushlight.__version__
    assert metadata["License-Expression"].startswith("BSD-3-Clause AND ")
    assert {line.split(",")[0] for line in metadata.get_all("Project-URL")} >= {"Homepage", "Issues"}
    assert not [c for c in metadata.get_all("Classifier") if c.startswith("License")]
    licences = {name: None for name in metadata.get_all("License-File")}
    for name in licences:
        file = next(f for f in package.files if str(f).endswith(f".dist-info/licenses/{name}"))
        licences[name] = file.read_text(encoding="utf-8")
    text = "\n".join(licences.values())
    for word in ("OpenBLAS", "LAPACK", "libgfortran", "GCC RUNTIME LIBRARY EXCEPTION", "Wenzel Jakob", "Goetghebuer"):
        assert word in text
