"""``holdfast runs export`` and ``runs to-test``: a run as a file, and as a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from holdfast.codec import Failed, unpack
from holdfast.durable.recording import read_recording
from tests.cli.conftest import Past
from tests.cli.shell import SOURCES, Shell

NOT_FOUND, CONFLICT, DIVERGED = 3, 5, 7


def test_an_export_round_trips_as_json_lines(past: Past, tmp_path: Path) -> None:
    printed = past.shell("runs", "export", past.succeeded)
    header, *rest, end = printed.lines
    assert (header["type"], header["format"], header["version"]) == ("header", "holdfast-journal", 2)
    assert (header["app"], header["run"]["id"]) == (None, past.succeeded)
    entries = [line for line in rest if line["type"] == "entry"]
    items = [line for line in rest if line["type"] == "item"]
    assert end == {"type": "end", "entries": len(entries), "items": len(items)}
    assert {(one["kind"], one["op"], one["key"]) for one in entries} >= {("outcome", "child", "price#1")}
    assert next(one for one in entries if one["op"] == "timer")["value"] == ["~timer:1000#1"]
    assert sorted((one["ord"], one["value"]) for one in items) == [(0, "a"), (1, "b")]
    assert [one["seq"] for one in rest] == list(range(1, len(rest) + 1))
    assert all(one["at"].endswith("Z") for one in rest)

    out = tmp_path / "journal.jsonl"
    said = past.shell.inside("runs", "export", past.succeeded, "--app", "shop:app", "--out", str(out), "--json")
    assert said.json == {"run": past.succeeded, "out": str(out), "lines": len(printed.lines)}
    assert [json.loads(line) for line in out.read_text().splitlines()] == [header | {"app": "shop"}, *rest, end]
    assert read_recording(out).run.id == past.succeeded


def test_an_export_holds_failures_as_records(past: Past, tmp_path: Path) -> None:
    header, _ = past.shell.inside("runs", "export", past.failed).lines
    assert header["run"]["error"]["type_name"] == "ValueError"
    past.shell.inside("runs", "export", past.failed, "--out", str(tmp_path / "failed.jsonl"))
    error = read_recording(tmp_path / "failed.jsonl").run.error
    assert error is not None and unpack(error)
    assert Failed.unpack(error).message == "no stock \x1b[31mred"


def test_the_help_says_that_the_file_is_plain(past: Past) -> None:
    assert "plain text, also where the store is encrypted" in " ".join(
        past.shell.inside("runs", "export", "--help").out.split()
    )


def test_a_file_that_cannot_be_written_is_a_mistake(past: Past, tmp_path: Path) -> None:
    said = past.shell.inside("runs", "export", past.succeeded, "--out", str(tmp_path / "no" / "where"))
    assert (said.code, said.out) == (2, "")
    assert "cannot be written" in said.err


# -- to-test


def run_tests(shell: Shell, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = shell.environment | {"PYTHONPATH": os.pathsep.join((str(SOURCES), str(shell.folder)))} | variables
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_a_run_becomes_a_test_that_passes_and_notices_a_change(past: Past, tmp_path: Path) -> None:
    made = past.shell("runs", "to-test", past.succeeded, "--app", "shop:app", "--out", str(tmp_path), "--json").json
    test, journal = Path(made["test"]), Path(made["journal"])
    assert test.name == f"test_price_all_{past.succeeded[-8:]}.py"
    assert journal.name == f"price_all_{past.succeeded[-8:]}.jsonl"
    assert {test, journal} == set(tmp_path.iterdir())
    passed = run_tests(past.shell, tmp_path)
    assert (passed.returncode, "1 passed" in passed.stdout) == (0, True), passed

    changed = (past.shell.folder / "shop.py").read_text().replace("Order(noted[0])", "Order(noted[1])")
    elsewhere = Shell(tmp_path)
    (tmp_path / "shop.py").write_text(changed)
    failed = run_tests(elsewhere, tmp_path)
    assert failed.returncode == 1
    assert "Diverged" in failed.stdout and "price#1" in failed.stdout


def test_it_is_formatted_as_one_would_write_it(past: Past, tmp_path: Path) -> None:
    past.shell.inside("runs", "to-test", past.succeeded, "--app", "shop:app", "--out", str(tmp_path))
    for check in (["check", "--select", "E,W,F,I,UP,B,C4,SIM,RUF"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--isolated", "--no-cache", str(tmp_path)]
        done = subprocess.run(command, cwd=past.shell.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_failed_and_waiting_runs_become_tests_too(past: Past, tmp_path: Path) -> None:
    for run in (past.failed, past.waiting):
        past.shell.inside("runs", "to-test", run, "--app", "shop:app", "--out", str(tmp_path))
    assert "2 passed" in run_tests(past.shell, tmp_path).stdout


def test_nothing_is_overwritten(past: Past, tmp_path: Path) -> None:
    make = ("runs", "to-test", past.failed, "--app", "shop:app", "--out", str(tmp_path))
    assert past.shell.inside(*make).code == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    said = past.shell.inside(*make)
    assert (said.code, "exists already" in said.err) == (CONFLICT, True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_diverges_already_is_refused(past: Past, tmp_path: Path) -> None:
    make = ("runs", "to-test", past.blocked, "--app", "shop:app", "--out", str(tmp_path))
    assert past.shell(*make).code == 0, "the code that it was recorded with"
    for path in tmp_path.iterdir():
        path.unlink()
    said = past.shell(*make, SHOP_BROKEN="1")
    assert said.code == DIVERGED
    assert "its replay diverges already: at pay#1" in said.err
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_to_test_are_named(past: Past, tmp_path: Path) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        done = past.shell.inside("runs", "to-test", *arguments)
        return done.code, done.err

    assert said("nobody", "--app", "shop:app")[0] == NOT_FOUND
    code, words = said(past.failed, "--app", "shop:app", "--out", str(tmp_path / "nowhere"))
    assert (code, "is no folder: make it first" in words) == (2, True)
    assert said(past.failed)[0] == 2
