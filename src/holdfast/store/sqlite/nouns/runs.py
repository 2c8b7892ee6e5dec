"""Runs as rows. See :class:`holdfast.store.nouns.runs.Runs`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from holdfast.records.journal import Entry
from holdfast.records.run import Activation, NewRun, Population, Run, Started, Status
from holdfast.store.base import Recorded, RunFilter
from holdfast.store.rows import activation_of, population_of
from holdfast.store.sqlite import history, news, runs
from holdfast.store.sqlite.nouns.ways import SMALL_ROWS, Ways, fetch
from holdfast.store.sqlite.statements import RUNS
from holdfast.store.sqlite.values import run_of

PAGE = 256  # entries and items that are read together


class Runs(Ways):
    """Runs as rows: starting, finding, cancelling."""

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        return await self._write(runs.start, new, rows=sum(map(runs.weight, new)))

    async def get(self, run_id: str) -> Run | None:
        return self._one(RUNS.get, (run_id,))

    async def stopped(self, run_ids: Sequence[str]) -> list[str]:
        asked = fetch, RUNS.stopped, (json.dumps(run_ids),)
        rows = self._read(*asked) if len(run_ids) <= SMALL_ROWS else await self._read_apart(*asked)
        return [id for (id,) in rows]

    async def by_key(self, agent: str, key: str) -> Run | None:
        return self._one(RUNS.by_key, (agent, key))

    def _one(self, statement: str, bindings: tuple[Any, ...]) -> Run | None:
        rows = self._read(fetch, statement, bindings)
        return run_of(rows[0]) if rows else None

    async def find(self, which: RunFilter) -> list[Run]:
        statement = RUNS.find if which.parent is None else RUNS.find_children
        rows = await self._read_apart(fetch, statement, runs.filter_bindings(which))
        return [run_of(row) for row in rows]

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        if which is None:
            rows = await self._read_apart(fetch, RUNS.count_all)
        else:
            rows = await self._read_apart(fetch, RUNS.count, runs.filter_bindings(which))
        return {Status(status): count for status, count in rows}

    async def population(self) -> list[Population]:
        rows = await self._read_apart(fetch, RUNS.population)
        return [population_of(row) for row in rows]

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        return await self._read_apart(history.page, run_id, after, limit)

    async def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        reading = self._everything(run_id)
        try:
            while page := await asyncio.to_thread(lambda: list(islice(reading, PAGE))):
                for one in page:
                    yield one
        finally:
            with suppress(ValueError):  # cancelled while a thread reads: it closes when that drops it
                reading.close()

    def _everything(self, run_id: str) -> Generator[Recorded, None, None]:
        self._refuse_closed()
        with self._file.reader() as db:
            yield from history.everything(db, run_id)

    async def activations(self, run_id: str) -> list[Activation]:
        return [activation_of(row) for row in self._read(fetch, RUNS.activations, (run_id,))]

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        return await self._write(news.cancel, run_id, reason, at)

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        return await self._write(runs.pause, run_id, why, at)

    async def resume(self, run_id: str) -> bool:
        return await self._write(runs.resume, run_id)

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        return await self._write(runs.tag, run_id, add, remove)
