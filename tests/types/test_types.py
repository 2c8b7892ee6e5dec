"""The typed surface: mypy --strict and pyright accept all of accepts.py and refuse the marked lines of rejects.py.

A line of rejects.py that must not pass ends with ``# refused: why``.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = [str(HERE / "accepts.py"), str(HERE / "rejects.py")]


def _output(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command, *FILES], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 2 and above: the checker itself failed
    return done.stdout


@cache
def mypy_errors() -> list[tuple[str, int, str]]:
    found = [json.loads(line) for line in _output("mypy", "--strict", "--output=json").splitlines()]
    return [(Path(f["file"]).name, f["line"], f["message"]) for f in found if f["severity"] == "error"]


@cache
def pyright_errors() -> list[tuple[str, int, str]]:
    found = json.loads(_output("pyright", "--outputjson", "--pythonpath", sys.executable))["generalDiagnostics"]
    errors = [f for f in found if f["severity"] == "error"]
    return [(Path(f["file"]).name, f["range"]["start"]["line"] + 1, f["message"]) for f in errors]


@pytest.mark.parametrize("errors", [mypy_errors, pyright_errors])
def test_what_users_write_is_accepted(errors) -> None:
    assert [error for error in errors() if error[0] != "rejects.py"] == []


@pytest.mark.parametrize("errors", [mypy_errors, pyright_errors])
def test_exactly_the_marked_lines_are_refused(errors) -> None:
    lines = (HERE / "rejects.py").read_text("utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if "# refused: " in line}
    assert marked
    assert {line for file, line, _ in errors() if file == "rejects.py"} == marked, errors()
