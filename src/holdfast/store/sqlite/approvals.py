"""Approvals: what runs have asked of people, and what becomes of it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import apsw

from holdfast.records.approval import Approval, ApprovalState, NewApproval
from holdfast.records.journal import Op
from holdfast.store.desk import ApprovalFilter
from holdfast.store.sqlite import news, outbox
from holdfast.store.sqlite.statements import APPROVALS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import Row, keep

_RISKIEST = 2**31


def get(db: apsw.Connection, approval_id: str) -> Approval | None:
    """The approval of this id."""
    row = db.execute(APPROVALS.get, (approval_id,)).fetchone()
    return None if row is None else _approval_of(row)


def find(db: apsw.Connection, which: ApprovalFilter) -> list[Approval]:
    """Those that match: each state has its own order in the index, and these are merged."""
    statement = APPROVALS.find if _everywhere(which) else APPROVALS.find_below
    pages: list[list[Any]] = [db.execute(statement, bindings).fetchall() for bindings in _bindings(which)]
    rows = islice(heapq.merge(*pages, key=lambda row: (-row[10], row[0])), which.limit)
    return [_approval_of(row) for row in rows]


def count(db: apsw.Connection, which: ApprovalFilter) -> int:
    """How many match."""
    statement = APPROVALS.count if _everywhere(which) else APPROVALS.count_below
    counted: list[Any] = [db.execute(statement, bindings).get for bindings in _bindings(which, counts=True)]
    return sum(counted)


def _everywhere(which: ApprovalFilter) -> bool:
    return which.run_id is None and which.root is None


def _bindings(which: ApprovalFilter, *, counts: bool = False) -> Iterable[dict[str, Any]]:
    bindings: dict[str, Any] = {
        "to": None if which.to is None else json.dumps(which.to), "agent": which.agent, "root": which.root,
        "min_risk": which.min_risk, "due_before": which.due_before,
    }  # fmt: skip
    if not _everywhere(which):
        first = which.run_id or which.root or ""
        bindings |= {"first": first, "last": first if which.run_id is not None else f"{first}/"}
    if not counts:
        risk, n = which.after or (_RISKIEST, 0)
        bindings |= {"risk": risk, "n": n, "limit": which.limit}
    return [{**bindings, "state": str(state)} for state in dict.fromkeys(which.states or ApprovalState)]


def due(db: apsw.Connection, now: int, limit: int) -> list[Approval]:
    """Pending ones whose deadline has come."""
    return [_approval_of(row) for row in db.execute(APPROVALS.due, {"now": now, "limit": limit})]


def ask(tx: Transaction, rid: int, new: Sequence[NewApproval]) -> None:
    """Ask people. What was asked before stays as it is."""
    for one in new:
        row = (
            one.id, rid, one.key, json.dumps(one.to), one.risk, one.due_at, one.digest, one.at, one.body,
        )  # fmt: skip
        if tx.row(APPROVALS.ask, row) is not None:
            outbox.tell_channels(tx, "approval.requested", [one.id], one.at)
            tx.stirred = True


def withdraw(tx: Transaction, rid: int, ids: Sequence[str], at: int) -> None:
    """A run no longer waits for these."""
    gone = [id for id in ids if tx.row(APPROVALS.withdraw, {"id": id, "rid": rid, "at": at}) is not None]
    outbox.tell_channels(tx, "approval.withdrawn", gone, at)
    tx.stirred = tx.stirred or bool(gone)


def retell(tx: Transaction, rid: int, at: int) -> None:
    """A run that went back is told again what it has not journaled; what it will ask again is forgotten."""
    tx.run(APPROVALS.forget_unasked, {"rid": rid})
    for key, decision in tx.rows(APPROVALS.unheard, {"rid": rid}):
        news.tell(tx, rid, Op.APPROVAL, key, True, keep(tx, rid, decision), at)


def _approval_of(row: Row) -> Approval:
    (n, id, run_id, root, agent, version, key, state, revision, asked, risk, due_at,
     digest, body, created_at, decided_at, decision, started_by) = row  # fmt: skip
    return Approval(
        n=n, id=id, run_id=run_id, root=root, agent=agent, version=version, key=key, state=ApprovalState(state),
        revision=revision, to=tuple(json.loads(asked)), risk=risk, due_at=due_at, digest=digest, body=body,
        created_at=created_at, decided_at=decided_at, decision=decision,
        started_by=started_by,
    )  # fmt: skip
