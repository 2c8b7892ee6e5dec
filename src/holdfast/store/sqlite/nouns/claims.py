"""Runs as work. See :class:`holdfast.store.nouns.claims.Claims`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.records.journal import EndedChild, History, News
from holdfast.records.worker import Demand, Hosted, Quota
from holdfast.store.base import NO_QUOTAS, Claimed
from holdfast.store.sqlite import claims, history
from holdfast.store.sqlite.file import SharedFile
from holdfast.store.sqlite.nouns.ways import Ways, fetch_value
from holdfast.store.sqlite.quotas import next_begin
from holdfast.store.sqlite.statements import CLAIMS


class Claims(Ways):
    """Runs as work."""

    def __init__(self, file: SharedFile) -> None:
        super().__init__(file)
        self._unread: list[tuple[str, list[int]]] = []  # (worker, rids) perhaps claimed, but nobody was told

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
        wakes = [self._read(fetch_value, CLAIMS.next_wake, (hosted.agent, hosted.version)) for hosted in hosts]
        limited = [(hosted, quotas[hosted.agent]) for hosted in hosts if hosted.agent in quotas]
        wakes += [self._read(next_begin, hosted, quota, now) for hosted, quota in limited]
        return min((wake for wake in wakes if wake is not None), default=None)

    async def demand(
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int,
        hosts: Sequence[Hosted] | None = None,
    ) -> Demand:  # fmt: skip
        return await self._read_apart(claims.demand, agents, quotas, now, hosts)

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        return self._read(history.item_values, rid, map, ords)
