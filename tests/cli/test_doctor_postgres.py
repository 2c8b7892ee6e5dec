"""``holdfast doctor`` on a PostgreSQL server: how it is, and what is wrong with the way to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import Shell
from tests.postgres import schemas


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, "postgres")
    yield shell
    shell.close()


def findings(shell: Shell, *options: str) -> dict[str, Any]:
    said = shell.inside("doctor", "--json", *options)
    return {finding["about"]: finding for finding in said.json["findings"]} | {"worst": said.json["worst"]}


def test_a_server_with_a_worker_is_well_but_for_its_disk(shell: Shell) -> None:
    shell.worker()
    said = findings(shell)
    assert said["server"]["what"].startswith("PostgreSQL ")
    assert said["schema"]["severity"] == "ok" and said["workers"]["severity"] == "ok"
    # the tests' server does without fsync, and that is what a person must be told
    assert "fsync is off" in said["durability"]["what"] and "fsync = on" in said["durability"]["do"]
    assert said["worst"] == "warning"


def test_runs_that_nobody_hosts_are_told_with_the_command_for_it(shell: Shell) -> None:
    shell.start("ask")
    said = shell.inside("doctor")
    assert "--store 'postgresql://" in said.out or "--store postgresql://" in said.out


def test_who_only_looks_makes_no_tables(shell: Shell) -> None:
    said = shell("runs", "list", "--store", schemas.url_of("nothing_here"))
    assert said.code != 0 and "nothing was ever stored there" in said.err
    assert schemas.ask(schemas.base(), "SELECT to_regnamespace('nothing_here')")[0][0] is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://postgres:secret@127.0.0.1:1/postgres", "cannot be reached"),
        ("{base}/nowhere", "createdb"),
        ("{base}/postgres?schema=nothing_here", "nothing was ever stored there"),
        ("{base}/postgres?schema=pg_mine", "cannot be a schema"),
    ],
)
def test_what_is_no_store_is_a_problem_not_a_traceback(shell: Shell, url: str, says: str) -> None:
    base = schemas.base().rpartition("/")[0]
    said = shell.inside("doctor", "--json", "--store", url.replace("{base}", base))
    assert said.code == 1 and said.json["worst"] == "problem"
    assert any(says in finding["what"] for finding in said.json["findings"]), said.json
    assert "secret" not in said.json["findings"][0]["what"]
