"""How changes become known: one stream of events for all who wait, open while anybody does."""

from __future__ import annotations

import asyncio
import contextlib

from holdfast.clock import jitter
from holdfast.errors import HoldfastError
from holdfast.store.remote.api import Api
from holdfast.store.watching import HubWatch

_AGAIN = 1.0  # seconds until a stream that broke off is asked for again; who waits looks by itself meanwhile


class HttpHub:
    """Rings those who watch, whenever the server says that something changed."""

    def __init__(self, api: Api) -> None:
        self.changes = 0
        self._api = api
        self._watches: set[HubWatch] = set()
        self._listening: asyncio.Task[None] | None = None

    def join(self, watch: HubWatch) -> None:
        """Ring it from now on."""
        self._watches.add(watch)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.get_running_loop().create_task(self._listen(), name="holdfast-http-hub")

    def leave(self, watch: HubWatch) -> None:
        """Ring it no more; the last one ends the stream."""
        self._watches.discard(watch)
        if not self._watches and self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def close(self) -> None:
        """Listen no more."""
        for watch in list(self._watches):
            watch.close()
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(HoldfastError):
                async with self._api.lines("/api/events") as lines:
                    async for line in lines:
                        if line == "event: change":
                            self._ring()
            self._ring()  # what happened while nobody listened is not known
            await asyncio.sleep(_AGAIN * jitter())

    def _ring(self) -> None:
        self.changes += 1
        for watch in list(self._watches):
            watch.ring()
