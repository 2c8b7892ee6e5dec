"""Rulings: how approvals that are pending change, each whole or not at all."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.records.approval import ApprovalState, Ruled, Ruling
from holdfast.records.document import Put
from holdfast.records.journal import Op
from holdfast.store.rulings import mark_of
from holdfast.store.sqlite import audit, documents, news, outbox
from holdfast.store.sqlite.statements import APPROVALS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import keep


@dataclass(slots=True)
class _Standing:
    """How an approval and its run stand."""

    rid: int
    key: str
    state: str
    revision: int
    over: bool


def rule(tx: Transaction, rulings: Sequence[Ruling], puts: Sequence[Put]) -> list[Ruled]:
    """Apply rulings and changes of documents. A batch that is sent again is known by the marks of its rulings."""
    rows = tx.rows(APPROVALS.standing, (json.dumps([ruling.id for ruling in rulings]),))
    standing = {id: _Standing(rid, key, state, revision, bool(over)) for id, rid, key, state, revision, over in rows}
    if any(_verdict(standing.get(ruling.id), ruling) is Ruled.APPLIED for ruling in rulings):
        if not documents.fits(tx, puts):
            return [Ruled.MOVED] * len(rulings)
        documents.write(tx, puts)
    return _apply(tx, rulings, standing)


def _is_mine(tx: Transaction, ruling: Ruling) -> bool:
    return bool(tx.value(APPROVALS.marked, (ruling.id, mark_of(ruling))))


def _verdict(at: _Standing | None, ruling: Ruling) -> Ruled:
    if at is None:
        return Ruled.UNKNOWN
    if at.state not in (ApprovalState.PENDING, ApprovalState.WITHDRAWN):
        return Ruled.CLOSED
    if at.over:
        return Ruled.OVER
    if at.state != ApprovalState.PENDING:
        return Ruled.CLOSED
    return Ruled.APPLIED if at.revision == ruling.revision else Ruled.MOVED


def _apply(tx: Transaction, rulings: Sequence[Ruling], standing: dict[str, _Standing]) -> list[Ruled]:
    verdicts, applied = [], []
    for ruling in rulings:
        at = standing.get(ruling.id)
        verdict = _verdict(at, ruling)
        if at is not None and verdict is Ruled.APPLIED:
            _change(tx, at, ruling)
            applied.append(ruling)
        elif at is not None and _is_mine(tx, ruling):
            verdict = Ruled.APPLIED
        verdicts.append(verdict)
    audit.append(tx, [ruling.audit for ruling in applied], [mark_of(ruling) for ruling in applied])
    _tell_channels(tx, applied)
    tx.stirred = tx.stirred or bool(applied)
    return verdicts


def _change(tx: Transaction, at: _Standing, ruling: Ruling) -> None:
    decided = ruling.state is not ApprovalState.PENDING
    tx.run(
        APPROVALS.change,
        {
            "id": ruling.id, "state": str(ruling.state), "asked": json.dumps(ruling.to), "due_at": ruling.due_at,
            "digest": ruling.digest, "body": ruling.body, "decided_at": ruling.at if decided else None,
            "decision": ruling.decision,
        },
    )  # fmt: skip
    at.state, at.revision = ruling.state, at.revision + 1
    if decided:
        news.tell(tx, at.rid, Op.APPROVAL, at.key, True, keep(tx, at.rid, ruling.decision or b""), ruling.at)


def _tell_channels(tx: Transaction, applied: Sequence[Ruling]) -> None:
    told: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for ruling in applied:
        if ruling.event:
            told[ruling.event, ruling.at].append(ruling.id)
    for (event, at), ids in told.items():
        outbox.tell_channels(tx, event, ids, at)
