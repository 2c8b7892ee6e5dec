"""Starting and finding runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.errors import StoreRejected
from holdfast.records.journal import PAUSE, Op
from holdfast.records.run import NewRun, Parent, Started, Status
from holdfast.store.base import RunFilter
from holdfast.store.sqlite import news, repairs
from holdfast.store.sqlite.statements import NEWS, RUNS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import INLINE, keep

_LAST_ID = "\U0010ffff"  # ids of runs come before it


@dataclass(frozen=True, slots=True)
class _Place:
    """What a child needs to know of its parent's row."""

    rid: int
    generation: int
    cancel_at: int | None
    cancel_reason: str
    ended_at: int | None


def start(tx: Transaction, new: Sequence[NewRun]) -> list[Started]:
    """Insert those runs that do not exist yet."""
    ids = {id: Started(id=id, created=False, digest=digest) for id, digest in tx.rows(RUNS.among_ids, _ids(new))}
    wanted = json.dumps([[run.agent, run.key] for run in new if run.key is not None])
    keys = {
        (agent, key): Started(id=id, created=False, digest=digest)
        for agent, key, id, digest in tx.rows(RUNS.among_keys, (wanted,))
    }
    fresh, answers = [], []
    for run in new:
        known = ids.get(run.id) or (keys.get((run.agent, run.key)) if run.key is not None else None)
        answers.append(known or Started(id=run.id, created=True, digest=run.digest))
        if known is None:
            fresh.append(run)
            # A second one of the same id or key within this call finds the first.
            ids[run.id] = Started(id=run.id, created=False, digest=run.digest)
            if run.key is not None:
                keys[run.agent, run.key] = ids[run.id]
    insert(tx, fresh)
    return answers


def weight(run: NewRun) -> int:
    """About how many small rows it is to write."""
    return 1 + len(run.input) // INLINE


def start_children(tx: Transaction, children: Sequence[NewRun]) -> None:
    """Insert the children of a delta. Those that exist are left as they are, unless their parent had forgotten them."""
    for run, started in zip(children, start(tx, children), strict=True):
        if not started.created and started.id != run.id:
            raise StoreRejected(f"child {run.id} of {run.agent!r} cannot start: {started.id} has its key")
        if not started.created and run.parent is not None:
            place = _places(tx, [run])[run.parent.run_id]
            repairs.adopt(tx, run.id, run.parent, place.rid, place.generation, run.at)


def _ids(new: Iterable[NewRun]) -> tuple[str]:
    return (json.dumps([run.id for run in new]),)


def insert(tx: Transaction, new: Sequence[NewRun]) -> None:
    """Insert runs, cancel those whose parent is past wanting them, and fill groups up to their limits."""
    if not new:
        return
    places = _places(tx, new)
    first = int(tx.value(RUNS.last_rid)) + 1
    tx.each(RUNS.insert, [_row(tx, rid, run, places) for rid, run in enumerate(new, first)])
    tx.each(RUNS.add_tag, [(rid, tag) for rid, run in enumerate(new, first) for tag in run.tags])
    tx.stirred = True
    _fill_groups(tx, new, places)
    for rid, run in enumerate(new, first):
        _cancel_if_born_late(tx, rid, run, places)


def _places(tx: Transaction, new: Sequence[NewRun]) -> dict[str, _Place]:
    parents = {run.parent.run_id for run in new if run.parent is not None}
    if not parents:
        return {}
    found = {id: _Place(*rest) for id, *rest in tx.rows(RUNS.parents, (json.dumps(sorted(parents)),))}
    if missing := parents - found.keys():
        raise StoreRejected(f"no run has the id {min(missing)}, so it cannot be a parent")
    return found


def _row(tx: Transaction, rid: int, run: NewRun, places: dict[str, _Place]) -> tuple[Any, ...]:
    parent = run.parent or _NOBODY
    place = places.get(parent.run_id)
    value = run.input if len(run.input) <= INLINE else keep(tx, rid, run.input)
    return (
        rid, run.id, run.agent, run.version, run.key, run.agent, run.priority, run.at, run.root,
        place and place.rid, parent.key if place else None, place and place.generation,
        parent.detached, parent.map, parent.ord, parent.branch, parent.held,
        run.at, None if run.timeout is None else run.at + run.timeout, run.digest, value,
        "" if place else run.by,
    )  # fmt: skip


_NOBODY = Parent(run_id="", key="")


def _fill_groups(tx: Transaction, new: Sequence[NewRun], places: dict[str, _Place]) -> None:
    """Count the released ones, then release what the limit allows: a slot may have been freed before they came."""
    groups: Counter[tuple[int, int]] = Counter()
    for run in new:
        if run.parent is not None and run.parent.map is not None and not run.parent.detached:
            groups[places[run.parent.run_id].rid, run.parent.map] += 0 if run.parent.held else 1
    for (parent, map), released in groups.items():
        tx.run(NEWS.add_active, (released, parent, map))
        news.release(tx, parent, map, new[0].at)


def _cancel_if_born_late(tx: Transaction, rid: int, run: NewRun, places: dict[str, _Place]) -> None:
    if run.parent is None or run.parent.detached:
        return
    place = places[run.parent.run_id]
    if place.cancel_at is None and place.ended_at is None:
        return
    reason = place.cancel_reason or "its parent has ended"
    tx.run(RUNS.mark_cancel, {"rid": rid, "reason": reason, "at": run.at})
    news.end(tx, rid, Status.CANCELLED, news.cancelled(reason), run.at)


def resume(tx: Transaction, run_id: str) -> bool:
    """Queue a run again that was stopped, or let it go on that was about to stop."""
    done = tx.row(RUNS.resume, {"id": run_id, "now": tx.now()}) is not None
    tx.stirred = tx.stirred or done
    return done


def filter_bindings(which: RunFilter) -> dict[str, object]:
    """What the statements ``find``, ``find_children`` and ``count`` are given."""
    beyond = _LAST_ID if which.root is None else f"{which.root}/"  # the ids of a tree begin with its root's
    return {
        "agent": which.agent,
        "version": which.version,
        "statuses": json.dumps([str(status) for status in which.statuses]) if which.statuses else None,
        "parent": which.parent,
        "roots_only": which.roots_only,
        "key": which.key,
        "tags": json.dumps(which.tags) if which.tags else None,
        "since": which.since,
        "until": which.until,
        "error": None if which.error is None else which.error.casefold(),
        "first": which.root or "",
        "last": beyond if which.before is None else min(which.before, beyond),
        "limit": which.limit,
    }


def pause(tx: Transaction, run_id: str, why: bytes, at: int) -> bool:
    """Stop a run, or ask its owner to."""
    found = tx.row(RUNS.standing, (run_id,))
    if found is None:
        return False
    rid, status, _, cancel_at, pause_at = found
    if status not in _CAN_PAUSE or cancel_at is not None or pause_at is not None:
        return False
    kept = keep(tx, rid, why)
    if status != Status.RUNNING:
        tx.run(RUNS.pause, {"rid": rid, "why": kept})
        return True
    tx.run(RUNS.ask_to_pause, {"rid": rid, "at": at, "why": kept})
    return news.tell(tx, rid, Op.RUN, PAUSE, False, b"", at)


_CAN_PAUSE = (Status.QUEUED, Status.RUNNING, Status.WAITING)


def tag(tx: Transaction, run_id: str, add: Sequence[str], remove: Sequence[str]) -> bool:
    """Add and remove tags."""
    found = tx.row(RUNS.standing, (run_id,))
    if found is None:
        return False
    tx.each(RUNS.drop_tag, [(found[0], one) for one in remove])
    tx.each(RUNS.add_tag, [(found[0], one) for one in add])
    return True
