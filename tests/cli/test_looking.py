"""Verbs that only look: list, show, watch, workers."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Past

ESCAPE = "\x1b"


def test_runs_are_listed_newest_first_without_children(past: Past) -> None:
    said = past.shell("runs", "list")
    header, *rows = said.out.splitlines()
    assert header.split() == ["RUN", "AGENT", "VERSION", "STATUS", "CREATED", "KEY", "TAGS", "PROGRESS"]
    assert {row.split()[0] for row in rows} == {past.succeeded, past.failed, past.blocked, past.waiting}
    assert rows[-1].split()[:4] == [past.succeeded, "price_all", "1", "succeeded"]
    assert "monday" in rows[-1]


def test_lists_are_filtered_and_children_shown_on_demand(past: Past) -> None:
    listed = past.shell.inside("runs", "list", "--all", "--agent", "price", "--json").json["runs"]
    assert [(run["agent"], run["parent"], run["status"]) for run in listed] == [("price", past.succeeded, "succeeded")]
    assert listed[0]["progress"]["done"] == 1
    by_status = past.shell.inside("runs", "list", "--status", "failed,blocked", "--json").json["runs"]
    assert {run["id"] for run in by_status} == {past.failed, past.blocked}
    assert len(past.shell.inside("runs", "list", "--limit", "2", "--json").json["runs"]) == 2


def test_a_run_is_shown_with_builds_children_and_result(past: Past) -> None:
    shown = past.shell("runs", "show", past.succeeded, "--json").json
    assert (shown["status"], shown["version"], shown["result"], shown["input"]) == (
        "succeeded", "1", 2, {"names": ["a", "b"]},
    )  # fmt: skip
    assert all(one["build"] and one["worker"] for one in shown["activations"])
    assert [child["agent"] for child in shown["children"]] == ["price"]
    text = past.shell.inside("runs", "show", past.succeeded).out
    assert shown["activations"][0]["build"] in text
    assert shown["children"][0]["id"] in text
    assert "version 1" in text


def test_a_failed_run_is_shown_with_its_traceback(past: Past) -> None:
    said = past.shell.inside("runs", "show", past.failed)
    assert said.code == 0
    assert "ValueError: no stock" in said.out
    assert "Traceback (most recent call last)" in said.out
    assert "in fail\n" in said.out
    error = past.shell.inside("runs", "show", past.failed, "--json").json["error"]
    assert (error["type"], error["message"]) == ("ValueError", "no stock \x1b[31mred")


def test_a_blocked_run_says_why(past: Past) -> None:
    shown = past.shell.inside("runs", "show", past.blocked)
    assert "blocked" in shown.out
    assert "pay#1" in shown.out


def test_a_waiting_run_says_that_nobody_hosts_its_version(past: Past) -> None:
    text = past.shell.inside("runs", "show", past.waiting).out
    assert "waiting (no live worker hosts agent ask version 1: start one that does)" in text
    assert "no live worker" in past.shell.inside("runs", "show", past.waiting, "--json").json["why"]


@pytest.mark.parametrize(
    ("which", "code", "said"),
    [("succeeded", 0, "succeeded: 2"), ("failed", 1, "failed: ValueError: no stock"), ("blocked", 1, "blocked: ")],
)
def test_watching_ends_with_the_run_and_its_code(past: Past, which: str, code: int, said: str) -> None:
    watched = past.shell("runs", "watch", getattr(past, which))
    assert watched.code == code
    assert watched.out.startswith(said)
    assert len(watched.out.splitlines()) == 1


def test_watching_in_json_ends_with_the_result(past: Past) -> None:
    (line,) = past.shell.inside("runs", "watch", past.succeeded, "--json").lines
    assert (line["run"], line["status"], line["result"], line["error"]) == (past.succeeded, "succeeded", 2, None)


def test_plain_output_has_no_escape_codes_whatever_runs_say(past: Past) -> None:
    for verb in (("list", "--all"), ("show", past.failed), ("watch", past.failed)):
        said = past.shell("runs", *verb, FORCE_COLOR="1")
        assert ESCAPE not in said.out + said.err
        assert r"\x1b[31m" in said.out, "it is shown, but harmless"


def test_no_workers_make_an_empty_list(past: Past) -> None:
    assert past.shell.inside("workers", "list", "--json").json == {"workers": []}
    assert past.shell("workers", "list").out.split() == [
        "WORKER",
        "HOST",
        "PID",
        "STARTED",
        "HEARTBEAT",
        "RUNS",
        "HOSTS",
    ]
