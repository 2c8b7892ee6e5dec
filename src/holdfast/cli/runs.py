"""``holdfast runs list | count | show``: looking at runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer

from holdfast.cli import options, views
from holdfast.cli.bulk import by_status, counted
from holdfast.cli.output import document, facts, say, table
from holdfast.cli.query import Children, takes_query, with_children
from holdfast.cli.stores import client_of
from holdfast.cli.watch import preview
from holdfast.durable.client import Client
from holdfast.records.run import Activation, Run, Status
from holdfast.records.usage import Usage
from holdfast.store.base import RunFilter

_CHILDREN = 20
_ACTIVATIONS = 10


@takes_query
def list_runs(
    which: RunFilter,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    children: Children = False,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List runs, newest first."""
    runs = asyncio.run(_find(store, app, replace(with_children(which, children), limit=limit)))
    if as_json:
        document({"runs": [views.summary(run) for run in runs]})
    else:
        table(views.RUNS_HEADERS, views.runs_rows(runs))


@takes_query
def count(
    which: RunFilter,
    children: Children = False,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Count runs, by status."""
    counts = asyncio.run(_count(store, app, with_children(which, children)))
    if as_json:
        document({"count": sum(counts.values()), "by_status": by_status(counts)})
    else:
        say(counted(counts))


def show(
    run_id: options.RunId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Show a run: how it stands and why, who ran which build of it, its children, its result or error."""
    found = asyncio.run(_look(run_id, store, app))
    if as_json:
        document(_as_document(found))
    else:
        _as_text(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Culprit:
    """What made a run fail."""

    entry: int
    key: str | None  # None: an item of a map


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """Everything that ``show`` shows."""

    run: Run
    culprit: Culprit | None
    why: str
    usage: Usage
    activations: Sequence[Activation]
    children: Sequence[Run]
    more_children: bool


async def _find(store: str | None, app: str | None, which: RunFilter) -> list[Run]:
    async with client_of(store, app) as client:
        return await client.find(which)


async def _count(store: str | None, app: str | None, which: RunFilter) -> dict[Status, int]:
    async with client_of(store, app) as client:
        return await client.count(which)


async def _look(run_id: str, store: str | None, app: str | None) -> _Found:
    async with client_of(store, app) as client:
        run = await client.info(run_id)
        children = await client.find(RunFilter(parent=run_id, limit=_CHILDREN + 1))
        return _Found(
            run=run,
            culprit=await _culprit(client, run),
            why=await client.why_waiting(run),
            usage=await client.usage(run_id),
            activations=await client.activations(run_id),
            children=children[:_CHILDREN],
            more_children=len(children) > _CHILDREN,
        )


async def _culprit(client: Client, run: Run) -> Culprit | None:
    """What made a run fail: the entry of that number, or else an item of a map, which has no key of its own."""
    if run.ended_by is None:
        return None
    entries = await client.store.journal(run.id, after=run.ended_by - 1, limit=1)
    found = entries and entries[0].seq == run.ended_by
    return Culprit(entry=run.ended_by, key=entries[0].key if found else None)


def _as_document(found: _Found) -> dict[str, Any]:
    return views.detail(found.run) | {
        "why": found.why or None,
        "ended_by": found.culprit and asdict(found.culprit),
        "usage": views.usage(found.usage),
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
    pausing = run.pause_at and f"{views.short(run.pause_at)} {failed['message'] if failed else ''}".rstrip()
    if run.pause_at or run.status is Status.PAUSED:  # what is kept as its error is why: said with its status
        failed = None
    culprit = found.culprit
    return [
        ("run", run.id),
        ("agent", f"{run.agent} version {run.version}"),
        ("status", f"{run.status} ({found.why})" if found.why else run.status),
        ("progress", views.progress_text(run.progress)),
        ("key", run.key),
        ("priority", run.priority or None),
        ("tags", ", ".join(run.tags)),
        ("parent", run.parent and run.parent.run_id),
        ("fork of", run.origin and f"{run.origin.run_id} at entry {run.origin.seq}"),
        ("created", views.short(run.created_at)),
        ("started", views.short(run.started_at)),
        ("ended", views.short(run.ended_at)),
        ("wakes at", None if run.status is not Status.WAITING else views.short(run.wake_at)),
        ("deadline", views.short(run.deadline_at)),
        ("cancel asked", cancelled),
        ("pause asked", pausing),
        ("worker", run.worker),
        ("journal", f"{run.entries} entries" + (f" of generation {run.generation}" if run.generation else "")),
        ("usage", views.usage_text(found.usage)),
        ("input", preview(json.dumps(views.unpacked(run.input), ensure_ascii=False))),
        ("result", run.result and preview(json.dumps(views.unpacked(run.result), ensure_ascii=False))),
        ("error", failed and f"{failed['type']}: {failed['message']}"),
        ("failed by", culprit and f"entry {culprit.entry}: {culprit.key or 'an item of a map'}"),
        ("traceback", failed and failed["traceback"].rstrip()),
    ]
