"""Group commit: one batch in flight per process; while it becomes durable, the next one collects."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import NamedTuple

from holdfast.durable.draft import size_of
from holdfast.errors import CommitUnknown, LeaseLost, StoreBusy, StoreError, StoreRejected
from holdfast.records.delta import Delta, Verdict
from holdfast.settings import MAX_DELTA
from holdfast.store.base import Commits
from holdfast.telemetry import metrics

logger = logging.getLogger("holdfast.commit")

_MAX_BATCH = 1000
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 2.0


class _Waiting(NamedTuple):
    delta: Delta
    size: int
    verdict: asyncio.Future[Verdict]


class Committer:
    """Commits the deltas of all runs of a worker.

    The four ways to fail are told apart here: *refused* is a verdict; *poison* (StoreRejected) fails only the culprit,
    found by committing one by one; *transient* (StoreBusy) is retried whole, and ``struggling`` says so, so that
    nothing more is claimed; *unknown* (CommitUnknown) is sent again under the same number, which tells.
    """

    def __init__(self, store: Commits, worker_id: str) -> None:
        self.struggling = False
        self._store = store
        self._worker = worker_id
        self._number = 0
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def batches(self) -> int:
        """How many it has begun to commit."""
        return self._number

    def submit(self, delta: Delta) -> asyncio.Future[Verdict]:
        """Commit a delta with whatever else is waiting.

        The future gives the verdict, or raises StoreRejected (this delta is poison) or LeaseLost.
        """
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        size = size_of(delta)
        if self._closed:
            verdict.set_exception(LeaseLost(f"worker {self._worker} has stopped"))
        elif size > MAX_DELTA:
            verdict.set_exception(StoreRejected(f"a delta of {size:,} bytes; the limit is {MAX_DELTA:,}"))
        else:
            self._queue.append(_Waiting(delta, size, verdict))
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run(), name="holdfast-committer")
        return verdict

    async def close(self, *, timeout: float) -> None:
        """Refuse more; commit what is queued, or drop it if the store takes nothing for ``timeout`` seconds."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
        self.abort()

    def abort(self) -> None:
        """Refuse everything at once: the lease is lost."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        self._refuse(self._queue, LeaseLost(f"worker {self._worker} has lost its lease"))

    async def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._queue:
                batch = self._take()
                await self._commit(batch)
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
        while self._queue and len(batch) < _MAX_BATCH and (not batch or size + self._queue[0].size <= MAX_DELTA):
            batch.append(self._queue.popleft())
            size += batch[-1].size
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            verdicts = await self._persist([waiting.delta for waiting in batch])
        except StoreRejected as poison:
            await self._isolate(batch, poison)
            return
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if not waiting.verdict.done():
                waiting.verdict.set_result(verdict)

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
                await asyncio.sleep(wait)
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

    @staticmethod
    def _refuse(waiting: list[_Waiting] | deque[_Waiting], error: Exception) -> None:
        for one in list(waiting):
            if not one.verdict.done():
                one.verdict.set_exception(error)
        waiting.clear()
