"""Standing approvals: what a person has approved in advance, within limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_UP, Context, Decimal, InvalidOperation
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from holdfast import codec
from holdfast.approvals.case import Person
from holdfast.approvals.request import Request
from holdfast.approvals.routing import addressed
from holdfast.clock import SECOND, from_datetime
from holdfast.errors import NotStorable
from holdfast.records.approval import Approval
from holdfast.records.document import Document, Put

KIND = "standing"
_SUMS = Context(prec=50, rounding=ROUND_UP, traps=[])  # what no sum can hold is infinite: above any limit, and no error


class Makers(Protocol):
    """Who tells what people may do by now: the makers of standing approvals, and those to whom a case is handed."""

    async def roles_since(self, name: str, at: int, otherwise: frozenset[str]) -> frozenset[str] | None:
        """The roles that somebody has now, who was known at a time and has been since; None: they are not, any more.
        ``otherwise`` if people are known elsewhere.
        """


class Standing(BaseModel):
    """Calls of a tool that need not be asked about, within limits. Made by a person who may decide such calls.

    It is applied when a call is asked for, and once more at the deadline if ``on_expire="approve"`` says so. Calls that
    need several people (``quorum``), and those whose requester is its maker, are always asked about. It is worth what
    its maker may decide: what they could decide when they made it, and can still.

    Attributes:
        id: given by the desk.
        tool: the tool's name.
        agents: only calls of these; empty: of any.
        to: only what is asked of these (such as ``"role:adjuster"``); empty: whatever its maker may decide.
        at_most: the largest value of numeric arguments, by name. An argument that is missing, negative or no number is
            not covered.
        count: how many calls in each period; None: any number.
        total: the largest sum of numeric arguments in each period, by name.
        per: the length of a period in seconds, counted from its making; None: all its life is one.
        expires_at: when it ends.
        why: a note.
        by: who made it; given by the desk, as the rest is.
        roles: of that person, then.
        made_at: when.
        used: calls in the present period.
        spent: sums in the present period, by argument.
        period: which period that is.

    Example:
        >>> small = Standing(tool="pay", at_most={"amount": 100}, total={"amount": 1000}, per=86400)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    tool: str = Field(min_length=1)
    agents: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    at_most: dict[str, Decimal] = {}
    count: int | None = Field(default=None, ge=1)
    total: dict[str, Decimal] = {}
    per: int | None = Field(default=None, ge=1)
    expires_at: datetime | None = None
    why: str = ""
    by: str = ""
    roles: tuple[str, ...] = ()
    made_at: datetime | None = None
    used: int = 0
    spent: dict[str, Decimal] = {}
    period: int = 0

    def pack(self) -> bytes:
        """As the store keeps it."""
        return codec.pack(self.model_dump_json().encode())

    @classmethod
    def read(cls, document: Document) -> Standing:
        """The standing approval that a document holds.

        Raises:
            NotStorable: it is damaged, or was made by a newer version.
        """
        try:
            return cls.model_validate(json.loads(codec.unpack(document.body)))
        except ValueError as error:
            raise NotStorable(f"standing approval {document.id} cannot be read: {error}") from None

    def put(self, revision: int) -> Put:
        """The change that makes a document hold it."""
        expires = None if self.expires_at is None else from_datetime(self.expires_at)
        return Put(kind=KIND, id=self.id, revision=revision, body=self.pack(), expires_at=expires)

    def covers(self, row: Approval, request: Request, own: Sequence[str]) -> bool:
        """Whether it is meant for what is asked, quota aside.

        Args:
            row: what is asked.
            request: its body.
            own: who has started the run, and on whose behalf it asks: what they have made does not count.
        """
        meant = request.kind == "call" and request.action.get("tool") == self.tool and request.quorum == 1
        if not meant or (self.agents and row.agent not in self.agents) or self.by in own:
            return False
        if self.to and not set(self.to) & set(row.to):
            return False
        return addressed(Person(name=self.by, roles=frozenset(self.roles)), row.to)

    async def is_upheld(self, row: Approval, makers: Makers) -> bool:
        """Whether its maker may still decide what is asked: they may have lost the role, or be gone."""
        at = 0 if self.made_at is None else from_datetime(self.made_at)
        roles = await makers.roles_since(self.by, at, frozenset(self.roles))
        return roles is not None and addressed(Person(name=self.by, roles=roles), row.to)

    def used_for(self, request: Request, now: int) -> Standing | None:
        """It, with a call more; None if the call is beyond its limits or its quota."""
        amounts = {name: _amount(request.subject, name) for name in {*self.at_most, *self.total}}
        fresh = self._period_at(now)
        if any(amount is None for amount in amounts.values()) or (
            fresh.count is not None and fresh.used >= fresh.count
        ):
            return None
        known = {name: amount for name, amount in amounts.items() if amount is not None}
        if any(known[name] > most for name, most in self.at_most.items()):
            return None
        spent = {name: _SUMS.add(fresh.spent.get(name, Decimal(0)), known[name]) for name in self.total}
        if any(spent[name] > most for name, most in self.total.items()):
            return None
        return fresh.model_copy(update={"used": fresh.used + 1, "spent": spent})

    def _period_at(self, now: int) -> Standing:
        if self.per is None or self.made_at is None:
            return self
        period = (now - from_datetime(self.made_at)) // (self.per * SECOND)
        return self if period == self.period else self.model_copy(update={"period": period, "used": 0, "spent": {}})


def _amount(arguments: Any, name: str) -> Decimal | None:
    """A numeric argument; None if it is none that a limit could hold: a negative one would give quota back."""
    value = arguments.get(name) if isinstance(arguments, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
