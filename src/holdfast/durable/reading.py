"""Reading the files of runs: what a client sees of their workspaces, whether they are in memory or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from holdfast import codec
from holdfast.durable.operations import Operations
from holdfast.durable.workspace.chunks import digest_of
from holdfast.errors import NotFound, StoreUnusable, UsageError
from holdfast.records.files import Chunk, FileInfo, FileKind


class Reading(Operations):
    """The part of a client that looks into workspaces."""

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        """What a run's workspace holds, as recorded: files, links and folders, by path.

        Args:
            run_id: the run's.
            at: the number of an entry: as its workspace was then; by default as of the last.

        Raises:
            UnknownRun: there is no such run.

        Example:
            >>> async def main(client, run):
            ...     return [file.path for file in await client.files(run.id)]
        """
        await self.info(run_id)
        return await self.store.files(run_id, at=at)

    async def read_file(self, run_id: str, path: str, *, at: int | None = None) -> AsyncIterator[bytes]:
        """The content of a file of a run's workspace, in pieces of a megabyte at the most.

        Args:
            run_id: the run's.
            path: relative to the workspace, as :meth:`files` has it.
            at: the number of an entry: the file as it was then; by default as of the last.

        Raises:
            UnknownRun: there is no such run.
            NotFound: nothing is at that path.
            UsageError: a folder or a link is.

        Example:
            >>> async def main(client, run):
            ...     return b"".join([piece async for piece in client.read_file(run.id, "report.md")])
        """
        file = next((file for file in await self.files(run_id, at=at) if file.path == path), None)
        if file is None:
            when = "" if at is None else f" as of entry {at}"
            raise NotFound(f"run {run_id} has no file {path!r}{when}: `holdfast runs files {run_id}` lists what it has")
        if file.kind is not FileKind.FILE:
            points = f", to {file.target}" if file.kind is FileKind.LINK else ""
            raise UsageError(f"{path} of run {run_id} is a {file.kind}{points}: name a file")
        for chunk in file.chunks:
            yield await self._content(file, chunk)

    async def _content(self, file: FileInfo, chunk: Chunk) -> bytes:
        found = await self.store.contents([chunk.digest])
        body = await asyncio.to_thread(codec.unpack, found[chunk.digest]) if found else b""
        if digest_of(body) != chunk.digest:
            raise StoreUnusable(f"the content of {file.path} is missing or damaged: restore a backup of the store")
        return body
