"""``holdfast doctor``: it says what is wrong and what to do, changes nothing, and its exit code says how bad it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Past
from tests.cli.shell import SOURCES, WITHIN, Said, Shell, end, until

ABOUT = (
    "disk space wal sidecar durability schema integrity clock workers queue blocked waiting settings workspaces"
).split()
MACHINE = ("disk", "space")  # where the tests run may be in memory, or nearly full


def findings(said: Said, about: str) -> list[dict[str, str]]:
    return [finding for finding in said.json["findings"] if finding["about"] == about]


def one(said: Said, about: str) -> dict[str, str]:
    (finding,) = findings(said, about)
    return finding


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """All files below, with size and time of change."""
    stats = {str(file): file.stat() for file in folder.rglob("*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items() if "__pycache__" not in name}


def test_a_store_with_a_worker_is_well(shell: Shell) -> None:
    worker = shell.worker()
    run = shell.start("price", '{"id": "o-1"}')
    assert shell("runs", "watch", run).code == 0
    said = shell("doctor", "--app", "shop:app", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["store"].endswith(".holdfast/shop.db")
    assert [finding["about"] for finding in said.json["findings"]] == [
        *ABOUT[:9], "queue", "versions", *ABOUT[10:],
    ]  # fmt: skip
    ours = [finding for finding in said.json["findings"] if finding["about"] not in MACHINE]
    assert all(finding["severity"] == "ok" and finding["do"] == "" for finding in ours)
    text = shell("doctor")
    assert text.code == 0
    assert sum(line.startswith("ok ") for line in text.out.splitlines()) >= len(ours)
    worker.terminate()
    end(worker)


def test_looking_changes_nothing_and_makes_nothing(past: Past) -> None:
    before = files(past.shell.folder)
    assert past.shell("doctor").code == 0
    assert past.shell("doctor", "--deep", "--json").code == 0
    assert files(past.shell.folder) == before
    assert past.shell("doctor", "--store", "nowhere.db").code == 1
    assert files(past.shell.folder) == before


def test_runs_that_need_somebody_are_told_with_the_command_for_it(past: Past) -> None:
    said = past.shell.inside("doctor", "--json")
    assert (said.code, said.json["worst"]) == (0, "warning")
    blocked = one(said, "blocked")
    assert past.blocked in blocked["what"]
    command = blocked["do"].removeprefix("see why: holdfast ").partition(";")[0].split()
    assert past.shell.inside(*command).out.count(past.blocked) >= 1
    assert one(said, "workers")["do"].startswith("holdfast worker MODULE:APP --store sqlite:///")
    text = past.shell.inside("doctor", "--app", "shop:app").out
    assert "→ holdfast worker shop:app --store" in text
    assert " warnings" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), (b"", "is empty"), (b"this is no database" * 100, "is no SQLite file"), ("other", "")],
)
def test_what_is_no_store_is_a_problem_not_a_traceback(shell: Shell, content: Any, words: str) -> None:
    path = shell.folder / "claims.db"
    if content == "other":
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE theirs (x)")
        db.close()
    elif content is not None:
        path.write_bytes(content)
    before = files(shell.folder)
    said = shell("doctor", "--store", "claims.db", "--json")
    assert (said.code, said.err) == (1, "")
    problem = one(said, "store")
    assert problem["severity"] == "problem" and words in problem["what"] and problem["do"]
    assert files(shell.folder) == before


def test_no_store_named_or_found_is_a_problem(shell: Shell) -> None:
    said = shell.inside("doctor", "--json")
    assert (said.code, said.json["store"]) == (1, None)
    assert "there is no store in" in one(said, "store")["what"]
    assert shell.inside("doctor", "--store", "oracle://x").code == 1
    assert shell.inside("doctor", "--app", "nowhere:app").code == 2, "that is wrong usage"


def test_a_killed_workers_runs_are_told_until_another_takes_them(shell: Shell) -> None:
    go = shell.folder / "go"
    worker = shell.worker(HOLDFAST_LEASE="4")
    shell.start("hold", f'"{go}"')
    until(lambda: "began" in shell.ledger)
    worker.kill()
    worker.wait()
    said = until(lambda: next((said for said in [shell.inside("doctor", "--json")] if findings(said, "leases")), None))
    (lease,) = findings(said, "leases")
    assert lease["severity"] in ("warning", "problem")
    assert f"(process {worker.pid} on " in lease["what"] and "1 run" in lease["what"]
    assert lease["do"].startswith("holdfast worker")
    shell.worker()
    go.touch()
    until(lambda: "last" in shell.ledger)
    assert findings(shell.inside("doctor", "--json"), "leases") == []


def test_a_bad_setting_is_told_beside_the_rest(past: Past) -> None:
    said = past.shell("doctor", "--json", HOLDFAST_LEASE="soon")
    assert said.code == 1
    assert "HOLDFAST_LEASE='soon'" in one(said, "settings")["what"]
    assert one(said, "integrity")["severity"] == "ok"


def test_it_does_not_wait_for_whoever_holds_the_file(past: Past, tmp_path: Path) -> None:
    path = past.shell.folder / ".holdfast" / "shop.db"
    script = (
        "import sys, apsw; db = apsw.Connection(sys.argv[1]); db.execute('BEGIN IMMEDIATE'); "
        "print('holding', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
    began = time.monotonic()
    assert past.shell("doctor").code == 0
    assert time.monotonic() - began < WITHIN / 2
    holder.communicate()


def test_what_others_wrote_cannot_steer_the_terminal(shell: Shell) -> None:
    (shell.folder / "\x1b[31mred.db").write_bytes(b"x" * 200)
    said = shell.inside("doctor", "--store", "\x1b[31mred.db")
    assert said.code == 1
    assert "\x1b" not in said.out
