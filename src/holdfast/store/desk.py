"""The contract of a store, continued: what people are asked and have said, and the small records of the house.

See :mod:`holdfast.store.base` for what holds of all methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.records.approval import Approval, ApprovalState, AuditEntry, Ruled, Ruling
from holdfast.records.document import Document, Put
from holdfast.records.outbox import Message, NewMessage, Sent


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalFilter:
    """Which approvals :meth:`Approvals.approvals` returns: all that match every field given."""

    states: tuple[ApprovalState, ...] = (ApprovalState.PENDING,)  # empty: all
    to: tuple[str, ...] | None = None  # asked of any of these, or of nobody in particular; None: of anybody
    run_id: str | None = None
    root: str | None = None  # asked by any run of this tree
    agent: str | None = None
    min_risk: int = 0
    due_before: int | None = None
    limit: int = 100
    after: tuple[int, int] | None = None  # the page after an approval: its (risk, n)


class Approvals(Protocol):
    """What runs have asked of people.

    They are asked by deltas (:class:`~holdfast.records.approval.NewApproval`); asking again under the id of one that is
    there changes nothing. They are withdrawn by deltas, and when their run ends or begins again. They go with their
    run; a fork has none. A run that is retried asks again what nobody had decided, and hears again what was decided
    and is not journaled any more.

    If there is a document of kind ``channel``, the outbox is told: ``approval.requested``, ``approval.withdrawn``, and
    what rulings say.
    """

    async def approval(self, approval_id: str) -> Approval | None:
        """The approval of this id."""

    async def approvals(self, which: ApprovalFilter) -> list[Approval]:
        """Those that match, the riskiest first, of these the oldest first."""

    async def count_approvals(self, which: ApprovalFilter) -> int:
        """How many match; ``limit`` and ``after`` do not count."""

    async def rule(self, rulings: Sequence[Ruling], *, puts: Sequence[Put] = ()) -> list[Ruled]:
        """Apply rulings and changes of documents in one durable transaction.

        Each ruling is applied under its run's lock, whole or not at all: the change, its audit entry, a message to the
        channels (if there is any channel and it names an ``event``), and, unless its state is PENDING, news for the run
        (``Op.APPROVAL`` under the approval's key, ok, the decision as value). A ruling that is not applied writes
        nothing, and does not keep the others from being applied. The puts are applied if any ruling is. If one of them
        does not find the revision it asks for, nothing at all is written, and all rulings are answered MOVED.

        The second ruling of an approval in a batch is to name the revision that the first one leaves. It is safe to
        send a batch again of which nobody knows what became (``CommitUnknown``), whatever has happened since: a ruling
        that was applied is answered APPLIED again, and is not applied twice. It must be the same in every field.
        """

    async def due_approvals(self, *, now: int, limit: int) -> list[Approval]:
        """Pending ones with ``due_at <= now`` of runs that were not asked to cancel, the longest due first."""

    async def next_due(self) -> int | None:
        """The earliest ``due_at`` of those that are pending."""

    async def audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries."""

    async def audited(
        self, *, subject: str | None = None, actor: str | None = None, run_id: str | None = None, after: int = 0,
        limit: int = 100,
    ) -> list[AuditEntry]:  # fmt: skip
        """Entries with ``n > after`` in the order in which they were appended."""

    async def starter(self, root: str) -> str:
        """Who started the tree of this root (``NewRun.by``); empty if nobody said so.

        Of a fork: who started the origin's tree and who forked (``Fork.by``), separated by a comma and a blank, once
        if they are the same.
        """


class Documents(Protocol):
    """Small records by kind and id."""

    async def document(self, kind: str, document_id: str, *, now: int) -> Document | None:
        """The document, unless it has expired."""

    async def documents(self, kind: str, *, now: int, after: str = "", limit: int = 1000) -> list[Document]:
        """Documents of a kind that have not expired, by id, those after an id."""

    async def put(self, puts: Sequence[Put], *, audit: Sequence[AuditEntry] = ()) -> bool:
        """Apply all changes, or none: False if one does not find the revision that it asks for.

        A document that has expired counts as there. Audit entries are written with the changes, or not.
        """

    async def sweep_documents(self, *, now: int, limit: int) -> int:
        """Delete expired ones; says how many went."""


class Outbox(Protocol):
    """What channels are to be told: at least once each."""

    async def take_messages(self, *, now: int, hold: int, limit: int) -> list[Message]:
        """Take messages that are due and not dead, the longest due first: nobody else is given them for ``hold``.

        Their ``next_at`` becomes ``now + hold``, and ``tries`` is raised.
        """

    async def settle_messages(self, sent: Sequence[Sent], *, new: Sequence[NewMessage] = ()) -> None:
        """Say what became of messages, and add others, in one transaction."""

    async def dead_messages(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        """Those that were given up, by number."""

    async def revive_message(self, n: int, *, now: int) -> bool:
        """Try a dead one again from now on, its ``tries`` at 0. False if it is not there or not dead."""

    async def next_message(self) -> int | None:
        """The earliest ``next_at`` of those that are not dead."""


class Desk(Approvals, Documents, Outbox, Protocol):
    """All of the above."""
