"""Deltas: all that a run writes between two drains. One applies whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from holdfast.records.approval import NewApproval
from holdfast.records.files import FileInfo
from holdfast.records.journal import Entry, Group, Item
from holdfast.records.run import NewRun, Progress, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPromise:
    """A promise that a run declares."""

    id: str
    key: str
    schema: bytes  # JSON Schema that ``resolve`` checks


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspend:
    """Leave memory, provided that nobody has news: a compare-and-set on ``Run.wakes``."""

    wakes: int
    wake_at: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    """End."""

    status: Status
    value: bytes  # packed result or failure
    at: int
    because: int | None = None  # see ``Run.ended_by``


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Stop until a person resumes it: the code does not fit the journal."""

    why: bytes  # packed


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Stop until a person resumes it, though its code fits its journal.

    A run that was asked to cancel meanwhile, or whose pause was taken back, is queued instead.
    """

    why: bytes | None = None  # packed; None: as somebody asked for, who has said why (``Run.pause_at``)


@dataclass(frozen=True, kw_only=True, slots=True)
class Renew:
    """Begin again under the same id with a fresh journal (``continue_as``)."""

    agent: str
    version: str
    input: bytes
    digest: bytes
    carry: tuple[Entry, ...]  # promises resolved but not yet awaited: the first entries of the new journal


@dataclass(frozen=True, kw_only=True, slots=True)
class HandBack:
    """Give the run back to the queue (a worker that stops)."""


End = Suspend | Finish | Block | Pause | Renew | HandBack


class Delta(NamedTuple):
    """What the owner of a run writes, fenced by ``(run, epoch)``; applied in the order of the fields."""

    rid: int
    epoch: int
    entries: tuple[Entry, ...] = ()
    items: tuple[Item, ...] = ()
    files: tuple[FileInfo, ...] = ()  # of the workspace: what has changed, under the numbers of entries and items above
    promises: tuple[NewPromise, ...] = ()
    approvals: tuple[NewApproval, ...] = ()
    withdrawn: tuple[str, ...] = ()  # ids of approvals that the run no longer waits for
    groups: tuple[Group, ...] = ()
    children: tuple[NewRun, ...] = ()
    cancels: tuple[str, ...] = ()  # ids of children to cancel
    cancel_groups: tuple[int, ...] = ()  # maps whose children to cancel
    seen: int | None = None  # news up to this wake is in ``entries`` and ``items`` now
    progress: Progress | None = None
    trace: str | None = None  # of the activation, to be kept with it: see ``Activation.trace``
    end: End | None = None


class Verdict(Enum):
    """What became of a delta."""

    APPLIED = auto()
    REFUSED = auto()  # the run has another owner: nothing was written
    AWAKE = auto()  # applied, but not suspended: there is news
