"""Decisions, as the body of a run sees them; and what happens when nobody decides in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

from typing_extensions import TypeAliasType

from holdfast.clock import Duration

T = TypeVar("T")


@dataclass(frozen=True)
class Approved(Generic[T]):
    """It was approved.

    Attributes:
        value: what was approved, edits included. Of a call it is a call: await it, to do exactly that, once.
        edited: whether it is another than the one that was asked for.
        by: who approved, separated by commas: people, or ``standing:<id>`` for a standing approval.
    """

    value: T
    edited: bool
    by: str


@dataclass(frozen=True)
class Rejected:
    """It was rejected. ``by`` is ``"deadline"`` if nobody decided and ``on_expire="deny"`` says so."""

    reason: str
    by: str


@dataclass(frozen=True)
class Responded:
    """Neither: a person has answered with a text, such as a question or a hint, for the agent to go on with."""

    text: str
    by: str


@dataclass(frozen=True)
class Expired:
    """Nobody decided in time."""

    at: datetime


Decision = TypeAliasType("Decision", Approved[T] | Rejected | Responded | Expired, type_params=(T,))
"""What ``ctx.approve`` returns: match on it."""


@dataclass(frozen=True)
class Escalate:
    """When a deadline passes, ask others instead, who have so long. For ``on_expire=`` of ``ctx.approve``.

    Args:
        to: whom: ``"role:lead"``, ``"ann"``, or several of these.
        within: how long they have, from then on.

    Example:
        >>> async def body(ctx):
        ...     chain = [Escalate("role:lead", within="1d"), Escalate("ann", within="4h"), "deny"]
        ...     return await ctx.approve("a plan", to="role:adjuster", within="2d", on_expire=chain)
    """

    to: str | Sequence[str]
    within: Duration


Last: TypeAlias = Literal["expire", "deny", "approve"]
"""How a deadline ends what was asked: ``"expire"`` (``Expired``), ``"deny"`` (``Rejected``), or ``"approve"``:
approved if a standing approval covers it, expired otherwise.
"""

OnExpire: TypeAlias = Last | Escalate | Sequence[Escalate | Last]
"""One of these, or a chain: escalations in turn, and how it ends after the last (``"expire"`` if that is not said)."""
