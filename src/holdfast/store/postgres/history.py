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
from holdfast.store.postgres.statements import BROAD, HISTORY, RUNS, Names
from holdfast.store.postgres.values import Row, entry_of, group_of, item_of, news_of, run_of
from holdfast.store.rows import maps_of

_WINDOW = 256  # entries and items that are read together
NOTHING = History(entries=(), maps={}, groups={}, news=())
_CONTEXT = 6  # columns of `claim` before those of the run


class Histories:
    """The rows of several runs, as of one moment."""

    def __init__(self, *tables: Iterable[Row]) -> None:  # entries, news, items, groups
        self._entries, self._news, self._items, self._groups = map(_by_run, tables)

    @classmethod
    async def read(cls, con: asyncpg.Connection, names: Names, rids: Sequence[int], *, mapped: bool) -> Histories:
        """Read them in the transaction of ``con``. ``mapped``: some have maps, whose finished branches are left out."""
        entries, maps = HISTORY.entries, []
        if mapped:
            await con.execute(BROAD)
            entries, maps = HISTORY.live_entries, [HISTORY.item_index, HISTORY.groups]
        statements = [entries, HISTORY.unseen, *maps]
        found = [await con.fetch(names(statement), rids) for statement in statements]
        return cls(*found, *[()] * (4 - len(found)))

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


class Taken:
    """What a claim took: rows of the statement ``claim``, and what must be read besides."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows
        self._runs: dict[int, Row] = {row["taken"]: row[_CONTEXT:] for row in rows if row["rid"] is not None}
        self._histories: Histories | None = None

    @property
    def unread(self) -> bool:
        """Whether there are runs with a history."""
        return len(self._runs) < len(self._rows)

    async def read(self, con: asyncpg.Connection, names: Names) -> None:
        """Read the histories, in a transaction: news is numbered as the rows of the runs say."""
        old = [row for row in self._rows if row["rid"] is None]
        rids = [row["taken"] for row in old]
        self._runs |= {row["rid"]: row for row in await con.fetch(names(RUNS.get_rows), rids)}
        self._histories = await Histories.read(con, names, rids, mapped=any(row["mapped"] for row in old))

    def claimed(self) -> tuple[list[Claimed], dict[int, str]]:
        """The runs, in order; and those that cannot be read, with the reason: one must not keep back the others."""
        readable, unreadable = [], {}
        for row in self._rows:
            rid, _, ready_at, before, parent = row[: _CONTEXT - 1]
            try:
                run, history = run_of(self._runs[rid]), self._of(rid)
            except (ValueError, TypeError, KeyError) as error:  # a row that no version up to this one wrote
                unreadable[rid] = f"{type(error).__name__}: {error}"
            else:
                readable.append(
                    Claimed(run=run, history=history, ready_at=ready_at, trace_before=before, trace_parent=parent)
                )
        return readable, unreadable

    def _of(self, rid: int) -> History:
        return NOTHING if self._histories is None else self._histories.of(rid)


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
