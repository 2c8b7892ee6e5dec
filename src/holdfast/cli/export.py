"""``holdfast runs export``: a run's journal as JSON lines.

::

    {"type": "header", "format": "holdfast-journal", "version": 1, "run": {…}}
    {"type": "entry", "seq": 1, "kind": "outcome", "op": "step", "key": "fetch#1", "at": "…Z", "ok": true, "value": …}
    {"type": "item", "map": "map:price#1", "ord": 0, "seq": 2, "at": "…Z", "ok": true, "value": …}

A map whose items are not children is recorded under a hash of its key only: ``map`` is that hash then.
Entries come first, by ``seq``, then the items of maps, map by map in the order of their ends; ``seq`` orders both.
Values are JSON where they are JSON, else text, else ``{"base64": …}``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options, views
from holdfast.cli.output import document, say
from holdfast.cli.stores import client_of
from holdfast.durable.client import Client
from holdfast.errors import UsageError
from holdfast.records.journal import Entry, ItemIndex, Kind
from holdfast.records.run import Run

FORMAT = "holdfast-journal"
VERSION = 1
_BARE = (Kind.FIRED, Kind.CANCEL, Kind.MARK)  # their values are not packed
_BATCH = 256
_UNSIGNED = (1 << 64) - 1


def export(
    run_id: options.RunId,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Else to standard output.")] = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Write a run's journal as JSON lines: a header with the run, its entries, the items of its maps."""
    asyncio.run(_export(run_id, out, store, app, as_json=as_json))


async def _export(run_id: str, out: Path | None, store: str | None, app: str | None, *, as_json: bool) -> None:
    async with client_of(store, app) as client:
        run = await client.info(run_id)
        if out is None:
            async for line in _lines(client, run):
                document(line)
            return
        written = await _write(out, client, run)
    document({"run": run_id, "out": str(out), "lines": written}) if as_json else say(f"{written} lines in {out}")


async def _write(out: Path, client: Client, run: Run) -> int:
    """The file appears whole or not at all."""
    written = 0
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
            async for line in _lines(client, run):
                file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
                written += 1
        os.replace(partial, out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"--out {out} cannot be written: {error}") from error
    return written


async def _lines(client: Client, run: Run) -> AsyncIterator[dict[str, Any]]:
    yield {"type": "header", "format": FORMAT, "version": VERSION, "run": views.detail(run)}
    async for entry in client.journal(run.id):
        yield _entry(entry)
    history = await client.store.load(run.rid)
    for map_hash, index in history.maps.items():
        name = history.groups[map_hash].key if map_hash in history.groups else f"{map_hash & _UNSIGNED:016x}"
        for start in range(0, len(index.ords), _BATCH):
            ords = index.ords[start : start + _BATCH].tolist()
            values = await asyncio.to_thread(client.store.item_values, run.rid, map_hash, ords)
            for line in _items(name, index, start, values):
                yield line


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "type": "entry",
        "seq": entry.seq,
        "kind": entry.kind.name.lower(),
        "op": entry.op.name.lower(),
        "key": entry.key,
        "at": views.iso(entry.at),
        "ok": entry.ok,
        "guarded": entry.guarded,
        "fingerprint": entry.fingerprint.hex(),
        "value": views.decoded(entry.value) if entry.kind in _BARE else views.unpacked(entry.value),
        "note": views.unpacked(entry.note),
    }


def _items(name: str, index: ItemIndex, start: int, values: list[bytes]) -> Iterator[dict[str, Any]]:
    for place, value in enumerate(values, start):
        yield {
            "type": "item",
            "map": name,
            "ord": index.ords[place],
            "seq": index.seqs[place],
            "at": views.iso(index.ats[place]),
            "ok": bool(index.oks[place]),
            "value": views.unpacked(value),
        }
