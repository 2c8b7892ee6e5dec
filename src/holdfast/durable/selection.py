"""Selections: one thing done to several runs, named by their ids or by a query."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.durable.operations import UNCHANGED, checked_tags
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
    """Runs that were named, or that match a query when something is done to them. Made by ``client.select``.

    Each run is its own transaction: one that refuses keeps back none of the others.

    Example:
        >>> async def main(client):
        ...     late = client.select(RunFilter(agent="adjust", error="timed out"))
        ...     print(await late.count())
        ...     print((await late.retry()).refused)
    """

    def __init__(self, client: Client, which: RunFilter | Sequence[str]) -> None:
        self._client = client
        if isinstance(which, str):
            which = (which,)
        self._which = which if isinstance(which, RunFilter) else tuple(dict.fromkeys(which))

    async def count(self) -> dict[Status, int]:
        """How many runs there are, by status.

        Raises:
            UnknownRun: one that was named does not exist.
        """
        if isinstance(self._which, RunFilter):
            return await self._client.store.count(self._which)
        return dict(Counter([run.status async for run in self]))

    async def __aiter__(self) -> AsyncIterator[Run]:
        if not isinstance(self._which, RunFilter):
            for run_id in self._which:
                yield await self._client.info(run_id)
            return
        before = self._which.before
        while page := await self._client.store.find(replace(self._which, limit=_PAGE, before=before)):
            for run in page:
                yield run
            before = page[-1].id

    async def pause(self, *, reason: str = "") -> Done:
        """See :meth:`Client.pause`."""
        return await self._each(lambda run_id: self._client.pause(run_id, reason=reason))

    async def resume(self) -> Done:
        """See :meth:`Client.resume`."""
        return await self._each(self._resume)

    async def cancel(self, *, reason: str = "") -> Done:
        """See :meth:`Client.cancel`."""
        return await self._each(lambda run_id: self._cancel(run_id, reason))

    async def retry(self) -> Done:
        """See :meth:`Client.retry`."""
        return await self._each(self._client.retry)

    async def fork(
        self, *, at: int | str, outcome: object = UNCHANGED, error: str | None = None, keep_keys: bool = False,
        version: str | None = None, tags: Sequence[str] = (),
    ) -> Done:  # fmt: skip
        """See :meth:`Client.fork`."""
        checked_tags(tags)

        async def fork(run_id: str) -> str:
            made = await self._client.fork(
                run_id, at=at, outcome=outcome, error=error, keep_keys=keep_keys, version=version, tags=tags
            )
            return made.id

        return await self._each(fork)

    async def move(self, version: str) -> Done:
        """See :meth:`Client.move`."""
        return await self._each(lambda run_id: self._client.move(run_id, version))

    async def tag(self, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Done:
        """See :meth:`Client.tag`."""
        checked_tags(add)
        return await self._each(lambda run_id: self._client.tag(run_id, add=add, remove=remove))

    async def delete(self) -> Done:
        """See :meth:`Client.delete`."""
        return await self._each(self._client.delete)

    # -- inside

    async def _each(self, act: Callable[[str], Awaitable[str | None]]) -> Done:
        done = Done()
        async for run_id in self._ids():
            try:
                done.done.append(await act(run_id) or run_id)
            except StoreError:
                raise
            except HoldfastError as problem:
                done.refused[run_id] = str(problem)
        return done

    async def _ids(self) -> AsyncIterator[str]:
        if isinstance(self._which, RunFilter):
            async for run in self:
                yield run.id
        else:
            for run_id in self._which:
                yield run_id

    async def _resume(self, run_id: str) -> None:
        if not await self._client.resume(run_id):
            run = await self._client.info(run_id)
            raise WrongState(f"run {run_id} is {run.status}, neither paused nor blocked: there is nothing to resume")

    async def _cancel(self, run_id: str, reason: str) -> None:
        if not await self._client.cancel(run_id, reason=reason):
            run = await self._client.info(run_id)
            raise WrongState(f"run {run_id} {f'has ended: {run.status}' if run.status.ended else 'is being cancelled'}")
