"""A worker is killed before, in and after the transaction of a step: its rows are there once, and so is its record."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from holdfast import App, Context, Settings, SqliteTransaction, Status
from holdfast.codec import unpack
from holdfast.durable.points import on_reach
from holdfast.store.sqlite import SqliteStore
from tests.crash.place import Place
from tests.crash.processes import Nursery, asked_to_stop, die, until
from tests.crash.records import ask, run_of

DOOMED = Settings(lease=0.5, poll=0.05)
TRANSFERS = 5
app = App("bank")
_moment = ""  # when this process is to die; set in each


def transfer(tx: SqliteTransaction, n: int) -> int:
    tx.execute("CREATE TABLE IF NOT EXISTS transfers (n INTEGER, amount INTEGER)")
    _die_at(f"before writing {n}")
    tx.execute("INSERT INTO transfers VALUES (?, 90)", (n,))
    _die_at(f"after writing {n}")
    if _moment == "stop" and n == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    return int(tx.execute("SELECT sum(amount) FROM transfers")[0][0])


@app.agent
async def transfer_all(ctx: Context, count: int) -> list[int]:
    return [await ctx.step(transfer, n) for n in range(count)]


def _die_at(moment: str) -> None:
    if moment == _moment:
        die()


# In the function; as SQLite begins, is about to commit and has committed a transaction (which one, the count decides: a
# transactional step takes two); and at the run's own points.
MOMENTS = [
    "before writing 2", "after writing 2",
    *(f"{point} {n}" for point in ("before-begin", "before-commit", "after-commit") for n in range(5, 9)),
    *(f"{point} {n}" for point in ("effect-begins", "effect-ended", "committing", "committed") for n in (1, 3)),
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """On SQLite: what it does to its table is written for that."""
    return Place(tmp_path, "sqlite")


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(place: Place, nursery: Nursery, moment: str) -> None:
    run_id = asyncio.run(_start(place))
    doomed = nursery.fork(lambda: _work(place, moment), f"the worker that dies {moment}")
    doomed.wait()
    assert doomed.was_killed
    survivor = nursery.fork(lambda: _work(place, ""), "the survivor")
    until(lambda: run_of(place.store, run_id).status.ended, "the run has ended")
    run = run_of(place.store, run_id)
    assert run.status is Status.SUCCEEDED
    assert unpack(run.result or b"") == b"[90,180,270,360,450]"
    assert _transfers(place) == list(range(TRANSFERS))
    survivor.stop_nicely()


def test_stopped_inside_and_killed(place: Place, nursery: Nursery) -> None:
    """SIGSTOP holds the transaction, and with it the file: others go on when it is killed, and nothing is doubled."""
    run_id = asyncio.run(_start(place))
    stopped = nursery.fork(lambda: _work(place, "stop"), "the worker that stops in its transaction")
    until(lambda: stopped.stopped, "it has stopped")
    other = nursery.fork(lambda: _work(place, ""), "the other")
    stopped.send(signal.SIGKILL)
    until(lambda: run_of(place.store, run_id).status.ended, "the run has ended")
    assert _transfers(place) == list(range(TRANSFERS))
    other.stop_nicely()


def _transfers(place: Place) -> list[int]:
    async def question(store: object) -> list[int]:
        assert isinstance(store, SqliteStore)
        with store._file.reader() as db:
            return [row[0] for row in db.execute("SELECT n FROM transfers ORDER BY n")]

    return ask(place.store, question)


async def _start(place: Place) -> str:
    async with app.connect(str(place.store)) as client:
        return (await client.start(transfer_all(TRANSFERS))).id


async def _work(place: Place, moment: str) -> None:
    global _moment
    _moment = moment
    store = await SqliteStore.open(place.store)
    point, _, number = moment.rpartition(" ")
    left = int(number) if number.isdigit() else 0

    def reached(at: str, run_id: str = "") -> None:
        nonlocal left
        left -= at == point
        if at == point and left == 0:
            die()

    store.fault = reached
    on_reach(reached)
    async with app.assemble(store, settings=DOOMED):
        await asked_to_stop()
