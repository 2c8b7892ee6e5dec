"""The desk: what a person may see and do. The command line, the server and the rig all go through it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from holdfast import codec
from holdfast.approvals import rulings, showing
from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.batch import Batch, Which
from holdfast.approvals.case import ROLE, Audited, Case, CaseContext, InboxFilter, Outcome, Person
from holdfast.approvals.deadlines import Deadlines
from holdfast.approvals.permits import check_addressed, check_displayed, check_four_eyes, check_pending, over
from holdfast.approvals.routing import ADMIN, REVIEWER, addressed, groups_of, people
from holdfast.approvals.rulings import Open, due_at_of
from holdfast.approvals.standing import KIND, Makers, Standing
from holdfast.approvals.terms import check_quorum
from holdfast.clock import from_datetime, new_id, to_datetime
from holdfast.errors import (
    BadOption,
    DeskRefused,
    NotAllowed,
    UnknownApproval,
    WrongDigest,
)
from holdfast.records.approval import Approval, ApprovalState, AuditEntry, Ruled, Ruling
from holdfast.records.document import Put
from holdfast.store.desk import ApprovalFilter

if TYPE_CHECKING:
    from holdfast.durable.client import Client

logger = logging.getLogger("holdfast.approvals")

_PAGE, _OTHERS = 200, 50
_SAID = 500  # characters of what the audit trail says of a refusal
EVERYTHING_PENDING = InboxFilter()


class Desk:
    """The desk of a store. Get one with ``client.inbox``.

    Every method takes the person who asks, authenticated by whoever lets them in. What is refused changes nothing, and
    is audited.

    Raises:
        UnknownApproval: no approval has this id.
        NotAllowed: it is not this person's to see or decide: another's, another role's, or their own request.
    """

    def __init__(self, client: Client, makers: Makers) -> None:
        self._client = client
        self._store = client.store
        self._people = makers
        self._deadlines = Deadlines(client.store, client.now, makers)

    async def inbox(self, who: Person, which: InboxFilter = EVERYTHING_PENDING) -> list[Case]:
        """The cases that this person may see: the riskiest first, of these the oldest first.

        Example:
            >>> async def main(client):
            ...     return await client.inbox.inbox(Person(name="ann", roles=frozenset({"adjuster"})))
        """
        found: list[Case] = []
        async for open in self.matching(who, which):
            found.append(showing.case_of(open, who))
            if len(found) == which.limit:
                break
        return found

    async def case(self, who: Person, approval_id: str, *, shown: bool = True) -> Case:
        """One case. That it was shown, and what, is audited unless ``shown`` is false."""
        open = await self._visible(who, approval_id)
        case = showing.case_of(open, who)
        if shown:
            await self._audit(who, "approval.shown", open.row, digest=case.digest, revision=case.revision)
        return case

    async def context(self, who: Person, approval_id: str, *, entries: int = 50) -> CaseContext:
        """What surrounds a case: the run's recent journal, its files, and what else waits.

        Args:
            who: who looks.
            approval_id: the case.
            entries: how many entries of the journal; large values in them are cut.
        """
        open = await self._visible(who, approval_id)
        row, client = open.row, self._client
        run = await client.info(row.run_id)
        journal, earlier, waiting = await showing.seen_journal(client.journal(row.run_id), entries)
        others = InboxFilter(root=row.root, limit=_OTHERS)
        case = showing.case_of(open, who)
        await self._audit(who, "approval.shown", row, digest=case.digest, revision=case.revision, context=len(journal))
        return CaseContext(
            case=case, status=run.status, input=showing.shown(run.input)[0], journal=journal, earlier=earlier,
            files=showing.seen_files(await client.files(row.run_id)), waiting=waiting,
            pending=tuple(one for one in await self.inbox(who, others) if one.id != row.id),
        )  # fmt: skip

    async def decide(
        self,
        who: Person,
        approval_id: str,
        answer: Approve | Reject | Respond,
        *,
        digest: str | None = None,
        via: str = "",
    ) -> Case:
        """Decide a case; the run goes on with that. An approval short of the quorum is a vote, and the case stays open.

        Args:
            who: who decides.
            approval_id: the case.
            answer: what they say.
            digest: of what was displayed to them: refused if the case has moved on. Whoever displays it somewhere else
                than here (HTTP, a message) must give it.
            via: how they said so, for the audit trail, such as ``"web"``.

        Raises:
            AlreadyDecided: somebody was first; it says who, when and what.
            ApprovalOver: its deadline has passed, its run has ended or was cancelled, or no longer waits for it.
            WrongDigest: something else was displayed; it has the present digest.
            EditRefused: an edit, or the answer, does not fit; it has the path.

        Example:
            >>> async def main(client, case):
            ...     ann = Person(name="ann", roles=frozenset({"adjuster"}))
            ...     await client.inbox.decide(ann, case.id, Approve(edits={"amount": 90}), digest=case.digest)
        """
        try:
            return await self._decide(who, approval_id, answer, digest, via)
        except (DeskRefused, UnknownApproval) as error:
            await self._refused(who, approval_id, answer, error, via)
            raise

    async def decide_all(
        self, who: Person, which: Which, answer: Approve | Reject | Respond, *, via: str = ""
    ) -> list[Outcome]:
        """Decide many, each recorded singly: all that match (``limit`` does not count), or those of ids.

        Ids may come with the digests of what was displayed, ``{case.id: case.digest}``: what is another now is refused.
        """
        return await Batch(self, self._client, who, answer, via).decide(which)

    async def reassign(
        self, who: Person, approval_id: str, to: str | Sequence[str], *, why: str = "", digest: str | None = None
    ) -> Case:
        """Hand a case to others: its deadline stays, votes too.

        Args:
            who: who hands it on.
            approval_id: the case.
            to: to whom.
            why: a note.
            digest: of what was displayed to them, as :meth:`decide` takes it.

        Raises:
            AlreadyDecided, ApprovalOver, WrongDigest: as :meth:`decide`.
            BadOption: these are nobody, fewer than have to approve, or not among those whom the store knows.
        """
        others = people(to)
        if not others:
            raise BadOption("reassign to whom? Name a person, or a role as 'role:adjuster'")
        try:
            return await self._reassign(who, approval_id, others, why, digest)
        except (DeskRefused, UnknownApproval) as error:
            await self._refused(who, approval_id, None, error, "")
            raise

    async def grant(self, who: Person, standing: Standing) -> Standing:
        """Make a standing approval; returns it with its id.

        Raises:
            NotAllowed: the person could not decide such calls one by one.
        """
        now = self._client.now()
        asked = standing.to or (() if REVIEWER in who.roles else (f"role:{role}" for role in sorted(who.roles)))
        if not (standing.to or who.roles) or not all(addressed(who, (one,)) for one in asked):
            await self._note(who, "standing.refused", standing.tool, why="may not decide such calls")
            raise NotAllowed(f"{who.name} may not decide such calls one by one, and so not in advance")
        made = standing.model_copy(
            update={
                "id": new_id(now),
                "by": who.name,
                "roles": tuple(sorted(who.roles)),
                "made_at": to_datetime(now),
                "used": 0,
                "spent": {},
                "period": 0,
            }
        )
        entry = self._entry(who, "standing.granted", made.id, standing=json.loads(made.model_dump_json()))
        await self._store.put([made.put(0)], audit=[entry])
        return made

    async def revoke(self, who: Person, standing_id: str) -> None:
        """End a standing approval now; its maker and admins may.

        Raises:
            UnknownApproval: there is none of this id.
        """
        document = await self._store.document(KIND, standing_id, now=self._client.now())
        if document is None:
            raise UnknownApproval(f"no standing approval has the id {standing_id!r}")
        if ADMIN not in who.roles and Standing.read(document).by != who.name:
            await self._note(who, "standing.refused", standing_id, why="is another's")
            raise NotAllowed(f"standing approval {standing_id} is another's: its maker, or an admin, can revoke it")
        put = Put(kind=KIND, id=standing_id, revision=document.revision, body=None)
        if not await self._store.put([put], audit=[self._entry(who, "standing.revoked", standing_id)]):
            await self.revoke(who, standing_id)  # it was used meanwhile

    async def standing(self, who: Person) -> list[Standing]:
        """The standing approvals that this person has made; an admin sees all."""
        now, found, after = self._client.now(), [], ""
        while page := await self._store.documents(KIND, now=now, after=after):
            found += [Standing.read(document) for document in page]
            after = page[-1].id
        return [one for one in found if ADMIN in who.roles or one.by == who.name]

    async def why(self, who: Person, approval_id: str) -> list[Audited]:
        """The audit trail of a case: who was asked and shown what, who decided, and who tried."""
        await self._visible(who, approval_id)
        found: list[AuditEntry] = []
        while page := await self._store.audited(subject=approval_id, after=found[-1].n if found else 0):
            found += page
        return [showing.audited(entry) for entry in found]

    @staticmethod
    def cursor(case: Case) -> str:
        """Where the page after a case begins: ``InboxFilter(after=…)``."""
        return f"{case.risk}.{case.n}"

    # -- inside

    async def _decide(
        self, who: Person, approval_id: str, answer: Approve | Reject | Respond, digest: str | None, via: str
    ) -> Case:
        displayed = digest
        while True:
            open = await self._decidable(who, approval_id, answer)
            displayed = open.row.digest if displayed is None else displayed
            check_displayed(open, who, displayed)
            ruling = rulings.answer_of(
                open,
                who.name,
                answer,
                now=self._client.now(),
                displayed=displayed,
                via=via,
                catalog=self._client.catalog,
            )
            if await self._applied(ruling):
                return showing.case_of(open.after(ruling), who)

    async def _decidable(self, who: Person, approval_id: str, answer: Approve | Reject | Respond | None) -> Open:
        """An approval that a person may decide now."""
        row = await self.in_time(await self._row(approval_id))
        check_addressed(who, row)
        check_pending(row)
        open = Open.of(row)
        check_four_eyes(open, who, answer)
        return open

    async def in_time(self, row: Approval) -> Approval:
        """A row, once deadlines of it that have passed are done: whoever comes after them finds what they made of it.

        Raises:
            ApprovalOver: its run is ending.
        """
        while row.state is ApprovalState.PENDING and (due_at := due_at_of(row)) is not None:
            if due_at > self._client.now():
                break
            if not await self._deadlines.apply([row]):
                raise over(row)
            row = await self._row(row.id)
        return row

    async def _applied(self, ruling: Ruling) -> bool:
        """Apply a ruling. False if it was overtaken: look again."""
        match (await self._store.rule([ruling]))[0]:
            case Ruled.APPLIED:
                return True
            case Ruled.OVER:
                raise over(await self._row(ruling.id))
            case _:
                return False

    async def _reassign(
        self, who: Person, approval_id: str, to: tuple[str, ...], why: str, displayed: str | None
    ) -> Case:
        while True:
            open = await self._decidable(who, approval_id, None)
            check_displayed(open, who, open.row.digest if displayed is None else displayed)
            check_quorum(open.request.quorum, to)
            await self._check_known(to)
            ruling = rulings.reassigned(open, who.name, to, why=why, now=self._client.now())
            if await self._applied(ruling):
                return showing.case_of(open.after(ruling), who)

    async def _check_known(self, to: tuple[str, ...]) -> None:
        """Refuse names that nobody has: what is asked of them would be asked of nobody."""
        now = self._client.now()
        for name in to:
            if not name.startswith(ROLE) and await self._people.roles_since(name, now, frozenset()) is None:
                raise BadOption(f"nobody is known as {name[:120]!r} here: `holdfast people list` shows who is")

    async def _row(self, approval_id: str) -> Approval:
        row = await self._store.approval(approval_id)
        if row is None:
            raise UnknownApproval(f"no approval has the id {approval_id!r} in {self._store.url}")
        return row

    async def _visible(self, who: Person, approval_id: str) -> Open:
        try:
            row = await self._row(approval_id)
            check_addressed(who, row)
            return Open.of(row)
        except (DeskRefused, UnknownApproval) as error:
            await self._refused(who, approval_id, None, error, "")
            raise

    async def matching(self, who: Person, which: InboxFilter) -> AsyncIterator[Open]:
        """What matches, and this person may see. What was altered in the store is left out, and logged."""
        after = _place(which.after)
        while page := await self._store.approvals(_filter_of(who, which, after)):
            for row in page:
                if not addressed(who, row.to):
                    continue
                try:
                    open = Open.of(row)
                except WrongDigest as error:
                    logger.error("%s", error)
                    continue
                if which.tool is None or open.request.action.get("tool") == which.tool:
                    yield open
            after = (page[-1].risk, page[-1].n)

    # -- the audit trail

    def _entry(self, who: Person, action: str, subject: str, run_id: str = "", **detail: Any) -> AuditEntry:
        return AuditEntry(
            at=self._client.now(), actor=who.name, action=action, subject=subject, run_id=run_id,
            detail=codec.pack(codec.canonical(detail)),
        )  # fmt: skip

    async def _note(self, who: Person, action: str, subject: str, **detail: Any) -> None:
        await self._store.audit([self._entry(who, action, subject, **detail)])

    async def _audit(self, who: Person, action: str, row: Approval, **detail: Any) -> None:
        await self._store.audit([self._entry(who, action, row.id, row.run_id, **detail)])

    async def _refused(
        self, who: Person, approval_id: str, answer: Approve | Reject | Respond | None, error: Exception, via: str
    ) -> None:
        await self._store.audit([self.refusal(who, approval_id, answer, error, via)])

    def refusal(
        self, who: Person, approval_id: str, answer: Approve | Reject | Respond | None, error: Exception, via: str
    ) -> AuditEntry:
        """What the audit trail says of an attempt that was refused."""
        tried = "look" if answer is None else answer.kind
        why = f"{type(error).__name__}: {error}"[:_SAID]
        return self._entry(who, "approval.refused", approval_id[:_SAID], tried=tried, why=why, via=via)


def _filter_of(who: Person, which: InboxFilter, after: tuple[int, int] | None) -> ApprovalFilter:
    return ApprovalFilter(
        states=which.states, to=groups_of(who), run_id=which.run_id, root=which.root, agent=which.agent,
        min_risk=which.min_risk, due_before=None if which.due_before is None else from_datetime(which.due_before),
        limit=_PAGE, after=after,
    )  # fmt: skip


def _place(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    risk, _, n = cursor.partition(".")
    if not risk.isdecimal() or not n.isdecimal() or len(cursor) > 40:
        raise BadOption(f"{cursor!r} is no place in an inbox: take it from Desk.cursor(case)")
    return int(risk), int(n)
