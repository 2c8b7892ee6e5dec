"""``holdfast worker``: it stops in an orderly way, and its log says whom a line is about."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.cli.shell import Shell, end, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_finishes_its_step_and_hands_the_run_back(shell: Shell, number: signal.Signals) -> None:
    go = shell.folder / "go"
    first = shell.worker()
    run = shell.start("hold", json.dumps(str(go)))
    until(lambda: "began" in shell.ledger)
    first.send_signal(number)
    assert first.stderr is not None
    until(lambda: "finishing the steps that are at work" in first.stderr.readline())
    go.touch()
    assert end(first).code == 0
    handed_back = shell.inside("runs", "show", run, "--json").json
    assert handed_back["status"] == "queued"
    assert "no live worker hosts agent hold version 1" in handed_back["why"]
    shell.worker()
    assert shell("runs", "watch", run).code == 0
    assert shell.ledger == ["first", "began", "ended", "last"], "nothing was repeated"
    hosts = [one["worker"] for one in shell.inside("runs", "show", run, "--json").json["activations"]]
    assert len(set(hosts)) == 2


def test_signals_that_come_twice_still_stop_it_in_an_orderly_way(shell: Shell) -> None:
    worker = shell.worker("--agents", "ask")
    worker.send_signal(signal.SIGSTOP)  # both come at once then, however slowly they are sent
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGCONT)
    assert end(worker).code == 0
    assert shell.inside("workers", "list", "--json").json == {"workers": []}


def test_a_step_that_takes_longer_than_the_grace_is_handed_back(shell: Shell) -> None:
    first = shell.worker("--grace", "0.3")
    run = shell.start("patient")
    until(lambda: "began" in shell.ledger)
    first.terminate()
    assert end(first).code == 0
    assert shell.inside("runs", "show", run, "--json").json["status"] == "queued"
    assert "ended" not in shell.ledger
    shell.worker()
    assert shell("runs", "watch", run).code == 0
    assert shell.ledger == ["began", "began", "ended"], "a step that was not done is done again"


def test_its_heartbeat_what_it_hosts_and_how_many_runs_it_has_are_listed(shell: Shell) -> None:
    first = shell.worker("--agents", "hold", HOLDFAST_LEASE="6")
    shell.worker("--agents", "price,ask")
    shell.start("hold", json.dumps(str(shell.folder / "go")))
    until(lambda: "began" in shell.ledger)

    def listed() -> list[dict[str, Any]]:
        return shell.inside("workers", "list", "--json").json["workers"]

    by_agent = {one["hosts"][0]["agent"]: one for one in listed()}
    assert {name: one["runs"] for name, one in by_agent.items()} == {"hold": 1, "price": 0}
    assert by_agent["hold"]["pid"] == first.pid
    assert [hosted["agent"] for hosted in by_agent["price"]["hosts"]] == ["price", "ask"]
    before = by_agent["hold"]["heartbeat_at"]
    until(lambda: any(one["pid"] == first.pid and one["heartbeat_at"] > before for one in listed()))
    header, *rows = shell.inside("workers", "list").out.splitlines()
    assert header.split() == ["WORKER", "HOST", "PID", "STARTED", "HEARTBEAT", "RUNS", "HOSTS"]
    assert sorted(row.split()[-1] for row in rows) == ["1", "1"] and len(rows) == 2
    (shell.folder / "go").touch()


def test_together_workers_do_no_more_of_an_agent_than_its_limit_says(shell: Shell) -> None:
    for n in range(8):
        shell.inside("start", "shop:app", "limited", json.dumps(str(n)))
    workers = [shell.worker() for _ in range(3)]  # all eight are there by now
    until(lambda: len(shell.ledger) == 16)
    depth = most = 0
    for line in shell.ledger:
        depth += {"in": 1, "out": -1}[line.split()[0]]
        most = max(most, depth)
    assert most == 2, shell.ledger
    for worker in workers:
        worker.terminate()
        assert end(worker).code == 0


@pytest.mark.soak
def test_a_sync_step_that_never_ends_does_not_keep_the_process(shell: Shell) -> None:
    worker = shell.worker()
    shell.start("stuck", json.dumps(str(shell.folder / "never")))
    until(lambda: "began" in shell.ledger)
    worker.terminate()
    said = end(worker)
    assert said.code == 0
    assert "a sync step is still at work" in said.err


def test_it_hosts_the_agents_that_it_is_told_to(shell: Shell) -> None:
    ready = shell.begin("worker", "shop:app", "--agents", "ask, price", "--concurrency", "3", "--json")
    assert ready.stdout is not None
    said = json.loads(ready.stdout.readline())
    assert (said["event"], [hosted["agent"] for hosted in said["hosts"]]) == ("ready", ["price", "ask"])
    assert said["store"].endswith(".holdfast/shop.db")
    run = shell.start("fail", '"x"')
    assert "no live worker hosts agent fail" in shell.inside("runs", "show", run).out


def test_a_blocked_run_is_resumed_after_its_code_was_mended(shell: Shell) -> None:
    worker = shell.worker()
    run = shell.start("settle")
    until(lambda: "paid o-1" in shell.ledger)
    worker.terminate()
    end(worker)
    broken = shell.worker(SHOP_BROKEN="1")
    assert shell.inside("promise", "resolve", f"{run}/go", "true").code == 0
    assert shell("runs", "watch", run).code == 1
    broken.terminate()
    end(broken)
    assert shell("runs", "resume", run, "--json").json["done"] == [run]
    assert shell.inside("runs", "resume", run).code == 5
    shell.worker()
    assert shell("runs", "watch", run).out.splitlines()[-1] == 'succeeded: "settled True"'
    assert shell.ledger == ["paid o-1"]


def test_log_lines_of_bodies_and_steps_say_where_they_are(shell: Shell) -> None:
    worker = shell.worker("--log-format", "json")
    run = shell.start("retry", json.dumps(str(shell.folder / "marker")))
    until(lambda: shell.inside("runs", "show", run, "--json").json["status"] == "waiting")
    assert shell.inside("promise", "resolve", f"{run}/go", "true").code == 0
    assert shell("runs", "watch", run).code == 0
    worker.terminate()
    lines = [json.loads(line) for line in end(worker).err.splitlines()]
    own = [line for line in lines if line["logger"] == "shop"]
    assert all((line["run"], line["agent"], line["version"]) == (run, "retry", "1") for line in own)
    assert _said(own, "first")[0]["replay"] is False
    assert [line["replay"] for line in _said(own, "first")[1:]], "it left memory and came back"
    assert all(line["replay"] for line in _said(own, "first")[1:])
    assert [(line["step"], line["attempt"], line["replay"]) for line in _said(own, "trying")] == [
        ("flaky#1", 1, False),
        ("flaky#1", 2, False),
    ]
    assert all(line["at"].endswith("Z") and line["level"] == "info" for line in own)


def test_plain_log_lines_say_it_too(shell: Shell) -> None:
    worker = shell.worker("--log-level", "debug")
    run = shell.start("price", '{"id": "o-1"}')
    assert shell("runs", "watch", run).code == 0
    worker.terminate()
    (line,) = (line for line in end(worker).err.splitlines() if "noting" in line)
    assert line.endswith(f"INFO     shop: noting o-1 run={run} agent=price version=1 step=note#1 attempt=1")


def _said(lines: list[dict[str, Any]], message: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["message"] == message]
