"""The claims agent on the real runtime: it comes to what plain code comes to, crashed or not."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.claims.agent import app, process
from examples.claims.analysis import assess
from examples.claims.generate import write_claims
from examples.claims.ledger import LEDGER, STEPS, recorded_units
from examples.claims.report import Report, Tally
from examples.claims.survey import read_chunk, survey

ROOT = Path(__file__).parents[2]
CLAIMS = 60


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "claims.csv"
    write_claims(path, CLAIMS, seed=5)
    return path


def by_plain_code(path: Path) -> Report:
    found = survey(path)
    tally = Tally()
    for chunk in found.chunks:
        for claim in read_chunk(found.path, found.columns, chunk):
            tally.add(assess(claim, found.related.get(claim.id)))
    return tally.report()


async def assessed(path: Path, crash_at_step: int | None = None) -> tuple[Report, list[str]]:
    async with app.test() as t:
        if crash_at_step is not None:
            t.crash_at("effect-ended", nth=crash_at_step)
        run = await t.start(process(str(path)))
        report = await run.result()
        assert t.crashes == (crash_at_step is not None)
        return report, await run.recorded()


def test_the_report_is_that_of_plain_code_and_every_step_is_recorded(file: Path) -> None:
    report, recorded = asyncio.run(assessed(file))
    assert report == by_plain_code(file)
    assert len(recorded_units(recorded)) == CLAIMS * len(STEPS)


@pytest.mark.parametrize("step", [1, 20, 100])
def test_a_crash_changes_nothing(file: Path, step: int) -> None:
    report, recorded = asyncio.run(assessed(file, crash_at_step=step))
    assert report == by_plain_code(file)
    assert len(recorded) == len(set(recorded))


def test_the_demo_survives_a_kill_and_repeats_nothing(file: Path) -> None:
    command = [sys.executable, "-m", "examples.claims.demo", "--data", str(file)]
    environment = {name: value for name, value in os.environ.items() if name != LEDGER}
    demo = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "worker A is killed (SIGKILL, pid " in demo.stdout
    counted = {
        name: int(number.replace(",", ""))
        for name, number in re.findall(r"^ *(.+?) {2,}([\d,]+)$", demo.stdout, re.MULTILINE)
    }
    assert counted["claims"] == CLAIMS
    assert 24 <= counted["done before the kill"] < CLAIMS
    assert counted["of these repeated after it"] == 0
    assert counted["steps executed, by the ledger"] == CLAIMS * len(STEPS) + counted["in flight at the kill, run again"]
