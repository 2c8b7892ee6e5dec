"""``holdfast workers list``."""

from __future__ import annotations

import asyncio

from holdfast.cli import options, views
from holdfast.cli.output import document, table
from holdfast.cli.stores import client_of
from holdfast.records.worker import Worker
from holdfast.wire.house import worker_json


def list_workers(store: options.Store = None, app: options.Of = None, as_json: options.Json = False) -> None:
    """List the workers that are alive, with the agents that they host."""
    found = asyncio.run(_workers(store, app))
    if as_json:
        document({"workers": [worker_json(one) for one in found]})
    else:
        table(("WORKER", "HOST", "PID", "STARTED", "HEARTBEAT", "RUNS", "HOSTS"), [_row(one) for one in found])


def _row(one: Worker) -> tuple[object, ...]:
    started, heartbeat = views.short(one.started_at), views.short(one.renewed_at)
    return one.id, one.host, one.pid, started, heartbeat, one.runs, views.hosts_text(one)


async def _workers(store: str | None, app: str | None) -> list[Worker]:
    async with client_of(store, app) as client:
        return await client.workers()
