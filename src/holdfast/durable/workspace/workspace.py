"""The workspace of an activation: restored before its first effect begins, recorded with each outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from holdfast import codec
from holdfast.durable.workspace.chunks import CHUNK
from holdfast.durable.workspace.folder import Folder, root_of
from holdfast.durable.workspace.place import Place
from holdfast.durable.workspace.restore import Restore
from holdfast.durable.workspace.scan import Known, Scan
from holdfast.errors import CommitUnknown, StoreBusy
from holdfast.records.files import FileInfo
from holdfast.records.run import Run
from holdfast.settings import Settings
from holdfast.store.base import Files

logger = logging.getLogger("holdfast.run")

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE = 4 * CHUNK  # bytes that are put into the store in one go
_PIECES = 500
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 2.0


class Workspaces:
    """The workspaces of a worker's activations.

    Args:
        store: where files are kept.
        settings: where their directories are.
        strays_end: waits for the threads of a run that nobody waits for any more: they may still write.
    """

    def __init__(self, store: Files, settings: Settings, strays_end: Callable[[str], Awaitable[None]]) -> None:
        self.store = store
        self.strays_end = strays_end
        self.keep = settings.keep_workspaces
        self._root = settings.workspaces
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, run: Run) -> Workspace:
        """The workspace of an activation; costs nothing until its body asks for it."""
        return Workspace(self, run)

    def folder_of(self, run: Run) -> Folder:
        """The directory for an activation."""
        return Folder(root_of(self._root), run.id, run.epoch)

    def leave(self, workspace: Workspace) -> None:
        """An activation leaves memory: its directory goes, as soon as nobody works there."""
        if workspace.used:
            task = asyncio.get_running_loop().create_task(workspace.leave(), name="holdfast-workspace")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        else:
            del workspace.place  # it calls back to its workspace: without it both go at once

    async def close(self, timeout: float) -> None:
        """Wait until the directories are gone, for so many seconds at the most; others stay."""
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=timeout)
            for task in late:
                task.cancel()


class Workspace:
    """One run's, in one activation.

    Effects begin after :meth:`ready`; after each comes :meth:`record`, and then whoever writes its outcome takes the
    changes along (:meth:`take`). Looks at the directory come one after the other, and effects that end meanwhile share
    the next one.
    """

    def __init__(self, owner: Workspaces, run: Run) -> None:
        self.place = Place(self._choose)
        self.changes: dict[str, FileInfo] = {}  # seen, in the store, and not yet in a delta
        self._owner = owner
        self._run = run
        self._folder: Folder | None = None
        self._known: dict[str, Known] = {}
        self._turn = asyncio.Lock()
        self._opening: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    @property
    def used(self) -> bool:
        """Whether the body has asked for it."""
        return self._folder is not None

    async def ready(self) -> None:
        """Wait until the directory holds what the journal says.

        Raises:
            OSError, HoldfastError: it cannot be restored.
        """
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._in_turn(self._restore))
        await asyncio.shield(self._opening)  # shared: who is abandoned must not stop it for the others

    async def record(self) -> None:
        """Wait for a look at the directory that begins from now on, and until what it found is in the store.

        Raises:
            NotStorable, TooLarge: something there cannot be kept; then nothing is, until that is mended.
            OSError, StoreError: it cannot be read, or put into the store.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._in_turn(self._look))
        await asyncio.shield(self._next)

    def take(self, seq: int) -> tuple[FileInfo, ...]:
        """The changes since the last call, to be recorded together with the entry or item of this number."""
        changes, self.changes = self.changes, {}
        return tuple(replace(change, seq=seq) for change in changes.values())

    async def leave(self) -> None:
        """Remove the directory once nobody works there."""
        folder = self._folder
        assert folder is not None, "only what is used is left"
        async with self._turn:
            await self._owner.strays_end(self._run.id)
            if self._opening is not None and not self._owner.keep:
                await asyncio.to_thread(folder.remove)
        folder.release()  # not if this is cancelled before: while a stray writes, nobody else may have the name

    # -- inside

    def _choose(self) -> Path:
        self._folder = self._owner.folder_of(self._run)
        return self._folder.claim()

    async def _in_turn(self, work: Callable[[Folder], Awaitable[None]]) -> None:
        assert self._folder is not None, "asked of what is used"
        async with self._turn:
            await work(self._folder)

    async def _restore(self, folder: Folder) -> None:
        store = self._owner.store
        await asyncio.to_thread(folder.make)
        files = await _patiently(store.files, self._run.id)
        restore = Restore(folder.path, files)
        await asyncio.to_thread(restore.prepare)
        for batch in restore.batches():
            bodies = await _patiently(store.contents, batch.digests)
            await asyncio.to_thread(restore.write, batch, bodies)
        self._known = await asyncio.to_thread(restore.finish)

    async def _look(self, folder: Folder) -> None:
        self._next = None  # who ends from here on needs another look
        scan = Scan(self._run.id, folder.path, self._known)
        contents = scan.contents()
        while batch := await asyncio.to_thread(_some_of, contents):
            await _patiently(self._owner.store.put_contents, batch)
        self.changes.update(await asyncio.to_thread(scan.changes))
        self._known = scan.found


def _some_of(contents: Iterator[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The next contents, packed: a few megabytes of them, so that other writers get their turn."""
    batch: dict[bytes, bytes] = {}
    size = 0
    for digest, body in contents:
        batch[digest] = codec.pack(body)
        size += len(body)
        if size >= _AT_ONCE or len(batch) >= _PIECES:
            break
    return batch


async def _patiently(ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the store until it answers; all that is asked here may be asked twice."""
    wait = _FIRST_WAIT_S
    while True:
        try:
            return await ask(*args, **kwargs)
        except (StoreBusy, CommitUnknown) as error:
            logger.info("files of a workspace wait for the store (%s)", error)
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_S)
