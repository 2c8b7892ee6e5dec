"""Workers and their leases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.records.worker import Hosted, Worker


class LeaseKeeper(Protocol):
    """Renews one worker's lease from a thread of its own, on a connection of its own."""

    def renew(self) -> bool:
        """Extend the lease. Blocking. False: it had expired or is gone, and the worker must stop."""

    def close(self) -> None:
        """Release the connection."""


class Leases(Protocol):
    """Workers' rights to execute runs."""

    async def register(self, worker_id: str, *, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
        """Insert the worker with a lease of ``ttl`` from now, its commit counter at 0."""

    def keeper(self, worker_id: str, *, ttl: int) -> LeaseKeeper:
        """What renews the lease."""

    async def release(self, worker_id: str) -> None:
        """Delete the worker and hand its runs back to the queue (``lost`` is not raised)."""

    async def workers(self) -> list[Worker]:
        """All workers whose lease has not expired."""

    async def time(self) -> int | None:
        """What time it is where the store is, in microseconds; None: on this machine, or nobody has to know."""
