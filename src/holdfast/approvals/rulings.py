"""Rulings: what a person's answer, or a deadline, makes of an approval that is pending: rows in, rulings out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from holdfast import codec
from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.binding import digest_of
from holdfast.approvals.case import DEADLINE, STANDING
from holdfast.approvals.edits import answered, check_types, edited
from holdfast.approvals.request import CastVote, Decided, NextHop, Request, TakenHop
from holdfast.clock import new_id
from holdfast.durable.catalog import Catalog
from holdfast.errors import AlreadyDecided, EditRefused, NotStorable, WrongDigest
from holdfast.records.approval import Approval, ApprovalState, AuditEntry, Ruling


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """An approval that is pending, and what its row holds."""

    row: Approval
    request: Request

    @classmethod
    def of(cls, row: Approval) -> Open:
        """Read a row, and make sure that it is whole.

        Raises:
            WrongDigest: what it holds is not what its digest says: it was altered in the store.
        """
        try:
            request: Request = Request.read(row.body)
            present = digest_of(row.id, row.run_id, row.key, request.action)
        except NotStorable as error:
            raise WrongDigest(f"approval {row.id} cannot be read ({error}): cancel its run, and ask anew") from error
        if present != row.digest:
            raise WrongDigest(
                f"approval {row.id} was altered in the store: its digest is of something else. Cancel its run, and "
                "look at who can write to the database",
                present=present,
            )
        return cls(row=row, request=request)

    def after(self, ruling: Ruling) -> Open:
        """It, once a ruling was applied."""
        return Open(row=after(self.row, ruling), request=Request.read(ruling.body))

    @property
    def due_at(self) -> int | None:
        """When its deadline acts on people; the row's may still be the look at standing approvals."""
        return due_at_of(self.row, self.request)

    def ruling(self, *, at: int, actor: str, action: str, event: str = "", **changes: Any) -> Ruling:
        """A ruling on it; what ``changes`` do not name stays."""
        detail = changes.pop("detail", {})
        request: Request = changes.pop("request", self.request)
        decided: Decided | None = changes.pop("decided", None)
        row = self.row
        detail = detail | {"ruling": new_id(at)}  # two people who say the same at once are two: the first one decides
        known: dict[str, Any] = {"state": row.state, "to": row.to, "due_at": self.due_at, "digest": row.digest}
        audit = AuditEntry(
            at=at, actor=actor, action=action, subject=row.id, run_id=row.run_id,
            detail=codec.pack(codec.canonical(detail)),
        )  # fmt: skip
        return Ruling(
            id=row.id, revision=row.revision, body=request.model_copy(update={"routed": True}).pack(),
            decision=None if decided is None else decided.pack(), at=at, audit=audit, event=event, **(known | changes),
        )  # fmt: skip

    def decided(
        self, decided: Decided, *, actor: str, request: Request | None = None, detail: dict[str, Any]
    ) -> Ruling:
        """The ruling that ends it."""
        return self.ruling(
            at=decided.at, actor=actor, action=f"approval.{decided.state}", event="approval.decided",
            state=decided.state, digest=decided.digest, due_at=None, request=request or self.request, decided=decided,
            detail={"digest": decided.digest, "edited": decided.edited} | detail,
        )  # fmt: skip


def due_at_of(row: Approval, request: Request | None = None) -> int | None:
    """When the deadline of an approval acts on people, whatever its row waits for first.

    Of a row that cannot be read, it is what the row says.
    """
    if row.due_at is None or row.due_at > row.created_at:
        return row.due_at  # nothing else is due before
    try:
        request = request or Request.read(row.body)
    except NotStorable:
        return row.due_at
    assert request is not None, "read above"
    if request.routed:
        return row.due_at
    return None if request.within is None else row.created_at + request.within


def after(row: Approval, ruling: Ruling) -> Approval:
    """The row once a ruling was applied."""
    return replace(
        row, state=ruling.state, revision=row.revision + 1, to=ruling.to, due_at=ruling.due_at, digest=ruling.digest,
        body=ruling.body, decision=ruling.decision,
        decided_at=None if ruling.state is ApprovalState.PENDING else ruling.at,
    )  # fmt: skip


def answer_of(
    open: Open,
    who: str,
    answer: Approve | Reject | Respond,
    *,
    now: int,
    displayed: str,
    via: str = "",
    catalog: Catalog | None = None,
) -> Ruling:
    """What a person's answer makes of it; edits are held to the code of ``catalog``, as far as it has it.

    Raises:
        EditRefused: an edit does not fit.
        AlreadyDecided: the same person has approved it before, and others are waited for.
    """
    told = {"displayed": displayed, "via": via}
    match answer:
        case Approve():
            action = edited(open.request, answer)
            if catalog is not None and action is not open.request.action:
                check_types(catalog, action)
            return _vote(open, who, action, now=now, told=told)
        case Respond() if open.request.kind == "question":
            return _vote(open, who, answered(open.request, answer), now=now, told=told)
        case Reject():
            said: dict[str, Any] = {"state": ApprovalState.REJECTED, "reason": answer.reason}
        case Respond():
            said = {"state": ApprovalState.RESPONDED, "text": answer.text}
    decided = Decided(by=(who,), at=now, digest=open.row.digest, displayed=displayed, final=open.request.action, **said)
    return open.decided(
        decided, actor=who, detail=told | {"reason": answer.reason if isinstance(answer, Reject) else ""}
    )


def _vote(open: Open, who: str, action: dict[str, Any], *, now: int, told: dict[str, Any]) -> Ruling:
    request = open.request
    digest = open.row.digest if action is request.action else _bound(open, action)
    earlier = [vote for vote in request.votes if vote.digest == digest]
    if any(vote.by == who for vote in earlier):
        raise AlreadyDecided(
            f"{who} has approved {open.row.id} already; it takes {request.quorum} people", by=(who,), state="approved"
        )
    votes = (*earlier, CastVote(by=who, at=now, digest=digest))
    asked_for = request.original or request.action
    is_edited = request.kind != "question" and action is not asked_for and digest != _bound(open, asked_for)
    changed = request.model_copy(
        update={"action": action, "original": asked_for if is_edited else None, "votes": votes}
    )
    if len(votes) < request.quorum:
        return open.ruling(
            at=now, actor=who, action="approval.voted", event="approval.voted", digest=digest, request=changed,
            detail=told | {"digest": digest, "votes": len(votes), "quorum": request.quorum},
        )  # fmt: skip
    decided = Decided(
        state=ApprovalState.APPROVED, by=tuple(vote.by for vote in votes), at=now, digest=digest,
        displayed=told["displayed"], edited=is_edited, final=action,
    )  # fmt: skip
    return _fitting(open, decided, actor=who, request=changed, detail=told)


def _fitting(open: Open, decided: Decided, *, actor: str, request: Request, detail: dict[str, Any]) -> Ruling:
    try:
        return open.decided(decided, actor=actor, request=request, detail=detail)
    except NotStorable as error:  # too large
        raise EditRefused(f"the edited action cannot be stored: {error}") from None


def _bound(open: Open, action: dict[str, Any]) -> str:
    try:
        return digest_of(open.row.id, open.row.run_id, open.row.key, action)
    except NotStorable as error:
        raise EditRefused(str(error)) from None


def standing_approves(open: Open, standing_id: str, maker: str, *, now: int) -> Ruling:
    """A standing approval approves it."""
    decided = Decided(
        state=ApprovalState.APPROVED, by=(f"{STANDING}{standing_id}",), at=now, digest=open.row.digest,
        final=open.request.action, edited=open.request.original is not None,
    )  # fmt: skip
    return open.decided(decided, actor=f"{STANDING}{standing_id}", detail={"made_by": maker})


def overdue(open: Open, *, now: int) -> Ruling:
    """What a deadline that has passed makes of it, if no standing approval covers it."""
    request, row = open.request, open.row
    if not request.routed:
        return open.ruling(
            at=now, actor=DEADLINE, action="approval.routed", detail={"to": list(row.to), "digest": row.digest}
        )
    first = request.on_expire[0]
    if isinstance(first, NextHop):
        return _escalated(open, first, now)
    state = ApprovalState.REJECTED if first == "deny" else ApprovalState.EXPIRED
    reason = "nobody decided in time" if first == "deny" else ""
    decided = Decided(state=state, by=(DEADLINE,), at=now, digest=row.digest, final=request.action, reason=reason)
    return open.decided(decided, actor=DEADLINE, detail={})


def _escalated(open: Open, hop: NextHop, now: int) -> Ruling:
    request, row = open.request, open.row
    taken = TakenHop(at=now, by=DEADLINE, before=row.to, to=hop.to, why="nobody decided in time")
    changed = request.model_copy(update={"hops": (*request.hops, taken), "on_expire": request.on_expire[1:]})
    return open.ruling(
        at=now, actor=DEADLINE, action="approval.escalated", event="approval.escalated", to=hop.to,
        due_at=now + hop.within, request=changed, detail={"before": list(row.to), "to": list(hop.to)},
    )  # fmt: skip


def reassigned(open: Open, who: str, to: tuple[str, ...], *, why: str, now: int) -> Ruling:
    """A person hands it to others."""
    taken = TakenHop(at=now, by=who, before=open.row.to, to=to, why=why)
    changed = open.request.model_copy(update={"hops": (*open.request.hops, taken)})
    return open.ruling(
        at=now, actor=who, action="approval.reassigned", event="approval.reassigned", to=to, request=changed,
        detail={"before": list(open.row.to), "to": list(to), "why": why},
    )  # fmt: skip


def expired_unread(row: Approval, decided: Decided, problem: str) -> Ruling:
    """The end of an approval of which nothing else can be made, such as one whose row was altered."""
    audit = AuditEntry(
        at=decided.at, actor=DEADLINE, action="approval.expired", subject=row.id, run_id=row.run_id,
        detail=codec.pack(codec.canonical({"problem": problem})),
    )  # fmt: skip
    return Ruling(
        id=row.id, revision=row.revision, state=decided.state, to=row.to, due_at=None, digest=row.digest,
        body=row.body, decision=decided.pack(), at=decided.at, audit=audit, event="approval.decided",
    )  # fmt: skip
