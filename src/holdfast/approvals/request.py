"""Requests: what the row of an approval holds as JSON, and what the run is told in the end."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from holdfast import codec
from holdfast.errors import NotStorable
from holdfast.records.approval import ApprovalState

Kind = Literal["call", "value", "question"]


class _Packed(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="allow")  # what a newer version adds is kept

    def pack(self) -> bytes:
        """As the store keeps it."""
        return codec.pack(codec.canonical(self.model_dump(by_alias=True)))

    @classmethod
    def read(cls, data: bytes) -> Any:
        """What :meth:`pack` made.

        Raises:
            NotStorable: it is damaged, or was made by a newer version.
        """
        try:
            return cls.model_validate(json.loads(codec.unpack(data)))
        except (ValueError, ValidationError, RecursionError) as error:
            said = "; ".join(str(one["loc"]) for one in error.errors()) if isinstance(error, ValidationError) else error
            raise NotStorable(f"a stored {cls.__name__.lower()} cannot be read: {said}") from None


class StatedFact(_Packed):
    """A declared precondition, and what it was."""

    what: str
    value: Any


class CastVote(_Packed):
    """An approval of one person; the digest says of what."""

    by: str
    at: int
    digest: str


class TakenHop(_Packed):
    """It went to somebody else."""

    at: int
    by: str
    before: tuple[str, ...]
    to: tuple[str, ...]
    why: str = ""


class NextHop(_Packed):
    """Whom it goes to at the deadline, and how long they have (microseconds)."""

    to: tuple[str, ...]
    within: int


Ends = Literal["expire", "deny", "approve"]


class Request(_Packed):
    """The body of an approval's row.

    Attributes:
        routed: whether standing approvals have been looked at: until then its deadline is that look.
        within: how long those who are asked first have, from when it was asked; None: for ever.
        original: the action as the run asked for it, once it has been edited.
    """

    kind: Kind
    action: dict[str, Any]
    original: dict[str, Any] | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    because: str = ""
    facts: dict[str, Any] = {}
    provided: tuple[StatedFact, ...] = ()
    quorum: int = 1
    requester: str = ""
    within: int | None = None
    on_expire: tuple[NextHop | Ends, ...] = ("expire",)
    routed: bool = True
    hops: tuple[TakenHop, ...] = ()
    votes: tuple[CastVote, ...] = ()
    problem: str = ""

    @property
    def subject(self) -> Any:
        """What edits change and the schema describes: the arguments, the value, or the answer."""
        return self.action.get(SUBJECTS[self.kind])


SUBJECTS: dict[Kind, str] = {"call": "arguments", "value": "value", "question": "answer"}


class Decided(_Packed):
    """What the run is told.

    Attributes:
        digest: of ``final``.
        displayed: of what was shown to the last of those who decided.
    """

    state: ApprovalState
    by: tuple[str, ...] = ()
    at: int
    digest: str
    displayed: str = ""
    edited: bool = False
    final: dict[str, Any] = {}
    reason: str = ""
    text: str = ""
