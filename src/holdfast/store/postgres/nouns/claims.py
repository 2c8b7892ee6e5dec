"""Runs as work. See :class:`holdfast.store.nouns.claims.Claims`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.records.journal import EndedChild, History, News
from holdfast.records.worker import Demand, Hosted, Quota
from holdfast.store.base import NO_QUOTAS, Claimed
from holdfast.store.postgres import claims, history
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.links import Links
from holdfast.store.postgres.nouns.ways import Ways
from holdfast.store.postgres.statements import HISTORY, NEWS, Names
from holdfast.store.postgres.values import news_of


class Claims(Ways):
    """Runs as work."""

    def __init__(self, address: Address, names: Names, *, pooled: bool) -> None:
        super().__init__(address, names, pooled=pooled)
        self._claims = claims.Claims(self._links, names)
        self._side_links = Links(address, names, size=1, pooled=pooled)

    async def claim(
        self, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], *, limit: int, now: int,
        quotas: Mapping[str, Quota] = NO_QUOTAS,
    ) -> list[Claimed]:  # fmt: skip
        self._refuse_closed()
        return await self._claims.claim(worker_id, hosts, builds, limit=limit, now=now, quotas=quotas)

    async def load(self, rid: int) -> History:
        async with self._links.reading() as con:
            return (await history.Histories.read(con, self._names, [rid], mapped=True)).of(rid)

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
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int,
        hosts: Sequence[Hosted] | None = None,
    ) -> Demand:  # fmt: skip
        return await self._claims.demand(agents, quotas, now, hosts)

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        self._refuse_closed()
        rows = self._side.run(self._side_links.fetch(HISTORY.item_values, rid, map, list(ords)))
        found: dict[int, bytes] = dict(rows)
        return [found[ord] for ord in ords]
