"""No agent starves: whose backlog is long takes turns with the others; only a higher priority goes first."""

from __future__ import annotations

from holdfast.records.worker import Hosted
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, delta, finish, new_run

BUSY, RARE, THIRD = (Hosted(agent=name, version="1") for name in ("busy", "rare", "third"))


async def claim(store: Store, limit: int, *hosts: Hosted, worker: str = "w1") -> list[str]:
    """Names of the agents whose runs were claimed, in order."""
    got = await store.claim(worker, hosts, ["build"] * len(hosts), limit=limit, now=NOW)
    return [one.run.agent for one in got]


async def backlog(store: Store, *counts: tuple[Hosted, int], priority: int = 0, at: int = NOW) -> None:
    """Runs that became ready one agent after the other."""
    wanted = [hosted.agent for hosted, count in counts for _ in range(count)]
    await store.start([new_run(agent=agent, at=at + n, priority=priority) for n, agent in enumerate(wanted)])


async def test_places_are_shared_between_agents_that_all_have_more_than_enough(store: Store, worker: Hand) -> None:
    await backlog(store, (BUSY, 20), (RARE, 20), (THIRD, 2))
    assert sorted(await claim(store, 8, BUSY, RARE, THIRD)) == ["busy"] * 3 + ["rare"] * 3 + ["third"] * 2


async def test_what_the_worker_has_already_counts(store: Store, worker: Hand) -> None:
    await backlog(store, (BUSY, 20))
    assert await claim(store, 4, BUSY, RARE) == ["busy"] * 4
    await backlog(store, (RARE, 20), at=NOW + 1000)
    assert await claim(store, 3, BUSY, RARE) == ["rare"] * 3
    assert sorted(await claim(store, 3, BUSY, RARE)) == ["busy", "rare", "rare"]


async def test_what_other_workers_have_does_not(store: Store, worker: Hand) -> None:
    await backlog(store, (BUSY, 20), (RARE, 20))
    await claim(store, 4, BUSY)
    other = await Hand.hire(store, "w2")
    assert sorted(await claim(store, 2, BUSY, RARE, worker=other.id)) == ["busy", "rare"]


async def test_of_agents_that_are_served_alike_the_one_named_first_comes_first(store: Store, worker: Hand) -> None:
    await backlog(store, (BUSY, 5), (RARE, 5))
    got = await store.claim("w1", [RARE, BUSY], ["b", "b"], limit=1, now=NOW)
    assert [one.run.agent for one in got] == ["rare"]
    await worker.commit(delta(got[0].run, finish()))
    assert await claim(store, 1, BUSY, RARE) == ["busy"]


async def test_a_higher_priority_comes_before_fairness(store: Store, worker: Hand) -> None:
    await backlog(store, (BUSY, 5), priority=1)
    await backlog(store, (RARE, 5))
    assert await claim(store, 5, RARE, BUSY) == ["busy"] * 5


async def test_within_an_agent_who_was_ready_first_goes_first_whatever_the_version(store: Store, worker: Hand) -> None:
    second = Hosted(agent="busy", version="2")
    await store.start([new_run(f"b{n}", agent="busy", version=str(1 + n % 2), at=NOW + n) for n in range(6)])
    await backlog(store, (RARE, 6), at=NOW - 1000)
    got = await store.claim("w1", [BUSY, second, RARE], ["b"] * 3, limit=6, now=NOW)
    assert [one.run.id for one in got if one.run.agent == "busy"] == ["b0", "b1", "b2"]
