"""Recordings: a run and its history, at hand for a replay; and the journal files that hold them.

A journal file is JSON lines, UTF-8, in a stable order::

    {"type": "header", "format": "holdfast-journal", "version": 2, "holdfast": "0.1.0", "app": "claims", "run": {…}}
    {"type": "group", "key": "map:settle#1", "map": "…", "total": 3, …}            children of a map, by key
    {"type": "entry", "seq": 1, "kind": "outcome", "op": "step", "key": "fetch#1", "at": "…Z", "ok": true, "value": …}
    {"type": "item", "seq": 2, "map": "…", "ord": 0, "branch": "…", "at": "…Z", "ok": true, "value": …}
    {"type": "end", "entries": 1, "items": 1}

Entries and items follow each other by ``seq``: the file reads as what happened. It holds everything that is recorded,
also inside branches of maps that have finished, which a replay leaves out. ``map``, ``branch`` and ``within`` are
64-bit hashes of keys. The last line tells a whole file from one that was cut. How values are written,
:mod:`holdfast.wire.lines` says.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.durable.client import Client
from holdfast.durable.core import Loader
from holdfast.durable.recordreader import Reader
from holdfast.errors import BadRecording, StoreBusy, UnknownRun
from holdfast.records.journal import Entry, Group, History, Item
from holdfast.records.run import Run
from holdfast.wire.lines import FORMAT, VERSION, line_of, run_line
from holdfast.wire.values import Line

_READS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A recorded run, ready to be replayed.

    Attributes:
        run: its record.
        history: what a replay is given: without what finished branches did.
        loader: reads values of map items, which stay where they are until they are asked for.
        app: the name of the app that wrote it, if that is known.
        source: where it was read, for messages.
    """

    run: Run
    history: History
    loader: Loader
    app: str | None = None
    source: str = ""


# -- from a store


async def load_recording(client: Client, run_id: str) -> Recording:
    """The recording of a run in a store.

    Raises:
        UnknownRun: there is no such run.
        StoreBusy: it began anew each time that it was read.
    """
    store = client.store
    for _ in range(_READS):
        run = await client.info(run_id)
        history = await store.load(run.rid)
        if _still(run, await client.info(run_id)):
            loader = functools.partial(store.item_values, run.rid)
            return Recording(run=run, history=history, loader=loader, source=store.url)
    raise StoreBusy(f"run {run_id} begins anew faster than it can be read: try again")


def _still(run: Run, after: Run) -> bool:
    """Whether what was read between two looks at a run belongs to the first: journals only grow, unless it restarts."""
    return after.generation == run.generation and (not run.status.ended or after.status is run.status)


# -- into a file


async def recorded_lines(client: Client, run_id: str, *, app: str | None = None) -> AsyncIterator[str]:
    """The lines of a run's journal file, one at a time.

    Args:
        client: of the store that the run is in.
        run_id: of the run, which may go on meanwhile: the lines are of one moment.
        app: the name of the app that the run belongs to, for messages of whoever reads the file.

    Raises:
        UnknownRun: there is no such run.
    """
    counts = {Entry: 0, Item: 0, Group: 0}
    found = False
    async for record in client.store.everything(run_id):
        if isinstance(record, Run):
            found = True
            head = {"format": FORMAT, "version": VERSION, "holdfast": _own_version(), "app": app}
            yield _text({"type": "header", **head, "run": run_line(record)})
        else:
            counts[type(record)] += 1
            yield _text(line_of(record))
    if not found:
        raise UnknownRun(f"no run {run_id!r} in {client.store.url}: `holdfast runs list` shows those there are")
    yield _text({"type": "end", "entries": counts[Entry], "items": counts[Item]})


async def write_recording(client: Client, run_id: str, out: Path, *, app: str | None = None) -> int:
    """Write a run's journal file, and say how many lines it has. The file appears whole or not at all.

    Raises:
        BadRecording: it cannot be written.
        UnknownRun: there is no such run.
    """
    written = 0
    partial = out.with_name(f"{out.name}.partial")
    try:
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                async for line in recorded_lines(client, run_id, app=app):
                    file.write(f"{line}\n")
                    written += 1
            os.replace(partial, out)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise BadRecording(f"{out} cannot be written: {error}") from error
    return written


def _text(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def _own_version() -> str | None:
    try:
        return importlib.metadata.version("holdfast")
    except importlib.metadata.PackageNotFoundError:  # run from its sources
        return None


# -- from a file


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """The recording in a journal file, as ``holdfast runs export`` writes it.

    Values of map items are read when they are asked for, so the file has to stay where it is.

    Raises:
        BadRecording: the file cannot be read, is no journal file, is cut or damaged (the message has the line), or was
            written in a format that this version does not know.

    Example:
        >>> read_recording("journals/price-01k.jsonl").run.agent
        'price'
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            read = Reader(path).read(file)
    except OSError as error:
        advice = "; name a file in it" if path.is_dir() else ""
        raise BadRecording(f"{path} cannot be read: {error.strerror or error}{advice}") from error
    return Recording(run=read.run, history=read.history, loader=read.loader, app=read.app, source=str(path))
