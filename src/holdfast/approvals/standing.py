"""Standing approvals: what a person has approved in advance, within limits."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class Standing(BaseModel):
    """Calls of a tool that need not be asked about, within limits. Made by a person who may decide such calls.

    It is applied when a call is asked for, and once more at the deadline if ``on_expire="approve"`` says so. Calls that
    need several people (``quorum``), and those whose requester is its maker, are always asked about.

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
