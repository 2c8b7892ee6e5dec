"""``holdfast prune``: what has ended and need not be kept is deleted, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.depots import Depot, depot_in
from tests.cli.shell import Shell, until

USAGE = 2


@pytest.fixture
def depot(tmp_path: Path, kind: str) -> Iterator[Depot]:
    with depot_in(tmp_path, kind) as depot:
        yield depot


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Depot]:
    """One that its tests leave as it is."""
    with depot_in(tmp_path_factory.mktemp("still"), kind) as depot:
        yield depot


def test_it_asks_before_it_deletes(depot: Depot) -> None:
    asked = depot("prune", "--count", "0")
    assert (asked.code, asked.out) == (USAGE, "")
    assert "3 runs, with their descendants, need not be kept. Nothing was done: say --yes" in asked.err
    lines = depot("prune", "--count", "0", "--dry-run").out.splitlines()
    assert (len(lines), {*map(str.strip, lines[1:])}) == (4, {*depot.failed, depot.shipped})
    dry = depot.shell.inside("prune", "--count", "0", "--dry-run", "--json").json
    assert (dry["dry_run"], dry["matched"], len(dry["first"])) == (True, 3, 3)
    assert len(depot.ids()) == 5
    assert depot("prune", "--count", "0", "--yes").out == "4 runs are deleted\n"
    assert depot.ids("--all") == depot.kept, "a child went with its parent; what waits is kept"


def test_runs_are_chosen_by_age_agent_and_status(depot: Depot) -> None:
    assert depot.shell.inside("prune", "--age", "30d", "--yes").out == "0 runs are deleted\n"
    assert depot.shell.inside("prune", "--age", "999999999999d").out == "0 runs are deleted\n"
    assert depot.shell.inside("prune", "--count", "1").out == "0 runs are deleted\n", "nothing to say yes to"
    one = depot.shell.inside("prune", "--age", "0s", "--agent", "ship", "--status", "failed", "--yes", "--json")
    assert one.json == {"deleted": 1}
    assert depot.failed[0] not in depot.ids()
    assert depot.shell.inside("prune", "--age", "0s", "--status", "succeeded,failed", "--yes").out == (
        "3 runs are deleted\n"
    )


def test_an_app_brings_its_own_rules(depot: Depot) -> None:
    assert depot("prune", "depot:strict", "--yes").out == "3 runs are deleted\n", "all failed ones, with a child"
    assert set(depot.ids()) == {depot.shipped, *depot.kept}
    said = depot("prune", "depot:app")
    assert said.code == USAGE
    assert "depot:app has no rules: write App(" in said.err


def test_runs_that_are_live_are_left_alone(shell: Shell) -> None:
    """A worker commits all the while."""
    shell.worker()
    asking = shell.start("ask")
    for number in range(20):
        shell.start("price", f'{{"id": "o-{number}"}}')
        assert shell.inside("prune", "--age", "0s", "--yes").code == 0
    until(lambda: shell.inside("runs", "list", "--status", "waiting", "--json").json["runs"])
    until(lambda: shell.inside("runs", "count", "--status", "queued,running", "--json").json["count"] == 0)
    assert shell("prune", "--count", "0", "--yes").code == 0
    assert [run["id"] for run in shell.inside("runs", "list", "--json").json["runs"]] == [asking]
    assert sorted(shell.ledger) == sorted(f"o-{number}" for number in range(20)), "no run went before its end"
    assert shell("promise", "resolve", f"{asking}/answer", "true").code == 0
    assert shell("runs", "watch", asking).code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "what may go? Give --age 30d or --count N"),
        (("--agent", "ship"), "what may go?"),
        (("--age", "-3d"), "'-3d' is not a duration"),
        (("--age", "old"), "'old' is not a duration"),
        (("--count", "-1"), "--count"),
        (("--count", "1", "--status", "running"), "runs end as cancelled, failed, succeeded"),
        (("--count", "1", "--status", "done"), "--status 'done': choose from"),
        (("depot:strict", "--age", "3d"), "not both"),
        (("depot",), "'depot' names no app"),
    ],
)
def test_a_mistake_is_one_line_and_deletes_nothing(still: Depot, options: tuple[str, ...], words: str) -> None:
    run = still if "depot:strict" in options else still.shell.inside
    said = run("prune", *options)
    assert (said.code, said.out) == (USAGE, "")
    assert words in said.err
    assert len(still.ids()) == 5
