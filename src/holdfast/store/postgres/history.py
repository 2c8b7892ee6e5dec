"""Histories: what an activation begins with, for many runs at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from operator import attrgetter
from typing import Any

import asyncpg

from holdfast.records.journal import Entry, History, Item
from holdfast.records.run import Run
from holdfast.store.base import Claimed, Recorded
from holdfast.store.postgres.statements import CLAIMS, HISTORY, RUNS, Names
from holdfast.store.postgres.values import Row, entry_of, group_of, item_of, news_of, run_of
from holdfast.store.rows import maps_of

_WINDOW = 256  # entries and items that are read together


class Histories:
    """The rows of several runs, as of one moment."""

    def __init__(self, *tables: Iterable[Row]) -> None:  # entries, items, groups, news
        self._entries, self._items, self._groups, self._news = map(_by_run, tables)

    @classmethod
    async def read(cls, con: asyncpg.Connection, names: Names, rids: Sequence[int]) -> Histories:
        """Read them."""
        if not rids:
            return cls((), (), (), ())
        statements = (HISTORY.live_entries, HISTORY.item_index, HISTORY.groups, HISTORY.unseen)
        return cls(*[await con.fetch(names(statement), rids) for statement in statements])

    def of(self, rid: int) -> History:
        """One run's."""
        return History(
            entries=[entry_of(row) for row in self._entries[rid]],
            maps=maps_of(self._items[rid]),
            groups={group.map: group for group in map(group_of, self._groups[rid])},
            news=[news_of(row) for row in self._news[rid]],
        )


def _by_run(rows: Iterable[Row]) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


async def claimed(con: asyncpg.Connection, names: Names, rids: Sequence[int]) -> tuple[list[Claimed], dict[int, str]]:
    """Runs and their histories; and those that cannot be read, with the reason: one must not keep back the others."""
    rows = {row["rid"]: row for row in await con.fetch(names(RUNS.get_rows), rids)}
    contexts = {rid: context for rid, *context in await con.fetch(names(CLAIMS.context), rids)}
    histories = await Histories.read(con, names, [rid for rid, row in rows.items() if not _new(row)])
    readable, unreadable = [], {}
    for rid in rids:
        try:
            run, history, (ready_at, before, parent) = run_of(rows[rid]), histories.of(rid), contexts[rid]
            readable.append(
                Claimed(run=run, history=history, ready_at=ready_at, trace_before=before, trace_parent=parent)
            )
        except (ValueError, TypeError, KeyError) as error:  # a row that no version up to this one wrote
            unreadable[rid] = f"{type(error).__name__}: {error}"
    return readable, unreadable


def _new(row: Any) -> bool:
    """Whether nobody has had it in memory or told it anything: it has no history."""
    return bool(row["epoch"] == 1 and row["wakes"] == 0 and row["generation"] == 0 and row["origin"] is None)


async def everything(con: asyncpg.Connection, names: Names, run_id: str) -> AsyncIterator[Recorded]:
    """A run, its groups by key, then its entries and items by seq; read a few at a time."""
    row = await con.fetchrow(names(RUNS.get), run_id)
    if row is None:
        return
    run: Run = run_of(row)
    yield run
    for group in sorted(map(group_of, await con.fetch(names(HISTORY.groups), [run.rid])), key=attrgetter("key")):
        yield group
    entries = con.cursor(names(HISTORY.every_entry), run.rid, prefetch=_WINDOW)
    items = con.cursor(names(HISTORY.every_item), run.rid, prefetch=_WINDOW)
    async for one in _merged((entry_of(row) async for row in entries), (item_of(row) async for row in items)):
        yield one


async def _merged(entries: AsyncIterator[Entry], items: AsyncIterator[Item]) -> AsyncIterator[Recorded]:
    """Both, by seq."""
    item = await anext(items, None)
    async for entry in entries:
        while item is not None and item.seq < entry.seq:
            yield item
            item = await anext(items, None)
        yield entry
    while item is not None:
        yield item
        item = await anext(items, None)
