"""Counting, outside Holdfast, what ran twice."""

import os
from pathlib import Path

import pytest

from examples.claims.ledger import LEDGER, STEPS, Execution, audit, finished, note, noted, read_ledger, recorded_units
from examples.claims.model import Claim
from holdfast.durable.scope import escape
from tests.examples.making import claim

A, B = 100, 200


def ran(pid: int, *units: tuple[str, str]) -> list[Execution]:
    return [Execution(claim_id=claim_id, step=step, pid=pid) for claim_id, step in units]


def price(claim: Claim) -> str:
    return claim.id


def everything(claim_id: str) -> list[tuple[str, str]]:
    return [(claim_id, step) for step in STEPS]


def test_each_execution_is_a_line_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = tmp_path / "ledger.txt"
    monkeypatch.setenv(LEDGER, str(ledger))
    assert read_ledger(ledger) == []
    note(claim(id="c-1"), "validate")
    assert noted(price)(claim(id="c-2")) == "c-2"
    assert read_ledger(ledger) == ran(os.getpid(), ("c-1", "validate"), ("c-2", "price"))


def test_without_a_ledger_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LEDGER, raising=False)
    monkeypatch.chdir(tmp_path)
    note(claim(), "validate")
    assert list(tmp_path.iterdir()) == []


def test_a_key_stands_for_a_step_of_a_claim() -> None:
    keys = [
        "survey#1",
        "read_chunk#line-2",
        "map:process.assess#1/c-1/price#1",
        f"map:process.assess#1/{escape('a/b#%2')}/decide#1",
    ]
    assert recorded_units(keys) == {("c-1", "price"), ("a/b#%2", "decide")}


def test_a_claim_is_finished_when_all_its_steps_are() -> None:
    assert finished([*everything("c-1"), ("c-2", "validate"), ("c-2", "price")]) == 1


def test_an_undisturbed_run_repeats_nothing() -> None:
    found = audit(ran(A, *everything("c-1")), everything("c-1"), ["c-1"])
    assert (found.executed, found.repeated, found.in_flight, found.missing) == (5, [], [], [])


def test_a_recorded_step_that_runs_again_is_repeated() -> None:
    unit = ("c-1", "price")
    found = audit([*ran(A, unit), *ran(B, unit)], {unit}, [])
    assert (found.repeated, found.in_flight) == ([unit], [])


def test_a_step_that_was_not_recorded_at_the_kill_was_in_flight() -> None:
    unit = ("c-1", "price")
    found = audit([*ran(A, unit), *ran(B, unit)], set(), [])
    assert (found.repeated, found.in_flight) == ([], [unit])


def test_a_step_that_runs_twice_in_one_process_is_repeated() -> None:
    unit = ("c-1", "price")
    assert audit(ran(B, unit, unit), set(), []).repeated == [unit]


def test_a_step_that_never_ran_is_missing() -> None:
    assert audit(ran(A, *everything("c-1")[1:]), set(), ["c-1"]).missing == [("c-1", "validate")]
