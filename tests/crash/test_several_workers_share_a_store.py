"""Three processes work on one store: together they do everything, and nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast import Context, Settings
from tests.crash import mixed, survival
from tests.crash.ledger import noted
from tests.crash.place import Place
from tests.crash.processes import Nursery, Process, asked_to_stop
from tests.crash.records import Snapshot
from tests.waiting import until

JOBS = mixed.jobs(72)
FEW_AT_A_TIME = Settings(concurrency=5, poll=0.05, linger=0.02)
RETRIED = ("flaky", "refuse")  # these begin again because they fail


async def wait_at(gate: str) -> None:
    with noted():
        while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240  # another process opens it
            await asyncio.sleep(0.01)


@mixed.app.agent
async def meet(ctx: Context, gate: str) -> None:
    await ctx.step(wait_at, gate)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Place:
    """The same work by one worker."""
    place, nursery = Place(tmp_path_factory.mktemp("undisturbed"), kind), Nursery()
    worker = nursery.fork(lambda: _finish(place, Settings()), "the only worker")
    worker.wait()
    assert worker.ended_well
    return place


def test_three_workers_share_the_work_and_repeat_nothing(undisturbed: Place, place: Place, nursery: Nursery) -> None:
    workers = [nursery.fork(lambda: _work(place), f"worker {n}") for n in (1, 2)]
    starter = nursery.fork(lambda: _meet_and_finish(place), "worker 3, which starts the runs")
    everybody = {process.pid for process in (*workers, starter)}
    until(lambda: _at_work(place) == everybody, "all three take part: two have no room for all who meet")
    (place.folder / "gate").touch()
    starter.wait()
    for worker in workers:
        worker.stop_nicely()

    assert starter.ended_well
    assert _steps_begun_twice(place) == set()
    assert not survival.doubled(JOBS, Snapshot.take(place.store))
    assert place.noted == undisturbed.noted


def test_when_one_of_three_is_killed_the_others_do_its_work(undisturbed: Place, place: Place, nursery: Nursery) -> None:
    workers = [nursery.fork(lambda: _work(place), f"worker {n}") for n in (1, 2, 3)]
    starter = nursery.fork(lambda: _start_and_see(place), "who starts the runs")
    victim = until(lambda: _in_the_middle(place, workers), "one is in the middle of its work")
    victim.kill()
    recorded, since = Snapshot.take(place.store), place.ledger.length  # nobody has taken its runs yet
    place.bury(victim)
    starter.wait()
    workers.remove(victim)
    for worker in workers:
        worker.stop_nicely()

    assert starter.ended_well
    assert not survival.repeated(place, recorded, since)
    assert _steps_begun_twice(place) <= _steps_of(place, victim)
    assert not survival.charged_twice(place)
    assert not survival.doubled(JOBS, Snapshot.take(place.store))
    assert not survival.differing(place.noted, undisturbed.noted)


def _in_the_middle(place: Place, workers: list[Process]) -> Process | None:
    return next((one for one in workers if len(_steps_of(place, one)) >= 20), None)


def _at_work(place: Place) -> set[int]:
    return {line.pid for line in place.ledger.lines()}


def _steps_begun_twice(place: Place) -> set[str]:
    return {
        step
        for step, times in place.ledger.begun().items()
        if times > 1 and step.rpartition("/")[2].partition("#")[0] not in RETRIED
    }


def _steps_of(place: Place, process: Process) -> set[str]:
    return {line.step for line in place.ledger.lines() if line.pid == process.pid}


async def _work(place: Place) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=FEW_AT_A_TIME):
        await asked_to_stop()


async def _meet_and_finish(place: Place) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=FEW_AT_A_TIME) as runtime:
        await runtime.start_all([meet(str(place.folder / "gate")) for _ in range(2 * FEW_AT_A_TIME.concurrency + 1)])
        await mixed.finish(place, JOBS, runtime)


async def _start_and_see(place: Place) -> None:
    async with mixed.app.connect(place.store) as client:
        await mixed.finish(place, JOBS, client)


async def _finish(place: Place, settings: Settings) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=settings) as runtime:
        await mixed.finish(place, JOBS, runtime)
