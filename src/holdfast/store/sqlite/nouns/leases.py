"""Workers and their leases. See :class:`holdfast.store.nouns.leases.Leases`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.worker import Hosted, Worker
from holdfast.store.sqlite import leases
from holdfast.store.sqlite.nouns.ways import Ways


class Leases(Ways):
    """Workers' rights to execute runs."""

    async def register(self, worker_id: str, *, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
        await self._write(leases.register, worker_id, host, pid, hosts, ttl)

    def keeper(self, worker_id: str, *, ttl: int) -> leases.SqliteKeeper:
        return leases.SqliteKeeper(self._file.path, self._file.sidecar, worker_id, ttl)

    async def release(self, worker_id: str) -> None:
        await self._write(leases.release, worker_id)

    async def workers(self) -> list[Worker]:
        return self._read(leases.workers)

    async def time(self) -> int | None:
        return None
