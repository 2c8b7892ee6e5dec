"""One waiter's watch, the same over every store; how a change becomes known to the hub is the store's own."""

from __future__ import annotations

import asyncio
from typing import Protocol

from holdfast.store.bell import Bell


class Hub(Protocol):
    """What knows of changes, and rings those who have joined."""

    changes: int  # how many there were: it only grows

    def join(self, watch: HubWatch) -> None:
        """Ring it from now on."""

    def leave(self, watch: HubWatch) -> None:
        """Ring it no more."""


class HubWatch:
    """One waiter's view: everything that changed since it looked last."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen = hub.changes
        self._closed = False
        self._bell = Bell()
        hub.join(self)

    async def wait(self, timeout: float) -> None:
        """See :class:`holdfast.store.base.Watch`."""
        if self._closed:  # nothing to see any more; not at once, or who waits in a loop would never yield
            await asyncio.sleep(timeout)
            return
        try:
            await self._bell.wait(timeout, lambda: self._seen != self._hub.changes or self._closed)
        finally:
            self._seen = self._hub.changes

    def ring(self) -> None:
        """Something changed. From any thread."""
        self._bell.ring()

    def close(self) -> None:
        """See :class:`holdfast.store.base.Watch`."""
        self._closed = True
        self.ring()
        self._hub.leave(self)
