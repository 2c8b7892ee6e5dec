"""The store: what :mod:`holdfast.store.base` promises, each promise one short method."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from holdfast.errors import CommitUnknown, StoreBusy, StoreUnusable
from holdfast.records.approval import Approval, AuditEntry, Ruled, Ruling
from holdfast.records.delta import Delta, Verdict
from holdfast.records.document import Document, Put
from holdfast.records.files import FileInfo, FileKind
from holdfast.records.journal import EndedChild, Entry, History, News
from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.records.repair import Fork, RetentionRule
from holdfast.records.run import Activation, NewRun, Population, Run, Started, Status
from holdfast.records.worker import Demand, Hosted, Quota, Worker
from holdfast.store.base import NO_QUOTAS, Claimed, Recorded, RunFilter
from holdfast.store.desk import ApprovalFilter
from holdfast.store.filerows import file_of
from holdfast.store.postgres import approvals, history, pruning, searching
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.asking import Asking
from holdfast.store.postgres.batch import Batch
from holdfast.store.postgres.claims import Claims
from holdfast.store.postgres.documents import document_of, of_puts
from holdfast.store.postgres.gathering import Gathering
from holdfast.store.postgres.health import PostgresHealth
from holdfast.store.postgres.leases import PostgresKeeper
from holdfast.store.postgres.links import Limits, Links, Row
from holdfast.store.postgres.notifier import Notifier
from holdfast.store.postgres.opening import open_schema
from holdfast.store.postgres.outbox import message_of, of_settling
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import (
    APPROVALS,
    DOCUMENTS,
    FILES,
    HISTORY,
    LEASES,
    NEWS,
    OUTBOX,
    PROMISES,
    RUNS,
    Names,
)
from holdfast.store.postgres.telling import PostgresEars, Telling
from holdfast.store.postgres.text import stored
from holdfast.store.postgres.transactions import Transactions
from holdfast.store.postgres.values import entry_of, news_of, run_of, worker_of
from holdfast.store.postgres.watch import Hub
from holdfast.store.transactions import Transacted, Work
from holdfast.store.watching import HubWatch

T = TypeVar("T")
Fault = Callable[[str], None] | None

LINKS = 5  # connections of a process, besides one for commits and those of the keeper and the listener
_VERDICTS = (None, Verdict.APPLIED, Verdict.REFUSED, Verdict.AWAKE)  # by their numbers in the routine ``commit``
_CLOSING_S = 5.0


class PostgresStore:
    """Runs in one schema of a PostgreSQL database. See :class:`holdfast.store.base.Store` for what each promises.

    It belongs to the event loop on which it was opened.

    Example:
        >>> store = await PostgresStore.open("postgresql://app@db.example/app")
    """

    together = 100  # deltas: what a call costs by itself is a small part of what they cost

    def __init__(self, address: Address, names: Names, *, pooled: bool) -> None:
        self.url = address.shown
        self.fault: Fault = (
            None  # for crash tests: called at "before-begin", "before-commit" (on its way), "after-commit"
        )
        self._address = address
        self._names = names
        self._pooled = pooled
        self._links = Links(address, names, size=LINKS, pooled=pooled)
        self._commits = Links(address, names, size=1, pooled=pooled)  # nothing that takes long holds up a commit
        self._transactions = Transactions(address, names, pooled=pooled)
        self._claims = Claims(self._links, names)
        self._asking = Asking(self._links, address.shown)
        self._gathering = Gathering(self._links)
        self._side = SideLoop("holdfast-postgres")
        self._side_links = Links(address, names, size=1, pooled=pooled)
        listens = not pooled or address.direct != address.dsn
        self._hub = Hub(address, self._side, listens=listens)
        self._telling = Telling(address, self._side, listens=listens)
        self._notifier = Notifier(self._links, self._hub)
        self._writing: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, create: bool = True) -> PostgresStore:
        """Open a schema, and make it if need be: ``postgresql://user:password@host:5432/database``.

        Several hosts may be named (``host1:5432,host2:5432``): the one that takes writes is used. Of the parameters
        ``schema=`` names the schema, ``direct=host:port`` the way past a pooler; the rest is the driver's.

        Raises:
            StoreUnusable: it cannot be reached or used, or does not exist and ``create`` is false.
        """
        address = Address.of(url)
        names = Names(address.schema)
        server = await open_schema(address, names, create=create)
        return cls(address, names, pooled=server.pooled)

    # Runs

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        return await self._do(self._asking.start(new), stirs=True)

    async def get(self, run_id: str) -> Run | None:
        self._refuse_closed()
        return await self._gathering.get(run_id)

    async def by_key(self, agent: str, key: str) -> Run | None:
        return _one(await self._links.fetch(RUNS.by_key, agent, stored(key)))

    async def find(self, which: RunFilter) -> list[Run]:
        async with self._links.reading(patient=True) as con:
            return await searching.find(con, self._names, which)

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        async with self._links.reading(patient=True) as con:
            if which is not None:
                return await searching.count(con, self._names, which)
            return {Status(status): count for status, count in await con.fetch(self._names(RUNS.count_all))}

    async def population(self) -> list[Population]:
        async with self._links.reading(patient=True) as con:
            rows = await con.fetch(self._names(RUNS.population))
        return [
            Population(agent=agent, version=version, status=Status(status), count=count)
            for agent, version, status, count in rows
        ]

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        return [entry_of(row) for row in await self._links.fetch(HISTORY.page, run_id, after, limit)]

    async def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        async with self._links.reading(patient=True) as con:
            async for one in history.everything(con, self._names, run_id):
                yield one

    async def activations(self, run_id: str) -> list[Activation]:
        return [
            Activation(epoch=epoch, worker=worker, build=build, at=at, trace=trace)
            for epoch, worker, build, at, trace in await self._links.fetch(RUNS.activations, run_id)
        ]

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        return await self._do(self._asking.cancel(run_id, reason=reason, at=at), stirs=True)

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        return await self._do(self._asking.pause(run_id, why=why, at=at), stirs=True)

    async def resume(self, run_id: str) -> bool:
        return await self._do(self._asking.resume(run_id), stirs=True)

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        given = [stored(tag) for tag in add], [stored(tag) for tag in remove]
        return bool(_first(await self._do(self._links.fetch(RUNS.tag, run_id, *given))))

    # Repairs and retention

    async def retry(self, run_id: str, *, at: int) -> bool:
        return await self._do(self._asking.retry(run_id, at=at), stirs=True)

    async def fork(self, run_id: str, fork: Fork) -> bool:
        return await self._do(self._asking.fork(run_id, fork), stirs=True)

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        return await self._do(self._asking.move(run_id, version, epoch=epoch, entries=entries), stirs=True)

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        async with self._links.reading(patient=True) as con:
            return await pruning.outlived(con, self._names, rule, now=now, limit=limit)

    async def delete(self, run_ids: Sequence[str]) -> int:
        return await self._do(self._asking.delete(run_ids), stirs=True)

    # Claims

    async def claim(
        self, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], *, limit: int, now: int,
        quotas: Mapping[str, Quota] = NO_QUOTAS,
    ) -> list[Claimed]:  # fmt: skip
        self._refuse_closed()
        return await self._claims.claim(worker_id, hosts, builds, limit=limit, now=now, quotas=quotas)

    async def load(self, rid: int) -> History:
        async with self._links.reading() as con:
            return (await history.Histories.read(con, self._names, [rid])).of(rid)

    async def woken(self, worker_id: str) -> list[tuple[int, int]]:
        return [(rid, wakes) for rid, wakes in await self._links.fetch(NEWS.woken, worker_id)]

    async def news(self, rid: int, *, after: int) -> list[News]:
        return [news_of(row) for row in await self._links.fetch(NEWS.after, rid, after)]

    async def ended_children(self, rid: int, map: int) -> list[EndedChild]:
        rows = await self._links.fetch(NEWS.endings, rid, map)
        return [EndedChild(ord=ord, branch=branch, ok=ok) for ord, branch, ok in rows]

    async def next_wake(
        self, hosts: Sequence[Hosted], quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int = 0
    ) -> int | None:
        return await self._claims.next_wake(hosts, quotas, now)

    async def demand(
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int
    ) -> Demand:
        return await self._claims.demand(agents, quotas, now)

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        self._refuse_closed()
        rows = self._side.run(self._side_links.fetch(HISTORY.item_values, rid, map, list(ords)))
        found: dict[int, bytes] = dict(rows)
        return [found[ord] for ord in ords]

    # Files

    async def put_contents(self, contents: Mapping[bytes, bytes]) -> None:
        await self._do(self._links.fetch(FILES.put_contents, list(contents), list(contents.values())))

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        return dict(await self._links.fetch(FILES.contents, list(digests)))

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        files = [file_of(row) for row in await self._links.fetch(FILES.at, run_id, at)]
        return [file for file in files if file.kind is not FileKind.GONE]

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        return int(_first(await self._do(self._links.patiently(FILES.sweep, age, limit))))

    # Commits and promises

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        batch = Batch(deltas)
        rows = await self._do(self._commits.write(*batch.statement(worker_id, number)), stirs=batch.stirs)
        return [_VERDICTS[number] for number in rows[0][0] or ()]  # type: ignore[misc]  # none of them is 0

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict] | None:
        return None  # a round trip is never no time

    async def schema(self, promise_id: str) -> bytes | None:
        schema: bytes | None = await self._links.value(PROMISES.schema, stored(promise_id))
        return schema

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        return await self._do(self._asking.resolve(promise_id, ok=ok, value=value, at=at), stirs=True)

    # Transactions

    async def transact(self, worker_id: str, work: Work) -> Transacted:
        self._refuse_closed()
        return await self._transactions.transact(worker_id, work, self._reach)

    # People: what they are asked

    async def approval(self, approval_id: str) -> Approval | None:
        rows = await self._links.fetch(APPROVALS.get, stored(approval_id))
        return approvals.approval_of(rows[0]) if rows else None

    async def approvals(self, which: ApprovalFilter) -> list[Approval]:
        async with self._links.reading(patient=True) as con:
            return await approvals.find(con, self._names, which)

    async def count_approvals(self, which: ApprovalFilter) -> int:
        async with self._links.reading(patient=True) as con:
            return await approvals.count(con, self._names, which)

    async def rule(self, rulings: Sequence[Ruling], *, puts: Sequence[Put] = ()) -> list[Ruled]:
        given = approvals.of_rulings(rulings, puts)
        verdicts = _first(await self._do(self._twice(APPROVALS.rule, *given), stirs=True))
        return [Ruled(verdict) for verdict in verdicts]

    async def _twice(self, statement: str, *given: Any) -> list[Row]:
        """Write what knows itself again when it is sent again."""
        try:
            return await self._links.write(statement, *given)
        except CommitUnknown as unknown:
            try:
                return await self._links.write(statement, *given)
            except StoreBusy:  # which is sure of the second time only
                raise unknown from None

    async def due_approvals(self, *, now: int, limit: int) -> list[Approval]:
        return [approvals.approval_of(row) for row in await self._links.fetch(APPROVALS.due, now, limit)]

    async def next_due(self) -> int | None:
        found: int | None = await self._links.value(APPROVALS.next_due)
        return found

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._do(self._links.write(APPROVALS.note, *approvals.of_audit(entries)))

    async def audited(
        self, *, subject: str | None = None, actor: str | None = None, run_id: str | None = None, after: int = 0,
        limit: int = 100,
    ) -> list[AuditEntry]:  # fmt: skip
        async with self._links.reading(patient=True) as con:
            return await approvals.audited(con, self._names, subject, actor, run_id, after, limit)

    # Documents

    async def document(self, kind: str, document_id: str, *, now: int) -> Document | None:
        rows = await self._links.fetch(DOCUMENTS.get, stored(kind), stored(document_id), now)
        return document_of(rows[0]) if rows else None

    async def documents(self, kind: str, *, now: int, after: str = "", limit: int = 1000) -> list[Document]:
        rows = await self._links.fetch(DOCUMENTS.page, stored(kind), stored(after), now, limit)
        return [document_of(row) for row in rows]

    async def put(self, puts: Sequence[Put], *, audit: Sequence[AuditEntry] = ()) -> bool:
        given = (*of_puts(puts), *approvals.of_audit(audit))
        return bool(_first(await self._do(self._links.write(DOCUMENTS.put, *given), stirs=True)))

    async def sweep_documents(self, *, now: int, limit: int) -> int:
        return int(_first(await self._do(self._links.fetch(DOCUMENTS.sweep, now, limit))))

    # The outbox

    async def take_messages(self, *, now: int, hold: int, limit: int) -> list[Message]:
        return [message_of(row) for row in await self._do(self._links.write(OUTBOX.take, now, hold, limit))]

    async def settle_messages(self, sent: Sequence[Sent], *, new: Sequence[NewMessage] = ()) -> None:
        await self._do(self._links.write(OUTBOX.settle, *of_settling(sent, new)), stirs=bool(new))

    async def dead_messages(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        return [message_of(row) for row in await self._links.fetch(OUTBOX.dead, after, limit)]

    async def revive_message(self, n: int, *, now: int) -> bool:
        return bool(_first(await self._do(self._links.write(OUTBOX.revive, n, now), stirs=True)))

    async def next_message(self) -> int | None:
        found: int | None = await self._links.value(OUTBOX.next)
        return found

    # Leases

    async def register(self, worker_id: str, *, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
        self._links.limits = self._commits.limits = self._transactions.limits = Limits.of_lease(ttl // 1000)
        packed = json.dumps([[hosted.agent, hosted.version] for hosted in hosts])
        await self._do(self._asking.register(worker_id, host, pid, packed, ttl), stirs=True)

    def keeper(self, worker_id: str, *, ttl: int) -> PostgresKeeper:
        return PostgresKeeper(self._address, self._names, worker_id, ttl, pooled=self._pooled)

    async def release(self, worker_id: str) -> None:
        await self._do(self._links.fetch(LEASES.release, worker_id), stirs=True)

    async def workers(self) -> list[Worker]:
        return [worker_of(row) for row in await self._links.fetch(LEASES.all)]

    # Watching and closing

    def health(self) -> PostgresHealth:
        """See :class:`~holdfast.store.base.Store`."""
        return PostgresHealth(self._address)

    def watch(self) -> HubWatch:
        self._refuse_closed()
        return HubWatch(self._hub)

    # Telling

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        self._telling.tell(run_id, data())  # who listens elsewhere is not known here

    def ears(self, run_id: str) -> PostgresEars:
        self._refuse_closed()
        return self._telling.ears(run_id)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._writing:
            await asyncio.wait(self._writing, timeout=_CLOSING_S)
        await self._notifier.close()
        await self._gathering.close()
        self._hub.close()
        await self._links.close()
        await self._commits.close()
        await self._transactions.close()
        await asyncio.to_thread(self._close_side)

    def _close_side(self) -> None:
        self._telling.close()
        self._side.run(self._side_links.close())
        self._side.close()

    # Ways in

    async def _do(self, call: Coroutine[Any, Any, T], *, stirs: bool = False) -> T:
        """Write, to the end even if the caller is cancelled meanwhile: nothing is left half to chance."""
        try:
            self._refuse_closed()
            self._reach("before-begin")
        except BaseException:
            call.close()
            raise
        task = asyncio.get_running_loop().create_task(self._stir_after(call) if stirs else call)
        self._writing.add(task)
        task.add_done_callback(self._written)
        if self.fault is not None:
            await asyncio.sleep(0)  # let it begin
            self._reach("before-commit")
        answer = await asyncio.shield(task)
        self._reach("after-commit")
        return answer

    async def _stir_after(self, call: Coroutine[Any, Any, T]) -> T:
        answer = await call
        self._notifier.stir()
        return answer

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has seen it, or is gone

    def _reach(self, point: str) -> None:
        if self.fault is not None:
            self.fault(point)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnusable(f"{self.url} was closed")


def _one(rows: list[Row]) -> Run | None:
    return run_of(rows[0]) if rows else None


def _first(rows: list[Row]) -> Any:
    return rows[0][0] if rows else None
