"""Repairs. See :class:`holdfast.store.nouns.repairs.Repairs`."""

from __future__ import annotations

from holdfast.records.repair import Fork
from holdfast.store.sqlite import forks, repairs
from holdfast.store.sqlite.nouns.ways import MANY, Ways


class Repairs(Ways):
    """Going back in a run's history, and leaving it."""

    async def retry(self, run_id: str, *, at: int) -> bool:
        return await self._write(repairs.retry, run_id, at, rows=MANY)

    async def fork(self, run_id: str, fork: Fork) -> bool:
        return await self._write(forks.fork, run_id, fork, rows=MANY)

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        return await self._write(forks.move, run_id, version, epoch, entries)
