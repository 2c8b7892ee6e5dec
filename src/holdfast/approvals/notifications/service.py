"""The service that has the postman go whenever there is something to do."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from holdfast.clock import SECOND, Clock
from holdfast.durable.alarm import Alarm
from holdfast.errors import StoreError
from holdfast.store.base import Store

if TYPE_CHECKING:
    from holdfast.approvals.notifications.linking import Link
    from holdfast.approvals.notifications.postman import Postman

logger = logging.getLogger("holdfast.notifications")

_GAP = 0.2  # seconds between two looks, however busy the store is: most of what happens there is no message


class Notifications:
    """Notifies from :meth:`start` to :meth:`stop`. Workers and servers have one; they may all be at work at once.

    Args:
        store: whose outbox.
        clock: tells when.
        link: see :class:`~holdfast.approvals.notifications.postman.Postman`.
        poll: seconds between looks when the store says nothing.

    Attributes:
        settled: set while there is nothing to do before time goes on, or the store changes.
    """

    def __init__(self, store: Store, clock: Clock, *, link: Link | None = None, poll: float = 1.0) -> None:
        self.settled = asyncio.Event()
        self._store = store
        self._clock = clock
        self._poll = poll
        self._link = link
        self._postman: Postman | None = None
        self._poke = asyncio.Event()
        self._alarm = Alarm(clock, self._poke.set)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Notifications:
        self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._watch = self._store.watch()
        self._tasks = [
            loop.create_task(self._watching(), name="holdfast-notifications-watch"),
            loop.create_task(self._working(), name="holdfast-notifications"),
        ]

    async def stop(self) -> None:
        """End. What is being sent just then is sent again by another, or later, unless it was settled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._alarm.set(None)
        self._watch.close()
        if self._postman is not None:
            await self._postman.__aexit__()

    async def _working(self) -> None:
        while True:
            self._poke.clear()
            self._alarm.set(await self._look())
            self.settled.set()
            await self._poke.wait()
            self.settled.clear()
            await asyncio.sleep(_GAP)

    async def _look(self) -> int | None:
        """Do what is due; when there is something to do next."""
        try:
            while (due := await self._store.next_message()) is not None and due <= self._clock.now():
                if not await self._postman_at_work().round():
                    break
            return due
        except StoreError as error:
            logger.warning("the store does not answer (%s); looking again in %.1f s", error, self._poll)
        except Exception:  # a defect: said, and the others that are due are not given up for it
            logger.critical("notifying failed; looking again in %.1f s", self._poll, exc_info=True)
        return self._clock.now() + int(self._poll * SECOND)

    def _postman_at_work(self) -> Postman:
        if self._postman is None:
            # an HTTP client takes a tenth of a second to load: most workers have nothing to send
            from holdfast.approvals.notifications.postman import Postman

            self._postman = Postman(self._store, self._clock, link=self._link)
        return self._postman

    async def _watching(self) -> None:
        while True:
            try:
                await self._watch.wait(self._poll)
            except StoreError:
                await asyncio.sleep(self._poll)
            self._poke.set()
