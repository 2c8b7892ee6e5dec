"""Histories: what an activation begins with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from holdfast.records.journal import EndedChild, Entry, History, News
from holdfast.records.run import Run
from holdfast.store.base import Claimed
from holdfast.store.sqlite.statements import HISTORY, NEWS, RUNS
from holdfast.store.sqlite.values import entries_of, groups_of, maps_of, news_of, run_of


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
    for rid in rids:
        try:
            readable.append(Claimed(run=_run(db, rid), history=load(db, rid)))
        except (ValueError, TypeError, KeyError) as error:  # a row that no version up to this one wrote
            unreadable[rid] = f"{type(error).__name__}: {error}"
    return readable, unreadable


def _run(db: apsw.Connection, rid: int) -> Run:
    return run_of(db.execute(RUNS.get_row, (rid,)).fetchall()[0])


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
