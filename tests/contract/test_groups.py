"""Groups: so many at a time, counted once each, and the parent told as it asked."""

from __future__ import annotations

from holdfast.records.journal import EndedChild, Op
from holdfast.records.run import Run, Status
from holdfast.store.base import Store
from tests.contract.making import MINUTE, NOW, Hand, child_of, delta, finish, fresh, group, item, new_run, status


def members(parent: Run, count: int, *, limit: int, first: int = 0) -> tuple[object, ...]:
    return tuple(
        child_of(parent, f"m{n}", map=7, ord=n, branch=700 + n, held=n >= limit) for n in range(first, first + count)
    )


async def parent_of(worker: Hand, count: int, *, limit: int, **terms: object) -> Run:
    parent = await worker.started()
    terms = {"total": count, "limit": limit, **terms}
    await worker.commit(delta(parent, groups=(group(**terms),), children=members(parent, count, limit=limit)))
    return parent


async def end(worker: Hand, run: Run, ending: Status = Status.SUCCEEDED, value: bytes = b"done") -> None:
    await worker.commit(delta(run, finish(ending, value)))


async def woken(store: Store, parent: Run) -> list[tuple[Op, str, bool]]:
    return [(news.op, news.key, news.ok) for news in await store.news(parent.rid, after=0)]


async def test_no_more_run_at_once_than_the_limit(store: Store, worker: Hand) -> None:
    await parent_of(worker, 5, limit=2)
    running = [claimed.run for claimed in await worker.claim()]
    assert [run.id for run in running] == ["m0", "m1"]
    ended = []
    while running:
        run = running.pop(0)
        await end(worker, run)
        ended.append(run.id)
        running += [claimed.run for claimed in await worker.claim()]
        assert len(running) <= 2
    assert ended == ["m0", "m1", "m2", "m3", "m4"]


async def test_the_parent_is_told_when_all_have_ended(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 3, limit=3)
    first, second, third = (claimed.run for claimed in await worker.claim())
    await end(worker, first)
    await end(worker, second, Status.FAILED)
    assert await woken(store, parent) == []
    await end(worker, third)
    assert await woken(store, parent) == [(Op.MAP, "map:adjust#1", True)]
    history = await store.load(parent.rid)
    assert history.groups[7].done == 3 and history.groups[7].total == 3


async def test_a_streaming_parent_is_told_of_each(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 2, limit=2, every=True)
    for claimed in await worker.claim():
        await end(worker, claimed.run)
    assert await woken(store, parent) == [(Op.MAP, "map:adjust#1", True)] * 2


async def test_a_suspended_parent_that_streams_is_woken_for_every_sixteenth_of_its_children(
    store: Store, worker: Hand
) -> None:
    parent = await parent_of(worker, 64, limit=64, every=True)
    await worker.suspend(parent, seen=0)
    ends = [claimed.run for claimed in await worker.claim()]
    for run in ends[:3]:
        await end(worker, run)
    assert await woken(store, parent) == [] and await status(store, parent) is Status.WAITING
    await end(worker, ends[3])
    assert await woken(store, parent) == [(Op.MAP, "map:adjust#1", True)]
    await end(worker, ends[4])  # it has been woken, and will read them all
    assert len(await woken(store, parent)) == 1
    assert len(await store.ended_children(parent.rid, 7)) == 5


async def test_ends_that_come_slowly_wake_it_after_a_while(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 64, limit=64, every=True)
    await worker.suspend(parent, wake_at=NOW + MINUTE, seen=0)
    await end(worker, await worker.claim_one())
    waiting = await fresh(store, parent)
    assert waiting.status is Status.WAITING and waiting.wake_at == NOW + 640_000
    claimed = await worker.claim(now=NOW + 640_000)
    assert parent.id in {one.run.id for one in claimed}


async def test_a_parent_may_be_told_of_a_failure_at_once(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 3, limit=3, first_failure=True)
    first, second, _ = (claimed.run for claimed in await worker.claim())
    await end(worker, first)
    assert await woken(store, parent) == []
    await end(worker, second, Status.FAILED)
    assert await woken(store, parent) == [(Op.MAP, "map:adjust#1", False)]


async def test_a_total_that_is_reached_before_it_is_known_is_news(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, groups=(group(total=None),), children=members(parent, 2, limit=9)))
    for claimed in await worker.claim():
        await end(worker, claimed.run)
    assert await woken(store, parent) == []
    await worker.commit(delta(parent, groups=(group(total=2),)))
    assert await woken(store, parent) == [(Op.MAP, "map:adjust#1", True)]
    await worker.commit(delta(parent, groups=(group(total=2),)))  # once
    assert len(await woken(store, parent)) == 1


async def test_a_slot_freed_before_the_next_children_come_is_not_lost(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, groups=(group(limit=1),), children=members(parent, 1, limit=1)))
    await end(worker, await worker.claim_one())
    await worker.commit(delta(parent, children=members(parent, 2, limit=1, first=1)))
    assert [claimed.run.id for claimed in await worker.claim()] == ["m1"]


async def test_a_higher_limit_releases_more(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 4, limit=1)
    await worker.commit(delta(parent, groups=(group(total=4, limit=3),)))
    assert {claimed.run.id for claimed in await worker.claim()} == {"m0", "m1", "m2"}


async def test_ended_children_are_listed_in_their_order_until_they_have_items(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 3, limit=3)
    runs = [claimed.run for claimed in await worker.claim()]
    await end(worker, runs[2], value=b"two")
    await end(worker, runs[0], Status.FAILED, b"zero")
    two, zero = EndedChild(ord=2, branch=702, ok=True), EndedChild(ord=0, branch=700, ok=False)
    assert await store.ended_children(parent.rid, 7) == [two, zero]
    await worker.commit(delta(parent, items=(item(2, 1, value=None),)))
    assert await store.ended_children(parent.rid, 7) == [zero]
    await worker.commit(delta(parent, items=(item(0, 2, value=None, ok=False),)))
    assert store.item_values(parent.rid, 7, [0, 2]) == [b"zero", b"two"]


async def test_a_cancelled_member_counts_and_makes_room(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 3, limit=1)
    await store.cancel("m2", reason="no need", at=1)  # it was held: it has no slot to give
    await store.cancel("m0", reason="no need", at=1)
    assert [claimed.run.id for claimed in await worker.claim()] == ["m1"]
    assert (await store.load(parent.rid)).groups[7].done == 2


async def test_ten_thousand_members_cost_their_parent_one_wake(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 10_000, limit=500)
    assert len(await worker.claim(20_000)) == 500
    await worker.commit(delta(parent, finish()))
    assert await store.count() == {Status.SUCCEEDED: 1, Status.CANCELLED: 9_500, Status.RUNNING: 500}


async def test_a_parent_can_cancel_a_whole_map(store: Store, worker: Hand) -> None:
    parent = await parent_of(worker, 4, limit=2)
    busy = await worker.claim_one()
    await store.start([new_run("bystander", parent=child_of(parent).parent)])
    await worker.commit(delta(parent, cancel_groups=(7,)))
    assert {await status(store, f"m{n}") for n in (1, 2, 3)} == {Status.CANCELLED}
    assert [news.op for news in await store.news(busy.rid, after=0)] == [Op.RUN]
    assert await status(store, "bystander") is Status.QUEUED
