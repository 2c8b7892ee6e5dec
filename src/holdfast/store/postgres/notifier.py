"""Telling others that something changed: at most one notification on its way, however many changes there are."""

from __future__ import annotations

import asyncio
import logging

from holdfast.errors import StoreError
from holdfast.store.postgres.links import Links
from holdfast.store.postgres.statements import NEWS
from holdfast.store.postgres.watch import Hub

logger = logging.getLogger("holdfast.postgres")


class Notifier:
    """Rings this store's watches at once, and others' soon."""

    def __init__(self, links: Links, hub: Hub) -> None:
        self._links = links
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def stir(self) -> None:
        """Something was committed that others may wait for."""
        self._hub.ring()
        self._again = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._notify(), name="holdfast-notify")

    async def _notify(self) -> None:
        try:
            while self._again:
                self._again = False
                await self._links.fetch(NEWS.notify, self._hub.channel, self._hub.sender)
        except StoreError as error:
            logger.debug("nobody was notified (%s); they find out by polling", error)
        finally:
            self._task = None

    async def close(self) -> None:
        """Send what is on its way."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=1)
        if self._task is not None:
            self._task.cancel()
