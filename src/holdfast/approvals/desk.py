"""The desk: what a person may see and do. The command line, the server and the rig all go through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import Audited, Case, CaseContext, InboxFilter, Outcome, Person
from holdfast.approvals.standing import Standing

if TYPE_CHECKING:
    from holdfast.durable.client import Client

EVERYTHING_PENDING = InboxFilter()


class Desk:
    """The desk of a store. Get one with ``client.inbox``.

    Every method takes the person who asks, authenticated by whoever lets them in. What is refused changes nothing, and
    is audited.

    Raises:
        UnknownApproval: no approval has this id.
        NotAllowed: it is not this person's to see or decide: another's, another role's, or their own request.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def inbox(self, who: Person, which: InboxFilter = EVERYTHING_PENDING) -> list[Case]:
        """The cases that this person may see: the riskiest first, of these the oldest first.

        Example:
            >>> async def main(client):
            ...     return await client.inbox.inbox(Person(name="ann", roles=frozenset({"adjuster"})))
        """
        raise NotImplementedError

    async def case(self, who: Person, approval_id: str, *, shown: bool = True) -> Case:
        """One case. That it was shown, and what, is audited unless ``shown`` is false."""
        raise NotImplementedError

    async def context(self, who: Person, approval_id: str, *, entries: int = 50) -> CaseContext:
        """What surrounds a case: the run's recent journal, its files, and what else waits.

        Args:
            who: who looks.
            approval_id: the case.
            entries: how many entries of the journal; large values in them are cut.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    async def decide_all(
        self, who: Person, which: InboxFilter | Sequence[str], answer: Approve | Reject | Respond, *, via: str = ""
    ) -> list[Outcome]:
        """Decide many: all that match (``limit`` does not count), or those of ids. Each is recorded singly."""
        raise NotImplementedError

    async def reassign(self, who: Person, approval_id: str, to: str | Sequence[str], *, why: str = "") -> Case:
        """Hand a case to others: its deadline stays, votes too.

        Raises:
            AlreadyDecided, ApprovalOver: as :meth:`decide`.
        """
        raise NotImplementedError

    async def grant(self, who: Person, standing: Standing) -> Standing:
        """Make a standing approval; returns it with its id.

        Raises:
            NotAllowed: the person could not decide such calls one by one.
        """
        raise NotImplementedError

    async def revoke(self, who: Person, standing_id: str) -> None:
        """End a standing approval now; its maker and admins may.

        Raises:
            NotFound: there is none of this id.
        """
        raise NotImplementedError

    async def standing(self, who: Person) -> list[Standing]:
        """The standing approvals that this person has made; an admin sees all."""
        raise NotImplementedError

    async def why(self, who: Person, approval_id: str) -> list[Audited]:
        """The audit trail of a case: who was asked and shown what, who decided, and who tried."""
        raise NotImplementedError

    @staticmethod
    def cursor(case: Case) -> str:
        """Where the page after a case begins: ``InboxFilter(after=…)``."""
        raise NotImplementedError
