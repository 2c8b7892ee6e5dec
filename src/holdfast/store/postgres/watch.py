"""Watching: how a commit is noticed by those who wait, in this process and in others.

In this process a write wakes the watches directly. Others hear of it by ``NOTIFY``, sent after the commit and apart
from it: a transaction that notifies takes a lock that all those share until it is on the disk, so commits of different
workers would stand in line. Notifications may be lost; therefore the database's transaction counter is polled as well.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import asyncpg

from holdfast.clock import jitter, new_id
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.edge import ERRORS
from holdfast.store.postgres.links import connect, listening
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import NEWS
from holdfast.store.watching import HubWatch

logger = logging.getLogger("holdfast.postgres")

POLL_S = 0.5
READY_S = 1.0  # how long the first watch waits for the listener; it listens later if the server is slow
_ANSWER_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 5.0


class Hub:
    """The watches of one store; it listens, on a thread of its own, from the first of them on."""

    def __init__(self, address: Address, side: SideLoop, *, listens: bool) -> None:
        self.changes = 0
        self.channel = f"holdfast {address.schema}"
        self.sender = new_id(0)  # tells our own notifications from others'
        self._listener = _Listener(self, address.direct, listens=listens)
        self._side = side
        self._watches: tuple[HubWatch, ...] = ()
        self._started = False

    def join(self, watch: HubWatch) -> None:
        self._watches += (watch,)
        if not self._started:
            self._started = True
            self._side.start(self._listener.run())
            with suppress(TimeoutError):
                self._side.run(self._listener.ready.wait(), READY_S)

    def leave(self, watch: HubWatch) -> None:
        self._watches = tuple(other for other in self._watches if other is not watch)

    def ring(self) -> None:
        """Wake this store's watches."""
        self.changes += 1
        for watch in self._watches:
            watch.ring()

    def close(self) -> None:
        """Close every watch."""
        for watch in self._watches:
            watch.close()


class _Listener:
    """A connection that hears notifications and polls; made again whenever it is lost."""

    def __init__(self, hub: Hub, dsn: str, *, listens: bool) -> None:
        self.ready = asyncio.Event()
        self._hub = hub
        self._dsn = dsn
        self._listens = listens
        self._seen: str | None = None  # None: nobody knows what was missed

    async def run(self) -> None:
        """Until it is cancelled."""
        wait = _FIRST_WAIT_S
        while True:
            try:
                con = await self._connect()
            except ERRORS as error:
                logger.warning("nobody can listen for changes (%s: %s); trying again", type(error).__name__, error)
            else:
                wait = _FIRST_WAIT_S
                try:
                    await self._listen(con)
                except ERRORS as error:
                    logger.info("the listening connection was lost (%s: %s)", type(error).__name__, error)
                finally:
                    con.terminate()
            self._seen = None
            await asyncio.sleep(wait * jitter())
            wait = min(wait * 2, _LONGEST_WAIT_S)

    async def _listen(self, con: asyncpg.Connection) -> None:
        missed = self.ready.is_set()
        while True:
            seen = await self._look(con)
            if seen != self._seen and (self._seen is not None or missed):
                self._hub.ring()
            self._seen, missed = seen, False
            self.ready.set()
            await asyncio.sleep(POLL_S)
            if con.is_closed():
                raise ConnectionResetError("closed by the server")

    async def _connect(self) -> asyncpg.Connection:
        if self._listens:
            return await listening(self._dsn, (self._hub.channel, self._hear))
        return await connect(self._dsn, cache=False)

    async def _look(self, con: asyncpg.Connection) -> str:
        async with asyncio.timeout(_ANSWER_S):
            if self._listens:
                return str(await con.fetchval(NEWS.change))
            await con.execute("BEGIN")
            seen = str(await con.fetchval(NEWS.change))
            await con.execute("COMMIT")
            return seen

    def _hear(self, _con: Any, _pid: int, _channel: str, sender: object) -> None:
        if sender != self._hub.sender:
            self._hub.ring()
