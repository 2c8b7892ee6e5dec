"""Cancel: asked once, by whoever; ends at once what has no body to clean up."""

from __future__ import annotations

from holdfast.records.delta import Block, HandBack, Suspend
from holdfast.records.journal import Op
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, child_of, delta, finish, fresh, new_run, status


async def cancel(store: Store, run_id: str) -> bool:
    return await store.cancel(run_id, reason="enough", at=NOW + 1)


async def test_a_run_that_was_never_claimed_ends_at_once(store: Store, worker: Hand) -> None:
    await store.start([new_run("x")])
    assert await cancel(store, "x")
    run = await store.get("x")
    assert run is not None and (run.status, run.cancel_at, run.cancel_reason) == (Status.CANCELLED, NOW + 1, "enough")
    assert run.ended_at == NOW + 1 and run.error is not None
    assert await worker.claim() == [] and not await cancel(store, "x")


async def test_a_running_run_is_told_once(store: Store, worker: Hand) -> None:
    run = await worker.started()
    assert await cancel(store, run.id) and not await cancel(store, run.id)
    now = await fresh(store, run)
    assert (now.status, now.cancel_at, now.cancel_reason) == (Status.RUNNING, NOW + 1, "enough")
    assert [news.op for news in await store.news(run.rid, after=0)] == [Op.RUN]
    assert await store.woken("w1") == [(run.rid, 1)]


async def test_a_waiting_run_wakes_to_clean_up(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.suspend(run)
    assert await cancel(store, run.id)
    (claimed,) = await worker.claim()
    assert [news.op for news in claimed.history.news] == [Op.RUN]


async def test_a_queued_run_that_has_a_journal_is_told_not_ended(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, HandBack()))
    assert await cancel(store, run.id)
    assert await status(store, run) is Status.QUEUED


async def test_the_ended_and_the_unknown_cannot_be_cancelled(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, finish()))
    assert not await cancel(store, run.id) and not await cancel(store, "unknown")
    assert await status(store, run) is Status.SUCCEEDED


async def test_a_blocked_run_ends_at_once_and_its_children_are_asked(store: Store, worker: Hand) -> None:
    run = await worker.started()
    children = (child_of(run, "busy", priority=1), child_of(run, "idle"), child_of(run, "free", detached=True))
    await worker.commit(delta(run, children=children))
    busy = await worker.claim_one()
    await worker.commit(delta(run, Block(why=b"?")))
    assert await cancel(store, run.id)
    assert await status(store, run) is Status.CANCELLED and await status(store, "idle") is Status.CANCELLED
    assert [news.op for news in await store.news(busy.rid, after=0)] == [Op.RUN]
    assert await status(store, "free") is Status.QUEUED


async def test_a_run_asked_to_cancel_that_then_blocks_can_still_be_ended(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await cancel(store, run.id)
    await worker.commit(delta(run, Block(why=b"?"), seen=1))
    assert await cancel(store, run.id)
    now = await fresh(store, run)
    assert (now.status, now.cancel_at) == (Status.CANCELLED, NOW + 1)


async def test_a_cancelled_child_is_news_for_its_parent(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, Suspend(wakes=0, wake_at=None), children=(child_of(parent, "child", key="c#1"),)))
    await cancel(store, "child")
    (claimed,) = await worker.claim()
    assert [(news.op, news.key, news.ok) for news in claimed.history.news] == [(Op.CHILD, "c#1", False)]


async def test_a_parent_cancels_children_by_id(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent, "busy"),)))
    busy = await worker.claim_one()
    await worker.commit(delta(parent, children=(child_of(parent, "idle"),), cancels=("busy", "idle", "unknown")))
    assert await status(store, "idle") is Status.CANCELLED
    assert [news.op for news in await store.news(busy.rid, after=0)] == [Op.RUN]


async def test_children_of_a_cancelled_parent_are_born_cancelled(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await cancel(store, parent.id)
    children = (child_of(parent, "child", key="c#1"), child_of(parent, "free", detached=True))
    await worker.commit(delta(parent, children=children))
    born = await store.get("child")
    assert born is not None and born.cancel_at is not None and born.status is Status.CANCELLED
    assert [(news.op, news.key) for news in await store.news(parent.rid, after=1)] == [(Op.CHILD, "c#1")]
    assert await status(store, "free") is Status.QUEUED
