"""Beginning again under the same id: the old generation is gone, and nothing that must last is lost."""

from __future__ import annotations

from holdfast.records.delta import NewPromise, Renew, Verdict
from holdfast.records.journal import Entry, Op
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, child_of, delta, entry, finish, fresh, group, item, status

BIG = bytes(range(256)) * 100


def again(*carry: Entry, **changes: object) -> Renew:
    fields = {"agent": "adjust", "version": "1", "input": b"next", "digest": b"d2", "carry": carry, **changes}
    return Renew(**fields)  # type: ignore[arg-type]


async def test_the_journal_begins_afresh(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, entries=(entry(),), items=(item(0, 2),), groups=(group(),)))
    carried = entry(1, key="p", op=Op.PROMISE)
    assert await worker.commit(delta(run, again(carried, input=BIG), entries=(entry(3),))) == [Verdict.APPLIED]
    (claimed,) = await worker.claim()
    assert (claimed.run.id, claimed.run.generation, claimed.run.input) == (run.id, 1, BIG)
    assert (claimed.run.digest, claimed.run.entries, claimed.run.started_at) == (b"d2", 1, NOW)
    assert list(claimed.history.entries) == [carried] == await store.journal(run.id)
    assert (claimed.history.maps, claimed.history.groups) == ({}, {})


async def test_it_may_go_on_as_another_agent(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, again(agent="pay", version="2")))
    now = await fresh(store, run)
    assert (now.agent, now.version, now.status, now.worker) == ("pay", "2", Status.QUEUED, None)


async def test_unseen_cancels_and_promises_reach_the_next_generation(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, children=(child_of(run, key="c#1"),)))
    child = await worker.claim_one()
    await store.resolve(f"{run.id}/p", ok=True, value=BIG, at=NOW)
    await worker.commit(delta(child, finish()))
    await store.cancel(run.id, reason="enough", at=NOW)
    await worker.commit(delta(run, again()))
    (claimed,) = await worker.claim()
    news = claimed.history.news
    assert [(one.op, one.key) for one in news] == [(Op.PROMISE, "p"), (Op.RUN, "cancel")]  # the child is forgotten
    assert news[0].value == BIG
    assert await worker.suspend(claimed.run, seen=news[-1].wake) is Verdict.APPLIED  # no gap keeps it awake


async def test_resolved_promises_are_forgotten_except_those_still_to_be_awaited(store: Store, worker: Hand) -> None:
    run = await worker.started()
    names = {key: f"{run.id}/{key}" for key in ("used", "carried", "unseen", "open")}
    await worker.commit(
        delta(run, promises=tuple(NewPromise(id=id, key=key, schema=b"{}") for key, id in names.items()))
    )
    for key in ("used", "carried", "unseen"):
        await store.resolve(names[key], ok=True, value=b"v", at=NOW)
    await worker.commit(delta(run, again(entry(1, key="carried", op=Op.PROMISE)), seen=2))
    again_resolved = {key: await store.resolve(id, ok=True, value=b"w", at=NOW) for key, id in names.items()}
    assert again_resolved == {"used": True, "carried": False, "unseen": False, "open": True}


async def test_children_of_the_old_generation_are_cancelled_and_say_nothing(store: Store, worker: Hand) -> None:
    run = await worker.started()
    busy_one = child_of(run, "busy", map=7, ord=0, branch=700, priority=1)
    await worker.commit(delta(run, groups=(group(total=2),), children=(busy_one, child_of(run, "idle"))))
    busy = await worker.claim_one()
    await worker.commit(delta(run, again()))
    assert await status(store, "idle") is Status.CANCELLED
    assert [news.op for news in await store.news(busy.rid, after=0)] == [Op.RUN]
    next_one = await worker.claim_one()
    await worker.commit(delta(next_one, groups=(group(total=2),)))
    await worker.commit(delta(busy, finish(Status.CANCELLED)))
    assert (await store.load(run.rid)).groups[7].done == 0
    assert await store.news(run.rid, after=0) == []


async def test_the_same_value_can_be_stored_again(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, entries=(entry(value=BIG),)))
    await worker.commit(delta(run, again()))
    run = await worker.claim_one()
    await worker.commit(delta(run, entries=(entry(value=BIG), entry(2, value=BIG))))
    assert [one.value for one in await store.journal(run.id)] == [BIG, BIG]
