"""Retention. See :class:`holdfast.store.nouns.retention.Retention`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.repair import RetentionRule
from holdfast.store.sqlite import pruning
from holdfast.store.sqlite.nouns.ways import MANY, Ways


class Retention(Ways):
    """Deleting runs that have ended."""

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        return await self._read_apart(pruning.outlived, rule, now, limit)

    async def delete(self, run_ids: Sequence[str]) -> int:
        return await self._write(pruning.delete, run_ids, rows=MANY)
