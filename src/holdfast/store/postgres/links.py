"""Links: the connections of one event loop to a server, made when needed, kept while idle, dropped when in doubt.

Each call is one statement, and so one transaction and one round trip: no transaction ever waits for this process,
whatever happens to it. Through a pooler that gives out connections by transaction a statement is sent in a transaction
of its own, because preparing and executing must meet the same server; no call relies on what a session remembers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import asyncpg

from holdfast.errors import CommitUnknown, StoreBusy, StoreUnusable
from holdfast.store.postgres import hosts
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.edge import ERRORS, lost, translated
from holdfast.store.postgres.statements import BROAD, CONNECTION, PLANNED, Names

logger = logging.getLogger("holdfast.postgres")

Row = Any  # asyncpg.Record: the driver has no types

LEASE_MS = 15_000  # until a worker says how long its lease is
CONNECT_S = 10.0
TURN_S = 10.0  # how long to wait for a link that others hold
_PATIENT_MS = 300_000  # what reads much, or deletes much, may take
UNREAD_MS = 60_000  # how long a listener may read nothing
_SLACK_S = 5.0  # the server stops a statement by itself; this long after that, it is not there any more
_DOUBT = "SyncRepWaitForLSN"  # where the server says that a commit is on its own disk, and perhaps on no other
_HEAR = "SET {} client_min_messages = warning"  # whatever the role is set to: that doubt is a warning
_SESSION = (
    "SET application_name = 'holdfast'; SET default_transaction_isolation = 'read committed'; "
    f"SET jit = off; {PLANNED}; "
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
)


class Limits(NamedTuple):
    """What the server may take before it gives up, in milliseconds: all of it shorter than the lease."""

    statement: int
    lock: int
    idle: int

    @classmethod
    def of_lease(cls, lease_ms: int) -> Limits:
        """Limits within which a lease is not lost."""
        lease_ms = max(750, min(lease_ms, LEASE_MS))
        return cls(lease_ms * 2 // 3, lease_ms // 3, lease_ms // 3)

    def sql(self, scope: str) -> str:
        """The statements that set them, for the session or (``LOCAL``) the transaction."""
        return (
            f"SET {scope} statement_timeout = {self.statement}; SET {scope} lock_timeout = {self.lock}; "
            f"SET {scope} idle_in_transaction_session_timeout = {self.idle}; {_HEAR.format(scope)}"
        )


_PATIENT = Limits(_PATIENT_MS, 5_000, _PATIENT_MS)


class Link:
    """One connection; ``doubtful`` once the server has warned that a commit may not be where it should be."""

    __slots__ = ("con", "doubtful", "limits")

    def __init__(self, con: asyncpg.Connection, limits: Limits) -> None:
        self.con = con
        self.limits = limits
        self.doubtful = False
        con.add_log_listener(self._hear)

    def _hear(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        self.doubtful = self.doubtful or message.as_dict().get("server_source_function") == _DOUBT


async def connect(dsn: str, *, cache: bool = True) -> asyncpg.Connection:
    """A bare connection, to the host among those named that takes writes."""
    wanted = {} if "target_session_attrs=" in dsn else {"target_session_attrs": "read-write"}
    given = {"statement_cache_size": 200 if cache else 0, "max_cached_statement_lifetime": 0, **wanted}
    try:
        places = hosts.each(dsn)
        if len(places) == 1:
            return await asyncpg.connect(dsn, timeout=CONNECT_S, **given)
        return await hosts.first(places, lambda place: asyncpg.connect(place, timeout=CONNECT_S, **given))
    except ValueError as error:  # from reading the address: a port that is no number, and the like
        raise asyncpg.ClientConfigurationError(str(error)) from error


async def listening(dsn: str, *channels: tuple[str, Callable[..., None]]) -> asyncpg.Connection:
    """A connection that hears, and that the server gives up when nobody reads what it says: until then it keeps
    everybody's notifications, and once its queue is full nobody can notify any more.
    """
    con = await connect(dsn)
    try:
        await con.execute(f"SET tcp_user_timeout = {UNREAD_MS}")
        for channel, hear in channels:
            await con.add_listener(channel, hear)
    except BaseException:
        con.terminate()
        raise
    return con


class Links:
    """Links of one loop.

    Args:
        address: whereto.
        size: how many there may be.
        pooled: whether a pooler is in between, which gives them out by transaction.
    """

    def __init__(self, address: Address, names: Names, *, size: int, pooled: bool) -> None:
        self.limits = Limits.of_lease(LEASE_MS)
        self.pooled = pooled
        self._dsn = address.dsn
        self._shown = address.shown
        self._names = names
        self._size = size
        self._turns = asyncio.Semaphore(size)
        self._idle: list[Link] = []
        self._used: set[Link] = set()
        self._closed = False

    # Calls

    async def fetch(self, statement: str, *args: Any) -> list[Row]:
        """Read; or write what may be written twice. Sent again once, if the connection had gone meanwhile.

        Raises:
            StoreError: it was not done, or nobody knows.
        """
        try:
            return await self._call(statement, args)
        except CommitUnknown as unknown:
            logger.info("%s; asking again", unknown)
        try:
            return await self._call(statement, args)
        except CommitUnknown as unknown:
            raise StoreBusy(f"{self._shown}: the connection was lost twice. Try again") from unknown

    async def value(self, statement: str, *args: Any) -> Any:
        """The first column of the first row, None without one; as :meth:`fetch`."""
        rows = await self.fetch(statement, *args)
        return rows[0][0] if rows else None

    async def write(self, statement: str, *args: Any) -> list[Row]:
        """Write once.

        Raises:
            CommitUnknown: the connection was lost, or the server is not sure; it may have been done.
            StoreError: it was not done.
        """
        return await self._call(statement, args)

    async def patiently(self, statement: str, *args: Any) -> list[Row]:
        """Write once what may take minutes; raises the same as :meth:`write`."""
        return await self._call(statement, args, patient=True)

    async def _call(self, statement: str, args: tuple[Any, ...], *, patient: bool = False) -> list[Row]:
        link = await self.take()
        link.doubtful = False
        try:
            rows = await self._send(link, self._names(statement), args, patient=patient)
        except BaseException as error:
            self._settle(link, error, lone=not (self.pooled or patient))
            if isinstance(error, ERRORS):
                raise self._outcome(error) from error
            raise
        self._give_back(link)
        if link.doubtful:
            raise CommitUnknown(
                f"{self._shown}: the wait for the synchronous standby was interrupted: committed here, perhaps not "
                "there. Send it again"
            )
        return rows

    async def _send(self, link: Link, sql: str, args: tuple[Any, ...], *, patient: bool) -> list[Row]:
        # what takes minutes may not sit idle for as long
        limits = _PATIENT._replace(idle=link.limits.idle) if patient else link.limits
        # Past the server's own limit there is no server: then the client gives up.
        async with asyncio.timeout(limits.statement / 1000 + _SLACK_S):
            if not (self.pooled or patient):
                return list(await link.con.fetch(sql, *args))
            await link.con.execute(f"{CONNECTION.begin} {limits.sql('LOCAL')}")
            rows = await link.con.fetch(sql, *args)
            await link.con.execute(CONNECTION.commit)
            return list(rows)

    def _outcome(self, error: BaseException) -> Exception:
        if lost(error):
            said = f"{type(error).__name__}: {error}"
            return CommitUnknown(f"{self._shown}: the connection was lost in the middle ({said}). Send it again")
        return translated(error, self._shown)

    @asynccontextmanager
    async def reading(self, *, patient: bool = False) -> AsyncIterator[asyncpg.Connection]:
        """A transaction that sees one state and locks nothing; ``patient``: that may read much, and take minutes.

        Raises:
            StoreError: what is read inside fails.
        """
        link = await self.take()
        limits = _PATIENT if patient else link.limits
        begin = f"{CONNECTION.begin_reading} {limits.sql('LOCAL')}{f'; {BROAD}' if patient else ''}"
        try:
            async with asyncio.timeout(2 * limits.statement / 1000 + _SLACK_S):
                await link.con.execute(begin)
                yield link.con
                await link.con.execute(CONNECTION.commit)
        except BaseException as error:
            link.con.terminate()
            self._give_back(link)
            if isinstance(error, ERRORS):
                raise translated(error, self._shown) from error
            raise
        self._give_back(link)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Link]:
        """A link for a transaction of several statements; not used again after an error.

        Raises:
            StoreBusy: there is none.
        """
        link = await self.take()
        link.doubtful = False
        try:
            yield link
        except BaseException:
            link.con.terminate()
            raise
        finally:
            self._give_back(link)

    # Links

    async def take(self) -> Link:
        """A link, connected.

        Raises:
            StoreBusy: the server cannot be reached, or all links are taken for long.
        """
        if self._closed:
            raise StoreUnusable(f"{self._shown} was closed")
        try:
            async with asyncio.timeout(TURN_S):
                await self._turns.acquire()
        except TimeoutError:
            raise StoreBusy(
                f"{self._shown}: all {self._size} connections of this process were busy for {TURN_S:g} s. Try again"
            ) from None
        try:
            link = self._kept() or await self._connect()
        except BaseException as error:
            self._turns.release()
            if isinstance(error, ERRORS):
                raise translated(error, self._shown) from error
            raise
        self._used.add(link)
        return link

    def _kept(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if not link.con.is_closed() and link.limits == self.limits:
                return link
            link.con.terminate()
        return None

    async def _connect(self) -> Link:
        con = await connect(self._dsn, cache=not self.pooled)
        if not self.pooled:
            try:
                await con.execute(_SESSION + self.limits.sql("SESSION"))
            except BaseException:
                con.terminate()
                raise
        return Link(con, self.limits)

    def _settle(self, link: Link, error: BaseException, *, lone: bool) -> None:
        """After an error: only a server that has refused a lone statement, and said so, leaves the link as it was."""
        refused = isinstance(error, ERRORS) and not lost(error)
        if not lone or not refused or getattr(error, "sqlstate", "") == "25006":
            link.con.terminate()
        if getattr(error, "sqlstate", "") == "25006":  # this host takes no writes any more: find the one that does
            self._drop_idle()
        self._give_back(link)

    def _give_back(self, link: Link) -> None:
        self._used.discard(link)
        if self._closed or link.con.is_closed():
            link.con.terminate()
        else:
            self._idle.append(link)
        self._turns.release()

    def _drop_idle(self) -> None:
        for link in self._idle:
            link.con.terminate()
        self._idle.clear()

    async def close(self) -> None:
        """Close them all; those in use are broken off."""
        self._closed = True
        idle, self._idle = self._idle, []
        for link in idle:
            with suppress(*ERRORS):
                await link.con.close(timeout=1)
        for link in list(self._used):
            link.con.terminate()
