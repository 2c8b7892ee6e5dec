"""The contract of a store: the nouns of :mod:`holdfast.store.nouns`, put together, and what holds for all of them.

The conformance suite (``tests/contract``) is its executable half.

One lock, one counter: every interaction between runs goes through the run's row. Whoever has news for a run
(:class:`~holdfast.records.journal.News`) raises ``wakes``, files the news under that number and turns ``waiting`` into
``queued``, all in one transaction. Suspending is a compare-and-set on ``wakes``. So of two that race, the first under
the lock wins and the other is told. A store that locks rows locks them in the order of their ids.

Times are microseconds. Times of leases are the database's own; all others are given by the caller.

All methods are safe to call from one event loop concurrently; they raise :class:`~holdfast.errors.StoreBusy` for what
may pass, :class:`~holdfast.errors.StoreRejected` for what never will, :class:`~holdfast.errors.StoreUnusable` when the
store cannot be used at all, and :class:`~holdfast.errors.CommitUnknown` if it cannot find out whether what was to be
written is there.
"""

from __future__ import annotations

from typing import Protocol

from holdfast.store.desk import Desk
from holdfast.store.nouns.claims import NO_QUOTAS, Claimed, Claims
from holdfast.store.nouns.commits import Commits
from holdfast.store.nouns.files import Files
from holdfast.store.nouns.health import Health
from holdfast.store.nouns.leases import LeaseKeeper, Leases
from holdfast.store.nouns.promises import Promises
from holdfast.store.nouns.repairs import Repairs
from holdfast.store.nouns.retention import Retention
from holdfast.store.nouns.runs import Recorded, RunFilter, Runs
from holdfast.store.nouns.telling import MAX_TOLD, Ears, Telling
from holdfast.store.nouns.transactions import Transactions
from holdfast.store.nouns.watch import Watch

__all__ = [
    "MAX_TOLD",
    "NO_QUOTAS",
    "Claimed",
    "Claims",
    "Commits",
    "Ears",
    "Files",
    "Health",
    "LeaseKeeper",
    "Leases",
    "Promises",
    "Recorded",
    "Repairs",
    "Retention",
    "RunFilter",
    "Runs",
    "Store",
    "Telling",
    "Transactions",
    "Watch",
]


class Store(
    Runs, Repairs, Retention, Claims, Commits, Transactions, Promises, Files, Leases, Telling, Desk, Protocol
):  # fmt: skip
    """A database in which runs live."""

    url: str

    def watch(self) -> Watch:
        """A new watch, which sees every change from now on."""

    def health(self) -> Health:
        """What looks at it from beside, over a connection of its own: at this store as it is, whatever is wrong."""

    async def close(self) -> None:
        """Release everything; idempotent."""
