"""Finding runs: filters as the statements take them, and what an error says, which only the codec can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from holdfast.records.run import Run, Status
from holdfast.store.base import RunFilter
from holdfast.store.postgres.statements import RUNS, Names
from holdfast.store.postgres.text import stored, stored_or_none
from holdfast.store.postgres.values import error_text, run_of

_PAGE = 1000
_LIMIT = 12  # where the limit stands among the arguments
_BEFORE = 1  # where the upper end of the span of ids does


def arguments(which: RunFilter) -> list[Any]:
    """What ``find``, ``errors`` and, without the limit, ``count`` are given."""
    beyond = None if which.root is None else f"{which.root}/"  # the ids of a tree begin with its root's
    before = [end for end in (which.before, beyond) if end is not None]
    return [
        which.root or "", min(before, default=None), which.roots_only, which.parent, which.agent, which.version,
        [str(status) for status in which.statuses] or None, stored_or_none(which.key), which.since, which.until,
        which.error is not None, [stored(tag) for tag in which.tags] or None, which.limit,
    ]  # fmt: skip


async def find(con: asyncpg.Connection, names: Names, which: RunFilter) -> list[Run]:
    """Runs that match, newest first."""
    given = arguments(which)
    if which.error is None:
        return [run_of(row) for row in await con.fetch(names(RUNS.find), *given)]
    ids = []
    async for id, _ in _erring(con, names, which):
        ids.append(id)
        if len(ids) == which.limit:
            break
    return [run_of(row) for row in await con.fetch(names(RUNS.get_all), ids)]


async def count(con: asyncpg.Connection, names: Names, which: RunFilter) -> dict[Status, int]:
    """How many of them have each status."""
    if which.error is None:
        rows = await con.fetch(names(RUNS.count), *arguments(which)[:_LIMIT])
        return {Status(status): count for status, count in rows}
    found: Counter[Status] = Counter()
    async for _, status in _erring(con, names, which):
        found[Status(status)] += 1
    return dict(found)


async def _erring(con: asyncpg.Connection, names: Names, which: RunFilter) -> AsyncIterator[tuple[str, str]]:
    """Id and status of the runs whose error says it, newest first."""
    wanted, given = (which.error or "").casefold(), arguments(which)
    given[_LIMIT] = _PAGE
    while rows := await con.fetch(names(RUNS.errors), *given):
        for id, status, error in rows:
            if wanted in error_text(error):
                yield id, status
        given[_BEFORE] = rows[-1][0]
