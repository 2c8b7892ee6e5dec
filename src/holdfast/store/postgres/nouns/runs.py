"""Runs as rows. See :class:`holdfast.store.nouns.runs.Runs`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from holdfast.records.journal import Entry
from holdfast.records.run import Activation, NewRun, Population, Run, Started, Status
from holdfast.store.base import Recorded, RunFilter
from holdfast.store.insisting import several
from holdfast.store.postgres import history, searching
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.batch import FALLEN, ORPHANED, cancelled
from holdfast.store.postgres.columns import of_runs
from holdfast.store.postgres.gathering import Gathering
from holdfast.store.postgres.links import Row
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import HISTORY, RUNS, Names
from holdfast.store.postgres.text import stored
from holdfast.store.postgres.values import entry_of, run_of
from holdfast.store.rows import activation_of, population_of


class Runs(Ways):
    """Runs as rows: starting, finding, cancelling."""

    def __init__(self, address: Address, names: Names, *, pooled: bool) -> None:
        super().__init__(address, names, pooled=pooled)
        self._gathering = Gathering(self._links)

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        given = (*of_runs(new), cancelled(ORPHANED), cancelled(FALLEN), [stored(run.by) for run in new])

        async def send(again: bool) -> list[Started]:
            found = _started(new, await self._links.write(RUNS.start, *given))
            if not again:
                return found
            # whoever asks gives new ids: what is there under one of them came with the request that was lost
            return [replace(one, created=one.id == run.id) for run, one in zip(new, found, strict=True)]

        return await self._insist(f"start {several('run', [run.id for run in new])}", send)

    async def get(self, run_id: str) -> Run | None:
        self._refuse_closed()
        return await self._gathering.get(run_id)

    async def stopped(self, run_ids: Sequence[str]) -> list[str]:
        return [id for (id,) in await self._links.fetch(RUNS.stopped, run_ids)]

    async def by_key(self, agent: str, key: str) -> Run | None:
        rows = await self._links.fetch(RUNS.by_key, agent, stored(key))
        return run_of(rows[0]) if rows else None

    async def find(self, which: RunFilter) -> list[Run]:
        async with self._links.reading(patient=True) as con:
            return await searching.find(con, self._names, which)

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        async with self._links.reading(patient=True) as con:
            if which is not None:
                return await searching.count(con, self._names, which)
            return {Status(status): count for status, count in await con.fetch(self._names(RUNS.count_all))}

    async def population(self) -> list[Population]:
        async with self._links.reading(patient=True) as con:
            rows = await con.fetch(self._names(RUNS.population))
        return [population_of(row) for row in rows]

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        return [entry_of(row) for row in await self._links.fetch(HISTORY.page, run_id, after, limit)]

    async def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        async with self._links.reading(patient=True) as con:
            async for one in history.everything(con, self._names, run_id):
                yield one

    async def activations(self, run_id: str) -> list[Activation]:
        return [activation_of(row) for row in await self._links.fetch(RUNS.activations, run_id)]

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        given = run_id, stored(reason), cancelled(reason), cancelled(FALLEN), at
        return await self._ask(
            "cancel", run_id, lambda run: (run.cancel_at, run.cancel_reason) == (at, reason), RUNS.cancel, *given
        )

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        return await self._ask(
            "pause", run_id, lambda run: run.stopped and run.error == why, RUNS.pause, run_id, why, at
        )

    async def resume(self, run_id: str) -> bool:
        return await self._ask("resume", run_id, lambda run: not run.stopped, RUNS.resume, run_id)

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        given = [stored(tag) for tag in add], [stored(tag) for tag in remove]
        return bool(first(await self._do(self._links.fetch(RUNS.tag, run_id, *given))))


def _started(new: Sequence[NewRun], rows: list[Row]) -> list[Started]:
    if not rows:  # all of them are new
        return [Started(id=run.id, created=True, digest=run.digest) for run in new]
    places: dict[str, int] = {}
    for n, run in enumerate(new):
        places.setdefault(run.id, n)
    return [
        Started(id=id, created=fresh and id == run.id and places[id] == n, digest=digest)
        for n, (run, (id, fresh, digest)) in enumerate(zip(new, rows, strict=True))
    ]
