"""Workers: processes that host agents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Hosted:
    """A version of an agent that a worker has the code of."""

    agent: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A worker as its row tells."""

    id: str
    host: str
    pid: int
    hosts: tuple[Hosted, ...]
    started_at: int
    expires_at: int  # its lease, in the store's own time
