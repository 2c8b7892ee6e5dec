"""Deleting runs that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.records.repair import RetentionRule


class Retention(Protocol):
    """Deleting runs that have ended, whole trees at a time."""

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        """Ids of runs without a parent that a rule no longer keeps, the longest ended first.

        A rule counts for each agent and status by itself.
        """

    async def delete(self, run_ids: Sequence[str]) -> int:
        """Delete runs with all their descendants, and everything that belongs to them; says how many rows of runs went.

        Left as they are: runs that have not ended or have a descendant that has not, runs with a parent, unknown ones.
        The space is free for the store to use again, and given back to the disk where that is cheap.
        """
