"""What a call reads depends on what it is about, not on what else there is: rows, as the server counts them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast.records.delta import Suspend
from holdfast.records.run import Run
from holdfast.store.base import Store
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.batch import Batch
from holdfast.store.postgres.statements import PLANNED, RUNS, Names
from tests.contract.desk import asked
from tests.contract.making import NOW, Hand, child_of, delta, entry, finish, new_run
from tests.contract.stores import Place, PostgresPlace
from tests.postgres import schemas

FEW, MANY = 10, 300
_COUNT = (
    "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables "
    "WHERE schemaname = $1"
)
Statement = tuple[Any, ...]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """In a schema that nobody used before: the server may plan by what it knows of thousands of rows of other tests."""
    monkeypatch.setattr(schemas, "_free", [])
    place = PostgresPlace(tmp_path)
    yield place
    place.clear()


async def crowded(store: Store, hand: Hand, others: int) -> None:
    """Runs of the same worker, each with a child and a question to a person; half of them suspended."""
    await store.start([new_run(key=f"other-{n}") for n in range(others)])
    for claimed in await hand.claim(others):
        run = claimed.run
        await hand.commit(delta(run, children=(child_of(run),), approvals=(asked(),), entries=(entry(),)))
        if run.rid % 2:
            await hand.suspend(run)


async def family(store: Store, hand: Hand, *, children: int) -> tuple[Run, list[Run]]:
    """A parent and its children, all in the worker's memory."""
    parent = await hand.started(priority=5)
    await hand.commit(delta(parent, children=tuple(child_of(parent, priority=5) for _ in range(children))))
    return parent, [claimed.run for claimed in await hand.claim(children)]


@asynccontextmanager
async def undone(place: Place) -> AsyncIterator[tuple[asyncpg.Connection, Names]]:
    address = Address.of(place.url)
    con = await asyncpg.connect(address.dsn)
    await con.execute(PLANNED)
    await con.execute("BEGIN")
    try:
        yield con, Names(address.schema)
    finally:
        con.terminate()


async def rows_read(place: Place, statement: str, *args: Any) -> dict[str, int]:
    async with undone(place) as (con, names):
        await con.fetch(names(statement), *args)
        return {table: count for table, count in await con.fetch(_COUNT, names.schema) if count}


async def kept_house(place: Place, how: str) -> None:
    """As the server itself does it now and then, in part or whole: plans know of it."""
    async with undone(place) as (con, names):
        await con.execute("ROLLBACK")
        for table in ("runs", "approvals", "journal", "inbox"):
            await con.execute(f"{how} {names.quoted}.{table}")


def ends(hand: Hand, parent: Run, children: list[Run]) -> Statement:
    deltas = [delta(child, finish(), entries=(entry(),)) for child in children]
    return Batch([*deltas, delta(parent, Suspend(wakes=0, wake_at=None))]).statement(hand.id, hand.commits + 1)


def appends(hand: Hand, parent: Run, children: list[Run]) -> Statement:
    return Batch([delta(run, entries=(entry(),)) for run in (parent, *children)]).statement(hand.id, hand.commits + 1)


def waits(hand: Hand, _: Run, children: list[Run]) -> Statement:
    deltas = [delta(child, Suspend(wakes=0, wake_at=NOW), entries=(entry(),)) for child in children]
    return Batch(deltas).statement(hand.id, hand.commits + 1)


def withdraws(hand: Hand, parent: Run, _: list[Run]) -> Statement:
    return Batch([delta(parent, withdrawn=("approval-of-nobody",))]).statement(hand.id, hand.commits + 1)


def gets(_: Hand, parent: Run, __: list[Run]) -> Statement:
    return RUNS.get, parent.id


@pytest.mark.parametrize(
    ("how", "when"),
    [("", ()), ("VACUUM", (FEW,)), ("VACUUM ANALYZE", (FEW,)), ("VACUUM ANALYZE", (FEW, MANY))],
    ids=["never", "vacuumed when there were few", "analyzed when there were few", "always"],
)
@pytest.mark.parametrize("call", [ends, appends, waits, withdraws, gets])
async def test_it_reads_no_more_among_many(
    place: Place,
    store: Store,
    worker: Hand,
    call: Callable[[Hand, Run, list[Run]], Statement],
    how: str,
    when: tuple[int, ...],
) -> None:
    counts, hand = [], worker
    for others in (FEW, MANY):
        await crowded(store, hand, others)
        parent, children = await family(store, hand, children=8)
        if others in when:
            await kept_house(place, how)
        counts.append(await rows_read(place, *call(hand, parent, children)))
    few, many = counts
    assert few.keys() == many.keys()
    assert {table: count for table, count in many.items() if count > few[table] * 1.2 + 5} == {}
