"""Approvals and questions: what a run has asked of people, and what they have said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ApprovalState(StrEnum):
    """Where what was asked stands. All but PENDING are final."""

    PENDING = "pending"
    APPROVED = "approved"  # of a question: answered
    REJECTED = "rejected"
    RESPONDED = "responded"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # the run no longer waits for it: it was cancelled, ended, or went on without


@dataclass(frozen=True, kw_only=True, slots=True)
class NewApproval:
    """What a run asks of people. Its outcome comes as news (``Op.APPROVAL``) under ``key``."""

    id: str
    key: str  # of the journal entries
    to: tuple[str, ...]  # who is asked: names of people, and ``role:…``; empty: whoever may decide anything at all
    risk: int  # 0 to 100: the higher come first
    due_at: int | None  # when its deadline acts
    digest: str  # of what is to be decided; see ``holdfast.approvals.binding``
    body: bytes  # packed JSON: see ``holdfast.approvals.request``
    at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """What a run has asked, as its row tells."""

    n: int  # rows are numbered in the order in which they were asked
    id: str
    run_id: str
    root: str  # the id of the first run of the run's tree
    agent: str
    version: str
    key: str
    state: ApprovalState
    revision: int  # raised by every change
    to: tuple[str, ...]
    risk: int
    due_at: int | None
    digest: str
    body: bytes
    created_at: int
    decided_at: int | None
    decision: bytes | None  # packed JSON: what the run was told
    started_by: str = ""  # who started the run's tree; empty if nobody said so


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Somebody did, or tried, something. Append-only."""

    at: int
    actor: str  # a person's name; or what acted: ``deadline``, ``standing:…``, ``anonymous``
    action: str  # such as ``approval.approved``, ``approval.refused``, ``token.revoked``
    subject: str  # id of what it was done to
    run_id: str = ""
    detail: bytes = b""  # packed JSON
    n: int = 0  # given by the store


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """A change of an approval that is pending: a decision, a vote, another deadline, another person."""

    id: str
    revision: int  # of the row that it was worked out from: a compare-and-set
    state: ApprovalState
    to: tuple[str, ...]
    due_at: int | None
    digest: str
    body: bytes
    decision: bytes | None  # packed; told to the run, unless ``state`` is PENDING
    at: int
    audit: AuditEntry
    event: str = ""  # that channels are told of, such as ``approval.decided``; empty: they are not told


class Ruled(StrEnum):
    """What became of a ruling."""

    APPLIED = "applied"
    MOVED = "moved"  # it was changed meanwhile: look again
    CLOSED = "closed"  # it is not pending any more: decided, or the run went on without it
    OVER = "over"  # its run has ended, or has been asked to cancel, before anybody decided
    UNKNOWN = "unknown"  # there is no such approval
