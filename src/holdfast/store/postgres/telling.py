"""Telling: notifications on a channel of their own, to each store that listens to a run.

One connection of the store's own thread both sends and hears; what is told while it sends goes together in the next
statement. A notification holds 8,000 bytes, so what is longer goes in parts. Nothing of this is kept, or waited for.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import asyncpg

from holdfast import codec
from holdfast.clock import new_id
from holdfast.store.bell import Bell
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.edge import ERRORS
from holdfast.store.postgres.links import connect, listening
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import NEWS

logger = logging.getLogger("holdfast.postgres")

_PART = 5_700  # bytes: with its head, and as text, it fits into a notification
_WAITING = 10_000  # what is told faster than the server takes it is lost, the oldest first
_READY_S = 1.0  # how long the first who listens waits for the connection; it hears later if the server is slow
_LAST_S = 1.0  # how long the end of the process waits for what was told last


class PostgresEars:
    """See :class:`holdfast.store.base.Ears`."""

    def __init__(self, telling: Telling, name: str) -> None:
        self.name = name
        self._telling = telling
        self._told: deque[bytes] = deque()
        self._bell = Bell()
        self._closed = False

    async def hear(self, timeout: float) -> list[bytes]:
        if not self._closed:
            self._telling.listen()
            await self._bell.wait(timeout, lambda: bool(self._told) or self._closed)
        told = list(self._told)
        self._told.clear()
        return told

    def take(self, data: bytes) -> None:
        """Something is told. From any thread."""
        self._told.append(data)
        self._bell.ring()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._told.clear()
            self._bell.ring()
            self._telling.forget(self)


class Telling:
    """What one store tells and hears.

    Args:
        address: of the store.
        side: where the connection lives.
        listens: whether a connection can hear anything: not through a pooler that gives them out by transaction.
    """

    def __init__(self, address: Address, side: SideLoop, *, listens: bool) -> None:
        self._dsn = address.direct
        self._channel = f"holdfast told {address.schema}"
        self._sender = new_id(0)
        self._side = side
        self._listens = listens
        self._lock = threading.Lock()
        self._ears: dict[str, list[PostgresEars]] = {}
        self._waiting: deque[str] = deque(maxlen=_WAITING)
        self._parts: dict[str, tuple[str, list[str]]] = {}  # of what is not heard whole yet, by sender
        self._number = 0
        self._sending = False
        self._sent = asyncio.Event()
        self._sent.set()
        self._closed = False
        self._connecting = asyncio.Lock()
        self._con: asyncpg.Connection | None = None
        self._away = False  # whether somebody has waited for the server in vain
        atexit.register(self._flush)

    def tell(self, run_id: str, data: bytes) -> None:
        """See :class:`holdfast.store.base.Telling`."""
        name = _name_of(run_id)
        with self._lock:
            if self._closed:
                return
            for ears in self._ears.get(name, ()):
                ears.take(data)
            self._number += 1
            self._waiting.extend(self._written(name, data))
            begin, self._sending = not self._sending, True
        if begin:
            self._side.start(self._send())

    def ears(self, run_id: str) -> PostgresEars:
        """See :class:`holdfast.store.base.Telling`."""
        ears = PostgresEars(self, _name_of(run_id))
        with self._lock:
            self._ears.setdefault(ears.name, []).append(ears)
        if not self._away:
            try:
                self._side.run(self._connected(), _READY_S)
            except ERRORS:
                self._away = True  # nobody else waits for it: who hears looks whether it is there again
        return ears

    def listen(self) -> None:
        """Listen again, if the connection was lost."""
        if not self._closed and (self._con is None or self._con.is_closed()):
            self._side.start(self._listen_again())

    def forget(self, ears: PostgresEars) -> None:
        """Somebody listens no more."""
        with self._lock:
            left = [other for other in self._ears.pop(ears.name, ()) if other is not ears]
            if left:
                self._ears[ears.name] = left

    def close(self) -> None:
        """Send what was told, and tell no more. Blocking."""
        atexit.unregister(self._flush)
        self._flush()
        with self._lock:
            self._closed = True
        if self._con is not None:
            self._con.terminate()

    # -- to the server

    def _written(self, name: str, data: bytes) -> Iterator[str]:
        last = max(0, len(data) - 1) // _PART
        for part in range(last + 1):
            text = b64encode(data[part * _PART : (part + 1) * _PART]).decode()
            yield f"{self._sender} {self._number} {part} {last} {name} {text}"

    async def _send(self) -> None:
        self._sent.clear()
        try:
            while told := self._next():
                con = await self._connected()
                await con.execute(NEWS.tell, self._channel, told)
        except ERRORS as error:
            logger.debug("what was told is lost (%s: %s)", type(error).__name__, error)
            with self._lock:
                self._waiting.clear()
                self._sending = False
        finally:
            self._sent.set()

    def _next(self) -> list[str]:
        with self._lock:
            told = list(self._waiting)
            self._waiting.clear()
            self._sending = bool(told)
            return told

    def _flush(self) -> None:
        with suppress(TimeoutError, RuntimeError):  # RuntimeError: its loop has ended
            self._side.run(self._sent.wait(), _LAST_S)

    # -- from the server

    async def _connected(self) -> asyncpg.Connection:
        async with self._connecting:
            if self._con is None or self._con.is_closed():
                if self._listens:
                    self._con = await listening(self._dsn, (self._channel, self._hear))
                else:
                    self._con = await connect(self._dsn, cache=False)
                self._away = False
            return self._con

    async def _listen_again(self) -> None:
        with suppress(*ERRORS):  # who listens asks again
            await self._connected()

    def _hear(self, _con: Any, _pid: int, _channel: str, payload: object) -> None:
        sender, number, part, last, name, text = str(payload).split(" ")
        if sender == self._sender:
            return  # those who listen here have been told
        of, parts = self._parts.pop(sender, (number, []))
        if part == "0":
            parts = []
        elif of != number or len(parts) != int(part):
            return  # one before was lost, and so is the whole
        parts.append(text)
        if part != last:
            self._parts[sender] = number, parts
            return
        data = b"".join(map(b64decode, parts))
        with self._lock:
            for ears in self._ears.get(name, ()):
                ears.take(data)


def _name_of(run_id: str) -> str:
    return f"{codec.hash64(run_id) & (2**64 - 1):016x}"
