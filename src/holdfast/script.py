"""A script that is run again: which run it goes on with, and what it says of it."""

from __future__ import annotations

from typing import Any

from holdfast.durable.calls import Call
from holdfast.durable.client import Client
from holdfast.records.run import Run, Status
from holdfast.store.base import RunFilter

_UNFINISHED = (Status.QUEUED, Status.RUNNING, Status.WAITING, Status.PAUSED, Status.BLOCKED)


async def earlier(client: Client, call: Call[Any], key: str | None) -> Run | None:
    """The run to go on with: of that key, or the unfinished one of the same call."""
    digest = call.digest()
    if key is not None:
        run = await client.store.by_key(call.target.name, key)
        return run if run is not None and run.digest == digest else None  # start() refuses a conflict
    runs = await client.find(RunFilter(agent=call.target.name, statuses=_UNFINISHED, roots_only=True, limit=1000))
    return next((run for run in runs if run.digest == digest and run.version == call.version and run.key is None), None)


async def told(client: Client, run: Run) -> str:
    """What to say of a run that was found."""
    if run.status.ended:
        return f"found run {run.id}, which has {run.status}"
    said = f"resuming run {run.id} ({run.entries} entries recorded)"
    owner = next((worker for worker in await client.workers() if worker.id == run.worker), None)
    return said if owner is None else f"{said}, once the lease of process {owner.pid} on {owner.host} has ended"
