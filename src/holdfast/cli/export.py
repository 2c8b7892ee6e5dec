"""``holdfast runs export``: a run's journal as a file; see :mod:`holdfast.durable.recording` for its format."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.output import document, say
from holdfast.cli.stores import client_of
from holdfast.durable.recording import recorded_lines, write_recording


def export(
    run_id: options.RunId,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Else to standard output.")] = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Write a run's journal as JSON lines: a header with the run, its entries, the items of its maps.

    The file reads back exactly: `holdfast replay` holds it against the code. It holds arguments and results in plain
    text, also where the store is encrypted: keep it as you keep the data.
    """
    asyncio.run(_export(run_id, out, store, app, as_json=as_json))


async def _export(run_id: str, out: Path | None, store: str | None, app: str | None, *, as_json: bool) -> None:
    name = None if app is None else load(app).name
    async with client_of(store, app) as client:
        if out is None:
            async for line in recorded_lines(client, run_id, app=name):
                say(line)
            return
        written = await write_recording(client, run_id, out, app=name)
    document({"run": run_id, "out": str(out), "lines": written}) if as_json else say(f"{written} lines in {out}")
