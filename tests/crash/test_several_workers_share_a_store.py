"""Three processes work on one store: together they do everything, and nothing twice."""

from __future__ import annotations

import pytest

from holdfast import Settings
from tests.crash import mixed, survival
from tests.crash.place import Place
from tests.crash.processes import Nursery, Process, asked_to_stop, until
from tests.crash.records import Snapshot

JOBS = mixed.jobs(72)
FEW_AT_A_TIME = Settings(concurrency=5, poll=0.05, linger=0.02)
RETRIED = ("flaky", "refuse")  # these begin again because they fail


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Place:
    """The same work by one worker."""
    place, nursery = Place(tmp_path_factory.mktemp("undisturbed"), kind), Nursery()
    worker = nursery.fork(lambda: _finish(place, Settings()), "the only worker")
    worker.wait()
    assert worker.ended_well
    return place


def test_three_workers_share_the_work_and_repeat_nothing(undisturbed: Place, place: Place, nursery: Nursery) -> None:
    workers = [nursery.fork(lambda: _work(place, FEW_AT_A_TIME), f"worker {n}") for n in (1, 2)]
    starter = nursery.fork(lambda: _finish(place, FEW_AT_A_TIME), "worker 3, which starts the runs")
    starter.wait()
    for worker in workers:
        worker.stop_nicely()

    assert starter.ended_well
    assert _steps_begun_twice(place) == set()
    assert {line.pid for line in place.ledger.lines()} == {process.pid for process in (*workers, starter)}
    assert not survival.doubled(JOBS, Snapshot.take(place.store))
    assert place.noted == undisturbed.noted


def test_when_one_of_three_is_killed_the_others_do_its_work(undisturbed: Place, place: Place, nursery: Nursery) -> None:
    # Its lease is short, so that they need not wait for long; theirs are not, so that they do not lose them by chance.
    settings = Settings(concurrency=5, poll=0.05, linger=0.02, lease=1.0)
    victim = nursery.fork(lambda: _work(place, settings), "the victim")
    other = nursery.fork(lambda: _work(place, FEW_AT_A_TIME), "a worker")
    starter = nursery.fork(lambda: _finish(place, FEW_AT_A_TIME), "another, which starts the runs")
    until(lambda: len(_steps_of(place, victim)) >= 20, "the victim is in the middle of its work")
    victim.kill()
    recorded, since = Snapshot.take(place.store), place.ledger.length  # nobody has taken its runs yet
    starter.wait()
    other.stop_nicely()

    assert starter.ended_well
    assert not survival.repeated(place, recorded, since)
    assert _steps_begun_twice(place) <= _steps_of(place, victim)
    assert not survival.charged_twice(place)
    assert not survival.doubled(JOBS, Snapshot.take(place.store))
    assert not survival.differing(place.noted, undisturbed.noted)


def _steps_begun_twice(place: Place) -> set[str]:
    return {
        step
        for step, times in place.ledger.begun().items()
        if times > 1 and step.rpartition("/")[2].partition("#")[0] not in RETRIED
    }


def _steps_of(place: Place, process: Process) -> set[str]:
    return {line.step for line in place.ledger.lines() if line.pid == process.pid}


async def _work(place: Place, settings: Settings) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=settings):
        await asked_to_stop()


async def _finish(place: Place, settings: Settings) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=settings) as runtime:
        await mixed.finish(place, JOBS, runtime)
