"""Workers and their leases. See :class:`holdfast.store.nouns.leases.Leases`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.worker import Hosted, Worker
from holdfast.store.postgres.leases import PostgresKeeper
from holdfast.store.postgres.links import Limits
from holdfast.store.postgres.nouns.ways import Ways
from holdfast.store.postgres.statements import HEALTH, LEASES
from holdfast.store.rows import hosts_text, worker_of


class Leases(Ways):
    """Workers' rights to execute runs."""

    async def register(self, worker_id: str, *, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
        self._within(Limits.of_lease(ttl // 1000))

        async def send(again: bool) -> None:
            await self._links.write(LEASES.register, worker_id, host, pid, hosts_text(hosts), ttl)

        await self._insist(f"register worker {worker_id}", send)

    def keeper(self, worker_id: str, *, ttl: int) -> PostgresKeeper:
        return PostgresKeeper(self._address, self._names, worker_id, ttl, pooled=self._pooled)

    async def release(self, worker_id: str) -> None:
        await self._do(self._links.fetch(LEASES.release, worker_id), stirs=True)

    async def workers(self) -> list[Worker]:
        return [worker_of(row) for row in await self._links.fetch(LEASES.all)]

    async def time(self) -> int | None:
        return int(await self._links.value(HEALTH.now))
