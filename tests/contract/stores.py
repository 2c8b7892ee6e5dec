"""The stores under test: where each is kept, and how its disk is filled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from holdfast.runtime import open_store
from holdfast.store.base import Store
from holdfast.store.postgres import PostgresStore
from holdfast.store.sqlite import SqliteStore
from holdfast.store.transactions import PostgresTransaction, SqliteTransaction
from tests.postgres import schemas
from tests.postgres.disk import SmallDisk

PRELUDE = """
import asyncio, sys
from tests.contract.making import *
from holdfast.records.worker import Quota
from tests.contract.stores import open_url
url, *args = sys.argv[1:]
"""


class Bookings(Protocol):
    """A table of users' own: what they do to it in a transaction, in whatever way the store wants it done."""

    def booking(
        self, amount: int, *, then: Callable[[], object] = lambda: None, value: bytes | None = None
    ) -> Callable[[Any], Any]:
        """Work that books an amount, making the table if need be, and answers how many there are, or ``value``."""

    def booking_and(self, statement: str) -> Callable[[Any], Any]:
        """Work that books 1 and goes on with a statement."""

    def endless(self) -> Callable[[Any], Any]:
        """Work that books 1 and then asks something that takes for ever."""

    async def booked(self, store: Store) -> list[int]:
        """What is booked, in order."""


class Place(Protocol):
    """Where a store is kept."""

    name: str
    url: str

    @property
    def bookings(self) -> Bookings: ...

    async def open(self) -> Store:
        """Open the store kept here; each call gives another instance of the same."""

    @contextmanager
    def full_disk(self, store: Store) -> Iterator[None]:
        """While inside, the store can grow no more."""

    def clear(self) -> None:
        """What is kept here is needed no more."""


class SqliteBookings:
    """By functions that are given a ``SqliteTransaction``."""

    def booking(
        self, amount: int, *, then: Callable[[], object] = lambda: None, value: bytes | None = None
    ) -> Callable[[Any], Any]:
        def do(tx: SqliteTransaction) -> bytes:
            tx.execute("CREATE TABLE IF NOT EXISTS bookings (amount INTEGER NOT NULL CHECK (amount > 0))")
            tx.execute("INSERT INTO bookings VALUES (?)", (amount,))
            then()
            return value or b"%d" % tx.execute("SELECT count(*) FROM bookings")[0][0]

        return do

    def booking_and(self, statement: str) -> Callable[[Any], Any]:
        def do(tx: SqliteTransaction) -> bytes:
            self.booking(1)(tx)
            tx.execute(statement)
            return b""

        return do

    def endless(self) -> Callable[[Any], Any]:
        return self.booking_and("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")

    async def booked(self, store: Store) -> list[int]:
        assert isinstance(store, SqliteStore)
        with store._file.reader() as db:
            made = db.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'bookings')").get
            return [row[0] for row in db.execute("SELECT amount FROM bookings ORDER BY rowid")] if made else []


class SqlitePlace:
    """A SQLite file in a temporary directory."""

    name = "sqlite"
    bookings = SqliteBookings()
    examples = 60  # of interleavings

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.url = f"sqlite:///{self.path}"

    async def open(self) -> Store:
        return await SqliteStore.open(self.url)

    @contextmanager
    def full_disk(self, store: Store) -> Iterator[None]:
        assert isinstance(store, SqliteStore)
        db = store._file._writer
        assert db is not None
        free = db.pragma("freelist_count")
        db.pragma("max_page_count", db.pragma("page_count") - free)
        yield
        db.pragma("max_page_count", 1 << 30)

    def clear(self) -> None:
        """The folder goes with the test."""


class PostgresBookings:
    """By functions that are given a ``PostgresTransaction``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.table = schemas.Names(schemas.Address.of(url).schema)("holdfast.bookings")

    def booking(
        self, amount: int, *, then: Callable[[], object] = lambda: None, value: bytes | None = None
    ) -> Callable[[Any], Any]:
        async def do(tx: PostgresTransaction) -> bytes:
            await tx.execute(
                f"CREATE TABLE IF NOT EXISTS {self.table} "
                "(n bigint GENERATED ALWAYS AS IDENTITY, amount int NOT NULL CHECK (amount > 0))"
            )
            await tx.execute(f"INSERT INTO {self.table} (amount) VALUES ($1)", amount)
            then()
            return value or b"%d" % await tx.fetchval(f"SELECT count(*) FROM {self.table}")

        return do

    def booking_and(self, statement: str) -> Callable[[Any], Any]:
        async def do(tx: PostgresTransaction) -> bytes:
            await self.booking(1)(tx)
            await tx.execute(statement)
            return b""

        return do

    def endless(self) -> Callable[[Any], Any]:
        return self.booking_and("SELECT pg_sleep(600)")

    async def booked(self, store: Store) -> list[int]:
        if schemas.ask(self.url, f"SELECT to_regclass('{self.table}')")[0][0] is None:
            return []
        return [row[0] for row in schemas.ask(self.url, f"SELECT amount FROM {self.table} ORDER BY n")]

    def clear(self) -> None:
        schemas.execute(self.url, f"DROP TABLE IF EXISTS {self.table}")


class PostgresPlace:
    """A schema of the session's server."""

    name = "postgres"
    examples = 25  # each question is a round trip

    def __init__(self, folder: Path) -> None:
        self.url = schemas.take()
        self._bookings: PostgresBookings | None = None

    @property
    def bookings(self) -> PostgresBookings:
        if self._bookings is None:
            self._bookings = PostgresBookings(self.url)
        return self._bookings

    async def open(self) -> Store:
        return await PostgresStore.open(self.url)

    @contextmanager
    def full_disk(self, store: Store) -> Iterator[None]:
        if not SmallDisk.possible():
            pytest.skip("a disk for the server to fill needs its machine, and the right to mount")
        with SmallDisk(self.url) as disk:
            yield
            disk.grow()

    def clear(self) -> None:
        if self._bookings is not None:
            self._bookings.clear()
        schemas.give_back(self.url)


PLACES: list[type[SqlitePlace] | type[PostgresPlace]] = [SqlitePlace, PostgresPlace]


async def open_url(url: str) -> Store:
    """Open a store in another process."""
    return await open_store(url)


def process(url: str, script: str, *args: object) -> subprocess.Popen[str]:
    """Another process that runs the body of a script with ``url`` and ``args``."""
    command = [sys.executable, "-c", PRELUDE + script, url, *map(str, args)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def output(running: subprocess.Popen[str], timeout: float = 60) -> str:
    """What a process says until it ends, which it must do well."""
    said, _ = running.communicate(timeout=timeout)
    assert running.returncode == 0, said
    return said
