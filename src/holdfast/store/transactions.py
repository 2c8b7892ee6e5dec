"""What steps with ``effect="transactional"`` and the store say to each other.

The store is a service that takes idempotency keys: it commits the rows of a step's user, and the step's value under the
step's key, in one transaction. Asked again under that key, by whatever process, it does nothing and answers the value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Bindings = Sequence[Any] | Mapping[str, Any]


class SqliteTransaction(Protocol):
    """A transaction of a SQLite store: the first parameter of a plain ``def`` that ``ctx.step`` runs.

    What the function writes is committed together with the record that it ran: both, or neither. It is over when the
    function returns, and may be used in its thread only. Holdfast's own tables can be read, not written; ``COMMIT``,
    ``ATTACH`` and most pragmas are refused, savepoints are not.

    Example:
        >>> def book(tx: SqliteTransaction, account: str, amount: int) -> int:
        ...     tx.execute("CREATE TABLE IF NOT EXISTS bookings (account TEXT, amount INTEGER)")
        ...     tx.execute("INSERT INTO bookings VALUES (?, ?)", (account, amount))
        ...     return tx.execute("SELECT sum(amount) FROM bookings WHERE account = ?", (account,))[0][0]
        >>> async def body(ctx, account):
        ...     return await ctx.step(book, account, 90)
    """

    def execute(self, sql: str, bindings: Bindings = (), /) -> list[tuple[Any, ...]]:
        """Run one or more statements; gives all rows.

        Args:
            sql: the statements, with ``?`` or ``:name`` where values go.
            bindings: the values, by place or by name.

        Raises:
            UsageError: it is not allowed here, or the transaction is over.
            apsw.Error: what SQLite says, such as ``apsw.ConstraintError``.
        """

    def executemany(self, sql: str, rows: Iterable[Bindings], /) -> None:
        """Run a statement once for each of ``rows``. Raises the same."""

    @property
    def changes(self) -> int:
        """How many rows the last INSERT, UPDATE or DELETE has changed."""


class PostgresTransaction(Protocol):
    """A transaction of a PostgreSQL store, as ``asyncpg.Connection`` has it: the first parameter of an ``async def``.

    What the function writes is committed together with the record that it ran: both, or neither. Holdfast's own tables
    can be read, not written: a step that has written to them fails when its function returns.

    Example:
        >>> async def book(tx: PostgresTransaction, account: str, amount: int) -> int:
        ...     await tx.execute("INSERT INTO bookings VALUES ($1, $2)", account, amount)
        ...     return await tx.fetchval("SELECT sum(amount) FROM bookings WHERE account = $1", account)
    """

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement; gives its tag, such as ``INSERT 0 1``."""

    async def executemany(self, command: str, args: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each of ``args``."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """All rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row, None without one."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, None without one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Work:
    """What is to be done in a transaction, and for whom."""

    rid: int  # the run, and the epoch of its owner: the fence
    epoch: int
    key: str  # the step's idempotency key
    fingerprint: bytes  # of the step's arguments
    do: Callable[[Any], bytes | Awaitable[bytes]]  # is given the transaction; answers the step's value, packed
    is_async: bool  # whether ``do`` answers an awaitable
    limit: float  # seconds that it may take
    wanted: Callable[[], bool]  # whether anybody still waits for it; may be asked from any thread


@dataclass(frozen=True, kw_only=True, slots=True)
class Transacted:
    """What is kept under a key."""

    value: bytes  # packed
    fingerprint: bytes  # of the arguments with which it was done


class WorkFailed(Exception):
    """The work itself raised; nothing of it was committed. Never leaves the runtime: a step's failure is recorded."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


class WorkTooLong(Exception):
    """The work took longer than it may; nothing of it was committed. Never leaves the runtime."""
