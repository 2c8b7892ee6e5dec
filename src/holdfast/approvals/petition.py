"""Petitions: a matter put to people until they have decided it, and what was approved released when it still holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from holdfast import codec
from holdfast.approvals.approved import ApprovedCall, ReleasedCall
from holdfast.approvals.binding import digest_of
from holdfast.approvals.decision import Approved, Decision, Expired, Rejected, Responded
from holdfast.approvals.matter import CallMatter, Matter, QuestionMatter, ValueMatter, action_of
from holdfast.approvals.request import Decided, Request, StatedFact
from holdfast.approvals.routing import spoken
from holdfast.approvals.terms import Terms
from holdfast.clock import to_datetime
from holdfast.durable import asks
from holdfast.durable.calls import Call
from holdfast.durable.scope import Scope, current_scope
from holdfast.errors import NotApproved, NotStorable
from holdfast.records.approval import ApprovalState, NewApproval
from holdfast.records.journal import Entry, Kind, Op

T = TypeVar("T")


class Petition(Generic[T]):
    """Something that is put to people, again if need be.

    Args:
        scope: in which it is asked.
        matter: what is put to them.
        terms: to whom, for how long.
        provided: declared preconditions: looked at when it is asked, and when it is executed.

    Attributes:
        answered: the entry of the last decision.
    """

    def __init__(
        self,
        scope: Scope,
        matter: Matter,
        terms: Terms,
        provided: Sequence[Call[Any]] = (),
        call: Call[Any] | None = None,
    ) -> None:
        self.answered: Entry | None = None
        self.key = matter.key
        self._scope = scope
        self._matter = matter
        self._terms = terms
        self._provided = [(one.place(scope), one) for one in provided]
        self._call = call
        self._looks = 0
        self._rounds = 0
        self._facts: list[StatedFact] = []
        self._approved_under = ""  # the key of the decision

    async def decided(self, problem: str = "") -> Decision[T]:
        """Ask, and again as long as what is approved does not fit the code's types.

        Raises:
            NotApproved: the decision is not one of this matter: the store was tampered with.
            CallRefused: the run is being cancelled.
        """
        if not self._rounds:
            self._facts = await self._look()
        while True:
            told, entry, key = await self._ask(problem)
            if told.state is not ApprovalState.APPROVED:
                return _refusal(told)
            try:
                value = self._value(told, entry, key)
            except (NotStorable, LookupError) as error:
                problem = f"what {', '.join(told.by)} approved does not fit: {error}"
                continue
            return Approved(value, told.edited, ", ".join(told.by))

    async def released(self, call: ApprovedCall[Any]) -> Call[Any]:
        """The call to make instead of an approved one, once it is certain that it is still approved.

        Raises:
            NotApproved: its arguments are not those that were approved; or its preconditions are others now, and it was
                not approved again.
        """
        while True:
            if self._was_made_before_the_fork(call):
                return _release(call, call.packed_arguments())
            facts = await self._look()
            packed = self._checked(call)
            stale = self._stale(call, facts)
            if not stale:
                return _release(call, packed)
            self._facts = facts
            self._matter = CallMatter(self._scope, call)
            decision = await self.decided(stale)
            if not isinstance(decision, Approved):
                raise self._not_approved(f"it was asked about again, since {stale}: {decision}", decision)
            again: Any = decision.value
            call = again
            call.spend("awaited")

    # -- asking

    async def _ask(self, problem: str) -> tuple[Decided, Entry, str]:
        self._rounds += 1
        key = self.key if self._rounds == 1 else f"{self.key}~{self._rounds}"
        entry = self.answered = await self._scope.core.requests.decided(self._scope, self._asked(key, problem))
        try:
            told = Decided.read(entry.value)
        except NotStorable as error:
            raise self._not_approved(f"the decision cannot be read ({error})") from error
        if not self._is_copied(entry) and told.digest != self._digest(key, told.final or self._matter.action):
            raise self._not_approved("the decision is of something else: it is not bound to this run and action")
        return told, entry, key

    def _asked(self, key: str, problem: str) -> asks.Approval:
        core, matter, terms = self._scope.core, self._matter, self._terms
        may_stand = "tool" in matter.action and terms.quorum == 1
        request = Request(
            kind=matter.kind, action=matter.action, schema=matter.schema, because=terms.because, facts=terms.facts,
            provided=tuple(self._facts), quorum=terms.quorum, requester=terms.requester, within=terms.within,
            on_expire=terms.on_expire, routed=not may_stand, problem=problem,
        )  # fmt: skip
        asked = NewApproval(
            id=core.approval_id(key), key=key, to=terms.to, risk=terms.risk, due_at=None,
            digest=self._digest(key, matter.action), body=request.pack(), at=0,
        )  # fmt: skip
        return asks.Approval(
            key=key, scope=self._scope, branch=self._scope.branch, asked=asked, due_in=0 if may_stand else terms.within,
            fingerprint=matter.fingerprint, shown=f"{matter.shown}, of {spoken(terms.to)}",
        )  # fmt: skip

    def _digest(self, key: str, action: Any) -> str:
        core = self._scope.core
        return digest_of(core.approval_id(key), core.run_id, key, action)

    # -- what was decided

    def _value(self, told: Decided, entry: Entry, key: str) -> Any:
        matter = self._matter
        if isinstance(matter, ValueMatter):
            return matter.read(self._scope, told.final)
        if isinstance(matter, QuestionMatter):
            return matter.read(told.final)
        return self._approved_call(told.final["arguments"], key, copied=self._is_copied(entry))

    def _approved_call(self, arguments: Any, key: str, *, copied: bool) -> ApprovedCall[Any]:
        call, place = self._call, self._scope.core.place
        assert call is not None, "a matter that is a call has one"
        local = place.local(codec.canonical(arguments))
        args, kwargs = codec.unpack_arguments(call.target.fn, local, skip=call.target.injected)
        approved = call.another(ApprovedCall)
        approved.args, approved.kwargs, approved.petition, approved.copied = args, kwargs, self, copied
        self._approved_under = key
        try:
            approved.bound = self._digest_of(approved, approved.packed_arguments())
        except NotStorable:
            approved.close()
            raise
        return approved

    def _digest_of(self, call: Call[Any], packed: bytes) -> str:
        return self._digest(self._approved_under, action_of(call, self._scope.core.place.portable(packed)))

    def _is_copied(self, entry: Entry) -> bool:
        return entry.seq <= self._scope.core.identity.copied

    # -- before it is executed

    def _was_made_before_the_fork(self, call: Call[Any]) -> bool:
        """Whether the origin of this fork has made it: its recorded outcome is given, nothing is executed."""
        core = self._scope.core
        return any(
            entry.key == call.key and entry.kind is Kind.OUTCOME and entry.seq <= core.identity.copied
            for entry in (core.history.entries if core.identity.copied else ())
        )

    def _checked(self, call: ApprovedCall[Any]) -> bytes:
        """Its arguments, if they still are those that were approved."""
        if current_scope(f"{call!r} was awaited") is not self._scope:
            raise self._not_approved(f"{call!r} was approved in another branch: await it where it was asked for")
        packed = call.packed_arguments()
        if self._digest_of(call, packed) != call.bound:
            raise self._not_approved(
                f"{call!r} is not what was approved: its arguments were changed since. Nothing was executed; make a "
                "new call and ask for it"
            )
        return packed

    async def _look(self) -> list[StatedFact]:
        """The declared preconditions as they are now: each look is a step of its own."""
        self._looks += 1
        return [await self._fact(key, call) for key, call in self._provided]

    async def _fact(self, key: str, call: Call[Any]) -> StatedFact:
        what = repr(call)
        looked = call
        if self._looks > 1:
            looked = call.another(Call)
            looked.key = f"{key}~{self._looks}"
        value = await looked
        data = self._scope.core.place.shown(call.shape.encode(value))
        return StatedFact(what=what, value=json.loads(data))

    def _stale(self, call: ApprovedCall[Any], facts: list[StatedFact]) -> str:
        """Why it has to be asked again; empty if it need not."""
        if call.copied:
            return "this run is a fork: its origin's approvals are not its own"
        for before, now in zip(self._facts, facts, strict=True):
            if codec.canonical(before.value) != codec.canonical(now.value):
                return f"{now.what} was {_short(before.value)} when it was asked, and is {_short(now.value)} now"
        return ""

    def _not_approved(self, message: str, decision: object = None) -> NotApproved:
        error = NotApproved(self.key, "NotApproved", message)
        error.decision, error.seq = decision, self.answered.seq if self.answered else None
        return error


def _release(call: ApprovedCall[Any], packed: bytes) -> ReleasedCall[Any]:
    released = call.another(ReleasedCall)
    released.packed = packed
    return released


def _refusal(told: Decided) -> Rejected | Responded | Expired:
    by = ", ".join(told.by)
    match told.state:
        case ApprovalState.REJECTED:
            return Rejected(told.reason, by)
        case ApprovalState.RESPONDED:
            return Responded(told.text, by)
        case _:
            return Expired(to_datetime(told.at))


def _short(value: Any) -> str:
    text = codec.canonical(value).decode()
    return text if len(text) <= 100 else f"{text[:99]}…"


STEPS = (Op.STEP, Op.TOOL, Op.MODEL)
"""What can be a precondition."""
