"""A process is killed after every entry of an agent's journal; the next one repeats nothing that is recorded.

The model is asked exactly once for each recorded request, each recorded tool call is made once, and the answer and all
messages are those of an undisturbed run.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdfast import App, Settings
from holdfast.durable.points import on_reach
from holdfast.runtime import open_store
from holdfast.store.base import Store
from tests.crash.ledger import noted
from tests.crash.place import Place
from tests.crash.processes import Nursery, die
from tests.crash.records import Snapshot, ask
from tests.integrations.talk import Plan, body_of, planned, timeless, told

app = App("planned")
AGENTS = {tools: planned(tools, noted) for tools in (1, 2, 3, 4)}
BODIES = {tools: body_of(app, agent) for tools, agent in AGENTS.items()}
PLANS: dict[str, tuple[int, Plan]] = {
    "one tool": (1, [[0], [0]]),
    "two in turn": (2, [[0], [1]]),
    "two at once": (2, [[0, 1]]),
    "three at once, one of them twice": (3, [[0, 1, 2, 0]]),
    "four in turn": (4, [[0], [1], [2], [3]]),
    "four at once, then two": (4, [[0, 1, 2, 3], [2, 1]]),
}
QUICK = Settings(poll=0.05, linger=0.02)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> Iterator[Callable[[str], Place]]:
    """Makes places, each with a store of its own."""
    made: list[Place] = []

    def make(name: str) -> Place:
        made.append(Place(tmp_path / name, request.param))
        return made[-1]

    yield make
    nursery.clear()
    for place in made:
        place.clear()


@pytest.mark.parametrize("plan", PLANS)
def test_killed_after_every_entry(plan: str, place: Callable[[str], Place], nursery: Nursery) -> None:
    tools, rounds = PLANS[plan]
    undisturbed = place("undisturbed")
    process = nursery.fork(lambda: work(undisturbed, tools, rounds), "the undisturbed worker")
    process.wait()
    assert process.ended_well
    entries = sum(len(one.entries) for one in Snapshot.take(undisturbed.store).recorded.values())
    assert entries == len(rounds) + 1 + sum(map(len, rounds))
    lives = [Life(nursery, place(f"{n}"), tools, rounds, n) for n in range(1, entries + 1)]
    killed = [life for life in lives if life.is_killed()]
    assert len(killed) >= len(rounds) * 2  # entries that were ready together share a commit
    for life in killed:
        life.is_survived_as(undisturbed.noted)


class Life:
    """A worker that is killed after its n-th commit, and the one that comes after it."""

    def __init__(self, nursery: Nursery, place: Place, tools: int, plan: Plan, n: int) -> None:
        self._nursery, self._place, self._tools, self._plan = nursery, place, tools, plan
        self._doomed = nursery.fork(lambda: work(place, tools, plan, die_at=n), f"commit {n}")

    def is_killed(self) -> bool:
        """See it die, and let another one go on; False if it came to its end instead."""
        self._doomed.wait()
        if self._doomed.ended_well:
            return False
        assert self._doomed.was_killed
        self._before, self._since = Snapshot.take(self._place.store), self._place.ledger.length
        ask(self._place.store, end_leases)
        self._survivor = self._nursery.fork(lambda: work(self._place, self._tools, self._plan))
        return True

    def is_survived_as(self, undisturbed: Any) -> None:
        """See the other one finish, and compare."""
        self._survivor.wait()
        assert self._survivor.ended_well
        begun = self._place.ledger.begun(self._since)
        assert not [step for step in begun if self._before.has(step)]
        recorded = sum(len(one.entries) for one in self._before.recorded.values())
        everything = len(self._plan) + 1 + sum(map(len, self._plan))
        assert sum(begun.values()) == everything - recorded, "what is recorded is not done under another key either"
        requests = [times for step, times in self._place.ledger.begun().items() if ":model#" in step]
        assert requests == [1] * (len(self._plan) + 1)
        assert not self._before.forgotten_by(Snapshot.take(self._place.store))
        assert self._place.noted == undisturbed


async def end_leases(store: Store) -> None:
    """Let the leases of the dead end now: that they end by themselves is tested elsewhere."""
    for worker in await store.workers():
        await store.release(worker.id)


async def work(place: Place, tools: int, plan: Plan, die_at: int = 0) -> None:
    """Run the agent to its end, and note what it came to."""
    place.ledger.use_here()
    commits = itertools.count(1)
    if die_at:
        on_reach(lambda point, _: die() if point == "committed" and next(commits) == die_at else None)
    store = await open_store(place.store)
    async with app.assemble(store, settings=QUICK) as runtime:
        run = await runtime.start(BODIES[tools](json.dumps(plan)), key="the run")
        place.note(timeless(await run.result()))


plans = st.integers(1, 4).flatmap(
    lambda tools: st.tuples(
        st.just(tools),
        st.lists(st.lists(st.integers(0, tools - 1), min_size=1, max_size=4), max_size=3),
    )
)


FEW = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(deadline=None, max_examples=500, suppress_health_check=list(HealthCheck))


@FEW
@given(plans)
@example((4, [[3, 2, 1, 0], [0]]))
def test_whatever_the_model_calls_the_outcome_is_the_same_after_each_crash(planned_for: tuple[int, Plan]) -> None:
    asyncio.run(crash_after_each_commit(*planned_for))


@pytest.mark.soak
@MANY
@given(plans)
def test_many_models(planned_for: tuple[int, Plan]) -> None:
    asyncio.run(crash_after_each_commit(*planned_for))


async def crash_after_each_commit(tools: int, plan: Plan) -> None:
    asked: list[str] = []

    def note() -> Any:
        asked.append("")
        return nullcontext()

    local: App[None] = App("planned")
    agent = planned(tools, note)
    body = body_of(local, agent)
    alone = timeless(told(await agent.run(json.dumps(plan))))
    requests, once = len(plan) + 1, len(plan) + 1 + sum(map(len, plan))
    for nth in itertools.count(1):
        asked.clear()
        async with local.test() as t:
            t.crash_at("committed", nth=nth)
            assert timeless(await (await t.start(body(json.dumps(plan)))).result()) == alone
            if not t.crashes:
                break
        at_work = max(map(len, plan), default=0)  # may be done twice: at work, and not recorded yet
        assert once <= len(asked) <= once + at_work
    assert nth > requests
