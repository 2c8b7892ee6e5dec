"""What runs have asked of people. See :class:`holdfast.store.nouns.approvals.Approvals`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.approval import Approval, AuditEntry, Ruled, Ruling
from holdfast.records.document import Put
from holdfast.store.desk import ApprovalFilter
from holdfast.store.insisting import several
from holdfast.store.postgres import approvals
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import APPROVALS
from holdfast.store.postgres.text import stored


class Approvals(Ways):
    """What runs have asked of people, and the audit trail."""

    async def approval(self, approval_id: str) -> Approval | None:
        rows = await self._links.fetch(APPROVALS.get, stored(approval_id))
        return approvals.approval_of(rows[0]) if rows else None

    async def approvals(self, which: ApprovalFilter) -> list[Approval]:
        async with self._links.reading(patient=True) as con:
            return await approvals.find(con, self._names, which)

    async def count_approvals(self, which: ApprovalFilter) -> int:
        async with self._links.reading(patient=True) as con:
            return await approvals.count(con, self._names, which)

    async def rule(self, rulings: Sequence[Ruling], *, puts: Sequence[Put] = ()) -> list[Ruled]:
        given = approvals.of_rulings(rulings, puts)

        async def send(again: bool) -> list[Ruled]:  # by their marks the routine knows rulings that it has applied
            return [Ruled(verdict) for verdict in first(await self._links.write(APPROVALS.rule, *given))]

        return await self._insist(f"rule on {several('approval', [one.id for one in rulings])}", send)

    async def due_approvals(self, *, now: int, limit: int) -> list[Approval]:
        return [approvals.approval_of(row) for row in await self._links.fetch(APPROVALS.due, now, limit)]

    async def next_due(self) -> int | None:
        found: int | None = await self._links.value(APPROVALS.next_due)
        return found

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        given = approvals.of_audit(entries)

        async def send(again: bool) -> None:
            if not (again and await self._links.value(APPROVALS.was_noted, *given)):
                await self._links.write(APPROVALS.note, *given)

        await self._insist(f"audit {several('act', [one.action for one in entries])}", send, stirs=False)

    async def audited(
        self, *, subject: str | None = None, actor: str | None = None, run_id: str | None = None, after: int = 0,
        limit: int = 100,
    ) -> list[AuditEntry]:  # fmt: skip
        async with self._links.reading(patient=True) as con:
            return await approvals.audited(con, self._names, subject, actor, run_id, after, limit)
