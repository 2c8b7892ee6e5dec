"""Everything at once, on PostgreSQL: workers are killed and stopped at random, the server is restarted; all ends well.

Every run ends once, with the result that it has when nothing happens, and no step begins again that was recorded.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from holdfast import Client, Settings
from holdfast.errors import HoldfastError, StoreError, WrongState
from holdfast.records.run import ENDED, Status
from holdfast.store.base import RunFilter
from tests.crash import mixed, survival
from tests.crash.mixed import Job, Result
from tests.crash.place import Place
from tests.crash.processes import Nursery, Process, asked_to_stop
from tests.crash.records import Snapshot
from tests.postgres.server import Server

T = TypeVar("T")
WORKERS = 4
SETTINGS = Settings(lease=5.0, poll=0.05, linger=0.03, concurrency=200)  # longer than a busy machine may stand still


@pytest.fixture(scope="module")
def kind() -> str:
    return "postgres"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.make()
    server.start()
    yield server
    server.remove()


def test_four_workers_in_a_short_chaos(tmp_path: Path, nursery: Nursery, server: Server) -> None:
    Chaos(tmp_path, nursery, server, runs=96, blows=9, seed=1).is_survived()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_workers_in_a_long_chaos(seed: int, tmp_path: Path, nursery: Nursery, server: Server) -> None:
    Chaos(tmp_path, nursery, server, runs=2_000, blows=60, seed=seed).is_survived()


class Chaos:
    """Four workers, somebody who starts runs and answers them, and blows at random."""

    def __init__(self, folder: Path, nursery: Nursery, server: Server, *, runs: int, blows: int, seed: int) -> None:
        self._nursery, self._server = nursery, server
        self._calm, self._place = Place(folder / "calm", "sqlite"), Place(folder / "chaos", "postgres")
        self._place.store = server.url
        self._jobs = mixed.jobs(runs)
        self._blows = blows
        self._random = random.Random(seed)
        self._stopped: set[int] = set()  # processes that were stopped once: they may be about to begin a step

    def is_survived(self) -> None:
        """Live through it, and look back."""
        calm = self._nursery.fork(lambda: _live_calmly(self._calm, self._jobs), "the calm worker")
        pause = 0.7 * self._blows / len(self._jobs)  # between two starts, so that every blow meets runs at work
        people = self._nursery.fork(lambda: _ask_and_answer(self._place, self._jobs, pause), "who starts and answers")
        workers = [self._worker() for _ in range(WORKERS)]
        restarts = {self._blows * share // 4 for share in (1, 2, 3)}
        for blow in range(self._blows):
            time.sleep(self._random.uniform(0.05, 0.5))  # the random moment itself
            self._strike(workers, restart=blow in restarts)
        calm.wait(600)
        people.wait(600)
        assert calm.ended_well and people.ended_well
        for worker in workers:
            worker.stop_nicely()
        self._look_back()

    def _worker(self) -> Process:
        return self._nursery.fork(lambda: _work(self._place), "a worker")

    def _strike(self, workers: list[Process], *, restart: bool) -> None:
        before, since = Snapshot.take(self._place.store), self._place.ledger.length
        victim = self._random.randrange(WORKERS)
        if restart:
            self._server.restart(self._random.choice([signal.SIGINT, signal.SIGQUIT]))
        elif self._random.random() < 0.5:
            workers[victim].kill()
            workers[victim] = self._worker()
        else:
            self._stopped.add(workers[victim].pid)
            workers[victim].send(signal.SIGSTOP)
            time.sleep(self._random.choice([0.1, 6.0]))  # shorter than its lease, or longer
            workers[victim].send(signal.SIGCONT)
        again = {line.step for line in self._place.ledger.lines(since) if line.pid not in self._stopped}
        assert not [step for step in again if before.has(step)], "a step that was recorded began again"

    def _look_back(self) -> None:
        after = Snapshot.take(self._place.store)
        assert not survival.lost(self._place, after)
        assert not survival.doubled(self._jobs, after)
        assert not survival.unfounded(self._place, after)
        assert not survival.charged_twice(self._place)
        assert not survival.differing(self._place.noted, self._calm.noted)
        assert {one.run.status for one in after.recorded.values()} <= ENDED


async def _live_calmly(place: Place, jobs: list[Job]) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=Settings(linger=0.03)) as runtime:
        await mixed.finish(place, jobs, runtime)


async def _work(place: Place) -> None:
    place.ledger.use_here()
    while True:
        with suppress(StoreError):  # the server is away just when it begins
            async with mixed.app.open(place.store, settings=SETTINGS):
                await asked_to_stop()
                return


async def _patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Do it, however often the server is away; an answer that was lost is asked for again."""
    while True:
        try:
            return await act()
        except StoreError:
            await asyncio.sleep(0.05)


async def _ask_and_answer(place: Place, jobs: list[Job], pause: float) -> None:
    async with mixed.app.connect(place.store) as client:
        ids: dict[str, str] = {}
        for job in jobs:
            run = await _patiently(lambda job=job: client.start(job.call(), key=job.key))
            place.accept(job.key, run.id)
            ids[job.key] = run.id
            await asyncio.sleep(pause)
            if job.body == "asker":
                await _patiently(lambda job=job, run=run: client.resolve(f"{run.id}/answer", job.n * 7))
        while await _patiently(lambda: _living(client)):  # noqa: ASYNC110  # other processes end them
            await asyncio.sleep(0.1)
        results = {job.key: await _patiently(lambda job=job: _result_of(client, ids[job.key])) for job in jobs}
        place.note({key: {"value": result.value, "error": result.error} for key, result in results.items()})


async def _living(client: Client) -> int:
    """How many runs have not ended. Those that are suspected of the kills are put back to work."""
    for run in await client.find(RunFilter(statuses=(Status.BLOCKED,), limit=1000)):
        with suppress(WrongState):
            await client.resume(run.id)
    return sum(count for status, count in (await client.count()).items() if status not in ENDED)


async def _result_of(client: Client, run_id: str) -> Result:
    try:
        return await mixed.result_of(await client.get(run_id))
    except StoreError:
        raise
    except HoldfastError as error:
        return Result(error=f"{type(error).__name__}: {error}")
