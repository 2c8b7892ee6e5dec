"""Group commit: one batch in flight per process; while it becomes durable, the next one collects.

Runs that go on together would go on in step for ever: all of them wait for one batch, then the store waits for all of
them. A batch is therefore bounded (``Commits.together``), and the next is sent before those of the last are told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from holdfast.clock import jitter
from holdfast.durable.garbage import uncollected
from holdfast.errors import CommitUnknown, LeaseLost, StoreBusy, StoreError, StoreRejected
from holdfast.records.delta import Delta, Verdict
from holdfast.settings import MAX_DELTA
from holdfast.store.base import Commits
from holdfast.telemetry import metrics

logger = logging.getLogger("holdfast.commit")

_SLICE = 25  # how many are told of their verdicts between two turns of the loop, while a batch is on its way
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 2.0


class _Waiting(NamedTuple):
    delta: Delta
    size: int
    told: Callable[[Verdict | StoreError], None]


class Committer:
    """Commits the deltas of all runs of a worker.

    The four ways to fail are told apart here: *refused* is a verdict; *poison* (StoreRejected) fails only the culprit,
    found by committing one by one; *transient* (StoreBusy) is retried whole, and ``struggling`` says so, so that
    nothing more is claimed; *unknown* (CommitUnknown) is sent again under the same number, which tells.

    A batch that the store can take at once is committed from a callback of the loop, without any task: a lone step in a
    sequence pays for each turn of the loop. The others, and whatever goes wrong, go through :meth:`_run`.
    """

    def __init__(self, store: Commits, worker_id: str) -> None:
        self.struggling = False
        self._store = store
        self._worker = worker_id
        self._number = 0
        self._queue: deque[_Waiting] = deque()
        self._telling: deque[tuple[_Waiting, Verdict]] = deque()  # committed, and not told yet
        self._task: asyncio.Task[None] | None = None
        self._scheduled = False
        self._closed = False

    @property
    def batches(self) -> int:
        """How many it has begun to commit."""
        return self._number

    def submit(self, delta: Delta, size: int, told: Callable[[Verdict | StoreError], None]) -> None:
        """Commit a delta with whatever else is waiting.

        Args:
            delta: what to commit.
            size: about how many bytes it writes.
            told: called once, later, with the verdict; or with StoreRejected (this delta is poison) or LeaseLost.
        """
        if self._closed:
            self._tell_soon(told, LeaseLost(f"worker {self._worker} has stopped"))
        elif size > MAX_DELTA:
            self._tell_soon(told, StoreRejected(f"a delta of {size:,} bytes; the limit is {MAX_DELTA:,}"))
        else:
            self._queue.append(_Waiting(delta, size, told))
            self._begin_soon()

    async def close(self, *, timeout: float) -> None:
        """Refuse more; commit what is queued, or drop it if the store takes nothing for ``timeout`` seconds."""
        self._closed = True
        if self._queue and self._task is None:
            self._begin_task([])
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
        self._tell_all()
        self.abort()

    def abort(self) -> None:
        """Refuse everything at once: the lease is lost."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        self._refuse(self._queue, LeaseLost(f"worker {self._worker} has lost its lease"))

    def _begin_soon(self) -> None:
        if self._task is None and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)  # what else becomes ready in this turn shares the batch

    def _begin(self) -> None:
        self._scheduled = False
        if self._task is not None or not self._queue:
            return
        batch = self._take()
        began = time.perf_counter()
        try:
            verdicts = self._store.commit_now(self._worker, self._number + 1, [waiting.delta for waiting in batch])
        except Exception:  # whatever it is, it is met again, and dealt with, there; the number tells if it was applied
            verdicts = None
        if verdicts is None:
            self._begin_task(batch)
            return
        self._number += 1
        metrics.committed(len(batch), time.perf_counter() - began)
        if self._queue:
            self._begin_soon()
        self._telling += zip(batch, verdicts, strict=True)
        self._tell_all()

    def _begin_task(self, batch: list[_Waiting]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(batch), name="holdfast-committer")

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            while batch or self._queue:
                batch = batch or self._take()
                await self._commit(batch)
                batch = []
        except StoreError as error:  # the lease is lost or the store unusable: neither passes
            self._closed = True
            self._refuse(batch, error)
            self._refuse(self._queue, error)
        except asyncio.CancelledError:
            self._refuse(batch, LeaseLost(f"worker {self._worker} has lost its lease"))
            raise
        finally:
            self._task = None

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        most = self._store.together
        while self._queue and len(batch) < most and (not batch or size + self._queue[0].size <= MAX_DELTA):
            batch.append(self._queue.popleft())
            size += batch[-1].size
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            verdicts = await self._persist([waiting.delta for waiting in batch])
        except StoreRejected as poison:
            await self._isolate(batch, poison)
            return
        self._telling += zip(batch, verdicts, strict=True)
        if self._queue:  # a turn later: by then the next batch is on its way, the store at work while these are
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._tell_some)
        else:
            self._tell_all()

    async def _isolate(self, batch: list[_Waiting], poison: StoreRejected) -> None:
        if len(batch) == 1:
            self._refuse(batch, poison)
            return
        for waiting in batch:
            await self._commit([waiting])

    async def _persist(self, deltas: list[Delta]) -> list[Verdict]:
        wait, began = _FIRST_WAIT, time.perf_counter()
        self._number += 1
        while True:
            try:
                verdicts = await self._store.commit(self._worker, self._number, deltas)
            except (StoreBusy, CommitUnknown) as trouble:
                self.struggling = True
                logger.warning("the store does not take commits (%s); trying again in %.2f s", trouble, wait)
                await asyncio.sleep(wait * jitter())  # when the server is back, not all workers come at once
                wait = min(wait * 2, _LONGEST_WAIT)
            except StoreRejected:
                self._number -= 1  # nothing was applied, so the number was not used
                raise
            except StoreError:
                raise
            except Exception as error:  # a value that the store cannot even look at: poison like any other
                self._number -= 1
                raise StoreRejected(f"{type(error).__name__}: {error}") from error
            else:
                self.struggling = False
                metrics.committed(len(deltas), time.perf_counter() - began)
                return verdicts

    def _tell_some(self) -> None:
        self._tell(_SLICE)
        if self._telling:
            asyncio.get_running_loop().call_soon(self._tell_some)

    def _tell_all(self) -> None:
        self._tell(len(self._telling))

    def _tell(self, count: int) -> None:
        """Tell so many of their verdicts, in the order of their commits."""
        with uncollected():
            for _ in range(min(count, len(self._telling))):
                waiting, verdict = self._telling.popleft()
                waiting.told(verdict)

    def _refuse(self, waiting: list[_Waiting] | deque[_Waiting], error: StoreError) -> None:
        for one in waiting:
            self._tell_soon(one.told, error)
        waiting.clear()

    @staticmethod
    def _tell_soon(told: Callable[[Verdict | StoreError], None], error: StoreError) -> None:
        # not at once: whoever is told may come back to whoever refuses
        asyncio.get_running_loop().call_soon(told, error)
