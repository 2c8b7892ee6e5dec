"""``holdfast workers demand``: how many runs need a worker now, said once or to whoever asks over HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest

from holdfast.clock import SECOND, SystemClock, VirtualClock
from holdfast.records.run import Status
from tests.cli.conftest import Past
from tests.cli.shell import WITHIN, Shell, end, until
from tests.cli.shop import app, nap


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=WITHIN) as answer:
        return json.load(answer)


def listening(shell: Shell, *options: str) -> str:
    process = shell.begin("workers", "demand", "--listen", "127.0.0.1:0", *options)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("ready: http://127.0.0.1:"), said
    return said.removeprefix("ready: ").strip()


def test_it_counts_what_waits_for_a_worker(past: Past) -> None:
    said = past.shell.inside("workers", "demand", "--json").json
    assert said == {
        "queued": 0,
        "due": 0,
        "orphaned": 0,
        "at_work": 0,
        "total": 0,
    }  # all have ended, or wait for people
    assert past.shell.inside("workers", "demand").out.splitlines()[-1].split() == ["total", "0"]


def test_over_http_it_follows_what_happens_and_comes_to_zero(shell: Shell) -> None:
    run = shell.start("hold", json.dumps(str(shell.folder / "go")))
    url, others = listening(shell), listening(shell, "--agents", "price,ask")
    assert asked(url) == {"queued": 1, "due": 0, "orphaned": 0, "at_work": 0, "total": 1}
    assert asked(others)["total"] == 0
    worker = shell.worker(HOLDFAST_LEASE="3")
    until(lambda: "began" in shell.ledger)
    # until: a worker that came too late to renew its lease gets another
    until(lambda: asked(url) == {"queued": 0, "due": 0, "orphaned": 0, "at_work": 1, "total": 1})
    worker.kill()
    until(lambda: asked(url)["orphaned"] == 1)
    (shell.folder / "go").touch()
    shell.worker()
    assert shell("runs", "watch", run).code == 0
    assert asked(url)["total"] == 0


async def nap_until_half_an_hour_ago(store: str) -> None:
    """A run that a worker of an hour ago has left with a timer of half an hour."""
    clock = VirtualClock(SystemClock().now() - 3600 * SECOND)
    async with app.test(store=store, clock=clock, check_replay=False, always_suspend=True) as t:
        run = await t.start(nap(1800.0))
        await t.quiet()
        assert await run.status() == Status.WAITING


def test_a_timer_that_passes_while_no_worker_is_there_counts(shell: Shell) -> None:
    (shell.folder / ".holdfast").mkdir()
    asyncio.run(nap_until_half_an_hour_ago(shell.store("shop")))
    assert asked(listening(shell)) == {"queued": 0, "due": 1, "orphaned": 0, "at_work": 0, "total": 1}


def test_it_answers_nothing_but_questions_and_stops_when_told_to(shell: Shell) -> None:
    shell.start("hold", json.dumps(str(shell.folder / "go")))
    process = shell.begin("workers", "demand", "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    url = process.stdout.readline().removeprefix("ready: ").strip()
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(url, data=b"{}", timeout=WITHIN)
    process.send_signal(signal.SIGTERM)
    assert end(process).code == 0


@pytest.mark.parametrize("address", ["8080", "localhost", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_has_a_host_and_a_port(past: Past, address: str) -> None:
    said = past.shell.inside("workers", "demand", "--listen", address, "--json")
    assert said.code == 2 and "HOST:PORT" in said.problem["message"]
