"""The handle of a run in a store: what clients give out when they have started or found one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from holdfast.clock import Duration
from holdfast.durable.events import heard
from holdfast.durable.handles import Run
from holdfast.records.event import RunEvent
from holdfast.records.run import Run as RunRecord

if TYPE_CHECKING:
    from holdfast.durable.client import Client

R = TypeVar("R")


class StoredRun(Run[R], Generic[R]):
    """A run in a store."""

    def __init__(self, client: Client, run_id: str) -> None:
        self.id = run_id
        self._client = client

    async def result(self, *, timeout: Duration | None = None) -> R:
        """Wait for the run's result; also while the store is away, which the log says once.

        Args:
            timeout: stop waiting after so long; the run goes on.

        Raises:
            RunFailed: its body raised, or its own timeout passed.
            RunCancelled: it was cancelled.
            RunBlocked: its code no longer fits its journal, or it has stopped itself; it waits for a person. One that
                somebody has paused is waited for.
            TimeoutError: ``timeout`` passed first.
            StoreUnusable: the store cannot be asked any more, and waiting would not mend it.
        """
        return cast(R, self._client.outcome(await self._client.until_over(self.id, timeout=timeout)))

    async def status(self) -> str:
        """Where it stands: ``queued``, ``running``, ``waiting``, ``succeeded`` …."""
        return (await self.info()).status

    async def cancel(self, *, reason: str = "") -> None:
        """Ask it to cancel; does not wait for its end. Harmless if it has ended."""
        await self._client.cancel(self.id, reason=reason)

    async def info(self) -> RunRecord:
        """Its record: status, progress, times, who runs it."""
        return await self._client.info(self.id)

    def events(self) -> AsyncIterator[RunEvent]:
        """What its steps say while they are at work, from now until it ends: the tokens of models, for one.

        Nothing of that is recorded, and what nobody listens to is lost: for watchers, not for decisions.

        Example:
            >>> async def main(run):
            ...     async for event in run.events():
            ...         print(event.kind, event.data)
        """
        store = self._client.store
        return heard(store, self.id, store.ears(self.id))

    async def recorded(self) -> list[str]:
        """The keys of the outcomes in its journal (steps, tools, children, promises), in order.

        Those inside a map's branches are among them; items that are one step or one child each are not: they have rows
        of their own.
        """
        return await self._client.recorded(self.id)
