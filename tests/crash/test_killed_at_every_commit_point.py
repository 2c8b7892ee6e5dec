"""A worker is killed at every named point; another one finishes its work as if nothing had happened."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast import Settings
from holdfast.durable.points import POINTS, on_reach
from holdfast.runtime import open_store
from holdfast.store.postgres import PostgresStore
from holdfast.store.sqlite import SqliteStore
from tests.crash import mixed, survival
from tests.crash.place import Place
from tests.crash.processes import Nursery, die
from tests.crash.records import Snapshot

ALL_POINTS = [*POINTS, "before-begin", "before-commit", "after-commit"]  # the last three are the store's
Handler = Callable[[str], None]
JOBS = mixed.jobs(len(mixed.BODIES))
SETTINGS = Settings(poll=0.05, linger=0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Place:
    """The same work without a kill; its note says how often each point was reached."""
    place, nursery = Place(tmp_path_factory.mktemp("undisturbed"), kind), Nursery()

    async def work() -> None:
        reached: Counter[str] = Counter()
        await _work(place, lambda point: reached.update([point]))
        place.note({"results": place.noted, "reached": reached})

    process = nursery.fork(work, "the undisturbed worker")
    process.wait()
    assert process.ended_well
    return place


@pytest.mark.parametrize("point", ALL_POINTS)
def test_killed_at(point: str, undisturbed: Place, tmp_path: Path, nursery: Nursery) -> None:
    times = undisturbed.noted["reached"][point]
    shares = (2, 4, 6, 8) if undisturbed.kind == "sqlite" else (3, 7)
    moments = sorted({1, 2, *(max(1, times * share // 10) for share in shares)})
    # How often a store is asked to commit depends on what came together: a moment that does not come is taken earlier.
    while moments:
        tmp_path = tmp_path / "lives"
        tmp_path.mkdir()
        moments = [n // 2 for n in _die_and_survive(point, moments, undisturbed, tmp_path, nursery)]
        assert 0 not in moments, f"{point} is never reached"


@pytest.mark.soak
@pytest.mark.parametrize("point", ALL_POINTS)
def test_killed_every_single_time_at(point: str, undisturbed: Place, tmp_path: Path, nursery: Nursery) -> None:
    moments, killed = itertools.count(1), 0
    while True:
        missed = _die_and_survive(point, [next(moments) for _ in range(6)], undisturbed, tmp_path, nursery)
        killed += 6 - len(missed)
        if missed:  # a worker came to its end: the point is not reached more often (chance decides by a few)
            break
    print(f"killed {killed} times at {point}")
    assert killed >= undisturbed.noted["reached"][point] * 2 // 3


def _die_and_survive(point: str, moments: list[int], undisturbed: Place, folder: Path, nursery: Nursery) -> list[int]:
    """Lives, side by side because they mostly wait; the moments that did not come."""
    lives = {n: Life(nursery, Place(folder / f"{n}", undisturbed.kind), point, n) for n in moments}
    killed = {n: life for n, life in lives.items() if life.is_killed()}
    for life in killed.values():
        life.is_survived_as(undisturbed.noted["results"])
    return sorted(lives.keys() - killed.keys())


class Life:
    """One worker that is killed the n-th time it comes to a point, and the one that comes after it."""

    def __init__(self, nursery: Nursery, place: Place, point: str, n: int) -> None:
        self._place, self._nursery = place, nursery
        self._name = f"the worker that dies at {point} no. {n}"
        self._doomed = nursery.fork(lambda: _work(place, _killer(point, n)), self._name)

    def is_killed(self) -> bool:
        """See it die, and let another one go on; False if it came to its end instead."""
        self._doomed.wait()
        if self._doomed.ended_well:
            return False
        assert self._doomed.was_killed, f"{self._name} ended with {self._doomed.status} instead"
        self._place.bury(self._doomed)
        self._before, self._since = Snapshot.take(self._place.store), self._place.ledger.length
        assert not survival.lost(self._place, self._before)
        assert not survival.unfounded(self._place, self._before)
        self._survivor = self._nursery.fork(lambda: _work(self._place), f"after {self._name}")
        return True

    def is_survived_as(self, undisturbed: dict[str, object]) -> None:
        """See the other one finish, and compare."""
        place = self._place
        self._survivor.wait()
        assert self._survivor.ended_well
        after = Snapshot.take(place.store)
        assert not survival.repeated(place, self._before, self._since)
        assert not self._before.forgotten_by(after)
        assert not survival.doubled(JOBS, after)
        assert not survival.charged_twice(place)
        assert not survival.differing(place.noted, undisturbed)


def _killer(point: str, n: int) -> Handler:
    left = n

    def reached(at: str) -> None:
        nonlocal left
        left -= at == point
        if left == 0:
            die()

    return reached


async def _work(place: Place, reached: Handler | None = None) -> None:
    """Do all the jobs; say so whenever a point is reached."""
    place.ledger.use_here()
    store = await open_store(place.store)
    if reached is not None:
        assert isinstance(store, SqliteStore | PostgresStore)
        store.fault = reached
        on_reach(lambda point, run_id: reached(point))
    async with mixed.app.assemble(store, settings=SETTINGS) as runtime:
        await mixed.finish(place, JOBS, runtime)
