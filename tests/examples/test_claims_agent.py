"""The claims agent on the real runtime: it comes to what plain code comes to, crashed or not."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import ModelHTTPError, ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel

from examples.claims.agent import PACE, app, process
from examples.claims.demo import advised
from examples.claims.generate import write_claims
from examples.claims.ledger import LEDGER, STEPS, recorded_units
from examples.claims.model import Related
from examples.claims.report import Report, Tally, without_advice
from examples.claims.reviewer import reviewer
from examples.claims.survey import read_chunk, survey
from tests.integrations.provider import call_of, serving

ROOT = Path(__file__).parents[2]
CLAIMS = 60
UNHURRIED = {name: value for name, value in os.environ.items() if name != LEDGER} | {
    PACE: "1.2", "HOLDFAST_LEASE": "6", "HOLDFAST_STALL": "100",
}  # fmt: skip
"""Who watches has seconds to kill the worker before it is done; a worker that is kept waiting keeps its lease, and
nobody is told that a machine was slow."""
REVIEW = ("reviewer:model#1.1", "reviewer.figures#1.figures", "reviewer.same_loss#1.same_loss", "reviewer:model#1.2")
"""The reviewer's steps, of each claim that needs a person."""


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
            tally.add(advised(claim, found.related.get(claim.id, Related())))
    return tally.report()


def for_a_person(report: Report) -> int:
    return next(line.claims for line in report.outcomes if line.name == "needs a person")


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
    assert len(recorded_units(recorded)) == CLAIMS * len(STEPS) + for_a_person(report) * len(REVIEW)
    assert {step for _, step in recorded_units(recorded)} == {*STEPS, *REVIEW}
    assert sum(count.claims for count in report.advice) == for_a_person(report) > 0


@pytest.mark.parametrize("step", [1, 20, 100])
def test_a_crash_changes_nothing(file: Path, step: int) -> None:
    report, recorded = asyncio.run(assessed(file, crash_at_step=step))
    assert report == by_plain_code(file)
    assert len(recorded) == len(set(recorded))


def test_a_reviewer_that_fails_loses_no_assessment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(401, "m")

    monkeypatch.setattr(reviewer.model, "wrapped", FunctionModel(fail))
    report, _ = asyncio.run(assessed(file))
    assert report.failures == []
    assert without_advice(report) == without_advice(by_plain_code(file))
    assert all("had no answer (ModelHTTPError" in one.advice for one in report.waiting)


def test_the_demo_survives_a_kill_and_repeats_nothing(file: Path) -> None:
    command = [sys.executable, "-m", "examples.claims.demo", "--data", str(file)]
    demo = subprocess.run(command, cwd=ROOT, env=UNHURRIED, capture_output=True, text=True, timeout=200, check=False)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "worker A is killed (SIGKILL, pid " in demo.stdout
    counted = {
        name: int(number.replace(",", ""))
        for name, number in re.findall(r"^ *(.+?) {2,}([\d,]+)$", demo.stdout, re.MULTILINE)
    }
    assert counted["claims"] == CLAIMS
    assert 24 <= counted["done before the kill"] < CLAIMS
    assert counted["of these repeated after it"] == 0
    once = CLAIMS * len(STEPS) + for_a_person(by_plain_code(file)) * len(REVIEW)
    assert counted["steps executed, by the ledger"] == once + counted["in flight at the kill, run again"]
    assert counted["requests of the reviewer's model"] == 2 * for_a_person(by_plain_code(file))
    assert "No model was asked: rules" in demo.stdout
    assert re.search(rf"settlements that wait for a person +{for_a_person(by_plain_code(file))}\n", demo.stdout)
    assert re.search(r"tasks that each holds in memory +0 ", demo.stdout)
    assert "approved by lea" in demo.stdout
    asked, paid = re.search(r"asked for, paid \(USD\) +([\d,.]+) +([\d,.]+)\n", demo.stdout).groups()
    assert float(paid.replace(",", "")) == pytest.approx(float(asked.replace(",", "")) * 0.9, abs=0.01)
    assert float(re.search(r"went on after the decision, ms +([\d.,]+)", demo.stdout)[1].replace(",", "")) > 0


def test_with_a_model_the_same_code_asks_it(file: Path) -> None:
    """A provider on this machine, which says the same of every claim."""

    def answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
        if any(message["role"] == "tool" for message in messages):
            return call_of("final_result", {"next": "inspect", "question": "Was it a flood?"})
        return call_of("figures", {})

    with serving(answer) as provider:
        environment = UNHURRIED | {
            "MODEL": "openai-chat:gpt-4o", "OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "none",
        }  # fmt: skip
        command = [sys.executable, "-m", "examples.claims.demo", "--data", str(file)]
        demo = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
    assert (demo.returncode, demo.stderr) == (0, "")
    persons = for_a_person(by_plain_code(file))
    assert re.search(rf"inspect +{persons}\n", demo.stdout)
    assert "The reviewer thinks with openai-chat:gpt-4o." in demo.stdout
    assert "inspect: Was it a flood?" in demo.stdout
    assert 2 * persons <= len(provider.asked) <= 2 * persons + 20  # those at work when worker A was killed, again
