"""Runs that a rule no longer keeps."""

from __future__ import annotations

from typing import Any

import asyncpg

from holdfast.records.repair import RetentionRule
from holdfast.store.postgres.statements import PRUNING, Names


async def outlived(con: asyncpg.Connection, names: Names, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
    """Their ids, of each agent and status by itself, the longest ended first."""
    found: dict[str, None] = {}
    for agent in await _agents(con, names, rule):
        for status in rule.statuses:
            found.update(dict.fromkeys(await _of(con, names, rule, (agent, str(status)), now, limit)))
    return list(found)[:limit]


async def _agents(con: asyncpg.Connection, names: Names, rule: RetentionRule) -> list[str]:
    if rule.agent is not None:
        return [rule.agent]
    return [row[0] for row in await con.fetch(names(PRUNING.agents))]


async def _of(
    con: asyncpg.Connection, names: Names, rule: RetentionRule, which: tuple[str, str], now: int, limit: int
) -> list[str]:
    rows: list[Any] = []
    if rule.age is not None:
        rows += await con.fetch(names(PRUNING.too_old), *which, now - rule.age, limit)
    if rule.count is not None:
        rows += await con.fetch(names(PRUNING.too_many), *which, rule.count, limit)
    return [row[0] for row in rows]
