"""Going back in a run's history, and leaving it."""

from __future__ import annotations

from typing import Protocol

from holdfast.records.repair import Fork


class Repairs(Protocol):
    """Going back in a run's history, and leaving it."""

    async def retry(self, run_id: str, *, at: int) -> bool:
        """Put a ``failed`` run back to the queue, to go on from before what made it fail (``Run.ended_by``).

        Deleted are: the entry or item of that number, what is recorded of the attempts before it, and whatever was
        recorded after it, except outcomes of effects whose intent is older: they have happened. Promises that were
        resolved and approvals that were decided are news again if they are no longer journaled; of approvals that
        nobody decided the intent goes as well, and so do approvals without any entry: the body asks again. Its children
        whose end is no longer journaled are unlinked, and linked again when a delta starts them again: then those that
        succeeded are news, those that did not are retried likewise, and the others run on. Its deadline begins again. A
        parent that knows of the failure is not told of another end.
        False if it has not failed, or children of it that are not detached have not ended yet.
        """

    async def fork(self, run_id: str, fork: Fork) -> bool:
        """Make a run that begins with the first ``fork.seq`` entries and items of another, as copies.

        Intents and attempts without an outcome among them are left out, as are groups: the fork makes those calls
        again, and asks people again whose decision is not among them.
        Promises declared among them are declared for the fork, resolved if their outcome is among them.
        False if a run of ``fork.id``, or of the same agent and ``fork.key``, exists already.

        Raises:
            UnknownRun: there is no run to fork.
        """

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        """Make a run go on as another version of its agent.

        False unless it is queued, waiting, paused or blocked, and its epoch and number of entries are those given: what
        the caller has checked must still be what there is.
        """
