"""Who may claim a run, in which order, and what becomes of the runs of the dead."""

from __future__ import annotations

import pytest

from holdfast.errors import LeaseLost
from holdfast.records.delta import HandBack
from holdfast.records.run import Activation, Status
from holdfast.records.worker import Hosted
from holdfast.store.base import Store
from tests.contract.making import AGENT, MINUTE, NOW, Hand, delta, entry, fresh, new_run, status
from tests.contract.stores import Place, output, process


async def test_a_claimed_run_has_an_owner_and_a_higher_epoch(store: Store, worker: Hand) -> None:
    await store.start([new_run()])
    (claimed,) = await worker.claim()
    run = claimed.run
    assert (run.status, run.worker, run.epoch, run.started_at) == (Status.RUNNING, "w1", 1, NOW)
    assert (list(claimed.history.entries), claimed.history.maps, list(claimed.history.news)) == ([], {}, [])
    assert await store.activations(run.id) == [Activation(epoch=1, worker="w1", build="build-1", at=NOW)]
    assert await worker.claim() == []


async def test_higher_priority_goes_first_then_who_was_ready_first(store: Store, worker: Hand) -> None:
    await store.start([new_run("late", at=NOW + 2), new_run("urgent", at=NOW + 9, priority=1), new_run("early")])
    assert [c.run.id for c in await worker.claim(2)] == ["urgent", "early"]
    assert [c.run.id for c in await worker.claim(2)] == ["late"]


async def test_order_holds_across_the_versions_of_an_agent(store: Store, worker: Hand) -> None:
    other = Hosted(agent="adjust", version="2")
    await store.start([new_run("a", at=3), new_run("b", at=1, version="2"), new_run("c", at=2)])
    got = await store.claim("w1", [AGENT, other], ["one", "two"], limit=2, now=NOW)
    assert [c.run.id for c in got] == ["b", "c"]
    assert [(await store.activations(c.run.id))[0].build for c in got] == ["two", "one"]


async def test_only_hosted_versions_are_claimed(store: Store, worker: Hand) -> None:
    await store.start([new_run(version="2"), new_run(agent="other")])
    assert await worker.claim() == []


async def test_a_version_named_twice_is_claimed_once(store: Store, worker: Hand) -> None:
    await store.start([new_run()])
    (claimed,) = await store.claim("w1", [AGENT, AGENT], ["one", "one"], limit=5, now=NOW)
    assert claimed.run.epoch == 1


async def test_a_waiting_run_is_claimed_when_it_is_due_and_in_its_turn(store: Store, worker: Hand) -> None:
    sleeper = await worker.started()
    await worker.suspend(sleeper, wake_at=NOW + 50)
    await store.start([new_run("before", at=NOW + 49), new_run("after", at=NOW + 51)])
    assert await store.next_wake([AGENT]) == NOW + 50
    assert await store.next_wake([Hosted(agent="adjust", version="2")]) is None
    assert [c.run.id for c in await worker.claim(now=NOW + 49)] == ["before", "after"]
    await store.start([new_run("later", at=NOW + 51)])
    assert [c.run.id for c in await worker.claim(now=NOW + 50)] == [sleeper.id, "later"]
    assert await store.next_wake([AGENT]) is None


async def test_started_at_is_the_first_claim(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, HandBack()))
    again = await worker.claim_one(now=NOW + 77)
    assert (again.started_at, again.epoch) == (NOW, 2)


async def test_a_claim_brings_the_journal(store: Store, worker: Hand) -> None:
    run = await worker.started()
    entries = (entry(1, value=b"a\x00b", note=b"n", fingerprint=b"f", guarded=True), entry(2, ok=False))
    await worker.commit(delta(run, HandBack(), entries=entries))
    (claimed,) = await worker.claim()
    assert tuple(claimed.history.entries) == entries and claimed.run.entries == 2
    assert await store.journal(run.id) == list(entries)
    assert await store.journal(run.id, after=1) == [entries[1]]
    assert await store.journal(run.id, limit=1) == [entries[0]]


async def test_the_runs_of_a_dead_worker_are_taken_over(store: Store, worker: Hand) -> None:
    run = await worker.started()
    other = await Hand.hire(store, "w2")
    assert await other.claim() == []
    worker.lose_lease()
    (taken,) = await other.claim()
    assert (taken.run.id, taken.run.epoch, taken.run.worker, taken.run.lost) == (run.id, 2, "w2", 1)
    assert [w.id for w in await store.workers()] == ["w2"]
    with pytest.raises(LeaseLost):
        await worker.commit(delta(run, entries=(entry(),)))


async def test_the_runs_of_the_dead_are_queued_even_for_others_to_host(store: Store, worker: Hand) -> None:
    run = await worker.started()
    worker.lose_lease()
    stranger = await Hand.hire(store, "w2")
    assert await stranger.claim(host=Hosted(agent="another", version="1")) == []
    assert await status(store, run) is Status.QUEUED


async def test_a_worker_without_a_lease_claims_nothing(store: Store, worker: Hand) -> None:
    await store.start([new_run()])
    worker.lose_lease()
    with pytest.raises(LeaseLost):
        await worker.claim()
    with pytest.raises(LeaseLost):
        await Hand(store, "never registered").claim()


async def _lose(store: Store, times: int, first: int = 0) -> None:
    for n in range(first, first + times):
        hand = await Hand.hire(store, f"victim-{n}")
        assert await hand.claim()
        hand.lose_lease()


async def test_a_run_that_kills_three_workers_is_blocked(store: Store) -> None:
    await store.start([new_run("killer")])
    await _lose(store, 3)
    assert await (await Hand.hire(store, "survivor")).claim() == []
    run = await store.get("killer")
    assert run is not None and (run.status, run.lost, run.worker) == (Status.BLOCKED, 3, None)
    assert run.error is not None


async def test_a_new_entry_forgives_lost_activations(store: Store) -> None:
    await store.start([new_run("unlucky")])
    await _lose(store, 2)
    hand = await Hand.hire(store, "good")
    run = await hand.claim_one()
    assert run.lost == 2
    await hand.commit(delta(run, entries=(entry(),)))
    assert (await fresh(store, run)).lost == 0


async def test_a_worker_owns_one_run_at_a_time_that_was_lost_twice(store: Store) -> None:
    await store.start([new_run(name) for name in ("culprit", "beside", "between")])
    await _lose(store, 2)
    await store.start([new_run("harmless")])
    hand = await Hand.hire(store, "careful")
    first, second = sorted((claimed.run for claimed in await hand.claim()), key=lambda run: run.lost)
    assert (first.id, first.lost, second.lost) == ("harmless", 0, 2)
    assert await hand.claim() == []
    await hand.commit(delta(second, entries=(entry(),)))
    (next_suspect,) = await hand.claim()
    assert next_suspect.run.lost == 2


async def test_resume_puts_a_blocked_run_back(store: Store, worker: Hand) -> None:
    await store.start([new_run("killer")])
    assert not await store.resume("killer") and not await store.resume("unknown")
    await _lose(store, 3)
    assert await worker.claim() == []
    assert await store.resume("killer")
    run = await worker.claim_one()
    assert (run.lost, run.error) == (0, None)


async def test_release_hands_runs_back_without_blame(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.release("w1")
    now = await fresh(store, run)
    assert (now.status, now.worker, now.lost) == (Status.QUEUED, None, 0)
    assert await store.workers() == []


async def test_a_lease_is_renewed_until_it_has_expired(store: Store, worker: Hand) -> None:
    keeper = store.keeper("w1", ttl=5 * MINUTE)
    before = (await store.workers())[0].expires_at
    assert keeper.renew() and (await store.workers())[0].expires_at > before + 3 * MINUTE
    worker.lose_lease()
    assert not keeper.renew()
    keeper.close()
    gone = store.keeper("nobody", ttl=MINUTE)
    assert not gone.renew()
    gone.close()


RACE = """
async def main():
    store = await open_url(url)
    hand = await Hand.hire(store, args[0])
    print("ready", flush=True); sys.stdin.readline()
    mine = []
    while got := await hand.claim(7):
        mine += [c.run.id for c in got]
    await store.close()
    print(*mine)
asyncio.run(main())
"""


async def test_no_run_is_claimed_twice_by_racing_processes(place: Place, store: Store) -> None:
    await store.start([new_run() for _ in range(400)])
    racers = [process(place.url, RACE, f"p{n}") for n in range(4)]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    claimed = [id for racer in racers for id in output(racer).split()]
    assert len(claimed) == len(set(claimed)) == 400
