"""Deadlines: a chore of every worker. Several may do it: each ruling is a compare-and-set, and one of them wins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from holdfast.approvals import rulings, standing
from holdfast.approvals.case import DEADLINE
from holdfast.approvals.request import Decided
from holdfast.approvals.rulings import Open
from holdfast.approvals.standing import Makers, Standing
from holdfast.clock import SECOND
from holdfast.errors import WrongDigest
from holdfast.records.approval import Approval, ApprovalState, Ruled, Ruling
from holdfast.records.document import Document, Put
from holdfast.store.base import Store

logger = logging.getLogger("holdfast.approvals")

_BATCH = 500
_PATIENCE = SECOND  # until what could not be ruled on is looked at again


class Deadlines:
    """Does what deadlines say: applies standing approvals, escalates, denies, expires.

    Args:
        store: where the approvals are.
        now: the time that their deadlines are measured by.
        makers: tells what the makers of standing approvals may still do.
    """

    name = "deadlines"

    def __init__(self, store: Store, now: Callable[[], int], makers: Makers) -> None:
        self._store = store
        self._now = now
        self._makers = makers

    async def work(self) -> int | None:
        """Rule on what is due; returns when to look again, None if only news could bring anything about."""
        due = await self._store.next_due()
        now = self._now()
        if due is None or due > now:
            return due
        moved = await self.apply(await self._store.due_approvals(now=now, limit=_BATCH))
        return now if moved else now + _PATIENCE

    async def apply(self, rows: Sequence[Approval]) -> bool:
        """Do what the deadlines of approvals say. False if nothing could be done, as their runs are ending."""
        now = self._now()
        documents = await self._documents(now)
        left = [ruling for row in rows if (ruling := await self._ruling(row, documents, now)) is not None]
        ruled = await self._store.rule(left) if left else ()
        return len(left) < len(rows) or any(one is not Ruled.OVER for one in ruled)

    async def _ruling(self, row: Approval, documents: Sequence[Document], now: int) -> Ruling | None:
        """What is to become of one; None if a standing approval has approved it."""
        try:
            open = Open.of(row)
        except WrongDigest as error:
            logger.error("%s", error)
            return _unreadable(row, now)
        if documents and _may_stand(open) and await self._stand(open, now):
            return None
        return rulings.overdue(open, now=now)

    async def _stand(self, open: Open, now: int) -> bool:
        """Let a standing approval that covers it approve it, which uses its quota in the same transaction."""
        own = (open.request.requester, open.row.started_by)
        for document in await self._documents(now):  # as they are now: the one before may have used them
            made = Standing.read(document)
            used = made.used_for(open.request, now) if made.covers(open.row, open.request, own) else None
            if used is None or not await made.is_upheld(open.row, self._makers):
                continue
            ruling = rulings.standing_approves(open, made.id, made.by, now=now)
            ruled = (await self._store.rule([ruling], puts=[used.put(document.revision)]))[0]
            if ruled is Ruled.APPLIED:
                return True
            if ruled is not Ruled.MOVED:  # nothing was approved: what was used is given back
                await self._give_back(made, used, document)
                return False
        return False

    async def _give_back(self, made: Standing, used: Standing, document: Document) -> None:
        put = Put(
            kind=standing.KIND, id=made.id, revision=document.revision + 1, body=made.pack(),
            expires_at=document.expires_at,
        )  # fmt: skip
        if not await self._store.put([put]):
            logger.info("standing approval %s counts a call that was not made: it was used meanwhile", used.id)

    async def _documents(self, now: int) -> list[Document]:
        found: list[Document] = []
        while page := await self._store.documents(standing.KIND, now=now, after=found[-1].id if found else ""):
            found += page
        return found


def _may_stand(open: Open) -> bool:
    request = open.request
    return request.kind == "call" and (not request.routed or request.on_expire[0] == "approve")


def _unreadable(row: Approval, now: int) -> Ruling:
    """The end of an approval whose row was altered: nobody can decide it, so it expires."""
    decided = Decided(state=ApprovalState.EXPIRED, by=(DEADLINE,), at=now, digest=row.digest)
    return rulings.expired_unread(row, decided)
