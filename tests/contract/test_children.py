"""A parent is told once of each child's end; children do not outlive it unless detached."""

from __future__ import annotations

import pytest

from holdfast.records.delta import Block, Suspend, Verdict
from holdfast.records.journal import News, Op
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, child_of, delta, finish, fresh, new_run, status


@pytest.mark.parametrize("ending", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
async def test_the_end_of_a_child_is_news_for_its_parent(store: Store, worker: Hand, ending: Status) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, Suspend(wakes=0, wake_at=None), children=(child_of(parent, key="pay#2"),)))
    child = await worker.claim_one()
    assert child.parent is not None and (child.parent.run_id, child.parent.key) == (parent.id, "pay#2")
    await worker.commit(delta(child, finish(ending, b"value")))
    (claimed,) = await worker.claim()
    assert claimed.run.id == parent.id
    won = ending is Status.SUCCEEDED
    assert list(claimed.history.news) == [News(wake=1, op=Op.CHILD, key="pay#2", ok=won, value=b"value")]
    ended = await fresh(store, child)
    assert (ended.status, ended.ended_at, ended.worker) == (ending, NOW, None)
    assert (ended.result, ended.error) == ((b"value", None) if won else (None, b"value"))


async def test_a_child_that_ends_before_its_parent_suspends_keeps_it_awake(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent),)))
    child = await worker.claim_one()
    both = [delta(child, finish()), delta(parent, Suspend(wakes=0, wake_at=None))]
    assert await worker.commit(*both) == [Verdict.APPLIED, Verdict.AWAKE]


async def test_in_the_other_order_the_parent_is_woken(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent),)))
    child = await worker.claim_one()
    both = [delta(parent, Suspend(wakes=0, wake_at=None)), delta(child, finish())]
    assert await worker.commit(*both) == [Verdict.APPLIED, Verdict.APPLIED]
    assert await status(store, parent) is Status.QUEUED


async def test_a_child_sent_again_by_the_next_activation_is_the_same(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    child = child_of(parent, "child")
    await worker.commit(delta(parent, children=(child,)))
    await worker.commit(delta(parent, children=(child,)))
    assert await store.count() == {Status.RUNNING: 1, Status.QUEUED: 1}


async def test_children_end_with_their_parent_unless_detached(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    children = (child_of(parent, "busy", priority=2), child_of(parent, "idle"), child_of(parent, "free", detached=True))
    await worker.commit(delta(parent, children=children))
    busy = await worker.claim_one()
    await worker.commit(delta(parent, finish()))
    assert await status(store, "idle") is Status.CANCELLED and await status(store, "free") is Status.QUEUED
    now = await fresh(store, busy)
    assert (now.status, now.cancel_at) == (Status.RUNNING, NOW)
    assert [news.op for news in await store.news(busy.rid, after=0)] == [Op.RUN]
    free = await store.get("free")
    assert free is not None and free.cancel_at is None


async def test_the_end_of_a_detached_child_is_news_too(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent, detached=True),)))
    await worker.commit(delta(await worker.claim_one(), finish()))
    assert [news.op for news in await store.news(parent.rid, after=0)] == [Op.CHILD]


async def test_a_parent_that_has_ended_is_told_nothing(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent),)))
    child = await worker.claim_one()
    await worker.commit(delta(parent, finish()), delta(child, finish(Status.CANCELLED)))
    assert (await fresh(store, parent)).wakes == 0


async def test_an_end_reaches_the_descendants_of_what_has_no_body(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent, "stuck"),)))
    stuck = await worker.claim_one()
    await worker.commit(delta(stuck, Block(why=b"?"), children=(child_of(stuck, "leaf"),)))
    await worker.commit(delta(parent, finish()))
    assert await status(store, "stuck") is Status.CANCELLED and await status(store, "leaf") is Status.CANCELLED


async def test_a_child_of_an_ended_parent_is_born_cancelled(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, finish()))
    await store.start([child_of(parent, "late"), new_run("unrelated")])
    assert await status(store, "late") is Status.CANCELLED and await status(store, "unrelated") is Status.QUEUED
