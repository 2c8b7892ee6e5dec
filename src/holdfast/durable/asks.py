"""What a body asks of the outside: the commands that the pure core hands to the activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from holdfast.durable.calls import Call
from holdfast.durable.scope import Scope
from holdfast.records.approval import NewApproval
from holdfast.records.journal import Entry


class ItemRef(NamedTuple):
    """Which item of which map: its outcome is an item's row, not a journal entry."""

    map: int
    ord: int
    branch: int
    within: int | None


class Effect(NamedTuple):
    """Run a step or a tool. A named tuple: one is made for every step, and a frozen dataclass takes 1 µs more."""

    key: str
    scope: Scope  # in which it was asked for
    branch: int | None
    call: Call[Any]
    fingerprint: bytes
    note: bytes
    failures: Sequence[Entry] = ()  # its failed attempts so far
    begun: bool = False  # at_most_once: its intent is recorded, so it may have happened
    item: ItemRef | None = None

    @property
    def shown(self) -> str:
        """What it is, in words."""
        return repr(self.call)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chunk:
    """Run a step for each of several items of a map, and record them together."""

    key: str
    effects: Sequence[Effect]
    concurrency: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Child:
    """Start a child run."""

    key: str
    scope: Scope
    branch: int | None
    call: Call[Any]
    arguments: bytes
    fingerprint: bytes
    detached: bool = False
    item: ItemRef | None = None
    limit: int = 0  # of its group: later items wait

    @property
    def shown(self) -> str:
        """What it is, in words."""
        return repr(self.call)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Approval:
    """Ask people for a decision, or an answer."""

    key: str
    scope: Scope
    branch: int | None
    asked: NewApproval  # but for its times
    due_in: int | None  # microseconds from when it is asked
    fingerprint: bytes
    shown: str  # what it is, in words


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Withdraw:
    """Nobody waits any more for what people were asked under a key."""

    key: str
    branch: int | None
    id: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Declare:
    """Declare a promise."""

    key: str
    branch: int | None
    name: str
    schema: bytes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SetGroup:
    """Begin the group of a map over an agent, or say that it has all its members."""

    key: str
    branch: int | None
    map: int
    limit: int
    every: bool
    first_failure: bool
    total: int | None = None  # once the group has all its members


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mark:
    """Remember what ``ctx.changed`` answered."""

    key: str
    branch: int | None
    value: bytes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CancelChild:
    """Cancel a child that nobody waits for any more."""

    key: str  # of the child's call
    branch: int | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CancelGroup:
    """Cancel the children of a map that has failed or was left."""

    key: str
    map: int
    branch: int | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Abandon:
    """Stop an effect whose result nobody waits for any more."""

    key: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BranchEnded:
    """A branch of a map returned or raised: its outcome is to be recorded."""

    item: ItemRef
    ok: bool
    value: bytes


Ask = (
    Effect | Chunk | Child | Approval | Withdraw | Declare | SetGroup | Mark | CancelChild | CancelGroup | Abandon
    | BranchEnded
)  # fmt: skip
Strict = Effect | Child | Approval
"""What may be guarded, or always is."""


@dataclass(slots=True)
class Blocked:
    """Why the code does not fit the journal: what a person needs in order to mend it."""

    key: str
    recorded: str
    asked: str
    advice: str = field(default="Put the code back, or say ctx.changed(…) where it is meant; then resume the run.")

    @property
    def message(self) -> str:
        return f"at {self.key}: the journal has {self.recorded}; the code now asks for {self.asked}. {self.advice}"
