"""Deadlines: a chore of every worker. Several may do it: each ruling is a compare-and-set, and one of them wins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from holdfast.approvals import rulings, standing
from holdfast.approvals.case import DEADLINE
from holdfast.approvals.request import Decided
from holdfast.approvals.routing import starters
from holdfast.approvals.rulings import Open
from holdfast.approvals.standing import Makers, Standing
from holdfast.clock import SECOND
from holdfast.errors import NotStorable, WrongDigest
from holdfast.records.approval import Approval, ApprovalState, Ruled, Ruling
from holdfast.records.document import Document
from holdfast.store.base import Store

logger = logging.getLogger("holdfast.approvals")

_BATCH = 500
_SAID = 500  # characters of what the audit trail says
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
        any_standing = bool(await self._standing(now))
        left = [ruling for row in rows if (ruling := await self._ruling(row, any_standing, now)) is not None]
        ruled = await self._store.rule(left) if left else ()
        return len(left) < len(rows) or any(one is not Ruled.OVER for one in ruled)

    async def _ruling(self, row: Approval, any_standing: bool, now: int) -> Ruling | None:
        """What is to become of one; None if a standing approval has approved it."""
        try:
            open = Open.of(row)
            if any_standing and _may_stand(open) and await self._stand(open, now):
                return None
            return rulings.overdue(open, now=now)
        except (WrongDigest, NotStorable) as error:  # or one row would keep all others from being looked at
            logger.error("approval %s expires, for nothing else can be made of it: %s", row.id, error)
            return _hopeless(row, str(error), now)

    async def _stand(self, open: Open, now: int) -> bool:
        """Let a standing approval that covers it approve it, which uses its quota in the same transaction."""
        own = (open.request.requester, *starters(open.row.started_by))
        while True:
            ruled = await self._use_one(open, own, now)
            if ruled is not Ruled.MOVED:
                return ruled is Ruled.APPLIED
            present = await self._store.approval(open.row.id)
            if present is None or present.revision != open.row.revision:
                return False
            # its quota was used for another at the same time: look again at what is left

    async def _use_one(self, open: Open, own: Sequence[str], now: int) -> Ruled | None:
        """What became of it by the first standing approval that covers it; None if none does."""
        for document, made in await self._standing(now):
            used = made.used_for(open.request, now) if made.covers(open.row, open.request, own) else None
            if used is not None and await made.is_upheld(open.row, self._makers):
                ruling = rulings.standing_approves(open, made.id, made.by, now=now)
                return (await self._store.rule([ruling], puts=[used.put(document.revision)]))[0]
        return None

    async def _standing(self, now: int) -> list[tuple[Document, Standing]]:
        found: list[Document] = []
        while page := await self._store.documents(standing.KIND, now=now, after=found[-1].id if found else ""):
            found += page
        return [(document, made) for document in found if (made := _readable(document)) is not None]


def _may_stand(open: Open) -> bool:
    request = open.request
    return request.kind == "call" and (not request.routed or request.on_expire[0] == "approve")


def _readable(document: Document) -> Standing | None:
    try:
        return Standing.read(document)
    except NotStorable as error:
        logger.error("standing approval %s approves nothing: %s", document.id, error)
        return None


def _hopeless(row: Approval, problem: str, now: int) -> Ruling:
    """The end of an approval that was altered, or cannot be kept any more: nobody can decide it, so it expires."""
    decided = Decided(state=ApprovalState.EXPIRED, by=(DEADLINE,), at=now, digest=row.digest)
    return rulings.expired_unread(row, decided, problem[:_SAID])
