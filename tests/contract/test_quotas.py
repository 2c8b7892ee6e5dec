"""How much of an agent may be done at once is a promise of the store: no number of workers does more."""

from __future__ import annotations

from holdfast.records.delta import HandBack, Suspend
from holdfast.records.outbox import Sent
from holdfast.records.run import Status
from holdfast.records.worker import Hosted, Quota
from holdfast.store.base import Store
from tests.contract.desk import CHANNEL, ask, asked
from tests.contract.making import AGENT, MINUTE, NOW, Hand, delta, entry, finish, new_run
from tests.contract.stores import Place, output, process

TWO = {"adjust": Quota(limit=2)}
THREE_A_MINUTE = {"adjust": Quota(starts=3, period=MINUTE)}
SECOND_VERSION = Hosted(agent="adjust", version="2")
OLD_VERSION = Hosted(agent="adjust", version="0")


async def test_no_more_runs_are_in_memory_than_the_limit_says_on_all_workers_together(
    store: Store, worker: Hand
) -> None:
    other = await Hand.hire(store, "w2")
    await store.start([new_run() for _ in range(5)])
    first, second = [one.run for one in await worker.claim(quotas=TWO)]
    assert await other.claim(quotas=TWO) == []
    await worker.commit(delta(first, finish()))
    (third,) = await other.claim(quotas=TWO)
    assert third.run.id not in (first.id, second.id)
    assert await worker.claim(quotas=TWO) == [] == await other.claim(quotas=TWO)


async def test_a_limit_is_of_all_versions_and_of_no_other_agent(store: Store, worker: Hand) -> None:
    pay = Hosted(agent="pay", version="1")
    await store.start([new_run(version=str(1 + n % 2), at=NOW + n) for n in range(6)])
    await store.start([new_run(agent="pay") for _ in range(3)])
    got = await store.claim("w1", [AGENT, SECOND_VERSION, pay], ["b"] * 3, limit=100, now=NOW, quotas=TWO)
    assert sorted(one.run.agent for one in got) == ["adjust"] * 2 + ["pay"] * 3


async def test_a_run_that_has_left_memory_does_not_count(store: Store, worker: Hand) -> None:
    await store.start([new_run() for _ in range(4)])
    first, _ = [one.run for one in await worker.claim(quotas=TWO)]
    await worker.suspend(first, wake_at=NOW + MINUTE)
    (third,) = await worker.claim(quotas=TWO)
    assert await worker.claim(now=NOW + 2 * MINUTE, quotas=TWO) == []  # due now; it stands in line
    assert (await store.count())[Status.QUEUED] == 2
    await worker.commit(delta(third.run, finish()))
    assert len(await worker.claim(now=NOW + 2 * MINUTE, quotas=TWO)) == 1


async def test_runs_of_a_dead_worker_do_not_keep_their_places(store: Store, worker: Hand) -> None:
    await store.start([new_run() for _ in range(4)])
    await worker.claim(quotas=TWO)
    worker.lose_lease()
    other = await Hand.hire(store, "w2")
    assert len(await other.claim(quotas=TWO)) == 2


async def test_without_room_higher_priority_waits_like_others_and_then_goes_first(store: Store, worker: Hand) -> None:
    await store.start([new_run() for _ in range(3)])
    first, _ = [one.run for one in await worker.claim(quotas=TWO)]
    await store.start([new_run("urgent", priority=9)])
    assert await worker.claim(quotas=TWO) == []
    await worker.commit(delta(first, finish()))
    assert [one.run.id for one in await worker.claim(quotas=TWO)] == ["urgent"]


async def test_no_more_runs_begin_in_any_period_than_the_rate_says(store: Store, worker: Hand) -> None:
    other = await Hand.hire(store, "w2")
    await store.start([new_run() for _ in range(10)])

    async def begin(hand: Hand, at: int) -> int:
        claimed = [one.run for one in await hand.claim(now=NOW + at, quotas=THREE_A_MINUTE)]
        await hand.commit(*(delta(run, finish()) for run in claimed))
        return len(claimed)

    assert await begin(worker, 0) == 3
    assert [await begin(other, at) for at in (1, MINUTE - 1)] == [0, 0]
    assert await begin(other, MINUTE) == 3
    assert await begin(worker, 2 * MINUTE - 1) == 0
    assert await begin(worker, 2 * MINUTE) == 3
    assert await begin(worker, 10 * MINUTE) == 1


async def test_the_period_slides(store: Store, worker: Hand) -> None:
    await store.start([new_run(f"r{n}", at=NOW + n) for n in range(6)])
    for at, wanted in ((0, 1), (30, 2), (60, 1), (89, 0), (90, 2)):
        limit = 1 if at == 0 else 100
        got = await worker.claim(limit, now=NOW + at * MINUTE // 60, quotas=THREE_A_MINUTE)
        assert len(got) == wanted, at


async def test_runs_that_go_on_are_not_held_back_by_a_rate_nor_by_those_that_are(store: Store, worker: Hand) -> None:
    await store.start([new_run(f"r{n}", at=NOW + n) for n in range(3)])
    begun = [one.run for one in await worker.claim(quotas=THREE_A_MINUTE)]
    await store.start([new_run(at=NOW + 10 + n, priority=1) for n in range(50)])
    await worker.commit(delta(begun[0], HandBack(), entries=(entry(),)))
    await worker.commit(delta(begun[1], Suspend(wakes=begun[1].wakes, wake_at=NOW + 100)))
    got = await worker.claim(5, now=NOW + 100, quotas=THREE_A_MINUTE)
    assert sorted(one.run.id for one in got) == ["r0", "r1"]


async def test_it_is_said_when_the_next_may_begin(store: Store, worker: Hand) -> None:
    assert await store.next_wake([AGENT], THREE_A_MINUTE, now=NOW) is None
    await store.start([new_run() for _ in range(5)])
    await worker.claim(1, quotas=THREE_A_MINUTE)
    assert await store.next_wake([AGENT], THREE_A_MINUTE, now=NOW) is None  # two more may begin at once
    await worker.claim(now=NOW + 10, quotas=THREE_A_MINUTE)
    assert await store.next_wake([AGENT], THREE_A_MINUTE, now=NOW + 10) == NOW + MINUTE
    assert await store.next_wake([SECOND_VERSION], THREE_A_MINUTE, now=NOW + 10) is None


async def test_a_clock_that_is_an_hour_ahead_does_not_stop_the_others(store: Store, worker: Hand) -> None:
    await store.start([new_run() for _ in range(6)])
    hour = 60 * MINUTE
    assert len(await worker.claim(now=NOW + hour, quotas=THREE_A_MINUTE)) == 3
    assert len(await worker.claim(now=NOW, quotas=THREE_A_MINUTE)) == 3


async def test_limit_and_rate_hold_together(store: Store, worker: Hand) -> None:
    quotas = {"adjust": Quota(limit=2, starts=3, period=MINUTE)}
    await store.start([new_run() for _ in range(9)])
    first, second = [one.run for one in await worker.claim(quotas=quotas)]
    await worker.commit(delta(first, finish()), delta(second, finish()))
    assert len(await worker.claim(quotas=quotas)) == 1
    assert await worker.claim(quotas=quotas) == []


RACE = """
async def main():
    store = await open_url(url)
    hand = await Hand.hire(store, args[0])
    print("ready", flush=True); sys.stdin.readline()
    most = done = 0
    while True:
        got = await hand.claim(3, quotas={"adjust": Quota(limit=5)})
        running = (await store.count()).get("running", 0)
        most = max(most, running)
        for one in got:
            await hand.commit(delta(one.run, finish()))
        done += len(got)
        if not got and not running and not (await store.count()).get("queued"):
            break
    await store.close()
    print(most, done)
asyncio.run(main())
"""


async def test_racing_processes_keep_it_together(place: Place, store: Store) -> None:
    await store.start([new_run() for _ in range(200)])
    racers = [process(place.url, RACE, f"p{n}") for n in range(4)]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [tuple(map(int, output(racer).split())) for racer in racers]
    assert max(most for most, _ in said) <= 5
    assert sum(done for _, done in said) == 200


async def test_demand_is_what_needs_a_worker_now(store: Store, worker: Hand) -> None:
    assert (await store.demand(None, now=NOW)).total == 0
    await store.start([new_run(f"r{n}", at=NOW + n) for n in range(5)])
    await store.start([new_run(agent="pay")])
    sleeper, later, _ = [one.run for one in await worker.claim(3)]
    await worker.suspend(sleeper, wake_at=NOW + 50)
    await worker.suspend(later, wake_at=NOW + 500)
    found = await store.demand(None, now=NOW + 100)
    assert (found.queued, found.due, found.orphaned, found.at_work, found.total) == (3, 1, 0, 1, 5)
    worker.lose_lease()
    found = await store.demand(["adjust"], now=NOW + 100)
    assert (found.queued, found.due, found.orphaned, found.at_work, found.total) == (2, 1, 1, 0, 4)
    assert (await store.demand(["pay"], now=NOW + 100)).total == 1
    assert (await store.demand([], now=NOW + 100)).total == 0


async def test_demand_is_of_what_is_hosted(store: Store, worker: Hand) -> None:
    """Or a version that is nowhere any more would keep a worker that can do nothing for it."""
    await store.start([new_run(), new_run(version=OLD_VERSION.version), new_run(agent="pay")])
    assert (await store.demand(None, now=NOW, hosts=[AGENT])).total == 1
    both = [AGENT, OLD_VERSION]
    assert (await store.demand(None, now=NOW, hosts=both)).total == 2
    assert (await store.demand(None, {"adjust": Quota(limit=1)}, now=NOW, hosts=both)).total == 1
    assert (await store.demand(None, now=NOW)).total == 3


async def test_deadlines_and_messages_need_a_worker_too(store: Store, worker: Hand) -> None:
    """Nobody else minds them: with no worker an approval would never expire."""
    assert await store.put([CHANNEL])
    run = await worker.started()
    await ask(worker, run, asked(due_at=NOW + 100))
    await worker.suspend(run)
    taken = await store.take_messages(now=NOW + 10, hold=0, limit=10)
    assert (await store.demand(None, now=NOW + 50)).due == len(taken) > 0
    await store.settle_messages([Sent(n=one.n, done=True) for one in taken])
    assert (await store.demand(None, now=NOW + 50)).total == 0
    assert (await store.demand(None, now=NOW + 100, hosts=[AGENT])).due == 1


async def test_demand_is_no_more_than_quotas_leave(store: Store, worker: Hand) -> None:
    await store.start([new_run() for _ in range(9)])
    await store.start([new_run(agent="pay") for _ in range(2)])

    async def found(quota: Quota, now: int = NOW) -> tuple[int, int, int]:
        said = await store.demand(None, {"adjust": quota, "nobody": Quota(limit=1)}, now=now)
        return said.queued - 2, said.due, said.at_work

    assert await found(Quota(limit=5)) == (5, 0, 0)
    assert await found(Quota(starts=3, period=MINUTE)) == (3, 0, 0)
    sleeper, *_ = [one.run for one in await worker.claim(3, quotas=THREE_A_MINUTE)]
    assert await found(Quota(limit=5)) == (2, 0, 3)
    assert await found(Quota(limit=2)) == (0, 0, 3)
    assert await found(Quota(starts=3, period=MINUTE)) == (0, 0, 3)
    assert await found(Quota(starts=3, period=MINUTE), NOW + MINUTE) == (3, 0, 3)
    await worker.suspend(sleeper, wake_at=NOW + 50)
    assert await found(Quota(starts=3, period=MINUTE), NOW + 50) == (0, 1, 2)  # a rate is for beginnings only
    assert await found(Quota(limit=3), NOW + 50) == (0, 1, 2)
    assert await found(Quota(limit=2), NOW + 50) == (0, 0, 2)
    await store.resolve(f"{sleeper.id}/p", ok=True, value=b"v", at=NOW + 60)
    assert await found(Quota(starts=3, period=MINUTE), NOW + 60) == (1, 0, 2)


async def test_a_worker_says_how_it_is(store: Store, worker: Hand) -> None:
    await store.start([new_run() for _ in range(3)])
    await worker.claim()
    (before,) = await store.workers()
    assert before.runs == 3 and before.started_at <= before.renewed_at < before.expires_at
    keeper = store.keeper("w1", ttl=MINUTE)
    assert keeper.renew()
    keeper.close()
    (after,) = await store.workers()
    assert after.renewed_at > before.renewed_at
