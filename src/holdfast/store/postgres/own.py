"""The transaction as the user's function sees it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import asyncpg

from holdfast.clock import boot_seconds
from holdfast.errors import HoldfastError, UsageError
from holdfast.store.postgres.edge import lost, translated
from holdfast.store.transactions import Work, WorkFailed, WorkTooLong

T = TypeVar("T")

# Of the server's errors those that are none of the function's: serialization and deadlock, the disk, the server itself.
_TROUBLE = ("40", "53", "58", "25006", "25P03")
_ENDS = {"begin", "start", "commit", "end", "abort"}
_WORD = re.compile(r"\w+")
_COMMENT = re.compile(r"/\*|\*/")


class OwnTransaction:
    """See :class:`holdfast.store.transactions.PostgresTransaction`. Statements are sent one at a time.

    All go as prepared statements, of which each is one: what would end the transaction can only be its first words.
    """

    def __init__(self, con: asyncpg.Connection, work: Work, shown: str) -> None:
        self._con = con
        self._work = work
        self._shown = shown
        self._deadline = boot_seconds() + work.limit
        self._turn = asyncio.Lock()
        self._over = False
        self._failed: Exception | None = None  # what the last statement that failed was told
        self._trouble: Exception | None = None

    async def execute(self, query: str, *args: Any) -> str:
        async def run() -> str:
            statement = await self._con.prepare(query)
            await statement.fetch(*args)
            return str(statement.get_statusmsg())

        return await self._statement(query, run)

    async def executemany(self, command: str, args: Iterable[Sequence[Any]]) -> None:
        await self._statement(command, lambda: self._con.executemany(command, args))

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        return list(await self._statement(query, lambda: self._con.fetch(query, *args)))

    async def fetchrow(self, query: str, *args: Any) -> Any:
        return await self._statement(query, lambda: self._con.fetchrow(query, *args))

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self._statement(query, lambda: self._con.fetchval(query, *args))

    async def done(self) -> bytes:
        """Run the function to its end, and answer its value.

        Raises:
            WorkFailed: it raised.
            WorkTooLong: it was too slow.
            StoreError: the server or the connection was in its way, whatever it has made of that.
        """
        value = await self._run()
        if self._is_late():
            raise self._too_long()
        assert isinstance(value, bytes), "work answers its value, packed"
        return value

    async def _run(self) -> Any:
        try:
            async with asyncio.timeout(self._work.limit) as limit:
                value: Any = await self._work.do(self)  # type: ignore[misc]  # it is async: that was looked at
                self._over = True
                async with self._turn:  # a task of its may still be in the middle of a statement
                    return value
        except Exception as error:
            if limit.expired() or self._is_late():
                raise self._too_long() from error
            if self._trouble is not None:
                raise translated(self._trouble, self._shown) from error
            raise WorkFailed(error) from error
        finally:
            self._over = True

    def aborted(self) -> Exception:
        """What to raise when the server says that a statement has failed, and the function went on all the same."""
        if self._trouble is not None:
            return translated(self._trouble, self._shown)
        return WorkFailed(self._failed or UsageError(f"{self._work.key}: a statement has failed its transaction"))

    async def _statement(self, query: str, run: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            self._refuse(query)
            try:
                return await run()
            except Exception as error:
                self._failed = error
                if is_trouble(error, self._con):
                    self._trouble = error
                raise

    def _refuse(self, query: str) -> None:
        key = self._work.key
        if self._over:
            raise UsageError(f"{key}: a transaction is used by its function only, until it returns")
        if self._is_late():
            raise TimeoutError(f"{key}: its transaction took longer than {self._work.limit:g} s")
        if _ends(_first_words(query)):
            raise UsageError(
                f"{key}: a transactional step cannot begin or end a transaction: it is committed when its function "
                "returns"
            )

    def _is_late(self) -> bool:
        return boot_seconds() > self._deadline

    def _too_long(self) -> WorkTooLong:
        return WorkTooLong(f"the transaction took longer than {self._work.limit:g} s: nothing of it was committed")


def is_trouble(error: Exception, con: asyncpg.Connection) -> bool:
    """Whether it is the store's, not the function's."""
    if isinstance(error, HoldfastError):
        return False
    if isinstance(error, asyncpg.PostgresError):
        return lost(error) or (error.sqlstate or "").startswith(_TROUBLE)
    return bool(con.is_closed())


def _ends(words: list[str]) -> bool:
    """Whether a statement that begins with these words begins or ends a transaction."""
    if words[:1] == ["rollback"]:
        return "to" not in words[1:]  # ROLLBACK [WORK | TRANSACTION] TO a savepoint
    return words[:2] == ["prepare", "transaction"] or not _ENDS.isdisjoint(words[:1])


def _first_words(query: str) -> list[str]:
    words: list[str] = []
    while len(words) < 3 and (found := _WORD.match(query := _without_comments(query))):
        words.append(found[0].lower())
        query = query[found.end() :]
    return words


def _without_comments(query: str) -> str:
    """A statement from its first word on; comments may be nested."""
    while True:
        query = query.lstrip(" \t\n\r\f\v;")
        if query.startswith("--"):
            query = query.partition("\n")[2]
        elif query.startswith("/*"):
            query = query[_end_of_comment(query) :]
        else:
            return query


def _end_of_comment(query: str) -> int:
    depth = 0
    for mark in _COMMENT.finditer(query):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(query)
