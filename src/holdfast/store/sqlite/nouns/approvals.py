"""What runs have asked of people. See :class:`holdfast.store.nouns.approvals.Approvals`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.approval import Approval, AuditEntry, Ruled, Ruling
from holdfast.records.document import Put
from holdfast.store.desk import ApprovalFilter
from holdfast.store.insisting import insist, several
from holdfast.store.sqlite import approvals, audit
from holdfast.store.sqlite.nouns.ways import Ways, fetch_value
from holdfast.store.sqlite.rulings import rule as apply_rulings
from holdfast.store.sqlite.statements import APPROVALS


class Approvals(Ways):
    """What runs have asked of people, and the audit trail."""

    async def approval(self, approval_id: str) -> Approval | None:
        return self._read(approvals.get, approval_id)

    async def approvals(self, which: ApprovalFilter) -> list[Approval]:
        return await self._read_apart(approvals.find, which)

    async def count_approvals(self, which: ApprovalFilter) -> int:
        return await self._read_apart(approvals.count, which)

    async def rule(self, rulings: Sequence[Ruling], *, puts: Sequence[Put] = ()) -> list[Ruled]:
        async def send(again: bool) -> list[Ruled]:  # by their marks it knows rulings that were applied
            return await self._write(apply_rulings, rulings, puts, rows=len(rulings) + len(puts))

        return await insist(f"rule on {several('approval', [one.id for one in rulings])}", send, shown=self.url)

    async def due_approvals(self, *, now: int, limit: int) -> list[Approval]:
        return self._read(approvals.due, now, limit)

    async def next_due(self) -> int | None:
        found: int | None = self._read(fetch_value, APPROVALS.next_due)
        return found

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._write(audit.append, entries, rows=len(entries))

    async def audited(
        self, *, subject: str | None = None, actor: str | None = None, run_id: str | None = None, after: int = 0,
        limit: int = 100,
    ) -> list[AuditEntry]:  # fmt: skip
        return await self._read_apart(audit.page, subject, actor, run_id, after, limit)
