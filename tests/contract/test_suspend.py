"""Suspending is a compare-and-set on news: nothing is lost in a race, and nothing is told twice."""

from __future__ import annotations

import asyncio

from holdfast.records.delta import Block, HandBack, Suspend, Verdict
from holdfast.records.journal import News, Op
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, delta, entry, fresh, status


def told(wake: int, key: str = "p", value: bytes = b"v") -> News:
    return News(wake=wake, op=Op.PROMISE, key=key, ok=True, value=value)


async def test_a_run_without_news_suspends(store: Store, worker: Hand) -> None:
    run = await worker.started()
    assert await worker.suspend(run, wake_at=NOW + 5) is Verdict.APPLIED
    now = await fresh(store, run)
    assert (now.status, now.worker, now.wake_at) == (Status.WAITING, None, NOW + 5)
    assert await worker.claim(now=NOW + 4) == []


async def test_news_that_came_first_keeps_the_run_awake(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.resolve(f"{run.id}/p", ok=True, value=b"v", at=NOW)
    batch = delta(run, Suspend(wakes=0, wake_at=None), entries=(entry(),))
    assert await worker.commit(batch) == [Verdict.AWAKE]
    now = await fresh(store, run)
    assert (now.status, now.worker, now.entries) == (Status.RUNNING, "w1", 1)  # the entries are applied
    assert await store.news(run.rid, after=0) == [told(1)]


async def test_a_run_does_not_suspend_over_news_that_it_has_not_journaled(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.resolve(f"{run.id}/p", ok=True, value=b"v", at=NOW)
    assert await worker.suspend(run) is Verdict.AWAKE
    assert await worker.suspend(run, seen=1) is Verdict.APPLIED


async def test_news_wakes_a_waiting_run_which_is_told_when_claimed(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.suspend(run, wake_at=NOW + 99)
    await store.resolve(f"{run.id}/p", ok=True, value=b"v", at=NOW)
    assert await status(store, run) is Status.QUEUED
    (claimed,) = await worker.claim()
    assert (claimed.run.wakes, claimed.run.seen) == (1, 0) and list(claimed.history.news) == [told(1)]


async def test_news_is_told_until_it_is_journaled_and_not_after(store: Store, worker: Hand) -> None:
    run = await worker.started()
    assert await store.woken("w1") == []
    for n in (1, 2, 3):
        await store.resolve(f"{run.id}/p{n}", ok=True, value=b"v", at=NOW)
    assert await store.woken("w1") == [(run.rid, 3)] and await store.woken("w2") == []
    await worker.commit(delta(run, entries=(entry(),), seen=2))
    assert await store.woken("w1") == [(run.rid, 3)]
    assert [news.wake for news in await store.news(run.rid, after=0)] == [3]
    await worker.commit(delta(run, HandBack()))
    (claimed,) = await worker.claim()
    assert list(claimed.history.news) == [told(3, "p3")]
    await worker.commit(delta(claimed.run, seen=3))
    assert await store.woken("w1") == [] and await store.news(run.rid, after=0) == []


async def test_nothing_is_lost_in_a_race_of_resolve_and_suspend(store: Store, worker: Hand) -> None:
    for n in range(50):
        run = await worker.started()
        suspend = worker.suspend(run)
        resolve = store.resolve(f"{run.id}/p", ok=True, value=b"v", at=NOW)
        await asyncio.gather(*((suspend, resolve) if n % 2 else (resolve, suspend)))
        if await status(store, run) is Status.QUEUED:
            run = await worker.claim_one()
        assert await store.news(run.rid, after=0) == [told(1)]
        assert await worker.suspend(run, seen=1) is Verdict.APPLIED
        assert await status(store, run) is Status.WAITING


async def test_a_blocked_run_keeps_its_news(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, Block(why=b"mend me")))
    assert await store.resolve(f"{run.id}/p", ok=True, value=b"v", at=NOW)
    blocked = await fresh(store, run)
    assert (blocked.status, blocked.error) == (Status.BLOCKED, b"mend me")
    await store.resume(run.id)
    (claimed,) = await worker.claim()
    assert list(claimed.history.news) == [told(1)]
