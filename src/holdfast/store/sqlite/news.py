"""News: how runs are told of what others did, how groups count, and how runs end."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast import codec
from holdfast.records.delta import NewPromise
from holdfast.records.journal import CANCEL, Group, Op
from holdfast.records.run import Status
from holdfast.store.sqlite import outbox
from holdfast.store.sqlite.statements import APPROVALS, NEWS, PROMISES, RUNS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import Row, Stored

STREAM_CHUNKS = 16  # into so many chunks the ends of children are gathered for a suspended parent that streams them
STREAM_WAIT = 10_000  # or for so many microseconds per child: about a thousandth of that goes into replaying it


def tell(tx: Transaction, rid: int, op: Op, key: str, ok: bool, value: Stored, at: int) -> bool:
    """File news for a run. False if it has ended."""
    wake = tx.value(NEWS.wake, {"rid": rid, "at": at})
    return _file(tx, wake, rid, op, key, ok, value)


def _file(tx: Transaction, wake: int | None, rid: int, op: Op, key: str, ok: bool, value: Stored) -> bool:
    if wake is None:
        return False
    tx.run(NEWS.file, (rid, wake, op, key, ok, value))
    tx.stirred = True
    return True


def cancelled(reason: str) -> bytes:
    """The packed failure of a cancelled run, which is also the value of the news that asks for it."""
    return codec.pack_failure("Cancelled", reason)


def end(tx: Transaction, rid: int, status: Status, value: Stored, at: int, because: int | None = None) -> None:
    """End a run: tell its parent, drop its news, withdraw what it asks, and cancel the children that depend on it."""
    place, (has_children, has_news, asks) = tx.row(RUNS.place, (rid,)), tx.row(RUNS.others, (rid,))
    won = status is Status.SUCCEEDED
    tx.run(RUNS.finish, (rid, status, value if won else None, None if won else value, at, because))
    if has_news:
        tx.run(NEWS.forget_all, (rid,))
    if asks:
        withdraw_all(tx, [rid], at)
    tx.stirred = True
    tell_parent(tx, place, won, value, at)
    if has_children:
        cancel_children(tx, rid, f"its parent {status}", at)


def withdraw_all(tx: Transaction, rids: Sequence[int], at: int) -> None:
    """Runs no longer wait for what they have asked of people."""
    gone = tx.rows(APPROVALS.withdraw_all, {"rids": json.dumps(rids), "at": at})
    outbox.tell_channels(tx, "approval.withdrawn", [id for (id,) in gone], at)


def tell_parent(tx: Transaction, place: Row, ok: bool, value: Stored, at: int) -> None:
    """Tell the parent at a child's place, as ``RUNS.place`` gives it, how the child ended."""
    parent, key, generation, _, map, ord, branch, held = place
    if parent is None:
        return
    if map is not None:
        group = tx.row(NEWS.count_end, {"rid": parent, "generation": generation, "map": map, "slot": 0 if held else 1})
        if group is not None:
            tx.run(NEWS.add_ending, (parent, map, ord, branch, ok))
            release(tx, parent, map, at)
            _tell_of_group(tx, parent, generation, group, ok, at)
            return
    wake = tx.value(NEWS.wake_parent, {"rid": parent, "generation": generation, "at": at})
    _file(tx, wake, parent, Op.CHILD, key, ok, value)


def _tell_of_group(
    tx: Transaction, parent: int, generation: int, group: tuple[str, int | None, int, int, int], ok: bool, at: int
) -> None:
    key, total, every, first_failure, done = group
    if done == total or (first_failure and not ok) or (every and _hears(tx, parent, generation, total, done, at)):
        wake = tx.value(NEWS.wake_parent, {"rid": parent, "generation": generation, "at": at})
        _file(tx, wake, parent, Op.MAP, key, ok, b"")


def _hears(tx: Transaction, parent: int, generation: int, total: int | None, done: int, at: int) -> bool:
    """Whether a parent that streams is told of an end now.

    In memory it is. Suspended, it would be replayed for each of ten thousand children: it is woken for every sixteenth
    of them, or else after a while that grows with their number. When it is claimed it reads all that have ended.
    """
    status = tx.value(NEWS.parent_status, (parent, generation))
    if status == Status.QUEUED:
        return False
    if status != Status.WAITING:
        return True
    size = total or done
    if done % max(1, size // STREAM_CHUNKS) == 0:
        return True
    tx.run(NEWS.wake_parent_by, {"rid": parent, "by": at + size * STREAM_WAIT})
    return False


def put_group(tx: Transaction, rid: int, group: Group, at: int) -> None:
    """Insert a group or change its terms. A total that its children have already reached is news."""
    before = tx.row(NEWS.group, (rid, group.map))
    tx.run(
        NEWS.put_group,
        (rid, group.map, group.key, group.total, group.limit, group.every, group.first_failure),
    )
    release(tx, rid, group.map, at)
    done, known = tx.row(NEWS.group, (rid, group.map))[5], None if before is None else before[1]
    if group.total is not None and group.total != known and done >= group.total:
        tell(tx, rid, Op.MAP, group.key, True, b"", at)


def release(tx: Transaction, parent: int, map: int, at: int) -> None:
    """Release held children as far as the group's limit allows."""
    slots = tx.value(NEWS.free_slots, (parent, map))
    if slots is None or slots <= 0:
        return
    released = tx.rows(NEWS.release, {"rid": parent, "map": map, "slots": slots, "at": at})
    if released:
        tx.run(NEWS.add_active, (len(released), parent, map))
        tx.stirred = True


def cancel_children(tx: Transaction, rid: int, reason: str, at: int, *, map: int | None = None) -> None:
    """Cancel the children of a run that has ended, or those of one map, set-wise: there may be ten thousand."""
    error = cancelled(reason)
    pending = [(rid, map)]
    while pending:
        parent, group = pending.pop()
        which = {"parent": parent, "map": group, "reason": reason, "at": at}
        idle = tx.rows(RUNS.end_idle_children, {**which, "error": error})
        pending += [(child, None) for (child,) in idle]
        tx.each(NEWS.forget_all, idle)
        if idle:
            withdraw_all(tx, [child for (child,) in idle], at)
        live = tx.rows(RUNS.cancel_live_children, which)
        tx.each(NEWS.file, [(child, wake, Op.RUN, CANCEL, False, error) for child, wake in live])
        tx.stirred = tx.stirred or bool(idle or live)


def cancel(tx: Transaction, run_id: str, reason: str, at: int) -> bool:
    """Ask a run to cancel, or end it when it has no body that could clean up."""
    found = tx.row(RUNS.standing, (run_id,))
    if found is None:
        return False
    rid, status, started_at, cancel_at, _ = found
    fresh = status in (Status.QUEUED, Status.PAUSED) and started_at is None
    bodiless = status == Status.BLOCKED or fresh
    if Status(status).ended or (cancel_at is not None and not bodiless):
        return False
    tx.run(RUNS.mark_cancel, {"rid": rid, "reason": reason, "at": at})
    if bodiless:
        end(tx, rid, Status.CANCELLED, cancelled(reason), at)
        return True
    tx.run(RUNS.unpause, {"rid": rid, "at": at})
    return tell(tx, rid, Op.RUN, CANCEL, False, cancelled(reason), at)


def declare(tx: Transaction, rid: int, promise: NewPromise) -> None:
    """Declare a promise. One that was resolved before has told the run already."""
    tx.run(PROMISES.declare, (promise.id, rid, promise.key, promise.schema))
