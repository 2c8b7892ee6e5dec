"""Retention. See :class:`holdfast.store.nouns.retention.Retention`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.repair import RetentionRule
from holdfast.store.insisting import several
from holdfast.store.postgres import pruning
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import PRUNING, RUNS


class Retention(Ways):
    """Deleting runs that have ended."""

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        async with self._links.reading(patient=True) as con:
            return await pruning.outlived(con, self._names, rule, now=now, limit=limit)

    async def delete(self, run_ids: Sequence[str]) -> int:
        async def send(again: bool) -> int:
            deleted = int(first(await self._links.patiently(PRUNING.delete, list(run_ids))))
            if deleted or not again:
                return deleted
            # how many went with them, nobody can say any more
            return len(run_ids) - len(await self._links.fetch(RUNS.get_all, list(run_ids)))

        return await self._insist(f"delete {several('run', run_ids)}", send)
