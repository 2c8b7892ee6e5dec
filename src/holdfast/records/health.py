"""How a store is, for whoever wants to know before something breaks: findings, and what there is in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.records.run import Population
from holdfast.records.worker import Hosted, Worker


class Severity(StrEnum):
    """How bad a finding is, from fine to broken."""

    OK = "ok"
    NOTE = "note"  # good to know
    WARNING = "warning"  # works, and may not for long; or waits for a person
    PROBLEM = "problem"  # does not work


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        severity: how bad it is.
        about: what was looked at, one word.
        what: how it is.
        do: what to do about it, an exact command where there is one; empty if nothing.
    """

    severity: Severity
    about: str
    what: str
    do: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """How many runs say that a worker runs them."""

    worker: str
    runs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """Runs of a version that a worker could claim: queued, or due."""

    hosted: Hosted
    runs: int
    since: int  # the first of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A run that does not move, and since when it was last ready to."""

    id: str
    agent: str
    since: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What there is in a store, as of one moment."""

    now: int  # the database's time
    newest: int  # the newest time that anything in it bears; 0 if there is nothing
    workers: tuple[Worker, ...]  # those too whose lease has ended
    owned: tuple[Owned, ...]
    ready: tuple[Ready, ...]
    runs: tuple[Population, ...]
    blocked: tuple[str, ...]  # ids of some
    paused: tuple[str, ...]
    waiting: tuple[Standing, ...]  # those without a timer that have waited longest


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a look at a store found: how the store is, and what is in it unless that could not be read."""

    findings: tuple[Finding, ...]
    contents: Contents | None
