"""What the contents of a store, the clocks and the environment tell, and what to do about each."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.clock import SECOND, VirtualClock
from holdfast.durable.checkup import examine, worst
from holdfast.records.health import Contents, Finding, Look, Owned, Ready, Severity, Standing
from holdfast.records.run import Population, Status
from holdfast.records.worker import Hosted, Worker

NOW = 1_800_000_000 * SECOND
MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
ADJUST, OLD = Hosted(agent="adjust", version="2"), Hosted(agent="adjust", version="1")
EMPTY = Contents(now=NOW, newest=0, workers=(), owned=(), ready=(), runs=(), blocked=(), paused=(), waiting=())


class Store:
    """A store with these contents."""

    url = "sqlite:///my claims.db"

    def __init__(self, contents: Contents | None) -> None:
        self.contents = contents

    def look(self, *, deep: bool = False) -> Look:
        return Look(findings=(), contents=self.contents)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        monkeypatch.delenv(name)


def worker(id: str = "w1", *, expires: int = NOW + MINUTE, hosts: tuple[Hosted, ...] = (ADJUST,)) -> Worker:
    return Worker(id=id, host="here", pid=7, hosts=hosts, started_at=NOW, expires_at=expires)


def population(status: Status, count: int = 1, hosted: Hosted = ADJUST) -> Population:
    return Population(agent=hosted.agent, version=hosted.version, status=status, count=count)


def told(about: str, contents: Contents | None = EMPTY, *, clock: int = NOW, **given: object) -> list[Finding]:
    findings = examine(Store(contents), clock=VirtualClock(clock), **given)  # type: ignore[arg-type]
    assert all(one.do for one in findings if one.severity in (Severity.WARNING, Severity.PROBLEM))
    return [finding for finding in findings if finding.about == about]


def severities(findings: list[Finding]) -> list[Severity]:
    return [finding.severity for finding in findings]


def test_an_empty_store_has_no_problem() -> None:
    findings = examine(Store(EMPTY), clock=VirtualClock(NOW))
    assert worst(findings) is Severity.NOTE, "no worker is alive, and none is needed"
    assert worst([]) is Severity.OK


def test_a_store_that_could_not_be_read_still_has_this_machine_looked_at() -> None:
    assert [one.about for one in examine(Store(None), clock=VirtualClock(NOW))] == ["settings", "workspaces"]


@pytest.mark.parametrize(
    ("clock", "newest", "expected"),
    [
        (NOW, NOW, [Severity.OK]),
        (NOW + 3 * SECOND, NOW, [Severity.WARNING]),
        (NOW - 3 * SECOND, NOW, [Severity.WARNING]),
        (NOW, NOW + 10 * SECOND, [Severity.WARNING]),
        (NOW, NOW + DAY, [Severity.PROBLEM]),
        (NOW + 3 * SECOND, NOW + DAY, [Severity.WARNING, Severity.PROBLEM]),
    ],
)
def test_clocks_that_differ_or_went_back_are_told(clock: int, newest: int, expected: list[Severity]) -> None:
    assert severities(told("clock", replace(EMPTY, newest=newest), clock=clock)) == expected


def test_runs_without_any_worker_are_a_warning_with_the_command_that_starts_one() -> None:
    (finding,) = told("workers", replace(EMPTY, runs=(population(Status.WAITING, 3),)), place="claims:app")
    assert finding.severity is Severity.WARNING
    assert finding.what == "none is alive; not ended: 3 runs"
    assert finding.do == "holdfast worker claims:app --store 'sqlite:///my claims.db'"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((worker(expires=NOW - SECOND),), Severity.WARNING),
        ((worker(expires=NOW - 2 * MINUTE),), Severity.PROBLEM),
        ((), Severity.PROBLEM),
        ((worker(expires=NOW - 2 * MINUTE), worker("w2")), Severity.PROBLEM),
    ],
)
def test_runs_of_a_worker_that_is_gone_are_told(rows: tuple[Worker, ...], expected: Severity) -> None:
    (finding,) = told("leases", replace(EMPTY, workers=rows, owned=(Owned(worker="w1", runs=4),)))
    assert finding.severity is expected
    assert "w1" in finding.what and "4 runs" in finding.what


def test_a_live_workers_runs_are_nothing_to_tell_and_a_dead_idle_one_is_a_note() -> None:
    assert told("leases", replace(EMPTY, workers=(worker(),), owned=(Owned(worker="w1", runs=4),))) == []
    assert severities(told("leases", replace(EMPTY, workers=(worker(expires=NOW - DAY),)))) == [Severity.NOTE]


def test_runs_that_could_long_have_been_claimed_are_told() -> None:
    late = replace(EMPTY, ready=(Ready(hosted=ADJUST, runs=1, since=NOW - 5 * MINUTE),))
    (finding,) = told("queue", late)
    assert finding.severity is Severity.PROBLEM
    assert "1 run of agent adjust version 2 could be claimed, the first for 5 min" in finding.what
    (finding,) = told("queue", replace(late, workers=(worker(),)))
    assert finding.severity is Severity.WARNING and "HOLDFAST_CONCURRENCY" in finding.do
    soon = replace(EMPTY, ready=(Ready(hosted=ADJUST, runs=9, since=NOW - SECOND),))
    assert severities(told("queue", soon)) == [Severity.OK]


def test_versions_that_nobody_hosts_are_told_with_what_the_app_at_hand_has() -> None:
    runs = (population(Status.WAITING, 2, OLD), population(Status.SUCCEEDED, 5, OLD), population(Status.WAITING, 1))
    contents = replace(EMPTY, workers=(worker(),), runs=runs)
    (finding,) = told("versions", contents, hosted=[ADJUST], place="claims:app")
    assert finding.severity is Severity.WARNING
    assert finding.what == "no live worker hosts agent adjust version 1; not ended: 2 runs"
    assert finding.do.startswith("claims:app has version 2 of it")
    (finding,) = told("versions", contents, hosted=[OLD], place="claims:app")
    assert finding.do.startswith("holdfast worker claims:app")
    hosting = replace(contents, workers=(worker(hosts=(ADJUST, OLD)),))
    assert severities(told("versions", hosting)) == [Severity.OK]


def test_runs_that_wait_for_a_person_are_told() -> None:
    runs = (population(Status.BLOCKED, 5), population(Status.PAUSED, 1))
    contents = replace(EMPTY, runs=runs, blocked=("b1", "b2", "b3", "b4"), paused=("p1",))
    (finding,) = told("blocked", contents)
    assert finding.severity is Severity.WARNING
    assert finding.what == "5 runs blocked: b1, b2, b3 and 2 more"
    assert "holdfast runs show b1 --store 'sqlite:///my claims.db'" in finding.do
    (finding,) = told("paused", contents)
    assert finding.severity is Severity.NOTE and "holdfast runs resume p1" in finding.do


def test_a_run_that_may_have_been_forgotten_is_a_note() -> None:
    waiting = (Standing(id="r1", agent="adjust", since=NOW - 9 * DAY),)
    (finding,) = told("waiting", replace(EMPTY, waiting=waiting))
    assert finding.severity is Severity.NOTE
    assert "r1 (adjust) has been told nothing for 9 d" in finding.what


@pytest.mark.parametrize(
    ("name", "value"), [("LEASE", "soon"), ("TURN", "-1"), ("CONCURRENCY", "0"), ("THREADS", "0"), ("LEASE", "0")]
)
def test_settings_that_make_no_sense_are_a_problem(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"HOLDFAST_{name}", value)
    (finding,) = told("settings")
    assert finding.severity is Severity.PROBLEM and f"HOLDFAST_{name}" in finding.what


def test_a_place_where_workspaces_cannot_be_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, severity in ((tmp_path / "deep" / "down", Severity.OK), (tmp_path / "file" / "x", Severity.PROBLEM)):
        monkeypatch.setenv("HOLDFAST_WORKSPACES", str(place))
        assert severities(told("workspaces")) == [severity]
        assert not (tmp_path / "deep").exists()
    monkeypatch.setenv("HOLDFAST_WORKSPACES", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda where, mode: False)
    assert severities(told("workspaces")) == [Severity.PROBLEM]
