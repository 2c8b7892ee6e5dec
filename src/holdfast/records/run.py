"""Runs: one invocation of an agent, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a run stands; the words of DESIGN §1."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change it any more."""
        return self in ENDED


ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
STOPPED = ENDED | {Status.PAUSED, Status.BLOCKED}  # what goes on neither by itself, nor by time or news


@dataclass(frozen=True, kw_only=True, slots=True)
class Parent:
    """The place of a child in its parent's run."""

    run_id: str
    key: str  # the key of the parent's call
    detached: bool = False  # lives on when the parent ends; is not reached by its cancel
    map: int | None = None  # the map it is an item of, and which item: see ``Item``
    ord: int = 0
    branch: int = 0
    held: bool = False  # waits until its group releases it


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRun:
    """A run to be started."""

    id: str
    agent: str
    version: str
    input: bytes  # packed arguments
    digest: bytes  # fingerprint of the arguments: tells a repeated start from a conflicting one
    root: str  # the id of the tree's first run; its own for a run without a parent
    key: str | None = None  # idempotency key, unique per agent
    priority: int = 0  # higher is claimed first
    timeout: int | None = None  # microseconds from its creation
    parent: Parent | None = None
    tags: tuple[str, ...] = ()
    by: str = ""  # the person who starts it; kept for roots only
    at: int  # creation time


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """What became of a :class:`NewRun`: the run of that id or key, which may have existed before."""

    id: str
    created: bool
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What a run last said of its progress; not part of its journal."""

    done: int
    total: int | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a fork comes from."""

    run_id: str
    seq: int  # entries up to this one are copies of the origin's
    seed: str | None  # what its chance and ids derive from, so that the copied entries replay
    keys: str | None  # what its idempotency keys begin with; None: its own id


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run as its row tells."""

    rid: int  # the row's number: what journal rows refer to
    id: str
    agent: str
    version: str
    key: str | None
    input: bytes
    digest: bytes
    status: Status
    priority: int
    root: str
    parent: Parent | None
    epoch: int  # raised by each claim; every write of an owner carries it
    worker: str | None  # the owner while running
    wakes: int  # raised by whoever has news for the run
    seen: int  # the news its journal holds already
    wake_at: int | None  # when time itself wakes it
    generation: int  # raised by ``continue_as``
    lost: int  # activations lost in a row without a new entry
    created_at: int
    started_at: int | None  # first claim: where its clock starts
    ended_at: int | None
    deadline_at: int | None
    cancel_at: int | None  # when a cancel was asked for
    cancel_reason: str
    result: bytes | None  # packed result, once succeeded
    error: bytes | None  # packed failure, once failed or cancelled; why, while blocked, paused or asked to pause
    progress: Progress | None
    entries: int  # journal entries of this generation
    pause_at: int | None = None  # since when its owner is asked to pause it
    ended_by: int | None = None  # the number of the entry or item that made it fail; None: its body by itself
    origin: Origin | None = None  # if it is a fork
    tags: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether it does nothing, or soon will, until somebody resumes it."""
        return self.status in (Status.BLOCKED, Status.PAUSED) or self.pause_at is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Activation:
    """One stay of a run in memory: who hosted it and which build it ran."""

    epoch: int
    worker: str
    build: str
    at: int
    trace: str | None = None  # its trace context (W3C's ``traceparent``), if it was traced


@dataclass(frozen=True, kw_only=True, slots=True)
class Population:
    """How many runs of a version of an agent have a status."""

    agent: str
    version: str
    status: Status
    count: int
