"""Users' own rows: a function of theirs runs in a transaction that keeps its value too, on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.errors import BadOption, CommitUnknown, StoreBusy, UsageError
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.edge import ERRORS, lost, translated
from holdfast.store.postgres.links import LEASE_MS, Limits, Link, Links, Row
from holdfast.store.postgres.own import OwnTransaction, is_trouble
from holdfast.store.postgres.statements import CONNECTION, TRANSACTIONS, Names
from holdfast.store.transactions import Transacted, Work, WorkFailed

LINKS = 4  # transactions of a process at a time
_MARGIN_MS = 500  # the client gives up first: it knows what for
_FOREIGN = "HF005"  # what our own routine raises: the work has written rows of Holdfast's
_ABORTED = "25P02"  # an earlier statement has failed, and the work went on as if it had not


class Transactions:
    """Transactions of one store.

    While users' code is at work the server may wait for this process: so it gives up by itself, before the lease ends.
    The run's row is locked only from the check of its owner to the commit that follows.
    """

    def __init__(self, address: Address, names: Names, *, pooled: bool) -> None:
        self.limits = Limits.of_lease(LEASE_MS)
        # As behind a pooler: nothing is prepared that must still be there after a session was reset.
        self._links = Links(address, names, size=LINKS, pooled=True)
        self._shared = pooled
        self._names = names
        self._shown = address.shown

    async def transact(self, worker_id: str, work: Work, reach: Callable[[str], None]) -> Transacted:
        """See :class:`holdfast.store.base.Transactions`."""
        if not work.is_async:
            raise BadOption(
                f"{work.key}: on PostgreSQL a transactional step is an `async def` that takes a PostgresTransaction; a "
                "plain `def` with a SqliteTransaction needs a SQLite store"
            )
        reach("before-begin")
        async with self._links.lent() as link:
            try:
                return await self._transact(link, worker_id, work, reach)
            except WorkFailed as error:  # nothing is wrong with the connection
                failed = error
                await self._leave(link)
        raise failed

    async def _transact(self, link: Link, worker_id: str, work: Work, reach: Callable[[str], None]) -> Transacted:
        whose = work.rid, work.epoch, worker_id, work.key
        try:
            await link.con.execute(f"{CONNECTION.begin_work} {self._limits_of(work).sql('LOCAL')}")
            kept = await link.con.fetch(self._names(TRANSACTIONS.kept), *whose)
        except ERRORS as error:
            raise translated(error, self._shown) from error
        if not kept:
            _refuse_unwanted(work)
            own = OwnTransaction(link.con, work, self._shown)
            value = await own.done()
            kept = await self._keep(own, link, *whose, work.fingerprint, value)
            if not kept:
                _refuse_unwanted(work)
                reach("before-commit")
                await self._commit(link)
                reach("after-commit")
                kept = [(value, work.fingerprint)]
        await self._leave(link)
        return Transacted(value=kept[0][0], fingerprint=kept[0][1])

    async def _keep(self, own: OwnTransaction, link: Link, *given: object) -> list[Row]:
        try:
            return list(await link.con.fetch(self._names(TRANSACTIONS.keep), *given))
        except ERRORS as error:
            if getattr(error, "sqlstate", "") == _ABORTED:
                raise own.aborted() from error
            if getattr(error, "sqlstate", "") == _FOREIGN:
                raise WorkFailed(UsageError(str(error))) from error
            raise translated(error, self._shown) from error

    async def _commit(self, link: Link) -> None:
        try:
            await link.con.execute(CONNECTION.commit)
        except ERRORS as error:
            if lost(error):
                raise CommitUnknown(f"{self._shown}: the connection was lost at the commit. Send it again") from error
            if is_trouble(error, link.con):
                raise translated(error, self._shown) from error
            raise WorkFailed(error) from error  # what was deferred until now: constraints, triggers
        if link.doubtful:
            raise CommitUnknown(
                f"{self._shown}: the wait for the synchronous standby was interrupted: committed here, perhaps not "
                "there. Send it again"
            )

    async def _leave(self, link: Link) -> None:
        """Roll back what is open, and forget what the function has left in the session."""
        try:
            if not link.con.is_closed() and link.con.is_in_transaction():
                await link.con.execute(CONNECTION.roll_back)
            if not self._shared:  # else it is the pooler's session, and its business
                await link.con.execute(CONNECTION.discard)
        except ERRORS:
            link.con.terminate()

    def _limits_of(self, work: Work) -> Limits:
        most = min(int(work.limit * 1000) + _MARGIN_MS, self.limits.statement)
        return Limits(statement=most, lock=self.limits.lock, idle=most)

    async def close(self) -> None:
        """Break off those that are at work: nothing of them is committed."""
        await self._links.close()


def _refuse_unwanted(work: Work) -> None:
    if not work.wanted():
        raise StoreBusy(f"{work.key}: nobody waits for it any more: nothing was done")
