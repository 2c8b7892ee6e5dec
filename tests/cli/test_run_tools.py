"""Verbs that choose runs and do something to them: counted first, then done, and what refused is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.depots import Depot, depot_in
from tests.cli.shell import Shell, until

USAGE, NOT_FOUND, CONFLICT = 2, 3, 5


@pytest.fixture
def depot(tmp_path: Path, kind: str) -> Iterator[Depot]:
    with depot_in(tmp_path, kind) as depot:
        yield depot


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Depot]:
    """One that its tests leave as it is."""
    with depot_in(tmp_path_factory.mktemp("still"), kind) as depot:
        yield depot


# -- looking


def test_runs_are_found_by_each_option(still: Depot) -> None:
    everyone = {*still.failed, still.shipped, *still.kept}
    anvil, bell = still.failed
    for query, found in {
        (): everyone,
        ("--agent", "ship"): {anvil, still.shipped},
        ("--agent", "keep", "--version", "1"): {*still.kept},
        ("--version", "9"): set(),
        ("--status", "failed,succeeded"): {*still.failed, still.shipped},
        ("--key", "monday"): {still.shipped},
        ("--tag", "batch-1"): {*still.failed, still.shipped},
        ("--tag", "batch-1", "--tag", "vip"): {still.shipped},
        ("--since", "1h"): everyone,
        ("--until", "1h"): set(),
        ("--since", "2000-01-01", "--until", "2000-01-02T08:00+02:00"): set(),
        ("--since", "999999999999d"): everyone,
        ("--error", "NO RATE"): {*still.failed},
        ("--error", "no rate for anvil", "--agent", "ship"): {anvil},
    }.items():
        assert set(still.ids(*query)) == found, query
        assert still.shell.inside("runs", "count", "--json", *query).json["count"] == len(found), query
    assert len(still.ids("--root", bell)) == 2, "a tree is asked for with its children"
    assert len(still.ids("--all")) == len(everyone) + 1


def test_runs_are_counted_by_status(still: Depot) -> None:
    assert still("runs", "count").out == "5 runs match: 2 waiting, 1 succeeded, 2 failed\n"
    assert still.shell.inside("runs", "count", "--all", "--json").json == {
        "count": 6, "by_status": {"waiting": 2, "succeeded": 1, "failed": 3},
    }  # fmt: skip
    assert still.shell.inside("runs", "count", "--agent", "nobody").out == "0 runs match\n"


def test_a_run_is_shown_with_its_tags_and_what_made_it_fail(still: Depot) -> None:
    text = still("runs", "show", still.failed[0]).out
    assert "entry 2: rate#1" in text
    assert "batch-1" in text
    shown = still.look(still.failed[0])
    assert (shown["tags"], shown["ended_by"]) == (["batch-1"], {"entry": 2, "key": "rate#1"})
    assert (shown["origin"], shown["pause"]) == (None, None)
    assert still.look(still.shipped)["ended_by"] is None


# -- doing


def test_named_runs_are_paused_and_resumed(depot: Depot) -> None:
    first, second = depot.kept
    assert depot("runs", "pause", first, "--reason", "the bank is closed").out == f"run {first} is asked to pause\n"
    text = depot.shell.inside("runs", "show", first).out
    assert "paused (the bank is closed)" in text
    assert "error" not in text
    refused = depot.shell.inside("runs", "pause", first)
    assert (refused.code, refused.out) == (CONFLICT, "")
    assert f"run {first} is paused: it cannot be paused" in refused.err

    both = depot.shell.inside("runs", "pause", first, second, "--json")
    assert both.code == CONFLICT
    assert both.json["done"] == [second]
    assert list(both.json["refused"]) == [first]
    assert depot.statuses(depot.kept) == ["paused", "paused"]

    assert depot("runs", "resume", first, second).out == "2 runs are back at work\n"
    assert depot.statuses(depot.kept) == ["queued", "queued"]
    assert depot.shell.inside("runs", "resume", first).code == CONFLICT


def test_a_running_run_shows_that_it_is_asked_to_pause(shell: Shell) -> None:
    worker = shell.worker()
    go = shell.folder / "go"
    run = shell.start("hold", json.dumps(str(go)), "--tag", "slow")
    until(lambda: "began" in shell.ledger)
    assert shell("runs", "pause", run, "--reason", "not now").code == 0
    shown = shell.inside("runs", "show", run)
    assert "pause asked" in shown.out
    assert "not now" in shown.out
    assert shell.inside("runs", "show", run, "--json").json["pause"]["at"]
    assert worker.stderr is not None
    until(lambda: "asked to pause" in worker.stderr.readline())  # it has heard of it, which may take a moment
    go.touch()
    until(lambda: shell.inside("runs", "list", "--status", "paused", "--tag", "slow", "--json").json["runs"])
    assert shell.ledger == ["first", "began", "ended"], "the step at work ended, none began"
    assert shell("runs", "resume", run).code == 0
    assert shell("runs", "watch", run).out.splitlines()[-1] == 'succeeded: "last"'
    assert shell.ledger == ["first", "began", "ended", "last"]


def test_failed_runs_go_on_from_their_failed_step(depot: Depot) -> None:
    depot.worker()
    retried = depot("runs", "retry", "--tag", "batch-1", "--yes")
    assert retried.code == CONFLICT, "one of them has not failed"
    said = retried.out.splitlines()
    assert said[:2] == ["2 runs are back at work", "1 refused:"]
    assert f"run {depot.shipped} is succeeded: only failed runs are retried" in said[2]
    assert [depot("runs", "watch", run).out.splitlines()[-1] for run in depot.failed] == [
        'succeeded: "anvil costs 20.0"', 'succeeded: "bell costs 20.0"',
    ]  # fmt: skip
    assert sorted(depot.ledger) == sorted(
        ["weighed anvil", "weighed bell", "weighed clock", "booked door", "booked egg"]
    )


def test_a_retry_of_a_succeeded_run_is_refused(depot: Depot) -> None:
    said = depot("runs", "retry", depot.shipped, "--json")
    assert (said.code, said.out, said.problem["error"]) == (CONFLICT, "", "WrongState")
    assert "only failed runs are retried" in said.problem["message"]


def test_runs_of_a_query_are_cancelled_when_somebody_says_yes(depot: Depot) -> None:
    asked = depot("runs", "cancel", "--agent", "keep")
    assert (asked.code, asked.out) == (USAGE, "")
    assert asked.err.startswith("error: 2 runs match: 2 waiting. Nothing was done: say --yes")
    assert depot("runs", "cancel", "--agent", "keep", "--dry-run").out.splitlines() == [
        "2 runs match: 2 waiting", *(f"  {run}" for run in depot.kept),
    ]  # fmt: skip
    assert depot.shell.inside("runs", "cancel", "--agent", "keep", "--dry-run", "--json").json == {
        "dry_run": True, "matched": {"waiting": 2}, "first": depot.kept,
    }  # fmt: skip
    assert depot.shell.inside("runs", "cancel", "--agent", "keep", "--json").problem["code"] == USAGE
    assert depot.statuses(depot.kept) == ["waiting", "waiting"]
    done = depot("runs", "cancel", "--agent", "keep", "--reason", "sold out", "--yes", "--json")
    assert (done.code, done.json) == (0, {"matched": {"waiting": 2}, "done": depot.kept, "refused": {}})
    assert all(depot.look(run)["cancel"]["reason"] == "sold out" for run in depot.kept)


def test_tags_are_added_and_taken_away(depot: Depot) -> None:
    assert depot("runs", "tag", depot.shipped, "--add", "paid", "--remove", "vip").code == 0
    assert depot.look(depot.shipped)["tags"] == ["batch-1", "paid"]
    assert (
        depot.shell.inside("runs", "tag", "--tag", "batch-1", "--add", "seen", "--yes").out == "3 runs are tagged so\n"
    )
    assert len(depot.ids("--tag", "seen")) == 3
    started = depot("start", "depot:app", "ship", '"flute"', "--tag", "seen", "--tag", "late").out.strip()
    assert depot.look(started)["tags"] == ["late", "seen"]


def test_runs_are_deleted_once_they_have_ended(depot: Depot) -> None:
    alive, gone = depot.kept[0], depot.failed[1]
    said = depot("runs", "delete", "--everything", "--yes")
    assert said.code == CONFLICT
    assert "3 runs are deleted\n2 refused:\n" in said.out
    assert f"run {alive} cannot be deleted: it is waiting" in said.out
    assert depot.shell.inside("runs", "show", gone).code == NOT_FOUND
    assert depot.ids("--all") == depot.kept, "its child went with it"


def test_nothing_is_done_if_a_run_that_was_named_does_not_exist(depot: Depot) -> None:
    said = depot("runs", "delete", depot.shipped, "nobody")
    assert (said.code, said.out) == (NOT_FOUND, "")
    assert "no run 'nobody'" in said.err
    assert depot.look(depot.shipped)["status"] == "succeeded"


# -- moving


def test_a_run_goes_on_as_a_version_that_fits_its_journal(depot: Depot) -> None:
    first, second = depot.kept
    moved = depot("runs", "move", first, "--to", "2", "--app", "depot:app", "--json")
    assert (moved.code, moved.json["done"]) == (0, [first]), moved
    assert depot.look(first)["version"] == "2"
    misfit = depot("runs", "move", second, "--to", "3", "--app", "depot:app")
    assert misfit.code == CONFLICT
    assert f"run {second} does not fit version 3: " in misfit.err
    assert "book#1" in misfit.err
    assert depot.look(second)["version"] == "1"
    depot.worker()
    for run in depot.kept:
        assert depot.shell.inside("promise", "resolve", f"{run}/go", "true").code == 0
    assert [depot("runs", "watch", run).out.splitlines()[-1] for run in depot.kept] == [
        "succeeded: false", "succeeded: true",
    ]  # fmt: skip


def test_all_runs_of_a_version_are_moved(depot: Depot) -> None:
    moved = depot("runs", "move", "--agent", "keep", "--version", "1", "--to", "2", "--app", "depot:app", "--yes")
    assert (moved.code, moved.out) == (0, "2 runs are of version 2 now\n")


# -- what makes no sense


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry", "delete"])
def test_a_query_that_matches_nothing_says_so(still: Depot, verb: str) -> None:
    said = still.shell.inside("runs", verb, "--agent", "nobody", "--yes")
    assert (said.code, said.out) == (NOT_FOUND, "")
    assert "matches; children of other runs are looked at with --all" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pause",), USAGE, "which runs? Give their ids"),
        (("pause", "--all"), USAGE, "which runs?"),
        (("pause", "RUN", "--agent", "ship"), USAGE, "one of the three"),
        (("pause", "RUN", "--everything"), USAGE, "one of the three"),
        (("retry", "--everything", "--status", "failed"), USAGE, "one of the three"),
        (("list", "--status", "done"), USAGE, "--status 'done': choose from queued"),
        (("count", "--status", ""), USAGE, "--status '': choose from queued"),
        (("list", "--since", "yesterday"), USAGE, "--since 'yesterday': write a time"),
        (("list", "--since", "-2d"), USAGE, "--since '-2d': write a time"),
        (("tag", "RUN"), USAGE, "which tags?"),
        (("tag", "RUN", "--add", "a,b"), USAGE, "'a,b' cannot be a tag"),
        (("tag", "RUN", "--add", " "), USAGE, "' ' cannot be a tag"),
        (("move", "RUN", "--to", "2"), USAGE, "give --app MODULE:APP: the code of version 2"),
        (("move", "RUN", "--to", "9", "--app", "depot:app"), NOT_FOUND, "depot:app defines no version '9'"),
        (("move", "RUN"), USAGE, "--to"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    still: Depot, arguments: tuple[str, ...], code: int, words: str
) -> None:
    named = [still.kept[0] if one == "RUN" else one for one in arguments]
    said = still("runs", *named) if "--app" in arguments else still.shell.inside("runs", *named)
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert len(said.err.splitlines()) == 1
