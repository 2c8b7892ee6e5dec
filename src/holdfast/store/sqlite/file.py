"""One file as one process has it open: the write connection, the readers, and the way in for writers.

Lock order: the process-wide lock, then the turnstile, then SQLite's own lock. The lock keeps the threads of this
process apart (they share one write connection and one place in line); the turnstile keeps processes apart, in turn.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import apsw

from holdfast.errors import CommitUnknown
from holdfast.store.sqlite import guard
from holdfast.store.sqlite.edge import edge, translated
from holdfast.store.sqlite.opening import connect, migrate, prepare_folder
from holdfast.store.sqlite.statements import CONNECTION
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.turnstile import Turnstile
from holdfast.store.sqlite.watch import Hub

T = TypeVar("T")
Job = Callable[[Transaction], T]
Fault = Callable[[str], None] | None

FAST_S = 0.003  # a transaction that takes longer than this, on average, does not belong on the event loop
CHECKPOINT_PAGES = 2_000  # 8 MB of WAL
IDLE_READERS = 4

_files: dict[tuple[int, Path], SharedFile] = {}  # by process: a forked child must not use its parent's connections
_files_lock = threading.Lock()


def open_file(path: Path, *, create: bool) -> SharedFile:
    """This process's one instance for the file. Blocking. Each call needs a :meth:`SharedFile.close`."""
    with _files_lock:
        known = _files.get((os.getpid(), path))
        if known is None:
            known = _files[os.getpid(), path] = SharedFile(path, create=create)
        known.users += 1
        return known


class SharedFile:
    """Everything that the stores of one process share about one file."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self.users = 0
        self.sidecar = prepare_folder(path, create=create)
        self._lock = threading.Lock()
        self._turnstile = Turnstile(self.sidecar)
        guard.protect(str(path))
        try:
            self._turnstile.acquire()
            try:
                migrate(path)
                self._writer = self._connect_writer()
            finally:
                self._turnstile.release()
        except BaseException as error:
            guard.unprotect(str(path))
            self._turnstile.close()
            if isinstance(error, apsw.Error):
                raise translated(error, str(path)) from error
            raise
        self._readers: list[apsw.Connection] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="holdfast-writer")
        self._waiting = 0  # jobs in the writer's thread: nobody may overtake them
        self._usual_s = 0.0  # what a small transaction has taken of late
        self._wal_pages = 0
        self.hub = Hub(path, self.sidecar / "ports")

    def _connect_writer(self) -> apsw.Connection:
        writer = connect(self.path, write=True)
        writer.set_wal_hook(self._note_wal)
        return writer

    def _note_wal(self, db: apsw.Connection, name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    # Writing

    async def write(self, job: Job[T], *, small: bool, fault: Fault = None) -> T:
        """Run a write transaction: here and now if that takes no noticeable time, else in the writer's thread."""
        if small and not self._waiting and self._usual_s < FAST_S and self._lock.acquire(blocking=False):
            try:
                if self._turnstile.try_acquire():
                    try:
                        return self._timed(job, fault)
                    finally:
                        self._turnstile.release()
            finally:
                self._lock.release()
                self._checkpoint_soon()
        return await self._in_thread(lambda: self._in_turn(lambda: self._timed(job, fault)))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self._waiting += 1
        future = self._thread.submit(work)
        future.add_done_callback(self._one_less)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._checkpoint_soon()

    def _one_less(self, _: object) -> None:
        self._waiting -= 1

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._lock:
            self._turnstile.acquire()
            try:
                return work()
            finally:
                self._turnstile.release()

    def _timed(self, job: Job[T], fault: Fault) -> T:
        begun = time.perf_counter()
        try:
            return self._transact(job, fault)
        finally:
            self._usual_s += 0.2 * (time.perf_counter() - begun - self._usual_s)

    def _transact(self, job: Job[T], fault: Fault) -> T:
        with edge(str(self.path)):
            _reach(fault, "before-begin")
            self._writer.execute(CONNECTION.begin)
            tx = Transaction(self._writer)
            try:
                result = job(tx)
                _reach(fault, "before-commit")
            except BaseException:
                self._roll_back()
                raise
            self._commit(fault)
        if tx.stirred:
            self.hub.notify()
        return result

    def _commit(self, fault: Fault) -> None:
        try:
            self._writer.execute(CONNECTION.commit)
            _reach(fault, "after-commit")
        except (apsw.FullError, apsw.BusyError):
            self._roll_back()  # the commit frame was never written: surely not applied
            raise
        except apsw.Error as error:
            # The frame may be in the file though the sync failed: a crash now might bring it back. A fresh connection
            # sees what counts, and the worker's counter tells whether to apply the batch again.
            self._reopen()
            raise CommitUnknown(f"{self.path}: the disk failed while committing ({error}). Send it again") from error

    def _roll_back(self) -> None:
        try:
            if self._writer.in_transaction:  # SQLite has rolled back by itself after some errors (disk full)
                self._writer.execute(CONNECTION.roll_back)
        except apsw.Error:
            self._reopen()

    def _reopen(self) -> None:
        with suppress(apsw.Error):
            self._writer.close(True)
        self._writer = self._connect_writer()

    # Checkpoints

    def _checkpoint_soon(self) -> None:
        if self._wal_pages >= CHECKPOINT_PAGES and not self._waiting:
            self._wal_pages = 0
            self._waiting += 1
            self._thread.submit(self._in_turn, self._checkpoint).add_done_callback(self._one_less)

    def _checkpoint(self) -> None:
        with suppress(apsw.Error):  # a reader is in the way, or the disk is full: the next commit tries again
            self._writer.execute(CONNECTION.checkpoint).fetchall()

    # Reading

    @contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """A connection for reading, all statements of which see one state. For any thread."""
        with edge(str(self.path)):
            db = self._readers.pop() if self._readers else connect(self.path, write=False)
            try:
                db.execute(CONNECTION.begin_reading)
                yield db
                db.execute(CONNECTION.commit)
            except BaseException:
                db.close(True)
                raise
            if len(self._readers) < IDLE_READERS:
                self._readers.append(db)
            else:
                db.close()

    # The end

    def close(self) -> None:
        """Release one user's share; the last one closes the file. Blocking."""
        with _files_lock:
            self.users -= 1
            if self.users:
                return
            _files.pop((os.getpid(), self.path), None)
            self.hub.close()
            self._thread.shutdown()
            self._in_turn(self._close_connections)  # the last connection of all takes a checkpoint
            self._turnstile.close()
            guard.unprotect(str(self.path))

    def _close_connections(self) -> None:
        for db in (*self._readers, self._writer):
            with suppress(apsw.Error):
                db.close(True)
        self._readers.clear()


def _reach(fault: Fault, point: str) -> None:
    if fault is not None:
        fault(point)


