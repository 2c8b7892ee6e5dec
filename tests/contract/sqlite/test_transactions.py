"""What a transactional step may do to a SQLite store, and what SQLite may do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import apsw
import pytest

from holdfast.errors import CommitUnknown, StoreBusy, UsageError
from holdfast.store.sqlite import SqliteStore
from holdfast.store.transactions import SqliteTransaction, Work, WorkFailed
from tests.contract.making import Hand, work
from tests.contract.stores import SqliteBookings

BOOKINGS = SqliteBookings()


@asynccontextmanager
async def owning(folder: Path) -> AsyncIterator[tuple[SqliteStore, Callable[..., Work]]]:
    """A store, and what makes work for the one run in it, which w1 owns."""
    store = await SqliteStore.open(folder / "a.db")
    run = await (await Hand.hire(store, "w1")).started()
    yield store, lambda do, **changes: work(run, do, **changes)
    await store.close()


REFUSED = {
    "COMMIT": "begin or end",
    "ROLLBACK": "begin or end",
    "BEGIN": "begin or end",
    "ATTACH 'other.db' AS other": "begin or end",
    "PRAGMA synchronous = off": "set PRAGMA synchronous",
    "PRAGMA writable_schema = on": "set PRAGMA writable_schema",
    "UPDATE runs SET epoch = epoch + 1": "write runs",
    "DELETE FROM Journal": "write journal",
    "INSERT INTO holdfast_transacted (key, rid, fingerprint, value) VALUES ('k', 1, x'', x'')": "holdfast_transacted",
    "DROP TABLE blobs": "write blobs",
    "ALTER TABLE tags ADD COLUMN mine TEXT": "write tags",
    "CREATE INDEX mine ON runs (id)": "write runs",
    "CREATE TRIGGER mine AFTER UPDATE ON runs BEGIN SELECT 1; END": "write runs",
    "DROP INDEX runs_ready": "write runs",
    "DROP VIEW run_rows": "write run_rows",
    "CREATE TABLE holdfast_mine (x)": "names that begin",
    "CREATE TEMP TABLE runs (rid, epoch, worker, status)": "make anything temporary",
    "CREATE TEMP VIEW workers AS SELECT 1": "make anything temporary",
    "CREATE TEMP TRIGGER mine AFTER UPDATE ON runs BEGIN SELECT 1; END": "make anything temporary",
    "CREATE TRIGGER mine AFTER INSERT ON bookings BEGIN DELETE FROM runs; END; INSERT INTO bookings VALUES (1)":
        "write runs",
}  # fmt: skip


@pytest.mark.parametrize("statement", REFUSED)
async def test_what_is_holdfasts_is_left_alone(tmp_path: Path, statement: str) -> None:
    async with owning(tmp_path) as (store, of):
        with pytest.raises(WorkFailed) as failed:
            await store.transact("w1", of(BOOKINGS.booking_and(statement)))
        assert isinstance(failed.value.error, UsageError) and REFUSED[statement] in str(failed.value.error)
        assert await BOOKINGS.booked(store) == []
        assert (await store.transact("w1", of(BOOKINGS.booking(5)))).value == b"1"


async def test_what_is_refused_stays_so_when_it_was_prepared_before(tmp_path: Path) -> None:
    async with owning(tmp_path) as (store, of):
        for n in range(3):  # the store itself has said COMMIT by now, on this connection, again and again
            await store.transact("w1", of(BOOKINGS.booking(1), key=f"k{n}"))
            with pytest.raises(WorkFailed):
                await store.transact("w1", of(BOOKINGS.booking_and("COMMIT;"), key=f"bad{n}"))
        assert await BOOKINGS.booked(store) == [1, 1, 1]


ALLOWED = [
    "SAVEPOINT mine; INSERT INTO bookings VALUES (7); ROLLBACK TO mine; RELEASE mine",
    "PRAGMA table_info(bookings)",
    "SELECT count(*) FROM runs",
    "CREATE INDEX mine ON bookings (amount)",
    "CREATE VIEW large AS SELECT * FROM bookings WHERE amount > 100",
    "ALTER TABLE bookings ADD COLUMN note TEXT",
]


@pytest.mark.parametrize("statement", ALLOWED)
async def test_what_is_the_users_is_theirs(tmp_path: Path, statement: str) -> None:
    async with owning(tmp_path) as (store, of):
        await store.transact("w1", of(BOOKINGS.booking_and(statement)))
        assert await BOOKINGS.booked(store) == [1]


async def test_a_statement_that_rolls_back_by_itself_fails_the_work_whatever_it_makes_of_that(tmp_path: Path) -> None:
    def swallow(tx: SqliteTransaction) -> bytes:
        BOOKINGS.booking(1)(tx)
        for statement in ("INSERT OR ROLLBACK INTO bookings VALUES (-1)", "INSERT INTO bookings VALUES (2)"):
            with suppress(apsw.Error, UsageError):
                tx.execute(statement)
        return b"all is well"

    async with owning(tmp_path) as (store, of):
        with pytest.raises(WorkFailed, match="rolled its transaction back"):
            await store.transact("w1", of(swallow))
        assert await BOOKINGS.booked(store) == []


async def test_a_full_disk_is_trouble_of_the_store_whatever_the_work_makes_of_it(tmp_path: Path) -> None:
    def swallow(tx: SqliteTransaction) -> bytes:
        BOOKINGS.booking(1)(tx)
        with suppress(apsw.FullError):
            tx.execute("CREATE TABLE large AS SELECT randomblob(10000000) AS it")
        return b"all is well"

    async with owning(tmp_path) as (store, of):
        db = store._file._writer
        assert db is not None
        db.pragma("max_page_count", db.pragma("page_count") + 20)
        with pytest.raises(StoreBusy, match="no space"):
            await store.transact("w1", of(swallow))
        db.pragma("max_page_count", 1 << 30)
        assert await BOOKINGS.booked(store) == []
        await store.transact("w1", of(BOOKINGS.booking(2)))


async def test_the_transaction_is_over_when_its_function_returns(tmp_path: Path) -> None:
    kept: list[SqliteTransaction] = []

    def keep(tx: SqliteTransaction) -> bytes:
        kept.append(tx)
        return b""

    async with owning(tmp_path) as (store, of):
        await store.transact("w1", of(keep))
        with pytest.raises(UsageError, match="its function only"):
            kept[0].execute("SELECT 1")


async def test_it_says_how_many_rows_changed(tmp_path: Path) -> None:
    def change(tx: SqliteTransaction) -> bytes:
        BOOKINGS.booking(1)(tx)
        tx.executemany("INSERT INTO bookings VALUES (:amount)", [{"amount": 2}, {"amount": 3}])
        tx.execute("UPDATE bookings SET amount = amount + 1 WHERE amount > 1")
        return b"%d" % tx.changes

    async with owning(tmp_path) as (store, of):
        assert (await store.transact("w1", of(change))).value == b"2"
        assert await BOOKINGS.booked(store) == [1, 3, 4]


@pytest.mark.parametrize("point", ["before-begin", "before-commit", "after-commit"])
async def test_an_outcome_that_nobody_knows_is_found_by_asking_again(tmp_path: Path, point: str) -> None:
    async with owning(tmp_path) as (store, of):

        def fail(at: str) -> None:
            if at == point:
                raise apsw.IOError("disk I/O error")

        store.fault = fail
        with pytest.raises(CommitUnknown if point == "after-commit" else StoreBusy):
            await store.transact("w1", of(BOOKINGS.booking(90)))
        store.fault = None
        assert (await store.transact("w1", of(BOOKINGS.booking(90)))).value == b"1"
        assert await BOOKINGS.booked(store) == [90]
