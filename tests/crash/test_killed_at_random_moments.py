"""Workers are killed at random moments, one after another; the work that they share goes on as if nothing had been."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from holdfast import Settings, Status
from tests.crash import mixed, survival
from tests.crash.mixed import Job
from tests.crash.place import Place
from tests.crash.processes import Nursery, asked_to_stop
from tests.crash.records import Snapshot, ask, runs

SETTINGS = Settings(poll=0.05, linger=0.03)


def test_killed_at_a_few_random_moments(tmp_path: Path, kind: str, nursery: Nursery) -> None:
    Lives(tmp_path, kind, nursery, runs=60, kills=8, seed=1).are_lived()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_fifty_random_moments(seed: int, tmp_path: Path, kind: str, nursery: Nursery) -> None:
    Lives(tmp_path, kind, nursery, runs=300, kills=50, seed=seed).are_lived()


class Lives:
    """One worker after another on one store; all but the last are killed."""

    def __init__(self, folder: Path, kind: str, nursery: Nursery, *, runs: int, kills: int, seed: int) -> None:
        self._nursery = nursery
        self._undisturbed, self._place = Place(folder / "undisturbed", kind), Place(folder / "killed", kind)
        self._jobs = mixed.jobs(runs)
        self._kills = kills
        self._random = random.Random(seed)
        self._resumed = 0
        self._began = time.monotonic()

    def are_lived(self) -> None:
        """Live them, and see after each kill that nothing was lost and nothing repeated."""
        self._live_undisturbed()
        before, since = None, 0
        for number in range(1, self._kills + 1):
            self._resume_the_suspected()
            self._live_until_killed(self._jobs[: len(self._jobs) * number // self._kills])
            before, since = self._look_back(before, since), self._place.ledger.length
        self._live_to_the_end()
        after = self._look_back(before, since)
        assert not survival.doubled(self._jobs, after)
        assert not survival.charged_twice(self._place)
        assert not survival.differing(self._place.noted, self._undisturbed.noted)
        self._report()

    def _live_undisturbed(self) -> None:
        worker = self._nursery.fork(lambda: _finish(self._undisturbed, self._jobs), "the undisturbed worker")
        worker.wait()
        assert worker.ended_well

    def _live_until_killed(self, wanted: list[Job]) -> None:
        worker = self._nursery.fork(lambda: _work(self._place, wanted), "a worker to be killed")
        time.sleep(self._random.uniform(0.05, 1.2))  # the random moment itself
        worker.kill()
        assert worker.was_killed
        self._place.bury(worker)

    def _live_to_the_end(self) -> None:
        self._resume_the_suspected()
        worker = self._nursery.fork(lambda: _finish(self._place, self._jobs), "the last worker")
        worker.wait()
        assert worker.ended_well

    def _look_back(self, before: Snapshot | None, since: int) -> Snapshot:
        now = Snapshot.take(self._place.store)
        assert not survival.lost(self._place, now)
        assert not survival.unfounded(self._place, now)
        if before is not None:
            assert not survival.repeated(self._place, before, since)
            assert not before.forgotten_by(now)
        return now

    def _resume_the_suspected(self) -> None:
        """Runs that were in memory at three kills in a row, and recorded nothing, are suspected of the kills."""
        for run in runs(self._place.store):
            if run.status is Status.BLOCKED:
                assert b"WorkerLost" in (run.error or b""), run
                assert ask(self._place.store, lambda store, id=run.id: store.resume(id))
                self._resumed += 1

    def _report(self) -> None:
        begun = self._place.ledger.begun()
        again = sum(times - 1 for step, times in begun.items() if "/flaky#" not in step and "/refuse#" not in step)
        unknown = sum(mixed.UNKNOWN in str(result) for result in self._place.noted.values())
        print(
            f"{len(self._jobs)} runs, {self._kills} kills, {len(begun)} steps, none repeated that was recorded; "
            f"{again} begun again that were cut off, {unknown} charges unknown, {self._resumed} runs resumed, "
            f"{time.monotonic() - self._began:.1f} s"
        )


async def _work(place: Place, wanted: list[Job]) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=SETTINGS) as runtime:
        await mixed.start(runtime, wanted, place)
        await asked_to_stop()


async def _finish(place: Place, wanted: list[Job]) -> None:
    place.ledger.use_here()
    async with mixed.app.open(place.store, settings=SETTINGS) as runtime:
        await mixed.finish(place, wanted, runtime)
