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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw

from holdfast.errors import CommitUnknown
from holdfast.store.sqlite import guard
from holdfast.store.sqlite.edge import edge
from holdfast.store.sqlite.opening import connect, migrate, prepare_folder
from holdfast.store.sqlite.statements import CONNECTION
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.turnstile import Turnstile
from holdfast.store.sqlite.watch import Hub

T = TypeVar("T")
Job = Callable[[Transaction], T]
Fault = Callable[[str], None] | None

FAST_S = 0.003  # a transaction that takes longer than this, on average, does not belong on the event loop
# 2 MB of WAL: a short one is written over again and again, and to let a file grow makes each commit half as slow again.
CHECKPOINT_PAGES = 500
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
        self._name = str(path)
        self.users = 0
        self.sidecar = prepare_folder(path, create=create)
        self._lock = threading.Lock()
        self._turnstile = Turnstile(self.sidecar)
        guard.protect(str(path))
        try:
            self._turnstile.acquire()
            try:
                migrate(path)
                self._writer: apsw.Connection | None = self._connect_writer()
            finally:
                self._turnstile.release()
        except BaseException:
            guard.unprotect(str(path))
            self._turnstile.close()
            raise
        self._readers: list[apsw.Connection] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="holdfast-writer")
        self._waiting: set[Future[Any]] = set()  # jobs of the writer's thread: nobody may overtake them
        self._usual_s = 0.0  # what a small transaction has taken of late
        self._wal_pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self.hub = Hub(path, self.sidecar / "ports")

    def _connect_writer(self) -> apsw.Connection:
        with edge(str(self.path)):
            writer = connect(self.path, write=True)
            writer.set_wal_hook(self._note_wal)
            return writer

    def _note_wal(self, db: apsw.Connection, name: str, pages: int) -> int:
        if pages < self._wal_pages:  # all of it was copied, and it began from its start again
            self._checkpoint_at = CHECKPOINT_PAGES
        self._wal_pages = pages
        return apsw.SQLITE_OK

    # Writing

    async def write(self, job: Job[T], *, small: bool, fault: Fault = None) -> T:
        """Run a write transaction: here and now if that takes no noticeable time, else in the writer's thread."""
        if small and (done := self.write_now(job, fault=fault)) is not None:
            return done[0]
        run = self._timed if small else self._transact
        try:
            return await asyncio.wrap_future(self._submit(lambda: run(job, fault)))
        finally:
            self._checkpoint_soon()

    def write_now(self, job: Job[T], *, fault: Fault = None) -> tuple[T] | None:
        """Run a small write transaction here and now; None if it would have to wait, or they have been slow of late."""
        if self._waiting or self._usual_s >= FAST_S or not self._lock.acquire(blocking=False):
            return None
        try:
            if not self._turnstile.try_acquire():
                return None
            try:
                return (self._timed(job, fault),)
            finally:
                self._turnstile.release()
        finally:
            self._lock.release()
            self._checkpoint_soon()

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future = self._thread.submit(self._in_turn, work)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

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
        with edge(self._name):
            _reach(fault, "before-begin")
            if self._writer is None:
                self._writer = self._connect_writer()
            db = self._writer
            db.execute(CONNECTION.begin)
            tx = Transaction(db)
            try:
                result = job(tx)
                _reach(fault, "before-commit")
            except BaseException:
                self._roll_back(db)
                raise
            self._commit(db, fault)
        if tx.stirred:
            self.hub.notify()
        return result

    def _commit(self, db: apsw.Connection, fault: Fault) -> None:
        try:
            db.execute(CONNECTION.commit)
            _reach(fault, "after-commit")
        except (apsw.FullError, apsw.BusyError):
            self._roll_back(db)  # the commit frame was never written: surely not applied
            raise
        except apsw.Error as error:
            # The frame may be in the file though the sync failed: a crash now might bring it back. A fresh connection
            # sees what counts, and the worker's counter tells whether to apply the batch again.
            self._discard(db)
            raise CommitUnknown(f"{self.path}: the disk failed while committing ({error}). Send it again") from error

    def _roll_back(self, db: apsw.Connection) -> None:
        try:
            if db.in_transaction:  # SQLite has rolled back by itself after some errors (disk full)
                db.execute(CONNECTION.roll_back)
        except apsw.Error:
            self._discard(db)

    def _discard(self, db: apsw.Connection) -> None:
        """Close the write connection; the next transaction opens another."""
        self._writer = None
        with suppress(apsw.Error):
            db.close(True)

    # Checkpoints

    def _checkpoint_soon(self) -> None:
        if self._wal_pages >= self._checkpoint_at:
            # Not again at every commit while a reader keeps the WAL from starting over.
            self._checkpoint_at = self._wal_pages + CHECKPOINT_PAGES
            self._submit(self._checkpoint)

    def _checkpoint(self) -> None:
        if self._writer is not None:
            with suppress(apsw.Error):  # the disk is full, or a foreign process checkpoints: later, then
                self._writer.execute(CONNECTION.checkpoint).fetchall()

    # Reading

    @contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """A connection for reading, all statements of which see one state. For any thread."""
        with edge(self._name):
            db = self._idle_reader() or connect(self.path, write=False)
            try:
                db.execute(CONNECTION.begin_reading)
                yield db
                db.execute(CONNECTION.commit)
            except BaseException:
                db.close(True)
                raise
            if len(self._readers) < IDLE_READERS and self.users:
                self._readers.append(db)
            else:
                db.close()

    def _idle_reader(self) -> apsw.Connection | None:
        try:
            return self._readers.pop()
        except IndexError:  # asked for forgiveness, because other threads take readers too
            return None

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
            if db is not None:
                with suppress(apsw.Error):
                    db.close(True)
        self._readers.clear()


def _reach(fault: Fault, point: str) -> None:
    if fault is not None:
        fault(point)
