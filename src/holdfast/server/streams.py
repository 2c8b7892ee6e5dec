"""Server-sent events (WHATWG HTML, 9.2): what a stream of them is made of, and when it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from holdfast.clock import boot_seconds
from holdfast.errors import HoldfastError
from holdfast.people import Caller
from holdfast.server.access import caller_of
from holdfast.server.house import House

MEDIA_TYPE = "text/event-stream"
ALIVE = b": alive\n\n"
_CHECKED = 5.0  # seconds between two looks whether whoever listens still may


class EventStream(StreamingResponse):
    """An answer that goes on; proxies are told not to collect it."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncIterator[bytes], status_code: int = 200) -> None:
        super().__init__(events, status_code, headers={"X-Accel-Buffering": "no"})


def event(name: str, data: Mapping[str, Any] | str, *, id: str | None = None) -> bytes:
    """One event; ``data`` becomes one line of JSON, or is one already."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=True, allow_nan=False)
    place = "" if id is None else f"id: {id}\n"
    return f"event: {name}\n{place}data: {text}\n\n".encode("utf-8", "backslashreplace")


class Pulse:
    """Wakes a stream when the store changes, gives signs of life, and ends it: ``async for changed in pulse``.

    It ends when the server stops, or whoever listens may not any more what they might: their token was revoked, their
    session ended, their roles are others.
    """

    def __init__(self, house: House, request: Request, who: Caller) -> None:
        self._house = house
        self._request = request
        self._who = who
        self._watch = house.store.watch()
        self._checked = boot_seconds()

    async def __aiter__(self) -> AsyncIterator[None]:
        self._house.watches.add(self._watch)
        try:
            while not self._house.stopping and await self._allowed():
                yield
                await self._watch.wait(self._house.config.keep_alive)
        finally:
            self._house.watches.discard(self._watch)
            self._watch.close()

    async def _allowed(self) -> bool:
        if boot_seconds() - self._checked < _CHECKED:
            return True
        self._checked = boot_seconds()
        try:
            now = await caller_of(self._house, self._request)
        except HoldfastError:
            return False
        return (now.scopes, now.person.roles) == (self._who.scopes, self._who.person.roles)
