"""``holdfast runs list | show | cancel | resume``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from holdfast.cli import options, views
from holdfast.cli.codes import Conflict
from holdfast.cli.output import document, facts, say, table
from holdfast.cli.stores import client_of
from holdfast.cli.watch import preview
from holdfast.durable.client import Client
from holdfast.errors import BadOption
from holdfast.records.run import Activation, Run, Status
from holdfast.store.base import RunFilter

_CHILDREN = 20
_ACTIVATIONS = 10


def list_runs(
    agent: Annotated[str | None, typer.Option(help="Runs of this agent only.")] = None,
    status: Annotated[list[str] | None, typer.Option(metavar="S[,S]", help=f"Only these: {', '.join(Status)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Children of other runs too.")] = False,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List runs, newest first."""
    which = RunFilter(agent=agent, statuses=_statuses(status or []), roots_only=not everything, limit=limit)
    runs = asyncio.run(_find(store, app, which))
    if as_json:
        document({"runs": [views.summary(run) for run in runs]})
    else:
        table(views.RUNS_HEADERS, views.runs_rows(runs))


def show(
    run_id: options.RunId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Show a run: how it stands and why, who ran which build of it, its children, its result or error."""
    found = asyncio.run(_look(run_id, store, app))
    if as_json:
        document(_as_document(found))
    else:
        _as_text(found)


def cancel(
    run_id: options.RunId,
    reason: Annotated[str, typer.Option(help="Why; the run's error will say it.")] = "",
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Ask a run, and its children, to cancel. It may clean up first; `runs watch` waits for its end."""
    run = asyncio.run(_cancel(run_id, reason, store, app))
    said = f"run {run.id} is {run.status}" if run.status.ended else f"run {run.id} is asked to cancel"
    document({"run": run.id, "status": str(run.status)}) if as_json else say(said)


def resume(
    run_id: options.RunId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Put a blocked run back to work, after its code was mended."""
    run = asyncio.run(_resume(run_id, store, app))
    document({"run": run.id, "status": str(run.status)}) if as_json else say(f"run {run.id} is back in the queue")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """Everything that ``show`` shows."""

    run: Run
    why: str
    activations: Sequence[Activation]
    children: Sequence[Run]
    more_children: bool


async def _find(store: str | None, app: str | None, which: RunFilter) -> list[Run]:
    async with client_of(store, app) as client:
        return await client.find(which)


async def _look(run_id: str, store: str | None, app: str | None) -> _Found:
    async with client_of(store, app) as client:
        run = await client.info(run_id)
        children = await client.find(RunFilter(parent=run_id, limit=_CHILDREN + 1))
        return _Found(
            run=run,
            why=await client.why_waiting(run),
            activations=await client.activations(run_id),
            children=children[:_CHILDREN],
            more_children=len(children) > _CHILDREN,
        )


async def _cancel(run_id: str, reason: str, store: str | None, app: str | None) -> Run:
    async with client_of(store, app) as client:
        asked = await client.cancel(run_id, reason=reason)
        run = await client.info(run_id)
        if not asked and run.status.ended:
            raise Conflict(f"run {run_id} has ended already: {run.status}")
        return run


async def _resume(run_id: str, store: str | None, app: str | None) -> Run:
    async with client_of(store, app) as client:
        if not await client.resume(run_id):
            raise Conflict(f"run {run_id} is {await _status(client, run_id)}, not blocked: there is nothing to resume")
        return await client.info(run_id)


async def _status(client: Client, run_id: str) -> Status:
    return (await client.info(run_id)).status


def _as_document(found: _Found) -> dict[str, Any]:
    return views.detail(found.run) | {
        "why": found.why or None,
        "activations": [views.activation(one) for one in found.activations],
        "children": [views.summary(child) for child in found.children],
        "more_children": found.more_children,
    }


def _as_text(found: _Found) -> None:
    facts(_facts(found))
    if found.activations:
        left_out = len(found.activations) - _ACTIVATIONS
        say(f"\nactivations{f' (the last {_ACTIVATIONS}; {left_out} before)' if left_out > 0 else ''}")
        rows = [(one.epoch, one.worker, one.build, views.short(one.at)) for one in found.activations[-_ACTIVATIONS:]]
        table(("NUMBER", "WORKER", "BUILD", "AT"), rows, indent="  ")
    if found.children:
        say(f"\nchildren{f' (the newest {_CHILDREN})' if found.more_children else ''}")
        table(views.RUNS_HEADERS, views.runs_rows(found.children), indent="  ")


def _facts(found: _Found) -> list[tuple[str, object]]:
    run, failed = found.run, views.failure(found.run.error)
    cancelled = run.cancel_at and f"{views.short(run.cancel_at)} {run.cancel_reason}".rstrip()
    return [
        ("run", run.id),
        ("agent", f"{run.agent} version {run.version}"),
        ("status", f"{run.status} ({found.why})" if found.why else run.status),
        ("progress", views.progress_text(run.progress)),
        ("key", run.key),
        ("priority", run.priority or None),
        ("parent", run.parent and run.parent.run_id),
        ("created", views.short(run.created_at)),
        ("started", views.short(run.started_at)),
        ("ended", views.short(run.ended_at)),
        ("wakes at", None if run.status is not Status.WAITING else views.short(run.wake_at)),
        ("deadline", views.short(run.deadline_at)),
        ("cancel asked", cancelled),
        ("worker", run.worker),
        ("journal", f"{run.entries} entries" + (f" of generation {run.generation}" if run.generation else "")),
        ("input", preview(json.dumps(views.unpacked(run.input), ensure_ascii=False))),
        ("result", run.result and preview(json.dumps(views.unpacked(run.result), ensure_ascii=False))),
        ("error", failed and f"{failed['type']}: {failed['message']}"),
        ("traceback", failed and failed["traceback"].rstrip()),
    ]


def _statuses(given: Sequence[str]) -> tuple[Status, ...]:
    words = [word.strip() for text in given for word in text.split(",")]
    if unknown := [word for word in words if word not in set(Status)]:
        raise BadOption(f"--status {unknown[0]!r}: choose from {', '.join(Status)}")
    return tuple(Status(word) for word in words)
