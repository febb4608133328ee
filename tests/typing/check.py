"""Runs mypy and pyright over the programs beside this file: python tests/typing/check.py.

program.py must be free of errors, and run; in wrong.py every line marked `# wrong` must be reported, and no other.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def checker(*command: str) -> str:
    found = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=HERE)
    if found.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed:\n{found.stdout}{found.stderr}")
    return found.stdout


def errors(output: str, name: str) -> dict[int, str]:
    """Line -> message. mypy writes "wrong.py:8: error: ...", pyright "wrong.py:8:11 - error: ..."."""
    lines = re.findall(rf"{re.escape(name)}:(\d+)(?::\d+)?(?:: | - )error: (.*)", output)
    return {int(line): text for line, text in lines}


def main() -> int:
    commands = {
        "mypy": ("mypy", "--strict", "--no-incremental"),
        "pyright": ("pyright", "--pythonpath", sys.executable),
    }
    failures = []
    marked = {i for i, line in enumerate((HERE / "wrong.py").read_text().splitlines(), 1) if line.endswith("# wrong")}
    for name, command in commands.items():
        output = checker(*command, "program.py")
        failures += [f"{name}: program.py:{line}: {text}" for line, text in errors(output, "program.py").items()]
        if not re.search(r"Success: no issues found|^0 errors", output, re.MULTILINE):
            failures.append(f"{name}: {output}")
        output = checker(*command, "wrong.py")
        found = errors(output, "wrong.py")
        failures += [f"{name}: wrong.py:{line}: not reported" for line in sorted(marked - set(found))]
        failures += [f"{name}: wrong.py:{line}: {found[line]}" for line in sorted(set(found) - marked)]
    subprocess.run([sys.executable, "program.py"], cwd=HERE, check=True, stdout=subprocess.DEVNULL)
    print("\n".join(failures) or f"{', '.join(commands)}: no errors in program.py, {len(marked)} reported in wrong.py")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
