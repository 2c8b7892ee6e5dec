"""Forks of runs, and rules for how long runs are kept."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.records.run import ENDED, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """Another outcome for the entry at which a run is forked."""

    ok: bool
    value: bytes  # packed value or failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Fork:
    """A run to be made from the beginning of another."""

    id: str
    seq: int  # up to which entry and item the journal is copied
    version: str
    at: int
    key: str | None = None
    keep_keys: bool = False  # whether its effects have the idempotency keys of the original's
    edit: Edit | None = None  # of the outcome with the number ``seq``
    tags: tuple[str, ...] = ()
    by: str = ""  # who forks; kept beside who started the original's tree


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionRule:
    """Which runs that have ended go: those beyond any of the limits given.

    Attributes:
        agent: which agent's; every agent's by default.
        statuses: in which of these they ended.
        age: microseconds since their end after which they go; None: no limit.
        count: how many of each agent and status stay, the newest; None: no limit.
    """

    agent: str | None = None
    statuses: tuple[Status, ...] = tuple(sorted(ENDED))
    age: int | None = None
    count: int | None = None
