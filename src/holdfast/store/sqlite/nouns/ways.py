"""Ways into the file, for every noun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import apsw

from holdfast.errors import StoreUnusable
from holdfast.store.sqlite.file import Fault, SharedFile
from holdfast.store.sqlite.transaction import Transaction

T = TypeVar("T")

SMALL_ROWS = 64  # up to so many rows a transaction is quick enough for the event loop
MANY = 10_000  # rows, where nobody has counted them


class Ways:
    """What the nouns of one store share."""

    def __init__(self, file: SharedFile) -> None:
        self.url = f"sqlite:///{file.path}"
        self.fault: Fault = None  # for crash tests: called at "before-begin", "before-commit", "after-commit"
        self._file = file
        self._closed = False

    async def _write(self, work: Callable[..., T], *args: Any, rows: int = 1) -> T:
        self._refuse_closed()

        def job(tx: Transaction) -> T:
            return work(tx, *args)

        return await self._file.write(job, small=rows <= SMALL_ROWS, fault=self.fault)

    def _read(self, work: Callable[..., T], *args: Any) -> T:
        """Read here and now: a few indexed rows."""
        self._refuse_closed()
        with self._file.reader() as db:
            return work(db, *args)

    async def _read_apart(self, work: Callable[..., T], *args: Any) -> T:
        """Read in a thread: it may take long."""
        return await asyncio.to_thread(partial(self._read, work, *args))

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnusable(f"{self.url} was closed")


def fetch(db: apsw.Connection, statement: str, bindings: Any = ()) -> list[Any]:
    """All rows."""
    return db.execute(statement, bindings).fetchall()


def fetch_value(db: apsw.Connection, statement: str, bindings: Any = ()) -> Any:
    """The first column of the first row, None without one."""
    return db.execute(statement, bindings).get
