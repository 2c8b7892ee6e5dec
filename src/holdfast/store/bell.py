"""A bell: how a coroutine that waits is woken from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """Wakes the one who waits, if anybody does."""

    __slots__ = ("_hung",)

    def __init__(self) -> None:
        self._hung: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def wait(self, timeout: float, ready: Callable[[], bool]) -> None:
        """Wait until it rings, for ``timeout`` seconds at the most, unless there is something already."""
        event = asyncio.Event()
        self._hung = (asyncio.get_running_loop(), event)
        try:
            if not ready():  # looked at after it hangs: what happens in between rings it
                # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the bell.
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await event.wait()
        finally:
            self._hung = None

    def ring(self) -> None:
        """Wake whoever waits. From any thread."""
        hung = self._hung
        if hung is not None:
            with suppress(RuntimeError):  # its loop has closed meanwhile: nobody waits
                hung[0].call_soon_threadsafe(hung[1].set)
