"""Users' own rows: a function of theirs runs on the write connection, inside a transaction that keeps its value too."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw

from holdfast.clock import boot_seconds
from holdfast.errors import BadOption, LeaseLost, StoreBusy, UsageError
from holdfast.store.sqlite.opening import migrations
from holdfast.store.sqlite.statements import TRANSACTIONS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.transactions import Bindings, Transacted, Work, WorkFailed, WorkTooLong

_LOOK_EVERY = 20_000  # steps of SQLite's machine: some milliseconds
_RESERVED = "holdfast"  # what names of our later tables begin with
_TROUBLE = (apsw.FullError, apsw.IOError, apsw.NoMemError, apsw.CorruptError)  # the store's, not the function's
_READING_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"}
)
_ENDS = {apsw.SQLITE_TRANSACTION, apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH}
_WRITES = {apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE, apsw.SQLITE_DROP_TABLE, apsw.SQLITE_DROP_VIEW}
_ON_TABLES = {  # the second name is the table's
    apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_DROP_INDEX,
    apsw.SQLITE_CREATE_TRIGGER, apsw.SQLITE_DROP_TRIGGER,
}  # fmt: skip
_MAKES = {
    apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_CREATE_VIEW, apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_CREATE_TRIGGER,
    apsw.SQLITE_CREATE_VTABLE,
}  # fmt: skip

_TEMPORARY = {
    apsw.SQLITE_CREATE_TEMP_TABLE, apsw.SQLITE_CREATE_TEMP_VIEW, apsw.SQLITE_CREATE_TEMP_INDEX,
    apsw.SQLITE_CREATE_TEMP_TRIGGER,
}  # fmt: skip


def transact(tx: Transaction, worker_id: str, work: Work) -> Transacted:
    """Do the work and keep its value; or answer what is kept already. See :class:`holdfast.store.base.Transactions`."""
    if tx.row(TRANSACTIONS.fence, (work.rid, work.epoch, worker_id)) is None:
        raise LeaseLost(f"worker {worker_id} does not own the run of {work.key} any more: nothing was done")
    kept = tx.row(TRANSACTIONS.kept, (work.key,))
    if kept is not None:
        return Transacted(value=kept[0], fingerprint=kept[1])
    value = _done(tx.db, work)
    tx.run(TRANSACTIONS.keep, (work.key, work.rid, work.fingerprint, value))
    return Transacted(value=value, fingerprint=work.fingerprint)


def refuse_async(work: Work) -> None:
    """A coroutine would hold up every writer for as long as it waits for whatever it likes.

    Raises:
        BadOption: the work is one.
    """
    if work.is_async:
        raise BadOption(
            f"{work.key}: on SQLite a transactional step is a plain `def` that takes a SqliteTransaction; an "
            "`async def` with a PostgresTransaction needs a PostgreSQL store"
        )


def _done(db: apsw.Connection, work: Work) -> bytes:
    _refuse_unwanted(work)
    own = OwnTransaction(db, work)
    with own.guarded():
        try:
            value = work.do(own)
        except BaseException as error:
            own.check()  # what it raised may only be how it took the true cause
            raise WorkFailed(error) from error
        own.check()
    _refuse_unwanted(work)
    assert isinstance(value, bytes), "work that is not async answers at once"
    return value


def _refuse_unwanted(work: Work) -> None:
    if not work.wanted():
        raise StoreBusy(f"{work.key}: nobody waits for it any more: nothing was done")


@functools.cache
def _own_tables() -> frozenset[str]:
    made = (re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", script, re.MULTILINE) for _, script in migrations())
    return frozenset(name.lower() for names in made for name in names)


class OwnTransaction:
    """The transaction as the user's function sees it; see :class:`holdfast.store.transactions.SqliteTransaction`."""

    def __init__(self, db: apsw.Connection, work: Work) -> None:
        self._db = db
        self._key = work.key
        self._limit = work.limit
        self._deadline = boot_seconds() + work.limit
        self._thread = threading.get_ident()
        self._over = False
        self._refused = ""  # what the last statement was not allowed to do
        self._trouble: apsw.Error | None = None

    def execute(self, sql: str, bindings: Bindings = (), /) -> list[tuple[Any, ...]]:
        with self._statement():
            return self._db.execute(sql, bindings).fetchall()

    def executemany(self, sql: str, rows: Iterable[Bindings], /) -> None:
        with self._statement():
            self._db.executemany(sql, rows).fetchall()

    @property
    def changes(self) -> int:
        return self._db.changes()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """While the function runs: what it may not do is refused, and what takes too long is interrupted."""
        # SQLite prepares all statements anew after this, so ours that it has cached ("COMMIT") are looked at too.
        self._db.authorizer = self._allows
        self._db.set_progress_handler(self._is_late, _LOOK_EVERY)
        try:
            yield
        finally:
            self._over = True
            self._db.set_progress_handler(None)
            self._db.authorizer = None

    def check(self) -> None:
        """Whether what was done may be committed, whatever the function has made of the errors that it was given.

        Raises:
            WorkTooLong: it was too slow.
            apsw.Error: SQLite could not go on, and may have rolled back by itself.
            WorkFailed: it was rolled back by what the function asked for.
        """
        if self._trouble is not None:
            raise self._trouble
        if self._is_late():
            raise WorkTooLong(f"the transaction took longer than {self._limit:g} s: nothing of it was committed")
        if not self._db.in_transaction:
            raise WorkFailed(self._rolled_back())

    @contextmanager
    def _statement(self) -> Iterator[None]:
        if self._over or threading.get_ident() != self._thread:
            raise UsageError(
                f"{self._key}: a transaction is used by its function only, in its thread, until it returns"
            )
        if self._is_late():
            raise TimeoutError(f"{self._key}: its transaction took longer than {self._limit:g} s")
        if not self._db.in_transaction:  # what follows would be committed by itself
            raise self._trouble or self._rolled_back()
        self._refused = ""
        try:
            yield
        except apsw.AuthError as error:
            raise UsageError(f"{self._key}: a transactional step cannot {self._refused or 'do this'}") from error
        except apsw.InterruptError as error:
            raise TimeoutError(f"{self._key}: its transaction took longer than {self._limit:g} s") from error
        except _TROUBLE as error:
            self._trouble = error
            raise

    def _rolled_back(self) -> UsageError:
        return UsageError(f"{self._key}: a statement has rolled its transaction back (OR ROLLBACK, RAISE(ROLLBACK))")

    def _is_late(self) -> bool:
        return boot_seconds() > self._deadline

    def _allows(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        refused = _refusal(action, (first or "").lower(), (second or "").lower(), has_value=second is not None)
        if not refused:
            return apsw.SQLITE_OK
        self._refused = refused
        return apsw.SQLITE_DENY


def _refusal(action: int, first: str, second: str, *, has_value: bool) -> str:
    """What is wrong with a part of a statement: words for an error, or nothing."""
    if action == apsw.SQLITE_PRAGMA:
        return f"set PRAGMA {first}" if has_value and first not in _READING_PRAGMAS else ""
    if action in _ENDS:
        return "begin or end a transaction: it is committed when its function returns"  # ATTACH would open another
    if action in _TEMPORARY:  # it would stay with our connection, and hide our tables from us
        return "make anything temporary: use WITH, or a table of your own"
    if action in _MAKES and first.startswith(_RESERVED):
        return f"make {first}: names that begin with {_RESERVED!r} are Holdfast's"
    table = first if action in _WRITES else second if action in _ON_TABLES else ""
    return f"write {table}, which is Holdfast's" if table in _own_tables() else ""
