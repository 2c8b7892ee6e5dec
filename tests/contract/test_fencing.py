"""Only the owner writes: a stale owner's delta is refused whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.errors import LeaseLost, StoreRejected
from holdfast.records.delta import Delta, HandBack, NewPromise, Verdict
from holdfast.records.run import Progress, Status
from holdfast.store.base import Store
from tests.contract.making import Hand, child_of, delta, entry, finish, fresh, group, item, new_run, status


async def test_a_delta_of_another_epoch_writes_nothing(store: Store, worker: Hand) -> None:
    run = await worker.started()
    everything = Delta(
        rid=run.rid, epoch=run.epoch + 1, entries=(entry(),), items=(item(0, 2),), groups=(group(),),
        promises=(NewPromise(id=f"{run.id}/p", key="p", schema=b"{}"),), children=(child_of(run, "child"),),
        progress=Progress(done=1), end=finish(),
    )  # fmt: skip
    assert await worker.commit(everything) == [Verdict.REFUSED]
    assert await fresh(store, run) == run
    history = await store.load(run.rid)
    assert (list(history.entries), history.maps, history.groups) == ([], {}, {})
    assert await store.get("child") is None and await store.schema(f"{run.id}/p") is None


async def test_a_delta_of_another_worker_is_refused(store: Store, worker: Hand) -> None:
    run = await worker.started()
    other = await Hand.hire(store, "w2")
    assert await other.commit(delta(run, finish(), entries=(entry(),))) == [Verdict.REFUSED]
    assert await status(store, run) is Status.RUNNING and await store.journal(run.id) == []


async def test_a_delta_after_the_end_is_refused(store: Store, worker: Hand) -> None:
    run = await worker.started()
    assert await worker.commit(delta(run, finish()), delta(run, entries=(entry(),))) == [
        Verdict.APPLIED, Verdict.REFUSED,
    ]  # fmt: skip
    assert await worker.commit(delta(run, entries=(entry(),))) == [Verdict.REFUSED]
    assert await store.journal(run.id) == []


async def test_a_stale_owner_is_refused_after_it_claims_again(store: Store, worker: Hand) -> None:
    old = await worker.started()
    await worker.commit(delta(old, HandBack()))
    new = await worker.claim_one()
    stale, live = (delta(run, entries=(entry(value=b"%d" % run.epoch),)) for run in (old, new))
    verdicts = await worker.commit(stale, live)
    assert verdicts == [Verdict.REFUSED, Verdict.APPLIED]
    assert [one.value for one in await store.journal(new.id)] == [b"2"]


async def test_an_unknown_run_is_refused(worker: Hand) -> None:
    run = await worker.started()
    assert await worker.commit(delta(replace(run, rid=99_999))) == [Verdict.REFUSED]


async def test_poison_fails_the_batch_whole_and_alone_it_can_be_found(store: Store, worker: Hand) -> None:
    good, bad = await worker.started(), await worker.started()
    poison = delta(bad, children=(child_of(bad, key="adjust#1", id="new"),), entries=(entry(branch=1 << 64),))
    healthy = delta(good, entries=(entry(),))
    with pytest.raises(StoreRejected):
        await worker.commit(healthy, poison)
    assert await store.journal(good.id) == []
    assert await worker.commit(healthy) == [Verdict.APPLIED]
    with pytest.raises(StoreRejected):
        await worker.commit(poison)
    assert await store.journal(bad.id) == [] and await store.get("new") is None


async def test_a_child_whose_key_is_taken_is_poison(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.start([new_run("other", key="k")])
    child = replace(child_of(run, "child"), key="k")
    with pytest.raises(StoreRejected, match="other"):
        await worker.commit(delta(run, children=(child,)))


async def test_a_worker_that_is_gone_learns_it(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.release("w1")
    with pytest.raises(LeaseLost):
        await worker.commit(delta(run))


async def test_the_same_batch_sent_again_is_not_applied_again(store: Store, worker: Hand) -> None:
    run, other = await worker.started(), await worker.started()
    batch = [delta(run, entries=(entry(),)), delta(replace(other, epoch=9)), delta(other, finish())]
    first = await store.commit("w1", 1, batch)
    assert first == [Verdict.APPLIED, Verdict.REFUSED, Verdict.APPLIED]
    assert await store.commit("w1", 1, batch) == first
    assert len(await store.journal(run.id)) == 1


async def test_numbers_go_one_by_one(store: Store, worker: Hand) -> None:
    """One that was passed is a mistake; one that skips says that the store has gone back: the worker owns nothing."""
    run = await worker.started()
    await store.commit("w1", 1, [])
    for wrong, error in ((0, StoreRejected), (3, LeaseLost)):
        with pytest.raises(error):
            await store.commit("w1", wrong, [delta(run, entries=(entry(),))])
    assert await store.journal(run.id) == []


async def test_progress_stays_until_it_changes(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, progress=Progress(done=1, total=3, message="läuft")))
    await worker.commit(delta(run, entries=(entry(),)))
    assert (await fresh(store, run)).progress == Progress(done=1, total=3, message="läuft")
