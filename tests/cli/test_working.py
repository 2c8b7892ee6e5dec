"""Verbs that change something, with a worker at work."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.shell import Shell, end, until


def test_a_run_is_started_waited_for_and_its_result_printed(busy: Shell) -> None:
    said = busy("start", "shop:app", "price", '{"id": "o-1", "amount": 2.5}', "--wait")
    assert said.code == 0, said.err
    first, *_, last = said.out.splitlines()
    assert last == 'succeeded: {"o-1": 5.0}'
    assert busy.inside("runs", "show", first, "--json").json["result"] == {"o-1": 5.0}


def test_waiting_in_json_writes_a_line_per_change(busy: Shell) -> None:
    lines = busy("start", "shop:app", "fail", '"no stock"', "--wait", "--json").lines
    assert lines[-1]["status"] == "failed"
    assert lines[-1]["error"]["message"].startswith("no stock")
    assert len({line["run"] for line in lines}) == 1


def test_arguments_come_by_name_from_a_file_or_standard_input(busy: Shell) -> None:
    given = {"order": {"id": "o-2"}, "rate": 3}
    (busy.folder / "input.json").write_text(json.dumps(given))
    whole = [
        busy.inside("start", "shop:app", "price", "--input", json.dumps(given), "--key", "same"),
        busy.inside("start", "shop:app", "price", "--input", "@input.json", "--key", "same"),
        busy("start", "shop:app", "price", "--input", "-", "--key", "same", stdin=json.dumps(given)),
        busy(
            "start", "shop:app", "price", "--input", json.dumps([*given.values()]), "--key", "same", "--priority", "5"
        ),
    ]
    assert [said.code for said in whole] == [0, 0, 0, 0]
    assert len({said.out for said in whole}) == 1, "one key, one input, one run"
    assert busy.inside("start", "shop:app", "price", '{"id": "o-3"}', "--key", "same").code == 5


def test_a_promise_is_resolved_once(busy: Shell) -> None:
    run = busy.start("ask")
    until(lambda: busy.inside("runs", "show", run, "--json").json["entries"])
    assert busy.inside("promise", "resolve", f"{run}/answer", '"yes"').code == 2, "its type is checked"
    assert busy("promise", "resolve", f"{run}/answer", "true").code == 0
    watched = busy("runs", "watch", run)
    assert (watched.code, watched.out.splitlines()[-1]) == (0, 'succeeded: "answered True"')
    again = busy("promise", "resolve", f"{run}/answer", "false", "--json")
    assert (again.code, again.problem["code"], again.problem["error"]) == (5, 5, "WrongState")


def test_a_promise_can_fail(busy: Shell) -> None:
    run = busy.start("ask")
    assert busy("promise", "fail", f"{run}/answer", "nobody knows", "--json").json["ok"] is False
    watched = busy("runs", "watch", run)
    assert watched.code == 1
    assert "nobody knows" in watched.out


def test_a_run_is_cancelled_once(busy: Shell) -> None:
    run = busy.start("ask")
    assert busy("runs", "cancel", run, "--reason", "no longer needed").code == 0
    watched = busy("runs", "watch", run)
    assert watched.code == 1
    assert watched.out.splitlines()[-1].startswith("cancelled: ")
    assert "no longer needed" in busy.inside("runs", "show", run).out
    assert busy.inside("runs", "cancel", run).code == 5, "it has ended"


def test_a_live_run_is_watched_line_by_line(busy: Shell, tmp_path: Path) -> None:
    run = busy.start("hold", json.dumps(str(tmp_path / "go")))
    watching = busy.begin("runs", "watch", run)
    assert watching.stdout is not None
    first = watching.stdout.readline()
    (tmp_path / "go").touch()
    said = end(watching)
    assert first.split()[0] in ("queued", "running")
    assert (said.code, said.out.splitlines()[-1]) == (0, 'succeeded: "last"')


def test_live_workers_are_listed(busy: Shell) -> None:
    (worker,) = busy.inside("workers", "list", "--json").json["workers"]
    assert {"agent": "ask", "version": "1"} in worker["hosts"]
    row = busy("workers", "list").out.splitlines()[1].split()
    assert row[0] == worker["id"]
    assert row[2] == str(worker["pid"])
