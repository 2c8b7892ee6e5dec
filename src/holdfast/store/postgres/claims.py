"""Claiming: runs become a worker's, or it is sure that they did not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holdfast import codec
from holdfast.errors import LeaseLost
from holdfast.records.worker import Demand, Hosted, Quota
from holdfast.store.base import Claimed
from holdfast.store.demand import Left, demand_of, hosted_of
from holdfast.store.postgres import history
from holdfast.store.postgres.links import Links, Row
from holdfast.store.postgres.statements import CLAIMS, Names

logger = logging.getLogger("holdfast.postgres")


class _Unread(NamedTuple):
    """A claim that may have taken runs of which nobody was told."""

    worker: str
    number: int
    sending: asyncio.Task[list[Row]]


class Claims:
    """Claims of this process's workers.

    Each has a number, one more than the worker's last. What became of one whose answer was lost is settled before the
    next: its number is used up, so that it takes nothing when it arrives late, and the runs that it took are queued.
    """

    def __init__(self, links: Links, names: Names) -> None:
        self._links = links
        self._names = names
        self._last: dict[str, int] = {}  # the numbers used last, as far as they are known
        self._unread: list[_Unread] = []

    async def claim(
        self, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], *, limit: int, now: int,
        quotas: Mapping[str, Quota],
    ) -> list[Claimed]:  # fmt: skip
        """See :class:`holdfast.store.base.Claims`."""
        await self._settle(worker_id)
        if limit <= 0:
            return []
        wanted = dict(zip(hosts, builds, strict=True))
        given = (
            [host.agent for host in wanted], [host.version for host in wanted], list(wanted.values()), limit, now,
            self._names.schema, *_columns(hosts, quotas),
        )  # fmt: skip
        rows = await self._take(worker_id, *given)
        while rows and rows[0]["deaths"]:
            if not await self._take_over():
                return []  # their last commits are still under way: somebody comes back soon
            rows = await self._take(worker_id, *given)
        return await self._read(worker_id, rows[1:])

    async def next_wake(self, hosts: Sequence[Hosted], quotas: Mapping[str, Quota], now: int) -> int | None:
        """See :class:`holdfast.store.base.Claims`."""
        agents, _, starts, periods = _columns(hosts, quotas)
        versions = [host.version for host in hosts]
        given = [host.agent for host in hosts], versions, agents, starts, periods, now
        wake: int | None = await self._links.value(CLAIMS.next_wake, *given)
        return wake

    async def demand(
        self,
        agents: Sequence[str] | None,
        quotas: Mapping[str, Quota],
        now: int,
        hosts: Sequence[Hosted] | None,
    ) -> Demand:
        """See :class:`holdfast.store.base.Claims`."""
        rows = await self._links.fetch(CLAIMS.demand, None if agents is None else list(agents), now)
        needs = hosted_of(rows, hosts)
        limited = [name for name in quotas if any(one.agent == name for one in needs)]
        found = [quotas[name] for name in limited]
        left = await self._links.fetch(
            CLAIMS.room, limited, [one.limit for one in found], [one.starts for one in found],
            [one.period for one in found], now,
        )  # fmt: skip
        return demand_of(needs, {agent: Left(places=places, begins=begins) for agent, places, begins in left})

    async def _take(self, worker_id: str, *given: object) -> list[Row]:
        if worker_id not in self._last:
            self._last[worker_id] = await self._links.value(CLAIMS.claims, worker_id) or 0
        number = self._last[worker_id] + 1
        # It goes on when our caller is cancelled.
        sending = asyncio.get_running_loop().create_task(
            self._links.write(CLAIMS.claim, worker_id, number, *given), name="holdfast-claim"
        )
        sending.add_done_callback(_look_away)
        try:
            rows = await asyncio.shield(sending)
        except BaseException:
            self._last.pop(worker_id)
            self._unread.append(_Unread(worker_id, number, sending))
            raise
        if rows and not rows[0]["deaths"]:
            self._last[worker_id] = number
        return rows

    async def _read(self, worker_id: str, rows: list[Row]) -> list[Claimed]:
        taken = history.Taken(rows)
        try:
            # After the claim: long histories must hold up nobody. The runs are ours by now, so only news can have been
            # added, and news is read together with the rows.
            if taken.unread:
                async with self._links.reading() as con:
                    await taken.read(con, self._names)
            readable, unreadable = taken.claimed()
            if unreadable:
                errors = [codec.pack_failure("Unreadable", _unreadable(why)) for why in unreadable.values()]
                await self._links.fetch(CLAIMS.block_unreadable, worker_id, list(unreadable), errors)
            return readable
        except BaseException:
            done: asyncio.Task[list[Row]] = asyncio.get_running_loop().create_task(_nothing())
            self._unread.append(_Unread(worker_id, self._last[worker_id], done))
            raise

    async def _settle(self, worker_id: str) -> None:
        """Give up the runs of claims that nobody was told of, so that none is taken from who has claimed it since."""
        while self._unread:
            unread = self._unread[0]
            await asyncio.wait({unread.sending})
            try:
                last = await self._links.value(CLAIMS.give_up, unread.worker, unread.number)
            except LeaseLost:  # the claims before it are forgotten, so it has taken nothing
                self._unread.pop(0)
                if unread.worker == worker_id:
                    raise
                continue
            self._unread.pop(0)
            if last is not None:
                self._last[unread.worker] = last

    async def _take_over(self) -> bool:
        """Take the runs of dead workers: of all their agents, since the row that tells of their death goes."""
        rows = await self._links.fetch(CLAIMS.estate)
        dead = sorted({row["worker"] for row in rows})
        deadly = [row for row in rows if row["rid"] is not None]
        errors = [codec.pack_failure("WorkerLost", _deadly(row)) for row in deadly]
        await self._links.fetch(CLAIMS.take_over, dead, [row["rid"] for row in deadly], errors)
        return bool(dead) and not {row["worker"] for row in await self._links.fetch(CLAIMS.estate)} & set(dead)


def _columns(
    hosts: Sequence[Hosted], quotas: Mapping[str, Quota]
) -> tuple[list[str], list[int | None], list[int], list[int]]:
    """The quotas of hosted agents, column by column."""
    hosted = dict.fromkeys(host.agent for host in hosts if host.agent in quotas)
    found = [quotas[agent] for agent in hosted]
    return list(hosted), [one.limit for one in found], [one.starts for one in found], [one.period for one in found]


async def _nothing() -> list[Row]:
    return []


def _look_away(sending: asyncio.Task[list[Row]]) -> None:
    if not sending.cancelled():
        sending.exception()  # whoever asked has seen it, or is gone


def _deadly(row: Row) -> str:
    return (
        f"{row['lost']} activations of run {row['id']} were lost in a row, the last on worker {row['worker']}, without "
        "a new journal entry: it may be what kills its workers. Mend it, then resume the run"
    )


def _unreadable(why: str) -> str:
    return f"its journal cannot be read ({why}): it is damaged, or was written by a newer version"
