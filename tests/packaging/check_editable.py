"""`pip install -e .` shows edits of Python files at once: python tests/packaging/check_editable.py.

Installs into an environment of its own (build requirements must be there: nothing is downloaded) and puts the file
that it edits back.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
EDITED = ROOT / "python" / "rushlight" / "version.py"
MARK = "\nfresh = 'seen'\n"


def run(*command: str | Path, cwd: Path) -> str:
    found = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{found.stdout}{found.stderr}")
    return found.stdout.strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        venv.create(where / "venv", with_pip=True)
        python = where / "venv" / "bin" / "python"
        # The packages of the environment that runs this are seen by the new one.
        library = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=where))
        outer = [path for path in sys.path if path.endswith("site-packages")]
        (library / "outer.pth").write_text("\n".join(outer))
        run(
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "--force-reinstall",
            "-e",
            ROOT,
            cwd=where,
        )

        def told(code: str) -> str:
            return run(python, "-c", code, cwd=where)

        home = told("import rushlight; print(rushlight.__file__)")
        assert Path(home).resolve() == (ROOT / "python" / "rushlight" / "__init__.py").resolve(), home
        assert told("import rushlight as torch; print((torch.ones(2) @ torch.ones(2)).item())") == "2.0"
        before = EDITED.read_text(encoding="utf-8")
        try:
            EDITED.write_text(before + MARK, encoding="utf-8")
            assert told("import rushlight; print(rushlight.version.fresh)") == "seen"
        finally:
            EDITED.write_text(before, encoding="utf-8")
        assert (ROOT / "python" / "rushlight" / "_C.pyi").exists()
        for option, expected in (
            ("--cmake-dir", "rushlightConfig.cmake"),
            ("--include-dir", "rushlight/rushlight.h"),
            ("--pkgconfig-dir", "rushlight.pc"),
        ):
            told_folder = run(python, "-m", "rushlight", option, cwd=where)
            assert (Path(told_folder) / expected).exists(), told_folder
    print("an editable installation shows edits")


if __name__ == "__main__":
    main()
