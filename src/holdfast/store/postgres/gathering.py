"""Gathering: questions that are asked at the same time become one query.

Whoever waits for a run looks at it again at every change; ten thousand waiters are not ten thousand round trips.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from holdfast.records.run import Run
from holdfast.store.postgres.links import Links
from holdfast.store.postgres.statements import RUNS
from holdfast.store.postgres.values import run_of

_TOGETHER = 500


class Gathering:
    """Gets runs by their ids. What is asked while a query is on its way is part of the next, so no answer is stale."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._asked: dict[str, asyncio.Future[Run | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, run_id: str) -> Run | None:
        """The run of this id.

        Raises:
            StoreError: it could not be read.
        """
        loop = asyncio.get_running_loop()
        answer = self._asked.get(run_id)
        if answer is None:
            answer = self._asked[run_id] = loop.create_future()
        if self._task is None:
            self._task = loop.create_task(self._ask_all(), name="holdfast-gets")
        return await asyncio.shield(answer)  # others may wait for it too

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _ask_all(self) -> None:
        try:
            while self._asked:
                ids = list(self._asked)[:_TOGETHER]
                await self._ask({run_id: self._asked.pop(run_id) for run_id in ids})
        finally:
            self._task = None
            for answer in self._asked.values():
                answer.cancel()

    async def _ask(self, asked: dict[str, asyncio.Future[Run | None]]) -> None:
        try:
            found = await self._fetch(list(asked))
        except BaseException as error:
            for answer in asked.values():
                _fail(answer, error)
            if not isinstance(error, Exception):
                raise
            return
        for run_id, answer in asked.items():
            if not answer.done():
                answer.set_result(found.get(run_id))

    async def _fetch(self, ids: Sequence[str]) -> dict[str, Run]:
        if len(ids) == 1:  # by far the most frequent: a plan of its own, without an array
            rows = await self._links.fetch(RUNS.get, ids[0])
        else:
            rows = await self._links.fetch(RUNS.get_all, ids)
        return {run.id: run for run in map(run_of, rows)}


def _fail(answer: asyncio.Future[Run | None], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, Exception):
        answer.set_exception(error)
        answer.exception()  # whoever asked may be gone
    else:
        answer.cancel()
