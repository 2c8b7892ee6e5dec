"""Histories: what an activation begins with."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import apsw

from holdfast.records.journal import EndedChild, Entry, History, News
from holdfast.records.run import Run
from holdfast.store.base import Claimed, Recorded
from holdfast.store.rows import maps_of
from holdfast.store.sqlite.statements import CLAIMS, HISTORY, NEWS, RUNS
from holdfast.store.sqlite.values import entries_of, groups_of, item_of, news_of, run_of


def load(db: apsw.Connection, rid: int) -> History:
    """A run's history."""
    return History(
        entries=entries_of(db.execute(HISTORY.live_entries, (rid,))),
        maps=maps_of(db.execute(HISTORY.item_index, (rid,))),
        groups=groups_of(db.execute(HISTORY.groups, (rid,))),
        news=news_of(db.execute(NEWS.unseen, (rid,))),
    )


def claimed(db: apsw.Connection, rids: Sequence[int]) -> tuple[list[Claimed], dict[int, str]]:
    """Runs and their histories; and those that cannot be read, with the reason: one must not keep back the others."""
    readable, unreadable = [], {}
    wanted = (json.dumps(list(rids)),)
    contexts = {rid: context for rid, *context in db.execute(CLAIMS.context, wanted)}
    rows = {row[0]: row for row in db.execute(RUNS.get_rows, wanted)}
    for rid in rids:
        try:
            run, (ready_at, before, parent) = run_of(rows[rid]), contexts[rid]
            history = load(db, rid) if _has_past(run) else _NO_PAST
            readable.append(
                Claimed(run=run, history=history, ready_at=ready_at, trace_before=before, trace_parent=parent)
            )
        except (ValueError, TypeError, KeyError) as error:  # a row that no version up to this one wrote
            unreadable[rid] = f"{type(error).__name__}: {error}"
    return readable, unreadable


_NO_PAST = History(entries=(), maps={}, groups={}, news=())


def _has_past(run: Run) -> bool:
    """Whether anything is recorded of a run that has just been claimed, or anybody has told it anything."""
    return run.epoch > 1 or run.wakes > 0 or run.origin is not None


def item_values(db: apsw.Connection, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
    """Values of items, in the order asked for."""
    rows: Iterable[Any] = db.execute(HISTORY.item_values, (rid, map, json.dumps(list(ords))))
    found: dict[int, bytes] = dict(rows)
    return [found[ord] for ord in ords]


def ended_children(db: apsw.Connection, rid: int, map: int) -> list[EndedChild]:
    """Ended children without an item."""
    rows = db.execute(NEWS.endings, (rid, map))
    return [EndedChild(ord=ord, branch=branch, ok=bool(ok)) for ord, branch, ok in rows]


def news(db: apsw.Connection, rid: int, after: int) -> list[News]:
    """News after a wake."""
    return news_of(db.execute(NEWS.after, (rid, after)))


def page(db: apsw.Connection, run_id: str, after: int, limit: int) -> list[Entry]:
    """A page of a journal."""
    return entries_of(db.execute(HISTORY.page, (run_id, after, limit)))


def woken(db: apsw.Connection, worker_id: str) -> list[tuple[int, int]]:
    """A worker's running runs with news."""
    return [(rid, wakes) for rid, wakes in db.execute(NEWS.woken, (worker_id,))]


def everything(db: apsw.Connection, run_id: str) -> Iterator[Recorded]:
    """A run, its groups by key, then its entries and items by seq."""
    found = db.execute(RUNS.get, (run_id,)).fetchall()
    for run in map(run_of, found):
        yield run
        yield from sorted(groups_of(db.execute(HISTORY.groups, (run.rid,))).values(), key=attrgetter("key"))
        entries: Iterator[Recorded] = (entries_of((row,))[0] for row in db.execute(HISTORY.every_entry, (run.rid,)))
        items: Iterator[Recorded] = (item_of(row) for row in db.execute(HISTORY.every_item, (run.rid,)))
        yield from heapq.merge(entries, items, key=attrgetter("seq"))
