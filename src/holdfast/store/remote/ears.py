"""Hearing what is told of a run, over its stream of events."""

from __future__ import annotations

import asyncio
import contextlib

from holdfast.clock import jitter
from holdfast.errors import HoldfastError
from holdfast.store.remote.api import Api, segment

_AGAIN = 1.0  # seconds


class HttpEars:
    """Hears what is told of one run, from the moment it is made."""

    def __init__(self, api: Api, run_id: str) -> None:
        self._api = api
        self._run_id = run_id
        self._heard: list[bytes] = []
        self._came = asyncio.Event()
        self._listening = asyncio.get_running_loop().create_task(self._listen(), name="holdfast-http-ears")

    async def hear(self, timeout: float) -> list[bytes]:
        """See :class:`holdfast.store.base.Ears`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._came.wait()
        self._came.clear()
        heard, self._heard = self._heard, []
        return heard

    def close(self) -> None:
        """Hear no more; idempotent."""
        self._listening.cancel()

    async def _listen(self) -> None:
        over = False
        while not over:
            with contextlib.suppress(HoldfastError):
                over = await self._stream()
            if not over:
                await asyncio.sleep(_AGAIN * jitter())

    async def _stream(self) -> bool:
        """Listen until the stream ends; whether the run has."""
        kind = ""
        async with self._api.lines(f"/api/runs/{segment(self._run_id)}/events", told=True, entries=False) as lines:
            async for line in lines:
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "told":
                    self._heard.append(value.encode())
                    self._came.set()
                elif kind == "end":
                    return True
        return False
