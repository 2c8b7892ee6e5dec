"""A body observes the same in every process, whatever its hash seed and its Python: what ``golden.json`` says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.replay.tell import golden

HOUSE = Path(__file__).parents[3]
VERSIONS = ["3.11", "3.12", "3.13"]


def asked(python: str, *, hash_seed: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": os.pathsep.join((str(HOUSE / "src"), str(HOUSE))),
    }
    command = [python, "-m", "tests.kernel.replay.tell"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOUSE, env=environment)


def answer(process: subprocess.Popen[str]) -> Any:
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return json.loads(said)


def test_under_any_hash_seed() -> None:
    processes = [asked(sys.executable, hash_seed=seed) for seed in (0, 4242)]
    for told in [answer(process) for process in processes]:
        for name, expected in golden().items():
            assert told[name] == expected, name


def interpreter(version: str) -> str | None:
    """A Python of that version that has what Holdfast needs: from `make soak`, else from the PATH."""
    candidates = [shutil.which(HOUSE / f".venv-{version}" / "bin" / "python"), shutil.which(f"python{version}")]
    return next((str(found) for found in candidates if found and _has_what_is_needed(found)), None)


def _has_what_is_needed(python: str) -> bool:
    return subprocess.run([python, "-c", "import apsw, pydantic, jsonschema"], capture_output=True).returncode == 0


@pytest.mark.soak
@pytest.mark.parametrize("version", VERSIONS)
def test_on_every_python(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} with apsw, pydantic and jsonschema here")
    for seed in range(5):
        assert answer(asked(python, hash_seed=seed)) == golden()
