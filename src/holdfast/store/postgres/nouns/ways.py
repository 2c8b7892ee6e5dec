"""Ways to the server, for every noun."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from holdfast.errors import StoreUnusable
from holdfast.records.run import Run
from holdfast.store.insisting import insist
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.links import Limits, Links, Row
from holdfast.store.postgres.notifier import Notifier
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import CONNECTION, RUNS, Names
from holdfast.store.postgres.transactions import Transactions
from holdfast.store.postgres.values import run_of
from holdfast.store.postgres.watch import Hub

T = TypeVar("T")
Fault = Callable[[str], None] | None

LINKS = 5  # connections of a process, besides one for commits and those of the keeper and the listener


class Ways:
    """What the nouns of one store share."""

    def __init__(self, address: Address, names: Names, *, pooled: bool) -> None:
        self.url = address.shown
        self.fault: Fault = (
            None  # for crash tests: called at "before-begin", "before-commit" (on its way), "after-commit"
        )
        self._address = address
        self._names = names
        self._pooled = pooled
        self._listens = not pooled or address.direct != address.dsn
        self._links = Links(address, names, size=LINKS, pooled=pooled)
        self._commits = Links(address, names, size=1, pooled=pooled)  # nothing that takes long holds up a commit
        self._transactions = Transactions(address, names, pooled=pooled)
        self._side = SideLoop("holdfast-postgres")
        self._hub = Hub(address, self._side, listens=self._listens)
        self._notifier = Notifier(self._links, self._hub)
        self._writing: set[asyncio.Task[Any]] = set()
        self._closed = False

    def _within(self, limits: Limits) -> None:
        """From now on the server gives up so early that no lease is lost."""
        self._links.limits = self._commits.limits = self._transactions.limits = limits

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

    async def _insist(self, what: str, send: Callable[[bool], Awaitable[T]], *, stirs: bool = True) -> T:
        """Write, and find out what became of it; see :func:`holdfast.store.insisting.insist`."""

        async def settled(again: bool) -> T:
            answer = await send(again)
            if again:  # what it saw may not be on the standby yet
                await self._links.write(CONNECTION.settle)
            return answer

        return await self._do(insist(what, settled, shown=self.url), stirs=stirs)

    async def _ask(
        self, verb: str, run_id: str, seen: Callable[[Run], bool], statement: str, *args: Any, patient: bool = False
    ) -> bool:
        """Have something done to a run; ``seen`` is whether the run shows that it was."""
        write = self._links.patiently if patient else self._links.write

        async def send(again: bool) -> bool:
            if first(await write(statement, *args)):
                return True
            rows = await self._links.fetch(RUNS.get, run_id) if again else []
            return bool(rows) and seen(run_of(rows[0]))

        return await self._insist(f"{verb} run {run_id}", send)

    def _reach(self, point: str) -> None:
        if self.fault is not None:
            self.fault(point)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnusable(f"{self.url} was closed")


def first(rows: list[Row]) -> Any:
    """The first column of the first row, None without one."""
    return rows[0][0] if rows else None
