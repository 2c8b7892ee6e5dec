"""Asking: the part of a body's context by which it asks people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from holdfast.approvals.decision import Approved, Decision, OnExpire
from holdfast.approvals.matter import CallMatter, QuestionMatter, ValueMatter
from holdfast.approvals.petition import STEPS, Petition
from holdfast.approvals.terms import terms_of
from holdfast.clock import Duration
from holdfast.durable.calls import Call
from holdfast.durable.scope import current_scope
from holdfast.errors import BadOption, NotAnswered

T = TypeVar("T")


class Approving:
    """What a context asks of people."""

    async def approve(
        self,
        what: T,
        /,
        *,
        because: str = "",
        to: str | Sequence[str] = "",
        within: Duration | None = None,
        on_expire: OnExpire = "expire",
        quorum: int = 1,
        risk: int = 0,
        confidence: float | None = None,
        provided: Sequence[Call[Any]] = (),
        requester: str = "",
    ) -> Decision[T]:
        """Ask people whether to make a call, or to go on with a value; costs no memory while they think.

        They see the call, the reasoning and the journal so far, and may change arguments within their types. What was
        approved is bound to this run, this call and its final arguments: awaiting the call that comes back does exactly
        that, once.

        Args:
            what: a call of a tool, an agent or a step, not awaited (it is spent); or a value that can be stored.
            because: the reasoning, for whoever decides.
            to: whom to ask: a person (``"ann"``), a role (``"role:adjuster"``), or several, any of whom may decide; by
                default whoever has the role ``reviewer``.
            within: how long they have; by default for ever.
            on_expire: what happens then: ``"expire"``, ``"deny"``, ``"approve"`` (if a standing approval covers it), an
                :class:`Escalate`, or a chain of these.
            quorum: how many different people have to approve; one rejection is enough to reject.
            risk: 0 to 100: the riskiest come first.
            confidence: how sure the agent is, usually 0 to 1; shown with other facts of ``call.given(…)``.
            provided: calls of steps or tools that only look: made now, shown to whoever decides, and made again before
                the approved call is. If they find something else then, it is asked again.
            requester: on whose behalf: this person may not approve it, nor may who started the run.

        Returns:
            ``Approved``, ``Rejected``, ``Responded`` or ``Expired``: match on it.

        Raises:
            BadOption: an option makes no sense.
            CallReused: the call was used already.
            NotStorable: the value or an argument cannot be stored.
            CallRefused: the run is being cancelled: it may not ask any more.

        Example:
            >>> async def body(ctx, claim):
            ...     match await ctx.approve(pay(claim.id, 90.0), because="covered", to="role:adjuster", within="2d"):
            ...         case Approved(value=payment):
            ...             await payment
        """
        scope = current_scope("ctx.approve()")
        terms = terms_of(
            because=because, to=to, within=within, on_expire=on_expire, quorum=quorum, risk=risk, requester=requester,
            confidence=confidence,
        )  # fmt: skip
        _check_provided(provided)
        if not isinstance(what, Call):
            if provided:
                raise BadOption("provided= of a value: preconditions are looked at again when a call is made")
            return await Petition[T](scope, ValueMatter(scope, what), terms).decided()
        matter = CallMatter(scope, what)
        terms = replace(terms, facts={**what.facts, **terms.facts})
        what.spend("put up for approval")
        return await Petition[T](scope, matter, terms, provided, what).decided()

    async def ask(
        self,
        question: str,
        answer: type[T],
        /,
        *,
        because: str = "",
        to: str | Sequence[str] = "",
        within: Duration | None = None,
        on_expire: OnExpire = "expire",
        risk: int = 0,
    ) -> T:
        """Ask people for something that is no approval: a number, a choice, a document.

        Args:
            question: what to ask.
            answer: the type of the answer, which they are held to.
            because: why it is asked.
            to: whom, as :meth:`approve` takes it.
            within: how long they have; by default for ever.
            on_expire: what happens then, as :meth:`approve` takes it; nothing can stand in for an answer.
            risk: 0 to 100: the riskiest come first.

        Raises:
            NotAnswered: nobody did in time, or somebody declined to.
            BadOption: an option makes no sense.
            CallRefused: the run is being cancelled.

        Example:
            >>> async def body(ctx):
            ...     return await ctx.ask("How many units were damaged?", int, to="role:adjuster", within="1d")
        """
        scope = current_scope("ctx.ask()")
        if not isinstance(question, str) or not question.strip():
            raise BadOption(f"ctx.ask({question!r}): write a question")
        terms = terms_of(because=because, to=to, within=within, on_expire=on_expire, risk=risk)
        petition = Petition[T](scope, QuestionMatter(scope, question, answer), terms)
        decision = await petition.decided()
        if isinstance(decision, Approved):
            return decision.value
        said = NotAnswered(petition.key, "NotAnswered", f"{question!r} was not answered: {decision}")
        said.decision, said.seq = decision, petition.answered.seq if petition.answered else None
        raise said


def _check_provided(provided: Sequence[Call[Any]]) -> None:
    for one in provided:
        if not isinstance(one, Call) or one.target.op not in STEPS:
            raise BadOption(f"provided={one!r}: preconditions are calls of steps or tools, not awaited")
