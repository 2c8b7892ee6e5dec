"""What a transactional step may do to a PostgreSQL store, and what the server may do to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast.errors import CommitUnknown, LeaseLost, StoreBusy, UsageError
from holdfast.store import postgres
from holdfast.store.postgres import PostgresStore, links
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.opening import migrations
from holdfast.store.postgres.statements import Names
from holdfast.store.transactions import Transacted, Work, WorkFailed
from tests.contract.making import Hand, work
from tests.contract.stores import PostgresBookings, PostgresPlace
from tests.postgres import schemas
from tests.postgres.proxy import Proxy


@asynccontextmanager
async def owning(place: PostgresPlace) -> AsyncIterator[tuple[PostgresStore, Callable[..., Work]]]:
    """A store, and what makes work for the one run in it, which w1 owns."""
    store = await PostgresStore.open(place.url)
    run = await (await Hand.hire(store, "w1")).started()
    yield store, lambda do, **changes: work(run, do, **changes)
    await store.close()


ENDS = [
    "commit",
    "/* a /* nested */ comment */ COMMIT",
    "-- a comment\n ; COMMIT;",
    "END",
    "ABORT",
    "ROLLBACK AND CHAIN",
    "BEGIN",
    "START TRANSACTION",
    "PREPARE /**/ TRANSACTION 'mine'",
]


@pytest.mark.parametrize("statement", ENDS)
async def test_the_transaction_is_not_the_functions_to_end(place: PostgresPlace, statement: str) -> None:
    async with owning(place) as (store, of):
        with pytest.raises(WorkFailed) as failed:
            await store.transact("w1", of(place.bookings.booking_and(statement)))
        assert isinstance(failed.value.error, UsageError) and "begin or end" in str(failed.value.error)
        assert await place.bookings.booked(store) == []
        assert (await store.transact("w1", of(place.bookings.booking(5)))).value == b"1"


OWN = [
    "UPDATE {0}.runs SET priority = 9",
    "DELETE FROM {0}.batches",
    "INSERT INTO {0}.starts VALUES ('adjust', 1)",
    "DO $$ BEGIN EXECUTE 'UPDATE {0}.' || 'workers SET pid = 1'; END $$",
    "WITH gone AS (DELETE FROM {0}.runs RETURNING rid) SELECT count(*) FROM gone",
]


@pytest.mark.parametrize("statement", OWN)
async def test_holdfasts_own_rows_are_not_the_functions_to_write(place: PostgresPlace, statement: str) -> None:
    statement = statement.format(Names(Address.of(place.url).schema).quoted)
    async with owning(place) as (store, of):
        run_rows = await asyncio.to_thread(schemas.ask, place.url, "SELECT * FROM holdfast.runs")
        with pytest.raises(WorkFailed, match="read Holdfast's own tables, not write") as failed:
            await store.transact("w1", of(place.bookings.booking_and(statement)))
        assert isinstance(failed.value.error, UsageError)
        assert await asyncio.to_thread(schemas.ask, place.url, "SELECT * FROM holdfast.runs") == run_rows
        assert await place.bookings.booked(store) == []
        assert (await store.transact("w1", of(place.bookings.booking(5)))).value == b"1"


async def test_its_own_rows_may_be_beside_them_and_many_transactions_share_a_session(place: PostgresPlace) -> None:
    async with owning(place) as (store, of):
        runs = Names(Address.of(place.url).schema)("SELECT count(*) FROM holdfast.runs")
        for n in range(1, 9):
            kept = await store.transact("w1", of(place.bookings.booking_and(runs), key=f"k{n}"))
            assert kept.value == b""
        assert await place.bookings.booked(store) == [1] * 8


def test_every_table_is_guarded() -> None:
    text = (Path(postgres.__file__).parent / "routines" / "transactions.sql").read_text()
    guarded = set(re.findall(r"'(\w+)'", text.partition("c.relname IN (")[2].partition(")")[0]))
    made = re.findall(r"^CREATE TABLE holdfast\.(\w+)", "".join(script for _, script in migrations()), re.MULTILINE)
    assert made and guarded == set(made)


@pytest.mark.parametrize("statement", ["SELECT 1; COMMIT", "DO $$ BEGIN COMMIT; END $$"])
async def test_nor_by_a_way_round(place: PostgresPlace, statement: str) -> None:
    async with owning(place) as (store, of):
        with pytest.raises(WorkFailed) as failed:
            await store.transact("w1", of(place.bookings.booking_and(statement)))
        assert isinstance(failed.value.error, asyncpg.PostgresError)
        assert await place.bookings.booked(store) == []


async def test_savepoints_are_fine(place: PostgresPlace) -> None:
    bookings = place.bookings

    async def careful(tx: Any) -> bytes:
        await bookings.booking(1)(tx)
        await tx.execute("SAVEPOINT mine")
        with suppress(asyncpg.CheckViolationError):
            await bookings.booking(-1)(tx)
        await tx.execute("ROLLBACK TO mine")
        return await bookings.booking(2)(tx)

    async with owning(place) as (store, of):
        assert (await store.transact("w1", of(careful))).value == b"2"
        assert await bookings.booked(store) == [1, 2]


async def test_a_statement_that_failed_fails_the_work_whatever_it_makes_of_that(place: PostgresPlace) -> None:
    async def swallow(tx: Any) -> bytes:
        await place.bookings.booking(1)(tx)
        with suppress(asyncpg.CheckViolationError):
            await place.bookings.booking(-1)(tx)
        return b"all is well"

    async with owning(place) as (store, of):
        with pytest.raises(WorkFailed) as failed:
            await store.transact("w1", of(swallow))
        assert isinstance(failed.value.error, asyncpg.CheckViolationError)
        assert await place.bookings.booked(store) == []


async def test_what_is_deferred_to_the_commit_fails_the_work(place: PostgresPlace) -> None:
    async with owning(place) as (store, of):
        table = place.bookings.table
        statement = f"ALTER TABLE {table} ADD twin int DEFAULT 7 UNIQUE DEFERRABLE INITIALLY DEFERRED"
        await store.transact("w1", of(place.bookings.booking_and(statement), key="first"))
        with pytest.raises(WorkFailed) as failed:
            await store.transact("w1", of(place.bookings.booking(2)))
        assert isinstance(failed.value.error, asyncpg.UniqueViolationError)
        assert await place.bookings.booked(store) == [1]


async def test_statements_at_once_stand_in_line(place: PostgresPlace) -> None:
    async def many(tx: Any) -> bytes:
        return bytes(await asyncio.gather(*(tx.fetchval("SELECT $1::int", n) for n in range(9))))

    async with owning(place) as (store, of):
        assert (await store.transact("w1", of(many))).value == bytes(range(9))


async def test_the_transaction_is_over_when_its_function_returns(place: PostgresPlace) -> None:
    kept: list[Any] = []

    async def keep(tx: Any) -> bytes:
        kept.append(tx)
        return b""

    async with owning(place) as (store, of):
        await store.transact("w1", of(keep))
        with pytest.raises(UsageError, match="its function only"):
            await kept[0].fetch("SELECT 1")


async def test_what_it_leaves_in_the_session_is_not_there_for_the_next(place: PostgresPlace) -> None:
    async def litter(tx: Any) -> bytes:
        await tx.execute("SET search_path TO pg_temp")
        await tx.execute("CREATE TEMP TABLE mine (n int)")
        return b""

    async def look(tx: Any) -> bytes:
        path = await tx.fetchval("SELECT current_setting('search_path')")
        return f"{path} {await tx.fetchval('SELECT to_regclass($1)', 'pg_temp.mine')}".encode()

    async with owning(place) as (store, of):
        await store.transact("w1", of(litter, key="first"))
        assert (await store.transact("w1", of(look))).value == b'"$user", public None'


async def test_the_server_ends_what_is_idle_or_at_work_before_the_lease_ends(
    place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LEASE_MS", 30_000)

    async def look(tx: Any) -> bytes:
        names = "idle_in_transaction_session_timeout", "statement_timeout"
        rows = await tx.fetch("SELECT setting FROM pg_settings WHERE name = ANY ($1)", names)
        return max(row[0] for row in rows).encode()

    store = await PostgresStore.open(place.url)
    run = await (await Hand.hire(store, "w1")).started()
    assert (await store.transact("w1", work(run, look))).value == b"20000"
    await store.close()


async def test_an_owner_that_loses_the_run_meanwhile_commits_nothing(place: PostgresPlace) -> None:
    bookings = place.bookings
    async with owning(place) as (store, of):

        async def overtaken(tx: Any) -> bytes:
            await bookings.booking(90)(tx)
            schemas.execute(place.url, "UPDATE holdfast.runs SET epoch = epoch + 1")
            return b""

        with pytest.raises(LeaseLost):
            await store.transact("w1", of(overtaken))
        assert await bookings.booked(store) == []


async def test_from_the_check_of_the_owner_to_the_commit_nobody_takes_the_run(place: PostgresPlace) -> None:
    free: dict[str, int] = {}

    def look(point: str) -> None:
        free[point] = len(schemas.ask(place.url, "SELECT FROM holdfast.runs FOR UPDATE SKIP LOCKED"))

    async def meanwhile(tx: Any) -> bytes:
        look("at work")
        return b""

    async with owning(place) as (store, of):
        store.fault = look
        await store.transact("w1", of(meanwhile))
        assert free == {"before-begin": 1, "at work": 1, "before-commit": 0, "after-commit": 1}


async def test_of_two_under_one_key_the_second_is_told_what_the_first_has_kept(place: PostgresPlace) -> None:
    bookings = place.bookings
    async with owning(place) as (store, of):
        await store.transact("w1", of(bookings.booking(1), key="makes the table"))

        async def overtaken(tx: Any) -> bytes:
            await bookings.booking(90)(tx)
            await store.transact("w1", of(quick))
            return b"slow"

        async def quick(tx: Any) -> bytes:
            return b"quick"

        assert await store.transact("w1", of(overtaken)) == Transacted(value=b"quick", fingerprint=b"arguments")
        assert await bookings.booked(store) == [1]


async def test_a_server_that_ends_the_session_is_trouble_of_the_store(place: PostgresPlace) -> None:
    async def unlucky(tx: Any) -> bytes:
        await place.bookings.booking(1)(tx)
        with suppress(asyncpg.PostgresError):
            await tx.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        return b"all is well"

    async with owning(place) as (store, of):
        with pytest.raises(StoreBusy):
            await store.transact("w1", of(unlucky))
        assert await place.bookings.booked(store) == []
        assert (await store.transact("w1", of(place.bookings.booking(2)))).value == b"1"


async def test_lost_between_the_commit_and_its_answer_the_key_tells(place: PostgresPlace) -> None:
    bookings = PostgresBookings(place.url)
    async with Proxy(place.url) as proxy:
        store = await PostgresStore.open(proxy.url)
        run = await (await Hand.hire(store, "w1")).started()
        committing = asyncio.Event()

        def reach(point: str) -> None:
            if point == "before-commit":
                proxy.answering.clear()
                committing.set()

        store.fault = reach
        asked = asyncio.ensure_future(store.transact("w1", work(run, place.bookings.booking(90))))
        await committing.wait()
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(schemas.ask, place.url, "SELECT FROM holdfast.transacted"):
                pass
        store.fault = None
        proxy.cut()
        with pytest.raises(CommitUnknown):
            await asked
        proxy.answering.set()
        assert (await store.transact("w1", work(run, bookings.booking(90)))).value == b"1"
        assert await bookings.booked(store) == [90]
        await store.close()
