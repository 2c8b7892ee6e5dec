"""Batches: one answer to many cases, each recorded singly and judged by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from holdfast.approvals import rulings, showing
from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import InboxFilter, Outcome, Person
from holdfast.approvals.permits import check_addressed, check_displayed, check_four_eyes, check_pending
from holdfast.approvals.rulings import Open
from holdfast.errors import DeskRefused, UnknownApproval
from holdfast.records.approval import Approval, AuditEntry, Ruled, Ruling

if TYPE_CHECKING:  # the desk makes batches
    from holdfast.approvals.desk import Desk
    from holdfast.durable.client import Client

_AT_ONCE = 500
Found = Open | Approval | None  # read already, or not yet, or not there
Chunk = list[tuple[str, Found]]
Which = InboxFilter | Sequence[str] | Mapping[str, str]  # what matches; ids; or ids and digests of what was displayed


class Batch:
    """One person's answer to many cases."""

    def __init__(self, desk: Desk, client: Client, who: Person, answer: Approve | Reject | Respond, via: str) -> None:
        self._desk = desk
        self._client = client
        self._who = who
        self._answer = answer
        self._via = via
        self._displayed: Mapping[str, str] = {}
        self._refusals: list[AuditEntry] = []

    async def decide(self, which: Which) -> list[Outcome]:
        """Decide what matches, or has these ids; what is refused does not keep the rest from being decided."""
        self._displayed = which if isinstance(which, Mapping) else {}
        outcomes: list[Outcome] = []
        async for chunk in self._by_id(which) if not isinstance(which, InboxFilter) else self._matching(which):
            outcomes += await self._decide(chunk)
            refusals, self._refusals = self._refusals, []
            if refusals:
                await self._client.store.audit(refusals)
        return outcomes

    async def _matching(self, which: InboxFilter) -> AsyncIterator[Chunk]:
        chunk: Chunk = []
        async for open in self._desk.matching(self._who, which):
            chunk.append((open.row.id, open))
            if len(chunk) == _AT_ONCE:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    async def _by_id(self, ids: Iterable[str]) -> AsyncIterator[Chunk]:
        wanted = list(dict.fromkeys(ids))
        for first in range(0, len(wanted), _AT_ONCE):
            part = wanted[first : first + _AT_ONCE]
            rows = await asyncio.gather(*(self._client.store.approval(one) for one in part))
            yield list(zip(part, rows, strict=True))

    async def _decide(self, chunk: Chunk) -> list[Outcome]:
        judged = [self._judge(one, found) for one, found in await self._in_time(chunk)]
        ready = [one for one in judged if isinstance(one, tuple)]
        ruled = iter(await self._client.store.rule([ruling for _, ruling in ready]) if ready else ())
        return [one if isinstance(one, Outcome) else await self._settled(*one, next(ruled)) for one in judged]

    async def _in_time(self, chunk: Chunk) -> Chunk:
        """The same, once deadlines that have passed have been done."""
        return [(one, await self._looked_at(found)) for one, found in chunk]

    async def _looked_at(self, found: Found) -> Found:
        row = _row_of(found)
        if row is None:
            return None
        try:
            now = await self._desk.in_time(row)
        except DeskRefused:  # its run is ending: said when it is ruled on
            return found
        return found if now is row else now

    def _judge(self, approval_id: str, found: Found) -> Outcome | tuple[Open, Ruling]:
        row = _row_of(found)
        try:
            if row is None:
                raise UnknownApproval(f"no approval has the id {approval_id!r}")
            check_addressed(self._who, row)
            check_pending(row)
            open = found if isinstance(found, Open) else Open.of(row)
            check_four_eyes(open, self._who, self._answer)
            displayed = self._displayed.get(approval_id, row.digest)
            check_displayed(open, self._who, displayed)
            ruling = rulings.answer_of(
                open,
                self._who.name,
                self._answer,
                now=self._client.now(),
                displayed=displayed,
                via=self._via,
                catalog=self._client.catalog,
            )
        except (DeskRefused, UnknownApproval) as error:
            self._refusals.append(self._desk.refusal(self._who, approval_id, self._answer, error, self._via))
            return Outcome(id=approval_id, error=error)
        return open, ruling

    async def _settled(self, open: Open, ruling: Ruling, ruled: Ruled) -> Outcome:
        if ruled is Ruled.APPLIED:
            case = showing.case_of(open.after(ruling), self._who)
            return Outcome(id=open.row.id, case=case)
        try:  # overtaken: by itself
            case = await self._desk.decide(self._who, open.row.id, self._answer, digest=open.row.digest, via=self._via)
        except (DeskRefused, UnknownApproval) as error:
            return Outcome(id=open.row.id, error=error)
        return Outcome(id=open.row.id, case=case)


def _row_of(found: Found) -> Approval | None:
    return found.row if isinstance(found, Open) else found
