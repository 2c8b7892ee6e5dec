"""``holdfast runs fork``: it says what is kept and what is made again, and prints the new run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.depots import Depot, depot_in

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


def test_a_fork_keeps_what_came_before_a_call_and_makes_the_rest_again(depot: Depot) -> None:
    said = depot("runs", "fork", depot.shipped, "--at", "rate", "--new-key", "tuesday", "--add", "second")
    assert said.code == 0
    (fork,) = said.out.splitlines()
    assert said.err.splitlines() == [
        f"a fork of run {depot.shipped} at entry 1",
        "  keeps       weigh#1",
        "  makes again rate#1, and whatever its code asks for then",
    ]
    shown = depot.look(fork)
    assert (shown["origin"], shown["key"], shown["tags"]) == ({"run": depot.shipped, "entry": 1}, "tuesday", ["second"])
    assert f"{depot.shipped} at entry 1" in depot.shell.inside("runs", "show", fork).out
    depot.worker()
    assert depot("runs", "watch", fork).out.splitlines()[-1] == 'succeeded: "clock costs 20.0"'
    assert depot.ledger.count("weighed clock") == 1, "what is kept is not done again"


def test_an_outcome_is_changed_in_the_fork_alone(depot: Depot) -> None:
    said = depot("runs", "fork", depot.shipped, "--at", "weigh", "--outcome", "7.5", "--json").json
    assert (said["origin"], said["at"]) == (depot.shipped, 1)
    assert (said["kept"], said["changed"], said["again"]) == ([], "weigh#1", ["rate#1"])
    by_number = depot.shell.inside("runs", "fork", depot.shipped, "--at", "2", "--failure", "no rates today")
    assert by_number.err.splitlines()[1:3] == ["  keeps       weigh#1", "  changes     rate#1"]
    depot.worker()
    assert depot("runs", "watch", said["run"]).out.splitlines()[-1] == 'succeeded: "clock costs 75.0"'
    failed = depot("runs", "watch", by_number.out.strip())
    assert failed.code == 1
    assert "no rates today" in failed.out
    assert depot.look(depot.shipped)["result"] == "clock costs 20.0"


def test_a_dry_run_forks_nothing(still: Depot) -> None:
    said = still("runs", "fork", still.shipped, "--at", "0", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[1:] == [
        "  keeps       no call",
        "  makes again weigh#1, rate#1, and whatever its code asks for then",
    ]
    assert still.shell.inside("runs", "fork", still.shipped, "--at", "0", "--dry-run", "--json").json["run"] is None
    assert len(still.ids()) == 5


def test_all_runs_of_a_query_are_forked(depot: Depot) -> None:
    said = depot("runs", "fork", "--tag", "batch-1", "--at", "rate", "--add", "again", "--yes", "--json")
    assert said.code == CONFLICT, "one of them made no such call"
    assert said.json["matched"] == {"succeeded": 1, "failed": 2}
    assert sorted(said.json["done"]) == sorted(depot.ids("--tag", "again"))
    assert len(said.json["done"]) == 2
    assert list(said.json["refused"]) == [depot.failed[1]]
    depot.worker()
    for run in said.json["done"]:
        assert depot("runs", "watch", run).code == 0


def test_forks_may_keep_the_idempotency_keys_and_go_on_as_another_version(depot: Depot) -> None:
    said = depot(
        "runs", "fork", depot.kept[0], "--at", "book", "--keep-keys", "--to", "2", "--app", "depot:app", "--json"
    )  # fmt: skip
    assert said.code == 0
    assert depot.look(said.json["run"])["version"] == "2"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--at", "99"), USAGE, "has no entry 99: the last is 2, and 0 forks it at its beginning"),
        (("--at", "-1"), USAGE, "has no entry -1"),
        (("--at", "weight"), USAGE, "has recorded no outcome of a call 'weight'"),
        (("--at", "weigh", "--outcome", "seven"), USAGE, "--outcome is not JSON: 'seven'"),
        (("--at", "weigh", "--outcome", "@nowhere"), USAGE, "--outcome cannot be read"),
        (("--at", "weigh", "--outcome", "1", "--failure", "x"), USAGE, "with --outcome or with --failure, not both"),
        (("--at", "0", "--outcome", "1"), USAGE, "entry 0 is not the outcome of a call"),
        (("--at", "1", "--add", "a,b"), USAGE, "'a,b' cannot be a tag"),
        (("--at", "1", "--to", "9"), NOT_FOUND, "version '9' is hosted by no live worker nor defined here"),
        (("--at", "1", "--new-key", "monday"), CONFLICT, "belongs to another run"),
        ((), USAGE, "--at"),
    ],
)
def test_a_fork_that_makes_no_sense_is_refused(still: Depot, options: tuple[str, ...], code: int, words: str) -> None:
    said = still.shell.inside("runs", "fork", still.shipped, *options)
    assert (said.code, said.out) == (code, "")
    assert words in said.err.splitlines()[-1]
    assert len(still.ids()) == 5


def test_a_key_belongs_to_one_fork(still: Depot) -> None:
    said = still.shell.inside("runs", "fork", *still.kept, "--at", "0", "--new-key", "k")
    assert (said.code, said.out) == (USAGE, "")
    assert "--new-key is for the fork of one run" in said.err
