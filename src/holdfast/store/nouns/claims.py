"""Runs as work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from holdfast.records.journal import EndedChild, History, News
from holdfast.records.run import Run
from holdfast.records.worker import Demand, Hosted, Quota


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A run that a worker now owns."""

    run: Run
    history: History
    ready_at: int  # since when it could be claimed
    trace_before: str | None = None  # ``Activation.trace`` of the activation before this one
    trace_parent: str | None = None  # of its parent's last one


NO_QUOTAS: Mapping[str, Quota] = MappingProxyType({})


class Claims(Protocol):
    """Runs as work."""

    async def claim(
        self,
        worker_id: str,
        hosts: Sequence[Hosted],
        builds: Sequence[str],
        *,
        limit: int,
        now: int,
        quotas: Mapping[str, Quota] = NO_QUOTAS,
    ) -> list[Claimed]:
        """Take up to ``limit`` runs of the hosted versions and become their owner.

        Runs that are queued (and not held by their group); waiting with ``wake_at <= now``; or running under a worker
        whose lease has expired or is gone: that worker's row is deleted and each of its runs has ``lost`` raised.
        By priority (higher first); then fairly between agents, if there are more than ``limit``: the next is of the
        agent of which this worker has the fewest, those chosen before included, and of several such the one that comes
        first in ``hosts``; of an agent, whatever its versions, those that have been ready for longest.
        Of an agent in ``quotas`` no more are claimed than its quota leaves, counted over all workers of the store:
        ``limit`` runs of it that are running, and ``starts`` that were claimed for the first time (``started_at`` not
        set) with ``now`` in any ``period``. Claims that would exceed it together exclude each other. What is due counts
        as queued even if its quota leaves no room. A ``now`` that is far from everybody else's counts for little.
        Each has its ``epoch`` raised, its ``worker`` set, status ``running``, ``started_at`` set if it was not, and
        an activation recorded with the build at the same index as its version in ``hosts``.
        Of runs with ``lost == 2`` a worker owns one at a time: only the one that kills it may be lost a third time.
        A run with ``lost >= 3`` is not claimed but set to ``blocked`` with
        ``codec.pack_failure("WorkerLost", …)`` as its error.

        Raises:
            LeaseLost: the worker's own lease has expired or is gone.
        """

    async def load(self, rid: int) -> History:
        """The run's history again, as of now (an owner whose commit answered strangely re-reads it)."""

    async def woken(self, worker_id: str) -> list[tuple[int, int]]:
        """(rid, wakes) of the worker's running runs that have news their journal does not hold."""

    async def news(self, rid: int, *, after: int) -> list[News]:
        """News of a run with ``wake > after``, by wake."""

    async def ended_children(self, rid: int, map: int) -> list[EndedChild]:
        """Children of a group that have ended and have no item yet, in the order in which they ended."""

    async def next_wake(
        self, hosts: Sequence[Hosted], quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int = 0
    ) -> int | None:
        """When there is something to claim next, if nobody does anything.

        The earliest ``wake_at`` among waiting runs of the hosted versions, or when the rate of an agent, which holds
        back queued runs, lets one of them begin.
        """

    async def demand(
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int,
        hosts: Sequence[Hosted] | None = None,
    ) -> Demand:  # fmt: skip
        """What there is to do for workers of these agents and of these versions, or of all. Held and paused runs do not
        count; runs whose approval is past its deadline and, for all agents, messages that are to be sent are due.

        Of an agent in ``quotas`` no more of the queued and due ones count than could be claimed now.
        """

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        """Values of items, in the order of ``ords``. Blocking, thread-safe: a lazy sequence calls it from the body."""
