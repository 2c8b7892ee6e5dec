"""When start() has returned, the run survives a crash; the same key never starts a second run (invariant 5)."""

from __future__ import annotations

import asyncio
import os

import pytest

from holdfast import App, Client, Context, KeyConflict, Settings, Status
from holdfast.clock import SystemClock
from holdfast.runtime import open_store
from holdfast.store.postgres import PostgresStore
from holdfast.store.sqlite import SqliteStore
from tests.crash.place import Place
from tests.crash.processes import Main, Nursery, Process, asked_to_stop, die
from tests.crash.records import run_of, runs
from tests.waiting import until

app = App("started")
SETTINGS = Settings(poll=0.05)


@app.agent
async def answer(ctx: Context, n: int) -> int:
    return n * 2


@app.agent
async def leave(ctx: Context, n: int) -> int:
    await ctx.continue_as(answer(n))


@app.agent
async def again(ctx: Context, n: int) -> int:
    if n < 3:
        await ctx.continue_as(again(n + 1))
    return n


def test_a_run_survives_a_kill_right_after_its_start_by_a_client(place: Place, nursery: Nursery) -> None:
    async def start_and_die() -> None:
        async with app.connect(place.store) as client:
            place.accept("a", (await client.start(answer(21))).id)
            die()

    _is_killed(nursery, start_and_die)
    (run_id,) = place.accepted.values()
    _works_off(place, nursery)
    assert run_of(place.store, run_id).status is Status.SUCCEEDED


def test_a_run_survives_a_kill_right_after_its_start_beside_a_worker(place: Place, nursery: Nursery) -> None:
    async def start_and_die() -> None:
        async with app.open(place.store, settings=SETTINGS) as runtime:
            place.accept("a", (await runtime.start(answer(21))).id)
            die()

    place.bury(_is_killed(nursery, start_and_die))
    (run_id,) = place.accepted.values()
    _works_off(place, nursery)
    assert run_of(place.store, run_id).status is Status.SUCCEEDED


@pytest.mark.parametrize("point", ["before-begin", "before-commit", "after-commit"])
def test_killed_inside_start_there_is_one_run_or_none_and_one_after_starting_again(
    point: str, place: Place, nursery: Nursery
) -> None:
    async def die_inside_start() -> None:
        store = await open_store(place.store)
        assert isinstance(store, SqliteStore | PostgresStore)
        store.fault = lambda at: die() if at == point else None
        client = Client(store, app.catalog, SystemClock())
        await client.start(answer(21), key="a")

    _is_killed(nursery, die_inside_start)
    if point != "before-commit" or place.kind == "sqlite":  # what is on its way to a server may arrive
        assert len(runs(place.store)) == (point == "after-commit")
    asyncio.run(_start(place, "a", 21))
    (run,) = runs(place.store)
    assert run.key == "a"


@pytest.mark.parametrize("round", range(3))
def test_of_processes_that_race_with_the_same_keys_one_starts_each_run(
    round: int, place: Place, nursery: Nursery
) -> None:
    keys = [f"key-{n}" for n in range(20)]
    racers = [nursery.fork(lambda order=order: _race(place, order), "a racer") for order in _orders(keys)]
    _fire_the_gun(place, racers)
    for racer in racers:
        racer.wait()
        assert racer.ended_well
    assert sorted(run.key or "" for run in runs(place.store)) == sorted(keys)
    assert place.accepted == {run.key: run.id for run in runs(place.store)}  # and each was told the one that there is


def test_of_processes_that_race_with_one_key_and_different_inputs_one_wins(place: Place, nursery: Nursery) -> None:
    racers = [nursery.fork(lambda n=n: _race_for_one(place, n), f"racer {n}") for n in range(4)]
    _fire_the_gun(place, racers)
    for racer in racers:
        racer.wait()
        assert racer.ended_well
    (run,) = runs(place.store)
    won = place.accepted
    assert won.pop("won") == run.id
    assert len(won) == 3  # the others were refused


def test_the_key_of_a_run_that_went_on_with_another_input_still_finds_it(place: Place, nursery: Nursery) -> None:
    async def run_to_its_end() -> None:
        async with app.open(place.store, settings=SETTINGS) as runtime:
            run = await runtime.start(again(0), key="a")
            assert await run.result() == 3
            assert (await runtime.start(again(0), key="a")).id == run.id

    worker = nursery.fork(run_to_its_end, "a worker")
    worker.wait()
    assert worker.ended_well


def test_the_key_of_a_run_that_went_on_as_another_agent_still_finds_it(place: Place, nursery: Nursery) -> None:
    async def run_to_its_end() -> None:
        async with app.open(place.store, settings=SETTINGS) as runtime:
            run = await runtime.start(leave(1), key="a")
            assert await run.result() == 2
            assert (await runtime.start(leave(1), key="a")).id == run.id

    worker = nursery.fork(run_to_its_end, "a worker")
    worker.wait()
    assert worker.ended_well


def _is_killed(nursery: Nursery, main: Main) -> Process:
    process = nursery.fork(main, "the process that dies")
    process.wait()
    assert process.was_killed
    return process


def _works_off(place: Place, nursery: Nursery) -> None:
    """Let a worker do all there is."""

    async def work() -> None:
        async with app.open(place.store, settings=SETTINGS):
            await asked_to_stop()

    worker = nursery.fork(work, "a worker")
    until(lambda: all(run.status.ended for run in runs(place.store)), "all runs have ended")
    worker.stop_nicely()


async def _start(place: Place, key: str, n: int) -> None:
    async with app.connect(place.store) as client:
        place.accept(key, (await client.start(answer(n), key=key)).id)


def _orders(keys: list[str]) -> list[list[str]]:
    """All the same way, all the other way, and from the middle: so that each key is raced for."""
    half = len(keys) // 2
    return [keys, keys[::-1], keys[half:] + keys[:half], keys]


async def _race(place: Place, keys: list[str]) -> None:
    async with app.connect(place.store) as client:
        _wait_for_the_gun(place)
        for key in keys:
            place.accept(key, (await client.start(answer(21), key=key)).id)


async def _race_for_one(place: Place, n: int) -> None:
    async with app.connect(place.store) as client:
        _wait_for_the_gun(place)
        try:
            place.accept("won", (await client.start(answer(n), key="a")).id)
        except KeyConflict:
            place.accept(f"refused-{n}", "-")


def _wait_for_the_gun(place: Place) -> None:
    """Say that one is ready, and wait for the start."""
    (place.folder / f"ready-{os.getpid()}").touch()
    while not (place.folder / "gun").exists():
        pass  # wide awake, so that all start at once


def _fire_the_gun(place: Place, racers: list[Process]) -> None:
    until(lambda: all((place.folder / f"ready-{racer.pid}").exists() for racer in racers), "all are at the start")
    (place.folder / "gun").touch()
