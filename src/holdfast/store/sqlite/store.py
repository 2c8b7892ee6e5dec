"""The store: what :mod:`holdfast.store.base` promises, each promise one short method."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakSet

import apsw

from holdfast.errors import StoreUnusable
from holdfast.records.approval import Approval, AuditEntry, Ruled, Ruling
from holdfast.records.delta import Delta, Verdict
from holdfast.records.document import Document, Put
from holdfast.records.files import FileInfo
from holdfast.records.journal import EndedChild, Entry, History, News
from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.records.repair import Fork, RetentionRule
from holdfast.records.run import Activation, NewRun, Population, Run, Started, Status
from holdfast.records.worker import Demand, Hosted, Quota, Worker
from holdfast.store.base import NO_QUOTAS, Claimed, Recorded, RunFilter
from holdfast.store.desk import ApprovalFilter
from holdfast.store.sqlite import (
    approvals,
    audit,
    claims,
    commits,
    documents,
    files,
    forks,
    history,
    leases,
    news,
    outbox,
    promises,
    pruning,
    repairs,
    runs,
    transactions,
)  # fmt: skip
from holdfast.store.sqlite.ears import EARS, SqliteEars, Voice
from holdfast.store.sqlite.edge import edge
from holdfast.store.sqlite.file import Fault, SharedFile, open_file
from holdfast.store.sqlite.health import SqliteHealth
from holdfast.store.sqlite.opening import path_of
from holdfast.store.sqlite.quotas import next_begin
from holdfast.store.sqlite.rulings import rule as apply_rulings
from holdfast.store.sqlite.statements import APPROVALS, CLAIMS, PROMISES, RUNS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import INLINE, run_of
from holdfast.store.transactions import Transacted, Work
from holdfast.store.watching import HubWatch

T = TypeVar("T")
PAGE = 256  # entries and items that are read together
SMALL_ROWS = 64  # up to so many rows a transaction is quick enough for the event loop
_MANY = 10_000  # rows, where nobody has counted them


class SqliteStore:
    """Runs in one SQLite file. See :class:`holdfast.store.base.Store` for what each method promises.

    Example:
        >>> store = await SqliteStore.open("sqlite:///claims.db")
    """

    together = 1000  # more deltas share a sync of the disk than there are; it is this process that is busy meanwhile

    def __init__(self, file: SharedFile) -> None:
        self.url = f"sqlite:///{file.path}"
        self.fault: Fault = None  # for crash tests: called at "before-begin", "before-commit", "after-commit"
        self._file = file
        self._watches: WeakSet[HubWatch] = WeakSet()  # one that its waiter has closed goes with it
        self._voice = Voice(file.sidecar / EARS)
        self._unread: list[tuple[str, list[int]]] = []  # (worker, rids) perhaps claimed, but nobody was told
        self._closed = False

    @classmethod
    async def open(cls, url_or_path: str | os.PathLike[str], *, create: bool = True) -> SqliteStore:
        """Open a file, and make it if need be: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or a path.

        Raises:
            StoreUnusable: it is foreign, damaged or newer, or does not exist and ``create`` is false.
        """
        path = path_of(url_or_path)
        return cls(await asyncio.to_thread(open_file, path, create=create))

    # Runs

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        return await self._write(runs.start, new, rows=sum(map(runs.weight, new)))

    async def get(self, run_id: str) -> Run | None:
        return self._one(RUNS.get, (run_id,))

    async def by_key(self, agent: str, key: str) -> Run | None:
        return self._one(RUNS.by_key, (agent, key))

    async def find(self, which: RunFilter) -> list[Run]:
        statement = RUNS.find if which.parent is None else RUNS.find_children
        rows = await self._read_apart(_fetch, statement, runs.filter_bindings(which))
        return [run_of(row) for row in rows]

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        if which is None:
            rows = await self._read_apart(_fetch, RUNS.count_all)
        else:
            rows = await self._read_apart(_fetch, RUNS.count, runs.filter_bindings(which))
        return {Status(status): count for status, count in rows}

    async def population(self) -> list[Population]:
        rows = await self._read_apart(_fetch, RUNS.population)
        return [
            Population(agent=agent, version=version, status=Status(status), count=count)
            for agent, version, status, count in rows
        ]

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        return await self._read_apart(history.page, run_id, after, limit)

    async def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        reading = self._everything(run_id)
        try:
            while page := await asyncio.to_thread(lambda: list(islice(reading, PAGE))):
                for one in page:
                    yield one
        finally:
            with suppress(ValueError):  # cancelled while a thread reads: it closes when that drops it
                reading.close()

    async def activations(self, run_id: str) -> list[Activation]:
        rows = self._read(_fetch, RUNS.activations, (run_id,))
        return [
            Activation(epoch=epoch, worker=worker, build=build, at=at, trace=trace)
            for epoch, worker, build, at, trace in rows
        ]

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        return await self._write(news.cancel, run_id, reason, at)

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        return await self._write(runs.pause, run_id, why, at)

    async def resume(self, run_id: str) -> bool:
        return await self._write(runs.resume, run_id)

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        return await self._write(runs.tag, run_id, add, remove)

    # Repairs and retention

    async def retry(self, run_id: str, *, at: int) -> bool:
        return await self._write(repairs.retry, run_id, at, rows=_MANY)

    async def fork(self, run_id: str, fork: Fork) -> bool:
        return await self._write(forks.fork, run_id, fork, rows=_MANY)

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        return await self._write(forks.move, run_id, version, epoch, entries)

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        return await self._read_apart(pruning.outlived, rule, now, limit)

    async def delete(self, run_ids: Sequence[str]) -> int:
        return await self._write(pruning.delete, run_ids, rows=_MANY)

    # Claims

    async def claim(
        self, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], *, limit: int, now: int,
        quotas: Mapping[str, Quota] = NO_QUOTAS,
    ) -> list[Claimed]:  # fmt: skip
        await self._give_up_unread()
        if limit <= 0 or not self._read(claims.anything_to_do, worker_id, hosts, now, quotas):
            return []
        taken: list[int] = []  # filled in the transaction, which goes on when our caller is cancelled
        try:
            await self._write(claims.claim, worker_id, hosts, builds, limit, now, quotas, taken, rows=limit)
            # Histories are read after the commit: a long one must not hold up every writer. The runs are ours by now,
            # so only news can have been added, and news is read together with the rows.
            readable, unreadable = await self._read_apart(history.claimed, taken)
            if unreadable:
                await self._write(claims.block_unreadable, unreadable)
            return readable
        except BaseException:
            self._unread.append((worker_id, taken))
            raise

    async def _give_up_unread(self) -> None:
        if self._unread:
            given, self._unread = self._unread, []
            try:
                await self._write(claims.give_up, given)
            except BaseException:
                self._unread += given
                raise

    async def load(self, rid: int) -> History:
        return await self._read_apart(history.load, rid)

    async def woken(self, worker_id: str) -> list[tuple[int, int]]:
        return self._read(history.woken, worker_id)

    async def news(self, rid: int, *, after: int) -> list[News]:
        return self._read(history.news, rid, after)

    async def ended_children(self, rid: int, map: int) -> list[EndedChild]:
        return self._read(history.ended_children, rid, map)

    async def next_wake(
        self, hosts: Sequence[Hosted], quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int = 0
    ) -> int | None:
        wakes = [self._read(_value, CLAIMS.next_wake, (hosted.agent, hosted.version)) for hosted in hosts]
        limited = [(hosted, quotas[hosted.agent]) for hosted in hosts if hosted.agent in quotas]
        wakes += [self._read(next_begin, hosted, quota, now) for hosted, quota in limited]
        return min((wake for wake in wakes if wake is not None), default=None)

    async def demand(
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int
    ) -> Demand:
        return await self._read_apart(claims.demand, agents, quotas, now)

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        return self._read(history.item_values, rid, map, ords)

    # Files

    async def put_contents(self, contents: Mapping[bytes, bytes]) -> None:
        await self._write(files.put_contents, contents, rows=sum(map(len, contents.values())) // INLINE)

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        return await self._read_apart(files.contents, digests)

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        return await self._read_apart(files.at, run_id, at)

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        return await self._write(files.sweep, age, limit, rows=limit)

    # Commits and promises

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        return await self._write(commits.commit, worker_id, number, deltas, rows=_rows(deltas))

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict] | None:
        self._refuse_closed()
        if _rows(deltas) > SMALL_ROWS:
            return None
        done = self._file.write_now(lambda tx: commits.commit(tx, worker_id, number, deltas), fault=self.fault)
        return None if done is None else done[0]

    async def schema(self, promise_id: str) -> bytes | None:
        found: bytes | None = self._read(_value, PROMISES.schema, (promise_id,))
        return found

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        return await self._write(promises.resolve, promise_id, ok, value, at)

    # Transactions

    async def transact(self, worker_id: str, work: Work) -> Transacted:
        transactions.refuse_async(work)
        return await self._write(transactions.transact, worker_id, work, rows=_MANY)

    # People: what they are asked

    async def approval(self, approval_id: str) -> Approval | None:
        return self._read(approvals.get, approval_id)

    async def approvals(self, which: ApprovalFilter) -> list[Approval]:
        return await self._read_apart(approvals.find, which)

    async def count_approvals(self, which: ApprovalFilter) -> int:
        return await self._read_apart(approvals.count, which)

    async def rule(self, rulings: Sequence[Ruling], *, puts: Sequence[Put] = ()) -> list[Ruled]:
        return await self._write(apply_rulings, rulings, puts, rows=len(rulings) + len(puts))

    async def due_approvals(self, *, now: int, limit: int) -> list[Approval]:
        return self._read(approvals.due, now, limit)

    async def next_due(self) -> int | None:
        found: int | None = self._read(_value, APPROVALS.next_due)
        return found

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._write(audit.append, entries, rows=len(entries))

    async def audited(
        self, *, subject: str | None = None, actor: str | None = None, run_id: str | None = None, after: int = 0,
        limit: int = 100,
    ) -> list[AuditEntry]:  # fmt: skip
        return await self._read_apart(audit.page, subject, actor, run_id, after, limit)

    # Documents

    async def document(self, kind: str, document_id: str, *, now: int) -> Document | None:
        return self._read(documents.get, kind, document_id, now)

    async def documents(self, kind: str, *, now: int, after: str = "", limit: int = 1000) -> list[Document]:
        return await self._read_apart(documents.page, kind, now, after, limit)

    async def put(self, puts: Sequence[Put], *, audit: Sequence[AuditEntry] = ()) -> bool:
        return await self._write(documents.put, puts, audit, rows=len(puts) + len(audit))

    async def sweep_documents(self, *, now: int, limit: int) -> int:
        return await self._write(documents.sweep, now, limit, rows=limit)

    # The outbox

    async def take_messages(self, *, now: int, hold: int, limit: int) -> list[Message]:
        return await self._write(outbox.take, now, hold, limit, rows=limit)

    async def settle_messages(self, sent: Sequence[Sent], *, new: Sequence[NewMessage] = ()) -> None:
        await self._write(outbox.settle, sent, new, rows=len(sent) + len(new))

    async def dead_messages(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        return self._read(outbox.dead, after, limit)

    async def revive_message(self, n: int, *, now: int) -> bool:
        return await self._write(outbox.revive, n, now)

    async def next_message(self) -> int | None:
        return self._read(outbox.next_at)

    # Leases

    async def register(self, worker_id: str, *, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
        await self._write(leases.register, worker_id, host, pid, hosts, ttl)

    def keeper(self, worker_id: str, *, ttl: int) -> leases.SqliteKeeper:
        return leases.SqliteKeeper(self._file.path, self._file.sidecar, worker_id, ttl)

    async def release(self, worker_id: str) -> None:
        await self._write(leases.release, worker_id)

    async def workers(self) -> list[Worker]:
        return self._read(leases.workers)

    # Watching and closing

    def health(self) -> SqliteHealth:
        """See :class:`~holdfast.store.base.Store`."""
        return SqliteHealth(self.url)

    def watch(self) -> HubWatch:
        self._refuse_closed()
        with edge(self.url):
            watch = HubWatch(self._file.hub)
        self._watches.add(watch)
        return watch

    # Telling

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        self._voice.tell(run_id, data)

    def ears(self, run_id: str) -> SqliteEars:
        self._refuse_closed()
        return SqliteEars(self._file.sidecar / EARS, run_id)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            for watch in list(self._watches):
                watch.close()
            self._voice.close()
            await asyncio.to_thread(self._file.close)

    # Ways into the file

    async def _write(self, work: Callable[..., T], *args: Any, rows: int = 1) -> T:
        self._refuse_closed()

        def job(tx: Transaction) -> T:
            return work(tx, *args)

        return await self._file.write(job, small=rows <= SMALL_ROWS, fault=self.fault)

    def _read(self, work: Callable[..., T], *args: Any) -> T:
        """Read here and now: a few indexed rows."""
        self._refuse_closed()
        with self._file.reader() as db:
            return work(db, *args)

    async def _read_apart(self, work: Callable[..., T], *args: Any) -> T:
        """Read in a thread: it may take long."""
        return await asyncio.to_thread(partial(self._read, work, *args))

    def _everything(self, run_id: str) -> Generator[Recorded, None, None]:
        self._refuse_closed()
        with self._file.reader() as db:
            yield from history.everything(db, run_id)

    def _one(self, statement: str, bindings: tuple[Any, ...]) -> Run | None:
        rows = self._read(_fetch, statement, bindings)
        return run_of(rows[0]) if rows else None

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnusable(f"{self.url} was closed")


def _rows(deltas: Sequence[Delta]) -> int:
    """About how many rows a batch is to write, or enough to tell that it is not small."""
    return len(deltas) if len(deltas) > SMALL_ROWS else sum(map(commits.weight, deltas))


def _fetch(db: apsw.Connection, statement: str, bindings: Any = ()) -> list[Any]:
    return db.execute(statement, bindings).fetchall()


def _value(db: apsw.Connection, statement: str, bindings: Any = ()) -> Any:
    return db.execute(statement, bindings).get
