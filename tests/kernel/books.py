"""Books: a table of users' own in the store's database, and steps that write it in the way that the store wants."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any

import apsw
import asyncpg

from holdfast import PostgresTransaction, SqliteTransaction
from holdfast.testing import Rig
from tests.postgres import schemas

Then = Callable[[int], Awaitable[Any]]  # is given the balance; what it answers is what the step returns
_numbers = itertools.count(1)


class SqliteBooks:
    """Written by plain functions."""

    refusal = apsw.ConstraintError
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    def __init__(self) -> None:
        def book(tx: SqliteTransaction, account: str, amount: int) -> int:
            tx.execute(
                "CREATE TABLE IF NOT EXISTS bookings (account TEXT NOT NULL, "
                "amount INTEGER NOT NULL CONSTRAINT positive CHECK (amount > 0))"
            )
            tx.execute("INSERT INTO bookings VALUES (?, ?)", (account, amount))
            (balance,) = tx.execute("SELECT sum(amount) FROM bookings WHERE account = ?", (account,))[0]
            return balance

        self.book = book

    def booking(self, amount: int, then: Then) -> Callable[..., Any]:
        """A step that books for ann, and goes on with something on the loop on which it is made (not in a body)."""
        loop = asyncio.get_running_loop()

        def do(tx: SqliteTransaction) -> int:
            balance = self.book(tx, "ann", amount)
            return asyncio.run_coroutine_threadsafe(_awaited(then, balance), loop).result(30)

        return do

    def booking_and(self, statement: str) -> Callable[..., Any]:
        """A step that books for ann, and goes on with a statement."""

        def do(tx: SqliteTransaction) -> None:
            self.book(tx, "ann", 90)
            tx.execute(statement)

        return do

    def of_the_other_kind(self) -> Callable[..., Any]:
        async def patient(tx: SqliteTransaction) -> None: ...

        return patient

    def forms(self) -> dict[str, Any]:
        """All that takes a transaction."""
        book = self.book

        class Ledger:
            def book(self, tx: SqliteTransaction, account: str, amount: int) -> int:
                return book(tx, account, amount)

            def __call__(self, tx: SqliteTransaction, account: str, amount: int) -> int:
                return book(tx, account, amount)

        @functools.wraps(book)
        def wrapped(*args: Any, **kwargs: Any) -> int:
            return book(*args, **kwargs)

        return _forms(Ledger(), book, wrapped)

    def booked(self, t: Rig) -> list[tuple[str, int]]:
        """What the store holds of it."""
        with t.store._file.reader() as db:  # type: ignore[attr-defined]  # a look past the store, at the file itself
            made = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'bookings'").get
            return db.execute("SELECT account, amount FROM bookings ORDER BY rowid").fetchall() if made else []

    def clear(self) -> None:
        """The file goes with the test."""


class PostgresBooks:
    """Written by coroutines."""

    refusal = asyncpg.CheckViolationError
    endless = "SELECT pg_sleep(600)"

    def __init__(self) -> None:
        table = self.table = f"public.bookings_{os.getpid()}_{next(_numbers)}"
        schemas.ask(
            schemas.base(),
            f"CREATE TABLE {table} (n bigint GENERATED ALWAYS AS IDENTITY, account text NOT NULL, "
            "amount int NOT NULL CONSTRAINT positive CHECK (amount > 0))",
        )

        async def book(tx: PostgresTransaction, account: str, amount: int) -> int:
            await tx.execute(f"INSERT INTO {table} (account, amount) VALUES ($1, $2)", account, amount)
            return int(await tx.fetchval(f"SELECT sum(amount) FROM {table} WHERE account = $1", account))

        self.book = book

    def booking(self, amount: int, then: Then) -> Callable[..., Any]:
        async def do(tx: PostgresTransaction) -> int:
            return await then(await self.book(tx, "ann", amount))

        return do

    def booking_and(self, statement: str) -> Callable[..., Any]:
        async def do(tx: PostgresTransaction) -> None:
            await self.book(tx, "ann", 90)
            await tx.execute(statement)

        return do

    def of_the_other_kind(self) -> Callable[..., Any]:
        def hasty(tx: PostgresTransaction) -> None: ...

        return hasty

    def forms(self) -> dict[str, Any]:
        book = self.book

        class Ledger:
            async def book(self, tx: PostgresTransaction, account: str, amount: int) -> int:
                return await book(tx, account, amount)

            async def __call__(self, tx: PostgresTransaction, account: str, amount: int) -> int:
                return await book(tx, account, amount)

        @functools.wraps(book)
        async def wrapped(*args: Any, **kwargs: Any) -> int:
            return await book(*args, **kwargs)

        return _forms(Ledger(), book, wrapped)

    def booked(self, t: Rig) -> list[tuple[str, int]]:
        return [
            tuple(row) for row in schemas.ask(schemas.base(), f"SELECT account, amount FROM {self.table} ORDER BY n")
        ]

    def clear(self) -> None:
        schemas.ask(schemas.base(), f"DROP TABLE {self.table}")


Books = SqliteBooks | PostgresBooks


async def _awaited(then: Then, balance: int) -> Any:
    return await then(balance)


def _forms(ledger: Any, book: Callable[..., Any], wrapped: Callable[..., Any]) -> dict[str, Any]:
    return {
        "method": ledger.book,
        "callable": ledger,
        "partial": functools.partial(book, amount=5),
        "wrapped": wrapped,
    }
