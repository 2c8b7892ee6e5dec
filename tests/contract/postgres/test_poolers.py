"""Through PgBouncer, by transactions: everything works but the listener, which goes past it or polls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from holdfast.records.delta import Verdict
from holdfast.records.run import Status
from holdfast.store.postgres import PostgresStore
from holdfast.store.transactions import WorkFailed
from tests.contract.making import MINUTE, NOW, Hand, child_of, delta, entry, finish, new_run, work
from tests.contract.stores import Place, PostgresPlace, output, process
from tests.postgres.pooler import Pooler

# PgBouncer comes with the system, where the project installs nothing; nothing could stand in for it.
pytestmark = pytest.mark.skipif(not Pooler.installed(), reason="PgBouncer is not installed: apt-get install pgbouncer")


@pytest.fixture
def pooler(place: Place) -> Iterator[Pooler]:
    with Pooler(place.url) as pooler:
        yield pooler


async def test_it_is_noticed_and_no_call_relies_on_its_session(pooler: Pooler) -> None:
    stores = [await PostgresStore.open(pooler.url) for _ in range(3)]
    hands = [await Hand.hire(store, f"w{n}") for n, store in enumerate(stores)]
    await stores[0].start([new_run(f"r{n}") for n in range(30)])
    owned = [[claimed.run for claimed in await hand.claim(10)] for hand in hands]

    async def commit(n: int) -> None:
        for number in range(1, 10):
            batch = [delta(run, entries=(entry(number),)) for run in owned[n]]
            assert await hands[n].commit(*batch) == [Verdict.APPLIED] * 10
            assert await stores[n].resolve(f"{owned[n][0].id}/{number}", ok=True, value=b"\0", at=NOW)
        child = child_of(owned[n][0], f"child-{n}")
        await hands[n].commit(delta(owned[n][0], children=(child,)))
        await hands[n].commit(*(delta(run, finish()) for run in owned[n]))

    await asyncio.gather(*(commit(n) for n in range(3)))
    assert await stores[0].count() == {Status.SUCCEEDED: 30, Status.CANCELLED: 3}
    assert {len(await stores[0].journal(f"r{n}")) for n in range(30)} == {9}
    for hand in hands:
        keeper = hand.store.keeper(hand.id, ttl=MINUTE)
        assert await asyncio.to_thread(keeper.renew)
        keeper.close()
        await hand.store.close()


async def test_transactional_steps_go_through_it(place: PostgresPlace, pooler: Pooler) -> None:
    store = await PostgresStore.open(pooler.url)
    run = await (await Hand.hire(store, "w1")).started()
    await store.transact("w1", work(run, place.bookings.booking(1), key="makes the table"))
    wanted = [work(run, place.bookings.booking(n), key=f"k{n}") for n in range(2, 12)]
    await asyncio.gather(*(store.transact("w1", one) for one in wanted))
    with pytest.raises(WorkFailed):
        await store.transact("w1", work(run, place.bookings.booking(-1)))
    assert sorted(await place.bookings.booked(store)) == list(range(1, 12))
    await store.close()


START = """
async def main():
    store = await open_url(url)
    await store.start([new_run()])
    await store.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("direct", [False, True])
async def test_changes_are_found_by_polling_or_heard_past_it(place: Place, pooler: Pooler, direct: bool) -> None:
    past = place.url.partition("@")[2].partition("/")[0]
    store = await PostgresStore.open(pooler.url + (f"&direct={past}" if direct else ""))
    watch = store.watch()
    starter = process(pooler.url, START)
    async with asyncio.timeout(60):
        while not await store.count():
            await watch.wait(3600)
    watch.close()
    await asyncio.to_thread(output, starter)
    await store.close()
