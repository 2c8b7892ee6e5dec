"""Permits: what a person may not do to an approval, and why; each refusal says what happened and to which."""

from __future__ import annotations

from holdfast.approvals import showing
from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import Person
from holdfast.approvals.request import Decided
from holdfast.approvals.routing import addressed, spoken
from holdfast.approvals.rulings import Open
from holdfast.clock import to_datetime
from holdfast.errors import AlreadyDecided, ApprovalOver, FourEyes, NotAllowed, WrongDigest
from holdfast.records.approval import Approval, ApprovalState


def check_addressed(who: Person, row: Approval) -> None:
    """Refuse whoever is not asked.

    Raises:
        NotAllowed: the person is not.
    """
    if not addressed(who, row.to):
        raise NotAllowed(f"approval {row.id} is asked of {spoken(row.to)}, not of {who.name}")


def check_pending(row: Approval) -> None:
    """Refuse to decide again.

    Raises:
        AlreadyDecided, ApprovalOver: it is pending no more.
    """
    if row.state is ApprovalState.PENDING:
        return
    if row.state is ApprovalState.WITHDRAWN:
        raise ApprovalOver(
            f"run {row.run_id} no longer waits for approval {row.id}: it ended, was cancelled, or went on without it",
            state=row.state,
        )
    decided: Decided = Decided.read(row.decision or b"")
    by, at = ", ".join(decided.by), to_datetime(decided.at)
    if row.state is ApprovalState.EXPIRED:
        raise ApprovalOver(f"approval {row.id} expired at {at:%Y-%m-%d %H:%M:%S} UTC", state=row.state)
    raise AlreadyDecided(
        f"approval {row.id} was {row.state} by {by} at {at:%Y-%m-%d %H:%M:%S} UTC", state=row.state, by=decided.by,
        at=decided.at,
    )  # fmt: skip


def check_four_eyes(open: Open, who: Person, answer: Approve | Reject | Respond | None) -> None:
    """Refuse that somebody approves what they have asked for.

    Raises:
        FourEyes: they try to, or to choose who does.
    """
    why = showing.own(open, who)
    if why and (answer is None or isinstance(answer, Approve)):
        raise FourEyes(f"{who.name} may not approve {open.row.id}: {why}")


def over(row: Approval) -> ApprovalOver:
    """Why nothing can be decided: the run is ending."""
    return ApprovalOver(f"run {row.run_id}, which asks for approval {row.id}, was cancelled or has ended", state="over")


def check_displayed(open: Open, who: Person, displayed: str) -> None:
    """Refuse a decision of something else.

    Raises:
        WrongDigest: that is not what was displayed.
    """
    if displayed != open.row.digest:
        raise WrongDigest(
            f"approval {open.row.id} is another than what was displayed to {who.name}: look at it again",
            present=open.row.digest,
        )
