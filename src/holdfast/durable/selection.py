"""Selections: one thing done to every run that matches a query."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.errors import HoldfastError, StoreError, WrongState
from holdfast.records.run import Run, Status
from holdfast.store.base import RunFilter

if TYPE_CHECKING:  # a client makes selections
    from holdfast.durable.client import Client

_PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of each run of a selection.

    Attributes:
        done: ids of the runs to which it was done, in order; of forks, the new ids.
        refused: why it could not be done, by the ids of the others.
    """

    done: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


class Selection:
    """The runs that match a query, as they are when something is done to them. Made by ``client.select``.

    Each run is its own transaction: one that refuses keeps back none of the others.

    Example:
        >>> async def main(client):
        ...     late = client.select(RunFilter(agent="adjust", error="timed out"))
        ...     print(await late.count())
        ...     print((await late.retry()).refused)
    """

    def __init__(self, client: Client, which: RunFilter) -> None:
        self._client = client
        self._which = which

    async def count(self) -> dict[Status, int]:
        """How many runs match, by status."""
        return await self._client.store.count(self._which)

    async def __aiter__(self) -> AsyncIterator[Run]:
        before = self._which.before
        while page := await self._client.store.find(replace(self._which, limit=_PAGE, before=before)):
            for run in page:
                yield run
            before = page[-1].id

    async def pause(self, *, reason: str = "") -> Done:
        """See :meth:`Client.pause`."""
        return await self._each(lambda run: self._client.pause(run.id, reason=reason))

    async def resume(self) -> Done:
        """See :meth:`Client.resume`."""
        return await self._each(self._resume)

    async def cancel(self, *, reason: str = "") -> Done:
        """See :meth:`Client.cancel`."""
        return await self._each(lambda run: self._cancel(run, reason))

    async def retry(self) -> Done:
        """See :meth:`Client.retry`."""
        return await self._each(lambda run: self._client.retry(run.id))

    async def fork(self, *, at: int | str, keep_keys: bool = False, version: str | None = None,
                   tags: Sequence[str] = ()) -> Done:  # fmt: skip
        """See :meth:`Client.fork`."""

        async def fork(run: Run) -> str:
            return (await self._client.fork(run.id, at=at, keep_keys=keep_keys, version=version, tags=tags)).id

        return await self._each(fork)

    async def move(self, version: str) -> Done:
        """See :meth:`Client.move`."""
        return await self._each(lambda run: self._client.move(run.id, version))

    async def tag(self, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Done:
        """See :meth:`Client.tag`."""
        return await self._each(lambda run: self._client.tag(run.id, add=add, remove=remove))

    async def delete(self) -> Done:
        """See :meth:`Client.delete`."""
        return await self._each(lambda run: self._client.delete(run.id))

    # -- inside

    async def _each(self, act: Callable[[Run], Awaitable[str | None]]) -> Done:
        done = Done()
        async for run in self:
            try:
                done.done.append(await act(run) or run.id)
            except StoreError:
                raise
            except HoldfastError as problem:
                done.refused[run.id] = str(problem)
        return done

    async def _resume(self, run: Run) -> None:
        if not await self._client.resume(run.id):
            raise WrongState(f"run {run.id} is {run.status}, neither paused nor blocked")

    async def _cancel(self, run: Run, reason: str) -> None:
        if not await self._client.cancel(run.id, reason=reason):
            stands = run.status if run.status.ended else "being cancelled already"
            raise WrongState(f"run {run.id} is {stands}")
