"""Counting a store's runs now and then, so that a scrape of the metrics reads no store."""

from __future__ import annotations

import asyncio
import logging

from holdfast.clock import boot_seconds
from holdfast.errors import StoreError
from holdfast.store.base import Store
from holdfast.telemetry import metrics

logger = logging.getLogger("holdfast.census")

_SHARE = 0.02  # of the time, at the most: a count reads every run's row


class Census:
    """Counts from :meth:`start` to :meth:`stop`.

    Args:
        store: whose runs.
        every: seconds from one count to the next; longer where a count takes long.
    """

    def __init__(self, store: Store, every: float) -> None:
        self.counts = 0  # how often it has counted
        self._store = store
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to count, unless it is never to be done."""
        if self._every > 0:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="holdfast-census")

    async def stop(self) -> None:
        """Count no more, and forget what was counted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            metrics.counted(self._store.url, None)

    async def _run(self) -> None:
        while True:
            began = boot_seconds()
            try:
                metrics.counted(self._store.url, await self._store.population())
                self.counts += 1
            except StoreError as error:
                logger.warning("the runs could not be counted (%s); the metrics show the last count", error)
            await asyncio.sleep(max(self._every, (boot_seconds() - began) / _SHARE))
