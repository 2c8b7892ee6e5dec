"""``holdfast runs files | cat``: what a run's workspace holds."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options
from holdfast.cli.output import document, say, table, while_read
from holdfast.cli.stores import client_of
from holdfast.errors import UsageError
from holdfast.records.files import FileInfo, FileKind

_HEADERS = ("MODE", "SIZE", "ENTRY", "PATH")
_TYPES = {FileKind.FILE: stat.S_IFREG, FileKind.LINK: stat.S_IFLNK | 0o777, FileKind.FOLDER: stat.S_IFDIR}

At = Annotated[
    int | None, typer.Option("--at", min=0, metavar="ENTRY", help="As of this journal entry; the last by default.")
]


def files(
    run_id: options.RunId,
    at: At = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List the files of a run's workspace, with the entry that last changed each."""
    found = asyncio.run(_files(run_id, at, store, app))
    if as_json:
        document({"run": run_id, "files": [_as_document(file) for file in found]})
    else:
        table(_HEADERS, [_row(file) for file in found])


def cat(
    run_id: options.RunId,
    path: Annotated[str, typer.Argument(metavar="PATH", help="As `runs files` lists it.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Else to standard output.")] = None,
    at: At = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Write a file of a run's workspace, byte by byte as it was recorded."""
    size = asyncio.run(_cat(run_id, path, out, at, store, app))
    if out is not None:
        document({"run": run_id, "path": path, "out": str(out), "size": size}) if as_json else say(
            f"{size} bytes in {out}"
        )


async def _files(run_id: str, at: int | None, store: str | None, app: str | None) -> list[FileInfo]:
    async with client_of(store, app) as client:
        return await client.files(run_id, at=at)


async def _cat(run_id: str, path: str, out: Path | None, at: int | None, store: str | None, app: str | None) -> int:
    async with client_of(store, app) as client:
        pieces = client.read_file(run_id, path, at=at)
        return await (_print(pieces) if out is None else _write(out, pieces))


async def _print(pieces: AsyncIterator[bytes]) -> int:
    size = 0
    async for piece in pieces:
        with while_read():
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        size += len(piece)
    return size


async def _write(out: Path, pieces: AsyncIterator[bytes]) -> int:
    """The file appears whole or not at all."""
    size = 0
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("wb") as file:
            async for piece in pieces:
                size += file.write(piece)
        os.replace(partial, out)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def _row(file: FileInfo) -> tuple[object, ...]:
    path = f"{file.path} -> {file.target}" if file.kind is FileKind.LINK else file.path
    size = file.size if file.kind is FileKind.FILE else ""
    return stat.filemode(_TYPES[file.kind] | file.mode), size, file.seq, path + "/" * (file.kind is FileKind.FOLDER)


def _as_document(file: FileInfo) -> dict[str, Any]:
    return {
        "path": file.path,
        "kind": str(file.kind),
        "size": file.size,
        "mode": f"{file.mode:04o}",
        "entry": file.seq,
        "target": file.target or None,
    }
