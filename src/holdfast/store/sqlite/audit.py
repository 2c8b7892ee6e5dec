"""The audit trail: who did what. Append-only."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from holdfast.records.approval import AuditEntry
from holdfast.store.sqlite.statements import APPROVALS
from holdfast.store.sqlite.transaction import Transaction


def append(tx: Transaction, entries: Sequence[AuditEntry], marks: Sequence[bytes] = ()) -> None:
    """Append entries, with the marks of the rulings that they came with."""
    marks = marks or [b""] * len(entries)
    rows = [
        (one.at, one.actor, one.action, one.subject, one.run_id, one.detail, mark)
        for one, mark in zip(entries, marks, strict=True)
    ]
    tx.each(APPROVALS.note, rows)


def page(
    db: apsw.Connection, subject: str | None, actor: str | None, run_id: str | None, after: int, limit: int
) -> list[AuditEntry]:
    """Entries in their order, after a number."""
    which = {"actor": actor, "run_id": run_id, "after": after, "limit": limit}
    if subject is None:
        rows = db.execute(APPROVALS.noted, which)
    else:
        rows = db.execute(APPROVALS.noted_of, {**which, "subject": subject})
    return [
        AuditEntry(n=n, at=at, actor=actor, action=action, subject=subject, run_id=run_id, detail=detail)
        for n, at, actor, action, subject, run_id, detail in rows
    ]
