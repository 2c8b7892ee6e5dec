"""``holdfast worker --metrics-port``: the real process, scraped over HTTP."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import WITHIN, Shell, end, until


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=WITHIN) as answer:
        return str(answer.read().decode())


def test_a_worker_serves_its_metrics_until_it_is_stopped(shell: Shell) -> None:
    worker = shell.begin("worker", "shop:app", "--metrics-port", "0", "--json", HOLDFAST_CENSUS="0.05")
    assert worker.stdout is not None
    url = json.loads(worker.stdout.readline())["metrics"]
    assert url.startswith("http://127.0.0.1:"), "nobody else's business unless told otherwise"
    run = shell.start("price", '{"id": "order-4711"}')
    assert shell("runs", "watch", run).code == 0
    for comes_about in (
        'holdfast_runs{agent="price",status="succeeded",version="1"} 1.0',
        'holdfast_activations{agent="price"} 0.0',  # a moment after others are told that the run has ended
    ):
        until(lambda line=comes_about: line in scrape(url).splitlines())
    said = scrape(url)
    for line in (
        'holdfast_step_attempts_total{agent="price",op="step",outcome="succeeded",step="note"} 1.0',
        'holdfast_schedule_to_start_seconds_count{agent="price"} 1.0',
        "holdfast_leases_lost_total 0.0",
    ):
        assert line in said.splitlines()
    for name in ("holdfast_commit_batch_size", "holdfast_commit_seconds", "holdfast_step_seconds"):
        assert f"# TYPE {name} histogram" in said
    assert run not in said and "4711" not in said
    worker.terminate()
    assert end(worker).code == 0
    with pytest.raises(OSError):
        scrape(url)


def test_the_port_comes_from_the_environment_too(shell: Shell) -> None:
    worker = shell.begin("worker", "shop:app", HOLDFAST_METRICS_PORT="0", HOLDFAST_METRICS_HOST="localhost")
    assert worker.stdout is not None
    ready = worker.stdout.readline()
    assert "metrics at http://" in ready
    assert "holdfast_activations" in scrape(ready.rpartition("metrics at ")[2].strip())


def test_without_a_port_nothing_is_served(shell: Shell) -> None:
    worker = shell.begin("worker", "shop:app", "--json")
    assert worker.stdout is not None
    assert json.loads(worker.stdout.readline())["metrics"] is None


def test_a_port_that_is_taken_is_wrong_usage(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = shell("worker", "shop:app", "--metrics-port", str(port))
    assert said.code == 2
    assert f"127.0.0.1:{port}" in said.err and "choose another port" in said.err
    assert shell("worker", "shop:app", "--metrics-port", "70000").code == 2
    assert shell("worker", "shop:app", "--metrics-port", "0", "--metrics-host", "no.such.host.invalid").code == 2
