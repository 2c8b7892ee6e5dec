"""Workers: processes that host agents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Hosted:
    """A version of an agent that a worker has the code of."""

    agent: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """How much of an agent, whatever its versions, all workers of a store together may do at once."""

    limit: int | None = None  # runs in memory
    starts: int = 0  # runs that begin within any ``period``; 0: as many as there are
    period: int = 0  # microseconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What there is to do in a store."""

    queued: int  # runs that could be claimed
    due: int  # runs whose timer, or the deadline of what they ask, has passed; and messages that are to be sent
    orphaned: int  # runs whose worker's lease has ended
    at_work: int  # runs in memory of workers that live

    @property
    def total(self) -> int:
        """How many runs need a worker now."""
        return self.queued + self.due + self.orphaned + self.at_work


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A worker as its row tells."""

    id: str
    host: str
    pid: int
    hosts: tuple[Hosted, ...]
    started_at: int
    expires_at: int  # its lease, in the store's own time
    renewed_at: int = 0  # its last heartbeat, in the store's own time; 0: not known
    runs: int = 0  # how many it has in memory
