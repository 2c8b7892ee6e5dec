"""``/api/runs``: finding, starting, and what people do to runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from holdfast.durable.operations import UNCHANGED
from holdfast.records.run import Started as New
from holdfast.records.usage import Usage as Used
from holdfast.server import starting
from holdfast.server.access import Operator, Reader, Starter
from holdfast.server.house import InHouse
from holdfast.server.shapes import Done, Reason, RunId, problems
from holdfast.server.shapes_of_runs import (
    Activations,
    Counts,
    Deleted,
    Fork,
    Forked,
    Move,
    Runs,
    RunShape,
    Start,
    Started,
    StartedMany,
    StartMany,
    Tags,
    Usage,
    Which,
    WhichPage,
)
from holdfast.wire.runs import activation_json, run_json

router = APIRouter(prefix="/api/runs", tags=["runs"], responses=problems())
_OF_ONE = problems(404)
_OF_ACT = problems(404, 409)


@router.get("", response_model=Runs, response_model_exclude_unset=True, summary="List runs, newest first")
async def list_runs(_: Reader, house: InHouse, which: Annotated[WhichPage, Query()]) -> Any:
    """Runs that match, a page at a time."""
    found = await house.store.find(which.filter(limit=which.limit, cursor=which.cursor))
    following = found[-1].id if len(found) == which.limit else None
    return {"runs": [run_json(run, values=which.values) for run in found], "next": following}


@router.get("/count", response_model=Counts, summary="Count runs")
async def count_runs(_: Reader, house: InHouse, which: Annotated[Which, Query()]) -> Any:
    """How many runs match, by status."""
    counts = await house.store.count(which.filter())
    return {"count": sum(counts.values()), "by_status": counts}


@router.post("", response_model=Started, status_code=201, responses=problems(404, 409), summary="Start a run")
async def start_run(who: Starter, house: InHouse, asked: Start, response: Response) -> Any:
    """Durable when it is answered. Under a key or an id that exists already, nothing is started: 200 instead of 201."""
    started = await starting.start(house.client, asked, by=who.person.name)
    response.status_code = 201 if started.created else 200
    response.headers["Location"] = f"/api/runs/{started.id}"
    return _started_json(started)


@router.post("/batch", response_model=StartedMany, status_code=201, responses=problems(404))
async def start_runs(who: Starter, house: InHouse, asked: StartMany) -> Any:
    """Start many runs in one transaction; all are durable when it is answered."""
    started = await starting.start_all(house.client, asked.runs, by=who.person.name)
    return {"runs": [_started_json(one) for one in started]}


@router.get("/{run_id}", response_model=RunShape, response_model_exclude_unset=True, responses=_OF_ONE)
async def get_run(_: Reader, house: InHouse, run_id: RunId) -> Any:
    """A run, with why it does not move."""
    run = await house.client.info(run_id)
    return run_json(run) | {"why": await house.client.why_waiting(run)}


@router.get("/{run_id}/activations", response_model=Activations, responses=_OF_ONE)
async def list_activations(_: Reader, house: InHouse, run_id: RunId) -> Any:
    """A run's stays in memory, and the build that each ran."""
    await house.client.info(run_id)
    return {"activations": [activation_json(one) for one in await house.store.activations(run_id)]}


@router.get("/{run_id}/usage", response_model=Usage, responses=_OF_ONE)
async def get_usage(_: Reader, house: InHouse, run_id: RunId) -> Any:
    """What the models that the run has asked have used."""
    used: Used = await house.client.usage(run_id)
    return used.as_json() | {"unpriced": used.unpriced}


@router.post("/{run_id}/cancel", response_model=Done, responses=_OF_ACT)
async def cancel_run(_: Operator, house: InHouse, run_id: RunId, asked: Reason) -> Any:
    """Ask a run to cancel. Not done if it has ended or was asked before."""
    return {"done": await house.client.cancel(run_id, reason=asked.reason)}


@router.post("/{run_id}/pause", response_model=Done, responses=_OF_ACT)
async def pause_run(_: Operator, house: InHouse, run_id: RunId, asked: Reason) -> Any:
    """Stop a run until it is resumed."""
    await house.client.pause(run_id, reason=asked.reason)
    return {"done": True}


@router.post("/{run_id}/resume", response_model=Done, responses=_OF_ACT)
async def resume_run(_: Operator, house: InHouse, run_id: RunId) -> Any:
    """Put a paused or blocked run back to work. Not done if it was neither."""
    return {"done": await house.client.resume(run_id)}


@router.post("/{run_id}/retry", response_model=Done, responses=_OF_ACT)
async def retry_run(_: Operator, house: InHouse, run_id: RunId) -> Any:
    """Let a failed run go on from before what made it fail."""
    await house.client.retry(run_id)
    return {"done": True}


@router.post("/{run_id}/forks", response_model=Forked, status_code=201, responses=_OF_ACT)
async def fork_run(who: Operator, house: InHouse, run_id: RunId, asked: Fork) -> Any:
    """Start a run that begins with a part of this one's journal."""
    forked = await house.client.fork(
        run_id, at=asked.at, outcome=asked.outcome if "outcome" in asked.model_fields_set else UNCHANGED,
        error=asked.error, key=asked.key, keep_keys=asked.keep_keys, version=asked.version, tags=asked.tags,
        new_id=asked.id, by=who.person.name,
    )  # fmt: skip
    plan = forked.plan
    return {"run": forked.id, "at": plan.at, "kept": plan.kept, "changed": plan.changed, "again": plan.again}


@router.post("/{run_id}/move", response_model=Done, responses=_OF_ACT)
async def move_run(_: Operator, house: InHouse, run_id: RunId, asked: Move) -> Any:
    """Let a run go on as another version of its agent. Not done if it has gone on since it was replayed."""
    if asked.epoch is None or asked.entries is None:
        await house.client.move(run_id, asked.version)
        return {"done": True}
    await house.client.info(run_id)
    return {"done": await house.store.move(run_id, asked.version, epoch=asked.epoch, entries=asked.entries)}


@router.post("/{run_id}/tags", response_model=Done, responses=_OF_ACT)
async def tag_run(_: Operator, house: InHouse, run_id: RunId, asked: Tags) -> Any:
    """Add and remove tags."""
    await house.client.tag(run_id, add=asked.add, remove=asked.remove)
    return {"done": True}


@router.delete("/{run_id}", response_model=Deleted, responses=_OF_ACT)
async def delete_run(_: Operator, house: InHouse, run_id: RunId) -> Any:
    """Delete a run that has ended, with all its descendants."""
    if not (gone := await house.store.delete([run_id])):
        await house.client.delete(run_id)  # raises what is the matter
        gone = 1
    return {"deleted": gone}


def _started_json(started: New) -> dict[str, Any]:
    return {"run": started.id, "created": started.created, "digest": started.digest.hex()}
