"""What an earlier version recorded, this one replays: golden journals, committed as data."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.durable.recording import read_recording
from holdfast.testing import replay
from tests.golden.agents import app, cases
from tests.golden.tell import GOLDEN, tell_all
from tests.kernel.replay.test_every_process import VERSIONS, interpreter

JOURNALS = sorted(GOLDEN.glob("*/*.jsonl"))
ROOT = GOLDEN.parents[1]


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_journal_replays(journal: Path) -> None:
    replay(app, journal)


def test_every_kind_of_agent_is_recorded_in_the_newest_version() -> None:
    newest = max((path.parent for path in JOURNALS), key=lambda folder: [int(part) for part in folder.name.split(".")])
    assert {path.stem for path in newest.iterdir()} == set(cases)
    statuses = {str(read_recording(path).run.status) for path in newest.iterdir()}
    assert statuses == {"succeeded", "failed", "cancelled", "waiting"}


@pytest.mark.parametrize("seed", [0, 4242])
def test_they_replay_under_any_hash_seed(seed: int) -> None:
    assert replayed_by(sys.executable, seed) == f"{len(JOURNALS)} runs replayed\n"


@pytest.mark.soak
@pytest.mark.parametrize("version", VERSIONS)
def test_they_replay_on_every_python(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} with what Holdfast needs here")
    assert replayed_by(python, 1) == f"{len(JOURNALS)} runs replayed\n"


def test_what_this_version_records_it_replays(tmp_path: Path) -> None:
    asyncio.run(tell_all(tmp_path))
    for journal in sorted(tmp_path.iterdir()):
        replay(app, journal)


def replayed_by(python: str, seed: int) -> str:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(seed),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
    }
    command = [python, "-m", "holdfast", "replay", str(GOLDEN), "tests.golden.agents:app"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done
    return done.stdout
