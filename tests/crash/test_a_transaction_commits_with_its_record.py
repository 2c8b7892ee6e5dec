"""A worker is killed before, in and after the transaction of a step: its rows are there once, and so is its record."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast import App, Context, PostgresTransaction, Settings, SqliteTransaction, Status
from holdfast.codec import unpack
from holdfast.durable.points import on_reach
from holdfast.runtime import open_store
from holdfast.store.postgres.address import Address
from holdfast.store.sqlite import SqliteStore
from tests.crash.place import Place
from tests.crash.processes import Nursery, asked_to_stop, die
from tests.crash.records import ask, run_of
from tests.postgres import schemas
from tests.waiting import until

SETTINGS = Settings(poll=0.05)
STOPPED = Settings(lease=3.0, poll=0.05)  # how long others have to wait
TRANSFERS = 5
app = App("bank")
_moment = ""  # when this process is to die; set in each


def transfer(tx: SqliteTransaction, n: int) -> int:
    tx.execute("CREATE TABLE IF NOT EXISTS transfers (n INTEGER, amount INTEGER)")
    _come_to(f"before writing {n}")
    tx.execute("INSERT INTO transfers VALUES (?, 90)", (n,))
    _come_to(f"after writing {n}")
    return int(tx.execute("SELECT sum(amount) FROM transfers")[0][0])


async def transfer_there(tx: PostgresTransaction, table: str, n: int) -> int:
    _come_to(f"before writing {n}")
    await tx.execute(f"INSERT INTO {table} VALUES ($1, 90)", n)
    # everybody's row: whoever has it keeps the others waiting
    balance: int = await tx.fetchval(f"UPDATE {table} SET amount = amount + 90 WHERE n = -1 RETURNING amount")
    _come_to(f"after writing {n}")
    return balance


@app.agent
async def transfer_all(ctx: Context, count: int, table: str) -> list[int]:
    # One that takes longer than its worker's lease allows is stopped: a machine that stands still is no failure here.
    steps = (ctx.step(transfer_there, table, n) if table else ctx.step(transfer, n) for n in range(count))
    return [await step.using(retries=9, backoff="10ms") for step in steps]


def _come_to(moment: str) -> None:
    if _moment == moment:
        die()
    elif _moment == f"stop {moment}":
        os.kill(os.getpid(), signal.SIGSTOP)


# In the function; as SQLite begins, is about to commit and has committed a transaction (which one, the count decides: a
# transactional step takes two); and at the run's own points.
MOMENTS = [
    "before writing 2", "after writing 2",
    *(f"{point} {n}" for point in ("before-begin", "before-commit", "after-commit") for n in range(5, 9)),
    *(f"{point} {n}" for point in ("effect-begins", "effect-ended", "committing", "committed") for n in (1, 3)),
]  # fmt: skip


@pytest.fixture
def table(place: Place) -> Iterator[str]:
    """The table of the app's own, beside Holdfast's schema; none on SQLite, where the transactions make it."""
    if place.kind == "sqlite":
        yield ""
        return
    table = f"public.transfers_of_{Address.of(place.store).schema}"
    schemas.execute(place.store, f"CREATE TABLE {table} (n int, amount int)", f"INSERT INTO {table} VALUES (-1, 0)")
    yield table
    schemas.execute(place.store, f"DROP TABLE {table}")


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(place: Place, table: str, nursery: Nursery, moment: str) -> None:
    run_id = asyncio.run(_start(place, table))
    doomed = nursery.fork(lambda: _work(place, moment), f"the worker that dies {moment}")
    doomed.wait()
    assert doomed.was_killed
    place.bury(doomed)
    survivor = nursery.fork(lambda: _work(place), "the survivor")
    _see_it_done_once(place, table, run_id)
    survivor.stop_nicely()


def test_stopped_inside_and_killed(place: Place, table: str, nursery: Nursery) -> None:
    """On SQLite SIGSTOP holds the file as well: others go on when it is killed, and nothing is doubled."""
    run_id = asyncio.run(_start(place, table))
    stopped = nursery.fork(lambda: _work(place, "stop after writing 2"), "the worker that stops in its transaction")
    until(lambda: stopped.stopped, "it has stopped")
    other = nursery.fork(lambda: _work(place), "the other")
    stopped.kill()
    place.bury(stopped)
    _see_it_done_once(place, table, run_id)
    other.stop_nicely()


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.parametrize("moment", ["before writing 2", "after writing 2"])
def test_stopped_inside_it_holds_up_nobody_and_continues_in_vain(
    place: Place, table: str, nursery: Nursery, moment: str
) -> None:
    """A server ends the session before the lease is over: its locks are gone, and so is what it had written."""
    run_id = asyncio.run(_start(place, table))
    stopped = nursery.fork(lambda: _work(place, f"stop {moment}"), "the worker that stops in its transaction")
    until(lambda: stopped.stopped, "it has stopped")
    other = nursery.fork(lambda: _work(place), "the other")
    _see_it_done_once(place, table, run_id)
    assert stopped.stopped
    stopped.send(signal.SIGCONT)
    stopped.stop_nicely()
    _see_it_done_once(place, table, run_id)
    other.stop_nicely()


def _see_it_done_once(place: Place, table: str, run_id: str) -> None:
    until(lambda: run_of(place.store, run_id).status.ended, "the run has ended")
    run = run_of(place.store, run_id)
    assert run.status is Status.SUCCEEDED
    assert unpack(run.result or b"") == b"[90,180,270,360,450]"
    assert _transfers(place, table) == list(range(TRANSFERS))


def _transfers(place: Place, table: str) -> list[int]:
    if table:
        return [n for (n,) in schemas.ask(place.store, f"SELECT n FROM {table} WHERE n >= 0 ORDER BY n")]

    async def question(store: object) -> list[int]:
        assert isinstance(store, SqliteStore)
        with store._file.reader() as db:
            return [row[0] for row in db.execute("SELECT n FROM transfers ORDER BY n")]

    return ask(place.store, question)


async def _start(place: Place, table: str) -> str:
    async with app.connect(place.store) as client:
        return (await client.start(transfer_all(TRANSFERS, table))).id


async def _work(place: Place, moment: str = "") -> None:
    global _moment
    _moment = moment
    store: Any = await open_store(place.store)
    point, _, number = moment.rpartition(" ")
    left = int(number) if number.isdigit() else 0

    def reached(at: str, run_id: str = "") -> None:
        nonlocal left
        left -= at == point
        if at == point and left == 0:
            die()

    store.fault = reached
    on_reach(reached)
    async with app.assemble(store, settings=STOPPED if moment.startswith("stop") else SETTINGS):
        await asked_to_stop()
