"""A process that works and decides is killed after every one of its commits, and before: another goes on, nothing is
asked or decided twice, and exactly what was decided is executed.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from holdfast import App, Approve, Approved, Context, DeskRefused, Escalate, Person, Runtime, Settings, Standing
from holdfast.approvals.case import InboxFilter
from holdfast.durable.calls import Call
from holdfast.runtime import open_store
from holdfast.store.postgres import PostgresStore
from holdfast.store.sqlite import SqliteStore
from tests.crash.ledger import noted
from tests.crash.place import Place
from tests.crash.processes import Nursery, die
from tests.crash.records import Snapshot

app = App("till")
ANN, BOB = (Person(name=name, roles=frozenset({"adjuster"})) for name in ("ann", "bob"))
ADA = Person(name="ada", roles=frozenset({"admin"}))
QUICK = Settings(poll=0.02, linger=0.0)
ENDS = ["paid 90 on c-1", "paid 5 on c-2", "too late"]


@app.tool
async def pay(claim_id: str, amount: float) -> str:
    with noted():
        return f"paid {amount:g} on {claim_id}"


@app.tool
async def refund(claim_id: str, amount: float) -> str:
    with noted():
        return f"paid {amount:g} on {claim_id}"


@app.agent
async def settle(ctx: Context) -> list[str]:
    async def asked(call: Call[str], within: str, quorum: int = 1) -> str:
        chain = [Escalate("role:adjuster", within="50ms"), "deny"]
        decision = await ctx.approve(call, to="role:adjuster", within=within, on_expire=chain, quorum=quorum)
        return await decision.value if isinstance(decision, Approved) else "too late"

    return list(
        await asyncio.gather(
            asked(pay("c-1", 100.0), "1d", 2), asked(refund("c-2", 5.0), "1d"), asked(pay("c-3", 7.0), "50ms", 2)
        )
    )


async def _decide(runtime: Runtime) -> None:
    """What two people do, for as long as they are asked: the first one edits."""
    while True:
        for case in await runtime.inbox.inbox(ADA, InboxFilter(agent="settle")):
            if case.action["arguments"]["claim_id"] == "c-1" and not case.votes:
                await _say(runtime, ANN, case.id, case.digest, Approve(edits={"amount": 90}))
            elif case.votes:
                await _say(runtime, BOB, case.id, case.digest, Approve())
        await asyncio.sleep(0.01)


async def _say(runtime: Runtime, who: Person, id: str, digest: str, answer: Approve) -> None:
    try:
        await runtime.inbox.decide(who, id, answer, digest=digest)
    except DeskRefused as refused:
        raise AssertionError(f"{who.name} was refused: {refused}") from refused


async def _work(place: Place, point: str = "", n: int = 0) -> None:
    place.ledger.use_here()
    store = await open_store(place.store)
    async with app.assemble(store, settings=QUICK) as runtime:
        if not await runtime.inbox.standing(ANN):
            await runtime.inbox.grant(ANN, Standing(tool="refund", count=1))
        if n:
            assert isinstance(store, SqliteStore | PostgresStore)
            left = itertools.count(n - 1, -1)
            store.fault = lambda at: die() if at == point and next(left) == 0 else None
        run = await runtime.start(settle(), key="one")
        place.accept("one", run.id)
        people = asyncio.create_task(_decide(runtime))
        place.note(await run.result())
        people.cancel()


async def _look(place: Place) -> None:
    """What is left: everything was decided once."""
    store = await open_store(place.store)
    async with app.assemble(store, settings=QUICK) as runtime:
        cases = await runtime.inbox.inbox(ADA, InboxFilter(states=()))
        by_claim = {case.action["arguments"]["claim_id"]: case for case in cases}
        assert len(cases) == 3, "it was asked twice"
        (used,) = await runtime.inbox.standing(ANN)
        assert used.used == 1
        for claim, decided, times in (
            ("c-1", "approval.approved", 1),
            ("c-2", "approval.approved", 1),
            ("c-3", "approval.rejected", 1),
        ):
            told = [one.action for one in await runtime.inbox.why(ADA, by_claim[claim].id)]
            assert told.count(decided) == times, told
            assert sum(action in ("approval.approved", "approval.rejected", "approval.expired") for action in told) == 1


class Life:
    """A process that is killed the n-th time it comes to a point, and the one that goes on."""

    def __init__(self, nursery: Nursery, place: Place, point: str, n: int) -> None:
        self._nursery, self._place = nursery, place
        self._doomed = nursery.fork(lambda: _work(place, point, n), f"dies at {point} no. {n}")

    def is_killed(self) -> bool:
        """See it die, and let another one go on; False if it came to its end instead."""
        self._doomed.wait()
        if self._doomed.ended_well:
            return False
        assert self._doomed.was_killed, f"{self._doomed.name} ended with {self._doomed.status} instead"
        self._before = Snapshot.take(self._place.store)
        self._place.bury(self._doomed)
        self._survivor = self._nursery.fork(lambda: _work(self._place), f"after {self._doomed.name}")
        return True

    def is_survived(self) -> None:
        """See the other one finish, and what is left."""
        self._survivor.wait()
        assert self._survivor.ended_well
        assert self._place.noted == ENDS
        begun = self._place.ledger.begun()
        assert sorted(step.rpartition("/")[2] for step in begun) == ["pay#1", "refund#1"]
        again = [step for step, times in begun.items() if times > 1 and self._before.has(step)]
        assert not again, "done again though recorded"
        looker = self._nursery.fork(lambda: _look(self._place), "the one who looks")
        looker.wait()
        assert looker.ended_well


@pytest.mark.parametrize("point", [pytest.param("before-commit", marks=pytest.mark.soak), "after-commit"])
def test_killed_at_every_commit(point: str, kind: str, tmp_path: Path, nursery: Nursery) -> None:
    moments, killed, alive = itertools.count(1), 0, True
    while alive:
        lives = [Life(nursery, Place(tmp_path / str(n), kind), point, n) for n in itertools.islice(moments, 6)]
        dead = [life for life in lives if life.is_killed()]
        for life in dead:  # side by side, because they mostly wait
            life.is_survived()
        killed, alive = killed + len(dead), len(dead) == len(lives)
    assert killed >= 6
