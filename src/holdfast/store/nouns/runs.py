"""Runs as rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.records.journal import Entry, Group, Item
from holdfast.records.run import Activation, NewRun, Population, Run, Started, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """Which runs :meth:`Runs.find` returns: all that match every field given, newest first."""

    agent: str | None = None
    version: str | None = None
    statuses: tuple[Status, ...] = ()
    parent: str | None = None  # children of this run
    root: str | None = None  # the tree of this run, itself included
    roots_only: bool = False
    key: str | None = None
    tags: tuple[str, ...] = ()  # all of them
    since: int | None = None  # created at this time or later
    until: int | None = None  # created before this time
    error: str | None = None  # text in ``"Type: message"`` of the error, in whatever case
    limit: int = 100
    before: str | None = None  # the page after this run id (ids sort by creation)


Recorded = Run | Group | Entry | Item
"""What :meth:`Runs.everything` gives."""


class Runs(Protocol):
    """Runs as rows: starting, finding, cancelling."""

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        """Insert runs, in one transaction, durable on return.

        A run whose id, or whose (agent, key), exists already is left as it is and reported with
        ``created=False`` and the existing run's id and digest.
        """

    async def get(self, run_id: str) -> Run | None:
        """The run of this id."""

    async def stopped(self, run_ids: Sequence[str]) -> list[str]:
        """Which of these runs have ended, or are paused or blocked."""

    async def by_key(self, agent: str, key: str) -> Run | None:
        """The run of this agent with this idempotency key."""

    async def find(self, which: RunFilter) -> list[Run]:
        """Runs that match, newest first. ``input`` and ``result`` may be large: keep ``limit`` modest."""

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        """How many runs there are in each status, among those that match; statuses with none are left out."""

    async def population(self) -> list[Population]:
        """How many runs there are of each agent, version and status. Reads every run's row: for now and then."""

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Entries of the present generation with ``seq > after``, by seq, those of finished branches included."""

    def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        """All that is recorded of a run, as of one moment; nothing if there is no such run.

        First the run itself, then its groups by key, then its entries and items by seq, with their values, those inside
        finished branches included.
        """

    async def activations(self, run_id: str) -> list[Activation]:
        """The run's stays in memory, by epoch."""

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        """Ask a run to cancel: sets ``cancel_at`` and ``cancel_reason`` and files news (op RUN).

        A run that was never claimed has no body to clean up: it ends as ``cancelled`` at once, as if by
        :class:`~holdfast.records.delta.Finish`. A blocked run has no code to clean up with: so does it, and its
        children that are not detached are asked to cancel.
        False if it has ended, is unknown, or was asked before.
        """

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        """Stop a run until it is resumed; ``why`` becomes its error.

        One in memory is asked to: sets ``pause_at`` and files news (op RUN, key ``pause``); its owner
        ends with :class:`~holdfast.records.delta.Pause`. News goes on to be filed for a paused run, and time does not
        wake it; a cancel puts it back to the queue.
        False if it has ended, is paused or blocked, or was asked to pause or to cancel before.
        """

    async def resume(self, run_id: str) -> bool:
        """Put a ``blocked`` or ``paused`` run back to the queue, forget its lost activations and its error; or take
        back the request to pause it. False if it was none of these.
        """

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        """Add and remove tags. False if there is no such run."""
