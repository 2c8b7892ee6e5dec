"""Approvals and rulings: filters and records as the statements take them, and rows to records."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import asyncpg

from holdfast.records.approval import Approval, ApprovalState, AuditEntry, NewApproval, Ruling
from holdfast.records.document import Put
from holdfast.store.desk import ApprovalFilter
from holdfast.store.postgres.columns import Columns, turned
from holdfast.store.postgres.documents import of_puts
from holdfast.store.postgres.statements import APPROVALS, Names
from holdfast.store.postgres.text import read, stored, stored_or_none
from holdfast.store.postgres.values import Row
from holdfast.store.rulings import mark_of

_RISKIEST = 2**62


async def find(con: asyncpg.Connection, names: Names, which: ApprovalFilter) -> list[Approval]:
    """Those that match: each state has its own order in the index, and these are merged."""
    risk, n = which.after or (_RISKIEST, 0)
    below = _below(which)
    statement = names(APPROVALS.find_below if below else APPROVALS.find)
    pages = [await con.fetch(statement, *given, risk, n, which.limit, *below) for given in _arguments(which)]
    rows = islice(heapq.merge(*pages, key=lambda row: (-row["risk"], row["n"])), which.limit)
    return [approval_of(row) for row in rows]


async def count(con: asyncpg.Connection, names: Names, which: ApprovalFilter) -> int:
    """How many match."""
    below = _below(which)
    statement = names(APPROVALS.count_below if below else APPROVALS.count)
    return sum([await con.fetchval(statement, *given, *below) for given in _arguments(which)])


def _below(which: ApprovalFilter) -> tuple[str, ...]:
    """The span of ids of the run or of the tree, if one is given."""
    if which.run_id is not None:
        return which.run_id, which.run_id
    return () if which.root is None else (which.root, f"{which.root}/")


def _arguments(which: ApprovalFilter) -> list[tuple[Any, ...]]:
    to = None if which.to is None else [stored(one) for one in which.to]
    rest = (to, which.agent, which.root, which.min_risk, which.due_before)
    return [(str(state), *rest) for state in dict.fromkeys(which.states or ApprovalState)]


def asked(new: NewApproval) -> dict[str, Any]:
    """What the routine ``ask_people`` reads, but for the packed body."""
    return {
        "id": stored(new.id), "key": stored(new.key), "asked": [stored(one) for one in new.to], "risk": new.risk,
        "due_at": new.due_at, "digest": stored(new.digest), "at": new.at,
    }  # fmt: skip


def of_rulings(rulings: Sequence[Ruling], puts: Sequence[Put]) -> Columns:
    """What the statement ``rule`` is given."""
    seen: Counter[str] = Counter()  # what rules again on one approval is of a later round
    rows = []
    for one in rulings:
        rows.append(
            (stored(one.id), one.revision, str(one.state), json.dumps([stored(who) for who in one.to]), one.due_at,
             stored(one.digest), one.body, one.decision, one.at, stored(one.event), mark_of(one), seen[one.id])
        )  # fmt: skip
        seen[one.id] += 1
    return (*turned(rows, 12), *of_audit([one.audit for one in rulings]), *of_puts(puts))


def of_audit(entries: Sequence[AuditEntry]) -> Columns:
    """Audit entries as the statements take them."""
    rows = [
        (one.at, stored(one.actor), stored(one.action), stored(one.subject), stored(one.run_id), one.detail)
        for one in entries
    ]
    return turned(rows, 6)


async def audited(
    con: asyncpg.Connection, names: Names, subject: str | None, actor: str | None, run_id: str | None, after: int,
    limit: int,
) -> list[AuditEntry]:  # fmt: skip
    """Entries in their order, after a number."""
    statement = APPROVALS.noted if subject is None else APPROVALS.noted_of
    given = (after, stored_or_none(subject), stored_or_none(actor), stored_or_none(run_id), limit)
    return [
        AuditEntry(
            n=n, at=at, actor=read(actor), action=read(action), subject=read(subject), run_id=read(run), detail=detail
        )
        for n, at, actor, action, subject, run, detail in await con.fetch(names(statement), *given)
    ]


def approval_of(row: Row) -> Approval:
    """The approval of a row of ``approval_rows``."""
    (n, id, run_id, root, agent, version, key, state, revision, asked, risk, due_at,
     digest, body, created_at, decided_at, decision, started_by) = row  # fmt: skip
    return Approval(
        n=n, id=read(id), run_id=run_id, root=root, agent=agent, version=version, key=read(key),
        state=ApprovalState(state), revision=revision, to=tuple(map(read, asked)), risk=risk, due_at=due_at,
        digest=read(digest), body=body, created_at=created_at, decided_at=decided_at, decision=decision,
        started_by=read(started_by),
    )  # fmt: skip
