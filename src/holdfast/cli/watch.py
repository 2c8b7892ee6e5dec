"""``holdfast runs watch``: follows a run to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from holdfast.cli import options, views
from holdfast.cli.codes import Exit
from holdfast.cli.output import at_terminal, document, say
from holdfast.cli.stores import client_of
from holdfast.console import harmless, on_line, progress_bar
from holdfast.durable.client import Client
from holdfast.durable.patience import Patience
from holdfast.records.run import Run, Status

_LOOK_AGAIN = 1.0  # seconds; workers come and go without a change to the run
_NOT_OFTENER = 0.1  # seconds; a busy store changes all the time
_PREVIEW = 2_000  # characters of a result

Show = Callable[[Run, str], None]


def watch(
    run_id: options.RunId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> int:
    """Follow a run to its end; the exit code says how it ended. A blocked run is followed no further."""
    return asyncio.run(_watch(run_id, store, app, as_json=as_json))


async def _watch(run_id: str, store: str | None, app: str | None, *, as_json: bool) -> int:
    async with client_of(store, app) as client:
        return await follow_to_end(client, run_id, as_json=as_json)


async def follow_to_end(client: Client, run_id: str, *, as_json: bool) -> int:
    """Show a run's progress until it has ended or is blocked; the exit code.

    Raises:
        UnknownRun: there is none.
    """
    with _shower(as_json) as show:
        async for run, why in _states(client, run_id):
            show(run, why)
    if as_json:
        document(_event(run, "") | {"result": views.unpacked(run.result), "error": views.failure(run.error)})
    else:
        say(_ending(run))
    return Exit.OK if run.status is Status.SUCCEEDED else Exit.RUN_FAILED


async def _states(client: Client, run_id: str) -> AsyncIterator[tuple[Run, str]]:
    """The run as it changes, and why it waits; the last one is its end."""

    async def look() -> tuple[Run, str]:
        run = await client.info(run_id)
        return run, "" if _over(run) else await client.why_waiting(run)

    async with aclosing(Patience(f"run {run_id}").answers(client.store, look, _LOOK_AGAIN)) as states:
        async for run, why in states:
            yield run, why
            if _over(run):
                return
            await asyncio.sleep(_NOT_OFTENER)


def _over(run: Run) -> bool:
    return run.status.ended or run.status is Status.BLOCKED


@contextmanager
def _shower(as_json: bool) -> Iterator[Show]:
    if as_json:
        yield _changes(lambda run, why: document(_event(run, why)))
    elif at_terminal():
        with progress_bar() as bar:
            task = bar.add_task("", total=None)
            yield lambda run, why: bar.update(task, **_bar_state(run, why))
    else:
        yield _changes(lambda run, why: say(_line(run, why)))


def _changes(show: Show) -> Show:
    """Show what differs from what was shown last, and leave the end to others."""
    last: tuple[object, ...] = ()

    def show_change(run: Run, why: str) -> None:
        nonlocal last
        state = (run.status, run.progress, why)
        if state != last and not _over(run):
            show(run, why)
        last = state

    return show_change


def _event(run: Run, why: str) -> dict[str, Any]:
    return {
        "run": run.id,
        "agent": run.agent,
        "version": run.version,
        "status": str(run.status),
        "why": why or None,
        "progress": views.progress(run.progress),
        "entries": run.entries,
    }


def _bar_state(run: Run, why: str) -> dict[str, Any]:
    told = run.progress
    said = " ".join(filter(None, (str(run.status), told.message if told else "", f"({why})" if why else "")))
    state: dict[str, Any] = {"description": on_line(said)}
    return state if told is None else state | {"completed": told.done, "total": told.total}


def _line(run: Run, why: str) -> str:
    parts = (str(run.status), views.progress_text(run.progress), f"({why})" if why else "")
    return on_line("  ".join(filter(None, parts)))


def _ending(run: Run) -> str:
    if run.status is Status.SUCCEEDED:
        result = json.dumps(views.unpacked(run.result), ensure_ascii=False)
        return f"succeeded: {harmless(preview(result))}"
    failed = views.failure(run.error) or {"type": "", "message": "no reason is recorded"}
    said = f"{failed['type']}: {failed['message']}" if failed["type"] else failed["message"]
    return f"{run.status}: {harmless(said)}"


def preview(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}… ({len(text):,} characters; see --json)"
