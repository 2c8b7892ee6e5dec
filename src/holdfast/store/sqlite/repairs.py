"""Going back in a run's history: retries, and children that are started again by a parent that went back."""

from __future__ import annotations

from typing import Any

from holdfast.records.journal import Op
from holdfast.records.run import Parent, Status
from holdfast.store.sqlite import approvals, files, news
from holdfast.store.sqlite.statements import APPROVALS, COMMITS, NEWS, REPAIRS
from holdfast.store.sqlite.transaction import Transaction


def retry(tx: Transaction, run_id: str, at: int) -> bool:
    """Let a failed run go on from before what made it fail."""
    found = tx.row(REPAIRS.failed, (run_id,))
    if found is None:
        return False
    rid, cut = found
    tx.run(REPAIRS.leave_parent, (rid,))
    _go_back(tx, rid, cut, at)
    return True


def _go_back(tx: Transaction, rid: int, cut: int | None, at: int, *, held: bool = False) -> None:
    if cut is not None:
        _cut(tx, rid, cut)
    tie_up(tx, rid)
    tx.run(COMMITS.drop_endings, (rid,))
    tx.run(REPAIRS.unlink_children, {"rid": rid})
    tx.run(NEWS.forget_all, (rid,))
    tx.run(REPAIRS.queue_again, {"rid": rid, "at": at, "held": held})
    for key, ok, value in tx.rows(REPAIRS.unheard_promises, {"rid": rid}):
        news.tell(tx, rid, Op.PROMISE, key, ok, value, at)
    approvals.retell(tx, rid, at)
    tx.stirred = True


def _cut(tx: Transaction, rid: int, cut: int) -> None:
    """Delete what was recorded from this number on. A branch that failed goes back to what failed inside it."""
    inside = tx.row(REPAIRS.failed_inside, (rid, cut))
    if inside is not None:
        branch, earlier = inside
        _forget_call(tx, rid, earlier)
        tx.run(REPAIRS.cut_branch, (rid, branch, earlier))
    _forget_call(tx, rid, cut)
    tx.run(REPAIRS.cut_items, {"rid": rid, "cut": cut})
    tx.run(REPAIRS.cut_journal, {"rid": rid, "cut": cut})
    files.cut(tx, rid, cut)


def _forget_call(tx: Transaction, rid: int, seq: int) -> None:
    """The call of this outcome is made anew: with all its retries, and though it was to happen once."""
    key = tx.value(REPAIRS.call_at, (rid, seq))
    if key is not None:
        tx.run(REPAIRS.forget_attempts, (rid, key))


def tie_up(tx: Transaction, rid: int) -> None:
    """Forget children whose end is not journaled, what nobody has answered, and groups that are not complete.

    The body asks for them again.
    """
    tx.run(REPAIRS.forget_cancels, {"rid": rid})
    tx.run(REPAIRS.forget_children, {"rid": rid})
    tx.run(APPROVALS.forget_asked, {"rid": rid})
    tx.run(REPAIRS.forget_groups, {"rid": rid})


def adopt(tx: Transaction, run_id: str, place: Parent, parent: int, generation: int, at: int) -> None:
    """A parent starts a child that exists. If the parent had gone back and forgotten it, it is the parent's again."""
    found = tx.row(REPAIRS.unlinked, (run_id, parent))
    if found is None:
        return
    rid, status, ended_by, *end, still_ending = found
    tx.run(REPAIRS.link, (generation, rid))
    if Status(status).ended and (status == Status.SUCCEEDED or still_ending):
        _tell_again(tx, parent, generation, end, status == Status.SUCCEEDED, at)
        return
    if Status(status).ended:
        _go_back(tx, rid, ended_by, at, held=place.held)
    if place.map is not None:
        tx.run(NEWS.add_active, (0 if place.held else 1, parent, place.map))
        news.release(tx, parent, place.map, at)


def _tell_again(tx: Transaction, parent: int, generation: int, end: list[Any], ok: bool, at: int) -> None:
    key, map, ord, branch, value = end
    news.tell_parent(tx, (parent, key, generation, 0, map, ord, branch, 1), ok, value, at)
